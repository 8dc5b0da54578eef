/** Shares of correct items with their intervals. */
import { interval95 } from "../world/index.ts";

/** How many of some items were right. */
export interface Share {
  readonly items: number;
  readonly correct: number;
  /** correct / items */
  readonly share: number;
  /** Wilson's 95 % interval, which stays inside 0..1 and is honest near its ends. */
  readonly interval95: readonly [number, number];
}

/** The share of `correct` among `items`, at least one, with its interval. */
export function shareOf(correct: number, items: number): Share {
  return { items, correct, share: correct / items, interval95: interval95(correct, items) };
}
