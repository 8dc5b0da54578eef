/**
 * The token budget and the knee of a virtual instance, found as a live engine finds them at start: steps of 1, 2, 4, … tokens
 * until one exceeds the target, between two sizes by straight line; then chunks beside decodes. What the cost model says
 * stands in for measuring.
 */
import { KNEE_CHUNKS, KNEE_DECODE_CONTEXT, kneeOfSteps, StepCost } from "../../sched/index.ts";
import type { CostModel, StepShape } from "../types.ts";

/** The shape of a lone chunk of a prompt. */
export function chunkShape(tokens: number, context = 0): StepShape {
  const end = context + tokens;
  return {
    tokens,
    rows: 1,
    prefillTokens: tokens,
    prefillSquares: end * end - context * context,
    prefillContext: end,
    decodes: 0,
    decodeContext: 0,
  };
}

/** The shape of a step of decodes only, each with that many tokens in place. */
export function decodeShape(rows: number, context: number): StepShape {
  const sums = { prefillTokens: 0, prefillSquares: 0, prefillContext: 0 };
  return { tokens: rows, rows, ...sums, decodes: rows, decodeContext: rows * context };
}

/** The shape of a prompt's first chunk beside decodes, each with that many tokens in place. */
export function mixedShape(chunkTokens: number, decodes: number, context: number): StepShape {
  const chunk = chunkShape(chunkTokens);
  return {
    ...chunk,
    tokens: chunkTokens + decodes,
    rows: 1 + decodes,
    decodes,
    decodeContext: decodes * context,
  };
}

/** What a live engine would have calibrated on a machine with these costs. */
export interface Calibrated {
  readonly budgetTokens: number;
  /** Null when nothing could be found. */
  readonly kneeTokens: number | null;
  /** What policies may know of costs at first. */
  readonly cost: StepCost;
}

/**
 * @param minTokens never below: all running sequences decode in one step.
 * @param maxTokens never above.
 * @param decodes beside the chunks that the knee is looked for with; 0 where prompts run alone.
 */
export function calibrate(
  model: CostModel,
  targetStepMs: number,
  minTokens: number,
  maxTokens: number,
  decodes: number,
): Calibrated {
  const cost = new StepCost();
  let fitting = 1;
  let before = { tokens: 0, stepMs: 0 };
  for (let tokens = 1; tokens <= maxTokens; tokens *= 2) {
    const stepMs = model.stepMs(tokens === 1 ? decodeShape(1, 1) : chunkShape(tokens));
    cost.observe(tokens, stepMs);
    if (stepMs > targetStepMs) {
      const share = stepMs > before.stepMs ? (targetStepMs - before.stepMs) / (stepMs - before.stepMs) : 0;
      if (before.stepMs <= targetStepMs) fitting = Math.max(fitting, before.tokens + (tokens - before.tokens) * share);
      break;
    }
    fitting = tokens;
    before = { tokens, stepMs };
  }
  const kneeTokens = kneeBeside(model, targetStepMs, maxTokens, decodes);
  return { budgetTokens: Math.max(minTokens, Math.min(maxTokens, Math.floor(fitting))), kneeTokens, cost };
}

function kneeBeside(model: CostModel, targetStepMs: number, maxTokens: number, decodes: number): number | null {
  const points: { tokens: number; stepMs: number }[] = [];
  for (const chunk of KNEE_CHUNKS) {
    if (chunk + decodes > maxTokens) break;
    const stepMs = model.stepMs(mixedShape(chunk, decodes, KNEE_DECODE_CONTEXT));
    points.push({ tokens: chunk + decodes, stepMs });
    if (stepMs > targetStepMs) break;
  }
  return kneeOfSteps(points);
}
