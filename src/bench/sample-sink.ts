/**
 * A sample of numbers in bounded memory: all of them up to a limit, then a uniform choice (Vitter's algorithm R). Count,
 * mean, deviation and extremes are always those of all.
 */
import type { RandomStream } from "../core/index.ts";
import { quantileOfSorted } from "../workload/index.ts";

/** Numbers to be summed up. */
export class SampleSink {
  readonly #limit: number;
  readonly #random: RandomStream;
  #values = new Float64Array(256);
  #kept = 0;
  #sorted: Float64Array | null = null;
  #mean = 0;
  #squares = 0;
  count = 0;
  min = Infinity;
  max = -Infinity;

  constructor(limit: number, random: RandomStream) {
    this.#limit = limit;
    this.#random = random;
  }

  add(value: number): void {
    this.count += 1;
    const off = value - this.#mean;
    this.#mean += off / this.count; // Welford's running mean and variance
    this.#squares += off * (value - this.#mean);
    this.min = Math.min(this.min, value);
    this.max = Math.max(this.max, value);
    this.#sorted = null;
    if (this.#kept < this.#limit) this.#push(value);
    else {
      const place = this.#random.int(0, this.count - 1);
      if (place < this.#limit) this.#values[place] = value;
    }
  }

  /** 0 without values. */
  get mean(): number {
    return this.#mean;
  }

  /** Of the whole, not of a sample of a larger one; 0 without values. */
  get deviation(): number {
    return this.count === 0 ? 0 : Math.sqrt(this.#squares / this.count);
  }

  /** True while every value is kept. */
  get isExact(): boolean {
    return this.count <= this.#limit;
  }

  /** The q-quantile (0..1) by linear interpolation; 0 without values. */
  quantile(q: number): number {
    if (this.#kept === 0) return 0;
    this.#sorted ??= this.#values.slice(0, this.#kept).sort();
    return quantileOfSorted(this.#sorted, q);
  }

  #push(value: number): void {
    if (this.#kept === this.#values.length) {
      const larger = new Float64Array(Math.min(this.#limit, this.#kept * 2));
      larger.set(this.#values);
      this.#values = larger;
    }
    this.#values[this.#kept] = value;
    this.#kept += 1;
  }
}
