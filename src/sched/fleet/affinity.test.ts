import { describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { kvAwareDispatch, lmetricDispatch } from "./affinity.ts";
import { deadlineAwareDispatch, estimateArrival } from "./deadline-aware.ts";
import { NO_DEMAND } from "./freeness.ts";
import { loadOf, PAGE_TOKENS } from "./fleet.conformance.ts";
import type { Slo } from "../types.ts";
import type { Dispatch, FleetRequest, InstanceLoad } from "./types.ts";

const random = createRandom(3);
const where = (dispatch: Dispatch, loads: readonly InstanceLoad[], request: FleetRequest): number | undefined =>
  dispatch.choose(request, loads, 0, random)?.index;
const cached = (tokens: number): Pick<InstanceLoad, "cachedTokens"> => ({ cachedTokens: () => tokens });

describe("kv-aware", () => {
  const request = { promptTokens: 40 * PAGE_TOKENS };

  test("a cache is followed until what is in use there weighs more", () => {
    const warm = (usedPages: number): InstanceLoad =>
      loadOf({ index: 1, usedPages, totalPages: 1000, ...cached(30 * PAGE_TOKENS) });
    const cold = loadOf({ index: 0, totalPages: 1000 });
    expect(where(kvAwareDispatch(), [cold, warm(29)], request)).toBe(1);
    expect(where(kvAwareDispatch(), [cold, warm(31)], request)).toBe(0);
    expect(where(kvAwareDispatch({ overlapWeight: 0 }), [cold, warm(1)], request)).toBe(0);
    expect(where(kvAwareDispatch({ overlapWeight: 2 }), [cold, warm(59)], request)).toBe(1);
  });

  test("prompts that wait there count as much as its own", () => {
    const busy = loadOf({ index: 0, waiting: 1, waitingTokens: 50 * PAGE_TOKENS, waitingPages: 50, totalPages: 1000 });
    expect(where(kvAwareDispatch(), [busy, loadOf({ index: 1, totalPages: 1000, usedPages: 99 })], request)).toBe(1);
  });

  test("drawn choices lean to the lighter", () => {
    const loads = [loadOf({ index: 0, totalPages: 1000, usedPages: 200 }), loadOf({ index: 1, totalPages: 1000 })];
    const dispatch = kvAwareDispatch({ temperature: 0.5 });
    const counts = [0, 0];
    for (let i = 0; i < 400; i++) counts[where(dispatch, loads, request)!]! += 1;
    // The odds are e^2 to 1.
    expect(counts[1]! / 400).toBeGreaterThan(0.8);
    expect(counts[0]).toBeGreaterThan(10);
  });
});

test("lmetric: tokens to compute times the batch", () => {
  const loads = [
    loadOf({ index: 0, running: 9, ...cached(90) }),
    loadOf({ index: 1, running: 1, ...cached(0) }),
    loadOf({ index: 2, running: 4, ...cached(95) }),
  ];
  // 100 tokens: 10 x 10 = 100, 100 x 2 = 200, 5 x 5 = 25
  expect(where(lmetricDispatch(), loads, { promptTokens: 100 })).toBe(2);
});

describe("deadline-aware", () => {
  /** 10 ms and 0.1 ms a token. */
  const cost = { stepMs: (tokens: number) => 10 + 0.1 * tokens };
  const at = (index: number, over: Partial<InstanceLoad> = {}): InstanceLoad =>
    loadOf({
      index,
      cost,
      limits: { budgetTokens: 100, maxRunning: 1000 },
      totalPages: 1000,
      answerTokens: 20,
      ...over,
    });
  const slo = (over: Partial<Slo>): Slo => ({ class: "latency", onMiss: "finish", ...over });

  test("the estimate: what waits, at a full budget a step beside the decodes, then a step a token", () => {
    // 360 tokens to compute, 90 a step beside 10 decodes: four steps of 20 ms; then 19 tokens of 11.2 ms (12 rows)
    const load = at(0, { running: 10, waiting: 1, waitingTokens: 160 });
    const estimate = estimateArrival({ promptTokens: 200 }, load, NO_DEMAND)!;
    expect(estimate.ttftMs).toBeCloseTo(80, 9);
    expect(estimate.tpotMs).toBeCloseTo(11.2, 9);
    expect(estimate.e2eMs).toBeCloseTo(80 + 19 * 11.2, 9);
    const waited = estimateArrival({ promptTokens: 200, waitedMs: 7 }, load, NO_DEMAND)!;
    expect(waited.ttftMs).toBeCloseTo(87, 9);
    expect(estimateArrival({ promptTokens: 200 }, loadOf({ index: 0 }), NO_DEMAND)).toBeNull();
  });

  test("without a slot or memory it waits for answers to end", () => {
    const full = at(0, { running: 10, limits: { budgetTokens: 100, maxRunning: 10 }, usedPages: 100 });
    const open = at(0, { running: 10, limits: { budgetTokens: 100, maxRunning: 11 }, usedPages: 100 });
    const tight = at(0, { running: 10, usedPages: 995 });
    const ttft = (load: InstanceLoad): number => estimateArrival({ promptTokens: 160 }, load, NO_DEMAND)!.ttftMs;
    // One of ten answers of 20 tokens ends every two steps of 11 ms.
    expect(ttft(full) - ttft(open)).toBeCloseTo(22, 9);
    expect(ttft(tight) - ttft(open)).toBeCloseTo(22, 9);
  });

  test("it stays with its cache while that is in time with room to spare, and spills over before it is not", () => {
    const request = { promptTokens: 160, slo: slo({ ttftMs: 200 }) };
    const warm = (waitingTokens: number): InstanceLoad => at(1, { waiting: 1, waitingTokens, ...cached(150) });
    expect(where(deadlineAwareDispatch(), [at(0), warm(300)], request)).toBe(1);
    expect(where(deadlineAwareDispatch(), [at(0), warm(600)], request)).toBe(0);
    expect(where(deadlineAwareDispatch({ stickShare: 1 }), [at(0), warm(600)], request)).toBe(1);
  });

  test("the pace counts where a pace was promised", () => {
    const loads = [at(0, { running: 60 }), at(1, { waiting: 1, waitingTokens: 300 })];
    expect(where(deadlineAwareDispatch(), loads, { promptTokens: 16, slo: slo({ tpotMs: 13 }) })).toBe(1);
  });

  test("what nobody can do in time is refused, but for a trial now and then", () => {
    const dispatch = deadlineAwareDispatch();
    const loads = [at(0, { waiting: 9, waitingTokens: 1000 }), at(1, { waiting: 9, waitingTokens: 2000 })];
    const ask = (ttftMs: number, onMiss: Slo["onMiss"] = "reject") =>
      dispatch.refusal!({ promptTokens: 100, slo: slo({ ttftMs, onMiss }) }, loads, 0);
    expect(ask(220)).toBeNull();
    expect(ask(100)).toEqual({
      reason: "no instance is expected to meet it: the best needs 2.2 times the time",
      retryAfterMs: 120,
    });
    expect(ask(100, "finish")).toBeNull();
    const refused = Array.from({ length: 64 }, () => ask(100)).filter((one) => one !== null);
    expect(refused).toHaveLength(60);
    expect(ask(10)).not.toBeNull(); // far beyond: not even tried
    const unknown = [loadOf({ index: 0 }), ...loads];
    expect(dispatch.refusal!({ promptTokens: 100, slo: slo({ ttftMs: 1, onMiss: "reject" }) }, unknown, 0)).toBeNull();
  });

  test("without targets it goes as kv-aware sends it", () => {
    const loads = [at(0), at(1, cached(150))];
    expect(where(deadlineAwareDispatch(), loads, { promptTokens: 160 })).toBe(1);
  });
});
