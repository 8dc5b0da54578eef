/**
 * The decoder as a training step: one graph from packed rows to loss and gradients. Weights are graph
 * inputs, so an optimiser updates the buffers it feeds and nothing is rebuilt; only the loss and the
 * gradients come out. The same network without targets is the batch evaluator's forward pass.
 *
 * Several items share a row. `segments` tells them apart (attention stays inside one), positions start
 * again in each, and a target of IGNORED_TARGET takes no part in the loss;
 * the others count by their weights.
 */
import {
  crossEntropy,
  expandDims,
  gather,
  GraphBuilder,
  gradients,
  reshape,
  type GraphModel,
  type Tensor,
} from "../graph/index.ts";
import { causalPattern, groupedAttention, linear, segmentMask, type Rotary } from "../nn/index.ts";
import { layerRope, layerWindow, parameterSpecs, type DecoderConfig, type LayerRope } from "./config.ts";
import { decoderAfterAttention, decoderEmbed, decoderHead, decoderQkv, type ParameterSource } from "./decoder.ts";
import { ropeFrequencies, ropeTables } from "./rope.ts";

/** A target that takes no part in the loss. */
export const IGNORED_TARGET = -100;

/** Size of a training batch: rows of equal length, each packed with items. */
export interface PackedShape {
  /** Rows of the batch. */
  readonly batch: number;
  /** Tokens of a row. */
  readonly length: number;
}

/** Output name of a parameter's gradient. */
export function gradientName(parameter: string): string {
  return `gradient/${parameter}`;
}

/** Parameters as graph inputs; `linear` is a plain product with the transposed weight. */
class InputParameters implements ParameterSource {
  readonly tensors = new Map<string, Tensor>();

  constructor(builder: GraphBuilder, config: DecoderConfig) {
    for (const { name, dims } of parameterSpecs(config)) this.tensors.set(name, builder.input(name, "float32", dims));
  }

  get(name: string): Tensor {
    return this.tensors.get(name)!;
  }

  linear(x: Tensor, name: string): Tensor {
    return linear(x, this.get(name));
  }
}

/** Inputs ids, positions and segments int64 [batch, length] -> hidden rows [batch * length, hidden]. */
function decoderRows(
  builder: GraphBuilder,
  config: DecoderConfig,
  params: ParameterSource,
  shape: PackedShape,
): Tensor {
  const { batch, length } = shape;
  const rows = batch * length;
  const input = (name: string): Tensor => builder.input(name, "int64", [batch, length]);
  const ids = reshape(input("ids"), [rows]);
  const positions = reshape(input("positions"), [rows]);
  const segments = input("segments");
  const masks = perLayer(
    config,
    (layer) => layerWindow(config, layer),
    (window) => segmentMask(segments, causalPattern(builder, length, window)),
  );
  const rotaries = layerRotaries(builder, config, positions);
  const { heads, kvHeads, headDim, attentionScale: scale } = config;
  let x = decoderEmbed(config, params, ids);
  for (let layer = 0; layer < config.layers; layer++) {
    const { q, k, v } = decoderQkv(config, params, layer, x, rotaries[layer]!);
    const mask = masks[layer]!;
    const attended = groupedAttention(q, k, v, { batch, length, heads, kvHeads, headDim, mask, scale });
    x = decoderAfterAttention(config, params, layer, x, attended);
  }
  return x;
}

/** Cosines and sines of every layer for rows at these positions; null for layers without. */
export function layerRotaries(builder: GraphBuilder, config: DecoderConfig, positions: Tensor): (Rotary | null)[] {
  return perLayer(
    config,
    (layer) => layerRope(config, layer),
    (rope) => rotaryRows(builder, config, positions, rope),
  );
}

/** What each layer uses, made once for every kind of layer there is. */
function perLayer<Kind, Made>(
  config: DecoderConfig,
  kindOf: (layer: number) => Kind,
  make: (kind: Kind) => Made,
): Made[] {
  const kinds = Array.from({ length: config.layers }, (_, layer) => kindOf(layer));
  const made = new Map([...new Set(kinds)].map((kind) => [kind, make(kind)]));
  return kinds.map((kind) => made.get(kind)!);
}

function rotaryRows(builder: GraphBuilder, config: DecoderConfig, positions: Tensor, rope: LayerRope): Rotary | null {
  if (rope === "none") return null;
  const tables = ropeTables(ropeFrequencies(config, rope), config.maxPositions);
  const dims = [config.maxPositions, config.headDim];
  const rowsOf = (table: Float32Array): Tensor =>
    expandDims(gather(builder.constant(table, "float32", dims), positions), [1]);
  return { cos: rowsOf(tables.cos), sin: rowsOf(tables.sin) };
}

/**
 * Inputs: every parameter by name, ids, targets, positions, segments int64 and weights float32 [batch, length].
 * Outputs: `loss`, the weighted mean over the targets that count, and gradientName(p) for every parameter p.
 */
export function trainingGraph(config: DecoderConfig, shape: PackedShape): GraphModel {
  const builder = new GraphBuilder("decoder-training");
  const params = new InputParameters(builder, config);
  const x = decoderRows(builder, config, params, shape);
  const logits = decoderHead(config, params, x);
  const { batch, length } = shape;
  const targets = reshape(builder.input("targets", "int64", [batch, length]), [batch * length]);
  const weights = reshape(builder.input("weights", "float32", [batch, length]), [batch * length]);
  const loss = crossEntropy(logits, targets, { ignoreIndex: IGNORED_TARGET, weights });
  builder.output("loss", loss);
  const names = [...params.tensors.keys()];
  const found = gradients(loss, [...params.tensors.values()]);
  names.forEach((name, i) => builder.output(gradientName(name), found[i]!));
  return builder.build();
}

/**
 * The forward pass alone. Inputs: parameters, ids, positions, segments, and `wanted` int64 [batch], the
 * flat row (0..batch*length-1) whose successor is asked for. Output: `logits` [batch, vocab].
 */
export function forwardGraph(config: DecoderConfig, shape: PackedShape): GraphModel {
  const builder = new GraphBuilder("decoder-forward");
  const params = new InputParameters(builder, config);
  const x = decoderRows(builder, config, params, shape);
  const wanted = builder.input("wanted", "int64", [shape.batch]);
  builder.output("logits", decoderHead(config, params, gather(x, wanted)));
  return builder.build();
}
