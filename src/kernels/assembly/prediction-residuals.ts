/** What is left of components when they were predicted: symbols to components, and components to symbols. */
import {
  BITS_AT,
  BLOCK_FIRST,
  BLOCK_SIZE,
  CENTROID_UNIT,
  CENTROIDS_AT,
  ESCAPE,
  ESCAPES_AT,
  ESCAPES_BYTES,
  ID_COUNT,
  ID_MEANS_AT,
  MEAN_STEPS_AT,
  ORDER_PLACES_AT,
  PLAN,
  ROW_BYTES,
  ROWS_AT,
  SEGMENT_BYTES,
  SEGMENTS_AT,
  SIDE,
  SPREAD_LOGS_AT,
  STEP_LOG,
  SYMBOLS,
  SYMBOLS_AT,
  TERM_BYTES,
  TERM_ENDS_AT,
  TERMS_AT,
  TERMS_STRIDE,
  TOKENS,
  VALUES_OF_SYMBOLS_AT,
} from "./prediction-plan";
import { tableOf } from "./prediction-order";

/** Squared steps that a bit is worth: (ln 2) / 6, and no component is off by more steps than this. */
const BIT_WORTH: f64 = 0.6931471805599453 / 6;
const ERROR_STEPS: f64 = 0.75;
const FARTHEST: f64 = 268435456;

let bit: usize = 0;
let bits: usize = 0;
let isOver: bool = false;

/** Takes up the bits that escapes are in. */
export function beginEscapes(): void {
  bit = 0;
  bits = (<usize>load<u32>(PLAN, ESCAPES_BYTES)) << 3;
  isOver = false;
}

/** Whether all of them were read, up to the padding of the last byte, and none was missing. */
export function areEscapesRead(): bool {
  return !isOver && ((bit + 7) >> 3) << 3 === bits;
}

function nextBit(): u32 {
  if (bit >= bits) {
    isOver = true;
    return 1;
  }
  const byte = <u32>load<u8>(<usize>load<u32>(PLAN, ESCAPES_AT) + (bit >> 3));
  const found = (byte >> (7 - (<u32>bit & 7))) & 1;
  bit++;
  return found;
}

/** An exponential Golomb code with its sign. */
function nextSteps(): i32 {
  let length: u32 = 0;
  while (nextBit() === 0) {
    length++;
    if (length > 30) {
      isOver = true;
      return 0;
    }
  }
  let value: u32 = 1;
  for (let i: u32 = 0; i < length; i++) value = (value << 1) | nextBit();
  value--;
  return (value & 1) === 1 ? <i32>((value + 1) >> 1) : -(<i32>(value >> 1));
}

/** Steps that so many steps (above 0) stand for in a table. */
// @ts-ignore: decorator
@inline
function nearOf(size: f64, centroids: usize): f64 {
  return size - <f64>load<u8>(centroids + <usize>(size !== 1)) / CENTROID_UNIT;
}

function escaped(table: usize, step: f64): f32 {
  const steps = nextSteps();
  if (steps === 0) return 0;
  const near = nearOf(<f64>abs(steps), <usize>load<u32>(PLAN, CENTROIDS_AT) + (table << 1));
  return <f32>((steps > 0 ? near : -near) * step);
}

/** A block's symbols to the terms of its channels: what is predicted, and what the symbols add, where that is not 0. */
export function dequantise(block: usize, segmentCount: u32, step: f64): void {
  const tokens = <usize>load<u32>(PLAN, TOKENS);
  const size = <usize>load<u32>(block, BLOCK_SIZE);
  const first = <usize>load<u32>(block, BLOCK_FIRST);
  const ends = <usize>load<u32>(PLAN, TERM_ENDS_AT);
  const places = <usize>load<u32>(PLAN, ORDER_PLACES_AT);
  const segments = <usize>load<u32>(PLAN, SEGMENTS_AT);
  const segmentsEnd = segments + segmentCount * SEGMENT_BYTES;
  const meanBytes = <usize>(load<u32>(PLAN, ID_COUNT) + 1) << 1;
  const values = <usize>load<u32>(PLAN, VALUES_OF_SYMBOLS_AT);
  const spreads = <usize>load<u32>(PLAN, SPREAD_LOGS_AT) + first;
  const stepLog = load<i32>(PLAN, STEP_LOG);
  const meanSteps = <usize>load<u32>(PLAN, MEAN_STEPS_AT) + (first << 2);
  let means = <usize>load<u32>(PLAN, ID_MEANS_AT) + first * meanBytes;
  let symbol = <usize>load<u32>(PLAN, SYMBOLS_AT);
  emptyTerms();
  for (let j: usize = 0; j < size; j++) {
    const meanStep = load<f32>(meanSteps + (j << 2));
    const spreadLog = <i32>load<i8>(spreads + j);
    const row = <u32>(j << 7);
    for (let segment = segments; segment < segmentsEnd; segment += SEGMENT_BYTES) {
      const table = tableOf(spreadLog, segment, stepLog);
      const known = values + table * (SYMBOLS * 4);
      const to = <usize>load<u32>(segment, 8) << 2;
      for (let i = <usize>load<u32>(segment, 4) << 2; i < to; i += 4) {
        const s = <usize>load<u8>(symbol++);
        const residual: f32 = s === ESCAPE ? escaped(table, step) : load<f32>(known + (s << 2));
        const y: f32 = <f32>load<i16>(means + (<usize>load<u32>(places + i) << 1)) * meanStep + residual;
        const term = <usize>load<u32>(ends + i);
        // Written in any case: that is cheaper than to foresee which ones are nothing.
        store<f32>(term, y);
        store<u32>(term, row, 4);
        store<u32>(ends + i, <u32>(term + (<usize>(y !== 0) << 3)));
      }
    }
    means += meanBytes;
  }
}

function emptyTerms(): void {
  const tokens = <usize>load<u32>(PLAN, TOKENS);
  const ends = <usize>load<u32>(PLAN, TERM_ENDS_AT);
  const stride = load<u32>(PLAN, TERMS_STRIDE);
  let terms = load<u32>(PLAN, TERMS_AT);
  for (let t: usize = 0; t < tokens; t++) {
    store<u32>(ends + (t << 2), terms);
    terms += stride;
  }
}

/** What coding a residual as so many steps costs: its error and its bits. */
// @ts-ignore: decorator
@inline
function costOf(size: f64, steps: u32, sign: i32, costs: usize, centroids: usize): f64 {
  const near = steps === 0 ? 0 : nearOf(<f64>steps, centroids);
  const error = abs(near - size);
  if (error > ERROR_STEPS) return Infinity;
  const symbol = steps <= <u32>SIDE ? load<f64>(costs + ((<usize>(<i32>steps * sign + SIDE)) << 3)) : Infinity;
  const taken = symbol < Infinity ? symbol : load<f64>(costs, ESCAPE * 8) + <f64>(2 * (32 - clz(steps)) + 1);
  return error * error + BIT_WORTH * taken;
}

let escapesAt: usize = 0;

/** Where the next escape will be written. */
export function escapesEnd(): usize {
  return escapesAt;
}

export function emptyEscapes(): void {
  escapesAt = <usize>load<u32>(PLAN, ESCAPES_AT);
}

/** A block's components in ROWS_AT to symbols, and escapes behind those that there are. False when one is not finite. */
export function quantise(block: usize, segmentCount: u32, perStep: f64): bool {
  const tokens = <usize>load<u32>(PLAN, TOKENS);
  const size = <usize>load<u32>(block, BLOCK_SIZE);
  const first = <usize>load<u32>(block, BLOCK_FIRST);
  const places = <usize>load<u32>(PLAN, ORDER_PLACES_AT);
  const segments = <usize>load<u32>(PLAN, SEGMENTS_AT);
  const segmentsEnd = segments + segmentCount * SEGMENT_BYTES;
  const meanBytes = <usize>(load<u32>(PLAN, ID_COUNT) + 1) << 1;
  const stepLog = load<i32>(PLAN, STEP_LOG);
  const rows = <usize>load<u32>(PLAN, ROWS_AT);
  const allCosts = <usize>load<u32>(PLAN, BITS_AT);
  const allCentroids = <usize>load<u32>(PLAN, CENTROIDS_AT);
  let symbol = <usize>load<u32>(PLAN, SYMBOLS_AT) + first * tokens;
  for (let j: usize = 0; j < size; j++) {
    const component = first + j;
    const meanStep = load<f32>(<usize>load<u32>(PLAN, MEAN_STEPS_AT) + (component << 2));
    const means = <usize>load<u32>(PLAN, ID_MEANS_AT) + component * meanBytes;
    const spreadLog = <i32>load<i8>(<usize>load<u32>(PLAN, SPREAD_LOGS_AT) + component);
    for (let segment = segments; segment < segmentsEnd; segment += SEGMENT_BYTES) {
      const table = tableOf(spreadLog, segment, stepLog);
      const costs = allCosts + table * (SYMBOLS * 8);
      const centroids = allCentroids + (table << 1);
      const end = <usize>load<u32>(segment, 8);
      for (let i = <usize>load<u32>(segment, 4); i < end; i++) {
        const mean: f32 = <f32>load<i16>(means + (<usize>load<u32>(places + (i << 2)) << 1)) * meanStep;
        const y = load<f32>(rows + i * ROW_BYTES + (j << 2));
        const residual = (<f64>y - <f64>mean) * perStep;
        if (!isFinite(residual)) return false;
        const steps = stepsOf(residual, costs, centroids);
        const s = steps + SIDE;
        const hasSymbol = s >= 0 && s < ESCAPE && load<f64>(costs + (<usize>s << 3)) < Infinity;
        store<u8>(symbol++, <u8>(hasSymbol ? s : ESCAPE));
        if (!hasSymbol) {
          store<i32>(escapesAt, steps);
          escapesAt += 4;
        }
      }
    }
  }
  return true;
}

/** The whole number of steps to code for a residual: the nearest, or the one below it that is cheaper. */
// @ts-ignore: decorator
@inline
function stepsOf(residual: f64, costs: usize, centroids: usize): i32 {
  const size = min(abs(residual), FARTHEST);
  const low = <u32>size;
  const sign = residual < 0 ? -1 : 1;
  const below = costOf(size, low, sign, costs, centroids);
  const above = costOf(size, low + 1, sign, costs, centroids);
  return <i32>(below <= above ? low : low + 1) * sign;
}
