/**
 * One item of attention: the rows of one sequence, for some of its kv heads, against all its keys.
 *
 * Keys go by in blocks aligned to absolute position; each query vector carries a running maximum m, a
 * sum l in four lanes (key position mod 4) and an unnormalised output (online softmax, Milakov and
 * Gimelshein 2018). What a vector does with a block depends on the block's keys and on its own position
 * only. Keys it may not see score -inf, hence weigh exactly 0 and leave every bit as it was; so a row is
 * bitwise the same alone, in a chunk, in a batch, on either thread and with any page ids.
 *
 * A block goes by in three sweeps, all heads' keys, then softmax, then all heads' values, so that memory is
 * read in two long runs instead of many short ones.
 *
 * Scratch of a thread: queries [vectors, headDim] f32 | outputs, alike | m f32 | l v128 | weights [vectors, 16]
 * | sink of touch | staged block of int8.
 */
import { scoresOne, scoresTwo, valuesOne, valuesTwo } from "./blocks-f32";
import { WIDENED_SCALE, widenBytes } from "./blocks-int8";
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
/** Scores or weights of one query vector for one block: 16 floats. */
const WEIGHT_BYTES: usize = 64;

/** The control block of this instance's view. */
export let control: usize = CONTROL;

/** Which view of the memory this instance works for; the first one until it is told. */
export function setControl(at: usize): void {
  control = at;
}

// @ts-ignore: decorator
@inline
export function word(offset: usize): i32 {
  return load<i32>(control + offset);
}

// The item at hand. A thread has its own instance of the module, hence its own globals.
let int8: bool = false;
let group: i32 = 0; // query heads per kv head
let rows: i32 = 0;
let heads: i32 = 0; // kv heads of the item, from firstHead
let firstHead: i32 = 0;
let headVectors: i32 = 0; // rows x group: query vectors of one kv head, row by row
let position: i32 = 0; // absolute, of the first row
let block: i32 = 0;
let window: i32 = 0;
let vectorBytes: usize = 0; // a query or output vector, f32
let tokenBytes: usize = 0; // a key or a value, as stored
let queries: usize = 0;
let outputs: usize = 0;
let maxima: usize = 0;
let sums: usize = 0;
let weights: usize = 0;
let staged: usize = 0; // one block of keys or values of one head, widened to f32 (int8 pages only)

function enter(item: usize, sequence: usize, scratch: usize): void {
  int8 = word(FORMAT) === 1;
  group = word(GROUP);
  rows = load<i32>(item, ITEM_ROWS);
  heads = load<i32>(item, ITEM_HEADS);
  firstHead = load<i32>(item, ITEM_HEAD);
  headVectors = rows * group;
  position = load<i32>(sequence, SEQUENCE_FIRST_POSITION) + load<i32>(item, ITEM_ROW);
  block = word(BLOCK_TOKENS);
  window = word(WINDOW);
  vectorBytes = <usize>word(HEAD_DIM) << 2;
  tokenBytes = int8 ? vectorBytes >> 2 : vectorBytes;
  queries = scratch;
  outputs = queries + <usize>ITEM_VECTORS * vectorBytes;
  maxima = outputs + <usize>ITEM_VECTORS * vectorBytes;
  sums = maxima + <usize>ITEM_VECTORS * 4;
  weights = sums + <usize>ITEM_VECTORS * 16;
  staged = weights + <usize>ITEM_VECTORS * WEIGHT_BYTES + 64;
}

/** Copies the scaled queries into scratch, kv head by kv head, and clears the state. `source`: the item's first row. */
function begin(source: usize, rowBytes: usize): void {
  const scale = f32x4.splat(load<f32>(control + QUERY_SCALE));
  const bytes = <usize>group * vectorBytes;
  let to = queries;
  for (let head = 0; head < heads; head++) {
    let from = source + <usize>(firstHead + head) * bytes;
    for (let r = 0; r < rows; r++) {
      for (let d: usize = 0; d < bytes; d += 16) v128.store(to + d, f32x4.mul(v128.load(from + d), scale));
      to += bytes;
      from += rowBytes;
    }
  }
  for (let d: usize = 0; d < to - queries; d += 16) v128.store(outputs + d, f32x4.splat(0));
  for (let i = 0; i < heads * headVectors; i++) {
    store<f32>(maxima + (<usize>i << 2), NOTHING);
    v128.store(sums + (<usize>i << 4), f32x4.splat(0));
  }
}

/** Normalises and writes the item's rows, the first to `target`. */
function finish(target: usize, rowBytes: usize): void {
  let from = outputs;
  let sum = sums;
  for (let head = 0; head < heads; head++) {
    for (let r = 0; r < rows; r++) {
      let to = target + <usize>r * rowBytes + <usize>((firstHead + head) * group) * vectorBytes;
      for (let g = 0; g < group; g++) {
        const factor = f32x4.splat(1 / sumLanes(v128.load(sum)));
        // Adding +0 turns a -0 (a rescaled underflow) into +0, whatever masked keys were added after it.
        for (let d: usize = 0; d < vectorBytes; d += 16) {
          v128.store(to + d, f32x4.add(f32x4.mul(v128.load(from + d), factor), f32x4.splat(0)));
        }
        from += vectorBytes;
        to += vectorBytes;
        sum += 16;
      }
    }
  }
}

/** First key, within the block that starts at `start`, that query vector i of a head sees. */
// @ts-ignore: decorator
@inline
function lowOf(i: i32, start: i32): i32 {
  return window === 0 ? 0 : max(0, position + i / group - window + 1 - start);
}

/** One past the last key it sees; 0 or less when it sees none. */
// @ts-ignore: decorator
@inline
function highOf(i: i32, start: i32): i32 {
  return min(block, position + i / group + 1 - start);
}

/** Address of `count` keys or values as f32: where they are, or widened in the stage. */
// @ts-ignore: decorator
@inline
function asFloats(at: usize, count: i32): usize {
  if (!int8) return at;
  widenBytes(at, <usize>count * tokenBytes, staged);
  return staged;
}

/** Scores of one kv head's vectors, in pairs, against `count` keys. */
function scoreHead(head: i32, keys: usize, count: i32): void {
  const groups = (count + 3) >> 2;
  let i = 0;
  let at = head * headVectors;
  for (; i + 2 <= headVectors; i += 2) {
    const q = queries + <usize>at * vectorBytes;
    const to = weights + <usize>at * WEIGHT_BYTES;
    scoresTwo(q, keys, vectorBytes, groups, to);
    at += 2;
  }
  if (i === headVectors) return;
  const q = queries + <usize>at * vectorBytes;
  const to = weights + <usize>at * WEIGHT_BYTES;
  scoresOne(q, keys, vectorBytes, groups, to);
}

/** Adds the weighted values of one kv head to its outputs, in pairs. */
function addHead(head: i32, values: usize, start: i32): void {
  for (let i = 0; i < headVectors; i += 2) {
    const two = i + 1 < headVectors;
    const at = <usize>(head * headVectors + i);
    const low = lowOf(i, start);
    // Neither vector looks past its own sequence: what lies there may be another's, even NaN.
    const high = highOf(two ? i + 1 : i, start);
    const from = weights + at * WEIGHT_BYTES;
    const to = outputs + at * vectorBytes;
    if (two) valuesTwo(from, values, vectorBytes, low, high, to);
    else valuesOne(from, values, vectorBytes, low, high, to);
  }
}

/** -inf in the lanes outside [low, high): keys this row may not see. */
function mask(scores: usize, groups: i32, low: i32, high: i32): void {
  let lanes = i32x4(0, 1, 2, 3);
  for (let g = 0; g < groups; g++) {
    const seen = v128.and(i32x4.ge_s(lanes, i32x4.splat(low)), i32x4.lt_s(lanes, i32x4.splat(high)));
    v128.store(scores, v128.bitselect(v128.load(scores), f32x4.splat(-Infinity), seen));
    lanes = i32x4.add(lanes, i32x4.splat(4));
    scores += 16;
  }
}

function rescale(output: usize, factor: v128): void {
  for (let d: usize = 0; d < vectorBytes; d += 16) {
    v128.store(output + d, f32x4.mul(v128.load(output + d), factor));
  }
}

/** at[i] x= scales[i]: how int8 scales enter, once per token instead of once per element. The factor is a power of 2. */
// @ts-ignore: decorator
@inline
function applyScales(at: usize, scales: usize, groups: i32): void {
  const factor = f32x4.splat(WIDENED_SCALE);
  for (let i: usize = 0; i < <usize>groups << 4; i += 16) {
    v128.store(at + i, f32x4.mul(v128.load(at + i), f32x4.mul(v128.load(scales + i), factor)));
  }
}

/**
 * Turns the scores of vector i (of the whole item) into weights, in place: 2^(score - m). Updates m and l,
 * and rescales the output when m grows.
 */
function weigh(i: i32, groups: i32): void {
  const from = weights + <usize>i * WEIGHT_BYTES;
  const end = from + (<usize>groups << 4);
  let largest = v128.load(from);
  for (let w = from + 16; w < end; w += 16) largest = f32x4.pmax(largest, v128.load(w));
  const maximum = maxima + (<usize>i << 2);
  const sum = sums + (<usize>i << 4);
  let m = load<f32>(maximum);
  let l = v128.load(sum);
  const blockMaximum = maxLane(largest);
  if (blockMaximum > m) {
    const factor = exp2(f32x4.splat(m - blockMaximum));
    m = blockMaximum;
    store<f32>(maximum, m);
    l = f32x4.mul(l, factor);
    rescale(outputs + <usize>i * vectorBytes, factor);
  }
  const shift = f32x4.splat(m);
  for (let w = from; w < end; w += 16) {
    const p = exp2(f32x4.sub(v128.load(w), shift));
    l = f32x4.add(l, p);
    v128.store(w, p);
  }
  v128.store(sum, l);
}

/** Softmax of one kv head's vectors over the `count` keys of the block from `start`. */
function weighHead(head: i32, start: i32, count: i32, keyScales: usize, valueScales: usize): void {
  const groups = (count + 3) >> 2;
  for (let i = 0; i < headVectors; i++) {
    const at = head * headVectors + i;
    const from = weights + <usize>at * WEIGHT_BYTES;
    const low = lowOf(i, start);
    const high = highOf(i, start);
    if (int8) applyScales(from, keyScales, groups);
    if (low > 0 || high < groups << 2) mask(from, groups, low, high);
    weigh(at, groups);
    if (int8) applyScales(from, valueScales, groups);
  }
}

/**
 * Loads one number of every cache line of a region (in steps of 256 bytes: it may look up to 192 bytes past
 * the end, hence the tail behind the last page). A burst of independent loads
 * keeps many misses in flight; the arithmetic that follows could keep only a few, because its own
 * instructions fill the window between them. Measured: 21 GB/s from memory instead of 10.
 */
function touch(at: usize, bytes: usize): void {
  let a = i32x4.splat(0);
  const end = at + bytes;
  for (; at < end; at += 256) {
    a = v128.xor(a, v128.xor(v128.xor(v128.load(at), v128.load(at, 64)), v128.xor(v128.load(at, 128), v128.load(at, 192))));
  }
  v128.store(weights + <usize>ITEM_VECTORS * WEIGHT_BYTES, a); // else the loads would be dead
}

/** Attends one item; `scratch` belongs to the calling thread. */
export function attendItem(item: usize, scratch: usize): void {
  const sequence = <usize>word(SEQUENCES_AT) + <usize>load<i32>(item, ITEM_SEQUENCE) * SEQUENCE_BYTES;
  enter(item, sequence, scratch);
  const rowBytes = <usize>(word(KV_HEADS) * group) * vectorBytes;
  const row = <usize>(load<i32>(sequence, SEQUENCE_QUERY_START) + load<i32>(item, ITEM_ROW)) * rowBytes;
  const table = <usize>word(TABLE_AT) + (<usize>load<i32>(sequence, SEQUENCE_TABLE) << 2);
  const layer = <usize>word(PAGES_AT) + <usize>word(LAYER) * <usize>word(LAYER_BYTES);
  const pageTokens = word(PAGE_TOKENS);
  const valuesAt = <usize>word(VALUES_AT);
  const headBytes = <usize>pageTokens * tokenBytes;

  begin(<usize>word(QUERIES_AT) + row, rowBytes);
  const lowest = window === 0 ? 0 : max(0, position - window + 1);
  const end = position + rows;
  for (let start = lowest - (lowest % block); start < end; start += block) {
    const page = <usize>load<i32>(table + (<usize>(start / pageTokens) << 2)) * <usize>word(PAGE_BYTES);
    const token = <usize>(firstHead * pageTokens + (start % pageTokens));
    const keys = layer + page + token * tokenBytes;
    const scales = layer + page + (token << 2);
    const count = min(block, end - start);
    // A page that is only begun is left out: most of it is not needed.
    const fresh = start % pageTokens === 0 && count === block;
    if (fresh) touch(keys, <usize>heads * headBytes);
    for (let h = 0; h < heads; h++) scoreHead(h, asFloats(keys + <usize>h * headBytes, count), count);
    for (let h = 0; h < heads; h++) {
      const at = scales + (<usize>(h * pageTokens) << 2);
      weighHead(h, start, count, at + <usize>word(KEY_SCALES_AT), at + <usize>word(VALUE_SCALES_AT));
    }
    if (fresh) touch(keys + valuesAt, <usize>heads * headBytes);
    for (let h = 0; h < heads; h++) addHead(h, asFloats(keys + valuesAt + <usize>h * headBytes, count), start);
  }
  finish(<usize>word(OUTPUTS_AT) + row, rowBytes);
}
