/**
 * prediction.wasm: chunks of keys and values by what is predicted of them, from a payload to pages and back, block by
 * block. The method is that of cluster/codec/predicted.ts, which is the plain form of all this. What is read of a payload
 * is bounded; everything else is made by ../prediction-kernel.ts.
 */
import { orderTokens, writeRuns } from "./prediction-order";
import {
  BAD_ESCAPES,
  BAD_PAYLOAD,
  BLOCK_BACK_AT,
  BLOCK_BYTES,
  BLOCK_COUNT,
  BLOCK_FIRST,
  BLOCK_LAYER,
  BLOCK_OUT_AT,
  BLOCK_SIZE,
  BLOCKS_AT,
  DECODED,
  NOT_FINITE,
  PAGE_BYTES,
  PAGES_AT,
  PAGES_COUNT,
  PLAN,
  RUNS_AT,
  SYMBOLS_AT,
  TOKENS,
} from "./prediction-plan";
import { areEscapesRead, beginEscapes, dequantise, emptyEscapes, quantise } from "./prediction-residuals";
import { movePages, moveRows } from "./prediction-rows";
import { scaleToTerms, sumTerms, unscale } from "./prediction-turn";
import { begin, decodeRuns, encodeRuns, isAtEnd } from "./rans";

/** Decodes a chunk into its pages. Answers DECODED or what was wrong. */
export function decode(payload: usize, bytes: u32, step: f64): i32 {
  if (!begin(payload, bytes)) return BAD_PAYLOAD;
  beginEscapes();
  const runs = <usize>load<u32>(PLAN, RUNS_AT);
  memory.fill(<usize>load<u32>(PLAN, PAGES_AT), 0, load<u32>(PLAN, PAGES_COUNT) * load<u32>(PLAN, PAGE_BYTES));
  const blocks = load<u32>(PLAN, BLOCK_COUNT);
  let block = <usize>load<u32>(PLAN, BLOCKS_AT);
  let segments: u32 = 0;
  let areFinite = true;
  for (let b: u32 = 0; b < blocks; b++, block += BLOCK_BYTES) {
    const layer = load<u32>(block, BLOCK_LAYER);
    if (isFirstOf(block, b)) segments = orderTokens(layer);
    const size = load<u32>(block, BLOCK_SIZE);
    writeRuns(runs, load<u32>(block, BLOCK_FIRST), size, segments, true);
    decodeRuns(runs, size * segments, <usize>load<u32>(PLAN, SYMBOLS_AT));
    dequantise(block, segments, step);
    sumTerms(block, <usize>load<u32>(block, BLOCK_BACK_AT));
    areFinite = unscale(block) && areFinite;
    moveRows(block, true);
    if (isLastOf(block, b, blocks)) movePages(layer, false);
  }
  if (!isAtEnd()) return BAD_PAYLOAD;
  if (!areEscapesRead()) return BAD_ESCAPES;
  return areFinite ? DECODED : NOT_FINITE;
}

/**
 * Encodes a chunk of pages. Words are written downwards from `top`, for which there is room. Answers the payload's address;
 * 0 when a number is not finite.
 */
export function encode(top: usize, perStep: f64): usize {
  emptyEscapes();
  const blocks = load<u32>(PLAN, BLOCK_COUNT);
  let block = <usize>load<u32>(PLAN, BLOCKS_AT);
  let runs = <usize>load<u32>(PLAN, RUNS_AT);
  let segments: u32 = 0;
  let components: u32 = 0;
  for (let b: u32 = 0; b < blocks; b++, block += BLOCK_BYTES) {
    const layer = load<u32>(block, BLOCK_LAYER);
    if (isFirstOf(block, b)) {
      segments = orderTokens(layer);
      movePages(layer, true);
    }
    const size = load<u32>(block, BLOCK_SIZE);
    moveRows(block, false);
    scaleToTerms(block);
    sumTerms(block, <usize>load<u32>(block, BLOCK_OUT_AT));
    if (!quantise(block, segments, perStep)) return 0;
    runs = writeRuns(runs, load<u32>(block, BLOCK_FIRST), size, segments, false);
    components += size;
  }
  const first = <usize>load<u32>(PLAN, RUNS_AT);
  const symbols = <usize>load<u32>(PLAN, SYMBOLS_AT);
  return encodeRuns(symbols, components * load<u32>(PLAN, TOKENS), first, <u32>((runs - first) >> 3), top);
}

/** Where the escapes of the last `encode` end. */
export { escapesEnd } from "./prediction-residuals";

// @ts-ignore: decorator
@inline
function isFirstOf(block: usize, b: u32): bool {
  return b === 0 || load<u32>(block - BLOCK_BYTES, BLOCK_LAYER) !== load<u32>(block, BLOCK_LAYER);
}

// @ts-ignore: decorator
@inline
function isLastOf(block: usize, b: u32, blocks: u32): bool {
  return b === blocks - 1 || load<u32>(block + BLOCK_BYTES, BLOCK_LAYER) !== load<u32>(block, BLOCK_LAYER);
}
