/**
 * Whether another server is there, judged by looks at its list of models and by what requests meet. A failure takes it out at
 * once; it is looked at again after a while that doubles with each failure, with a little chance so that routers do not
 * all knock at the same moment. Refusals that say "too much" (429, 503) only ask for a pause.
 *
 * Pure: moments are arguments, milliseconds of one clock.
 */
import type { RandomStream } from "../../core/index.ts";

/** Settings of `UpstreamHealth`. Milliseconds. */
export interface HealthOptions {
  /** Between two looks while all is well; 5000 when absent. */
  readonly everyMs?: number;
  /** Until the first look after a failure; 500 when absent. */
  readonly firstBackoffMs?: number;
  /** Longest of those waits; 30 000 when absent. */
  readonly lastBackoffMs?: number;
}

const DEFAULTS = { everyMs: 5000, firstBackoffMs: 500, lastBackoffMs: 30_000 };

/** See the head of this file. Unknown until the first look: not healthy. */
export class UpstreamHealth {
  readonly #options: Required<HealthOptions>;
  readonly #random: RandomStream;
  #healthy = false;
  #failures = 0;
  #lookAtMs = -Infinity;
  #pausedUntilMs = -Infinity;
  #problem: string | null = "it has not been looked at yet";

  constructor(random: RandomStream, options: HealthOptions = {}) {
    this.#options = { ...DEFAULTS, ...options };
    this.#random = random;
  }

  /** Why it is out; null while it is well. */
  get problem(): string | null {
    return this.#problem;
  }

  /** May it be given something? */
  usable(nowMs: number): boolean {
    return this.#healthy && nowMs >= this.#pausedUntilMs;
  }

  /** Is it time to look? */
  isDue(nowMs: number): boolean {
    return nowMs >= this.#lookAtMs;
  }

  /** When it may take something again, if it only asked for a pause; null otherwise. */
  retryAfterMs(nowMs: number): number | null {
    return this.#healthy && this.#pausedUntilMs > nowMs ? this.#pausedUntilMs - nowMs : null;
  }

  /** It has answered. */
  succeeded(nowMs: number): void {
    this.#healthy = true;
    this.#failures = 0;
    this.#problem = null;
    this.#lookAtMs = nowMs + this.#options.everyMs;
  }

  /** It has not, or wrongly. */
  failed(problem: string, nowMs: number): void {
    const { firstBackoffMs, lastBackoffMs } = this.#options;
    this.#healthy = false;
    this.#problem = problem;
    const backoffMs = Math.min(lastBackoffMs, firstBackoffMs * 2 ** Math.min(this.#failures, 30));
    this.#failures += 1;
    this.#lookAtMs = nowMs + backoffMs * (0.75 + this.#random.uniform() / 2);
  }

  /** It asks to be left alone for so long. */
  pause(ms: number, nowMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, nowMs + ms);
  }
}
