import fc from "fast-check";
import { expect, test } from "vitest";
import { TINY } from "../../test/support/tiny.ts";
import type { DecisionLogEntry } from "../sched/index.ts";
import { stepPoints } from "../sim/index.ts";
import { measureSteps } from "./measure-steps.ts";
import { computedTokens, DECODE_STEPS, stepGrid, wholePrompts } from "./step-grid.ts";

test("a grid stays within what the engine holds, the quickest experiments first", () => {
  const limits = fc.record({
    maxRunning: fc.integer({ min: 1, max: 64 }),
    budgetTokens: fc.integer({ min: 1, max: 600 }),
    contextTokens: fc.integer({ min: 16, max: 40_000 }),
    kvTokens: fc.integer({ min: 16, max: 100_000 }),
  });
  fc.assert(
    fc.property(limits, (bounds) => {
      const grid = stepGrid(bounds);
      for (const experiment of grid) {
        if (experiment.kind === "chunk") {
          expect(experiment.chunkTokens).toBeLessThanOrEqual(bounds.budgetTokens);
          expect(experiment.contextTokens + experiment.chunkTokens).toBeLessThan(bounds.contextTokens);
        } else {
          expect(experiment.decodes).toBeLessThanOrEqual(bounds.maxRunning);
          expect(experiment.contextTokens + DECODE_STEPS).toBeLessThanOrEqual(bounds.contextTokens);
          expect(experiment.decodes * experiment.contextTokens).toBeLessThanOrEqual(bounds.kvTokens);
          for (const size of experiment.chunks) expect(size).toBeLessThanOrEqual(bounds.budgetTokens);
        }
      }
      const costs = grid.map(computedTokens);
      expect(costs).toEqual(costs.toSorted((a, b) => a - b));
      for (const { chunkTokens } of wholePrompts(bounds, 4096)) {
        expect(chunkTokens).toBeGreaterThan(bounds.budgetTokens);
        expect(chunkTokens).toBeLessThan(Math.min(4097, bounds.contextTokens));
      }
    }),
  );
  const usual = stepGrid({ maxRunning: 8, budgetTokens: 64, contextTokens: 1024, kvTokens: 16_384 });
  const decodes = usual.filter(({ kind }) => kind === "decodes");
  expect(new Set(decodes.map((one) => (one.kind === "decodes" ? one.decodes : 0)))).toEqual(new Set([1, 2, 4, 8]));
  expect(new Set(usual.map(({ contextTokens }) => contextTokens))).toEqual(new Set([0, 16, 128, 512]));
});

test("one pass over a live engine gives points of every kind, read off its own log", async () => {
  const pieces: (readonly DecisionLogEntry[])[] = [];
  const said: string[] = [];
  const measured = await measureSteps({
    engine: {
      model: { random: { ...TINY, maxPositions: 256 }, seed: 1 },
      maxRunning: 4,
      budgetTokens: 32,
      kvPages: 128,
    },
    limitMs: 300_000, // one pass takes a second or so
    passes: 1,
    onEntries: (entries) => pieces.push(entries),
    onProgress: (_, what) => said.push(what),
  });
  expect(measured).toMatchObject({ maxRunning: 4, budgetTokens: 32, kvBytesPerToken: 256, info: { vocabSize: 320 } });
  expect(measured.experiments).toBe(pieces.length);
  expect(said).toContain("a chunk of 32 tokens at context 0");
  const points = pieces.flatMap((entries) => stepPoints(entries));
  for (const { stepMs, tokens } of points) expect([stepMs > 0, tokens > 0]).toEqual([true, true]);
  const some = (what: (point: (typeof points)[number]) => boolean): number => points.filter(what).length;
  for (const n of [1, 2, 4]) {
    expect(some(({ decodes, prefillTokens }) => decodes === n && prefillTokens === 0)).toBeGreaterThanOrEqual(
      DECODE_STEPS,
    );
  }
  expect(some(({ decodes, decodeContext }) => decodes === 4 && decodeContext >= 4 * 128)).toBeGreaterThan(0);
  expect(some(({ decodes, prefillTokens }) => decodes === 1 && prefillTokens === 8)).toBeGreaterThan(0);
  // Chunks at no context and behind a cached one; whole prompts above the budget.
  expect(some(({ prefillTokens, prefillContext }) => prefillTokens === 32 && prefillContext === 32)).toBeGreaterThan(0);
  expect(some(({ prefillTokens, prefillContext }) => prefillTokens === 16 && prefillContext === 144)).toBeGreaterThan(
    0,
  );
  expect(some(({ prefillTokens }) => prefillTokens === 128)).toBeGreaterThan(0);
});

test("ends when its time is up", async () => {
  let pieces = 0;
  const { experiments } = await measureSteps({
    engine: {
      model: { random: { ...TINY, maxPositions: 128 }, seed: 1 },
      maxRunning: 2,
      budgetTokens: 16,
      kvPages: 32,
    },
    limitMs: 0.01,
    onEntries: () => (pieces += 1),
  });
  expect(experiments).toBeLessThanOrEqual(2); // one of each engine had begun
  expect(pieces).toBe(experiments);
});
