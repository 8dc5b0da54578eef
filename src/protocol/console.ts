/**
 * What the console and its server say to each other: the events of the live feed, the traces of requests, the models with
 * what can be done to them. One schema each; their types are inferred, so that a page and a server cannot disagree.
 *
 * Times that end in `Ms` and are moments are milliseconds of the server's own clock: calendar time is
 * `hello.unixOriginMs + atMs`. Durations are milliseconds. Never a prompt, never an answer.
 *
 * Errors of all these endpoints have the form of errors.ts; with keys set, 401 without one.
 */
import { z } from "zod";
import { engineStateSchema } from "./admin.ts";
import { errorBodySchema } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import { parseRequest } from "./parse.ts";

const count = z.number().int().min(0);
const ms = z.number();
/** A moment on the server's clock, milliseconds. */
const moment = z.number();

/** The bounds of what a server keeps for its console. */
export const CONSOLE_LIMITS = {
  /** Requests that the live feed replays to whoever connects: the last ones that ended, beside all that are open. */
  requests: 1000,
  /** Of those, requests that still have their trace. */
  traces: 500,
  /** Emission times kept of one request; later ones are counted in `omittedTokens`. */
  traceTokens: 4096,
  /** Checked drafts kept of one request; later ones are counted in `omittedDrafts`. */
  traceDrafts: 2048,
  /** Prompt chunks kept of one request; later ones are counted in `omittedChunks`. */
  traceChunks: 1024,
  /** Interruptions kept of one request. */
  traceInterruptions: 256,
  /** Step records kept per model; a slower reader of the feed misses the oldest. */
  steps: 2048,
  /** Samples kept per model; a slower reader of the feed misses the oldest. */
  samples: 64,
  /** Step records in one event. */
  stepsPerEvent: 256,
  /** Readers of the live feed at once; the next is refused with 429. */
  feeds: 32,
  /** Models that are being pulled at once; the next is refused with 429. */
  pulls: 2,
  /** How often a sample is taken while there is something new, milliseconds. */
  sampleMs: 250,
  /** How often when there is not, milliseconds. */
  idleSampleMs: 2000,
  /** Latencies of a sample are of requests that ended within so long before it, milliseconds. */
  windowMs: 60_000,
  /** And of so many of those at most, the latest ones. */
  windowRequests: 1024,
} as const;

/** What kind of promise a request has. */
export const requestClassSchema = z.enum(["latency", "deadline", "compound", "best-effort"]);
/** What kind of promise a request has. */
export type RequestClass = z.infer<typeof requestClassSchema>;

/**
 * Where a request is in its life. `cut`: its deadline ended the answer; `expired`: its deadline passed while it was
 * queued; `rejected`: refused, because the queue was full or its objective out of reach; `cancelled`: its reader left
 * or its time limit passed; `failed`: by a fault of the server or of its own grammar.
 */
export const requestStateSchema = z.enum([
  "waiting",
  "running",
  "finished",
  "cut",
  "rejected",
  "expired",
  "cancelled",
  "failed",
]);
/** Where a request is in its life. */
export type RequestState = z.infer<typeof requestStateSchema>;

/** The targets of a request, counted from its arrival; absent ones were not asked for. */
export const requestTargetsSchema = z.object({
  ttftMs: ms.optional(),
  tpotMs: ms.optional(),
  deadlineMs: ms.optional(),
  onMiss: z.enum(["finish", "cut", "reject"]),
});
/** The targets of a request. */
export type RequestTargets = z.infer<typeof requestTargetsSchema>;

const requestFields = {
  /** `x-request-id` of the HTTP request; further generations of the same one (`n` above 1) end in "-1", "-2" and so on. */
  id: z.string(),
  model: z.string(),
  class: requestClassSchema,
  state: requestStateSchema,
  arrivalMs: moment,
  /** When it was last taken from the queue before its first token. */
  scheduledMs: moment.optional(),
  firstTokenMs: moment.optional(),
  lastTokenMs: moment.optional(),
  endMs: moment.optional(),
  targets: requestTargetsSchema,
  promptTokens: count,
  /** Prompt tokens that the prefix cache had. */
  cachedTokens: count,
  /** Tokens generated so far. */
  answerTokens: count,
  maxTokens: count,
  /** Known once it has ended with a judgement: every target met and the answer not cut short. */
  attained: z.boolean().optional(),
  /** Code of the error that it ended with. */
  error: z.string().optional(),
  /** Layers that its answer left out, of how many; once it has ended, of requests that might leave some out. */
  route: z.object({ layers: count, skipped: z.array(count) }).optional(),
  /** The compound task that it is part of. */
  task: z.object({ id: z.string(), stage: count }).optional(),
};

/** One request as the feed tells of it: whole, so that the latest word replaces all before. */
export const requestRowSchema = z.object(requestFields);
/** One request as the feed tells of it. */
export type RequestRow = z.infer<typeof requestRowSchema>;

/** A time during which a request that had begun was not computed. `resumedMs` is null while it lasts. */
export const interruptionSchema = z.object({
  /** `preempted`: for others; `paused`: because its reader was slow. */
  kind: z.enum(["preempted", "paused"]),
  atMs: moment,
  resumedMs: moment.nullable(),
});
/** A time during which a request that had begun was not computed. */
export type Interruption = z.infer<typeof interruptionSchema>;

/** A piece of a prompt (or of what a preemption made the engine compute again) that one step computed. */
export const promptChunkSchema = z.object({ startMs: moment, durationMs: ms, tokens: count });
/** A piece of a prompt that one step computed. */
export type PromptChunk = z.infer<typeof promptChunkSchema>;

/** A draft that one step checked: `accepted` of its `tokens` were said, and then the model's own next token. */
export const draftCheckSchema = z.object({ atMs: moment, tokens: count, accepted: count });
/** A draft that one step checked. */
export type DraftCheck = z.infer<typeof draftCheckSchema>;

/** The life of one request, as GET /admin/requests/{id} answers it. */
export const requestTraceSchema = z.object({
  ...requestFields,
  /** From arrival until it was first taken from the queue; `endMs` is null while it waits, or when it never was. */
  queue: z.object({ startMs: moment, endMs: moment.nullable() }),
  chunks: z.array(promptChunkSchema),
  omittedChunks: count,
  /** When the step that made each token ended, in order; the first `CONSOLE_LIMITS.traceTokens` of them. */
  tokenMs: z.array(moment),
  omittedTokens: count,
  /** Drafts that its steps checked, in order; absent when nothing was drafted for it. */
  drafts: z.array(draftCheckSchema).optional(),
  omittedDrafts: count.optional(),
  interruptions: z.array(interruptionSchema),
  /** How it fared; null until it has ended, and when the engine could not say. */
  outcome: z
    .object({
      attained: z.boolean(),
      ttftMs: ms.nullable(),
      tpotMs: ms.nullable(),
      e2eMs: ms,
      /** The smallest margin over the targets, negative when missed; null without a target. */
      slackMs: ms.nullable(),
    })
    .nullable(),
});
/** The life of one request. */
export type RequestTraceBody = z.infer<typeof requestTraceSchema>;

/** One step of an engine. */
export const stepRecordSchema = z.object({
  startMs: moment,
  durationMs: ms,
  /** Of prompts, and of what was computed again. */
  prefillTokens: count,
  /** Computed to be said. */
  decodeTokens: count,
  /** Drafted, computed and not said; absent when there were none. */
  rejectedTokens: count.optional(),
  /** Sequences that advanced. */
  sequences: count,
  /** What a step should hold at most. */
  budgetTokens: count,
  /** Sequences that gave their pages back before it. */
  preempted: count,
  /** Which phase's worker computed it, of engines whose phases are apart. */
  phase: z.enum(["prefill", "decode"]).optional(),
  /** Which instance computed it, of models that a fleet computes. */
  instance: z.string().optional(),
});
/** One step of an engine. */
export type StepRecord = z.infer<typeof stepRecordSchema>;

/** Percentiles of what was observed in a window; null when nothing was. */
export const percentilesSchema = z.object({ p50: ms, p90: ms, p99: ms, count }).nullable();
/** Percentiles of what was observed in a window. */
export type Percentiles = z.infer<typeof percentilesSchema>;

/** A served model as the live feed introduces it. */
export const liveModelSchema = z.object({
  id: z.string(),
  state: engineStateSchema,
  /** Scheduling policy in force. */
  policy: z.string(),
  phases: z.enum(["colocated", "disaggregated", "semi-pd"]),
  /** Why its policy cannot be switched; absent when it can. */
  fixedPolicy: z.string().optional(),
  budgetTokens: count,
  kvPages: count,
  pageTokens: count,
  maxRunning: count,
  maxWaiting: count,
});
/** A served model as the live feed introduces it. */
export type LiveModel = z.infer<typeof liveModelSchema>;

/**
 * The first event of a feed; after it come the requests that the server remembers. Sent again when models are added or
 * removed, and when there has been nothing else to say for five seconds.
 */
export const helloEventSchema = z.object({
  kind: z.literal("hello"),
  serverVersion: z.string(),
  /** When the server began, Unix milliseconds: another value than before means that it was restarted. */
  startedUnixMs: z.number(),
  /** Unix milliseconds at the clock's zero. */
  unixOriginMs: z.number(),
  nowMs: moment,
  models: z.array(liveModelSchema),
  /** Policies that can be switched to. */
  policies: z.array(z.string()),
});
/** The first event of a feed. */
export type HelloEvent = z.infer<typeof helloEventSchema>;

/** Requests of a class, since the model was first loaded. */
export const goodputSchema = z.object({
  attained: count,
  missed: count,
  /** Tokens delivered within their objective. */
  tokens: count,
});

/** How one model stands. Counts grow since it was first loaded; rates are of the time since the sample before. */
export const sampleEventSchema = z.object({
  kind: z.literal("sample"),
  nowMs: moment,
  model: z.string(),
  state: engineStateSchema,
  policy: z.string(),
  running: count,
  waiting: count,
  /** Set aside because their reader is slow. */
  paused: count,
  kvPagesUsed: count,
  kvPagesTotal: count,
  prefixHitTokens: count,
  prefixLookupTokens: count,
  preemptions: count,
  tokensPerSecond: z.object({ prefill: z.number(), decode: z.number() }),
  /** By how much the server's thread was late since the sample before; of the server, not of the model. */
  eventLoopLagMs: z.object({ p50: ms, p99: ms }),
  /** Of requests that ended within `CONSOLE_LIMITS.windowMs`. */
  ttftMs: percentilesSchema,
  tpotMs: percentilesSchema,
  e2eMs: percentilesSchema,
  goodput: z.record(requestClassSchema, goodputSchema),
});
/** How one model stands. */
export type SampleEvent = z.infer<typeof sampleEventSchema>;

/** Steps of one model, in order. */
export const stepsEventSchema = z.object({
  kind: z.literal("steps"),
  model: z.string(),
  steps: z.array(stepRecordSchema),
});
/** Steps of one model, in order. */
export type StepsEvent = z.infer<typeof stepsEventSchema>;

/** Something about a request has changed. */
export const requestEventSchema = z.object({ kind: z.literal("request"), request: requestRowSchema });
/** Something about a request has changed. */
export type RequestEvent = z.infer<typeof requestEventSchema>;

/** A policy was switched. */
export const policyEventSchema = z.object({
  kind: z.literal("policy"),
  model: z.string(),
  policy: z.string(),
  previous: z.string(),
  atMs: moment,
});
/** A policy was switched. */
export type PolicyEvent = z.infer<typeof policyEventSchema>;

/** This reader was too slow, and these are gone. */
export const droppedEventSchema = z.object({ kind: z.literal("dropped"), samples: count, steps: count });
/** This reader was too slow, and these are gone. */
export type DroppedEvent = z.infer<typeof droppedEventSchema>;

/**
 * An event of GET /admin/live, the JSON of one server-sent event. Now and then one has an id; a reader that reconnects
 * with the last as `Last-Event-ID` is spared the requests that it knows. `?model=` keeps to one model.
 */
export const liveEventSchema = z.discriminatedUnion("kind", [
  helloEventSchema,
  sampleEventSchema,
  stepsEventSchema,
  requestEventSchema,
  policyEventSchema,
  droppedEventSchema,
]);
/** An event of GET /admin/live. */
export type LiveEvent = z.infer<typeof liveEventSchema>;

/** The body of POST /admin/models/{id}/policy. */
export const policyRequestSchema = z.object({ policy: z.string().min(1).max(LIMITS.nameCharacters) });
/** The body of POST /admin/models/{id}/policy. */
export type PolicyRequest = z.infer<typeof policyRequestSchema>;

/** The body of a switch of policy. Errors: `invalid_request` naming the field. */
export function parsePolicyRequest(body: unknown): PolicyRequest {
  return parseRequest(policyRequestSchema, body);
}

/** Its answer: what is in force, what was, and when it changed. 409 `policy_fixed` where it cannot be switched. */
export const policyAnswerSchema = policyEventSchema.omit({ kind: true });
/** The answer to a switch of policy. */
export type PolicyAnswer = z.infer<typeof policyAnswerSchema>;

/** Right answers on held-out items. `interval95` is Wilson's. */
export const heldOutScoreSchema = z.object({
  name: z.string(),
  items: count,
  correct: count,
  share: z.number(),
  interval95: z.tuple([z.number(), z.number()]),
});
/** Right answers on held-out items. */
export type HeldOutScore = z.infer<typeof heldOutScoreSchema>;

/** What a model is: what its page needs to say of it, and what the chat page may offer. */
export const adminModelSchema = z.object({
  id: z.string(),
  /** `loaded` takes requests at once; any other loads when it is asked. Without a pool: always loaded. */
  state: z.enum(["unloaded", "loading", "loaded", "draining", "unloading"]),
  engine: engineStateSchema,
  /** Requests that wait for it to be loaded. */
  waiting: count,
  /** How often it was loaded. */
  loads: count,
  /** Whether load and unload do anything: it belongs to a pool. */
  managed: z.boolean(),
  /** Memory when loaded, as estimated; null where nobody estimates. */
  memoryBytes: count.nullable(),
  /** Of its files; null for a model without any. */
  diskBytes: count.nullable(),
  parameters: count,
  /** Of its weights in memory. */
  weights: z.enum(["f32", "int8", "int4"]),
  layers: count,
  hidden: count,
  vocabulary: count,
  contextTokens: count,
  kvTokens: count,
  threads: count,
  policy: z.string(),
  phases: liveModelSchema.shape.phases,
  fixedPolicy: z.string().optional(),
  /** Objective of requests that bring none. */
  defaultTargets: requestTargetsSchema.extend({ class: requestClassSchema }),
  capabilities: z.object({
    chat: z.boolean(),
    completions: z.boolean(),
    tools: z.boolean(),
    schema: z.boolean(),
    thinking: z.boolean(),
    embeddings: z.boolean(),
  }),
  /** Its card as markdown, at most 64 KiB; null when it has none. */
  card: z.string().nullable(),
  /** A sentence for people, from its card; null when it has none. */
  about: z.string().nullable(),
  /** Of its held-out tests; empty when it has none. */
  scores: z.array(heldOutScoreSchema),
});
/** What a model is. */
export type AdminModel = z.infer<typeof adminModelSchema>;

/** A member of the family that this package brings, on the latency-quality plot. */
export const familyPointSchema = z.object({
  id: z.string(),
  parameters: count,
  /** Mean of its held-out shares; null when it has none. */
  quality: z.number().nullable(),
  /** Lower and upper end of the mean of the intervals; null with `quality`. */
  interval95: z.tuple([z.number(), z.number()]).nullable(),
  /** What a step of one token took when the model was loaded here, milliseconds; null when it never was. */
  stepMs: ms.nullable(),
  /** Served by this server. */
  served: z.boolean(),
});
/** A member of the family on the latency-quality plot. */
export type FamilyPoint = z.infer<typeof familyPointSchema>;

/** The answer of GET /admin/models. */
export const adminModelsSchema = z.object({
  memory: z.object({
    /** Most of all loaded models; null without a limit. */
    budgetBytes: count.nullable(),
    usedBytes: count,
  }),
  /** Whether POST /admin/models/pull works here. */
  canPull: z.boolean(),
  models: z.array(adminModelSchema),
  family: z.array(familyPointSchema),
});
/** The answer of GET /admin/models. */
export type AdminModels = z.infer<typeof adminModelsSchema>;

/** The answer of POST /admin/models/{id}/load and /unload, once it is done. */
export const modelChangeSchema = z.object({
  id: z.string(),
  state: adminModelSchema.shape.state,
  /** How long it took. */
  tookMs: ms,
});
/** The answer of load and unload. */
export type ModelChange = z.infer<typeof modelChangeSchema>;

/** The body of POST /admin/models/pull: `hf:org/name[@revision][:file.gguf]`. */
export const pullRequestSchema = z.object({ source: z.string().min(1).max(LIMITS.modelNameCharacters) });
/** The body of POST /admin/models/pull. */
export type PullRequest = z.infer<typeof pullRequestSchema>;

/** The body of a pull. Errors: `invalid_request` naming the field. */
export function parsePullRequest(body: unknown): PullRequest {
  return parseRequest(pullRequestSchema, body);
}

/**
 * An event of its answer, a stream of server-sent events: any number of `waiting` (another process pulls the same) and
 * `progress`, then one `done` or one `failed`. Closing the connection cancels; what has come is kept for the next try.
 */
export const pullEventSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("waiting") }),
  z.object({ kind: z.literal("progress"), file: z.string(), doneBytes: count, totalBytes: count }),
  /** It is served from now on, under that name, and loaded when it is asked. */
  z.object({ kind: z.literal("done"), id: z.string() }),
  z.object({ kind: z.literal("failed"), error: errorBodySchema.shape.error }),
]);
/** An event of a pull. */
export type PullEvent = z.infer<typeof pullEventSchema>;
