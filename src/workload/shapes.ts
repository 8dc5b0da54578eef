/** The shapes of requests that an arrival can bring, as plain data, and what a maker of one of them gives. */
import type { Distribution } from "./distributions.ts";
import type { TraceRequest } from "./types.ts";

/** One call per arrival. */
export interface SingleShape {
  readonly kind: "single";
  readonly prompt: Distribution;
  readonly output: Distribution;
}

/** A task of several calls per arrival: every call of a stage waits for all calls of the stage before it. */
export interface CompoundShape {
  readonly kind: "compound";
  /** Fewest and most stages. */
  readonly stages: readonly [low: number, high: number];
  /** Fewest and most calls of a stage. */
  readonly width: readonly [low: number, high: number];
  /** New prompt tokens of a call. */
  readonly prompt: Distribution;
  readonly output: Distribution;
  /** The share of the answers waited for that becomes part of the prompt; 1 when absent. */
  readonly carry?: number;
  /** Thinking or tool time before a call of a later stage, milliseconds. */
  readonly thinkMs: Distribution;
  /** Tasks follow one of so many patterns (stages, widths, relative lengths); each its own when 0. 6 when absent. */
  readonly patterns?: number;
  /** The deadline of a task is this times its stages; the class's own when absent. */
  readonly deadlinePerStageMs?: number;
}

/** A conversation per arrival: each turn's prompt is all that was said before it and something new. */
export interface ConversationShape {
  readonly kind: "conversation";
  /** So many different beginnings of so many tokens, chosen by Zipf's law with that exponent. */
  readonly system: { readonly prompts: number; readonly tokens: number; readonly skew: number };
  /** New tokens of the first turn and of later ones. */
  readonly opening: Distribution;
  readonly turn: Distribution;
  readonly output: Distribution;
  /** Turns of a conversation, rounded. */
  readonly turns: Distribution;
  /** From one turn's arrival to the next one's, milliseconds. */
  readonly gapMs: Distribution;
}

/** A request without id and arrival, which is due some time after its unit arrives. */
export interface PlannedRequest {
  readonly delayMs: number;
  readonly request: Omit<TraceRequest, "id" | "arrivalMs" | "task"> & {
    /** `after` holds places within the unit here. */
    readonly task?: { readonly stage: number; readonly after: readonly number[]; readonly thinkMs: number };
  };
}

/** What a class makes of one arrival. */
export type UnitMaker = (unit: number) => readonly PlannedRequest[];

/** What all requests of a class have in common. */
export type RequestBase = Pick<TraceRequest, "slo" | "priority">;

/** Limits on the lengths of single requests. */
export interface LengthLimits {
  readonly maxPromptTokens?: number;
  readonly maxTotalTokens?: number;
}

/** Prompt and answer within the limits, each at least 1. */
export function withinLimits(
  promptTokens: number,
  outputTokens: number,
  { maxPromptTokens = Infinity, maxTotalTokens = Infinity }: LengthLimits,
): { readonly promptTokens: number; readonly outputTokens: number } {
  const prompt = Math.max(1, Math.min(promptTokens, maxPromptTokens, maxTotalTokens - 1));
  return { promptTokens: prompt, outputTokens: Math.max(1, Math.min(outputTokens, maxTotalTokens - prompt)) };
}
