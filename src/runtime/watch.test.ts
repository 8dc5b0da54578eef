/** Who watches an engine sees every step and the whole life of a request, wherever it is computed; who does not pays nothing. */
import { describe, expect, test } from "vitest";
import { TINY } from "../../test/support/tiny.ts";
import { collect } from "./collect.ts";
import { codeOf, endless, request, startChecked, until } from "./engine.conformance.ts";
import { EngineWatch } from "./engine-watch.ts";
import type { StepReport } from "./messages.ts";
import { ModelPool } from "./model-pool.ts";
import { StepTracer } from "./step-trace.ts";
import type { EngineOptions, RequestObserver, RequestSummary, WatchedStep } from "./types.ts";

interface Life extends RequestObserver {
  readonly moments: { readonly kind: string; readonly atMs: number; readonly tokens?: number }[];
  readonly interruptions: { readonly kind: string; readonly atMs: number }[];
  readonly tokenMs: number[];
  chunked: number;
  cached: number | null;
  resumedCount: number;
}

function life(): Life {
  const one: Life = {
    moments: [],
    interruptions: [],
    tokenMs: [],
    chunked: 0,
    cached: null,
    resumedCount: 0,
    admitted: (atMs, cachedTokens) => {
      expect(one.cached).toBe(null);
      one.cached = cachedTokens;
      one.moments.push({ kind: "admitted", atMs });
    },
    chunk: (startMs, durationMs, tokens) => {
      one.chunked += tokens;
      one.moments.push({ kind: "chunk", atMs: startMs, tokens });
      expect(durationMs).toBeGreaterThanOrEqual(0);
    },
    token: (atMs) => one.tokenMs.push(atMs),
    interrupted: (kind, atMs) => {
      one.interruptions.push({ kind, atMs });
    },
    resumed: () => {
      one.resumedCount += 1;
    },
  };
  return one;
}

const ascending = (times: readonly number[]): boolean => times.every((time, i) => i === 0 || time >= times[i - 1]!);

const ARRANGEMENTS: readonly (readonly [string, Partial<EngineOptions>])[] = [
  ["colocated", {}],
  ["semi-pd", { phases: "semi-pd" }],
  ["disaggregated", { phases: "disaggregated" }],
];

describe.each(ARRANGEMENTS)("%s", (_name, options) => {
  test("steps and lives add up to what was asked and said", async () => {
    await using engine = await startChecked(options);
    const steps: WatchedStep[] = [];
    const unwatch = engine.watch((step) => steps.push(step));
    const lives = Array.from({ length: 12 }, () => life());
    const ends: RequestSummary[] = [];
    const answers = await Promise.all(
      lives.map((observer, i) =>
        collect(engine.submit(request(i), { observer, onEnd: (summary) => (ends[i] = summary) })),
      ),
    );
    await until(engine, (s) => s.running === 0);
    for (const [i, one] of lives.entries()) {
      const { tokens, finish } = answers[i]!;
      const { promptTokens, cachedTokens, completionTokens, firstTokenMs, lastTokenMs, scheduledMs } = ends[i]!;
      expect(one.interruptions).toEqual([]);
      expect(one.cached).toBe(cachedTokens);
      expect(one.chunked).toBe(promptTokens - cachedTokens);
      expect(one.tokenMs).toHaveLength(tokens.length);
      expect([one.tokenMs[0], one.tokenMs.at(-1)]).toEqual([firstTokenMs, lastTokenMs]);
      expect(ascending(one.tokenMs)).toBe(true);
      expect(one.moments[0]).toEqual({ kind: "admitted", atMs: scheduledMs });
      expect(ends[i]).toMatchObject({ cause: finish.cause, error: null, outcome: finish.usage.slo, completionTokens });
    }
    const total = (of: (step: WatchedStep) => number): number => steps.reduce((sum, step) => sum + of(step), 0);
    expect(total((s) => s.prefillTokens)).toBe(lives.reduce((sum, { chunked }) => sum + chunked, 0));
    expect(total((s) => s.decodeTokens)).toBe(answers.reduce((sum, { tokens }) => sum + tokens.length - 1, 0));
    for (const step of steps) {
      expect(step.sequences).toBeGreaterThan(0);
      expect(step.budgetTokens).toBe(32);
      expect(step.phase === undefined).toBe(options.phases === undefined);
    }
    const before = steps.length;
    unwatch();
    await collect(engine.submit(request(1)));
    expect(steps).toHaveLength(before);
  });

  test.runIf(options.phases === undefined)("drafts are told, and what is drafted in vain is no decode", async () => {
    await using engine = await startChecked({ ...options, speculation: { method: "ngram", adaptive: false } });
    const steps: WatchedStep[] = [];
    engine.watch((step) => steps.push(step));
    const checks = Array.from({ length: 6 }, () => [] as { tokens: number; accepted: number }[]);
    const answers = await Promise.all(
      checks.map((own, i) => {
        const observer = {
          ...life(),
          drafted: (_: number, tokens: number, accepted: number) => own.push({ tokens, accepted }),
        };
        return collect(engine.submit(request(i, { maxTokens: 60, sampling: { temperature: 0 } }), { observer }));
      }),
    );
    await until(engine, (s) => s.running === 0);
    const total = (of: (step: WatchedStep) => number): number => steps.reduce((sum, step) => sum + of(step), 0);
    const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
    for (const [i, { finish }] of answers.entries()) {
      const { acceptedTokens = 0, rejectedTokens = 0 } = finish.usage.drafts ?? {};
      expect(sum(checks[i]!.map(({ accepted }) => accepted))).toBe(acceptedTokens);
      expect(sum(checks[i]!.map(({ tokens, accepted }) => tokens - accepted))).toBe(rejectedTokens);
    }
    expect(total((s) => s.rejectedTokens ?? 0)).toBeGreaterThan(0);
    expect(total((s) => s.decodeTokens)).toBe(sum(answers.map(({ tokens }) => tokens.length - 1)));
  });

  test("preemptions have a beginning and an end", async () => {
    await using engine = await startChecked({ ...options, kvPages: options.phases === "disaggregated" ? 44 : 22 });
    const lives = Array.from({ length: 10 }, () => life());
    const answers = lives.map((observer, i) => collect(engine.submit(request(i, { maxTokens: 90 }), { observer })));
    await Promise.all(answers);
    const { preemptions } = engine.stats().counters;
    expect(preemptions).toBeGreaterThan(0);
    expect(lives.reduce((sum, { interruptions }) => sum + interruptions.length, 0)).toBe(preemptions);
    for (const one of lives) {
      expect(one.resumedCount).toBe(one.interruptions.length);
      for (const { kind } of one.interruptions) expect(kind).toBe("preempted");
    }
  });

  test("a pause, a death and a cancellation are told", async () => {
    await using engine = await startChecked({ ...options, streamBuffer: 8 });
    const slow = life();
    const stream = engine.submit(request(1, { maxTokens: 200 }), { observer: slow });
    await until(engine, (s) => s.paused === 1);
    expect(slow.interruptions.map(({ kind }) => kind)).toEqual(["paused"]);
    expect((await collect(stream)).tokens).toHaveLength(200);
    expect(slow.resumedCount).toBe(slow.interruptions.length);
    const ends: RequestSummary[] = [];
    const dying = engine.submit(endless(2), { observer: life(), onEnd: (end) => ends.push(end) });
    await dying.next();
    engine.crashWorker("exit");
    expect(await codeOf(() => collect(dying))).toBe("engine_failed");
    expect(ends).toMatchObject([{ end: "error", error: "engine_failed", outcome: null }]);
    await until(engine, (s) => s.state === "ready");
    // The new worker traces for whom the old one did.
    const after = life();
    const left = engine.submit(endless(3), { observer: after, onEnd: (end) => ends.push(end) });
    await left.next();
    expect(after.chunked).toBeGreaterThan(0);
    await left.return();
    await until(engine, (s) => s.counters.requests.abort === 1);
    expect(ends[1]).toMatchObject({ end: "abort", error: "cancelled", cause: null });
  });
});

test("a model of a pool is watched through its loads", async () => {
  const model = { model: { random: TINY, seed: 7 }, name: "a", budgetTokens: 64, kvPages: 64 };
  await using pool = await ModelPool.create([model]);
  const engine = pool.engine("a");
  let steps = 0;
  const unwatch = engine.watch(() => (steps += 1));
  const one = life();
  const short = request(1, { promptTokens: [1, 2, 3], maxTokens: 4 });
  await collect(engine.submit(short, { observer: one }));
  expect([steps, one.tokenMs.length, one.chunked]).toEqual([4, 4, 3]);
  await pool.unload("a");
  await collect(engine.submit(short));
  expect(steps).toBe(8);
  unwatch();
  await collect(engine.submit(short));
  expect(steps).toBe(8);
});

describe("what it costs", () => {
  const report = (over: Partial<StepReport> = {}): StepReport => {
    const gauges = { running: 1, waiting: 0, paused: 0, pagesUsed: 1 };
    return { kind: "step", atMs: 10, tokens: 1, stepMs: 2, preemptions: 0, gauges, events: [], ...over };
  };

  test("the worker is asked for traces only while somebody watches", () => {
    const asked: boolean[] = [];
    const watch = new EngineWatch((on) => asked.push(on));
    watch.report(report(), 32);
    const observer = life();
    watch.follow(1, observer);
    const [a, b] = [watch.watch(() => undefined), watch.watch(() => undefined)];
    const timing = { arrivalMs: 0, scheduledMs: null, firstTokenMs: null, lastTokenMs: null, endMs: 10 };
    const outcome = { attained: false, ttft_ms: null, tpot_ms: null, e2e_ms: 10, slack_ms: null };
    const slo = { class: "best-effort", onMiss: "finish" } as const;
    const end = { end: "abort", timing, promptTokens: 1, completionTokens: 0, slo, outcome, goodTokens: 0 } as const;
    const error = { code: "cancelled", message: "", param: null, retryAfterMs: null } as const;
    a();
    b();
    watch.report(report({ events: [{ kind: "error", seq: 1, error, end }] }), 32);
    expect(asked).toEqual([true, false]);
    watch.follow(2, observer);
    watch.restarted();
    expect(asked).toEqual([true, false, true]);
  });

  test("a step of decodes adds one object to its report", () => {
    const tracer = new StepTracer();
    const first = tracer.take();
    const second = tracer.take();
    expect(first.chunks).toBe(second.chunks);
    expect(first.preempted).toBe(first.resumed);
    tracer.preempted(3);
    expect(tracer.take()).toMatchObject({ preempted: [3], resumed: [] });
    expect(tracer.take().preempted).toBe(first.preempted);
  });
});
