import * as fc from "fast-check";
import { expect, test } from "vitest";
import { costFromPoints, StepCost } from "./cost.ts";
import { fifo } from "./fifo.ts";
import { recordView, replayDecision, type DecisionLogEntry } from "./log.ts";
import { createPolicy } from "./registry.ts";
import type { SchedulerView, SequenceView } from "./types.ts";

const waiting = (id: number): SequenceView => ({
  id,
  arrivalMs: id,
  promptTokens: 20,
  computedTokens: 0,
  pendingTokens: 20,
  generatedTokens: 0,
  maxTokens: 8,
  firstTokenMs: null,
  slo: { class: "latency", ttftMs: 60, onMiss: "reject" },
  pages: 0,
  order: id,
});

test("a decision survives JSON and is made again from its record", () => {
  const cost = new StepCost();
  cost.observe(1, 5);
  cost.observe(16, 20);
  const view: SchedulerView = {
    nowMs: 50,
    waiting: [waiting(0), waiting(1), waiting(2)],
    running: [],
    freePages: 12,
    pageTokens: 4,
    totalPages: 20,
    limits: { maxRunning: 4, budgetTokens: 16, maxChunk: 16 },
    cachedTokens: (id) => (id === 0 ? 12 : 0),
    cachedFreePages: () => 1,
    cost,
  };
  const recorder = recordView(view, cost.points());
  const plan = fifo().plan(recorder.view);
  expect(plan.advance.length + plan.reject.length).toBeGreaterThan(1);
  const entry: DecisionLogEntry = { step: 0, policy: "fifo", view: recorder.record(), plan, stepMs: 3 };
  const read = JSON.parse(JSON.stringify(entry)) as DecisionLogEntry;
  expect(read).toEqual(entry);
  expect(replayDecision(createPolicy(read.policy), read)).toEqual(plan);
});

test("costs join measured sizes by straight lines and never fall below what was seen", () => {
  const cost = costFromPoints([
    [1, 10],
    [10, 19],
  ]);
  expect([1, 4, 10, 20].map((tokens) => cost.stepMs(tokens))).toEqual([10, 13, 19, 38]);
  expect(costFromPoints([]).stepMs(5)).toBe(0);
});

test("learnt costs stay within what was observed", () => {
  const observation = fc.tuple(fc.integer({ min: 1, max: 512 }), fc.double({ min: 0.1, max: 100, noNaN: true }));
  const property = fc.property(fc.array(observation, { minLength: 1, maxLength: 40 }), (observations) => {
    const cost = new StepCost();
    for (const [tokens, ms] of observations) cost.observe(tokens, ms);
    const times = observations.map(([, ms]) => ms);
    for (const [tokens] of cost.points()) {
      expect(cost.stepMs(tokens)).toBeGreaterThanOrEqual(Math.min(...times) - 1e-9);
      expect(cost.stepMs(tokens)).toBeLessThanOrEqual(Math.max(...times) + 1e-9);
    }
  });
  fc.assert(property, { seed: 7, numRuns: 200 });
});

test("an unknown policy is refused by name", () => {
  expect(() => createPolicy("lifo")).toThrow(/expected one of fifo/);
});
