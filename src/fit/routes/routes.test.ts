import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomAdapter } from "../../../test/support/adapters.ts";
import { createRandom } from "../../core/index.ts";
import { createSession, type TensorData } from "../../graph/index.ts";
import {
  decideMask,
  isRoutable,
  keptLayers,
  KvPages,
  loraNames,
  maskOf,
  parameterSpecs,
  randomWeights,
  readRoutes,
  routeForwardGraph,
  routerName,
  routeTrainingGraph,
  stageSpecs,
  StepExecutor,
  type DecoderConfig,
  type Router,
} from "../../llm/index.ts";
import { liveClock } from "../../runtime/index.ts";
import type { Example, ExampleSource } from "../examples.ts";
import { gateFeeds, promptTokens, routeBatch } from "./batches.ts";
import { calibrateRouters } from "./calibrate.ts";
import { fitRoutes } from "./fit-routes.ts";
import { bestMask, influence, randomMask, unifiedMask } from "./masks.ts";
import { routesPlan, sharpnessOf, softGates, targetOf } from "./plan.ts";
import { RouteProber } from "./prober.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 64,
  hidden: 32,
  layers: 5,
  heads: 2,
  kvHeads: 1,
  headDim: 16,
  ffn: 48,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 64,
};
const WEIGHTS = randomWeights(CONFIG, 3);

/** Answers that repeat the prompt. */
function exampleOf(random: ReturnType<typeof createRandom>): Example {
  const prompt = Array.from({ length: random.int(3, 6) }, () => random.int(1, 60));
  const tokens = [...prompt, 61, ...prompt, 62];
  return { tokens, lossMask: Uint8Array.from(tokens, (_, i) => (i > prompt.length ? 1 : 0)) };
}

const SOURCE: ExampleSource = {
  identity: "repetitions",
  draw: exampleOf,
  heldOut: (count) => Array.from({ length: count }, (_, i) => exampleOf(createRandom(i, "held-out"))),
};

describe("batches", () => {
  it("tell prompts from answers, and ask for what follows the first token of an answer", () => {
    const example: Example = { tokens: [5, 6, 7, 8, 9, 62], lossMask: [0, 0, 0, 1, 1, 1] };
    expect(promptTokens(example)).toBe(3);
    const { rows, goals } = routeBatch({ batch: 2, length: 8 }, [example]);
    expect([...(rows["answers"]!.data as Float32Array)].slice(0, 8)).toEqual([0, 0, 0, 1, 1, 1, 0, 0]);
    expect([...(rows["shares"]!.data as Float32Array)].slice(0, 4)).toEqual([1 / 3, 1 / 3, 1 / 3, 0].map(Math.fround));
    expect([...(goals["targets"]!.data as BigInt64Array)].slice(0, 6).map(Number)).toEqual([
      -100, -100, -100, 9, 62, -100,
    ]);
    expect([...(goals["counts"]!.data as Float32Array)].slice(0, 6)).toEqual([0, 0, 0, 0.5, 0.5, 0]);
  });
});

describe("masks", () => {
  it("keep as many layers as they should", () => {
    expect([...unifiedMask(12, 6)]).toEqual([1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 1]);
    for (let kept = 2; kept <= 12; kept++) {
      const mask = unifiedMask(12, kept);
      expect([keptLayers(mask), mask[0], mask[11]]).toEqual([kept, 1, 1]);
    }
    const always = { first: 2, last: 1 };
    expect([...bestMask(CONFIG, always, 4, [0, 0, 1, 2, 0])]).toEqual([1, 1, 0, 1, 1]);
    const random = createRandom(1, "masks");
    const drawn = new Set(Array.from({ length: 30 }, () => randomMask(CONFIG, always, 4, random).join()));
    expect(drawn.size).toBe(2);
    expect(influence(Float32Array.of(1, 0), Float32Array.of(2, 0))).toBeCloseTo(0, 6);
    expect(influence(Float32Array.of(1, 0), Float32Array.of(0, 2))).toBeCloseTo(1, 6);
  });
});

describe("what is trained is what the engine computes", () => {
  it("answers by given layers and low-rank weights", async () => {
    const adapter = randomAdapter(CONFIG, 2, 3);
    const mask = maskOf(CONFIG.layers, [0, 1, 3, 4]);
    const example = exampleOf(createRandom(4, "one"));
    const shape = { batch: 1, length: example.tokens.length };
    const tensor = (data: Float32Array, dims: readonly number[]): TensorData => ({ dtype: "float32", dims, data });
    const weights = Object.fromEntries(
      parameterSpecs(CONFIG).map(({ name, dims }) => [name, tensor(WEIGHTS.get(name, dims), dims)]),
    );
    const low = Object.fromEntries(
      [...adapter.modules].flatMap(([name, { a, b }]) => {
        const names = loraNames(name);
        return [
          [names.a, tensor(a, [3, a.length / 3])],
          [names.b, tensor(b, [b.length / 3, 3])],
        ];
      }),
    );
    await using session = await createSession(routeForwardGraph(CONFIG, shape, { rank: 3, alpha: 3 }), { threads: 1 });
    const { rows } = routeBatch(shape, [example]);
    const feeds = { ...weights, ...low, ...rows, ...gateFeeds(shape, CONFIG.layers, [mask]) };
    const { logits } = await session.run(feeds, ["logits"]);
    const routers = Array.from({ length: CONFIG.layers }, (_, layer) =>
      layer === 2 || layer === 3 ? { weight: new Float32Array(CONFIG.hidden), bias: 0 } : null,
    );
    await using executor = await StepExecutor.create({
      config: CONFIG,
      weights: WEIGHTS,
      weightsFormat: "f32",
      threads: 1,
      kv: { format: "f32", pages: 16, pageTokens: 8 },
      routes: { routers, adapter, identity: "x" },
    });
    const sequence = new KvPages({ pages: 16, pageTokens: 8 }).open();
    sequence.reserve(example.tokens.length);
    const prompt = promptTokens(example);
    const { pages } = sequence;
    const common = { pages, wantLogits: "all", scores: { row: true } } as const;
    const [first] = (await executor.step([{ ...common, tokens: example.tokens.slice(0, prompt), startPosition: 0 }]))
      .scores;
    const rest = { ...common, tokens: example.tokens.slice(prompt), startPosition: prompt };
    const [second] = (await executor.step([{ ...rest, route: { mask, packed: false } }])).scores;
    const served = [...first!, ...second!].flatMap((row) => (row.kind === "row" ? [...row.logits] : []));
    const trained = logits!.data as Float32Array;
    expect(Math.max(...served.map((x, i) => Math.abs(x - trained[i]!)))).toBeLessThan(1e-4);
  });
});

describe("routers in their training", () => {
  const { layers, hidden } = CONFIG;
  const kept = { first: 2, last: 1 };
  const tensor = (data: Float32Array, dims: readonly number[]): TensorData => ({ dtype: "float32", dims, data });

  it("have gates that are what they say of a prompt at first, and the engine's own decision at last", async () => {
    const weights = Object.fromEntries(
      parameterSpecs(CONFIG).map(({ name, dims }) => [name, tensor(WEIGHTS.get(name, dims), dims)]),
    );
    const shape = { batch: 8, length: 16 };
    const random = createRandom(9, "training routers");
    const routers = Array.from({ length: layers }, (_, layer): Router | null =>
      isRoutable(CONFIG, kept, layer)
        ? { weight: Float32Array.from({ length: hidden }, () => random.normal() * 0.5), bias: 0 }
        : null,
    );
    const batch = routeBatch(
      shape,
      Array.from({ length: 8 }, () => exampleOf(random)),
    );
    await using prober = await RouteProber.create(CONFIG, weights, shape, 1);
    const probabilities = await prober.probabilities(batch, routers);
    const masks = probabilities.map((p) => decideMask(p, routers, "auto"));
    expect(new Set(masks.map(String)).size).toBeGreaterThan(1);
    const loss = { distillation: 0.5, compute: 1, entropy: 0.01 };
    const stage = { kind: "routers", protected: kept, rank: 2, alpha: 2, loss } as const;
    await using session = await createSession(routeTrainingGraph(CONFIG, shape, stage), { threads: 1 });
    const trained = Object.fromEntries(
      stageSpecs(CONFIG, stage).map(({ name, dims }) => {
        const data = new Float32Array(dims.reduce((product, dim) => product * dim, 1));
        for (const [layer, router] of routers.entries()) {
          if (router !== null && name === routerName(layer, "weight")) data.set(router.weight);
        }
        return [name, tensor(data, dims)];
      }),
    );
    const meanAt = async (sharpness: number): Promise<number> => {
      const asked = { sharpness: tensor(Float32Array.of(sharpness), [1]), target: tensor(Float32Array.of(0.5), [1]) };
      const results = await session.run({ ...weights, ...trained, ...batch.rows, ...batch.goals, ...asked }, ["kept"]);
      return Number(results["kept"]!.data[0]);
    };
    const meanOf = (gates: readonly ArrayLike<number>[]): number =>
      gates.reduce((sum, each) => sum + Array.from(each).reduce((a, b) => a + b, 0), 0) / (gates.length * layers);
    for (const sharpness of [1, 3, 10]) {
      expect(await meanAt(sharpness)).toBeCloseTo(meanOf(probabilities.map((p) => softGates(p, sharpness))), 4);
    }
    expect(await meanAt(5000)).toBeCloseTo(meanOf(masks), 2);
  });
});

describe("routers after their training", () => {
  it("keep at most the share that was asked for on average, and as close to it as examples allow; their order stays", async () => {
    const random = createRandom(8, "routers");
    const router = (bias: number): Router => ({
      weight: Float32Array.from({ length: CONFIG.hidden }, () => random.normal()),
      bias,
    });
    const weights = Object.fromEntries(
      parameterSpecs(CONFIG).map(({ name, dims }): [string, TensorData] => [
        name,
        { dtype: "float32", dims, data: WEIGHTS.get(name, dims) },
      ]),
    );
    const shape = { batch: 8, length: 16 };
    await using prober = await RouteProber.create(CONFIG, weights, shape, 1);
    for (const compute of [0.7, 0.8, 0.9]) {
      const plan = routesPlan({ compute, length: 16 });
      const parts = { config: CONFIG, weights, shape, source: SOURCE, plan, threads: 1 };
      const given = [null, null, router(2), router(-1), null];
      const moved = await calibrateRouters(parts, prober, given);
      const shift = moved[2]!.bias - given[2]!.bias;
      expect(moved[3]!.bias - given[3]!.bias).toBeCloseTo(shift, 5);
      const drawn = createRandom(plan.seed, "routes/calibration");
      const kept: number[] = [];
      for (let i = 0; i < 32; i++) {
        const batch = routeBatch(
          shape,
          Array.from({ length: 8 }, () => SOURCE.draw(drawn)),
        );
        for (const p of await prober.probabilities(batch, moved)) kept.push(keptLayers(decideMask(p, moved, "auto")));
      }
      const mean = kept.reduce((sum, layers) => sum + layers, 0) / kept.length / CONFIG.layers;
      expect(mean).toBeLessThanOrEqual(compute);
      expect(mean).toBeGreaterThan(compute - 0.02);
    }
  });
});

describe("a run", () => {
  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "fit-routes-"));
  });
  afterAll(() => rm(dir, { recursive: true }));

  const plan = routesPlan({ compute: 0.8, batch: 4, length: 32, routerSteps: 6, adapterSteps: 4, rank: 2 });
  const model = { name: "tiny", config: CONFIG, weights: WEIGHTS, endTokens: [62] };
  const options = { clock: liveClock, threads: 1, heldOut: 8 };

  it("that is stopped and goes on ends with the same routes; baselines lie beside them", async () => {
    const whole = await fitRoutes(model, SOURCE, plan, { ...options, outDir: join(dir, "whole"), baselines: true });
    expect(whole.finished).toBe(true);
    expect(whole.scores!.arms.map(({ name }) => name)).toEqual([
      "full",
      "routers alone",
      "routers alone, soft",
      "routes",
      "routes, auto",
      "lora-only",
      "unified",
      "random",
      "shortgpt",
    ]);
    const stop = new AbortController();
    const stopped = await fitRoutes(model, SOURCE, plan, {
      ...options,
      outDir: join(dir, "parts"),
      signal: stop.signal,
      progress: (stage, { step }) => void (stage === "routers" && step === 3 && stop.abort()),
    });
    expect(stopped.finished).toBe(false);
    await fitRoutes(model, SOURCE, plan, { ...options, outDir: join(dir, "parts") });
    const [a, b] = [await readRoutes(join(dir, "whole"), CONFIG), await readRoutes(join(dir, "parts"), CONFIG)];
    expect(b.routers).toEqual(a.routers);
    expect(b.adapter).toEqual(a.adapter);
    expect(a.routers.map((router) => router !== null)).toEqual([false, false, true, true, false]);
    expect((await readRoutes(join(dir, "whole", "baselines", "unified"), CONFIG)).adapter).not.toEqual(a.adapter);
  }, 60_000);

  it("checkpoints of another plan are refused", async () => {
    const outDir = join(dir, "other");
    const stop = new AbortController();
    await fitRoutes(model, SOURCE, plan, { ...options, outDir, signal: stop.signal, progress: () => stop.abort() });
    await expect(fitRoutes(model, SOURCE, { ...plan, seed: 2 }, { ...options, outDir })).rejects.toMatchObject({
      code: "invalid_file",
    });
  });

  it("gates sharpen, and plans have limits", () => {
    expect(sharpnessOf(plan, 0)).toBeCloseTo(1, 6);
    expect(sharpnessOf(plan, 5)).toBeCloseTo(10, 6);
    expect([0, 3, 5].map((step) => targetOf(plan, step))).toEqual([1, 0.8, 0.8].map((x) => expect.closeTo(x, 6)));
    expect(() => routesPlan({ compute: 1 })).toThrow(/compute/u);
    expect(() => routesPlan({ rank: 0 })).toThrow(/rank/u);
  });
});
