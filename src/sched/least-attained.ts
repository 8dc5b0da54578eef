/**
 * Least attained service over the task (Autellix, 2502.13965: program-level attained service; without tasks plain LAS).
 * It needs no prediction. Service is counted in tokens computed and cut into quanta; who has used fewer quanta goes first,
 * equals go in arrival order. Requests of one compound task share their account, so a long task cannot buy its next call
 * a place at the head.
 *
 * It is preemptive: a waiting request takes the slot of a running one that has used more quanta than it will have by its
 * next token (FastServe's skip-join, 2305.05920: a long prompt is service too, and trading one for another only
 * recomputes). Half-computed prompts are never put aside.
 *
 * Why nothing starves: a quantum is worth `agingMs` of waiting, so that only those who arrive within that much of a
 * request's service can overtake it.
 */
import { composeStep } from "./compose.ts";
import { checkCount, checkPositive } from "./options.ts";
import type { BatchPolicy, SequenceView } from "./types.ts";

const QUANTUM_TOKENS = 400;
const AGING_MS = 10_000;

/** Settings of `least-attained`. */
export interface LeastAttainedOptions {
  /** Tokens of service that count as equal, prompt and answer alike; 400 when absent. */
  readonly quantumTokens?: number;
  /** How long a request that has had one quantum more waits for others at most, milliseconds; 10 000 when absent. */
  readonly agingMs?: number;
}

/** The policy at the head of this file. It keeps nothing between plans. */
export function leastAttained(options: LeastAttainedOptions = {}): BatchPolicy {
  const { quantumTokens = QUANTUM_TOKENS, agingMs = AGING_MS } = options;
  checkCount(quantumTokens, "quantumTokens");
  checkPositive(agingMs, "agingMs");
  const quanta = (sequence: SequenceView, more = 0): number =>
    Math.floor((attainedTokens(sequence) + more) / quantumTokens);
  const rank = (sequence: SequenceView): number => sequence.arrivalMs + quanta(sequence) * agingMs;
  return {
    name: "least-attained",
    plan: (view) => {
      const { budgetTokens, maxChunk } = view.limits;
      return composeStep(view, {
        rank,
        budgetTokens,
        maxChunk,
        mix: "decodes-first",
        oneLine: true,
        displaces: (waiting, running) =>
          quanta(waiting, waiting.pendingTokens) < quanta(running) && rank(waiting) < rank(running),
      });
    },
  };
}

/** Never falls: what a preemption throws away does not count as had before the first token. */
function attainedTokens({ attainedTokens: known, promptTokens, generatedTokens }: SequenceView): number {
  return known ?? (generatedTokens > 0 ? promptTokens + generatedTokens : 0);
}
