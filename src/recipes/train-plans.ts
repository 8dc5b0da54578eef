/**
 * The plans of a recipe, one after the other: the first, and, where the recipe has a refinement, a second that begins with
 * the first one's finished weights.
 */
import { existsSync } from "node:fs";
import { copyFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { loadModel, parameterSpecs, type Tokenizer } from "../llm/index.ts";
import { createTrainer, type DecoderTrainer, type FirstWeights } from "./decoder-trainer.ts";
import { WEIGHTS_FILE, writeModel } from "./export-model.ts";
import {
  LOG_FILE,
  recipeIdentity,
  SECOND_LOG_FILE,
  trainDecoder,
  type TrainedDecoder,
  type TrainOptions,
} from "./train-decoder.ts";
import { readTrainLog } from "./train-log.ts";
import { firstPlan, secondPlan, type DecoderRecipe } from "./types.ts";

/** Where the plans of a refined recipe run, inside the folder of the model. */
const FIRST_FOLDER = "first";
const SECOND_FOLDER = "second";

/**
 * Both plans of a recipe, one after the other, each going on from its own checkpoint; `maxSteps` counts within a plan. The
 * logs of both end in `outDir`.
 */
export async function trainPlans(
  recipe: DecoderRecipe,
  tokenizer: Tokenizer,
  options: TrainOptions,
): Promise<TrainedDecoder> {
  const second = secondPlan(recipe);
  if (second === null) return trainDecoder(recipe, tokenizer, options);
  const folders = [FIRST_FOLDER, SECOND_FOLDER].map((name) => join(options.outDir, name)) as [string, string];
  const weights = await firstWeights(recipe, tokenizer, { ...options, outDir: folders[0] });
  if ("result" in weights) return weights;
  const begin = (): DecoderTrainer => createTrainer(second, tokenizer, weights);
  const trained = await trainDecoder(second, tokenizer, { ...options, outDir: folders[1] }, begin);
  if (!trained.result.finished) return trained;
  await copyFile(join(folders[0], LOG_FILE), join(options.outDir, LOG_FILE));
  await copyFile(join(folders[1], LOG_FILE), join(options.outDir, SECOND_LOG_FILE));
  for (const folder of folders) await rm(folder, { recursive: true });
  return trained;
}

/** What the first plan leaves, read back as its file holds it; or how far it got. A plan that has ended is not run again. */
async function firstWeights(
  recipe: DecoderRecipe,
  tokenizer: Tokenizer,
  options: TrainOptions,
): Promise<FirstWeights | TrainedDecoder> {
  const plan = firstPlan(recipe);
  const { outDir } = options;
  const hasEnded =
    options.resume !== false &&
    existsSync(join(outDir, WEIGHTS_FILE)) &&
    readTrainLog(join(outDir, LOG_FILE)).header.identity === recipeIdentity(plan);
  if (!hasEnded) {
    const trained = await trainDecoder(plan, tokenizer, options);
    if (!trained.result.finished) return trained;
    await writeModel(outDir, trained);
  }
  const { config, weights } = await loadModel(outDir);
  return new Map(parameterSpecs(config).map(({ name, dims }) => [name, weights.get(name, dims)]));
}
