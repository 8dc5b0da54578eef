/** The one way to make a built-in model: by the name of its recipe. Training, export, scores and card. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../core/index.ts";
import { loadModel, parameterSpecs, writeTokenizer, type Tokenizer } from "../llm/index.ts";
import { decodeSafetensors, runTraining, writeFileAtomically, type StepRecord } from "../nn/index.ts";
import { createTrainer } from "./decoder-trainer.ts";
import { evaluateModel, type EvaluateOptions, type SetScore } from "./evaluate.ts";
import { roundedWeights, writeCard, writeModel } from "./export-model.ts";
import { trainTokenizer } from "./family-tokenizer.ts";
import { findRecipe, RECIPES } from "./recipes.ts";
import { CHECKPOINT_FILE, removeCheckpoint, type TrainOptions } from "./train-decoder.ts";
import { trainPlans } from "./train-plans.ts";
import { totalSteps, type DecoderRecipe, type TokenizerRecipe } from "./types.ts";
import { SCORED_SETS } from "./world-data.ts";

/** What `trainRecipe` did. The tokenizer takes no steps and has no scores. */
export interface TrainSummary {
  readonly name: string;
  readonly stepsTaken: number;
  /** False when a signal or `maxSteps` ended the run before its plan did; it goes on from its checkpoint. */
  readonly finished: boolean;
  /** On the test split; empty when not finished. */
  readonly scores: readonly SetScore[];
}

/** The vocabulary that all decoder recipes share. */
function familyTokenizer(): Tokenizer {
  const recipe = RECIPES.find((each): each is TokenizerRecipe => each.kind === "tokenizer");
  return recipe === undefined ? fail("not_found", "there is no tokenizer recipe") : trainTokenizer(recipe);
}

function decoderRecipe(name: string): DecoderRecipe {
  const recipe = findRecipe(name);
  if (recipe.kind !== "decoder") fail("invalid_request", `${name} is not a decoder`, { param: name });
  return recipe;
}

/**
 * Trains the recipe of that name in `outDir`, going on from a checkpoint there, and leaves the finished
 * model: weights, tokenizer, config, log, scores on the test split and card.
 * @throws PunctualError not_found for an unknown name, training_diverged when the loss is no longer finite.
 */
export async function trainRecipe(name: string, options: TrainOptions): Promise<TrainSummary> {
  const recipe = findRecipe(name);
  const { outDir } = options;
  await mkdir(outDir, { recursive: true });
  const tokenizer = familyTokenizer();
  if (recipe.kind === "tokenizer") {
    await writeFileAtomically(join(outDir, "tokenizer.json"), writeTokenizer(tokenizer));
    return { name, stepsTaken: 0, finished: true, scores: [] };
  }
  const trained = await trainPlans(recipe, tokenizer, options);
  const { finished, stepsTaken } = trained.result;
  if (!finished) return { name, stepsTaken, finished, scores: [] };
  await writeModel(outDir, trained);
  const scores = await evaluateModel(
    { config: recipe.config, weights: roundedWeights(trained.weights), tokenizer },
    { split: "test", sets: SCORED_SETS, threads: recipe.threads },
  );
  await writeCard(outDir, trained, scores);
  removeCheckpoint(outDir);
  return { name, stepsTaken, finished, scores };
}

/** Scores a model folder. */
export async function evaluateFolder(
  dir: string,
  options: Partial<EvaluateOptions> & Pick<EvaluateOptions, "split">,
): Promise<SetScore[]> {
  const { config, weights: source, tokenizer } = await loadModel(dir);
  if (tokenizer === null) fail("invalid_file", `${dir} has no tokenizer`, { param: "tokenizer.json" });
  const weights = new Map(parameterSpecs(config).map(({ name, dims }) => [name, source.get(name, dims)]));
  return evaluateModel({ config, weights, tokenizer }, { sets: SCORED_SETS, ...options });
}

/** Scores the checkpoint of a run in progress, its moving average by default. */
export async function evaluateCheckpoint(
  name: string,
  outDir: string,
  options: Partial<EvaluateOptions> & { readonly part?: "average" | "weight" } = {},
): Promise<SetScore[]> {
  const { config } = decoderRecipe(name);
  const { tensors } = decodeSafetensors(await readFile(join(outDir, CHECKPOINT_FILE)));
  const weights = new Map(
    parameterSpecs(config).map(({ name: weight }) => {
      const data = tensors.get(`${options.part ?? "average"}/${weight}`)?.data;
      if (!(data instanceof Float32Array)) fail("invalid_file", `the checkpoint has no ${weight}`, { param: weight });
      return [weight, data];
    }),
  );
  const model = { config, weights, tokenizer: familyTokenizer() };
  return evaluateModel(model, { split: "validation", sets: SCORED_SETS, items: 200, ...options });
}

/** Runs the first steps of a recipe again, for comparison with a committed log. */
export async function rerunSteps(name: string, steps: number, clock: TrainOptions["clock"]): Promise<StepRecord[]> {
  const recipe = decoderRecipe(name);
  await using trainer = createTrainer(recipe, familyTokenizer());
  const records: StepRecord[] = [];
  const plan = { totalSteps: totalSteps(recipe), schedule: recipe.schedule };
  const ports = { clock, log: (record: StepRecord) => records.push(record) };
  await runTraining(trainer, plan, ports, { tokens: 0, elapsedMs: 0, stopAfter: steps });
  return records;
}
