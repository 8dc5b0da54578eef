/** Moving rows into pages and out of them, and pages onto pages. */
import { word } from "./attention";
import {
  FORMAT,
  HEAD_DIM,
  KEY_SCALES_AT,
  KV_HEADS,
  LAYER_BYTES,
  PAGES_AT,
  PAGE_BYTES,
  PAGE_TOKENS,
  VALUES_AT,
  VALUE_SCALES_AT,
} from "./control";
import { maxLane } from "./simd";

/** Symmetric int8 with scale = largest / 127, ties to even; a row of zeros gets scale 0. */
function quantise(from: usize, headDim: usize, to: usize, scaleAt: usize): void {
  const bytes = headDim << 2;
  let largest = f32x4.splat(0);
  for (let d: usize = 0; d < bytes; d += 16) largest = f32x4.max(largest, f32x4.abs(v128.load(from + d)));
  const top = maxLane(largest);
  store<f32>(scaleAt, top / 127);
  const factor = f32x4.splat(top > 0 ? 127 / top : 0);
  for (let d: usize = 0; d < headDim; d += 4) {
    const n = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(from + (d << 2)), factor)));
    const narrow = i16x8.narrow_i32x4_s(n, n);
    v128.store32_lane(to + d, i8x16.narrow_i16x8_s(narrow, narrow), 0);
  }
}

// @ts-ignore: decorator
@inline
function copyVectors(from: usize, to: usize, bytes: usize): void {
  for (let d: usize = 0; d < bytes; d += 16) v128.store(to + d, v128.load(from + d));
}

/** Row r of keys and values [rows, kvHeads x headDim] goes to slot slots[r] = page x pageTokens + offset. */
export function writeRows(layer: i32, keys: usize, values: usize, slots: usize, rows: i32): void {
  const int8 = word(FORMAT) === 1;
  const heads = word(KV_HEADS);
  const headDim = <usize>word(HEAD_DIM);
  const bytes = headDim << 2;
  const pageTokens = word(PAGE_TOKENS);
  const valuesAt = <usize>word(VALUES_AT);
  const base = <usize>word(PAGES_AT) + <usize>layer * <usize>word(LAYER_BYTES);
  for (let r = 0; r < rows; r++) {
    const slot = load<i32>(slots + (<usize>r << 2));
    const page = base + <usize>(slot / pageTokens) * <usize>word(PAGE_BYTES);
    for (let h = 0; h < heads; h++) {
      const token = <usize>(h * pageTokens + (slot % pageTokens));
      if (int8) {
        quantise(keys, headDim, page + token * headDim, page + <usize>word(KEY_SCALES_AT) + (token << 2));
        const to = page + valuesAt + token * headDim;
        quantise(values, headDim, to, page + <usize>word(VALUE_SCALES_AT) + (token << 2));
      } else {
        copyVectors(keys, page + token * bytes, bytes);
        copyVectors(values, page + valuesAt + token * bytes, bytes);
      }
      keys += bytes;
      values += bytes;
    }
  }
}

// @ts-ignore: decorator
@inline
function widen(from: usize, scale: f32, headDim: usize, to: usize): void {
  const factor = f32x4.splat(scale);
  for (let d: usize = 0; d < headDim; d += 4) {
    const wide = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(from + d)));
    v128.store(to + (d << 2), f32x4.mul(f32x4.convert_i32x4_s(wide), factor));
  }
}

/** Tokens [0, tokens) of one int8 page as f32: head h, token t goes h x pageTokens + t rows after each target. */
export function widenPage(layer: i32, page: i32, tokens: i32, keys: usize, values: usize): void {
  const heads = word(KV_HEADS);
  const headDim = <usize>word(HEAD_DIM);
  const pageTokens = word(PAGE_TOKENS);
  const from = <usize>word(PAGES_AT) + <usize>layer * <usize>word(LAYER_BYTES) + <usize>page * <usize>word(PAGE_BYTES);
  for (let h = 0; h < heads; h++) {
    for (let t = 0; t < tokens; t++) {
      const token = <usize>(h * pageTokens + t);
      const source = from + token * headDim;
      const target = (token * headDim) << 2;
      const scaleAt = from + (token << 2);
      widen(source, load<f32>(scaleAt + <usize>word(KEY_SCALES_AT)), headDim, keys + target);
      widen(source + <usize>word(VALUES_AT), load<f32>(scaleAt + <usize>word(VALUE_SCALES_AT)), headDim, values + target);
    }
  }
}

/** The whole page, all layers. */
export function copyPage(from: i32, to: i32): void {
  const base = <usize>word(PAGES_AT);
  const bytes = <usize>word(PAGE_BYTES);
  memory.copy(base + <usize>to * bytes, base + <usize>from * bytes, bytes);
}
