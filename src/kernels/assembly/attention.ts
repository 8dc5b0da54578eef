/**
 * One item of attention: the rows of one sequence, for some of its kv heads, against all its keys.
 *
 * Keys go by in blocks aligned to absolute position; each query vector carries a running maximum m, a
 * sum l in four lanes (key position mod 4) and an unnormalised output (online softmax, Milakov and
 * Gimelshein 2018). What a vector does with a block depends on the block's keys and on its own position
 * only. Keys it may not see score -inf, hence weigh exactly 0 and leave every bit as it was; so a row is
 * bitwise the same alone, in a chunk, in a batch, on either thread and with any page ids.
 *
 * Scratch of a thread: queries [vectors, headDim] f32 | outputs, alike | m f32 | l v128 | weights.
 */
import { scoresOne, scoresTwo, valuesOne, valuesTwo } from "./blocks-f32";
import { scoresOneInt8, scoresTwoInt8, valuesOneInt8, valuesTwoInt8 } from "./blocks-int8";
import {
  BLOCK_TOKENS,
  CONTROL,
  FORMAT,
  GROUP,
  HEAD_DIM,
  ITEM_HEAD,
  ITEM_HEADS,
  ITEM_ROW,
  ITEM_ROWS,
  ITEM_SEQUENCE,
  ITEM_VECTORS,
  KEY_SCALES_AT,
  KV_HEADS,
  LAYER,
  LAYER_BYTES,
  OUTPUTS_AT,
  PAGES_AT,
  PAGE_BYTES,
  PAGE_TOKENS,
  QUERIES_AT,
  QUERY_SCALE,
  SEQUENCES_AT,
  SEQUENCE_BYTES,
  SEQUENCE_FIRST_POSITION,
  SEQUENCE_QUERY_START,
  SEQUENCE_TABLE,
  TABLE_AT,
  VALUES_AT,
  VALUE_SCALES_AT,
  WINDOW,
} from "./control";
import { exp2, maxLane, sumLanes } from "./simd";

/** Stands for "no key seen yet": finite, so that differences with it never make a NaN. */
const NOTHING: f32 = -3e38;

// @ts-ignore: decorator
@inline
export function word(offset: usize): i32 {
  return load<i32>(<usize>CONTROL + offset);
}

/** Copies the scaled queries of an item into scratch, kv head by kv head, and clears its state. */
function begin(item: usize, row: i32, queries: usize, outputs: usize, maxima: usize, sums: usize): void {
  const group = word(GROUP);
  const headBytes = <usize>word(HEAD_DIM) << 2;
  const rowBytes = <usize>(word(KV_HEADS) * group) * headBytes;
  const scale = f32x4.splat(load<f32>(CONTROL + QUERY_SCALE));
  const rows = load<i32>(item, ITEM_ROWS);
  const heads = load<i32>(item, ITEM_HEADS);
  const source = <usize>word(QUERIES_AT) + <usize>row * rowBytes;
  const bytes = <usize>group * headBytes;
  let to = queries;
  for (let head = 0; head < heads; head++) {
    let from = source + <usize>(load<i32>(item, ITEM_HEAD) + head) * bytes;
    for (let r = 0; r < rows; r++) {
      for (let d: usize = 0; d < bytes; d += 16) v128.store(to + d, f32x4.mul(v128.load(from + d), scale));
      to += bytes;
      from += rowBytes;
    }
  }
  for (let d: usize = 0; d < to - queries; d += 16) v128.store(outputs + d, f32x4.splat(0));
  const vectors = heads * rows * group;
  for (let i = 0; i < vectors; i++) {
    store<f32>(maxima + (<usize>i << 2), NOTHING);
    v128.store(sums + (<usize>i << 4), f32x4.splat(0));
  }
}

/** Normalises and writes the item's rows. */
function finish(item: usize, row: i32, outputs: usize, sums: usize): void {
  const group = word(GROUP);
  const headBytes = <usize>word(HEAD_DIM) << 2;
  const rowBytes = <usize>(word(KV_HEADS) * group) * headBytes;
  const rows = load<i32>(item, ITEM_ROWS);
  const heads = load<i32>(item, ITEM_HEADS);
  const target = <usize>word(OUTPUTS_AT) + <usize>row * rowBytes;
  for (let head = 0; head < heads; head++) {
    for (let r = 0; r < rows; r++) {
      let to = target + <usize>r * rowBytes + <usize>((load<i32>(item, ITEM_HEAD) + head) * group) * headBytes;
      for (let g = 0; g < group; g++) {
        const factor = f32x4.splat(1 / sumLanes(v128.load(sums)));
        // Adding +0 turns a -0 (a rescaled underflow) into +0, whatever masked keys were added after it.
        for (let d: usize = 0; d < headBytes; d += 16) {
          v128.store(to + d, f32x4.add(f32x4.mul(v128.load(outputs + d), factor), f32x4.splat(0)));
        }
        outputs += headBytes;
        to += headBytes;
        sums += 16;
      }
    }
  }
}

/** -inf in the lanes outside [low, high): keys this row may not see. */
// @ts-ignore: decorator
@inline
function masked(scores: v128, lane: i32, low: i32, high: i32): v128 {
  const position = i32x4.add(i32x4.splat(lane), i32x4(0, 1, 2, 3));
  const seen = v128.and(i32x4.ge_s(position, i32x4.splat(low)), i32x4.lt_s(position, i32x4.splat(high)));
  return v128.bitselect(scores, f32x4.splat(-Infinity), seen);
}

function rescale(output: usize, bytes: usize, factor: v128): void {
  for (let d: usize = 0; d < bytes; d += 16) v128.store(output + d, f32x4.mul(v128.load(output + d), factor));
}

/**
 * Turns the scores of one vector into weights, in place: 2^(score - m) of the keys [low, high), 0 for
 * the others. Updates m and l, and rescales the output when m grows.
 */
function weigh(weights: usize, groups: i32, low: i32, high: i32, maximum: usize, sum: usize, output: usize, bytes: usize): void {
  const end = weights + (<usize>groups << 4);
  let largest = f32x4.splat(-Infinity);
  if (low > 0 || high < groups << 2) {
    let lane = 0;
    for (let w = weights; w < end; w += 16) {
      v128.store(w, masked(v128.load(w), lane, low, high));
      lane += 4;
    }
  }
  for (let w = weights; w < end; w += 16) largest = f32x4.max(largest, v128.load(w));
  let m = load<f32>(maximum);
  let l = v128.load(sum);
  const blockMaximum = maxLane(largest);
  if (blockMaximum > m) {
    const factor = exp2(f32x4.splat(m - blockMaximum));
    m = blockMaximum;
    store<f32>(maximum, m);
    l = f32x4.mul(l, factor);
    rescale(output, bytes, factor);
  }
  const shift = f32x4.splat(m);
  for (let w = weights; w < end; w += 16) {
    const p = exp2(f32x4.sub(v128.load(w), shift));
    l = f32x4.add(l, p);
    v128.store(w, p);
  }
  v128.store(sum, l);
}

/** weights[i] x= scales[i]: how int8 scales enter, once per token instead of once per element. */
// @ts-ignore: decorator
@inline
function applyScales(weights: usize, scales: usize, groups: i32): void {
  for (let i: usize = 0; i < <usize>groups << 4; i += 16) {
    v128.store(weights + i, f32x4.mul(v128.load(weights + i), v128.load(scales + i)));
  }
}

/** One kv head of one block: every query vector of the item, in pairs, against the same 8 or 16 keys. */
function attendBlock(
  keys: usize,
  values: usize,
  keyScales: usize,
  valueScales: usize,
  start: i32,
  position: i32,
  rows: i32,
  queries: usize,
  outputs: usize,
  maxima: usize,
  sums: usize,
  weights: usize,
): void {
  const int8 = word(FORMAT) === 1;
  const block = word(BLOCK_TOKENS);
  const group = word(GROUP);
  const headDim = <usize>word(HEAD_DIM);
  const bytes = headDim << 2;
  const stride = int8 ? headDim : bytes;
  const window = word(WINDOW);
  const vectors = rows * group;
  for (let i = 0; i < vectors; i += 2) {
    const two = i + 1 < vectors;
    const at = position + i / group;
    const last = two ? position + (i + 1) / group : at;
    const high = min(block, at - start + 1);
    const lastHigh = min(block, last - start + 1);
    const low = window === 0 ? 0 : max(0, at - window + 1 - start);
    const lastLow = window === 0 ? 0 : max(0, last - window + 1 - start);
    if (lastHigh <= 0 || low >= block) continue;
    const groups = (lastHigh + 3) >> 2;
    const offset = <usize>i * bytes;
    if (two) {
      if (int8) {
        scoresTwoInt8(queries + offset, keys, stride, groups, weights);
        applyScales(weights, keyScales, groups);
        applyScales(weights + 64, keyScales, groups);
      } else scoresTwo(queries + offset, keys, stride, groups, weights);
      const m = maxima + (<usize>i << 2);
      const l = sums + (<usize>i << 4);
      weigh(weights, groups, low, high, m, l, outputs + offset, bytes);
      weigh(weights + 64, groups, lastLow, lastHigh, m + 4, l + 16, outputs + offset + bytes, bytes);
      if (int8) {
        applyScales(weights, valueScales, groups);
        applyScales(weights + 64, valueScales, groups);
        valuesTwoInt8(weights, values, stride, low, lastHigh, outputs + offset);
      } else valuesTwo(weights, values, stride, low, lastHigh, outputs + offset);
    } else {
      if (int8) {
        scoresOneInt8(queries + offset, keys, stride, groups, weights);
        applyScales(weights, keyScales, groups);
      } else scoresOne(queries + offset, keys, stride, groups, weights);
      weigh(weights, groups, low, high, maxima + (<usize>i << 2), sums + (<usize>i << 4), outputs + offset, bytes);
      if (int8) {
        applyScales(weights, valueScales, groups);
        valuesOneInt8(weights, values, stride, low, high, outputs + offset);
      } else valuesOne(weights, values, stride, low, high, outputs + offset);
    }
  }
}

/** Attends one item; `scratch` belongs to the calling thread. */
export function attendItem(item: usize, scratch: usize): void {
  const int8 = word(FORMAT) === 1;
  const bytes = <usize>word(HEAD_DIM) << 2;
  const outputs = scratch + <usize>ITEM_VECTORS * bytes;
  const maxima = outputs + <usize>ITEM_VECTORS * bytes;
  const sums = maxima + <usize>ITEM_VECTORS * 4;
  const weights = sums + <usize>ITEM_VECTORS * 16;
  const sequence = <usize>word(SEQUENCES_AT) + <usize>load<i32>(item, ITEM_SEQUENCE) * SEQUENCE_BYTES;
  const rows = load<i32>(item, ITEM_ROWS);
  const head = load<i32>(item, ITEM_HEAD);
  const heads = load<i32>(item, ITEM_HEADS);
  const row = load<i32>(sequence, SEQUENCE_QUERY_START) + load<i32>(item, ITEM_ROW);
  const position = load<i32>(sequence, SEQUENCE_FIRST_POSITION) + load<i32>(item, ITEM_ROW);
  const table = <usize>word(TABLE_AT) + (<usize>load<i32>(sequence, SEQUENCE_TABLE) << 2);
  const layer = <usize>word(PAGES_AT) + <usize>word(LAYER) * <usize>word(LAYER_BYTES);
  const pageTokens = word(PAGE_TOKENS);
  const block = word(BLOCK_TOKENS);
  const window = word(WINDOW);
  const tokenBytes = int8 ? bytes >> 2 : bytes;
  const headVectors = rows * word(GROUP);

  begin(item, row, scratch, outputs, maxima, sums);
  const lowest = window === 0 ? 0 : max(0, position - window + 1);
  for (let start = lowest - (lowest % block); start < position + rows; start += block) {
    const page = load<i32>(table + (<usize>(start / pageTokens) << 2));
    const keys = layer + <usize>page * <usize>word(PAGE_BYTES);
    for (let h = 0; h < heads; h++) {
      const token = <usize>((head + h) * pageTokens + (start % pageTokens));
      const first = <usize>(h * headVectors);
      attendBlock(
        keys + token * tokenBytes,
        keys + <usize>word(VALUES_AT) + token * tokenBytes,
        keys + <usize>word(KEY_SCALES_AT) + (token << 2),
        keys + <usize>word(VALUE_SCALES_AT) + (token << 2),
        start,
        position,
        rows,
        scratch + first * bytes,
        outputs + first * bytes,
        maxima + (first << 2),
        sums + (first << 4),
        weights,
      );
    }
  }
  finish(item, row, outputs, sums);
}
