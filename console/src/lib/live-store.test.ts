import type { LiveEvent, RequestRow } from "@protocol";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isOpenRequest, LIVE_LIMITS, LiveStore, type HelloEvent, type SampleEvent } from "./live-store.ts";
import { retryDelayMs } from "./live.ts";

const hello = (startedUnixMs = 1): HelloEvent => ({
  kind: "hello",
  serverVersion: "0",
  startedUnixMs,
  unixOriginMs: 0,
  nowMs: 0,
  models: [
    {
      id: "m",
      state: "ready",
      policy: "fifo",
      phases: "colocated",
      budgetTokens: 1,
      kvPages: 1,
      pageTokens: 1,
      maxRunning: 1,
      maxWaiting: 1,
    },
  ],
  policies: ["fifo", "edf"],
});

const sample = (nowMs: number, policy = "fifo"): SampleEvent => ({
  kind: "sample",
  nowMs,
  model: "m",
  state: "ready",
  policy,
  running: 0,
  waiting: 0,
  paused: 0,
  kvPagesUsed: 0,
  kvPagesTotal: 1,
  prefixHitTokens: 0,
  prefixLookupTokens: 0,
  preemptions: 0,
  tokensPerSecond: { prefill: 0, decode: 0 },
  eventLoopLagMs: { p50: 0, p99: 0 },
  ttftMs: null,
  tpotMs: null,
  e2eMs: null,
  goodput: {} as SampleEvent["goodput"],
});

const row = (id: string, state: RequestRow["state"], arrivalMs = 0): RequestRow => ({
  id,
  model: "m",
  class: "latency",
  state,
  arrivalMs,
  targets: { onMiss: "finish" },
  promptTokens: 1,
  cachedTokens: 0,
  answerTokens: 0,
  maxTokens: 1,
});

const step = (startMs: number): Extract<LiveEvent, { kind: "steps" }>["steps"][number] => ({
  startMs,
  durationMs: 1,
  prefillTokens: 0,
  decodeTokens: 1,
  sequences: 1,
  budgetTokens: 1,
  preempted: 0,
});

describe("the live store", () => {
  test("an hour of samples, steps and requests stays within its bounds", () => {
    const store = new LiveStore();
    store.apply(hello());
    for (let ms = 0; ms <= 3_700_000; ms += 250) {
      store.apply(sample(ms));
      store.apply({ kind: "steps", model: "m", steps: [step(ms), step(ms + 100)] });
      store.apply({ kind: "request", request: row(`r${ms}`, "waiting", ms) });
      store.apply({ kind: "request", request: row(`r${ms}`, "finished", ms) });
    }
    store.checkIntegrity();
    const samples = store.samples("m");
    expect(samples.length).toBeLessThanOrEqual(LIVE_LIMITS.samples + LIVE_LIMITS.olderSamples);
    expect(samples.at(-1)!.nowMs).toBe(3_700_000);
    expect(samples[0]!.nowMs).toBeLessThan(200_000); // the past is coarser, not gone
    expect(samples.every(({ nowMs }, i) => i === 0 || nowMs - samples[i - 1]!.nowMs <= 5250)).toBe(true);
    expect(samples.every(({ nowMs }, i) => i === 0 || nowMs > samples[i - 1]!.nowMs)).toBe(true);
    expect(store.steps("m").length).toBe(LIVE_LIMITS.steps);
    expect(store.requests().length).toBe(LIVE_LIMITS.endedRequests);
  });

  test("counts ended requests right whatever order they change in, and never forgets an open one", () => {
    const states = ["waiting", "running", "finished", "rejected"] as const;
    const change = fc.record({ id: fc.integer({ min: 0, max: 1500 }), state: fc.constantFrom(...states) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 300 }), (changes) => {
        const store = new LiveStore();
        const last = new Map<string, RequestRow>();
        for (const { id, state } of changes) {
          const request = row(`r${id}`, state);
          store.apply({ kind: "request", request });
          last.set(request.id, request);
        }
        store.checkIntegrity();
        for (const request of last.values())
          if (isOpenRequest(request)) expect(store.request(request.id)).toBe(request);
      }),
      { seed: 5, numRuns: 50 },
    );
  });

  test("another start of the server forgets what was before; the same one does not", () => {
    const store = new LiveStore();
    expect(store.apply(hello(1))).toBe(false);
    store.apply(sample(5));
    store.apply({ kind: "request", request: row("a", "finished") });
    expect(store.apply(hello(1))).toBe(false);
    expect(store.requests().length).toBe(1);
    expect(store.apply(hello(2))).toBe(true);
    expect([store.requests().length, store.samples("m").length]).toEqual([0, 0]);
    store.checkIntegrity();
  });

  test("samples and steps that are told again after a reconnect count once", () => {
    const store = new LiveStore();
    for (const ms of [1, 2, 2, 1, 3]) store.apply(sample(ms));
    expect(store.samples("m").map(({ nowMs }) => nowMs)).toEqual([1, 2, 3]);
    store.apply({ kind: "steps", model: "m", steps: [step(1), step(2)] });
    store.apply({ kind: "steps", model: "m", steps: [step(1), step(2), step(3)] });
    expect(store.steps("m").map(({ startMs }) => startMs)).toEqual([1, 2, 3]);
  });

  test("a policy is known from its switch and from samples", () => {
    const store = new LiveStore();
    store.apply(hello());
    const policy = (): string => store.hello!.models[0]!.policy;
    store.apply({ kind: "policy", model: "m", policy: "edf", previous: "fifo", atMs: 1 });
    expect(policy()).toBe("edf");
    store.apply(sample(2, "fifo"));
    expect(policy()).toBe("fifo");
  });

  test("another store learns the same from a replay", () => {
    const [store, other] = [new LiveStore(), new LiveStore()];
    const events: LiveEvent[] = [
      hello(),
      sample(1),
      sample(2),
      { kind: "steps", model: "m", steps: [step(1)] },
      { kind: "request", request: row("a", "running") },
    ];
    for (const event of events) store.apply(event);
    for (const event of store.replay()) other.apply(event);
    expect(other.replay()).toEqual(store.replay());
  });
});

test("retries wait longer and longer, at most five seconds", () => {
  expect([1, 2, 3, 4, 5, 6, 50].map(retryDelayMs)).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000]);
});
