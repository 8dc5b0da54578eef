/**
 * The vocabulary on its way to an engine's worker. The main thread makes it while the worker loads the weights, so that it is
 * made once and nobody waits for it; it has a channel of its own, for the worker takes other messages only when it serves.
 */
import { MessageChannel, type MessagePort } from "node:worker_threads";
import { fail } from "../core/index.ts";
import { PieceDecoder, pieceTableOf, type PieceTable } from "../llm/index.ts";
import type { ModelFacts } from "./load-model.ts";
import { createVocabulary, type Vocabulary } from "./text-assembler.ts";

/** What a worker needs to know of a vocabulary, as plain data. */
export interface VocabularyData {
  readonly pieces: PieceTable;
  readonly endTokens: readonly number[];
  /** Of the model's head; it may have more rows than the tokenizer has ids. */
  readonly vocabSize: number;
}

/** Part of a worker's `workerData`. */
export interface WithVocabulary {
  readonly vocabulary: MessagePort;
}

export function vocabularyOf({ tokenizer, endTokens, config }: ModelFacts): VocabularyData {
  return { pieces: pieceTableOf(tokenizer), endTokens, vocabSize: config.vocabSize };
}

/** The main thread's end: `give` once, null when there is none to give. */
export class VocabularyLink {
  /** For the worker, to be transferred. */
  readonly port: MessagePort;
  readonly #own: MessagePort;

  constructor() {
    const { port1, port2 } = new MessageChannel();
    this.#own = port1;
    this.port = port2;
  }

  give(data: VocabularyData | null): void {
    this.#own.postMessage(data);
    this.#own.close();
  }
}

/** The worker's end: waits for what is given. @throws PunctualError engine_failed when there is none. */
export async function receiveVocabulary(port: MessagePort): Promise<Vocabulary> {
  const data = await new Promise<VocabularyData | null>((resolve) => {
    port.once("message", resolve);
    port.once("close", () => resolve(null));
  });
  port.close();
  if (data === null) fail("engine_failed", "the engine was given up while it started");
  return createVocabulary(new PieceDecoder(data.pieces), data.endTokens, data.vocabSize);
}
