/** A claim, whole: verdict, against what, on which machine, how to repeat it, every measured line and its curve. */
import type { JSX } from "preact";
import { IconButton } from "../../ui/button.tsx";
import { formatSpan } from "../../lib/format.ts";
import { toast } from "../../ui/toast.tsx";
import { Curve } from "./curve.tsx";
import { StateMark } from "./mark.tsx";
import { figure, lineState, linesOf, stripOf, targetText, type Claim } from "./rows.ts";

type Line = Claim["measured"][number];

/** The claim. */
export function ClaimView({ claim }: { readonly claim: Claim }): JSX.Element {
  const lines = linesOf(claim);
  const curves = lines.filter(({ curve }) => curve !== undefined && curve.length > 0);
  return (
    <article class="pp-claim" aria-label={`Claim ${claim.id}`}>
      <header class="pp-claim-head">
        <h2>{claim.headline}</h2>
        <StateMark state={claim.state} />
      </header>
      <Facts claim={claim} />
      {lines.length === 0 ? (
        <p class="soft">It is built, and has not been measured yet.</p>
      ) : (
        <section class="stack" aria-label="What was measured">
          <h3>What was measured</h3>
          <Lines lines={lines} />
          <p class="small soft">
            A ratio above 1 is an improvement. The bar is the 95 % interval, the upright stroke the target; a line holds
            when its whole interval is on the target's side.
          </p>
        </section>
      )}
      {curves.length === 0 ? null : (
        <section class="stack" aria-label="Curves">
          <h3>Curves</h3>
          <div class="pp-curves">
            {curves.map((line, i) => (
              <Curve key={i} metric={line.metric} points={line.curve!} />
            ))}
          </div>
        </section>
      )}
    </article>
  );
}

function Facts({ claim }: { readonly claim: Claim }): JSX.Element {
  const { machine, mode, seconds } = claim;
  const run = mode === null ? "not yet" : `${mode} run, ${formatSpan((seconds ?? 0) * 1000)}`;
  return (
    <dl class="pp-facts">
      <dt>Against</dt>
      <dd>{claim.baseline}</dd>
      <dt>Targets</dt>
      <dd>{claim.targets}</dd>
      <dt>Source</dt>
      <dd>{claim.source}</dd>
      <dt>Measured</dt>
      <dd>
        {run}
        {machine === null ? null : (
          <span class="soft">
            {" "}
            on {machine.cores} cores {machine.cpu}, {machine.memory_gib} GiB, {machine.os}, Node {machine.node}, ONNX
            Runtime {machine.ort}
            {machine.flags.length === 0 ? "" : ` (${machine.flags.join(", ")})`}
          </span>
        )}
      </dd>
      <dt>Repeat</dt>
      <dd class="pp-repeat">
        <code>{claim.repeat}</code>
        <IconButton icon="copy" label="Copy the command" isSmall onClick={() => void copy(claim.repeat)} />
      </dd>
    </dl>
  );
}

async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser did not let this page copy.", { isBad: true });
  }
}

const HEADINGS = ["Metric", "Ours", "Baseline", "Ratio", "Target", "95 % interval", "Paper", "Verdict"] as const;

function Lines({ lines }: { readonly lines: readonly Line[] }): JSX.Element {
  return (
    <table class="pp-lines">
      <caption class="unseen">Measured lines</caption>
      <thead>
        <tr>
          {HEADINGS.map((heading, i) => (
            <th key={heading} scope="col" class={i > 0 && i < 5 ? "number" : ""}>
              {heading}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {lines.map((line, i) => (
          <LineRow key={i} line={line} />
        ))}
      </tbody>
    </table>
  );
}

function LineRow({ line }: { readonly line: Line }): JSX.Element {
  const { metric, unit, ours, baseline, ratio, kind, note, paper_says: paper, interval95: interval } = line;
  return (
    <tr>
      <th scope="row">
        {metric}
        <span class="pp-note">
          <span class="pp-kind">{kind}</span>
          {note}
        </span>
      </th>
      <Cell name="Ours">{`${figure(ours)} ${unit}`}</Cell>
      <Cell name="Baseline">{baseline === null ? null : `${figure(baseline)} ${unit}`}</Cell>
      <Cell name="Ratio">{ratio === null ? null : `${figure(ratio)}×`}</Cell>
      <Cell name="Target">{targetText(line)}</Cell>
      <td data-name="95 % interval" class={interval === null ? "pp-none" : "pp-interval"}>
        <IntervalStrip line={line} />
        {interval === null ? "–" : `${figure(interval[0])} … ${figure(interval[1])}`}
      </td>
      <td data-name="Paper" class={paper === null ? "pp-none" : ""}>
        {paper ?? "–"}
      </td>
      <td data-name="Verdict">
        <StateMark state={lineState(line)} />
      </td>
    </tr>
  );
}

function Cell({ name, children }: { readonly name: string; readonly children: string | null }): JSX.Element {
  return (
    <td data-name={name} class={children === null ? "number pp-none" : "number"}>
      {children ?? "–"}
    </td>
  );
}

const WIDTH = 110;
const HEIGHT = 14;

function IntervalStrip({ line }: { readonly line: Line }): JSX.Element | null {
  const strip = stripOf(line);
  if (strip === null) return null;
  const x = (share: number): number => share * WIDTH;
  const middle = HEIGHT / 2;
  return (
    <svg class={`pp-strip pp-strip-${lineState(line)}`} width={WIDTH} height={HEIGHT} aria-hidden="true">
      <line class="pp-strip-base" x1={0} x2={WIDTH} y1={middle} y2={middle} />
      {strip.even === null ? null : <line class="pp-strip-even" x1={x(strip.even)} x2={x(strip.even)} y1={3} y2={11} />}
      <line class="pp-strip-range" x1={x(strip.low)} x2={x(strip.high)} y1={middle} y2={middle} />
      <circle class="pp-strip-at" cx={x(strip.at)} cy={middle} r={3} />
      {strip.target === null ? null : (
        <line class="pp-strip-target" x1={x(strip.target)} x2={x(strip.target)} y1={0} y2={HEIGHT} />
      )}
    </svg>
  );
}
