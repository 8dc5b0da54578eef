/**
 * Shortest job first on predicted lengths ("learning to rank", 2408.15792, with a predicted number of tokens in place
 * of a rank): the fewer tokens a request is expected to generate still, the earlier it goes. Best for the mean
 * latency if predictions are good; it knows no objectives.
 *
 * It knows of lengths only what the view says (`expectedTokens`), never a true one. It does not take slots from
 * running sequences; they move ahead in the order as they come to their end.
 *
 * Why nothing starves: a token more is worth `agingMs` of waiting, so that a request is overtaken only by those that
 * arrive within its length times that.
 */
import { composeStep } from "./compose.ts";
import { checkPositive } from "./options.ts";
import type { BatchPolicy, SequenceView } from "./types.ts";

const AGING_MS = 100;

/** Settings of `shortest-predicted`. */
export interface ShortestPredictedOptions {
  /** How long a request that is expected to be one token longer waits for others at most, milliseconds; 100 when absent. */
  readonly agingMs?: number;
}

/** The policy at the head of this file. It keeps nothing between plans. */
export function shortestPredicted({ agingMs = AGING_MS }: ShortestPredictedOptions = {}): BatchPolicy {
  checkPositive(agingMs, "agingMs");
  const rank = ({ arrivalMs, generatedTokens, expectedTokens, maxTokens }: SequenceView): number =>
    arrivalMs + Math.max(1, (expectedTokens ?? maxTokens) - generatedTokens) * agingMs;
  return {
    name: "shortest-predicted",
    plan: (view) => {
      const { budgetTokens, maxChunk } = view.limits;
      return composeStep(view, { rank, budgetTokens, maxChunk, mix: "decodes-first", oneLine: true });
    },
  };
}
