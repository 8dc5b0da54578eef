/** What came of a plan: what to start and what it costs, every mode side by side, how near the edge it is, on what it rests. */
import type { PlanBody, RatedBody } from "@protocol";
import type { JSX } from "preact";
import { formatMs, formatNumber, formatShare } from "../../lib/format.ts";
import { colourOf, LoadCurves, ScaleCurve } from "./curves.tsx";
import { FleetDrawing, placementText } from "./fleet.tsx";
import { rankedModes, type ModeRun, type PlanRun } from "./run.ts";

/** A multiple for people: "1.25×". */
const times = (factor: number): string => `${Number(factor.toPrecision(3))}×`;

/** The result so far. */
export function PlanResult({ run, attain }: { readonly run: PlanRun; readonly attain: number }): JSX.Element {
  const { plan } = run;
  return (
    <>
      {plan === null ? (
        <Sofar run={run} />
      ) : plan.chosen === null ? (
        <Nothing plan={plan} />
      ) : (
        <Chosen plan={plan} chosen={plan.chosen} />
      )}
      <section class="card stack" aria-label="Attained over load">
        <h2>Attained over load</h2>
        <LoadCurves run={run} attain={attain} />
        <ModeTable run={run} />
      </section>
      {plan?.sensitivity === null || plan === null ? null : (
        <Edge plan={plan} sensitivity={plan.sensitivity} attain={attain} />
      )}
      {plan === null ? null : <Basis plan={plan} run={run} />}
    </>
  );
}

/** While nothing is chosen yet: the cheapest that is known. */
function Sofar({ run }: { readonly run: PlanRun }): JSX.Element | null {
  const [first] = rankedModes(run);
  if (first === undefined || first.attains !== true || first.best === null) return null;
  return (
    <section class="card pl-chosen" aria-label="The cheapest so far">
      <Headline title="The cheapest so far" rated={first.best} />
      <FleetDrawing placement={first.best.placement} />
    </section>
  );
}

function Chosen({ plan, chosen }: { readonly plan: PlanBody; readonly chosen: RatedBody }): JSX.Element {
  return (
    <section class="card pl-chosen" aria-label="The cheapest that attains">
      <Headline title="The cheapest that attains" rated={chosen} />
      <FleetDrawing placement={chosen.placement} />
      {plan.sensitivity === null ? null : (
        <p class="soft">
          It attains up to {times(plan.sensitivity.mostLoad)} the rate
          {plan.sensitivity.tightestSlo === null
            ? ""
            : `, and with targets down to ${times(plan.sensitivity.tightestSlo)}`}
          .
        </p>
      )}
    </section>
  );
}

function Headline({ title, rated }: { readonly title: string; readonly rated: RatedBody }): JSX.Element {
  const { placement, point } = rated;
  return (
    <>
      <div class="pl-headline">
        <div>
          <p class="soft small">{title}</p>
          <h2>
            {placement.mode}: {placementText(placement)}
          </h2>
        </div>
        <p class="pl-cost numbers">
          {formatNumber(placement.pricePerHour)}
          <span class="soft"> an hour</span>
        </p>
      </div>
      <dl class="pl-figures numbers">
        <Figure name="attained" value={formatShare(point.share)} />
        <Figure name="TTFT P90" value={formatMs(point.ttftP90Ms)} />
        <Figure name="TPOT P90" value={formatMs(point.tpotP90Ms)} />
        <Figure name="busy" value={formatShare(point.utilization)} />
        <Figure name={placement.devices === 1 ? "device" : "devices"} value={String(placement.devices)} />
      </dl>
    </>
  );
}

/** One figure with its name. */
export function Figure({ name, value }: { readonly name: string; readonly value: string }): JSX.Element {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Nothing({ plan }: { readonly plan: PlanBody }): JSX.Element {
  const [nearest] = plan.nearest;
  return (
    <section class="card pl-chosen" aria-label="Nothing attains">
      <h2>Nothing attains this.</h2>
      <p class="soft">These come nearest, with all the devices there are:</p>
      <ul class="pl-near">
        {plan.nearest.map(({ placement, point, mostLoad, tightestSlo }) => (
          <li key={placement.name}>
            <strong>{placement.mode}</strong>, {placementText(placement)}, attains {formatShare(point.share)} of{" "}
            {formatShare(plan.attain)}; {wouldText(mostLoad, tightestSlo)}.
          </li>
        ))}
      </ul>
      {nearest === undefined ? null : <FleetDrawing placement={nearest.placement} />}
    </section>
  );
}

/** What it would take, of what was tried. */
function wouldText(mostLoad: number, tightestSlo: number | null): string {
  const targets = tightestSlo === null ? null : `with ${times(tightestSlo)} the targets`;
  if (mostLoad > 0) return `it would at ${times(mostLoad)} the rate${targets === null ? "" : `, or ${targets}`}`;
  return targets === null ? "neither less load nor wider targets help" : `less load does not help, it would ${targets}`;
}

function ModeTable({ run }: { readonly run: PlanRun }): JSX.Element {
  return (
    <div class="table-scroll">
      <table class="table pl-table">
        <caption class="unseen">Every mode</caption>
        <thead>
          <tr>
            <th scope="col">Mode</th>
            <th scope="col" class="number">
              An hour
            </th>
            <th scope="col" class="number">
              Attained
            </th>
            <th scope="col" class="number minor">
              TTFT P90
            </th>
            <th scope="col" class="number minor">
              TPOT P90
            </th>
            <th scope="col" class="number minor">
              Busy
            </th>
            <th scope="col" class="minor">
              Placement
            </th>
          </tr>
        </thead>
        <tbody>
          {rankedModes(run).map((mode) => (
            <ModeRow key={mode.mode} mode={mode} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ModeRow({ mode: { mode, best, attains } }: { readonly mode: ModeRun }): JSX.Element {
  const name = (
    <th scope="row">
      <span class={`pl-swatch pl-colour-${colourOf(mode)}`} aria-hidden="true" />
      {mode}
      {best === null ? null : <span class="pl-under soft">{placementText(best.placement)}</span>}
    </th>
  );
  if (best === null) {
    return (
      <tr>
        {name}
        <td colSpan={6} class="soft">
          {attains === false ? "does not attain" : "…"}
        </td>
      </tr>
    );
  }
  const { placement, point } = best;
  return (
    <tr class={attains === true ? "" : "pl-falls"}>
      {name}
      <td class="number">{formatNumber(placement.pricePerHour)}</td>
      <td class="number">
        {formatShare(point.share)}
        {attains === true ? null : <span class="pl-below">below</span>}
      </td>
      <td class="number minor">{formatMs(point.ttftP90Ms)}</td>
      <td class="number minor">{formatMs(point.tpotP90Ms)}</td>
      <td class="number minor">{formatShare(point.utilization)}</td>
      <td class="pl-placement minor">{placementText(placement)}</td>
    </tr>
  );
}

function Edge(props: {
  readonly plan: PlanBody;
  readonly sensitivity: NonNullable<PlanBody["sensitivity"]>;
  readonly attain: number;
}): JSX.Element {
  const { plan, sensitivity, attain } = props;
  const first = plan.chosen ?? plan.nearest[0] ?? null;
  return (
    <section class="card stack" aria-label="How near the edge">
      <h2>How near the edge</h2>
      {plan.replans.length === 0 ? null : (
        <ul class="pl-replans">
          {plan.replans.map(({ load, placement }) => (
            <li key={load}>
              At {times(load)} the rate{" "}
              {placement === null ? (
                "nothing attains."
              ) : (
                <>
                  the cheapest is {placement.mode}, {placementText(placement)}, for{" "}
                  {formatNumber(placement.pricePerHour)} an hour.
                </>
              )}
            </li>
          ))}
        </ul>
      )}
      <ScaleCurve
        points={sensitivity.slo}
        attain={attain}
        colour={first === null ? 0 : colourOf(first.placement.mode)}
      />
    </section>
  );
}

function Basis({ plan, run }: { readonly plan: PlanBody; readonly run: PlanRun }): JSX.Element {
  return (
    <section class="stack pl-basis" aria-label="What it rests on">
      <h2>What it rests on</h2>
      <ul>
        {plan.costs.map(({ basis, fitError }) => (
          <li key={basis}>
            Costs: {basis};{" "}
            {fitError === null ? "its error is not known" : `mean error ${formatShare(fitError)} in the worse phase`}.
          </li>
        ))}
        <li>
          {plan.trace.source}: {formatNumber(plan.trace.requests)} requests, {formatNumber(plan.trace.ratePerSecond)} a
          second
          {run.note === null ? "" : `; ${run.note}`}.
        </li>
        <li class="numbers">
          {formatNumber(plan.simulations)} simulations in {formatNumber(run.seconds)} s. Everything is simulated;
          nothing is extrapolated.
        </li>
      </ul>
    </section>
  );
}
