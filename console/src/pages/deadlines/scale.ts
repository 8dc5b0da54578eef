/** Where the scale of a chart ends. Pure. */

/** The least round number that is not below a value: 1, 2 or 5 times a power of ten, with a little room above. */
export function niceTop(value: number): number {
  if (value <= 0) return 1;
  const wanted = value * 1.05;
  const power = 10 ** Math.floor(Math.log10(wanted));
  const step = [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((candidate) => candidate * power >= wanted) ?? 10;
  return step * power;
}
