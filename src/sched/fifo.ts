/**
 * First come, first served: running decodes first, then chunks of prompts under the token budget
 * (Sarathi, SplitFuse), then admission in arrival order while pages last. When pages run out the
 * youngest sequence is preempted: it gives its pages back and recomputes later.
 *
 * While nothing decodes the budget is a larger one: small chunks protect the pace of running answers, and a prompt that
 * has the engine to itself pays for them with time.
 *
 * It reads deadlines only to expire, cut and reject; it never reorders by them.
 *
 * Why nothing starves: older sequences take pages from younger ones, never the reverse, and nobody
 * overtakes.
 */
import { composeStep } from "./compose.ts";
import type { BatchPolicy, SchedulerLimits, SchedulerView } from "./types.ts";

/** The policy at the head of this file. It keeps nothing between plans: one object serves any number of engines. */
export function fifo(): BatchPolicy {
  return {
    name: "fifo",
    plan: (view) => {
      return composeStep(view, { ...promptLimits(view), mix: "decodes-first" });
    },
  };
}

/** Budget and chunk of the next step: see `SchedulerLimits.promptStepTokens`. */
function promptLimits({ running, limits }: SchedulerView): Pick<SchedulerLimits, "budgetTokens" | "maxChunk"> {
  const { budgetTokens, maxChunk, promptStepTokens = budgetTokens } = limits;
  if (running.some(({ pendingTokens }) => pendingTokens === 1)) return { budgetTokens, maxChunk };
  return { budgetTokens: promptStepTokens, maxChunk: maxChunk < budgetTokens ? maxChunk : promptStepTokens };
}
