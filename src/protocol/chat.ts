/**
 * POST /v1/chat/completions: request, answer and stream chunk. Text in, text out; a model's visible steps
 * come as `reasoning_content` beside `content`.
 */
import { z } from "zod";
import {
  finishReasonSchema,
  generationFields,
  serviceTierSchema,
  tokenCount,
  UNSUPPORTED_CHAT,
  usageSchema,
} from "./common.ts";
import { LIMITS } from "./limits.ts";
import { parseRequest } from "./parse.ts";

const text = z.string().max(LIMITS.textCharacters);
const textPart = z.object({ type: z.literal("text"), text });

/** A message's content: a string, or text parts that are joined. Other kinds of part are refused by name. */
const contentSchema = z
  .unknown()
  .superRefine((content, context) => {
    if (!Array.isArray(content)) return;
    const other = content.findIndex((part: unknown) => !isTextPart(part));
    if (other === -1) return;
    context.addIssue({
      code: "custom",
      path: [other, "type"],
      message: "only parts of type 'text' are supported.",
      params: { unsupported: true },
    });
  })
  .pipe(
    z.union([text, z.array(textPart).min(1).max(LIMITS.partsPerMessage)], {
      error: `expected a string of at most ${LIMITS.textCharacters} characters or an array of text parts`,
    }),
  )
  .transform((content) => (typeof content === "string" ? content : content.map((part) => part.text).join("")));

function isTextPart(part: unknown): boolean {
  if (typeof part !== "object" || part === null) return true; // a malformed part is the next schema's to report
  const type: unknown = (part as { type?: unknown }).type;
  return type === undefined || type === "text";
}

const unsupportedWhenPresent = (message: string) =>
  z
    .unknown()
    .superRefine((value, context) => {
      if (value === undefined || value === null || (Array.isArray(value) && value.length === 0)) return;
      context.addIssue({ code: "custom", message, params: { unsupported: true } });
    })
    .optional();

const messageName = z.string().max(LIMITS.nameCharacters).nullish();
const noCalls = "tool calls in a conversation are not supported.";

const messageSchema = z.discriminatedUnion(
  "role",
  [
    z.object({ role: z.enum(["system", "developer", "user"]), content: contentSchema, name: messageName }),
    z.object({
      role: z.literal("assistant"),
      content: z.preprocess((content) => content ?? "", contentSchema),
      name: messageName,
      tool_calls: unsupportedWhenPresent(noCalls),
      function_call: unsupportedWhenPresent(noCalls),
    }),
    // Known roles we do not serve yet: typed, so that the refusal can say what is missing.
    z.object({ role: z.enum(["tool", "function"]).superRefine(refuseRole), content: z.string().default("") }),
  ],
  { error: "expected a message with role 'system', 'developer', 'user' or 'assistant'" },
);

function refuseRole(
  _role: string,
  context: { addIssue(issue: { code: "custom"; message: string; params: object }): void },
): void {
  context.addIssue({ code: "custom", message: noCalls, params: { unsupported: true } });
}

/** A chat request, `null` and absent alike; messages come out with their text parts joined. */
export const chatRequestSchema = z
  .object({
    ...generationFields,
    messages: z.array(messageSchema).min(1).max(LIMITS.messages),
    max_completion_tokens: tokenCount.nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.number().int().min(0).max(LIMITS.topLogprobs).nullish(),
    reasoning_effort: z.string().max(32).nullish(),
  })
  .refine((body) => (body.top_logprobs ?? 0) === 0 || body.logprobs === true, {
    path: ["top_logprobs"],
    error: "expected 'logprobs' to be true when 'top_logprobs' is set",
  });
/** A chat request that has passed the schema. */
export type ChatRequest = z.infer<typeof chatRequestSchema>;
/** One message of a conversation; `content` is text. */
export type ChatMessage = ChatRequest["messages"][number];

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
        content: z.string(),
        refusal: z.null(),
        reasoning_content: z.string().optional(),
      }),
      logprobs: chatLogprobsSchema.nullable(),
      finish_reason: finishReasonSchema,
    }),
  ),
  usage: usageSchema,
  service_tier: serviceTierSchema.optional(),
  system_fingerprint: z.string(),
});
/** A whole answer. */
export type ChatCompletion = z.infer<typeof chatCompletionSchema>;

const deltaSchema = z.object({
  role: z.literal("assistant").optional(),
  content: z.string().optional(),
  reasoning_content: z.string().optional(),
});
/** What a chunk adds: the role once, then pieces of content or reasoning. */
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
  service_tier: serviceTierSchema.optional(),
  system_fingerprint: z.string(),
});
/** One chunk of a streamed answer. */
export type ChatChunk = z.infer<typeof chatChunkSchema>;
