/**
 * When would this request see its first and its last token? A simple answer from the cost of steps:
 * the tokens ahead in line at a full budget per step, then one step per token. It ignores what may
 * still arrive (FIFO: nobody overtakes) and what shares pages.
 */
import type { CostEstimate, Rejection, SchedulerView, SequenceView } from "./types.ts";

export interface FinishEstimate {
  /** From arrival, milliseconds. */
  readonly ttftMs: number;
  readonly e2eMs: number;
}

/**
 * @param ahead waiting sequences that go first, in order.
 * @param cachedTokens tokens of the sequence that need no computing.
 * @returns null while nothing is known about costs.
 */
export function estimateFinish(
  view: SchedulerView,
  sequence: SequenceView,
  ahead: readonly SequenceView[],
  cachedTokens = 0,
): FinishEstimate | null {
  const { cost, running } = view;
  if (cost === undefined || cost.stepMs(1) <= 0) return null;
  let tokens = sequence.pendingTokens - cachedTokens;
  for (const other of running) if (other.pendingTokens > 1) tokens += other.pendingTokens;
  for (const other of ahead) tokens += other.pendingTokens;
  const queuedMs = view.nowMs - sequence.arrivalMs;
  const ttftMs = queuedMs + slotWaitMs(view, ahead.length) + prefillMs(view, cost, tokens);
  const expected = sequence.expectedTokens ?? sequence.maxTokens;
  const together = Math.min(view.limits.maxRunning, running.length + ahead.length + 1);
  return { ttftMs, e2eMs: ttftMs + (expected - 1) * cost.stepMs(together) };
}

/** That many prompt tokens in steps of a full budget, beside the running decodes. */
function prefillMs(view: SchedulerView, cost: CostEstimate, tokens: number): number {
  const { budgetTokens, maxRunning } = view.limits;
  const decodes = view.running.length;
  const perStep = Math.max(1, budgetTokens - Math.min(decodes, maxRunning - 1));
  const fullSteps = Math.floor(tokens / perStep);
  const rest = tokens - fullSteps * perStep;
  const restMs = rest > 0 ? cost.stepMs(Math.min(budgetTokens, rest + decodes)) : 0;
  return fullSteps * cost.stepMs(budgetTokens) + restMs;
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
  // Looking into the prefix cache hashes the whole prompt: only when the answer depends on it.
  const refused = missed(sequence, estimateFinish(view, sequence, ahead));
  if (refused === null) return null;
  const cached = view.cachedTokens(sequence.id);
  return cached === 0 ? refused : missed(sequence, estimateFinish(view, sequence, ahead, cached));
}

function missed(sequence: SequenceView, estimate: FinishEstimate | null): Rejection | null {
  if (estimate === null) return null;
  const { ttftMs, deadlineMs } = sequence.slo;
  const targets: [string, number, number | undefined][] = [
    ["first token", estimate.ttftMs, ttftMs],
    ["last token", estimate.e2eMs, deadlineMs],
  ];
  for (const [what, expected, target] of targets) {
    if (target === undefined || expected <= target) continue;
    return {
      id: sequence.id,
      reason: `${what} expected ${Math.round(expected)} ms after arrival, objective ${Math.round(target)} ms`,
      retryAfterMs: Math.ceil(expected - target),
    };
  }
  return null;
}
