/**
 * Pipeline parallelism on the port of instances: `stages` instances that take turns on the same stages, each with its
 * part of the cache, as engines keep one batch per stage under way. A step passes through all stages, each of which
 * works on one step at a time:
 *
 *   engine 0   [stage 0][stage 1]        [stage 0]...
 *   engine 1            [stage 0][stage 1]
 *
 * A stage takes its part of the step and a millisecond for handing on, as in DistServe's simulator.
 */
import { assert } from "../../core/index.ts";
import type { StepTiming } from "../simulation.ts";
import type { Deployment } from "../types.ts";

const HAND_ON_MS = 1;

/** One of the `stages` engines of a pipeline; all of them together are the deployment on `stages` times its devices. */
export function pipelined(deployment: Deployment, stages: number, weightBytes: number): Deployment {
  assert(Number.isInteger(stages) && stages >= 1, "a pipeline has stages");
  if (stages === 1) return deployment;
  const { name, cost, kvTokens, kvBytesPerToken, devices } = deployment;
  // Weights are there once over all stages; what they leave is KV, in equal parts for the engines.
  const bytes = stages * (kvTokens * kvBytesPerToken + weightBytes) - weightBytes;
  return {
    name: `${name} pp${stages}`,
    cost: { name: `${cost.name} pp${stages}`, stepMs: (shape) => cost.stepMs(shape) + stages * HAND_ON_MS },
    kvTokens: Math.floor(bytes / kvBytesPerToken / stages),
    kvBytesPerToken,
    devices,
  };
}

/** How long steps of one pipeline's engines take, waiting for stages included. Serves one simulation. */
export function pipelineTiming({ cost }: Deployment, stages: number): StepTiming {
  const freeMs = new Float64Array(stages);
  return (shape, _instance, _instances, nowMs) => {
    const stageMs = cost.stepMs(shape) / stages;
    let atMs = nowMs;
    for (let stage = 0; stage < stages; stage++) {
      atMs = Math.max(atMs, freeMs[stage]!) + stageMs;
      freeMs[stage] = atMs;
    }
    return atMs - nowMs;
  };
}
