import { expect, test } from "vitest";
import { PunctualError } from "../core/index.ts";
import { parseSlo, sloOutcome, sloTargets } from "./slo.ts";
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
