/**
 * How far cost models that nobody fitted here are off, where published measurements of the same shapes exist. Each entry is
 * the mean of |predicted - measured| / measured over the plausible rows of Splitwise's table (see splitwise.ts: all prompt
 * sizes and batches it has), prompts and tokens apart, or over chunks of 128 to 2,048 tokens and batches of 1 to 128 at 512
 * tokens of context where one model is held against another's published fit. Computed once and written down: the
 * measurements are not part of this package. `phaseErrors` is how.
 */
import type { CostModel } from "../types.ts";
import { plausible, promptPoint, tokenPoint, type SplitwiseRow } from "./splitwise.ts";
import type { StepPoint } from "./fitted.ts";

/** Shares of the measured time. */
export interface PhaseErrors {
  readonly prefill: number;
  readonly decode: number;
}

/** What is known of a cost model's error, and from what. */
export interface KnownError extends PhaseErrors {
  readonly against: string;
}

/** How far a cost model is off the measured rows of one model on one kind of hardware. */
export function phaseErrors(cost: CostModel, rows: readonly SplitwiseRow[]): PhaseErrors {
  const usable = plausible(rows);
  const meanOf = (points: readonly StepPoint[]): number =>
    points.reduce((sum, point) => sum + Math.abs(cost.stepMs(point) / point.stepMs - 1), 0) / points.length;
  return { prefill: meanOf(usable.map(promptPoint)), decode: meanOf(usable.map(tokenPoint)) };
}

interface RooflineEvidence extends KnownError {
  readonly gpu: string;
  readonly model: string;
  readonly tensorParallel: number;
}

const splitwise = (gpu: string, tensorParallel: number, prefill: number, decode: number): RooflineEvidence => ({
  gpu,
  model: "llama2-70b",
  tensorParallel,
  prefill,
  decode,
  against: `Splitwise's measurements of llama2-70b on ${tensorParallel} x ${gpu}`,
});
const distServe = (model: string, tensorParallel: number, prefill: number, decode: number): RooflineEvidence => ({
  gpu: "a100-80g",
  model,
  tensorParallel,
  prefill,
  decode,
  against: `DistServe's profile of ${model} on ${tensorParallel} x a100-80g`,
});

const ROOFLINES: readonly RooflineEvidence[] = [
  splitwise("a100-80g", 2, 0.061, 0.211),
  splitwise("a100-80g", 4, 0.233, 0.456),
  splitwise("a100-80g", 8, 0.396, 0.691),
  splitwise("h100", 2, 0.208, 0.229),
  splitwise("h100", 4, 0.384, 0.457),
  splitwise("h100", 8, 0.557, 0.679),
  distServe("opt-13b", 1, 0.16, 0.15),
  distServe("opt-13b", 2, 0.25, 0.255),
  distServe("opt-66b", 2, 0.14, 0.125),
  distServe("opt-66b", 4, 0.17, 0.253),
];

/**
 * Of a roofline: the same model and GPU if they were measured, else the nearest that was, on as many devices: the same GPU
 * before another one, as what links cost counts most. Null where nothing was measured on as many.
 */
export function rooflineError(gpu: string, model: string, tensorParallel: number): KnownError | null {
  const nearness = (one: RooflineEvidence): number => (one.gpu === gpu ? 2 : 0) + (one.model === model ? 1 : 0);
  let best: RooflineEvidence | null = null;
  for (const one of ROOFLINES) {
    if (one.tensorParallel !== tensorParallel) continue;
    if (best === null || nearness(one) > nearness(best)) best = one;
  }
  return best;
}

/** DistServe's tables against Splitwise's measurements of a model of 5 % more parameters, by which their times are scaled. */
const TABLES: Readonly<Record<string, PhaseErrors>> = {
  "opt-66b:tp2": { prefill: 0.09, decode: 0.08 },
  "opt-66b:tp4": { prefill: 0.197, decode: 0.248 },
};

/** Of a table by its name; null where no measurement comes near it. */
export function tableError(name: string): KnownError | null {
  const found = Object.hasOwn(TABLES, name) ? TABLES[name] : undefined;
  if (found === undefined) return null;
  return { ...found, against: "Splitwise's measurements of llama2-70b on as many, times scaled by parameters" };
}
