/**
 * Costs fitted to measured steps: what a step's tokens cost as a rising line with bends, plus attention by its work.
 *
 *   stepMs = base(tokens) + perSquare * prefillSquares + perContext * decodeContext + perRow * rows
 *
 * `base` rises through knots at powers of two, as far as there is data; the other terms are straight. With two knots it
 * is the A + B * tokens + C * squares of the literature. All coefficients are at least 0. Least squares of the relative
 * error, steps far off the fit weigh less (Huber), and then one factor that makes all steps together last as long as
 * they did: sums are what a simulation predicts.
 */
import { fail, quantile } from "../../core/index.ts";
import type { CostModel, StepShape } from "../types.ts";
import { nonNegativeLeastSquares } from "./least-squares.ts";

/** A measured step. */
export interface StepPoint extends StepShape {
  readonly stepMs: number;
}

/** The coefficients, plain data. */
export interface FittedForm {
  /** Ascending token counts, at least two. */
  readonly knots: readonly number[];
  /** Milliseconds at each knot, never falling; straight on beyond the last. */
  readonly baseMs: readonly number[];
  readonly perSquareMs: number;
  readonly perContextMs: number;
  readonly perRowMs: number;
}

/** A fit and how far off it is, as shares of the measured time. */
export interface Fit {
  readonly form: FittedForm;
  readonly points: number;
  /** Mean and quantiles of |predicted - measured| / measured over the points. */
  readonly meanError: number;
  readonly medianError: number;
  readonly p90Error: number;
}

const HUBER_ROUNDS = 6;
/** Relative errors beyond this weigh less. */
const HUBER_DELTA = 0.1;
/** A few steps of many times their cost do not make all others dearer than this. */
const MOST_SCALE = 1.25;
/** A knot needs so many points between it and the one before. */
const POINTS_PER_KNOT = 4;

/** The cost model of a fit. */
export function fittedCost(name: string, form: FittedForm): CostModel {
  const { knots, baseMs, perSquareMs, perContextMs, perRowMs } = form;
  const last = knots.length - 1;
  const slope = (baseMs[last]! - baseMs[last - 1]!) / (knots[last]! - knots[last - 1]!);
  const base = (tokens: number): number => {
    if (tokens >= knots[last]!) return baseMs[last]! + slope * (tokens - knots[last]!);
    let k = 1;
    while (knots[k]! < tokens) k += 1;
    const share = Math.max(0, (tokens - knots[k - 1]!) / (knots[k]! - knots[k - 1]!));
    return baseMs[k - 1]! + (baseMs[k]! - baseMs[k - 1]!) * share;
  };
  return {
    name,
    stepMs: ({ tokens, rows, prefillSquares, decodeContext }) =>
      base(tokens) + perSquareMs * prefillSquares + perContextMs * decodeContext + perRowMs * rows,
  };
}

/**
 * @param linear two knots only.
 * @param keepSum the last factor; without it the fit is that of the typical step.
 * @throws PunctualError invalid_request when there are too few points to say anything.
 */
export function fitCost(points: readonly StepPoint[], { linear = false, keepSum = true } = {}): Fit {
  const usable = points.filter(({ tokens, stepMs }) => tokens >= 1 && stepMs > 0 && stepMs < Infinity);
  const knots = chooseKnots(usable, linear);
  if (knots.length < 2) {
    fail("invalid_request", `expected measured steps of different sizes, got ${usable.length}`, { param: "points" });
  }
  const rows = usable.map((point) => columnsOf(point, knots));
  const targets = usable.map(({ stepMs }) => stepMs);
  let weights = targets.map((ms) => 1 / (ms * ms));
  let x: number[] = [];
  for (let round = 0; round < HUBER_ROUNDS; round++) {
    x = nonNegativeLeastSquares(rows, targets, weights);
    weights = targets.map((ms, i) => {
      const off = Math.abs(dot(rows[i]!, x) / ms - 1);
      return (off <= HUBER_DELTA ? 1 : HUBER_DELTA / off) / (ms * ms);
    });
  }
  const predicted = rows.reduce((sum, row) => sum + dot(row, x), 0);
  const measured = targets.reduce((sum, ms) => sum + ms, 0);
  const scale = keepSum && predicted > 0 ? Math.min(MOST_SCALE, Math.max(1 / MOST_SCALE, measured / predicted)) : 1;
  const form = formOf(
    x.map((value) => value * scale),
    knots,
  );
  const errors = usable.map((point) => Math.abs(fittedCost("", form).stepMs(point) / point.stepMs - 1));
  return {
    form,
    points: usable.length,
    meanError: errors.reduce((sum, error) => sum + error, 0) / errors.length,
    medianError: quantile(errors, 0.5),
    p90Error: quantile(errors, 0.9),
  };
}

/** The smallest and largest step, and powers of two between where there is data on both sides. */
function chooseKnots(points: readonly StepPoint[], linear: boolean): number[] {
  const sizes = points.map(({ tokens }) => tokens).toSorted((a, b) => a - b);
  const [smallest = 0] = sizes;
  const largest = sizes.at(-1) ?? 0;
  if (largest <= smallest) return [];
  const knots = [smallest];
  for (let power = 1; !linear && power < largest; power *= 2) {
    if (power <= smallest) continue;
    const within = sizes.filter((size) => size > knots.at(-1)! && size <= power).length;
    const beyond = sizes.filter((size) => size > power).length;
    if (within >= POINTS_PER_KNOT && beyond >= POINTS_PER_KNOT) knots.push(power);
  }
  knots.push(largest);
  return knots;
}

/** One for the first knot, how far each segment is climbed, and the straight terms. */
function columnsOf({ tokens, rows, prefillSquares, decodeContext }: StepShape, knots: readonly number[]): number[] {
  const climbed = knots.slice(1).map((knot, i) => {
    const share = (tokens - knots[i]!) / (knot - knots[i]!);
    return Math.max(0, i === knots.length - 2 ? share : Math.min(1, share));
  });
  return [1, ...climbed, prefillSquares, decodeContext, rows];
}

function formOf(x: readonly number[], knots: readonly number[]): FittedForm {
  let sum = 0;
  const baseMs = knots.map((_, i) => (sum += x[i]!));
  const [perSquareMs = 0, perContextMs = 0, perRowMs = 0] = x.slice(knots.length);
  return { knots, baseMs, perSquareMs, perContextMs, perRowMs };
}

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
