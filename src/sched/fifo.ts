/**
 * First come, first served: running decodes first, then chunks of prompts under the token budget
 * (Sarathi, SplitFuse), then admission in arrival order while pages last. When pages run out the
 * youngest sequence is preempted: it gives its pages back and recomputes later.
 *
 * It reads deadlines only to expire, cut and reject; it never reorders by them.
 *
 * Why nothing starves: older sequences take pages from younger ones, never the reverse, and nobody
 * overtakes.
 */
import { composeStep } from "./compose.ts";
import type { BatchPolicy } from "./types.ts";

/** The policy at the head of this file. It keeps nothing between plans: one object serves any number of engines. */
export function fifo(): BatchPolicy {
  return {
    name: "fifo",
    plan: (view) => {
      const { budgetTokens, maxChunk } = view.limits;
      return composeStep(view, { budgetTokens, maxChunk, mix: "decodes-first" });
    },
  };
}
