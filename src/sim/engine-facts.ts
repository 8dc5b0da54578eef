/** What the head of a recording says of the engine, checked: the head carries it as opaque JSON. */
import { fail } from "../core/index.ts";
import {
  OUTLOOK_KINDS,
  type CostPoints,
  type OutlookKind,
  type Phase,
  type PolicyOptions,
  type SchedulerLimits,
} from "../sched/index.ts";

/** What the head of a recording says of the engine, before its first step. */
export interface EngineFacts {
  /** Of the cache; of that of the prompts where there are two. */
  readonly pages: number;
  /** Of the decodes' cache; null where it is no other one. */
  readonly decodePages: number | null;
  /** Where phases are apart; empty elsewhere. */
  readonly lanes: readonly LaneFacts[];
  readonly pageTokens: number;
  readonly prefixCache: boolean;
  readonly limits: SchedulerLimits;
  /** What was known of the cost of steps. */
  readonly cost: CostPoints;
  readonly policyOptions: PolicyOptions;
  /** What policies were told of requests at first. */
  readonly outlook: OutlookKind;
  /** Seed of an outlook that learns; null where the engine could learn nothing but a mean. */
  readonly predictorSeed: number | null;
}

/** One lane of an engine whose phases are apart: whose thread computes, and what. */
export interface LaneFacts {
  readonly worker: Phase;
  readonly phase: Phase;
  readonly limits: SchedulerLimits;
  readonly cost: CostPoints;
}

/** Checks what a recording carries as opaque JSON. @throws PunctualError invalid_file naming the field. */
export function readEngineFacts(value: unknown): EngineFacts {
  const row = record(value, "engine");
  const { decodePages, lanes = [], predictorSeed } = row;
  const seed = predictorSeed === undefined ? null : readSeed(predictorSeed);
  return {
    pages: count(row["pages"], "engine.pages"),
    decodePages: decodePages === undefined ? null : count(decodePages, "engine.decodePages"),
    lanes: readLanes(lanes),
    pageTokens: count(row["pageTokens"], "engine.pageTokens"),
    prefixCache: row["prefixCache"] === true,
    limits: readLimits(row["limits"], "engine.limits"),
    cost: readPoints(row["cost"] ?? [], "engine.cost"),
    policyOptions: readPolicyOptions(row["policyOptions"] ?? {}, "engine.policyOptions"),
    outlook: row["outlook"] === undefined ? (seed === null ? "mean" : "learning") : readOutlookKind(row["outlook"]),
    predictorSeed: seed,
  };
}

function readLimits(value: unknown, param: string): SchedulerLimits {
  const limits = record(value, param);
  const optional = (field: "maxStepTokens" | "promptStepTokens" | "kneeTokens"): Partial<SchedulerLimits> =>
    limits[field] === undefined ? {} : { [field]: count(limits[field], `${param}.${field}`) };
  return {
    maxRunning: count(limits["maxRunning"], `${param}.maxRunning`),
    budgetTokens: count(limits["budgetTokens"], `${param}.budgetTokens`),
    maxChunk: count(limits["maxChunk"], `${param}.maxChunk`),
    ...optional("maxStepTokens"),
    ...optional("promptStepTokens"),
    ...optional("kneeTokens"),
  };
}

function readLanes(value: unknown): readonly LaneFacts[] {
  if (!Array.isArray(value) || value.length > MAX_LANES) return refuse("engine.lanes", "a list of lanes", value);
  const lanes = value.map((lane: unknown, i): LaneFacts => {
    const param = `engine.lanes[${i}]`;
    const row = record(lane, param);
    return {
      worker: readPhase(row["worker"], `${param}.worker`),
      phase: readPhase(row["phase"], `${param}.phase`),
      limits: readLimits(row["limits"], `${param}.limits`),
      cost: readPoints(row["cost"] ?? [], `${param}.cost`),
    };
  });
  for (const own of ["prefill", "decode"] as const) {
    const has = lanes.some(({ worker, phase }) => worker === own && phase === own);
    if (lanes.length > 0 && !has) refuse("engine.lanes", `a lane of the worker and phase "${own}"`, value);
  }
  return lanes;
}

function readPhase(value: unknown, param: string): Phase {
  return value === "prefill" || value === "decode" ? value : refuse(param, "prefill or decode", value);
}

/** @throws PunctualError invalid_file when it is none that can be made here. */
export function readOutlookKind(value: unknown): OutlookKind {
  const kind = OUTLOOK_KINDS.find((known) => known === value);
  return kind ?? refuse("outlook", OUTLOOK_KINDS.join(" or "), value);
}

function readSeed(value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  return refuse("engine.predictorSeed", "a number", value);
}

/** Settings of a policy: numbers; their names and ranges are checked by the policy. @throws PunctualError invalid_file. */
export function readPolicyOptions(value: unknown, param: string): PolicyOptions {
  const row = record(value, param);
  for (const [name, setting] of Object.entries(row)) {
    if (typeof setting !== "number") refuse(`${param}.${name}`, "a number", setting);
  }
  return row as PolicyOptions;
}

const MAX_POINTS = 1000;
const MAX_PAGES = 2 ** 28;
const MAX_LANES = 64;

function readPoints(value: unknown, param: string): CostPoints {
  if (!Array.isArray(value) || value.length > MAX_POINTS) return refuse(param, "a list of points", value);
  return value.map((point: unknown, i) => {
    const [tokens, stepMs] = Array.isArray(point) ? (point as unknown[]) : [];
    if (typeof tokens === "number" && tokens >= 1 && typeof stepMs === "number" && stepMs >= 0) return [tokens, stepMs];
    return refuse(`${param}[${i}]`, "[tokens, milliseconds]", point);
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
