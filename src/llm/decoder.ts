/**
 * The decoder network, written once over symbolic tensors. Rows are packed tokens: every function
 * takes `[rows, ...]` and never asks which sequence a row belongs to; only attention knows, and it is
 * not here: inference runs it over the paged cache, training in its own graph. So the same lines give
 * the layer graphs of the engine (ParameterSource yields initializers, possibly packed) and the
 * training graph (ParameterSource yields graph inputs).
 *
 *   ids -> embed -> [ qkv -> (attention) -> afterAttention ] x layers -> head -> logits
 *
 * Architecture and names: Hugging Face LlamaForCausalLM; rotary positions are half-split.
 */
import { add, embedding, rmsNorm, type Tensor } from "../graph/index.ts";
import { applyRotary, gatedFeedForward, type Rotary } from "../nn/index.ts";
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
  return embedding(params.get(EMBEDDING_NAME, [config.vocabSize, config.hidden]), ids);
}

/** The first half of a layer: x [rows, hidden] -> queries, keys and values of that layer. */
export function decoderQkv(
  config: DecoderConfig,
  params: ParameterSource,
  layer: number,
  x: Tensor,
  rotary: Rotary,
): Qkv {
  const { hidden, heads, kvHeads, headDim } = config;
  const norm = params.get(layerName(layer, "input_layernorm"), [hidden]);
  const h = rmsNorm(x, norm, config.normEps); // [rows, hidden]
  const project = (part: string, width: number): Tensor =>
    params.linear(h, layerName(layer, `self_attn.${part}`), hidden, width);
  return {
    q: applyRotary(project("q_proj", heads * headDim), heads, headDim, rotary),
    k: applyRotary(project("k_proj", kvHeads * headDim), kvHeads, headDim, rotary),
    v: project("v_proj", kvHeads * headDim),
  };
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
  const mixed = add(x, params.linear(attended, named("self_attn.o_proj"), width, hidden));
  const h = rmsNorm(mixed, params.get(named("post_attention_layernorm"), [hidden]), config.normEps);
  const fed = gatedFeedForward(h, {
    gate: (rows) => params.linear(rows, named("mlp.gate_proj"), hidden, ffn), // [rows, ffn]
    up: (rows) => params.linear(rows, named("mlp.up_proj"), hidden, ffn),
    down: (rows) => params.linear(rows, named("mlp.down_proj"), ffn, hidden),
  });
  return add(mixed, fed);
}

/** x [rows, hidden] -> logits [rows, vocab] */
export function decoderHead(config: DecoderConfig, params: ParameterSource, x: Tensor): Tensor {
  const h = rmsNorm(x, params.get(FINAL_NORM_NAME, [config.hidden]), config.normEps);
  const name = config.tiedEmbeddings ? EMBEDDING_NAME : HEAD_NAME;
  return params.linear(h, name, config.hidden, config.vocabSize);
}
