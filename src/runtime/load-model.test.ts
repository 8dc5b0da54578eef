import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TINY } from "../../test/support/tiny.ts";
import { encodeGgufModel, type GgufEntry } from "../../test/support/gguf-file.ts";
import { writeRandomModel } from "../../test/support/model-folder.ts";
import { randomWeights, type DecoderConfig, type WeightSource } from "../llm/index.ts";
import { collect } from "./collect.ts";
import { Engine } from "./engine.ts";
import { loadFacts, withWeights } from "./load-model.ts";
import type { EngineOptions } from "./types.ts";

const config: DecoderConfig = { ...TINY, maxPositions: 256 };

/** Byte-level pieces under GPT-2's stand-ins for bytes, an end token, fillers. */
function vocabulary(): GgufEntry[] {
  const printable = (byte: number): boolean => (byte >= 33 && byte <= 126) || (byte >= 161 && byte !== 173);
  let next = 256;
  const bytes = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(printable(byte) ? byte : next++));
  const fillers = Array.from({ length: 63 }, (_, i) => `[unused${i}]`);
  return [
    { key: "tokenizer.ggml.model", type: "string", value: "gpt2" },
    { key: "tokenizer.ggml.pre", type: "string", value: "qwen2" },
    { key: "tokenizer.ggml.tokens", type: "string", value: [...bytes, "<|im_end|>", ...fillers] },
    { key: "tokenizer.ggml.token_type", type: "i32", value: [...bytes.map(() => 1), 3, ...fillers.map(() => 5)] },
    { key: "tokenizer.ggml.merges", type: "string", value: [] },
    { key: "tokenizer.ggml.eos_token_id", type: "u32", value: 256 },
  ];
}

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "punctual-load-"));
  const weights = randomWeights(config, 3);
  for (const type of ["F32", "Q8_0"] as const) {
    await writeFile(join(dir, `${type}.gguf`), encodeGgufModel(config, weights, { type, entries: vocabulary() }));
  }
  await writeFile(join(dir, "mute.gguf"), encodeGgufModel(config, weights));
  writeRandomModel(join(dir, "folder"), config);
});
afterAll(() => rm(dir, { recursive: true }));

describe("loadFacts", () => {
  it("reads shape, vocabulary and end tokens of a GGUF file", async () => {
    const facts = await loadFacts({ dir: join(dir, "F32.gguf") });
    expect(facts.config).toEqual(config);
    expect(facts.endTokens).toEqual([256]);
    expect(facts.tokenizer.decode(facts.tokenizer.encode("naïve 🦙"))).toBe("naïve 🦙");
  });

  it("reads those of a folder", async () => {
    const facts = await loadFacts({ dir: join(dir, "folder") });
    expect(facts.config).toEqual(config);
    expect(facts.tokenizer.decode(facts.tokenizer.encode("the light"))).toBe("the light");
  });

  it("names a vocabulary or a model that is missing", async () => {
    const missing = { code: "model_not_found" };
    await expect(loadFacts({ dir: join(dir, "mute.gguf") })).rejects.toMatchObject({
      ...missing,
      param: "tokenizer.json",
    });
    await expect(loadFacts({ dir: join(dir, "gone.gguf") })).rejects.toMatchObject(missing);
  });
});

describe("withWeights", () => {
  it("lends weights until they were used, whatever comes of it", async () => {
    const source = { dir: join(dir, "F32.gguf") };
    let kept: WeightSource | undefined;
    const norm = await withWeights(source, config, async (weights) => {
      kept = weights;
      return weights.get("model.norm.weight", [32]);
    });
    expect(norm).toEqual(new Float32Array(32).fill(1));
    expect(() => kept!.get("model.norm.weight", [32])).toThrow("before it is closed");
    await expect(withWeights(source, config, () => Promise.reject(new Error("mine")))).rejects.toThrow("mine");
  });
});

describe("an engine", () => {
  /** Greedy tokens for one prompt. */
  async function tokensOf(model: EngineOptions["model"], weights: EngineOptions["weights"]): Promise<number[]> {
    await using engine = await Engine.start({ model, weights, kvPages: 32, budgetTokens: 32, exact: true });
    const promptTokens = [40, 41, 42, 100, 200, 7];
    const stream = engine.submit({ promptTokens, maxTokens: 12, ignoreEos: true, sampling: { temperature: 0 } });
    return [...(await collect(stream)).tokens];
  }

  it("says the same from a GGUF file, a folder and memory", async () => {
    const expected = await tokensOf({ random: config, seed: 3 }, "f32");
    expect(expected).toHaveLength(12);
    expect(await tokensOf({ dir: join(dir, "F32.gguf") }, "f32")).toEqual(expected);
    expect(await tokensOf({ dir: join(dir, "folder") }, "f32")).toEqual(expected);
  });

  it("computes with stored blocks", async () => {
    const tokens = await tokensOf({ dir: join(dir, "Q8_0.gguf") }, "int8");
    expect(tokens).toHaveLength(12);
    expect(tokens.every((id) => id >= 0 && id < 320)).toBe(true);
  });
});
