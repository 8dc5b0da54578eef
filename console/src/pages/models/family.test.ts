import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FamilyPoint } from "@protocol";
import { frontier, missingPoints, plotScales, plottedPoints, type PlottedPoint } from "./family.ts";

const member = (id: string, stepMs: number | null, quality: number | null): FamilyPoint => ({
  id,
  parameters: 1_000,
  quality,
  interval95: quality === null ? null : [quality - 0.02, quality + 0.02],
  stepMs,
  served: true,
});

describe("the family", () => {
  test("is plotted with what was timed at load, else with its live pace, else left out with a reason", () => {
    const family = [
      member("slow", 4, 0.9),
      member("fast", 1, 0.8),
      member("live", null, 0.85),
      member("new", null, 0.7),
      member("mute", 2, null),
    ];
    const points = plottedPoints(family, (id) => (id === "live" ? 2.5 : null));
    expect(points.map(({ id, latencyMs, measured }) => [id, latencyMs, measured])).toEqual([
      ["fast", 1, "load"],
      ["live", 2.5, "live"],
      ["slow", 4, "load"],
    ]);
    expect(missingPoints(family, points).map(({ id }) => id)).toEqual(["new", "mute"]);
    expect(plotScales(points)).toEqual({ latencyMs: [0, 5.2], quality: [0.7, 1] });
    expect(plotScales([])).toEqual({ latencyMs: [0, 1], quality: [0, 1] });
  });

  test("its frontier is what a pairwise comparison finds", () => {
    const point = fc.record({ latencyMs: fc.integer({ min: 1, max: 20 }), quality: fc.integer({ min: 1, max: 20 }) });
    fc.assert(
      fc.property(
        fc.uniqueArray(point, { selector: ({ latencyMs, quality }) => latencyMs * 100 + quality, maxLength: 12 }),
        (pairs) => {
          const points = pairs.map((pair, index): PlottedPoint => ({
            ...pair,
            id: String(index),
            parameters: 1,
            measured: "load",
            low: 0,
            high: 1,
            isServed: true,
          }));
          const beaten = (one: PlottedPoint): boolean =>
            points.some((other) => other !== one && other.latencyMs <= one.latencyMs && other.quality >= one.quality);
          const expected = points.filter((one) => !beaten(one)).map(({ id }) => id);
          expect(
            frontier(points)
              .map(({ id }) => id)
              .toSorted(),
          ).toEqual(expected.toSorted());
        },
      ),
      { seed: 5 },
    );
  });
});
