/**
 * Prompts before everything, as vLLM scheduled until chunked prefill became its default (its `Scheduler` of 2023; the
 * baseline of 2401.08671 section 4): while a prompt can be admitted, a step computes whole prompts and nothing else,
 * up to the most tokens a step can hold; otherwise it is one token of every running sequence. First tokens come
 * early, and every stream stands still meanwhile.
 *
 * First come, first served; where requests have a priority, higher ones go first (Llumnix's scheduling priority) and
 * first come, first served among equals. It differs from its model in what all our policies share: admission leaves a page for
 * each running sequence to grow into (there: a hundredth of the cache), and there is no limit of padding, because
 * nothing is padded. A prompt longer than any step is computed in steps of its own, one after the other.
 *
 * Why nothing starves: nobody overtakes within a priority, and once every slot is taken no prompt can come before the
 * decodes. Lower priorities wait as long as higher ones fill the machine; that is what they ask for.
 */
import { composeStep } from "./compose.ts";
import type { BatchPolicy, SequenceView } from "./types.ts";

const rank = ({ priority = 0 }: SequenceView): number => -priority;

/** The policy at the head of this file. It keeps nothing between plans. */
export function prefillFirst(): BatchPolicy {
  return {
    name: "prefill-first",
    chunked: false,
    plan: (view) => {
      const stepTokens = view.limits.maxStepTokens ?? view.limits.budgetTokens;
      return composeStep(view, {
        rank,
        budgetTokens: stepTokens,
        maxChunk: stepTokens,
        mix: "prompts-alone",
        whole: true,
      });
    },
  };
}
