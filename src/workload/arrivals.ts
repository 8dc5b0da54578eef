/**
 * When requests arrive: point processes as plain data, and the times they give. All but `ramp` are endless; times are
 * milliseconds from the start, the first one after the first gap.
 */
import { assert, fail, type RandomStream } from "../core/index.ts";
import { draw, drawGamma, meanOf, type Distribution } from "./distributions.ts";

/** A process of arrivals. Rates are per second. */
export type ArrivalProcess =
  /** Everything at time 0. */
  | { readonly kind: "all-at-once" }
  | { readonly kind: "constant"; readonly ratePerSecond: number }
  /** Exponential gaps. */
  | { readonly kind: "poisson"; readonly ratePerSecond: number }
  /** Gamma-distributed gaps of this coefficient of variation: 1 is Poisson, above it comes in bursts. */
  | { readonly kind: "gamma"; readonly ratePerSecond: number; readonly cv: number }
  /** Independent gaps of any distribution, scaled to the rate. */
  | { readonly kind: "gaps"; readonly ratePerSecond: number; readonly gaps: Distribution }
  /** A rate that swings as a sine around its mean; the gaps are those of `cv` in the time that the rate stretches. */
  | {
      readonly kind: "diurnal";
      /** The mean rate. */
      readonly ratePerSecond: number;
      readonly periodMs: number;
      /** How far the rate swings, as a share of the mean, in [0, 1]. */
      readonly swing: number;
      /** Where in the period it starts, in [0, 1); at 0 the rate is the mean and rises. */
      readonly phase?: number;
      readonly cv?: number;
    }
  /** One process after the other; the last one goes on. */
  | {
      readonly kind: "phases";
      readonly phases: readonly { readonly durationMs: number; readonly process: ArrivalProcess }[];
    }
  /** A Poisson process whose rate grows with the number of the request, as vLLM's benchmark ramps up. */
  | {
      readonly kind: "ramp";
      readonly startPerSecond: number;
      readonly endPerSecond: number;
      readonly growth: "linear" | "exponential";
      readonly count: number;
      readonly cv?: number;
    };

/** The times of a process, milliseconds, ascending; endless, but for a ramp. */
export function* arrivalTimes(process: ArrivalProcess, random: RandomStream): Generator<number> {
  checkProcess(process);
  switch (process.kind) {
    case "all-at-once":
      for (;;) yield 0;
    case "constant":
    case "poisson":
    case "gamma":
    case "gaps":
      return yield* renewal(1000 / process.ratePerSecond, unitGaps(process, random));
    case "diurnal":
      return yield* diurnal(process, unitGaps({ kind: "gamma", cv: process.cv ?? 1 }, random));
    case "phases":
      return yield* phased(process.phases, random);
    case "ramp":
      return yield* ramp(process, unitGaps({ kind: "gamma", cv: process.cv ?? 1 }, random));
    default:
      process satisfies never;
  }
}

/** The process with every rate multiplied. */
export function scaleArrivals(process: ArrivalProcess, factor: number): ArrivalProcess {
  assert(factor > 0, "arrivals are scaled by a positive factor");
  switch (process.kind) {
    case "all-at-once":
      return process;
    case "phases":
      return {
        ...process,
        phases: process.phases.map((phase) => ({ ...phase, process: scaleArrivals(phase.process, factor) })),
      };
    case "ramp":
      return {
        ...process,
        startPerSecond: process.startPerSecond * factor,
        endPerSecond: process.endPerSecond * factor,
      };
    default:
      return { ...process, ratePerSecond: process.ratePerSecond * factor };
  }
}

/**
 * The first `count` times of a process. With `exactTotal` they are stretched so that the last one falls on
 * count / rate, as vLLM's benchmark does: equal load for every seed.
 */
export function arrivalSchedule(
  process: ArrivalProcess,
  count: number,
  random: RandomStream,
  options: { readonly exactTotal?: boolean } = {},
): Float64Array {
  const times = new Float64Array(count);
  let i = 0;
  for (const timeMs of arrivalTimes(process, random)) {
    if (i === count) break;
    times[i] = timeMs;
    i += 1;
  }
  if (i < count) return fail("invalid_request", `arrivals: the process ends after ${i} of ${count} requests`);
  const isRated = "ratePerSecond" in process;
  if (options.exactTotal === true && isRated && count > 0 && times[count - 1]! > 0) {
    const stretch = (count * 1000) / process.ratePerSecond / times[count - 1]!;
    for (let j = 0; j < count; j++) times[j]! *= stretch;
  }
  return times;
}

type UnitGaps =
  | { readonly kind: "constant" }
  | { readonly kind: "poisson" }
  | { readonly kind: "gamma"; readonly cv: number }
  | { readonly kind: "gaps"; readonly gaps: Distribution };

/** Gaps of mean 1. */
function unitGaps(gaps: UnitGaps, random: RandomStream): () => number {
  switch (gaps.kind) {
    case "constant":
      return () => 1;
    case "poisson":
      return () => random.exponential(1);
    case "gamma": {
      if (gaps.cv === 0) return () => 1;
      if (gaps.cv === 1) return () => random.exponential(1);
      const shape = 1 / (gaps.cv * gaps.cv);
      return () => drawGamma(shape, random);
    }
    case "gaps": {
      const mean = meanOf(gaps.gaps);
      return () => Math.max(0, draw(gaps.gaps, random)) / mean;
    }
    default:
      return gaps satisfies never;
  }
}

function* renewal(meanGapMs: number, gap: () => number): Generator<number> {
  for (let timeMs = gap() * meanGapMs; ; timeMs += gap() * meanGapMs) yield timeMs;
}

/** Time rescaling: arrivals of a unit process, read on the clock of the integrated rate. */
function* diurnal(
  process: Extract<ArrivalProcess, { readonly kind: "diurnal" }>,
  gap: () => number,
): Generator<number> {
  const { ratePerSecond, periodMs, swing, phase = 0 } = process;
  const perMs = ratePerSecond / 1000;
  const omega = (2 * Math.PI) / periodMs;
  const start = 2 * Math.PI * phase;
  const expectedBy = (timeMs: number): number =>
    perMs * (timeMs + (swing / omega) * (Math.cos(start) - Math.cos(start + omega * timeMs)));
  // The integrated rate never strays further than this from its mean line.
  const slackMs = (2 * swing) / omega + 1e-9;
  for (let expected = gap(); ; expected += gap()) {
    let [low, high] = [Math.max(0, expected / perMs - slackMs), expected / perMs + slackMs];
    for (let i = 0; i < 60 && high - low > 1e-6; i++) {
      const middle = (low + high) / 2;
      if (expectedBy(middle) < expected) low = middle;
      else high = middle;
    }
    yield (low + high) / 2;
  }
}

function* phased(
  phases: readonly { readonly durationMs: number; readonly process: ArrivalProcess }[],
  random: RandomStream,
): Generator<number> {
  let startMs = 0;
  for (const [i, { durationMs, process }] of phases.entries()) {
    const endMs = i === phases.length - 1 ? Infinity : durationMs;
    for (const timeMs of arrivalTimes(process, random.fork(`phase ${i}`))) {
      if (timeMs >= endMs) break;
      yield startMs + timeMs;
    }
    startMs += durationMs;
  }
}

function* ramp(process: Extract<ArrivalProcess, { readonly kind: "ramp" }>, gap: () => number): Generator<number> {
  const { startPerSecond, endPerSecond, growth, count } = process;
  let timeMs = 0;
  for (let i = 0; i < count; i++) {
    const progress = i / Math.max(1, count - 1);
    const rate =
      growth === "linear"
        ? startPerSecond + (endPerSecond - startPerSecond) * progress
        : startPerSecond * (endPerSecond / startPerSecond) ** progress;
    timeMs += (gap() * 1000) / rate;
    yield timeMs;
  }
}

function checkProcess(process: ArrivalProcess): void {
  const positive = (value: number, field: string): void => {
    if (!(value > 0 && value < Infinity)) {
      fail("invalid_request", `arrivals: expected ${field} above 0, got ${value}`, { param: field });
    }
  };
  if ("ratePerSecond" in process) positive(process.ratePerSecond, "ratePerSecond");
  if ("cv" in process && process.cv !== undefined && !(process.cv >= 0 && process.cv < 100)) {
    fail("invalid_request", `arrivals: expected cv from 0 to 100, got ${process.cv}`, { param: "cv" });
  }
  if (process.kind === "diurnal") {
    positive(process.periodMs, "periodMs");
    if (!(process.swing >= 0 && process.swing <= 1)) {
      fail("invalid_request", `arrivals: expected swing from 0 to 1, got ${process.swing}`, { param: "swing" });
    }
  }
  if (process.kind === "ramp") {
    positive(process.startPerSecond, "startPerSecond");
    positive(process.endPerSecond, "endPerSecond");
  }
  if (process.kind === "phases" && process.phases.length === 0) {
    fail("invalid_request", "arrivals: expected at least one phase, got none", { param: "phases" });
  }
}
