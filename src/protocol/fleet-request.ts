/**
 * Requests and their events on their way between processes: what `submit` takes and a stream yields, as JSON.
 *
 * No moment of one process means anything in another, so every moment is told as an age: `…AgeMs`, milliseconds since the
 * request arrived where it was accepted. Tokens have an index, counted from 0 over the whole answer wherever they were made;
 * the end has the index after the last token. Schemas are bounded: bytes from a bus are foreign.
 */
import { z } from "zod";
import { ERROR_CODES, type ErrorCode } from "../core/index.ts";
import { LIMITS } from "./limits.ts";

const count = z.number().int().min(0);
const ageMs = z.number();
const tokenId = z
  .number()
  .int()
  .min(0)
  .max(2 ** 31 - 1);

/** The bounds of what instances and routers say to each other. */
export const FLEET_LIMITS = {
  /** Bytes of a message, unpacked. Packed ones are at most what the bus carries. */
  messageBytes: 64 * 1024 * 1024,
  idCharacters: 128,
  /** Items of one batch of events. */
  batchEvents: 4096,
  /** Notices of one batch. */
  batchNotices: 4096,
  /** Most items a receiver may allow ahead of what it has. */
  windowEvents: 65_536,
  /** How old a request may be, milliseconds: a day. */
  ageMs: 86_400_000,
  stopStrings: 64,
  errorCharacters: 4096,
  /** Bytes of one piece of a model's facts, before base64. */
  factsPieceBytes: 256 * 1024,
  /** Bytes of a model's facts in all. */
  factsBytes: 128 * 1024 * 1024,
  policyCharacters: 64,
  /** Steps of one message, and routers that an instance tells of its steps. */
  batchSteps: 512,
  stepWatchers: 64,
  /** Adapters of an instance, and characters of one's name and of the folder that it is read from. */
  adapters: 256,
  adapterCharacters: 256,
  pathCharacters: 4096,
} as const;

/** Whose name travels in subjects: letters, digits, `_` and `-`. */
export const fleetIdSchema = z
  .string()
  .min(1)
  .max(FLEET_LIMITS.idCharacters)
  .regex(/^[\w-]+$/, { error: "expected letters, digits, '_' and '-'" });

/** Of a request, within one fleet: printable, without spaces. */
export const fleetRequestIdSchema = z
  .string()
  .min(1)
  .max(FLEET_LIMITS.idCharacters)
  .regex(/^[\x21-\x7e]+$/, { error: "expected printable characters without spaces" });

/** An adapter's name. */
export const fleetAdapterSchema = z.string().min(1).max(FLEET_LIMITS.adapterCharacters);

const samplingSchema = z.object({
  temperature: z.number().min(0).max(100).optional(),
  topK: count.optional(),
  topP: z.number().min(0).max(1).optional(),
  minP: z.number().min(0).max(1).optional(),
  repetitionPenalty: z.number().positive().optional(),
  presencePenalty: z.number().optional(),
  frequencyPenalty: z.number().optional(),
  logitBias: z
    .record(z.string().regex(/^\d{1,9}$/, { error: "expected a token id" }), z.number())
    .refine((bias) => Object.keys(bias).length <= LIMITS.logitBiasEntries, {
      error: `expected at most ${LIMITS.logitBiasEntries} entries`,
    })
    .optional(),
  seed: z.number().int().optional(),
  logprobs: z.number().int().min(0).max(LIMITS.topLogprobs).optional(),
});

const sloSchema = z.object({
  class: z.enum(["latency", "deadline", "compound", "best-effort"]),
  ttftMs: z.number().positive().optional(),
  tpotMs: z.number().positive().optional(),
  deadlineMs: z.number().positive().optional(),
  onMiss: z.enum(["finish", "cut", "reject"]),
});

const grammarSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("json_object") }),
  z.object({ kind: z.literal("json_schema"), schema: z.unknown(), strict: z.boolean().optional() }),
  z.object({ kind: z.literal("regex"), pattern: z.string().max(LIMITS.patternCharacters) }),
  z.object({
    kind: z.literal("choice"),
    choices: z.array(z.string().max(LIMITS.choiceCharacters)).max(LIMITS.guidedChoices),
  }),
]);

/** What a request asks of an engine, less when it arrived: the fields of runtime's GenerateRequest. */
export const wireRequestSchema = z.object({
  id: fleetRequestIdSchema,
  promptTokens: z.array(tokenId).min(1).max(LIMITS.promptTokens),
  maxTokens: z.number().int().min(1).max(LIMITS.maxTokens),
  minTokens: count.max(LIMITS.maxTokens).optional(),
  sampling: samplingSchema.optional(),
  stop: z.array(z.string().min(1).max(LIMITS.stopCharacters)).max(FLEET_LIMITS.stopStrings).optional(),
  slo: sloSchema.optional(),
  task: z.object({ id: z.string().min(1).max(256), stage: count.max(1_000_000) }).optional(),
  thinkingBudget: count.max(LIMITS.maxTokens).optional(),
  ignoreEos: z.boolean().optional(),
  grammar: grammarSchema.optional(),
  prediction: z.array(tokenId).max(LIMITS.promptTokens).optional(),
  embedding: z.literal(true).optional(),
  /** Of instances that have it: the adapter by its name. */
  adapter: fleetAdapterSchema.optional(),
  /** Prefixes are shared among requests of one salt only. */
  cacheSalt: z.string().max(LIMITS.nameCharacters).optional(),
  /** So many leading tokens are exact under that salt; all when absent. */
  exactPrefixTokens: count.max(LIMITS.promptTokens).optional(),
  /** Keys and values of the prompt need not be exact, where they would otherwise come too late. */
  lossyContext: z.boolean().optional(),
});
/** What a request asks of an engine. */
export type WireRequest = z.infer<typeof wireRequestSchema>;

const sectionSchema = z.enum(["text", "thinking", "call"]);

const logprobsSchema = z.object({
  logprob: z.number().nullable(),
  top: z.array(z.object({ id: tokenId, logprob: z.number().nullable() })).max(LIMITS.topLogprobs),
});

/** One generated token. */
export const wireTokenSchema = z.object({
  kind: z.literal("token"),
  id: tokenId,
  index: count,
  text: z.string().max(LIMITS.textCharacters),
  section: sectionSchema,
  mark: z.enum(["open", "close"]).optional(),
  /** Minus infinity is null: JSON has no word for it. */
  logprobs: logprobsSchema.optional(),
  /** Of the first, when a part of the prompt's keys and values may not be exact: what `usage` will say of them. */
  lossy: z.object({ cachedTokens: count, lossyTokens: count }).optional(),
  ageMs,
});
/** One generated token. */
export type WireToken = z.infer<typeof wireTokenSchema>;

const outcomeSchema = z.object({
  attained: z.boolean(),
  ttft_ms: z.number().nullable(),
  tpot_ms: z.number().nullable(),
  e2e_ms: z.number(),
  slack_ms: z.number().nullable(),
});

const draftsSchema = z.object({
  acceptedTokens: count,
  rejectedTokens: count,
  draftsByAccepted: z.array(count).max(64),
});

/** The end of an answer that ended well or was cut at its deadline. */
export const wireFinishSchema = z.object({
  kind: z.literal("finish"),
  /** Of the item after the last token: how many tokens there are. */
  index: count,
  reason: z.enum(["stop", "length"]),
  cause: z.enum(["end", "stop", "max_tokens", "deadline"]),
  text: z.string().max(LIMITS.textCharacters),
  section: sectionSchema,
  stop: z.string().max(LIMITS.stopCharacters).optional(),
  usage: z.object({
    promptTokens: count,
    completionTokens: count,
    cachedTokens: count,
    /** Of those, from the first on that may not be exact. */
    lossyTokens: count.optional(),
    reasoningTokens: count,
    slo: outcomeSchema,
    transferMs: z.number().optional(),
    drafts: draftsSchema.optional(),
  }),
  ageMs,
  /** Of requests for an embedding: little-endian float32, base64. */
  embedding: z
    .string()
    .max(LIMITS.embeddingDimensions * 6)
    .optional(),
});
/** The end of an answer. */
export type WireFinish = z.infer<typeof wireFinishSchema>;

/** What a stream carries: tokens in order, then one finish. */
export const wireEventSchema = z.discriminatedUnion("kind", [wireTokenSchema, wireFinishSchema]);
/** What a stream carries. */
export type WireEvent = z.infer<typeof wireEventSchema>;

const errorCodes = Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]];

/** An expected failure. A code that this version does not know is `internal`. */
export const fleetErrorSchema = z.object({
  code: z.enum(errorCodes).catch("internal"),
  message: z.string().max(FLEET_LIMITS.errorCharacters),
  param: z.string().max(LIMITS.nameCharacters).nullable(),
  retryAfterMs: z.number().min(0).nullable(),
});
/** An expected failure. */
export type FleetError = z.infer<typeof fleetErrorSchema>;

/** How a request went at the instance where it ended; runtime's RequestSummary with ages for moments. */
export const wireSummarySchema = z.object({
  end: z.enum(["stop", "length", "abort", "error", "expired", "rejected"]),
  scheduledAgeMs: ageMs.nullable(),
  firstTokenAgeMs: ageMs.nullable(),
  lastTokenAgeMs: ageMs.nullable(),
  endAgeMs: ageMs,
  promptTokens: count,
  cachedTokens: count,
  completionTokens: count,
  cause: z.enum(["end", "stop", "max_tokens", "deadline"]).nullable(),
  error: z.enum(errorCodes).catch("internal").nullable(),
  outcome: outcomeSchema.nullable(),
  drafts: draftsSchema.optional(),
});
/** How a request went. */
export type WireSummary = z.infer<typeof wireSummarySchema>;

/** What became of a request meanwhile, for those who watch it (`SubmitMessage.observe`); runtime's RequestObserver. */
export const wireNoticeSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("admitted"), ageMs, cachedTokens: count }),
  z.object({ kind: z.literal("chunk"), ageMs, durationMs: z.number(), tokens: count }),
  z.object({ kind: z.literal("preempted"), ageMs }),
  z.object({ kind: z.literal("paused"), ageMs }),
  z.object({ kind: z.literal("resumed"), ageMs }),
]);
/** What became of a request meanwhile. */
export type WireNotice = z.infer<typeof wireNoticeSchema>;
