/**
 * From interleaved samples to a line with an interval. Machines are shared and noisy, so a figure is a
 * median, a comparison is a ratio of neighbours in time, and its interval is a seeded bootstrap.
 */
import { assert, createRandom, median, quantile } from "../core/index.ts";
import type { Measured } from "./framework.ts";

const RESAMPLES = 2000;

/** 95 % percentile bootstrap interval of the median. */
export function medianInterval95(sample: readonly number[], seed = 1): [number, number] {
  assert(sample.length > 0, "an interval needs samples");
  const random = createRandom(seed, "bootstrap");
  const medians: number[] = [];
  for (let i = 0; i < RESAMPLES; i++) {
    medians.push(median(sample.map(() => sample[Math.floor(random.uniform() * sample.length)]!)));
  }
  return [quantile(medians, 0.025), quantile(medians, 0.975)];
}

/** The arithmetic mean; NaN for an empty list. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

type LineText = Pick<Measured, "metric" | "unit" | "better" | "kind" | "note"> & {
  readonly paper_says?: string;
  readonly curve?: Measured["curve"];
};

/** Whether an interval decides a target: true, false, or null when it straddles it. */
export function decide(
  interval: readonly [number, number],
  target: number,
  better: "higher" | "lower",
): boolean | null {
  const [low, high] = interval;
  if (better === "higher") return low >= target ? true : high < target ? false : null;
  return high <= target ? true : low > target ? false : null;
}

/**
 * Two arms sampled in turn, sample i of each next to the other in time. The target, when there is one,
 * is on the ratio of improvement.
 */
export function compare(
  text: LineText,
  ours: readonly number[],
  baseline: readonly number[],
  target: number | null,
): Measured {
  assert(ours.length === baseline.length, "arms are sampled in pairs");
  const ratios = ours.map((value, i) => (text.better === "higher" ? value / baseline[i]! : baseline[i]! / value));
  const interval95 = medianInterval95(ratios);
  return {
    ...text,
    ours: median(ours),
    baseline: median(baseline),
    ratio: median(ratios),
    target,
    target_on: "ratio",
    samples: ours.length,
    interval95,
    holds: target === null ? null : decide(interval95, target, "higher"),
    paper_says: text.paper_says ?? null,
  };
}

/** One arm against an absolute target (or none). */
export function absolute(text: LineText, ours: readonly number[], target: number | null): Measured {
  const interval95 = medianInterval95(ours);
  return {
    ...text,
    ours: median(ours),
    baseline: null,
    ratio: null,
    target,
    target_on: "ours",
    samples: ours.length,
    interval95,
    holds: target === null ? null : decide(interval95, target, text.better),
    paper_says: text.paper_says ?? null,
  };
}

/** A line whose value is exact: its interval is itself. `samples` says what it was counted over. */
export function exact(text: LineText, ours: number, target: number | null, samples: number): Measured {
  const interval95 = [ours, ours] as const;
  return {
    ...text,
    ours,
    baseline: null,
    ratio: null,
    target,
    target_on: "ours",
    samples,
    interval95,
    holds: target === null ? null : decide(interval95, target, text.better) === true,
    paper_says: text.paper_says ?? null,
  };
}
