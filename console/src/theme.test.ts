/** Text must be readable: the ratios of WCAG 2.2, level AA, for what stands on what, in both themes. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";

const css = readFileSync(new URL("theme.css", import.meta.url), "utf8");

const TOKENS = new Map(
  Array.from(css.matchAll(/--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);/g), ([, name, light, dark]) => [
    name!,
    { light: light!, dark: dark! },
  ]),
);

function luminance(colour: string): number {
  const [r, g, b] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
}

function contrast(one: string, other: string): number {
  const [dark, light] = [luminance(one), luminance(other)].toSorted((a, b) => a - b);
  return (light! + 0.05) / (dark! + 0.05);
}

const GROUNDS = ["paper", "card", "sunk"];
const pairs = (fronts: readonly string[], grounds: readonly string[]): [string, string][] =>
  fronts.flatMap((front) => grounds.map((ground): [string, string] => [front, ground]));

describe.each(["light", "dark"] as const)("in the %s theme", (theme) => {
  const of = (name: string): string => TOKENS.get(name)![theme];

  test.each([
    ...pairs(["ink", "soft", "accent", "bad", "warn"], GROUNDS),
    ["on-accent", "accent"],
    ...pairs(["ink", "soft", "accent"], ["accent-soft"]),
    ...pairs(["ink", "bad"], ["bad-soft"]),
  ])("%s is readable on %s", (front, ground) => {
    expect(contrast(of(front), of(ground))).toBeGreaterThanOrEqual(4.5);
  });

  test.each(pairs(["edge", "accent", "series-2", "series-3", "series-4", "series-5"], ["paper", "card"]))(
    "%s can be seen on %s",
    (front, ground) => {
      expect(contrast(of(front), of(ground))).toBeGreaterThanOrEqual(3);
    },
  );
});
