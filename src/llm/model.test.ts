import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TensorData } from "../graph/index.ts";
import { encodeSafetensors, float32ToHalf } from "../nn/index.ts";
import { parameterSpecs, type DecoderConfig } from "./config.ts";
import { toHuggingFaceConfig } from "./families.ts";
import { loadModel, randomModel } from "./model.ts";
import { trainBpe, writeTokenizer } from "./tokenizer/index.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 320,
  hidden: 32,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  headDim: 16,
  ffn: 64,
  ropeTheta: 10000,
  normEps: 1e-5,
  tiedEmbeddings: false,
  maxPositions: 64,
};

let dir: string;

async function writeModel(config: DecoderConfig, json: object = {}): Promise<void> {
  const { weights } = randomModel(config, 4);
  const tensors = new Map<string, TensorData>();
  for (const { name, dims } of parameterSpecs(config)) {
    tensors.set(name, { dtype: "float16", dims, data: float32ToHalf(weights.get(name, dims)) });
  }
  await writeFile(join(dir, "model.safetensors"), encodeSafetensors(tensors));
  await writeFile(join(dir, "config.json"), JSON.stringify({ ...toHuggingFaceConfig(config), ...json }));
  await writeFile(join(dir, "tokenizer.json"), writeTokenizer(trainBpe(["turn on the lamp"], { vocabSize: 290 })));
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "punctual-model-"));
  await writeModel(CONFIG);
});
afterAll(() => rm(dir, { recursive: true }));

describe("loadModel", () => {
  it("reads shape, weights, tokenizer and end tokens of a folder", async () => {
    const model = await loadModel(dir);
    expect(model.config).toEqual(CONFIG);
    expect(model.endTokens).toEqual([1]);
    expect(model.tokenizer?.decode(model.tokenizer.encode("the lamp"))).toBe("the lamp");
    const original = randomModel(CONFIG, 4).weights;
    for (const { name, dims } of parameterSpecs(CONFIG)) {
      const [read, exact] = [model.weights.get(name, dims), original.get(name, dims)];
      expect(read.every((value, i) => Math.abs(value - exact[i]!) < 1e-3)).toBe(true);
    }
    expect(() => model.weights.get("model.norm.weight", [33])).toThrow("expected [33], got [32]");
    expect(() => model.weights.get("model.layers.1.input_layernorm.weight", [32])).toThrow("is missing");
  });

  it("says what is wrong with a folder", async () => {
    await expect(loadModel(join(dir, "nowhere"))).rejects.toMatchObject({
      code: "model_not_found",
      param: "config.json",
    });
    await writeModel(CONFIG, { eos_token_id: [1, 320] });
    await expect(loadModel(dir)).rejects.toMatchObject({ code: "invalid_file", param: "eos_token_id" });
    await writeModel(CONFIG, { model_type: "gpt2" });
    await expect(loadModel(dir)).rejects.toMatchObject({ code: "unsupported", param: "model_type" });
    await writeModel({ ...CONFIG, vocabSize: 270 });
    await expect(loadModel(dir)).rejects.toMatchObject({ code: "invalid_file", param: "tokenizer.json" });
  });
});

describe("randomModel", () => {
  it("depends on seed and name alone, with unit gain", () => {
    const dims = [64, 32];
    const name = "model.layers.0.mlp.gate_proj.weight";
    const weight = randomModel(CONFIG, 1).weights.get(name, dims);
    expect(randomModel({ ...CONFIG, layers: 5 }, 1).weights.get(name, dims)).toEqual(weight);
    expect(randomModel(CONFIG, 2).weights.get(name, dims)).not.toEqual(weight);
    const variance = weight.reduce((sum, value) => sum + value * value, 0) / weight.length;
    expect(variance * 32).toBeCloseTo(1, 1);
    expect(() => randomModel(CONFIG, 1).weights.get(name, [32, 64])).toThrow("is not one of this decoder");
  });
});
