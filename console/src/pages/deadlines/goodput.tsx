/** How each class of promise fared within the window. */
import type { JSX } from "preact";
import { formatNumber, formatShare } from "../../lib/format.ts";
import type { ClassGoodput } from "./live-model.ts";

/** The table; classes of which nothing ended stay, so that rows do not come and go. */
export function Goodput({
  rows,
  windowWords,
}: {
  readonly rows: readonly ClassGoodput[];
  readonly windowWords: string;
}): JSX.Element {
  return (
    <section class="dl-chart">
      <header>
        <h3>Goodput by class</h3>
        <span class="soft small">in {windowWords}</span>
      </header>
      <div class="table-scroll">
        <table class="table dl-goodput">
          <caption class="unseen">Promises kept and missed by class in {windowWords}</caption>
          <thead>
            <tr>
              <th scope="col">Class</th>
              <th scope="col">Kept</th>
              <th scope="col" class="number">
                Missed
              </th>
              <th scope="col" class="number minor">
                Tokens/s in time
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <Row key={row.class} row={row} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Row({ row }: { readonly row: ClassGoodput }): JSX.Element {
  const { attained, missed, share, tokensPerSecond } = row;
  const isEmpty = share === null;
  return (
    <tr class={isEmpty ? "soft" : undefined}>
      <th scope="row">{row.class}</th>
      <td>
        <span class="dl-share" aria-hidden="true">
          <i style={{ width: `${(share ?? 0) * 100}%` }} />
        </span>
        <span class="numbers">{isEmpty ? "–" : `${formatShare(share)} of ${formatNumber(attained + missed)}`}</span>
      </td>
      <td class="number">{isEmpty ? "–" : formatNumber(missed)}</td>
      <td class="number minor">{isEmpty ? "–" : formatNumber(Math.round(tokensPerSecond))}</td>
    </tr>
  );
}
