import { describe, expect, test } from "vitest";
import type { LiveEvent, LiveModel, RequestRow, SampleEvent } from "@protocol";
import { LiveState, rollingShare, STEP, STEPS_KEPT } from "./live-model.ts";

const INFO: LiveModel = {
  id: "m",
  state: "ready",
  policy: "sarathi",
  phases: "colocated",
  budgetTokens: 64,
  kvPages: 100,
  pageTokens: 16,
  maxRunning: 16,
  maxWaiting: 64,
};

function hello(startedUnixMs = 1, models: readonly LiveModel[] = [INFO]): LiveEvent {
  const policies = ["fcfs", "sarathi"];
  return { kind: "hello", serverVersion: "1", startedUnixMs, unixOriginMs: 0, nowMs: 0, models: [...models], policies };
}

function sample(nowMs: number, over: Partial<SampleEvent> = {}): SampleEvent {
  const none = { attained: 0, missed: 0, tokens: 0 };
  return {
    kind: "sample",
    nowMs,
    model: "m",
    state: "ready",
    policy: "sarathi",
    running: 1,
    waiting: 0,
    paused: 0,
    kvPagesUsed: 10,
    kvPagesTotal: 100,
    prefixHitTokens: 0,
    prefixLookupTokens: 0,
    preemptions: 0,
    tokensPerSecond: { prefill: 0, decode: 100 },
    eventLoopLagMs: { p50: 0.1, p99: 1 },
    ttftMs: null,
    tpotMs: null,
    e2eMs: null,
    goodput: { latency: none, deadline: none, compound: none, "best-effort": none },
    ...over,
  };
}

function row(number: number, arrivalMs: number, over: Partial<RequestRow> = {}): LiveEvent {
  const request: RequestRow = {
    id: `r${number}`,
    model: "m",
    class: "latency",
    state: "running",
    arrivalMs,
    targets: { ttftMs: 200, onMiss: "finish" },
    promptTokens: 20,
    cachedTokens: 0,
    answerTokens: 0,
    maxTokens: 64,
    ...over,
  };
  return { kind: "request", request };
}

/** Numbers that an object holds, reached through all of it: what a page's memory is made of here. */
function held(root: unknown, seen = new Set<object>()): number {
  if (typeof root !== "object" || root === null || seen.has(root)) return 1;
  seen.add(root);
  if (ArrayBuffer.isView(root)) return (root as Float64Array).length;
  const parts = root instanceof Map ? [...root.entries()].flat() : Object.values(root);
  return parts.reduce<number>((sum, part) => sum + held(part, seen), 1);
}

describe("the live model", () => {
  test("an hour at full rate takes no more memory than its first minutes", () => {
    const state = new LiveState();
    state.apply(hello());
    const model = state.models.get("m")!;
    const sizes: number[] = [];
    const step = { durationMs: 5, prefillTokens: 3, decodeTokens: 8, sequences: 8, budgetTokens: 64, preempted: 0 };
    for (let second = 0; second < 3_600; second += 1) {
      const startMs = second * 1_000;
      for (let tick = 0; tick < 4; tick += 1) {
        const nowMs = startMs + tick * 250;
        const ended = { attained: second, missed: 0, tokens: second * 10 };
        state.apply(sample(nowMs, { goodput: { latency: ended } as SampleEvent["goodput"] }));
        const steps = Array.from({ length: 8 }, (_, index) => ({ ...step, startMs: nowMs + index * 30 }));
        state.apply({ kind: "steps", model: "m", steps });
      }
      for (let index = 0; index < 2; index += 1) {
        state.apply(row(second * 2 + index, startMs + index * 200));
        state.apply(row(second * 2 + index, startMs + index * 200, { state: "finished", endMs: startMs + 900 }));
      }
      if (second % 600 === 599) sizes.push(model.series.rows + model.requests.size + model.steps.length);
    }
    expect(model.requests.size).toBe(1_000);
    expect(model.steps.length).toBe(STEPS_KEPT);
    expect(model.series.rows).toBeLessThanOrEqual(model.series.capacity);
    expect(sizes.at(-1)! - sizes[1]!).toBeLessThanOrEqual(720); // only the bins of the hour, whose room is fixed
    const before = held(state);
    for (let tick = 0; tick < 400; tick += 1) {
      state.apply(sample(3_600_000 + tick * 250));
      state.apply(row(20_000 + tick, 3_600_000 + tick * 250, { state: "finished", endMs: 3_600_000 + tick * 250 }));
    }
    expect(held(state)).toBeLessThanOrEqual(before + 1_000 * 20); // rows differ by a field or two, none are added
    expect(model.requests.size).toBe(1_000);
    // All windows can still be drawn, and never with more points than the rings hold.
    for (const windowMs of [60_000, 300_000, 3_600_000]) {
      const { seconds, columns } = model.chart(["running", "decodeRate"], 3_700_000, windowMs);
      expect(seconds.length).toBeGreaterThan(200);
      expect(seconds.length).toBeLessThan(1_500);
      expect(columns[1]!.at(-1)).toBe(100);
    }
  });

  test("goodput and prefix hits are those of the window, not of all time", () => {
    const state = new LiveState();
    state.apply(hello());
    const model = state.models.get("m")!;
    const at = (
      nowMs: number,
      attained: number,
      missed: number,
      tokens: number,
      hits: number,
      lookups: number,
    ): void => {
      const none = { attained: 0, missed: 0, tokens: 0 };
      const goodput = { latency: { attained, missed, tokens }, deadline: none, compound: none, "best-effort": none };
      state.apply(sample(nowMs, { goodput, prefixHitTokens: hits, prefixLookupTokens: lookups }));
    };
    at(0, 100, 100, 5_000, 0, 1_000);
    for (let second = 1; second <= 90; second += 1)
      at(second * 1_000, 100 + second, 100, 5_000 + second * 30, second * 3, 1_000 + second * 4);
    const [latency, deadline] = model.goodput(90_000, 60_000);
    expect(latency).toEqual({ class: "latency", attained: 60, missed: 0, share: 1, tokensPerSecond: 30 });
    expect(deadline).toMatchObject({ attained: 0, share: null });
    expect(model.prefixShare(90_000, 60_000)).toBe(0.75);
    expect(model.prefixShare(900_000, 60_000)).toBeNull();
  });

  test("a share over time is that of the ten seconds before each moment", () => {
    const seconds = [-30, -20, -10, 0];
    expect(rollingShare(seconds, [0, 5, 5, 9], [0, 10, 10, 20])).toEqual([null, 0.5, null, 0.4]);
    expect(rollingShare(seconds, [0, null, 5, 9], [0, 10, 10, 20])).toEqual([null, null, null, 0.4]);
    expect(rollingShare([], [], [])).toEqual([]);
  });

  test("a server that was started anew begins anew here, too; the same one goes on", () => {
    const state = new LiveState();
    state.apply(hello(1));
    state.apply(sample(5_000));
    state.apply(row(1, 4_000));
    state.apply({ kind: "dropped", samples: 2, steps: 3 });
    state.apply(hello(1));
    expect(state.models.get("m")!.requests.size).toBe(1);
    expect(state.dropped).toBe(5);
    state.apply(hello(2));
    const model = state.models.get("m")!;
    expect(model.requests.size).toBe(0);
    expect(model.latest).toBeNull();
    expect(state.dropped).toBe(0);
    state.apply(sample(10));
    expect(model.series.at(10, 0)).toBe(1);
    state.apply(hello(2, []));
    expect(state.models.size).toBe(0);
    state.apply(sample(20));
    state.apply(row(2, 20));
    expect(state.models.size).toBe(0);
  });

  test("a switch of policy and steps arrive where they belong", () => {
    const state = new LiveState();
    state.apply(hello());
    state.apply({ kind: "policy", model: "m", policy: "fcfs", previous: "sarathi", atMs: 5 });
    const step = { startMs: 7, durationMs: 5, prefillTokens: 3, decodeTokens: 8, sequences: 2, budgetTokens: 64 };
    state.apply({ kind: "steps", model: "m", steps: [{ ...step, preempted: 1 }] });
    const { info, steps, switches } = state.models.get("m")!;
    expect(switches).toEqual([{ atMs: 5, policy: "fcfs" }]);
    expect(info.policy).toBe("fcfs");
    expect(steps.timeMs(0)).toBe(7);
    expect(steps.value(0, STEP.prefill)).toBe(3);
    expect(steps.value(0, STEP.preempted)).toBe(1);
  });
});
