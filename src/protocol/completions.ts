/** POST /v1/completions: the older text endpoint, which benchmarks still use. Prompts are strings or token ids. */
import { z } from "zod";
import {
  finishReasonSchema,
  generationFields,
  serviceTierSchema,
  UNSUPPORTED_COMPLETION,
  responseMetricsSchema,
  usageSchema,
} from "./common.ts";
import { LIMITS } from "./limits.ts";
import { parseRequest } from "./parse.ts";

const text = z.string().max(LIMITS.textCharacters);
const tokenIds = z.array(z.number().int().min(0)).min(1).max(LIMITS.promptTokens);

/** One prompt or several, in one form: a list of strings or of token id lists. */
const promptSchema = z
  .union(
    [
      text,
      tokenIds,
      z.array(text).min(1).max(LIMITS.promptsPerRequest),
      z.array(tokenIds).min(1).max(LIMITS.promptsPerRequest),
    ],
    { error: `expected a string, an array of token ids, or an array of at most ${LIMITS.promptsPerRequest} of either` },
  )
  .transform((prompt): (string | number[])[] => {
    if (typeof prompt === "string") return [prompt];
    return typeof prompt[0] === "number" ? [prompt as number[]] : (prompt as (string | number[])[]);
  });

/** A text request; `prompt` comes out as a list of strings or token id lists. */
export const completionRequestSchema = z
  .object({
    ...generationFields,
    prompt: promptSchema,
    logprobs: z.number().int().min(0).max(LIMITS.topLogprobs).nullish(),
  })
  .refine((body) => body.prompt.length * (body.n ?? 1) <= LIMITS.promptsPerRequest, {
    path: ["n"],
    error: `expected prompts times n to be at most ${LIMITS.promptsPerRequest}`,
  });
/** A text request that has passed the schema. */
export type CompletionRequest = z.infer<typeof completionRequestSchema>;

/** Errors: `invalid_request` or `unsupported_parameter`, with the field in `param`. */
export function parseCompletionRequest(body: unknown): CompletionRequest {
  return parseRequest(completionRequestSchema, body, UNSUPPORTED_COMPLETION);
}

const completionLogprobsSchema = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z.array(z.record(z.string(), z.number())),
  text_offset: z.array(z.number().int()),
});
/** Log-probabilities as columns over the tokens of a chunk or an answer. */
export type CompletionLogprobs = z.infer<typeof completionLogprobsSchema>;

const choiceFields = {
  index: z.number().int(),
  text: z.string(),
  logprobs: completionLogprobsSchema.nullable(),
};
const envelope = {
  id: z.string(),
  object: z.literal("text_completion"),
  created: z.number().int(),
  model: z.string(),
  service_tier: serviceTierSchema.optional(),
  system_fingerprint: z.string(),
};

/** A whole answer. */
export const completionSchema = z.object({
  ...envelope,
  choices: z.array(z.object({ ...choiceFields, finish_reason: finishReasonSchema })),
  usage: usageSchema,
  metrics: responseMetricsSchema.optional(),
});
/** A whole answer. */
export type Completion = z.infer<typeof completionSchema>;

/** One chunk of a streamed answer; the usage chunk has no choices. */
export const completionChunkSchema = z.object({
  ...envelope,
  choices: z.array(z.object({ ...choiceFields, finish_reason: finishReasonSchema.nullable() })),
  usage: usageSchema.nullable().optional(),
  metrics: responseMetricsSchema.optional(),
  /** Random filling that evens out the sizes of chunks, for `include_obfuscation`. */
  obfuscation: z.string().optional(),
});
/** One chunk of a streamed answer. */
export type CompletionChunk = z.infer<typeof completionChunkSchema>;
