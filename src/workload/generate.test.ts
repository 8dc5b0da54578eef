import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { PendingHeap } from "./pending.ts";
import {
  arrivalSchedule,
  arrivalTimes,
  draw,
  drawGamma,
  fastGenLengths,
  generateStream,
  generateTrace,
  LENGTH_MIXES,
  meanOf,
  powerLawWithMean,
  PUBLISHED_WORKLOADS,
  publishedWorkload,
  scaleArrivals,
  threeClassMix,
  traceStatistics,
  valueAt,
  withMean,
  type ArrivalProcess,
  type Distribution,
  type PublishedFacts,
  type PublishedName,
  type Workload,
} from "./index.ts";

const moments = (values: readonly number[]): { mean: number; cv: number } => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return { mean, cv: Math.sqrt(variance) / mean };
};
const near = (got: number, want: number, share: number): void => {
  expect(Math.abs(got / want - 1), `${got} against ${want}`).toBeLessThan(share);
};

describe("distributions", () => {
  const all: readonly Distribution[] = [
    { kind: "fixed", value: 7 },
    { kind: "uniform", low: 2, high: 10 },
    { kind: "normal", mean: 100, sd: 30 },
    { kind: "exponential", mean: 12 },
    { kind: "lognormal", mean: 300, cv: 1.2 },
    { kind: "power-law", exponent: 1.7, low: 2, high: 5000 },
    powerLawWithMean(256, 8, 6000),
    {
      kind: "quantiles",
      points: [
        [0, 4],
        [0.5, 74],
        [0.95, 1484],
        [1, 4096],
      ],
    },
    {
      kind: "quantiles",
      scale: "linear",
      points: [
        [0, 0],
        [0.5, 10],
        [1, 12],
      ],
    },
    { kind: "scaled", by: 0.25, of: { kind: "exponential", mean: 12 } },
    { kind: "clipped", low: 50, high: 200, of: { kind: "lognormal", mean: 100, cv: 1 } },
    {
      kind: "mixture",
      parts: [
        { weight: 3, of: { kind: "fixed", value: 1 } },
        { weight: 1, of: { kind: "exponential", mean: 20 } },
      ],
    },
  ];

  test.each(all)("$kind: draws have the stated mean and rise with u", (distribution) => {
    const random = createRandom(3, distribution.kind);
    const values = Array.from({ length: 30_000 }, () => draw(distribution, random));
    near(moments(values).mean, meanOf(distribution), 0.05);
    near(meanOf(withMean(distribution, 40)), 40, 1e-9);
    if (distribution.kind === "mixture") return;
    const steps = Array.from({ length: 200 }, (_, i) => valueAt(distribution, i / 200));
    expect(steps.every((value, i) => i === 0 || value >= steps[i - 1]!)).toBe(true);
  });

  test("a lognormal has its own coefficient of variation, a normal its deviation", () => {
    const random = createRandom(5);
    const draws = (of: Distribution) => Array.from({ length: 40_000 }, () => draw(of, random));
    near(moments(draws({ kind: "lognormal", mean: 50, cv: 0.8 })).cv, 0.8, 0.03);
    near(moments(draws(fastGenLengths(2600))).cv, 0.3, 0.02);
  });

  test("published quantiles come out where they were put", () => {
    expect(valueAt(LENGTH_MIXES.short, 0.8)).toBeCloseTo(113);
    expect(valueAt(LENGTH_MIXES.long, 0.99)).toBeCloseTo(5166);
  });

  test("Llumnix's mixes have their means", () => {
    near(meanOf(LENGTH_MIXES.short), 128, 0.04);
    near(meanOf(LENGTH_MIXES.medium), 256, 0.04);
    near(meanOf(LENGTH_MIXES.long), 512, 0.04);
  });

  test("no power law gives a mean outside its range", () => {
    expect(() => powerLawWithMean(10_000, 1, 6000)).toThrow("no exponent");
    expect(() => powerLawWithMean(0.5, 1, 6000)).toThrow("no exponent");
  });

  test("gamma draws have mean 1 and the variance of their shape", () => {
    for (const shape of [0.05, 0.3, 1, 4]) {
      const random = createRandom(8, `shape ${shape}`);
      const values = Array.from({ length: 60_000 }, () => drawGamma(shape, random));
      near(moments(values).mean, 1, 0.06);
      near(moments(values).cv, 1 / Math.sqrt(shape), 0.08);
    }
  });
});

describe("arrivals", () => {
  const gaps = (process: ArrivalProcess, count = 30_000): number[] => {
    const times = arrivalSchedule(process, count, createRandom(11));
    return Array.from(times, (time, i) => time - (i === 0 ? 0 : times[i - 1]!));
  };

  test("rate and burstiness are as asked", () => {
    for (const [process, cv] of [
      [{ kind: "poisson", ratePerSecond: 8 }, 1],
      [{ kind: "gamma", ratePerSecond: 8, cv: 4 }, 4],
      [{ kind: "gamma", ratePerSecond: 8, cv: 0.5 }, 0.5],
      [{ kind: "gaps", ratePerSecond: 8, gaps: { kind: "lognormal", mean: 3, cv: 2 } }, 2],
    ] as const) {
      const { mean, cv: measured } = moments(gaps(process));
      near(mean, 125, 0.08);
      near(measured, cv, 0.1);
    }
    expect(gaps({ kind: "constant", ratePerSecond: 4 }, 3)).toEqual([250, 250, 250]);
    expect(gaps({ kind: "all-at-once" }, 3)).toEqual([0, 0, 0]);
  });

  test("a diurnal rate swings as a sine", () => {
    const process = { kind: "diurnal", ratePerSecond: 50, periodMs: 100_000, swing: 0.8 } as const;
    const quarters = [0, 0, 0, 0];
    let periods = 0;
    for (const time of arrivalTimes(process, createRandom(2))) {
      periods = time / 100_000;
      if (periods >= 3) break;
      quarters[Math.floor((periods % 1) * 4)]! += 1;
    }
    // The integral of 1 + 0.8 sin over a quarter of the period.
    const expected = [1, 1, -1, -1].map((sign) => (50 * 300 * (1 + (sign * 0.8 * 2) / Math.PI)) / 4);
    for (const [i, count] of quarters.entries()) near(count, expected[i]!, 0.08);
  });

  test("phases follow each other; a ramp grows and ends", () => {
    const process: ArrivalProcess = {
      kind: "phases",
      phases: [
        { durationMs: 10_000, process: { kind: "constant", ratePerSecond: 2 } },
        { durationMs: 1, process: { kind: "constant", ratePerSecond: 10 } },
      ],
    };
    const times = [...arrivalSchedule(process, 40, createRandom(1))];
    expect(times.filter((time) => time < 10_000)).toHaveLength(19);
    expect(times[19]).toBeCloseTo(10_100);
    const ramp = {
      kind: "ramp",
      startPerSecond: 1,
      endPerSecond: 100,
      growth: "exponential",
      count: 300,
      cv: 0,
    } as const;
    const steps = [...arrivalTimes(ramp, createRandom(1))];
    expect(steps).toHaveLength(300);
    expect(steps[0]).toBe(1000);
    expect(steps[299]! - steps[298]!).toBeCloseTo(10);
    expect(() => arrivalSchedule(ramp, 301, createRandom(1))).toThrow("ends after 300 of 301");
  });

  test("an exact total makes every seed the same load", () => {
    const process = { kind: "gamma", ratePerSecond: 5, cv: 3 } as const;
    for (const seed of [1, 2]) {
      expect(arrivalSchedule(process, 100, createRandom(seed), { exactTotal: true })[99]).toBeCloseTo(20_000);
    }
  });

  test("scaling a rate scales every part of it, and the gaps by the same draws", () => {
    const process = { kind: "gamma", ratePerSecond: 5, cv: 3 } as const;
    const slow = arrivalSchedule(process, 50, createRandom(4));
    const fast = arrivalSchedule(scaleArrivals(process, 2), 50, createRandom(4));
    for (const [i, time] of slow.entries()) expect(fast[i]).toBeCloseTo(time / 2);
    const both = scaleArrivals({ kind: "phases", phases: [{ durationMs: 5, process }] }, 3);
    expect(both).toEqual({ kind: "phases", phases: [{ durationMs: 5, process: { ...process, ratePerSecond: 15 } }] });
  });

  test("what is no process is refused by field", () => {
    const first = (process: ArrivalProcess) => arrivalTimes(process, createRandom(1)).next();
    expect(() => first({ kind: "poisson", ratePerSecond: 0 })).toThrow("ratePerSecond");
    expect(() => first({ kind: "gamma", ratePerSecond: 1, cv: -1 })).toThrow("cv");
    expect(() => first({ kind: "diurnal", ratePerSecond: 1, periodMs: 1, swing: 2 })).toThrow("swing");
    expect(() => first({ kind: "phases", phases: [] })).toThrow("phase");
  });
});

describe("published workloads", () => {
  const names = Object.keys(PUBLISHED_WORKLOADS) as PublishedName[];

  test.each(names)("%s has the statistics of its source", (name) => {
    const facts: PublishedFacts = PUBLISHED_WORKLOADS[name].facts;
    const stream = generateStream(
      publishedWorkload(name, { count: 12_000, maxPromptTokens: 200_000 }),
      createRandom(1),
    );
    const { promptTokens, outputTokens, gaps, prefixHitBlocks } = traceStatistics(stream);
    near(promptTokens.mean, facts.promptMean, 0.07);
    near(outputTokens.mean, facts.outputMean, 0.05);
    if (facts.promptP50 !== undefined) near(promptTokens.p50, facts.promptP50, 0.05);
    if (facts.promptP90 !== undefined) near(promptTokens.p90, facts.promptP90, 0.05);
    if (facts.outputP50 !== undefined) near(outputTokens.p50, facts.outputP50, 0.05);
    if (facts.outputP90 !== undefined) near(outputTokens.p90, facts.outputP90, 0.05);
    if (facts.gapCv !== undefined) near(gaps.cv, facts.gapCv, 0.12);
    if (facts.prefixHitBlocks !== undefined) near(prefixHitBlocks, facts.prefixHitBlocks, 0.08);
  });
});

describe("generation", () => {
  const mix = (count: number): Workload => threeClassMix({ arrivals: { kind: "poisson", ratePerSecond: 4 }, count });

  test("equal seeds give equal traces; another rate gives the same requests", () => {
    const trace = generateTrace(mix(200), createRandom(9));
    expect(generateTrace(mix(200), createRandom(9))).toEqual(trace);
    expect(generateTrace(mix(200), createRandom(10))).not.toEqual(trace);
    const faster = generateTrace({ ...mix(200), arrivals: { kind: "poisson", ratePerSecond: 40 } }, createRandom(9));
    const without = (requests: typeof trace.requests) => requests.map((one) => ({ ...one, arrivalMs: 0 }));
    expect(without(faster.requests)).toEqual(without(trace.requests));
  });

  test("ids count up, arrivals never go back, lengths are at least 1 and within limits", () => {
    const workload = { ...mix(500), maxPromptTokens: 700, maxTotalTokens: 800 };
    for (const [i, request] of generateTrace(workload, createRandom(1)).requests.entries()) {
      expect(request.id).toBe(i);
      expect(request.promptTokens).toBeGreaterThanOrEqual(1);
      expect(request.promptTokens).toBeLessThanOrEqual(700);
      expect(request.promptTokens + request.outputTokens).toBeLessThanOrEqual(800);
    }
    const { requests } = generateTrace(publishedWorkload("mooncake-conversation", { count: 400 }), createRandom(2));
    expect(
      requests.every(({ id, arrivalMs }, i) => id === i && (i === 0 || arrivalMs >= requests[i - 1]!.arrivalMs)),
    ).toBe(true);
  });

  test("classes come in their shares and bring their objectives", () => {
    const { requests } = generateTrace(mix(4000), createRandom(3));
    const units = new Map<string, Set<number>>();
    for (const { id, slo, task } of requests) {
      const kind = slo!.class;
      units.set(kind, (units.get(kind) ?? new Set()).add(task?.id ?? -id));
    }
    const total = [...units.values()].reduce((sum, { size }) => sum + size, 0);
    for (const kind of ["latency", "deadline", "compound"]) near(units.get(kind)!.size / total, 1 / 3, 0.12);
    expect(requests.find(({ slo }) => slo!.class === "latency")!.slo).toEqual({
      class: "latency",
      ttftMs: 2000,
      tpotMs: 100,
      onMiss: "finish",
    });
  });

  test("a task is a graph of 2 to 5 stages, whole, with one deadline for all its calls", () => {
    const { requests } = generateTrace(mix(2000), createRandom(4));
    const byId = new Map(requests.map((request) => [request.id, request]));
    const stages = new Map<number, number>();
    for (const { id, arrivalMs, task, slo } of requests) {
      if (task === undefined) continue;
      stages.set(task.id, Math.max(stages.get(task.id) ?? 0, task.stage + 1));
      expect(task.after.length > 0).toBe(task.stage > 0);
      for (const other of task.after) {
        expect(other).toBeLessThan(id);
        expect(byId.get(other)!.task).toMatchObject({ id: task.id, stage: task.stage - 1 });
        expect(byId.get(other)!.arrivalMs).toBe(arrivalMs);
      }
      expect(task.stage === 0 || task.thinkMs > 0).toBe(true);
      expect(slo!.deadlineMs! % 20_000).toBe(0);
    }
    expect(Math.min(...stages.values())).toBeGreaterThanOrEqual(2);
    expect(Math.max(...stages.values())).toBeLessThanOrEqual(5);
    for (const { task, slo } of requests)
      if (task !== undefined) expect(slo!.deadlineMs).toBe(20_000 * stages.get(task.id)!);
  });

  test("tasks follow few patterns, or each its own", () => {
    const shapes = (patterns: number): number => {
      const workload = mix(1500);
      const classes = workload.classes.map((one) =>
        one.shape.kind === "compound" ? { ...one, shape: { ...one.shape, patterns } } : one,
      );
      const widths = new Map<number, string>();
      for (const { task } of generateTrace({ ...workload, classes }, createRandom(5)).requests) {
        if (task !== undefined) widths.set(task.id, `${widths.get(task.id) ?? ""}${task.stage}`);
      }
      return new Set(widths.values()).size;
    };
    expect(shapes(3)).toBeLessThanOrEqual(3);
    expect(shapes(0)).toBeGreaterThan(20);
  });

  test("a conversation's prompt begins with the prompt before it", () => {
    const { requests, blockTokens } = generateTrace(
      publishedWorkload("mooncake-synthetic", { count: 500 }),
      createRandom(6),
    );
    const last = new Map<number, (typeof requests)[number]>();
    let later = 0;
    for (const request of requests) {
      const before = last.get(request.session!);
      expect(request.hashIds).toHaveLength(Math.ceil(request.promptTokens / blockTokens));
      if (before !== undefined) {
        later += 1;
        const shared = Math.floor(before.promptTokens / blockTokens);
        expect(request.promptTokens).toBeGreaterThan(before.promptTokens + before.outputTokens);
        expect(request.hashIds!.slice(0, shared)).toEqual(before.hashIds!.slice(0, shared));
      }
      last.set(request.session!, request);
    }
    expect(later).toBeGreaterThan(100);
  });

  test("it ends by count or by time", () => {
    const { requests } = generateTrace(mix(100), createRandom(7));
    expect(requests.length).toBeGreaterThanOrEqual(100);
    expect(requests.length).toBeLessThan(115);
    const timed = generateTrace({ ...mix(100_000), durationMs: 30_000 }, createRandom(7));
    expect(timed.requests.at(-1)!.arrivalMs).toBeLessThanOrEqual(30_000);
    expect(() => generateTrace({ ...mix(1), count: undefined }, createRandom(1))).toThrow("count or durationMs");
    expect(() => generateTrace({ ...mix(1), classes: [] }, createRandom(1))).toThrow("classes");
    expect(() =>
      generateTrace({ ...mix(1), count: undefined, durationMs: 1, arrivals: { kind: "all-at-once" } }, createRandom(1)),
    ).toThrow("needs a count");
  });
});

test("the heap gives what is pending by time, ties in order", () => {
  const random = createRandom(1);
  const heap = new PendingHeap<number>();
  const naive: { atMs: number; item: number }[] = [];
  for (let i = 0; i < 3000; i++) {
    if (random.chance(0.6)) {
      const atMs = random.int(0, 50);
      heap.push(atMs, i);
      naive.push({ atMs, item: i });
    } else {
      let best = 0;
      for (let j = 1; j < naive.length; j++) if (naive[j]!.atMs < naive[best]!.atMs) best = j;
      expect(heap.nextMs).toBe(naive[best]?.atMs ?? Infinity);
      expect(heap.pop()).toBe(naive.splice(best, 1)[0]?.item);
    }
    expect(heap.size).toBe(naive.length);
  }
});
