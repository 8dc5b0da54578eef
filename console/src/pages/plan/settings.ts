/** What a visitor has set on the Plan page, and the request that it makes. Pure; kept by the browser as it is. */
import type { PlanMode, PlanRequest, PlanWorkload, WorldRequest } from "@protocol";

/** All that is set. Targets that are off are null. */
export interface PlanSettings {
  readonly source: PlanWorkload["kind"];
  /** The name of a generator. */
  readonly generator: string;
  /** Coefficient of variation of a generator's gaps; 1 is Poisson. */
  readonly burstiness: number;
  /** The id of a trace that the server has; null for none. */
  readonly traceId: string | null;
  /** Arrivals per second; null: the trace's own. */
  readonly ratePerSecond: number | null;
  readonly requests: number;
  readonly ttftMs: number | null;
  readonly tpotMs: number | null;
  readonly deadlineMs: number | null;
  readonly attain: number;
  readonly model: string;
  readonly mostDevices: number;
  readonly prices: readonly GpuPrice[];
  readonly modes: readonly PlanMode[];
  readonly maxParallel: number;
  readonly maxStages: number;
  readonly seed: number;
  /** Of a single world: its cost model, its policy, who gets a request, how many instances, whether requests move. */
  readonly cost: string;
  readonly policy: string;
  readonly dispatch: string;
  readonly instances: number;
  readonly migrate: boolean;
  /** The text of a calibration for "local", which is not kept by the browser. */
  readonly calibration: { readonly name: string; readonly text: string } | null;
}

/** A kind of device: whether it may be used, and what an hour of it costs. */
export interface GpuPrice {
  readonly gpu: string;
  readonly pricePerHour: number;
  readonly isUsed: boolean;
}

/** The modes in the order of the page. */
export const MODES: readonly PlanMode[] = ["colocated", "chunked", "semi-pd", "disaggregated"];

/** What a mode does, in words. */
export const MODE_TEXT: Readonly<Record<PlanMode, string>> = {
  colocated: "whole prompts before answers",
  chunked: "prompts cut into steps of even size",
  "semi-pd": "prompts and answers apart on each device",
  disaggregated: "prompts and answers on devices of their own",
};

/** Where everybody begins: a small fleet that has something to say. */
export const DEFAULT_SETTINGS: PlanSettings = {
  source: "generate",
  generator: "azure-conversation",
  burstiness: 1,
  traceId: null,
  ratePerSecond: 8,
  requests: 300,
  ttftMs: 500,
  tpotMs: 50,
  deadlineMs: null,
  attain: 0.9,
  model: "llama3-8b",
  mostDevices: 16,
  prices: [
    { gpu: "a100", pricePerHour: 2, isUsed: true },
    { gpu: "h100", pricePerHour: 4.5, isUsed: true },
    { gpu: "l4", pricePerHour: 0.7, isUsed: false },
    { gpu: "a10", pricePerHour: 0.9, isUsed: false },
    { gpu: "local", pricePerHour: 0.1, isUsed: false },
  ],
  modes: MODES,
  maxParallel: 8,
  maxStages: 1,
  seed: 0,
  cost: "roofline:a100-80g:llama3-8b:tp1",
  policy: "splitfuse",
  dispatch: "least-queue",
  instances: 2,
  migrate: false,
  calibration: null,
};

/** Settings out of what the browser kept: what is missing or of another kind is as at the beginning. */
export function readSettings(kept: unknown): PlanSettings {
  if (typeof kept !== "object" || kept === null) return DEFAULT_SETTINGS;
  const entries = Object.entries(DEFAULT_SETTINGS).map(([name, fallback]) => {
    const value = (kept as Readonly<Record<string, unknown>>)[name];
    return [name, name !== "calibration" && isLike(name, value, fallback) ? value : fallback];
  });
  return Object.fromEntries(entries) as PlanSettings;
}

const NULLABLE = new Set(["traceId", "ratePerSecond", "ttftMs", "tpotMs", "deadlineMs"]);

function isLike(name: string, value: unknown, fallback: unknown): boolean {
  if (name === "prices") return Array.isArray(value) && value.length > 0 && value.every(isPrice);
  if (name === "modes") return Array.isArray(value) && value.every((mode) => MODES.includes(mode as PlanMode));
  if (name === "source") return value === "trace" || value === "generate";
  if (value === null) return NULLABLE.has(name);
  if (name === "traceId") return typeof value === "string";
  const wanted = NULLABLE.has(name) ? "number" : typeof fallback;
  return typeof value === wanted && (wanted !== "number" || Number.isFinite(value));
}

function isPrice(value: unknown): boolean {
  const { gpu, pricePerHour, isUsed } = (value ?? {}) as Partial<GpuPrice>;
  return typeof gpu === "string" && Number(pricePerHour) > 0 && typeof isUsed === "boolean";
}

/** The workload that the settings name. */
export function workloadOf({ source, traceId, generator, burstiness }: PlanSettings): PlanWorkload {
  if (source === "trace" && traceId !== null) return { kind: "trace", id: traceId };
  return { kind: "generate", spec: burstiness === 1 ? generator : `${generator},cv=${burstiness}` };
}

/** The request; or what is missing, in words. */
export function planRequest(settings: PlanSettings): { readonly request: PlanRequest } | { readonly problem: string } {
  const { ttftMs, tpotMs, deadlineMs, prices, modes, model, calibration, ratePerSecond } = settings;
  if ((ttftMs ?? tpotMs ?? deadlineMs) === null) return { problem: "Set at least one target." };
  const used = prices.filter(({ isUsed }) => isUsed);
  if (used.length === 0) return { problem: "Choose at least one kind of device." };
  if (modes.length === 0) return { problem: "Choose at least one mode." };
  const isLocal = used.some(({ gpu }) => gpu === "local");
  if (isLocal && calibration === null) return { problem: "Local devices need a calibration: choose its file." };
  const needsRate = settings.source === "generate";
  return {
    request: {
      workload: workloadOf(settings),
      ...(ratePerSecond === null ? (needsRate ? { rate: 1 } : {}) : { rate: ratePerSecond }),
      limit: settings.requests,
      seed: settings.seed,
      slo: targetsOf(settings),
      attain: settings.attain,
      gpus: [1, settings.mostDevices],
      prices: used.map(({ gpu, pricePerHour }) => ({ gpu, pricePerHour })),
      ...(used.every(({ gpu }) => gpu === "local") ? {} : { model }),
      ...(modes.length === MODES.length ? {} : { modes: [...modes] }),
      ...(isLocal && calibration !== null ? { calibration: calibration.text } : {}),
      maxParallel: settings.maxParallel,
      maxStages: settings.maxStages,
    },
  };
}

/** The request for a single world. */
export function worldRequest(settings: PlanSettings): WorldRequest {
  const { ttftMs, tpotMs, deadlineMs, ratePerSecond, requests, seed } = settings;
  const { cost, policy, dispatch, instances, migrate, source } = settings;
  const hasTarget = (ttftMs ?? tpotMs ?? deadlineMs) !== null;
  return {
    workload: workloadOf(settings),
    ...(ratePerSecond === null ? (source === "generate" ? { rate: 1 } : {}) : { rate: ratePerSecond }),
    limit: requests,
    seed,
    ...(hasTarget ? { slo: targetsOf(settings) } : {}),
    cost,
    policy,
    dispatch,
    instances,
    ...(migrate ? { migrate } : {}),
  };
}

function targetsOf({ ttftMs, tpotMs, deadlineMs }: PlanSettings): PlanRequest["slo"] {
  return {
    ...(ttftMs === null ? {} : { ttftMs }),
    ...(tpotMs === null ? {} : { tpotMs }),
    ...(deadlineMs === null ? {} : { deadlineMs }),
  };
}

/** A slider's scale: its positions are whole numbers from 0 to `steps`. */
export interface Scale {
  readonly steps: number;
  /** A round number that a person would have typed. */
  at(position: number): number;
  /** The position nearest to a value. */
  of(value: number): number;
}

/** Equal ratios between positions, rounded to two figures. */
export function logScale(least: number, most: number, steps = 200): Scale {
  const ratio = Math.log(most / least);
  return {
    steps,
    at: (position) => round2(least * Math.exp((ratio * position) / steps)),
    of: (value) => Math.round((steps * Math.log(Math.min(most, Math.max(least, value)) / least)) / ratio),
  };
}

/** Equal differences between positions. */
export function linearScale(least: number, most: number, step: number): Scale {
  const steps = Math.round((most - least) / step);
  return {
    steps,
    at: (position) => Number((least + position * step).toPrecision(6)),
    of: (value) => Math.round((Math.min(most, Math.max(least, value)) - least) / step),
  };
}

/** Two figures. */
export const round2 = (value: number): number => Number(value.toPrecision(2));
