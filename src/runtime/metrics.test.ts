import { expect, test } from "vitest";
import type { Slo, SloOutcome } from "../sched/index.ts";
import { sloOutcome } from "../sched/index.ts";
import type { SequenceEnd, SequenceEvent, StepReport } from "./messages.ts";
import { EngineMetrics } from "./metrics.ts";

const slo: Slo = { class: "latency", ttftMs: 100, tpotMs: 10, onMiss: "finish" };

function end(over: Partial<SequenceEnd>, outcome: SloOutcome): SequenceEnd {
  const timing = { arrivalMs: 1000, scheduledMs: 1020, firstTokenMs: 1050, lastTokenMs: 1130, endMs: 1130 };
  return { end: "stop", timing, promptTokens: 7, completionTokens: 5, slo, outcome, goodTokens: 3, ...over };
}

function report(events: SequenceEvent[], tokens = 4): StepReport {
  const gauges = { running: 1, waiting: 0, paused: 0, pagesUsed: 3 };
  return { kind: "step", atMs: 1130, tokens, stepMs: 5, preemptions: 2, gauges, events };
}

function errorEvent(over: Partial<SequenceEnd>): SequenceEvent {
  const error = { code: "cancelled" as const, message: "", param: null, retryAfterMs: null };
  return { kind: "error", seq: 1, error, end: end(over, sloOutcome(slo, 1000, null, 1130, 0, false)) };
}

test("the intervals of a request are vLLM's", () => {
  const metrics = new EngineMetrics();
  const outcome = sloOutcome(slo, 1000, 1050, 1130, 5);
  const finish = { kind: "finish", seq: 0, finish: {}, end: end({}, outcome) } as unknown as SequenceEvent;
  metrics.step(report([{ kind: "admit", seq: 0, queries: 7, hits: 4 }, finish]));
  const histograms = metrics.histograms();
  const sums = (name: keyof typeof histograms): number => Math.round(histograms[name].sum * 1000);
  expect(sums("request_queue_time_seconds")).toBe(20);
  expect(sums("time_to_first_token_seconds")).toBe(50);
  expect(sums("request_prefill_time_seconds")).toBe(30);
  expect(sums("request_decode_time_seconds")).toBe(80);
  expect(sums("request_inference_time_seconds")).toBe(110);
  expect(sums("e2e_request_latency_seconds")).toBe(130);
  expect(sums("request_time_per_output_token_seconds")).toBe(20); // 80 ms over 4 gaps
  expect(histograms.iteration_tokens_total).toMatchObject({ sum: 4, count: 1 });
  expect(metrics.counters()).toMatchObject({
    promptTokens: 7,
    prefixQueries: 7,
    prefixHits: 4,
    preemptions: 2,
    steps: 1,
  });
  expect(metrics.counters().requests.stop).toBe(1);
  // The pace was missed: 20 ms against 10.
  expect(metrics.slo()).toEqual([
    { class: "latency", metric: "ttft", attained: 1, missed: 0 },
    { class: "latency", metric: "tpot", attained: 0, missed: 1 },
    { class: "latency", metric: "all", attained: 0, missed: 1 },
  ]);
  // What came in time counts all the same.
  expect(metrics.counters().goodputTokens).toMatchObject({ latency: 3, deadline: 0 });
});

test("gaps count per token, and a step without tokens is no iteration", () => {
  const metrics = new EngineMetrics();
  const token = (gapMs: number | null) => ({ kind: "token", seq: 0, token: {}, gapMs }) as unknown as SequenceEvent;
  metrics.step(report([token(null), token(10), token(30)], 0));
  expect(metrics.counters()).toMatchObject({ generationTokens: 3, steps: 0 });
  const gaps = metrics.histograms().inter_token_latency_seconds;
  expect(gaps.count).toBe(2);
  expect(gaps.sum).toBeCloseTo(0.04);
});

test("who expired missed the objective; who left counts for neither", () => {
  const metrics = new EngineMetrics();
  const timing = { arrivalMs: 1000, scheduledMs: null, firstTokenMs: null, lastTokenMs: null, endMs: 1130 };
  metrics.step(report([errorEvent({ end: "expired", timing }), errorEvent({ end: "abort", timing })]));
  expect(metrics.counters().requests).toMatchObject({ expired: 1, abort: 1 });
  expect(metrics.slo().find((count) => count.metric === "all")).toMatchObject({ attained: 0, missed: 1 });
  expect(metrics.counters().promptTokens).toBe(0);
});

test("goodput is booked by class, also of who left: tokens in time were delivered in time", () => {
  const metrics = new EngineMetrics();
  const deadline: Slo = { class: "deadline", deadlineMs: 500, onMiss: "finish" };
  metrics.step(
    report([errorEvent({ end: "abort", goodTokens: 2 }), errorEvent({ end: "stop", slo: deadline, goodTokens: 5 })]),
  );
  expect(metrics.counters().goodputTokens).toEqual({ latency: 2, deadline: 5, compound: 0, "best-effort": 0 });
});
