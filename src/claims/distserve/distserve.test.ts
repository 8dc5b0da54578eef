import { describe, expect, test } from "vitest";
import { createDeployment } from "../../sim/index.ts";
import { HEADLINE, chatTrace, objectiveOf } from "../semi-pd/workloads.ts";
import { rateAt } from "./live.ts";
import { fittingTrace } from "./workloads.ts";

test("a trace of a claim fits the model, has its count and repeats", () => {
  const trace = fittingTrace("azure-code", 200, 3);
  expect(trace.requests.length).toBe(200);
  for (const { promptTokens, outputTokens } of trace.requests)
    expect(promptTokens + outputTokens).toBeLessThanOrEqual(2048);
  expect(fittingTrace("azure-code", 200, 3)).toEqual(trace);
  expect(fittingTrace("azure-code", 200, 4)).not.toEqual(trace);
  const rate = (trace.requests.length * 1000) / trace.requests.at(-1)!.arrivalMs;
  expect(rate).toBeGreaterThan(0.75);
  expect(rate).toBeLessThan(1.3);
});

test("an objective is a multiple of what a lone request takes", () => {
  const trace = chatTrace(HEADLINE.workload, 100, 1);
  const { cost } = createDeployment("opt-13b").deployment;
  const [one, ten] = [objectiveOf(trace, cost, 1), objectiveOf(trace, cost, 10)];
  expect(ten.ttftMs! / one.ttftMs!).toBeCloseTo(10, 9);
  expect(ten.tpotMs! / one.tpotMs!).toBeCloseTo(10, 9);
  expect(one.tpotMs).toBeGreaterThan(19);
  expect(one.tpotMs).toBeLessThan(22);
});

describe("the rate at which a curve falls below the share", () => {
  const curve = (...shares: readonly number[]) =>
    shares.map((share, i) => ({ ratePerSecond: i + 1, colocated: share, disaggregated: 1 }));

  test("lies between two rates of the grid, by straight line", () => {
    expect(rateAt(curve(1, 1, 0.8), "colocated")).toBeCloseTo(2.5, 9);
    expect(rateAt(curve(1, 0.9, 0.5), "colocated")).toBeCloseTo(2, 9);
  });

  test("is the last rate when it never does and the first when it always does", () => {
    expect(rateAt(curve(1, 1), "disaggregated")).toBe(2);
    expect(rateAt(curve(0.5, 0.4), "colocated")).toBe(1);
  });

  test("counts the first fall: what comes back later is luck", () => {
    expect(rateAt(curve(1, 0.8, 0.95), "colocated")).toBeCloseTo(1.5, 9);
  });
});
