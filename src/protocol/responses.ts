/**
 * POST /v1/responses and what belongs to it: the request, its items, the response and the events of its stream.
 *
 * Only what the Responses interface spells in its own way is read here. Fields that mean the same in a chat request
 * (sampling, tools' schemas, a deadline) are handed on as they came and read by the chat schema.
 */
import { z } from "zod";
import { always, computeSchema, layersUsedSchema, metadataSchema, UNSUPPORTED_GENERATION, unless } from "./common.ts";
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

/** A piece of a message: text that was given, text that was answered, or a refusal. */
const inputPart = z.object({ type: z.literal("input_text"), text });
const outputPart = z.object({ type: z.literal("output_text"), text });
const refusalPart = z.object({ type: z.literal("refusal"), refusal: text });
const partSchema = z.discriminatedUnion("type", [inputPart, outputPart, refusalPart]);
/** A piece of a message. */
export type ItemPart = z.infer<typeof partSchema>;
const PART_TYPES: readonly unknown[] = ["input_text", "output_text", "refusal", undefined];

/** A string, or parts; parts of another kind (images, files) are refused by name. */
const contentSchema = z
  .unknown()
  .superRefine((content, context) => {
    if (!Array.isArray(content)) return;
    const other = content.findIndex((part: unknown) => !PART_TYPES.includes(typeOf(part)));
    if (other !== -1) context.addIssue(unsupported("only parts of text are supported.", [other, "type"]));
  })
  .pipe(z.union([text, z.array(partSchema).max(LIMITS.partsPerMessage)], { error: "expected text or parts of text" }));

function typeOf(value: unknown): unknown {
  return typeof value === "object" && value !== null ? (value as { type?: unknown }).type : undefined;
}

const itemId = name.nullish();
const itemStatus = z.enum(["in_progress", "completed", "incomplete"]).nullish();
const messageItem = z.object({
  type: z.literal("message"),
  id: itemId,
  role: z.enum(["user", "assistant", "system", "developer"]),
  content: contentSchema,
  status: itemStatus,
});
const callItem = z.object({
  type: z.literal("function_call"),
  id: itemId,
  call_id: name.min(1),
  name: name.min(1),
  arguments: text,
  status: itemStatus,
});
const callOutputItem = z.object({
  type: z.literal("function_call_output"),
  id: itemId,
  call_id: name.min(1),
  output: contentSchema,
  status: itemStatus,
});
const reasoningItem = z.object({
  type: z.literal("reasoning"),
  id: itemId,
  summary: z.array(z.object({ type: z.literal("summary_text"), text })).max(LIMITS.partsPerMessage),
  content: z
    .array(z.object({ type: z.literal("reasoning_text"), text }))
    .max(LIMITS.partsPerMessage)
    .nullish(),
  status: itemStatus,
});
const ITEM_TYPES = ["message", "function_call", "function_call_output", "reasoning"];

/** An item of a conversation; a message may leave its type out. */
const itemSchema = z
  .unknown()
  .superRefine((item, context) => {
    const type = typeOf(item);
    if (typeof type !== "string" || ITEM_TYPES.includes(type)) return;
    context.addIssue(unsupported(`only items of type ${ITEM_TYPES.join(", ")} are supported.`, ["type"]));
  })
  .transform((item) => {
    const plain = typeof item === "object" && item !== null && typeOf(item) === undefined;
    return plain ? { ...item, type: "message" } : item;
  })
  .pipe(
    z.discriminatedUnion("type", [messageItem, callItem, callOutputItem, reasoningItem], {
      error: "expected an item with a type, or a message with a role",
    }),
  );
/** An item of a conversation as a client sends it. */
export type InputItem = z.infer<typeof itemSchema>;

/** A string stands for one message of the user. */
const inputSchema = z
  .union([text.transform((content): unknown => [{ role: "user", content }]), z.array(z.unknown()).min(1)], {
    error: "expected text, or an array of at least one item",
  })
  .pipe(z.array(itemSchema).max(LIMITS.messages));

const toolSchema = z
  .unknown()
  .superRefine((tool, context) => {
    const type = typeOf(tool);
    if (typeof type === "string" && type !== "function") {
      context.addIssue(unsupported("only 'function' is supported.", ["type"]));
    }
  })
  .pipe(
    z.object({
      type: z.literal("function"),
      name: functionName,
      description: text.nullish(),
      parameters: z.record(z.string(), z.unknown()).nullish(),
      strict: z.boolean().nullish(),
    }),
  );
const named = z.object({ type: z.literal("function"), name: functionName });
const choiceSchema = z.union(
  [
    z.enum(["none", "auto", "required"]),
    named,
    z.object({
      type: z.literal("allowed_tools"),
      mode: z.enum(["auto", "required"]),
      tools: z.array(named).min(1).max(LIMITS.tools),
    }),
  ],
  { error: "expected 'none', 'auto', 'required', a function by its name, or 'allowed_tools'" },
);
const formatSchema = z.discriminatedUnion(
  "type",
  [
    z.object({ type: z.literal("text") }),
    z.object({ type: z.literal("json_object") }),
    z.object({
      type: z.literal("json_schema"),
      name: functionName,
      description: text.nullish(),
      schema: z.record(z.string(), z.unknown()),
      strict: z.boolean().nullish(),
    }),
  ],
  { error: "expected an object of type 'text', 'json_object' or 'json_schema'" },
);

/** Encrypted reasoning is asked for so that it can be sent back; ours is plain text and can be sent back as it is. */
const INCLUDABLE = ["message.output_text.logprobs", "reasoning.encrypted_content"];
const includeSchema = z.array(z.string().max(LIMITS.nameCharacters)).superRefine((list, context) => {
  const other = list.findIndex((entry) => !INCLUDABLE.includes(entry));
  if (other !== -1) context.addIssue(unsupported(`only ${INCLUDABLE.join(" and ")} can be included.`, [other]));
});

const reasoningSchema = z.object({
  /** The chat schema knows the words. */
  effort: z.string().max(32).nullish(),
  /** Reasoning is told whole; there is nothing that summarises it. */
  summary: z
    .string()
    .superRefine((word, context) => {
      if (word !== "auto") context.addIssue(unsupported("reasoning is not summarised; only 'auto' is supported."));
    })
    .nullish(),
});

/** What a request asks for in the words of this interface; other fields are the chat schema's. */
export const responseRequestSchema = z
  .looseObject({
    model: z.string().min(1).max(LIMITS.modelNameCharacters),
    input: inputSchema,
    instructions: text.nullish(),
    previous_response_id: name.nullish(),
    max_output_tokens: z.number().int().min(1).max(LIMITS.maxTokens).nullish(),
    max_tool_calls: z.number().int().min(1).nullish(), // of built-in tools, of which there are none
    metadata: metadataSchema.nullish(),
    tools: z.array(toolSchema).max(LIMITS.tools).nullish(),
    tool_choice: choiceSchema.nullish(),
    parallel_tool_calls: z.boolean().nullish(),
    text: z
      .object({ format: formatSchema.nullish(), verbosity: z.enum(["low", "medium", "high"]).nullish() })
      .nullish(),
    reasoning: reasoningSchema.nullish(),
    include: includeSchema.nullish(),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().gt(0).max(1).nullish(),
    top_logprobs: z.number().int().min(0).max(LIMITS.topLogprobs).nullish(),
    store: z.boolean().nullish(),
    stream: z.boolean().nullish(),
    background: z.boolean().nullish(),
    user: name.nullish(),
    safety_identifier: name.nullish(),
    prompt_cache_key: name.nullish(),
    /** Ours: how much of a model with layer routes the answer goes through. */
    compute: computeSchema.nullish(),
    /** Ours: keys and values of the prompt need not be exact where exact ones would come too late. */
    lossy_context: z.boolean().nullish(),
  })
  .superRefine((body, context) => {
    if (body.background !== true) return;
    if (body.stream === true)
      context.addIssue(unsupported("a response in the background is not streamed.", ["background"]));
    if (body.store === false) {
      context.addIssue({ code: "custom", path: ["store"], message: "expected true for a response in the background" });
    }
  });
/** A request that has passed the schema. */
export type ResponseRequest = z.infer<typeof responseRequestSchema>;

const RULES: UnsupportedRules = {
  ...UNSUPPORTED_GENERATION,
  conversation: always("use 'previous_response_id'."),
  prompt: always("prompt templates are not kept here."),
  context_management: always("contexts are not compacted."),
  truncation: unless((value) => value === "disabled", "only 'disabled' is supported."),
  moderation: always("moderation is not supported."),
  prompt_cache_options: always("equal prefixes are cached without being asked."),
};

/** Errors: `invalid_request` or `unsupported_parameter`, with the field in `param`. */
export function parseResponseRequest(body: unknown): ResponseRequest {
  return parseRequest(responseRequestSchema, body, RULES);
}

const logprobSchema = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.number()).nullable() });
/** A token of an answer with its log-probability and its best rivals. */
export const responseLogprobSchema = logprobSchema.extend({ top_logprobs: z.array(logprobSchema) });
/** A token of an answer with its log-probability and its best rivals. */
export type ResponseLogprob = z.infer<typeof responseLogprobSchema>;

const endStatus = z.enum(["in_progress", "completed", "incomplete"]);
const outputTextSchema = z.object({
  type: z.literal("output_text"),
  text: z.string(),
  annotations: z.array(z.never()),
  logprobs: z.array(responseLogprobSchema),
});
/** An item of an answer. */
export const outputItemSchema = z.discriminatedUnion("type", [
  z.object({
    type: z.literal("message"),
    id: z.string(),
    status: endStatus,
    role: z.literal("assistant"),
    content: z.array(outputTextSchema),
  }),
  z.object({
    type: z.literal("function_call"),
    id: z.string(),
    status: endStatus,
    call_id: z.string(),
    name: z.string(),
    arguments: z.string(),
  }),
  z.object({
    type: z.literal("reasoning"),
    id: z.string(),
    status: endStatus,
    summary: z.array(z.never()),
    content: z.array(z.object({ type: z.literal("reasoning_text"), text: z.string() })),
  }),
]);
/** An item of an answer. */
export type OutputItem = z.infer<typeof outputItemSchema>;

/** Tokens used, and what became of the deadline. */
export const responseUsageSchema = z.object({
  input_tokens: z.number().int(),
  input_tokens_details: z.object({
    cached_tokens: z.number().int(),
    /** Of requests with `lossy_context`: of the cached ones, from the first on that may not be exact; absent when all are. */
    lossy_tokens: z.number().int().optional(),
  }),
  output_tokens: z.number().int(),
  output_tokens_details: z.object({ reasoning_tokens: z.number().int() }),
  total_tokens: z.number().int(),
  compute: layersUsedSchema.optional(),
  slo: sloReportSchema.optional(),
});
/** Tokens used, and what became of the deadline. */
export type ResponseUsage = z.infer<typeof responseUsageSchema>;

/** A response; fields that repeat the request are as it asked, defaults filled in. */
export const responseSchema = z.looseObject({
  id: z.string(),
  object: z.literal("response"),
  created_at: z.number().int(),
  completed_at: z.number().int().nullable(),
  status: z.enum(["queued", "in_progress", "completed", "incomplete", "failed", "cancelled"]),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
  incomplete_details: z.object({ reason: z.enum(["max_output_tokens", "content_filter"]) }).nullable(),
  model: z.string(),
  output: z.array(outputItemSchema),
  usage: responseUsageSchema.nullable(),
});
/** A response. */
export type ResponseBody = z.infer<typeof responseSchema>;

/** The answer of DELETE /v1/responses/{id}. */
export const responseDeletedSchema = z.object({
  id: z.string(),
  object: z.literal("response"),
  deleted: z.literal(true),
});

/** The answer of /v1/responses/input_tokens. */
export const inputTokensSchema = z.object({
  object: z.literal("response.input_tokens"),
  input_tokens: z.number().int(),
});

/** The answer of /v1/responses/{id}/input_items. */
export const inputItemListSchema = z.object({
  object: z.literal("list"),
  data: z.array(z.looseObject({ id: z.string() })),
  first_id: z.string().nullable(),
  last_id: z.string().nullable(),
  has_more: z.boolean(),
});

/** One event of a stream, as far as all of them go. */
export const responseEventSchema = z.looseObject({ type: z.string(), sequence_number: z.number().int() });

/** One event of a stream. `sequence_number` counts from 0 without gaps; the rest depends on `type`. */
export interface ResponseEvent {
  readonly type: string;
  readonly sequence_number: number;
  readonly [field: string]: unknown;
}
