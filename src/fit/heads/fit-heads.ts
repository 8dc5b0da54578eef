/**
 * Fits draft heads to a model in a folder: log and checkpoints while it trains, at the end heads.json, heads.safetensors and
 * a card. Interrupted runs go on from the last checkpoint and end with the weights that an uninterrupted run would have.
 */
import { existsSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { createRandom, hashString } from "../../core/index.ts";
import {
  weightsFingerprint,
  weightsOf,
  writeHeads,
  type DecoderConfig,
  type HeadsConfig,
  type WeightSource,
} from "../../llm/index.ts";
import { loadCheckpoint, runTraining, saveCheckpoint, writeFileAtomically } from "../../nn/index.ts";
import { machineFingerprint, TrainLogWriter, type LogHeader, type TrainOptions } from "../../recipes/index.ts";
import type { ExampleSource } from "../examples.ts";
import { keptWeights } from "../graph-trainer.ts";
import { StateReader } from "../states.ts";
import { renderHeadsCard } from "./card.ts";
import type { HeldOutAcceptance } from "./places.ts";
import type { HeadsPlan } from "./plan.ts";
import { createHeadsTrainer, heldOutAcceptance, type HeadsTrainerOptions } from "./trainer.ts";

export const HEADS_CHECKPOINT_FILE = "heads-checkpoint.safetensors";
export const HEADS_LOG_FILE = "heads.jsonl";
export const HEADS_CARD_FILE = "heads.md";

/** A model whose heads are fitted. */
export interface FittedModel {
  /** For people. */
  readonly name: string;
  readonly config: DecoderConfig;
  readonly weights: WeightSource;
  readonly endTokens: readonly number[];
}

/** Where a run writes and how it is watched and stopped. None of it has an influence on the finished weights. */
export interface FitOptions extends TrainOptions {
  readonly threads: number;
  readonly weightCacheDir?: string;
  /** Texts that the finished heads are scored on; 200 when absent. */
  readonly heldOutTexts?: number;
}

/** What a run came to. */
export interface FittedHeads {
  readonly stepsTaken: number;
  /** False when a signal or `maxSteps` ended the run before its plan did; it goes on from its checkpoint. */
  readonly finished: boolean;
  /** On texts that were not trained on; null when not finished. */
  readonly acceptance: HeldOutAcceptance | null;
}

const HELD_OUT_TEXTS = 200;
/** Texts that token frequencies are counted over. */
const COUNTED_TEXTS = 2000;

/**
 * Runs the plan. The model must be readable throughout.
 * @throws PunctualError training_diverged when the loss is no longer finite, invalid_file for a checkpoint of another run.
 */
export async function fitHeads(
  model: FittedModel,
  source: ExampleSource,
  plan: HeadsPlan,
  options: FitOptions,
): Promise<FittedHeads> {
  const { outDir, threads, weightCacheDir } = options;
  await mkdir(outDir, { recursive: true });
  const { config: decoder, weights: decoderWeights, endTokens } = model;
  const ranking = frequentTokens(source, plan, decoder.vocabSize);
  const config = headsConfig(decoder, plan);
  const vocabulary = config.draftedTokens === decoder.vocabSize ? null : ranking.subarray(0, config.draftedTokens);
  await using reader = await StateReader.create({
    config: decoder,
    weights: decoderWeights,
    format: plan.weights,
    threads,
    ...(weightCacheDir === undefined ? {} : { weightCacheDir }),
  });
  const parts: HeadsTrainerOptions = {
    plan,
    config,
    decoder,
    decoderWeights,
    vocabulary,
    endTokens,
    source,
    reader,
    threads,
  };
  const fingerprint = weightsFingerprint(decoder, decoderWeights);
  const run = await train(parts, fingerprint, model.name, options);
  const { finished, stepsTaken } = run;
  if (!finished) return { finished, stepsTaken, acceptance: null };
  const acceptance = await heldOutAcceptance(parts, run.weights, options.heldOutTexts ?? HELD_OUT_TEXTS);
  const tensors = new Map(
    Array.from(run.shapes, ([name, dims]) => [name, { dtype: "float32", dims, data: run.weights.get(name)! } as const]),
  );
  const stored = {
    config,
    model: fingerprint,
    weights: weightsOf(tensors),
    vocabulary: ranking.slice(0, config.draftedTokens),
  };
  const training = { data: source.identity, steps: stepsTaken, seed: plan.seed, identity: run.header.identity };
  await writeHeads(outDir, stored, { heldOutAcceptance: acceptance.byPlace, training });
  const facts = {
    model: model.name,
    config,
    plan,
    data: source.identity,
    acceptance,
    header: run.header,
    seconds: run.seconds,
  };
  await writeFileAtomically(join(outDir, HEADS_CARD_FILE), renderHeadsCard(facts));
  rmSync(join(outDir, HEADS_CHECKPOINT_FILE), { force: true });
  return { finished, stepsTaken, acceptance };
}

function headsConfig(decoder: DecoderConfig, plan: HeadsPlan): HeadsConfig {
  const { hidden, vocabSize, normEps } = decoder;
  const draftedTokens = Math.min(plan.vocabularyTokens, vocabSize);
  return { hidden, width: plan.width, vocabSize, draftedTokens, trainedDepth: plan.places, normEps };
}

/** Every token, the most frequent of the texts' answers first; equals by number. */
function frequentTokens(source: ExampleSource, { seed }: HeadsPlan, vocabSize: number): Int32Array {
  const counts = new Float64Array(vocabSize);
  const random = createRandom(seed, "heads/frequencies");
  for (let i = 0; i < COUNTED_TEXTS; i++) {
    const { tokens, lossMask } = source.draw(random);
    for (const [at, id] of tokens.entries()) if (lossMask[at] === 1) counts[id]! += 1;
  }
  return Int32Array.from({ length: vocabSize }, (_, id) => id).sort((a, b) => counts[b]! - counts[a]! || a - b);
}

interface Run {
  readonly finished: boolean;
  readonly stepsTaken: number;
  readonly seconds: number;
  readonly weights: ReadonlyMap<string, Float32Array>;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly header: LogHeader;
}

async function train(parts: HeadsTrainerOptions, fingerprint: string, name: string, options: FitOptions): Promise<Run> {
  const { plan, source } = parts;
  const { outDir, clock } = options;
  await using trainer = await createHeadsTrainer(parts);
  const { optimizer } = trainer;
  const decides = { plan, data: source.identity, model: fingerprint };
  const identity = `heads-${hashString(JSON.stringify(decides)).toString(16).padStart(8, "0")}`;
  const checkpoint = join(outDir, HEADS_CHECKPOINT_FILE);
  const goesOn = options.resume !== false && existsSync(checkpoint);
  const counters = goesOn ? await loadCheckpoint(checkpoint, optimizer, identity) : { tokens: 0, elapsedMs: 0 };
  const header: LogHeader = {
    kind: "header",
    recipe: `heads of ${name}`,
    identity,
    seed: plan.seed,
    parameters: optimizer.parameters.reduce((sum, { data }) => sum + data.length, 0),
    totalSteps: plan.steps,
    revision: options.revision ?? null,
    machine: machineFingerprint(options.threads),
  };
  const log = TrainLogWriter.open(join(outDir, HEADS_LOG_FILE), header, optimizer.stepsTaken);
  const result = await runTraining(
    trainer,
    { totalSteps: plan.steps, schedule: plan.schedule },
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
  const { finished, stepsTaken, tokens } = result;
  const seconds = Math.round(result.elapsedMs / 1000);
  if (finished) log.end({ kind: "end", stepsTaken, tokens, trainingSeconds: seconds });
  const shapes = new Map(optimizer.parameters.map(({ name: parameter, dims }) => [parameter, dims]));
  return { finished, stepsTaken, seconds, weights: keptWeights(optimizer), shapes, header };
}
