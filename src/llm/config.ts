/**
 * The shape of a decoder and of its weights: Llama's architecture (RMSNorm before each block, rotary
 * positions, grouped queries, gated SiLU feed-forward) under the names Hugging Face gives its parts.
 * Not here: the network itself (decoder.ts) and weight files.
 */
import { fail } from "../core/index.ts";

/** Sizes and constants of a decoder. Check one from outside with checkConfig. */
export interface DecoderConfig {
  readonly vocabSize: number;
  readonly hidden: number;
  readonly layers: number;
  /** Query heads; a multiple of `kvHeads`. */
  readonly heads: number;
  readonly kvHeads: number;
  /** Even, because rotary positions turn pairs; need not be hidden / heads. */
  readonly headDim: number;
  readonly ffn: number;
  readonly ropeTheta: number;
  readonly normEps: number;
  /** The head reads the embedding table; there is no lm_head.weight then. */
  readonly tiedEmbeddings: boolean;
  /** Longest sequence, tokens. */
  readonly maxPositions: number;
  /** Sliding window in tokens: position p sees p-window+1..p. Absent: everything before it. */
  readonly window?: number;
}

/** Name and sizes of one weight. */
export interface ParameterSpec {
  readonly name: string;
  /** [out, in] for projections, [vocab, hidden] for tables, [hidden] for norms. */
  readonly dims: readonly number[];
}

const SIZES = ["vocabSize", "hidden", "layers", "heads", "kvHeads", "headDim", "ffn", "maxPositions"] as const;

/** The same config when it is one a decoder can have; otherwise `invalid_file` naming the field. */
export function checkConfig(config: DecoderConfig): DecoderConfig {
  for (const field of SIZES) {
    const value = config[field];
    if (!Number.isInteger(value) || value < 1 || value > 2 ** 24) {
      fail("invalid_file", `config: ${field} must be a positive integer, got ${value}`, { param: field });
    }
  }
  if (config.heads % config.kvHeads !== 0) {
    fail("invalid_file", `config: heads (${config.heads}) must be a multiple of kvHeads (${config.kvHeads})`, {
      param: "kvHeads",
    });
  }
  if (config.headDim % 2 !== 0) {
    fail("invalid_file", `config: headDim must be even for rotary positions, got ${config.headDim}`, {
      param: "headDim",
    });
  }
  if (!(config.ropeTheta > 1)) fail("invalid_file", `config: ropeTheta must exceed 1`, { param: "ropeTheta" });
  if (!(config.normEps > 0)) fail("invalid_file", `config: normEps must be positive`, { param: "normEps" });
  if (config.window !== undefined && !(Number.isInteger(config.window) && config.window >= 1)) {
    fail("invalid_file", `config: window must be a positive integer, got ${config.window}`, { param: "window" });
  }
  return config;
}

/** The embedding table [vocab, hidden]; also the head when embeddings are tied. */
export const EMBEDDING_NAME = "model.embed_tokens.weight";
/** The norm before the head [hidden]. */
export const FINAL_NORM_NAME = "model.norm.weight";
/** The head [vocab, hidden], when embeddings are not tied. */
export const HEAD_NAME = "lm_head.weight";

/** The full name of a part of one layer: ("self_attn.q_proj", 3) -> "model.layers.3.self_attn.q_proj.weight". */
export function layerName(layer: number, part: string): string {
  return `model.layers.${layer}.${part}.weight`;
}

/** Every weight of the decoder in file order. */
export function parameterSpecs(config: DecoderConfig): ParameterSpec[] {
  const { hidden, ffn, vocabSize } = config;
  const queryWidth = config.heads * config.headDim;
  const kvWidth = config.kvHeads * config.headDim;
  const specs: ParameterSpec[] = [{ name: EMBEDDING_NAME, dims: [vocabSize, hidden] }];
  for (let layer = 0; layer < config.layers; layer++) {
    const add = (part: string, ...dims: number[]): number => specs.push({ name: layerName(layer, part), dims });
    add("input_layernorm", hidden);
    add("self_attn.q_proj", queryWidth, hidden);
    add("self_attn.k_proj", kvWidth, hidden);
    add("self_attn.v_proj", kvWidth, hidden);
    add("self_attn.o_proj", hidden, queryWidth);
    add("post_attention_layernorm", hidden);
    add("mlp.gate_proj", ffn, hidden);
    add("mlp.up_proj", ffn, hidden);
    add("mlp.down_proj", hidden, ffn);
  }
  specs.push({ name: FINAL_NORM_NAME, dims: [hidden] });
  if (!config.tiedEmbeddings) specs.push({ name: HEAD_NAME, dims: [vocabSize, hidden] });
  return specs;
}

/** Weights in total, the tied head counted once. */
export function countParameters(config: DecoderConfig): number {
  return parameterSpecs(config).reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0);
}

/** The fields of a Hugging Face config.json (LlamaForCausalLM) for this decoder. */
export function toHuggingFaceConfig(config: DecoderConfig): Record<string, unknown> {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    vocab_size: config.vocabSize,
    hidden_size: config.hidden,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    intermediate_size: config.ffn,
    hidden_act: "silu",
    rope_theta: config.ropeTheta,
    rms_norm_eps: config.normEps,
    tie_word_embeddings: config.tiedEmbeddings,
    max_position_embeddings: config.maxPositions,
    ...(config.window === undefined ? {} : { sliding_window: config.window }),
    attention_bias: false,
    mlp_bias: false,
    torch_dtype: "float16",
    bos_token_id: null,
    eos_token_id: 1,
    pad_token_id: 0,
  };
}

/** Reads a Hugging Face config.json of a Llama-shaped decoder; `invalid_file` or `unsupported` names the field. */
export function fromHuggingFaceConfig(json: unknown): DecoderConfig {
  if (typeof json !== "object" || json === null) fail("invalid_file", "config: expected a JSON object");
  const fields = new Map<string, unknown>(Object.entries(json));
  const numeric = (name: string, fallback?: number): number => {
    const value = fields.get(name) ?? fallback;
    if (typeof value !== "number") fail("invalid_file", `config: ${name} must be a number`, { param: name });
    return value;
  };
  refuseUnsupported(fields);
  const hidden = numeric("hidden_size");
  const heads = numeric("num_attention_heads");
  const window = fields.get("sliding_window");
  return checkConfig({
    vocabSize: numeric("vocab_size"),
    hidden,
    layers: numeric("num_hidden_layers"),
    heads,
    kvHeads: numeric("num_key_value_heads", heads),
    headDim: numeric("head_dim", hidden / heads),
    ffn: numeric("intermediate_size"),
    ropeTheta: numeric("rope_theta", 10000),
    normEps: numeric("rms_norm_eps", 1e-6),
    tiedEmbeddings: fields.get("tie_word_embeddings") === true,
    maxPositions: numeric("max_position_embeddings"),
    ...(typeof window === "number" ? { window } : {}),
  });
}

function refuseUnsupported(fields: ReadonlyMap<string, unknown>): void {
  const expected: readonly [string, readonly unknown[]][] = [
    ["model_type", ["llama", "mistral"]],
    ["hidden_act", ["silu", undefined]],
    ["rope_scaling", [null, undefined]],
    ["attention_bias", [false, undefined, null]],
    ["mlp_bias", [false, undefined, null]],
  ];
  for (const [field, allowed] of expected) {
    const value = fields.get(field);
    if (allowed.includes(value)) continue;
    fail("unsupported", `config: ${field} ${JSON.stringify(value)} is not supported`, { param: field });
  }
}
