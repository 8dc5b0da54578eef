/**
 * Time is a value passed in: float milliseconds from a monotonic origin. Nothing below runtime/ reads
 * a real clock; tests and the simulator drive a FakeClock.
 */
import { assert } from "./assert.ts";

/** Where time comes from: an argument of whatever needs it. `liveClock` of runtime/ is the real one. */
export interface Clock {
  /** Milliseconds since a fixed origin; never goes back. */
  nowMs(): number;
}

/** A clock that stands still until told: a test's or a simulator's. Going back is a bug and fails an assertion. */
export class FakeClock implements Clock {
  #nowMs: number;

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  advance(byMs: number): void {
    assert(byMs >= 0, "a clock never goes back");
    this.#nowMs += byMs;
  }
}
