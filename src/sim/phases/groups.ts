/** Equal instances of one deployment, pipelines included, and several such groups side by side in one fleet. */
import type { InstanceSpec } from "../fleet.ts";
import type { StepTiming } from "../simulation.ts";
import type { Deployment } from "../types.ts";
import { pipelined, pipelineTiming } from "./pipeline.ts";
import type { PhasedFleet } from "./types.ts";

/** Equal instances. */
export interface PhaseGroup {
  /** Of one instance without its pipeline. */
  readonly deployment: Deployment;
  readonly instances: number;
  /** Stages of its pipeline; 1 when absent. */
  readonly pipeline?: number;
  /** Of one copy, for pipelines. */
  readonly weightBytes: number;
}

/** Settings of every instance of a fleet. */
export interface FleetSettings {
  readonly pageTokens?: number;
  readonly maxRunning?: number;
  readonly prefixCache?: boolean;
}

/** Specifications of one group, with the timing of each. */
interface Group {
  readonly specs: readonly InstanceSpec[];
  /** Of each; null: its cost model's. */
  readonly timings: readonly (StepTiming | null)[];
  readonly devices: number;
}

/** The instances of a group: one specification for each engine of each pipeline. */
export function groupInstances(group: PhaseGroup, specOf: (deployment: Deployment) => InstanceSpec): Group {
  const { deployment, instances, pipeline = 1, weightBytes } = group;
  const engine = pipelined(deployment, pipeline, weightBytes);
  const spec = specOf(engine);
  const specs: InstanceSpec[] = [];
  const timings: (StepTiming | null)[] = [];
  for (let instance = 0; instance < instances; instance++) {
    const timing = pipeline === 1 ? null : pipelineTiming(engine, pipeline);
    for (let stage = 0; stage < pipeline; stage++) {
      specs.push(spec);
      timings.push(timing);
    }
  }
  return { specs, timings, devices: instances * pipeline * deployment.devices };
}

/** Groups side by side, in that order of instances. */
export function joinGroups(groups: readonly Group[]): PhasedFleet {
  const instances = groups.flatMap(({ specs }) => specs);
  const timings = groups.flatMap((group) => group.timings);
  const devices = groups.reduce((sum, group) => sum + group.devices, 0);
  if (timings.every((timing) => timing === null)) return { instances, devices };
  return {
    instances,
    devices,
    timing: (shape, instance, all, nowMs) => {
      const timing = timings[instance.index];
      if (timing !== null && timing !== undefined) return timing(shape, instance, all, nowMs);
      return instances[instance.index]!.deployment.cost.stepMs(shape);
    },
  };
}
