import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { mixture, recipe, tokenizer } from "../../test/support/micro-recipe.ts";
import { FakeClock } from "../core/index.ts";
import { LOG_FILE, recipeIdentity, logFileOf, trainDecoder } from "./train-decoder.ts";
import { readTrainLog } from "./train-log.ts";
import { trainPlans } from "./train-plans.ts";
import { firstPlan, type DecoderRecipe, type Phase } from "./types.ts";

const phases = (steps: number): readonly Phase[] => [{ steps, batch: 2, length: 160, mixture }];
const refined: DecoderRecipe = {
  ...recipe,
  phases: phases(3),
  refinements: [
    { seed: 4, phases: phases(5), schedule: { ...recipe.schedule, peak: 2e-3 } },
    { seed: 5, phases: phases(7), schedule: recipe.schedule },
  ],
  threads: 1,
};

const root = mkdtempSync(join(tmpdir(), "punctual-plans-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const clock = new FakeClock();

test("a refined run that is broken off in either plan ends with the weights of one that is not", async () => {
  const whole = await trainPlans(refined, tokenizer, { outDir: join(root, "whole"), clock });
  expect(whole.result).toMatchObject({ finished: true, stepsTaken: 7 });
  const options = { outDir: join(root, "parts"), clock };
  // Two of the first plan's three steps; its third and four of the second's five; the last one and six of the third's seven.
  for (const maxSteps of [2, 4, 6]) {
    const part = await trainPlans(refined, tokenizer, { ...options, maxSteps });
    expect(part.result).toMatchObject({ finished: false, stepsTaken: maxSteps });
  }
  const { weights, result } = await trainPlans(refined, tokenizer, options);
  expect(result.finished).toBe(true);
  expect(weights).toEqual(whole.weights);
  for (const name of [0, 1, 2].map(logFileOf)) {
    expect(readFileSync(join(options.outDir, name), "utf8")).toBe(readFileSync(join(root, "whole", name), "utf8"));
  }
  expect(existsSync(join(options.outDir, "plan-1"))).toBe(false);
});

test("the first plan is that of the recipe without its refinements, and the others go on from it", async () => {
  const outDir = join(root, "plain");
  const plain = await trainDecoder(firstPlan(refined), tokenizer, { outDir, clock });
  const both = await trainPlans(refined, tokenizer, { outDir: join(root, "both"), clock });
  const { header } = readTrainLog(join(root, "both", LOG_FILE));
  expect(header.identity).toBe(recipeIdentity(firstPlan(refined)));
  expect(readFileSync(join(root, "both", LOG_FILE), "utf8")).toBe(readFileSync(join(outDir, LOG_FILE), "utf8"));
  expect(both.weights).not.toEqual(plain.weights);
  for (const plan of [1, 2]) expect(readTrainLog(join(root, "both", logFileOf(plan))).header.seed).toBe(3 + plan);
});
