import { expect, test } from "vitest";
import { leastAttained } from "./least-attained.ts";
import { policyConformance } from "./policy.conformance.ts";
import { decode, schedulerView, sequence } from "./views.conformance.ts";

policyConformance("least-attained", leastAttained, {
  impatient: () => leastAttained({ quantumTokens: 8, agingMs: 20 }),
});

const limits = { maxRunning: 2, budgetTokens: 64, maxChunk: 64 };

test("who has used fewer quanta goes first, equals in arrival order, whole tasks on one account", () => {
  const waiting = [
    sequence(0, { attainedTokens: 850, task: { id: "long", stage: 4 } }),
    sequence(1, { attainedTokens: 390 }),
    sequence(2, { attainedTokens: 0 }),
    sequence(3, { attainedTokens: 410 }),
  ];
  const wide = { ...limits, maxRunning: 8 };
  expect(leastAttained().plan(schedulerView({ waiting, limits: wide })).admit).toEqual([1, 2, 3, 0]);
});

test("a newcomer takes the slot of who has used a quantum more, not of its equal, nor amid a prompt", () => {
  const running = [decode(0, { attainedTokens: 450 }), decode(1, { attainedTokens: 350 })];
  const newcomer = sequence(2, { arrivalMs: 90 });
  const plan = leastAttained().plan(schedulerView({ running, waiting: [newcomer], limits }));
  expect(plan.preempt).toEqual([0]);
  expect(plan.admit).toEqual([2]);
  const equals = running.map((s) => ({ ...s, attainedTokens: 399 }));
  expect(leastAttained().plan(schedulerView({ running: equals, waiting: [newcomer], limits })).preempt).toEqual([]);
  const long = { ...newcomer, promptTokens: 390, pendingTokens: 390 };
  const slow = { running: [running[0]!, running[1]!], waiting: [long], limits };
  expect(leastAttained().plan(schedulerView(slow)).preempt).toEqual([0]);
  const longer = { ...slow, waiting: [{ ...long, promptTokens: 400, pendingTokens: 400 }] };
  expect(leastAttained().plan(schedulerView(longer)).preempt).toEqual([]);
  const prompts = running.map((s) => ({ ...s, pendingTokens: 5 }));
  expect(leastAttained().plan(schedulerView({ running: prompts, waiting: [newcomer], limits })).preempt).toEqual([]);
});

test("a quantum is worth so much waiting", () => {
  const running = [decode(0, { arrivalMs: 0, attainedTokens: 450 }), decode(1, { arrivalMs: 0 })];
  const plan = (arrivalMs: number) =>
    leastAttained({ agingMs: 50 }).plan(schedulerView({ running, waiting: [sequence(2, { arrivalMs })], limits }));
  expect(plan(49).preempt).toEqual([0]);
  expect(plan(51).preempt).toEqual([]);
});

test("without an account, a request has had its prompt and answer once it has generated", () => {
  const running = [
    decode(0, { promptTokens: 500, computedTokens: 502, pages: 126 }),
    decode(1, { promptTokens: 300, computedTokens: 302, pages: 76 }),
  ];
  const waiting = [sequence(2, { promptTokens: 300, pendingTokens: 300 })];
  const plan = leastAttained().plan(schedulerView({ running, waiting, limits, freePages: 200 }));
  expect(plan.preempt).toEqual([0]);
});

test("few give way in one step", () => {
  const running = Array.from({ length: 8 }, (_, id) => decode(id, { attainedTokens: 900 }));
  const waiting = Array.from({ length: 8 }, (_, i) => sequence(8 + i));
  const plan = leastAttained().plan(
    schedulerView({ running, waiting, limits: { maxRunning: 8, budgetTokens: 512, maxChunk: 64 } }),
  );
  expect(plan.preempt).toEqual([7, 6, 5, 4]);
  expect(plan.admit).toEqual([8, 9, 10, 11]);
});
