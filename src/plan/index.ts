/**
 * plan: which placement of a model on which devices serves a trace within its objective, for the least money, by
 * simulation. Pure: no clock, no I/O; one plan takes as long as its simulations.
 *
 *   const choices = catalogue({ model: "opt-13b", prices: [{ gpu: "a100", pricePerHour: 2 }] });
 *   const { chosen, runnersUp, sensitivity } = await plan({
 *     trace,
 *     objective: { slo: parseSlo("ttft=0.4s,tpot=40ms"), attain: 0.9 },
 *     choices,
 *     devices: [1, 32],
 *   });
 */
export { bestPerDevice, goodputOf, tightestSlo, type BoundaryOptions, type Goodput } from "./boundary.ts";
export { catalogue, GPU_KINDS, PLAN_MODELS, type CatalogueOptions, type PricedGpu } from "./catalogue.ts";
export { Evaluator, type EvaluatorOptions, type PlanProgress, type PointOptions } from "./evaluator.ts";
export { describePlacement, devicesOf, fleetOf, partsOf, pricePerHourOf } from "./placement.ts";
export {
  plan,
  type AttainmentCurve,
  type CostBasis,
  type NearPlacement,
  type Plan,
  type PlanObserver,
  type PlanOptions,
  type PlanStage,
  type Sensitivity,
} from "./plan.ts";
export type { RatedPlacement, SearchSpace } from "./search.ts";
export {
  PLACEMENT_MODES,
  type DeviceChoice,
  type Objective,
  type Placement,
  type PlacementMode,
  type PlanPoint,
} from "./types.ts";
