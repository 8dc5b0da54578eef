/**
 * A plan: the cheapest placement that attains an objective on a trace, what else would, how near the edge it stands, and
 * what all of that rests on. Everything is simulated; nothing is extrapolated.
 */
import type { TraceHead } from "../workload/index.ts";
import { goodputOf, tightestSlo } from "./boundary.ts";
import { Evaluator, type EvaluatorOptions } from "./evaluator.ts";
import { nearestPlacements } from "./nearest.ts";
import { devicesOf, pricePerHourOf } from "./placement.ts";
import { cheapestOf, type RatedPlacement, type SearchSpace } from "./search.ts";
import { PLACEMENT_MODES, type Objective, type Placement, type PlacementMode, type PlanPoint } from "./types.ts";

/** What to plan. */
export interface PlanOptions extends EvaluatorOptions, Omit<SearchSpace, "modes"> {
  /** All when absent. */
  readonly modes?: readonly PlacementMode[];
  /** Loads of the curve, in multiples of the trace's rate. */
  readonly loads?: readonly number[];
  /** Factors on all targets. */
  readonly sloScales?: readonly number[];
  /** Loads at which the whole search is repeated; 0.8 and 1.25 when absent. */
  readonly replanLoads?: readonly number[];
}

/** A placement's attainment over load, to the end of each simulation. */
export interface AttainmentCurve {
  readonly placement: Placement;
  readonly points: readonly PlanPoint[];
}

/** What a cost model rests on. */
export interface CostBasis {
  readonly basis: string;
  /** Null: nothing was fitted, so nobody knows. */
  readonly fitError: number | null;
}

/** The answer. */
export interface Plan {
  readonly trace: TraceHead & { readonly requests: number; readonly ratePerSecond: number };
  readonly objective: Objective;
  /** Null when nothing attains. */
  readonly chosen: RatedPlacement | null;
  /** The cheapest of each other mode that attains, cheapest first. */
  readonly runnersUp: readonly RatedPlacement[];
  /** When nothing attains: the best of each mode, best first, with the load and the scale at which it would. */
  readonly nearest: readonly NearPlacement[];
  /** Of the chosen or nearest placement and of the runners-up. */
  readonly curves: readonly AttainmentCurve[];
  /** Of the chosen or nearest placement; null when there is none. */
  readonly sensitivity: Sensitivity | null;
  /** The cheapest at other loads; null: nothing attains there. */
  readonly replans: readonly { readonly load: number; readonly placement: Placement | null }[];
  readonly costs: readonly CostBasis[];
  readonly simulations: number;
}

/** How near the edge a placement stands. */
export interface Sensitivity {
  /** Up to this multiple of the trace's rate it attains. */
  readonly mostLoad: number;
  /** Down to this multiple of all targets. */
  readonly tightestSlo: number;
  readonly slo: readonly PlanPoint[];
}

/** A placement that does not attain, and what it would take. */
export interface NearPlacement extends RatedPlacement {
  readonly mostLoad: number;
  readonly tightestSlo: number;
}

const LOADS: readonly number[] = [0.4, 0.6, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2];
const SLO_SCALES: readonly number[] = [0.6, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2];
const REPLAN_LOADS: readonly number[] = [0.8, 1.25];

/** See the head of this file. @throws PunctualError invalid_request, or cancelled by the signal. */
export async function plan(options: PlanOptions): Promise<Plan> {
  const evaluator = new Evaluator(options);
  const modes = PLACEMENT_MODES.filter((mode) => options.modes?.includes(mode) ?? true);
  const space: SearchSpace = { ...options, modes };
  const attaining = await cheapestOfModes(evaluator, space);
  const [chosen = null, ...runnersUp] = attaining;
  const nearest = chosen === null ? await nearOf(evaluator, space) : [];
  const first = chosen ?? nearest[0] ?? null;
  const curves: AttainmentCurve[] = [];
  for (const { placement } of first === null ? [] : [first, ...runnersUp]) {
    curves.push({ placement, points: await pointsOver(evaluator, placement, "load", options.loads ?? LOADS) });
  }
  const { name, source, blockTokens, requests } = options.trace;
  return {
    trace: { name, source, blockTokens, requests: requests.length, ratePerSecond: evaluator.ratePerSecond },
    objective: options.objective,
    chosen,
    runnersUp,
    nearest,
    curves,
    sensitivity: first === null ? null : await sensitivityOf(evaluator, first.placement, options),
    replans: chosen === null ? [] : await replansOf(evaluator, space, options),
    costs: basesOf(space),
    simulations: evaluator.simulations,
  };
}

/** The cheapest of each mode, cheapest first; of equal prices the one that attains more. */
export async function cheapestOfModes(evaluator: Evaluator, space: SearchSpace): Promise<RatedPlacement[]> {
  const found: RatedPlacement[] = [];
  for (const mode of space.modes) {
    const placement = await cheapestOf(mode, evaluator, space);
    if (placement !== null) found.push(await rated(evaluator, placement));
  }
  return found.sort((a, b) => a.pricePerHour - b.pricePerHour || b.point.share - a.point.share);
}

async function rated(evaluator: Evaluator, placement: Placement): Promise<RatedPlacement> {
  const point = await evaluator.point(placement, { whole: true });
  return { placement, devices: devicesOf(placement), pricePerHour: pricePerHourOf(placement), point };
}

async function nearOf(evaluator: Evaluator, space: SearchSpace): Promise<NearPlacement[]> {
  const near: NearPlacement[] = [];
  for (const placement of await nearestPlacements(evaluator, space)) {
    const { load } = await goodputOf(evaluator, placement, { tolerance: 0.05 });
    const scale = await tightestSlo(evaluator, placement, { tolerance: 0.05 });
    near.push({ ...(await rated(evaluator, placement)), mostLoad: load, tightestSlo: scale });
  }
  return near.sort((a, b) => b.point.share - a.point.share);
}

async function pointsOver(
  evaluator: Evaluator,
  placement: Placement,
  what: "load" | "sloScale",
  values: readonly number[],
): Promise<PlanPoint[]> {
  const points: PlanPoint[] = [];
  for (const value of values) points.push(await evaluator.point(placement, { [what]: value, whole: true }));
  return points;
}

async function sensitivityOf(evaluator: Evaluator, placement: Placement, options: PlanOptions): Promise<Sensitivity> {
  const { load } = await goodputOf(evaluator, placement, { tolerance: 0.05 });
  return {
    mostLoad: load,
    tightestSlo: await tightestSlo(evaluator, placement, { tolerance: 0.05 }),
    slo: await pointsOver(evaluator, placement, "sloScale", options.sloScales ?? SLO_SCALES),
  };
}

/** The whole search at another load. */
async function replansOf(evaluator: Evaluator, space: SearchSpace, options: PlanOptions): Promise<Plan["replans"]> {
  const replans: { load: number; placement: Placement | null }[] = [];
  for (const load of options.replanLoads ?? REPLAN_LOADS) {
    const [best] = await cheapestOfModes(evaluator.atLoad(load), space);
    replans.push({ load, placement: best?.placement ?? null });
  }
  return replans;
}

function basesOf({ choices }: SearchSpace): CostBasis[] {
  const byText = new Map(choices.map(({ basis, fitError }) => [basis, { basis, fitError }]));
  return [...byText.values()];
}
