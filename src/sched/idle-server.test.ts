/** Early refusal on a server with nothing to do: what it could do in time it does, and wrong estimates do not last. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StepCost } from "./cost.ts";
import { Drive, type DrivenRequest } from "./drive.conformance.ts";
import { MeanOutlook } from "./outlook.ts";
import { createPolicy, POLICY_NAMES } from "./registry.ts";
import type { SchedulerLimits, SchedulerView, Slo } from "./types.ts";

const limits: SchedulerLimits = { maxRunning: 8, budgetTokens: 64, maxChunk: 64, maxStepTokens: 512, kneeTokens: 32 };

const requests = fc.record({
  promptTokens: fc.integer({ min: 1, max: 400 }),
  outputTokens: fc.integer({ min: 1, max: 60 }),
  /** What the outlook says: the truth, or nothing yet. */
  known: fc.boolean(),
  target: fc.constantFrom("ttft", "deadline", "both"),
  baseMs: fc.integer({ min: 1, max: 20 }),
  tokenMs: fc.double({ min: 0.01, max: 2, noNaN: true }),
});

describe.each(POLICY_NAMES)("%s", (name) => {
  test("an idle server never refuses whom it could serve in time, by its own costs", () => {
    fc.assert(
      fc.property(requests, ({ promptTokens, outputTokens, known, target, baseMs, tokenMs }) => {
        const options = {
          totalPages: 64,
          pageTokens: 16,
          limits,
          stepMs: (tokens: number) => baseMs + tokenMs * tokens,
        };
        const alone = (slo: Slo, arrivalMs = 0): DrivenRequest => ({
          arrivalMs,
          promptTokens,
          outputTokens,
          slo,
          ...(known ? { expectedTokens: outputTokens, upperTokens: outputTokens } : {}),
          group: 0,
          sharedPages: 0,
        });
        let firstMs = 0;
        const served = new Drive(createPolicy(name), [alone({ class: "best-effort", onMiss: "finish" })], options).run(
          2000,
          (view) => {
            if (firstMs === 0) firstMs = view.running[0]?.firstTokenMs ?? 0;
          },
        );
        const endMs = served.endsMs[0]!;
        const within = (ms: number): number => ms * (1 + 1e-9);
        const slo: Slo = {
          class: target === "ttft" ? "latency" : "deadline",
          ...(target === "deadline" ? {} : { ttftMs: within(firstMs || endMs) }),
          ...(target === "ttft" ? {} : { deadlineMs: within(endMs) }),
          onMiss: "reject",
        };
        // One after the other, each to an idle server.
        const many = Array.from({ length: 3 }, (_, i) => alone(slo, i * (endMs + 1)));
        expect(new Drive(createPolicy(name), many, options).run(6000).ends).toEqual(["done", "done", "done"]);
      }),
      { seed: 16, numRuns: 60 },
    );
  });
});

/** Requests one at a time to an idle server that learns costs and lengths; answers how many were refused. */
function refusals(cost: StepCost, trueMs: (tokens: number) => number, slo: Slo, count: number): number {
  const outlook = new MeanOutlook();
  const policy = createPolicy("fifo");
  const [promptTokens, outputTokens, maxTokens] = [40, 10, 4096];
  let refused = 0;
  for (let id = 0; id < count; id++) {
    outlook.arrived({ id, arrivalMs: 0, prompt: new Uint8Array(promptTokens), maxTokens, slo });
    const waiting = { id, arrivalMs: 0, promptTokens, computedTokens: 0, generatedTokens: 0, maxTokens, slo, pages: 0 };
    const view: SchedulerView = {
      nowMs: 0,
      waiting: [{ ...waiting, pendingTokens: promptTokens, firstTokenMs: null, order: id, ...outlook.of(id, 0) }],
      running: [],
      freePages: 1000,
      pageTokens: 16,
      totalPages: 1000,
      limits,
      cachedTokens: () => 0,
      cost,
    };
    if (policy.plan(view).reject.length > 0) {
      refused += 1;
      outlook.ended(id, 0, false);
      continue;
    }
    cost.observe(promptTokens, trueMs(promptTokens));
    for (let i = 1; i < outputTokens; i++) cost.observe(1, trueMs(1));
    outlook.ended(id, outputTokens, true);
  }
  return refused;
}

describe("estimates that begin too high", () => {
  const trueMs = (tokens: number): number => 5 + tokens / 10;
  const slo: Slo = { class: "deadline", deadlineMs: 100, onMiss: "reject" };

  test("a server that has seen no answer yet does not take them all for the longest", () => {
    const cost = new StepCost();
    for (const tokens of [1, 8, 64]) cost.observe(tokens, trueMs(tokens));
    expect(refusals(cost, trueMs, slo, 50)).toBe(0);
  });

  test("costs that were measured in a bad moment are found wrong", () => {
    const cost = new StepCost();
    // Six times what steps really take: 56 ms for the answer become 330.
    for (const tokens of [1, 8, 64]) cost.observe(tokens, 6 * trueMs(tokens));
    const early = refusals(cost, trueMs, slo, 320);
    expect(early).toBeLessThan(160);
    expect(refusals(cost, trueMs, slo, 320)).toBe(0);
  });

  test("what cannot be met by far is refused whoever asks", () => {
    const cost = new StepCost();
    for (const tokens of [1, 8, 64]) cost.observe(tokens, trueMs(tokens));
    expect(refusals(cost, trueMs, { class: "latency", ttftMs: 1, onMiss: "reject" }, 64)).toBe(64);
  });
});
