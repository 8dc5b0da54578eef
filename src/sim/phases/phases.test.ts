import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { createPolicy, leastQueue, type Slo } from "../../sched/index.ts";
import type { TraceRequest, TraceStream } from "../../workload/index.ts";
import { chunkShape, decodeShape } from "../cost/calibrate.ts";
import { createDeployment } from "../cost/deployments.ts";
import type { RequestRecord } from "../report.ts";
import { Simulation, type SimulationOptions } from "../simulation.ts";
import type { CostModel, Deployment } from "../types.ts";
import { colocatedFleet } from "./colocated.ts";
import { disaggregatedFleet } from "./disaggregated.ts";
import { prefillBatches, saturatingTokens } from "./prefill-batches.ts";
import { semiPdFleet, type ShareRule } from "./semi-pd.ts";
import { sharedStepMs } from "./shared-cost.ts";
import type { PhasedFleet } from "./types.ts";

const linear: CostModel = {
  name: "linear",
  stepMs: ({ prefillTokens, decodes }) => 5 + 0.1 * prefillTokens + 0.05 * decodes,
};
const deployment = (kvTokens: number, cost = linear): Deployment => ({
  name: "test",
  cost,
  kvTokens,
  kvBytesPerToken: 1000,
  devices: 1,
});
const group = (instances: number, kvTokens = 2048, pipeline = 1, cost = linear) => ({
  deployment: deployment(kvTokens, cost),
  instances,
  pipeline,
  weightBytes: 0,
});
const link = { bytesPerSecond: 1e8 };
const settings = { maxRunning: 8 };

const fleets = (kvTokens: number): Readonly<Record<string, () => PhasedFleet>> => {
  const semiPd = (shares: ShareRule) => () =>
    semiPdFleet({ ...settings, deployment: deployment(kvTokens), instances: 2, shares });
  return {
    colocated: () => colocatedFleet(group(2, kvTokens), { ...settings, policy: () => createPolicy("prefill-first") }),
    pipeline: () =>
      colocatedFleet(group(1, kvTokens, 2), { ...settings, policy: () => createPolicy("splitfuse"), budgetTokens: 64 }),
    disaggregated: () => disaggregatedFleet(group(2, kvTokens), group(1, kvTokens), link, settings),
    "disaggregated, pipelines": () => disaggregatedFleet(group(1, kvTokens, 2), group(1, kvTokens, 2), link, settings),
    "semi-pd, uncontrolled": semiPd({ kind: "uncontrolled" }),
    "semi-pd, static": semiPd({ kind: "static", prefillShare: 0.8 }),
    "semi-pd, dynamic": semiPd({ kind: "dynamic", controller: { windowMs: 100, minSamples: 2 } }),
  };
};

function* poisson(count: number, perSecond: number, seed: string, over: Partial<TraceRequest> = {}) {
  const random = createRandom(seed, "poisson");
  let arrivalMs = 0;
  for (let id = 0; id < count; id++) {
    arrivalMs += random.exponential(perSecond / 1000);
    yield { id, arrivalMs, promptTokens: random.int(1, 200), outputTokens: random.int(1, 40), ...over };
  }
}

const stream = (requests: Iterable<TraceRequest>, blockTokens = 0): TraceStream => ({
  name: "test",
  source: "test",
  blockTokens,
  requests,
});

function simulate(fleet: PhasedFleet, trace: TraceStream, over: Partial<SimulationOptions> = {}) {
  const records: RequestRecord[] = [];
  const simulation = new Simulation({
    ...fleet,
    trace,
    dispatch: leastQueue(),
    check: true,
    observer: { request: (record) => records.push(record) },
    ...over,
  });
  return { report: simulation.run(), records, simulation };
}

const slo: Slo = { class: "latency", ttftMs: 60, tpotMs: 8, onMiss: "finish" };

test("every fleet gives every request its tokens, and all pages come back", () => {
  for (const kvTokens of [416, 2048]) {
    for (const [name, create] of Object.entries(fleets(kvTokens))) {
      const requests = [...poisson(30, 60, "tokens")];
      const { report, records, simulation } = simulate(create(), stream(requests), { defaultSlo: slo });
      expect(report.requests, name).toMatchObject({ arrived: 30, done: 30 });
      const byId = records.toSorted((a, b) => a.id - b.id);
      expect(byId.map(({ outputTokens }) => outputTokens)).toEqual(requests.map(({ outputTokens }) => outputTokens));
      for (const instance of simulation.instances) expect(instance.usedPages, name).toBe(0);
    }
  }
});

test("random traces, cancels, shared blocks and small caches keep every invariant", () => {
  const property = fc.property(
    fc.record({
      seed: fc.string({ maxLength: 5 }),
      count: fc.integer({ min: 1, max: 25 }),
      rate: fc.integer({ min: 5, max: 300 }),
      kvTokens: fc.integer({ min: 256, max: 900 }),
      name: fc.constantFrom(...Object.keys(fleets(1000))),
      cancel: fc.boolean(),
      blocks: fc.boolean(),
    }),
    ({ seed, count, rate, kvTokens, name, cancel, blocks }) => {
      const random = createRandom(seed, "extra");
      // Each engine of a pipeline has half of the cache.
      const kv = name.includes("pipeline") ? 2 * kvTokens : kvTokens;
      const requests = Array.from(poisson(count, rate, seed), (request) => ({
        ...request,
        ...(cancel && random.chance(0.4) ? { cancelAfterMs: random.int(0, 150) } : {}),
        ...(blocks ? { hashIds: [random.int(0, 1), 2, 3, 4, 5, 6, 7, 8] } : {}),
      }));
      const trace = stream(requests, blocks ? 32 : 0);
      const { records, simulation } = simulate(fleets(kv)[name]!(), trace, { defaultSlo: slo });
      expect(records.length).toBe(count);
      for (const instance of simulation.instances) expect(instance.usedPages).toBe(0);
    },
  );
  fc.assert(property, { seed: 4_040, numRuns: 40 });
});

describe("disaggregated", () => {
  test("the prefill side is an M/D/1 queue, whatever the decode side does", () => {
    const serviceMs = 10;
    const cost: CostModel = { name: "constant", stepMs: ({ prefillTokens }) => (prefillTokens > 0 ? serviceMs : 1) };
    for (const load of [0.3, 0.6, 0.8]) {
      const requests = poisson(4000, (load / serviceMs) * 1000, `load ${load}`, {
        promptTokens: 8192,
        outputTokens: 3,
      });
      const fleet = disaggregatedFleet(group(1, 1e7, 1, cost), group(1, 1e7, 1, cost), { bytesPerSecond: 1e12 });
      const { report } = simulate(fleet, stream(requests), { check: false });
      const expectedMs = serviceMs + (load * serviceMs) / (2 * (1 - load));
      expect(report.ttftMs.mean! / expectedMs).toBeGreaterThan(0.88);
      expect(report.ttftMs.mean! / expectedMs).toBeLessThan(1.12);
    }
  });

  test("the first gap holds the transfer, which follows from bytes and link", () => {
    const fleet = disaggregatedFleet(group(1), group(1), { bytesPerSecond: 1e6, latencyMs: 2 });
    const { records } = simulate(fleet, stream([{ id: 0, arrivalMs: 0, promptTokens: 100, outputTokens: 3 }]));
    expect(records[0]!.firstTokenMs).toBeCloseTo(15, 9);
    // 100 tokens of a thousand bytes over a megabyte a second, two milliseconds before, two steps.
    expect(records[0]!.endMs).toBeCloseTo(15 + 100 + 2 + 2 * 5.05, 9);
  });

  test("transfers of one instance follow each other on its link", () => {
    const fleet = disaggregatedFleet(group(1), group(1), { bytesPerSecond: 1e6, latencyMs: 0 });
    const two = [0, 1].map((id) => ({ id, arrivalMs: 0, promptTokens: 100, outputTokens: 2 }));
    const { records } = simulate(fleet, stream(two));
    const ends = records.map(({ endMs }) => endMs).toSorted((a, b) => a - b);
    expect(ends[1]! - ends[0]!).toBeCloseTo(100, 6);
  });

  test("a full decode side holds prompts back and loses nobody", () => {
    const fleet = disaggregatedFleet(group(1, 4096), group(1, 320), link, settings);
    const { report, simulation } = simulate(fleet, stream(poisson(40, 400, "full")));
    expect(report.requests.done).toBe(40);
    expect(simulation.instances.map(({ usedPages }) => usedPages)).toEqual([0, 0]);
  });
});

describe("prefill batches", () => {
  test("short prompts go together up to saturation, long ones alone", () => {
    const shapes: number[][] = [];
    const fleet = colocatedFleet(group(1, 65_536), {
      policy: () => prefillBatches({ saturatingTokens: 100 }),
    });
    const lengths = [40, 40, 40, 300, 90, 5];
    const requests = lengths.map((promptTokens, id) => ({ id, arrivalMs: 0, promptTokens, outputTokens: 1 }));
    simulate(fleet, stream(requests), {
      observer: { step: (_, __, ___, { rows, tokens }) => shapes.push([rows, tokens]) },
    });
    expect(shapes).toEqual([
      [2, 80],
      [1, 40],
      [1, 300],
      [2, 95],
    ]);
  });

  test("the knee of DistServe's 13B table is near the authors' 512 tokens", () => {
    const { cost } = createDeployment("opt-13b").deployment;
    const tokens = saturatingTokens(cost);
    expect(tokens).toBeGreaterThan(400);
    expect(tokens).toBeLessThan(700);
  });
});

describe("semi-pd", () => {
  test("time under a share: all of it is the whole cost, less is longer, the paper's curve of decodes within an eighth", () => {
    const { cost } = createDeployment("opt-13b").deployment;
    const none = { interference: 0 };
    for (const shape of [chunkShape(700), decodeShape(40, 500)]) {
      expect(sharedStepMs(cost, shape, 1, none)).toBeCloseTo(cost.stepMs(shape), 9);
      let last = 0;
      for (const share of [1, 0.8, 0.6, 0.4, 0.2]) {
        const ms = sharedStepMs(cost, shape, share, none);
        expect(ms).toBeGreaterThan(last);
        last = ms;
      }
    }
    const decodes = decodeShape(64, 600);
    for (const y of [0.25, 0.4, 0.5, 0.6, 0.8, 1]) {
      const paper = (0.6284 / y + 0.3818) / (0.6284 + 0.3818);
      const ours = sharedStepMs(cost, decodes, y, none) / cost.stepMs(decodes);
      expect(Math.abs(ours / paper - 1), `y ${y}`).toBeLessThan(0.15);
    }
  });

  test("nothing is copied between the workers: the second token is as quick as others", () => {
    const fleet = semiPdFleet({ deployment: deployment(2048), instances: 1, shares: { kind: "uncontrolled" } });
    const { records } = simulate(fleet, stream([{ id: 0, arrivalMs: 0, promptTokens: 100, outputTokens: 3 }]));
    expect(records[0]!.endMs).toBeCloseTo(15 + 2 * 5.05, 9);
  });

  test("work is conserved when steps overlap: nobody is done before the device could be", () => {
    // All compute and no interference: both phases together do a millisecond's work in a millisecond.
    const cost: CostModel = { name: "compute", stepMs: ({ tokens }) => 1e-3 + tokens };
    for (const prefillShare of [0.2, 0.5, 0.8]) {
      const shares = { kind: "static", prefillShare } as const;
      const fleet = semiPdFleet({ deployment: deployment(8192, cost), instances: 1, shares, interference: 0 });
      const requests = [...poisson(60, 1000, "work")];
      const { report } = simulate(fleet, stream(requests));
      const workMs = requests.reduce((sum, { promptTokens, outputTokens }) => sum + promptTokens + outputTokens - 1, 0);
      expect(report.spanMs).toBeGreaterThan(0.97 * workMs);
      expect(report.spanMs).toBeLessThan(1.35 * workMs);
    }
  });

  test("the controller moves the share towards the phase that misses", () => {
    const shares: number[] = [];
    const run = (tight: Partial<Slo>) => {
      shares.length = 0;
      const fleet = semiPdFleet({
        deployment: deployment(8192),
        instances: 1,
        shares: { kind: "dynamic", controller: { windowMs: 200, minSamples: 4 } },
        decided: (_, { share }) => shares.push(share),
      });
      const trace = stream(poisson(300, 25, "shift", { promptTokens: 150, outputTokens: 20 }));
      simulate(fleet, trace, { check: false, defaultSlo: { ...slo, ttftMs: 10_000, tpotMs: 10_000, ...tight } });
      return shares.at(-1)!;
    };
    expect(run({ ttftMs: 22 })).toBeGreaterThan(0.5);
    expect(run({ tpotMs: 5.4 })).toBeLessThan(0.5);
  });
});
