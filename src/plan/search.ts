/**
 * The cheapest placement of each mode that attains at the trace's rate.
 *
 * What is passed over without a simulation, and why that cannot lose the cheapest one:
 *   - a choice on which too few requests would meet their targets even alone: company makes no step shorter
 *   - more instances than a cheaper placement of the same mode needs: more of them cost more
 *   - fewer instances than attain: taking one away lets nobody attain who did not (monotony; the one assumption)
 *
 * Modes of one kind of instance are bisected over their number. With x prefill and y decode instances, the least x (with
 * all the y that fit) and the least y are bisected; what is left is tried in order of price.
 */
import type { Evaluator } from "./evaluator.ts";
import { loneShares } from "./lone.ts";
import { devicesOfChoice, pricePerHourOf, priceOfChoice } from "./placement.ts";
import type { DeviceChoice, Placement, PlacementMode, PlanPoint } from "./types.ts";

/** What may be placed. */
export interface SearchSpace {
  readonly choices: readonly DeviceChoice[];
  readonly modes: readonly PlacementMode[];
  /** Of all instances together, both included. */
  readonly devices: readonly [least: number, most: number];
  /** Steps of chunked instances; 512 and 2048 when absent. */
  readonly stepTokens?: readonly number[];
}

/** A placement that was simulated, and what it costs. */
export interface RatedPlacement {
  readonly placement: Placement;
  readonly devices: number;
  readonly pricePerHour: number;
  readonly point: PlanPoint;
}

const STEP_TOKENS: readonly number[] = [512, 2048];

/** A kind of instance that a mode has so many of. */
interface Single {
  readonly on: DeviceChoice;
  readonly at: (instances: number) => Placement;
}

/** The cheapest placement of the mode that attains, or null. */
export async function cheapestOf(
  mode: PlacementMode,
  evaluator: Evaluator,
  space: SearchSpace,
): Promise<Placement | null> {
  return mode === "disaggregated" ? cheapestPair(evaluator, space) : cheapestSingle(mode, evaluator, space);
}

async function cheapestSingle(
  mode: Exclude<PlacementMode, "disaggregated">,
  evaluator: Evaluator,
  space: SearchSpace,
): Promise<Placement | null> {
  let best: Placement | null = null;
  for (const { on, at } of singlesOf(mode, space)) {
    if (loneShares(evaluator, on).both < evaluator.objective.attain) continue;
    const devices = devicesOfChoice(on);
    const least = Math.max(1, Math.ceil(space.devices[0] / devices));
    const affordable = best === null ? Infinity : below(pricePerHourOf(best) / priceOfChoice(on));
    const most = Math.min(Math.floor(space.devices[1] / devices), affordable);
    const instances = await smallest(least, most, (count) => evaluator.attains(at(count)));
    if (instances !== null) best = at(instances);
  }
  return best;
}

/** Every kind of instance of a mode, fewest devices first. */
export function singlesOf(mode: Exclude<PlacementMode, "disaggregated">, space: SearchSpace): Single[] {
  const { stepTokens = STEP_TOKENS } = space;
  const choices = space.choices.toSorted((a, b) => priceOfChoice(a) - priceOfChoice(b));
  return choices.flatMap((on): Single[] => {
    switch (mode) {
      case "colocated":
        return [{ on, at: (instances) => ({ kind: "colocated", on, instances }) }];
      case "chunked":
        return stepTokens.map((tokens) => ({
          on,
          at: (instances) => ({ kind: "chunked", on, instances, stepTokens: tokens }),
        }));
      case "semi-pd":
        // Two workers share one device's compute; over the stages of a pipeline nobody has tried.
        return on.pipeline > 1 ? [] : [{ on, at: (instances) => ({ kind: "semi-pd", on, instances }) }];
      default:
        return mode satisfies never;
    }
  });
}

/** Two choices that hand over to each other: on one kind of device. */
export function pairsOf({ choices }: SearchSpace): readonly (readonly [prefill: DeviceChoice, decode: DeviceChoice])[] {
  const pairs = choices.flatMap((prefill) =>
    choices.filter(({ gpu }) => gpu === prefill.gpu).map((decode) => [prefill, decode] as const),
  );
  const price = ([prefill, decode]: (typeof pairs)[number]): number => priceOfChoice(prefill) + priceOfChoice(decode);
  return pairs.toSorted((a, b) => price(a) - price(b));
}

async function cheapestPair(evaluator: Evaluator, space: SearchSpace): Promise<Placement | null> {
  const { attain } = evaluator.objective;
  let best: Placement | null = null;
  for (const [prefill, decode] of pairsOf(space)) {
    if (loneShares(evaluator, prefill).ttft < attain || loneShares(evaluator, decode).tpot < attain) continue;
    const found = await cheapestSplit(
      evaluator,
      space,
      prefill,
      decode,
      best === null ? Infinity : pricePerHourOf(best),
    );
    if (found !== null) best = found;
  }
  return best;
}

/** The cheapest x : y below `limit` that attains. */
async function cheapestSplit(
  evaluator: Evaluator,
  { devices: [least, most] }: SearchSpace,
  prefill: DeviceChoice,
  decode: DeviceChoice,
  limit: number,
): Promise<Placement | null> {
  const [p, d] = [devicesOfChoice(prefill), devicesOfChoice(decode)];
  const price = (x: number, y: number): number => x * priceOfChoice(prefill) + y * priceOfChoice(decode);
  const at = (x: number, y: number): Placement => ({ kind: "disaggregated", prefill, prefills: x, decode, decodes: y });
  const [mostX, mostY] = [Math.floor((most - d) / p), Math.floor((most - p) / d)];
  if (mostX < 1 || mostY < 1 || price(1, 1) >= limit) return null;
  const leastX = await smallest(1, mostX, (x) => evaluator.attains(at(x, mostY)));
  if (leastX === null || price(leastX, 1) >= limit) return null;
  const leastY = await smallest(1, mostY, (y) => evaluator.attains(at(mostX, y)));
  if (leastY === null) return null;
  const splits: (readonly [x: number, y: number])[] = [];
  for (let x = leastX; x <= mostX; x++) {
    for (let y = leastY; y <= mostY; y++) {
      const devices = x * p + y * d;
      if (devices >= least && devices <= most && price(x, y) < limit) splits.push([x, y]);
    }
  }
  splits.sort((a, b) => price(...a) - price(...b) || a[0] - b[0]);
  const failed: (readonly [x: number, y: number])[] = [];
  for (const [x, y] of splits) {
    if (failed.some(([a, b]) => x <= a && y <= b)) continue;
    if (await evaluator.attains(at(x, y))) return at(x, y);
    failed.push([x, y]);
  }
  return null;
}

/** The smallest number in [low, high] at which a rising predicate holds, or null. */
export async function smallest(
  low: number,
  high: number,
  holds: (value: number) => Promise<boolean>,
): Promise<number | null> {
  if (high < low || !(await holds(high))) return null;
  let [from, to] = [low, high];
  while (from < to) {
    const middle = (from + to) >> 1;
    if (await holds(middle)) to = middle;
    else from = middle + 1;
  }
  return to;
}

/** The largest whole number below a value. */
const below = (value: number): number => Math.ceil(value - 1e-9) - 1;
