/** Intervals for shares of correct items. */

/** How many of some items were right, with the uncertainty that comes from asking so few. */
export interface Share {
  readonly items: number;
  readonly correct: number;
  /** correct / items */
  readonly share: number;
  /** 95 % interval after Wilson (1927), which stays inside 0..1 and is honest near its ends. */
  readonly interval95: readonly [number, number];
}

const Z = 1.959963984540054;

/** The share of `correct` in `items`; NaN throughout when there are no items. */
export function shareOf(correct: number, items: number): Share {
  const share = correct / items;
  const z2 = (Z * Z) / items;
  const centre = (share + z2 / 2) / (1 + z2);
  const half = (Z * Math.sqrt((share * (1 - share)) / items + z2 / (4 * items))) / (1 + z2);
  return { items, correct, share, interval95: [Math.max(0, centre - half), Math.min(1, centre + half)] };
}
