/**
 * Where a sequence stands against its objective, from what a view says: when its next token is due on its pace line, when
 * everything is, how long a step may be (the tracker of JITServe, NSDI 2026, without a memory of its own).
 *
 * The line begins at the promised first token even when that came earlier: what is ahead of it may be spent on others.
 */
import { deadlineAtMs } from "../slo.ts";
import type { SchedulerView, SequenceView } from "../types.ts";

/** What prompts get of a full step even when decodes want it shorter. */
const LEAST_PROMPT_SHARE = 1 / 16;

/** When the first token is due; Infinity without such a target. */
export function firstTokenDueMs({ arrivalMs, slo }: SequenceView): number {
  return arrivalMs + (slo.ttftMs ?? Infinity);
}

/** When the next token of a sequence that has begun is due on its pace line; Infinity without a pace. */
export function nextTokenDueMs(sequence: SequenceView): number {
  const { slo, firstTokenMs, generatedTokens, arrivalMs } = sequence;
  if (slo.tpotMs === undefined || firstTokenMs === null) return Infinity;
  return Math.max(firstTokenMs, arrivalMs + (slo.ttftMs ?? 0)) + generatedTokens * slo.tpotMs;
}

/** When the answer must be complete: by its own deadline; Infinity without one. */
export function completeDueMs(sequence: SequenceView): number {
  return deadlineAtMs(sequence);
}

/** When its stage should be complete: by the sub-deadline of its task if there is one, never after its own. */
export function stageDueMs(sequence: SequenceView): number {
  return Math.min(completeDueMs(sequence), sequence.arrivalMs + (sequence.task?.deadlineMs ?? Infinity));
}

/**
 * Most tokens of the next step: the largest that brings no decode behind its pace line, or, for those behind already,
 * that is no longer than their pace. Prompts always get a sixteenth of the full step, so that an impossible target
 * does not stop the queue.
 */
export function pacedBudgetTokens(view: SchedulerView): number {
  const { limits, cost, nowMs, running } = view;
  let decodes = 0;
  let withinMs = Infinity;
  for (const sequence of running) {
    if (sequence.pendingTokens > 1) continue;
    decodes += 1;
    const dueMs = nextTokenDueMs(sequence);
    if (dueMs < Infinity) withinMs = Math.min(withinMs, Math.max(dueMs - nowMs, sequence.slo.tpotMs ?? 0));
  }
  const full = limits.budgetTokens;
  if (cost === undefined || cost.stepMs(full) <= withinMs) return full;
  let within = 1;
  let above = full;
  while (above - within > 1) {
    const middle = (within + above) >> 1;
    if (cost.stepMs(middle) <= withinMs) within = middle;
    else above = middle;
  }
  return Math.min(full, Math.max(within, decodes + Math.max(1, Math.floor(full * LEAST_PROMPT_SHARE))));
}
