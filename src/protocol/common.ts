/** What chat and text completions share: how to sample, when to stop, how to stream, what was used. */
import { z } from "zod";
import { constraintFields, UNSUPPORTED_CONSTRAINTS } from "./constraints.ts";
import { LIMITS } from "./limits.ts";
import type { UnsupportedRule, UnsupportedRules } from "./parse.ts";
import { sloReportSchema, sloRequestSchema } from "./slo.ts";

const integer = z.number().int();
const penalty = z.number().min(-2).max(2);
const stopString = z.string().min(1).max(LIMITS.stopCharacters);

/** A number of tokens to generate. */
export const tokenCount = integer.min(1).max(LIMITS.maxTokens);

/** Token id to bias in [-100, 100]. Ids beyond the vocabulary are found by the server, which knows it. */
export const logitBiasSchema = z
  .record(z.string().regex(/^\d{1,9}$/, { error: "expected a token id" }), z.number().min(-100).max(100))
  .refine((bias) => Object.keys(bias).length <= LIMITS.logitBiasEntries, {
    error: `expected at most ${LIMITS.logitBiasEntries} entries`,
  });

/** One stop string or a few. */
export const stopSchema = z.union([stopString, z.array(stopString).max(LIMITS.stopSequences)], {
  error: `expected a non-empty string, or an array of at most ${LIMITS.stopSequences} of them`,
});

/** What a stream carries besides text. */
export const streamOptionsSchema = z.object({
  include_usage: z.boolean().nullish(),
  continuous_usage_stats: z.boolean().nullish(),
  include_obfuscation: z.boolean().nullish(),
});

export const metadataSchema = z
  .record(z.string().max(LIMITS.metadataKeyCharacters), z.string().max(LIMITS.metadataValueCharacters))
  .refine((entries) => Object.keys(entries).length <= LIMITS.metadataEntries, {
    error: `expected at most ${LIMITS.metadataEntries} entries`,
  });

/** How much of a model with layer routes an answer goes through: all layers, a share of them, or what its routers keep. */
export const computeSchema = z.union([z.enum(["full", "auto"]), z.number().gt(0).max(1)], {
  error: 'expected "full", "auto", or a share of the layers above 0 and at most 1',
});

/** Fields of both endpoints. `null` means absent everywhere, as OpenAI's clients send it. */
export const generationFields = {
  model: z.string().min(1).max(LIMITS.modelNameCharacters),
  max_tokens: tokenCount.nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  n: integer.min(1).max(LIMITS.choices).nullish(),
  stop: stopSchema.nullish(),
  seed: integer.nullish(),
  presence_penalty: penalty.nullish(),
  frequency_penalty: penalty.nullish(),
  logit_bias: logitBiasSchema.nullish(),
  stream: z.boolean().nullish(),
  stream_options: streamOptionsSchema.nullish(),
  service_tier: z.enum(["auto", "default", "flex", "scale", "priority"]).nullish(),
  user: z.string().max(LIMITS.nameCharacters).nullish(),
  metadata: metadataSchema.nullish(),
  // vLLM's additions, by its names
  min_tokens: integer.min(0).max(LIMITS.maxTokens).nullish(),
  ignore_eos: z.boolean().nullish(),
  top_k: integer.min(-1).max(LIMITS.topK).nullish(), // -1 and 0 switch it off
  min_p: z.number().min(0).max(1).nullish(),
  repetition_penalty: z.number().gt(0).max(10).nullish(),
  ...constraintFields,
  // Ours
  slo: sloRequestSchema.nullish(),
  compute: computeSchema.nullish(),
  thinking_budget: integer.min(0).max(LIMITS.maxTokens).nullish(),
  /** A fleet may answer from keys and values of the prompt that are not exact when exact ones would come too late. */
  lossy_context: z.boolean().nullish(),
} as const;

const generationSchema = z.object(generationFields);
/** The fields of any generation request, whichever endpoint it came by. */
export type GenerationFields = z.infer<typeof generationSchema>;

const isEmpty = (value: unknown): boolean => Array.isArray(value) && value.length === 0;
export const always =
  (reason: string): UnsupportedRule =>
  () =>
    reason;
export const unless = (allowed: (value: unknown) => boolean, reason: string): UnsupportedRule => {
  return (value) => (allowed(value) ? null : reason);
};

/** Known to the API or to vLLM, and without an implementation here: refused rather than ignored. */
export const UNSUPPORTED_GENERATION: UnsupportedRules = {
  logits_processors: always("custom logits processors are not supported."),
  logits_processor: always("custom logits processors are not supported."),
  ...UNSUPPORTED_CONSTRAINTS,
  prompt_logprobs: always("log probabilities of the prompt are not supported."),
  use_beam_search: unless((value) => value === false, "beam search is not supported."),
  stop_token_ids: unless(isEmpty, "stopping at token ids is not supported; use 'stop'."),
  kv_transfer_params: always("handing KV over between servers is not supported."),
};

/** Rules of the chat endpoint. */
export const UNSUPPORTED_CHAT: UnsupportedRules = {
  ...UNSUPPORTED_GENERATION,
  functions: unless(isEmpty, "use 'tools'."),
  function_call: unless((value) => value === "none", "use 'tool_choice'."),
  audio: always("audio output is not supported."),
  modalities: unless(isTextOnly, "only ['text'] is supported."),
  web_search_options: always("web search is not supported."),
  echo: unless((value) => value === false, "echoing the prompt is not supported."),
};

/** Rules of the text endpoint. */
export const UNSUPPORTED_COMPLETION: UnsupportedRules = {
  ...UNSUPPORTED_GENERATION,
  suffix: always("inserting before a suffix is not supported."),
  echo: unless((value) => value === false, "echoing the prompt is not supported."),
  best_of: unless((value) => value === 1, "only 1 is supported."),
  prompt_embeds: always("prompts as embeddings are not supported."),
};

function isTextOnly(value: unknown): boolean {
  return Array.isArray(value) && value.every((modality) => modality === "text");
}

const count = z.number().int();

/** Of an answer that might leave layers out: of how many, and which did. */
export const layersUsedSchema = z.object({
  layers: z.number().int(),
  skipped_layers: z.array(z.number().int()),
});

/** Tokens used, and what became of the deadline. */
export const usageSchema = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  prompt_tokens_details: z.object({
    cached_tokens: count,
    /** Of requests with `lossy_context`: of the cached ones, from the first on that may not be exact; absent when all are. */
    lossy_tokens: count.optional(),
    audio_tokens: count,
  }),
  completion_tokens_details: z.object({
    reasoning_tokens: count,
    audio_tokens: count,
    /** Tokens that were drafted, from `prediction` or otherwise, by whether they are part of the answer. */
    accepted_prediction_tokens: count,
    rejected_prediction_tokens: count,
  }),
  /** Of answers that might leave layers out: of how many, and which did. Of several, the first. */
  compute: layersUsedSchema.optional(),
  /** Absent from the running counts of `continuous_usage_stats`: the outcome is known at the end. */
  slo: sloReportSchema.optional(),
});
/** How drafts fared over one answer, in vLLM's words for it; absent where nothing was drafted, or several answers were asked. */
export const responseMetricsSchema = z.object({
  speculative_decoding: z.object({
    num_spec_steps: count,
    num_draft_tokens: count,
    num_accepted_draft_tokens: count,
    /** Tokens per step with a draft, the one behind it included. */
    mean_acceptance_length: z.number(),
    draft_acceptance_rate: z.number(),
    /** Steps by accepted tokens: none, one, … */
    acceptance_histogram: z.array(count),
  }),
});
/** How drafts fared over one answer. */
export type ResponseMetrics = z.infer<typeof responseMetricsSchema>;

/** Tokens used, and what became of the deadline. */
export type UsageBody = z.infer<typeof usageSchema>;

/** Why a choice ended. */
export const finishReasonSchema = z.enum(["stop", "length", "tool_calls", "content_filter"]);
/** Why a choice ended. */
export type FinishReason = z.infer<typeof finishReasonSchema>;
/** The tier that answered. */
export const serviceTierSchema = z.enum(["default", "flex", "scale", "priority"]);
/** The tier that answered. */
export type ServiceTier = z.infer<typeof serviceTierSchema>;
