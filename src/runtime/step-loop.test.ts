import { afterAll, beforeAll, expect, test } from "vitest";
import { TINY } from "../../test/support/tiny.ts";
import { createRandom, FakeClock } from "../core/index.ts";
import { KvPages, randomWeights, StepExecutor, type DecoderConfig, type StepBatch } from "../llm/index.ts";
import { fifo, replayDecision, type SchedulerLimits, type Slo } from "../sched/index.ts";
import { loadFacts } from "./load-model.ts";
import type { SequenceEvent, SequenceSpec, StepReport } from "./messages.ts";
import { StepLoop } from "./step-loop.ts";
import { createVocabulary, type Vocabulary } from "./text-assembler.ts";

const config: DecoderConfig = { ...TINY, maxPositions: 256 };
const PAGES = 40;
const PAGE_TOKENS = 8;
const BEST: Slo = { class: "best-effort", onMiss: "finish" };

let executor: StepExecutor;
let vocabulary: Vocabulary;

beforeAll(async () => {
  executor = await StepExecutor.create({
    config,
    weights: randomWeights(config, 3),
    weightsFormat: "f32",
    threads: 1,
    kv: { format: "f32", pages: PAGES, pageTokens: PAGE_TOKENS },
    attention: { ortRowThreshold: Infinity },
  });
  const facts = await loadFacts({ random: config, seed: 3 });
  vocabulary = createVocabulary(facts.tokenizer, facts.endTokens, config.vocabSize);
});
afterAll(() => executor.dispose());

interface Setup {
  readonly pages?: number;
  readonly limits?: Partial<SchedulerLimits>;
  readonly prefixCache?: boolean;
  readonly recordDecisions?: number;
}

/** A loop over the shared executor in which a step takes 1 ms and 0.1 ms a token. */
function createLoop({ pages = PAGES, limits, prefixCache = true, recordDecisions = 0 }: Setup = {}) {
  const clock = new FakeClock(1000);
  const kv = new KvPages({ pages, pageTokens: PAGE_TOKENS });
  const loop = new StepLoop({
    executor: {
      topK: executor.topK,
      wholeRow: (sequence, index) => executor.wholeRow(sequence, index),
      step: async (batch: StepBatch) => {
        const result = await executor.step(batch);
        clock.advance(1 + 0.1 * batch.reduce((sum, row) => sum + row.tokens.length, 0));
        return result;
      },
    },
    pages: kv,
    vocabulary,
    policy: fifo(),
    limits: { maxRunning: 8, budgetTokens: 16, maxChunk: 16, ...limits },
    clock,
    prefixCache,
    recordDecisions,
    checkEachStep: true,
  });
  return { loop, clock, kv };
}

function spec(seq: number, over: Partial<SequenceSpec> = {}): SequenceSpec {
  const random = createRandom(seq, "prompt");
  return {
    seq,
    arrivalMs: 1000,
    promptTokens: Array.from({ length: 12 }, () => random.int(30, 300)),
    maxTokens: 24,
    minTokens: 0,
    sampling: { seed: seq },
    stop: [],
    slo: BEST,
    thinkingBudget: null,
    ignoreEos: true,
    ...over,
  };
}

/** Steps until nothing is left; all events, and the reports. */
async function drain(loop: StepLoop): Promise<{ events: SequenceEvent[]; reports: StepReport[] }> {
  const reports: StepReport[] = [];
  while (loop.hasWork) {
    reports.push(await loop.step());
    expect(reports.length).toBeLessThan(2000);
  }
  reports.push(loop.flush());
  return { events: reports.flatMap((report) => report.events), reports };
}

const tokensOf = (events: readonly SequenceEvent[], seq: number): number[] =>
  events.flatMap((event) => (event.kind === "token" && event.seq === seq ? [event.token.id] : []));
const endOf = (events: readonly SequenceEvent[], seq: number): SequenceEvent | undefined =>
  events.find((event) => event.seq === seq && (event.kind === "finish" || event.kind === "error"));

async function alone(request: SequenceSpec, setup: Setup = {}): Promise<number[]> {
  const { loop } = createLoop(setup);
  loop.submit(request);
  return tokensOf((await drain(loop)).events, request.seq);
}

test("the same text alone, together, preempted, in chunks of any size, with and without the prefix cache", async () => {
  const shared = spec(99).promptTokens;
  const requests = Array.from({ length: 6 }, (_, i) =>
    spec(i, { promptTokens: [...shared, ...spec(i).promptTokens.slice(0, 3 * i)], maxTokens: 20 + i }),
  );
  const expected: number[][] = [];
  for (const request of requests) expected.push(await alone(request, { prefixCache: false }));
  expect(new Set(expected.map(String)).size).toBe(requests.length);

  const setups: Setup[] = [
    {},
    { limits: { maxChunk: 1 } },
    { limits: { maxChunk: 7, budgetTokens: 9 }, prefixCache: false },
    { pages: 10 }, // about two of them fit
  ];
  for (const setup of setups) {
    const { loop, kv } = createLoop(setup);
    for (const request of requests) loop.submit(request);
    const { events, reports } = await drain(loop);
    for (const [i, tokens] of expected.entries()) expect(tokensOf(events, i)).toEqual(tokens);
    const preemptions = reports.reduce((sum, report) => sum + report.preemptions, 0);
    if (setup.pages !== undefined) expect(preemptions).toBeGreaterThan(0);
    expect(kv.usedPages).toBe(0);
  }
});

test("a second request with the same prompt computes only its last page", async () => {
  const { loop } = createLoop();
  loop.submit(spec(0, { promptTokens: spec(0).promptTokens.slice(0, 10) }));
  await drain(loop);
  loop.submit(spec(1, { promptTokens: spec(0).promptTokens.slice(0, 10), maxTokens: 1 }));
  const { events, reports } = await drain(loop);
  expect(events[0]).toEqual({ kind: "admit", seq: 1, queries: 10, hits: 8 });
  expect(reports[0]!.tokens).toBe(2);
  expect(endOf(events, 1)).toMatchObject({ finish: { usage: { cachedTokens: 8, promptTokens: 10 } } });
});

test("a cancelled sequence has given its pages back before the next step", async () => {
  const { loop, kv } = createLoop();
  loop.submit(spec(0));
  loop.submit(spec(1));
  await loop.step();
  await loop.step();
  const held = kv.usedPages;
  loop.cancel(0);
  expect(kv.usedPages).toBeLessThan(held);
  const { events } = await drain(loop);
  expect(tokensOf(events, 0)).toEqual([]);
  expect(endOf(events, 0)).toMatchObject({ kind: "error", error: { code: "cancelled" }, end: { end: "abort" } });
  expect(endOf(events, 1)).toMatchObject({ kind: "finish" });
});

test("a paused sequence holds nothing and goes on with the same text", async () => {
  const expected = await alone(spec(0));
  const { loop, kv } = createLoop();
  loop.submit(spec(0));
  const first: SequenceEvent[] = [];
  for (let i = 0; i < 5; i++) first.push(...(await loop.step()).events);
  loop.pause(0);
  expect(kv.usedPages).toBe(0);
  expect(loop.hasWork).toBe(false);
  expect(loop.gauges.paused).toBe(1);
  loop.resume(0);
  const { events } = await drain(loop);
  expect([...tokensOf(first, 0), ...tokensOf(events, 0)]).toEqual(expected);
});

test("deadlines: expire in the queue, reject by estimate, cut in time, finish late but marked", async () => {
  const { loop, clock } = createLoop({ limits: { maxRunning: 2 } });
  const slo = (deadlineMs: number, onMiss: Slo["onMiss"]): Slo => ({ class: "deadline", deadlineMs, onMiss });
  loop.submit(spec(0, { maxTokens: 60, slo: slo(30, "cut") }));
  loop.submit(spec(1, { maxTokens: 60, slo: slo(30, "finish") }));
  loop.submit(spec(2, { slo: slo(20, "finish") }));
  const first = await loop.step();
  loop.submit(spec(3, { slo: slo(5, "reject") }));
  const { events } = await drain(loop);
  const all = [...first.events, ...events];
  const cut = endOf(all, 0);
  expect(cut).toMatchObject({
    kind: "finish",
    finish: { reason: "length", cause: "deadline" },
    end: { end: "length" },
  });
  if (cut?.kind !== "finish") return expect.unreachable();
  expect(cut.finish.usage.slo).toMatchObject({ attained: false });
  expect(cut.finish.usage.completionTokens).toBeGreaterThan(5);
  const lastTokenMs = all.findLast((event) => event.kind === "token" && event.seq === 0);
  if (lastTokenMs?.kind === "token") expect(lastTokenMs.token.atMs).toBeLessThanOrEqual(1030);
  const late = endOf(all, 1);
  expect(late).toMatchObject({ kind: "finish", finish: { usage: { completionTokens: 60, slo: { attained: false } } } });
  expect(endOf(all, 2)).toMatchObject({ kind: "error", error: { code: "deadline_expired" }, end: { end: "expired" } });
  const refused = endOf(all, 3);
  expect(refused).toMatchObject({ kind: "error", error: { code: "deadline_unattainable" }, end: { end: "rejected" } });
  if (refused?.kind === "error") expect(refused.error.retryAfterMs).toBeGreaterThan(0);
  expect(clock.nowMs()).toBeGreaterThan(1060);
});

test("pages of a sequence that is cut are not counted twice, as returned and as cached", async () => {
  const { loop } = createLoop({ pages: 10, limits: { maxRunning: 2, budgetTokens: 64, maxChunk: 64 } });
  const promptTokens = Array.from({ length: 41 }, (_, i) => 40 + i);
  loop.submit(spec(0, { promptTokens, maxTokens: 30, slo: { class: "deadline", deadlineMs: 20, onMiss: "cut" } }));
  loop.submit(spec(1, { maxTokens: 40 }));
  // Shares five pages with the first, which holds six when it is cut; the second holds three or four of the ten.
  loop.submit(spec(2, { promptTokens: [...promptTokens, ...Array.from({ length: 23 }, () => 99)], maxTokens: 2 }));
  const { events } = await drain(loop);
  expect(endOf(events, 0)).toMatchObject({ finish: { cause: "deadline" } });
  expect(endOf(events, 1)).toMatchObject({ kind: "finish" });
  expect(endOf(events, 2)).toMatchObject({ kind: "finish" });
});

test("thinking ends when its budget is used up, and is counted", async () => {
  const think = vocabulary.think!;
  // Noise may draw marks too; only the engine shall.
  const marks = [think, vocabulary.thinkEnd!, vocabulary.call!, vocabulary.callEnd!];
  const sampling = { seed: 1, logitBias: Object.fromEntries(marks.map((id) => [id, -100])) };
  for (const budget of [0, 5]) {
    const { loop } = createLoop();
    const promptTokens = [...spec(0).promptTokens, think];
    loop.submit(spec(0, { promptTokens, sampling, thinkingBudget: budget, maxTokens: 12 }));
    const { events } = await drain(loop);
    const tokens = tokensOf(events, 0);
    expect(tokens[budget]).toBe(vocabulary.thinkEnd);
    const sections = events.flatMap((event) => (event.kind === "token" ? [event.token.section] : []));
    expect(sections.slice(0, budget + 1).every((section) => section === "thinking")).toBe(true);
    expect(sections.slice(budget + 1).every((section) => section === "text")).toBe(true);
    expect(endOf(events, 0)).toMatchObject({ finish: { usage: { reasoningTokens: budget, completionTokens: 12 } } });
  }
});

test("the end token stops, minTokens bars it, ignoreEos goes on", async () => {
  const [end] = vocabulary.endTokens;
  // A bias makes the end token certain.
  const sampling = { seed: 1, logitBias: { [end!]: 100 } };
  expect(await alone(spec(0, { sampling, ignoreEos: false }))).toEqual([end]);
  const barred = await alone(spec(0, { sampling, ignoreEos: false, minTokens: 4 }));
  expect(barred.indexOf(end!)).toBe(4);
  expect(barred).toHaveLength(5);
  expect(await alone(spec(0, { sampling, maxTokens: 6 }))).toEqual(Array.from({ length: 6 }, () => end));
});

test("a stop string ends the text before it", async () => {
  const run = async (stop: string[]): Promise<SequenceEvent[]> => {
    const { loop } = createLoop();
    loop.submit(spec(0, { stop }));
    return (await drain(loop)).events;
  };
  const textOf = (events: SequenceEvent[]): string =>
    events.map((e) => (e.kind === "token" ? e.token.text : e.kind === "finish" ? e.finish.text : "")).join("");
  const whole = textOf(await run([]));
  const stop = whole.slice(8, 11);
  const events = await run(["never there", stop]);
  expect(textOf(events)).toBe(whole.slice(0, whole.indexOf(stop)));
  expect(endOf(events, 0)).toMatchObject({ finish: { reason: "stop", cause: "stop", stop } });
});

test("every recorded decision is made again from its record", async () => {
  const { loop } = createLoop({ pages: 10, recordDecisions: 500 });
  for (let i = 0; i < 5; i++) loop.submit(spec(i, { slo: { class: "latency", ttftMs: 500, onMiss: "reject" } }));
  await drain(loop);
  const entries = loop.decisions();
  expect(entries.length).toBeGreaterThan(20);
  for (const entry of entries) {
    expect(replayDecision(fifo(), JSON.parse(JSON.stringify(entry)) as typeof entry)).toEqual(entry.plan);
  }
});

test("no more decisions are kept than were asked for, and they are the last ones", async () => {
  const all = createLoop({ pages: 10, recordDecisions: 500 });
  const few = createLoop({ pages: 10, recordDecisions: 3 });
  for (const { loop } of [all, few]) {
    loop.submit(spec(0));
    await drain(loop);
  }
  const steps = (loop: typeof all.loop): number[] => loop.decisions().map(({ step }) => step);
  expect(steps(few.loop)).toEqual(steps(all.loop).slice(-3));
});
