/** From which size on two threads are worth waking: measured, since it depends on the machine and its load. */
import { median, type Clock } from "../core/index.ts";

const TRIALS = 7;
/** Two threads must be this much faster to count: waking one for less is not worth the core. */
const GAIN = 0.9;
/** Long enough for the second thread to fall asleep between calls, as it does between layers. */
const PAUSE_MS = 0.3;
const SMALLEST_TOKENS = 16;
const WARM_CALLS = 60;

/**
 * Calls until the optimised code is in: WebAssembly starts in a baseline tier several times slower, and the
 * better code is compiled in the background, in the pauses.
 */
export function warmUp(call: (thresholdBytes: number) => void): void {
  const asleep = new Int32Array(new SharedArrayBuffer(4));
  for (let i = 0; i < WARM_CALLS; i++) {
    call(i % 2 === 0 ? Infinity : 0);
    Atomics.wait(asleep, 0, 0, PAUSE_MS);
  }
}

/** Whether `call(0)` (share) is clearly faster than `call(Infinity)` (do not), interleaved, by medians. */
export function sharingWins(clock: Clock, call: (thresholdBytes: number) => void): boolean {
  const asleep = new Int32Array(new SharedArrayBuffer(4));
  const timed = (thresholdBytes: number): number => {
    Atomics.wait(asleep, 0, 0, PAUSE_MS);
    const startMs = clock.nowMs();
    call(thresholdBytes);
    return clock.nowMs() - startMs;
  };
  const alone: number[] = [];
  const shared: number[] = [];
  for (let i = 0; i < TRIALS; i++) {
    alone.push(timed(Infinity));
    shared.push(timed(0));
  }
  return median(shared) < GAIN * median(alone);
}

/** The smallest size, by doubling up to `longest`, from which `wins` holds twice in a row; Infinity if none. */
export function smallestWinner(longest: number, wins: (size: number) => boolean): number {
  let candidate = Infinity;
  for (let size = SMALLEST_TOKENS; size <= longest; size *= 2) {
    if (!wins(size)) candidate = Infinity;
    else if (candidate < Infinity) return candidate;
    else candidate = size;
  }
  return candidate;
}
