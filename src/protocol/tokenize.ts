/** POST /tokenize and /detokenize, in vLLM's shapes: text or a conversation to token ids, and ids to text. */
import { z } from "zod";
import { templateSwitchesSchema } from "./chat.ts";
import { LIMITS } from "./limits.ts";
import { messagesSchema } from "./messages.ts";
import { parseRequest, type UnsupportedRules } from "./parse.ts";
import { toolsSchema } from "./tools.ts";

const model = z.string().min(1).max(LIMITS.modelNameCharacters).nullish();

/** What /tokenize takes: `messages`, or else `prompt`. */
export const tokenizeRequestSchema = z
  .object({
    /** The only model, or the first, when absent. */
    model,
    prompt: z.string().max(LIMITS.textCharacters).nullish(),
    messages: messagesSchema.nullish(),
    tools: toolsSchema.nullish(),
    chat_template_kwargs: templateSwitchesSchema.nullish(),
    /** What the model expects around a plain text; true when absent, as in /v1/completions. */
    add_special_tokens: z.boolean().nullish(),
    return_token_strs: z.boolean().nullish(),
  })
  .refine((body) => (body.prompt ?? null) !== null || (body.messages ?? null) !== null, {
    path: ["prompt"],
    error: "expected 'prompt' or 'messages'",
  });
/** A request for tokens; it has `messages`, or else `prompt`. */
export type TokenizeRequest = z.infer<typeof tokenizeRequestSchema>;

const TOKENIZE_UNSUPPORTED: UnsupportedRules = {
  add_generation_prompt: (value) => (value === true ? null : "conversations are told with an opened reply."),
  continue_final_message: (value) => (value === false ? null : "conversations are told with an opened reply."),
  chat_template: () => "a model's own template is used.",
};

/** Errors: `invalid_request` or `unsupported_parameter`, with the field in `param`. */
export function parseTokenizeRequest(body: unknown): TokenizeRequest {
  return parseRequest(tokenizeRequestSchema, body, TOKENIZE_UNSUPPORTED);
}

/** The answer of /tokenize. */
export const tokenizeAnswerSchema = z.object({
  count: z.number().int(),
  max_model_len: z.number().int(),
  tokens: z.array(z.number().int()),
  /** Only with `return_token_strs`; a token may be part of a character, which shows as U+FFFD. */
  token_strs: z.array(z.string()).nullable(),
});
/** The answer of /tokenize. */
export type TokenizeAnswer = z.infer<typeof tokenizeAnswerSchema>;

/** What /detokenize takes. */
export const detokenizeRequestSchema = z.object({
  model,
  tokens: z.array(z.number().int().min(0)).max(LIMITS.promptTokens),
});
/** A request for text. */
export type DetokenizeRequest = z.infer<typeof detokenizeRequestSchema>;

/** Errors: `invalid_request` with the field in `param`. */
export function parseDetokenizeRequest(body: unknown): DetokenizeRequest {
  return parseRequest(detokenizeRequestSchema, body);
}

/** The answer of /detokenize. */
export const detokenizeAnswerSchema = z.object({ prompt: z.string() });
/** The answer of /detokenize. */
export type DetokenizeAnswer = z.infer<typeof detokenizeAnswerSchema>;
