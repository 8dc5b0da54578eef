import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ArmSummary } from "./compare.ts";
import { crossoverOf, dominates, paretoReport } from "./pareto.ts";
import type { DraftLength, Interval } from "./types.ts";

const exact = (mean: number): Interval => ({ mean, low: mean, high: mean, count: 3 });
const summary = (
  draftLength: DraftLength,
  concurrency: number,
  outputTps: number,
  userTps: number,
  speedup: number | null,
): ArmSummary => ({
  arm: `DL ${draftLength}`,
  drafter: null,
  draftLength,
  group: "all",
  concurrency,
  rounds: 1,
  failed: 0,
  source: "usage",
  acceptanceLength: 2,
  acceptanceInterval: null,
  acceptanceRate: null,
  conditional: null,
  joint: null,
  outputTps,
  userTps,
  ttftMs: 1,
  stepMs: 1,
  speedup: speedup === null ? null : exact(speedup),
  userSpeedup: null,
  proxySpeedup: null,
  identity: null,
  warnings: [],
});

describe("the front", () => {
  test("holds exactly the points that no other beats, as by comparing all pairs", () => {
    const rates = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 9 })), {
      minLength: 1,
      maxLength: 25,
    });
    fc.assert(
      fc.property(rates, (list) => {
        const { points } = paretoReport(list.map(([output, user], i) => summary(i, 1, output, user, null)));
        expect(points.some(({ isOnFront }) => isOnFront)).toBe(true);
        for (const [i, { isOnFront }] of points.entries()) {
          const [output, user] = list[i]!;
          const beaten = list.some(([o, u]) => o >= output && u >= user && (o > output || u > user));
          expect(isOnFront).toBe(!beaten);
        }
        // Whoever is not on the front is beaten by somebody who is.
        for (const point of points.filter(({ isOnFront }) => !isOnFront)) {
          expect(points.some((other) => other.isOnFront && dominates(other, point))).toBe(true);
        }
      }),
    );
  });
});

describe("the crossover", () => {
  const points = (...speedups: number[]) => speedups.map((mean, i) => ({ concurrency: 2 ** i, speedup: exact(mean) }));

  test("where drafting stops paying, between the concurrencies around it", () => {
    expect(crossoverOf(points(2, 1.5, 1.2))).toEqual({ kind: "always pays" });
    expect(crossoverOf(points(0.9, 0.5))).toEqual({ kind: "never pays" });
    expect(crossoverOf([])).toEqual({ kind: "not measured" });
    const crossing = crossoverOf(points(2, 2, 0.5, 0.4));
    expect(crossing).toMatchObject({ kind: "pays until", between: [2, 4], isDecided: true });
    expect((crossing as { concurrency: number }).concurrency).toBeCloseTo(2 * Math.SQRT2);
    expect(crossoverOf(points(0.5, 2))).toMatchObject({ kind: "pays from", between: [1, 2] });
    // A wavering before it does not count.
    expect(crossoverOf(points(1.2, 0.99, 1.1, 0.8))).toMatchObject({ kind: "pays until", between: [4, 8] });
  });

  test("within noise it says so", () => {
    const noisy = [
      { concurrency: 1, speedup: { mean: 1.05, low: 0.9, high: 1.2, count: 3 } },
      { concurrency: 4, speedup: exact(0.5) },
    ];
    expect(crossoverOf(noisy)).toMatchObject({ kind: "pays until", isDecided: false });
  });

  test("it lies between its neighbours and does not depend on the order of points", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0.1, max: 4, noNaN: true }), { minLength: 1, maxLength: 8 }),
        (speedups) => {
          const list = points(...speedups);
          const found = crossoverOf(list);
          expect(crossoverOf(list.toReversed())).toEqual(found);
          if (found.kind === "pays until" || found.kind === "pays from") {
            expect(found.concurrency).toBeGreaterThanOrEqual(found.between[0] * (1 - 1e-9));
            expect(found.concurrency).toBeLessThanOrEqual(found.between[1] * (1 + 1e-9));
          } else expect(speedups.every((mean) => mean > 1 === (found.kind === "always pays"))).toBe(true);
        },
      ),
    );
  });
});

test("the best length falls with concurrency, and a controller is held against every fixed one", () => {
  const tps: Readonly<Record<string, readonly number[]>> = {
    0: [100, 200, 400],
    1: [150, 240, 380],
    5: [220, 230, 200],
    auto: [215, 238, 398],
  };
  const list = Object.entries(tps).flatMap(([name, values]) =>
    values.map((value, i) => {
      const concurrency = 4 ** i;
      const plain = tps["0"]![i]!;
      return summary(
        name === "auto" ? "auto" : Number(name),
        concurrency,
        value,
        value / concurrency,
        name === "0" ? null : value / plain,
      );
    }),
  );
  const { best, crossovers, adaptive } = paretoReport(list);
  expect(best.map(({ draftLength }) => draftLength)).toEqual([5, 1, 0]);
  expect(crossovers.find(({ draftLength }) => draftLength === 5)!.crossover).toMatchObject({
    kind: "pays until",
    between: [4, 16],
  });
  expect(adaptive).toHaveLength(1);
  expect(adaptive[0]!.worstShare).toBeCloseTo(215 / 220);
  expect(adaptive[0]!.overall.every(({ ratio }) => ratio > 1)).toBe(true);
});
