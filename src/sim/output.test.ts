import { expect, test } from "vitest";
import { createRandom, quantile } from "../core/index.ts";
import { ChromeTrace } from "./chrome-trace.ts";
import { chunkShape, decodeShape } from "./cost/calibrate.ts";
import { Latencies } from "./latency.ts";
import type { RequestRecord } from "./report.ts";
import { CSV_HEADER, csvLine } from "./requests-csv.ts";

const record: RequestRecord = {
  id: 3,
  instance: 0,
  class: "latency",
  end: "done",
  arrivalMs: 1.00049,
  scheduledMs: 2,
  firstTokenMs: 5,
  endMs: 9,
  promptTokens: 10,
  cachedTokens: 0,
  outputTokens: 4,
  preemptions: 0,
  attained: true,
};

test("a line of CSV has a cell per column, empty for what was not reached", () => {
  expect(csvLine(record)).toBe("3,0,latency,done,1,2,5,9,10,0,4,0,true\n");
  const turnedAway = csvLine({ ...record, instance: null, scheduledMs: null, firstTokenMs: null, attained: null });
  expect(turnedAway.split(",")).toHaveLength(CSV_HEADER.split(",").length);
});

test("a Chrome trace is JSON with every event in its lane, and says when events are missing", () => {
  const run = (limit: number) => {
    let text = "";
    const trace = new ChromeTrace((piece) => (text += piece), limit);
    trace.step(0, 0, 5, chunkShape(10));
    trace.step(0, 5, 6, decodeShape(2, 10));
    trace.request(record);
    trace.request({ ...record, id: 4, arrivalMs: 3, endMs: 12 });
    trace.request({ ...record, id: 5, instance: null });
    trace.end();
    return JSON.parse(text) as { traceEvents: { name: string; tid: number; ts: number }[]; otherData: object };
  };
  const { traceEvents, otherData } = run(1000);
  expect(traceEvents.map(({ name }) => name)).toEqual([
    "process_name",
    "prefill",
    "decode",
    "request 3",
    "to first token",
    "request 4",
    "to first token",
  ]);
  expect(traceEvents[5]!.tid).not.toBe(traceEvents[3]!.tid);
  expect(otherData).toEqual({ complete: true });
  expect(run(3).otherData).toEqual({ complete: false });
});

test("quantiles are those of the sample within half a percent, the mean is exact", () => {
  const random = createRandom(1, "latencies");
  const sample = Array.from({ length: 20_000 }, () => Math.exp(3 * random.normal()));
  const latencies = new Latencies();
  for (const ms of sample) latencies.observe(ms);
  for (const q of [0.5, 0.9, 0.99]) expect(latencies.quantile(q) / quantile(sample, q)).toBeCloseTo(1, 2);
  expect(latencies.mean).toBeCloseTo(sample.reduce((sum, ms) => sum + ms, 0) / sample.length, 9);
  expect(latencies.summary().max).toBe(Math.max(...sample));
  expect(new Latencies().summary()).toMatchObject({ count: 0, mean: null, p99: null });
});

test("one observation is every quantile", () => {
  const latencies = new Latencies();
  latencies.observe(0);
  expect(latencies.quantile(0.5)).toBe(0);
  const other = new Latencies();
  other.observe(123.4);
  expect(other.summary()).toMatchObject({ mean: 123.4, p50: 123.4, p99: 123.4, max: 123.4 });
});
