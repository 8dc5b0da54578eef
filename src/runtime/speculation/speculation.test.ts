/** Whatever is drafted, right or wrong, what is said is what is said without drafts, and pages come back as they were. */
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { randomHeads } from "../../../test/support/heads.ts";
import { DraftModel, HeadsDrafter, KvPages, NgramDrafter, PredictionDrafter, randomWeights } from "../../llm/index.ts";
import { createPolicy, POLICY_NAMES, replayDecision } from "../../sched/index.ts";
import type { SequenceSpec } from "../messages.ts";
import {
  createBench,
  createLoop,
  drain,
  OracleDrafter,
  said,
  spec,
  SPECULATED,
  tokensOf,
  type Bench,
  type LoopSetup,
} from "./loop.conformance.ts";

let bench: Bench;
/** Other weights over the same vocabulary, with a cache of its own. */
let smaller: Bench;

beforeAll(async () => {
  bench = await createBench(3, true);
  smaller = await createBench(4);
});
afterAll(async () => {
  await bench.executor.dispose();
  await smaller.executor.dispose();
});

/** Requests of every kind: greedy and sampled, penalised, biased, with logprobs, stops, least tokens, thinking, a grammar. */
function requests(): SequenceSpec[] {
  const { think, endTokens } = bench.vocabulary;
  const shared = spec(50).promptTokens;
  return [
    spec(0, { sampling: { temperature: 0 } }),
    spec(1),
    spec(2, { sampling: { seed: 2, temperature: 0.7, topK: 20, topP: 0.9 } }),
    spec(3, { sampling: { seed: 3, repetitionPenalty: 1.3, presencePenalty: 0.5, frequencyPenalty: 0.2 } }),
    spec(4, { sampling: { seed: 4, logitBias: { [endTokens[0]!]: 4 }, logprobs: 3 }, ignoreEos: false, minTokens: 5 }),
    spec(5, { promptTokens: [...shared, 7], stop: ["e", "xy"], sampling: { seed: 5, logprobs: 0 } }),
    spec(6, { promptTokens: [...shared, 8, think!], thinkingBudget: 6 }),
    spec(7, {
      promptTokens: [...shared, 9],
      grammar: { kind: "regex", pattern: "[0-9]{2,5}(ab|cd)*z" },
      ignoreEos: false,
    }),
  ];
}

let plain: Map<number, unknown[]>;
let answers: Map<number, number[]>;

beforeAll(async () => {
  plain = new Map();
  answers = new Map();
  for (const request of requests()) {
    const { loop } = createLoop(bench, { prefixCache: false });
    loop.submit(request);
    const { events } = await drain(loop);
    plain.set(request.seq, said(events, request.seq));
    answers.set(request.seq, tokensOf(events, request.seq));
  }
});

async function speculated(setup: LoopSetup): Promise<{ drafted: number; accepted: number; steps: number }> {
  const { loop, kv, steps } = createLoop(bench, setup);
  for (const request of requests()) loop.submit(request);
  const { events, reports } = await drain(loop);
  for (const { seq } of requests()) expect(said(events, seq)).toEqual(plain.get(seq));
  expect(kv.usedPages).toBe(0);
  const counts = reports.flatMap(({ drafts = [] }) => drafts);
  const sum = (of: (count: (typeof counts)[number]) => number): number => counts.reduce((all, one) => all + of(one), 0);
  return { drafted: sum((one) => one.draftTokens), accepted: sum((one) => one.acceptedTokens), steps: steps.length };
}

test("random drafts change nothing that is said, under every policy, in any batch, preempted or not", async () => {
  const setup = fc.record({
    policy: fc.constantFrom(...POLICY_NAMES),
    seed: fc.integer({ min: 0, max: 1e6 }),
    prefixCache: fc.boolean(),
    pages: fc.constantFrom(48, 12),
    adaptive: fc.boolean(),
    budget: fc.integer({ min: 8, max: 48 }),
    maxChunk: fc.integer({ min: 1, max: 48 }),
  });
  let drafted = 0;
  const property = fc.asyncProperty(setup, async ({ policy, seed, prefixCache, pages, adaptive, budget, maxChunk }) => {
    const done = await speculated({
      policy: createPolicy(policy),
      drafters: () => [new OracleDrafter(answers, seed)],
      speculation: { adaptive },
      prefixCache,
      pages,
      limits: { budgetTokens: budget, maxChunk },
    });
    drafted += done.drafted;
  });
  await fc.assert(property, { seed: 77, numRuns: 8 });
  expect(drafted).toBeGreaterThan(100);
});

test("drafters that are always right save steps, and those that are always wrong cost only their tokens", async () => {
  const without = await speculated({});
  const right = new OracleDrafter(answers, 1);
  right.available = (_, most) => most;
  right.draft = async (list) =>
    list.map(({ subject, most }) => {
      const from = subject.tokens.length - subject.promptTokens;
      return { source: "ngram" as const, tokens: answers.get(subject.id)!.slice(from, from + most), proposals: null };
    });
  const always = await speculated({ drafters: () => [right] });
  expect(always.steps).toBeLessThan(without.steps / 3);
  expect(always.accepted).toBe(always.drafted);
  const wrong = new OracleDrafter(answers, 1);
  wrong.available = (_, most) => most;
  wrong.draft = async (list) =>
    list.map(({ subject, most }) => {
      const next = answers.get(subject.id)![subject.tokens.length - subject.promptTokens] ?? 0;
      return {
        source: "ngram" as const,
        tokens: Array.from({ length: most }, () => (next + 1) % 256),
        proposals: null,
      };
    });
  const never = await speculated({ drafters: () => [wrong] });
  expect(never.accepted).toBe(0);
  expect(never.drafted).toBeGreaterThan(100);
  expect(never.steps).toBe(without.steps);
});

test("n-grams, predictions and a smaller model together: the same texts again", async () => {
  const pages = new KvPages({ pages: 48, pageTokens: 8 });
  const { loop } = createLoop(bench, {
    drafters: (predictionOf) => [
      new PredictionDrafter(predictionOf),
      new NgramDrafter({ minMatch: 1 }),
      new DraftModel({
        executor: smaller.executor,
        pages,
        vocabSize: SPECULATED.vocabSize,
        endTokens: bench.vocabulary.endTokens,
        catchUpTokens: 24,
        clock: { nowMs: () => 0 },
      }),
    ],
  });
  const random = createRandom(1, "prediction");
  for (const request of requests()) {
    const prediction = answers.get(request.seq)!.map((id) => (random.chance(0.15) ? random.int(30, 300) : id));
    loop.submit(request.seq % 2 === 0 ? { ...request, prediction } : request);
  }
  const { events, reports } = await drain(loop);
  for (const { seq } of requests()) expect(said(events, seq)).toEqual(plain.get(seq));
  const sources = new Set(reports.flatMap(({ drafts = [] }) => drafts.map(({ source }) => source)));
  expect([...sources].toSorted()).toEqual(["model", "ngram", "prediction"]);
  expect(pages.usedPages).toBe(0);
  const finish = events.find((event) => event.kind === "finish" && event.seq === 0);
  if (finish?.kind !== "finish") return expect.unreachable();
  const { drafts } = finish.finish.usage;
  expect(drafts!.acceptedTokens).toBeGreaterThan(5);
  expect(drafts!.draftsByAccepted.reduce((sum, count, accepted) => sum + count * accepted, 0)).toBe(
    drafts!.acceptedTokens,
  );
  expect(finish.end.drafts).toEqual(drafts);
});

test("heads over the model's states, preempted or not: the same texts again, and states are those of the last token", async () => {
  const heads = randomHeads(SPECULATED, 9);
  const said = new Set([...answers.values()].flat());
  const vocabulary = Int32Array.from([...said].slice(0, 40));
  await using drafter = await HeadsDrafter.create({
    heads: { ...heads.config, draftedTokens: vocabulary.length },
    decoder: SPECULATED,
    weights: heads.weights,
    decoderWeights: randomWeights(SPECULATED, 3),
    vocabulary,
    format: "f32",
    threads: 1,
    endTokens: bench.vocabulary.endTokens,
    drawn: false,
    clock: { nowMs: () => 0 },
  });
  const known = new Map<number, { tokens: number; state: Float32Array }>();
  const see = drafter.see.bind(drafter);
  drafter.see = (id, tokens, state) => {
    known.set(id, { tokens, state: state.slice() });
    see(id, tokens, state);
  };
  for (const pages of [48, 12]) {
    const { drafted, accepted } = await speculated({ drafters: () => [drafter], pages, speculation: { tokens: 6 } });
    expect(drafted).toBeGreaterThan(100);
    expect(accepted).toBeGreaterThan(0);
  }
  // The twin: the whole text but for its last token at once, whose state is the last that was seen.
  for (const { seq, promptTokens } of requests().slice(0, 4)) {
    const { tokens, state } = known.get(seq)!;
    const text = [...promptTokens, ...answers.get(seq)!].slice(0, tokens - 1);
    const pages = Int32Array.from({ length: 12 }, (_, page) => page);
    await bench.executor.step([{ tokens: text, startPosition: 0, pages, wantLogits: "last" }]);
    expect([...bench.executor.state(0)]).toEqual([...state]);
  }
});

test("a sequence cancelled or paused between checks leaves no page behind, and goes on where it was", async () => {
  for (let seed = 0; seed < 6; seed++) {
    const random = createRandom(seed, "events");
    const { loop, kv } = createLoop(bench, { drafters: () => [new OracleDrafter(answers, seed)] });
    const list = requests();
    for (const request of list) loop.submit(request);
    const cancelled = random.int(0, list.length - 1);
    const paused = (cancelled + 1) % list.length;
    const first = [];
    for (let i = random.int(2, 5); i > 0; i--) first.push(...(await loop.step()).events);
    loop.cancel(cancelled);
    loop.pause(paused);
    for (let i = 0; i < 2 && loop.hasWork; i++) first.push(...(await loop.step()).events);
    loop.resume(paused);
    const events = [...first, ...(await drain(loop)).events];
    for (const { seq } of list) {
      if (seq !== cancelled) expect(said(events, seq)).toEqual(plain.get(seq));
      else expect(answers.get(seq)!.join()).toContain(tokensOf(events, seq).join());
    }
    expect(kv.usedPages).toBe(0);
  }
});

test("rejected tokens never reach the prefix cache, and their pages are given back at once", async () => {
  const request = spec(9, { maxTokens: 40, sampling: { temperature: 0 } });
  const wrong = new OracleDrafter(new Map(), 5);
  const lone = createLoop(bench);
  const both = createLoop(bench, { drafters: () => [wrong] });
  lone.loop.submit(request);
  both.loop.submit(request);
  const held = new Map<number, number>();
  for (; lone.loop.hasWork;) {
    await lone.loop.step();
    for (const { computed, pages } of lone.loop.running) held.set(computed, pages.pages.length);
  }
  const known: number[] = [...request.promptTokens];
  for (; both.loop.hasWork;) {
    const { events } = await both.loop.step();
    known.push(...tokensOf(events, 9));
    for (const { computed, pages } of both.loop.running) expect(pages.pages.length).toBe(held.get(computed));
  }
  const cached = Math.floor((known.length - 1) / 8);
  expect(both.kv.registeredPages).toBe(cached);
  expect(both.kv.registeredPages).toBe(lone.kv.registeredPages);
  expect(both.kv.cachedTokens([...known, 1])).toBe(cached * 8);
});

test("the tokens of a step have its time, and their gaps are none", async () => {
  const { loop } = createLoop(bench, { drafters: () => [new OracleDrafter(answers, 11)] });
  loop.submit(requests()[0]!);
  let together = 0;
  while (loop.hasWork) {
    const { events, atMs } = await loop.step();
    const tokens = events.filter((event) => event.kind === "token");
    for (const [i, { token, gapMs }] of tokens.entries()) {
      expect(token.atMs).toBe(atMs);
      if (i > 0) expect(gapMs).toBe(0);
    }
    together = Math.max(together, tokens.length);
  }
  expect(together).toBeGreaterThan(2);
});

test("drafts are tokens of the plan: every decision is made again from its record", async () => {
  const setup: LoopSetup = { drafters: () => [new OracleDrafter(answers, 12)], recordDecisions: 400, pages: 14 };
  const { loop } = createLoop(bench, setup);
  for (const request of requests()) loop.submit(request);
  await drain(loop);
  const entries = loop.decisions();
  expect(entries.some(({ view }) => view.running.some(({ draftTokens = 0 }) => draftTokens > 0))).toBe(true);
  expect(
    entries.some(({ plan, view }) =>
      plan.advance.some(
        ({ id, tokens }) => tokens > 1 && view.running.some((s) => s.id === id && s.pendingTokens === 1),
      ),
    ),
  ).toBe(true);
  for (const entry of entries) {
    const again = JSON.parse(JSON.stringify(entry)) as typeof entry;
    expect(replayDecision(createPolicy("fifo"), again)).toEqual(entry.plan);
  }
});
