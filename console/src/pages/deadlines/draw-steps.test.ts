import { describe, expect, test } from "vitest";
import type { RequestRow } from "@protocol";
import { layoutSteps, stepAt } from "./draw-steps.ts";
import { STEP } from "./live-model.ts";
import { promiseUse } from "./outcome.ts";
import { niceTop } from "./scale.ts";
import { ColumnRing } from "./series.ts";

describe("steps", () => {
  const ring = new ColumnRing(Object.keys(STEP).length, 100);
  for (let index = 0; index < 40; index += 1)
    ring.push(index * 10, [8, index, 4, 4, 32, index === 39 ? 1 : 0, index === 39 ? 2 : 0]);

  test("that fit are shown, the newest at the right, against the highest of them or the budget", () => {
    const layout = layoutSteps(ring, 1_000, 100);
    expect(layout.bars).toHaveLength(20);
    expect(layout.bars.at(-1)).toMatchObject({ row: 39, x: 95, prefill: 39 / 45, decode: 4 / 45, isPreempting: true });
    expect(layout.bars.at(-1)!.rejected).toBe(2 / 45);
    expect(layout.topTokens).toBe(45);
    expect(layout.spanMs).toBe(390 + 8 - 200);
    expect(stepAt(layout, 96)?.row).toBe(39);
    expect(stepAt(layout, 0)?.row).toBe(20);
    expect(stepAt(layout, 100)).toBeNull();
  });

  test("after an earlier moment are left out", () => {
    expect(layoutSteps(ring, 100, 100).bars.at(-1)?.row).toBe(10);
    expect(layoutSteps(ring, -1, 100)).toEqual({ bars: [], topTokens: 1, spanMs: 0 });
  });
});

test("a scale ends at a round number with a little room", () => {
  expect([0, -3, 0.7, 1, 7, 9.6, 95, 1_234].map(niceTop)).toEqual([1, 1, 0.8, 1.5, 8, 15, 100, 1_500]);
});

test("the tightest promise is the one most used", () => {
  const request: RequestRow = {
    id: "r",
    model: "m",
    class: "deadline",
    state: "running",
    arrivalMs: 100,
    firstTokenMs: 190,
    targets: { ttftMs: 100, deadlineMs: 1_000, onMiss: "finish" },
    promptTokens: 1,
    cachedTokens: 0,
    answerTokens: 1,
    maxTokens: 9,
  };
  expect(promiseUse(request, 200)).toEqual({ usedMs: 90, allowedMs: 100 });
  expect(promiseUse(request, 1_050)).toEqual({ usedMs: 950, allowedMs: 1_000 });
  expect(promiseUse({ ...request, targets: { onMiss: "finish" } }, 200)).toBeNull();
  expect(promiseUse({ ...request, firstTokenMs: undefined, endMs: 300 }, 900)).toEqual({ usedMs: 200, allowedMs: 100 });
});
