/**
 * The plans of a recipe, one after the other: the first, and its refinements, each of which begins with the finished weights
 * of the one before.
 */
import { existsSync } from "node:fs";
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { present } from "../core/index.ts";
import { loadModel, parameterSpecs, type Tokenizer } from "../llm/index.ts";
import { createTrainer, type FirstWeights } from "./decoder-trainer.ts";
import { WEIGHTS_FILE, writeModel } from "./export-model.ts";
import {
  LOG_FILE,
  logFileOf,
  recipeIdentity,
  trainDecoder,
  type TrainedDecoder,
  type TrainOptions,
} from "./train-decoder.ts";
import { readTrainLog } from "./train-log.ts";
import { plansOf, type DecoderRecipe } from "./types.ts";

/** Where a plan of a refined recipe runs, inside the folder of the model. */
const folderOf = (outDir: string, plan: number): string => join(outDir, `plan-${plan + 1}`);

/**
 * All plans of a recipe, each going on from its own checkpoint; a plan that has ended is not run again, and `maxSteps` counts
 * within a plan. The logs end in `outDir`.
 */
export async function trainPlans(
  recipe: DecoderRecipe,
  tokenizer: Tokenizer,
  options: TrainOptions,
): Promise<TrainedDecoder> {
  const plans = plansOf(recipe);
  const { outDir } = options;
  if (plans.length === 1) return trainDecoder(recipe, tokenizer, options);
  let trained: TrainedDecoder | undefined;
  for (const [i, plan] of plans.entries()) {
    const folder = folderOf(outDir, i);
    const isLast = i === plans.length - 1;
    if (!isLast && options.resume !== false && hasEnded(folder, plan)) continue;
    const first = i === 0 ? undefined : await storedWeights(folderOf(outDir, i - 1));
    trained = await trainDecoder(plan, tokenizer, { ...options, outDir: folder }, () =>
      createTrainer(plan, tokenizer, first),
    );
    if (!trained.result.finished) return trained;
    if (!isLast) await writeModel(folder, trained);
  }
  for (const i of plans.keys()) {
    await copyFile(join(folderOf(outDir, i), LOG_FILE), join(outDir, logFileOf(i)));
  }
  for (const i of plans.keys()) await rm(folderOf(outDir, i), { recursive: true });
  return present(trained, "the last plan");
}

function hasEnded(folder: string, plan: DecoderRecipe): boolean {
  if (!existsSync(join(folder, WEIGHTS_FILE))) return false;
  return readTrainLog(join(folder, LOG_FILE)).header.identity === recipeIdentity(plan);
}

/** What a plan has left, read back as its file holds it. */
async function storedWeights(folder: string): Promise<FirstWeights> {
  const { config, weights } = await loadModel(folder);
  return new Map(parameterSpecs(config).map(({ name, dims }) => [name, weights.get(name, dims)]));
}
