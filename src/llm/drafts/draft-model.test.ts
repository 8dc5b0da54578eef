import { afterAll, beforeAll, expect, test } from "vitest";
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom, FakeClock } from "../../core/index.ts";
import { StepExecutor } from "../executor.ts";
import { KvPages } from "../kv-pages.ts";
import type { DecoderConfig } from "../config.ts";
import { randomWeights } from "../weights.ts";
import { DraftModel } from "./draft-model.ts";
import type { DraftSubject } from "./types.ts";

const config: DecoderConfig = { ...TINY, maxPositions: 128 };
const PAGES = 12;
const PAGE_TOKENS = 8;
let executor: StepExecutor;
/** The same model with a cache of its own. */
let twin: StepExecutor;

const create = (): Promise<StepExecutor> =>
  StepExecutor.create({
    config,
    weights: randomWeights(config, 5),
    weightsFormat: "f32",
    threads: 1,
    kv: { format: "f32", pages: PAGES, pageTokens: PAGE_TOKENS },
    attention: { ortRowThreshold: Infinity },
  });

beforeAll(async () => {
  executor = await create();
  twin = await create();
});
afterAll(async () => {
  await executor.dispose();
  await twin.dispose();
});

function createDrafter(over: { catchUpTokens?: number; vocabSize?: number; endTokens?: number[] } = {}): {
  drafter: DraftModel;
  pages: KvPages;
  passes: number[];
} {
  const pages = new KvPages({ pages: PAGES, pageTokens: PAGE_TOKENS });
  const passes: number[] = [];
  const drafter = new DraftModel({
    executor,
    pages,
    vocabSize: config.vocabSize,
    endTokens: [],
    catchUpTokens: 64,
    clock: new FakeClock(),
    observe: (tokens) => passes.push(tokens),
    ...over,
  });
  return { drafter, pages, passes };
}

const subjectOf = (id: number, tokens: readonly number[]): DraftSubject => ({
  id,
  tokens: Int32Array.from(tokens),
  promptTokens: 5,
});
const text = (seed: number, length: number): number[] => {
  const random = createRandom(seed, "text");
  return Array.from({ length }, () => random.int(30, 300));
};

/** The likeliest continuation, computed from the beginning for every token. */
async function naive(tokens: readonly number[], count: number): Promise<number[]> {
  const known = [...tokens];
  for (let i = 0; i < count; i++) {
    const pages = Int32Array.from({ length: PAGES }, (_, page) => page);
    const { scores } = await twin.step([{ tokens: known, startPosition: 0, pages, wantLogits: "last" }]);
    const [own] = scores[0]!;
    known.push((own as { ids: Int32Array }).ids[0]!);
  }
  return known.slice(tokens.length);
}

test("drafts the model's likeliest continuation, whatever of its drafts was taken before", async () => {
  const random = createRandom(3, "accept");
  const { drafter, pages } = createDrafter();
  const texts = [text(1, 5), text(2, 13), text(3, 8)];
  for (let round = 0; round < 8; round++) {
    const requests = texts.map((tokens, id) => ({ subject: subjectOf(id, tokens), most: 1 + ((round + id) % 4) }));
    const drafts = await drafter.draft(requests);
    drafter.checkIntegrity();
    for (const [id, { tokens, proposals }] of drafts.entries()) {
      expect(proposals).toBeNull();
      const saved = texts[id]!;
      expect(tokens).toEqual(await naive(saved, requests[id]!.most));
      const taken = random.int(0, tokens.length);
      saved.push(...tokens.slice(0, taken), random.int(30, 300));
    }
  }
  for (const id of texts.keys()) drafter.release(id);
  drafter.checkIntegrity();
  expect(pages.usedPages).toBe(0);
});

test("a text that it is far behind with is caught up on before it drafts", async () => {
  const { drafter, passes } = createDrafter({ catchUpTokens: 10 });
  const tokens = text(4, 25);
  const request = { subject: subjectOf(0, tokens), most: 2 };
  expect((await drafter.draft([request]))[0]!.tokens).toEqual([]);
  expect((await drafter.draft([request]))[0]!.tokens).toEqual([]);
  expect((await drafter.draft([request]))[0]!.tokens).toEqual(await naive(tokens, 2));
  expect(passes).toEqual([10, 10, 5, 1]);
  drafter.release(0);
  // What it has computed is cached: full pages, but for the last token.
  expect((await drafter.draft([{ ...request, subject: subjectOf(7, tokens) }]))[0]!.tokens).toHaveLength(2);
  expect(passes.slice(4)).toEqual([1, 1]);
  drafter.checkIntegrity();
});

test("nothing is drafted beyond its positions, pages and vocabulary, or behind an end", async () => {
  const { drafter } = createDrafter();
  expect(drafter.available(subjectOf(0, text(5, 30)), 4)).toBe(4);
  expect(drafter.available(subjectOf(0, text(5, PAGES * PAGE_TOKENS - 1)), 4)).toBe(2);
  expect(drafter.available(subjectOf(0, [1, 2, 400]), 4)).toBe(0);
  const tokens = text(6, 9);
  const [first] = await naive(tokens, 1);
  const draft = async (over: Parameters<typeof createDrafter>[0]): Promise<readonly number[]> =>
    (await createDrafter(over).drafter.draft([{ subject: subjectOf(0, tokens), most: 4 }]))[0]!.tokens;
  expect(await draft({ endTokens: [first!] })).toEqual([first]);
  expect(await draft({ vocabSize: first! })).toEqual([]);
  const full = createDrafter();
  const hog = full.pages.open();
  hog.reserve((PAGES - 2) * PAGE_TOKENS);
  const short = await full.drafter.draft([{ subject: subjectOf(0, text(7, 15)), most: 4 }]);
  expect(short[0]!.tokens).toHaveLength(2); // 16 tokens have pages, and the last drafted one needs none
  expect((await full.drafter.draft([{ subject: subjectOf(1, tokens), most: 4 }]))[0]!.tokens).toEqual([]);
});

test("drawn drafts say what they were drawn from, and follow it", async () => {
  const { drafter } = createDrafter();
  const tokens = text(8, 7);
  const counts = new Map<number, number>();
  const random = createRandom(9, "draw");
  const rounds = 200;
  let likeliest = 0;
  let expected = 0;
  for (let i = 0; i < rounds; i++) {
    const [draft] = await drafter.draft([
      { subject: subjectOf(0, tokens), most: 1, draw: { temperature: 0.5, random: () => random } },
    ]);
    const { ids, probabilities } = draft!.proposals![0]!;
    expect(draft!.proposals).toHaveLength(1);
    likeliest = ids[0]!;
    expected = probabilities[0]!;
    expect(Array.from(probabilities).reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 9);
    counts.set(draft!.tokens[0]!, (counts.get(draft!.tokens[0]!) ?? 0) + 1);
  }
  const share = (counts.get(likeliest) ?? 0) / rounds;
  expect(Math.abs(share - expected)).toBeLessThan(4 * Math.sqrt((expected * (1 - expected)) / rounds) + 0.01);
});
