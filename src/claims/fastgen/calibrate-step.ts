/**
 * Claim `26`: the full step of an engine under the claim's load, measured once in each set-up. The knee that an engine
 * finds at start is that of a lone chunk; beside sixteen decodes, each of which has costs of its own (attention, sampling),
 * a step pays off at more tokens. So decodes run here as they will, prompts of growing size come beside them, and what
 * their steps took is read off the decision log.
 */
import { createRandom, median, PunctualError } from "../../core/index.ts";
import { Engine, type EngineOptions, type TokenStream } from "../../runtime/index.ts";
import { costFromPoints, kneeTokens } from "../../sched/index.ts";
import { stepPoints } from "../../sim/index.ts";
import { CLIENTS, drawRequest, type FullStep } from "./setup.ts";

/** Beside the decodes, tokens. */
const CHUNKS = [16, 32, 48, 80, 112] as const;
const REPEATS = 3;
const CONTEXT_TOKENS = 64;
/** More than the experiments need. */
const DECODE_TOKENS = 400;
const PAGE_TOKENS = 16;

/** Starts an engine for it and stops it again. A full step has at most so many tokens. */
export async function calibrateStep(common: EngineOptions, mostTokens: number, seed: number): Promise<FullStep> {
  const chunks = CHUNKS.filter((size) => CLIENTS + size <= mostTokens);
  const largest = CLIENTS + Math.max(...chunks);
  const contextTokens = CONTEXT_TOKENS + DECODE_TOKENS + PAGE_TOKENS;
  await using engine = await Engine.start({
    ...common,
    maxRunning: CLIENTS + 1,
    contextTokens,
    kvPages: (CLIENTS + 1) * Math.ceil(contextTokens / PAGE_TOKENS),
    budgetTokens: largest,
    policy: "fifo",
  });
  await runBeside(engine, chunks, seed);
  const durations = new Map<number, number[]>();
  for (const { tokens, decodes, rows, stepMs } of stepPoints(await engine.decisions())) {
    if (decodes !== CLIENTS || rows > CLIENTS + 1) continue;
    durations.set(tokens, [...(durations.get(tokens) ?? []), stepMs]);
  }
  const points = Array.from(durations, ([tokens, all]) => [tokens, median(all)] as const);
  const cost = costFromPoints(rising(points.toSorted(([a], [b]) => a - b)));
  const tokens = Math.max(2 * CLIENTS, kneeTokens(cost, largest) ?? 0);
  return { tokens, stepMs: cost.stepMs(tokens) };
}

/** All decodes at once, and prompts one after the other beside them. */
async function runBeside(engine: Engine, chunks: readonly number[], seed: number): Promise<void> {
  const random = createRandom(seed, "full step");
  const { vocabSize } = engine.config;
  const over = new AbortController();
  const ask = (prompt: number, answer: number, signal?: AbortSignal): TokenStream =>
    engine.submit(drawRequest({ prompt, answer }, vocabSize, random), signal === undefined ? {} : { signal });
  const started: Promise<void>[] = [];
  const decodes = Array.from({ length: CLIENTS }, async () => {
    const stream = ask(CONTEXT_TOKENS, DECODE_TOKENS, over.signal);
    let begin: () => void = () => undefined;
    started.push(new Promise((resolve) => (begin = resolve)));
    try {
      for await (const _event of stream) begin();
    } catch (error) {
      if (!(error instanceof PunctualError && error.code === "cancelled")) throw error;
    } finally {
      begin();
    }
  });
  await Promise.all(started);
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    for (const size of chunks) for await (const _event of ask(size, 1)) continue;
  }
  over.abort();
  await Promise.all(decodes);
}

/** A larger step is never quicker: noise only. */
function rising(points: readonly (readonly [number, number])[]): (readonly [number, number])[] {
  let least = 0;
  return points.map(([tokens, stepMs]) => [tokens, (least = Math.max(least, stepMs))] as const);
}
