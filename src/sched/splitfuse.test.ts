import * as fc from "fast-check";
import { expect, test } from "vitest";
import { kneeTokens } from "./cost.ts";
import { Drive, type DrivenRequest } from "./drive.conformance.ts";
import { policyConformance } from "./policy.conformance.ts";
import { splitfuse, splitfuseTokens } from "./splitfuse.ts";
import type { SequenceView, Slo } from "./types.ts";
import { decode, optionsArbitrary, requestsArbitrary, schedulerView, sequence } from "./views.conformance.ts";

policyConformance("splitfuse", splitfuse, { firstComeFirstServed: true });

const BEST: Slo = { class: "best-effort", onMiss: "finish" };
const limits = { maxRunning: 8, budgetTokens: 64, maxChunk: 64, kneeTokens: 32 };
const prompt = (id: number, tokens: number): SequenceView =>
  sequence(id, { promptTokens: tokens, pendingTokens: tokens });
const paced = (id: number, tpotMs: number): SequenceView =>
  decode(id, { slo: { class: "latency", tpotMs, onMiss: "finish" } });

test("short prompts are put together and cut to fill the step to the knee, beside all decodes", () => {
  const waiting = [prompt(2, 12), prompt(3, 10), prompt(4, 30)];
  const plan = splitfuse().plan(schedulerView({ running: [decode(0), decode(1)], waiting, limits }));
  expect(plan.advance).toEqual([
    { id: 0, tokens: 1 },
    { id: 1, tokens: 1 },
    { id: 2, tokens: 12 },
    { id: 3, tokens: 10 },
    { id: 4, tokens: 8 },
  ]);
});

test("the step is the largest that keeps the tightest pace among those that decode", () => {
  const cost = { stepMs: (tokens: number) => 2 + tokens };
  const tokens = (running: SequenceView[], full?: number): number =>
    splitfuseTokens(schedulerView({ running, limits, cost }), full);
  expect(tokens([decode(0)])).toBe(32);
  expect(tokens([decode(0)], 50)).toBe(50);
  expect(tokens([decode(0)], 500)).toBe(64);
  expect(tokens([paced(0, 40), paced(1, 22)])).toBe(20);
  expect(tokens([paced(0, 2.5)])).toBe(3); // a pace that cannot be kept leaves prompts a sixteenth
  expect(tokens([{ ...prompt(0, 30), slo: { class: "latency", tpotMs: 5, onMiss: "finish" } }])).toBe(32);
  const many = Array.from({ length: 40 }, (_, id) => decode(id));
  expect(tokens(many)).toBe(42);
  expect(splitfuseTokens(schedulerView({ running: [paced(0, 1)], limits }))).toBe(32); // nothing known of costs
  expect(splitfuseTokens(schedulerView({ limits: { maxRunning: 8, budgetTokens: 16, maxChunk: 8 } }))).toBe(16);
});

test("the knee is the smallest step close to the best throughput", () => {
  // tokens / (10 + tokens) reaches nine tenths of its value at 512 (0.981) at 76.
  expect(kneeTokens({ stepMs: (tokens) => 10 + tokens }, 512)).toBe(76);
  expect(kneeTokens({ stepMs: () => 10 }, 512)).toBe(461);
  expect(kneeTokens({ stepMs: (tokens) => tokens }, 512)).toBe(1);
  expect(kneeTokens({ stepMs: () => 0 }, 512)).toBeNull();
});

test("no step is above T, prompts go on in order, and those behind wait until those before have what they want", () => {
  const scenario = optionsArbitrary.chain((options) => fc.tuple(fc.constant(options), requestsArbitrary(options)));
  const property = fc.property(scenario, ([options, requests]) => {
    new Drive(splitfuse(), requests, options).run(20_000, (view, plan) => {
      const total = plan.advance.reduce((sum, { tokens }) => sum + tokens, 0);
      expect(total).toBeLessThanOrEqual(splitfuseTokens(view));
      const advanced = new Map(plan.advance.map(({ id, tokens }) => [id, tokens]));
      const begun = view.running.filter((s) => s.pendingTokens > 1 && !plan.preempt.includes(s.id));
      const starved = begun.find((s) => !advanced.has(s.id) && !plan.cut.includes(s.id));
      if (starved === undefined) return;
      // A half-computed prompt without a share: the step is full, or pages are short; then nobody passes it.
      expect(plan.admit).toEqual([]);
      for (const later of begun) if (later.order > starved.order) expect(advanced.has(later.id)).toBe(false);
    });
  });
  fc.assert(property, { seed: 8, numRuns: 60 });
});

test("two prompts that fill the cache only together do not block each other half-way", () => {
  const request: DrivenRequest = {
    arrivalMs: 0,
    promptTokens: 60,
    outputTokens: 8,
    slo: BEST,
    group: 0,
    sharedPages: 0,
  };
  const driven = new Drive(splitfuse(), [request, request, request], {
    totalPages: 25,
    pageTokens: 4,
    limits: { maxRunning: 4, budgetTokens: 16, maxChunk: 16 },
    stepMs: () => 1,
  });
  let most = 0;
  const { ends, preemptions } = driven.run(500, (view) => {
    most = Math.max(most, view.running.filter((s) => s.pendingTokens > 1).length);
  });
  expect(ends).toEqual(["done", "done", "done"]);
  expect(most).toBe(1);
  expect(preemptions).toBe(0);
});

test("steps of a busy engine are of one size", () => {
  const requests = Array.from({ length: 40 }, (_, i) => ({
    arrivalMs: 0,
    promptTokens: 30 + ((i * 37) % 90),
    outputTokens: 5 + (i % 11),
    slo: BEST,
    group: 0,
    sharedPages: 0,
  }));
  const sizes: number[] = [];
  new Drive(splitfuse(), requests, {
    totalPages: 400,
    pageTokens: 4,
    limits: { maxRunning: 8, budgetTokens: 64, maxChunk: 64, kneeTokens: 24 },
    stepMs: (tokens) => 1 + tokens,
  }).run(2000, (view, plan) => {
    const someoneMayJoin = view.waiting.length > 0 && view.running.length < view.limits.maxRunning;
    if (someoneMayJoin) sizes.push(plan.advance.reduce((sum, { tokens }) => sum + tokens, 0));
  });
  expect(sizes.length).toBeGreaterThan(50);
  expect(new Set(sizes)).toEqual(new Set([24]));
});
