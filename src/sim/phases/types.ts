/** What instances that work together are made of; what `Simulation` takes beside a trace. */
import type { InstanceSpec } from "../fleet.ts";
import type { SimulationOptions } from "../simulation.ts";

/** Instances, how a request goes through them, and how long their steps take together. Serves one simulation. */
export interface PhasedFleet {
  readonly instances: readonly InstanceSpec[];
  readonly phase?: NonNullable<SimulationOptions["phase"]>;
  readonly timing?: NonNullable<SimulationOptions["timing"]>;
  readonly retiming?: NonNullable<SimulationOptions["retiming"]>;
  /** Devices of all instances together. */
  readonly devices: number;
}
