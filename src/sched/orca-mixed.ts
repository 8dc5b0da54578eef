/**
 * Iteration-level scheduling with whole prompts (Orca, OSDI '22, section 3; the second baseline of 2401.08671): every
 * step advances all running sequences by a token and computes the whole prompts of those who join, so a long prompt
 * makes one long step for everybody.
 *
 * First come, first served. Orca reserves memory for the longest answer a request may give; here pages are taken as
 * they are needed, like everywhere in this module, so that arms differ in the composition of steps only. A prompt
 * that no step can hold goes on at once in the next step, before the decodes.
 *
 * Why nothing starves: nobody overtakes, and a prompt that has begun ends within finitely many steps.
 */
import { composeStep } from "./compose.ts";
import type { BatchPolicy } from "./types.ts";

/** The policy at the head of this file. It keeps nothing between plans. */
export function orcaMixed(): BatchPolicy {
  return {
    name: "orca-mixed",
    chunked: false,
    plan: (view) => {
      const stepTokens = view.limits.maxStepTokens ?? view.limits.budgetTokens;
      return composeStep(view, {
        budgetTokens: stepTokens,
        maxChunk: stepTokens,
        mix: "prompts-first",
        whole: true,
      });
    },
  };
}
