import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, type RandomStream } from "../../core/index.ts";
import { distanceMatrix, kMedoids, medoidCost } from "./k-medoids.ts";
import {
  graphBytes,
  graphDistance,
  levelEnds,
  MAX_LEVELS,
  MAX_STAGES,
  patternGraph,
  type PatternGraph,
  type Stage,
} from "./pattern-graph.ts";
import { PatternStore } from "./pattern-store.ts";
import { TaskTracker } from "./task-tracker.ts";

function stage(level: number, startMs: number, endMs: number | null, over: Partial<Stage> = {}): Stage {
  const outputTokens = endMs === null ? null : 100;
  return { kind: "llm", level, inputTokens: 100, outputTokens, startMs, endMs, dependencies: level, ...over };
}

/** A chain with those durations and pauses before each. */
function chain(durations: readonly number[], pauses: readonly number[] = [], over: Partial<Stage> = {}): PatternGraph {
  let atMs = 0;
  return patternGraph(
    durations.map((duration, level) => {
      atMs += pauses[level] ?? 0;
      const startMs = atMs;
      atMs += duration;
      return stage(level, startMs, atMs, over);
    }),
  );
}

const stageArbitrary: fc.Arbitrary<Stage> = fc
  .record({
    kind: fc.constantFrom("llm" as const, "tool" as const),
    level: fc.integer({ min: 0, max: MAX_LEVELS + 3 }),
    inputTokens: fc.integer({ min: 0, max: 100_000 }),
    outputTokens: fc.option(fc.integer({ min: 0, max: 5000 })),
    startMs: fc.integer({ min: 0, max: 1000 }),
    lastsMs: fc.integer({ min: 0, max: 1000 }),
    dependencies: fc.integer({ min: 0, max: 300 }),
  })
  .map(({ lastsMs, ...rest }) => ({ ...rest, endMs: rest.outputTokens === null ? null : rest.startMs + lastsMs }));

const graphArbitrary = fc.array(stageArbitrary, { maxLength: MAX_STAGES + 5 }).map(patternGraph);

describe("pattern graphs", () => {
  test("differ from themselves by nothing, from each other the same both ways", () => {
    const property = fc.property(graphArbitrary, graphArbitrary, (a, b) => {
      expect(graphDistance(a, a, Infinity)).toBe(0);
      expect(graphDistance(a, b, Infinity)).toBe(graphDistance(b, a, Infinity));
      expect(graphDistance(a, b, 0)).toBeLessThanOrEqual(graphDistance(a, b, Infinity));
    });
    fc.assert(property, { seed: 31, numRuns: 200 });
  });

  test("do not depend on the order in which stages are told", () => {
    const property = fc.property(fc.array(stageArbitrary, { maxLength: 20 }), (stages) => {
      const graph = patternGraph(stages);
      expect(patternGraph(stages.toReversed())).toEqual(graph);
    });
    fc.assert(property, { seed: 32, numRuns: 100 });
  });

  test("are small: a task of twelve stages in five levels takes less than 200 bytes", () => {
    const stages = Array.from({ length: 12 }, (_, i) => stage(i % 5, 0, 10));
    expect(graphBytes(patternGraph(stages))).toBeLessThan(200);
  });

  test("say where in the time left each level ended, pauses counted with the level after", () => {
    expect(levelEnds(chain([10, 30, 60]), 0)).toEqual([0.1, 0.4, 1].map((x) => expect.closeTo(x, 6)));
    expect(levelEnds(chain([10, 20, 40], [0, 10, 20]), 0)).toEqual([0.1, 0.4, 1].map((x) => expect.closeTo(x, 6)));
    expect(levelEnds(chain([10, 20, 40], [0, 10, 20]), 1)).toEqual([0.25, 1].map((x) => expect.closeTo(x, 6)));
    expect(levelEnds(chain([10, 20]), 2)).toEqual([1]);
    expect(levelEnds(chain([0, 0]), 0)).toEqual([1]);
  });

  test("a level lasts as long as its longest stage", () => {
    const graph = patternGraph([stage(0, 0, 10), stage(1, 10, 40), stage(1, 15, 70), stage(2, 70, 100)]);
    expect(levelEnds(graph, 0)).toEqual([0.1, 0.7, 1].map((x) => expect.closeTo(x, 6)));
  });

  test("shares always ascend to 1", () => {
    const property = fc.property(graphArbitrary, fc.integer({ min: 0, max: MAX_LEVELS }), (graph, from) => {
      const ends = levelEnds(graph, from);
      expect(ends.at(-1)).toBe(1);
      for (const [i, end] of ends.entries()) expect(end).toBeGreaterThanOrEqual(ends[i - 1] ?? 0);
    });
    fc.assert(property, { seed: 33, numRuns: 200 });
  });
});

describe("k-medoids", () => {
  test("chooses k members, no worse than random ones and near the best choice", () => {
    const point = fc.integer({ min: 0, max: 100 });
    const property = fc.property(
      fc.array(point, { minLength: 2, maxLength: 9 }),
      fc.integer({ min: 1, max: 4 }),
      (xs, k) => {
        const matrix = distanceMatrix(xs.length, (a, b) => Math.abs(xs[a]! - xs[b]!));
        const medoids = kMedoids(matrix, xs.length, k);
        expect(new Set(medoids).size).toBe(Math.min(k, xs.length));
        const cost = medoidCost(matrix, xs.length, medoids);
        const best = Math.min(
          ...subsets(xs.length, Math.min(k, xs.length)).map((s) => medoidCost(matrix, xs.length, s)),
        );
        expect(cost).toBeLessThanOrEqual(3 * best + 1e-3);
      },
    );
    fc.assert(property, { seed: 34, numRuns: 300 });
  });

  function subsets(n: number, k: number): number[][] {
    if (k === 0) return [[]];
    return Array.from({ length: n }, (_, i) => i).flatMap((first) =>
      subsets(first, k - 1).map((rest) => [...rest, first]),
    );
  }
});

/** Three kinds of task: their shape, sizes and where time goes. */
function randomTask(random: RandomStream, kind: number): { stages: Stage[]; graph: PatternGraph } {
  const shares = [
    [1, 4, 1],
    [2, 1, 1, 6],
    [5, 1],
  ][kind]!;
  const scale = 20 * Math.exp(0.3 * random.normal());
  let atMs = 0;
  const stages: Stage[] = shares.map((share, level) => {
    const startMs = atMs;
    atMs += share * scale * Math.exp(0.1 * random.normal());
    const inputTokens = Math.round(200 * 4 ** kind * Math.exp(0.1 * random.normal()));
    return stage(level, startMs, atMs, { inputTokens, outputTokens: Math.round(share * 50), dependencies: level });
  });
  return { stages, graph: patternGraph(stages) };
}

describe("the pattern store", () => {
  test("finds tasks of the same kind from their first stages, and learns where their time goes", () => {
    const random = createRandom(5, "tasks");
    const store = new PatternStore();
    for (let i = 0; i < 300; i++) store.add(randomTask(random, i % 3).graph);
    for (let i = 0; i < 30; i++) {
      const { stages } = randomTask(random, i % 3);
      const running = stages[0]!;
      const known = patternGraph([{ ...running, outputTokens: null, endMs: null }]);
      const ends = store.outlook(known, 0)!;
      const expected = [1 / 6, 2 / 10, 5 / 6][i % 3]!;
      expect(Math.abs(ends[0]! - expected)).toBeLessThan(0.1);
      expect(ends.at(-1)).toBe(1);
    }
  });

  test("stays within its size, and after thinning still knows every kind", () => {
    const random = createRandom(6, "tasks");
    const store = new PatternStore({ capacity: 40 });
    for (let i = 0; i < 60; i++) store.add(randomTask(random, 0).graph);
    for (let i = 0; i < 500; i++) {
      store.add(randomTask(random, 1 + (i % 2)).graph);
      expect(store.size).toBeLessThanOrEqual(40);
    }
    expect(store.bytes).toBeLessThan(40 * 200);
    // Not seen for five hundred tasks, and unlike all others: k-medoids keeps one that stands for its kind.
    const old = randomTask(random, 0).graph;
    expect(store.match(old, Infinity)[0]!.distance).toBeLessThan(2);
  });

  test("knows nothing at first, and takes nothing that has not ended", () => {
    const store = new PatternStore();
    expect(store.outlook(chain([1]), 0)).toBeNull();
    store.add(patternGraph([stage(0, 0, null)]));
    store.add(patternGraph([]));
    expect(store.size).toBe(0);
  });
});

describe("the task tracker", () => {
  /** A tracker that has seen tasks of two levels which took 1 and 3 parts of their time. */
  function taught(): TaskTracker {
    const tracker = new TaskTracker({ idleMs: 1000 });
    for (let i = 0; i < 10; i++) {
      const taskId = `past ${i}`;
      tracker.stageStarted({ taskId, stageId: 0, kind: "llm", inputTokens: 50, nowMs: 0 });
      tracker.stageFinished({ taskId, stageId: 0, outputTokens: 10, nowMs: 100 });
      tracker.stageStarted({ taskId, stageId: 1, kind: "llm", inputTokens: 80, nowMs: 100 });
      tracker.stageFinished({ taskId, stageId: 1, outputTokens: 90, nowMs: 400 });
      tracker.taskFinished(taskId);
    }
    return tracker;
  }

  test("cuts a deadline as past tasks spent their time, and again by what is left", () => {
    const tracker = taught();
    const start = { taskId: "now", kind: "llm" as const, deadlineAtMs: 2000, nowMs: 1000 };
    tracker.stageStarted({ ...start, stageId: "a", inputTokens: 50 });
    expect(tracker.subDeadlineAtMs("now", "a")).toBeCloseTo(1250, 0);
    expect(tracker.stageView("now", "a", 1000)).toEqual({ id: "now", stage: 0, deadlineMs: expect.closeTo(250, 0) });
    tracker.stageFinished({ taskId: "now", stageId: "a", outputTokens: 10, nowMs: 1700 });
    tracker.stageStarted({ ...start, stageId: "b", inputTokens: 80, nowMs: 1750 });
    expect(tracker.subDeadlineAtMs("now", "b")).toBe(2000);
    tracker.checkIntegrity();
  });

  test("slices of all levels add up to the deadline", () => {
    const random = createRandom(8, "slices");
    const store = new PatternStore();
    for (let i = 0; i < 50; i++) store.add(randomTask(random, i % 3).graph);
    for (let i = 0; i < 20; i++) {
      const { stages } = randomTask(random, i % 3);
      const tracker = new TaskTracker({ patterns: store });
      const deadlineAtMs = 100 + random.uniform() * 1000;
      let nowMs = 0;
      let slices = 0;
      for (const [stageId, { inputTokens }] of stages.entries()) {
        tracker.stageStarted({ taskId: "t", stageId, kind: "llm", inputTokens, deadlineAtMs, nowMs });
        const due = tracker.subDeadlineAtMs("t", stageId);
        expect(due).toBeGreaterThanOrEqual(nowMs);
        expect(due).toBeLessThanOrEqual(deadlineAtMs);
        slices += due - nowMs;
        nowMs = due; // exactly in time
        tracker.stageFinished({ taskId: "t", stageId, outputTokens: stages[stageId]!.outputTokens!, nowMs });
      }
      expect(slices).toBeCloseTo(nowMs, 6);
      // After its last level nobody expects another: all time has been given out.
      expect(nowMs).toBeCloseTo(deadlineAtMs, 6);
    }
  });

  test("stages started together are siblings; what comes after they ended is the next level", () => {
    const tracker = taught();
    const start = { taskId: "t", kind: "llm" as const, inputTokens: 5 };
    tracker.stageStarted({ ...start, stageId: 1, nowMs: 0 });
    tracker.stageStarted({ ...start, stageId: 2, nowMs: 1 });
    tracker.stageFinished({ taskId: "t", stageId: 1, outputTokens: 1, nowMs: 2 });
    tracker.stageStarted({ ...start, stageId: 3, nowMs: 3 });
    tracker.stageFinished({ taskId: "t", stageId: 2, outputTokens: 1, nowMs: 4 });
    tracker.stageFinished({ taskId: "t", stageId: 3, outputTokens: 1, nowMs: 5 });
    tracker.stageStarted({ ...start, stageId: 4, nowMs: 6 });
    expect([1, 2, 3, 4].map((id) => tracker.stageView("t", id, 0).stage)).toEqual([0, 0, 0, 1]);
    expect(tracker.stageView("t", 4, 0).deadlineMs).toBeUndefined();
  });

  test("learns from tasks that ended, idle ones too, not from broken ones", () => {
    const tracker = taught();
    const before = tracker.patterns.size;
    tracker.stageStarted({ taskId: "idle", stageId: 0, kind: "tool", inputTokens: 1, nowMs: 0 });
    tracker.stageFinished({ taskId: "idle", stageId: 0, outputTokens: 1, nowMs: 10 });
    tracker.stageStarted({ taskId: "broken", stageId: 0, kind: "llm", inputTokens: 1, nowMs: 10 });
    tracker.stageFailed("broken", 0, 20);
    tracker.stageStarted({ taskId: "open", stageId: 0, kind: "llm", inputTokens: 1, nowMs: 20 });
    tracker.sweep(5000);
    expect(tracker.size).toBe(1);
    expect(tracker.patterns.size).toBe(before + 1);
    expect(tracker.deadlineAtMs("idle")).toBe(Infinity);
  });

  test("whatever it is told, it stays within its bounds", () => {
    const event = fc.record({
      kind: fc.constantFrom("start", "finish", "fail", "end"),
      task: fc.integer({ min: 0, max: 9 }),
      stageId: fc.integer({ min: 0, max: 5 }),
      stage: fc.option(fc.integer({ min: -3, max: 200 }), { nil: undefined }),
      gapMs: fc.integer({ min: 0, max: 200 }),
      deadlineMs: fc.option(fc.integer({ min: -10, max: 500 }), { nil: undefined }),
    });
    const property = fc.property(fc.array(event, { maxLength: 80 }), (events) => {
      const tracker = new TaskTracker({ maxTasks: 4, idleMs: 300, patterns: new PatternStore({ capacity: 8 }) });
      let nowMs = 0;
      for (const { kind, task, stageId, stage: level, gapMs, deadlineMs } of events) {
        nowMs += gapMs;
        const taskId = `t${task}`;
        if (kind === "start") {
          tracker.stageStarted({
            taskId,
            stageId,
            kind: "llm",
            inputTokens: 5,
            nowMs,
            ...(level === undefined ? {} : { stage: level }),
            ...(deadlineMs === undefined ? {} : { deadlineAtMs: nowMs + deadlineMs }),
          });
        }
        if (kind === "finish") tracker.stageFinished({ taskId, stageId, outputTokens: 3, nowMs });
        if (kind === "fail") tracker.stageFailed(taskId, stageId, nowMs);
        if (kind === "end") tracker.taskFinished(taskId);
        expect(tracker.subDeadlineAtMs(taskId, stageId)).toBeLessThanOrEqual(tracker.deadlineAtMs(taskId));
        tracker.checkIntegrity();
      }
    });
    fc.assert(property, { seed: 35, numRuns: 150 });
  });
});
