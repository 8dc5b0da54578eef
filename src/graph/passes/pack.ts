/**
 * Weights as 4- or 8-bit codes in blocks along the input axis, in the layout of ORT's MatMulNBits.
 *
 *   weights [N, K] ─▶ codes [N, blocks, blockSize * bits / 8], K padded with zeros to whole blocks
 *                     scales [N * blocks]
 *   4 bits: two codes a byte, the earlier one in the low nibble
 *   weight = (code - 2^(bits-1)) * scale
 *
 * The scale puts the weight of largest magnitude on code 0 (as GGUF's Q4_0 does): a division by a power of
 * two, so packing what was unpacked gives the same bits. Around it, slightly smaller scales are tried, and the
 * one with the least squared error wins.
 */
import { assert, fail } from "../../core/index.ts";

/** Bits of one code. */
export type PackBits = 4 | 8;
/** What ORT's kernels take. 32 is GGUF's block; 128 is the fastest, but see ROW_EXACT_BLOCKS. */
export const BLOCK_SIZES = [16, 32, 64, 128, 256] as const;
export type BlockSize = (typeof BLOCK_SIZES)[number];

/**
 * The blocks with which a row's result does not depend on how many rows are multiplied, to the last bit. With
 * larger ones ORT takes two rows at a time in another order of summation, so the last row of an odd number comes
 * out different in the last bits (about 1e-6): there, an even number of rows is exact too. Measured with
 * AVX-512 VNNI; session.test.ts holds it.
 */
export const ROW_EXACT_BLOCKS: { readonly [B in PackBits]: readonly BlockSize[] } = { 4: [16, 32], 8: [16, 32, 64] };

/** Changes with the numbers that packing gives, and with nothing else: part of the identity of packed weights. */
export const PACKING = 1;

/**
 * Codes and scales of one matrix [outFeatures, inFeatures], in the layout at the head of this file: `codes` has
 * outFeatures * blocks * blockSize * bits / 8 bytes, `scales` one number per row and block, where blocks is
 * ceil(inFeatures / blockSize).
 */
export interface PackedWeights {
  readonly bits: PackBits;
  readonly blockSize: BlockSize;
  readonly outFeatures: number;
  readonly inFeatures: number;
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
}

/** Clipping the extreme weight a little often pays for itself over the other weights of a 4-bit block. */
const SHRINKS_4 = [1, 0.95, 0.9, 0.85, 0.8] as const;
/** With 256 codes clipping never pays. */
const SHRINKS_8 = [1] as const;

/** Packs weights `[outFeatures, inFeatures]` into 4 bits. Throws `invalid_graph` for weights that are not finite. */
export function packInt4(
  weights: Float32Array,
  outFeatures: number,
  inFeatures: number,
  blockSize: BlockSize,
): PackedWeights {
  return pack(weights, outFeatures, inFeatures, blockSize, 4);
}

/** The same with 8 bits. */
export function packInt8(
  weights: Float32Array,
  outFeatures: number,
  inFeatures: number,
  blockSize: BlockSize,
): PackedWeights {
  return pack(weights, outFeatures, inFeatures, blockSize, 8);
}

function pack(
  weights: Float32Array,
  outFeatures: number,
  inFeatures: number,
  blockSize: BlockSize,
  bits: PackBits,
): PackedWeights {
  if (inFeatures < 1 || outFeatures < 1 || weights.length !== outFeatures * inFeatures) {
    fail("shape_mismatch", `pack: ${weights.length} weights are not [${outFeatures}, ${inFeatures}]`);
  }
  if (!BLOCK_SIZES.includes(blockSize)) {
    fail("invalid_graph", `pack: blocks of ${blockSize}; there are ${BLOCK_SIZES.join(", ")}`, { param: "blockSize" });
  }
  const blocks = Math.ceil(inFeatures / blockSize);
  const codes = new Uint8Array((outFeatures * blocks * blockSize * bits) / 8);
  const scales = new Float32Array(outFeatures * blocks);
  // The padding is a code of weight zero.
  const block = new Uint8Array(blockSize);
  for (let row = 0; row < outFeatures; row++) {
    for (let index = 0; index < blocks; index++) {
      const start = row * inFeatures + index * blockSize;
      const length = Math.min(blockSize, inFeatures - index * blockSize);
      const at = row * blocks + index;
      scales[at] = quantiseBlock(weights, start, length, bits, block);
      storeBlock(block, codes, (at * blockSize * bits) / 8, bits);
    }
  }
  return { bits, blockSize, outFeatures, inFeatures, codes, scales };
}

/** Fills `block` with the codes of one block and returns its scale. */
function quantiseBlock(
  weights: Float32Array,
  start: number,
  length: number,
  bits: PackBits,
  block: Uint8Array,
): number {
  const middle = 2 ** (bits - 1);
  let extreme = 0;
  for (let index = start; index < start + length; index++) {
    if (Math.abs(weights[index]!) > Math.abs(extreme)) extreme = weights[index]!;
    else if (Number.isNaN(weights[index]!)) extreme = NaN;
  }
  if (!Number.isFinite(extreme)) fail("invalid_graph", `pack: weight block at ${start} is not finite`);
  block.fill(middle);
  let best = Math.fround(extreme / -middle);
  if (best === 0) return 0;
  const shrinks = bits === 4 ? SHRINKS_4 : SHRINKS_8;
  let least = Infinity;
  for (const shrink of shrinks) {
    const scale = Math.fround((extreme / -middle) * shrink);
    if (scale === 0) break;
    const error = shrinks.length === 1 ? 0 : squaredError(weights, start, length, scale, middle, least);
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  const inverse = 1 / best;
  for (let index = 0; index < length; index++) {
    const code = Math.floor(weights[start + index]! * inverse + 0.5) + middle;
    block[index] = code < 0 ? 0 : code > 2 * middle - 1 ? 2 * middle - 1 : code;
  }
  return best;
}

/** The error of a block with a scale, or something above `limit` as soon as it is above it. */
function squaredError(
  weights: Float32Array,
  start: number,
  length: number,
  scale: number,
  middle: number,
  limit: number,
): number {
  const inverse = 1 / scale;
  const top = middle - 1;
  let sum = 0;
  for (let index = start; index < start + length; index++) {
    const weight = weights[index]!;
    let level = Math.floor(weight * inverse + 0.5);
    if (level > top) level = top;
    else if (level < -middle) level = -middle;
    const error = level * scale - weight;
    sum += error * error;
    if (sum > limit) return sum;
  }
  return sum;
}

function storeBlock(block: Uint8Array, codes: Uint8Array, at: number, bits: PackBits): void {
  if (bits === 8) {
    codes.set(block, at);
    return;
  }
  for (let index = 0; index < block.length; index += 2) {
    codes[at + index / 2] = block[index]! | (block[index + 1]! << 4);
  }
}

/** The weights `[outFeatures, inFeatures]` that 4-bit codes stand for. */
export function unpackInt4(packed: PackedWeights): Float32Array {
  assert(packed.bits === 4, "unpackInt4 gets 4-bit codes");
  return unpack(packed);
}

/** The weights `[outFeatures, inFeatures]` that 8-bit codes stand for. */
export function unpackInt8(packed: PackedWeights): Float32Array {
  assert(packed.bits === 8, "unpackInt8 gets 8-bit codes");
  return unpack(packed);
}

function unpack({ bits, blockSize, outFeatures, inFeatures, codes, scales }: PackedWeights): Float32Array {
  const blocks = Math.ceil(inFeatures / blockSize);
  const weights = new Float32Array(outFeatures * inFeatures);
  for (let row = 0; row < outFeatures; row++) {
    for (let column = 0; column < inFeatures; column++) {
      const at = (row * blocks + Math.floor(column / blockSize)) * blockSize + (column % blockSize);
      const code = bits === 8 ? codes[at]! : (codes[at >> 1]! >> ((at & 1) * 4)) & 15;
      const scale = scales[row * blocks + Math.floor(column / blockSize)]!;
      weights[row * inFeatures + column] = (code - 2 ** (bits - 1)) * scale;
    }
  }
  return weights;
}
