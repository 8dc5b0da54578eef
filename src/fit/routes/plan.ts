/** What decides fitted routes, as plain data: part of their identity, so that after any change old checkpoints are refused. */
import { fail, hashString } from "../../core/index.ts";
import { DEFAULT_PROTECTED, type ProtectedLayers, type RouteLoss } from "../../llm/index.ts";
import type { AdamWOptions, Schedule } from "../../nn/index.ts";

/** How routes are fitted: routers first, then low-rank weights for the gaps. */
export interface RoutesPlan {
  readonly seed: number;
  /** Share of all layers that routers are to keep on average. */
  readonly compute: number;
  readonly protected: ProtectedLayers;
  /** Examples of a step, one a row. */
  readonly batch: number;
  /** Longest example, tokens. */
  readonly length: number;
  readonly routerSteps: number;
  readonly adapterSteps: number;
  readonly routerSchedule: Schedule;
  readonly adapterSchedule: Schedule;
  /** Temperature of the routers' gates at the first step and from three quarters on; between them it falls steadily. */
  readonly temperature: { readonly first: number; readonly last: number };
  readonly loss: RouteLoss;
  /** Of the low-rank weights. */
  readonly rank: number;
  readonly alpha: number;
  readonly adamw: Partial<AdamWOptions>;
}

/** What a user may change. */
export interface RoutesPlanOptions {
  readonly seed?: number;
  readonly compute?: number;
  readonly batch?: number;
  readonly length?: number;
  readonly routerSteps?: number;
  readonly adapterSteps?: number;
  readonly rank?: number;
}

const scheduleOf = (steps: number, peak: number): Schedule => {
  const decaySteps = Math.ceil(steps / 2);
  const warmupSteps = Math.min(20, steps - decaySteps);
  return { kind: "wsd", peak, floor: peak / 100, warmupSteps, decaySteps, decay: "root" };
};

/** The plan with what is not given. @throws PunctualError invalid_request naming what is out of range. */
export function routesPlan(options: RoutesPlanOptions = {}): RoutesPlan {
  const {
    seed = 1,
    compute = 0.7,
    batch = 32,
    length = 512,
    routerSteps = 300,
    adapterSteps = 600,
    rank = 8,
  } = options;
  for (const [name, value, most] of [
    ["batch", batch, 4096],
    ["length", length, 8192],
    ["routerSteps", routerSteps, 10_000_000],
    ["adapterSteps", adapterSteps, 10_000_000],
    ["rank", rank, 512],
  ] as const) {
    if (Number.isInteger(value) && value >= 1 && value <= most) continue;
    fail("invalid_request", `${name}: expected an integer from 1 to ${most}, got ${value}`, { param: name });
  }
  if (!(compute > 0 && compute < 1)) {
    fail("invalid_request", `compute: expected a share of the layers between 0 and 1, got ${compute}`, {
      param: "compute",
    });
  }
  return {
    seed,
    compute,
    protected: DEFAULT_PROTECTED,
    batch,
    length,
    routerSteps,
    adapterSteps,
    routerSchedule: scheduleOf(routerSteps, 5e-3),
    adapterSchedule: scheduleOf(adapterSteps, 4e-3),
    temperature: { first: 1, last: 0.1 },
    loss: { distillation: 0.5, compute: 200, entropy: 0.01 },
    rank,
    alpha: 2 * rank,
    adamw: { weightDecay: 0, beta2: 0.98, emaDecay: 0 },
  };
}

/** A fingerprint of all that a run comes from. */
export function routesIdentity(plan: RoutesPlan, model: string, data: string, part: string): string {
  return `routes-${hashString(JSON.stringify([plan, model, data, part]))
    .toString(16)
    .padStart(8, "0")}`;
}

/** One over the temperature of a step. */
export function sharpnessOf({ temperature, routerSteps }: RoutesPlan, step: number): number {
  const progress = Math.min(1, step / Math.max(1, 0.75 * routerSteps));
  return 1 / (temperature.first * (temperature.last / temperature.first) ** progress);
}

/** The mean gate that routers are held to at a step: it falls from one, so that what can be spared most goes first. */
export function targetOf({ compute, routerSteps }: RoutesPlan, step: number): number {
  return 1 - (1 - compute) * Math.min(1, step / Math.max(1, 0.5 * routerSteps));
}

/** Gates as routers are trained by, near 0 or 1 at their last temperature. @param probabilities what routers say of a prompt, by layer */
export function softGates(probabilities: Float64Array, sharpness: number): Float64Array {
  return probabilities.map((p) => 1 / (1 + ((1 - p) / p) ** sharpness));
}
