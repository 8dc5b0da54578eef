/** The budget follows from what steps cost, here by a clock that a scripted executor moves. */
import { expect, test } from "vitest";
import { FakeClock } from "../core/index.ts";
import { KvPages } from "../llm/index.ts";
import { StepCost } from "../sched/index.ts";
import { calibrate } from "./calibrate.ts";

async function budgetOf(stepMs: (tokens: number) => number, targetStepMs: number): Promise<number> {
  const clock = new FakeClock();
  const pages = new KvPages({ pages: 128, pageTokens: 16 });
  const step = (batch: readonly { readonly tokens: readonly number[] }[]): Promise<never[]> => {
    clock.advance(stepMs(batch[0]!.tokens.length));
    return Promise.resolve([]);
  };
  const plan = { targetStepMs, maxTokens: 1024, minTokens: 1, limitMs: 1e9, vocabSize: 320 };
  const { budgetTokens } = await calibrate({ step } as never, pages, clock, new StepCost(), plan);
  expect(pages.usedPages).toBe(0);
  return budgetTokens;
}

test("the largest step within the target, between measured sizes by straight line", async () => {
  expect(await budgetOf((tokens) => tokens, 48)).toBe(48);
  expect(await budgetOf((tokens) => tokens, 5000)).toBe(1024);
});

test("a model slower than the target with one token still computes what comes at hardly more", async () => {
  expect(await budgetOf((tokens) => 80 + tokens, 40)).toBe(82);
});
