import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom, FakeClock, type RandomStream } from "../core/index.ts";
import { createSession, type TensorData } from "../graph/index.ts";
import {
  forwardGraph,
  gradientName,
  parameterSpecs,
  trainBpe,
  trainingGraph,
  type DecoderConfig,
} from "../llm/index.ts";
import { DEFAULT_WEIGHTS } from "../world/index.ts";
import { BatchDecoder } from "./batch-decoder.ts";
import { parameterShapes, shardOf } from "./decoder-shard.ts";
import { initialise } from "./initial.ts";
import { LocalTrainer } from "./decoder-trainer.ts";
import type { TokenItem } from "./packing.ts";
import { trainDecoder, type TrainedDecoder, type TrainOptions } from "./train-decoder.ts";
import { readTrainLog } from "./train-log.ts";
import type { DecoderRecipe, Phase } from "./types.ts";

const config: DecoderConfig = {
  vocabSize: 24,
  hidden: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  ffn: 48,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 32,
};
const END = 1;
const mixture = { skills: DEFAULT_WEIGHTS, conversations: 0 };

/** Copy task: three symbols, a mark, the same three symbols, the end. */
function copyItem(_: Phase, random: RandomStream): TokenItem {
  const symbols = [0, 1, 2].map(() => random.int(4, 11));
  const tokens = [...symbols, 2, ...symbols, END];
  return { tokens, lossMask: tokens.map((_token, i) => (i >= 4 ? 1 : 0)) };
}

const recipe: DecoderRecipe = {
  kind: "decoder",
  name: "micro",
  summary: "A test.",
  seed: 3,
  config,
  phases: [
    { steps: 150, batch: 4, length: 32, mixture },
    { steps: 50, batch: 2, length: 64, mixture },
  ],
  schedule: { kind: "cosine", peak: 1e-2, floor: 1e-3, warmupSteps: 10 },
  start: "normal",
  adamw: { emaDecay: 0.95 },
  threads: 1,
};
const tokenizer = trainBpe(["a text"], { vocabSize: 300 });

const train = (options: TrainOptions): Promise<TrainedDecoder> =>
  trainDecoder(recipe, tokenizer, options, () => new LocalTrainer(recipe, copyItem));

const folders: string[] = [];
async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "punctual-"));
  folders.push(path);
  return path;
}
afterAll(() => Promise.all(folders.map((path) => rm(path, { recursive: true }))));

describe("a micro decoder learns to copy", () => {
  let dir: string;
  let weights: ReadonlyMap<string, Float32Array>;
  beforeAll(async () => {
    dir = await folder();
    const trained = await train({ outDir: dir, clock: new FakeClock() });
    weights = trained.weights;
  });

  test("the loss falls", () => {
    const { steps, end } = readTrainLog(join(dir, "train.jsonl"));
    expect(steps[0]!.loss).toBeGreaterThan(2.8);
    expect(steps.at(-1)!.loss).toBeLessThan(0.3);
    expect(end).toMatchObject({ stepsTaken: 200, tokens: 200 * 128 });
  });

  test("it copies what it has not seen, in a batch with free and busy slots", async () => {
    await using decoder = await BatchDecoder.create({ config, weights, slots: 4, capacity: 16, threads: 1 });
    const random = createRandom(99);
    const items = Array.from({ length: 10 }, () => copyItem(recipe.phases[0]!, random));
    const replies = await decoder.decode(
      items.map(({ tokens }) => ({ prompt: tokens.slice(0, 4), maxTokens: 8 })),
      END,
    );
    const correct = replies.filter((reply, i) => reply.join() === items[i]!.tokens.slice(0, 3).join());
    expect(correct.length).toBeGreaterThanOrEqual(9);
  });

  test("interrupted and resumed, it writes the same log and weights", async () => {
    const other = await folder();
    const options = { outDir: other, clock: new FakeClock() };
    const early = await train({ ...options, maxSteps: 163 });
    expect(early.result).toMatchObject({ finished: false, stepsTaken: 163 });
    const resumed = await train(options);
    expect(resumed.result.finished).toBe(true);
    const logs = await Promise.all([dir, other].map((path) => readFile(join(path, "train.jsonl"), "utf8")));
    expect(logs[1]).toBe(logs[0]);
    for (const [name, data] of weights) expect(resumed.weights.get(name)).toEqual(data);
  });
});

describe("the training graph", () => {
  const weights = parameterShapes(config).map((shape) => ({
    ...shape,
    data: new Float32Array(shape.dims.reduce((a, b) => a * b, 1)),
  }));
  initialise(weights, config, 5, "normal");
  // Larger projections than a run starts with: every path carries a gradient worth comparing.
  for (const { data, dims } of weights) if (dims.length > 1) data.forEach((value, i) => (data[i] = value * 8));
  const feedsOf = (batch: Record<string, TensorData>): Record<string, TensorData> => ({
    ...Object.fromEntries(weights.map(({ name, dims, data }) => [name, { dtype: "float32", dims, data }] as const)),
    ...batch,
  });
  const batch = shardOf(recipe, 0, 0, copyItem);

  test("its gradients are those of finite differences, for every kind of weight", async () => {
    await using session = await createSession(trainingGraph(config, batch.shape), { threads: 1 });
    const feeds = feedsOf(batch.feeds());
    const results = await session.run(feeds);
    const random = createRandom(1);
    for (const { name, data } of weights) {
      const gradient = results[gradientName(name)]!.data as Float32Array;
      const direction = Float32Array.from(data, () => random.normal());
      const length = Math.hypot(...direction);
      const expected = gradient.reduce((sum, g, i) => sum + (g * direction[i]!) / length, 0);
      const kept = data.slice();
      const lossAt = async (step: number): Promise<number> => {
        data.forEach((_, i) => (data[i] = kept[i]! + (step * direction[i]!) / length));
        return Number((await session.run(feeds, ["loss"]))["loss"]!.data[0]);
      };
      const slope = ((await lossAt(0.02)) - (await lossAt(-0.02))) / 0.04;
      data.set(kept);
      // Float32 losses near 3 leave about 1e-5 of noise on a slope.
      expect(Math.abs(slope - expected), name).toBeLessThan(0.02 * Math.abs(expected) + 1e-4);
    }
  });

  test("a token's scores depend on its own item alone, wherever it is packed", async () => {
    const item = [5, 6, 7, 2, 5];
    const rowOf = (before: number): Record<string, TensorData> => {
      const dims = [1, 16];
      const int = (fill: (i: number) => number): TensorData => ({
        dtype: "int64",
        dims,
        data: BigInt64Array.from({ length: 16 }, (_, i) => BigInt(fill(i - before))),
      });
      const inside = (i: number): boolean => i >= 0 && i < item.length;
      return {
        ids: int((i) => (inside(i) ? item[i]! : 9)),
        positions: int((i) => (inside(i) ? i : 3)),
        segments: int((i) => (inside(i) ? 1 : i < 0 ? 2 : 0)),
        wanted: { dtype: "int64", dims: [1], data: BigInt64Array.of(BigInt(before + item.length - 1)) },
      };
    };
    await using session = await createSession(forwardGraph(config, { batch: 1, length: 16 }), { threads: 1 });
    const scores = await Promise.all(
      [0, 4, 9].map(async (before) => (await session.run(feedsOf(rowOf(before))))["logits"]!),
    );
    for (const other of scores.slice(1)) {
      other.data.forEach((value, i) => expect(Number(value)).toBeCloseTo(Number(scores[0]!.data[i]), 5));
    }
  });

  test("parameters come in file order; matrices decay, norms start at one and do not", () => {
    expect(weights.map(({ name }) => name)).toEqual(parameterSpecs(config).map(({ name }) => name));
    for (const { dims, data, decays } of weights) {
      expect(decays).toBe(dims.length > 1);
      if (dims.length === 1) expect(data.every((value) => value === 1)).toBe(true);
    }
  });
});
