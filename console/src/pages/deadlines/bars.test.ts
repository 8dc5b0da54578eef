import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RequestRow, RequestState } from "@protocol";
import { axisTicks, barAt, layoutBars, type BarWindow } from "./bars.ts";
import { outcomeOf, promiseWords, OUTCOMES, OUTCOME_WORDS } from "./outcome.ts";
import { RequestRing } from "./request-ring.ts";

const VIEW: BarWindow = { fromMs: 0, toMs: 10_000, nowMs: 10_000, widthPx: 1_000, heightPx: 160 };

function request(over: Partial<RequestRow>): RequestRow {
  const base: RequestRow = {
    id: "r",
    model: "m",
    class: "deadline",
    state: "finished",
    arrivalMs: 1_000,
    firstTokenMs: 1_200,
    endMs: 2_000,
    targets: { deadlineMs: 1_500, onMiss: "finish" },
    promptTokens: 10,
    cachedTokens: 0,
    answerTokens: 20,
    maxTokens: 64,
    attained: true,
  };
  return { ...base, ...over };
}

function layout(requests: readonly RequestRow[], view: BarWindow = VIEW): ReturnType<typeof layoutBars> {
  const ring = new RequestRing();
  for (const one of requests) ring.put(one);
  return layoutBars(ring.values(), view);
}

describe("outcomes", () => {
  test("each has its words and its place in the legend", () => {
    expect([...OUTCOMES].sort()).toEqual(Object.keys(OUTCOME_WORDS).sort());
    expect(new Set(Object.values(OUTCOME_WORDS)).size).toBe(OUTCOMES.length);
  });

  test("every end has its own, and a request under way is late once its promise has passed", () => {
    expect(outcomeOf(request({}), 0)).toBe("kept");
    expect(outcomeOf(request({ attained: false }), 0)).toBe("missed");
    expect(outcomeOf(request({ attained: undefined }), 0)).toBe("kept");
    for (const state of ["cut", "rejected", "expired", "cancelled", "failed"] as const) {
      expect(outcomeOf(request({ state }), 0)).toBe(state);
    }
    const under = request({ state: "running", endMs: undefined });
    expect(outcomeOf(under, 2_400)).toBe("running");
    expect(outcomeOf(under, 2_600)).toBe("late");
    const first = request({
      state: "waiting",
      firstTokenMs: undefined,
      endMs: undefined,
      targets: { ttftMs: 100, onMiss: "finish" },
    });
    expect(outcomeOf(first, 1_050)).toBe("waiting");
    expect(outcomeOf(first, 1_150)).toBe("late");
  });

  test("a promise is said in words", () => {
    const targets = { ttftMs: 200, deadlineMs: 900 };
    expect(promiseWords(targets, (ms) => `${ms} ms`)).toBe("first token in 200 ms, done in 900 ms");
    expect(promiseWords({}, String)).toBe("nothing promised");
  });
});

describe("bars", () => {
  test("stand at their times, marks included", () => {
    const [bar] = layout([request({ targets: { ttftMs: 300, deadlineMs: 1_500, onMiss: "finish" } })]).bars;
    expect(bar).toMatchObject({ x: 100, firstX: 120, endX: 200, ttftX: 130, deadlineX: 250, lane: 0, y: 0 });
    expect(bar).toMatchObject({ isClippedLeft: false, isClippedRight: false });
  });

  test("are clipped to the window and say so", () => {
    const view = { ...VIEW, fromMs: 1_500, toMs: 1_900, nowMs: 5_000 };
    const [bar] = layout([request({})], view).bars;
    expect(bar).toMatchObject({ x: 0, firstX: 0, endX: 1_000, deadlineX: null });
    expect(bar).toMatchObject({ isClippedLeft: true, isClippedRight: true });
    const after = { ...VIEW, fromMs: 2_300, toMs: 3_300 };
    expect(layout([request({})], after).bars[0]).toMatchObject({ x: 0, endX: 0, deadlineX: 200 });
    expect(layout([request({})], { ...VIEW, fromMs: 2_501, toMs: 3_000 }).bars).toEqual([]);
    expect(layout([request({})], { ...VIEW, toMs: 999 }).bars).toEqual([]);
  });

  test("have no mark for a deadline far beyond the end, and keep their lane until a near one", () => {
    const far = request({ id: "far", targets: { deadlineMs: 3_600, onMiss: "finish" } });
    expect(layout([far]).bars[0]!.deadlineX).toBeNull();
    const next = request({ id: "next", arrivalMs: 2_100, firstTokenMs: 2_200, endMs: 2_400 });
    expect(layout([far, next]).bars.map(({ lane }) => lane)).toEqual([0, 0]);
    expect(layout([request({}), next]).bars.map(({ lane }) => lane)).toEqual([0, 1]);
  });

  test("one under way ends at now, one that lasted a moment can still be hit", () => {
    const under = request({ id: "u", state: "waiting", firstTokenMs: undefined, endMs: undefined });
    expect(layout([under], { ...VIEW, nowMs: 3_000 }).bars[0]).toMatchObject({ x: 100, firstX: 300, endX: 300 });
    const moment = request({ state: "rejected", firstTokenMs: undefined, endMs: 1_000 });
    const drawn = layout([moment]);
    expect(drawn.bars[0]!.endX - drawn.bars[0]!.x).toBe(3);
    expect(barAt(drawn, 101, 2)?.id).toBe("r");
    expect(barAt(drawn, 101, 150)).toBeNull();
    expect(barAt(drawn, 300, 2)).toBeNull();
  });

  test("show what was known at an earlier moment", () => {
    const early = { ...VIEW, nowMs: 1_100, toMs: 1_100 };
    expect(layout([request({})], early).bars[0]).toMatchObject({ outcome: "waiting", firstX: 1_000, endX: 1_000 });
    expect(layout([request({})], { ...VIEW, nowMs: 1_500 }).bars[0]).toMatchObject({ outcome: "running", endX: 150 });
  });

  test("lanes that do not fit are counted, never drawn outside", () => {
    const requests = Array.from({ length: 80 }, (_, index) =>
      request({ id: `r${index}`, state: "running", endMs: undefined, arrivalMs: 1_000 + index }),
    );
    const drawn = layout(requests);
    expect(drawn.lanes).toBe(32);
    expect(drawn.bars).toHaveLength(32);
    expect(drawn.hidden).toBe(48);
    expect(Math.max(...drawn.bars.map(({ y, height }) => y + height))).toBeLessThanOrEqual(160);
  });

  test("ticks are round and not too many", () => {
    expect(axisTicks(60_000, 7)).toEqual([0, 10, 20, 30, 40, 50, 60]);
    expect(axisTicks(60_000, 4)).toEqual([0, 15, 30, 45, 60]);
    expect(axisTicks(3_600_000, 6)).toEqual([0, 600, 1_200, 1_800, 2_400, 3_000, 3_600]);
  });
});

describe("the ring of requests", () => {
  const STATES: readonly RequestState[] = ["waiting", "running", "finished", "cut", "expired", "rejected"];

  test("never more than its capacity, one lane never twice at a time, ends are final", () => {
    const event = fc.record({
      id: fc.integer({ min: 0, max: 40 }),
      stepMs: fc.integer({ min: 0, max: 300 }),
      state: fc.constantFrom(...STATES),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), (events) => {
        const ring = new RequestRing(12, 6);
        const arrivals = new Map<string, number>();
        let nowMs = 0;
        for (const { id: number, stepMs, state } of events) {
          nowMs += stepMs;
          const id = String(number);
          const before = ring.get(id);
          if (before === undefined) arrivals.set(id, nowMs);
          const endMs = state === "waiting" || state === "running" ? undefined : nowMs;
          ring.put(request({ id, state, arrivalMs: arrivals.get(id)!, firstTokenMs: undefined, endMs }));
          if (before !== undefined && before.endMs !== undefined) expect(ring.get(id)!.endMs).toBeDefined();
          expect(ring.size).toBeLessThanOrEqual(12);
          const holders = [...ring.values()].filter(({ request: held, lane }) => held.endMs === undefined && lane >= 0);
          expect(new Set(holders.map(({ lane }) => lane)).size).toBe(holders.length);
        }
      }),
      { seed: 5 },
    );
  });

  test("a request keeps its lane through its life, the next takes the lowest free one", () => {
    const ring = new RequestRing();
    const laneOf = (id: string): number => [...ring.values()].find(({ request: held }) => held.id === id)!.lane;
    ring.put(request({ id: "a", state: "running", endMs: undefined, arrivalMs: 0 }));
    ring.put(request({ id: "b", state: "running", endMs: undefined, arrivalMs: 10 }));
    ring.put(request({ id: "a", state: "finished", arrivalMs: 0, endMs: 500 }));
    ring.put(request({ id: "c", state: "running", endMs: undefined, arrivalMs: 1_600 }));
    ring.put(request({ id: "d", state: "running", endMs: undefined, arrivalMs: 1_600 }));
    expect(["a", "b", "c", "d"].map(laneOf)).toEqual([0, 1, 0, 2]);
  });
});
