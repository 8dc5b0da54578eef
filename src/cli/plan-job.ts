/**
 * One job of the planning worker: plans, simulates one world or reads a trace, and tells of it by events. Knows nothing of
 * threads; plan-worker.ts runs it in one.
 */
import { fail } from "../core/index.ts";
import { plan } from "../plan/index.ts";
import {
  planCommand,
  sloText,
  worldCommand,
  type CommandFiles,
  type PlanEvent,
  type PlanRequest,
  type PlanWorkload,
  type TraceCard,
  type WorldEvent,
  type WorldRequest,
} from "../protocol/index.ts";
import { createDispatch, createPolicy, parseSlo } from "../sched/index.ts";
import {
  createDeployment,
  Simulation,
  type NamedDeployment,
  type RequestRecord,
  type SimulationOptions,
} from "../sim/index.ts";
import { traceStatistics, type Trace } from "../workload/index.ts";
import { fleetControllerOf } from "./fleet-flags.ts";
import { planOptionsOf, type PlanInputs } from "./plan-options.ts";
import { placementBody, planBody, pointBody, ratedBody, worldBody } from "./plan-wire.ts";
import { formatOfBytes, openTrace, traceOfBytes, type TraceSource } from "./trace-source.ts";

/** A trace file in memory that threads share. */
export interface TraceBytes {
  readonly id: string;
  readonly name: string;
  readonly bytes: SharedArrayBuffer;
}

/** What is to be done; `trace` where the workload is one. */
export type PlanJob =
  | { readonly kind: "plan"; readonly request: PlanRequest; readonly trace: TraceBytes | null }
  | { readonly kind: "world"; readonly request: WorldRequest; readonly trace: TraceBytes | null }
  | { readonly kind: "inspect"; readonly trace: TraceBytes };

/** What it tells; the last one is "done" or "card". Failures are thrown. */
export type PlanJobEvent = PlanEvent | WorldEvent | { readonly kind: "card"; readonly card: TraceCard };

/** Of the options of the commands, where a request leaves them out. */
const DEFAULTS = { limit: 400, maxParallel: 8, maxStages: 2, seed: 0, worldLimit: 2000 } as const;
const LOADS: readonly number[] = [0.4, 0.6, 0.8, 0.9, 1, 1.1, 1.25, 1.5, 2];
/** Events between two words of progress. */
const SLICE = 20_000;
/** GB/s of keys and values that migrate, as the command has it. */
const MIGRATION_LINK = 4;
const MIGRATION_START_MS = 20_000;
const PAGE_TOKENS = 16;
const MAX_RUNNING = 256;

/** Runs a job to its end. `nowMs`: of any monotonic clock. @throws PunctualError naming what is wrong. */
export async function runJob(job: PlanJob, tell: (event: PlanJobEvent) => void, nowMs: () => number): Promise<void> {
  switch (job.kind) {
    case "plan":
      return runPlan(withDefaults(job.request), job.trace, tell, nowMs);
    case "world":
      return runWorld(worldWithDefaults(job.request), job.trace, tell, nowMs);
    case "inspect":
      return tell({ kind: "card", card: inspect(job.trace) });
    default:
      return job satisfies never;
  }
}

/** What can be refused without reading the trace. @throws PunctualError naming the field. */
export async function checkJob(job: PlanJob): Promise<void> {
  if (job.kind === "inspect") {
    formatOfBytes(job.trace.name, Buffer.from(job.trace.bytes));
    return;
  }
  const { workload } = job.request;
  if (workload.kind === "generate") openTrace({ generate: workload.spec, seed: 0, limit: 2 });
  if (job.kind === "plan") planOptionsOf(inputsOf(job.request));
  else await worldOptions(worldWithDefaults(job.request));
}

/** As it is run, and as its command says it: whoever repeats it needs every figure. */
const withDefaults = (request: PlanRequest): PlanRequest => ({ limit: DEFAULTS.limit, ...request });
const worldWithDefaults = (request: WorldRequest): WorldRequest => ({ limit: DEFAULTS.worldLimit, ...request });

function inputsOf({ slo, modes, ...request }: PlanRequest): PlanInputs {
  const { attain, gpus, prices, model, calibration, link } = request;
  const { maxParallel = DEFAULTS.maxParallel, maxStages = DEFAULTS.maxStages, seed = DEFAULTS.seed } = request;
  return {
    slo: sloText(slo),
    attain,
    gpus,
    maxParallel,
    maxStages,
    seed,
    prices: prices.map(({ gpu, pricePerHour }) => ({ gpu: gpu.trim().toLowerCase(), pricePerHour })),
    ...(model === undefined ? {} : { model }),
    ...(modes === undefined ? {} : { modes }),
    ...(calibration === undefined ? {} : { calibration }),
    ...(link === undefined ? {} : { link }),
  };
}

interface WorkloadFields {
  readonly workload: PlanWorkload;
  readonly rate?: number;
  readonly limit?: number;
  readonly seed?: number;
}

function sourceOf(
  { workload, rate, limit, seed = DEFAULTS.seed }: WorkloadFields,
  trace: TraceBytes | null,
): TraceSource {
  const limits = { ...(rate === undefined ? {} : { rate }), ...(limit === undefined ? {} : { limit }), seed };
  if (workload.kind === "generate") return openTrace({ generate: workload.spec, ...limits });
  if (trace === null) return fail("not_found", `There is no trace '${workload.id}'.`, { param: "workload.id" });
  return traceOfBytes(trace.name, Buffer.from(trace.bytes), limits);
}

const filesOf = (trace: TraceBytes | null): CommandFiles => (trace === null ? {} : { trace: trace.name });

async function runPlan(
  request: PlanRequest,
  bytes: TraceBytes | null,
  tell: (event: PlanEvent) => void,
  nowMs: () => number,
): Promise<void> {
  const startMs = nowMs();
  const { trace: stream, note } = sourceOf(request, bytes);
  const trace: Trace = { ...stream, requests: [...stream.requests] };
  const { requests } = trace;
  const spanMs = (requests.at(-1)?.arrivalMs ?? 0) - (requests[0]?.arrivalMs ?? 0);
  const ratePerSecond = spanMs > 0 ? ((requests.length - 1) / spanMs) * 1000 : 0;
  tell({ kind: "started", requests: requests.length, ratePerSecond, note, loads: LOADS });
  let stage: Extract<PlanEvent, { kind: "progress" }>["stage"] = "search";
  const made = await plan({
    ...planOptionsOf(inputsOf(request)),
    trace,
    loads: LOADS,
    everyMode: true,
    progress: ({ simulations, placement, load }) =>
      tell({ kind: "progress", stage, simulations, placement: placement.replace(/ {2,}/g, " "), load }),
    observer: {
      stage: (next) => void (stage = next),
      found: (mode, cheapest) =>
        tell({ kind: "found", mode, cheapest: cheapest === null ? null : ratedBody(cheapest) }),
      near: (near) => tell({ kind: "near", near: ratedBody(near) }),
      point: (placement, point) =>
        tell({ kind: "point", placement: placementBody(placement), point: pointBody(point) }),
    },
  });
  const command = planCommand(request, filesOf(bytes));
  tell({ kind: "done", plan: planBody(made), seconds: (nowMs() - startMs) / 1000, command });
}

interface World {
  readonly named: NamedDeployment;
  readonly options: Omit<SimulationOptions, "trace">;
  readonly title: string;
}

async function worldOptions(request: WorldRequest): Promise<World> {
  const { cost, calibration, policy = "splitfuse", dispatch = "least-queue", instances = 1, migrate, slo } = request;
  const named = createDeployment(cost, calibration);
  const { deployment } = named;
  createPolicy(policy); // refused before anything starts
  const spec = { deployment, policy: () => createPolicy(policy), pageTokens: PAGE_TOKENS, maxRunning: MAX_RUNNING };
  const migration = { link: MIGRATION_LINK, startDelay: MIGRATION_START_MS, ...(migrate === true ? { migrate } : {}) };
  const controller = await fleetControllerOf({ instances, ...migration }, deployment.kvBytesPerToken);
  return {
    named,
    title: `${instances} x ${deployment.name}, ${policy}`,
    options: {
      instances: Array.from({ length: instances }, () => spec),
      dispatch: createDispatch(dispatch),
      seed: request.seed ?? DEFAULTS.seed,
      ...(slo === undefined ? {} : { defaultSlo: parseSlo(sloText(slo)) }),
      ...(controller === null ? {} : { controller }),
    },
  };
}

async function runWorld(
  request: WorldRequest,
  bytes: TraceBytes | null,
  tell: (event: WorldEvent) => void,
  nowMs: () => number,
): Promise<void> {
  const startMs = nowMs();
  const { named, options, title } = await worldOptions(request);
  const { trace, count } = sourceOf(request, bytes);
  const records: RequestRecord[] = []; // as many as the limit allows
  const observer = { request: (record: RequestRecord) => void records.push(record) };
  const simulation = new Simulation({ ...options, trace, observer });
  let going = true;
  while (going) {
    for (let i = 0; i < SLICE && going; i++) going = simulation.step();
    tell({ kind: "progress", over: simulation.requestsOver, requests: count, virtualMs: simulation.nowMs });
  }
  const world = worldBody(`${trace.source}, ${title}`, named, simulation.report(), records);
  const command = worldCommand(request, filesOf(bytes));
  tell({ kind: "done", world, seconds: (nowMs() - startMs) / 1000, command });
}

/** Reads all of it: a bad line is found when it is brought, not when it is planned on. */
function inspect({ id, name, bytes }: TraceBytes): TraceCard {
  const buffer = Buffer.from(bytes);
  const { trace, note } = traceOfBytes(name, buffer, { seed: DEFAULTS.seed });
  const { requests, durationMs, ratePerSecond, promptTokens, outputTokens } = traceStatistics(trace);
  if (requests < 2) fail("invalid_file", `${name}: expected at least two requests, got ${requests}.`);
  return {
    id,
    name,
    note,
    requests,
    format: formatOfBytes(name, buffer),
    bytes: bytes.byteLength,
    spanMs: durationMs,
    ratePerSecond: Number.isFinite(ratePerSecond) ? ratePerSecond : 0,
    promptTokens: { mean: promptTokens.mean, p90: promptTokens.p90 },
    outputTokens: { mean: outputTokens.mean, p90: outputTokens.p90 },
  };
}
