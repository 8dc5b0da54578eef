/** Lane arithmetic shared by the block kernels: horizontal sums of four vectors and 2^x. */

/** (sum a, sum b, sum c, sum d), each as (lane 0 + lane 2) + (lane 1 + lane 3): one fixed order everywhere. */
// @ts-ignore: decorator
@inline
export function sums4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
}

/** Adding this to a small float leaves its nearest integer in the low bits: 1.5 x 2^23. */
const ROUNDER: f32 = 12582912;

/**
 * 2^x for x <= 0, relative error below 1.3e-7; exactly 1 at 0, exactly 0 below -126, NaN stays NaN.
 * x = n + f with |f| <= 1/2 (both exact); 2^f is a degree-6 polynomial with constant term 1, fitted for
 * least relative error (2.0e-9 before rounding); n goes into the exponent bits.
 * (pmax is one instruction where max is six, and so is the rounder against nearest and trunc_sat.)
 */
// @ts-ignore: decorator
@inline
export function exp2(x: v128): v128 {
  const rounder = f32x4.splat(ROUNDER);
  const clamped = f32x4.pmax(x, f32x4.splat(-126));
  const rounded = f32x4.add(clamped, rounder);
  const f = f32x4.sub(clamped, f32x4.sub(rounded, rounder));
  let p = f32x4.add(f32x4.mul(f, f32x4.splat(0.00015353361674399392)), f32x4.splat(0.0013398874413774234));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.009618437358597891));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.055503324711267364));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.24022647913620024));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(0.6931472028550658));
  p = f32x4.add(f32x4.mul(p, f), f32x4.splat(1));
  // The shift moves the rounder's own bits out of the word.
  const power = i32x4.add(i32x4.shl(rounded, 23), i32x4.splat(127 << 23));
  return v128.andnot(f32x4.mul(p, power), f32x4.lt(x, f32x4.splat(-126)));
}

/** The largest lane. */
// @ts-ignore: decorator
@inline
export function maxLane(a: v128): f32 {
  const half = f32x4.pmax(a, v128.shuffle<f32>(a, a, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(half, v128.shuffle<f32>(half, half, 1, 0, 3, 2)), 0);
}

/** (lane 0 + lane 2) + (lane 1 + lane 3). */
// @ts-ignore: decorator
@inline
export function sumLanes(a: v128): f32 {
  const half = f32x4.add(a, v128.shuffle<f32>(a, a, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.add(half, v128.shuffle<f32>(half, half, 1, 0, 3, 2)), 0);
}
