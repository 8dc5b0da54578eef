/**
 * config.json of each family, as Hugging Face writes it, to and from a DecoderConfig. A model type or a value that
 * would change the arithmetic and that the decoder does not do is `unsupported` under the field's name; fields that
 * only training or other runtimes read are passed over.
 *
 *   llama         Llama 2 and 3, SmolLM 1 and 2, TinyLlama, GEB-1.3B's shape
 *   mistral       a sliding window
 *   smollm3       every fourth layer without rotary positions
 *   qwen2, qwen3  biases; norms of query and key heads
 *   gemma3_text   norms on both sides, windows with a theta of their own
 *
 * Defaults for absent fields are those of the family's class in transformers: it leaves out of a file what equals
 * its base class. Files of transformers 5 hold `rope_parameters` in place of `rope_theta` and `rope_scaling`.
 */
import { fail } from "../core/index.ts";
import { checkConfig, type DecoderConfig } from "./config.ts";
import { JsonFields } from "./json-fields.ts";
import { readRope, writeRopeScaling } from "./rope-fields.ts";

/** Fields in which a family differs from Llama, read once the sizes are known. */
type Traits = Partial<DecoderConfig>;

interface Family {
  readonly architecture: string;
  /** Transformers' default where a file has no rope_theta. */
  readonly ropeTheta: number;
  /** Whether the head is tied when the file does not say. */
  readonly tied: boolean;
  readonly headDim?: number;
  readonly traits: (fields: JsonFields, sizes: Sizes) => Traits;
}

interface Sizes {
  readonly layers: number;
  readonly hidden: number;
  readonly headDim: number;
}

/** Which of Mistral's, Qwen's and Gemma's layers have a window when transformers is not told. */
const MISTRAL_WINDOW = 4096;
const QWEN_FULL_LAYERS = 28;
const GEMMA_WINDOW = 4096;
const GEMMA_PATTERN = 6;
const GEMMA_LOCAL_THETA = 10_000;
const SMOLLM_ROPE_INTERVAL = 4;

const FAMILIES: Readonly<Record<string, Family>> = {
  llama: {
    architecture: "LlamaForCausalLM",
    ropeTheta: 10_000,
    tied: false,
    traits: (fields) => windowTrait(fields.optionalNumber("sliding_window")),
  },
  mistral: {
    architecture: "MistralForCausalLM",
    ropeTheta: 10_000,
    tied: false,
    traits: (fields) =>
      windowTrait(fields.has("sliding_window") ? fields.optionalNumber("sliding_window") : MISTRAL_WINDOW),
  },
  smollm3: { architecture: "SmolLM3ForCausalLM", ropeTheta: 2_000_000, tied: true, traits: smolLm3Traits },
  qwen2: {
    architecture: "Qwen2ForCausalLM",
    ropeTheta: 10_000,
    tied: false,
    traits: (fields, sizes) => ({ qkvBias: true, ...qwenWindows(fields, sizes) }),
  },
  qwen3: {
    architecture: "Qwen3ForCausalLM",
    ropeTheta: 10_000,
    tied: false,
    headDim: 128,
    traits: (fields, sizes) => ({ qkNorm: true, ...qwenWindows(fields, sizes) }),
  },
  gemma3_text: {
    architecture: "Gemma3ForCausalLM",
    ropeTheta: 1_000_000,
    tied: true,
    headDim: 256,
    traits: gemma3Traits,
  },
};

/** Values of fields that the decoder does; any other is refused. Absent and null stand for the first. */
const SUPPORTED: Readonly<Record<string, readonly unknown[]>> = {
  attention_bias: [false],
  mlp_bias: [false],
  rope_interleaved: [false],
  partial_rotary_factor: [1],
  attn_logit_softcapping: [null],
  final_logit_softcapping: [null],
  use_bidirectional_attention: [false],
  use_mrope: [false],
  quantization_config: [null],
};

/** Reads a config.json. @throws PunctualError invalid_file or unsupported, naming the field. */
export function fromHuggingFaceConfig(json: unknown): DecoderConfig {
  const fields = JsonFields.of(json, "config");
  const type = fields.raw("model_type");
  const family = typeof type === "string" && Object.hasOwn(FAMILIES, type) ? FAMILIES[type] : undefined;
  if (family === undefined) {
    fail(
      "unsupported",
      `config: model_type ${JSON.stringify(type)} is not supported, only ${Object.keys(FAMILIES).join(", ")}`,
      { param: "model_type" },
    );
  }
  for (const [field, values] of Object.entries(SUPPORTED)) fields.expectOneOf(field, values);
  const hidden = fields.number("hidden_size");
  const heads = fields.number("num_attention_heads");
  const layers = fields.number("num_hidden_layers");
  const headDim = fields.number("head_dim", family.headDim ?? hidden / heads);
  const maxPositions = fields.number("max_position_embeddings");
  const traits = family.traits(fields, { layers, hidden, headDim });
  if (traits.activation === undefined) fields.expectOneOf("hidden_act", ["silu"]);
  return checkConfig({
    vocabSize: fields.number("vocab_size"),
    hidden,
    layers,
    heads,
    kvHeads: fields.number("num_key_value_heads", heads),
    headDim,
    ffn: fields.number("intermediate_size"),
    normEps: fields.number("rms_norm_eps", 1e-6),
    tiedEmbeddings: fields.flag("tie_word_embeddings", family.tied),
    ...readRope(fields, family.ropeTheta, maxPositions),
    ...traits,
  });
}

function windowTrait(window: number | null): Traits {
  return window === null ? {} : { window };
}

/** One window or none per layer, from layer_types where the file has them, else by the family's rule. */
function windowsOf(fields: JsonFields, layers: number, window: number, isSliding: (layer: number) => boolean): Traits {
  const types = fields.optionalList("layer_types");
  if (types === null) {
    return { windows: Array.from({ length: layers }, (_, layer) => (isSliding(layer) ? window : null)) };
  }
  const windows = types.map((type) => {
    if (type === "sliding_attention") return window;
    if (type === "full_attention") return null;
    return fail("unsupported", `config: layer_types ${JSON.stringify(type)} is not supported`, {
      param: "layer_types",
    });
  });
  return { windows };
}

function qwenWindows(fields: JsonFields, { layers }: Sizes): Traits {
  if (!fields.flag("use_sliding_window", false) || fields.optionalNumber("sliding_window") === null) return {};
  const full = fields.number("max_window_layers", QWEN_FULL_LAYERS);
  return windowsOf(fields, layers, fields.number("sliding_window"), (layer) => layer >= full);
}

function smolLm3Traits(fields: JsonFields, { layers }: Sizes): Traits {
  // The list says where there is rope: 1 for a layer that turns, 0 for one that does not.
  const listed = fields.optionalList("no_rope_layers");
  const interval = fields.number("no_rope_layer_interval", SMOLLM_ROPE_INTERVAL);
  const noRopeLayers =
    listed === null
      ? Array.from({ length: layers }, (_, layer) => (layer + 1) % interval === 0)
      : listed.slice(0, layers).map((value) => value === 0 || value === false);
  if (!fields.flag("use_sliding_window", false) || fields.optionalNumber("sliding_window") === null) {
    return { noRopeLayers };
  }
  const window = fields.number("sliding_window");
  return { noRopeLayers, ...windowsOf(fields, layers, window, (layer) => noRopeLayers[layer] === true) };
}

function gemma3Traits(fields: JsonFields, { layers, hidden, headDim }: Sizes): Traits {
  const activation = fields.has("hidden_activation") ? "hidden_activation" : "hidden_act";
  fields.expectOneOf(activation, ["gelu_pytorch_tanh"]);
  const scalar = fields.number("query_pre_attn_scalar", 256);
  const pattern = fields.number("sliding_window_pattern", fields.number("_sliding_window_pattern", GEMMA_PATTERN));
  const window = fields.number("sliding_window", GEMMA_WINDOW);
  const local = fields.optionalObject("rope_parameters")?.optionalObject("sliding_attention");
  local?.expectOneOf("rope_type", ["default"]);
  return {
    activation: "gelu_tanh",
    qkNorm: true,
    normOffset: true,
    postNorms: true,
    embeddingScale: Math.sqrt(hidden),
    ...(scalar === headDim ? {} : { attentionScale: 1 / Math.sqrt(scalar) }),
    ropeThetaLocal: (local ?? fields).number(
      local === undefined ? "rope_local_base_freq" : "rope_theta",
      GEMMA_LOCAL_THETA,
    ),
    ...windowsOf(fields, layers, window, (layer) => (layer + 1) % pattern !== 0),
  };
}

/**
 * The fields of a config.json for this decoder. @throws PunctualError unsupported, naming the field, when no family
 * has its combination.
 */
export function toHuggingFaceConfig(config: DecoderConfig): Record<string, unknown> {
  const type = familyOf(config);
  return {
    architectures: [FAMILIES[type]!.architecture],
    model_type: type,
    vocab_size: config.vocabSize,
    hidden_size: config.hidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    intermediate_size: config.ffn,
    ...(type === "gemma3_text" ? { hidden_activation: "gelu_pytorch_tanh" } : { hidden_act: "silu" }),
    rope_theta: config.ropeTheta,
    ...(config.ropeScaling === undefined ? {} : { rope_scaling: writeRopeScaling(config.ropeScaling) }),
    rms_norm_eps: config.normEps,
    tie_word_embeddings: config.tiedEmbeddings,
    max_position_embeddings: config.maxPositions,
    ...writeWindows(config, type),
    ...(type === "smollm3" ? { no_rope_layers: config.noRopeLayers!.map((none) => (none ? 0 : 1)) } : {}),
    ...(type === "gemma3_text" ? writeGemma3(config) : {}),
    attention_bias: false,
    mlp_bias: false,
    torch_dtype: "float16",
    bos_token_id: null,
    eos_token_id: 1,
    pad_token_id: 0,
  };
}

/** What sets the families apart, in the order in which they are told apart. */
const OWN_TRAITS: Readonly<Record<string, readonly (keyof DecoderConfig)[]>> = {
  gemma3_text: ["postNorms", "normOffset", "qkNorm", "activation", "embeddingScale", "windows", "ropeThetaLocal"],
  qwen3: ["qkNorm"],
  qwen2: ["qkvBias"],
  smollm3: ["noRopeLayers"],
  mistral: ["window"],
  llama: [],
};
/** What a family may have besides. */
const MORE_TRAITS: Readonly<Record<string, readonly (keyof DecoderConfig)[]>> = {
  gemma3_text: ["attentionScale"],
  qwen3: ["windows"],
  qwen2: ["windows"],
  smollm3: ["windows"],
};
const TRAITS = [...new Set([...Object.values(OWN_TRAITS), ...Object.values(MORE_TRAITS)].flat())];

function familyOf(config: DecoderConfig): string {
  const has = (trait: keyof DecoderConfig): boolean => {
    const value = config[trait];
    return value !== undefined && value !== false && value !== "silu";
  };
  const [type, own] = Object.entries(OWN_TRAITS).find(([, traits]) => traits.every(has))!;
  const stranger = TRAITS.find(
    (trait) => has(trait) && !own.includes(trait) && !(MORE_TRAITS[type] ?? []).includes(trait),
  );
  const offScale = type === "gemma3_text" && config.embeddingScale !== Math.sqrt(config.hidden);
  const odd = stranger ?? (offScale ? "embeddingScale" : undefined);
  if (odd !== undefined) fail("unsupported", `no family of config.json has ${odd} as this decoder has`, { param: odd });
  return type;
}

function writeWindows({ window, windows }: DecoderConfig, type: string): Record<string, unknown> {
  if (window !== undefined) return { sliding_window: window };
  if (windows === undefined) return type === "llama" ? {} : { sliding_window: null, ...useWindows(type, false) };
  const sizes = [...new Set(windows.filter((size) => size !== null))];
  if (sizes.length > 1) {
    fail("unsupported", `config.json holds one window size, not ${sizes.join(" and ")}`, { param: "windows" });
  }
  return {
    // Gemma's field must be a number even where no layer uses it.
    sliding_window: sizes[0] ?? (type === "gemma3_text" ? GEMMA_WINDOW : null),
    ...useWindows(type, true),
    layer_types: windows.map((size) => (size === null ? "full_attention" : "sliding_attention")),
  };
}

function useWindows(type: string, used: boolean): Record<string, unknown> {
  return type === "gemma3_text" || type === "mistral" ? {} : { use_sliding_window: used };
}

function writeGemma3({ attentionScale, headDim, ropeThetaLocal }: DecoderConfig): Record<string, unknown> {
  // A scalar such as 168 comes back from its root with rounding.
  const scalar = attentionScale === undefined ? headDim : attentionScale ** -2;
  const whole = Math.round(scalar);
  return {
    rope_local_base_freq: ropeThetaLocal,
    query_pre_attn_scalar: 1 / Math.sqrt(whole) === attentionScale ? whole : scalar,
    attn_logit_softcapping: null,
    final_logit_softcapping: null,
  };
}
