/** The only file of the console that reads a clock; logic takes the time as an argument, so that tests can give it. */

/** Milliseconds from a monotonic origin. */
export function nowMs(): number {
  return performance.now();
}

/** Milliseconds of Unix time: for what is shown as a date or kept across reloads. */
export function unixMs(): number {
  return Date.now();
}
