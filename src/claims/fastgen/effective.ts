/**
 * Claim `26`: what is read off the times of requests and steps, live or simulated: gaps between tokens, latencies,
 * and the effective throughput of 2401.08671 section 4.2 (requests whose prompt and every moment of whose generation
 * were fast enough). Pure.
 */
import { quantile } from "../../core/index.ts";
import type { LoadRun, RequestTimes } from "../live-load.ts";
import { mean } from "../statistics.ts";

/** Weight of the newest gap in the moving mean; the paper does not state one. */
export const EMA_FACTOR = 0.1;

/** What a request must keep to so that it counts, milliseconds. */
export interface EffectiveSla {
  /** Most time to the first token, per token of the prompt. */
  readonly promptMsPerToken: number;
  /** The moving mean of the gaps never exceeds it. */
  readonly gapMs: number;
}

/** A step that was taken. */
export interface StepRecord {
  readonly startMs: number;
  readonly stepMs: number;
  readonly tokens: number;
}

const between = (run: LoadRun, atMs: number): boolean => atMs > run.fromMs && atMs <= run.toMs;

/** Every gap between two tokens of one request that ended within the run's window. */
export function gapsOf(run: LoadRun): number[] {
  return run.requests.flatMap(({ tokenMs }) =>
    tokenMs.flatMap((at, i) => (i > 0 && between(run, at) ? [at - tokenMs[i - 1]!] : [])),
  );
}

/** Times to the first token, of those that came within the window. */
export function firstTokensOf(run: LoadRun): number[] {
  return run.requests.flatMap(({ arrivalMs, tokenMs }) =>
    tokenMs.length > 0 && between(run, tokenMs[0]!) ? [tokenMs[0]! - arrivalMs] : [],
  );
}

/** Requests that were answered to the end within the window. */
export function answeredOf(run: LoadRun): RequestTimes[] {
  return run.requests.filter(({ done, tokenMs }) => done && tokenMs.length > 0 && between(run, tokenMs.at(-1)!));
}

/** From arrival to the last token, of the answered ones. */
export function latenciesOf(run: LoadRun): number[] {
  return answeredOf(run).map(({ arrivalMs, tokenMs }) => tokenMs.at(-1)! - arrivalMs);
}

/** The length of the window in seconds. */
export function secondsOf({ fromMs, toMs }: LoadRun): number {
  return (toMs - fromMs) / 1000;
}

/** Whether a finished request kept to an agreement all along. */
export function keeps({ arrivalMs, promptTokens, tokenMs }: RequestTimes, sla: EffectiveSla): boolean {
  const [firstMs] = tokenMs;
  if (firstMs === undefined || firstMs - arrivalMs > promptTokens * sla.promptMsPerToken) return false;
  let mean: number | null = null;
  for (let i = 1; i < tokenMs.length; i++) {
    const gap = tokenMs[i]! - tokenMs[i - 1]!;
    mean = mean === null ? gap : mean + (gap - mean) * EMA_FACTOR;
    if (mean > sla.gapMs) return false;
  }
  return true;
}

/** Requests per second that kept to the agreement, of those answered within the window. */
export function effectivePerSecond(run: LoadRun, sla: EffectiveSla): number {
  return answeredOf(run).filter((request) => keeps(request, sla)).length / secondsOf(run);
}

/** Steps that began within the window. */
export function stepsWithin(steps: readonly StepRecord[], { fromMs, toMs }: LoadRun): StepRecord[] {
  return steps.filter(({ startMs, tokens }) => tokens > 0 && startMs >= fromMs && startMs < toMs);
}

/** Standard deviation over mean. */
export function coefficientOfVariation(values: readonly number[]): number {
  const average = mean(values);
  const variance = values.reduce((sum, value) => sum + (value - average) ** 2, 0) / values.length;
  return Math.sqrt(variance) / average;
}

/** What is told of one run of one arm. */
export interface RunSummary {
  readonly gapP50Ms: number;
  readonly gapP95Ms: number;
  readonly gapP99Ms: number;
  readonly ttftMs: number;
  readonly ttftP95Ms: number;
  readonly latencyMs: number;
  readonly requestsPerSecond: number;
  /** Prompts and answers, computed. */
  readonly tokensPerSecond: number;
  readonly stepMs: number;
  /** Of the durations of steps. */
  readonly stepVariation: number;
  readonly mostStepTokens: number;
}

/** Everything that is told of one run, by its window. */
export function summarise(run: LoadRun, steps: readonly StepRecord[]): RunSummary {
  const [gaps, firsts, within] = [gapsOf(run), firstTokensOf(run), stepsWithin(steps, run)];
  const durations = within.map(({ stepMs }) => stepMs);
  return {
    gapP50Ms: quantile(gaps, 0.5),
    gapP95Ms: quantile(gaps, 0.95),
    gapP99Ms: quantile(gaps, 0.99),
    ttftMs: mean(firsts),
    ttftP95Ms: quantile(firsts, 0.95),
    latencyMs: mean(latenciesOf(run)),
    requestsPerSecond: answeredOf(run).length / secondsOf(run),
    tokensPerSecond: within.reduce((sum, { tokens }) => sum + tokens, 0) / secondsOf(run),
    stepMs: mean(durations),
    stepVariation: coefficientOfVariation(durations),
    mostStepTokens: Math.max(0, ...within.map(({ tokens }) => tokens)),
  };
}
