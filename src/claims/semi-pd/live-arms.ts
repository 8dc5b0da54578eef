/**
 * Arms of claim `40`, live: engines of one model with the same pages of keys and values in all,
 * the same step budget and weights mapped from the same file, that differ in where prompts and decodes are computed.
 * Every arm may use two cores. What is asked of them, and what that comes to, is not here.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, createRandom, median, type Clock } from "../../core/index.ts";
import type { DecoderConfig } from "../../llm/index.ts";
import { Engine, type EngineOptions, type GenerateRequest } from "../../runtime/index.ts";
import type { Slo } from "../../sched/index.ts";
import { arrivalTimes } from "../../workload/index.ts";
import { openLoop, type RequestTimes, type TimedRequest } from "../live-load.ts";

/** One way to serve. */
export interface ArmOptions {
  readonly name: string;
  readonly engine: Pick<EngineOptions, "phases" | "semiPd" | "disaggregated" | "policy" | "threads">;
}

/** A started arm. */
export interface LiveArm {
  readonly name: string;
  readonly engine: Engine;
}

/** All arms of a claim, started; disposing of them stops every engine. */
export interface LiveArms extends AsyncDisposable {
  readonly arms: readonly LiveArm[];
}

/** What all arms have in common. */
export interface ArmsSetUp {
  readonly model: DecoderConfig;
  readonly seed: number;
  /** Of an arm, whatever its caches. */
  readonly kvPages: number;
  readonly budgetTokens: number;
  readonly contextTokens: number;
}

const PAGE_TOKENS = 16;
const MAX_RUNNING = 24;
/** Nothing is refused: lateness is what is measured. */
const MAX_WAITING = 4096;
/** Ids above the marks of a model without vocabulary. */
const FIRST_ID = 32;

/** Starts every arm; none is left running when one fails to start. */
export async function startArms(setUp: ArmsSetUp, wanted: readonly ArmOptions[]): Promise<LiveArms> {
  const weightCacheDir = await mkdtemp(join(tmpdir(), "punctual-phases-"));
  const arms: LiveArm[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(arms.map(({ engine }) => engine.stop({ graceMs: 0 })));
    await rm(weightCacheDir, { recursive: true, force: true });
  };
  const starts = await Promise.allSettled(wanted.map((arm) => startEngine(setUp, arm, weightCacheDir)));
  for (const [i, start] of starts.entries()) {
    if (start.status === "fulfilled") arms.push({ name: wanted[i]!.name, engine: start.value });
  }
  const failed = starts.find((start) => start.status === "rejected");
  if (failed !== undefined) {
    await stop();
    throw failed.reason;
  }
  return { arms, [Symbol.asyncDispose]: stop };
}

function startEngine(setUp: ArmsSetUp, { name, engine }: ArmOptions, weightCacheDir: string): Promise<Engine> {
  const { model, seed, kvPages, budgetTokens, contextTokens } = setUp;
  return Engine.start({
    model: { random: model, seed },
    name,
    kvPages,
    pageTokens: PAGE_TOKENS,
    budgetTokens,
    contextTokens,
    maxRunning: MAX_RUNNING,
    maxWaiting: MAX_WAITING,
    prefixCache: false,
    weightCacheDir,
    ...engine,
    // A policy that computes prompts whole can compute several in one step.
    ...(engine.policy === "prefill-first" ? { maxStepTokens: contextTokens + MAX_RUNNING } : {}),
  });
}

/** Mean tokens of prompts and answers; each is drawn evenly from half the mean to one and a half of it. */
export interface MeanLengths {
  readonly prompt: number;
  readonly answer: number;
}

/** Requests of an open loop: Poisson, from `fromMs`, so many. The same seed gives the same requests at another rate. */
export function poissonRequests(options: {
  readonly ratePerSecond: number;
  readonly count: number;
  readonly fromMs?: number;
  readonly lengths: MeanLengths;
  readonly vocabSize: number;
  readonly slo?: Slo;
  readonly seed: string;
}): TimedRequest[] {
  const { ratePerSecond, count, fromMs = 0, lengths, vocabSize, slo, seed } = options;
  const next = requestSource(lengths, vocabSize, seed, slo);
  const times = arrivalTimes({ kind: "poisson", ratePerSecond }, createRandom(seed, "arrivals"));
  return Array.from({ length: count }, () => ({ atMs: fromMs + timeOf(times), request: next() }));
}

function timeOf(times: Generator<number>): number {
  const { value, done } = times.next();
  assert(done !== true, "a Poisson process has no end");
  return value;
}

/** One request after the other, none sharing anything with another. */
export function requestSource(lengths: MeanLengths, vocabSize: number, seed: string, slo?: Slo): () => GenerateRequest {
  const random = createRandom(seed, "requests");
  const around = (center: number): number => random.int(Math.ceil(center / 2), Math.floor(1.5 * center));
  return () => ({
    promptTokens: Array.from({ length: around(lengths.prompt) }, () => random.int(FIRST_ID, vocabSize - 1)),
    maxTokens: Math.max(2, around(lengths.answer)),
    ignoreEos: true,
    sampling: { temperature: 0 },
    ...(slo === undefined ? {} : { slo }),
  });
}

/** Runs every arm on the same requests, one after the other; who goes first changes with the round. */
export async function eachArm<T>(
  arms: readonly LiveArm[],
  round: number,
  measure: (arm: LiveArm) => Promise<T>,
): Promise<T[]> {
  const found: T[] = [];
  for (let i = 0; i < arms.length; i++) {
    const at = (round + i) % arms.length;
    found[at] = await measure(arms[at]!);
  }
  return found;
}

/** What requests meet when they are alone. */
export interface Unloaded {
  readonly ttftMs: number;
  readonly tpotMs: number;
}

/** Medians of requests one after the other. */
export async function measureUnloaded(
  arm: LiveArm,
  next: () => GenerateRequest,
  count: number,
  clock: Clock,
): Promise<Unloaded> {
  const seen: RequestTimes[] = [];
  // The first one pays for what is compiled on demand.
  for (let i = 0; i <= count; i++) {
    const run = await openLoop(arm.engine, [{ atMs: 0, request: next() }], clock);
    if (i > 0) seen.push(...run.requests);
  }
  return { ttftMs: median(seen.map(ttftOf)), tpotMs: median(seen.map(tpotOf)) };
}

/** From arrival to the first token, milliseconds. */
export const ttftOf = ({ arrivalMs, tokenMs }: RequestTimes): number => tokenMs[0]! - arrivalMs;

/** Mean time between tokens, milliseconds. */
export const tpotOf = ({ tokenMs }: RequestTimes): number =>
  (tokenMs.at(-1)! - tokenMs[0]!) / Math.max(1, tokenMs.length - 1);

/** From arrival to the last token, milliseconds. */
export const endToEndOf = ({ arrivalMs, tokenMs }: RequestTimes): number => tokenMs.at(-1)! - arrivalMs;

/** Share of the requests that are within both targets. */
export function attainmentOf(requests: readonly RequestTimes[], { ttftMs, tpotMs }: Unloaded): number {
  return mean(requests.map((one) => (one.done && ttftOf(one) <= ttftMs && tpotOf(one) <= tpotMs ? 1 : 0)));
}

/** The mean of at least one value. */
export function mean(values: readonly number[]): number {
  assert(values.length > 0, "a mean of nothing");
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Attainment at a rate. */
export interface RatePoint {
  readonly rate: number;
  readonly attainment: number;
}

/**
 * The highest rate up to which `attain` is kept, on straight lines between the points in order of rate; a rate of 0
 * counts as attaining. The largest measured rate where all attain.
 */
export function maxRate(points: readonly RatePoint[], attain: number): number {
  let last: RatePoint = { rate: 0, attainment: 1 };
  for (const point of points) {
    if (point.attainment < attain) {
      const share = (last.attainment - attain) / (last.attainment - point.attainment);
      return last.rate + share * (point.rate - last.rate);
    }
    last = point;
  }
  return last.rate;
}

/** A decoder with heads of 64 and two heads of keys and values. */
export function decoderOf(hidden: number, layers: number, ffn: number, headDim = 64): DecoderConfig {
  return {
    vocabSize: 4096,
    hidden,
    layers,
    heads: hidden / headDim,
    kvHeads: 2,
    headDim,
    ffn,
    ropeTheta: 10_000,
    normEps: 1e-5,
    tiedEmbeddings: true,
    maxPositions: 4096,
  };
}
