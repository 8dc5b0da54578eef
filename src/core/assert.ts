/** Assertions are on in production: a broken invariant stops the work instead of spoiling it. */

/**
 * A bug, never an expected failure: nothing catches it to go on, and it is no PunctualError, so it reaches a caller
 * as `internal`.
 */
export class AssertionError extends Error {
  constructor(message: string) {
    super(`assertion failed: ${message}`);
    this.name = "AssertionError";
  }
}

/** States what must hold. One condition per call, so that a failure says which one. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The value, which must be there. */
export function present<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new AssertionError(`${what} is missing`);
  return value;
}
