/**
 * recipes: how the built-in models are made, from the world to a model folder, and how they are scored.
 *
 *   await trainRecipe("punctual-small", { outDir: "models/punctual-small", clock: liveClock });
 *   const scores = await evaluateFolder("models/punctual-small", { split: "test" });
 */
export { renderCard } from "./card.ts";
export {
  evaluateModel,
  type EvaluatedModel,
  type EvaluateOptions,
  type Mistake,
  type ScoredSet,
  type SetScore,
} from "./evaluate.ts";
export { roundedWeights, writeCard, writeModel } from "./export-model.ts";
export { drawTrainingItem } from "./draw.ts";
export { trainTokenizer } from "./family-tokenizer.ts";
export { parameterShapes } from "./decoder-shard.ts";
export { initialise } from "./initial.ts";
export { packBatch, PackedBatch, type TokenItem } from "./packing.ts";
export { createProgressBar, type ProgressBar } from "./progress-bar.ts";
export { findRecipe, RECIPES } from "./recipes.ts";
export { shareOf, type Share } from "./statistics.ts";
export { recipeIdentity, type TrainOptions } from "./train-decoder.ts";
export {
  firstDifference,
  LOG_FIRST,
  machineFingerprint,
  readTrainLog,
  type LogHeader,
  sameMachine,
  type TrainLog,
  TrainLogWriter,
} from "./train-log.ts";
export { evaluateCheckpoint, evaluateFolder, rerunSteps, trainRecipe, type TrainSummary } from "./train-recipe.ts";
export {
  totalSteps,
  type DecoderRecipe,
  type Mixture,
  type Phase,
  type Recipe,
  type TokenizerRecipe,
} from "./types.ts";
export { SCORED_SETS, worldItems } from "./world-data.ts";
