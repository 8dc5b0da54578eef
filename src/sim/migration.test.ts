/** Live migration: what it costs, what aborts it, and that nothing is lost or reserved for ever. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, type RandomStream } from "../core/index.ts";
import { createPolicy, leastQueue } from "../sched/index.ts";
import type { TraceRequest, TraceStream } from "../workload/index.ts";
import { linkMigration } from "./controller.ts";
import type { InstanceSpec } from "./fleet.ts";
import type { RequestRecord } from "./report.ts";
import { Simulation, type SimulationOptions } from "./simulation.ts";
import type { FleetAction, FleetController, MigrationModel } from "./types.ts";

const spec = (kvTokens: number): InstanceSpec => ({
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
});

/** A millisecond of messages and 0.1 ms a token. */
const model = (kind: MigrationModel["kind"], over: Partial<MigrationModel> = {}): MigrationModel => ({
  kind,
  stageMs: (tokens) => 1 + 0.1 * tokens,
  ...over,
});

const stream = (requests: readonly TraceRequest[], blockTokens = 0): TraceStream => ({
  name: "test",
  source: "test",
  blockTokens,
  requests,
});

function draw(random: RandomStream, count: number, perSecond: number): TraceRequest[] {
  let arrivalMs = 0;
  return Array.from({ length: count }, (_, id) => {
    arrivalMs += random.exponential(perSecond / 1000);
    const request = { id, arrivalMs, promptTokens: random.int(1, 150), outputTokens: random.int(1, 40) };
    const urgent = random.chance(0.2) ? { ...request, priority: 1 } : request;
    return random.chance(0.15) ? { ...urgent, cancelAfterMs: random.int(0, 300) } : urgent;
  });
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

/** Those actions at those looks, 50 ms apart. */
function script(actions: readonly (readonly FleetAction[])[], migration: MigrationModel): FleetController {
  let look = 0;
  return { name: "script", everyMs: 50, migration, tick: () => actions[look++] ?? [] };
}

const toOther: FleetAction = { kind: "migrate", id: 0, from: 0, to: 1 };
const alone: TraceRequest = { id: 0, arrivalMs: 0, promptTokens: 600, outputTokens: 120 };

describe("one sequence", () => {
  test("staged: it decodes while all but its last pages are copied, and stands still for those only", () => {
    const { records, report } = simulate({
      trace: stream([alone]),
      instances: [spec(2048), spec(2048)],
      controller: script([[], [], [], [toOther]], model("staged")),
    });
    expect(records[0]).toMatchObject({ end: "done", instance: 1, outputTokens: 120 });
    expect(report.migrations).toMatchObject({ started: 1, completed: 1, aborted: 0 });
    // Decoding goes on for some 60 ms of copying: a page or two are left.
    expect(report.migrations.downtimeMs.max).toBeLessThan(1 + 0.1 * 3 * 16);
    expect(report.gapMs.max).toBeLessThan(5.1 + 1 + 0.1 * 3 * 16);
  });

  test("blocking stands still for all of it, recomputing longer still; every token comes once", () => {
    const gap = (kind: MigrationModel["kind"], promptTokens: number): number => {
      const { records, report } = simulate({
        trace: stream([{ ...alone, promptTokens }]),
        instances: [spec(8192), spec(8192)],
        controller: script([[], [], [], [], [], [], [], [toOther]], model(kind)),
      });
      expect(records[0]).toMatchObject({ end: "done", instance: 1, outputTokens: 120 });
      return report.gapMs.max!;
    };
    expect(gap("blocking", 600)).toBeGreaterThan(60);
    expect(gap("recompute", 600)).toBeGreaterThan(gap("blocking", 600));
    expect(gap("staged", 1200) - gap("staged", 600)).toBeLessThan(3.2);
    expect(gap("blocking", 1200)).toBeGreaterThan(1.8 * gap("blocking", 600));
  });

  test("too many stages: it stays", () => {
    const slow = model("staged", { stageMs: (tokens) => 10 * tokens, lastStagePages: 1 });
    const { records, report } = simulate({
      trace: stream([{ ...alone, outputTokens: 1400 }]),
      instances: [spec(4096), spec(4096)],
      controller: script([[], [], [], [toOther]], slow),
    });
    expect(records[0]).toMatchObject({ end: "done", instance: 0 });
    expect(report.migrations).toMatchObject({ started: 1, completed: 0, aborted: 1 });
  });

  test("no room at the target, or a target that drains: it stays", () => {
    const requests = [alone, { id: 1, arrivalMs: 0, promptTokens: 600, outputTokens: 200 }];
    const { records, report } = simulate({
      trace: stream(requests),
      instances: [spec(2048), spec(1024)],
      controller: script([[], [], [], [toOther]], model("staged")),
    });
    expect(report.migrations.completed).toBe(0);
    expect(records.find(({ id }) => id === 0)).toMatchObject({ instance: 0 });
    const drained = simulate({
      trace: stream([alone]),
      instances: [spec(2048), spec(2048)],
      controller: script([[], [], [], [toOther], [{ kind: "drain", instance: 1 }]], model("staged")),
    });
    expect(drained.records[0]).toMatchObject({ end: "done", instance: 0 });
    expect(drained.report.migrations).toMatchObject({ started: 1, completed: 0, aborted: 1 });
    expect(drained.simulation.instances[1]!.state).toBe("stopped");
  });

  test("it ends or is cancelled on the way: both sides are free", () => {
    const { report } = simulate({
      trace: stream([{ ...alone, cancelAfterMs: 210 }]),
      instances: [spec(2048), spec(2048)],
      controller: script([[], [], [], [toOther]], model("staged", { stageMs: () => 500 })),
    });
    expect(report.requests.cancelled).toBe(1);
    expect(report.migrations).toMatchObject({ started: 1, aborted: 1 });
  });

  test("one that waits goes as a message", () => {
    const big = { promptTokens: 600, outputTokens: 200 };
    const { records } = simulate({
      trace: stream([
        { id: 0, arrivalMs: 0, ...big },
        { id: 1, arrivalMs: 1, ...big },
      ]),
      instances: [spec(1024), spec(1024)],
      dispatch: { name: "first", choose: (_, [first]) => first! },
      controller: script([[{ kind: "migrate", id: 1, from: 0, to: 1 }]], model("staged")),
    });
    const second = records.find(({ id }) => id === 1)!;
    expect(second).toMatchObject({ instance: 1, end: "done" });
    expect(second.scheduledMs).toBeCloseTo(51, 6);
  });

  test("copying makes the steps of both sides longer by the given share", () => {
    const end = (slowdown: number): number =>
      simulate({
        trace: stream([alone]),
        instances: [spec(2048), spec(2048)],
        controller: script([[], [], [], [toOther]], model("staged", { slowdown, stageMs: () => 100 })),
      }).records[0]!.endMs;
    expect(end(0.5)).toBeGreaterThan(end(0) + 20);
  });

  test("a link has a speed", () => {
    const link = linkMigration("staged", { kvBytesPerToken: 1000, bytesPerSecond: 1e6, handshakeMs: 2 });
    const { instances } = new Simulation({ trace: stream([]), instances: [spec(64)], dispatch: leastQueue() });
    expect(link.stageMs(50, instances[0]!, instances[0]!)).toBeCloseTo(52, 9);
  });
});

/** Moves anything anywhere, now and then; stops and starts instances, too. */
function restless(random: RandomStream, migration: MigrationModel): FleetController {
  return {
    name: "restless",
    everyMs: 15,
    migration,
    tick: (fleet) => {
      const { instances } = fleet;
      const serving = instances.filter(({ state }) => state === "serving");
      if (random.chance(0.02)) return [{ kind: "start", like: 0, delayMs: random.int(0, 60) }];
      if (random.chance(0.02) && serving.length > 1) return [{ kind: "drain", instance: random.pick(serving).index }];
      const from = random.pick(instances).index;
      const { running, waiting } = fleet.source(from);
      const all = [...running, ...waiting];
      if (all.length === 0) return [];
      return [{ kind: "migrate", id: random.pick(all).id, from, to: random.pick(instances).index }];
    },
  };
}

test("random migrations, preemptions, cancellations, starts and stops keep every invariant after every event", () => {
  const property = fc.property(
    fc.record({
      seed: fc.string({ maxLength: 4 }),
      kvTokens: fc.integer({ min: 208, max: 600 }),
      tokenMs: fc.double({ min: 0, max: 1, noNaN: true }),
      lastStagePages: fc.integer({ min: 0, max: 4 }),
      kind: fc.constantFrom("staged", "blocking", "recompute"),
      policy: fc.constantFrom("fifo", "prefill-first"),
      blocks: fc.boolean(),
      stale: fc.boolean(),
    }),
    ({ seed, kvTokens, tokenMs, lastStagePages, kind, policy, blocks, stale }) => {
      const random = createRandom(seed, "moves");
      const requests = draw(random, 20, random.int(5, 100)).map((request) =>
        blocks ? { ...request, hashIds: [1, 2, random.int(3, 4), 5, 6, 7, 8, 9, 10, 11] } : request,
      );
      const one = { ...spec(kvTokens), policy: () => createPolicy(policy), maxStepTokens: 640 };
      const stages = model(kind, { lastStagePages, stageMs: (tokens) => tokenMs * (5 + tokens) });
      const { records, report } = simulate({
        trace: stream(requests, blocks ? 16 : 0),
        instances: [one, one, one],
        controller: restless(random.fork("controller"), stages),
        ...(stale ? { loadRefreshMs: 100 } : {}),
      });
      expect(records.length).toBe(20);
      const { started, completed, aborted } = report.migrations;
      expect(completed + aborted).toBe(started);
    },
  );
  fc.assert(property, { seed: 4_042, numRuns: 80 });
});
