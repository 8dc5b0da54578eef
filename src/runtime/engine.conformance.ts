/** What every engine can do, however its phases are arranged: one suite for all. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ENDLESS, ENDLESS_TOKENS, TINY } from "../../test/support/tiny.ts";
import { createRandom, PunctualError } from "../core/index.ts";
import type { TensorData } from "../graph/index.ts";
import {
  parameterSpecs,
  randomWeights,
  toHuggingFaceConfig,
  type Tokenizer,
  writeTokenizer,
  type DecoderConfig,
} from "../llm/index.ts";
import { encodeSafetensors } from "../nn/index.ts";
import { fifo, replayDecision } from "../sched/index.ts";
import { liveClock, sleep } from "./clock.ts";
import { collect } from "./collect.ts";
import { Engine } from "./engine.ts";
import { loadFacts } from "./load-model.ts";
import type { EngineOptions, EngineStats, GenerateRequest } from "./types.ts";

const config: DecoderConfig = { ...TINY, maxPositions: 1024 };

/** An engine of a small random model whose every step is checked. */
export function startChecked(over: Partial<EngineOptions> = {}): Promise<Engine> {
  return Engine.start({
    model: { random: config, seed: 3 },
    kvPages: 96,
    budgetTokens: 32,
    maxRunning: 8,
    exact: true,
    checkEachStep: true,
    ...over,
  });
}

/** A request that a seed decides; it stops at no end token. */
export function request(seed: number, over: Partial<GenerateRequest> = {}): GenerateRequest {
  const random = createRandom(seed, "prompt");
  const promptTokens = Array.from({ length: 20 + (seed % 7) }, () => random.int(30, 300));
  return { promptTokens, maxTokens: 24, ignoreEos: true, sampling: { seed }, ...over };
}

/** Waits for the stats to say so; they follow the worker by a message. */
export async function until(engine: Engine, condition: (stats: EngineStats) => boolean): Promise<EngineStats> {
  for (let i = 0; i < 2000; i++) {
    const stats = engine.stats();
    if (condition(stats)) return stats;
    await sleep(5);
  }
  throw new Error(`never: ${String(condition)}; ${JSON.stringify({ ...engine.stats(), histograms: null })}`);
}

/** The code of the error that a stream or a call ends with; null when it ends well. */
export async function codeOf(work: () => unknown): Promise<string | null> {
  try {
    await work();
    return null;
  } catch (error) {
    if (error instanceof PunctualError) return error.code;
    throw error;
  }
}

/** A request that is to be ended by something else. */
export const endless = (seed: number): GenerateRequest => request(seed, { maxTokens: 900 });

/** Everything that does not depend on where prompts and decodes are computed, for engines with these options. */
export function engineSuite(options: Partial<EngineOptions>): void {
  const start = (over: Partial<EngineOptions> = {}): Promise<Engine> => startChecked({ ...options, ...over });

  describe("one engine", () => {
    let engine: Engine;
    beforeAll(async () => {
      engine = await start({ recordDecisions: 200 });
    });
    afterAll(() => engine.stop({ graceMs: 0 }));

    test("many at once say what each says alone, with the same seed", async () => {
      const requests = Array.from({ length: 24 }, (_, i) => request(i, { maxTokens: 12 + (i % 9) }));
      const alone = [];
      for (const one of requests) alone.push(await collect(engine.submit(one)));
      const together = await Promise.all(requests.map((one) => collect(engine.submit(one))));
      expect(together.map((c) => c.tokens)).toEqual(alone.map((c) => c.tokens));
      expect(together.map((c) => c.text)).toEqual(alone.map((c) => c.text));
      // The second time the full page of each prompt is in the cache.
      expect(alone.map((c) => c.finish.usage.cachedTokens)).toEqual(requests.map(() => 0));
      expect(together.map((c) => c.finish.usage.cachedTokens)).toEqual(requests.map(() => 16));
      const stats = await until(engine, (s) => s.running === 0 && s.kv.pagesUsed === 0);
      expect(stats.counters.requests.length).toBe(48);
      expect(stats.histograms.e2e_request_latency_seconds.count).toBe(48);
      expect(stats.histograms.inter_token_latency_seconds.count).toBe(stats.counters.generationTokens - 48);
      const entries = await engine.decisions();
      expect(entries.length).toBeGreaterThan(50);
      for (const entry of entries) expect(replayDecision(fifo(), entry)).toEqual(entry.plan);
    });

    test("the first token's time counts from the arrival that the server saw", async () => {
      const arrivalMs = liveClock.nowMs() - 500;
      const slo = { class: "latency" as const, ttftMs: 400, onMiss: "finish" as const };
      const { finish } = await collect(engine.submit(request(1, { arrivalMs, slo })));
      const { ttft_ms: ttft, attained } = finish.usage.slo;
      expect(ttft).toBeGreaterThan(500);
      expect(ttft).toBeLessThan(liveClock.nowMs() - arrivalMs);
      expect(attained).toBe(false);
    });

    test("an arrival a little ahead of the clock, as of a caller with a timetable, does no harm; what is no time is refused", async () => {
      const slo = { class: "latency" as const, ttftMs: 4_000_000, tpotMs: 4_000_000, onMiss: "finish" as const };
      const ahead = request(2, { arrivalMs: liveClock.nowMs() + 60_000, slo });
      expect((await collect(engine.submit(ahead))).finish.usage.slo.attained).toBe(true);
      expect(() => engine.submit(request(3, { arrivalMs: Number.NaN }))).toThrow("arrivalMs");
    });

    test("cancelling frees the pages, by signal, by leaving the loop, by cancel()", async () => {
      const before = engine.stats().counters.requests.abort;
      const controller = new AbortController();
      const bySignal = engine.submit(endless(1), { signal: controller.signal });
      const byLeaving = engine.submit(endless(2));
      const byCancel = engine.submit(endless(3));
      for (const stream of [bySignal, byLeaving, byCancel]) await stream.next();
      expect(engine.stats().running).toBe(3);
      controller.abort();
      await byLeaving.return();
      byCancel.cancel();
      expect(await codeOf(() => collect(bySignal))).toBe("cancelled");
      expect(await codeOf(() => byCancel.next())).toBe("cancelled");
      const stats = await until(engine, (s) => s.counters.requests.abort === before + 3);
      expect(stats).toMatchObject({ running: 0, waiting: 0, kv: { pagesUsed: 0 } });
      expect(await codeOf(() => collect(engine.submit(endless(4), { signal: AbortSignal.abort() })))).toBe("cancelled");
    });

    test("deadlines hold in the worker: cut short in time, expired in the queue", async () => {
      const deadline = (deadlineMs: number, onMiss: "cut" | "finish") =>
        ({ class: "deadline", deadlineMs, onMiss }) as const;
      // This machine's pace sets the deadline: time for a few hundred tokens, far from none and far from all.
      await using long = await start(ENDLESS);
      const { slo: pace } = (await collect(long.submit(request(5, { maxTokens: 100 })))).finish.usage;
      const slo = deadline(3 * pace.e2e_ms, "cut");
      const cut = await collect(long.submit(request(5, { maxTokens: ENDLESS_TOKENS, slo })));
      expect(cut.finish).toMatchObject({ reason: "length", cause: "deadline", usage: { slo: { attained: false } } });
      expect(cut.finish.usage.completionTokens).toBeLessThan(ENDLESS_TOKENS);
      const late = { ...endless(6), arrivalMs: liveClock.nowMs() - 50, slo: deadline(30, "finish") };
      expect(await codeOf(() => collect(engine.submit(late)))).toBe("deadline_expired");
      const reject = { class: "latency", ttftMs: 20, onMiss: "reject" } as const;
      const hopeless = { ...endless(7), arrivalMs: liveClock.nowMs() - 50, slo: reject };
      expect(await codeOf(() => collect(engine.submit(hopeless)))).toBe("deadline_unattainable");
    });

    test("what cannot be served is refused at once, by name", async () => {
      const refused = (over: Partial<GenerateRequest>) => codeOf(() => engine.submit(request(1, over)));
      expect(await refused({ promptTokens: [] })).toBe("invalid_request");
      expect(await refused({ promptTokens: [320] })).toBe("invalid_request");
      expect(await refused({ maxTokens: 0 })).toBe("invalid_request");
      expect(await refused({ thinkingBudget: -1 })).toBe("invalid_request");
      expect(await refused({ sampling: { temperature: -1 } })).toBe("invalid_request");
      expect(await refused({ promptTokens: Array.from({ length: 1024 }, () => 40) })).toBe("context_length_exceeded");
      expect(await refused({ slo: { class: "deadline", onMiss: "cut" } })).toBe("invalid_request");
    });
  });

  test("a full queue refuses with a time to come back, and recovers", async () => {
    await using engine = await start({ maxRunning: 1, maxWaiting: 2 });
    const open = [engine.submit(endless(0))];
    await open[0]!.next(); // it runs; two may wait
    open.push(engine.submit(endless(1)), engine.submit(endless(2)));
    expect(engine.stats().waiting).toBe(2);
    try {
      engine.submit(request(3));
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ code: "queue_full", status: 429 });
      expect((error as PunctualError).retryAfterMs).toBeGreaterThanOrEqual(50);
    }
    expect(engine.stats().counters.requests.rejected).toBe(1);
    for (const stream of open) await stream.return();
    expect((await collect(engine.submit(request(3)))).tokens).toHaveLength(24);
  });

  test("a slow reader is set aside, hurts nobody, and misses nothing", async () => {
    await using engine = await start({ streamBuffer: 16 });
    const expected = await collect(engine.submit(request(1, { maxTokens: 200 })));
    const slow = engine.submit(request(1, { maxTokens: 200 }));
    const paused = await until(engine, (s) => s.paused === 1);
    expect(paused.kv.pagesUsed).toBe(0);
    // Others run meanwhile.
    expect((await collect(engine.submit(request(2)))).tokens).toHaveLength(24);
    expect(engine.stats().paused).toBe(1);
    const late = await collect(slow);
    expect(late.tokens).toEqual(expected.tokens);
  });

  test("a reader that stays away is dropped", async () => {
    await using engine = await start({ streamBuffer: 8, stallMs: 20 });
    const stream = engine.submit(endless(1));
    await until(engine, (s) => s.counters.requests.abort === 1);
    expect(await codeOf(() => collect(stream))).toBe("request_timeout");
    expect(engine.stats().kv.pagesUsed).toBe(0);
  });

  test("when the worker dies every stream ends with one typed error, and the engine comes back", async () => {
    await using engine = await start();
    const expected = await collect(engine.submit(request(1)));
    for (const [round, how] of (["throw", "exit"] as const).entries()) {
      const streams = [engine.submit(endless(1)), engine.submit(endless(2))];
      await streams[0]!.next();
      engine.crashWorker(how);
      for (const stream of streams) expect(await codeOf(() => collect(stream))).toBe("engine_failed");
      expect((await streams[0]!.next()).done).toBe(true);
      expect(engine.state).toBe("restarting");
      expect(await codeOf(() => engine.submit(request(1)))).toBe("engine_failed");
      const stats = await until(engine, (s) => s.state === "ready");
      expect(stats.counters.restarts).toBe(round + 1);
      expect(stats.counters.requests.error).toBe(2 * (round + 1));
      expect(stats.lastError).toMatch(how === "throw" ? /crashed on request/ : /status 70/);
      expect((await collect(engine.submit(request(1)))).tokens).toEqual(expected.tokens);
    }
  });

  test("stopping lets work finish, refuses more, ends what is too long, and leaves nothing behind", async () => {
    const engine = await start();
    const short = collect(engine.submit(request(1)));
    const stopping = engine.stop({ graceMs: 5000 });
    expect(engine.state).toBe("stopping");
    expect(await codeOf(() => engine.submit(request(2)))).toBe("shutting_down");
    expect((await short).tokens).toHaveLength(24);
    await stopping;
    expect(engine.state).toBe("stopped");
    expect(await codeOf(() => engine.submit(request(2)))).toBe("shutting_down");

    const other = await start();
    const long = other.submit(endless(1));
    await long.next();
    await other.stop({ graceMs: 0 });
    expect(await codeOf(() => collect(long))).toBe("shutting_down");
    await other.stop();

    const dying = await start();
    dying.crashWorker("exit");
    await until(dying, (s) => s.state === "restarting");
    await dying.stop({ graceMs: 0 });
    expect(dying.state).toBe("stopped");
    expect(process.getActiveResourcesInfo().filter((name) => name === "MessagePort")).toEqual([]);
  });

  test("a model folder serves what its files say", async () => {
    const dir = await mkdtemp(join(tmpdir(), "punctual-model-"));
    try {
      const { tokenizer } = await loadFacts({ random: config, seed: 3 });
      const weights = randomWeights(config, 3);
      const tensors = parameterSpecs(config).map(({ name, dims }): [string, TensorData] => [
        name,
        { dtype: "float32", dims, data: weights.get(name, dims) },
      ]);
      await writeFile(join(dir, "config.json"), JSON.stringify(toHuggingFaceConfig(config)));
      await writeFile(join(dir, "tokenizer.json"), writeTokenizer(tokenizer as Tokenizer));
      await writeFile(join(dir, "model.safetensors"), encodeSafetensors(new Map(tensors)));
      await using fromFolder = await start({ model: { dir } });
      await using random = await start();
      const own = await collect(fromFolder.submit(request(1)));
      expect(own).toMatchObject({ tokens: (await collect(random.submit(request(1)))).tokens });
      expect(fromFolder.endTokens).toEqual(random.endTokens);
      await rm(join(dir, "model.safetensors"));
      expect(await codeOf(() => start({ model: { dir } }))).toBe("model_not_found");
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
}
