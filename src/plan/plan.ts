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
  /** A curve for every mode: of one that does not attain, that of its best placement with all devices. */
  readonly everyMode?: boolean;
  /** Hears of what is found as it is found. */
  readonly observer?: PlanObserver;
}

/** What a plan works on, in this order; `near` only for modes that do not attain. */
export type PlanStage = "search" | "near" | "curves" | "sensitivity" | "replans";

/** Hears of a plan while it is made. */
export interface PlanObserver {
  stage?(stage: PlanStage): void;
  /** The cheapest of a mode that attains, or null. */
  found?(mode: PlacementMode, cheapest: RatedPlacement | null): void;
  /** The best of a mode that does not attain. */
  near?(placement: RatedPlacement): void;
  /** One point of a curve. */
  point?(placement: Placement, point: PlanPoint): void;
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
  /** With `everyMode`, when something attains: the best of each mode that does not, best first. */
  readonly others: readonly RatedPlacement[];
  /** Of the chosen or nearest placement and of the runners-up; with `everyMode` of all modes. */
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
  const { everyMode = false, observer } = options;
  observer?.stage?.("search");
  const attaining = await cheapestOfModes(evaluator, space, (mode, found) => observer?.found?.(mode, found));
  const [chosen = null, ...runnersUp] = attaining;
  if (attaining.length < modes.length && (everyMode || chosen === null)) observer?.stage?.("near");
  const nearest = chosen === null ? await nearOf(evaluator, space, observer) : [];
  const others = everyMode && chosen !== null ? await othersOf(evaluator, space, attaining, observer) : [];
  const first = chosen ?? nearest[0] ?? null;
  const drawn = everyMode ? [...attaining, ...nearest, ...others] : first === null ? [] : [first, ...runnersUp];
  const { name, source, blockTokens, requests } = options.trace;
  return {
    trace: { name, source, blockTokens, requests: requests.length, ratePerSecond: evaluator.ratePerSecond },
    objective: options.objective,
    chosen,
    runnersUp,
    nearest,
    others,
    curves: await curvesOf(evaluator, drawn, options),
    sensitivity: first === null ? null : await sensitivityOf(evaluator, first.placement, options),
    replans: chosen === null ? [] : await replansOf(evaluator, space, options),
    costs: basesOf(space),
    simulations: evaluator.simulations,
  };
}

/** The cheapest of each mode, cheapest first; of equal prices the one that attains more. */
export async function cheapestOfModes(
  evaluator: Evaluator,
  space: SearchSpace,
  onMode?: (mode: PlacementMode, cheapest: RatedPlacement | null) => void,
): Promise<RatedPlacement[]> {
  const found: RatedPlacement[] = [];
  for (const mode of space.modes) {
    const placement = await cheapestOf(mode, evaluator, space);
    const cheapest = placement === null ? null : await rated(evaluator, placement);
    if (cheapest !== null) found.push(cheapest);
    onMode?.(mode, cheapest);
  }
  return found.sort((a, b) => a.pricePerHour - b.pricePerHour || b.point.share - a.point.share);
}

/** One load of all placements after the other, so that curves grow side by side. */
async function curvesOf(
  evaluator: Evaluator,
  drawn: readonly RatedPlacement[],
  { loads = LOADS, observer }: PlanOptions,
): Promise<AttainmentCurve[]> {
  observer?.stage?.("curves");
  const curves = drawn.map(({ placement }) => ({ placement, points: [] as PlanPoint[] }));
  for (const load of loads) {
    for (const { placement, points } of curves) {
      const point = await evaluator.point(placement, { load, whole: true });
      points.push(point);
      observer?.point?.(placement, point);
    }
  }
  return curves;
}

async function othersOf(
  evaluator: Evaluator,
  space: SearchSpace,
  attaining: readonly RatedPlacement[],
  observer?: PlanObserver,
): Promise<RatedPlacement[]> {
  const modes = space.modes.filter((mode) => !attaining.some(({ placement }) => placement.kind === mode));
  const others: RatedPlacement[] = [];
  for (const placement of await nearestPlacements(evaluator, { ...space, modes })) {
    const one = await rated(evaluator, placement);
    others.push(one);
    observer?.near?.(one);
  }
  return others.sort((a, b) => b.point.share - a.point.share);
}

async function rated(evaluator: Evaluator, placement: Placement): Promise<RatedPlacement> {
  const point = await evaluator.point(placement, { whole: true });
  return { placement, devices: devicesOf(placement), pricePerHour: pricePerHourOf(placement), point };
}

async function nearOf(evaluator: Evaluator, space: SearchSpace, observer?: PlanObserver): Promise<NearPlacement[]> {
  const near: NearPlacement[] = [];
  for (const placement of await nearestPlacements(evaluator, space)) {
    const { load } = await goodputOf(evaluator, placement, { tolerance: 0.05 });
    const scale = await tightestSlo(evaluator, placement, { tolerance: 0.05 });
    const one = { ...(await rated(evaluator, placement)), mostLoad: load, tightestSlo: scale };
    near.push(one);
    observer?.near?.(one);
  }
  return near.sort((a, b) => b.point.share - a.point.share);
}

async function sensitivityOf(evaluator: Evaluator, placement: Placement, options: PlanOptions): Promise<Sensitivity> {
  options.observer?.stage?.("sensitivity");
  const { load } = await goodputOf(evaluator, placement, { tolerance: 0.05 });
  const tightest = await tightestSlo(evaluator, placement, { tolerance: 0.05 });
  const slo: PlanPoint[] = [];
  for (const sloScale of options.sloScales ?? SLO_SCALES) {
    slo.push(await evaluator.point(placement, { sloScale, whole: true }));
  }
  return { mostLoad: load, tightestSlo: tightest, slo };
}

/** The whole search at another load. */
async function replansOf(evaluator: Evaluator, space: SearchSpace, options: PlanOptions): Promise<Plan["replans"]> {
  const replans: { load: number; placement: Placement | null }[] = [];
  options.observer?.stage?.("replans");
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
