/**
 * POST /v1/messages and /v1/messages/count_tokens in Anthropic's form: request, answer, events and errors.
 *
 * As with /v1/responses, only what this interface spells in its own way is read here; what means the same in a chat
 * request is handed on and read by the chat schema.
 */
import { z } from "zod";
import { always, computeSchema, layersUsedSchema, UNSUPPORTED_GENERATION } from "./common.ts";
import type { WireError } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import { functionName } from "./messages.ts";
import { parseRequest, type UnsupportedRules } from "./parse.ts";
import { sloReportSchema } from "./slo.ts";

const text = z.string().max(LIMITS.textCharacters);
const name = z.string().max(LIMITS.nameCharacters);
const unsupported = (message: string, path: PropertyKey[] = []) => ({
  code: "custom" as const,
  message,
  path,
  params: { unsupported: true },
});

function typeOf(value: unknown): unknown {
  return typeof value === "object" && value !== null ? (value as { type?: unknown }).type : undefined;
}

/** Refuses blocks of other kinds (images, documents, server tools) by name. */
const onlyTypes = (...types: readonly string[]) =>
  z.unknown().superRefine((content, context) => {
    if (!Array.isArray(content)) return;
    const other = content.findIndex((block: unknown) => {
      const type = typeOf(block);
      return typeof type === "string" && !types.includes(type);
    });
    if (other === -1) return;
    context.addIssue(unsupported(`only blocks of type ${types.join(", ")} are supported.`, [other, "type"]));
  });

const textBlock = z.object({ type: z.literal("text"), text });
const textContent = onlyTypes("text").pipe(
  z.union([text, z.array(textBlock).max(LIMITS.partsPerMessage)], { error: "expected text or blocks of text" }),
);
const resultBlock = z.object({
  type: z.literal("tool_result"),
  tool_use_id: name.min(1),
  content: textContent.nullish(),
  is_error: z.boolean().nullish(),
});
const userContent = onlyTypes("text", "tool_result").pipe(
  z.union([text, z.array(z.discriminatedUnion("type", [textBlock, resultBlock])).max(LIMITS.partsPerMessage)], {
    error: "expected text, or blocks of type text and tool_result",
  }),
);
const useBlock = z.object({
  type: z.literal("tool_use"),
  id: name.min(1),
  name: name.min(1),
  input: z.record(z.string(), z.unknown()),
});
const thinkingBlock = z.object({ type: z.literal("thinking"), thinking: text });
const redactedBlock = z.object({ type: z.literal("redacted_thinking") });
const assistantContent = onlyTypes("text", "tool_use", "thinking", "redacted_thinking").pipe(
  z.union(
    [
      text,
      z
        .array(z.discriminatedUnion("type", [textBlock, useBlock, thinkingBlock, redactedBlock]))
        .max(LIMITS.partsPerMessage),
    ],
    { error: "expected text, or blocks of type text, tool_use and thinking" },
  ),
);
const messageSchema = z.discriminatedUnion(
  "role",
  [
    z.object({ role: z.literal("user"), content: userContent }),
    z.object({ role: z.literal("assistant"), content: assistantContent }),
    z.object({ role: z.literal("system"), content: textContent }),
  ],
  { error: "expected a message with role 'user' or 'assistant'" },
);
/** A message as this interface has it. */
export type AnthropicMessage = z.infer<typeof messageSchema>;

const toolSchema = z
  .unknown()
  .superRefine((tool, context) => {
    const type = typeOf(tool);
    if (typeof type === "string" && type !== "custom") {
      context.addIssue(unsupported("only tools of your own ('custom') are supported.", ["type"]));
    }
  })
  .pipe(
    z.object({
      name: functionName,
      description: text.nullish(),
      input_schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().nullish(),
    }),
  );
const serial = { disable_parallel_tool_use: z.boolean().nullish() };
const choiceSchema = z.discriminatedUnion(
  "type",
  [
    z.object({ type: z.literal("auto"), ...serial }),
    z.object({ type: z.literal("any"), ...serial }),
    z.object({ type: z.literal("tool"), name: functionName, ...serial }),
    z.object({ type: z.literal("none") }),
  ],
  { error: "expected an object of type 'auto', 'any', 'tool' or 'none'" },
);
const thinkingSchema = z.discriminatedUnion(
  "type",
  [
    z.object({ type: z.literal("enabled"), budget_tokens: z.number().int().min(1).max(LIMITS.maxTokens) }),
    z.object({ type: z.literal("disabled") }),
    z.object({ type: z.literal("adaptive") }),
  ],
  { error: "expected an object of type 'enabled', 'disabled' or 'adaptive'" },
);
const outputConfigSchema = z.object({
  effort: z.enum(["low", "medium", "high", "xhigh", "max"]).nullish(),
  format: z.object({ type: z.literal("json_schema"), schema: z.record(z.string(), z.unknown()) }).nullish(),
});

const promptFields = {
  model: z.string().min(1).max(LIMITS.modelNameCharacters),
  messages: z.array(messageSchema).min(1).max(LIMITS.messages),
  system: textContent.nullish(),
  tools: z.array(toolSchema).max(LIMITS.tools).nullish(),
  tool_choice: choiceSchema.nullish(),
  thinking: thinkingSchema.nullish(),
  output_config: outputConfigSchema.nullish(),
} as const;

/** What /v1/messages/count_tokens takes. */
export const tokenCountRequestSchema = z.looseObject(promptFields);

/** What a request asks for in the words of this interface; other fields are the chat schema's. */
export const messageRequestSchema = z.looseObject({
  ...promptFields,
  max_tokens: z.number().int().min(1).max(LIMITS.maxTokens),
  metadata: z.object({ user_id: name.nullish() }).nullish(),
  stop_sequences: z.array(z.string().min(1).max(LIMITS.stopCharacters)).max(LIMITS.stopSequences).nullish(),
  stream: z.boolean().nullish(),
  temperature: z.number().min(0).max(1).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  /** Those of this interface, and OpenAI's, which say more. */
  service_tier: z.enum(["auto", "standard_only", "default", "flex", "scale", "priority"]).nullish(),
  /** Ours: how much of a model with layer routes the answer goes through. */
  compute: computeSchema.nullish(),
  /** Ours: keys and values of the prompt need not be exact where exact ones would come too late. */
  lossy_context: z.boolean().nullish(),
});
/** A request that has passed the schema. */
export type MessageRequest = z.infer<typeof messageRequestSchema>;
/** What both endpoints take: the prompt's part of a request. */
export type TokenCountRequest = z.infer<typeof tokenCountRequestSchema>;

const RULES: UnsupportedRules = {
  ...UNSUPPORTED_GENERATION,
  container: always("there are no containers."),
  mcp_servers: always("there are no tools of the server's own."),
  context_management: always("contexts are not edited."),
  speed: (value) => (value === "standard" ? null : "only 'standard' is supported."),
};

/** Errors: `invalid_request` or `unsupported_parameter`, with the field in `param`. */
export function parseMessageRequest(body: unknown): MessageRequest {
  return parseRequest(messageRequestSchema, body, RULES);
}

/** Errors: as parseMessageRequest. */
export function parseTokenCountRequest(body: unknown): TokenCountRequest {
  return parseRequest(tokenCountRequestSchema, body, RULES);
}

/** A block of an answer. */
export const contentBlockSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("text"), text: z.string(), citations: z.null() }),
  /** Ours is plain text that nobody has to vouch for: the signature is empty. */
  z.object({ type: z.literal("thinking"), thinking: z.string(), signature: z.string() }),
  z.object({
    type: z.literal("tool_use"),
    id: z.string(),
    name: z.string(),
    input: z.record(z.string(), z.unknown()),
  }),
]);
/** A block of an answer. */
export type ContentBlock = z.infer<typeof contentBlockSchema>;

const count = z.number().int();
/** Tokens used; `input_tokens` are those that were not found in the cache. */
export const messageUsageSchema = z.object({
  input_tokens: count,
  cache_creation_input_tokens: count,
  cache_read_input_tokens: count,
  /** Of requests with `lossy_context`: of those read, from the first on that may not be exact; absent when all are. */
  lossy_input_tokens: count.optional(),
  output_tokens: count,
  /** For requests that asked for a tier; this interface calls the default one "standard". */
  service_tier: z.enum(["standard", "flex", "scale", "priority"]).optional(),
  compute: layersUsedSchema.optional(),
  /** At the end only. */
  slo: sloReportSchema.optional(),
});
/** Tokens used. */
export type MessageUsage = z.infer<typeof messageUsageSchema>;

/** Why an answer ended. */
export const stopReasonSchema = z.enum(["end_turn", "max_tokens", "stop_sequence", "tool_use"]);
/** Why an answer ended. */
export type StopReason = z.infer<typeof stopReasonSchema>;

/** A whole answer. */
export const messageBodySchema = z.object({
  id: z.string(),
  type: z.literal("message"),
  role: z.literal("assistant"),
  model: z.string(),
  content: z.array(contentBlockSchema),
  stop_reason: stopReasonSchema.nullable(),
  stop_sequence: z.string().nullable(),
  usage: messageUsageSchema,
});
/** A whole answer. */
export type MessageBody = z.infer<typeof messageBodySchema>;

/** The answer of /v1/messages/count_tokens. */
export const tokenCountSchema = z.object({ input_tokens: count });

/** An event of a stream; what more there is depends on `type`. */
export const messageEventSchema = z.looseObject({ type: z.string() });

/** An error in this interface's form, in a body or in a stream. */
export const anthropicErrorSchema = z.object({
  type: z.literal("error"),
  error: z.object({ type: z.string(), message: z.string() }),
  request_id: z.string(),
});
/** An error in this interface's form, in a body or in a stream. */
export type AnthropicError = z.infer<typeof anthropicErrorSchema>;

/** Anthropic's words by HTTP status; what is missing is `invalid_request_error` below 500 and `api_error` above. */
const ERROR_TYPES: Readonly<Record<number, string>> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  408: "timeout_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
};

/** The same failure in this interface's form. */
export function toAnthropicError(
  { status, body }: Pick<WireError, "status" | "body">,
  requestId: string,
): AnthropicError {
  const type = ERROR_TYPES[status] ?? (status >= 500 ? "api_error" : "invalid_request_error");
  return { type: "error", error: { type, message: body.error.message }, request_id: requestId };
}
