/**
 * Steps of several instances as one timeline, in order of when they began by this router's clock. What lies between that
 * clock and an instance's is taken from the quickest message, so that late ones bend nothing. Steps come in batches, so each
 * is held back for a moment in which those of others may still come. Bounded; what is too late for its place is told as if it
 * had begun with the last that was told. Pure: the moment is an argument.
 */
import type { StepsMessage } from "../../protocol/index.ts";
import type { WatchedStep } from "../../runtime/index.ts";

/** Twice the time between two batches of an instance: who has told nothing by then has no step of that time. */
const HOLD_MS = 500;
/** Beyond so many the oldest are told early. */
const MOST_HELD = 8192;
/** How much more may lie between two clocks with every message: clocks drift, by less than this. */
const DRIFT_MS = 0.05;

/** See the head of this file. */
export class StepMerge {
  /** Ascending by their beginning but for what has come since the last release. */
  #held: WatchedStep[] = [];
  /** When the last one that was told began. */
  #toldMs = -Infinity;
  /** Of each instance: to be added to its moments. */
  readonly #offsetMs = new Map<string, number>();

  /** Steps held back. */
  get size(): number {
    return this.#held.length;
  }

  /** Steps of an instance that were told now. */
  take({ instance, sentMs, steps }: StepsMessage, nowMs: number): void {
    const offsetMs = Math.min(nowMs - sentMs, (this.#offsetMs.get(instance) ?? Infinity) + DRIFT_MS);
    this.#offsetMs.set(instance, offsetMs);
    for (const { startMs, ...step } of steps) {
      this.#held.push({ ...withoutAbsent(step), startMs: startMs + offsetMs, instance });
    }
  }

  /** It is gone; what it told is told. */
  forget(instance: string): void {
    this.#offsetMs.delete(instance);
  }

  /** Nobody listens any more: whoever comes next is told what happens from then on, not what nobody heard. */
  clear(): void {
    this.#held = [];
    this.#toldMs = -Infinity;
    this.#offsetMs.clear();
  }

  /** What has been held for long enough, in order. */
  release(nowMs: number): readonly WatchedStep[] {
    if (this.#held.length === 0) return [];
    this.#held.sort((a, b) => a.startMs - b.startMs);
    const isDue = ({ startMs, durationMs }: WatchedStep): boolean => startMs + durationMs <= nowMs - HOLD_MS;
    const waiting = this.#held.findIndex((step) => !isDue(step));
    const due = waiting < 0 ? this.#held.length : waiting;
    const told = this.#held.splice(0, Math.max(due, this.#held.length - MOST_HELD));
    return told.map((step) => {
      this.#toldMs = Math.max(this.#toldMs, step.startMs);
      return step.startMs < this.#toldMs ? { ...step, startMs: this.#toldMs } : step;
    });
  }
}

type ToldStep = Omit<StepsMessage["steps"][number], "startMs">;

function withoutAbsent({ rejectedTokens, phase, ...step }: ToldStep): Omit<WatchedStep, "startMs" | "instance"> {
  return {
    ...step,
    ...(rejectedTokens === undefined ? {} : { rejectedTokens }),
    ...(phase === undefined ? {} : { phase }),
  };
}
