import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { PunctualError } from "../core/index.ts";
import { goodTokens, parseSlo, sloOutcome, sloTargets, tokenInTime } from "./slo.ts";
import type { Slo } from "./types.ts";

test("the three spellings say the same", () => {
  const slo: Slo = { class: "latency", ttftMs: 200, tpotMs: 50, onMiss: "finish" };
  expect(parseSlo({ class: "latency", ttftMs: 200, tpotMs: 50 })).toEqual(slo);
  expect(parseSlo({ ttft_ms: 200, tpot_ms: "0.05s", class: null })).toEqual(slo);
  expect(parseSlo("ttft=200ms, tpot=50")).toEqual(slo);
  expect(parseSlo("deadline=1.5min,on-miss=cut")).toEqual({ class: "deadline", deadlineMs: 90_000, onMiss: "cut" });
  expect(parseSlo({})).toEqual({ class: "best-effort", onMiss: "finish" });
});

test.each([
  [{ ttft_ms: 0 }, "slo.ttft_ms"],
  [{ ttft_ms: Number.NaN }, "slo.ttft_ms"],
  [{ deadline_ms: 86_400_001 }, "slo.deadline_ms"],
  [{ tpot_ms: "5 parsecs" }, "slo.tpot_ms"],
  [{ class: "urgent" }, "slo.class"],
  [{ on_miss: "cry" }, "slo.on_miss"],
  [{ class: "deadline" }, "slo.deadline_ms"],
  [{ class: "latency" }, "slo.ttft_ms"],
  [{ ttft_ms: 5, on_miss: "cut" }, "slo.deadline_ms"],
  [{ tpot_ms: 5, on_miss: "reject" }, "slo.deadline_ms"],
  [{ ttft_ms: 500, deadline_ms: 400 }, "slo.ttft_ms"],
  [{ colour: "red" }, "slo.colour"],
  [{ constructor: 1 }, "slo.constructor"],
  ["ttft", "slo"],
  [7, "slo"],
  [[1], "slo"],
])("refuses %j", (input, param) => {
  try {
    parseSlo(input);
    expect.unreachable("it was accepted");
  } catch (error) {
    expect(error).toBeInstanceOf(PunctualError);
    expect(error).toMatchObject({ code: "invalid_request", param });
  }
});

test("an outcome measures from arrival and names the smallest margin", () => {
  const slo: Slo = { class: "latency", ttftMs: 100, tpotMs: 10, deadlineMs: 400, onMiss: "finish" };
  const good = sloOutcome(slo, 1000, 1080, 1260, 21);
  expect(good).toEqual({ attained: true, ttft_ms: 80, tpot_ms: 9, e2e_ms: 260, slack_ms: 20 });
  const slow = sloOutcome(slo, 1000, 1080, 1300, 21);
  expect(slow).toMatchObject({ attained: false, tpot_ms: 11, slack_ms: -20 });
  expect(sloTargets(slo, slow)).toEqual({ ttft: true, tpot: false, deadline: true });
});

test("cut short or without a token is never attained; one token has no pace", () => {
  const slo: Slo = { class: "deadline", tpotMs: 1, deadlineMs: 400, onMiss: "cut" };
  expect(sloOutcome(slo, 0, 100, 390, 5, false).attained).toBe(false);
  expect(sloOutcome(slo, 0, null, 390, 0, false)).toMatchObject({ attained: false, ttft_ms: null, e2e_ms: 390 });
  expect(sloOutcome(slo, 0, 100, 100, 1)).toMatchObject({ attained: true, tpot_ms: null });
});

describe("goodput", () => {
  const latency: Slo = { class: "latency", ttftMs: 100, tpotMs: 10, onMiss: "finish" };

  test("tokens are in time on their line: first target, then a pace from it", () => {
    expect(tokenInTime(latency, 1000, 1100, 0, 1100)).toBe(true);
    expect(tokenInTime(latency, 1000, 1100.1, 0, 1100.1)).toBe(false);
    // A late start can be caught up; an early one buys room.
    expect(tokenInTime(latency, 1000, 1150, 5, 1150)).toBe(true);
    expect(tokenInTime(latency, 1000, 1020, 1, 1110)).toBe(true);
    expect(tokenInTime(latency, 1000, 1020, 1, 1110.1)).toBe(false);
  });

  test("without a first target the line starts at the first token; without a pace that token speaks for all", () => {
    const { ttftMs: _, ...pace } = latency;
    expect(tokenInTime(pace, 0, 500, 0, 500)).toBe(true);
    expect(tokenInTime(pace, 0, 500, 2, 520)).toBe(true);
    expect(tokenInTime(pace, 0, 500, 2, 521)).toBe(false);
    const { tpotMs: __, ...first } = latency;
    expect(tokenInTime(first, 0, 100, 50, 9999)).toBe(true);
    expect(tokenInTime(first, 0, 101, 50, 9999)).toBe(false);
  });

  test("nothing after the deadline is in time", () => {
    const slo: Slo = { ...latency, deadlineMs: 105 };
    expect(tokenInTime(slo, 0, 100, 0, 100)).toBe(true);
    expect(tokenInTime(slo, 0, 100, 1, 106)).toBe(false);
  });

  test("a latency request is worth its tokens in time, every other all or nothing", () => {
    expect(goodTokens(latency, false, 10, 4)).toBe(4);
    for (const kind of ["deadline", "compound", "best-effort"] as const) {
      expect(goodTokens({ class: kind, onMiss: "finish" }, true, 10, 4)).toBe(10);
      expect(goodTokens({ class: kind, onMiss: "finish" }, false, 10, 4)).toBe(0);
    }
  });

  test("a request that attained its whole objective at an even pace has all its tokens in time", () => {
    const times = fc.record({
      first: fc.integer({ min: 0, max: 100 }),
      gap: fc.integer({ min: 0, max: 10 }),
      n: fc.integer({ min: 1, max: 30 }),
    });
    fc.assert(
      fc.property(times, ({ first, gap, n }) => {
        const arrivals = Array.from({ length: n }, (_, i) => first + i * gap);
        expect(sloOutcome(latency, 0, first, arrivals.at(-1)!, n).attained).toBe(true);
        expect(arrivals.every((ms, i) => tokenInTime(latency, 0, first, i, ms))).toBe(true);
      }),
    );
  });
});
