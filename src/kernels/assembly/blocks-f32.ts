/**
 * One block of keys against one or two query vectors, f32 pages.
 *
 * Every output element is the same chain of operations in the one- and the two-vector form: products
 * over the head dimension accumulate in four lanes in ascending order, lanes are summed by `sums4`, and
 * values accumulate key by key in ascending position. So a row's bits do not depend on its neighbours.
 */
import { sums4 } from "./simd";

/** scores[0 .. 4 x groups) = q . k; keys lie `stride` bytes apart. */
export function scoresOne(q: usize, keys: usize, stride: usize, groups: i32, scores: usize): void {
  for (let group = 0; group < groups; group++) {
    const k1 = keys + stride;
    const k2 = k1 + stride;
    const k3 = k2 + stride;
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    for (let d: usize = 0; d < stride; d += 16) {
      const x = v128.load(q + d);
      s0 = f32x4.add(s0, f32x4.mul(x, v128.load(keys + d)));
      s1 = f32x4.add(s1, f32x4.mul(x, v128.load(k1 + d)));
      s2 = f32x4.add(s2, f32x4.mul(x, v128.load(k2 + d)));
      s3 = f32x4.add(s3, f32x4.mul(x, v128.load(k3 + d)));
    }
    v128.store(scores, sums4(s0, s1, s2, s3));
    scores += 16;
    keys += stride << 2;
  }
}

/** The same for two query vectors, `stride` bytes apart, with scores 64 bytes apart: keys are read once. */
export function scoresTwo(q: usize, keys: usize, stride: usize, groups: i32, scores: usize): void {
  const p = q + stride;
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
    for (let d: usize = 0; d < stride; d += 16) {
      const x = v128.load(q + d);
      const y = v128.load(p + d);
      let k = v128.load(keys + d);
      s0 = f32x4.add(s0, f32x4.mul(x, k));
      t0 = f32x4.add(t0, f32x4.mul(y, k));
      k = v128.load(k1 + d);
      s1 = f32x4.add(s1, f32x4.mul(x, k));
      t1 = f32x4.add(t1, f32x4.mul(y, k));
      k = v128.load(k2 + d);
      s2 = f32x4.add(s2, f32x4.mul(x, k));
      t2 = f32x4.add(t2, f32x4.mul(y, k));
      k = v128.load(k3 + d);
      s3 = f32x4.add(s3, f32x4.mul(x, k));
      t3 = f32x4.add(t3, f32x4.mul(y, k));
    }
    v128.store(scores, sums4(s0, s1, s2, s3));
    v128.store(scores, sums4(t0, t1, t2, t3), 64);
    scores += 16;
    keys += stride << 2;
  }
}

/** out += sum over keys [first, end) of weights[key] x values[key]. */
export function valuesOne(weights: usize, values: usize, stride: usize, first: i32, end: i32, out: usize): void {
  const from = weights + ((<usize>first) << 2);
  const to = weights + ((<usize>end) << 2);
  values += <usize>first * stride;
  let d: usize = 0;
  for (; d + 64 <= stride; d += 64) {
    let a0 = v128.load(out + d);
    let a1 = v128.load(out + d, 16);
    let a2 = v128.load(out + d, 32);
    let a3 = v128.load(out + d, 48);
    let v = values + d;
    for (let w = from; w < to; w += 4) {
      const p = v128.load32_splat(w);
      a0 = f32x4.add(a0, f32x4.mul(p, v128.load(v)));
      a1 = f32x4.add(a1, f32x4.mul(p, v128.load(v, 16)));
      a2 = f32x4.add(a2, f32x4.mul(p, v128.load(v, 32)));
      a3 = f32x4.add(a3, f32x4.mul(p, v128.load(v, 48)));
      v += stride;
    }
    v128.store(out + d, a0);
    v128.store(out + d, a1, 16);
    v128.store(out + d, a2, 32);
    v128.store(out + d, a3, 48);
  }
  for (; d < stride; d += 16) {
    let a = v128.load(out + d);
    let v = values + d;
    for (let w = from; w < to; w += 4) {
      a = f32x4.add(a, f32x4.mul(v128.load32_splat(w), v128.load(v)));
      v += stride;
    }
    v128.store(out + d, a);
  }
}

/** The same for two vectors: weights 64 bytes apart, outputs `stride` bytes apart. */
export function valuesTwo(weights: usize, values: usize, stride: usize, first: i32, end: i32, out: usize): void {
  const from = weights + ((<usize>first) << 2);
  const to = weights + ((<usize>end) << 2);
  values += <usize>first * stride;
  const other = out + stride;
  let d: usize = 0;
  for (; d + 64 <= stride; d += 64) {
    let a0 = v128.load(out + d);
    let a1 = v128.load(out + d, 16);
    let a2 = v128.load(out + d, 32);
    let a3 = v128.load(out + d, 48);
    let b0 = v128.load(other + d);
    let b1 = v128.load(other + d, 16);
    let b2 = v128.load(other + d, 32);
    let b3 = v128.load(other + d, 48);
    let v = values + d;
    for (let w = from; w < to; w += 4) {
      const p = v128.load32_splat(w);
      const r = v128.load32_splat(w, 64);
      let x = v128.load(v);
      a0 = f32x4.add(a0, f32x4.mul(p, x));
      b0 = f32x4.add(b0, f32x4.mul(r, x));
      x = v128.load(v, 16);
      a1 = f32x4.add(a1, f32x4.mul(p, x));
      b1 = f32x4.add(b1, f32x4.mul(r, x));
      x = v128.load(v, 32);
      a2 = f32x4.add(a2, f32x4.mul(p, x));
      b2 = f32x4.add(b2, f32x4.mul(r, x));
      x = v128.load(v, 48);
      a3 = f32x4.add(a3, f32x4.mul(p, x));
      b3 = f32x4.add(b3, f32x4.mul(r, x));
      v += stride;
    }
    v128.store(out + d, a0);
    v128.store(out + d, a1, 16);
    v128.store(out + d, a2, 32);
    v128.store(out + d, a3, 48);
    v128.store(other + d, b0);
    v128.store(other + d, b1, 16);
    v128.store(other + d, b2, 32);
    v128.store(other + d, b3, 48);
  }
  for (; d < stride; d += 16) {
    let a = v128.load(out + d);
    let b = v128.load(other + d);
    let v = values + d;
    for (let w = from; w < to; w += 4) {
      const x = v128.load(v);
      a = f32x4.add(a, f32x4.mul(v128.load32_splat(w), x));
      b = f32x4.add(b, f32x4.mul(v128.load32_splat(w, 64), x));
      v += stride;
    }
    v128.store(out + d, a);
    v128.store(other + d, b);
  }
}
