import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { collect, type Completion } from "../collect.ts";
import { codeOf, endless, engineSuite, request, startChecked, until } from "../engine.conformance.ts";
import type { Engine } from "../engine.ts";
import type { EngineOptions, GenerateRequest } from "../types.ts";

const SEMI_PD: Partial<EngineOptions> = { phases: "semi-pd" };
const DISAGGREGATED: Partial<EngineOptions> = { phases: "disaggregated" };
/** Short of pages, so that decodes are retracted. */
const TIGHT = { kvPages: 30, pageTokens: 8 };
const APART = { kvPages: 60, pageTokens: 8 };

describe("semi-pd", () => engineSuite(SEMI_PD));
describe("disaggregated", () => engineSuite(DISAGGREGATED));

/** Requests that use everything a request may ask for, some with a beginning in common. */
function workload(count: number, seed: number): GenerateRequest[] {
  const random = createRandom(seed, "workload");
  const shared = Array.from({ length: 40 }, () => random.int(30, 300));
  return Array.from({ length: count }, (_, i) => {
    const own = Array.from({ length: random.int(2, 60) }, () => random.int(30, 300));
    const promptTokens = i % 3 === 0 ? [...shared.slice(0, random.int(16, 40)), ...own] : own;
    const sampling = [
      { seed: i, temperature: 0 },
      { seed: i },
      { seed: i, topK: 20, topP: 0.9, logprobs: 2 },
      { seed: i, repetitionPenalty: 1.3, presencePenalty: 0.5, frequencyPenalty: 0.2, logitBias: { 40: 3 } },
      { seed: i, minP: 0.01, temperature: 1.5 },
    ][i % 5]!;
    const one = request(i, { promptTokens, maxTokens: random.int(1, 40), sampling, ignoreEos: i % 2 === 0 });
    if (i % 7 === 1) return { ...one, grammar: { kind: "regex", pattern: "[a-z]{3,9}( [0-9]{1,4})*" }, maxTokens: 30 };
    if (i % 7 === 2) return { ...one, stop: ["e", "zz"] };
    if (i % 7 === 3) return { ...one, minTokens: 3, thinkingBudget: 4 };
    return one;
  });
}

/** What was said, without when. */
const words = ({ tokens, text, finish, logprobs }: Completion & { readonly logprobs?: unknown }) => ({
  tokens,
  text,
  logprobs,
  cause: finish.cause,
  stop: finish.stop,
  reasoning: finish.usage.reasoningTokens,
});

describe("the words of a colocated engine", () => {
  const all = workload(42, 5);
  let expected: ReturnType<typeof words>[];
  beforeAll(async () => {
    await using engine = await startChecked();
    expected = (await Promise.all(all.map((one) => collect(engine.submit(one))))).map(words);
  });

  test.each<readonly [string, Partial<EngineOptions>]>([
    ["semi-pd, short of pages", { ...SEMI_PD, ...TIGHT }],
    ["semi-pd, prompts favoured", { ...SEMI_PD, semiPd: { sharing: "fixed", share: 0.75 } }],
    ["semi-pd, decodes favoured", { ...SEMI_PD, semiPd: { sharing: "fixed", share: 0.25 } }],
    ["semi-pd, left to the operating system", { ...SEMI_PD, semiPd: { sharing: "os" } }],
    ["semi-pd, another policy", { ...SEMI_PD, policy: "edf" }],
    [
      "disaggregated, short of pages, slow link",
      { ...DISAGGREGATED, ...APART, disaggregated: { bandwidthBytesPerSecond: 1e7, latencyMs: 2 } },
    ],
  ])("%s", async (_, options) => {
    await using engine = await startChecked(options);
    const got = await Promise.all(all.map((one) => collect(engine.submit(one))));
    expect(got.map(words)).toEqual(expected);
    const stats = await until(engine, (s) => s.running === 0 && s.kv.pagesUsed === 0);
    expect(stats.counters.generationTokens).toBe(got.reduce((sum, { tokens }) => sum + tokens.length, 0));
    expect(stats.counters.restarts).toBe(0);
    expect(stats.phases?.mode).toBe(options.phases);
  });
});

describe("two workers over one cache", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await startChecked({ ...SEMI_PD, ...TIGHT, maxRunning: 12 });
  });
  afterAll(() => engine.stop({ graceMs: 0 }));

  test("under cancellations at any moment, pages are never lost nor owned twice", async () => {
    const random = createRandom(9, "stress");
    // Every step of either worker is followed by a check of all pages against all sequences (checkEachStep).
    for (let round = 0; round < 3; round++) {
      const streams = workload(30, round).map((one) => engine.submit({ ...one, maxTokens: 60, ignoreEos: true }));
      const ends = streams.map((stream) => codeOf(() => collect(stream)));
      for (const stream of random.shuffled(streams).slice(0, 12)) {
        await new Promise((resolve) => setTimeout(resolve, random.int(0, 8)));
        stream.cancel();
      }
      const codes = await Promise.all(ends);
      expect(codes.every((code) => code === null || code === "cancelled")).toBe(true);
      const stats = await until(engine, (s) => s.running + s.waiting === 0);
      expect(stats.kv.pagesUsed).toBe(0);
    }
    const { counters, state } = engine.stats();
    expect([state, counters.restarts]).toEqual(["ready", 0]);
    expect(counters.preemptions).toBeGreaterThan(0);
    expect(counters.prefixHits).toBeGreaterThan(0);
  });

  test("says how the phases share", async () => {
    const phases = engine.stats().phases!;
    expect(phases).toMatchObject({ mode: "semi-pd", sharing: "controlled", sequences: { transfer: 0 } });
    expect(phases.shares.prefill + phases.shares.decode).toBeCloseTo(1);
    expect(phases.use.prefill.prefill.slots).toBeGreaterThan(0);
    expect(phases.use.decode.decode.ms).toBeGreaterThan(0);
  });
});

test("a hand-over says what it took, per request and in all", async () => {
  await using engine = await startChecked({ ...DISAGGREGATED, disaggregated: { latencyMs: 20 } });
  const { finish } = await collect(engine.submit(request(1)));
  expect(finish.usage.transferMs).toBeGreaterThanOrEqual(20);
  const { transfers } = engine.stats().phases!;
  expect(transfers).toMatchObject({ count: 1, aborted: 0 });
  expect(transfers.bytes).toBeGreaterThan(0);
  expect(transfers.seconds.count).toBe(1);
  expect(transfers.seconds.sum).toBeCloseTo(finish.usage.transferMs! / 1000, 9);
  // One token is complete where its prompt is: nothing moves.
  expect((await collect(engine.submit(request(2, { maxTokens: 1 })))).finish.usage.transferMs).toBeUndefined();
});

test("when the worker of the prompts dies, both come back", async () => {
  await using engine = await startChecked(SEMI_PD);
  const expected = await collect(engine.submit(request(1)));
  for (const [round, how] of (["throw", "exit"] as const).entries()) {
    const streams = [engine.submit(endless(1)), engine.submit(endless(2))];
    await streams[0]!.next();
    engine.crashWorker(how, "prefill");
    for (const stream of streams) expect(await codeOf(() => collect(stream))).toBe("engine_failed");
    const stats = await until(engine, (s) => s.state === "ready");
    expect(stats.counters.restarts).toBe(round + 1);
    expect(stats.lastError).toMatch(how === "throw" ? /crashed on request/ : /status 70/);
    expect((await collect(engine.submit(request(1)))).tokens).toEqual(expected.tokens);
  }
});

test("options that contradict the mode are refused by name", async () => {
  const refused: [Partial<EngineOptions>, string][] = [
    [{ phases: "both" as "semi-pd" }, "phases"],
    [{ semiPd: {} }, "semiPd"],
    [{ phases: "semi-pd", disaggregated: {} }, "disaggregated"],
    [{ phases: "semi-pd", semiPd: { sharing: "fair" as "os" } }, "semiPd.sharing"],
    [{ phases: "semi-pd", semiPd: { share: 2 } }, "share"],
    [{ phases: "disaggregated", disaggregated: { latencyMs: -1 } }, "disaggregated.latencyMs"],
    [
      { phases: "disaggregated", disaggregated: { bandwidthBytesPerSecond: 0 } },
      "disaggregated.bandwidthBytesPerSecond",
    ],
    [{ phases: "disaggregated", kvPages: 1 }, "kvPages"],
    [{ phases: "semi-pd", embedding: {} }, "phases"],
  ];
  for (const [options, param] of refused) {
    await expect(startChecked(options)).rejects.toMatchObject({ code: "invalid_request", param });
  }
});
