/** Pools of real engines over small random models: loading, eviction, waiting, draining, refusal, books. */
import { afterEach, describe, expect, test } from "vitest";
import { TINY, until } from "../../test/support/engine.ts";
import { collect } from "./collect.ts";
import { estimateMemory, tokenCost } from "./memory-estimate.ts";
import { ModelPool, type ModelPoolOptions, type PooledModel } from "./model-pool.ts";
import type { GenerateRequest, RequestSummary } from "./types.ts";

const pools: ModelPool[] = [];
afterEach(async () => {
  for (const pool of pools.splice(0)) {
    pool.checkIntegrity();
    await pool.stop({ graceMs: 0 });
  }
});

function tiny(name: string, extra: Partial<PooledModel> = {}): PooledModel {
  return { model: { random: TINY, seed: 7 }, name, budgetTokens: 64, kvPages: 64, ...extra };
}

const BYTES = estimateMemory(tiny("a"), TINY).totalBytes;

/** A pool with room for so many of its models. */
async function poolOf(names: readonly string[], room: number, options: ModelPoolOptions = {}): Promise<ModelPool> {
  const pool = await ModelPool.create(
    names.map((name) => tiny(name)),
    { memoryBudgetBytes: Math.floor(BYTES * (room + 0.5)), ...options },
  );
  pools.push(pool);
  return pool;
}

const states = (pool: ModelPool): string =>
  pool
    .status()
    .map(({ state }) => state)
    .join(" ");
const short: GenerateRequest = { promptTokens: [1, 2, 3], maxTokens: 4, ignoreEos: true, sampling: { temperature: 0 } };
const long: GenerateRequest = { ...short, maxTokens: 400 };

describe("loading", () => {
  test("a model is loaded by its first request, and asked at once by the next", async () => {
    const pool = await poolOf(["a", "b"], 2);
    expect(states(pool)).toBe("unloaded unloaded");
    const engine = pool.engine("a");
    expect([engine.state, engine.info.contextTokens, engine.tokenizer.vocabSize]).toEqual(["ready", 512, 320]);
    const first = await collect(engine.submit(short));
    expect(states(pool)).toBe("loaded unloaded");
    const second = await collect(engine.submit(short));
    expect(second.tokens).toEqual(first.tokens);
    expect(pool.status()[0]!.loads).toBe(1);
    expect(() => pool.engine("c")).toThrow(expect.objectContaining({ code: "model_not_found" }));
  });

  test("the wait counts from the request's arrival", async () => {
    const pool = await poolOf(["a"], 1);
    let summary: RequestSummary | null = null;
    await collect(pool.engine("a").submit(short, { onEnd: (end) => (summary = end) }));
    const { arrivalMs, scheduledMs, end } = summary! as RequestSummary;
    expect(end).toBe("length");
    expect(scheduledMs! - arrivalMs).toBeGreaterThan(10); // a thread has started meanwhile
  });

  test("a request that cannot be served is told so by its stream, and its end is reported once", async () => {
    const pool = await poolOf(["a"], 1);
    const ends: RequestSummary[] = [];
    const stream = pool.engine("a").submit({ ...short, promptTokens: [9999] }, { onEnd: (end) => ends.push(end) });
    await expect(stream.next()).rejects.toMatchObject({ code: "invalid_request" });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(ends.map(({ end }) => end)).toEqual(["error"]);
  });

  test("waiting is bounded in number and in time, and can be given up", async () => {
    const pool = await poolOf(["a"], 1, { maxWaiting: 2, loadWaitMs: 1 });
    const engine = pool.engine("a");
    const controller = new AbortController();
    const ends: string[] = [];
    const waiting = [
      engine.submit(short),
      engine.submit(short, { signal: controller.signal, onEnd: (e) => ends.push(e.end) }),
    ];
    expect(() => engine.submit(short)).toThrow(expect.objectContaining({ code: "queue_full" }));
    controller.abort();
    await expect(waiting[1]!.next()).rejects.toMatchObject({ code: "cancelled" });
    await expect(waiting[0]!.next()).rejects.toMatchObject({ code: "engine_failed", retryable: true });
    expect(ends).toEqual(["abort"]);
    await pool.load("a"); // it was going on all the while
    expect((await collect(engine.submit(short))).tokens).toHaveLength(4);
  });

  test("leaving a stream that waits is no error", async () => {
    const pool = await poolOf(["a"], 1);
    const stream = pool.engine("a").submit(short);
    expect(await stream.return()).toEqual({ done: true, value: undefined });
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    await until(() => pool.status()[0]!.waiting === 0);
  });

  test("a load that fails fails its requests, and the next request tries again", async () => {
    const pool = await ModelPool.create([tiny("a", { policy: "fifo", weightCacheDir: "/dev/null/no" })]);
    pools.push(pool);
    for (let i = 0; i < 2; i++) await expect(collect(pool.engine("a").submit(short))).rejects.toThrow();
    expect(states(pool)).toBe("unloaded");
    expect(pool.usedBytes).toBe(0);
  });
});

describe("the budget", () => {
  test("the model that was asked longest ago makes room", async () => {
    const pool = await poolOf(["a", "b", "c"], 2);
    for (const name of ["a", "b", "a", "c"]) await collect(pool.engine(name).submit(short));
    expect(states(pool)).toBe("loaded unloaded loaded");
    expect(pool.usedBytes).toBe(2 * BYTES);
    await collect(pool.engine("b").submit(short));
    expect(states(pool)).toBe("unloaded loaded loaded");
  });

  test("a model that can never fit is refused when the pool is made", async () => {
    await expect(poolOf(["a"], 0)).rejects.toMatchObject({ code: "invalid_request", param: "memoryBudgetBytes" });
    await expect(ModelPool.create([tiny("a"), tiny("a")])).rejects.toThrow(/Two models are named 'a'/);
  });

  test("a busy model is never ended: others wait until it is idle", async () => {
    const pool = await poolOf(["a", "b"], 1);
    await pool.load("a");
    const order: string[] = [];
    const busy = collect(pool.engine("a").submit(long)).then((done) => order.push(`a ${done.tokens.length}`));
    const other = collect(pool.engine("b").submit(short)).then((done) => order.push(`b ${done.tokens.length}`));
    await Promise.all([busy, other]);
    expect(order).toEqual(["a 400", "b 4"]);
    expect(states(pool)).toBe("unloaded loaded");
  });

  test(
    "a model that never pauses drains after a while, and its requests wait their turn",
    { timeout: 180_000 },
    async () => {
      const pool = await poolOf(["a", "b"], 1, { patienceMs: 30 });
      await pool.load("a");
      let over = false;
      let served = 0;
      const traffic = [0, 1].map(async () => {
        while (!over) {
          await collect(pool.engine("a").submit({ ...short, maxTokens: 100 }));
          served += 1;
        }
      });
      await until(() => served > 2, 60_000);
      expect((await collect(pool.engine("b").submit(short))).tokens).toHaveLength(4);
      const before = served;
      await until(() => served > before, 60_000); // a is back
      over = true;
      await Promise.all(traffic);
    },
  );

  test("when nothing becomes idle in time, the load is refused and the busy one goes on", async () => {
    const pool = await poolOf(["a", "b"], 1, { patienceMs: 0, roomWaitMs: 30 });
    await pool.load("a");
    const stream = pool.engine("a").submit({ ...long, maxTokens: 500 });
    await stream.next(); // now it waits for its reader, so it stays busy
    await expect(collect(pool.engine("b").submit(short))).rejects.toThrow(/no room: 'a' were busy/);
    expect(states(pool)).toBe("loaded unloaded");
    await stream.return();
    await until(() => {
      const { running, waiting, paused } = pool.engine("a").stats();
      return running + waiting + paused === 0;
    });
    expect((await collect(pool.engine("b").submit(short))).tokens).toHaveLength(4);
  });
});

describe("the end", () => {
  test("unload lets open requests finish; counters go on over lives", async () => {
    const pool = await poolOf(["a"], 1);
    const engine = pool.engine("a");
    await pool.load("a");
    const open = collect(engine.submit(long));
    await pool.unload("a", { graceMs: 600_000 });
    expect((await open).tokens).toHaveLength(400);
    expect(engine.stats()).toMatchObject({ state: "ready", running: 0, counters: { generationTokens: 400 } });
    await collect(engine.submit(short));
    const { counters, histograms } = engine.stats();
    expect(counters).toMatchObject({ generationTokens: 404, requests: { length: 2 } });
    expect(histograms.request_generation_tokens.count).toBe(2);
    expect(histograms.request_generation_tokens.cumulative.at(-1)).toBe(2);
  });

  test("a stopped pool and a stopped model refuse, whatever waits", async () => {
    const pool = await poolOf(["a", "b"], 2);
    await pool.engine("b").stop();
    expect(pool.engine("b").state).toBe("stopped");
    expect(() => pool.engine("b").submit(short)).toThrow(expect.objectContaining({ code: "shutting_down" }));
    const waiting = pool.engine("a").submit(short);
    const stopping = pool.stop({ graceMs: 0 });
    await expect(collect(waiting)).rejects.toMatchObject({ code: "shutting_down" });
    await stopping;
    expect(states(pool)).toBe("unloaded unloaded");
    expect(() => pool.engine("a").submit(short)).toThrow(expect.objectContaining({ code: "shutting_down" }));
  });
});

describe("estimates", () => {
  test("follow format, context and cache", () => {
    const wide = { ...TINY, hidden: 512, ffn: 2048, layers: 8, maxPositions: 4096 };
    const of = (extra: Partial<PooledModel>) => estimateMemory(tiny("a", { kvPages: undefined, ...extra }), wide);
    expect(of({ weights: "int4" }).weightBytes).toBeLessThan(of({ weights: "int8" }).weightBytes);
    expect(of({ weights: "int8" }).weightBytes).toBeLessThan(of({ weights: "f32" }).weightBytes / 2);
    expect(of({ contextTokens: 512 }).kvBytes).toBe(of({}).kvBytes / 8);
    expect(of({ kvFormat: "int8" }).kvBytes).toBeLessThan(of({}).kvBytes / 2);
    expect(of({ kvBytes: 2 ** 20 }).kvBytes).toBeLessThanOrEqual(2 ** 20);
    // 8 layers, keys and values, 2 heads of 8 floats.
    expect(tokenCost(wide, "f32").kvBytes).toBe(8 * 2 * 2 * 8 * 4);
  });
});
