import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  encodeAs,
  encodeGguf,
  encodeGgufModel,
  GGML,
  ggufName,
  modelEntries,
  type GgufEntry,
  type GgufModelOptions,
} from "../../../test/support/gguf-file.ts";
import { createRandom } from "../../core/index.ts";
import { unpackInt4, unpackInt8 } from "../../graph/index.ts";
import { parameterSpecs, type DecoderConfig } from "../config.ts";
import { fromHuggingFaceConfig } from "../families.ts";
import { randomWeights } from "../weights.ts";
import { openCheckpoint, readCheckpointFacts } from "./open.ts";
import { readFloats, readPacked } from "./stored-tensor.ts";
import type { Checkpoint } from "./types.ts";
import { WeightFile } from "./weight-file.ts";
import { BLOCK_FORMATS } from "./blocks.ts";

const LLAMA: DecoderConfig = {
  vocabSize: 96,
  hidden: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  ffn: 96,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: false,
  maxPositions: 128,
};
const GEMMA: DecoderConfig = {
  ...LLAMA,
  layers: 7,
  tiedEmbeddings: true,
  normEps: 1e-6,
  ropeTheta: 1_000_000,
  activation: "gelu_tanh",
  qkNorm: true,
  normOffset: true,
  postNorms: true,
  embeddingScale: 8,
  ropeThetaLocal: 10_000,
  windows: [32, 32, 32, 32, 32, null, 32],
};
const FAMILIES: readonly (readonly [architecture: string, config: DecoderConfig, entries: readonly GgufEntry[]])[] = [
  ["llama", LLAMA, []],
  ["qwen2", { ...LLAMA, qkvBias: true, tiedEmbeddings: true }, []],
  ["qwen3", { ...LLAMA, qkNorm: true }, []],
  ["gemma3", GEMMA, [{ key: "gemma3.attention.sliding_window", type: "u32", value: 32 }]],
];

let dir: string;
let files = 0;
const opened: Checkpoint[] = [];
afterEach(async () => {
  for (const checkpoint of opened.splice(0)) await checkpoint.close();
});
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "punctual-gguf-"));
});
afterAll(() => rm(dir, { recursive: true }));

async function openBytes(bytes: Uint8Array): Promise<Checkpoint> {
  const path = join(dir, `${files++}.gguf`);
  await writeFile(path, bytes);
  const checkpoint = await openCheckpoint(path);
  opened.push(checkpoint);
  return checkpoint;
}

const openModel = (config: DecoderConfig, options: GgufModelOptions): Promise<Checkpoint> =>
  openBytes(encodeGgufModel(config, weightsFor(config), options));

/** Norms and biases are not one here, so that exchanged ones are seen. */
function weightsFor(config: DecoderConfig): ReturnType<typeof randomWeights> {
  const matrices = randomWeights(config, 11);
  return {
    get(name, dims) {
      const random = createRandom(12, name);
      return dims.length === 1
        ? Float32Array.from({ length: dims[0]! }, () => random.uniform() - 0.5)
        : matrices.get(name, dims);
    },
  };
}

const VOCABULARY: readonly GgufEntry[] = [
  { key: "tokenizer.ggml.model", type: "string", value: "gpt2" },
  { key: "tokenizer.ggml.pre", type: "string", value: "qwen2" },
  { key: "tokenizer.ggml.tokens", type: "string", value: ["a", "b", "ab", "<end>"] },
  { key: "tokenizer.ggml.token_type", type: "i32", value: [1, 1, 1, 3] },
  { key: "tokenizer.ggml.merges", type: "string", value: ["a b"] },
  { key: "tokenizer.ggml.eos_token_id", type: "u32", value: 3 },
  { key: "tokenizer.ggml.eot_token_id", type: "u32", value: 2 },
  { key: "tokenizer.ggml.padding_token_id", type: "u32", value: 3 },
  { key: "tokenizer.chat_template", type: "string", value: "{{ messages }}" },
];

describe.each(FAMILIES)("a %s file", (architecture, config, entries) => {
  it("has the configuration and every weight, under Hugging Face's names", async () => {
    const checkpoint = await openModel(config, { architecture, entries });
    expect(fromHuggingFaceConfig(checkpoint.config)).toEqual(config);
    const weights = weightsFor(config);
    for (const { name, dims } of parameterSpecs(config)) {
      const [read, written] = [checkpoint.weights.get(name, dims), weights.get(name, dims)];
      // Gemma's norms lost a bit when 1 was added.
      const isClose = read.every((value, i) => Math.abs(value - written[i]!) < 2 ** -23);
      expect(
        architecture === "gemma3" ? isClose : Buffer.from(read.buffer).equals(Buffer.from(written.buffer)),
        name,
      ).toBe(true);
    }
    await checkpoint.close();
  });

  it.each(["Q4_0", "Q8_0"] as const)("gives %s blocks that unpack to exactly its values", async (type) => {
    const checkpoint = await openModel(config, { architecture, entries, type });
    for (const { name, dims } of parameterSpecs(config)) {
      const packed = checkpoint.weights.packed!(name, dims);
      if (dims.length === 1) {
        expect(packed, name).toBeNull();
        continue;
      }
      expect(packed).toMatchObject({
        bits: type === "Q4_0" ? 4 : 8,
        blockSize: 32,
        outFeatures: dims[0],
        inFeatures: dims[1],
      });
      const unpacked = type === "Q4_0" ? unpackInt4(packed!) : unpackInt8(packed!);
      expect(Buffer.from(unpacked.buffer).equals(Buffer.from(checkpoint.weights.get(name, dims).buffer)), name).toBe(
        true,
      );
    }
    await checkpoint.close();
  });
});

describe("packed weights", () => {
  it("are the file's values for any codes and finite scales", async () => {
    const file = join(dir, "blocks.bin");
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("Q4_0", "Q8_0"),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(2 ** 30),
        async (type, rows, blocks, seed) => {
          const format = BLOCK_FORMATS[type as "Q4_0" | "Q8_0"];
          const random = createRandom(seed, type);
          const bytes = Uint8Array.from({ length: rows * blocks * format.bytes }, () => random.uint32() & 255);
          for (let at = 1; at < bytes.length; at += format.bytes) bytes[at]! &= 0xbf; // finite
          await writeFile(file, bytes);
          const tensor = { name: "w", dims: [rows, blocks * 32], format, file: await WeightFile.open(file), begin: 0 };
          const packed = readPacked(tensor)!;
          const unpacked = type === "Q4_0" ? unpackInt4(packed) : unpackInt8(packed);
          expect(Buffer.from(unpacked.buffer).equals(Buffer.from(readFloats(tensor).buffer))).toBe(true);
          await tensor.file.close();
        },
      ),
      { seed: 41, numRuns: 80 },
    );
  });

  it("are refused when a scale is not finite, and not offered for other formats", async () => {
    const tensors = [
      { name: "token_embd.weight", dims: [96, 64], type: GGML.Q8_0, bytes: new Uint8Array(96 * 2 * 34) },
      { name: "output_norm.weight", dims: [64], type: GGML.F32, bytes: new Uint8Array(256) },
      { name: "blk.0.ffn_up.weight", dims: [96, 64], type: GGML.F16, bytes: new Uint8Array(96 * 64 * 2) },
      { name: "blk.0.ffn_gate.weight", dims: [2, 256], type: GGML.Q6_K, bytes: new Uint8Array(420) },
    ];
    tensors[0]!.bytes[35] = 0x7c;
    const { weights } = await openBytes(encodeGguf(modelEntries(LLAMA), tensors));
    const broken = weights.packed!("model.embed_tokens.weight", [96, 64])!;
    expect(broken).toMatchObject({ bits: 8, blockSize: 32, outFeatures: 96, inFeatures: 64 });
    for (const read of [() => broken.codes, () => broken.scales]) expect(read).toThrow("scale that is not finite");
    expect(weights.packed!("model.layers.0.mlp.up_proj.weight", [96, 64])).toBeNull();
    expect(weights.packed!("model.layers.0.mlp.gate_proj.weight", [2, 256])).toBeNull();
    expect(() => weights.packed!("model.layers.0.mlp.up_proj.weight", [64, 96])).toThrow(
      "expected [64, 96], got [96, 64]",
    );
    expect(() => weights.packed!("lm_head.weight", [96, 64])).toThrow("is missing");
  });
});

describe("mixed files", () => {
  it.each(["F16", "BF16"] as const)("widens %s exactly, and reads through chunk borders", async (type) => {
    const config = { ...LLAMA, layers: 1, vocabSize: 40_000, tiedEmbeddings: true }; // 5 MB of table
    const checkpoint = await openModel(config, { type });
    const name = "model.embed_tokens.weight";
    const dims = [config.vocabSize, config.hidden];
    const written = encodeAs(weightsFor(config).get(name, dims), type);
    const expected = new Float32Array(config.vocabSize * config.hidden);
    BLOCK_FORMATS[type].decode(written, expected, 0);
    expect(Buffer.from(checkpoint.weights.get(name, dims).buffer).equals(Buffer.from(expected.buffer))).toBe(true);
    await checkpoint.close();
  });

  it("gives weights an identity that says which file, which version of it and which numbers", async () => {
    const path = join(dir, "identity.gguf");
    const identities = async (): Promise<string[]> => {
      const checkpoint = await openCheckpoint(path);
      const found = parameterSpecs(LLAMA).map(({ name, dims }) => checkpoint.weights.identity!(name, dims));
      expect(() => checkpoint.weights.identity!("lm_head.weight", [64, 96])).toThrow("expected [64, 96]");
      await checkpoint.close();
      return found;
    };
    await writeFile(path, encodeGgufModel(LLAMA, weightsFor(LLAMA)));
    const first = await identities();
    expect(new Set(first).size).toBe(first.length);
    expect(await identities()).toEqual(first);
    await writeFile(path, encodeGgufModel(LLAMA, weightsFor(LLAMA)));
    for (const [i, identity] of (await identities()).entries()) expect(identity).not.toBe(first[i]);
  });

  it("notices that a file became shorter, and refuses to read after close", async () => {
    const path = join(dir, "shrinks.gguf");
    const bytes = encodeGgufModel(LLAMA, weightsFor(LLAMA));
    await writeFile(path, bytes);
    const checkpoint = await openCheckpoint(path);
    expect(checkpoint.bytes).toBe(bytes.length);
    await writeFile(path, bytes.subarray(0, bytes.length / 2));
    expect(() => checkpoint.weights.get("lm_head.weight", [96, 64])).toThrow(
      expect.objectContaining({ code: "invalid_file", param: "file_size" }) as Error,
    );
    await checkpoint.close();
    await checkpoint.close();
    expect(() => checkpoint.weights.get("model.norm.weight", [64])).toThrow("before it is closed");
  });
});

describe("vocabulary", () => {
  it("comes with roles, template and end tokens", async () => {
    const checkpoint = await openModel(LLAMA, { entries: VOCABULARY });
    expect(checkpoint.tokenizer).toEqual({
      kind: "gguf",
      model: "gpt2",
      pre: "qwen2",
      tokens: ["a", "b", "ab", "<end>"],
      types: [1, 1, 1, 3],
      merges: ["a b"],
      scores: null,
      specials: { eos: 3, eot: 2, padding: 3 },
      addBos: false,
      addSpacePrefix: true,
    });
    expect(checkpoint).toMatchObject({ chatTemplate: "{{ messages }}", endTokens: [3, 2], format: "gguf" });
    expect(checkpoint.config).toMatchObject({ bos_token_id: null, eos_token_id: 3, pad_token_id: 3 });
    await checkpoint.close();
    const facts = await readCheckpointFacts(join(dir, `${files - 1}.gguf`));
    expect(Object.keys(facts).toSorted()).toEqual(["chatTemplate", "config", "endTokens", "format", "tokenizer"]);
    expect(checkpoint).toMatchObject(facts);
  });

  it("knows which prompts start with bos", async () => {
    const added = async (model: string, pre: string | null, asked: boolean | null): Promise<boolean> => {
      const entries: GgufEntry[] = [
        { key: "tokenizer.ggml.model", type: "string", value: model },
        { key: "tokenizer.ggml.tokens", type: "string", value: ["<s>"] },
        { key: "tokenizer.ggml.scores", type: "f32", value: [-1.5] },
        { key: "tokenizer.ggml.bos_token_id", type: "u32", value: 0 },
      ];
      if (pre !== null) entries.push({ key: "tokenizer.ggml.pre", type: "string", value: pre });
      if (asked !== null) entries.push({ key: "tokenizer.ggml.add_bos_token", type: "bool", value: asked });
      const { tokenizer } = await openModel(LLAMA, { entries });
      expect(tokenizer).toMatchObject({
        kind: "gguf",
        scores: Float32Array.of(-1.5),
        types: [1],
        specials: { bos: 0 },
      });
      return tokenizer?.kind === "gguf" && tokenizer.addBos;
    };
    expect(await added("llama", null, null)).toBe(true);
    expect(await added("llama", null, false)).toBe(false);
    expect(await added("gpt2", "qwen2", null)).toBe(false);
    expect(await added("gpt2", "llama-bpe", null)).toBe(true);
    expect(await added("gpt2", null, true)).toBe(true);
  });

  it("may be absent", async () => {
    expect((await openModel(LLAMA, {})).tokenizer).toBeNull();
    const none: GgufEntry = { key: "tokenizer.ggml.model", type: "string", value: "no_vocab" };
    expect((await openModel(LLAMA, { entries: [none] })).tokenizer).toBeNull();
  });
});

describe("configuration", () => {
  const configOf = async (entries: readonly GgufEntry[], architecture = "llama"): Promise<Record<string, unknown>> => {
    const checkpoint = await openModel(LLAMA, { architecture, entries });
    await checkpoint.close();
    return checkpoint.config as Record<string, unknown>;
  };
  const u32 = (key: string, value: number): GgufEntry => ({ key, type: "u32", value });
  const f32 = (key: string, value: number): GgufEntry => ({ key, type: "f32", value });
  const text = (key: string, value: string): GgufEntry => ({ key, type: "string", value });

  it("reads windows, scalings and lists of one value", async () => {
    expect(await configOf([])).toMatchObject({ rope_scaling: null, rms_norm_eps: 1e-5, tie_word_embeddings: false });
    expect(await configOf([u32("llama.attention.sliding_window", 64)])).toMatchObject({
      model_type: "mistral",
      sliding_window: 64,
    });
    expect(await configOf([{ key: "llama.attention.head_count_kv", type: "i32", value: [2, 2] }])).toMatchObject({
      num_key_value_heads: 2,
    });
    expect(await configOf([f32("llama.rope.scale_linear", 4)])).toMatchObject({
      rope_scaling: { rope_type: "linear", factor: 4 },
    });
    const linear = [text("llama.rope.scaling.type", "linear"), f32("llama.rope.scaling.factor", 2.5)];
    expect(await configOf(linear)).toMatchObject({ rope_scaling: { rope_type: "linear", factor: 2.5 } });
    const yarn = [
      text("qwen3.rope.scaling.type", "yarn"),
      f32("qwen3.rope.scaling.factor", 4),
      u32("qwen3.rope.scaling.original_context_length", 32),
      f32("qwen3.rope.scaling.yarn_beta_fast", 24),
    ];
    expect(await configOf(yarn, "qwen3")).toMatchObject({
      rope_scaling: { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32, beta_fast: 24 },
    });
  });

  it("recognises Llama 3's scaling by its effect on the frequencies", async () => {
    const withFactors = (factors: readonly number[]): Buffer => {
      const config = { ...LLAMA, ropeTheta: 500_000, headDim: 128, heads: 1, kvHeads: 1 };
      const tensors = [
        { name: "token_embd.weight", dims: [96, 64], type: GGML.F32, bytes: new Uint8Array(96 * 64 * 4) },
        { name: "rope_freqs.weight", dims: [64], type: GGML.F32, bytes: encodeAs(Float32Array.from(factors), "F32") },
      ];
      return encodeGguf(modelEntries(config), tensors);
    };
    // Llama 3.1's own, from the formula in its release: 1, a ramp, then the factor.
    const factors = Array.from({ length: 64 }, (_, i) => {
      const wavelength = 2 * Math.PI * 500_000 ** (i / 64);
      if (wavelength < 2048) return 1;
      if (wavelength > 8192) return 8;
      const smooth = (8192 / wavelength - 1) / 3;
      return 1 / ((1 - smooth) / 8 + smooth);
    });
    expect(new Set(factors).size).toBeGreaterThan(3);
    const scaled = await openBytes(withFactors(factors));
    expect(scaled.config).toMatchObject({
      rope_scaling: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    });
    expect((await openBytes(withFactors(factors.map(() => 1)))).config).toMatchObject({ rope_scaling: null });
    await expect(openBytes(withFactors(factors.with(30, 9)))).rejects.toMatchObject({
      code: "unsupported",
      param: "rope_freqs.weight",
    });
    await expect(openBytes(withFactors(factors.map(() => NaN)))).rejects.toMatchObject({ param: "rope_freqs.weight" });
  });

  const bad: [code: string, param: string, entries: readonly GgufEntry[], architecture?: string][] = [
    ["unsupported", "general.architecture", [text("general.architecture", "mamba")]],
    ["invalid_file", "general.architecture", [u32("general.architecture", 7)]],
    ["unsupported", "split.count", [{ key: "split.count", type: "u16", value: 2 }]],
    ["unsupported", "llama.expert_count", [u32("llama.expert_count", 8)]],
    ["unsupported", "llama.rope.dimension_count", [u32("llama.rope.dimension_count", 8)]],
    ["unsupported", "llama.attention.value_length", [u32("llama.attention.value_length", 8)]],
    ["unsupported", "llama.attention.causal", [{ key: "llama.attention.causal", type: "bool", value: false }]],
    ["unsupported", "qwen3.final_logit_softcapping", [f32("qwen3.final_logit_softcapping", 30)], "qwen3"],
    [
      "unsupported",
      "llama.rope.scaling.type",
      [text("llama.rope.scaling.type", "longrope"), f32("llama.rope.scaling.factor", 2)],
    ],
    ["invalid_file", "llama.rope.scaling.factor", [text("llama.rope.scaling.type", "linear")]],
    ["invalid_file", "llama.embedding_length", [text("llama.embedding_length", "64")]],
    ["invalid_file", "llama.context_length", [{ key: "llama.context_length", type: "u64", value: 2n ** 60n }]],
    ["invalid_file", "llama.block_count", [u32("llama.block_count", 0)]],
    ["invalid_file", "llama.block_count", [u32("llama.block_count", 2 ** 31)]],
    ["unsupported", "blk.1.attn_norm.weight", [u32("llama.block_count", 1)]],
    ["unsupported", "llama.feed_forward_length", [{ key: "llama.feed_forward_length", type: "i32", value: [96, 64] }]],
    ["invalid_file", "gemma3.attention.sliding_window", [], "gemma3"],
    [
      "invalid_file",
      "tokenizer.ggml.token_type",
      [...VOCABULARY, { key: "tokenizer.ggml.token_type", type: "i32", value: [1] }],
    ],
    ["invalid_file", "tokenizer.ggml.bos_token_id", [...VOCABULARY, u32("tokenizer.ggml.bos_token_id", 4)]],
    [
      "invalid_file",
      "tokenizer.ggml.tokens",
      [text("tokenizer.ggml.model", "gpt2"), text("tokenizer.ggml.tokens", "a")],
    ],
    [
      "invalid_file",
      "tokenizer.ggml.tokens",
      [{ key: "tokenizer.ggml.tokens", type: "string", value: Array.from({ length: 97 }, (_, i) => `${i}`) }],
    ],
    ["invalid_file", "tokenizer.chat_template", [u32("tokenizer.chat_template", 1)]],
  ];
  it.each(bad)("answers %s for %s", async (...row) => {
    const [code, param, entries, architecture = "llama"] = row as (typeof bad)[number];
    // Of two entries with one key the later counts, so that a row can change one of a list.
    const unique = [...new Map(entries.map((entry) => [entry.key, entry])).values()];
    await expect(openModel(LLAMA, { architecture, entries: unique })).rejects.toMatchObject({ code, param });
  });

  it("refuses what it cannot name, and biases that its family does not have", async () => {
    const extra = (name: string): Promise<Checkpoint> =>
      openBytes(
        encodeGguf(modelEntries(LLAMA), [
          { name: "token_embd.weight", dims: [96, 64], type: GGML.F32, bytes: new Uint8Array(96 * 64 * 4) },
          { name, dims: [64], type: GGML.F32, bytes: new Uint8Array(256) },
        ]),
      );
    await expect(extra("blk.0.ffn_gate_exps.weight")).rejects.toMatchObject({
      code: "unsupported",
      param: "blk.0.ffn_gate_exps.weight",
    });
    expect((await extra("blk.0.attn_q.bias")).config).toMatchObject({ attention_bias: true });
    await expect(openBytes(encodeGguf(modelEntries(LLAMA), []))).rejects.toMatchObject({ param: "token_embd.weight" });
    expect(ggufName("model.layers.3.mlp.up_proj.weight", "llama")).toBe("blk.3.ffn_up.weight");
  });
});
