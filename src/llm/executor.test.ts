import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createRandom } from "../core/index.ts";
import { createSession, type TensorData } from "../graph/index.ts";
import { parameterSpecs, type DecoderConfig } from "./config.ts";
import {
  alone,
  createExact,
  expectSame,
  kvPages,
  largestDifference,
  PAGE_TOKENS,
  PAGES,
  randomTokens,
  ROW,
  together,
} from "./executor.conformance.ts";
import type { StepExecutor } from "./executor.ts";
import { forwardGraph } from "./training-graph.ts";
import type { StepExecutorOptions, WeightsFormat } from "./types.ts";
import { randomWeights } from "./weights.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 101,
  hidden: 64,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  ffn: 96,
  ropeTheta: 10000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 128,
};
function create(options: Partial<StepExecutorOptions> = {}): Promise<StepExecutor> {
  return createExact(options.config ?? CONFIG, options);
}

const FORMATS: readonly (readonly [WeightsFormat, 32 | 128])[] = [
  ["f32", 32],
  ["int4", 32],
  ["int8", 32],
  ["int4", 128],
];

describe.each(FORMATS)("exactness with %s weights, block %i", (weightsFormat, blockSize) => {
  // Blocks of 128 need rows of 128 to show that an odd row out would get other bits.
  const config = blockSize === 128 ? { ...CONFIG, hidden: 128, ffn: 256, heads: 8 } : CONFIG;
  let executor: StepExecutor;
  beforeAll(async () => {
    executor = await create({ config, weightsFormat, blockSize });
  });
  afterAll(() => executor.dispose());

  it("any mix and any chunking gives the bits of the sequence alone", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer(),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
        async (seed, lengths) => {
          const random = createRandom(seed, "mix");
          const prompts = lengths.map((length) => randomTokens(random, length));
          for (const { tokens, logits } of await together(executor, kvPages(), prompts, random)) {
            expectSame(logits, await alone(executor, tokens));
          }
        },
      ),
      { seed: 20261120, numRuns: 12 },
    );
  });

  it("cached, shared and recomputed after eviction: the same bits", async () => {
    const random = createRandom(2, "cache");
    const pages = kvPages();
    const prefix = randomTokens(random, 33);
    const prompts = [0, 1, 2].map(() => [...prefix, ...randomTokens(random, 7)]);
    const [first] = await together(executor, pages, [prompts[0]!], random);
    const shared = await together(executor, pages, prompts.slice(1), random);
    for (const { tokens, logits, sequence } of shared) {
      expect(sequence.cachedTokens).toBe(32);
      expectSame(logits, (await alone(executor, tokens)).slice(32));
    }
    for (const { sequence } of [first!, ...shared]) sequence.release();
    const [cached] = await together(executor, pages, [prompts[0]!], random);
    expect(cached!.sequence.cachedTokens).toBe(32);
    expectSame(cached!.logits, first!.logits.slice(32));
    cached!.sequence.release();
    const [intruder] = await together(executor, pages, [randomTokens(random, 128)], random);
    intruder!.sequence.reserve(PAGES * PAGE_TOKENS); // evicts everything
    intruder!.sequence.release();
    const [again] = await together(executor, pages, [prompts[0]!], random);
    expect(again!.sequence.cachedTokens).toBe(0);
    expectSame(again!.logits, first!.logits);
  });

  it("one thread and two: the same bits", async () => {
    const tokens = randomTokens(createRandom(3, "threads"), 60);
    await using two = await create({ config, weightsFormat, blockSize, threads: 2 });
    expectSame(await alone(two, tokens), await alone(executor, tokens));
  });

  it("gives best tokens and a log-sum-exp that agree with the whole row", async () => {
    const sequence = kvPages().open();
    sequence.reserve(32);
    const tokens = randomTokens(createRandom(4, "scores"), 12);
    const at = { tokens, startPosition: 0, pages: sequence.pages.subarray(0, 2) };
    const other = { tokens, startPosition: 0, pages: sequence.pages.subarray(2) };
    const { scores } = await executor.step([
      { ...at, wantLogits: "last", scores: { row: false, inverseTemperature: 0.5 } },
      { ...other, wantLogits: "none" },
      { ...other, wantLogits: "all", scores: ROW },
    ]);
    expect(scores.map((list) => list.length)).toEqual([1, 0, 12]);
    const [top] = scores[0]!;
    const row = scores[2]![11]!.logits;
    expectSame([(await executor.wholeRow(0)).logits], [row]);
    expectSame([(await executor.wholeRow(2, 3)).logits], [scores[2]![3]!.logits]);
    if (top!.kind !== "top") throw new Error("expected best tokens");
    const order = Array.from(row, (_, id) => id).toSorted((a, b) => row[b]! - row[a]! || a - b);
    expect(Array.from(top!.ids)).toEqual(order.slice(0, 64));
    expect(Array.from(top!.logits)).toEqual(order.slice(0, 64).map((id) => row[id]!));
    expect(top!.logSumExp).toBeCloseTo(Math.log(row.reduce((sum, logit) => sum + Math.exp(logit / 2), 0)), 5);
  });
});

describe("StepExecutor", () => {
  it("gives the same bits from the mapped weight cache", async () => {
    const weightCacheDir = await mkdtemp(join(tmpdir(), "punctual-weights-"));
    try {
      const tokens = randomTokens(createRandom(10, "cache"), 20);
      await using plain = await create({ weightsFormat: "int4" });
      const expected = await alone(plain, tokens);
      for (const _ of ["written", "read"]) {
        await using mapped = await create({ weightsFormat: "int4", weightCacheDir });
        expectSame(await alone(mapped, tokens), expected);
      }
    } finally {
      await rm(weightCacheDir, { recursive: true });
    }
  });

  it("computes what the training graph computes", async () => {
    for (const config of [CONFIG, { ...CONFIG, window: 11, tiedEmbeddings: false }]) {
      const tokens = randomTokens(createRandom(5, "oracle"), 40);
      await using executor = await create({ config });
      const logits = await alone(executor, tokens);
      const weights = randomWeights(config, 1);
      const feeds: Record<string, TensorData> = {};
      const int64 = (values: readonly number[]): TensorData => ({
        dtype: "int64",
        dims: [1, values.length],
        data: BigInt64Array.from(values, BigInt),
      });
      feeds["ids"] = int64(tokens);
      feeds["positions"] = int64(tokens.map((_, i) => i));
      feeds["segments"] = int64(tokens.map(() => 1));
      for (const { name, dims } of parameterSpecs(config)) {
        feeds[name] = { dtype: "float32", dims, data: weights.get(name, dims) };
      }
      await using session = await createSession(forwardGraph(config, { batch: 1, length: tokens.length }));
      for (const wanted of [0, 1, 17, 39]) {
        feeds["wanted"] = { dtype: "int64", dims: [1], data: BigInt64Array.of(BigInt(wanted)) };
        const expected = (await session.run(feeds))["logits"]!.data as Float32Array;
        expect(largestDifference([logits[wanted]!], [expected])).toBeLessThan(1e-5);
      }
    }
  });

  it("attends long chunks through ORT within 1e-5 of the kernel, window or not", async () => {
    for (const config of [CONFIG, { ...CONFIG, window: 19 }]) {
      const tokens = randomTokens(createRandom(6, "ort"), 100);
      await using kernel = await create({ config });
      await using ort = await create({ config, attention: { ortRowThreshold: 4 } });
      const expected = await alone(kernel, tokens);
      expect(largestDifference(await alone(ort, tokens), expected)).toBeLessThan(1e-5);
      const random = createRandom(7, "chunks");
      const [chunked] = await together(ort, kvPages(), [tokens], random);
      expect(largestDifference(chunked!.logits, expected)).toBeLessThan(1e-5);
    }
  });

  it("keeps int8 pages close to f32 pages", async () => {
    const tokens = randomTokens(createRandom(8, "int8"), 100);
    await using exact = await create();
    await using int8 = await create({ kv: { format: "int8", pages: PAGES, pageTokens: PAGE_TOKENS } });
    expect(int8.kvBytes).toBeLessThan(exact.kvBytes * 0.35);
    const [a, b] = [await alone(exact, tokens), await alone(int8, tokens)];
    const difference = largestDifference(a, b);
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(0.1); // logits have unit scale here
    const [mixed] = await together(int8, kvPages(), [tokens], createRandom(9, "int8"));
    expectSame(mixed!.logits, b);
  });

  it("measures the threshold with the clock it is given", async () => {
    let nowMs = 0;
    await using executor = await create({ clock: { nowMs: () => (nowMs += 1) }, attention: {} });
    // Every reading is a millisecond apart: neither side is ever faster.
    expect(executor.ortRowThreshold).toBe(Infinity);
  });

  it("refuses what does not fit, before anything runs", async () => {
    await using executor = await create();
    const pages = Int32Array.of(0, 1);
    const good = { tokens: [1, 2], startPosition: 0, pages, wantLogits: "last" } as const;
    await expect(executor.step([{ ...good, tokens: [101] }])).rejects.toThrow("there is no token 101");
    await expect(executor.step([{ ...good, startPosition: 15 }])).rejects.toThrow("2 pages do not hold 17 tokens");
    await expect(executor.step([{ ...good, pages: Int32Array.of(40) }])).rejects.toThrow("there is no page 40");
    await expect(executor.step([{ ...good, startPosition: 127 }])).rejects.toThrow("beyond the model's 128");
    await expect(executor.step([{ ...good, tokens: Array.from({ length: 129 }, () => 1) }])).rejects.toThrow(
      "at most 128 tokens",
    );
    await expect(executor.wholeRow(0)).rejects.toThrow("no scores");
    expect(await executor.step([])).toEqual({ scores: [] });
    await executor.dispose();
    await expect(executor.step([good])).rejects.toThrow("disposed");
  });
});
