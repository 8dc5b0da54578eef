/**
 * Attention over whole rows, for training and for batch evaluation (serving attends over a paged cache
 * instead). Several items are packed in one row, so what a token may see is said by a mask: those of
 * its own segment, not after it, and within the window.
 *
 * Grouped queries without repeating keys: the query heads of one key head stand below each other as
 * extra rows of one matrix, [batch, kvHeads, group * length, headDim], so each product is one batched
 * MatMul and the gradient of a key head sums over its group inside the MatMul.
 */
import {
  add,
  and,
  equal,
  expandDims,
  matmul,
  mul,
  reshape,
  softmaxMatmul,
  transpose,
  where,
  type GraphBuilder,
  type Tensor,
} from "../graph/index.ts";

/** A score that no softmax sees; finite, so that no row becomes NaN. */
const HIDDEN_SCORE = -1e9;

/** bool [length, length]: query row sees key column when it is not later and fewer than `window` before. */
export function causalPattern(builder: GraphBuilder, length: number, window = length): Tensor {
  const pattern = new Uint8Array(length * length);
  for (let row = 0; row < length; row++)
    pattern.fill(1, row * length + Math.max(0, row - window + 1), row * length + row + 1);
  return builder.constant(pattern, "bool", [length, length]);
}

/** segments [batch, length] -> additive mask float32 [batch, 1, length, length]; `pattern` bool [length, length]. */
export function segmentMask(segments: Tensor, pattern: Tensor): Tensor {
  const [batch, length] = segments.shape as readonly [number, number];
  const same = equal(reshape(segments, [batch, length, 1]), reshape(segments, [batch, 1, length]));
  const hidden = segments.builder.constant(HIDDEN_SCORE);
  const zero = segments.builder.constant(0);
  return expandDims(where(and(same, pattern), zero, hidden), [1]);
}

/** Sizes of one attention; `heads` is a multiple of `kvHeads`, and consecutive query heads share a key head. */
export interface GroupedAttentionOptions {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Additive, broadcast to [batch, heads, length, length]; see segmentMask. Absent: all see all. */
  readonly mask?: Tensor;
  /** Default 1 / sqrt(headDim). */
  readonly scale?: number;
}

/** q [batch * length, heads * headDim], k and v [batch * length, kvHeads * headDim] -> the shape of q. */
export function groupedAttention(q: Tensor, k: Tensor, v: Tensor, options: GroupedAttentionOptions): Tensor {
  const { batch, length, heads, kvHeads, headDim, mask } = options;
  const group = heads / kvHeads;
  const scale = options.scale ?? 1 / Math.sqrt(headDim);
  const rows = [batch, kvHeads, group * length, headDim];
  const queries = reshape(
    transpose(reshape(mul(q, scale), [batch, length, kvHeads, group, headDim]), [0, 2, 3, 1, 4]),
    rows,
  );
  const byKvHead = (x: Tensor): Tensor => transpose(reshape(x, [batch, length, kvHeads, headDim]), [0, 2, 1, 3]);
  const scores = matmul(queries, byKvHead(k), { transB: true }); // [batch, kvHeads, group * length, length]
  const masked = mask === undefined ? scores : hide(scores, mask, options);
  const mixed = softmaxMatmul(masked, byKvHead(v)); // the shape of queries
  const back = transpose(reshape(mixed, [batch, kvHeads, group, length, headDim]), [0, 3, 1, 2, 4]);
  return reshape(back, [batch * length, heads * headDim]);
}

/** Adds a mask of [batch, heads or 1, length, length] to scores [batch, kvHeads, group * length, length]. */
function hide(scores: Tensor, mask: Tensor, { batch, heads, length }: GroupedAttentionOptions): Tensor {
  return reshape(add(reshape(scores, [batch, heads, length, length]), mask), scores.shape);
}
