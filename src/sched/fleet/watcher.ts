/** What watches over a fleet: migration pairs at every look, and a number of instances that follows the load. */
import { Autoscaler, type AutoscaleOptions } from "./autoscale.ts";
import { Pairing, type PairingOptions } from "./pairing.ts";
import type { FleetWatcher } from "./types.ts";

/** Settings of `fleetWatcher`; what is absent is not done. */
export interface WatcherOptions {
  readonly migrate?: PairingOptions;
  readonly autoscale?: AutoscaleOptions;
  /** Milliseconds between two looks; 50 when absent. */
  readonly everyMs?: number;
}

/** See the head of this file. */
export function fleetWatcher({ migrate, autoscale, everyMs = 50 }: WatcherOptions): FleetWatcher {
  const pairing = migrate === undefined ? null : new Pairing(migrate);
  const scaler = autoscale === undefined ? null : new Autoscaler(autoscale);
  const parts = [pairing === null ? [] : ["migrate"], scaler === null ? [] : ["autoscale"]].flat();
  return {
    name: parts.join("+"),
    everyMs,
    decide: (instances, nowMs) => [...(scaler?.scale(instances, nowMs) ?? []), ...(pairing?.pairs(instances) ?? [])],
  };
}
