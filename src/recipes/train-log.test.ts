import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { FakeClock } from "../core/index.ts";
import type { StepRecord } from "../nn/index.ts";
import { findRecipe } from "./recipes.ts";
import { logFileOf, recipeIdentity } from "./train-decoder.ts";
import { firstDifference, machineFingerprint, readTrainLog, TrainLogWriter, type LogHeader } from "./train-log.ts";
import { rerunSteps } from "./train-recipe.ts";
import { plansOf, totalSteps } from "./types.ts";

const folder = mkdtempSync(join(tmpdir(), "punctual-"));
afterAll(() => rmSync(folder, { recursive: true }));

const machine = machineFingerprint(2);
const header: LogHeader = {
  kind: "header",
  recipe: "r",
  identity: "r-0",
  seed: 1,
  parameters: 10,
  totalSteps: 400,
  revision: null,
  machine,
};
const record = (step: number): StepRecord => ({
  step,
  loss: 5 - step / 100,
  gradientNorm: 1,
  learningRate: 0.1,
  tokens: step + 1,
});

describe("the log of a run", () => {
  test("holds the first steps one by one, then every fiftieth; a resumed log is cut back to its checkpoint", () => {
    const path = join(folder, "log.jsonl");
    const log = TrainLogWriter.open(path, header, 0);
    for (let step = 0; step < 400; step++) log.step(record(step));
    const again = TrainLogWriter.open(path, header, 255);
    for (let step = 255; step < 400; step++) again.step(record(step));
    again.end({ kind: "end", stepsTaken: 400, tokens: 400, trainingSeconds: 7 });
    const read = readTrainLog(path);
    expect(read.steps.map(({ step }) => step)).toEqual([
      ...Array.from({ length: 200 }, (_, i) => i),
      200,
      250,
      300,
      350,
    ]);
    expect([read.header, read.end?.trainingSeconds]).toEqual([header, 7]);
  });

  test("a rerun differs by a bit on the same machine, by more than the tolerance on another", () => {
    const log = { header, steps: [record(0), record(1)], end: null };
    const changed = [record(0), { ...record(1), loss: record(1).loss + 1e-9 }];
    expect(firstDifference(log, changed, machine)?.step).toBe(1);
    expect(firstDifference(log, [record(0), record(1)], machine)).toBe(null);
    const other = { ...machine, cpu: "another" };
    expect(firstDifference(log, changed, other)).toBe(null);
    expect(firstDifference(log, [{ ...record(0), loss: 5.1 }], other)?.step).toBe(0);
  });
});

describe.each(["punctual-small", "punctual-base"])("the committed log of %s", (name) => {
  const pathOf = (file: string): string => fileURLToPath(new URL(`../../models/${name}/${file}`, import.meta.url));

  test("is that of the recipe as it stands, whole, with its refinements", () => {
    const recipe = findRecipe(name);
    if (recipe.kind !== "decoder") throw new Error("not a decoder");
    const plans = plansOf(recipe);
    expect(existsSync(pathOf(logFileOf(plans.length)))).toBe(false);
    for (const [i, plan] of plans.entries()) {
      const log = readTrainLog(pathOf(logFileOf(i)));
      expect(log.header.identity).toBe(recipeIdentity(plan));
      expect(log.end?.stepsTaken).toBe(totalSteps(plan));
    }
  });
});

test("the first steps of punctual-small rerun as logged", async () => {
  const log = readTrainLog(fileURLToPath(new URL("../../models/punctual-small/train.jsonl", import.meta.url)));
  const rerun = await rerunSteps("punctual-small", 10, new FakeClock());
  expect(rerun.length).toBe(10);
  expect(firstDifference(log, rerun, machineFingerprint(log.header.machine.threads))).toBe(null);
}, 240_000);
