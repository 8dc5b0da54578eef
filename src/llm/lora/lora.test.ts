import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { randomAdapter } from "../../../test/support/adapters.ts";
import type { TensorData } from "../../graph/index.ts";
import { encodeSafetensors } from "../../nn/index.ts";
import type { DecoderConfig } from "../config.ts";
import { StepExecutor } from "../executor.ts";
import { KvPages } from "../kv-pages.ts";
import type { StepRow, TokenScores, WeightsFormat, WeightSource } from "../types.ts";
import { randomWeights } from "../weights.ts";
import {
  loraShape,
  loraWeightName,
  mergedWeights,
  readAdapter,
  writeAdapter,
  type LoraAdapter,
  type LoraTarget,
} from "./index.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 300,
  hidden: 64,
  layers: 3,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  ffn: 96,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 128,
};
const KV = { format: "f32", pages: 64, pageTokens: 8 } as const;
const BASE = randomWeights(CONFIG, 7);

const adapterOf = (seed: number, rank: number, targets?: readonly LoraTarget[]): LoraAdapter =>
  randomAdapter(CONFIG, seed, rank, targets);

function executorOf(weights: WeightSource, format: WeightsFormat, lora: boolean): Promise<StepExecutor> {
  return StepExecutor.create({
    config: CONFIG,
    weights,
    weightsFormat: format,
    threads: 1,
    kv: KV,
    topK: 300,
    attention: { ortRowThreshold: Infinity },
    ...(lora ? { lora: { maxLoras: 3, maxRank: 8 } } : {}),
  });
}

const PROMPT = [5, 17, 260, 33, 8, 91, 12];

/** Scores of every prompt, each of a sequence of its own, all in one step; rows whole. */
async function scoresOf(
  executor: StepExecutor,
  prompts: readonly { readonly tokens: readonly number[]; readonly adapter?: number }[],
): Promise<Float32Array[]> {
  const pages = new KvPages(KV);
  const batch = prompts.map(({ tokens, adapter }): StepRow => {
    const sequence = pages.open();
    sequence.reserve(tokens.length);
    const own = adapter === undefined ? {} : { adapter };
    return { tokens, startPosition: 0, pages: sequence.pages, wantLogits: "last", scores: { row: true }, ...own };
  });
  const { scores } = await executor.step(batch);
  return scores.map(([first]) => rowOf(first!));
}

function rowOf(scores: TokenScores): Float32Array {
  return scores.kind === "row" ? scores.logits.slice() : Float32Array.of();
}

const largestGap = (a: Float32Array, b: Float32Array): number => Math.max(...a.map((x, i) => Math.abs(x - b[i]!)));

describe("adapters in a step", () => {
  it.each(["f32", "int8", "int4"] as const)(
    "%s: with and without adapters in one step as each alone, bit by bit",
    async (format) => {
      await using plain = await executorOf(BASE, format, false);
      await using many = await executorOf(BASE, format, true);
      const adapters = [adapterOf(1, 8), adapterOf(2, 3), adapterOf(3, 4, ["q_proj", "v_proj"])];
      const [base] = await scoresOf(plain, [{ tokens: PROMPT }]);
      expect((await scoresOf(many, [{ tokens: PROMPT }]))[0]).toEqual(base);
      many.addAdapter(11, adapters[0]!);
      const [firstAlone] = await scoresOf(many, [{ tokens: PROMPT, adapter: 11 }]);
      many.addAdapter(12, adapters[1]!);
      many.addAdapter(13, adapters[2]!);
      const alone: Float32Array[] = [];
      for (const adapter of [11, 12, 13]) alone.push(...(await scoresOf(many, [{ tokens: PROMPT, adapter }])));
      const mixed = await scoresOf(many, [
        { tokens: PROMPT, adapter: 13 },
        { tokens: PROMPT },
        { tokens: PROMPT, adapter: 11 },
        { tokens: PROMPT.slice(0, 3), adapter: 12 },
        { tokens: PROMPT, adapter: 12 },
      ]);
      expect(mixed[1]).toEqual(base);
      expect(mixed[2]).toEqual(firstAlone);
      expect(alone).toEqual([mixed[2], mixed[4], mixed[0]]);
      expect(largestGap(mixed[2]!, base!)).toBeGreaterThan(0.05);
    },
  );

  it("computes what the merged weights do", async () => {
    const adapter = adapterOf(4, 5);
    await using merged = await executorOf(mergedWeights(BASE, adapter, "x"), "f32", false);
    await using many = await executorOf(BASE, "f32", true);
    many.addAdapter(1, adapter);
    const [expected] = await scoresOf(merged, [{ tokens: PROMPT }]);
    const [row] = await scoresOf(many, [{ tokens: PROMPT, adapter: 1 }]);
    expect(largestGap(row!, expected!)).toBeLessThan(1e-4);
  });

  it("a row of best tokens can be asked for whole, with its adapter", async () => {
    await using many = await executorOf(BASE, "f32", true);
    many.addAdapter(1, adapterOf(5, 8));
    const [whole] = await scoresOf(many, [{ tokens: PROMPT, adapter: 1 }]);
    const sequence = new KvPages(KV).open();
    sequence.reserve(PROMPT.length);
    await many.step([{ tokens: PROMPT, startPosition: 0, pages: sequence.pages, wantLogits: "last", adapter: 1 }]);
    expect(rowOf(await many.wholeRow(0))).toEqual(whole);
  });

  it("a slot that was given back is used again, and others keep their bits", async () => {
    await using many = await executorOf(BASE, "f32", true);
    for (const id of [1, 2, 3]) many.addAdapter(id, adapterOf(id, 8));
    const [before] = await scoresOf(many, [{ tokens: PROMPT, adapter: 3 }]);
    expect(() => many.addAdapter(4, adapterOf(4, 2))).toThrow(/3 adapters are loaded/u);
    many.removeAdapter(1);
    expect(() => many.addAdapter(4, adapterOf(4, 9))).toThrow(/rank 9/u);
    many.addAdapter(4, adapterOf(4, 2));
    expect((await scoresOf(many, [{ tokens: PROMPT, adapter: 3 }]))[0]).toEqual(before);
  });
});

describe("an adapter's folder", () => {
  let dir = "";
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "lora-"));
  });
  afterAll(() => rm(dir, { recursive: true }));

  const rank = 2;
  const tensorsOf = (layer = 0): Map<string, TensorData> => {
    const { in: inside, out } = loraShape(CONFIG, "q_proj");
    const module = `base_model.model.model.layers.${layer}.self_attn.q_proj`;
    const filled = (length: number, dims: number[]): TensorData => ({
      dtype: "float32",
      dims,
      data: new Float32Array(length).fill(0.5),
    });
    return new Map([
      [`${module}.lora_A.weight`, filled(rank * inside, [rank, inside])],
      [`${module}.lora_B.weight`, filled(out * rank, [out, rank])],
    ]);
  };
  const write = async (config: object, tensors = tensorsOf()): Promise<void> => {
    const plain = { peft_type: "LORA", r: rank, lora_alpha: 6, target_modules: ["q_proj"] };
    await writeFile(join(dir, "adapter_config.json"), JSON.stringify({ ...plain, ...config }));
    await writeFile(join(dir, "adapter_model.safetensors"), encodeSafetensors(tensors));
  };
  const read = (rankMax?: number): Promise<LoraAdapter> => readAdapter(dir, CONFIG, rankMax);

  it("is read with its scale, rank-stabilised or by a pattern", async () => {
    const name = loraWeightName(0, "q_proj");
    const scaleOf = async (): Promise<number> => (await read()).modules.get(name)!.b[0]! / 0.5;
    await write({});
    expect(await scaleOf()).toBe(3);
    await write({ use_rslora: true });
    expect(await scaleOf()).toBeCloseTo(6 / Math.sqrt(2), 6);
    await write({ r: 7, rank_pattern: { q_proj: 2 }, alpha_pattern: { "layers.0.self_attn.q_proj": 10 } });
    expect(await scaleOf()).toBe(5);
  });

  it.each([
    [{ use_dora: true }, "use_dora"],
    [{ peft_type: "IA3" }, "peft_type"],
    [{ bias: "all" }, "bias"],
    [{ modules_to_save: ["lm_head"] }, "modules_to_save"],
    [{ init_lora_weights: "pissa_niter_16" }, "init_lora_weights"],
    [{ rank_pattern: { "^model.*": 4 } }, "rank_pattern"],
    [{ layer_replication: [[0, 2]] }, "layer_replication"],
  ])("says what it does not support: %j", async (config, param) => {
    await write(config);
    await expect(read()).rejects.toMatchObject({ code: "unsupported", param });
  });

  it.each([
    [{ r: 0 }, "r"],
    [{ r: "8" }, "r"],
    [{ r: 3 }, "model.layers.0.self_attn.q_proj.lora_A"],
  ])("says what is wrong: %j", async (config, param) => {
    await write(config);
    await expect(read()).rejects.toMatchObject({ code: "invalid_file", param });
  });

  it("refuses other layers, other modules, halves and ranks beyond the limit", async () => {
    await write({}, tensorsOf(3));
    await expect(read()).rejects.toMatchObject({ code: "invalid_file" });
    const [[aName, a]] = tensorsOf();
    await write({}, new Map([[aName!, a!]]));
    await expect(read()).rejects.toMatchObject({ code: "invalid_file" });
    await write({}, new Map([["base_model.model.lm_head.lora_A.weight", a!]]));
    await expect(read()).rejects.toMatchObject({ code: "unsupported" });
    await write({});
    await expect(read(1)).rejects.toMatchObject({ code: "invalid_request" });
    await expect(readAdapter(join(dir, "none"), CONFIG)).rejects.toMatchObject({ code: "model_not_found" });
  });

  it("what is written is read back", async () => {
    const adapter = adapterOf(9, 4);
    await writeAdapter(dir, { rank: 4, alpha: 8, modules: adapter.modules }, "base");
    const back = await read();
    const name = loraWeightName(2, "down_proj");
    expect(back.modules.size).toBe(adapter.modules.size);
    expect(back.modules.get(name)!.a).toEqual(adapter.modules.get(name)!.a);
    expect(back.modules.get(name)!.b).toEqual(adapter.modules.get(name)!.b.map((x) => x * 2));
  });

  it("any configuration is read or refused with a typed error", async () => {
    await write({});
    const fields = fc.record(
      {
        r: fc.anything(),
        lora_alpha: fc.anything(),
        use_rslora: fc.anything(),
        rank_pattern: fc.anything(),
        alpha_pattern: fc.anything(),
        bias: fc.anything(),
        init_lora_weights: fc.anything(),
      },
      { requiredKeys: [] },
    );
    const weights = tensorsOf();
    await fc.assert(
      fc.asyncProperty(fields, async (config) => {
        await write(config, weights);
        const outcome = await read().catch((error: unknown) => error);
        if (outcome instanceof Error) expect(outcome).toMatchObject({ name: "PunctualError" });
      }),
      { seed: 25, numRuns: 30 },
    );
  });
});
