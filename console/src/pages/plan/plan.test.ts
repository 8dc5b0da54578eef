import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { PlanBody, PlanEvent, PlanMode, PlanPointBody, RatedBody } from "@protocol";
import { planRequestSchema, worldRequestSchema } from "../../../../src/protocol/plan.ts";
import { advance, begin, curveColumns, IDLE, isBusy, progressOf, rankedModes, type PlanRun } from "./run.ts";
import {
  DEFAULT_SETTINGS,
  linearScale,
  logScale,
  MODES,
  planRequest,
  readSettings,
  workloadOf,
  worldRequest,
} from "./settings.ts";

describe("settings", () => {
  const requestOf = (part: Partial<typeof DEFAULT_SETTINGS>) => planRequest({ ...DEFAULT_SETTINGS, ...part });

  test("make a request that the server's schema takes", () => {
    for (const part of [
      {},
      { ttftMs: null, deadlineMs: 5000 },
      { source: "trace", traceId: "abc", ratePerSecond: null } as const,
      { burstiness: 3.5 },
      { modes: ["chunked"] } as const,
    ]) {
      const made = requestOf(part);
      if ("problem" in made) throw new Error(made.problem);
      expect(planRequestSchema.parse(made.request)).toEqual(made.request);
    }
  });

  test("make a world, with targets or without", () => {
    for (const part of [{}, { ttftMs: null, tpotMs: null }, { migrate: true }]) {
      const request = worldRequest({ ...DEFAULT_SETTINGS, ...part });
      expect(worldRequestSchema.parse(request)).toEqual(request);
      expect("slo" in request).toBe(!("ttftMs" in part));
    }
  });

  test("say what they name, no more", () => {
    expect(requestOf({})).toMatchObject({ request: { rate: 8, gpus: [1, 16], model: "llama3-8b" } });
    expect(requestOf({})).not.toHaveProperty("request.modes");
    expect(workloadOf({ ...DEFAULT_SETTINGS, burstiness: 3 })).toEqual({
      kind: "generate",
      spec: "azure-conversation,cv=3",
    });
    const trace = requestOf({ source: "trace", traceId: "abc", ratePerSecond: null });
    expect(trace).toHaveProperty("request.workload", { kind: "trace", id: "abc" });
    expect(trace).not.toHaveProperty("request.rate");
    const local = { gpu: "local", pricePerHour: 0.1, isUsed: true };
    const made = requestOf({ prices: [local], calibration: { name: "c.json", text: "{}" } });
    expect(made).toHaveProperty("request.calibration", "{}");
    expect(made).not.toHaveProperty("request.model");
  });

  test("say what is missing", () => {
    expect(requestOf({ ttftMs: null, tpotMs: null })).toEqual({ problem: "Set at least one target." });
    expect(requestOf({ prices: [] })).toHaveProperty("problem");
    expect(requestOf({ modes: [] })).toHaveProperty("problem");
    expect(requestOf({ prices: [{ gpu: "local", pricePerHour: 1, isUsed: true }] })).toHaveProperty("problem");
  });

  test("survive what a browser kept, whatever it is", () => {
    expect(readSettings(JSON.parse(JSON.stringify(DEFAULT_SETTINGS)))).toEqual(DEFAULT_SETTINGS);
    const changed = { ...DEFAULT_SETTINGS, ttftMs: null, tpotMs: 20, mostDevices: 3, traceId: "x" };
    expect(readSettings(JSON.parse(JSON.stringify(changed)))).toEqual(changed);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...Object.keys(DEFAULT_SETTINGS)), fc.jsonValue()), (kept) => {
        const made = planRequest(readSettings(kept));
        expect("problem" in made || made.request.prices.length > 0).toBe(true);
        expect(Object.keys(readSettings(kept))).toEqual(Object.keys(DEFAULT_SETTINGS));
      }),
      { seed: 7, numRuns: 200 },
    );
  });
});

describe("scales", () => {
  test("a position is where its value is", () => {
    for (const scale of [
      logScale(0.1, 200),
      linearScale(1, 8, 0.5),
      logScale(1, 128, 60),
      linearScale(50, 99.5, 0.5),
    ]) {
      let last = Number.NEGATIVE_INFINITY;
      for (let position = 0; position <= scale.steps; position++) {
        const value = scale.at(position);
        expect(value).toBeGreaterThanOrEqual(last);
        expect(Math.abs(scale.of(value) - position)).toBeLessThanOrEqual(scale.steps / 20);
        last = value;
      }
    }
    expect([logScale(20, 30_000).at(0), logScale(20, 30_000).at(200)]).toEqual([20, 30_000]);
    expect(linearScale(50, 99.5, 0.5).at(80)).toBe(90);
    expect(logScale(1, 128).of(1e9)).toBe(200);
  });
});

const point = (load: number, share: number): PlanPointBody => ({
  load,
  sloScale: 1,
  requests: 10,
  attained: share * 10,
  share,
  ttftShare: share,
  tpotShare: share,
  ttftP90Ms: 100,
  tpotP90Ms: 10,
  e2eMeanMs: 1000,
  utilization: 0.5,
  preemptions: 0,
});
const rated = (mode: PlanMode, pricePerHour: number, share = 1): RatedBody => ({
  placement: { mode, name: `${mode} 1 x a100`, parts: [], devices: 1, pricePerHour },
  point: point(1, share),
});

describe("a plan while it is made", () => {
  const begun: PlanEvent[] = [
    { kind: "queued", ahead: 2 },
    { kind: "started", requests: 10, ratePerSecond: 3, note: null, loads: [0.5, 1] },
    { kind: "progress", stage: "search", simulations: 1, placement: "colocated 1 x a100", load: 1 },
    { kind: "found", mode: "colocated", cheapest: rated("colocated", 4) },
    { kind: "found", mode: "chunked", cheapest: rated("chunked", 2) },
    { kind: "found", mode: "semi-pd", cheapest: null },
    { kind: "found", mode: "disaggregated", cheapest: null },
    { kind: "progress", stage: "near", simulations: 9, placement: "semi-pd", load: 1 },
    { kind: "near", near: rated("semi-pd", 9, 0.4) },
    { kind: "near", near: rated("disaggregated", 9, 0.6) },
    { kind: "progress", stage: "curves", simulations: 12, placement: "chunked", load: 0.5 },
    { kind: "point", placement: rated("chunked", 2).placement, point: point(0.5, 1) },
  ];
  const after = (events: readonly PlanEvent[]): PlanRun => events.reduce(advance, begin(MODES));

  test("tells how far it is, and never goes back", () => {
    let run = begin(MODES);
    let last = 0;
    for (const event of begun) {
      run = advance(run, event);
      expect(isBusy(run)).toBe(true);
      expect(progressOf(run)).toBeGreaterThanOrEqual(last);
      last = progressOf(run);
    }
    expect(last).toBeLessThan(1);
    expect(run).toMatchObject({ status: "running", stage: "curves", simulations: 12 });
    expect(progressOf(IDLE)).toBe(0);
  });

  test("ranks what attains by price, the rest by how much it attains", () => {
    expect(rankedModes(after(begun)).map(({ mode }) => mode)).toEqual([
      "chunked",
      "colocated",
      "disaggregated",
      "semi-pd",
    ]);
  });

  test("draws the points that are known, a column a mode", () => {
    const [loads, ...columns] = curveColumns(after(begun));
    expect(loads).toEqual([0.5, 1]);
    expect(columns).toEqual([
      [null, null],
      [1, null],
      [null, null],
      [null, null],
    ]);
  });

  test("ends whole, or with what was wrong", () => {
    const plan: PlanBody = {
      trace: { name: "t", source: "s", requests: 10, ratePerSecond: 3 },
      attain: 0.9,
      chosen: rated("chunked", 2),
      runnersUp: [],
      nearest: [],
      others: [],
      curves: [{ placement: rated("chunked", 2).placement, points: [point(0.5, 1), point(1, 0.9)] }],
      sensitivity: null,
      replans: [],
      costs: [],
      simulations: 40,
    };
    const done = after([...begun, { kind: "done", plan, seconds: 2, command: "punctual plan" }]);
    expect(done).toMatchObject({ status: "done", simulations: 40, command: "punctual plan" });
    expect(progressOf(done)).toBe(1);
    expect(done.modes.find(({ mode }) => mode === "chunked")!.points).toHaveLength(2);
    const failed = after([...begun, { kind: "error", code: "x", message: "too large", param: null }]);
    expect(failed).toMatchObject({ status: "failed", problem: "too large" });
  });
});
