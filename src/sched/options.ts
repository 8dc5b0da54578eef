/** Checks of what users may set about a policy. */
import { fail } from "../core/index.ts";

/** @throws PunctualError invalid_request unless the value is a number above 0. */
export function checkPositive(value: number, param: string): void {
  if (value > 0 && value < Infinity) return;
  fail("invalid_request", `${param}: expected a number above 0, got ${value}`, { param });
}

/** @throws PunctualError invalid_request unless the value is an integer of at least 1. */
export function checkCount(value: number, param: string): void {
  if (Number.isInteger(value) && value >= 1) return;
  fail("invalid_request", `${param}: expected an integer of at least 1, got ${value}`, { param });
}
