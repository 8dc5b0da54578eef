/**
 * Earliest deadline first (Liu and Layland 1973, applied to tokens): a request is due when its first token is,
 * afterwards when its next token is on its pace line, and never later than the deadline of the whole answer or of its
 * task's stage. Who is due first is admitted first, gets the budget first, and is preempted last.
 *
 * A deadline that has been missed cannot be met any more, so such a request lines up like one without deadlines: due
 * `agingMs` later. (Serving the late first is what makes the textbook form collapse under overload.) A token behind
 * its pace line stays due at once, because those after it can still be in time.
 *
 * An urgent request may take the slot of a running one that is due much later and has no pace to keep, but only in
 * the last quarter of its own time: earlier, a slot may still come free without anybody recomputing.
 *
 * Why nothing starves: every request is due at some moment, and whoever arrives after that moment is due later.
 */
import { composeStep } from "./compose.ts";
import { checkPositive } from "./options.ts";
import type { BatchPolicy, SchedulerView, SequenceView } from "./types.ts";

const AGING_MS = 30_000;
/** Share of a request's time, at the end, in which it takes the place of others. */
const URGENT_SHARE = 0.25;

/** Settings of `edf`. */
export interface EdfOptions {
  /**
   * When a request without a deadline is due, milliseconds after its arrival, and one that has missed its deadline,
   * after that. 30 000 when absent.
   */
  readonly agingMs?: number;
}

/** The policy at the head of this file. It keeps nothing between plans. */
export function edf({ agingMs = AGING_MS }: EdfOptions = {}): BatchPolicy {
  checkPositive(agingMs, "agingMs");
  return {
    name: "edf",
    plan: (view) => {
      const { budgetTokens, maxChunk } = view.limits;
      const rank = (sequence: SequenceView): number => dueMs(view.nowMs, sequence, agingMs);
      return composeStep(view, {
        rank,
        budgetTokens,
        maxChunk,
        mix: "decodes-first",
        oneLine: true,
        displaces: (waiting, running) => displaces(view, waiting, running, rank),
      });
    },
  };
}

/** When the sequence's next token, or its whole answer, is due on the clock of `nowMs`; always finite. */
export function dueMs(nowMs: number, sequence: SequenceView, agingMs: number): number {
  const { arrivalMs, generatedTokens, firstTokenMs, slo } = sequence;
  if (generatedTokens > 0 && slo.tpotMs !== undefined && firstTokenMs !== null) {
    return Math.min(firstTokenMs + generatedTokens * slo.tpotMs, completeMs(sequence));
  }
  const dueAtMs = hardDeadlineMs(sequence);
  if (dueAtMs === Infinity) return arrivalMs + agingMs;
  return dueAtMs > nowMs ? dueAtMs : dueAtMs + agingMs;
}

/** When the answer, or what comes before it and has a target of its own, must be there. Infinity without a target. */
function hardDeadlineMs(sequence: SequenceView): number {
  const { arrivalMs, generatedTokens, slo } = sequence;
  const firstMs = generatedTokens === 0 ? arrivalMs + (slo.ttftMs ?? Infinity) : Infinity;
  return Math.min(firstMs, completeMs(sequence));
}

function completeMs({ arrivalMs, slo, task }: SequenceView): number {
  return arrivalMs + Math.min(slo.deadlineMs ?? Infinity, task?.deadlineMs ?? Infinity);
}

function displaces(
  { nowMs, cost, limits }: SchedulerView,
  waiting: SequenceView,
  running: SequenceView,
  rank: (sequence: SequenceView) => number,
): boolean {
  if (running.slo.tpotMs !== undefined || cost === undefined) return false;
  const dueAtMs = hardDeadlineMs(waiting);
  if (dueAtMs === Infinity || dueAtMs <= nowMs) return false;
  const computeMs = (tokens: number): number => (tokens / limits.budgetTokens) * cost.stepMs(limits.budgetTokens);
  const slackMs = dueAtMs - nowMs - computeMs(waiting.pendingTokens);
  if (slackMs > URGENT_SHARE * (dueAtMs - waiting.arrivalMs)) return false;
  // What gives way has to compute everything once more before it goes on.
  return rank(running) > dueAtMs + 2 * computeMs(running.promptTokens + running.generatedTokens);
}
