/**
 * When would a waiting request see its first and its last token? A simple answer from the cost of steps:
 * the tokens ahead in line at a full budget per step, then one step per token. It ignores what may
 * still arrive and overtake, and what shares pages.
 *
 * On an idle server, with nothing running and nobody ahead, it gives a request the benefit of the doubt, because only what
 * is tried can teach it better: an answer of unknown length is taken for the shortest, and now and then one is tried although
 * the estimate is too high, if not by far. Otherwise a server whose estimates began too high, or rose in a bad moment,
 * would refuse everything and never learn.
 *
 * One object per plan answers for a whole queue: what all requests have in common is summed once.
 */
import type { CostEstimate, Rejection, SchedulerView, SequenceView } from "./types.ts";

export interface FinishEstimate {
  /** From arrival, milliseconds. */
  readonly ttftMs: number;
  readonly e2eMs: number;
}

/** Of those refused by an idle server one in so many is tried, by its number, so that a replay tries the same. */
const TRIAL_EVERY = 16;
/** And only when the estimate is at most that many times the target. */
const TRIAL_FACTOR = 8;

export class FinishEstimates {
  readonly #view: SchedulerView;
  readonly #budgetTokens: number;
  #aheadTokens = 0;
  #aheadCount = 0;
  /** Prompt tokens that running sequences still need. */
  #begunTokens: number | null = null;
  /** Tokens until each running sequence ends, ascending. */
  #left: readonly number[] | null = null;

  /** @param budgetTokens most tokens of a step, as the policy composes it. */
  constructor(view: SchedulerView, budgetTokens: number) {
    this.#view = view;
    this.#budgetTokens = budgetTokens;
  }

  /** From now on that waiting sequence goes before those asked about. */
  goesAhead(sequence: SequenceView): void {
    this.#aheadTokens += sequence.pendingTokens;
    this.#aheadCount += 1;
  }

  /** Nothing runs and nobody is ahead. */
  get #idle(): boolean {
    return this.#view.running.length === 0 && this.#aheadCount === 0;
  }

  /**
   * @param cachedTokens tokens of the sequence that need no computing.
   * @returns null while nothing is known about costs.
   */
  estimate(sequence: SequenceView, cachedTokens = 0): FinishEstimate | null {
    const { cost, running, limits, nowMs } = this.#view;
    if (cost === undefined || cost.stepMs(1) <= 0) return null;
    this.#begunTokens ??= running.reduce((sum, s) => sum + (s.pendingTokens > 1 ? s.pendingTokens : 0), 0);
    const tokens = sequence.pendingTokens - cachedTokens + this.#begunTokens + this.#aheadTokens;
    const ttftMs = nowMs - sequence.arrivalMs + this.#slotWaitMs(cost) + this.#prefillMs(cost, tokens);
    const expected = sequence.expectedTokens ?? (this.#idle ? 1 : sequence.maxTokens);
    const together = Math.min(limits.maxRunning, running.length + this.#aheadCount + 1);
    return { ttftMs, e2eMs: ttftMs + (expected - 1) * cost.stepMs(together) };
  }

  /** The refusal of a request whose objective cannot be met, by the estimate; null when it can. */
  rejection(sequence: SequenceView): Rejection | null {
    // Looking into the prefix cache hashes the whole prompt: only when the answer depends on it.
    const refused = missed(sequence, this.estimate(sequence), this.#idle);
    if (refused === null) return null;
    const cached = this.#view.cachedTokens(sequence.id);
    return cached === 0 ? refused : missed(sequence, this.estimate(sequence, cached), this.#idle);
  }

  /** That many prompt tokens in steps of a full budget, beside the running decodes. */
  #prefillMs(cost: CostEstimate, tokens: number): number {
    const budgetTokens = this.#budgetTokens;
    const decodes = this.#view.running.length;
    const perStep = Math.max(1, budgetTokens - Math.min(decodes, this.#view.limits.maxRunning - 1));
    const fullSteps = Math.floor(tokens / perStep);
    const rest = tokens - fullSteps * perStep;
    const restMs = rest > 0 ? cost.stepMs(Math.min(budgetTokens, rest + decodes)) : 0;
    return (fullSteps > 0 ? fullSteps * cost.stepMs(budgetTokens) : 0) + restMs;
  }

  /** Until enough running sequences have finished to leave a slot for the next in line. */
  #slotWaitMs(cost: CostEstimate): number {
    const { running, limits } = this.#view;
    const missing = this.#aheadCount + 1 - (limits.maxRunning - running.length);
    if (missing <= 0) return 0;
    this.#left ??= running
      .map((other) => Math.max(1, (other.expectedTokens ?? other.maxTokens) - other.generatedTokens))
      .toSorted((a, b) => a - b);
    const steps = this.#left[Math.min(missing, this.#left.length) - 1] ?? 0;
    return steps * cost.stepMs(running.length);
  }
}

function missed(sequence: SequenceView, estimate: FinishEstimate | null, idle: boolean): Rejection | null {
  if (estimate === null) return null;
  const isTrial = idle && sequence.id % TRIAL_EVERY === TRIAL_EVERY - 1;
  const { ttftMs, deadlineMs } = sequence.slo;
  const targets: [string, number, number | undefined][] = [
    ["first token", estimate.ttftMs, ttftMs],
    ["last token", estimate.e2eMs, deadlineMs],
  ];
  for (const [what, expected, target] of targets) {
    if (target === undefined || expected <= target * (isTrial ? TRIAL_FACTOR : 1)) continue;
    return {
      id: sequence.id,
      reason: `${what} expected ${Math.round(expected)} ms after arrival, objective ${Math.round(target)} ms`,
      retryAfterMs: Math.ceil(expected - target),
    };
  }
  return null;
}
