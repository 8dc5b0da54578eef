import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import type { Outcome } from "../types.ts";
import { composeLong, fitLength } from "./fit-length.ts";
import { CATEGORIES, ENTROPY_TIERS, generateQuestions, longPrompt } from "./generate.ts";
import { proxySpeedup, timingReport } from "./timing.ts";

const outcome = (sentMs: number, firstMs: number, endMs: number, outputTokens: number): Outcome => ({
  request: { id: 0, arrivalMs: 0, promptTokens: 1, outputTokens },
  dueMs: sentMs,
  sentMs,
  ackMs: firstMs,
  firstMs,
  endMs,
  promptTokens: 5,
  outputTokens,
  counted: "running usage",
  chunkMs: [],
  chunkTokens: [],
  finishReason: "stop",
  failure: null,
  cancelled: false,
  slo: null,
  text: "",
});

describe("timing", () => {
  test("output TPS is the server's, user TPS a reader's; steps leave the prompt out", () => {
    const two = [outcome(0, 100, 1100, 11), outcome(0, 100, 2100, 21)];
    const report = timingReport(two, [6, 11]);
    expect(report.outputTps).toBeCloseTo(32 / 2.1);
    expect(report.userTps).toMatchObject({ count: 2, min: 10, max: 10 });
    expect(report.stepMs).toMatchObject({ min: 200, max: 200 });
    expect(report.ttftMs!.mean).toBe(100);
    // More at once: the first rate doubles, the second stays.
    const four = timingReport([...two, ...two], [6, 11, 6, 11]);
    expect(four.outputTps).toBeCloseTo(2 * report.outputTps);
    expect(four.userTps!.mean).toBe(report.userTps!.mean);
  });

  test("answers of one token have no rate of their own, and nothing has none", () => {
    const report = timingReport([outcome(0, 50, 50, 1)], [1]);
    expect(report).toMatchObject({ userTps: null, stepMs: null, outputTps: 20 });
    expect(timingReport([], [])).toMatchObject({ outputTps: 0, userTps: null, durationMs: 0 });
  });

  test("the proxy is t_ar · AL / t_sd: below 1 where a step with drafts costs more than it brings", () => {
    const plain = timingReport([outcome(0, 0, 1000, 11)], [11]); // steps of 100 ms
    const drafting = timingReport([outcome(0, 0, 1000, 11)], [6]); // steps of 200 ms
    expect(proxySpeedup(plain, drafting, 3)).toBeCloseTo(1.5);
    expect(proxySpeedup(plain, drafting, 1.5)).toBeCloseTo(0.75);
    expect(proxySpeedup(plain, drafting, null)).toBeNull();
    expect(proxySpeedup(timingReport([], []), drafting, 2)).toBeNull();
  });
});

describe("generated questions", () => {
  const count = (text: string): number => text.match(/\S+/g)?.length ?? 0;

  test("equal seeds give equal questions of all eleven categories, conversations among them", () => {
    const questions = generateQuestions(6, createRandom(5));
    expect(questions).toEqual(generateQuestions(6, createRandom(5)));
    expect(CATEGORIES).toHaveLength(11);
    expect(new Set(questions.map(({ id }) => id)).size).toBe(66);
    expect(questions.some(({ turns }) => turns.length > 1)).toBe(true);
    for (const { turns } of questions) for (const turn of turns) expect(turn).not.toMatch(/\{\w+\}/);
  });

  test("lengths are met from below by cutting and filling, whatever the text", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ maxLength: 200 }), fc.integer({ min: 1, max: 60 }), async (text, tokens) => {
        const fitted = await fitLength(text, tokens, count);
        expect(fitted.tokens).toBe(count(fitted.text));
        expect(fitted.tokens).toBe(tokens); // a word is a token here, so any length can be met
      }),
      { numRuns: 60 },
    );
  });

  test("long prompts of each level of entropy keep instruction and question", async () => {
    for (const tier of ENTROPY_TIERS) {
      const prompt = longPrompt(tier, createRandom(1, tier));
      const { text, tokens } = await composeLong(prompt, 300, count);
      expect(tokens).toBe(300);
      expect(text.startsWith(prompt.instruction)).toBe(true);
      expect(text).toContain(prompt.closing);
    }
  });
});
