import { describe, expect, test } from "vitest";
import { createRandom, PunctualError } from "../core/index.ts";
import { parseSlo, type Slo } from "../sched/index.ts";
import { generateTrace, publishedWorkload, type Trace } from "../workload/index.ts";
import { bestPerDevice, goodputOf, highest, tightestSlo } from "./boundary.ts";
import { catalogue } from "./catalogue.ts";
import { Evaluator } from "./evaluator.ts";
import { loneShares } from "./lone.ts";
import { describePlacement, devicesOf, fleetOf, pricePerHourOf } from "./placement.ts";
import { cheapestOfModes, plan } from "./plan.ts";
import { pairsOf, singlesOf, smallest, type SearchSpace } from "./search.ts";
import { PLACEMENT_MODES, type Placement } from "./types.ts";

const a100 = catalogue({ model: "opt-13b", prices: [{ gpu: "a100", pricePerHour: 2 }] });
const [single] = a100;
const objective = (slo: string, attain = 0.9) => ({ slo: parseSlo(slo), attain });

function trace(ratePerSecond: number, count = 80, name: "azure-code" | "azure-conversation" = "azure-code"): Trace {
  const arrivals = { kind: "poisson", ratePerSecond } as const;
  return generateTrace(
    publishedWorkload(name, { count, arrivals, maxTotalTokens: 2048 }),
    createRandom(ratePerSecond, name),
  );
}

/** Every placement there is within the devices. */
function everyPlacement(space: SearchSpace): Placement[] {
  const [least, most] = space.devices;
  const all: Placement[] = [];
  for (const mode of space.modes) {
    if (mode === "disaggregated") {
      for (const [prefill, decode] of pairsOf(space)) {
        for (let prefills = 1; prefills < most; prefills++) {
          for (let decodes = 1; decodes < most; decodes++) {
            all.push({ kind: "disaggregated", prefill, prefills, decode, decodes });
          }
        }
      }
    } else {
      for (const { at } of singlesOf(mode, space)) for (let n = 1; n <= most; n++) all.push(at(n));
    }
  }
  return all.filter((placement) => devicesOf(placement) >= least && devicesOf(placement) <= most);
}

test("the cheapest of every mode is that of trying everything", { timeout: 60_000 }, async () => {
  const choices = a100.filter(({ pipeline }) => pipeline === 1);
  const space: SearchSpace = { choices, modes: PLACEMENT_MODES, devices: [1, 4], stepTokens: [512] };
  const cases = [
    { at: 2, slo: "ttft=1s,tpot=60ms" },
    { at: 6, slo: "ttft=1s,tpot=40ms" },
    { at: 40, slo: "ttft=1s,tpot=40ms" },
    { at: 1, slo: "ttft=1s,tpot=12ms" },
  ];
  for (const { at, slo } of cases) {
    const evaluator = new Evaluator({ trace: trace(at, 30), objective: objective(slo) });
    const found = await cheapestOfModes(evaluator, space);
    for (const mode of PLACEMENT_MODES) {
      const prices: number[] = [];
      for (const placement of everyPlacement({ ...space, modes: [mode] })) {
        if (await evaluator.attains(placement)) prices.push(pricePerHourOf(placement));
      }
      const ours = found.find(({ placement }) => placement.kind === mode);
      expect(ours?.pricePerHour ?? Infinity, `${mode} at ${at}, ${slo}`).toBe(Math.min(Infinity, ...prices));
      if (ours !== undefined) expect(ours.point.share).toBeGreaterThanOrEqual(0.9);
    }
    const prices = found.map(({ pricePerHour }) => pricePerHour);
    expect(prices).toEqual(prices.toSorted((a, b) => a - b));
  }
});

test(
  "per device nothing fixed is better than what is chosen, and passing over changes nothing",
  { timeout: 60_000 },
  async () => {
    for (const tpot of [40]) {
      const evaluator = new Evaluator({ trace: trace(4, 90), objective: objective(`ttft=1s,tpot=${tpot}ms`) });
      const space: SearchSpace = { choices: [single!], modes: PLACEMENT_MODES, devices: [1, 3], stepTokens: [512] };
      const all = everyPlacement(space);
      const best = await bestPerDevice(evaluator, all, { tolerance: 0.05 });
      for (const placement of all) {
        const { perDevice } = await goodputOf(evaluator, placement, { tolerance: 0.05 });
        expect(best!.perDevice * 1.08, describePlacement(placement)).toBeGreaterThanOrEqual(perDevice);
      }
    }
  },
);

describe("an evaluator", () => {
  const placement: Placement = { kind: "colocated", on: single!, instances: 1 };

  test("stopped early or not, it says the same about attaining", async () => {
    for (const load of [0.2, 0.5, 1, 2]) {
      const options = { trace: trace(4), objective: objective("ttft=1s,tpot=60ms") };
      const early = await new Evaluator(options).point(placement, { load });
      const whole = await new Evaluator(options).point(placement, { load, whole: true });
      expect(early.share >= 0.9).toBe(whole.share >= 0.9);
      expect(early.share).toBeGreaterThanOrEqual(whole.share - 1e-12);
      expect(whole.requests).toBe(80);
    }
  });

  test("the same seed gives the same point; a known one is not simulated again", async () => {
    const options = { trace: trace(4), objective: objective("ttft=1s,tpot=60ms") };
    const [one, two] = [new Evaluator(options), new Evaluator(options)];
    expect(await one.point(placement, { whole: true })).toEqual(await two.point(placement, { whole: true }));
    await one.point(placement);
    expect(one.simulations).toBe(1);
  });

  test("a load is the same requests closer together", async () => {
    const evaluator = new Evaluator({ trace: trace(4), objective: objective("ttft=1s,tpot=60ms") });
    const direct = await evaluator.point(placement, { load: 2, whole: true });
    const scaled = await evaluator.atLoad(2).point(placement, { whole: true });
    expect(scaled.share).toBe(direct.share);
    expect(evaluator.simulations).toBe(2);
  });

  test("cancelled requests are in no number", async () => {
    const made = trace(1, 40);
    const requests = made.requests.map((one) => (one.id % 2 === 0 ? { ...one, cancelAfterMs: 1 } : one));
    const evaluator = new Evaluator({ trace: { ...made, requests }, objective: objective("ttft=9s,tpot=1s") });
    const point = await evaluator.point(placement, { whole: true });
    // Some were done within the step that their cancel waited for.
    expect(point.requests).toBeLessThan(30);
    expect(point.attained).toBe(point.requests);
  });

  test("what cannot be planned is refused", () => {
    const none: Slo = { class: "best-effort", onMiss: "finish" };
    const make = (options: Partial<ConstructorParameters<typeof Evaluator>[0]>) => () =>
      new Evaluator({ trace: trace(1), objective: objective("ttft=1s"), ...options });
    expect(make({ objective: { slo: none, attain: 0.9 } })).toThrow("target");
    expect(make({ objective: objective("ttft=1s", 0) })).toThrow("attain");
    expect(make({ trace: { ...trace(1), requests: trace(1).requests.slice(0, 1) } })).toThrow("different times");
  });
});

test("boundaries are found by bracketing and bisection", async () => {
  for (const edge of [0.013, 0.7, 1, 1.4, 300]) {
    const found = await highest(async (value) => value <= edge, { tolerance: 0.01 });
    expect(found).toBeLessThanOrEqual(edge);
    expect(found).toBeGreaterThan(edge / 1.011);
  }
  expect(await highest(async () => false, {})).toBe(0);
  for (const edge of [1, 5, 9]) expect(await smallest(1, 9, async (value) => value >= edge)).toBe(edge);
  expect(await smallest(1, 9, async () => false)).toBeNull();
});

test("tighter targets are a boundary too", async () => {
  const evaluator = new Evaluator({ trace: trace(1, 40), objective: objective("ttft=4s,tpot=400ms") });
  const placement: Placement = { kind: "colocated", on: single!, instances: 1 };
  const scale = await tightestSlo(evaluator, placement, { tolerance: 0.05 });
  expect(scale).toBeLessThan(1);
  expect(await evaluator.attains(placement, { sloScale: scale })).toBe(true);
  expect(await evaluator.attains(placement, { sloScale: scale / 1.06 })).toBe(false);
});

test("alone is a bound for company", async () => {
  for (const slo of ["ttft=150ms,tpot=60ms", "ttft=1s,tpot=21ms"]) {
    const evaluator = new Evaluator({ trace: trace(0.5, 60), objective: objective(slo) });
    for (const on of a100.filter(({ pipeline }) => pipeline === 1)) {
      const { share } = await evaluator.point({ kind: "colocated", on, instances: 2 }, { whole: true });
      expect(share).toBeLessThanOrEqual(loneShares(evaluator, on).both + 1e-9);
    }
  }
});

describe("a plan", () => {
  const options = {
    trace: trace(5, 80),
    objective: objective("ttft=1s,tpot=50ms"),
    choices: a100.filter(({ pipeline }) => pipeline === 1),
    devices: [1, 6],
    loads: [0.5, 1, 2],
    sloScales: [0.5, 1, 2],
    replanLoads: [0.5],
  } as const;

  test("says what to start, what else would do, how near the edge it is and what it rests on", async () => {
    const { chosen, runnersUp, nearest, curves, sensitivity, replans, costs } = await plan(options);
    expect(chosen!.point.share).toBeGreaterThanOrEqual(0.9);
    expect(chosen!.devices).toBe(fleetOf(chosen!.placement).devices);
    for (const other of runnersUp) expect(other.pricePerHour).toBeGreaterThanOrEqual(chosen!.pricePerHour);
    expect(nearest).toEqual([]);
    expect(curves.map(({ points }) => points.length)).toEqual(Array.from({ length: 1 + runnersUp.length }, () => 3));
    expect(sensitivity!.mostLoad).toBeGreaterThanOrEqual(1);
    expect(sensitivity!.tightestSlo).toBeLessThanOrEqual(1);
    expect(pricePerHourOf(replans[0]!.placement!)).toBeLessThanOrEqual(chosen!.pricePerHour);
    expect(costs.some(({ basis }) => basis.includes("DistServe"))).toBe(true);
  });

  test("when nothing attains it says so, and what is nearest", async () => {
    const { chosen, nearest, sensitivity } = await plan({
      ...options,
      trace: trace(60, 60),
      devices: [1, 2],
    });
    expect(chosen).toBeNull();
    expect(nearest.length).toBeGreaterThan(0);
    for (const near of nearest) expect(near.mostLoad).toBeLessThan(1);
    expect(nearest[0]!.point.share).toBeGreaterThanOrEqual(nearest.at(-1)!.point.share);
    expect(sensitivity).not.toBeNull();
  });

  test("with every mode each has a curve, and an observer hears of all of it in order", async () => {
    for (const [at, devices] of [
      [12, [1, 4]],
      [60, [1, 2]],
    ] as const) {
      const heard: string[] = [];
      const drawn = new Map<string, number[]>();
      const made = await plan({
        ...options,
        trace: trace(at, 60),
        devices,
        everyMode: true,
        observer: {
          stage: (stage) => void heard.push(stage),
          found: (mode, cheapest) => void heard.push(`${mode} ${cheapest === null ? "fails" : "attains"}`),
          near: ({ placement }) => void heard.push(`${placement.kind} near`),
          point: (placement, { load }) => {
            const name = describePlacement(placement);
            drawn.set(name, [...(drawn.get(name) ?? []), load]);
          },
        },
      });
      expect(new Set(made.curves.map(({ placement }) => placement.kind))).toEqual(new Set(PLACEMENT_MODES));
      for (const { placement, points } of made.curves) {
        expect(drawn.get(describePlacement(placement))).toEqual(points.map(({ load }) => load));
      }
      const attaining = [made.chosen, ...made.runnersUp].filter((one) => one !== null);
      expect(attaining.length + made.nearest.length + made.others.length).toBe(PLACEMENT_MODES.length);
      for (const { point } of made.others) expect(point.share).toBeLessThan(0.9);
      const stages = heard.filter((word) => !word.includes(" "));
      const near = attaining.length < PLACEMENT_MODES.length ? ["near"] : [];
      const replans = made.chosen === null ? [] : ["replans"];
      expect(stages).toEqual(["search", ...near, "curves", "sensitivity", ...replans]);
      for (const mode of PLACEMENT_MODES) {
        const attains = attaining.some(({ placement }) => placement.kind === mode);
        expect(heard).toContain(attains ? `${mode} attains` : `${mode} fails`);
        expect(heard.includes(`${mode} near`)).toBe(!attains);
      }
    }
  });

  test("a signal stops it, progress tells of it", async () => {
    const controller = new AbortController();
    let simulations = 0;
    const progress = (): void => {
      simulations += 1;
      if (simulations === 3) controller.abort();
    };
    const failed = plan({ ...options, signal: controller.signal, progress, pause: async () => {} });
    await expect(failed).rejects.toThrow(PunctualError);
    expect(simulations).toBe(3);
  });
});

describe("a catalogue", () => {
  test("tables where there are any, rooflines elsewhere, within a node", () => {
    expect(a100.map(({ name }) => name)).toEqual([
      "opt-13b tp1 pp1",
      "opt-13b tp1 pp2",
      "opt-13b tp2 pp1",
      "opt-13b tp2 pp2",
    ]);
    const prices = [{ gpu: "h100", pricePerHour: 4 }];
    const h100 = catalogue({ model: "llama3-70b", prices, mostParallel: 4, mostStages: 1 });
    expect(h100.map(({ name }) => name)).toEqual(["llama3-70b tp4 pp1"]);
    expect(h100[0]!.basis).toContain("against Splitwise's measurements of llama2-70b on 4 x h100");
  });

  test("what it does not know it names", () => {
    expect(() => catalogue({ model: "opt-13b", prices: [{ gpu: "tpu", pricePerHour: 1 }] })).toThrow("h100");
    expect(() => catalogue({ model: "nothing", prices: [{ gpu: "h100", pricePerHour: 1 }] })).toThrow("llama3-8b");
    expect(() => catalogue({ model: "opt-66b", prices: [{ gpu: "l4", pricePerHour: 1 }], mostParallel: 1 })).toThrow(
      "fit",
    );
    expect(() => catalogue({ prices: [{ gpu: "local", pricePerHour: 1 }] })).toThrow("calibration");
    expect(() => catalogue({ model: "opt-13b", prices: [{ gpu: "a100", pricePerHour: 0 }] })).toThrow("above 0");
  });
});
