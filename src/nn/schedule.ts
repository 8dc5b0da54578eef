/** Learning rates as pure functions of the step, counted from 0. */
import { assert, AssertionError } from "../core/index.ts";

/**
 * How the learning rate moves over a run: up linearly to `peak` in `warmupSteps` (the first step is already above 0),
 * then by kind.
 */
export type Schedule = PlannedSchedule | RevisedSchedule;

/** A plan that was changed on the way: it records the change, so that the run can be made again. */
export interface RevisedSchedule {
  readonly kind: "revised";
  readonly first: PlannedSchedule;
  /** The length of run that `first` was planned for. */
  readonly plannedSteps: number;
  /** How many steps followed it. */
  readonly steps: number;
  /** What followed: straight lines of the rate, one after the other. */
  readonly lines: readonly RateLine[];
}

/** A stretch of steps over which the rate goes in a straight line. */
export interface RateLine {
  readonly steps: number;
  readonly from: number;
  readonly to: number;
  /** The steps after which the next line begins, when this one was left early. */
  readonly left?: number;
}

/** A learning rate planned for a whole run. */
export type PlannedSchedule =
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
  if (schedule.kind !== "revised") return plannedRate(schedule, step, totalSteps);
  if (step < schedule.steps) return plannedRate(schedule.first, step, schedule.plannedSteps);
  let start = schedule.steps;
  for (const { steps, from, to, left = steps } of schedule.lines) {
    if (step < start + left) return from + ((to - from) * (step - start)) / steps;
    start += left;
  }
  throw new AssertionError("the lines of a revised schedule reach the end of the run");
}

function plannedRate(schedule: PlannedSchedule, step: number, totalSteps: number): number {
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
