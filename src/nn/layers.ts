/**
 * Layers as functions of tensors: a layer owns no weights, it is given them, so the same lines serve a graph whose
 * weights are inputs (training), initializers (serving) or packed. Embedding and norms are operators of graph/
 * already; attention is in attention.ts.
 */
import { add, gelu, matmul, mul, silu, type Tensor } from "../graph/index.ts";

/** A part of a network from rows [rows, a] to rows [rows, b]. */
export type Layer = (x: Tensor) => Tensor;

/** x [..., in] times the transpose of weight [out, in], plus bias [out]: [..., out]. */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const product = matmul(x, weight, { transB: true });
  return bias === undefined ? product : add(product, bias);
}

/** The gated feed-forward of Llama (Shazeer 2020, SwiGLU): down(silu(gate(x)) * up(x)). */
export function gatedFeedForward(
  x: Tensor,
  parts: { readonly gate: Layer; readonly up: Layer; readonly down: Layer },
): Tensor {
  return parts.down(mul(silu(parts.gate(x)), parts.up(x)));
}

/** The plain feed-forward: down(activation(up(x))); GELU where none is given. */
export function feedForward(
  x: Tensor,
  parts: { readonly up: Layer; readonly down: Layer; readonly activation?: Layer },
): Tensor {
  return parts.down((parts.activation ?? gelu)(parts.up(x)));
}

/** What a transformer block is made of; each keeps the width of its rows. */
export interface TransformerBlock {
  readonly attentionNorm: Layer;
  /** Projections, attention and output projection. */
  readonly attention: Layer;
  readonly feedForwardNorm: Layer;
  readonly feedForward: Layer;
}

/** A pre-norm block: each half adds to the residual stream x [rows, hidden]. */
export function transformerBlock(x: Tensor, block: TransformerBlock): Tensor {
  const mixed = add(x, block.attention(block.attentionNorm(x)));
  return add(mixed, block.feedForward(block.feedForwardNorm(mixed)));
}
