/** core: what everything else stands on. Imports nothing, reads no clock, draws no hidden randomness. */
export { assert, AssertionError, present } from "./assert.ts";
export {
  ERROR_CODES,
  fail,
  fromErrorRecord,
  PunctualError,
  toErrorRecord,
  type ErrorCode,
  type ErrorOptions,
  type ErrorRecord,
} from "./errors.ts";
export { Histogram, median, quantile } from "./histogram.ts";
export { createRandom, hashString, RandomStream, type RandomState } from "./random.ts";
export { replacing } from "./replacing.ts";
export { BoundedQueue } from "./ring.ts";
export { FakeClock, type Clock } from "./time.ts";
