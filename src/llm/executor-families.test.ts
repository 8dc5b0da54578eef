/** Every family against its plain twin, and the executor's promises for each. */
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
  randomTokens,
  together,
} from "./executor.conformance.ts";
import type { StepExecutor } from "./executor.ts";
import { FAMILY_CONFIGS, livelyWeights, twinLogits } from "./families.conformance.ts";
import { fromHuggingFaceConfig } from "./families.ts";
import { forwardGraph } from "./training-graph.ts";
import type { WeightsFormat, WeightSource } from "./types.ts";

/** Logits have unit scale. The largest difference of all families and seeds was 6.1e-6 when this was written. */
const TOLERANCE = 3e-5;
const LENGTH = 60;

/** What a family has besides Llama's fields. */
const TRAITS = [
  "window",
  "windows",
  "qkvBias",
  "qkNorm",
  "activation",
  "normOffset",
  "postNorms",
  "embeddingScale",
  "attentionScale",
  "ropeScaling",
  "ropeThetaLocal",
  "noRopeLayers",
] as const;

function forwardFeeds(
  config: DecoderConfig,
  tokens: readonly number[],
  weights: WeightSource,
): Record<string, TensorData> {
  const int64 = (values: readonly number[]): TensorData => ({
    dtype: "int64",
    dims: [1, values.length],
    data: BigInt64Array.from(values, BigInt),
  });
  const feeds: Record<string, TensorData> = {
    ids: int64(tokens),
    positions: int64(tokens.map((_, i) => i)),
    segments: int64(tokens.map(() => 1)),
    wanted: { dtype: "int64", dims: [1], data: BigInt64Array.of(BigInt(tokens.length - 1)) },
  };
  for (const { name, dims } of parameterSpecs(config)) {
    feeds[name] = { dtype: "float32", dims, data: weights.get(name, dims) };
  }
  return feeds;
}

describe.each(Object.entries(FAMILY_CONFIGS))("%s", (name, json) => {
  const config = fromHuggingFaceConfig(json);
  const drawn = (seed: number) => {
    const random = createRandom(seed, name);
    const tokens = randomTokens(random, LENGTH);
    const weights = livelyWeights(config, seed);
    const expected = twinLogits(json, weights, tokens).map((row) => Float32Array.from(row));
    return { random, tokens, weights, expected };
  };

  it("gives the logits of its plain twin, however a sequence is chunked", async () => {
    for (const seed of [1, 2, 3]) {
      const { random, tokens, weights, expected } = drawn(seed);
      await using executor = await createExact(config, { weights });
      const whole = await alone(executor, tokens);
      expect(largestDifference(whole, expected), `seed ${seed}`).toBeLessThan(TOLERANCE);
      for (let run = 0; run < 2; run++) {
        const [chunked] = await together(executor, kvPages(), [tokens], random);
        expectSame(chunked!.logits, whole);
      }
    }
  });

  it("gives them where ORT attends", async () => {
    const { random, tokens, weights, expected } = drawn(4);
    await using executor = await createExact(config, { weights, attention: { ortRowThreshold: 4 } });
    const [chunked] = await together(executor, kvPages(), [tokens], random);
    expect(largestDifference(chunked!.logits, expected)).toBeLessThan(TOLERANCE);
  });

  it("gives them in the training graph, where no trait of the config is idle", async () => {
    const { tokens, weights, expected } = drawn(5);
    const forward = async (changed: DecoderConfig): Promise<Float32Array> => {
      await using session = await createSession(forwardGraph(changed, { batch: 1, length: LENGTH }));
      const fetched = await session.run(forwardFeeds(changed, tokens, weights));
      return fetched["logits"]!.data as Float32Array;
    };
    const last = expected.slice(-1);
    expect(largestDifference([await forward(config)], last)).toBeLessThan(TOLERANCE);
    for (const trait of TRAITS.filter((field) => config[field] !== undefined)) {
      const { [trait]: _, ...without } = config;
      const logits = await forward(without);
      expect(largestDifference([logits], last), trait).toBeGreaterThan(1e-2);
    }
  });

  describe.each<WeightsFormat>(["f32", "int4"])("exactness with %s weights", (weightsFormat) => {
    const weights = livelyWeights(config, 6);
    let executor: StepExecutor;
    beforeAll(async () => {
      executor = await createExact(config, { weights, weightsFormat });
    });
    afterAll(() => executor.dispose());

    it("any mix and any chunking gives the bits of the sequence alone", async () => {
      for (const seed of [11, 12]) {
        const random = createRandom(seed, "mix");
        const prompts = [1, 7, 24, 40].map((length) => randomTokens(random, length));
        for (const { tokens, logits } of await together(executor, kvPages(), prompts, random)) {
          expectSame(logits, await alone(executor, tokens));
        }
      }
    });

    it("a shared, cached prefix gives the bits of recomputing it", async () => {
      const random = createRandom(13, "cache");
      const pages = kvPages();
      const prefix = randomTokens(random, 33);
      const prompts = [0, 1, 2].map(() => [...prefix, ...randomTokens(random, 7)]);
      await together(executor, pages, prompts.slice(0, 1), random);
      for (const { tokens, logits, sequence } of await together(executor, pages, prompts.slice(1), random)) {
        expect(sequence.cachedTokens).toBe(32);
        expectSame(logits, (await alone(executor, tokens)).slice(32));
      }
    });
  });

  it("gives the same bits on one thread and on two", async () => {
    const options = { weights: livelyWeights(config, 7), weightsFormat: "int8" } as const;
    const tokens = randomTokens(createRandom(14, "threads"), 50);
    await using one = await createExact(config, options);
    await using two = await createExact(config, { ...options, threads: 2 });
    expectSame(await alone(two, tokens), await alone(one, tokens));
  });
});
