/**
 * What the console shows of a fleet: its instances, the requests and where they run, the moves between instances, the
 * routers side by side. One schema each; `FleetViewSource` is the port that a fleet implements and a server answers from.
 *
 * A view is of one router at one moment and stands for itself: the latest word replaces all before. Moments are told as
 * ages (`…AgeMs`, milliseconds before the view was taken), because clocks never cross processes. Never a prompt, never an
 * answer, never an address that holds a secret.
 */
import { z } from "zod";
import { percentilesSchema } from "./console.ts";
import { LIMITS } from "./limits.ts";
import { parseRequest } from "./parse.ts";

const count = z.number().int().min(0);
const ms = z.number();

/** The bounds of a view. What does not fit is left out and counted. */
export const FLEET_VIEW_LIMITS = {
  instances: 256,
  /** Open requests, the oldest first. */
  requests: 512,
  /** Moves under way. */
  moves: 128,
  /** Moves that have ended, the newest first. */
  endedMoves: 64,
  routers: 16,
  idCharacters: 160,
  addressCharacters: 256,
  detailCharacters: 512,
  /** Levels that contexts are had at, "text" among them. */
  choices: 32,
  choiceCharacters: 32,
  /** How often a feed tells a view while something changes, milliseconds. */
  changeMs: 250,
  /** How often while nothing does, milliseconds. */
  idleMs: 2000,
  /** Readers of the feed at once; the next is refused with 429. */
  feeds: 32,
} as const;

const id = z.string().max(FLEET_VIEW_LIMITS.idCharacters);

/** Who is behind an instance: a `punctual worker`, or another engine with OpenAI's interface. */
export const fleetHostKindSchema = z.enum(["punctual", "upstream"]);
/** Who is behind an instance. */
export type FleetHostKind = z.infer<typeof fleetHostKindSchema>;

/** What an instance is for; `any` does both phases. */
export const fleetRoleSchema = z.enum(["any", "prefill", "decode"]);
/** What an instance is for. */
export type FleetRole = z.infer<typeof fleetRoleSchema>;

/**
 * Where an instance stands. `silent`: it has a lease but was not heard of for longer than two heartbeats; `gone`: it was lost
 * (`lostBy` says how) and what ran there goes on elsewhere. A router shows it so for some seconds; who leaves by itself is not
 * shown any more.
 */
export const fleetInstanceStateSchema = z.enum(["starting", "serving", "draining", "silent", "gone"]);
/** Where an instance stands. */
export type FleetInstanceState = z.infer<typeof fleetInstanceStateSchema>;

/** What chunks of contexts an instance had, since its start: by level, "text" for those that it computed instead of fetching. */
export const contextChoiceSchema = z.object({
  choice: z.string().max(FLEET_VIEW_LIMITS.choiceCharacters),
  chunks: count,
  /** That came over the network for them. */
  bytes: count,
});

/** One instance. What an upstream does not tell is null. */
export const fleetInstanceViewSchema = z.object({
  id,
  model: z.string().max(LIMITS.modelNameCharacters),
  host: fleetHostKindSchema,
  role: fleetRoleSchema,
  state: fleetInstanceStateSchema,
  /** Where it can be reached, without credentials: host and port for KV, or an upstream's address. Null: in this process. */
  address: z.string().max(FLEET_VIEW_LIMITS.addressCharacters).nullable(),
  /** KV pages in use, those promised to what is on its way here included. */
  usedPages: count.nullable(),
  totalPages: count.nullable(),
  /** Tokens of a page. */
  pageTokens: count.nullable(),
  running: count,
  /** Requests that wait there, all queued demand. */
  waiting: count,
  /** Sequences of its last step. */
  batch: count.nullable(),
  /** Generated lately, tokens a second. */
  tokensPerSecond: z.number().nullable(),
  /** How long ago its last heartbeat came; null before the first. */
  heartbeatAgeMs: ms.nullable(),
  /**
   * Of one that is `gone`. `dead`: asked whether it is there, nobody listens where it did, as its process or its connection to
   * the bus has ended; `expired`: nobody said so, and nothing came of it for a whole lease.
   */
  lostBy: z.enum(["dead", "expired"]).optional(),
  /** Of instances that have fetched contexts. */
  contexts: z.array(contextChoiceSchema).max(FLEET_VIEW_LIMITS.choices).optional(),
});
/** One instance. */
export type FleetInstanceView = z.infer<typeof fleetInstanceViewSchema>;

/** Where a request is: `moving` runs at its source and is being copied; `recovering` has lost its instance. */
export const fleetRequestStateSchema = z.enum(["waiting", "running", "moving", "recovering"]);
/** Where a request is. */
export type FleetRequestState = z.infer<typeof fleetRequestStateSchema>;

/** One open request. */
export const fleetRequestViewSchema = z.object({
  /** `x-request-id` of the HTTP request, as in the live feed. */
  id,
  model: z.string().max(LIMITS.modelNameCharacters),
  /** The instance that has it; null while it has none. */
  instance: id.nullable(),
  state: fleetRequestStateSchema,
  promptTokens: count,
  /** Tokens of the answer that have come so far. */
  answerTokens: count,
  /** How often it has moved. */
  moves: count,
  ageMs: ms,
});
/** One open request. */
export type FleetRequestView = z.infer<typeof fleetRequestViewSchema>;

/**
 * How far a move is: room is asked for at the target, whole pages are copied while the source decodes (`copies` times so
 * far), the sequence stands still for the rest, the target goes on.
 */
export const fleetMoveStageSchema = z.enum(["reserve", "copy", "freeze", "commit", "ended"]);
/** How far a move is. */
export type FleetMoveStage = z.infer<typeof fleetMoveStageSchema>;

/** Why something moves. `hand-off`: from prefill to decode; `asked`: by a person. */
export const fleetMoveReasonSchema = z.enum(["balance", "drain", "hand-off", "asked"]);
/** Why something moves. */
export type FleetMoveReason = z.infer<typeof fleetMoveReasonSchema>;

/** One move of a request between instances. Its stage is "ended" exactly when it has an outcome and a time. */
export const fleetMoveViewSchema = z
  .object({
    /** Of the transfer. */
    id,
    request: id,
    model: z.string().max(LIMITS.modelNameCharacters),
    from: id,
    to: id,
    reason: fleetMoveReasonSchema,
    stage: fleetMoveStageSchema,
    /** Copies so far. */
    copies: count,
    /** Pages that have arrived, and that the sequence has now. */
    pages: count,
    totalPages: count,
    /** Sent so far, headers included. */
    bytes: count,
    /** Since it began. */
    ageMs: ms,
    /** Null while it is under way. `aborted`: it went on at its source; `failed`: an instance was lost meanwhile. */
    outcome: z.enum(["moved", "aborted", "failed"]).nullable(),
    /** How long it took; null while it is under way. */
    tookMs: ms.nullable(),
    /** From the last token of the source to the first of the target; null when it did not move, or is not known yet. */
    gapMs: ms.nullable(),
    /** Why it did not move. */
    detail: z.string().max(FLEET_VIEW_LIMITS.detailCharacters).optional(),
  })
  .refine(
    ({ stage, outcome, tookMs }) =>
      (stage === "ended") === (outcome !== null) && (outcome === null) === (tookMs === null),
    "a move that has ended has an outcome and a time, and no other has",
  );
/** One move of a request between instances. */
export type FleetMoveView = z.infer<typeof fleetMoveViewSchema>;

/** What a way of routing has done at this router since it started. */
export const fleetRouterViewSchema = z.object({
  /** "round-robin", "least-load", "kv-aware", "freeness", "deadline" and so on. */
  name: z.string().max(LIMITS.nameCharacters),
  /** True for the one that decides now. */
  isActive: z.boolean(),
  /** Requests that it placed. */
  requests: count,
  /** Of those that had a first token; null before the first. */
  ttftMs: percentilesSchema,
  /** Prompt tokens that were cached where it placed them, out of all; null before the first. */
  hitShare: z.number().min(0).max(1).nullable(),
});
/** What a way of routing has done at this router. */
export type FleetRouterView = z.infer<typeof fleetRouterViewSchema>;

/** How a router keeps the number of instances. */
export const fleetScalingViewSchema = z.object({
  /** Whose instances; null: of the one model that the fleet serves. */
  model: z.string().max(LIMITS.modelNameCharacters).nullable(),
  /** True for the one of several routers that does it. */
  isActive: z.boolean(),
  /** False while a person has switched it off at this router: then nothing is started or drained by load. */
  isEnabled: z.boolean(),
  /** Fewest and most instances. */
  least: count,
  most: count,
  /** Instances that it wants now, those that start included; null while it is off, another router decides, or nobody can. */
  wanted: count.nullable(),
  /** Of its own word: launched and not there yet, told to drain and not gone yet. */
  starting: count,
  draining: count,
  /** Free tokens of all instances over requests of all, decode steps; null while there are no requests. */
  freenessSteps: z.number().nullable(),
  /** Below `lowSteps` one more is wanted, above `highSteps` one less. */
  lowSteps: z.number(),
  highSteps: z.number(),
  /** Since this router started: launched and come, launched and not come, drained. */
  started: count,
  failed: count,
  drained: count,
  /**
   * What it did last, and why. `keep`: one that was draining stays. `fewest`: there were fewer than `least`; `low`, `high`: the
   * room then, `freenessSteps`, was below or above the band; without requests it was above.
   */
  last: z
    .object({
      kind: z.enum(["start", "drain", "keep"]),
      instance: id,
      reason: z.enum(["fewest", "low", "high"]),
      freenessSteps: z.number().nullable(),
      ageMs: ms,
    })
    .nullable(),
  /** What is in its way. */
  problem: z.string().max(FLEET_VIEW_LIMITS.detailCharacters).nullable(),
});
/** How a router keeps the number of instances. */
export type FleetScalingView = z.infer<typeof fleetScalingViewSchema>;

/** A fleet as one router sees it. */
export const fleetViewSchema = z.object({
  kind: z.literal("fleet"),
  /** The fleet's name. */
  name: z.string().max(LIMITS.nameCharacters),
  bus: z.object({
    kind: z.enum(["memory", "nats"]),
    status: z.enum(["connected", "disconnected"]),
  }),
  /** How long this router has run. */
  upMs: ms,
  instances: z.array(fleetInstanceViewSchema).max(FLEET_VIEW_LIMITS.instances),
  requests: z.array(fleetRequestViewSchema).max(FLEET_VIEW_LIMITS.requests),
  /** Open requests that `requests` had no room for. */
  omittedRequests: count,
  moves: z.array(fleetMoveViewSchema).max(FLEET_VIEW_LIMITS.moves),
  endedMoves: z.array(fleetMoveViewSchema).max(FLEET_VIEW_LIMITS.endedMoves),
  /** Moves since this router started. */
  moveCounts: z.object({ moved: count, aborted: count, failed: count }),
  /** Keys and values between instances: sent and not yet acknowledged, sent in all, sent lately. */
  kv: z.object({ inFlightBytes: count, sentBytes: count, bytesPerSecond: z.number().min(0) }),
  routers: z.array(fleetRouterViewSchema).max(FLEET_VIEW_LIMITS.routers),
  /** Absent where nobody starts or stops instances by load. */
  scaling: fleetScalingViewSchema.optional(),
});
/** A fleet as one router sees it. */
export type FleetView = z.infer<typeof fleetViewSchema>;

/** The answer of GET /admin/fleet, and an event of GET /admin/fleet/live: the fleet, or that there is none. */
export const fleetAnswerSchema = z.discriminatedUnion("kind", [
  fleetViewSchema,
  z.object({ kind: z.literal("alone") }),
]);
/** The answer of GET /admin/fleet. */
export type FleetAnswer = z.infer<typeof fleetAnswerSchema>;

/** The body of POST /admin/fleet/moves. */
export const fleetMoveRequestSchema = z.object({
  request: z.string().min(1).max(FLEET_VIEW_LIMITS.idCharacters),
  to: z.string().min(1).max(FLEET_VIEW_LIMITS.idCharacters),
});
/** The body of POST /admin/fleet/moves. */
export type FleetMoveRequest = z.infer<typeof fleetMoveRequestSchema>;

/** The body of a move. Errors: `invalid_request` naming the field. */
export function parseFleetMoveRequest(body: unknown): FleetMoveRequest {
  return parseRequest(fleetMoveRequestSchema, body);
}

/** Its answer: the move has begun; the feed tells how it goes. */
export const fleetMoveAnswerSchema = z.object({ id, request: id, from: id, to: id });
/** The answer of POST /admin/fleet/moves. */
export type FleetMoveAnswer = z.infer<typeof fleetMoveAnswerSchema>;

/** The answer of POST /admin/fleet/instances/{id}/drain: it takes nothing new; what it has ends there or moves away. */
export const fleetDrainAnswerSchema = z.object({ id, state: fleetInstanceStateSchema, running: count, waiting: count });
/** The answer of POST /admin/fleet/instances/{id}/drain. */
export type FleetDrainAnswer = z.infer<typeof fleetDrainAnswerSchema>;

/** The body of POST /admin/fleet/router. */
export const fleetRouterRequestSchema = z.object({ router: z.string().min(1).max(LIMITS.nameCharacters) });
/** The body of POST /admin/fleet/router. */
export type FleetRouterRequest = z.infer<typeof fleetRouterRequestSchema>;

/** The body of a change of routers. Errors: `invalid_request` naming the field. */
export function parseFleetRouterRequest(body: unknown): FleetRouterRequest {
  return parseRequest(fleetRouterRequestSchema, body);
}

/** Its answer: who places the next request, and who placed the last. */
export const fleetRouterAnswerSchema = z.object({ router: z.string(), previous: z.string() });
/** The answer of POST /admin/fleet/router. */
export type FleetRouterAnswer = z.infer<typeof fleetRouterAnswerSchema>;

/** The body of POST /admin/fleet/scaling. */
export const fleetScalingRequestSchema = z.object({ enabled: z.boolean() });
/** The body of POST /admin/fleet/scaling. */
export type FleetScalingRequest = z.infer<typeof fleetScalingRequestSchema>;

/** The body that switches scaling off or on. Errors: `invalid_request` naming the field. */
export function parseFleetScalingRequest(body: unknown): FleetScalingRequest {
  return parseRequest(fleetScalingRequestSchema, body);
}

/** Its answer: whether this router scales from now on, and whether it did. */
export const fleetScalingAnswerSchema = z.object({ enabled: z.boolean(), previous: z.boolean() });
/** The answer of POST /admin/fleet/scaling. */
export type FleetScalingAnswer = z.infer<typeof fleetScalingAnswerSchema>;

/** A fleet as a server and its console see it. */
export interface FleetViewSource {
  /** The fleet now, within FLEET_VIEW_LIMITS. Called at most four times a second, however many look. */
  view(): FleetView;
  /** Has an instance take nothing new. Errors: `not_found`, `unsupported` for an upstream. */
  drain(instance: string): Promise<FleetDrainAnswer>;
  /** Begins to move an open request. Errors: `not_found` for either, `unsupported` where it cannot move. */
  move(request: string, to: string): Promise<FleetMoveAnswer>;
  /** Has another router place requests from the next one on. Errors: `invalid_request` for an unknown one. */
  setRouter(router: string): FleetRouterAnswer;
  /** Switches scaling by load off or on, at this router. Errors: `not_found` where nobody scales. */
  setScaling(enabled: boolean): FleetScalingAnswer;
}
