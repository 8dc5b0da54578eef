/** Sequences that change instances: nothing is lost, pages are conserved, latencies say what it cost. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, type RandomStream } from "../core/index.ts";
import { createPolicy, leastQueue, lightest, type Dispatch } from "../sched/index.ts";
import type { TraceRequest, TraceStream } from "../workload/index.ts";
import type { InstanceSpec } from "./fleet.ts";
import type { RequestRecord } from "./report.ts";
import { Simulation, type SimulationOptions } from "./simulation.ts";
import type { FleetController, Phase } from "./types.ts";

const spec = (kvTokens: number, over: Partial<InstanceSpec> = {}): InstanceSpec => ({
  deployment: {
    name: "test",
    cost: { name: "linear", stepMs: ({ tokens }) => 5 + 0.1 * tokens },
    kvTokens,
    kvBytesPerToken: 1000,
    devices: 1,
  },
  policy: () => createPolicy("fifo"),
  maxRunning: 8,
  budgetTokens: 64,
  ...over,
});

const stream = (requests: readonly TraceRequest[], blockTokens = 0): TraceStream => ({
  name: "test",
  source: "test",
  blockTokens,
  requests,
});

function draw(random: RandomStream, count: number, perSecond: number, cancelled = 0.15): TraceRequest[] {
  let arrivalMs = 0;
  return Array.from({ length: count }, (_, id) => {
    arrivalMs += random.exponential(perSecond / 1000);
    const request = { id, arrivalMs, promptTokens: random.int(1, 150), outputTokens: random.int(1, 40) };
    return random.chance(cancelled) ? { ...request, cancelAfterMs: random.int(0, 300) } : request;
  });
}

/** Prompts here, answers there; a target needs room for the prompt and an answer's start. */
function disaggregated(transferMs: number): Phase {
  return {
    name: "disaggregated",
    leaves: (_, from) => from.role === "prefill",
    target: (sequence, _, instances) => {
      const fits = instances.filter(({ role, totalPages, usedPages, pageTokens }) => {
        const wanted = Math.min(totalPages * pageTokens, sequence.computedTokens + 32);
        return role === "decode" && (totalPages - usedPages) * pageTokens >= wanted;
      });
      return fits.length === 0 ? null : lightest(fits, ({ running }) => running);
    },
    transferMs: () => transferMs,
  };
}

function simulate(options: Pick<SimulationOptions, "trace" | "instances"> & Partial<SimulationOptions>) {
  const records: RequestRecord[] = [];
  const simulation = new Simulation({
    dispatch: leastQueue(),
    check: true,
    observer: { request: (record) => records.push(record) },
    ...options,
  });
  const report = simulation.run();
  for (const { pages } of simulation.instances) expect(pages.availablePages).toBe(pages.pages);
  return { records, report, simulation };
}

describe("phases", () => {
  const [prompts, answers] = [spec(2048, { role: "prefill" }), spec(2048, { role: "decode" })];

  test("a sequence goes on elsewhere after its first token; the way counts as time to the second", () => {
    const { records, report } = simulate({
      trace: stream([{ id: 0, arrivalMs: 0, promptTokens: 64, outputTokens: 3 }]),
      instances: [prompts, answers],
      phase: disaggregated(20),
    });
    expect(records[0]).toMatchObject({ end: "done", instance: 1, outputTokens: 3 });
    expect(records[0]!.firstTokenMs).toBeCloseTo(11.4, 9);
    expect(records[0]!.endMs).toBeCloseTo(11.4 + 20 + 2 * 5.1, 9);
    expect(report.migrations.handovers).toBe(1);
  });

  test("without room at any target it waits with its pages and nothing is lost", () => {
    const { report } = simulate({
      trace: stream(draw(createRandom(1, "phase"), 40, 60, 0)),
      instances: [prompts, spec(256, { role: "decode" })],
      phase: disaggregated(2),
    });
    expect(report.requests.done).toBe(40);
    expect(report.instances[1]!.utilization).toBeGreaterThan(0.5);
  });

  test("one pool for both: no way, no copy, no pages twice", () => {
    const { records, report } = simulate({
      trace: stream([{ id: 0, arrivalMs: 0, promptTokens: 64, outputTokens: 3 }]),
      instances: [prompts, spec(2048, { role: "decode", sharesPagesWith: 0 })],
      phase: disaggregated(1000),
    });
    expect(records[0]!.endMs).toBeCloseTo(11.4 + 2 * 5.1, 9);
    expect(report.migrations.handovers).toBe(1);
  });

  test("what is preempted can go back to where prompts are computed", () => {
    const back: Phase = {
      ...disaggregated(1),
      target: (_, __, instances) => instances[1]!,
      recompute: (_, __, instances) => instances[0]!,
    };
    const requests = Array.from({ length: 8 }, (_, id) => ({ id, arrivalMs: 0, promptTokens: 60, outputTokens: 60 }));
    const { report } = simulate({
      trace: stream(requests),
      instances: [spec(1024, { role: "prefill" }), spec(400, { role: "decode" })],
      phase: back,
    });
    expect(report.requests.done).toBe(8);
    expect(report.preemptions).toBeGreaterThan(0);
    expect(report.migrations.handovers).toBeGreaterThan(8);
  });

  test("random traces, pools, transfers and cancellations keep every invariant", () => {
    const property = fc.property(
      fc.string({ maxLength: 4 }),
      fc.integer({ min: 192, max: 800 }),
      fc.integer({ min: 0, max: 60 }),
      fc.constantFrom("separate", "shared", "cached"),
      (seed, kvTokens, transferMs, kind) => {
        const random = createRandom(seed, "phases");
        const requests = draw(random, 20, random.int(5, 100)).map((request) =>
          kind === "cached" ? { ...request, hashIds: [1, 2, random.int(3, 4), 5, 6, 7, 8, 9, 10, 11] } : request,
        );
        const { records } = simulate({
          trace: stream(requests, kind === "cached" ? 16 : 0),
          instances: [
            spec(800, { role: "prefill" }),
            spec(kvTokens, { role: "decode", ...(kind === "shared" ? { sharesPagesWith: 0 } : {}) }),
            spec(kvTokens, { role: "decode" }),
          ],
          phase: disaggregated(transferMs),
        });
        expect(records.length).toBe(20);
      },
    );
    fc.assert(property, { seed: 4_041, numRuns: 20 });
  });
});

test("phases that wait for each other for ever are found out, ticks or not", () => {
  const nowhere: Phase = { ...disaggregated(1), target: () => null };
  const quiet: FleetController = { name: "quiet", everyMs: 50, tick: () => [] };
  const requests = [0, 1].map((id) => ({ id, arrivalMs: 0, promptTokens: 200, outputTokens: 2 }));
  const options = {
    trace: stream(requests),
    instances: [spec(256, { role: "prefill" })],
    phase: nowhere,
    controller: quiet,
    check: false,
  };
  expect(() => simulate(options)).toThrow(/somebody acts/);
});

test("stale loads send a heap of requests to one instance, fresh ones do not, nor a dispatcher that counts what it has sent", () => {
  const requests = Array.from({ length: 20 }, (_, id) => ({ id, arrivalMs: id, promptTokens: 50, outputTokens: 5 }));
  const trusting: Dispatch = {
    name: "trusting",
    choose: (_, candidates) => lightest(candidates, ({ waiting, running }) => waiting + running),
  };
  const share = (dispatch: Dispatch, loadRefreshMs?: number): number => {
    const { records } = simulate({
      trace: stream(requests),
      instances: [spec(4096), spec(4096)],
      dispatch,
      ...(loadRefreshMs === undefined ? {} : { loadRefreshMs }),
    });
    return records.filter(({ instance }) => instance === 0).length;
  };
  expect(share(trusting)).toBe(10);
  expect(share(trusting, 1000)).toBe(20);
  expect(share(leastQueue(), 1000)).toBe(10);
});
