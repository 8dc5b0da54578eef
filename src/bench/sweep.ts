/**
 * The same requests at one rate after the other, until the server is past what it can carry: either a given list, or
 * doubling from a first rate and then halving the gap between the last rate that held and the first that did not.
 */
import type { BenchReport } from "./bench.ts";

/** Which rates. */
export type SweepRates =
  | { readonly kind: "list"; readonly rates: readonly number[] }
  | { readonly kind: "search"; readonly fromPerSecond: number; readonly refinements: number };

/** One point of a sweep. */
export interface SweepPoint {
  readonly ratePerSecond: number;
  readonly report: BenchReport;
  /** Share of the planned requests (or objectives) that were good. */
  readonly goodShare: number;
  /** The rate was carried: not saturated, and the good share was reached. */
  readonly holds: boolean;
}

/** A sweep. */
export interface SweepOptions {
  readonly rates: SweepRates;
  /** The share of requests that must be good for a rate to hold, in (0, 1]. */
  readonly goodShare: number;
  readonly hasGoodput: boolean;
  readonly run: (ratePerSecond: number) => Promise<BenchReport>;
  readonly onPoint?: (point: SweepPoint) => void;
  readonly signal?: AbortSignal;
}

/** No server is asked for more than this. */
const MAX_RATE = 1_000_000;

/** The points in the order they were run. Ends at the first rate that is past saturation. */
export async function sweep(options: SweepOptions): Promise<readonly SweepPoint[]> {
  const points: SweepPoint[] = [];
  const measure = async (ratePerSecond: number): Promise<SweepPoint> => {
    const report = await options.run(ratePerSecond);
    const share = goodShareOf(report, options.hasGoodput);
    const point = {
      ratePerSecond,
      report,
      goodShare: share,
      holds: !report.run.saturated && share >= options.goodShare,
    };
    points.push(point);
    options.onPoint?.(point);
    return point;
  };
  const isStopped = (): boolean => options.signal?.aborted === true;
  const { rates } = options;
  if (rates.kind === "list") {
    for (const rate of rates.rates) if (isStopped() || (await measure(rate)).report.run.saturated) break;
    return points;
  }
  let [low, high] = [0, rates.fromPerSecond];
  while (!isStopped() && high <= MAX_RATE && (await measure(high)).holds) [low, high] = [high, high * 2];
  for (let i = 0; i < rates.refinements && !isStopped() && low > 0; i++) {
    const middle = (low + high) / 2;
    if ((await measure(middle)).holds) low = middle;
    else high = middle;
  }
  return points;
}

/** The highest rate that held; null when none did. */
export function bestPoint(points: readonly SweepPoint[]): SweepPoint | null {
  const held = points.filter(({ holds }) => holds);
  return held.reduce<SweepPoint | null>(
    (best, point) => (best === null || point.ratePerSecond > best.ratePerSecond ? point : best),
    null,
  );
}

/** By limits where there are some, else by the requests' objectives, else by success; of what was planned. */
export function goodShareOf({ measures, planned }: BenchReport, hasGoodput: boolean): number {
  if (hasGoodput) return measures.good / planned;
  const classes = Object.values(measures.slo.report());
  const count = classes.reduce((sum, one) => sum + one.count, 0);
  if (count > 0) return classes.reduce((sum, one) => sum + one.attained, 0) / count;
  return (measures.completed + measures.cancelled) / planned;
}

/** The points as a table, in order of rate. */
export function sweepTable(points: readonly SweepPoint[]): string {
  const head = [
    "offered/s",
    "sent/s",
    "done/s",
    "good",
    "TTFT p50",
    "p99",
    "TPOT p50",
    "p99",
    "E2EL p50",
    "p99",
    "failed",
    "",
  ];
  const body = points
    .toSorted((a, b) => a.ratePerSecond - b.ratePerSecond)
    .map(({ ratePerSecond, report, goodShare, holds }) => {
      const { measures, run, sentPerSecond } = report;
      const { ttft, tpot, e2el } = measures.samples;
      const pair = (sample: typeof ttft): string[] => [
        sample.quantile(0.5).toFixed(1),
        sample.quantile(0.99).toFixed(1),
      ];
      const verdict = run.saturated ? "saturated" : holds ? "holds" : "misses";
      return [
        ratePerSecond.toFixed(2),
        sentPerSecond === null ? "-" : sentPerSecond.toFixed(2),
        ((measures.completed * 1000) / run.durationMs).toFixed(2),
        `${(100 * goodShare).toFixed(1)} %`,
        ...pair(ttft),
        ...pair(tpot),
        ...pair(e2el),
        String(measures.failed),
        verdict,
      ];
    });
  const rows = [head, ...body];
  const widths = head.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  return rows
    .map((cells) =>
      cells
        .map((cell, i) => cell.padStart(widths[i]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
