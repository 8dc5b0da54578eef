/** How far an engine drafts: as far as it pays by costs, batch and acceptance; and what its options may say. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FakeClock, PunctualError } from "../../core/index.ts";
import { KvPages, type Drafter } from "../../llm/index.ts";
import { StepCost } from "../../sched/index.ts";
import { estimateMemory } from "../memory-estimate.ts";
import { kvBytesPerToken } from "../plan.ts";
import type { EngineOptions } from "../types.ts";
import { addDraftCounts } from "./counts.ts";
import { HeadsCost } from "./heads.ts";
import { measureDraftCosts } from "./load.ts";
import { createBench, createLoop, drain, spec, SPECULATED, tokensOf, type Bench } from "./loop.conformance.ts";
import { checkSpeculation, type SpeculationOptions } from "./options.ts";
import { checkDraftVocabulary } from "./vocabulary.ts";

let bench: Bench;
beforeAll(async () => {
  bench = await createBench();
});
afterAll(() => bench.executor.dispose());

/** Guesses what the request will say, or never does. */
function drafterOf(answer: readonly number[] | null, promptTokens: number): Drafter {
  return {
    source: "ngram",
    available: (_, most) => most,
    draft: async (requests) =>
      requests.map(({ subject, most }) => {
        const from = subject.tokens.length - promptTokens;
        const wrong = Array.from({ length: most }, (_, i) => (i * 3) % 20);
        return { source: "ngram", tokens: answer?.slice(from, from + most) ?? wrong, proposals: null };
      }),
    release: () => undefined,
  };
}

interface Outcome {
  readonly steps: number;
  readonly drafted: number;
  readonly ms: number;
}

async function run(
  isRight: boolean,
  stepMs: (tokens: number) => number,
  requests = 1,
  adaptive = true,
): Promise<Outcome> {
  const prompt = spec(0).promptTokens;
  const request = spec(0, { maxTokens: 100, sampling: { temperature: 0 } });
  const plain = createLoop(bench);
  plain.loop.submit(request);
  const answer = tokensOf((await drain(plain.loop)).events, 0);
  const { loop, steps, clock } = createLoop(bench, {
    drafters: () => [drafterOf(isRight ? answer : null, prompt.length)],
    speculation: { tokens: 7, adaptive },
    stepMs,
  });
  for (let seq = 0; seq < requests; seq++) loop.submit({ ...request, seq });
  const { events, reports } = await drain(loop);
  for (let seq = 0; seq < requests; seq++) expect(tokensOf(events, seq)).toEqual(answer);
  const counts = addDraftCounts(reports.flatMap(({ drafts = [] }) => drafts));
  return { steps: steps.length, drafted: counts[0]?.draftTokens ?? 0, ms: clock.nowMs() - 1000 };
}

describe("adaptive drafts", () => {
  test("where a step hardly grows with its tokens, right guesses are taken by the longest drafts", async () => {
    const flat = await run(true, (tokens) => 10 + 0.1 * tokens);
    expect(flat.steps).toBeLessThan(100 / 4);
  });

  test("where every token costs the same next to nothing is drafted, and where guesses are wrong little", async () => {
    expect((await run(true, (tokens) => tokens)).drafted).toBeLessThan(5); // now and then one, to see
    const wrong = await run(false, (tokens) => 1 + 0.25 * tokens);
    const blind = await run(false, (tokens) => 1 + 0.25 * tokens, 1, false);
    expect(wrong.drafted).toBeLessThan(40);
    expect(blind.drafted).toBeGreaterThan(400);
    expect(wrong.ms).toBeLessThan(0.6 * blind.ms);
  });

  test("a full batch on a machine that computes as it reads drafts nothing; alone it would", async () => {
    const stepMs = (tokens: number): number => Math.max(8, tokens);
    expect((await run(true, stepMs, 1)).drafted).toBeGreaterThan(50);
    expect((await run(true, stepMs, 8)).drafted).toBeLessThan(40); // the last few may be alone for a step
  });
});

test("states are asked for by who may draft after the step only: hardly ever where nothing pays", async () => {
  const withStates = await createBench(3, true);
  const lengths: number[] = [];
  const drafter: Drafter = {
    ...drafterOf(null, spec(0).promptTokens.length),
    see: (_, tokens) => void lengths.push(tokens),
    available: ({ tokens }, most) => (lengths.at(-1) === tokens.length ? most : 0),
  };
  const request = spec(0, { maxTokens: 100, sampling: { temperature: 0 } });
  const run = async (adaptive: boolean): Promise<{ steps: number; states: number }> => {
    const { loop, steps, stateSteps } = createLoop(withStates, {
      drafters: () => [drafter],
      speculation: { tokens: 3, adaptive },
      stepMs: (tokens) => tokens,
    });
    loop.submit(request);
    await drain(loop);
    return { steps: steps.length, states: stateSteps() };
  };
  const resting = await run(true);
  const always = await run(false);
  expect(always.states).toBe(always.steps);
  expect(resting.states).toBeGreaterThan(3);
  expect(resting.states).toBeLessThan(resting.steps / 3);
  await withStates.executor.dispose();
});

test("what checking drafts costs is measured up to the longest draft, and pages are given back", async () => {
  const pages = new KvPages({ pages: 8, pageTokens: 8 });
  const clock = new FakeClock();
  const sizes: number[] = [];
  const cost = new StepCost();
  const executor = {
    config: SPECULATED,
    step: async (batch: Parameters<typeof bench.executor.step>[0]) => {
      const tokens = batch.reduce((sum, row) => sum + row.tokens.length, 0);
      sizes.push(tokens);
      clock.advance(5 + tokens);
      return bench.executor.step(batch);
    },
  };
  await measureDraftCosts({ speculation: { method: "ngram", tokens: 5 } }, executor, pages, clock, cost);
  expect([...new Set(sizes)]).toEqual([1, 2, 4, 8]);
  expect(cost.stepMs(8)).toBeCloseTo(13, 9);
  expect(pages.usedPages).toBe(0);
  await measureDraftCosts({}, executor, pages, clock, new StepCost());
  expect(sizes).toHaveLength(16);
});

test("what heads cost is the quickest run of those measured beforehand but the first, then what drafts say", () => {
  const cost = new HeadsCost();
  for (const sequences of [1, 4]) {
    for (let places = 1; places <= 4; places++) {
      for (const ms of [9, 1 + 0.1 * places * sequences, 3]) cost.observe(sequences, places, ms);
    }
  }
  expect(cost.passMs(1, 1)).toBe(0);
  cost.measured();
  expect(cost.passMs(1, 1)).toBeCloseTo(1.1, 9);
  expect(cost.passMs(4, 2)).toBeCloseTo(0.4, 9);
  // A fifth place is a second run.
  expect(cost.passMs(1, 5)).toBeCloseTo(1.1, 9);
  const before = cost.passMs(2, 1);
  for (let i = 0; i < 40; i++) cost.observe(2, 1, 2 * before);
  expect(cost.passMs(2, 1) / before).toBeGreaterThan(1.8);
  // A slow model's measurement ends early: what it did not come to is learnt from the first draft.
  const slow = new HeadsCost();
  slow.measured();
  slow.observe(1, 3, 5);
  expect(slow.passMs(1, 3)).toBeCloseTo(5, 9);
});

describe("options of speculation", () => {
  const model = { random: SPECULATED, seed: 1 };
  const problem = (speculation: object, over: object = {}): string => {
    try {
      checkSpeculation({ speculation: speculation as SpeculationOptions, ...over });
      return "";
    } catch (error) {
      return error instanceof PunctualError ? (error.param ?? "") : String(error);
    }
  };

  test("what is out of range or does not go together is refused by its name", () => {
    expect(problem({ method: "ngram", tokens: 14, ngram: { minMatch: 2, maxMatch: 4 } })).toBe("");
    expect(problem({ method: "draft", model })).toBe("");
    expect(problem({ method: "eagle" })).toBe("speculation.method");
    expect(problem({ method: "draft" })).toBe("speculation.model");
    expect(problem({ method: "ngram", model })).toBe("speculation.model");
    expect(problem({ method: "auto", tokens: 15 })).toBe("speculation.tokens");
    expect(problem({ method: "auto", tokens: 0 })).toBe("speculation.tokens");
    expect(problem({ method: "ngram", ngram: { minMatch: 5, maxMatch: 4 } })).toBe("speculation.ngram");
    expect(problem({ method: "auto", drafts: "some" })).toBe("speculation.drafts");
    expect(problem({ method: "auto" }, { phases: "semi-pd" })).toBe("speculation");
    expect(problem({ method: "auto" }, { embedding: {} })).toBe("speculation");
    expect(problem({ method: "prediction" }, { embedding: {} })).toBe("");
    expect(problem({ method: "off" }, { phases: "semi-pd" })).toBe("");
  });

  test("a drafting model has the engine's vocabulary, but for a few tokens more", async () => {
    const options = (vocabSize: number): EngineOptions => ({
      model,
      speculation: { method: "draft", model: { random: { ...SPECULATED, vocabSize }, seed: 2 } },
    });
    expect((await checkDraftVocabulary(options(320)))!.config).toEqual(SPECULATED);
    expect((await checkDraftVocabulary(options(330)))!.config).toEqual(SPECULATED);
    await expect(checkDraftVocabulary(options(640))).rejects.toThrow("expected the engine's vocabulary");
    expect(await checkDraftVocabulary({ model, speculation: { method: "ngram" } })).toBeUndefined();
  });

  test("its weights and cache count in the estimate of memory", () => {
    const options: EngineOptions = { model, kvPages: 10, pageTokens: 16 };
    const [alone, both] = [estimateMemory(options, SPECULATED), estimateMemory(options, SPECULATED, SPECULATED)];
    expect(both.kvBytes).toBe(2 * alone.kvBytes);
    expect(both.kvBytes).toBe(2 * 160 * kvBytesPerToken(SPECULATED, "f32"));
    expect(both.totalBytes).toBe(alone.totalBytes + alone.kvBytes + alone.weightBytes);
  });
});

test("counts of drafts add up by source and place", () => {
  const sums = addDraftCounts([
    { source: "ngram", drafts: 1, draftTokens: 3, acceptedTokens: 1, perPosition: [1, 0, 0] },
    { source: "model", drafts: 1, draftTokens: 1, acceptedTokens: 1, perPosition: [1] },
    { source: "ngram", drafts: 2, draftTokens: 2, acceptedTokens: 1, perPosition: [1] },
  ]);
  expect(sums).toEqual([
    { source: "ngram", drafts: 3, draftTokens: 5, acceptedTokens: 2, perPosition: [2, 0, 0] },
    { source: "model", drafts: 1, draftTokens: 1, acceptedTokens: 1, perPosition: [1] },
  ]);
});
