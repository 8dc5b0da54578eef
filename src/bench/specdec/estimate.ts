/** Means with their 95 % intervals (Student's t), ratios of paired rounds, and the summary that SPEED-Bench prints. */
import { assert } from "../../core/index.ts";
import { quantileOfSorted } from "../../workload/index.ts";
import type { Interval } from "./types.ts";

/** Minimum, quartiles, maximum, mean and deviation (of the whole, not of a sample) of a quantity. */
export interface Spread {
  readonly count: number;
  readonly min: number;
  readonly q25: number;
  readonly median: number;
  readonly q75: number;
  readonly max: number;
  readonly mean: number;
  readonly std: number;
}

/** The spread of some numbers; null for none. */
export function spreadOf(values: readonly number[]): Spread | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const mean = meanOf(values);
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return {
    count: values.length,
    min: sorted[0]!,
    q25: quantileOfSorted(sorted, 0.25),
    median: quantileOfSorted(sorted, 0.5),
    q75: quantileOfSorted(sorted, 0.75),
    max: sorted.at(-1)!,
    mean,
    std: Math.sqrt(square),
  };
}

/** The mean; 0 of nothing. */
export function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The mean of independent values with its interval; unbounded for a single one, null for none. */
export function intervalOf(values: readonly number[]): Interval | null {
  if (values.length === 0) return null;
  const mean = meanOf(values);
  const count = values.length;
  if (count === 1) return { mean, low: -Infinity, high: Infinity, count };
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (count - 1);
  const half = studentT975(count - 1) * Math.sqrt(variance / count);
  return { mean, low: mean - half, high: mean + half, count };
}

/** The ratio of two quantities over rounds measured side by side: the geometric mean of their ratios. */
export function ratioInterval(above: readonly number[], below: readonly number[]): Interval | null {
  assert(above.length === below.length, "a ratio has as many values above as below");
  const logs: number[] = [];
  for (const [i, value] of above.entries()) {
    if (value > 0 && below[i]! > 0) logs.push(Math.log(value / below[i]!));
  }
  const interval = intervalOf(logs);
  if (interval === null) return null;
  const { mean, low, high, count } = interval;
  return { mean: Math.exp(mean), low: Math.exp(low), high: Math.exp(high), count };
}

/** The difference of two independent means, by Welch's degrees of freedom. */
export function differenceInterval(first: readonly number[], second: readonly number[]): Interval | null {
  if (first.length === 0 || second.length === 0) return null;
  const mean = meanOf(first) - meanOf(second);
  const count = first.length + second.length;
  if (first.length === 1 || second.length === 1) return { mean, low: -Infinity, high: Infinity, count };
  const [a, b] = [squaredError(first), squaredError(second)];
  if (a + b === 0) return { mean, low: mean, high: mean, count };
  const degrees = (a + b) ** 2 / (a ** 2 / (first.length - 1) + b ** 2 / (second.length - 1));
  const half = studentT975(degrees) * Math.sqrt(a + b);
  return { mean, low: mean - half, high: mean + half, count };
}

function squaredError(values: readonly number[]): number {
  const mean = meanOf(values);
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1) / values.length;
}

const Z = 1.959963984540054;

/**
 * The 97.5 % point of Student's t: Cornish and Fisher's expansion about the normal point, good to 0.3 % from three
 * degrees of freedom on; below that the exact values.
 */
export function studentT975(degrees: number): number {
  if (degrees < 1.5) return 12.7062;
  if (degrees < 2.5) return 4.30265;
  const [z3, z5, z7, z9] = [Z ** 3, Z ** 5, Z ** 7, Z ** 9];
  return (
    Z +
    (z3 + Z) / (4 * degrees) +
    (5 * z5 + 16 * z3 + 3 * Z) / (96 * degrees ** 2) +
    (3 * z7 + 19 * z5 + 17 * z3 - 15 * Z) / (384 * degrees ** 3) +
    (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * Z) / (92_160 * degrees ** 4)
  );
}
