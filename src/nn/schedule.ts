/** Learning rates as pure functions of the step, counted from 0. */
import { assert } from "../core/index.ts";

/**
 * How the learning rate moves over a run: up linearly to `peak` in `warmupSteps` (the first step is already above 0),
 * then by kind.
 */
export type Schedule =
  /** Linear warmup to `peak`, then half a cosine down to `floor` at the last step. */
  | { readonly kind: "cosine"; readonly peak: number; readonly floor: number; readonly warmupSteps: number }
  /**
   * Warmup, stable, decay (Hu et al. 2024): flat until the last `decaySteps`, then down to `floor`, along a
   * straight line or along one minus a square root, which falls fast first (Hägele et al. 2024).
   */
  | {
      readonly kind: "wsd";
      readonly peak: number;
      readonly floor: number;
      readonly warmupSteps: number;
      readonly decaySteps: number;
      readonly decay: "linear" | "root";
    };

/** The learning rate of step `step` in a run of `totalSteps`. */
export function learningRate(schedule: Schedule, step: number, totalSteps: number): number {
  assert(step >= 0 && step < totalSteps, "a step lies inside its run");
  const { peak, floor, warmupSteps } = schedule;
  if (step < warmupSteps) return (peak * (step + 1)) / warmupSteps;
  switch (schedule.kind) {
    case "cosine": {
      const progress = (step - warmupSteps) / Math.max(1, totalSteps - 1 - warmupSteps);
      return floor + (peak - floor) * 0.5 * (1 + Math.cos(Math.PI * progress));
    }
    case "wsd": {
      const decayStart = totalSteps - schedule.decaySteps;
      if (step < decayStart) return peak;
      const progress = (step - decayStart + 1) / schedule.decaySteps;
      return peak + (floor - peak) * (schedule.decay === "linear" ? progress : Math.sqrt(progress));
    }
    default:
      return schedule satisfies never;
  }
}
