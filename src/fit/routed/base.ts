/**
 * The decoder under the routes: twelve layers, trained in full on all tasks at once. What comes after (routers, low-rank
 * weights) is the work of fit/, the same as on anybody's model.
 */
import { createRandom, present, type RandomStream } from "../../core/index.ts";
import { GraphTrainer } from "../graph-trainer.ts";
import { encodeChat, trainingGraph, type DecoderConfig, type Tokenizer } from "../../llm/index.ts";
import type { AdamWOptions, Parameter, Schedule } from "../../nn/index.ts";
import { initialise, packBatch, parameterShapes } from "../../recipes/index.ts";
import type { Example } from "../examples.ts";
import { ROUTED_TASKS, routedItem, type RoutedItem, type RoutedSplit, type RoutedTask } from "./tasks.ts";
import { ROUTED_VOCABULARY } from "./vocabulary.ts";

/** A stretch of training with an optimiser and a schedule of its own; part of the recipe. */
export interface RoutedBasePlan {
  readonly seed: number;
  readonly config: DecoderConfig;
  readonly steps: number;
  /** Rows of a batch. */
  readonly batch: number;
  /** Tokens of a row. */
  readonly length: number;
  readonly schedule: Schedule;
  readonly adamw: Partial<AdamWOptions>;
  /** Relative weights of the tasks. */
  readonly tasks: Readonly<Record<RoutedTask, number>>;
}

/** The first stretch of the shipped weights. */
const ROUTED_BASE: RoutedBasePlan = {
  seed: 25,
  config: {
    vocabSize: ROUTED_VOCABULARY,
    hidden: 128,
    layers: 12,
    heads: 4,
    kvHeads: 2,
    headDim: 32,
    ffn: 256,
    ropeTheta: 1_000_000,
    normEps: 1e-5,
    tiedEmbeddings: true,
    maxPositions: 256,
  },
  steps: 2000,
  batch: 12,
  length: 160,
  schedule: { kind: "wsd", peak: 2e-3, floor: 1e-5, warmupSteps: 150, decaySteps: 900, decay: "root" },
  adamw: { weightDecay: 0.1, beta2: 0.98, emaDecay: 0.998 },
  tasks: { copy: 1, reverse: 2, sort: 2, modular: 2.5, translate: 1, extract: 1.5 },
};

/** The third stretch, from the second one's averages: extraction, which both have left behind. */
const THIRD_TASKS = { copy: 0.5, reverse: 2, sort: 2, modular: 1, translate: 0.5, extract: 7 } as const;

/** The second stretch, from the first one's averages: what the first has left behind, and the rest so that it stays. */
const ROUTED_REFINEMENT: RoutedBasePlan = {
  ...ROUTED_BASE,
  seed: 26,
  steps: 1600,
  schedule: { kind: "wsd", peak: 1.5e-3, floor: 1e-5, warmupSteps: 50, decaySteps: 700, decay: "root" },
  tasks: { copy: 0.5, reverse: 1, sort: 1.5, modular: 5, translate: 1, extract: 5 },
};

const ROUTED_THIRD: RoutedBasePlan = {
  ...ROUTED_REFINEMENT,
  seed: 27,
  steps: 2000,
  schedule: { kind: "wsd", peak: 1.5e-3, floor: 1e-5, warmupSteps: 50, decaySteps: 800, decay: "root" },
  tasks: THIRD_TASKS,
};

/** All stretches of the shipped weights, in order. */
export const ROUTED_STRETCHES: readonly RoutedBasePlan[] = [ROUTED_BASE, ROUTED_REFINEMENT, ROUTED_THIRD];

/** A task drawn by weight. */
export function drawTask(weights: Readonly<Record<RoutedTask, number>>, random: RandomStream): RoutedTask {
  let left = random.uniform() * ROUTED_TASKS.reduce((sum, task) => sum + weights[task], 0);
  for (const task of ROUTED_TASKS) {
    left -= weights[task];
    if (left < 0) return task;
  }
  return ROUTED_TASKS[0];
}

/** An item as a chat, a loss on its reply. */
export function encodeRouted(tokenizer: Tokenizer, { prompt, answer }: RoutedItem): Example {
  return encodeChat(tokenizer, [
    { role: "user", text: prompt },
    { role: "assistant", text: answer },
  ]);
}

/** The trainer of one stretch. @param first weights to begin with; null: from noise */
export function routedBaseTrainer(
  plan: RoutedBasePlan,
  tokenizer: Tokenizer,
  first: ReadonlyMap<string, Float32Array> | null = null,
  threads = 1,
): Promise<GraphTrainer> {
  const { config, batch, length } = plan;
  const parameters = parameterShapes(config).map(({ name, dims, decays }): Parameter => {
    return { name, dims, decays, data: new Float32Array(dims.reduce((product, dim) => product * dim, 1)) };
  });
  if (first === null) initialise(parameters, config, plan.seed, "copying");
  else for (const { name, data } of parameters) data.set(present(first.get(name), name));
  const split: RoutedSplit = "train";
  return GraphTrainer.create({
    graph: trainingGraph(config, { batch, length }),
    parameters,
    frozen: {},
    adamw: plan.adamw,
    threads,
    batch: (step) => {
      const random = createRandom(plan.seed, `routed/${step}`);
      const draw = (): Example => encodeRouted(tokenizer, routedItem(drawTask(plan.tasks, random), split, random));
      const packed = packBatch({ batch, length }, draw);
      return { feeds: packed.feeds(), tokens: batch * length };
    },
  });
}
