/**
 * A recorded run once more, in virtual time: arrivals, step durations, ends and cancellations come from the recording,
 * decisions from the policy, pages from the simulator. If the simulator is the engine, the decision log is the recorded
 * one, to the last digit.
 */
import { fail } from "../core/index.ts";
import {
  BEST_EFFORT,
  createOutlook,
  createPolicy,
  StepCost,
  type BatchPolicy,
  type CostPoints,
  type DecisionLogEntry,
  type Outlook,
  type PolicyOptions,
  type SchedulerLimits,
} from "../sched/index.ts";
import type { RecordedEnd, RecordedRequest, Recording } from "../workload/index.ts";
import { VirtualInstance } from "./instance.ts";
import { CountedPages } from "./page-pool.ts";
import type { SimRequest } from "./sequence.ts";
import { SharedPages } from "./shared-pages.ts";
import type { SimEnd } from "./types.ts";

/** What the head of a recording says of the engine, before its first step. */
export interface EngineFacts {
  readonly pages: number;
  readonly pageTokens: number;
  readonly prefixCache: boolean;
  readonly limits: SchedulerLimits;
  /** What was known of the cost of steps. */
  readonly cost: CostPoints;
  readonly policyOptions: PolicyOptions;
  /** Seed of the outlook that learns; null where the engine learnt nothing but a mean. */
  readonly predictorSeed: number | null;
}

/** What a replay needs beyond the recording, and what it checks on the way. */
export interface ReplayOptions {
  /** The recorded one by name when absent. */
  readonly policy?: BatchPolicy;
  /** What policies are told of requests; what the engine told them when absent. */
  readonly outlook?: Outlook;
  /** Check every invariant after each line. */
  readonly check?: boolean;
}

/** What came of a replay: decisions to compare, and where each request ended. */
export interface Replayed {
  readonly decisions: readonly DecisionLogEntry[];
  /** How each request ended here, by its id. */
  readonly ends: ReadonlyMap<number, SimEnd>;
}

/** @throws PunctualError invalid_file when the recording does not say what engine it was. */
export function replay(recording: Recording, options: ReplayOptions = {}): Replayed {
  const facts = readEngineFacts(recording.head.engine);
  const cost = new StepCost();
  for (const [tokens, stepMs] of facts.cost) cost.observe(tokens, stepMs);
  const ends = new Map<number, SimEnd>();
  const instance = new VirtualInstance({
    policy: options.policy ?? createPolicy(recording.head.policy, facts.policyOptions),
    limits: facts.limits,
    pages: facts.prefixCache
      ? new SharedPages(facts.pages, facts.pageTokens)
      : new CountedPages(facts.pages, facts.pageTokens),
    cost,
    outlook: options.outlook ?? recordedOutlook(facts, recording.requests),
    recordDecisions: Math.max(1, recording.steps.length),
    listener: { ended: ({ id }, end) => ends.set(id, end) },
  });
  const recordedEnds = new Map(recording.ends.map((end) => [end.id, end]));
  for (const line of recording.lines) {
    switch (line.kind) {
      case "request":
        instance.submit(requestOf(line, recordedEnds.get(line.id), facts.pageTokens), line.atMs);
        break;
      case "step":
        instance.begin(line.atMs);
        instance.finish(line.tokenMs ?? line.atMs + line.stepMs, line.atMs + line.stepMs, line.stepMs);
        break;
      case "cancel":
      case "pause":
      case "resume":
        instance[line.kind](line.id, line.atMs);
        break;
      case "end":
        break; // known beforehand, and made again
      default:
        line satisfies never;
    }
    if (options.check === true) instance.checkIntegrity();
  }
  return { decisions: instance.decisions(), ends };
}

/** The engine's outlook as it was before its first request; it is told of prompts what the recording kept of them. */
export function recordedOutlook(
  { predictorSeed }: Pick<EngineFacts, "predictorSeed">,
  requests: readonly RecordedRequest[],
): Outlook {
  if (predictorSeed === null) return createOutlook("mean", 0);
  const outlook = createOutlook("learning", predictorSeed);
  const kept = new Map(requests.map(({ id, features }) => [id, features]));
  return {
    arrived: (request) => {
      const features = kept.get(request.id);
      outlook.arrived(features === undefined ? request : { ...request, features: Uint8Array.from(features) });
    },
    computed: (id, tokens) => outlook.computed(id, tokens),
    ended: (id, generatedTokens, complete, nowMs) => outlook.ended(id, generatedTokens, complete, nowMs),
    of: (id, generatedTokens, nowMs) => outlook.of(id, generatedTokens, nowMs),
  };
}

/** The request as it was, its answer as long as it became. */
function requestOf(recorded: RecordedRequest, end: RecordedEnd | undefined, pageTokens: number): SimRequest {
  const { id, atMs, promptTokens, maxTokens, slo = BEST_EFFORT, task, promptIds } = recorded;
  const hashIds = end?.hashIds ?? recorded.hashIds;
  const whole = end?.reason === "stop" || end?.reason === "length";
  return {
    id,
    arrivalMs: atMs,
    promptTokens,
    // What did not end by itself would have gone on.
    outputTokens: whole ? end.outputTokens : Infinity,
    maxTokens,
    slo,
    ...(task === undefined ? {} : { task }),
    ...(promptIds === undefined ? {} : { promptIds }),
    ...(hashIds === undefined ? {} : { hashIds, blockTokens: pageTokens, hashedTokens: hashIds.length * pageTokens }),
    ...(end?.reason === "failed" && end.stage !== undefined
      ? { failure: { afterTokens: end.outputTokens, stage: end.stage } }
      : {}),
  };
}

/** Checks what a recording carries as opaque JSON. @throws PunctualError invalid_file naming the field. */
export function readEngineFacts(value: unknown): EngineFacts {
  const row = record(value, "engine");
  const limits = record(row["limits"], "engine.limits");
  const optional = (field: "maxStepTokens" | "promptStepTokens" | "kneeTokens"): Partial<SchedulerLimits> =>
    limits[field] === undefined ? {} : { [field]: count(limits[field], `engine.limits.${field}`) };
  return {
    pages: count(row["pages"], "engine.pages"),
    pageTokens: count(row["pageTokens"], "engine.pageTokens"),
    prefixCache: row["prefixCache"] === true,
    limits: {
      maxRunning: count(limits["maxRunning"], "engine.limits.maxRunning"),
      budgetTokens: count(limits["budgetTokens"], "engine.limits.budgetTokens"),
      maxChunk: count(limits["maxChunk"], "engine.limits.maxChunk"),
      ...optional("maxStepTokens"),
      ...optional("promptStepTokens"),
      ...optional("kneeTokens"),
    },
    cost: readPoints(row["cost"] ?? []),
    policyOptions: readPolicyOptions(row["policyOptions"] ?? {}),
    predictorSeed: row["predictorSeed"] === undefined ? null : readSeed(row["predictorSeed"]),
  };
}

function readSeed(value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  return refuse("engine.predictorSeed", "a number", value);
}

/** Their names and ranges are checked by the policy. */
function readPolicyOptions(value: unknown): PolicyOptions {
  const row = record(value, "engine.policyOptions");
  for (const [name, setting] of Object.entries(row)) {
    if (typeof setting !== "number") refuse(`engine.policyOptions.${name}`, "a number", setting);
  }
  return row as PolicyOptions;
}

const MAX_POINTS = 1000;
const MAX_PAGES = 2 ** 28;

function readPoints(value: unknown): CostPoints {
  if (!Array.isArray(value) || value.length > MAX_POINTS) return refuse("engine.cost", "a list of points", value);
  return value.map((point: unknown, i) => {
    const [tokens, stepMs] = Array.isArray(point) ? (point as unknown[]) : [];
    if (typeof tokens === "number" && tokens >= 1 && typeof stepMs === "number" && stepMs >= 0) return [tokens, stepMs];
    return refuse(`engine.cost[${i}]`, "[tokens, milliseconds]", point);
  });
}

function record(value: unknown, param: string): Readonly<Record<string, unknown>> {
  if (value === null || typeof value !== "object") return refuse(param, "an object", value);
  return value as Readonly<Record<string, unknown>>;
}

function count(value: unknown, param: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= MAX_PAGES) return value;
  return refuse(param, "a whole number from 1", value);
}

function refuse(param: string, expected: string, got: unknown): never {
  const shown = (JSON.stringify(got) ?? String(got)).slice(0, 60);
  return fail("invalid_file", `${param}: expected ${expected}, got ${shown}`, { param });
}

/** Where two logs first part. */
export interface LogDifference {
  /** Index of the entry; the shorter length when one log is a beginning of the other. */
  readonly entry: number;
  /** Path of the first field that differs, "" when an entry is missing. */
  readonly field: string;
  readonly recorded: unknown;
  readonly replayed: unknown;
}

/** Compares two decision logs exactly; null when they are identical. */
export function firstDifference(
  recorded: readonly DecisionLogEntry[],
  replayed: readonly DecisionLogEntry[],
): LogDifference | null {
  const entries = Math.max(recorded.length, replayed.length);
  for (let entry = 0; entry < entries; entry++) {
    const [a, b] = [recorded[entry], replayed[entry]];
    if (a === undefined || b === undefined) return { entry, field: "", recorded: a, replayed: b };
    const found = difference(a, b, "");
    if (found !== null) return { entry, ...found };
  }
  return null;
}

function difference(a: unknown, b: unknown, field: string): Omit<LogDifference, "entry"> | null {
  if (Object.is(a, b)) return null;
  const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
    typeof value === "object" && value !== null;
  if (!isObject(a) || !isObject(b)) return { field, recorded: a, replayed: b };
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const found = difference(a[key], b[key], field === "" ? key : `${field}.${key}`);
    if (found !== null) return found;
  }
  return null;
}

/**
 * The decisions that a recording carries, in order. A server under load writes some steps without theirs: those are
 * skipped here, so that the list may be shorter than `recording.steps`; each entry says which `step` it is of.
 */
export function recordedDecisions(recording: Recording): readonly DecisionLogEntry[] {
  return recording.steps.flatMap(({ decision }) => (decision === undefined ? [] : [decision as DecisionLogEntry]));
}

/**
 * Compares the decisions that a recording carries with those of its replay, step by step. A server under load writes
 * some steps without their decision: they count as unknown, not as different.
 * @param replayed one entry per recorded step.
 */
export function compareDecisions(
  recording: Recording,
  replayed: readonly DecisionLogEntry[],
): { readonly compared: number; readonly difference: LogDifference | null } {
  let compared = 0;
  if (recording.steps.length !== replayed.length) {
    const counts = { recorded: recording.steps.length, replayed: replayed.length };
    return { compared, difference: { entry: Math.min(counts.recorded, counts.replayed), field: "", ...counts } };
  }
  for (const [entry, { decision }] of recording.steps.entries()) {
    if (decision === undefined) continue;
    compared += 1;
    const found = difference(decision, replayed[entry], "");
    if (found !== null) return { compared, difference: { entry, ...found } };
  }
  return { compared, difference: null };
}
