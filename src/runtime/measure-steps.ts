/**
 * Measures what steps of a live engine cost, all of it: planning, computing, sampling, and what passes between two steps.
 * The engine is a real one in its worker; experiments are requests made for it, and what they came to is read off its own
 * decision log. The caller gets the log in pieces and makes points of it.
 */
import { createRandom, PunctualError, type RandomStream } from "../core/index.ts";
import type { DecisionLogEntry } from "../sched/index.ts";
import { after, liveClock } from "./clock.ts";
import { Engine } from "./engine-port.ts";
import { kvBytesPerToken } from "./plan.ts";
import {
  CHUNK_REPEATS,
  computedTokens,
  DECODE_STEPS,
  stepGrid,
  wholePrompts,
  type ChunkExperiment,
  type DecodeExperiment,
  type GridExperiment,
  type GridLimits,
} from "./step-grid.ts";
import type { EngineInfo, EngineOptions, GenerateRequest, TokenStream } from "./types.ts";

/** The longest prompt that is measured in one step. */
const LARGEST_WHOLE_TOKENS = 4096;
/** Decisions that an engine keeps: more than an experiment makes. */
const KEPT_DECISIONS = 8192;
/** Of the time, what the steps of whole prompts may take. */
const WHOLE_SHARE = 0.2;

/** What to measure and for how long. */
export interface MeasureStepsOptions {
  /** As it would be served; policy, budget and decision log are the measurement's own. */
  readonly engine: EngineOptions;
  /** Measures for that long, milliseconds, give or take one experiment; loading the model comes on top, twice. */
  readonly limitMs: number;
  /** Times through the grid at most; as many as there is time for when absent. */
  readonly passes?: number;
  /** Gets the decision log in order, in pieces; pieces of different engines start at step 0. */
  readonly onEntries: (entries: readonly DecisionLogEntry[]) => void;
  /** @param elapsedMs of measuring. */
  readonly onProgress?: (elapsedMs: number, what: string) => void;
}

/** The engine that was measured. */
export interface MeasuredSteps {
  readonly info: EngineInfo;
  readonly kvBytesPerToken: number;
  readonly maxRunning: number;
  /** Most tokens in one step, as calibrated or given. */
  readonly budgetTokens: number;
  /** Experiments that were carried out, repetitions included. */
  readonly experiments: number;
}

/** @throws PunctualError as `Engine.start`. */
export async function measureSteps(options: MeasureStepsOptions): Promise<MeasuredSteps> {
  const { engine: given, limitMs } = options;
  options.onProgress?.(0, "loading");
  const common = { ...given, recordDecisions: KEPT_DECISIONS, prefixCache: true };
  await using chunked = await Engine.start({ ...common, policy: "fifo" });
  const { info } = chunked;
  const { maxRunning, budgetTokens } = chunked.stats().limits;
  const limits = gridLimits(info, maxRunning, budgetTokens);
  const whole = wholePrompts(limits, LARGEST_WHOLE_TOKENS);
  const wholeMs = whole.length === 0 ? 0 : limitMs * WHOLE_SHARE;
  const chunkedMs = limitMs - wholeMs;
  let experiments = await measureOn(chunked, { options, grid: stepGrid(limits), beforeMs: 0, limitMs: chunkedMs });
  await chunked.stop({ graceMs: 0 });
  if (whole.length > 0) {
    await using unchunked = await Engine.start({ ...common, policy: "prefill-first", budgetTokens });
    experiments += await measureOn(unchunked, { options, grid: whole, beforeMs: chunkedMs, limitMs: wholeMs });
  }
  const perToken = kvBytesPerToken(chunked.config, given.kvFormat ?? "f32");
  return { info, kvBytesPerToken: perToken, maxRunning, budgetTokens, experiments };
}

function gridLimits(info: EngineInfo, maxRunning: number, budgetTokens: number): GridLimits {
  const { contextTokens, kvPages, pageTokens } = info;
  return { maxRunning, budgetTokens, contextTokens, kvTokens: kvPages * pageTokens };
}

interface Work {
  readonly options: MeasureStepsOptions;
  readonly grid: readonly GridExperiment[];
  /** Time measured before. */
  readonly beforeMs: number;
  readonly limitMs: number;
}

/** Passes through the grid until the time is up. Answers how many experiments there were. */
async function measureOn(engine: Engine, { options, grid, beforeMs, limitMs }: Work): Promise<number> {
  const startMs = liveClock.nowMs();
  const untilMs = startMs + limitMs;
  const { passes = Infinity, onEntries, onProgress } = options;
  if (grid.length === 0) return 0;
  const limit = new AbortController();
  const disarm = after(limitMs, () => limit.abort());
  const random = createRandom(0, `steps/${engine.info.policy}`);
  // The first steps pay for allocations: nothing of them is told.
  await carryOut(engine, grid[0]!, random, limit.signal);
  let seen = (await engine.decisions()).at(-1)?.step ?? -1;
  let done = 0;
  try {
    for (let pass = 0; pass < passes && !limit.signal.aborted; pass++) {
      for (const experiment of grid) {
        const nowMs = liveClock.nowMs();
        if (limit.signal.aborted || nowMs + guessMs(engine, experiment) > untilMs) continue;
        onProgress?.(beforeMs + nowMs - startMs, describe(experiment));
        await carryOut(engine, experiment, random, limit.signal);
        const entries = (await engine.decisions()).filter(({ step }) => step > seen);
        seen = entries.at(-1)?.step ?? seen;
        onEntries(entries);
        done += 1;
      }
      // What is left is too long for the time that is left.
      if (grid.every((experiment) => liveClock.nowMs() + guessMs(engine, experiment) > untilMs)) break;
    }
  } finally {
    disarm();
  }
  return done;
}

/** By the pace at which the engine has computed tokens so far. */
function guessMs(engine: Engine, experiment: GridExperiment): number {
  const { iteration_seconds: time, iteration_tokens_total: tokens } = engine.stats().histograms;
  return tokens.sum === 0 ? 0 : (computedTokens(experiment) * time.sum * 1000) / tokens.sum;
}

function describe(experiment: GridExperiment): string {
  const { contextTokens } = experiment;
  const what =
    experiment.kind === "chunk" ? `a chunk of ${experiment.chunkTokens} tokens` : `${experiment.decodes} decodes`;
  return `${what} at context ${contextTokens}`;
}

/** Requests that come to the experiment; when the time is up they are simply cancelled. */
async function carryOut(
  engine: Engine,
  experiment: GridExperiment,
  random: RandomStream,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (experiment.kind === "chunk") await measureChunk(engine, experiment, random, signal);
    else await measureDecodes(engine, experiment, random, signal);
  } catch (error) {
    if (error instanceof PunctualError && error.code === "cancelled") return;
    throw error;
  }
}

async function measureChunk(
  engine: Engine,
  { chunkTokens, contextTokens }: ChunkExperiment,
  random: RandomStream,
  signal: AbortSignal,
): Promise<void> {
  const context = draw(engine, contextTokens, random);
  // Full pages of it stay in the prefix cache.
  if (contextTokens > 0) await consume(engine.submit(once(context), { signal }));
  for (let i = 0; i < CHUNK_REPEATS; i++) {
    await consume(engine.submit(once([...context, ...draw(engine, chunkTokens, random)]), { signal }));
  }
}

async function measureDecodes(
  engine: Engine,
  { decodes, contextTokens, chunks }: DecodeExperiment,
  random: RandomStream,
  signal: AbortSignal,
): Promise<void> {
  const together = new AbortController();
  const onAbort = (): void => together.abort();
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  try {
    const maxTokens = engine.info.contextTokens - contextTokens;
    const streams = Array.from({ length: decodes }, () => {
      const request = { ...once(draw(engine, contextTokens, random)), maxTokens };
      return engine.submit(request, { signal: together.signal });
    });
    const readers = streams.map((stream) => new Reader(stream));
    // All decode together from the moment the last has its first token.
    await Promise.all(readers.map((reader) => reader.reached(1)));
    const last = Math.max(...readers.map(({ tokens }) => tokens));
    await Promise.all(readers.map((reader) => reader.reached(Math.min(maxTokens, last + DECODE_STEPS))));
    for (const size of chunks) await consume(engine.submit(once(draw(engine, size, random)), { signal }));
    together.abort();
    await Promise.all(readers.map((reader) => reader.ended));
  } finally {
    together.abort();
    signal.removeEventListener("abort", onAbort);
  }
}

/** Reads a stream as fast as it comes, and says when so many tokens have come. */
class Reader {
  tokens = 0;
  readonly ended: Promise<void>;
  #waiters: { readonly at: number; readonly resolve: () => void }[] = [];
  #over = false;

  constructor(stream: TokenStream) {
    this.ended = this.#read(stream);
  }

  /** Also when the stream has ended before. */
  reached(tokens: number): Promise<void> {
    if (this.#over || this.tokens >= tokens) return Promise.resolve();
    return new Promise((resolve) => this.#waiters.push({ at: tokens, resolve }));
  }

  async #read(stream: TokenStream): Promise<void> {
    try {
      for await (const event of stream) {
        if (event.kind !== "token") continue;
        this.tokens += 1;
        this.#wake();
      }
    } catch (error) {
      if (!(error instanceof PunctualError && error.code === "cancelled")) throw error;
    } finally {
      this.#over = true;
      this.#wake();
    }
  }

  #wake(): void {
    const ready = this.#waiters.filter(({ at }) => this.#over || this.tokens >= at);
    this.#waiters = this.#waiters.filter((waiter) => !ready.includes(waiter));
    for (const { resolve } of ready) resolve();
  }
}

async function consume(stream: TokenStream): Promise<void> {
  for await (const _ of stream) continue;
}

function once(promptTokens: readonly number[]): GenerateRequest {
  return { promptTokens, maxTokens: 1, ignoreEos: true, sampling: { temperature: 0 } };
}

function draw(engine: Engine, tokens: number, random: RandomStream): number[] {
  return Array.from({ length: tokens }, () => random.int(0, engine.info.vocabSize - 1));
}
