import { expect, test } from "vitest";
import { policyConformance } from "./policy.conformance.ts";
import { shortestPredicted } from "./shortest-predicted.ts";
import { decode, schedulerView, sequence } from "./views.conformance.ts";

policyConformance("shortest-predicted", shortestPredicted, { impatient: () => shortestPredicted({ agingMs: 4 }) });

test("who is expected to need the fewest tokens goes first, running or not", () => {
  const expecting = (id: number, expectedTokens: number) => sequence(id, { expectedTokens, maxTokens: 100 });
  const running = [
    sequence(0, { computedTokens: 4, pendingTokens: 20, promptTokens: 24, pages: 1, expectedTokens: 60 }),
  ];
  const waiting = [expecting(1, 40), expecting(2, 10), sequence(3, { maxTokens: 100 }), expecting(4, 10)];
  const limits = { maxRunning: 8, budgetTokens: 35, maxChunk: 35 };
  const plan = shortestPredicted().plan(schedulerView({ running, waiting, limits }));
  expect(plan.advance).toEqual([
    { id: 2, tokens: 10 },
    { id: 4, tokens: 10 },
    { id: 1, tokens: 10 },
    { id: 0, tokens: 5 },
  ]);
});

test("a token more is worth so much waiting", () => {
  const waiting = [
    sequence(0, { arrivalMs: 0, expectedTokens: 15 }),
    sequence(1, { arrivalMs: 49, expectedTokens: 10 }),
    sequence(2, { arrivalMs: 51, expectedTokens: 10 }),
  ];
  const limits = { maxRunning: 8, budgetTokens: 64, maxChunk: 64 };
  expect(shortestPredicted({ agingMs: 10 }).plan(schedulerView({ waiting, limits })).admit).toEqual([1, 0, 2]);
});

test("who is almost done keeps its pages", () => {
  const running = [
    decode(0, { pages: 3, expectedTokens: 40 }),
    decode(1, { pages: 3, expectedTokens: 5 }),
    decode(2, { pages: 3, expectedTokens: 9 }),
  ];
  expect(shortestPredicted().plan(schedulerView({ running, freePages: 0 })).preempt).toEqual([0]);
});
