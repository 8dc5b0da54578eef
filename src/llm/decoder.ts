/**
 * The decoder network, written once over symbolic tensors. Rows are packed tokens: every function
 * takes `[rows, ...]` and never asks which sequence a row belongs to; only attention knows, and it is
 * not here: inference runs it over the paged cache, training in its own graph. So the same lines give
 * the layer graphs of the engine (ParameterSource yields initializers, possibly packed) and the
 * training graph (ParameterSource yields graph inputs).
 *
 *   ids -> embed -> [ qkv -> (attention) -> afterAttention ] x layers -> head -> logits
 *
 * Architecture and names: Hugging Face LlamaForCausalLM and its relatives (families.ts); rotary positions are
 * half-split. What a family has besides stands in the optional fields of the config; without them the graph is Llama's.
 */
import { add, embedding, gelu, mul, reshape, rmsNorm, type Tensor } from "../graph/index.ts";
import { applyRotary, gatedFeedForward, type Layer, type Rotary } from "../nn/index.ts";
import { EMBEDDING_NAME, FINAL_NORM_NAME, HEAD_NAME, layerName, type DecoderConfig } from "./config.ts";

/** Where weights come from: graph inputs when training, initializers when serving. */
export interface ParameterSource {
  /** A weight as it is stored. */
  get(name: string, shape: readonly number[]): Tensor;
  /** x [rows, inFeatures] times the transpose of weight `name` [outFeatures, inFeatures]: [rows, outFeatures]. */
  linear(x: Tensor, name: string, inFeatures: number, outFeatures: number): Tensor;
}

/** What a layer asks, offers and gives: inputs of its attention. */
export interface Qkv {
  /** [rows, heads * headDim], turned to its position. */
  readonly q: Tensor;
  /** [rows, kvHeads * headDim], turned to its position. */
  readonly k: Tensor;
  /** [rows, kvHeads * headDim] */
  readonly v: Tensor;
}

/** ids int64 [rows] -> [rows, hidden] */
export function decoderEmbed(config: DecoderConfig, params: ParameterSource, ids: Tensor): Tensor {
  const rows = embedding(params.get(EMBEDDING_NAME, [config.vocabSize, config.hidden]), ids);
  return config.embeddingScale === undefined ? rows : mul(rows, config.embeddingScale);
}

/** x [..., width] by the RMS norm of that name. */
function normed(config: DecoderConfig, params: ParameterSource, name: string, width: number, x: Tensor): Tensor {
  const weight = params.get(name, [width]);
  return rmsNorm(x, config.normOffset === true ? add(weight, 1) : weight, config.normEps);
}

/**
 * The first half of a layer: x [rows, hidden] -> queries, keys and values of that layer. `rotary` belongs to the
 * layer's kind of positions (layerRope) and is null for a layer without any.
 */
export function decoderQkv(
  config: DecoderConfig,
  params: ParameterSource,
  layer: number,
  x: Tensor,
  rotary: Rotary | null,
): Qkv {
  const { hidden, heads, kvHeads, headDim } = config;
  const h = normed(config, params, layerName(layer, "input_layernorm"), hidden, x); // [rows, hidden]
  const project = (part: string, width: number): Tensor => {
    const rows = params.linear(h, layerName(layer, `self_attn.${part}`), hidden, width);
    if (config.qkvBias !== true) return rows;
    return add(rows, params.get(layerName(layer, `self_attn.${part}`, "bias"), [width]));
  };
  const turned = (rows: Tensor, norm: string, count: number): Tensor => {
    const ready = config.qkNorm === true ? headNormed(config, params, layerName(layer, norm), rows, count) : rows;
    return rotary === null ? ready : applyRotary(ready, count, headDim, rotary);
  };
  return {
    q: turned(project("q_proj", heads * headDim), "self_attn.q_norm", heads),
    k: turned(project("k_proj", kvHeads * headDim), "self_attn.k_norm", kvHeads),
    v: project("v_proj", kvHeads * headDim),
  };
}

/** rows [rows, heads * headDim], each head by the same RMS norm over its headDim numbers. */
function headNormed(config: DecoderConfig, params: ParameterSource, name: string, rows: Tensor, heads: number): Tensor {
  const { headDim } = config;
  const byHead = reshape(rows, [rows.shape[0]!, heads, headDim]);
  return reshape(normed(config, params, name, headDim, byHead), [rows.shape[0]!, heads * headDim]);
}

/** The second half: attention's output [rows, heads * headDim] and the residual x -> the next x [rows, hidden]. */
export function decoderAfterAttention(
  config: DecoderConfig,
  params: ParameterSource,
  layer: number,
  x: Tensor,
  attended: Tensor,
): Tensor {
  const { hidden, ffn } = config;
  const named = (part: string): string => layerName(layer, part);
  const width = config.heads * config.headDim;
  const norm = (part: string, rows: Tensor): Tensor => normed(config, params, named(part), hidden, rows);
  // With norms on both sides the name of Llama's second norm means the one after attention.
  const { postNorms = false } = config;
  const projected = params.linear(attended, named("self_attn.o_proj"), width, hidden);
  const mixed = add(x, postNorms ? norm("post_attention_layernorm", projected) : projected);
  const h = norm(postNorms ? "pre_feedforward_layernorm" : "post_attention_layernorm", mixed);
  const parts = {
    gate: (rows: Tensor) => params.linear(rows, named("mlp.gate_proj"), hidden, ffn), // [rows, ffn]
    up: (rows: Tensor) => params.linear(rows, named("mlp.up_proj"), hidden, ffn),
    down: (rows: Tensor) => params.linear(rows, named("mlp.down_proj"), ffn, hidden),
  };
  const fed = config.activation === "gelu_tanh" ? geluFeedForward(h, parts) : gatedFeedForward(h, parts);
  return add(mixed, postNorms ? norm("post_feedforward_layernorm", fed) : fed);
}

/** nn's gatedFeedForward with Gemma's activation. */
function geluFeedForward(x: Tensor, parts: Readonly<Record<"gate" | "up" | "down", Layer>>): Tensor {
  return parts.down(mul(gelu(parts.gate(x), { form: "tanh" }), parts.up(x)));
}

/** x [rows, hidden] -> final-norm hidden states [rows, hidden], which the head reads and embeddings are. */
export function decoderFinalNorm(config: DecoderConfig, params: ParameterSource, x: Tensor): Tensor {
  return normed(config, params, FINAL_NORM_NAME, config.hidden, x);
}

/** x [rows, hidden] -> logits [rows, vocab] */
export function decoderHead(config: DecoderConfig, params: ParameterSource, x: Tensor): Tensor {
  return decoderLogits(config, params, decoderFinalNorm(config, params, x));
}

/** States after the last norm [rows, hidden] -> logits [rows, vocab] */
export function decoderLogits(config: DecoderConfig, params: ParameterSource, h: Tensor): Tensor {
  const name = config.tiedEmbeddings ? EMBEDDING_NAME : HEAD_NAME;
  return params.linear(h, name, config.hidden, config.vocabSize);
}
