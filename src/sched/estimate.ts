/**
 * When would this request see its first and its last token? A simple answer from the cost of steps:
 * the tokens ahead in line at a full budget per step, then one step per token. It ignores what may
 * still arrive (FIFO: nobody overtakes) and what shares pages.
 */
import type { Rejection, SchedulerView, SequenceView } from "./types.ts";

export interface FinishEstimate {
  /** From arrival, milliseconds. */
  readonly ttftMs: number;
  readonly e2eMs: number;
}

/**
 * @param ahead waiting sequences that go first, in order.
 * @returns null while nothing is known about costs.
 */
export function estimateFinish(
  view: SchedulerView,
  sequence: SequenceView,
  ahead: readonly SequenceView[],
): FinishEstimate | null {
  const { cost, limits, running, nowMs } = view;
  if (cost === undefined || cost.stepMs(1) <= 0) return null;
  const decodes = running.length;
  let tokens = sequence.pendingTokens - view.cachedTokens(sequence.id);
  for (const other of running) if (other.pendingTokens > 1) tokens += other.pendingTokens;
  for (const other of ahead) tokens += other.pendingTokens;
  const perStep = Math.max(1, limits.budgetTokens - Math.min(decodes, limits.maxRunning - 1));
  const fullSteps = Math.floor(tokens / perStep);
  const rest = tokens - fullSteps * perStep;
  const prefillMs =
    fullSteps * cost.stepMs(limits.budgetTokens) +
    (rest > 0 ? cost.stepMs(Math.min(limits.budgetTokens, rest + decodes)) : 0);
  const ttftMs = nowMs - sequence.arrivalMs + slotWaitMs(view, ahead.length) + prefillMs;
  const expected = sequence.expectedTokens ?? sequence.maxTokens;
  const together = Math.min(limits.maxRunning, decodes + ahead.length + 1);
  return { ttftMs, e2eMs: ttftMs + (expected - 1) * cost.stepMs(together) };
}

/** Until enough running sequences have finished to leave a slot for number `position` in line. */
function slotWaitMs(view: SchedulerView, position: number): number {
  const missing = position + 1 - (view.limits.maxRunning - view.running.length);
  if (missing <= 0) return 0;
  const left = view.running
    .map((other) => Math.max(1, (other.expectedTokens ?? other.maxTokens) - other.generatedTokens))
    .toSorted((a, b) => a - b);
  const steps = left[Math.min(missing, left.length) - 1] ?? 0;
  return steps * (view.cost?.stepMs(view.running.length) ?? 0);
}

/** The refusal of a request whose objective cannot be met, by the estimate; null when it can. */
export function rejection(
  view: SchedulerView,
  sequence: SequenceView,
  ahead: readonly SequenceView[],
): Rejection | null {
  const estimate = estimateFinish(view, sequence, ahead);
  if (estimate === null) return null;
  const { ttftMs, deadlineMs } = sequence.slo;
  const misses: [string, number, number | undefined][] = [
    ["first token", estimate.ttftMs, ttftMs],
    ["last token", estimate.e2eMs, deadlineMs],
  ];
  for (const [what, expected, target] of misses) {
    if (target === undefined || expected <= target) continue;
    return {
      id: sequence.id,
      reason: `${what} expected ${Math.round(expected)} ms after arrival, objective ${Math.round(target)} ms`,
      retryAfterMs: Math.ceil(expected - target),
    };
  }
  return null;
}
