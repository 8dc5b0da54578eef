/** Instances that do both phases, under any batching policy: the fleet that the other placements are compared with. */
import type { BatchPolicy } from "../../sched/index.ts";
import { groupInstances, joinGroups, type FleetSettings, type PhaseGroup } from "./groups.ts";
import type { PhasedFleet } from "./types.ts";

/** Settings of every instance of a colocated fleet. */
export interface ColocatedSettings extends FleetSettings {
  readonly policy: () => BatchPolicy;
  /** Most tokens of a step; found from the cost model when absent. */
  readonly budgetTokens?: number;
  /** Most tokens of a step that computes prompts whole. */
  readonly maxStepTokens?: number;
}

/** So many instances, each on its own. */
export function colocatedFleet(group: PhaseGroup, settings: ColocatedSettings): PhasedFleet {
  return joinGroups([groupInstances(group, (deployment) => ({ ...settings, deployment }))]);
}
