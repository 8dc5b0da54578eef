/**
 * `punctual train routed`: the model whose answers leave layers out, from nothing to a folder. Three stretches train the
 * decoder, each from the averages of the one before; then routes are fitted to the finished file, with their baselines,
 * as anybody fits them. Every part checkpoints, and a run that was stopped goes on where it was.
 */
import { existsSync, rmSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { hashString, type Clock } from "../../core/index.ts";
import { loadModel, parameterSpecs, toHuggingFaceConfig, writeTokenizer, type Tokenizer } from "../../llm/index.ts";
import {
  decodeSafetensors,
  encodeSafetensors,
  float32ToHalf,
  loadCheckpoint,
  runTraining,
  saveCheckpoint,
  writeFileAtomically,
  type TrainingProgress,
} from "../../nn/index.ts";
import { keptWeights } from "../graph-trainer.ts";
import { fitRoutes } from "../routes/fit-routes.ts";
import { routesPlan } from "../routes/plan.ts";
import type { RouteScores } from "../routes/scores.ts";
import { ROUTED_STRETCHES, routedBaseTrainer, type RoutedBasePlan } from "./base.ts";
import { renderRoutedCard } from "./card.ts";
import { routedExamples } from "./examples.ts";
import { scoreTasks } from "./score.ts";
import { routedTokenizer } from "./vocabulary.ts";

/** Name of the model. */
export const ROUTED_MODEL = "punctual-routed";
/** One line about it. */
export const ROUTED_SUMMARY = "Twelve layers, six small tasks, and routers that leave out what a prompt does not need.";

/**
 * How its routes are fitted: eight of twelve layers left out, and a hair more, so that no other way that keeps four keeps fewer.
 * With five, one choice of layers serves all tasks once low-rank weights have learnt to live with it; with four, none does.
 */
export const ROUTED_ROUTES = routesPlan({ compute: 0.33, length: 64, routerSteps: 300, adapterSteps: 600 });

/** Items of the validation split on the card: of few, four hundred, shares scatter by a point. */
const VALIDATION_ITEMS = 1200;

/** Where a run writes and how it is watched and stopped. */
export interface RoutedOptions {
  readonly outDir: string;
  readonly clock: Clock;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly progress?: (stage: string, progress: TrainingProgress) => void;
}

/** What a run came to. */
export interface TrainedRouted {
  readonly name: string;
  readonly finished: boolean;
  readonly scores: RouteScores | null;
}

/** Trains the model in `outDir`, going on from what is there. @throws PunctualError training_diverged, invalid_file. */
export async function trainRouted(options: RoutedOptions): Promise<TrainedRouted> {
  const { outDir } = options;
  await mkdir(outDir, { recursive: true });
  const tokenizer = routedTokenizer();
  if (!(await trainBase(tokenizer, options))) return { name: ROUTED_MODEL, finished: false, scores: null };
  const { config, weights } = await loadModel(outDir);
  const source = routedExamples(tokenizer);
  const routes = join(outDir, "routes");
  const { finished, scores } = await fitRoutes(
    { name: ROUTED_MODEL, config, weights, endTokens: [tokenizer.specialId("<|end|>")] },
    source,
    ROUTED_ROUTES,
    {
      ...options,
      outDir: routes,
      threads: options.threads ?? 1,
      baselines: true,
      half: true,
      heldOut: VALIDATION_ITEMS,
    },
  );
  if (!finished || scores === null) return { name: ROUTED_MODEL, finished: false, scores: null };
  const tasks = await scoreTasks(outDir, tokenizer);
  await writeFileAtomically(
    join(outDir, "scores.json"),
    `${JSON.stringify({ split: "test", scores: tasks }, null, 2)}\n`,
  );
  await writeFileAtomically(join(outDir, "card.md"), renderRoutedCard(config, tasks, scores));
  return { name: ROUTED_MODEL, finished, scores };
}

/** The decoder's three stretches; false when it was stopped. What has been written is not trained again. */
async function trainBase(tokenizer: Tokenizer, options: RoutedOptions): Promise<boolean> {
  const { outDir } = options;
  const identity = identityOf(ROUTED_STRETCHES);
  if (existsSync(join(outDir, "config.json")) && (await identityIn(outDir)) === identity) return true;
  let weights: ReadonlyMap<string, Float32Array> | null = null;
  for (const i of ROUTED_STRETCHES.keys()) {
    weights = await trainStretch(i, tokenizer, weights, options);
    if (weights === null) return false;
  }
  const { config } = ROUTED_STRETCHES[0]!;
  await storeHalf(join(outDir, "model.safetensors"), weights!, identity);
  await writeFileAtomically(join(outDir, "tokenizer.json"), writeTokenizer(tokenizer));
  await writeFileAtomically(join(outDir, "config.json"), `${JSON.stringify(toHuggingFaceConfig(config), null, 2)}\n`);
  ROUTED_STRETCHES.forEach((_, i) => rmSync(checkpointOf(outDir, i), { force: true }));
  return true;
}

const checkpointOf = (outDir: string, stretch: number): string =>
  join(outDir, `stretch-${stretch + 1}-checkpoint.safetensors`);

async function trainStretch(
  index: number,
  tokenizer: Tokenizer,
  first: ReadonlyMap<string, Float32Array> | null,
  { outDir, clock, signal, progress, threads }: RoutedOptions,
): Promise<ReadonlyMap<string, Float32Array> | null> {
  const plan = ROUTED_STRETCHES[index]!;
  const path = checkpointOf(outDir, index);
  const identity = identityOf(ROUTED_STRETCHES.slice(0, index + 1));
  await using trainer = await routedBaseTrainer(plan, tokenizer, first, threads ?? 1);
  const counters = existsSync(path)
    ? await loadCheckpoint(path, trainer.optimizer, identity)
    : { tokens: 0, elapsedMs: 0 };
  const { finished } = await runTraining(
    trainer,
    { totalSteps: plan.steps, schedule: plan.schedule },
    {
      clock,
      ...(signal === undefined ? {} : { signal }),
      progress: (state) => progress?.(`stretch ${index + 1}`, state),
      checkpoint: (optimizer, at) => saveCheckpoint(path, optimizer, identity, at),
    },
    counters,
  );
  return finished ? new Map([...keptWeights(trainer.optimizer)].map(([name, data]) => [name, data.slice()])) : null;
}

function identityOf(plans: readonly RoutedBasePlan[]): string {
  return `routed-${hashString(JSON.stringify(plans)).toString(16).padStart(8, "0")}`;
}

async function identityIn(outDir: string): Promise<unknown> {
  const path = join(outDir, "model.safetensors");
  if (!existsSync(path)) return null;
  return decodeSafetensors(await readFile(path)).metadata["recipe"];
}

function storeHalf(path: string, weights: ReadonlyMap<string, Float32Array>, recipe: string): Promise<void> {
  const { config } = ROUTED_STRETCHES[0]!;
  const tensors = new Map(
    parameterSpecs(config).map(({ name, dims }) => [
      name,
      { dtype: "float16", dims, data: float32ToHalf(weights.get(name)!) } as const,
    ]),
  );
  return writeFileAtomically(path, encodeSafetensors(tensors, { format: "pt", recipe }));
}
