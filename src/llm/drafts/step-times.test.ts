import { describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { StepTimes } from "./step-times.ts";

/** Tokens by eights, and something a sequence. */
const trueMs = (sequences: number, tokens: number): number => 0.5 + 0.4 * Math.ceil(tokens / 8) + 0.03 * sequences;
const SIZES = [1, 2, 4, 8].flatMap((sequences) =>
  [1, 2, 3, 4, 6, 8].map((each) => [sequences, sequences * each] as const),
);

describe("times of steps", () => {
  test("say what was calibrated until steps say otherwise, and 0 where nothing is known", () => {
    const times = new StepTimes((_, tokens) => (tokens > 100 ? 0 : 1 + tokens));
    expect(times.ms(1, 4)).toBe(5);
    expect(times.hopedMs(1, 4)).toBeLessThan(5);
    expect(times.ms(1, 200)).toBe(0);
    times.observe(1, 200, 3);
    expect(times.ms(1, 200)).toBe(0);
  });

  test("a wrong calibration is corrected, steps in the curve and all, by noisy steps with hiccups", () => {
    const random = createRandom(1, "times");
    const times = new StepTimes((_, tokens) => (1 + 0.02 * tokens) * (1 + 0.3 * Math.sin(tokens)));
    for (let i = 0; i < 4000; i++) {
      const [sequences, tokens] = random.pick(SIZES);
      const ms = trueMs(sequences, tokens) * Math.exp(0.1 * random.normal()) * (random.chance(0.02) ? 4 : 1);
      times.observe(sequences, tokens, ms);
    }
    for (const [sequences, tokens] of SIZES) {
      expect(Math.abs(times.ms(sequences, tokens) / trueMs(sequences, tokens) - 1)).toBeLessThan(0.15);
    }
  });

  test("a machine that slows down does not make the sizes look dear that run on it", () => {
    const random = createRandom(2, "slow");
    const times = new StepTimes(trueMs);
    for (let i = 0; i < 300; i++) times.observe(2, random.pick([2, 4, 6, 8]), trueMs(2, 4));
    for (let i = 0; i < 100; i++) times.observe(2, 8, 1.5 * trueMs(2, 8));
    expect(times.ms(2, 8) / times.ms(2, 4)).toBeLessThan(1.15);
    expect(times.ms(2, 4)).toBeGreaterThan(1.3 * trueMs(2, 4));
  });

  test("what some steps have on top is not taken for a busy machine, at sizes that were never run too", () => {
    const drafted = (sequences: number, tokens: number): boolean => tokens > sequences;
    const random = createRandom(3, "extra");
    const times = new StepTimes(trueMs, drafted);
    const before = times.extraMs;
    const realMs = (sequences: number, tokens: number): number =>
      trueMs(sequences, tokens) + (drafted(sequences, tokens) ? 0.4 : 0);
    for (let i = 0; i < 600; i++) {
      const tokens = i % 20 === 0 ? 4 : random.pick([8, 10, 12]);
      times.observe(4, tokens, realMs(4, tokens) * Math.exp(0.05 * random.normal()));
    }
    for (const [sequences, tokens] of [
      [4, 4],
      [4, 8],
      [2, 2],
      [2, 8],
    ] as const) {
      expect(Math.abs(times.ms(sequences, tokens) / realMs(sequences, tokens) - 1)).toBeLessThan(0.15);
    }
    expect(times.extraMs).toBeGreaterThan(before);
    expect(new StepTimes(() => 0, drafted).extraMs).toBe(0);
  });

  test("one step of many times the length leaves hardly a mark, also when it is the first", () => {
    for (const before of [0, 50]) {
      const times = new StepTimes(trueMs);
      for (let i = 0; i < before; i++) times.observe(4, 8, trueMs(4, 8));
      times.observe(4, 8, 10 * trueMs(4, 8));
      expect(times.ms(4, 8) / trueMs(4, 8)).toBeLessThan(1.15);
    }
  });

  test("what was not seen for long is hoped for again, and neighbours speak for a size that has not run", () => {
    const times = new StepTimes(trueMs);
    for (let i = 0; i < 60; i++) times.observe(4, 8, trueMs(4, 8));
    const hope = times.hopedMs(4, 8) / times.ms(4, 8);
    for (let i = 0; i < 1500; i++) times.observe(4, 16, trueMs(4, 16));
    expect(times.hopedMs(4, 8) / times.ms(4, 8)).toBeLessThan(hope);
    const dear = new StepTimes(() => 1);
    for (let i = 0; i < 60; i++) dear.observe(1, 1 + (i % 12), i % 12 < 6 ? 1 : 2);
    expect(dear.ms(1, 13)).toBeGreaterThan(1.2);
  });

  test("the same observations give the same times, and sizes beyond any are one", () => {
    const [a, b] = [new StepTimes(trueMs), new StepTimes(trueMs)];
    for (const times of [a, b]) for (let i = 1; i < 50; i++) times.observe(i, 3 * i, 1 + i / 7);
    expect(a.ms(7, 21)).toBe(b.ms(7, 21));
    a.observe(1e6, 1e7, 5);
    expect(Number.isFinite(a.ms(1e6, 1e7))).toBe(true);
  });
});
