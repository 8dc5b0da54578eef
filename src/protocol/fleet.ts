/**
 * What instances and routers of a fleet say to each other over a bus, version 1: who an instance is and how loaded, how a
 * request is sent and its answer comes back, and what else an instance can be told.
 *
 *   router ── SubmitMessage ──▶ instance          answered by SubmitReply
 *   router ── ControlMessage ─▶ instance          cancel, ack and alive are told; the others are asked and answered
 *   instance ── StreamMessage ─▶ router's inbox   in any order, perhaps twice, perhaps not at all
 *
 * The stream is made reliable by its ends. Items have an index; the receiver tells `ack { nextIndex, window }`: it has all
 * items below nextIndex and takes those below nextIndex + window. The instance keeps what is not acknowledged, sends nothing
 * beyond the window, and pauses the sequence when that stays so. `resend` asks for everything from nextIndex again. `epoch`
 * counts the moves of a request: of two instances that speak for one, the higher is right. Nothing here is executed.
 */
import { z } from "zod";
import {
  FLEET_LIMITS,
  fleetAdapterSchema,
  fleetIdSchema,
  fleetRequestIdSchema,
  fleetErrorSchema,
  wireEventSchema,
  wireNoticeSchema,
  wireRequestSchema,
  wireSummarySchema,
} from "./fleet-request.ts";
import { contextChoiceSchema, FLEET_VIEW_LIMITS, fleetRoleSchema } from "./fleet-view.ts";
import { LIMITS } from "./limits.ts";

const count = z.number().int().min(0);
const ageMs = z.number().min(0).max(FLEET_LIMITS.ageMs);
const subject = z.string().min(1).max(512);

/** What others must say to be understood; another version is refused, not guessed. */
export const FLEET_VERSION = 1;
const version = z.literal(FLEET_VERSION);

/**
 * What the bus's directory holds of an instance, put there again every second: what does not change, and whether it takes
 * requests.
 */
export const instanceCardSchema = z.object({
  version,
  id: fleetIdSchema,
  /** The name under which it serves. */
  model: z.string().min(1).max(LIMITS.modelNameCharacters),
  /** Equal for instances that can take over each other's sequences: configuration, weights, KV format, page size. */
  fingerprint: z.string().min(1).max(FLEET_LIMITS.idCharacters),
  role: fleetRoleSchema,
  state: z.enum(["serving", "draining"]),
  pageTokens: count,
  totalPages: count,
  /** Most tokens of prompt and answer together. */
  contextTokens: count,
  /** Most sequences at once, and most requests that may wait. */
  maxRunning: count,
  maxWaiting: count,
  /** Where it serves keys and values over TCP; null when it does not. */
  kv: z.object({ host: z.string().min(1).max(255), port: z.number().int().min(1).max(65_535) }).nullable(),
  /** Adapters that requests may name there; absent when it takes none. */
  adapters: z.array(fleetAdapterSchema).max(FLEET_LIMITS.adapters).optional(),
  /** It keeps contexts there, and gives them to instances of its model; absent when it does not. */
  contexts: z.boolean().optional(),
  /** By its own calendar; for people only. */
  startedUnixMs: z.number(),
  /** Engine's EngineInfo, as it is: what a router shows of a model. */
  info: z.record(z.string(), z.unknown()),
  /** What a router needs to read and write its texts is had by `facts` requests; equal ids, equal facts. */
  facts: z.object({ id: z.string().min(1).max(FLEET_LIMITS.idCharacters), bytes: count.max(FLEET_LIMITS.factsBytes) }),
});
/** What the directory holds of an instance. */
export type InstanceCard = z.infer<typeof instanceCardSchema>;

/** How loaded an instance is, four times a second: sched's InstanceLoad as counts, and what steps cost there. */
export const loadReportSchema = z.object({
  version,
  id: fleetIdSchema,
  state: z.enum(["serving", "draining"]),
  /** Counts reports of one life of the instance: an older one that comes late is known by it. */
  sequence: count,
  waiting: count,
  running: count,
  paused: count,
  /** Tokens that the waiting ones have to compute, caches ignored: all queued demand. */
  waitingTokens: count,
  prefillTokens: count,
  usedPages: count,
  totalPages: count,
  pageTokens: count,
  waitingPages: count,
  headPages: count,
  answerTokens: z.number().nullable(),
  /** Of class "latency": waiting, paused and running. */
  urgent: count,
  /** Of `waiting` and `waitingPages`, their part. */
  urgentWaiting: count,
  urgentWaitingPages: count,
  outgoing: count,
  incoming: count,
  /** Sequences and tokens of its last steps, means; 0 while idle. */
  batch: z.number().min(0),
  stepTokens: z.number().min(0),
  /** Milliseconds of its last steps, mean; null before the first. */
  stepMs: z.number().min(0).nullable(),
  /** Generated lately, tokens a second. */
  tokensPerSecond: z.number().min(0),
  budgetTokens: count,
  /** Quickest step by tokens, from calibration: what a step of n tokens costs, c(n). */
  costs: z.array(z.object({ tokens: count, stepMs: z.number().min(0) })).max(64),
  /** What chunks of contexts were had as; absent before the first. */
  contexts: z.array(contextChoiceSchema).max(FLEET_VIEW_LIMITS.choices).optional(),
});
/** How loaded an instance is. */
export type LoadReport = z.infer<typeof loadReportSchema>;

/** One step, as an instance tells it: runtime's WatchedStep. */
const wireStepSchema = z.object({
  /** By the instance's own clock. */
  startMs: z.number(),
  durationMs: z.number().min(0),
  prefillTokens: count,
  decodeTokens: count,
  rejectedTokens: count.optional(),
  sequences: count,
  budgetTokens: count,
  preempted: count,
  phase: z.enum(["prefill", "decode"]).optional(),
});

/** An instance's steps since the last message, told to routers that watch them (`watch`): for people, not for decisions. */
export const stepsMessageSchema = z.object({
  version,
  instance: fleetIdSchema,
  /** When this was said, by the same clock: what is between the two clocks, the quickest of many messages tells. */
  sentMs: z.number(),
  /** Steps before these that are not told: there were too many. */
  omitted: count,
  /** In order. */
  steps: z.array(wireStepSchema).max(FLEET_LIMITS.batchSteps),
});
/** An instance's steps since the last message. */
export type StepsMessage = z.infer<typeof stepsMessageSchema>;

/** A request for an instance. */
export const submitMessageSchema = z.object({
  version,
  /** `id` is unique in the fleet. */
  request: wireRequestSchema,
  /** Since it arrived at the router. */
  ageMs,
  /** Who sends it; its `alive` keeps all its requests alive. */
  router: fleetIdSchema,
  /** Where stream messages go. */
  inbox: subject,
  /** Items that the router takes before it has acknowledged any. */
  window: count.max(FLEET_LIMITS.windowEvents),
  /** Batches carry notices. */
  observe: z.boolean().optional(),
  /** How often it has been placed or moved before; 0 when absent. */
  epoch: count.optional(),
  /** Its instance was lost: goes on after the tokens that its reader has, with the next index. The request names its seed. */
  resume: z
    .object({
      generated: z.array(z.number().int().min(0)).max(LIMITS.maxTokens),
      firstTokenAgeMs: z.number().nullable(),
      lastTokenAgeMs: z.number().nullable(),
    })
    .optional(),
});
/** A request for an instance. */
export type SubmitMessage = z.infer<typeof submitMessageSchema>;

/** What an instance answers at once: it is queued, or it is not and why. */
export const submitReplySchema = z.discriminatedUnion("kind", [
  z.object({ version, kind: z.literal("accepted"), instance: fleetIdSchema, epoch: count }),
  z.object({ version, kind: z.literal("refused"), instance: fleetIdSchema, error: fleetErrorSchema }),
]);
/** What an instance answers to a SubmitMessage. */
export type SubmitReply = z.infer<typeof submitReplySchema>;

const streamBase = { version, requestId: fleetRequestIdSchema, instance: fleetIdSchema, epoch: count };

/** What comes to an inbox. */
export const streamMessageSchema = z.discriminatedUnion("kind", [
  /** Items with consecutive indices from firstIndex on; the last may be the finish, which then has a summary. */
  z.object({
    ...streamBase,
    kind: z.literal("events"),
    firstIndex: count,
    events: z.array(wireEventSchema).max(FLEET_LIMITS.batchEvents),
    notices: z.array(wireNoticeSchema).max(FLEET_LIMITS.batchNotices).optional(),
    summary: wireSummarySchema.optional(),
  }),
  /** It failed after the items below `index`. Kept and repeated until acknowledged, as the finish is. */
  z.object({
    ...streamBase,
    kind: z.literal("error"),
    index: count,
    error: fleetErrorSchema,
    summary: wireSummarySchema.optional(),
  }),
  /** Said by the source: `to` speaks for it from now on, with a higher epoch. */
  z.object({ ...streamBase, kind: z.literal("moved"), to: fleetIdSchema, nextIndex: count }),
  /** Said by the target: this epoch is mine, and this is the first index that I make. */
  z.object({ ...streamBase, kind: z.literal("adopted"), nextIndex: count }),
]);
/** What comes to an inbox. */
export type StreamMessage = z.infer<typeof streamMessageSchema>;

/** What an instance can be told (no answer) or asked (answered by ControlReply). */
export const controlMessageSchema = z.discriminatedUnion("kind", [
  /** Told: stop it. Asked: answered when it is stopped, also when it is not known. */
  z.object({ version, kind: z.literal("cancel"), requestId: fleetRequestIdSchema }),
  /** Told: all items below nextIndex have come. */
  z.object({
    version,
    kind: z.literal("ack"),
    requestId: fleetRequestIdSchema,
    nextIndex: count,
    window: count.max(FLEET_LIMITS.windowEvents),
    resend: z.boolean().optional(),
  }),
  /** Told: this router is there, and with it all its requests. */
  z.object({ version, kind: z.literal("alive"), router: fleetIdSchema }),
  /** Told: this router wants to be told of your steps for so long, where it says; said again while that is so. */
  z.object({
    version,
    kind: z.literal("watch"),
    router: fleetIdSchema,
    inbox: subject,
    forMs: z.number().min(0).max(60_000),
  }),
  /** Asked: one more adapter, from that folder of yours; or one less. */
  z.object({
    version,
    kind: z.literal("load_adapter"),
    name: fleetAdapterSchema,
    dir: z.string().min(1).max(FLEET_LIMITS.pathCharacters),
  }),
  z.object({ version, kind: z.literal("unload_adapter"), name: fleetAdapterSchema }),
  /** Asked: are you there, and which of these requests do you have? */
  z.object({
    version,
    kind: z.literal("ping"),
    requestIds: z.array(fleetRequestIdSchema).max(1024).optional(),
  }),
  /** Asked: another scheduling policy from the next step on. */
  z.object({ version, kind: z.literal("policy"), policy: z.string().min(1).max(FLEET_LIMITS.policyCharacters) }),
  /** Asked: take nothing new, let what is here end or move away, then leave; or, `undo`, take requests again. */
  z.object({ version, kind: z.literal("drain"), undo: z.boolean().optional() }),
  /** Asked: the engine's statistics. */
  z.object({ version, kind: z.literal("stats") }),
  /** Asked: a piece of what the model's texts are made of, from that byte on. */
  z.object({ version, kind: z.literal("facts"), offset: count.max(FLEET_LIMITS.factsBytes) }),
  /** For an extension of the host, by its name: migration, contexts. */
  z.object({ version, kind: z.literal("extension"), name: fleetIdSchema, body: z.unknown() }),
]);
/** What an instance can be told or asked. */
export type ControlMessage = z.infer<typeof controlMessageSchema>;

/** What an instance answers. */
export const controlReplySchema = z.discriminatedUnion("kind", [
  z.object({ version, kind: z.literal("done"), instance: fleetIdSchema }),
  z.object({ version, kind: z.literal("failed"), instance: fleetIdSchema, error: fleetErrorSchema }),
  z.object({
    version,
    kind: z.literal("pong"),
    instance: fleetIdSchema,
    state: z.enum(["serving", "draining"]),
    running: count,
    waiting: count,
    /** Of those asked about, the ones that it speaks for. */
    requestIds: z.array(fleetRequestIdSchema).max(1024),
  }),
  z.object({
    version,
    kind: z.literal("policy"),
    instance: fleetIdSchema,
    policy: z.string().max(FLEET_LIMITS.policyCharacters),
    previous: z.string().max(FLEET_LIMITS.policyCharacters),
  }),
  /** Runtime's EngineStats, as they are. */
  z.object({ version, kind: z.literal("stats"), instance: fleetIdSchema, stats: z.record(z.string(), z.unknown()) }),
  z.object({
    version,
    kind: z.literal("facts"),
    instance: fleetIdSchema,
    id: z.string().min(1).max(FLEET_LIMITS.idCharacters),
    offset: count,
    totalBytes: count.max(FLEET_LIMITS.factsBytes),
    /** Base64; empty at the end. */
    piece: z.string().max(Math.ceil(FLEET_LIMITS.factsPieceBytes / 3) * 4),
  }),
  z.object({ version, kind: z.literal("extension"), instance: fleetIdSchema, body: z.unknown() }),
]);
/** What an instance answers. */
export type ControlReply = z.infer<typeof controlReplySchema>;

/** Accepted work without a stream, as it waits on the bus: it outlives its router and the instance that has it. */
export const workMessageSchema = z.object({
  version,
  /** `id` is the key under which the result is kept; the same key is computed once. */
  request: wireRequestSchema,
  /** Since it arrived, when it was put there. */
  ageMs,
  /** By the calendar of who put it there, for how long it has waited. */
  putUnixMs: z.number(),
  /** Told, without delivery guaranteed, when the result is there. */
  inbox: subject.optional(),
});
/** Accepted work without a stream. */
export type WorkMessage = z.infer<typeof workMessageSchema>;

/** What became of such work; kept for minutes under its id. */
export const workResultSchema = z.discriminatedUnion("kind", [
  z.object({
    version,
    kind: z.literal("finished"),
    requestId: fleetRequestIdSchema,
    instance: fleetIdSchema,
    /** All tokens and the finish. */
    events: z.array(wireEventSchema).max(LIMITS.maxTokens + 1),
    summary: wireSummarySchema,
    /** How often it was begun. */
    attempts: count,
  }),
  z.object({
    version,
    kind: z.literal("failed"),
    requestId: fleetRequestIdSchema,
    instance: fleetIdSchema,
    error: fleetErrorSchema,
    attempts: count,
  }),
]);
/** What became of such work. */
export type WorkResult = z.infer<typeof workResultSchema>;
