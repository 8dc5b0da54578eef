/** Costs that are kept hold until steps cost something else; here by a clock that a scripted executor moves. */
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeClock } from "../core/index.ts";
import { KvPages } from "../llm/index.ts";
import { StepCost } from "../sched/index.ts";
import { calibrateOnce, calibrationFile, type CalibrationFile } from "./kept-calibration.ts";
import type { Calibration } from "./types.ts";

let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "punctual-kept-"));
});
afterAll(() => rm(dir, { recursive: true }));

const PLAN = { targetStepMs: 30, maxTokens: 256, minTokens: 1, limitMs: 1e9, vocabSize: 320, decodes: 0 };

async function start(
  file: CalibrationFile | null,
  slower: number,
): Promise<{ readonly found: Calibration; readonly steps: number; readonly points: readonly (readonly number[])[] }> {
  const clock = new FakeClock();
  const pages = new KvPages({ pages: 64, pageTokens: 16 });
  let steps = 0;
  const step = (batch: readonly { readonly tokens: readonly number[] }[]): Promise<never[]> => {
    steps += 1;
    clock.advance(slower * (2 + 0.2 * batch[0]!.tokens.length));
    return Promise.resolve([]);
  };
  const cost = new StepCost();
  const found = await calibrateOnce({ step } as never, pages, clock, cost, PLAN, file);
  pages.checkIntegrity();
  expect(pages.usedPages).toBe(0);
  return { found, steps, points: cost.points() };
}

test("a second start looks at two sizes and finds what the first one measured", async () => {
  const file = calibrationFile(dir, { shape: 1 });
  const first = await start(file, 1);
  const second = await start(file, 1.1);
  expect(second.found).toEqual({ ...first.found, tookMs: second.found.tookMs });
  expect(second.points).toEqual(first.points);
  expect(second.steps).toBe(6);
  expect(second.found.tookMs).toBeLessThan(first.found.tookMs / 3);
});

test("what costs something else is measured anew, and so is what is of another kind", async () => {
  const file = calibrationFile(dir, { shape: 2 });
  const first = await start(file, 1);
  const slower = await start(file, 2);
  expect(slower.found.budgetTokens).toBeLessThan(first.found.budgetTokens);
  expect((await start(file, 2)).steps).toBe(6);
  expect((await start(file, 1)).found.budgetTokens).toBe(first.found.budgetTokens);
  expect(calibrationFile(dir, { shape: 3 }).path).not.toBe(file.path);
});

test("a damaged file, a place that cannot be written to, and no place at all: it is measured", async () => {
  const plain = await start(null, 1);
  const file = calibrationFile(dir, { shape: 4 });
  for (const text of ["", "{", "[]", "null", '{"budgetTokens":1}', JSON.stringify({ ...plain.found, points: [] })]) {
    await start(file, 1);
    await writeFile(file.path, text);
    expect((await start(file, 1)).found).toEqual(plain.found);
  }
  const nowhere = { path: join(file.path, "below-a-file", "x.json") };
  expect((await start(nowhere, 1)).found).toEqual(plain.found);
  expect((await readdir(dirname(file.path))).every((name) => name.endsWith(".json"))).toBe(true);
});
