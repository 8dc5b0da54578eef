/** By how much this thread's timers were late, measured by the runtime itself while somebody wants to know. */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { EventLoopLag } from "./watched-model.ts";

const RESOLUTION_MS = 10;
const NANOSECONDS = 1e6;

/** Measures between `start` and `stop`. */
export class EventLoopMonitor {
  readonly #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

  start(): void {
    this.#histogram.reset();
    this.#histogram.enable();
  }

  stop(): void {
    this.#histogram.disable();
  }

  /** Since it was last asked. The monitor's own interval is taken off; what is left is lateness. */
  take(): EventLoopLag {
    const late = (percentile: number): number => {
      if (this.#histogram.count === 0) return 0;
      return Math.max(0, this.#histogram.percentile(percentile) / NANOSECONDS - RESOLUTION_MS);
    };
    const lag = { p50: late(50), p99: late(99) };
    this.#histogram.reset();
    return lag;
  }
}
