/**
 * A training thread: builds its shard and does the steps it is told to. It ends when told to stop, never
 * by being terminated: that would abort the process inside a run of the native runtime.
 */
import { parentPort, workerData } from "node:worker_threads";
import { present, toErrorRecord, type ErrorRecord } from "../core/index.ts";
import { readTokenizer } from "../llm/index.ts";
import { Crew, type CrewMemory } from "./crew.ts";
import { DecoderShard, parameterShapes } from "./decoder-shard.ts";
import type { DecoderRecipe } from "./types.ts";
import { worldItems } from "./world-data.ts";

export interface TrainWorkerData {
  readonly recipe: DecoderRecipe;
  /** The tokenizer as its file. */
  readonly tokenizer: string;
  readonly memory: CrewMemory;
  readonly shard: number;
}

export type ToTrainWorker =
  | { readonly kind: "step"; readonly step: number; readonly learningRate: number }
  | { readonly kind: "stop" };

export type FromTrainWorker = { readonly kind: "done" } | { readonly kind: "failed"; readonly error: ErrorRecord };

const port = present(parentPort, "the parent's port");
const { recipe, tokenizer, memory, shard } = workerData as TrainWorkerData;
const crew = new Crew(memory, parameterShapes(recipe.config));
const worker = new DecoderShard(recipe, crew, shard, worldItems(readTokenizer(tokenizer)));

async function handle(message: ToTrainWorker): Promise<void> {
  if (message.kind === "stop") {
    await worker[Symbol.asyncDispose]();
    port.close();
    return;
  }
  try {
    await worker.advance(message.step, message.learningRate);
    port.postMessage({ kind: "done" } satisfies FromTrainWorker);
  } catch (error) {
    crew.markFailed();
    port.postMessage({ kind: "failed", error: toErrorRecord(error) } satisfies FromTrainWorker);
  }
}

port.on("message", (message: ToTrainWorker) => void handle(message));
