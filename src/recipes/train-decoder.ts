/**
 * Runs a decoder recipe in a folder: log and checkpoints while it trains, the finished model at the end.
 * Interrupted runs go on from the last checkpoint and end with the very weights an uninterrupted run
 * would have.
 */
import { existsSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { hashString, type Clock } from "../core/index.ts";
import { countParameters, type Tokenizer } from "../llm/index.ts";
import {
  type AdamW,
  loadCheckpoint,
  runTraining,
  saveCheckpoint,
  type TrainingProgress,
  type TrainingResult,
} from "../nn/index.ts";
import { createTrainer, type DecoderTrainer } from "./decoder-trainer.ts";
import { machineFingerprint, TrainLogWriter, type LogHeader } from "./train-log.ts";
import { totalSteps, type DecoderRecipe } from "./types.ts";

export const CHECKPOINT_FILE = "checkpoint.safetensors";
export const LOG_FILE = "train.jsonl";

/** The logs of a recipe's plans, side by side: the first one's and those of its refinements. */
export const logFileOf = (plan: number): string =>
  plan === 0 ? LOG_FILE : `refinement${plan === 1 ? "" : `-${plan}`}.jsonl`;

/** Where a run writes and how it is watched and stopped. None of it has an influence on the finished weights. */
export interface TrainOptions {
  /** Folder for log, checkpoint and the finished model; made when missing. */
  readonly outDir: string;
  readonly clock: Clock;
  /** Go on from the checkpoint in `outDir` when there is one (default true). */
  readonly resume?: boolean;
  /** Stop after this many steps of the plan, with a checkpoint. */
  readonly maxSteps?: number;
  readonly progress?: (progress: TrainingProgress) => void;
  readonly signal?: AbortSignal;
  /** Version of the source, for the log. */
  readonly revision?: string;
  readonly checkpointEveryMs?: number;
}

export interface TrainedDecoder {
  readonly recipe: DecoderRecipe;
  readonly tokenizer: Tokenizer;
  readonly header: LogHeader;
  /** The weights to keep: the moving average where the recipe has one. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly result: TrainingResult;
}

/** A fingerprint of everything the recipe declares: checkpoints and logs of other runs are refused by it. */
export function recipeIdentity(recipe: DecoderRecipe): string {
  return `${recipe.name}-${hashString(JSON.stringify(recipe)).toString(16).padStart(8, "0")}`;
}

/** Weights by name from an optimiser: averages where it keeps them. */
export function finalWeights(optimizer: AdamW): Map<string, Float32Array> {
  const chosen = optimizer.averages.length > 0 ? optimizer.averages : optimizer.parameters.map(({ data }) => data);
  return new Map(optimizer.parameters.map(({ name }, i) => [name, chosen[i]!]));
}

export async function trainDecoder(
  recipe: DecoderRecipe,
  tokenizer: Tokenizer,
  options: TrainOptions,
  newTrainer: () => DecoderTrainer = () => createTrainer(recipe, tokenizer),
): Promise<TrainedDecoder> {
  const { outDir, clock } = options;
  await mkdir(outDir, { recursive: true });
  await using trainer = newTrainer();
  const { optimizer } = trainer;
  const identity = recipeIdentity(recipe);
  const checkpoint = join(outDir, CHECKPOINT_FILE);
  const goesOn = options.resume !== false && existsSync(checkpoint);
  const counters = goesOn ? await loadCheckpoint(checkpoint, optimizer, identity) : { tokens: 0, elapsedMs: 0 };
  const header: LogHeader = {
    kind: "header",
    recipe: recipe.name,
    identity,
    seed: recipe.seed,
    parameters: countParameters(recipe.config),
    totalSteps: totalSteps(recipe),
    revision: options.revision ?? null,
    machine: machineFingerprint(recipe.threads),
  };
  const log = TrainLogWriter.open(join(outDir, LOG_FILE), header, optimizer.stepsTaken);
  const plan = { totalSteps: header.totalSteps, schedule: recipe.schedule };
  const result = await runTraining(
    trainer,
    plan,
    {
      clock,
      log: (record) => log.step(record),
      progress: options.progress,
      signal: options.signal,
      checkpointEveryMs: options.checkpointEveryMs,
      checkpoint: (state, at) => saveCheckpoint(checkpoint, state, identity, at),
    },
    { ...counters, stopAfter: options.maxSteps },
  );
  if (result.finished) {
    log.end({
      kind: "end",
      stepsTaken: result.stepsTaken,
      tokens: result.tokens,
      trainingSeconds: Math.round(result.elapsedMs / 1000),
    });
  }
  return { recipe, tokenizer, header, weights: finalWeights(optimizer), result };
}

/** Removes what only an unfinished run needs. */
export function removeCheckpoint(outDir: string): void {
  rmSync(join(outDir, CHECKPOINT_FILE), { force: true });
}
