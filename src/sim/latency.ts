/**
 * Latencies in constant memory: buckets that grow by half a percent from a microsecond to a few years, so that any
 * quantile is right within half a percent of itself; the mean is exact.
 */
import { Histogram } from "../core/index.ts";

const SMALLEST_MS = 1e-3;
const LARGEST_MS = 1e11;
const GROWTH = 1.005;

const BOUNDS: readonly number[] = Array.from(
  { length: Math.ceil(Math.log(LARGEST_MS / SMALLEST_MS) / Math.log(GROWTH)) },
  (_, i) => SMALLEST_MS * GROWTH ** i,
);

/** What is said of many latencies; all null when there are none. */
export interface LatencySummary {
  readonly count: number;
  readonly mean: number | null;
  readonly p50: number | null;
  readonly p90: number | null;
  readonly p95: number | null;
  readonly p99: number | null;
  readonly max: number | null;
}

/** Milliseconds, counted. */
export class Latencies {
  readonly #histogram = new Histogram(BOUNDS);
  #largest = 0;
  #smallest = Infinity;

  observe(ms: number): void {
    this.#histogram.observe(ms);
    if (ms > this.#largest) this.#largest = ms;
    if (ms < this.#smallest) this.#smallest = ms;
  }

  get count(): number {
    return this.#histogram.count;
  }

  get mean(): number {
    return this.#histogram.sum / this.#histogram.count;
  }

  /** NaN when nothing was observed. */
  quantile(q: number): number {
    const { count } = this.#histogram;
    if (count === 0) return Number.NaN;
    return this.#read(this.#histogram.cumulative(), q);
  }

  summary(): LatencySummary {
    const { count } = this.#histogram;
    if (count === 0) return { count, mean: null, p50: null, p90: null, p95: null, p99: null, max: null };
    const cumulative = this.#histogram.cumulative();
    const [p50, p90, p95, p99] = [0.5, 0.9, 0.95, 0.99].map((q) => this.#read(cumulative, q));
    return { count, mean: this.mean, p50: p50!, p90: p90!, p95: p95!, p99: p99!, max: this.#largest };
  }

  /** By straight line within its bucket. */
  #read(cumulative: readonly number[], q: number): number {
    const rank = q * this.count;
    let low = 0;
    let high = cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (cumulative[middle]! >= rank && cumulative[middle]! > 0) high = middle;
      else low = middle + 1;
    }
    const before = low === 0 ? 0 : cumulative[low - 1]!;
    const share = (rank - before) / (cumulative[low]! - before);
    const from = low === 0 ? 0 : BOUNDS[low - 1]!;
    const to = BOUNDS[low] ?? this.#largest;
    return Math.min(this.#largest, Math.max(this.#smallest, from + (to - from) * share));
  }
}
