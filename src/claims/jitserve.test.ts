import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { bestRival, fcfsLine, rivalLines, type LoadPoint, type Sample } from "./jitserve/curve-lines.ts";
import { fewestInstances } from "./jitserve/instances.ts";
import { optimalTokens, smallInstance, tokensInTime } from "./jitserve/optimum.ts";
import { outlooksOf, runArm } from "./jitserve/run-arm.ts";
import { ARMS, ORACLE, OURS, RIVALS, traceOf } from "./jitserve/setup.ts";

const trace = traceOf({ ratePerSecond: 4, cv: 1, durationMs: 20_000, admission: "finish", seed: "test" });

describe("the trace", () => {
  test("is the same for the same seed, whatever the rate but for its times", () => {
    const again = traceOf({ ratePerSecond: 4, cv: 1, durationMs: 20_000, admission: "finish", seed: "test" });
    expect(again).toEqual(trace);
    const slower = traceOf({ ratePerSecond: 2, cv: 1, durationMs: 20_000, admission: "reject", seed: "test" });
    expect(slower.requests.slice(0, 20).map(({ outputTokens }) => outputTokens)).toEqual(
      trace.requests.slice(0, 20).map(({ outputTokens }) => outputTokens),
    );
  });

  test("words tell about half of the variance of an answer's length, and prompts are as long as they say", () => {
    const long = traceOf({ ratePerSecond: 30, cv: 1, durationMs: 60_000, admission: "finish", seed: "words" });
    const own = long.requests.filter(({ slo }) => slo?.class === "latency");
    const topics = own.map(({ promptIds }) => promptIds![1]!);
    const logs = own.map(({ outputTokens }) => Math.log(outputTokens));
    expect(correlation(topics, logs) ** 2).toBeGreaterThan(0.4);
    expect(correlation(topics, logs) ** 2).toBeLessThan(0.6);
    for (const { promptIds, promptTokens } of own) expect(promptIds).toHaveLength(promptTokens);
    expect(new Set(long.requests.map(({ slo }) => slo?.class))).toEqual(new Set(["latency", "deadline", "compound"]));
  });
});

describe("outlooks", () => {
  test("only the oracle's knows true lengths", () => {
    const [first] = trace.requests;
    const arrived = { id: 0, arrivalMs: 0, prompt: first!.promptIds!, maxTokens: 1024, slo: first!.slo! };
    for (const arm of ARMS) {
      const outlook = outlooksOf(arm, trace)();
      outlook.arrived(arrived);
      expect(outlook.of(0, 0, 0).expectedTokens).toBe(arm === ORACLE ? first!.outputTokens : undefined);
    }
  });
});

test("an arm's figures are the same every time, and within what was offered", () => {
  const options = { warmMs: 5000, untilMs: 20_000 };
  const run = runArm(OURS, trace, options);
  expect(runArm(OURS, trace, options)).toEqual(run);
  expect(run.throughput).toBeGreaterThan(0);
  expect(run.attained).toBeLessThanOrEqual(1);
});

test("nobody delivers more than the optimum of a small instance, and ours all of some", () => {
  const cases = Array.from({ length: 12 }, (_, i) => smallInstance(`test ${i}`));
  for (const arm of [ORACLE, ...RIVALS]) {
    for (const one of cases) expect(tokensInTime(one, arm)).toBeLessThanOrEqual(optimalTokens(one));
  }
  expect(cases.some((one) => tokensInTime(one, ORACLE) === optimalTokens(one))).toBe(true);
});

test("the smallest fleet is found, or said to be larger than any", () => {
  for (let need = 2; need <= 9; need++) {
    expect(fewestInstances((instances) => instances >= need, 2, 8)).toBe(Math.min(need, 9));
  }
});

test("lines compare with the best rival of each load, and say when first come, first served has nothing left", () => {
  const random = createRandom(3, "lines");
  const samples = (goodput: number): Sample[] =>
    [0, 1].map(() => ({ goodput: goodput + random.uniform(), throughput: 100, attained: 0.5 }));
  const runs = Object.fromEntries(ARMS.map((arm) => [arm, samples(50)]));
  const point: LoadPoint = {
    load: 1.5,
    cv: 1,
    admission: "reject",
    runs: { ...runs, jitserve: samples(100), edf: samples(60), "prefill-first": samples(1) },
  };
  expect(bestRival(point)).toBe("edf");
  const text = { where: "test", kind: "simulated", note: "two samples" } as const;
  const [line] = rivalLines(text, [point, { ...point, load: 0.5 }]);
  expect(line).toMatchObject({ target: 1.4, holds: true });
  expect(line!.curve).toHaveLength(2);
  expect(rivalLines(text, [{ ...point, load: 0.5 }])[0]).toMatchObject({ target: null, holds: null });
  expect(fcfsLine(text, "far above", point, 500).note).toContain("too little");
});

function correlation(a: readonly number[], b: readonly number[]): number {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [ma, mb] = [mean(a), mean(b)];
  const product = mean(a.map((value, i) => (value - ma) * (b[i]! - mb)));
  const spread = (values: readonly number[], m: number): number => Math.sqrt(mean(values.map((v) => (v - m) ** 2)));
  return product / (spread(a, ma) * spread(b, mb));
}
