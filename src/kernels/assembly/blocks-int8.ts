/**
 * One block of int8 keys against one or two query vectors: blocks-f32.ts with every load widened to
 * f32. Scales (one per token and head) are applied to the scores and to the weights, outside.
 */
import { sums4 } from "./simd";

/** Four int8 as four f32. */
// @ts-ignore: decorator
@inline
function load4(at: usize): v128 {
  const wide = i16x8.extend_low_i8x16_s(v128.load32_zero(at));
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(wide));
}

// @ts-ignore: decorator
@inline
function low(wide: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(wide));
}

// @ts-ignore: decorator
@inline
function high(wide: v128): v128 {
  return f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(wide));
}

/** scores[0 .. 4 x groups) = q . k without the scale; a key is `stride` bytes. */
export function scoresOneInt8(q: usize, keys: usize, stride: usize, groups: i32, scores: usize): void {
  const eights = stride & ~7;
  for (let group = 0; group < groups; group++) {
    const k1 = keys + stride;
    const k2 = k1 + stride;
    const k3 = k2 + stride;
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    for (let d: usize = 0; d < eights; d += 8) {
      const x = v128.load(q + (d << 2));
      const y = v128.load(q + (d << 2), 16);
      let w = v128.load8x8_s(keys + d);
      s0 = f32x4.add(f32x4.add(s0, f32x4.mul(x, low(w))), f32x4.mul(y, high(w)));
      w = v128.load8x8_s(k1 + d);
      s1 = f32x4.add(f32x4.add(s1, f32x4.mul(x, low(w))), f32x4.mul(y, high(w)));
      w = v128.load8x8_s(k2 + d);
      s2 = f32x4.add(f32x4.add(s2, f32x4.mul(x, low(w))), f32x4.mul(y, high(w)));
      w = v128.load8x8_s(k3 + d);
      s3 = f32x4.add(f32x4.add(s3, f32x4.mul(x, low(w))), f32x4.mul(y, high(w)));
    }
    if (eights < stride) {
      const x = v128.load(q + (eights << 2));
      s0 = f32x4.add(s0, f32x4.mul(x, load4(keys + eights)));
      s1 = f32x4.add(s1, f32x4.mul(x, load4(k1 + eights)));
      s2 = f32x4.add(s2, f32x4.mul(x, load4(k2 + eights)));
      s3 = f32x4.add(s3, f32x4.mul(x, load4(k3 + eights)));
    }
    v128.store(scores, sums4(s0, s1, s2, s3));
    scores += 16;
    keys += stride << 2;
  }
}

/** The same for two query vectors (4 x stride bytes apart), scores 64 bytes apart: keys are widened once. */
export function scoresTwoInt8(q: usize, keys: usize, stride: usize, groups: i32, scores: usize): void {
  const p = q + (stride << 2);
  for (let group = 0; group < groups; group++) {
    const k1 = keys + stride;
    const k2 = k1 + stride;
    const k3 = k2 + stride;
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    let t0 = f32x4.splat(0);
    let t1 = f32x4.splat(0);
    let t2 = f32x4.splat(0);
    let t3 = f32x4.splat(0);
    for (let d: usize = 0; d < stride; d += 4) {
      const x = v128.load(q + (d << 2));
      const y = v128.load(p + (d << 2));
      let k = load4(keys + d);
      s0 = f32x4.add(s0, f32x4.mul(x, k));
      t0 = f32x4.add(t0, f32x4.mul(y, k));
      k = load4(k1 + d);
      s1 = f32x4.add(s1, f32x4.mul(x, k));
      t1 = f32x4.add(t1, f32x4.mul(y, k));
      k = load4(k2 + d);
      s2 = f32x4.add(s2, f32x4.mul(x, k));
      t2 = f32x4.add(t2, f32x4.mul(y, k));
      k = load4(k3 + d);
      s3 = f32x4.add(s3, f32x4.mul(x, k));
      t3 = f32x4.add(t3, f32x4.mul(y, k));
    }
    v128.store(scores, sums4(s0, s1, s2, s3));
    v128.store(scores, sums4(t0, t1, t2, t3), 64);
    scores += 16;
    keys += stride << 2;
  }
}

/** out += sum over keys [first, end) of weights[key] x values[key]; weights carry the value scales. */
export function valuesOneInt8(weights: usize, values: usize, stride: usize, first: i32, end: i32, out: usize): void {
  const from = weights + (<usize>first << 2);
  const to = weights + (<usize>end << 2);
  values += <usize>first * stride;
  let d: usize = 0;
  for (; d + 16 <= stride; d += 16) {
    const at = out + (d << 2);
    let a0 = v128.load(at);
    let a1 = v128.load(at, 16);
    let a2 = v128.load(at, 32);
    let a3 = v128.load(at, 48);
    let v = values + d;
    for (let w = from; w < to; w += 4) {
      const p = v128.load32_splat(w);
      const x = v128.load8x8_s(v);
      const y = v128.load8x8_s(v, 8);
      a0 = f32x4.add(a0, f32x4.mul(p, low(x)));
      a1 = f32x4.add(a1, f32x4.mul(p, high(x)));
      a2 = f32x4.add(a2, f32x4.mul(p, low(y)));
      a3 = f32x4.add(a3, f32x4.mul(p, high(y)));
      v += stride;
    }
    v128.store(at, a0);
    v128.store(at, a1, 16);
    v128.store(at, a2, 32);
    v128.store(at, a3, 48);
  }
  for (; d < stride; d += 4) {
    const at = out + (d << 2);
    let a = v128.load(at);
    let v = values + d;
    for (let w = from; w < to; w += 4) {
      a = f32x4.add(a, f32x4.mul(v128.load32_splat(w), load4(v)));
      v += stride;
    }
    v128.store(at, a);
  }
}

/** The same for two vectors: weights 64 bytes apart, outputs 4 x stride bytes apart. */
export function valuesTwoInt8(weights: usize, values: usize, stride: usize, first: i32, end: i32, out: usize): void {
  const from = weights + (<usize>first << 2);
  const to = weights + (<usize>end << 2);
  const apart = stride << 2;
  values += <usize>first * stride;
  let d: usize = 0;
  for (; d + 8 <= stride; d += 8) {
    const at = out + (d << 2);
    const other = at + apart;
    let a0 = v128.load(at);
    let a1 = v128.load(at, 16);
    let b0 = v128.load(other);
    let b1 = v128.load(other, 16);
    let v = values + d;
    for (let w = from; w < to; w += 4) {
      const p = v128.load32_splat(w);
      const r = v128.load32_splat(w, 64);
      const wide = v128.load8x8_s(v);
      const x = low(wide);
      const y = high(wide);
      a0 = f32x4.add(a0, f32x4.mul(p, x));
      a1 = f32x4.add(a1, f32x4.mul(p, y));
      b0 = f32x4.add(b0, f32x4.mul(r, x));
      b1 = f32x4.add(b1, f32x4.mul(r, y));
      v += stride;
    }
    v128.store(at, a0);
    v128.store(at, a1, 16);
    v128.store(other, b0);
    v128.store(other, b1, 16);
  }
  for (; d < stride; d += 4) {
    const at = out + (d << 2);
    let a = v128.load(at);
    let b = v128.load(at + apart);
    let v = values + d;
    for (let w = from; w < to; w += 4) {
      const x = load4(v);
      a = f32x4.add(a, f32x4.mul(v128.load32_splat(w), x));
      b = f32x4.add(b, f32x4.mul(v128.load32_splat(w, 64), x));
      v += stride;
    }
    v128.store(at, a);
    v128.store(at + apart, b);
  }
}
