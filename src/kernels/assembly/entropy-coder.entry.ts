/** entropy-coder.wasm: symbols to a payload and back. See rans.ts for the method. */
import { begin, decodeRuns, encodeRuns, isAtEnd } from "./rans";

/** Encodes runs over consecutive symbols. Answers the payload's address. */
export function encode(symbols: usize, total: u32, runs: usize, count: u32, top: usize): usize {
  return encodeRuns(symbols, total, runs, count, top);
}

/** Decodes what `encode` made into consecutive symbols. Answers 0 when the payload is one of these runs, else 1. */
export function decode(payload: usize, bytes: u32, runs: usize, count: u32, symbols: usize): i32 {
  if (!begin(payload, bytes)) return 1;
  decodeRuns(runs, count, symbols);
  return isAtEnd() ? 0 : 1;
}
