import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RequestTimes } from "../live-load.ts";
import { attainmentOf, maxRate, poissonRequests } from "./live-arms.ts";

describe("the highest rate that attains", () => {
  test("lies where the line between two points crosses", () => {
    const points = [
      { rate: 1, attainment: 1 },
      { rate: 2, attainment: 0.8 },
      { rate: 3, attainment: 1 },
    ];
    expect(maxRate(points, 0.9)).toBeCloseTo(1.5);
  });

  test("is the largest measured one where all attain, and above 0 where none does", () => {
    expect(maxRate([{ rate: 4, attainment: 0.9 }], 0.9)).toBe(4);
    expect(maxRate([{ rate: 4, attainment: 0 }], 0.9)).toBeCloseTo(0.4);
  });

  test("never falls when attainment rises", () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(share, { minLength: 1, maxLength: 6 }), share, (attained, more) => {
        const points = attained.map((attainment, i) => ({ rate: i + 1, attainment }));
        const better = points.map(({ rate, attainment }) => ({ rate, attainment: Math.max(attainment, more) }));
        expect(maxRate(better, 0.9)).toBeGreaterThanOrEqual(maxRate(points, 0.9) - 1e-9);
      }),
      { seed: 13 },
    );
  });
});

test("a request attains only when it is done and both targets are met", () => {
  const one = (tokenMs: readonly number[], done = true): RequestTimes => ({
    arrivalMs: 0,
    promptTokens: 1,
    tokenMs,
    done,
  });
  const objective = { ttftMs: 10, tpotMs: 5 };
  const requests = [one([10, 15, 20]), one([11, 12, 13]), one([5, 12, 19]), one([5, 6], false)];
  expect(attainmentOf(requests, objective)).toBe(0.25);
});

test("the same seed asks the same at another rate", () => {
  const ask = (ratePerSecond: number) =>
    poissonRequests({
      ratePerSecond,
      count: 20,
      lengths: { prompt: 8, answer: 4 },
      vocabSize: 64,
      seed: "s",
    });
  const [slow, fast] = [ask(1), ask(10)];
  expect(slow.map(({ request }) => request)).toEqual(fast.map(({ request }) => request));
  expect(slow.at(-1)!.atMs).toBeCloseTo(10 * fast.at(-1)!.atMs, 6);
  for (const { request } of slow) {
    expect(request.promptTokens.length).toBeGreaterThanOrEqual(4);
    expect(request.promptTokens.length).toBeLessThanOrEqual(12);
  }
});
