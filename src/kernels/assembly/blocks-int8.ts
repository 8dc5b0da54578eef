/**
 * int8 pages: a block is widened to f32 beside the scratch and then goes through blocks-f32.ts, so that the
 * conversion is paid once for all query vectors of a kv head. Scales (one per token and head) are applied to
 * the scores and to the weights, outside.
 */

/** Widened numbers are this much too large: they come from the top byte of a 32-bit lane. */
export const WIDENED_SCALE: f32 = 1.0 / 16777216.0;

/** Four bytes of `x`, from byte `first` on, as f32 x 2^24: one shuffle and one conversion. Exact. */
// @ts-ignore: decorator
@inline
function lanes(x: v128, places: v128): v128 {
  return f32x4.convert_i32x4_s(i8x16.swizzle(x, places));
}

/** `bytes` int8 from one address as f32 x 2^24 at another, in steps of 16. */
export function widenBytes(from: usize, bytes: usize, to: usize): void {
  const end = from + bytes;
  // An index with the top bit set gives a zero byte.
  const a = i8x16(-1, -1, -1, 0, -1, -1, -1, 1, -1, -1, -1, 2, -1, -1, -1, 3);
  const b = i8x16(-1, -1, -1, 4, -1, -1, -1, 5, -1, -1, -1, 6, -1, -1, -1, 7);
  const c = i8x16(-1, -1, -1, 8, -1, -1, -1, 9, -1, -1, -1, 10, -1, -1, -1, 11);
  const d = i8x16(-1, -1, -1, 12, -1, -1, -1, 13, -1, -1, -1, 14, -1, -1, -1, 15);
  for (; from < end; from += 16) {
    const x = v128.load(from);
    v128.store(to, lanes(x, a));
    v128.store(to, lanes(x, b), 16);
    v128.store(to, lanes(x, c), 32);
    v128.store(to, lanes(x, d), 48);
    to += 64;
  }
}
