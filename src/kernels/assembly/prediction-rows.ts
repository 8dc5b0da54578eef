/**
 * Pages to rows of a layer and back, keys turned from their positions to none and back again. A staged row is what a token
 * has in the layer: its keys, then its values, heads one behind the other. int8 pages are widened, and quantised as the
 * attention kernel does: scale = largest / 127, ties to even.
 */
import {
  BLOCK_STRETCHES,
  BLOCK_STRETCHES_AT,
  HEAD_DIM,
  IS_INT8,
  KEY_SCALES_AT,
  KV_HEADS,
  LAYER_BYTES,
  LAYER_TURNS_AT,
  ORDER_AT,
  PAGE_BYTES,
  PAGE_TOKENS,
  PAGES_AT,
  PLAN,
  ROW_BYTES,
  ROWS_AT,
  STAGED_AT,
  TOKENS,
  TURNS_AT,
  VALUE_SCALES_AT,
  VALUES_AT,
} from "./prediction-plan";

// @ts-ignore: decorator
@inline
function copyFloats(to: usize, from: usize, count: usize): void {
  let i: usize = 0;
  const bytes = count << 2;
  for (; i + 16 <= bytes; i += 16) v128.store(to + i, v128.load(from + i));
  for (; i < bytes; i += 4) store<f32>(to + i, load<f32>(from + i));
}

// @ts-ignore: decorator
@inline
function stagedBytes(): usize {
  return <usize>(load<u32>(PLAN, KV_HEADS) * load<u32>(PLAN, HEAD_DIM)) << 3;
}

/** A block's channels of all tokens, in their order, between ROWS_AT and the staged rows. */
export function moveRows(block: usize, isStaging: bool): void {
  const tokens = <usize>load<u32>(PLAN, TOKENS);
  const bytes = stagedBytes();
  const order = <usize>load<u32>(PLAN, ORDER_AT);
  const staged = <usize>load<u32>(PLAN, STAGED_AT);
  const first = <usize>load<u32>(block, BLOCK_STRETCHES_AT);
  const end = first + (<usize>load<u32>(block, BLOCK_STRETCHES) << 3);
  let row = <usize>load<u32>(PLAN, ROWS_AT);
  for (let t: usize = 0; t < tokens; t++) {
    const own = staged + <usize>load<u32>(order + (t << 2)) * bytes;
    let at = row;
    for (let stretch = first; stretch < end; stretch += 8) {
      const column = own + (<usize>load<u32>(stretch) << 2);
      const count = <usize>load<u32>(stretch, 4);
      if (isStaging) copyFloats(column, at, count);
      else copyFloats(at, column, count);
      at += count << 2;
    }
    row += ROW_BYTES;
  }
}

/** Turns a head's key in place: pair (x, y) to (x cos - y sin, y cos + x sin), in double precision. */
function turn(row: usize, cosines: usize): void {
  const half = <usize>load<u32>(PLAN, HEAD_DIM) >> 1;
  const sines = cosines + (half << 3);
  const second = row + (half << 2);
  let i: usize = 0;
  for (; i + 2 <= half; i += 2) {
    const x = f64x2.promote_low_f32x4(v128.load64_zero(row + (i << 2)));
    const y = f64x2.promote_low_f32x4(v128.load64_zero(second + (i << 2)));
    const cos = v128.load(cosines + (i << 3));
    const sin = v128.load(sines + (i << 3));
    const turned = f64x2.sub(f64x2.mul(x, cos), f64x2.mul(y, sin));
    const other = f64x2.add(f64x2.mul(y, cos), f64x2.mul(x, sin));
    v128.store64_lane(row + (i << 2), f32x4.demote_f64x2_zero(turned), 0);
    v128.store64_lane(second + (i << 2), f32x4.demote_f64x2_zero(other), 0);
  }
  for (; i < half; i++) {
    const x: f64 = load<f32>(row + (i << 2));
    const y: f64 = load<f32>(second + (i << 2));
    const cos = load<f64>(cosines + (i << 3));
    const sin = load<f64>(sines + (i << 3));
    store<f32>(row + (i << 2), <f32>(x * cos - y * sin));
    store<f32>(second + (i << 2), <f32>(y * cos + x * sin));
  }
}

/** Staged rows into the layer of their pages, or the other way: keys are turned by what TURNS_AT says. */
export function movePages(layer: u32, isReading: bool): void {
  const tokens = <usize>load<u32>(PLAN, TOKENS);
  const heads = <usize>load<u32>(PLAN, KV_HEADS);
  const headDim = <usize>load<u32>(PLAN, HEAD_DIM);
  const pageTokens = <usize>load<u32>(PLAN, PAGE_TOKENS);
  const isInt8 = load<u32>(PLAN, IS_INT8) !== 0;
  const headBytes = headDim << (isInt8 ? 0 : 2);
  const turns = <usize>load<u32>(<usize>load<u32>(PLAN, LAYER_TURNS_AT) + (<usize>layer << 2));
  const angleBytes = (headDim >> 1) << 4;
  const angles = <usize>load<u32>(PLAN, TURNS_AT) + (turns - 1) * tokens * angleBytes;
  let staged = <usize>load<u32>(PLAN, STAGED_AT);
  for (let t: usize = 0; t < tokens; t++) {
    const page =
      <usize>load<u32>(PLAN, PAGES_AT) +
      (t / pageTokens) * <usize>load<u32>(PLAN, PAGE_BYTES) +
      <usize>layer * <usize>load<u32>(PLAN, LAYER_BYTES);
    for (let side: usize = 0; side < 2; side++) {
      const isTurned = side === 0 && turns !== 0;
      const data = page + (side === 0 ? 0 : <usize>load<u32>(PLAN, VALUES_AT));
      const scales = page + <usize>(side === 0 ? load<u32>(PLAN, KEY_SCALES_AT) : load<u32>(PLAN, VALUE_SCALES_AT));
      for (let head: usize = 0; head < heads; head++) {
        const at = head * pageTokens + (t % pageTokens);
        if (isReading) {
          if (isInt8) widen(staged, data + at * headBytes, load<f32>(scales + (at << 2)), headDim);
          else copyFloats(staged, data + at * headBytes, headDim);
          if (isTurned) turn(staged, angles + t * angleBytes);
        } else {
          if (isTurned) turn(staged, angles + t * angleBytes);
          if (isInt8) narrow(data + at * headBytes, scales + (at << 2), staged, headDim);
          else copyFloats(data + at * headBytes, staged, headDim);
        }
        staged += headDim << 2;
      }
    }
  }
}

function widen(to: usize, from: usize, scale: f32, count: usize): void {
  for (let i: usize = 0; i < count; i++) store<f32>(to + (i << 2), <f32>load<i8>(from + i) * scale);
}

function narrow(to: usize, scale: usize, from: usize, count: usize): void {
  let largest: f32 = 0;
  for (let i: usize = 0; i < count; i++) largest = max(largest, abs(load<f32>(from + (i << 2))));
  store<f32>(scale, largest / 127);
  const factor: f32 = largest > 0 ? 127 / largest : 0;
  // So small that no factor brings it into range: nothing, as without a row.
  if (!isFinite(factor)) return memory.fill(to, 0, count);
  for (let i: usize = 0; i < count; i++) {
    store<i8>(to + i, <i8>(<i32>nearest(load<f32>(from + (i << 2)) * factor)));
  }
}
