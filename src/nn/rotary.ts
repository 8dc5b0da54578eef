/**
 * Rotary position embedding (Su et al. 2021) in Hugging Face's half-split form: element i of a head
 * turns with element i + d/2. With tables of full width d, whose sine carries the sign,
 *
 *   turned = x * cos + swapHalves(x) * sin,   cos = [c, c],  sin = [-s, s]
 *
 * which is five nodes forward and the same five backward.
 */
import { add, concat, mul, reshape, split, type Tensor } from "../graph/index.ts";

/** The tables' rows for the tokens at hand, each [rows, 1, headDim]. */
export interface Rotary {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Cosines and sines of every position, full width, the sine with its sign (see the head of this file). */
export interface RotaryTables {
  /** Row-major [positions, headDim]. */
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Tables for positions 0..positions-1; angle of pair i at position p is p * theta^(-2i/headDim). */
export function rotaryTables(positions: number, headDim: number, theta: number): RotaryTables {
  const half = headDim / 2;
  const cos = new Float32Array(positions * headDim);
  const sin = new Float32Array(positions * headDim);
  for (let i = 0; i < half; i++) {
    const frequency = theta ** ((-2 * i) / headDim);
    for (let position = 0; position < positions; position++) {
      const at = position * headDim + i;
      cos[at] = cos[at + half] = Math.cos(position * frequency);
      sin[at + half] = Math.sin(position * frequency);
      sin[at] = -sin[at + half]!;
    }
  }
  return { cos, sin };
}

/** x [rows, heads * headDim] -> the same shape, each head turned to its row's position. */
export function applyRotary(x: Tensor, heads: number, headDim: number, rotary: Rotary): Tensor {
  const rows = x.shape[0]!;
  const byHead = reshape(x, [rows, heads, headDim]);
  const [first, second] = split(byHead, [headDim / 2, headDim / 2], 2);
  const swapped = concat([second!, first!], 2);
  return reshape(add(mul(byHead, rotary.cos), mul(swapped, rotary.sin)), [rows, heads * headDim]);
}
