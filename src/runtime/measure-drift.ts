/**
 * Does the engine keep the main thread free? Measures how late a 1 ms timer fires while an engine is
 * saturated, against the same timer while it is idle, in alternating phases of one run: what the machine
 * itself adds shows up in both.
 *
 * Lateness is the time from when the timer was due to when it ran. On a busy machine read the two
 * sides together; on an idle one the saturated side alone is the claim.
 */
import { performance } from "node:perf_hooks";
import { createRandom, median, PunctualError, quantile } from "../core/index.ts";
import { liveClock, sleep } from "./clock.ts";
import type { Engine } from "./engine-port.ts";

/** How long to measure and under what load; the machine should have nothing else to do. */
export interface DriftOptions {
  /** Of measuring in all, both sides together; 30 when absent. */
  readonly seconds?: number;
  /** Pairs of an idle and a saturated phase; 5 when absent. */
  readonly rounds?: number;
  /** Requests running at once in a saturated phase; as many as the engine runs when absent. */
  readonly streams?: number;
  readonly promptTokens?: number;
}

/** One side of the comparison; lateness in milliseconds. */
export interface DriftSide {
  readonly samples: number;
  readonly p50Ms: number;
  /** Median over the rounds of each round's 99th percentile: one disturbed round does not decide. */
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Share of the time that the main thread was busy, 0..1. */
  readonly utilization: number;
}

/** How late the timer fired with an idle engine and with a saturated one, from alternating phases of the same run. */
export interface DriftReport {
  readonly idle: DriftSide;
  readonly saturated: DriftSide;
  /** Read by the main thread while saturated. */
  readonly tokensPerSecond: number;
}

const TIMER_MS = 1;

interface Phase {
  readonly lateness: readonly number[];
  readonly utilization: number;
}

/**
 * Measures the timer on the calling thread, which should do nothing else meanwhile. Takes a little over `seconds`.
 * @throws PunctualError when the engine fails meanwhile.
 */
export async function measureDrift(engine: Engine, options: DriftOptions = {}): Promise<DriftReport> {
  const { seconds = 30, rounds = 5, streams = engine.stats().limits.maxRunning } = options;
  const phaseMs = (seconds * 1000) / (2 * rounds);
  const promptTokens = randomPrompts(engine, streams, options.promptTokens ?? 16);
  const idle: Phase[] = [];
  const saturated: Phase[] = [];
  let tokens = 0;
  await phase(Math.min(200, phaseMs)); // the timer's own code warms up
  for (let round = 0; round < rounds; round++) {
    idle.push(await phase(phaseMs));
    const loads = promptTokens.map(() => new AbortController());
    const readers = promptTokens.map((prompt, i) => readForever(engine, prompt, loads[i]!.signal));
    await sleep(Math.min(100, phaseMs)); // until everybody decodes
    saturated.push(await phase(phaseMs));
    for (const load of loads) load.abort();
    for (const count of await Promise.all(readers)) tokens += count;
  }
  const loadedMs = rounds * (phaseMs + Math.min(100, phaseMs));
  return { idle: summary(idle), saturated: summary(saturated), tokensPerSecond: (tokens * 1000) / loadedMs };
}

async function phase(phaseMs: number): Promise<Phase> {
  const lateness: number[] = [];
  const before = performance.eventLoopUtilization();
  const endMs = liveClock.nowMs() + phaseMs;
  for (let nowMs = liveClock.nowMs(); nowMs < endMs;) {
    await sleep(TIMER_MS);
    const firedMs = liveClock.nowMs();
    lateness.push(Math.max(0, firedMs - nowMs - TIMER_MS));
    nowMs = firedMs;
  }
  return { lateness, utilization: performance.eventLoopUtilization(before).utilization };
}

function summary(phases: readonly Phase[]): DriftSide {
  const all = phases.flatMap((p) => p.lateness);
  return {
    samples: all.length,
    p50Ms: quantile(all, 0.5),
    p99Ms: median(phases.map((p) => quantile(p.lateness, 0.99))),
    maxMs: all.reduce((a, b) => Math.max(a, b), 0),
    utilization: median(phases.map((p) => p.utilization)),
  };
}

function randomPrompts(engine: Engine, count: number, length: number): number[][] {
  const random = createRandom(1, "drift");
  const least = Math.min(64, engine.info.vocabSize - 1); // above the special tokens
  return Array.from({ length: count }, () =>
    Array.from({ length }, () => random.int(least, engine.info.vocabSize - 1)),
  );
}

/** One request after the other until the signal; how many tokens were read. */
async function readForever(engine: Engine, promptTokens: readonly number[], signal: AbortSignal): Promise<number> {
  let tokens = 0;
  const maxTokens = engine.info.contextTokens;
  try {
    while (!signal.aborted) {
      for await (const event of engine.submit({ promptTokens, maxTokens, ignoreEos: true }, { signal })) {
        if (event.kind === "token") tokens += 1;
      }
    }
  } catch (error) {
    if (!(error instanceof PunctualError && error.code === "cancelled")) throw error;
  }
  return tokens;
}
