/**
 * The trainer of a decoder recipe: a crew of threads, each with its shard, or the calling thread alone
 * when the recipe has one thread. Both run the same shard code.
 */
import { Worker } from "node:worker_threads";
import { assert, fromErrorRecord, present } from "../core/index.ts";
import { disableNativeTelemetry } from "../graph/index.ts";
import { writeTokenizer, type Tokenizer } from "../llm/index.ts";
import { AdamW, type StepOutcome, type Trainer } from "../nn/index.ts";
import { allocateCrew, Crew } from "./crew.ts";
import { DecoderShard, outcomeOf, parameterShapes, type DrawItem } from "./decoder-shard.ts";
import { initialise } from "./initial.ts";
import type { FromTrainWorker, ToTrainWorker, TrainWorkerData } from "./train-worker.ts";
import type { DecoderRecipe } from "./types.ts";
import { worldItems } from "./world-data.ts";

export interface DecoderTrainer extends Trainer, AsyncDisposable {}

/** Finished weights by name, to begin with. */
export type FirstWeights = ReadonlyMap<string, Float32Array>;

function newCrew(recipe: DecoderRecipe, first: FirstWeights | null): { crew: Crew; optimizer: AdamW } {
  const shapes = parameterShapes(recipe.config);
  const crew = new Crew(allocateCrew(shapes, recipe.threads), shapes);
  if (first === null) initialise(crew.parameters, recipe.config, recipe.seed, recipe.start);
  else for (const { name, data } of crew.parameters) data.set(present(first.get(name), name));
  crew.parameters.forEach(({ data }, i) => crew.state.average[i]!.set(data));
  return { crew, optimizer: new AdamW(crew.parameters, recipe.adamw, crew.state) };
}

/** Trains on the calling thread, on any data. */
export class LocalTrainer implements DecoderTrainer {
  readonly optimizer: AdamW;
  readonly #crew: Crew;
  readonly #shard: DecoderShard;

  constructor(recipe: DecoderRecipe, draw: DrawItem, first: FirstWeights | null = null) {
    assert(recipe.threads === 1, "a local trainer is one thread");
    const { crew, optimizer } = newCrew(recipe, first);
    this.optimizer = optimizer;
    this.#crew = crew;
    this.#shard = new DecoderShard(recipe, crew, 0, draw);
  }

  async advance(step: number, learningRate: number): Promise<StepOutcome> {
    await this.#shard.advance(step, learningRate);
    this.optimizer.stepsTaken = step + 1;
    return outcomeOf(this.#crew);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#shard[Symbol.asyncDispose]();
  }
}

/** Compiled workers run from dist/; sources (under a test runner) find theirs there too. */
function workerUrl(): URL {
  const here = import.meta.url;
  if (!here.endsWith(".ts")) return new URL("./train-worker.js", here);
  return new URL("../../dist/recipes/train-worker.js", here);
}

/** Trains on `recipe.threads` worker threads, on the world's data. */
export class ParallelTrainer implements DecoderTrainer {
  readonly optimizer: AdamW;
  readonly #crew: Crew;
  readonly #workers: readonly Worker[];

  constructor(recipe: DecoderRecipe, tokenizer: Tokenizer, first: FirstWeights | null = null) {
    const { crew, optimizer } = newCrew(recipe, first);
    this.optimizer = optimizer;
    this.#crew = crew;
    disableNativeTelemetry(); // here, because workers cannot
    const file = writeTokenizer(tokenizer);
    this.#workers = Array.from({ length: recipe.threads }, (_, shard) => {
      const workerData: TrainWorkerData = { recipe, tokenizer: file, memory: crew.memory, shard };
      return new Worker(workerUrl(), { workerData, name: `train-${recipe.name}-${shard}` });
    });
  }

  async advance(step: number, learningRate: number): Promise<StepOutcome> {
    const message: ToTrainWorker = { kind: "step", step, learningRate };
    await Promise.all(this.#workers.map((worker) => tell(worker, message)));
    this.optimizer.stepsTaken = step + 1;
    return outcomeOf(this.#crew);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = this.#workers.map((worker) => new Promise((resolve) => void worker.once("exit", resolve)));
    for (const worker of this.#workers) worker.postMessage({ kind: "stop" } satisfies ToTrainWorker);
    await Promise.all(gone);
  }
}

/** Sends one message and waits for its answer; the thread's failure is the caller's. */
function tell(worker: Worker, message: ToTrainWorker): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void): void => {
      worker.off("message", answered);
      worker.off("error", broke);
      worker.off("exit", ended);
      settle();
    };
    const broke = (error: unknown): void =>
      finish(() => reject(error instanceof Error ? error : new Error(String(error))));
    const ended = (): void => broke(new Error("a training thread ended in the middle of a step"));
    const answered = (answer: FromTrainWorker): void =>
      finish(() => (answer.kind === "done" ? resolve() : reject(fromErrorRecord(answer.error))));
    worker.on("message", answered);
    worker.on("error", broke);
    worker.on("exit", ended);
    worker.postMessage(message);
  });
}

/** The trainer a recipe asks for, beginning with `first` where a plan goes on from finished weights. */
export function createTrainer(
  recipe: DecoderRecipe,
  tokenizer: Tokenizer,
  first: FirstWeights | null = null,
): DecoderTrainer {
  return recipe.threads === 1
    ? new LocalTrainer(recipe, worldItems(tokenizer), first)
    : new ParallelTrainer(recipe, tokenizer, first);
}
