import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PunctualError } from "../core/index.ts";
import { checkConfig, countParameters, layerRope, layerWindow, parameterSpecs, type DecoderConfig } from "./config.ts";
import { FAMILY_CONFIGS } from "./families.conformance.ts";
import { fromHuggingFaceConfig, toHuggingFaceConfig } from "./families.ts";

const SEED = 20261120;

/**
 * Published shapes: fields of the models' config.json files on the hub that tell their sizes, and the number of
 * parameters that their pages state.
 */
const PUBLISHED: readonly (readonly [name: string, parameters: number, json: Record<string, unknown>])[] = [
  ["Llama 2 7B", 6_738_415_616, sizes("llama", 32_000, 4096, 32, 32, 32, 11_008, { max_position_embeddings: 4096 })],
  [
    "Llama 3.2 1B",
    1_235_814_400,
    sizes("llama", 128_256, 2048, 16, 32, 8, 8192, {
      head_dim: 64,
      tie_word_embeddings: true,
      rope_theta: 500_000,
      rope_scaling: {
        factor: 32,
        high_freq_factor: 4,
        low_freq_factor: 1,
        original_max_position_embeddings: 8192,
        rope_type: "llama3",
      },
    }),
  ],
  [
    "SmolLM2 135M",
    134_515_008,
    sizes("llama", 49_152, 576, 30, 9, 3, 1536, { tie_word_embeddings: true, rope_interleaved: false }),
  ],
  ["Mistral 7B", 7_241_732_096, sizes("mistral", 32_000, 4096, 32, 32, 8, 14_336, { sliding_window: 4096 })],
  ["SmolLM3 3B", 3_075_098_624, sizes("smollm3", 128_256, 2048, 36, 16, 4, 11_008, { use_sliding_window: false })],
  [
    "Qwen2.5 0.5B",
    494_032_768,
    sizes("qwen2", 151_936, 896, 24, 14, 2, 4864, {
      tie_word_embeddings: true,
      use_sliding_window: false,
      sliding_window: 32_768,
    }),
  ],
  [
    "Qwen3 0.6B",
    596_049_920,
    sizes("qwen3", 151_936, 1024, 28, 16, 8, 3072, { tie_word_embeddings: true, head_dim: 128, max_window_layers: 28 }),
  ],
  [
    "Gemma 3 1B",
    999_885_952,
    sizes("gemma3_text", 262_144, 1152, 26, 4, 1, 6912, {
      hidden_act: undefined,
      hidden_activation: "gelu_pytorch_tanh",
      head_dim: 256,
      sliding_window: 512,
    }),
  ],
];

function sizes(
  type: string,
  vocab: number,
  hidden: number,
  layers: number,
  heads: number,
  kvHeads: number,
  ffn: number,
  more: Record<string, unknown>,
): Record<string, unknown> {
  return {
    model_type: type,
    vocab_size: vocab,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    intermediate_size: ffn,
    hidden_act: "silu",
    max_position_embeddings: 32_768,
    ...more,
  };
}

const LLAMA = FAMILY_CONFIGS["llama 2"]!;

describe("fromHuggingFaceConfig", () => {
  it.each(PUBLISHED)("counts the parameters of %s", (_name, parameters, json) => {
    expect(countParameters(fromHuggingFaceConfig(json))).toBe(parameters);
  });

  it("counts the parameters of GEB-1.3B's shape", () => {
    const json = sizes("llama", 64_896, 2048, 24, 16, 4, 5632, { rms_norm_eps: 1e-5, max_position_embeddings: 4096 });
    expect(countParameters(fromHuggingFaceConfig(json)) / 1e9).toBeCloseTo(1.348, 3);
  });

  it("reads what sets a family apart", () => {
    const read = (name: string): DecoderConfig => fromHuggingFaceConfig(FAMILY_CONFIGS[name]);
    expect(read("llama 2")).toEqual({
      vocabSize: 101,
      hidden: 64,
      layers: 3,
      heads: 4,
      kvHeads: 4,
      headDim: 16,
      ffn: 96,
      ropeTheta: 10_000,
      normEps: 1e-5,
      tiedEmbeddings: false,
      maxPositions: 128,
    });
    expect(read("mistral")).toMatchObject({ window: 13 });
    expect(read("qwen 2")).toMatchObject({ qkvBias: true, headDim: 8, tiedEmbeddings: true });
    expect(read("qwen 2")).not.toHaveProperty("windows");
    expect(read("qwen 2, windows")).toMatchObject({ windows: [null, 10, 10] });
    expect(read("qwen 3")).toMatchObject({ qkNorm: true, headDim: 24 });
    expect(read("smollm 3")).toMatchObject({ noRopeLayers: [false, false, false, true, false], tiedEmbeddings: true });
    expect(read("smollm 3, windows")).toMatchObject({ noRopeLayers: [false, true, false], windows: [null, 9, null] });
    expect(read("gemma 3")).toMatchObject({
      activation: "gelu_tanh",
      qkNorm: true,
      normOffset: true,
      postNorms: true,
      embeddingScale: 8,
      attentionScale: 1 / Math.sqrt(24),
      ropeTheta: 1e6,
      ropeThetaLocal: 1e4,
      windows: [12, 12, null, 12, 12, null, 12],
      tiedEmbeddings: true,
    });
    const gemma = read("gemma 3");
    expect([0, 2].map((layer) => [layerRope(gemma, layer), layerWindow(gemma, layer)])).toEqual([
      ["local", 12],
      ["global", undefined],
    ]);
  });

  it("takes transformers' defaults for what a file leaves out", () => {
    const { sliding_window: _, ...mistral } = FAMILY_CONFIGS["mistral"]!;
    expect(fromHuggingFaceConfig(mistral).window).toBe(4096);
    expect(fromHuggingFaceConfig({ ...mistral, sliding_window: null }).window).toBeUndefined();
    const { head_dim: __, ...qwen3 } = FAMILY_CONFIGS["qwen 3"]!;
    expect(fromHuggingFaceConfig(qwen3).headDim).toBe(128);
    const listed = { ...FAMILY_CONFIGS["gemma 3"]!, layer_types: Array<string>(7).fill("full_attention") };
    expect(fromHuggingFaceConfig(listed).windows).toEqual(Array(7).fill(null));
  });

  it("reads yarn, and the positions that it reaches", () => {
    const yarn = fromHuggingFaceConfig(FAMILY_CONFIGS["qwen 2.5, yarn"]);
    expect(yarn.maxPositions).toBe(128);
    expect(yarn.ropeScaling).toEqual({
      type: "yarn",
      factor: 4,
      originalMaxPositions: 32,
      betaFast: 32,
      betaSlow: 1,
      attentionFactor: 0.1 * Math.log(4) + 1,
      truncate: true,
    });
    const scaled = (more: object): DecoderConfig =>
      fromHuggingFaceConfig({ ...LLAMA, rope_scaling: { type: "yarn", factor: 2, ...more } });
    expect(scaled({}).ropeScaling).toMatchObject({ originalMaxPositions: 128 });
    expect(scaled({ mscale: 1, mscale_all_dim: 1 }).ropeScaling).toMatchObject({ attentionFactor: 1 });
    expect(scaled({ attention_factor: 1.5, truncate: false }).ropeScaling).toMatchObject({
      attentionFactor: 1.5,
      truncate: false,
    });
  });

  it("reads transformers 5's rope_parameters", () => {
    const { rope_theta: _, rope_scaling: scaling, ...llama } = FAMILY_CONFIGS["llama 3"]!;
    const parameters = { ...(scaling as object), rope_theta: 500_000 };
    expect(fromHuggingFaceConfig({ ...llama, rope_parameters: parameters })).toEqual(
      fromHuggingFaceConfig(FAMILY_CONFIGS["llama 3"]),
    );
    const { rope_theta: __, rope_scaling: ___, rope_local_base_freq: ____, ...gemma } = FAMILY_CONFIGS["gemma 3"]!;
    const layered = {
      full_attention: { rope_type: "linear", factor: 8, rope_theta: 1_000_000 },
      sliding_attention: { rope_type: "default", rope_theta: 10_000 },
    };
    expect(fromHuggingFaceConfig({ ...gemma, rope_parameters: layered })).toEqual(
      fromHuggingFaceConfig(FAMILY_CONFIGS["gemma 3"]),
    );
  });

  it.each<[string, string, object]>([
    ["unsupported", "model_type", { model_type: "gpt2" }],
    ["unsupported", "model_type", { model_type: "constructor" }],
    ["unsupported", "model_type", { model_type: undefined }],
    ["unsupported", "hidden_act", { hidden_act: "relu" }],
    ["unsupported", "attention_bias", { attention_bias: true }],
    ["unsupported", "mlp_bias", { mlp_bias: true }],
    ["unsupported", "rope_interleaved", { rope_interleaved: true }],
    ["unsupported", "partial_rotary_factor", { partial_rotary_factor: 0.5 }],
    ["unsupported", "final_logit_softcapping", { final_logit_softcapping: 30 }],
    ["unsupported", "quantization_config", { quantization_config: { quant_method: "gptq" } }],
    ["unsupported", "rope_scaling.type", { rope_scaling: { type: "dynamic", factor: 2 } }],
    ["unsupported", "rope_scaling.rope_type", { rope_scaling: { rope_type: "longrope" } }],
    ["unsupported", "layer_types", { ...FAMILY_CONFIGS["gemma 3"], layer_types: ["chunked_attention"] }],
    ["unsupported", "hidden_activation", { ...FAMILY_CONFIGS["gemma 3"], hidden_activation: "gelu" }],
    ["invalid_file", "rope_scaling.factor", { rope_scaling: { type: "linear" } }],
    ["invalid_file", "ropeScaling.factor", { rope_scaling: { type: "linear", factor: 0.5 } }],
    ["invalid_file", "rope_scaling", { rope_scaling: "linear" }],
    ["invalid_file", "hidden_size", { hidden_size: undefined }],
    ["invalid_file", "vocab_size", { vocab_size: "101" }],
    ["invalid_file", "tie_word_embeddings", { tie_word_embeddings: "yes" }],
    ["invalid_file", "kvHeads", { num_key_value_heads: 3 }],
    ["invalid_file", "headDim", { head_dim: 15 }],
    ["invalid_file", "window", { model_type: "mistral", sliding_window: 0 }],
    ["invalid_file", "windows", { ...FAMILY_CONFIGS["gemma 3"], layer_types: ["full_attention"] }],
    ["invalid_file", "noRopeLayers", { ...FAMILY_CONFIGS["smollm 3"], no_rope_layers: [1, 0] }],
  ])("refuses with %s naming %s", (code, param, change) => {
    expect(() => fromHuggingFaceConfig({ ...LLAMA, ...change })).toThrow(expect.objectContaining({ code, param }));
  });

  it("refuses whatever JSON it is given, or reads a config that checks", () => {
    const values = fc.oneof(fc.jsonValue(), fc.integer({ min: -1, max: 200 }), fc.constantFrom(null, true, "yarn"));
    const known = [...new Set(Object.values(FAMILY_CONFIGS).flatMap((json) => Object.keys(json)))];
    const changes = fc.dictionary(fc.constantFrom(...known, "rope_parameters", "layer_types"), values, { maxKeys: 4 });
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(FAMILY_CONFIGS)), changes, (json, change) => {
        try {
          checkConfig(fromHuggingFaceConfig({ ...json, ...change }));
        } catch (error) {
          expect(error).toBeInstanceOf(PunctualError);
          expect(["invalid_file", "unsupported"]).toContain((error as PunctualError).code);
        }
      }),
      { seed: SEED, numRuns: 600 },
    );
    for (const json of [null, 3, "llama", []]) {
      expect(() => fromHuggingFaceConfig(json)).toThrow(expect.objectContaining({ code: "invalid_file" }));
    }
  });
});

describe("toHuggingFaceConfig", () => {
  it.each(Object.entries(FAMILY_CONFIGS))("writes %s so that it reads back the same", (_name, json) => {
    const config = fromHuggingFaceConfig(json);
    const written = toHuggingFaceConfig(config);
    expect(written["model_type"]).toBe(json["model_type"]);
    expect(fromHuggingFaceConfig(JSON.parse(JSON.stringify(written)))).toEqual(config);
  });

  it.each(PUBLISHED)("writes %s so that it reads back the same", (_name, _parameters, json) => {
    const config = fromHuggingFaceConfig(json);
    expect(fromHuggingFaceConfig(toHuggingFaceConfig(config))).toEqual(config);
  });

  it("writes the built-in models' files as they are", () => {
    for (const name of readdirSync("models")) {
      if (!readdirSync(`models/${name}`).includes("config.json")) continue;
      const json: unknown = JSON.parse(readFileSync(`models/${name}/config.json`, "utf8"));
      expect(JSON.stringify(toHuggingFaceConfig(fromHuggingFaceConfig(json)))).toBe(JSON.stringify(json));
    }
  });

  it("refuses a mixture of families by what does not belong", () => {
    const config = fromHuggingFaceConfig(LLAMA);
    const refused = (change: Partial<DecoderConfig>): unknown => {
      try {
        return toHuggingFaceConfig({ ...config, ...change });
      } catch (error) {
        return (error as PunctualError).param;
      }
    };
    expect(refused({ qkNorm: true, qkvBias: true })).toBe("qkvBias");
    expect(refused({ embeddingScale: 2 })).toBe("embeddingScale");
    expect(refused({ qkvBias: true, windows: [1, 2, null] })).toBe("windows");
    expect(refused({ ...fromHuggingFaceConfig(FAMILY_CONFIGS["gemma 3"]), embeddingScale: 2 })).toBe("embeddingScale");
    expect(refused({ qkNorm: false, activation: "silu" })).toMatchObject({ model_type: "llama" });
  });
});

describe("parameterSpecs", () => {
  it("names what each family has besides, as Hugging Face does", () => {
    const extras = (name: string): string[] => {
      const names = (config: DecoderConfig): string[] =>
        parameterSpecs(config)
          .filter(({ name: weight }) => weight.startsWith("model.layers.0."))
          .map(({ name: weight, dims }) => `${weight.slice(15)} ${dims.join("x")}`);
      const plain = new Set(names(fromHuggingFaceConfig(LLAMA)).map((entry) => entry.split(" ")[0]));
      return names(fromHuggingFaceConfig(FAMILY_CONFIGS[name])).filter((entry) => !plain.has(entry.split(" ")[0]));
    };
    expect(extras("mistral")).toEqual([]);
    expect(extras("qwen 2")).toEqual([
      "self_attn.q_proj.bias 56",
      "self_attn.k_proj.bias 8",
      "self_attn.v_proj.bias 8",
    ]);
    expect(extras("qwen 3")).toEqual(["self_attn.q_norm.weight 24", "self_attn.k_norm.weight 24"]);
    expect(extras("gemma 3")).toEqual([
      "self_attn.q_norm.weight 16",
      "self_attn.k_norm.weight 16",
      "pre_feedforward_layernorm.weight 64",
      "post_feedforward_layernorm.weight 64",
    ]);
  });
});

describe("checkConfig", () => {
  it.each<[string, Partial<DecoderConfig>]>([
    ["windows", { window: 3, windows: [1, 1, 1] }],
    ["windows", { windows: [1, 1] }],
    ["windows", { windows: [1, 0, 1] }],
    ["noRopeLayers", { noRopeLayers: [true] }],
    ["embeddingScale", { embeddingScale: 0 }],
    ["attentionScale", { attentionScale: Number.NaN }],
    ["ropeThetaLocal", { ropeThetaLocal: 1 }],
    ["ropeScaling.factor", { ropeScaling: { type: "linear", factor: 0 } }],
    [
      "ropeScaling.highFrequencyFactor",
      {
        ropeScaling: {
          type: "llama3",
          factor: 8,
          lowFrequencyFactor: 4,
          highFrequencyFactor: 4,
          originalMaxPositions: 8,
        },
      },
    ],
  ])("names %s", (param, change) => {
    const config = { ...fromHuggingFaceConfig(LLAMA), ...change };
    expect(() => checkConfig(config)).toThrow(expect.objectContaining({ code: "invalid_file", param }));
  });
});
