import { expect, test } from "vitest";
import { Drive } from "./drive.conformance.ts";
import { dueMs, edf } from "./edf.ts";
import { fifo } from "./fifo.ts";
import { policyConformance } from "./policy.conformance.ts";
import type { BatchPolicy, Slo } from "./types.ts";
import { decode, schedulerView, sequence } from "./views.conformance.ts";

policyConformance("edf", edf, { impatient: () => edf({ agingMs: 150 }) });

const latency = (ttftMs: number, tpotMs = 10): Slo => ({ class: "latency", ttftMs, tpotMs, onMiss: "finish" });
const deadline = (deadlineMs: number): Slo => ({ class: "deadline", deadlineMs, onMiss: "finish" });
const AGING_MS = 1000;

test("due: the first token, then the pace line, the deadline of the answer or of the stage, else ageing", () => {
  const due = (nowMs: number, s: ReturnType<typeof sequence>): number => dueMs(nowMs, s, AGING_MS);
  const arrivalMs = 50;
  expect(due(60, sequence(0, { arrivalMs, slo: latency(200) }))).toBe(250);
  expect(due(250, sequence(0, { arrivalMs, slo: latency(200) }))).toBe(1250); // missed
  const decoding = { arrivalMs, generatedTokens: 3, firstTokenMs: 300 };
  expect(due(400, decode(0, { ...decoding, slo: latency(200) }))).toBe(330); // behind is not missed
  expect(due(400, decode(0, { ...decoding, slo: { ...latency(200), deadlineMs: 260 } }))).toBe(310);
  expect(due(60, sequence(0, { arrivalMs, slo: deadline(400) }))).toBe(450);
  expect(due(460, sequence(0, { arrivalMs, slo: deadline(400) }))).toBe(1450);
  const task = { id: "t", stage: 1, deadlineMs: 120 };
  expect(due(60, sequence(0, { arrivalMs, slo: deadline(400), task }))).toBe(170);
  expect(due(60, sequence(0, { arrivalMs }))).toBe(1050);
});

test("who is due first is admitted first and gets the budget before prompts that have begun", () => {
  const running = [
    decode(0),
    sequence(1, { computedTokens: 8, pendingTokens: 30, promptTokens: 38, pages: 2, slo: deadline(9000) }),
  ];
  const waiting = [sequence(2), sequence(3, { slo: latency(300) }), sequence(4, { slo: latency(200) })];
  const plan = edf().plan(schedulerView({ running, waiting }));
  expect(plan.advance).toEqual([
    { id: 0, tokens: 1 },
    { id: 4, tokens: 8 },
    { id: 3, tokens: 7 },
  ]);
});

test("pages are taken from who is due last", () => {
  const running = [
    decode(0, { pages: 3, slo: deadline(5000) }),
    decode(1, { pages: 3 }),
    decode(2, { pages: 3, slo: latency(50, 40) }),
  ];
  const plan = edf().plan(schedulerView({ running, freePages: 0 }));
  expect(plan.preempt).toEqual([1]);
  expect(plan.advance.map(({ id }) => id)).toEqual([2, 0]);
});

test("an urgent request takes the slot of a running one that has time, in the last quarter of its own", () => {
  const cost = { stepMs: (tokens: number) => 1 + tokens / 4 };
  const limits = { maxRunning: 2, budgetTokens: 16, maxChunk: 16 };
  const waiting = [sequence(2, { slo: latency(200) })];
  const at = (nowMs: number, running = [decode(0), decode(1, { slo: deadline(9000) })]) =>
    edf().plan(schedulerView({ nowMs, running, waiting, limits, cost }));
  expect(at(100).preempt).toEqual([]);
  const plan = at(160);
  expect(plan.preempt).toEqual([0]);
  expect(plan.admit).toEqual([2]);
  expect(plan.advance).toEqual([
    { id: 1, tokens: 1 },
    { id: 2, tokens: 10 },
  ]);
  // Not from those with a pace to keep, nor from those due as soon, nor when it is too late.
  expect(at(160, [decode(0, { slo: latency(50) }), decode(1, { slo: deadline(205) })]).preempt).toEqual([]);
  expect(at(201).preempt).toEqual([]);
});

test("more requests meet their deadlines than in arrival order", () => {
  // Long ones with time, short ones without, at nine tenths of what the engine can do.
  const requests = Array.from({ length: 60 }, (_, i) => ({
    arrivalMs: i * 80,
    promptTokens: i % 3 === 0 ? 240 : 16,
    outputTokens: i % 3 === 0 ? 24 : 4,
    slo: i % 3 === 0 ? deadline(4000) : deadline(60),
    group: 0,
    sharedPages: 0,
  }));
  const options = {
    totalPages: 400,
    pageTokens: 4,
    limits: { maxRunning: 8, budgetTokens: 16, maxChunk: 16 },
    stepMs: (tokens: number) => 1 + tokens * 0.6,
  };
  const inTime = (policy: BatchPolicy): number => {
    const driven = new Drive(policy, requests, options).run(5000);
    return driven.endsMs.filter((endMs, i) => endMs - requests[i]!.arrivalMs <= requests[i]!.slo.deadlineMs!).length;
  };
  expect(inTime(fifo())).toBeLessThan(50);
  expect(inTime(edf())).toBe(60);
});
