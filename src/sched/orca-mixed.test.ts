import * as fc from "fast-check";
import { expect, test } from "vitest";
import { Drive } from "./drive.conformance.ts";
import { orcaMixed } from "./orca-mixed.ts";
import { policyConformance } from "./policy.conformance.ts";
import { decode, optionsArbitrary, requestsArbitrary, schedulerView, sequence } from "./views.conformance.ts";

policyConformance("orca-mixed", orcaMixed, { firstComeFirstServed: true });

const limits = { maxRunning: 8, budgetTokens: 16, maxChunk: 8, maxStepTokens: 100 };

test("every decode and the whole prompts of those who join, in one step", () => {
  const waiting = [60, 30, 20].map((tokens, i) => sequence(i + 2, { promptTokens: tokens, pendingTokens: tokens }));
  const plan = orcaMixed().plan(schedulerView({ running: [decode(0), decode(1)], waiting, limits }));
  expect(plan.advance).toEqual([
    { id: 0, tokens: 1 },
    { id: 1, tokens: 1 },
    { id: 2, tokens: 60 },
    { id: 3, tokens: 30 },
  ]);
});

test("a prompt longer than a step takes what is there and goes on before the decodes", () => {
  const long = sequence(1, { promptTokens: 250, pendingTokens: 250 });
  const first = orcaMixed().plan(schedulerView({ running: [decode(0)], waiting: [long], limits }));
  expect(first.advance).toEqual([
    { id: 0, tokens: 1 },
    { id: 1, tokens: 99 },
  ]);
  const begun = { ...long, computedTokens: 99, pendingTokens: 151, pages: 25 };
  const second = orcaMixed().plan(schedulerView({ running: [decode(0), begun], limits }));
  expect(second.advance).toEqual([{ id: 1, tokens: 100 }]);
});

test("no prompt that a step can hold beside the decodes is ever cut", () => {
  const scenario = optionsArbitrary.chain((options) => {
    const whole = { ...options, limits: { ...options.limits, maxStepTokens: 200 } };
    return fc.tuple(fc.constant(whole), requestsArbitrary(whole));
  });
  const property = fc.property(scenario, ([options, requests]) => {
    new Drive(orcaMixed(), requests, options).run(20_000, (view, plan) => {
      const pending = new Map([...view.running, ...view.waiting].map((s) => [s.id, s.pendingTokens]));
      for (const { id, tokens } of plan.advance) {
        const cached = plan.admit.includes(id) ? view.cachedTokens(id) : 0;
        expect(tokens).toBeGreaterThanOrEqual(pending.get(id)! - cached); // more are drafts
      }
    });
  });
  fc.assert(property, { seed: 6, numRuns: 60 });
});
