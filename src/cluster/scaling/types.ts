/** How many instances a fleet has: what a router is told about it, and what starts one. Types only. */
import type { AutoscaleOptions, InstanceLoad } from "../../sched/index.ts";

/** One start under way. */
export interface Launch {
  /**
   * Resolves when the command has ended: with null when all is well (it may go on starting the instance elsewhere, or it was
   * the instance itself), with the reason when it is not. Never rejects.
   */
  readonly ended: Promise<string | null>;
}

/** How a router keeps the number of instances. */
export interface ScalingOptions {
  /** Bounds and thresholds of the number, and the time between two changes. */
  readonly policy: AutoscaleOptions;
  /** Whose instances are counted; absent: those of the one model that the fleet serves. */
  readonly model?: string;
  /** Starts one instance, which should take this id. Must not throw. */
  readonly launch: (id: string) => Launch;
  /** An instance that has not come after so long is not waited for any more, milliseconds; 300 000 when absent. */
  readonly startMs?: number;
  /** The first pause after a start that failed, milliseconds; 1000 when absent. It doubles with each that follows, up to a minute. */
  readonly firstPauseMs?: number;
}

/** An instance as a scaler sees it. */
export interface ScaledInstance {
  readonly id: string;
  readonly model: string;
  readonly role: "any" | "prefill" | "decode";
  readonly load: InstanceLoad;
}
