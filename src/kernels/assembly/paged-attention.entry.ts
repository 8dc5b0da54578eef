/** paged-attention.wasm: what the module exports. See attention.ts for the algorithm, work.ts for the threads. */
export { setControl } from "./attention";
export { copyPage, widenPage, writeRows } from "./pages";
export { runAlone, runShared, serve } from "./work";
import { exp2 } from "./simd";

/** In place 2^x of `count` floats (a multiple of 4), for the accuracy test. */
export function exp2All(at: usize, count: i32): void {
  for (let i: usize = 0; i < (<usize>count) << 2; i += 16) v128.store(at + i, exp2(v128.load(at + i)));
}
