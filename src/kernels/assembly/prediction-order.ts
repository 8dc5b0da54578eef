/** Tokens of a chunk by how far they spread in a layer, and the tables that follow of it. */
import {
  COUNTS,
  ID_COUNT,
  ID_LOGS_AT,
  MIDDLE,
  ORDER_AT,
  ORDER_PLACES_AT,
  PLACES_AT,
  PLAN,
  SEGMENT_BYTES,
  SEGMENTS_AT,
  SPREADS,
  SPREAD_LOGS_AT,
  STARTS_BYTES,
  STEP_LOG,
  TABLE_STRIDE,
  TABLES_AT,
  TOKENS,
} from "./prediction-plan";

/** The number that belongs to the logarithm at that address. Never below COUNTS, whatever the compiler makes of the sum. */
// @ts-ignore: decorator
@inline
function countOf(log: usize): usize {
  return <usize>COUNTS + ((<usize>load<u8>(log) ^ 128) << 2);
}

/** Sorts the tokens by their logarithms, then by place in the chunk. Answers how many different ones there are. */
export function orderTokens(layer: u32): u32 {
  const tokens = <usize>load<u32>(PLAN, TOKENS);
  const logs = <usize>load<u32>(PLAN, ID_LOGS_AT) + layer * (load<u32>(PLAN, ID_COUNT) + 1);
  const places = <usize>load<u32>(PLAN, PLACES_AT);
  const segments = <usize>load<u32>(PLAN, SEGMENTS_AT);
  memory.fill(COUNTS, 0, 1024);
  for (let t: usize = 0; t < tokens; t++) {
    const count = countOf(logs + load<u32>(places + (t << 2)));
    store<u32>(count, load<u32>(count) + 1);
  }
  let found: u32 = 0;
  let from: u32 = 0;
  for (let log: usize = 0; log < 256; log++) {
    const count = load<u32>(<usize>COUNTS + (log << 2));
    if (count === 0) continue;
    const segment = segments + found * SEGMENT_BYTES;
    store<i32>(segment, <i32>log - 128);
    store<u32>(segment, from, 4);
    store<u32>(<usize>COUNTS + (log << 2), from);
    from += count;
    store<u32>(segment, from, 8);
    found++;
  }
  const order = <usize>load<u32>(PLAN, ORDER_AT);
  const orderPlaces = <usize>load<u32>(PLAN, ORDER_PLACES_AT);
  for (let t: usize = 0; t < tokens; t++) {
    const place = load<u32>(places + (t << 2));
    const count = countOf(logs + place);
    const at = <usize>load<u32>(count) << 2;
    store<u32>(count, load<u32>(count) + 1);
    store<u32>(order + at, <u32>t);
    store<u32>(orderPlaces + at, place);
  }
  return found;
}

/** The table of a component's residuals in a segment. */
// @ts-ignore: decorator
@inline
export function tableOf(spreadLog: i32, segment: usize, stepLog: i32): usize {
  const table = MIDDLE + spreadLog + load<i32>(segment) - stepLog;
  return <usize>max(0, min(SPREADS - 1, table));
}

/**
 * Runs of `size` components from `first` on, component by component and segment by segment: for the decoder triples, for
 * the encoder pairs (rans.ts). Answers where they end.
 */
export function writeRuns(runs: usize, first: u32, size: u32, segmentCount: u32, isDecoding: bool): usize {
  const tables = <usize>load<u32>(PLAN, TABLES_AT);
  const stride = <usize>load<u32>(PLAN, TABLE_STRIDE);
  const startsBytes = load<u32>(PLAN, STARTS_BYTES);
  const spreads = <usize>load<u32>(PLAN, SPREAD_LOGS_AT) + first;
  const stepLog = load<i32>(PLAN, STEP_LOG);
  const segments = <usize>load<u32>(PLAN, SEGMENTS_AT);
  const end = segments + segmentCount * SEGMENT_BYTES;
  for (let j: usize = 0; j < <usize>size; j++) {
    const spreadLog = <i32>load<i8>(spreads + j);
    for (let segment = segments; segment < end; segment += SEGMENT_BYTES) {
      const starts = <u32>(tables + tableOf(spreadLog, segment, stepLog) * stride);
      store<u32>(runs, starts);
      store<u32>(runs, load<u32>(segment, 8) - load<u32>(segment, 4), 4);
      if (isDecoding) {
        store<u32>(runs, starts + startsBytes, 8);
        runs += 12;
      } else {
        runs += 8;
      }
    }
  }
  return runs;
}
