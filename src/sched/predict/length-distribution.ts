/**
 * A distribution of answer lengths as weighted samples, and what of it is left once an answer has
 * reached a length. The weighted quantile is Meinshausen's (Quantile Regression Forests, 2006): the
 * smallest sample at which the weight up to it reaches the wanted share.
 */
import { assert } from "../../core/index.ts";

/** Samples in ascending order, all different, with the weight up to and including each. */
export interface LengthDistribution {
  readonly tokens: Float64Array;
  /** Ascending, in any unit; the last is the whole weight. */
  readonly cumulative: Float64Array;
}

/** Most samples of one distribution: what fits beside a length in one exact number. */
const MAX_SAMPLES = 2 ** 20;

/**
 * The distribution of samples with weights, in any order.
 * @param tokens whole numbers from 0 to 2^32; the first `count` are taken, at most 2^20.
 */
export function lengthDistribution(
  tokens: ArrayLike<number>,
  weights: ArrayLike<number>,
  count: number = tokens.length,
): LengthDistribution {
  assert(count > 0 && count < MAX_SAMPLES, "a distribution has between one and a million samples");
  // Length and index in one number: sorts as plain numbers, which a comparison function would slow tenfold.
  const keys = new Float64Array(count);
  for (let i = 0; i < count; i++) keys[i] = tokens[i]! * MAX_SAMPLES + i;
  keys.sort();
  const values = new Float64Array(count);
  const cumulative = new Float64Array(count);
  let distinct = 0;
  let total = 0;
  for (const key of keys) {
    const value = Math.floor(key / MAX_SAMPLES);
    total += weights[key - value * MAX_SAMPLES]!;
    if (distinct === 0 || values[distinct - 1] !== value) values[distinct++] = value;
    cumulative[distinct - 1] = total;
  }
  return { tokens: values.slice(0, distinct), cumulative: cumulative.slice(0, distinct) };
}

/**
 * The quantile of the lengths above `reached`: of the answers that get further than that, a share
 * `level` ends by the result. Never falls when `reached` grows. Null when no sample is longer.
 * @param level in (0, 1].
 */
export function survivingQuantile(
  { tokens, cumulative }: LengthDistribution,
  reached: number,
  level: number,
): number | null {
  const first = firstAbove(tokens, reached);
  if (first === tokens.length) return null;
  const before = first === 0 ? 0 : cumulative[first - 1]!;
  const wanted = before + level * (cumulative[cumulative.length - 1]! - before);
  return tokens[firstReaching(cumulative, wanted, first)]!;
}

/** The share of weight at lengths up to and including `length`. */
export function shareUpTo({ tokens, cumulative }: LengthDistribution, length: number): number {
  const first = firstAbove(tokens, length);
  return first === 0 ? 0 : cumulative[first - 1]! / cumulative[cumulative.length - 1]!;
}

function firstAbove(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! > value) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** The first at or after `from` that is at least `value`; the last when rounding leaves none. */
function firstReaching(sorted: Float64Array, value: number, from: number): number {
  let low = from;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! >= value) high = middle;
    else low = middle + 1;
  }
  return low;
}
