/**
 * SPEED-Bench's timing metrics of a cell.
 *
 *   Output TPS   all output tokens / (last token of all − first request's start): what the server delivers
 *   User TPS     per answer (tokens − 1) / (last token − first token): what one reader sees
 *   TTFT         first token − start; step latency: between steps, without the one that reads the prompt
 *
 * The two rates are different axes: more at once raises the first and lowers the second.
 */
import type { Outcome } from "../types.ts";
import { spreadOf, type Spread } from "./estimate.ts";

/** Timing over answers that came to their end. */
export interface TimingReport {
  readonly outputTps: number;
  readonly userTps: Spread | null;
  readonly ttftMs: Spread | null;
  /** Of each answer its mean step. */
  readonly stepMs: Spread | null;
  readonly e2eMs: Spread | null;
  readonly outputTokens: Spread | null;
  readonly promptTokens: Spread | null;
  readonly durationMs: number;
}

/**
 * Sums up outcomes without failures.
 * @param steps how many steps each answer took, in the same order; null where that is not known.
 */
export function timingReport(outcomes: readonly Outcome[], steps: readonly (number | null)[]): TimingReport {
  const startMs = Math.min(...outcomes.map(({ sentMs }) => sentMs));
  const endMs = Math.max(...outcomes.map((outcome) => outcome.endMs));
  const durationMs = outcomes.length === 0 ? 0 : endMs - startMs;
  const tokens = outcomes.reduce((sum, { outputTokens }) => sum + outputTokens, 0);
  const several = outcomes.filter(
    ({ outputTokens, firstMs, endMs: end }) => outputTokens > 1 && end > (firstMs ?? end),
  );
  return {
    outputTps: durationMs > 0 ? (1000 * tokens) / durationMs : 0,
    userTps: spreadOf(several.map((one) => (1000 * (one.outputTokens - 1)) / (one.endMs - one.firstMs!))),
    ttftMs: spreadOf(outcomes.filter(({ firstMs }) => firstMs !== null).map((one) => one.firstMs! - one.sentMs)),
    stepMs: spreadOf(outcomes.flatMap((outcome, i) => stepMs(outcome, steps[i] ?? null))),
    e2eMs: spreadOf(outcomes.map((outcome) => outcome.endMs - outcome.sentMs)),
    outputTokens: spreadOf(outcomes.map(({ outputTokens }) => outputTokens)),
    promptTokens: spreadOf(outcomes.flatMap(({ promptTokens }) => (promptTokens === null ? [] : [promptTokens]))),
    durationMs,
  };
}

/** The mean time of an answer's steps after the first; nothing for an answer of one step. */
function stepMs({ firstMs, endMs }: Outcome, steps: number | null): readonly number[] {
  return firstMs === null || steps === null || steps < 2 ? [] : [(endMs - firstMs) / (steps - 1)];
}

/**
 * Speed-up without full runs: t_ar · AL / t_sd, of step times measured at the same batch size and prompt lengths; null
 * where one is missing.
 */
export function proxySpeedup(
  withoutDrafts: TimingReport,
  withDrafts: TimingReport,
  acceptanceLength: number | null,
): number | null {
  const [plain, drafting] = [withoutDrafts.stepMs?.mean ?? 0, withDrafts.stepMs?.mean ?? 0];
  return plain > 0 && drafting > 0 && acceptanceLength !== null ? (plain * acceptanceLength) / drafting : null;
}
