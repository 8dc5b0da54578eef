import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Drive } from "./drive.conformance.ts";
import { policyConformance } from "./policy.conformance.ts";
import { prefillFirst } from "./prefill-first.ts";
import { decode, optionsArbitrary, requestsArbitrary, schedulerView, sequence } from "./views.conformance.ts";

policyConformance("prefill-first", prefillFirst, { firstComeFirstServed: true, decodesWait: true });

const limits = { maxRunning: 8, budgetTokens: 16, maxChunk: 8, maxStepTokens: 100 };
const waiting = [60, 30, 20].map((tokens, i) => sequence(i + 2, { promptTokens: tokens, pendingTokens: tokens }));

test("whole prompts as many as a step holds, and the decodes stand still", () => {
  const plan = prefillFirst().plan(schedulerView({ running: [decode(0), decode(1)], waiting, limits }));
  expect(plan.admit).toEqual([2, 3]);
  expect(plan.advance).toEqual([
    { id: 2, tokens: 60 },
    { id: 3, tokens: 30 },
  ]);
});

test("decodes when no prompt can be admitted: no slot, or no pages", () => {
  const running = [decode(0), decode(1)];
  const decodes = [
    { id: 0, tokens: 1 },
    { id: 1, tokens: 1 },
  ];
  const full = { ...limits, maxRunning: 2 };
  expect(prefillFirst().plan(schedulerView({ running, waiting, limits: full })).advance).toEqual(decodes);
  // 15 pages for the prompt, one each for the two to grow into.
  expect(prefillFirst().plan(schedulerView({ running, waiting, limits, freePages: 16 })).advance).toEqual(decodes);
  expect(prefillFirst().plan(schedulerView({ running, waiting, limits, freePages: 17 })).admit).toEqual([2]);
});

test("a prompt longer than any step goes on until it is whole", () => {
  const long = sequence(1, { promptTokens: 150, pendingTokens: 150 });
  const first = prefillFirst().plan(schedulerView({ running: [decode(0)], waiting: [long], limits }));
  expect(first.advance).toEqual([{ id: 1, tokens: 100 }]);
  const begun = { ...long, computedTokens: 100, pendingTokens: 50, pages: 25 };
  const second = prefillFirst().plan(schedulerView({ running: [decode(0), begun], limits }));
  expect(second.advance).toEqual([{ id: 1, tokens: 50 }]);
});

test("no prompt that a step can hold is ever cut", () => {
  const scenario = optionsArbitrary.chain((options) => {
    const whole = { ...options, limits: { ...options.limits, maxStepTokens: 200 } };
    return fc.tuple(fc.constant(whole), requestsArbitrary(whole));
  });
  const property = fc.property(scenario, ([options, requests]) => {
    new Drive(prefillFirst(), requests, options, true).run(20_000, (view, plan) => {
      const pending = new Map([...view.running, ...view.waiting].map((s) => [s.id, s.pendingTokens]));
      for (const { id, tokens } of plan.advance) {
        const cached = plan.admit.includes(id) ? view.cachedTokens(id) : 0;
        expect(tokens).toBeGreaterThanOrEqual(pending.get(id)! - cached); // more are drafts
      }
    });
  });
  fc.assert(property, { seed: 5, numRuns: 60 });
});
