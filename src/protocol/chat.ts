/**
 * POST /v1/chat/completions: request, answer and stream chunk. Text in, text out; a model's visible steps
 * come as `reasoning_content` beside `content`, its calls of declared tools as `tool_calls`.
 */
import { z } from "zod";
import {
  finishReasonSchema,
  generationFields,
  responseMetricsSchema,
  serviceTierSchema,
  tokenCount,
  UNSUPPORTED_CHAT,
  usageSchema,
} from "./common.ts";
import { LIMITS } from "./limits.ts";
import { contentSchema, messagesSchema } from "./messages.ts";
import { parseRequest } from "./parse.ts";
import { choiceProblem, toolCallDeltaSchema, toolCallSchema, toolChoiceSchema, toolsSchema } from "./tools.ts";

const effortWords = ["none", "minimal", "low", "medium", "high", "xhigh", "max"] as const;
/** How much a model is to think; server/openai/generate.ts says what each word comes to. */
export type ReasoningEffort = (typeof effortWords)[number];

/** Text that the answer may repeat: drafted from where the server speculates. It changes no answer. */
const predictionSchema = z.object({ type: z.literal("content"), content: contentSchema });

/** The switches of chat templates that mean something here, by the names clients of vLLM use. */
export const templateSwitchesSchema = z.strictObject(
  { enable_thinking: z.boolean().nullish(), thinking: z.boolean().nullish() },
  { error: "only 'enable_thinking' and 'thinking' are known" },
);

/** A chat request, `null` and absent alike; messages come out with their text parts joined. */
export const chatRequestSchema = z
  .object({
    ...generationFields,
    messages: messagesSchema,
    max_completion_tokens: tokenCount.nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.number().int().min(0).max(LIMITS.topLogprobs).nullish(),
    tools: toolsSchema.nullish(),
    tool_choice: toolChoiceSchema.nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    reasoning_effort: z.enum(effortWords).nullish(),
    chat_template_kwargs: templateSwitchesSchema.nullish(),
    prediction: predictionSchema.nullish(),
    // Accepted, because ignoring them changes no answer: nothing is stored, equal prefixes share their cache anyway.
    verbosity: z.enum(["low", "medium", "high"]).nullish(),
    store: z.boolean().nullish(),
    prompt_cache_key: z.string().max(LIMITS.nameCharacters).nullish(),
    safety_identifier: z.string().max(LIMITS.nameCharacters).nullish(),
  })
  .refine((body) => (body.top_logprobs ?? 0) === 0 || body.logprobs === true, {
    path: ["top_logprobs"],
    error: "expected 'logprobs' to be true when 'top_logprobs' is set",
  })
  .superRefine((body, context) => {
    const problem = choiceProblem(body);
    if (problem !== null) context.addIssue({ code: "custom", path: ["tool_choice"], message: problem });
  });
/** A chat request that has passed the schema. */
export type ChatRequest = z.infer<typeof chatRequestSchema>;

/** Errors: `invalid_request` or `unsupported_parameter`, with the field in `param`. */
export function parseChatRequest(body: unknown): ChatRequest {
  return parseRequest(chatRequestSchema, body, UNSUPPORTED_CHAT);
}

const tokenLogprobSchema = z.object({
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.number().int()).nullable(),
});
/** A content token with its log-probability and its best rivals. */
export const chatTokenLogprobSchema = tokenLogprobSchema.extend({ top_logprobs: z.array(tokenLogprobSchema) });
/** A token, its log-probability, and its bytes (a token may be part of a character). */
export type TokenLogprob = z.infer<typeof tokenLogprobSchema>;
/** An entry of `choices[].logprobs.content`. */
export type ChatTokenLogprob = z.infer<typeof chatTokenLogprobSchema>;
const chatLogprobsSchema = z.object({ content: z.array(chatTokenLogprobSchema), refusal: z.null() });

/** A whole answer. */
export const chatCompletionSchema = z.object({
  id: z.string(),
  object: z.literal("chat.completion"),
  created: z.number().int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.number().int(),
      message: z.object({
        role: z.literal("assistant"),
        /** Null when there are calls and no text. */
        content: z.string().nullable(),
        refusal: z.null(),
        reasoning_content: z.string().optional(),
        tool_calls: z.array(toolCallSchema).optional(),
      }),
      logprobs: chatLogprobsSchema.nullable(),
      finish_reason: finishReasonSchema,
    }),
  ),
  usage: usageSchema,
  metrics: responseMetricsSchema.optional(),
  service_tier: serviceTierSchema.optional(),
  system_fingerprint: z.string(),
});
/** A whole answer. */
export type ChatCompletion = z.infer<typeof chatCompletionSchema>;

const deltaSchema = z.object({
  role: z.literal("assistant").optional(),
  content: z.string().optional(),
  reasoning_content: z.string().optional(),
  tool_calls: z.array(toolCallDeltaSchema).optional(),
});
/** What a chunk adds: the role once, then pieces of content, reasoning or calls. */
export type ChatDelta = z.infer<typeof deltaSchema>;

/** One chunk of a streamed answer; the usage chunk has no choices. */
export const chatChunkSchema = z.object({
  id: z.string(),
  object: z.literal("chat.completion.chunk"),
  created: z.number().int(),
  model: z.string(),
  choices: z.array(
    z.object({
      index: z.number().int(),
      delta: deltaSchema,
      logprobs: chatLogprobsSchema.nullable(),
      finish_reason: finishReasonSchema.nullable(),
    }),
  ),
  /** Only with `include_usage`: null until the last chunk, running counts with `continuous_usage_stats`. */
  usage: usageSchema.nullable().optional(),
  /** Beside the usage of the whole answer. */
  metrics: responseMetricsSchema.optional(),
  service_tier: serviceTierSchema.optional(),
  system_fingerprint: z.string(),
  /** Random filling that evens out the sizes of chunks, for `include_obfuscation`. */
  obfuscation: z.string().optional(),
});
/** One chunk of a streamed answer. */
export type ChatChunk = z.infer<typeof chatChunkSchema>;
