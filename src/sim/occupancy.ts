/** Who waits and runs where over virtual time, as sums: mean and largest queue of the fleet, busy time of each instance. */
import type { VirtualInstance } from "./instance.ts";
import type { InstanceReport, SimulationReport } from "./report.ts";

/** Told of every instance that may have changed, and of time passing. */
export class Occupancy {
  readonly #waiting: number[] = [];
  readonly #running: number[] = [];
  readonly #busyMs: number[] = [];
  readonly #stopMs: (number | undefined)[] = [];
  #waitingNow = 0;
  #runningNow = 0;
  #mostWaiting = 0;
  #waitingMs = 0;
  #runningMs = 0;
  #elapsedMs = 0;

  /** Time passes with everybody as they were last seen. */
  advance(byMs: number): void {
    this.#elapsedMs += byMs;
    this.#waitingMs += this.#waitingNow * byMs;
    this.#runningMs += this.#runningNow * byMs;
  }

  watch({ index, waiting, running }: VirtualInstance): void {
    this.#waitingNow += waiting - (this.#waiting[index] ?? 0);
    this.#runningNow += running - (this.#running[index] ?? 0);
    this.#waiting[index] = waiting;
    this.#running[index] = running;
    if (this.#waitingNow > this.#mostWaiting) this.#mostWaiting = this.#waitingNow;
  }

  busy(index: number, ms: number): void {
    this.#busyMs[index] = (this.#busyMs[index] ?? 0) + ms;
  }

  /** The instance is off from now on. */
  stop(index: number, nowMs: number): void {
    this.#stopMs[index] ??= nowMs;
  }

  get queue(): SimulationReport["queue"] {
    const mean = (sum: number): number => (this.#elapsedMs > 0 ? sum / this.#elapsedMs : 0);
    return {
      meanWaiting: mean(this.#waitingMs),
      mostWaiting: this.#mostWaiting,
      meanRunning: mean(this.#runningMs),
    };
  }

  instance({ index, role, steps, preemptions }: VirtualInstance, startMs: number, endMs: number): InstanceReport {
    const aliveMs = Math.max(0, (this.#stopMs[index] ?? endMs) - startMs);
    const busyMs = Math.min(aliveMs, this.#busyMs[index] ?? 0);
    return { index, role, steps, preemptions, aliveMs, utilization: aliveMs > 0 ? busyMs / aliveMs : 0 };
  }
}
