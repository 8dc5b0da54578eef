import { expect, test } from "vitest";
import { fifo } from "./fifo.ts";
import { Drive } from "./drive.conformance.ts";
import { policyConformance } from "./policy.conformance.ts";
import type { SequenceView, Slo } from "./types.ts";
import { decode, schedulerView as view, sequence } from "./views.conformance.ts";

policyConformance("fifo", fifo, { firstComeFirstServed: true });

const BEST: Slo = { class: "best-effort", onMiss: "finish" };

test("decodes go before prompts, prompts share what is left of the budget in chunks", () => {
  const plan = fifo().plan(
    view({
      running: [sequence(0, { pendingTokens: 40, promptTokens: 40 }), decode(1)],
      waiting: [sequence(2), sequence(3)],
    }),
  );
  expect(plan.advance).toEqual([
    { id: 1, tokens: 1 },
    { id: 0, tokens: 8 },
    { id: 2, tokens: 7 },
  ]);
  expect(plan.admit).toEqual([2]);
});

test("cached tokens are not computed, and their pages count only when nobody holds them", () => {
  const waiting = [sequence(0, { promptTokens: 40, pendingTokens: 40 })];
  const cached = { waiting, freePages: 2, cachedTokens: () => 32 };
  expect(fifo().plan(view({ ...cached, cachedFreePages: () => 8 })).admit).toEqual([]);
  const plan = fifo().plan(view({ ...cached, cachedFreePages: () => 0 }));
  expect(plan.admit).toEqual([0]);
  expect(plan.advance).toEqual([{ id: 0, tokens: 8 }]);
});

test("the youngest gives its pages to the oldest when they run out", () => {
  const plan = fifo().plan(
    view({ running: [decode(0, { pages: 3 }), decode(1, { pages: 3 }), decode(2, { pages: 3 })], freePages: 0 }),
  );
  // 0 takes a page of 2, 1 another one.
  expect(plan.preempt).toEqual([2]);
  expect(plan.advance.map((a) => a.id)).toEqual([0, 1]);
});

test("a queued request past its deadline expires, whatever was to happen on a miss", () => {
  const late = (id: number, onMiss: Slo["onMiss"]): SequenceView =>
    sequence(id, { slo: { class: "deadline", deadlineMs: 50, onMiss } });
  const plan = fifo().plan(view({ waiting: [late(0, "finish"), late(1, "cut"), late(2, "reject"), sequence(3)] }));
  expect(plan.expire).toEqual([0, 1, 2]);
  expect(plan.admit).toEqual([3]);
});

test("cut ends before the token that would come too late; finish goes on", () => {
  const slo = (onMiss: Slo["onMiss"]): Slo => ({ class: "deadline", deadlineMs: 103, onMiss });
  const running = [decode(0, { slo: slo("cut") }), decode(1, { slo: slo("finish") })];
  const early = fifo().plan(view({ running, cost: { stepMs: () => 2 } }));
  expect(early.cut).toEqual([]);
  const plan = fifo().plan(view({ running, cost: { stepMs: () => 4 } }));
  expect(plan.cut).toEqual([0]);
  expect(plan.advance).toEqual([{ id: 1, tokens: 1 }]);
});

test("reject refuses what the estimate says cannot be met, counting those ahead", () => {
  const slo: Slo = { class: "latency", ttftMs: 150, onMiss: "reject" };
  const cost = { stepMs: (tokens: number) => tokens };
  const ahead = Array.from({ length: 6 }, (_, i) => sequence(i));
  expect(fifo().plan(view({ waiting: [sequence(9, { slo })], cost })).reject).toEqual([]);
  const [refused] = fifo().plan(view({ waiting: [...ahead, sequence(9, { slo })], cost })).reject;
  expect(refused?.id).toBe(9);
  expect(refused?.reason).toContain("first token expected");
  expect(refused?.retryAfterMs).toBeGreaterThan(0);
});

test("pages for one sequence: eight requests still finish, one after the other", () => {
  const request = { arrivalMs: 0, promptTokens: 30, outputTokens: 10, slo: BEST, group: 0, sharedPages: 0 };
  const driven = new Drive(
    fifo(),
    Array.from({ length: 8 }, () => request),
    {
      totalPages: 10,
      pageTokens: 4,
      limits: { maxRunning: 8, budgetTokens: 16, maxChunk: 16 },
      stepMs: () => 1,
    },
  ).run(1000);
  expect(driven.ends).toEqual(Array.from({ length: 8 }, () => "done"));
});

test("while nothing decodes a prompt gets larger chunks, unless somebody set smaller ones", () => {
  const limits = { maxRunning: 8, budgetTokens: 16, maxChunk: 16, promptStepTokens: 64 };
  const prompt = sequence(0, { pendingTokens: 200, promptTokens: 200 });
  const tokensOf = (running: readonly SequenceView[], maxChunk = 16): number | undefined =>
    fifo()
      .plan(view({ running, limits: { ...limits, maxChunk } }))
      .advance.find(({ id }) => id === 0)?.tokens;
  expect(tokensOf([prompt])).toBe(64);
  expect(tokensOf([prompt, decode(1)])).toBe(15);
  expect(tokensOf([prompt], 8)).toBe(8);
});
