/**
 * The live clock, and the only timers below cli/.
 *
 * By the standard `performance.now()` counts from each thread's own start (Node 20 happens to share one
 * origin, later versions need not), so its values must not cross threads. The live clock adds this
 * thread's offset to `process.hrtime`, the monotonic clock that all threads of a process read: times
 * taken on the main thread and in an engine worker compare directly. They mean nothing in another
 * process.
 */
import type { Clock } from "../core/index.ts";

/** hrtime minus performance.now for this thread, from the tightest of a few readings. */
function measureOffsetMs(): number {
  let best = 0;
  let narrowest = Infinity;
  for (let i = 0; i < 8; i++) {
    const before = performance.now();
    const shared = Number(process.hrtime.bigint()) / 1e6;
    const after = performance.now();
    if (after - before < narrowest) {
      narrowest = after - before;
      best = shared - (before + after) / 2;
    }
  }
  return best;
}

const offsetMs = measureOffsetMs();

/** Monotonic milliseconds, the same origin in every thread of this process. */
export const liveClock: Clock = { nowMs: () => performance.now() + offsetMs };

/** The date: milliseconds since 1970, UTC. It may jump; never measure with it. */
export const wallMs = (): number => Date.now();

/** Resolves after that many milliseconds, or as soon as the signal fires. Keeps the process alive meanwhile. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** Calls back once after that many milliseconds; does not keep the process alive. Returns the undo. */
export function after(ms: number, callback: () => void): () => void {
  const timer = setTimeout(callback, ms);
  timer.unref();
  return () => clearTimeout(timer);
}

/** Lets everything else that is ready on this thread run once. */
export function yieldThread(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
