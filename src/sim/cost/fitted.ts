/**
 * Costs fitted to measured steps: what a step's tokens cost as a rising line with bends, plus attention by its work.
 *
 *   stepMs = base(tokens) + perSquare * prefillSquares + perContext * decodeContext + perRow * rows
 *
 * Where some of the steps had rows with layers left out, or with an adapter, so much of it besides:
 *
 *   - (skippedMs / tokens + perSkippedMs) * skippedTokens        a share of a step's constant, and of each token
 *   + adaptedMs + perAdaptedMs * tokens                          an adapter in a step is a product more for all of its rows
 *
 * `base` rises through knots at powers of two, as far as there is data; the other terms are straight. With two knots it
 * is the A + B * tokens + C * squares of the literature. All coefficients are at least 0. Least squares of the relative
 * error, steps far off the fit weigh less (Huber), and then one factor that makes all steps together last as long as
 * they did: sums are what a simulation predicts.
 */
import { fail, quantile } from "../../core/index.ts";
import type { CostModel, RowKind, StepShape } from "../types.ts";
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
  /** What leaving layers out saves; null or absent: no step did. */
  readonly routes?: { readonly skippedMs: number; readonly perSkippedMs: number } | null;
  /** What adapters cost; null or absent: no step had one. */
  readonly adapters?: { readonly adaptedMs: number; readonly perAdaptedMs: number } | null;
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
/** Of a step's time, what is left where most of it is saved. */
const LEAST_SHARE = 0.05;
/** Relative errors beyond this weigh less. */
const HUBER_DELTA = 0.1;
/** A few steps of many times their cost do not make all others dearer than this. */
const MOST_SCALE = 1.25;
/** A knot needs so many points between it and the one before. */
const POINTS_PER_KNOT = 4;

/** The cost model of a fit. */
export function fittedCost(name: string, form: FittedForm): CostModel {
  const { knots, baseMs, perSquareMs, perContextMs, perRowMs, routes = null, adapters = null } = form;
  const last = knots.length - 1;
  const slope = (baseMs[last]! - baseMs[last - 1]!) / (knots[last]! - knots[last - 1]!);
  const base = (tokens: number): number => {
    if (tokens >= knots[last]!) return baseMs[last]! + slope * (tokens - knots[last]!);
    let k = 1;
    while (knots[k]! < tokens) k += 1;
    const share = Math.max(0, (tokens - knots[k - 1]!) / (knots[k]! - knots[k - 1]!));
    return baseMs[k - 1]! + (baseMs[k]! - baseMs[k - 1]!) * share;
  };
  const knows: readonly RowKind[] = [
    ...(routes === null ? [] : (["routes"] as const)),
    ...(adapters === null ? [] : (["adapters"] as const)),
  ];
  return {
    name,
    knows,
    stepMs: ({ tokens, rows, prefillSquares, decodeContext, skippedTokens = 0, adaptedTokens = 0 }) => {
      const ordinaryMs = base(tokens) + perSquareMs * prefillSquares + perContextMs * decodeContext + perRowMs * rows;
      if (skippedTokens + adaptedTokens === 0) return ordinaryMs;
      const { skippedMs, perSkippedMs } = routes ?? NO_ROUTES;
      const { adaptedMs, perAdaptedMs } = adapters ?? NO_ADAPTERS;
      const savedMs = (skippedMs / tokens + perSkippedMs) * skippedTokens;
      const addedMs = adaptedTokens > 0 ? adaptedMs + perAdaptedMs * tokens : 0;
      return Math.max(ordinaryMs * LEAST_SHARE, ordinaryMs - savedMs + addedMs);
    },
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
  const kinds = {
    routes: usable.some(({ skippedTokens = 0 }) => skippedTokens > 0),
    adapters: usable.some(({ adaptedTokens = 0 }) => adaptedTokens > 0),
  };
  const rows = usable.map((point) => columnsOf(point, knots, kinds));
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
    kinds,
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
function columnsOf(
  { tokens, rows, prefillSquares, decodeContext, skippedTokens = 0, adaptedTokens = 0 }: StepShape,
  knots: readonly number[],
  { routes, adapters }: Readonly<Record<RowKind, boolean>>,
): number[] {
  const climbed = knots.slice(1).map((knot, i) => {
    const share = (tokens - knots[i]!) / (knot - knots[i]!);
    return Math.max(0, i === knots.length - 2 ? share : Math.min(1, share));
  });
  const isAdapted = adaptedTokens > 0 ? 1 : 0;
  return [
    1,
    ...climbed,
    prefillSquares,
    decodeContext,
    rows,
    // What is saved is no less than nothing either.
    ...(routes ? [-skippedTokens / tokens, -skippedTokens] : []),
    ...(adapters ? [isAdapted, isAdapted * tokens] : []),
  ];
}

function formOf(
  x: readonly number[],
  knots: readonly number[],
  { routes, adapters }: Readonly<Record<RowKind, boolean>>,
): FittedForm {
  let sum = 0;
  const baseMs = knots.map((_, i) => (sum += x[i]!));
  const [perSquareMs = 0, perContextMs = 0, perRowMs = 0, ...others] = x.slice(knots.length);
  const [skippedMs = 0, perSkippedMs = 0] = routes ? others : [];
  const [adaptedMs = 0, perAdaptedMs = 0] = adapters ? others.slice(-2) : [];
  return {
    knots,
    baseMs,
    perSquareMs,
    perContextMs,
    perRowMs,
    ...(routes ? { routes: { skippedMs, perSkippedMs } } : {}),
    ...(adapters ? { adapters: { adaptedMs, perAdaptedMs } } : {}),
  };
}

const NO_ROUTES = { skippedMs: 0, perSkippedMs: 0 };
const NO_ADAPTERS = { adaptedMs: 0, perAdaptedMs: 0 };

function dot(a: readonly number[], b: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
