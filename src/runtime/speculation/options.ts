/**
 * Whether and how an engine speculates: who drafts, how far, and how drafts are checked.
 *
 *   off          one token a step
 *   prediction   from what a request itself predicts of its answer; nothing for requests that predict nothing
 *   ngram        that, and repetitions of the text so far
 *   draft        predictions, and a smaller model of the same vocabulary
 *   heads        predictions, and heads over the model's own states, which lie beside it (`punctual fit heads`)
 *   auto         everything that takes no second model: prediction, ngram, and heads where the model has them
 */
import { fail } from "../../core/index.ts";
import type { DraftSource, NgramOptions, WeightsFormat } from "../../llm/index.ts";
import type { ModelSource, RandomModelSource } from "../types.ts";

/** See the head of this file. */
export type SpeculationMethod = "off" | "prediction" | "ngram" | "draft" | "heads" | "auto";

/** Every method, by name. */
export const SPECULATION_METHODS: readonly SpeculationMethod[] = [
  "off",
  "prediction",
  "ngram",
  "draft",
  "heads",
  "auto",
];

/** How an engine speculates. What is said never depends on it in distribution, and with likeliest drafts not at all. */
export interface SpeculationOptions {
  readonly method: SpeculationMethod;
  /** Of "draft": a smaller model with the vocabulary of the engine's. */
  readonly model?: ModelSource | RandomModelSource;
  /** Of "heads" and "auto": the folder they are in; that of the model when absent. */
  readonly heads?: { readonly dir: string };
  /** Of heads: draft only that many tokens of the vocabulary, the most frequent of their training data; all they have when absent. */
  readonly vocabularyTokens?: number;
  /** How linear layers of a drafting model or of heads are stored; as the engine's when absent. */
  readonly weights?: WeightsFormat;
  /** Most drafted tokens of a sequence in a step, 1 to 14; 7 when absent. */
  readonly tokens?: number;
  /**
   * Draft as many as pay by measured costs and acceptance, none where drafting would slow the step down. False: always
   * as many as there are, up to `tokens`. True when absent.
   */
  readonly adaptive?: boolean;
  /** Of "ngram" and "auto". */
  readonly ngram?: NgramOptions;
  /**
   * How a model drafts for requests that sample. "likeliest": its best tokens, checked by the request's own draws, so that
   * a seed gives the same text with and without drafts. "drawn": tokens drawn from its distribution and checked by rejection;
   * more are accepted at high temperatures, and a seed's text depends on what was drafted when. "likeliest" when absent.
   */
  readonly drafts?: "likeliest" | "drawn";
}

const MOST_TOKENS = 14; // with the pending one a row below where attention changes its kernel
const DEFAULT_TOKENS = 7;

/** The drafters of a method, those asked first first. */
export const SOURCES_OF: Readonly<Record<SpeculationMethod, readonly DraftSource[]>> = {
  off: [],
  prediction: ["prediction"],
  ngram: ["prediction", "ngram"],
  draft: ["prediction", "model"],
  heads: ["prediction", "heads"],
  auto: ["prediction", "ngram", "heads"],
};

/** Whether an engine with these options may draft anything. */
export function speculates({
  speculation,
  embedding,
}: {
  readonly speculation?: SpeculationOptions;
  readonly embedding?: unknown;
}): boolean {
  return speculation !== undefined && speculation.method !== "off" && embedding === undefined;
}

/** Most drafted tokens of a sequence in a step. */
export function draftTokensOf({ tokens = DEFAULT_TOKENS }: SpeculationOptions): number {
  return tokens;
}

/** Throws invalid_request naming the option that is out of range or does not go with the others. */
export function checkSpeculation(options: {
  readonly speculation?: SpeculationOptions;
  readonly phases?: string;
  readonly embedding?: unknown;
}): void {
  const { speculation, phases = "colocated" } = options;
  if (speculation === undefined || speculation.method === "off") return;
  const refuse = (param: string, message: string): never => fail("invalid_request", `${param}: ${message}`, { param });
  const { method, model, tokens = DEFAULT_TOKENS, ngram, drafts = "likeliest" } = speculation;
  if (!SPECULATION_METHODS.includes(method)) {
    refuse("speculation.method", `expected one of ${SPECULATION_METHODS.join(", ")}, got "${String(method)}"`);
  }
  if ((method === "draft") !== (model !== undefined)) {
    refuse("speculation.model", `a drafting model goes with method "draft" and with no other, got "${method}"`);
  }
  const drafted = speculation.vocabularyTokens ?? 1;
  const named = speculation.heads === undefined ? "vocabularyTokens" : "heads";
  if (method !== "heads" && method !== "auto" && (speculation.heads ?? speculation.vocabularyTokens) !== undefined) {
    refuse(`speculation.${named}`, `goes with method "heads" or "auto", got "${method}"`);
  }
  if (!(Number.isInteger(drafted) && drafted >= 1)) {
    refuse("speculation.vocabularyTokens", `expected a positive integer, got ${drafted}`);
  }
  if (!(Number.isInteger(tokens) && tokens >= 1 && tokens <= MOST_TOKENS)) {
    refuse("speculation.tokens", `expected an integer from 1 to ${MOST_TOKENS}, got ${tokens}`);
  }
  if (!["likeliest", "drawn"].includes(drafts)) {
    refuse("speculation.drafts", `expected likeliest or drawn, got "${String(drafts)}"`);
  }
  const { minMatch = 1, maxMatch = Math.max(minMatch, 1) } = ngram ?? {};
  if (!(Number.isInteger(minMatch) && Number.isInteger(maxMatch) && minMatch >= 1 && maxMatch >= minMatch)) {
    refuse("speculation.ngram", `expected 1 <= minMatch <= maxMatch, got ${minMatch} and ${maxMatch}`);
  }
  // Predictions come with requests: to allow them where none can come is no contradiction.
  if (options.embedding !== undefined && method !== "prediction")
    refuse("speculation", "an embedding model has no tokens to draft");
  if (phases !== "colocated")
    refuse("speculation", `drafts are checked by colocated engines only; got phases "${phases}"`);
}
