/**
 * Numbers over time in bounded memory: every sample of the last minutes, and an hour in bins. Each column says how a bin
 * is made of its samples. Nothing here grows after construction: an hour later, a page holds what it held in its sixth
 * minute. Not a store of events; requests and steps have rings of their own.
 */

/** How the samples of a bin become one number: gauges take the mean, worst cases the largest, counters the last. */
export type BinRule = "mean" | "max" | "last";

/** A table of numbers of fixed capacity, in order of time; its first column is milliseconds. */
export class ColumnRing {
  readonly capacity: number;
  readonly #columns: readonly Float64Array[];
  #start = 0;
  #length = 0;

  /** `width` columns beside the time. */
  constructor(width: number, capacity: number) {
    this.capacity = capacity;
    this.#columns = Array.from({ length: width + 1 }, () => new Float64Array(capacity));
  }

  get length(): number {
    return this.#length;
  }

  /** Adds a row; the oldest leaves when there is no room. NaN stands for "not known". */
  push(timeMs: number, values: ArrayLike<number>): void {
    const slot = (this.#start + this.#length) % this.capacity;
    this.#columns[0]![slot] = timeMs;
    for (let column = 1; column < this.#columns.length; column += 1) this.#columns[column]![slot] = values[column - 1]!;
    if (this.#length < this.capacity) this.#length += 1;
    else this.#start = (this.#start + 1) % this.capacity;
  }

  /** The time of a row, 0 the oldest. */
  timeMs(row: number): number {
    return this.#columns[0]![(this.#start + row) % this.capacity]!;
  }

  /** A value of a row, 0 the oldest; columns count from 0 and leave the time out. */
  value(row: number, column: number): number {
    return this.#columns[column + 1]![(this.#start + row) % this.capacity]!;
  }

  /** The first row at or after a time; `length` when there is none. */
  firstFrom(timeMs: number): number {
    let [low, high] = [0, this.#length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.timeMs(middle) < timeMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  clear(): void {
    this.#start = 0;
    this.#length = 0;
  }
}

/** Sizes of a series. The defaults keep five minutes at four samples a second, and an hour in bins of five seconds. */
export interface SeriesSizes {
  readonly fineRows: number;
  readonly fineMs: number;
  readonly binMs: number;
  readonly bins: number;
}

/** Room for four samples a second over five minutes, with a little to spare for clocks that hurry. */
export const DEFAULT_SIZES: SeriesSizes = { fineRows: 1_280, fineMs: 300_000, binMs: 5_000, bins: 724 };

/** What a chart draws: times in seconds before now (at most 0), and one column of numbers or gaps for each name. */
export interface ChartData {
  readonly seconds: number[];
  readonly columns: (number | null)[][];
}

/** Without a sample for so long, the line is broken: the feed was away. Idle feeds send one every two seconds. */
const GAP_MS = 6_000;

/** Columns of numbers at two resolutions. */
export class TimeSeries {
  readonly #rules: readonly BinRule[];
  readonly #sizes: SeriesSizes;
  readonly #fine: ColumnRing;
  readonly #coarse: ColumnRing;
  /** The bin being filled. */
  #bin = Number.NaN;
  readonly #sums: Float64Array;
  readonly #counts: Float64Array;

  constructor(rules: readonly BinRule[], sizes: SeriesSizes = DEFAULT_SIZES) {
    this.#rules = rules;
    this.#sizes = sizes;
    this.#fine = new ColumnRing(rules.length, sizes.fineRows);
    this.#coarse = new ColumnRing(rules.length, sizes.bins);
    this.#sums = new Float64Array(rules.length);
    this.#counts = new Float64Array(rules.length);
  }

  /** Rows kept, at both resolutions together; never above `capacity`. */
  get rows(): number {
    return this.#fine.length + this.#coarse.length;
  }

  get capacity(): number {
    return this.#fine.capacity + this.#coarse.capacity;
  }

  /** Adds a sample. Times must not go back; one that does is dropped, as after a replay that overlaps. */
  push(timeMs: number, values: ArrayLike<number>): void {
    const last = this.#fine.length - 1;
    if (last >= 0 && timeMs <= this.#fine.timeMs(last)) return;
    this.#fine.push(timeMs, values);
    const bin = Math.floor(timeMs / this.#sizes.binMs);
    if (bin !== this.#bin) this.#closeBin(bin);
    for (let column = 0; column < this.#rules.length; column += 1) this.#gather(column, values[column]!);
  }

  /**
   * The rows of the last `windowMs` before `nowMs`, from whichever resolution reaches that far. A `nowMs` of some time ago
   * shows what was known then: later rows are left out.
   */
  read(nowMs: number, windowMs: number): ChartData {
    const ring = windowMs <= this.#sizes.fineMs ? this.#fine : this.#coarse;
    const gapMs = Math.max(GAP_MS, this.#sizes.binMs * (ring === this.#fine ? 0 : 2.5));
    const seconds: number[] = [];
    const columns = this.#rules.map((): (number | null)[] => []);
    let previous = Number.NaN;
    const add = (timeMs: number, value: (column: number) => number): void => {
      if (timeMs - previous > gapMs) {
        seconds.push((timeMs - nowMs) / 1000 - 0.001);
        for (const column of columns) column.push(null);
      }
      previous = timeMs;
      seconds.push((timeMs - nowMs) / 1000);
      for (const [index, column] of columns.entries()) column.push(numberOrNull(value(index)));
    };
    for (let row = ring.firstFrom(nowMs - windowMs); row < ring.length && ring.timeMs(row) <= nowMs; row += 1) {
      add(ring.timeMs(row), (column) => ring.value(row, column));
    }
    const newestMs = this.#fine.length === 0 ? Number.NaN : this.#fine.timeMs(this.#fine.length - 1);
    if (ring === this.#coarse && newestMs <= nowMs) add(newestMs, (column) => this.#binValue(column));
    return { seconds, columns };
  }

  /** How much of a window is known: less than all of it while the page has not been open that long. */
  knownMs(nowMs: number, windowMs: number): number {
    const ring = windowMs <= this.#sizes.fineMs ? this.#fine : this.#coarse;
    const oldest = ring.length > 0 ? ring : this.#fine;
    return oldest.length === 0 ? 0 : Math.min(windowMs, Math.max(0, nowMs - oldest.timeMs(0)));
  }

  /** The value of a column as of a moment; NaN before the first sample. */
  at(nowMs: number, column: number): number {
    let row = this.#fine.length - 1;
    if (row >= 0 && this.#fine.timeMs(row) > nowMs) row = this.#fine.firstFrom(nowMs + 1e-9) - 1;
    return row < 0 ? Number.NaN : this.#fine.value(row, column);
  }

  clear(): void {
    this.#fine.clear();
    this.#coarse.clear();
    this.#bin = Number.NaN;
    this.#sums.fill(0);
    this.#counts.fill(0);
  }

  /** A bin's row stands at its middle. */
  #closeBin(next: number): void {
    if (!Number.isNaN(this.#bin)) {
      const values = this.#rules.map((_, column) => this.#binValue(column));
      this.#coarse.push((this.#bin + 0.5) * this.#sizes.binMs, values);
    }
    this.#bin = next;
    this.#sums.fill(0);
    this.#counts.fill(0);
  }

  #gather(column: number, value: number): void {
    if (Number.isNaN(value)) return;
    const rule = this.#rules[column]!;
    const isFirst = this.#counts[column] === 0;
    if (rule === "last" || isFirst) this.#sums[column] = value;
    else if (rule === "max") this.#sums[column] = Math.max(this.#sums[column]!, value);
    else this.#sums[column]! += value;
    this.#counts[column]! += 1;
  }

  #binValue(column: number): number {
    const count = this.#counts[column]!;
    if (count === 0) return Number.NaN;
    return this.#rules[column] === "mean" ? this.#sums[column]! / count : this.#sums[column]!;
  }
}

function numberOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
