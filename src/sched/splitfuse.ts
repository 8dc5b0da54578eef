/**
 * Dynamic SplitFuse (DeepSpeed-FastGen, 2401.08671 section 3): every step has the same number of tokens T, at the
 * knee of the cost curve. All running decodes are in it; the rest is filled exactly by prompts, long ones cut over
 * several steps, short ones put together and cut too. A prompt begins only when there are pages for all of it.
 *
 * Beyond the paper, T follows the objectives: when a running decode has a target pace, T is the largest step that
 * keeps it, but prompts always get a sixteenth of the full step, so that an impossible target does not stop the
 * queue. Where the paper lets a decode wait for a free block and evicts the last sequence only when nothing can move,
 * the last gives way at once, as in all our policies: decodes are never skipped.
 *
 * First come, first served; why nothing starves is said in fifo.ts. First tokens of long prompts come later the
 * smaller T is.
 */
import { composeStep } from "./compose.ts";
import { checkCount } from "./options.ts";
import type { BatchPolicy, SchedulerView } from "./types.ts";

/** What prompts get of a full step even if decodes want it shorter. */
const LEAST_PROMPT_SHARE = 1 / 16;

/** Settings of `splitfuse`. */
export interface SplitfuseOptions {
  /** The full step T in tokens, at least 1; the knee of the cost curve when absent. Never above `limits.budgetTokens`. */
  readonly stepTokens?: number;
}

/** The policy at the head of this file. It keeps nothing between plans. */
export function splitfuse({ stepTokens }: SplitfuseOptions = {}): BatchPolicy {
  if (stepTokens !== undefined) checkCount(stepTokens, "stepTokens");
  return {
    name: "splitfuse",
    plan: (view) => {
      const budgetTokens = splitfuseTokens(view, stepTokens);
      return composeStep(view, { budgetTokens, maxChunk: view.limits.maxChunk, mix: "decodes-first" });
    },
  };
}

/**
 * T for the next step, in tokens: at most `limits.budgetTokens`, enough for every running decode where that allows
 * it.
 * @param fullTokens T without objectives; `limits.kneeTokens` when absent, and the whole budget when that is unknown.
 */
export function splitfuseTokens(view: SchedulerView, fullTokens?: number): number {
  const { budgetTokens, kneeTokens } = view.limits;
  const full = Math.min(budgetTokens, fullTokens ?? kneeTokens ?? budgetTokens);
  let decodes = 0;
  let paceMs = Infinity;
  for (const { pendingTokens, generatedTokens, slo } of view.running) {
    if (pendingTokens > 1) continue;
    decodes += 1;
    if (generatedTokens > 0) paceMs = Math.min(paceMs, slo.tpotMs ?? Infinity);
  }
  const least = Math.min(budgetTokens, decodes + Math.max(1, Math.floor(full * LEAST_PROMPT_SHARE)));
  return Math.max(least, largestWithin(view, full, paceMs));
}

/** The largest step of 1 to `most` tokens expected to last at most `paceMs`; 1 when none is. Costs grow with tokens. */
function largestWithin({ cost }: SchedulerView, most: number, paceMs: number): number {
  if (cost === undefined || cost.stepMs(most) <= paceMs) return most;
  let within = 1;
  let above = most;
  while (above - within > 1) {
    const middle = (within + above) >> 1;
    if (cost.stepMs(middle) <= paceMs) within = middle;
    else above = middle;
  }
  return within;
}
