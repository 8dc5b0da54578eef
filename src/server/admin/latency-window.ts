/** Latencies of the requests of one model that ended lately: a ring in columns, and percentiles of what is in the window. */
import { CONSOLE_LIMITS, type Percentiles } from "../../protocol/index.ts";

/** The latencies of one request, milliseconds; NaN for what it has none of. */
export interface Latencies {
  readonly ttftMs: number;
  readonly tpotMs: number;
  readonly e2eMs: number;
}

const NAMES = ["ttftMs", "tpotMs", "e2eMs"] as const;

/** See the head of this file. */
export class LatencyWindow {
  readonly #capacity: number;
  readonly #windowMs: number;
  readonly #endMs: Float64Array;
  readonly #columns: Readonly<Record<keyof Latencies, Float64Array>>;
  #count = 0;

  constructor(capacity: number = CONSOLE_LIMITS.windowRequests, windowMs: number = CONSOLE_LIMITS.windowMs) {
    this.#capacity = capacity;
    this.#windowMs = windowMs;
    this.#endMs = new Float64Array(capacity).fill(-Infinity);
    const column = (): Float64Array => new Float64Array(capacity);
    this.#columns = { ttftMs: column(), tpotMs: column(), e2eMs: column() };
  }

  note(endMs: number, latencies: Latencies): void {
    const at = this.#count % this.#capacity;
    this.#endMs[at] = endMs;
    for (const name of NAMES) this.#columns[name][at] = latencies[name];
    this.#count += 1;
  }

  /** Percentiles (nearest rank) of what ended in the window before `nowMs`. */
  at(nowMs: number): Readonly<Record<keyof Latencies, Percentiles>> {
    const of = (name: keyof Latencies): Percentiles => {
      const values = this.#columns[name].filter(
        (value, i) => !Number.isNaN(value) && this.#endMs[i]! > nowMs - this.#windowMs,
      );
      return percentiles(values.sort());
    };
    return { ttftMs: of("ttftMs"), tpotMs: of("tpotMs"), e2eMs: of("e2eMs") };
  }
}

function percentiles(sorted: Float64Array): Percentiles {
  const count = sorted.length;
  if (count === 0) return null;
  const rank = (share: number): number => sorted[Math.max(0, Math.ceil(share * count) - 1)]!;
  return { p50: rank(0.5), p90: rank(0.9), p99: rank(0.99), count };
}
