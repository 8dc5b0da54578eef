/**
 * Conversions between float32 and the 16-bit formats: IEEE half (round to nearest, ties to even, with
 * subnormals, infinities and NaN) and bfloat16 (widening only). Node 20 has no Float16Array, so half
 * numbers travel as their bits in a Uint16Array.
 */

/** float32 numbers -> half bits; what exceeds 65504 after rounding becomes infinity. */
export function float32ToHalf(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) halves[i] = halfFromFloatBits(bits[i]!);
  return halves;
}

/** Half bits -> float32 numbers, exactly. */
export function halfToFloat32(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = floatBitsFromHalf(halves[i]!);
  return values;
}

/** bfloat16 bits -> float32 numbers, exactly: bfloat16 is the upper half of a float32. */
export function bfloat16ToFloat32(upper: Uint16Array): Float32Array {
  const values = new Float32Array(upper.length);
  const bits = new Uint32Array(values.buffer);
  for (let i = 0; i < bits.length; i++) bits[i] = upper[i]! << 16;
  return values;
}

const INFINITE = 0x7f800000;
const ROUNDS_TO_INFINITY = 0x477ff000; // 65520, halfway between 65504 and the next power
const SMALLEST_NORMAL = 0x38800000; // 2^-14
const REBIAS = 0x38000000; // (127 - 15) << 23

function halfFromFloatBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > INFINITE) return sign | 0x7e00; // NaN
  if (magnitude >= ROUNDS_TO_INFINITY) return sign | 0x7c00;
  if (magnitude >= SMALLEST_NORMAL) {
    const rebased = magnitude - REBIAS;
    return sign | ((rebased + 0xfff + ((rebased >>> 13) & 1)) >>> 13); // a carry moves into the exponent, rightly
  }
  return sign | subnormalHalf(magnitude);
}

/** Counts of 2^-24, rounded to even: the float's mantissa shifted right by 126 minus its exponent. */
function subnormalHalf(magnitude: number): number {
  const exponent = magnitude >>> 23;
  if (exponent < 102) return 0; // below 2^-25, the halfway point to the smallest subnormal
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - exponent;
  const kept = mantissa >>> shift;
  const dropped = mantissa & ((1 << shift) - 1);
  const halfway = 1 << (shift - 1);
  const up = dropped > halfway || (dropped === halfway && (kept & 1) === 1);
  return up ? kept + 1 : kept;
}

function floatBitsFromHalf(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0x1f) return sign | INFINITE | (mantissa << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
  if (mantissa === 0) return sign;
  const shift = Math.clz32(mantissa) - 21; // moves the leading one to bit 10
  return sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13);
}
