/** The budget follows from what steps cost, here by a clock that a scripted executor moves. */
import { expect, test } from "vitest";
import { FakeClock } from "../core/index.ts";
import { KvPages } from "../llm/index.ts";
import { StepCost } from "../sched/index.ts";
import { calibrate, type CalibrationPlan } from "./calibrate.ts";
import type { Calibration } from "./types.ts";

type RowOfStep = { readonly tokens: readonly number[]; readonly startPosition: number; readonly pages: Int32Array };

const PAGE_TOKENS = 16;

async function calibrated(
  stepMs: (prompt: number, decodes: number) => number,
  settings: Partial<CalibrationPlan> = {},
  count = 160,
): Promise<Calibration & { readonly batches: readonly (readonly RowOfStep[])[] }> {
  const clock = new FakeClock();
  const pages = new KvPages({ pages: count, pageTokens: PAGE_TOKENS });
  const batches: (readonly RowOfStep[])[] = [];
  const step = (batch: readonly RowOfStep[]): Promise<never[]> => {
    batches.push(batch);
    const decodes = batch.filter(({ startPosition }) => startPosition > 0).length;
    clock.advance(stepMs(batch.reduce((sum, { tokens }) => sum + tokens.length, 0) - decodes, decodes));
    return Promise.resolve([]);
  };
  const plan = { targetStepMs: 1e6, maxTokens: 1024, minTokens: 1, limitMs: 1e9, vocabSize: 320, decodes: 0 };
  const found = await calibrate({ step } as never, pages, clock, new StepCost(), { ...plan, ...settings });
  expect(pages.usedPages).toBe(0);
  pages.checkIntegrity();
  return { ...found, batches };
}

async function budgetOf(stepMs: (tokens: number) => number, targetStepMs: number): Promise<number> {
  return (await calibrated(stepMs, { targetStepMs })).budgetTokens;
}

test("the largest step within the target, between measured sizes by straight line", async () => {
  expect(await budgetOf((tokens) => tokens, 48)).toBe(48);
  expect(await budgetOf((tokens) => tokens, 5000)).toBe(1024);
});

test("a model slower than the target with one token still computes what comes at hardly more", async () => {
  expect(await budgetOf((tokens) => 80 + tokens, 40)).toBe(82);
});

/** A token of a prompt costs little, a decode much: it has attention and scores of its own. */
const affine = (prompt: number, decodes: number): number => 2 + 0.1 * prompt + 0.5 * decodes;
const rate = (tokens: number, decodes: number): number => tokens / affine(tokens - decodes, decodes);

test("the knee is that of chunks beside decodes, where a step pays off at more tokens than alone", async () => {
  const alone = (await calibrated(affine)).kneeTokens!;
  const beside = (await calibrated(affine, { decodes: 16 })).kneeTokens!;
  expect(alone).toBeGreaterThan(100);
  expect(beside).toBeGreaterThan(1.5 * alone);
  // By definition: nine tenths of the best rate among what was measured, 512 tokens beside 16, and just so.
  const best = rate(16 + 512, 16);
  expect(rate(beside, 16)).toBeGreaterThan(0.88 * best);
  expect(rate(beside - 16, 16)).toBeLessThan(0.9 * best);
});

test("a machine on which small chunks alone are best still has room for prompts beside decodes", async () => {
  // Alone, no larger chunk is any better: the first search would stop at a token.
  const proportional = (prompt: number, decodes: number): number => 0.05 * prompt + 0.4 * decodes;
  expect((await calibrated(proportional)).kneeTokens).toBe(1);
  expect((await calibrated(proportional, { decodes: 16 })).kneeTokens).toBeGreaterThan(100);
});

test("decodes have positions behind a prompt, in pages of their own, and a step holds no more than it may", async () => {
  const { batches } = await calibrated(affine, { decodes: 16, maxTokens: 200 });
  const mixed = batches.filter((rows) => rows.length > 1);
  expect(mixed.length).toBeGreaterThan(0);
  for (const rows of mixed) {
    expect(rows.length).toBe(17);
    expect(rows.reduce((sum, { tokens }) => sum + tokens.length, 0)).toBeLessThanOrEqual(200);
    expect(new Set(rows.flatMap(({ pages }) => [...pages])).size).toBe(
      rows.reduce((sum, { pages }) => sum + pages.length, 0),
    );
    for (const { startPosition, tokens, pages } of rows) {
      expect(pages.length * PAGE_TOKENS).toBeGreaterThanOrEqual(startPosition + tokens.length);
    }
  }
});

test("few pages mean few decodes, and none the knee of a lone chunk", async () => {
  const decodesOf = async (count: number): Promise<number> => {
    const { batches, kneeTokens } = await calibrated(affine, { decodes: 16 }, count);
    expect(kneeTokens).toBeGreaterThan(0);
    return Math.max(...batches.map((rows) => rows.length)) - 1;
  };
  expect(await decodesOf(40)).toBe(6);
  expect(await decodesOf(4)).toBe(0);
});
