/**
 * The most that a placement bears: the highest load, or the tightest objective, at which it still attains. Bracketed by
 * doubling and then bisected in ratios; attainment is taken to fall with load and to rise with the scale of the targets.
 */
import type { Evaluator } from "./evaluator.ts";
import { devicesOf, pricePerHourOf } from "./placement.ts";
import type { Placement } from "./types.ts";

/** A placement's goodput: the rate up to which it attains. */
export interface Goodput {
  readonly placement: Placement;
  /** In multiples of the trace's rate; 0 when it attains at no load that was tried. */
  readonly load: number;
  readonly ratePerSecond: number;
  readonly perDevice: number;
  /** Requests per unit of currency; Infinity when devices are free. */
  readonly perPrice: number;
}

/** How exactly a boundary is found. */
export interface BoundaryOptions {
  /** Where to begin; 1 when absent. */
  readonly start?: number;
  /** Ratio between the bounds at the end, less 1; 0.02 when absent. */
  readonly tolerance?: number;
}

const TOLERANCE = 0.02;
/** A thousandth or a thousand times the start: beyond that nothing is asked any more. */
const MOST_DOUBLINGS = 10;

/** The highest load at which the placement attains. */
export async function goodputOf(
  evaluator: Evaluator,
  placement: Placement,
  options: BoundaryOptions = {},
): Promise<Goodput> {
  const load = await highest((value) => evaluator.attains(placement, { load: value }), options);
  const ratePerSecond = load * evaluator.ratePerSecond;
  return {
    placement,
    load,
    ratePerSecond,
    perDevice: ratePerSecond / devicesOf(placement),
    perPrice: (ratePerSecond * 3600) / pricePerHourOf(placement),
  };
}

/** The smallest factor on every target with which the placement attains; Infinity when none that was tried. */
export async function tightestSlo(
  evaluator: Evaluator,
  placement: Placement,
  { load = 1, ...options }: BoundaryOptions & { readonly load?: number } = {},
): Promise<number> {
  const inverse = await highest((value) => evaluator.attains(placement, { load, sloScale: 1 / value }), options);
  return 1 / inverse;
}

/** The largest value at which a falling predicate holds; 0 when it holds nowhere. */
export async function highest(
  holds: (value: number) => Promise<boolean>,
  { start = 1, tolerance = TOLERANCE }: BoundaryOptions,
): Promise<number> {
  let low = start;
  let high = start;
  if (await holds(start)) {
    for (let i = 0; ; i++) {
      high = low * 2;
      if (!(await holds(high))) break;
      low = high;
      if (i === MOST_DOUBLINGS) return low;
    }
  } else {
    for (let i = 0; ; i++) {
      low = high / 2;
      if (await holds(low)) break;
      high = low;
      if (i === MOST_DOUBLINGS) return 0;
    }
  }
  while (high / low > 1 + tolerance) {
    const middle = Math.sqrt(low * high);
    if (await holds(middle)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * The placement of the highest goodput per device, and that of every placement that could have been it. One that does not
 * attain at the best one's rate per device is passed over after that single simulation: it cannot be better.
 */
export async function bestPerDevice(
  evaluator: Evaluator,
  placements: readonly Placement[],
  options: BoundaryOptions = {},
): Promise<Goodput | null> {
  let best: Goodput | null = null;
  for (const placement of placements) {
    let start = options.start ?? 1;
    if (best !== null && best.load > 0) {
      start = (best.perDevice * devicesOf(placement)) / evaluator.ratePerSecond;
      if (!(await evaluator.attains(placement, { load: start }))) continue;
    }
    const goodput = await goodputOf(evaluator, placement, { ...options, start });
    if (best === null || goodput.perDevice > best.perDevice) best = goodput;
  }
  return best;
}
