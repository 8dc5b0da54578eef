/**
 * Planning over HTTP: traces that were uploaded, what can be planned, and the events of POST /admin/plan and
 * POST /admin/simulate, which are server-sent events of JSON tagged by `kind`. Everything is simulated.
 *
 * Fields mean what the options of `punctual plan` and `punctual simulate` mean; plan-command.ts writes them as such.
 */
import { z } from "zod";
import { LIMITS } from "./limits.ts";
import { parseRequest } from "./parse.ts";

/** The bounds of what a server plans and keeps. */
export const PLAN_LIMITS = {
  /** Bytes of one uploaded trace. */
  traceBytes: 32 * 1024 * 1024,
  /** Bytes of all traces together: the oldest goes when a new one has no room. */
  keptTraceBytes: 64 * 1024 * 1024,
  /** Traces kept. */
  traces: 4,
  /** Requests of the trace that one simulation runs. */
  requests: 5000,
  /** The same for a single simulated world. */
  worldRequests: 50_000,
  devices: 128,
  instances: 256,
  prices: 8,
  /** Jobs that wait for the one that runs; the next is refused with 429. */
  queued: 4,
  /** After so long a job is ended, milliseconds. */
  jobMs: 600_000,
  calibrationCharacters: 1_000_000,
  specCharacters: 200,
  /** Moments of a simulated world's timeline, requests of its scatter. */
  worldPoints: 400,
} as const;

const whole = z.number().int();
const positive = z.number().positive();
const name = z.string().min(1).max(LIMITS.nameCharacters);

/** Where requests come from: a trace that was uploaded, or a generator in the words of `--generate`. */
export const planWorkloadSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("trace"), id: name }),
  z.object({ kind: z.literal("generate"), spec: z.string().min(1).max(PLAN_LIMITS.specCharacters) }),
]);
/** Where requests come from. */
export type PlanWorkload = z.infer<typeof planWorkloadSchema>;

/** The objective of requests that bring none: at least one target, milliseconds. */
export const planTargetsSchema = z
  .object({
    ttftMs: positive.max(LIMITS.sloMs).optional(),
    tpotMs: positive.max(LIMITS.sloMs).optional(),
    deadlineMs: positive.max(LIMITS.sloMs).optional(),
  })
  .refine(({ ttftMs, tpotMs, deadlineMs }) => (ttftMs ?? tpotMs ?? deadlineMs) !== undefined, {
    error: "expected a target: ttftMs, tpotMs or deadlineMs",
  });
/** The objective of requests that bring none. */
export type PlanTargets = z.infer<typeof planTargetsSchema>;

/** How phases share devices. */
export const planModeSchema = z.enum(["colocated", "chunked", "semi-pd", "disaggregated"]);
/** How phases share devices. */
export type PlanMode = z.infer<typeof planModeSchema>;

const workloadFields = {
  workload: planWorkloadSchema,
  /** Arrivals per second instead of the workload's own. */
  rate: positive.max(1e9).optional(),
  seed: whole
    .min(0)
    .max(2 ** 32)
    .optional(),
};

/** The body of POST /admin/plan. */
export const planRequestSchema = z.object({
  ...workloadFields,
  /** At most so many requests of the workload. */
  limit: whole.min(2).max(PLAN_LIMITS.requests).optional(),
  slo: planTargetsSchema,
  /** The share of requests that shall meet all their targets. */
  attain: z.number().min(0.01).max(1),
  /** How many devices: least and most. */
  gpus: z
    .tuple([whole.min(1).max(PLAN_LIMITS.devices), whole.min(1).max(PLAN_LIMITS.devices)])
    .refine(([least, most]) => least <= most, { error: "expected the least first, then the most" }),
  /** Of one device and hour, any currency. */
  prices: z
    .array(z.object({ gpu: name, pricePerHour: positive.max(1e9) }))
    .min(1)
    .max(PLAN_LIMITS.prices),
  /** May be absent when all devices are "local". */
  model: name.optional(),
  /** All when absent. */
  modes: z.array(planModeSchema).min(1).max(4).optional(),
  /** The text of a calibration, for "local". */
  calibration: z.string().max(PLAN_LIMITS.calibrationCharacters).optional(),
  /** Bytes per second between instances, instead of the devices' own. */
  link: positive.max(1e15).optional(),
  maxParallel: whole.min(1).max(64).optional(),
  maxStages: whole.min(1).max(8).optional(),
});
/** The body of POST /admin/plan. */
export type PlanRequest = z.infer<typeof planRequestSchema>;

/** The body of POST /admin/simulate: one world. */
export const worldRequestSchema = z.object({
  ...workloadFields,
  limit: whole.min(2).max(PLAN_LIMITS.worldRequests).optional(),
  slo: planTargetsSchema.optional(),
  /** As `--cost`: "opt-13b", "roofline:h100:llama3-8b:tp1"; "calibration" with the text of one. */
  cost: name,
  calibration: z.string().max(PLAN_LIMITS.calibrationCharacters).optional(),
  policy: name.optional(),
  dispatch: name.optional(),
  instances: whole.min(1).max(PLAN_LIMITS.instances).optional(),
  migrate: z.boolean().optional(),
});
/** The body of POST /admin/simulate. */
export type WorldRequest = z.infer<typeof worldRequestSchema>;

/** @throws PunctualError invalid_request with the field in `param`. */
export function parsePlanRequest(body: unknown): PlanRequest {
  return parseRequest(planRequestSchema, body);
}

/** @throws PunctualError invalid_request with the field in `param`. */
export function parseWorldRequest(body: unknown): WorldRequest {
  return parseRequest(worldRequestSchema, body);
}

/** A trace that was uploaded. */
export const traceCardSchema = z.object({
  id: z.string(),
  name: z.string(),
  /** "azure", "mooncake", "burstgpt", "sharegpt", "trace" or "recording". */
  format: z.string(),
  bytes: whole,
  requests: whole,
  spanMs: z.number(),
  ratePerSecond: z.number(),
  promptTokens: z.object({ mean: z.number(), p90: z.number() }),
  outputTokens: z.object({ mean: z.number(), p90: z.number() }),
  /** What was guessed about it; null when nothing was. */
  note: z.string().nullable(),
});
/** A trace that was uploaded. */
export type TraceCard = z.infer<typeof traceCardSchema>;

/** The answer of GET /admin/plan: what can be planned with. */
export const planChoicesSchema = z.object({
  models: z.array(z.string()).readonly(),
  gpus: z.array(z.string()).readonly(),
  generators: z.array(z.object({ name: z.string(), about: z.string() })).readonly(),
  policies: z.array(z.string()).readonly(),
  dispatches: z.array(z.string()).readonly(),
  /** Names for `cost` of a simulated world: measured tables first, then rooflines. */
  costs: z.array(z.string()).readonly(),
  traces: z.array(traceCardSchema).readonly(),
  /** Most of each. */
  limits: z.object({ traceBytes: whole, requests: whole, worldRequests: whole, devices: whole, instances: whole }),
});
/** The answer of GET /admin/plan. */
export type PlanChoices = z.infer<typeof planChoicesSchema>;

/** So many instances of one kind. */
const placementPartSchema = z.object({
  role: z.enum(["both", "prefill", "decode"]),
  gpu: z.string(),
  /** "opt-13b tp2 pp1". */
  name: z.string(),
  instances: whole,
  tensorParallel: whole,
  pipelineStages: whole,
});

/** What is to be started. */
export const placementSchema = z.object({
  mode: planModeSchema,
  /** One line, the same for the same placement. */
  name: z.string(),
  parts: z.array(placementPartSchema).readonly(),
  /** Tokens of a step, of mode "chunked". */
  stepTokens: whole.optional(),
  devices: whole,
  pricePerHour: z.number(),
});
/** What is to be started. */
export type PlacementBody = z.infer<typeof placementSchema>;

/** One simulation of a placement. */
export const planPointSchema = z.object({
  load: z.number(),
  sloScale: z.number(),
  requests: whole,
  attained: whole,
  share: z.number(),
  ttftShare: z.number().nullable(),
  tpotShare: z.number().nullable(),
  ttftP90Ms: z.number().nullable(),
  tpotP90Ms: z.number().nullable(),
  e2eMeanMs: z.number().nullable(),
  utilization: z.number(),
  preemptions: whole,
});
/** One simulation of a placement. */
export type PlanPointBody = z.infer<typeof planPointSchema>;

const ratedSchema = z.object({ placement: placementSchema, point: planPointSchema });
/** A placement and how it fares at the workload's rate. */
export type RatedBody = z.infer<typeof ratedSchema>;

/** The answer of a plan. Infinite scales are null: no target that was tried is wide enough. */
export const planBodySchema = z.object({
  trace: z.object({ name: z.string(), source: z.string(), requests: whole, ratePerSecond: z.number() }),
  attain: z.number(),
  chosen: ratedSchema.nullable(),
  runnersUp: z.array(ratedSchema).readonly(),
  nearest: z.array(ratedSchema.extend({ mostLoad: z.number(), tightestSlo: z.number().nullable() })).readonly(),
  others: z.array(ratedSchema).readonly(),
  curves: z.array(z.object({ placement: placementSchema, points: z.array(planPointSchema).readonly() })).readonly(),
  sensitivity: z
    .object({
      mostLoad: z.number(),
      tightestSlo: z.number().nullable(),
      slo: z.array(planPointSchema).readonly(),
    })
    .nullable(),
  replans: z.array(z.object({ load: z.number(), placement: placementSchema.nullable() })).readonly(),
  costs: z.array(z.object({ basis: z.string(), fitError: z.number().nullable() })).readonly(),
  simulations: whole,
});
/** The answer of a plan. */
export type PlanBody = z.infer<typeof planBodySchema>;

/** What a plan works on. */
export const planStageSchema = z.enum(["search", "near", "curves", "sensitivity", "replans"]);
/** What a plan works on. */
export type PlanStage = z.infer<typeof planStageSchema>;

const queuedEvent = z.object({ kind: z.literal("queued"), ahead: whole });
const errorEvent = z.object({
  kind: z.literal("error"),
  code: z.string(),
  message: z.string(),
  param: z.string().nullable(),
});

/** An event of POST /admin/plan; the last one is "done" or "error". */
export const planEventSchema = z.discriminatedUnion("kind", [
  queuedEvent,
  z.object({
    kind: z.literal("started"),
    requests: whole,
    ratePerSecond: z.number(),
    /** What was guessed about the trace; null when nothing was. */
    note: z.string().nullable(),
    /** Points that the curves will have, one curve a mode. */
    loads: z.array(z.number()).readonly(),
  }),
  /** Only the latest is told when the reader is slow. */
  z.object({
    kind: z.literal("progress"),
    stage: planStageSchema,
    simulations: whole,
    placement: z.string(),
    load: z.number(),
  }),
  z.object({ kind: z.literal("found"), mode: planModeSchema, cheapest: ratedSchema.nullable() }),
  z.object({ kind: z.literal("near"), near: ratedSchema }),
  z.object({ kind: z.literal("point"), placement: placementSchema, point: planPointSchema }),
  z.object({ kind: z.literal("done"), plan: planBodySchema, seconds: z.number(), command: z.string() }),
  errorEvent,
]);
/** An event of POST /admin/plan. */
export type PlanEvent = z.infer<typeof planEventSchema>;

const latencySchema = z.object({
  mean: z.number().nullable(),
  p50: z.number().nullable(),
  p90: z.number().nullable(),
  p99: z.number().nullable(),
});
/** Latencies in milliseconds; null when nothing was observed. */
export type WorldLatency = z.infer<typeof latencySchema>;

/** What came of a simulated world. */
export const worldBodySchema = z.object({
  title: z.string(),
  basis: z.string(),
  fitError: z.number().nullable(),
  requests: z.record(z.string(), whole),
  spanMs: z.number(),
  throughput: z.object({ requestsPerSecond: z.number(), tokensPerSecond: z.number() }),
  goodput: z.object({ requestsPerSecond: z.number(), tokensPerSecond: z.number() }),
  /** Null when nobody had a target. */
  attained: z.number().nullable(),
  ttftMs: latencySchema,
  tpotMs: latencySchema,
  e2eMs: latencySchema,
  queueMs: latencySchema,
  utilization: z.number(),
  preemptions: whole,
  steps: whole,
  /** By arrival, evenly thinned out where there are more. */
  sample: z
    .array(
      z.object({
        arrivalMs: z.number(),
        ttftMs: z.number().nullable(),
        endMs: z.number(),
        attained: z.boolean().nullable(),
      }),
    )
    .readonly(),
  /** Requests in the system over time: arrived, without a first token, and with one. */
  timeline: z.array(z.object({ atMs: z.number(), waiting: whole, running: whole })).readonly(),
});
/** What came of a simulated world. */
export type WorldBody = z.infer<typeof worldBodySchema>;

/** An event of POST /admin/simulate; the last one is "done" or "error". */
export const worldEventSchema = z.discriminatedUnion("kind", [
  queuedEvent,
  z.object({ kind: z.literal("progress"), over: whole, requests: whole.nullable(), virtualMs: z.number() }),
  z.object({ kind: z.literal("done"), world: worldBodySchema, seconds: z.number(), command: z.string() }),
  errorEvent,
]);
/** An event of POST /admin/simulate. */
export type WorldEvent = z.infer<typeof worldEventSchema>;
