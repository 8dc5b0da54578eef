/** What is read off times, against numbers worked out by hand. */
import { describe, expect, test } from "vitest";
import type { LoadRun, RequestTimes } from "../live-load.ts";
import {
  answeredOf,
  coefficientOfVariation,
  effectivePerSecond,
  firstTokensOf,
  gapsOf,
  keeps,
  latenciesOf,
  stepsWithin,
  summarise,
} from "./effective.ts";

const request = (arrivalMs: number, tokenMs: readonly number[], done = true): RequestTimes => ({
  arrivalMs,
  promptTokens: 10,
  tokenMs,
  done,
});

describe("a window", () => {
  const run: LoadRun = {
    requests: [
      request(0, [50, 90, 110, 150]), // begins before it
      request(105, [120, 140], false), // cancelled
      request(130, [160, 180, 260]), // ends after it
      request(190, []),
    ],
    fromMs: 100,
    toMs: 200,
  };

  test("counts what ends within it", () => {
    expect(gapsOf(run)).toEqual([20, 40, 20, 20]);
    expect(firstTokensOf(run)).toEqual([15, 30]);
    expect(answeredOf(run).map(({ arrivalMs }) => arrivalMs)).toEqual([0]);
    expect(latenciesOf(run)).toEqual([150]);
  });

  test("takes steps that began within it and computed something", () => {
    const step = (startMs: number, tokens: number, stepMs = 10) => ({ startMs, stepMs, tokens });
    const steps = [step(90, 4), step(100, 5), step(150, 0), step(190, 6, 30), step(200, 7)];
    expect(stepsWithin(steps, run).map(({ tokens }) => tokens)).toEqual([5, 6]);
    const summary = summarise(run, steps);
    expect(summary).toMatchObject({ tokensPerSecond: 110, requestsPerSecond: 10, mostStepTokens: 6, stepMs: 20 });
    expect(summary.stepVariation).toBe(0.5);
  });
});

describe("an agreement", () => {
  const sla = { promptMsPerToken: 3, gapMs: 20 };

  test("bounds the prompt by its length", () => {
    expect(keeps(request(0, [30, 40]), sla)).toBe(true);
    expect(keeps(request(0, [31, 40]), sla)).toBe(false);
    expect(keeps(request(0, []), sla)).toBe(false);
  });

  test("forgives a gap that is rare, not one that comes again", () => {
    // The mean starts at the first gap and takes a tenth of each further one: 10 -> 19 -> 18.1 -> 26.29.
    expect(keeps(request(0, [10, 20, 120, 130]), sla)).toBe(true);
    expect(keeps(request(0, [10, 20, 120, 130, 230]), sla)).toBe(false);
    expect(keeps(request(0, [10, 31]), sla)).toBe(false);
  });

  test("counts only what was answered to the end", () => {
    const good = [10, 20, 30];
    const requests = [request(0, good), request(0, good, false), request(0, [10, 50, 90])];
    expect(effectivePerSecond({ requests, fromMs: 0, toMs: 500 }, sla)).toBe(2);
  });
});

test("the coefficient of variation", () => {
  expect(coefficientOfVariation([2, 2, 2])).toBe(0);
  expect(coefficientOfVariation([1, 3])).toBe(0.5);
});
