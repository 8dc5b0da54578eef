/** Counts in fixed buckets, as Prometheus exposes them: cumulative `le` bounds, sum and count. */
import { assert } from "./assert.ts";

/**
 * Observations counted in fixed buckets, in constant memory: a value belongs to the first bound that is not below it.
 * Cannot forget; a reader that wants a window subtracts two snapshots.
 */
export class Histogram {
  readonly bounds: readonly number[];
  readonly #counts: Float64Array;
  #sum = 0;
  #count = 0;

  /** @param bounds ascending upper bounds; a last bucket of +Inf is implied. */
  constructor(bounds: readonly number[]) {
    for (let i = 1; i < bounds.length; i++) {
      assert(bounds[i]! > bounds[i - 1]!, "histogram bounds ascend");
    }
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number, times = 1): void {
    let low = 0;
    let high = this.bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (value <= this.bounds[middle]!) high = middle;
      else low = middle + 1;
    }
    this.#counts[low]! += times;
    this.#sum += value * times;
    this.#count += times;
  }

  get sum(): number {
    return this.#sum;
  }

  get count(): number {
    return this.#count;
  }

  /** Cumulative counts, one per bound and one for +Inf. */
  cumulative(): number[] {
    let total = 0;
    return Array.from(this.#counts, (count) => (total += count));
  }
}

/** The q-quantile (0..1) of a sample, by linear interpolation; NaN for an empty one. */
export function quantile(sample: readonly number[], q: number): number {
  if (sample.length === 0) return Number.NaN;
  const sorted = sample.toSorted((a, b) => a - b);
  const position = (sorted.length - 1) * q;
  const low = Math.floor(position);
  const high = Math.ceil(position);
  return sorted[low]! + (sorted[high]! - sorted[low]!) * (position - low);
}

/** The middle of a sample, for an even number the mean of the two in the middle; NaN for an empty one. */
export function median(sample: readonly number[]): number {
  return quantile(sample, 0.5);
}
