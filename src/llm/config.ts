/**
 * The shape of a decoder and of its weights: Llama's architecture (RMSNorm before each block, rotary
 * positions, grouped queries, gated SiLU feed-forward) under the names Hugging Face gives its parts, and
 * what its relatives do otherwise, each as an optional field whose absence means Llama.
 * Not here: the network itself (decoder.ts), config.json of each family (families.ts), weight files.
 */
import { fail } from "../core/index.ts";

/** Positions beyond those a model was trained on; see rope.ts for what each does to the frequencies. */
export type RopeScaling =
  | { readonly type: "linear"; readonly factor: number }
  | {
      readonly type: "llama3";
      readonly factor: number;
      /** Wavelengths above originalMaxPositions / lowFrequencyFactor are stretched in full. */
      readonly lowFrequencyFactor: number;
      /** Wavelengths below originalMaxPositions / highFrequencyFactor stay. */
      readonly highFrequencyFactor: number;
      readonly originalMaxPositions: number;
    }
  | {
      readonly type: "yarn";
      readonly factor: number;
      readonly originalMaxPositions: number;
      /** Turns within originalMaxPositions above which a pair stays; usually 32. */
      readonly betaFast: number;
      /** Turns below which a pair is stretched in full; usually 1. */
      readonly betaSlow: number;
      /** Factor on cosines and sines, hence its square on scores. */
      readonly attentionFactor: number;
      /** The ramp between the two begins and ends at whole pairs. */
      readonly truncate: boolean;
    };

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
  /** One window per layer in place of `window`; null: everything before it. */
  readonly windows?: readonly (number | null)[];
  /** Queries, keys and values have a bias (Qwen2). */
  readonly qkvBias?: boolean;
  /** RMS norm of each query and key head before it is turned (Qwen3, Gemma 3). */
  readonly qkNorm?: boolean;
  /** Of the feed-forward's gate; absent: silu. */
  readonly activation?: "silu" | "gelu_tanh";
  /** Norms scale by 1 + weight (Gemma). */
  readonly normOffset?: boolean;
  /** Norms after attention and after the feed-forward too, before each is added to the residual (Gemma 3). */
  readonly postNorms?: boolean;
  /** Factor on embeddings, not on the head that shares their table (Gemma: the root of `hidden`). */
  readonly embeddingScale?: number;
  /** Factor on q·k; absent: 1 / the root of headDim. */
  readonly attentionScale?: number;
  readonly ropeScaling?: RopeScaling;
  /** The theta of layers that `windows` gives a window, without scaling (Gemma 3); absent: as the others. */
  readonly ropeThetaLocal?: number;
  /** True: queries and keys of that layer are not turned (SmolLM 3). */
  readonly noRopeLayers?: readonly boolean[];
}

/** How a layer knows positions: by ropeTheta and ropeScaling, by ropeThetaLocal, or by nothing but the mask. */
export type LayerRope = "global" | "local" | "none";

/** Name and sizes of one weight. */
export interface ParameterSpec {
  readonly name: string;
  /** [out, in] for projections, [out] for biases, [vocab, hidden] for tables, [hidden] or [headDim] for norms. */
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
  checkWindows(config);
  checkFactors(config);
  if (config.ropeScaling !== undefined) checkScaling(config.ropeScaling);
  return config;
}

function checkWindows({ window, windows, noRopeLayers, layers }: DecoderConfig): void {
  const isWindow = (value: number | null | undefined): boolean => Number.isInteger(value) && value! >= 1;
  if (window !== undefined && !isWindow(window)) {
    fail("invalid_file", `config: window must be a positive integer, got ${window}`, { param: "window" });
  }
  if (windows !== undefined && window !== undefined) {
    fail("invalid_file", "config: window and windows exclude each other", { param: "windows" });
  }
  for (const [param, list] of Object.entries({ windows, noRopeLayers })) {
    if (list === undefined || list.length === layers) continue;
    fail("invalid_file", `config: ${param} must have one entry for each of ${layers} layers, got ${list.length}`, {
      param,
    });
  }
  for (const value of windows ?? []) {
    if (value === null || isWindow(value)) continue;
    fail("invalid_file", `config: windows must be positive integers or null, got ${value}`, { param: "windows" });
  }
}

function checkFactors({ activation, embeddingScale, attentionScale, ropeThetaLocal }: DecoderConfig): void {
  for (const [param, value] of Object.entries({ embeddingScale, attentionScale })) {
    if (value === undefined || (value > 0 && Number.isFinite(value))) continue;
    fail("invalid_file", `config: ${param} must be positive, got ${value}`, { param });
  }
  if (ropeThetaLocal !== undefined && !(ropeThetaLocal > 1)) {
    fail("invalid_file", "config: ropeThetaLocal must exceed 1", { param: "ropeThetaLocal" });
  }
  if (activation !== undefined && activation !== "silu" && activation !== "gelu_tanh") {
    fail("unsupported", `config: activation ${String(activation)} is not supported`, { param: "activation" });
  }
}

function checkScaling(scaling: RopeScaling): void {
  const refuse = (field: string, wanted: string): never =>
    fail("invalid_file", `config: ropeScaling.${field} must be ${wanted}`, { param: `ropeScaling.${field}` });
  for (const [field, value] of Object.entries(scaling)) {
    if (typeof value === "number" && !(value > 0 && Number.isFinite(value))) refuse(field, `positive, got ${value}`);
  }
  if (scaling.factor < 1) refuse("factor", `at least 1, got ${scaling.factor}`);
  if (scaling.type === "llama3" && !(scaling.lowFrequencyFactor < scaling.highFrequencyFactor)) {
    refuse("highFrequencyFactor", `above lowFrequencyFactor (${scaling.lowFrequencyFactor})`);
  }
  if (scaling.type === "yarn" && !(scaling.betaSlow < scaling.betaFast)) {
    refuse("betaFast", `above betaSlow (${scaling.betaSlow})`);
  }
}

/** Tokens that a layer sees, itself included; undefined: all before it. */
export function layerWindow(config: DecoderConfig, layer: number): number | undefined {
  return config.windows === undefined ? config.window : (config.windows[layer] ?? undefined);
}

/** Whether and by which frequencies a layer turns its queries and keys. */
export function layerRope(config: DecoderConfig, layer: number): LayerRope {
  if (config.noRopeLayers?.[layer] === true) return "none";
  const isLocal = config.ropeThetaLocal !== undefined && typeof config.windows?.[layer] === "number";
  return isLocal ? "local" : "global";
}

/** The embedding table [vocab, hidden]; also the head when embeddings are tied. */
export const EMBEDDING_NAME = "model.embed_tokens.weight";
/** The norm before the head [hidden]. */
export const FINAL_NORM_NAME = "model.norm.weight";
/** The head [vocab, hidden], when embeddings are not tied. */
export const HEAD_NAME = "lm_head.weight";

/** The full name of a part of one layer: (3, "self_attn.q_proj") -> "model.layers.3.self_attn.q_proj.weight". */
export function layerName(layer: number, part: string, kind: "weight" | "bias" = "weight"): string {
  return `model.layers.${layer}.${part}.${kind}`;
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
    specs.push(...attentionExtras(config, layer));
    add("post_attention_layernorm", hidden);
    if (config.postNorms === true) add("pre_feedforward_layernorm", hidden);
    add("mlp.gate_proj", ffn, hidden);
    add("mlp.up_proj", ffn, hidden);
    add("mlp.down_proj", hidden, ffn);
    if (config.postNorms === true) add("post_feedforward_layernorm", hidden);
  }
  specs.push({ name: FINAL_NORM_NAME, dims: [hidden] });
  if (!config.tiedEmbeddings) specs.push({ name: HEAD_NAME, dims: [vocabSize, hidden] });
  return specs;
}

/** Biases and head norms of one layer's attention, where the family has them. */
function attentionExtras(config: DecoderConfig, layer: number): ParameterSpec[] {
  const { heads, kvHeads, headDim } = config;
  const specs: ParameterSpec[] = [];
  const add = (part: string, kind: "weight" | "bias", width: number): number =>
    specs.push({ name: layerName(layer, `self_attn.${part}`, kind), dims: [width] });
  if (config.qkvBias === true) {
    add("q_proj", "bias", heads * headDim);
    add("k_proj", "bias", kvHeads * headDim);
    add("v_proj", "bias", kvHeads * headDim);
  }
  if (config.qkNorm === true) {
    add("q_norm", "weight", headDim);
    add("k_norm", "weight", headDim);
  }
  return specs;
}

/** Weights in total, the tied head counted once. */
export function countParameters(config: DecoderConfig): number {
  return parameterSpecs(config).reduce((sum, { dims }) => sum + dims.reduce((a, b) => a * b, 1), 0);
}
