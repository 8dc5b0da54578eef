import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import {
  createDispatch,
  createPolicy,
  DISPATCH_NAMES,
  leastQueue,
  POLICY_NAMES,
  roundRobin,
  type Slo,
} from "../sched/index.ts";
import type { TraceRequest, TraceStream } from "../workload/index.ts";
import type { InstanceSpec } from "./fleet.ts";
import type { RequestRecord } from "./report.ts";
import { Simulation, type SimulationOptions } from "./simulation.ts";
import type { CostModel, Deployment } from "./types.ts";

const linear: CostModel = { name: "linear", stepMs: ({ tokens }) => 5 + 0.1 * tokens };

const deployment = (kvTokens: number, cost: CostModel = linear): Deployment => ({
  name: "test",
  cost,
  kvTokens,
  kvBytesPerToken: 1000,
  devices: 1,
});

const spec = (over: Partial<InstanceSpec> & { readonly kvTokens?: number } = {}): InstanceSpec => ({
  deployment: deployment(over.kvTokens ?? 4096),
  policy: () => createPolicy("splitfuse"),
  pageTokens: 16,
  maxRunning: 8,
  budgetTokens: 64,
  maxStepTokens: 1024,
  ...over,
});

function stream(requests: Iterable<TraceRequest>, blockTokens = 0): TraceStream {
  return { name: "test", source: "test", blockTokens, requests };
}

/** Poisson arrivals of random lengths. */
function* poisson(
  count: number,
  perSecond: number,
  seed = "a",
  over: Partial<TraceRequest> = {},
): Iterable<TraceRequest> {
  const random = createRandom(seed, "poisson");
  let arrivalMs = 0;
  for (let id = 0; id < count; id++) {
    arrivalMs += random.exponential(perSecond / 1000);
    yield { id, arrivalMs, promptTokens: random.int(1, 200), outputTokens: random.int(1, 40), ...over };
  }
}

function simulate(options: Partial<SimulationOptions> & Pick<SimulationOptions, "trace">) {
  const records: RequestRecord[] = [];
  const simulation = new Simulation({
    instances: [spec()],
    dispatch: roundRobin(),
    check: true,
    observer: { request: (record) => records.push(record) },
    ...options,
  });
  const report = simulation.run();
  return { report, records, simulation };
}

test("every request of a trace ends once, on every policy and dispatcher, with every invariant checked", () => {
  for (const policy of POLICY_NAMES) {
    for (const dispatch of DISPATCH_NAMES) {
      const one = spec({ kvTokens: 640, policy: () => createPolicy(policy) });
      const { report, records } = simulate({
        trace: stream(poisson(40, 40)),
        instances: [one, one],
        dispatch: createDispatch(dispatch),
      });
      expect(records.map(({ id }) => id).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 40 }, (_, i) => i));
      expect(report.requests.arrived).toBe(40);
      expect(report.requests.done).toBe(40);
      expect(report.tokens.output).toBe(records.reduce((sum, { outputTokens }) => sum + outputTokens, 0));
    }
  }
});

test("the same seed gives the same report, another trace another one", () => {
  const run = (seed: string) => simulate({ trace: stream(poisson(80, 30, seed)), check: false }).report;
  expect(run("a")).toEqual(run("a"));
  expect(run("b")).not.toEqual(run("a"));
});

test("a request alone takes its chunks and its tokens, no more", () => {
  const { records } = simulate({ trace: stream([{ id: 7, arrivalMs: 100, promptTokens: 100, outputTokens: 4 }]) });
  const chunks = 5 + 6.4 + (5 + 3.6);
  expect(records[0]!.firstTokenMs).toBeCloseTo(100 + chunks, 9);
  expect(records[0]!.endMs).toBeCloseTo(100 + chunks + 3 * 5.1, 9);
  expect(records[0]).toMatchObject({ end: "done", outputTokens: 4, preemptions: 0, scheduledMs: 100 });
});

test("one server, constant service: the mean wait of Pollaczek and Khinchine for M/D/1", () => {
  // One prompt at a time, one token each: a step is a service.
  const serviceMs = 10;
  const cost: CostModel = { name: "constant", stepMs: () => serviceMs };
  for (const load of [0.3, 0.6, 0.8]) {
    const { report } = simulate({
      trace: stream(poisson(15_000, (load / serviceMs) * 1000, `load ${load}`, { promptTokens: 8, outputTokens: 1 })),
      instances: [spec({ deployment: deployment(4096, cost), maxRunning: 1 })],
      check: false,
    });
    const expectedMs = serviceMs + (load * serviceMs) / (2 * (1 - load));
    expect(report.ttftMs.mean! / expectedMs).toBeGreaterThan(0.95);
    expect(report.ttftMs.mean! / expectedMs).toBeLessThan(1.05);
    expect(report.utilization).toBeCloseTo(load, 1);
  }
});

test("a cancelled request leaves at the end of the step, its pages with it", () => {
  const { records, report } = simulate({
    trace: stream([
      { id: 0, arrivalMs: 0, promptTokens: 50, outputTokens: 1000, cancelAfterMs: 52 },
      { id: 1, arrivalMs: 0, promptTokens: 10, outputTokens: 5 },
    ]),
  });
  const cancelled = records.find(({ id }) => id === 0)!;
  expect(cancelled.end).toBe("cancelled");
  expect(cancelled.endMs).toBeGreaterThanOrEqual(52);
  expect(cancelled.endMs).toBeLessThan(52 + 12);
  expect(report.requests).toMatchObject({ done: 1, cancelled: 1 });
});

test("what does not fit the cache, or the queue, is turned away and counted", () => {
  const requests = Array.from({ length: 10 }, (_, id) => ({ id, arrivalMs: 0, promptTokens: 60, outputTokens: 9 }));
  const { report } = simulate({
    trace: stream([...requests, { id: 10, arrivalMs: 0, promptTokens: 4096, outputTokens: 1 }]),
    instances: [spec({ maxWaiting: 6 })],
  });
  expect(report.requests).toMatchObject({ arrived: 11, done: 6, refused: 4, "too-long": 1 });
});

describe("objectives", () => {
  test("attainment is joint, by class, and counts those turned away; cancelled ones are in no number", () => {
    const slo: Slo = { class: "latency", ttftMs: 40, tpotMs: 30, onMiss: "finish" };
    const { report, records } = simulate({
      trace: stream([
        { id: 0, arrivalMs: 0, promptTokens: 60, outputTokens: 5, slo },
        { id: 1, arrivalMs: 1, promptTokens: 500, outputTokens: 5, slo },
        { id: 2, arrivalMs: 2, promptTokens: 60, outputTokens: 500, slo, cancelAfterMs: 100 },
        { id: 3, arrivalMs: 2, promptTokens: 60, outputTokens: 5 },
      ]),
    });
    expect(records.find(({ id }) => id === 3)!.attained).toBeNull();
    const { all, ttft } = report.attainment.byClass.latency;
    expect(all.requests).toBe(2);
    expect(ttft).toMatchObject({ requests: 2, attained: 1 });
    expect(report.attainment.byClass["best-effort"].all.share).toBeNull();
  });

  test("a deadline that passes in the queue expires, one that asks for it is cut", () => {
    const long = { promptTokens: 10, outputTokens: 400 };
    const late: Slo = { class: "deadline", deadlineMs: 300, onMiss: "finish" };
    const { records } = simulate({
      trace: stream([
        { id: 0, arrivalMs: 0, ...long, slo: { class: "deadline", deadlineMs: 1000, onMiss: "cut" } },
        { id: 1, arrivalMs: 1, ...long, slo: late },
      ]),
      instances: [spec({ maxRunning: 1 })],
    });
    expect(records.map(({ id, end }) => [id, end])).toEqual([
      [1, "expired"],
      [0, "cut"],
    ]);
    expect(records[1]!.endMs).toBeLessThanOrEqual(1000);
  });
});

describe("compound tasks", () => {
  const member = (id: number, stage: number, after: number[], thinkMs = 0, slo?: Slo): TraceRequest => ({
    id,
    arrivalMs: 0,
    promptTokens: 20,
    outputTokens: 3,
    task: { id: 1, stage, after, thinkMs },
    ...(slo === undefined ? {} : { slo }),
  });

  test("a request is sent when those before it have finished and thinking is over", () => {
    const { records } = simulate({
      trace: stream([member(0, 0, []), member(1, 0, []), member(2, 1, [0, 1], 500), member(3, 2, [2])]),
    });
    const of = (id: number) => records.find((record) => record.id === id)!;
    expect(of(2).arrivalMs).toBeCloseTo(Math.max(of(0).endMs, of(1).endMs) + 500, 9);
    expect(of(3).arrivalMs).toBeCloseTo(of(2).endMs, 9);
  });

  test("its deadline counts from the first request, for the whole", () => {
    const slo: Slo = { class: "compound", deadlineMs: 200, onMiss: "finish" };
    const chain = (thinkMs: number) => [member(0, 0, [], 0, slo), member(1, 1, [0], thinkMs, slo)];
    const quick = simulate({ trace: stream(chain(50)) }).report;
    expect(quick.attainment.byClass.compound.all).toMatchObject({ requests: 1, attained: 1 });
    expect(quick.goodput.tokensPerSecond).toBeGreaterThan(0);
    const slow = simulate({ trace: stream(chain(300)) }).report;
    expect(slow.attainment.byClass.compound.all).toMatchObject({ requests: 1, attained: 0 });
    expect(slow.goodput.tokensPerSecond).toBe(0);
  });

  test("when one request is cancelled, what waits for it is abandoned", () => {
    const { report } = simulate({
      trace: stream([
        { ...member(0, 0, []), outputTokens: 500, cancelAfterMs: 60 },
        member(1, 1, [0]),
        member(2, 2, [1]),
      ]),
    });
    expect(report.requests).toMatchObject({ arrived: 1, cancelled: 1, abandoned: 2 });
  });

  test("what waits for a request that is not there is abandoned at the end", () => {
    const { report, simulation } = simulate({ trace: stream([member(1, 1, [99])]) });
    expect(report.requests).toMatchObject({ arrived: 0, abandoned: 1 });
    expect(simulation.requestsLive).toBe(0);
  });
});

test("equal block ids are computed once", () => {
  const hashIds = [11, 12, 13];
  const request = (id: number, arrivalMs: number): TraceRequest => ({
    id,
    arrivalMs,
    promptTokens: 96,
    outputTokens: 4,
    hashIds,
  });
  const { records } = simulate({ trace: stream([request(0, 0), request(1, 500), request(2, 1000)], 32) });
  expect(records.map(({ cachedTokens }) => cachedTokens)).toEqual([0, 80, 80]);
});

test("random traces under random fleets keep every invariant and lose nobody", () => {
  const property = fc.property(
    fc.record({
      seed: fc.string({ maxLength: 5 }),
      count: fc.integer({ min: 1, max: 25 }),
      rate: fc.integer({ min: 1, max: 200 }),
      kvTokens: fc.integer({ min: 256, max: 1024 }),
      instances: fc.integer({ min: 1, max: 3 }),
      policy: fc.constantFrom(...POLICY_NAMES),
      cancel: fc.boolean(),
      blocks: fc.boolean(),
    }),
    ({ seed, count, rate, kvTokens, instances, policy, cancel, blocks }) => {
      const random = createRandom(seed, "extra");
      const requests = Array.from(poisson(count, rate, seed), (request) => ({
        ...request,
        ...(cancel && random.chance(0.3) ? { cancelAfterMs: random.int(0, 200) } : {}),
        ...(blocks ? { hashIds: [random.int(0, 1), 2, 3, 4, 5, 6, 7, 8] } : {}),
      }));
      const { records } = simulate({
        trace: stream(requests, blocks ? 32 : 0),
        instances: Array.from({ length: instances }, () => spec({ kvTokens, policy: () => createPolicy(policy) })),
        dispatch: leastQueue(),
      });
      expect(records.length).toBe(count);
    },
  );
  fc.assert(property, { seed: 4_013, numRuns: 40 });
});

test("memory is that of what is under way, not of what is over", () => {
  let most = 0;
  const simulation = new Simulation({
    trace: stream(poisson(10_000, 400, "flat", { promptTokens: 20, outputTokens: 4 })),
    instances: Array.from({ length: 20 }, () => spec()),
    dispatch: leastQueue(),
  });
  while (simulation.step()) most = Math.max(most, simulation.requestsLive);
  expect(simulation.report().requests.done).toBe(10_000);
  expect(most).toBeLessThan(200);
  expect(simulation.instances.every((instance) => instance.empty)).toBe(true);
});
