/** How prompts are cut, and which policy cuts them, changes no bit of what is said: over random chunkings, page edges included. */
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { TINY } from "../../test/support/tiny.ts";
import { createRandom, FakeClock } from "../core/index.ts";
import { KvPages, randomWeights, StepExecutor, type DecoderConfig, type StepBatch } from "../llm/index.ts";
import { BEST_EFFORT, composeStep, createPolicy, POLICY_NAMES, type BatchPolicy, type Slo } from "../sched/index.ts";
import { loadFacts } from "./load-model.ts";
import type { SequenceSpec } from "./messages.ts";
import { StepLoop } from "./step-loop.ts";
import { createVocabulary, type Vocabulary } from "./text-assembler.ts";

const config: DecoderConfig = { ...TINY, maxPositions: 256 };
const PAGES = 16;
const PAGE_TOKENS = 8;
const MAX_STEP_TOKENS = 128;

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

const SLOS: readonly Slo[] = [
  BEST_EFFORT,
  { class: "latency", ttftMs: 15, tpotMs: 3, onMiss: "finish" },
  { class: "deadline", deadlineMs: 10_000, onMiss: "finish" },
];

const REQUESTS: readonly SequenceSpec[] = [5, 16, 17, 40, 71].map((length, seq) => {
  const random = createRandom(seq, "prompt");
  return {
    seq,
    arrivalMs: 1000 + seq,
    promptTokens: Array.from({ length }, (_, i) => (seq > 2 && i < 16 ? 50 + i : random.int(30, 300))),
    maxTokens: 6 + seq,
    minTokens: 0,
    sampling: { temperature: 0 },
    stop: [],
    slo: SLOS[seq % SLOS.length]!,
    thinkingBudget: null,
    ignoreEos: true,
  };
});

/** Cuts prompts anew in every step, as the seed says. */
function randomChunks(seed: number): BatchPolicy {
  const random = createRandom(seed, "chunks");
  return {
    name: "random-chunks",
    plan: (view) =>
      composeStep(view, {
        rank: (sequence) => (sequence.order * 7 + seed) % 5,
        budgetTokens: random.int(4, 32),
        maxChunk: random.int(1, 24),
        mix: "decodes-first",
        oneLine: seed % 2 === 0,
      }),
  };
}

interface Setup {
  readonly policy: BatchPolicy;
  readonly maxChunk: number;
  readonly extraTokens: number;
  readonly prefixCache: boolean;
}

async function say(requests: readonly SequenceSpec[], setup: Setup): Promise<Map<number, number[]>> {
  const { policy, maxChunk, extraTokens, prefixCache } = setup;
  const clock = new FakeClock(1000);
  const loop = new StepLoop({
    executor: {
      topK: executor.topK,
      wholeRow: (sequence, index) => executor.wholeRow(sequence, index),
      step: async (batch: StepBatch) => {
        clock.advance(1 + 0.1 * batch.reduce((sum, row) => sum + row.tokens.length, 0));
        return executor.step(batch);
      },
    },
    pages: new KvPages({ pages: PAGES, pageTokens: PAGE_TOKENS }),
    vocabulary,
    policy,
    limits: { maxRunning: 3, budgetTokens: 3 + extraTokens, maxChunk, maxStepTokens: MAX_STEP_TOKENS },
    clock,
    prefixCache,
    recordDecisions: 0,
    checkEachStep: true,
  });
  for (const request of requests) loop.submit(request);
  const said = new Map<number, number[]>(requests.map(({ seq }) => [seq, []]));
  for (let step = 0; loop.hasWork; step++) {
    expect(step).toBeLessThan(3000);
    for (const event of (await loop.step()).events) {
      if (event.kind === "token") said.get(event.seq)!.push(event.token.id);
    }
  }
  return said;
}

test("random chunkings under every policy say what each request says alone and whole", async () => {
  const alone = new Map<number, number[]>();
  const whole: Setup = { policy: createPolicy("prefill-first"), maxChunk: 1, extraTokens: 0, prefixCache: false };
  for (const request of REQUESTS) alone.set(request.seq, (await say([request], whole)).get(request.seq)!);
  expect(new Set(Array.from(alone.values(), String)).size).toBe(REQUESTS.length);
  const policy = fc.oneof(
    fc.constantFrom(...POLICY_NAMES).map((name) => createPolicy(name)),
    fc.integer({ min: 0, max: 1000 }).map(randomChunks),
  );
  const setup = fc.record({
    policy,
    maxChunk: fc.oneof(fc.constantFrom(1, PAGE_TOKENS, PAGE_TOKENS + 1), fc.integer({ min: 1, max: 40 })),
    extraTokens: fc.integer({ min: 0, max: 40 }),
    prefixCache: fc.boolean(),
  });
  const property = fc.asyncProperty(setup, async (one) => {
    expect(await say(REQUESTS, one)).toEqual(alone);
  });
  await fc.assert(property, { seed: 12, numRuns: 16 });
});
