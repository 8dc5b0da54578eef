import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, PunctualError } from "../core/index.ts";
import { SseParser } from "../protocol/index.ts";
import type { TraceRequest } from "../workload/index.ts";
import { StreamedAnswer } from "./answer.ts";
import type { BenchReport } from "./bench.ts";
import {
  aiperfRecord,
  bestPoint,
  DetailColumns,
  endpointUrl,
  goodShareOf,
  isSaturated,
  reportTable,
  RunMeasures,
  SampleSink,
  sweep,
  sweepTable,
  vllmResult,
  type Outcome,
  type SaturationSample,
} from "./index.ts";

const request = (id: number, more: Partial<TraceRequest> = {}): TraceRequest => ({
  id,
  arrivalMs: 0,
  promptTokens: 10,
  outputTokens: 4,
  ...more,
});
/** Sent at 100, tokens at 150, 160, 160 + …; ends with the last one. */
const outcome = (more: Partial<Outcome> = {}): Outcome => ({
  request: request(0),
  dueMs: 90,
  sentMs: 100,
  ackMs: 120,
  firstMs: 150,
  endMs: 180,
  promptTokens: 12,
  outputTokens: 4,
  counted: "running usage",
  chunkMs: [150, 160, 180],
  chunkTokens: [1, 2, 1],
  finishReason: "length",
  failure: null,
  cancelled: false,
  slo: null,
  text: "four words of text",
  ...more,
});
const failed = (kind: "status" | "timeout", status: number, message: string): Outcome =>
  outcome({
    failure: { kind, status, message, retryAfterMs: status === 429 ? 2000 : null },
    outputTokens: 0,
    firstMs: null,
  });
const summed = (outcomes: readonly Outcome[], limits = {}): RunMeasures => {
  const measures = new RunMeasures(limits, createRandom(1));
  for (const one of outcomes) measures.add(one);
  return measures;
};
const report = (outcomes: readonly Outcome[], limits = {}, saturated = false): BenchReport => ({
  measures: summed(outcomes, limits),
  run: {
    durationMs: 2000,
    sendingMs: 1000,
    sent: outcomes.length,
    sentOnSchedule: outcomes.length,
    peakConcurrency: 3,
    saturated,
  },
  lag: { eventLoopP99Ms: 1.5, eventLoopMaxMs: 3 },
  planned: outcomes.length,
  offeredPerSecond: 4,
  sentPerSecond: 3.9,
});

describe("measures", () => {
  test("one answer by every definition", () => {
    const { samples, ...measures } = summed([outcome()]);
    expect(samples.ttft.mean).toBe(50);
    expect(samples.e2el.mean).toBe(80);
    expect(samples.tpot.mean).toBe(10); // (80 - 50) / 3
    expect(samples.tpot_first.mean).toBe(20); // 80 / 4
    expect(samples.queue.mean).toBe(10);
    expect([samples.icl.count, samples.icl.min, samples.icl.max]).toEqual([2, 10, 20]);
    // The chunk of two counts as two gaps of five: as many gaps as tokens after the first.
    expect([samples.itl.count, samples.itl.min, samples.itl.mean, samples.itl.max]).toEqual([3, 5, 10, 20]);
    expect(measures).toMatchObject({ completed: 1, promptTokens: 12, outputTokens: 4, shortAnswers: 0 });
  });

  test("an answer of one token has no pace, and meets any limit on it", () => {
    const one = outcome({ outputTokens: 1, chunkMs: [150], chunkTokens: [1], endMs: 150 });
    const measures = summed([one], { tpot: 1 });
    expect(measures.samples.tpot.count).toBe(0);
    expect([measures.good, measures.shortAnswers]).toEqual([1, 1]);
  });

  test("goodput needs every limit", () => {
    expect(summed([outcome()], { ttft: 50, tpot: 10, e2el: 80 })).toMatchObject({ good: 1, goodTokens: 4 });
    for (const limits of [{ ttft: 49 }, { tpot: 9 }, { e2el: 79 }]) expect(summed([outcome()], limits).good).toBe(0);
  });

  test("failures by kind and status, the most frequent first", () => {
    const measures = summed([
      failed("status", 429, "slow down"),
      failed("timeout", 0, "t"),
      failed("status", 429, "again"),
    ]);
    expect(measures.failed).toBe(3);
    expect(measures.failures()).toEqual([
      { kind: "status", status: 429, count: 2, example: "slow down", retryAfterMs: 2000 },
      { kind: "timeout", status: 0, count: 1, example: "t", retryAfterMs: null },
    ]);
    expect(summed([outcome({ cancelled: true })])).toMatchObject({ cancelled: 1, completed: 0, failed: 0 });
  });

  test("the most tokens of a second", () => {
    const late = outcome({ chunkMs: [1100, 1200], chunkTokens: [5, 4] });
    expect(summed([outcome(), late]).peakTokensPerSecond()).toBe(9);
  });

  test("objectives by class, tasks as a whole", () => {
    const latency = { class: "latency", ttftMs: 60, onMiss: "finish" } as const;
    const compound = { class: "compound", deadlineMs: 200, onMiss: "finish" } as const;
    const call = (id: number, task: number, more: Partial<Outcome>) =>
      outcome({
        request: request(id, { slo: compound, task: { id: task, stage: 0, after: [], thinkMs: 0 } }),
        ...more,
      });
    const { slo } = summed([
      outcome({ request: request(0, { slo: latency }) }),
      outcome({ request: request(1, { slo: latency }), firstMs: 170 }),
      outcome({ request: request(2, { slo: latency }), failure: failed("status", 503, "x").failure, outputTokens: 0 }),
      call(3, 7, { sentMs: 100, endMs: 200 }),
      call(4, 7, { sentMs: 220, endMs: 290 }),
      call(5, 8, { sentMs: 100, endMs: 180 }),
      call(6, 8, { sentMs: 200, endMs: 301 }),
      outcome({ slo: { attained: true, ttft_ms: 1, tpot_ms: 1, e2e_ms: 1, slack_ms: 1 } }),
    ]);
    expect(slo.report()).toEqual({
      latency: { count: 3, attained: 1, outputTokens: 8, attainedTokens: 4 },
      compound: { count: 2, attained: 1, outputTokens: 16, attainedTokens: 8 },
    });
    expect([slo.reported, slo.reportedAttained]).toEqual([1, 1]);
  });
});

describe("samples", () => {
  test("quantiles, mean and deviation are those of the list", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 300 }),
        (values) => {
          const sink = new SampleSink(1000, createRandom(1));
          for (const value of values) sink.add(value);
          const sorted = values.toSorted((a, b) => a - b);
          const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
          const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
          expect(sink.quantile(1)).toBe(sorted.at(-1));
          expect(sink.quantile(0)).toBe(sorted[0]);
          expect(sink.mean).toBeCloseTo(mean, 4);
          expect(sink.deviation).toBeCloseTo(deviation, 2);
        },
      ),
      { seed: 2, numRuns: 50 },
    );
  });

  test("beyond the limit a fair choice is kept, the mean is still exact", () => {
    const sink = new SampleSink(2000, createRandom(3));
    for (let i = 0; i < 40_000; i++) sink.add(i);
    expect(sink.isExact).toBe(false);
    expect([sink.count, sink.mean, sink.max]).toEqual([40_000, 19_999.5, 39_999]);
    for (const q of [0.1, 0.5, 0.9]) expect(Math.abs(sink.quantile(q) / 40_000 - q)).toBeLessThan(0.03);
    expect(new SampleSink(5, createRandom(1)).quantile(0.5)).toBe(0);
  });
});

describe("saturation", () => {
  /** A queue of one server at that load, looked at twice a second. */
  const run = (load: number, seconds: number, seed: number): SaturationSample[] => {
    const random = createRandom(seed, "queue");
    const samples: SaturationSample[] = [];
    let [due, ended] = [0, 0];
    for (let i = 0; i < seconds * 2; i++) {
      for (let j = 0; j < 50; j++) {
        if (random.chance(load * 0.4)) due += 1;
        if (due > ended && random.chance(0.4)) ended += 1;
      }
      samples.push({ atMs: i * 500, underWay: due - ended, due, ended });
    }
    return samples;
  };
  const everSaturated = (samples: readonly SaturationSample[]): boolean =>
    samples.some((_, i) => i % 5 === 0 && isSaturated(samples.slice(0, i)));

  test("a load that is carried is never called saturated, an overload soon is", () => {
    for (let seed = 0; seed < 12; seed++) {
      expect(everSaturated(run(0.8, 120, seed)), `seed ${seed}`).toBe(false);
      expect(everSaturated(run(1.5, 40, seed)), `seed ${seed}`).toBe(true);
    }
  });

  test("too little to say", () => {
    expect(isSaturated([])).toBe(false);
    expect(isSaturated(run(3, 4, 1))).toBe(false);
  });
});

describe("sweep", () => {
  const carried = (limit: number) => (rate: number) =>
    Promise.resolve(report([outcome(), rate > limit ? failed("timeout", 0, "t") : outcome()], {}, rate > 2 * limit));

  test("a list ends at saturation", async () => {
    const points = await sweep({
      rates: { kind: "list", rates: [1, 4, 20, 40] },
      goodShare: 0.9,
      hasGoodput: false,
      run: carried(5),
    });
    expect(points.map(({ ratePerSecond, holds }) => [ratePerSecond, holds])).toEqual([
      [1, true],
      [4, true],
      [20, false],
    ]);
    expect(bestPoint(points)!.ratePerSecond).toBe(4);
    expect(sweepTable(points)).toMatch(/20\.00 .*saturated$/m);
  });

  test("a search doubles and then halves the gap", async () => {
    const points = await sweep({
      rates: { kind: "search", fromPerSecond: 1, refinements: 3 },
      goodShare: 0.9,
      hasGoodput: false,
      run: carried(5),
    });
    expect(points.map(({ ratePerSecond }) => ratePerSecond)).toEqual([1, 2, 4, 8, 6, 5, 5.5]);
    expect(bestPoint(points)!.ratePerSecond).toBe(5);
    const none = await sweep({
      rates: { kind: "search", fromPerSecond: 8, refinements: 3 },
      goodShare: 0.9,
      hasGoodput: false,
      run: carried(5),
    });
    expect([none.length, bestPoint(none)]).toEqual([1, null]);
  });

  test("good by limits, by objectives, or by success", () => {
    expect(goodShareOf(report([outcome(), outcome({ firstMs: 170 })], { ttft: 60 }), true)).toBe(0.5);
    const slo = { class: "latency", ttftMs: 60, onMiss: "finish" } as const;
    const asked = (firstMs: number) => outcome({ firstMs, request: request(0, { slo }) });
    expect(goodShareOf(report([asked(150), asked(170), asked(171), asked(172)]), false)).toBe(0.25);
    expect(goodShareOf(report([outcome(), failed("timeout", 0, "t")]), false)).toBe(0.5);
  });
});

describe("results", () => {
  const refused = { ...failed("status", 429, "slow down"), request: request(1) };
  const outcomes = [outcome(), refused, outcome({ request: request(2) })];
  const made = report(outcomes, { ttft: 60 });
  const head = {
    date: "20260101-000000",
    backend: "openai",
    label: null,
    model_id: "m",
    tokenizer_id: null,
    num_prompts: 3,
    request_rate: 4,
    burstiness: 1,
    max_concurrency: null,
  } as const;
  const options = {
    percentileMetrics: ["ttft", "tpot"],
    percentiles: [50, 99.9],
    hasGoodput: true,
    metadata: { tp: "1" },
  } as const;

  test("the fields of vLLM's benchmark, in its units", () => {
    const details = new DetailColumns();
    for (const one of outcomes.toReversed()) details.add(one);
    expect(vllmResult(made, head, options, details)).toMatchObject({
      backend: "openai",
      tp: "1",
      duration: 2,
      completed: 2,
      failed: 1,
      total_input_tokens: 24,
      total_output_tokens: 8,
      request_throughput: 1,
      request_goodput: 1,
      output_throughput: 4,
      total_token_throughput: 16,
      mean_ttft_ms: 50,
      median_ttft_ms: 50,
      std_ttft_ms: 0,
      p50_ttft_ms: 50,
      "p99.9_tpot_ms": 10,
      max_concurrent_requests: 3,
      input_lens: [12, 12, 12],
      output_lens: [4, 0, 4],
      ttfts: [0.05, 0, 0.05],
      errors: ["", "status: slow down", ""],
      generated_texts: ["four words of text", "four words of text", "four words of text"],
    });
    const lean = vllmResult(made, head, { ...options, hasGoodput: false }, null);
    expect(lean).toMatchObject({ request_goodput: null });
    expect(lean).not.toHaveProperty("ttfts");
    expect(lean["punctual"]).toMatchObject({
      offered_rate: 4,
      achieved_rate: 3.9,
      tokens_counted_by: ["running usage"],
      event_loop_lag_p99_ms: 1.5,
      failures: [{ kind: "status", status: 429, count: 1, retry_after_s: 2 }],
    });
  });

  test("a table for people", () => {
    const table = reportTable(made, { ...options, requestRate: 4, maxConcurrency: Infinity });
    for (const line of [
      /^=+ Serving Benchmark Result =+$/m,
      /^Successful requests: +2$/m,
      /^Request goodput \(req\/s\): +1\.00$/m,
      /^P99\.9 TPOT \(ms\): +10\.00$/m,
      /^HTTP 429: +1, retry after up to 2 s: slow down$/m,
      /^Achieved rate \(req\/s\): +3\.90$/m,
      /^Tokens counted by: +running usage$/m,
    ]) {
      expect(table).toMatch(line);
    }
  });

  test("lines of AIPerf's export, nanoseconds to the digit", () => {
    const context = { epochMs: 1_759_813_207_532.25, idPrefix: "bench-" };
    const line = aiperfRecord(outcome(), context);
    expect(line).toContain('"request_start_ns":1759813207632250000,');
    expect(JSON.parse(line)).toMatchObject({
      metadata: {
        session_num: 0,
        x_request_id: "bench-0",
        turn_index: 0,
        benchmark_phase: "profiling",
        was_cancelled: false,
      },
      metrics: {
        input_sequence_length: { value: 12, unit: "tokens" },
        output_sequence_length: { value: 4, unit: "tokens" },
        time_to_first_token: { value: 50, unit: "ms" },
        time_to_second_token: { value: 10, unit: "ms" },
        request_latency: { value: 80, unit: "ms" },
        inter_token_latency: { value: 10, unit: "ms" },
        inter_chunk_latency: { value: [10, 20], unit: "ms" },
        output_token_throughput_per_user: { value: 100, unit: "tokens/sec/user" },
      },
      error: null,
    });
    expect(JSON.parse(aiperfRecord(failed("status", 429, 'say "@end"'), context))).toMatchObject({
      metrics: { error_isl: { value: 10, unit: "tokens" } },
      error: { code: 429, type: "status", message: 'say "@end"' },
    });
    expect(JSON.parse(aiperfRecord(outcome({ cancelled: true }), context))).toMatchObject({
      metadata: { was_cancelled: true },
      error: { code: 499, type: "RequestCancellationError" },
    });
  });
});

describe("event streams", () => {
  const events = (chunks: readonly string[]): { got: [string, string][]; cut: boolean } => {
    const got: [string, string][] = [];
    const parser = new SseParser((data, event) => got.push([data, event]));
    for (const chunk of chunks) parser.push(chunk);
    return { got, cut: parser.end() };
  };
  const text =
    ': hello\n\ndata: {"a":1}\n\nevent: error\r\ndata: one\r\ndata:two\r\n\r\nid: 5\nretry: 1\n\ndata: [DONE]\n\n';

  test("data, names, comments, several lines, either kind of newline; in any chunks", () => {
    const expected = [
      ['{"a":1}', ""],
      ["one\ntwo", "error"],
      ["[DONE]", ""],
    ];
    expect(events([text])).toEqual({ got: expected, cut: false });
    fc.assert(
      fc.property(fc.array(fc.nat(text.length), { maxLength: 20 }), (cuts) => {
        const borders = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const chunks = borders.map((at, i) => text.slice(at, borders[i + 1] ?? text.length));
        expect(events(chunks).got).toEqual(expected);
      }),
      { seed: 3, numRuns: 80 },
    );
  });

  test("a cut event is seen, an endless line refused", () => {
    expect(events(["data: {"]).cut).toBe(true);
    expect(events(["data: x\n"]).cut).toBe(true);
    const parser = new SseParser(() => undefined);
    const piece = "x".repeat(1 << 20);
    expect(() => {
      for (let i = 0; i < 10; i++) parser.push(piece);
    }).toThrow(PunctualError);
  });

  test("whatever a server sends, an answer stays an answer", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.jsonValue().map((value) => JSON.stringify(value)),
            fc.string(),
          ),
          { maxLength: 8 },
        ),
        (datas) => {
          const answer = new StreamedAnswer(true);
          for (const [i, data] of datas.entries()) answer.event(data, "", i);
          expect(answer.outputTokens).toBeGreaterThanOrEqual(0);
          expect(answer.chunkMs).toHaveLength(answer.chunkTokens.length);
        },
      ),
      { seed: 9, numRuns: 300 },
    );
    const strange = [
      '{"choices":[null]}',
      '{"choices":[{"delta":null}]}',
      '{"choices":{},"usage":{"completion_tokens":"3"}}',
      "null",
      "[]",
    ];
    const answer = new StreamedAnswer(false);
    for (const data of strange) answer.event(data, "", 0);
    expect(answer.chunkMs).toEqual([]);
  });
});

test("addresses with and without /v1", () => {
  expect(endpointUrl("http://a:1", "/v1/completions").href).toBe("http://a:1/v1/completions");
  expect(endpointUrl("http://a:1/v1/", "/v1/completions").href).toBe("http://a:1/v1/completions");
  expect(endpointUrl("https://a/x", "/v1/models").href).toBe("https://a/x/v1/models");
  expect(() => endpointUrl("ftp://a", "/")).toThrow("http or https");
  expect(() => endpointUrl("a", "/")).toThrow("http://host:port");
});
