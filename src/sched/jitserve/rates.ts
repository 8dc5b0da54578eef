/**
 * What service costs while the sequences of a view are served: how long a token takes for the sequence that gets it, and
 * how much of the machine it takes from all others.
 *
 * The mix of prompts and answers in the view says how many tokens an average step will have: with every slot taken,
 * a step makes one token of each answer, and prompts come along in proportion. Where the budget does not hold that many,
 * tokens are the bottleneck and all cost the same; otherwise slots are, and a prompt token costs only what it
 * adds to a step.
 */
import type { SchedulerView, SequenceView } from "../types.ts";

/** Step time while nothing has been measured, milliseconds. */
const UNKNOWN_STEP_MS = 20;

export interface ServiceRates {
  /** Expected interval between the tokens of one answer. */
  readonly tokenMs: number;
  /** Machine time of one token of an answer. */
  readonly answerTokenMs: number;
  /** Machine time of one token of a prompt. */
  readonly promptTokenMs: number;
  /** The longest step. */
  readonly fullStepMs: number;
  /** Most tokens of one prompt in a step beside the decodes. */
  readonly chunkTokens: number;
}

/** The rates of a view, at a step of `budgetTokens` at most. */
export function serviceRates(view: SchedulerView, budgetTokens: number = view.limits.budgetTokens): ServiceRates {
  const { running, waiting, limits, cost } = view;
  const stepMs = (tokens: number): number => {
    const known = cost?.stepMs(Math.max(1, tokens)) ?? 0;
    return known > 0 ? known : UNKNOWN_STEP_MS;
  };
  let prompt = 0;
  let answer = 0;
  for (const line of [running, waiting]) {
    for (const sequence of line) {
      prompt += promptTokensLeft(sequence);
      answer += answerTokensLeft(sequence);
    }
  }
  const slots = Math.max(1, Math.min(limits.maxRunning, running.length + waiting.length));
  const wanted = slots * (1 + prompt / Math.max(1, answer));
  const tokens = Math.min(budgetTokens, wanted);
  const tokenMs = stepMs(tokens);
  const decodesMs = stepMs(slots);
  const fullStepMs = stepMs(budgetTokens);
  const bySlots = wanted < budgetTokens;
  const even = tokenMs / Math.max(1, tokens);
  const extra = budgetTokens - slots;
  return {
    tokenMs,
    answerTokenMs: bySlots ? decodesMs / slots : even,
    promptTokenMs: bySlots && extra > 0 ? Math.max(0, fullStepMs - decodesMs) / extra : even,
    fullStepMs,
    chunkTokens: Math.max(1, Math.min(limits.maxChunk, budgetTokens - Math.min(slots, budgetTokens >> 1))),
  };
}

/** Tokens of a prompt, or of what a preempted sequence has to compute once more; 0 for a decode. */
export function promptTokensLeft({ pendingTokens }: SequenceView): number {
  return pendingTokens > 1 ? pendingTokens : 0;
}

/** Tokens it is expected to generate still, at least 1. */
export function answerTokensLeft({ expectedTokens, maxTokens, generatedTokens }: SequenceView): number {
  return Math.max(1, (expectedTokens ?? maxTokens) - generatedTokens);
}

/** Tokens it will hardly exceed, at least as many as are expected. */
export function upperTokensLeft(sequence: SequenceView): number {
  const { upperTokens, maxTokens, generatedTokens } = sequence;
  return Math.max(answerTokensLeft(sequence), (upperTokens ?? maxTokens) - generatedTokens);
}

/** How long that much of a prompt takes when nothing is computed before it. */
export function promptMs(rates: ServiceRates, tokens: number): number {
  return Math.ceil(tokens / rates.chunkTokens) * rates.fullStepMs;
}
