import { expect, test } from "vitest";
import type { RequestTimes } from "../live-load.ts";
import { shiftingLines, steadyLines, type Answered, type LiveSamples } from "./live-lines.ts";
import { DYNAMIC, extentOf, FIXED, SHIFTING_ARMS, STEADY_ARMS, UNCONTROLLED, UNIFIED } from "./live-setup.ts";

/** A request whose first token takes 10 ms and whose others take the given gaps. */
function request(arrivalMs: number, gaps: readonly number[]): RequestTimes {
  const tokenMs = [arrivalMs + 10];
  for (const gap of gaps) tokenMs.push(tokenMs.at(-1)! + gap);
  return { arrivalMs, promptTokens: 1, tokenMs, done: true };
}

const PACE: Readonly<Record<string, number>> = { [DYNAMIC]: 10, [UNIFIED[0]]: 20, [FIXED[0]]: 8 };
const even = (name: string, at: number): RequestTimes => request(at, Array<number>(9).fill(PACE[name] ?? 15));
const answered = (names: readonly string[]): Answered[] =>
  names.map((name) => ({ name, requests: [even(name, 1000), even(name, 0)] }));

function samplesOf(switchMs: readonly number[], shifting = answered(SHIFTING_ARMS)): LiveSamples {
  return {
    objective: { ttftMs: 20, tpotMs: 12 },
    peak: 50,
    steady: [[answered(STEADY_ARMS)]],
    rates: [1, 2],
    shifting: [{ answered: shifting, firstCount: 1, switchMs }],
  };
}

const extent = extentOf("smoke");
const named = <T extends { readonly metric: string }>(lines: readonly T[], part: string): T =>
  lines.find(({ metric }) => metric.includes(part))!;

test("steady lines compare with each unified arm, and say what every arm got", () => {
  const lines = steadyLines(extent, samplesOf([]), 0.9);
  expect(named(lines, `against ${UNIFIED[0]}`)).toMatchObject({ ours: 100, baseline: 190, ratio: 1.9, holds: true });
  expect(named(lines, `against ${UNIFIED[1]}`)).toMatchObject({ baseline: 145 });
  const rate = named(lines, "rate at 90 %");
  expect(rate.ours).toBe(50);
  expect(rate.baseline).toBeCloseTo(5);
  expect(named(lines, "second token")).toMatchObject({ ours: 1, holds: true });
  const [row] = named(lines, `against ${UNIFIED[0]}`).curve!;
  expect(row![DYNAMIC]).toBe("100 ms, 100 %");
  expect(Object.keys(row!)).toHaveLength(STEADY_ARMS.length + 1);
});

test("the mix that shifts is held against the better uncontrolled arm, each half against the best static split", () => {
  const lines = shiftingLines(extent, samplesOf([]));
  expect(UNCONTROLLED).toHaveLength(2);
  expect(named(lines, "uncontrolled")).toMatchObject({ ours: 100, baseline: 145, ratio: 1.45 });
  const halves = named(lines, "each half");
  expect(halves).toMatchObject({ ours: 100, baseline: 82, samples: 2, holds: false });
});

test("a stall is what a gap with a move in it is longer than those beside it", () => {
  const stalled = answered(SHIFTING_ARMS).map((each) =>
    each.name === DYNAMIC ? { ...each, requests: [request(0, [10, 10, 25, 10, 10]), even(DYNAMIC, 1000)] } : each,
  );
  expect(named(shiftingLines(extent, samplesOf([40], stalled)), "stall")).toMatchObject({ ours: 1.5, holds: false });
  expect(named(shiftingLines(extent, samplesOf([5000], stalled)), "stall")).toMatchObject({ ours: 0, holds: null });
});
