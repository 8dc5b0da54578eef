/**
 * How many tokens a step may hold: measured on the machine and model at hand, before the first request.
 *
 * Runs chunks of 1, 2, 4, … tokens through the executor and takes the largest size whose step stays
 * within the target, between two measured sizes by straight line. A model that is slower than the target with a single
 * token reads all its weights for it, and computes many more in hardly more time: there the target is twice that.
 * Short contexts only: attention over a long context comes on top, and the live cost model learns it.
 */
import { createRandom, type Clock } from "../core/index.ts";
import type { KvPages, StepBatch, StepExecutor } from "../llm/index.ts";
import type { StepCost } from "../sched/index.ts";
import type { Calibration } from "./types.ts";

export interface CalibrationPlan {
  readonly targetStepMs: number;
  /** Never above this many tokens. */
  readonly maxTokens: number;
  /** Never below: all running sequences must be able to decode in one step. */
  readonly minTokens: number;
  /** Stop measuring after this long. */
  readonly limitMs: number;
  readonly vocabSize: number;
}

const REPEATS = 4;
/** A step may always take that many times one token's. */
const LEAST_STEPS = 2;

/** Measures, tells `cost` what it found, and leaves the pages as it found them. */
export async function calibrate(
  executor: Pick<StepExecutor, "step">,
  pages: KvPages,
  clock: Clock,
  cost: StepCost,
  plan: CalibrationPlan,
): Promise<Calibration> {
  const startMs = clock.nowMs();
  const points: { tokens: number; stepMs: number }[] = [];
  const random = createRandom(0, "calibrate");
  const sequence = pages.open();
  const largest = Math.min(plan.maxTokens, pages.pages * pages.pageTokens);
  sequence.reserve(largest);
  for (let tokens = 1; tokens <= largest; tokens *= 2) {
    const row = Array.from({ length: tokens }, () => random.int(0, plan.vocabSize - 1));
    const batch: StepBatch = [{ tokens: row, startPosition: 0, pages: sequence.pages, wantLogits: "last" }];
    // Noise only ever adds: the quickest of a few runs is the cost. The first pays for allocations.
    let stepMs = Infinity;
    for (let i = 0; i <= REPEATS; i++) {
      const beforeMs = clock.nowMs();
      await executor.step(batch);
      if (i > 0) stepMs = Math.min(stepMs, clock.nowMs() - beforeMs);
      if (i > 0 && clock.nowMs() - startMs > plan.limitMs) break;
    }
    points.push({ tokens, stepMs });
    cost.observe(tokens, stepMs);
    if (stepMs > targetOf(points, plan) || clock.nowMs() - startMs > plan.limitMs) break;
  }
  sequence.release();
  const fitting = Math.floor(largestWithin(points, targetOf(points, plan)));
  return {
    budgetTokens: Math.max(plan.minTokens, Math.min(plan.maxTokens, fitting)),
    points,
    targetStepMs: plan.targetStepMs,
    tookMs: clock.nowMs() - startMs,
  };
}

function targetOf(points: readonly { stepMs: number }[], { targetStepMs }: CalibrationPlan): number {
  return Math.max(targetStepMs, LEAST_STEPS * (points[0]?.stepMs ?? 0));
}

/** The largest number of tokens within the target, between measured sizes by straight line. */
function largestWithin(points: readonly { tokens: number; stepMs: number }[], targetMs: number): number {
  let best = 1;
  let previous = { tokens: 0, stepMs: 0 };
  for (const point of points) {
    if (point.stepMs <= targetMs) {
      best = point.tokens;
    } else if (previous.stepMs <= targetMs && point.stepMs > previous.stepMs) {
      const share = (targetMs - previous.stepMs) / (point.stepMs - previous.stepMs);
      best = Math.max(best, previous.tokens + (point.tokens - previous.tokens) * share);
      break;
    }
    previous = point;
  }
  return best;
}
