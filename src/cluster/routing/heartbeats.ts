/**
 * Whether an instance may get something new, judged by how punctually it is heard of. One that is silent for too long gets
 * nothing; it is trusted again only after several heartbeats in a row that came in time, so that a slow instance does not
 * swing between the two. What runs there is left alone: only the end of its lease says that it is gone.
 */

/** Settings of `Heartbeats`. */
export interface HeartbeatOptions {
  /** Silence after which an instance gets nothing new, milliseconds; 1000 when absent: four heartbeats. */
  readonly silentMs?: number;
  /** Heartbeats in a row, each in time, until it is trusted again; 3 when absent. */
  readonly trustAfter?: number;
}

const DEFAULT_SILENT_MS = 1000;
const DEFAULT_TRUST_AFTER = 3;

/** Of one instance. All times are milliseconds of one clock. */
export class Heartbeats {
  readonly #silentMs: number;
  readonly #trustAfter: number;
  #lastMs: number | null = null;
  readonly #sinceMs: number;
  /** Heartbeats still wanted. */
  #wanted = 0;

  /** @param nowMs when it was first heard of: it is trusted from the start */
  constructor(nowMs: number, options: HeartbeatOptions = {}) {
    this.#silentMs = options.silentMs ?? DEFAULT_SILENT_MS;
    this.#trustAfter = options.trustAfter ?? DEFAULT_TRUST_AFTER;
    this.#sinceMs = nowMs;
  }

  /** When the last one came; null before the first. */
  get lastMs(): number | null {
    return this.#lastMs;
  }

  heard(nowMs: number): void {
    if (this.#isLate(nowMs)) this.#wanted = this.#trustAfter;
    if (this.#wanted > 0) this.#wanted -= 1;
    this.#lastMs = nowMs;
  }

  /** True while it may get something new. */
  trusted(nowMs: number): boolean {
    return this.#wanted === 0 && !this.#isLate(nowMs);
  }

  #isLate(nowMs: number): boolean {
    return nowMs - (this.#lastMs ?? this.#sinceMs) > this.#silentMs;
  }
}
