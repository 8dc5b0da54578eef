import { expect, test } from "vitest";
import {
  countOf,
  formatBytes,
  formatMoment,
  formatMs,
  formatNumber,
  formatShare,
  formatShort,
  formatSpan,
} from "./format.ts";

test("times", () => {
  const cases: [number | null, string][] = [
    [0, "0 ms"],
    [0.834, "0.83 ms"],
    [12, "12 ms"],
    [12.345, "12.3 ms"],
    [146.4, "146 ms"],
    [999.6, "1 s"],
    [1240, "1.24 s"],
    [12_340, "12.3 s"],
    [125_000, "2 min 5 s"],
    [-40, "-40 ms"],
    [null, "–"],
    [Number.NaN, "–"],
  ];
  for (const [ms, text] of cases) expect(formatMs(ms)).toBe(text);
  expect(["45 s", "2 min", "3 h 20 min", "4 d 2 h"]).toEqual(
    [45_000, 120_000, 12_000_000, 352_800_000].map(formatSpan),
  );
});

test("numbers, sizes and shares", () => {
  expect([0, 12.345, 1234.5, null].map(formatNumber)).toEqual(["0", "12.35", "1,235", "–"]);
  expect([950, 999.9, 12_400, 3_200_000, 1.5e9, 0.25].map(formatShort)).toEqual([
    "950",
    "1k",
    "12.4k",
    "3.2M",
    "1.5G",
    "0.25",
  ]);
  expect([512, 12_400, 1.2e9, null].map(formatBytes)).toEqual(["512 B", "12.4 kB", "1.2 GB", "–"]);
  expect([0, 0.934, 1, null].map(formatShare)).toEqual(["0%", "93.4%", "100%", "–"]);
  expect([countOf(1, "token"), countOf(1200, "token"), countOf(2, "try", "tries")]).toEqual([
    "1 token",
    "1,200 tokens",
    "2 tries",
  ]);
});

test("moments of today by the clock, others by the date", () => {
  const now = new Date(2026, 10, 26, 12, 0).getTime();
  expect(formatMoment(new Date(2026, 10, 26, 9, 5).getTime(), now)).toBe("09:05");
  expect(formatMoment(new Date(2026, 10, 2, 9, 5).getTime(), now)).toBe("2 Nov 2026");
});
