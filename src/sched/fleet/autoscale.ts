/**
 * How many instances a fleet has: one more when it is less free than wished, one less when it is freer (Llumnix, OSDI'24,
 * section 4.4; INFaaS scales by load in the same way). The measure is the freeness of the fleet taken as one: free tokens
 * of all over requests of all, with everything that is queued counted. Instances that are starting count as free, so that
 * one shortage starts one instance. Below the fewest that were asked for, as after a crash, nothing is waited for.
 */
import { assert } from "../../core/index.ts";
import type { FleetDecision, InstanceLoad } from "./types.ts";

/** Settings of `Autoscaler`. */
export interface AutoscaleOptions {
  /** Fewest and most instances that serve or start. */
  readonly least: number;
  readonly most: number;
  /** Decode steps of freeness: below `lowSteps` one more, above `highSteps` one less. */
  readonly lowSteps: number;
  readonly highSteps: number;
  /** Milliseconds between two changes; 10,000 when absent. */
  readonly everyMs?: number;
}

/** At most one change per interval, but for what is missing to the fewest. One object serves one fleet. */
export class Autoscaler {
  /** Milliseconds between two changes. */
  readonly everyMs: number;
  readonly #options: AutoscaleOptions;
  #nextMs: number;

  constructor(options: AutoscaleOptions) {
    const { least, most, lowSteps, highSteps, everyMs = 10_000 } = options;
    assert(least >= 1 && least <= most, "a fleet keeps at least one instance");
    assert(lowSteps < highSteps, "between the thresholds nothing changes");
    this.#options = options;
    this.everyMs = everyMs;
    this.#nextMs = everyMs;
  }

  scale(instances: readonly InstanceLoad[], nowMs: number): FleetDecision[] {
    const { least, most, lowSteps, highSteps } = this.#options;
    const serving = instances.filter(({ state }) => state === "serving");
    const starting = instances.filter(({ state }) => state === "starting").length;
    const isMissing = serving.length + starting < least;
    if (nowMs < this.#nextMs && !isMissing) return [];
    this.#nextMs = nowMs + this.everyMs;
    if (isMissing) return [{ kind: "start" }];
    const steps = fleetFreeness(instances);
    if (steps < lowSteps) return serving.length + starting < most ? [{ kind: "start" }] : [];
    if (steps <= highSteps || serving.length <= 1 || serving.length + starting <= least) return [];
    const emptiest = serving.reduce((a, b) => (b.running + b.waiting < a.running + a.waiting ? b : a));
    return [{ kind: "drain", instance: emptiest.index }];
  }
}

/** Free tokens over requests, of all instances that serve, start or drain: what drains has no room but work to place. */
export function fleetFreeness(instances: readonly InstanceLoad[]): number {
  let [free, requests] = [0, 0];
  for (const { state, totalPages, usedPages, waitingPages, pageTokens, running, waiting } of instances) {
    if (state === "stopped") continue;
    const room = state === "draining" ? 0 : totalPages - usedPages;
    free += (room - waitingPages) * pageTokens;
    requests += running + waiting;
  }
  return requests === 0 ? Infinity : free / requests;
}
