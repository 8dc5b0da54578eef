/**
 * A block's channels out of its components, and the other way round: for every token a sum of rows of a matrix, each
 * times a factor. Single precision, terms added in their order, one after the other: the same bits wherever it runs, and
 * whether terms of factor 0 are left out or not.
 *
 *     matrix = tiles of 32 columns, then of 8; a tile holds all rows, its columns side by side
 *
 * A tile stays in the nearest cache while all tokens pass it.
 */
import {
  BLOCK_MEANS_AT,
  BLOCK_PADDED,
  BLOCK_SCALES_AT,
  BLOCK_SIZE,
  PLAN,
  ROW_BYTES,
  ROWS_AT,
  TERM_BYTES,
  TERM_ENDS_AT,
  TERMS_AT,
  TERMS_STRIDE,
  TOKENS,
} from "./prediction-plan";

/** Sums of all tokens into ROWS_AT, each row `padded` floats. Lists of terms are in TERMS_AT. */
export function sumTerms(block: usize, matrix: usize): void {
  const size = <usize>load<u32>(block, BLOCK_SIZE);
  const padded = <usize>load<u32>(block, BLOCK_PADDED);
  let column: usize = 0;
  for (; column + 32 <= padded; column += 32) sumTile32(matrix + ((column * size) << 2), column << 2);
  for (; column < padded; column += 8) sumTile8(matrix + ((column * size) << 2), column << 2);
}

function sumTile32(tile: usize, at: usize): void {
  const tokens = <usize>load<u32>(PLAN, TOKENS);
  const stride = <usize>load<u32>(PLAN, TERMS_STRIDE);
  const ends = <usize>load<u32>(PLAN, TERM_ENDS_AT);
  let terms = <usize>load<u32>(PLAN, TERMS_AT);
  let out = <usize>load<u32>(PLAN, ROWS_AT) + at;
  for (let t: usize = 0; t < tokens; t++) {
    const end = <usize>load<u32>(ends + (t << 2));
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    let c = f32x4.splat(0);
    let d = f32x4.splat(0);
    let e = f32x4.splat(0);
    let f = f32x4.splat(0);
    let g = f32x4.splat(0);
    let h = f32x4.splat(0);
    for (let term = terms; term < end; term += TERM_BYTES) {
      const factor = v128.load32_splat(term);
      const row = tile + <usize>load<u32>(term, 4);
      a = f32x4.add(a, f32x4.mul(v128.load(row), factor));
      b = f32x4.add(b, f32x4.mul(v128.load(row, 16), factor));
      c = f32x4.add(c, f32x4.mul(v128.load(row, 32), factor));
      d = f32x4.add(d, f32x4.mul(v128.load(row, 48), factor));
      e = f32x4.add(e, f32x4.mul(v128.load(row, 64), factor));
      f = f32x4.add(f, f32x4.mul(v128.load(row, 80), factor));
      g = f32x4.add(g, f32x4.mul(v128.load(row, 96), factor));
      h = f32x4.add(h, f32x4.mul(v128.load(row, 112), factor));
    }
    v128.store(out, a);
    v128.store(out, b, 16);
    v128.store(out, c, 32);
    v128.store(out, d, 48);
    v128.store(out, e, 64);
    v128.store(out, f, 80);
    v128.store(out, g, 96);
    v128.store(out, h, 112);
    terms += stride;
    out += ROW_BYTES;
  }
}

function sumTile8(tile: usize, at: usize): void {
  const tokens = <usize>load<u32>(PLAN, TOKENS);
  const stride = <usize>load<u32>(PLAN, TERMS_STRIDE);
  const ends = <usize>load<u32>(PLAN, TERM_ENDS_AT);
  let terms = <usize>load<u32>(PLAN, TERMS_AT);
  let out = <usize>load<u32>(PLAN, ROWS_AT) + at;
  for (let t: usize = 0; t < tokens; t++) {
    const end = <usize>load<u32>(ends + (t << 2));
    let a = f32x4.splat(0);
    let b = f32x4.splat(0);
    for (let term = terms; term < end; term += TERM_BYTES) {
      const factor = v128.load32_splat(term);
      // Offsets are those of wide tiles, whose rows are four times as long.
      const row = tile + <usize>(load<u32>(term, 4) >> 2);
      a = f32x4.add(a, f32x4.mul(v128.load(row), factor));
      b = f32x4.add(b, f32x4.mul(v128.load(row, 16), factor));
    }
    v128.store(out, a);
    v128.store(out, b, 16);
    terms += stride;
    out += ROW_BYTES;
  }
}

/** In place mean + scale x of all tokens' sums. False when one of them is not finite. */
export function unscale(block: usize): bool {
  const tokens = <usize>load<u32>(PLAN, TOKENS);
  const bytes = <usize>load<u32>(block, BLOCK_PADDED) << 2;
  const means = <usize>load<u32>(block, BLOCK_MEANS_AT);
  const scales = <usize>load<u32>(block, BLOCK_SCALES_AT);
  let row = <usize>load<u32>(PLAN, ROWS_AT);
  let strange = i32x4.splat(0);
  for (let t: usize = 0; t < tokens; t++) {
    for (let at: usize = 0; at < bytes; at += 16) {
      const x = f32x4.add(v128.load(means + at), f32x4.mul(v128.load(scales + at), v128.load(row + at)));
      v128.store(row + at, x);
      // Nothing but infinities and what is no number differs from itself when it is taken from itself.
      strange = v128.or(strange, f32x4.ne(f32x4.sub(x, x), f32x4.splat(0)));
    }
    row += ROW_BYTES;
  }
  return !v128.any_true(strange);
}

/** Lists of all terms, (x - mean) / scale of every channel in ROWS_AT, for `sumTerms` by channel. */
export function scaleToTerms(block: usize): void {
  const tokens = <usize>load<u32>(PLAN, TOKENS);
  const size = <usize>load<u32>(block, BLOCK_SIZE);
  const means = <usize>load<u32>(block, BLOCK_MEANS_AT);
  const scales = <usize>load<u32>(block, BLOCK_SCALES_AT);
  const stride = <usize>load<u32>(PLAN, TERMS_STRIDE);
  const ends = <usize>load<u32>(PLAN, TERM_ENDS_AT);
  let row = <usize>load<u32>(PLAN, ROWS_AT);
  let terms = <usize>load<u32>(PLAN, TERMS_AT);
  for (let t: usize = 0; t < tokens; t++) {
    let term = terms;
    for (let i: usize = 0; i < size; i++) {
      const x: f32 = (load<f32>(row + (i << 2)) - load<f32>(means + (i << 2))) / load<f32>(scales + (i << 2));
      store<f32>(term, x);
      store<u32>(term, <u32>(i << 7), 4);
      term += TERM_BYTES;
    }
    store<u32>(ends + (t << 2), <u32>term);
    terms += stride;
    row += ROW_BYTES;
  }
}
