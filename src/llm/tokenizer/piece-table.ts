/**
 * The half of a tokenizer that turns ids into text, as plain data: a thread that never encodes gets it from one that does, in
 * place of reading and sorting the vocabulary again.
 */
import { fail } from "../../core/index.ts";
import { createStreamDecoder } from "./stream.ts";
import type { DecodeOptions, StreamDecoder, TextTokenizer, TokenDecoder } from "./types.ts";

/** All pieces of a vocabulary, joined. Crosses threads. */
export interface PieceTable {
  /** Bytes of the pieces by id, one behind the other. */
  readonly bytes: Uint8Array;
  /** Where each piece ends. */
  readonly ends: Uint32Array;
  /** Names and ids of special tokens. */
  readonly specials: readonly (readonly [string, number])[];
  readonly leadingSpace: boolean;
}

export function pieceTableOf(tokenizer: TextTokenizer): PieceTable {
  const { vocabSize, specials, leadingSpace } = tokenizer;
  const ends = new Uint32Array(vocabSize);
  let length = 0;
  for (let id = 0; id < vocabSize; id++) ends[id] = length += tokenizer.pieceBytes(id).length;
  const bytes = new Uint8Array(length);
  for (let id = 0; id < vocabSize; id++) bytes.set(tokenizer.pieceBytes(id), id === 0 ? 0 : ends[id - 1]!);
  return { bytes, ends, specials: [...specials], leadingSpace };
}

/** Decodes as the tokenizer that the table was made of. */
export class PieceDecoder implements TokenDecoder {
  readonly vocabSize: number;
  readonly specials: ReadonlyMap<string, number>;
  readonly leadingSpace: boolean;
  readonly #table: PieceTable;
  readonly #specialIds: ReadonlySet<number>;

  constructor(table: PieceTable) {
    this.#table = table;
    this.vocabSize = table.ends.length;
    this.specials = new Map(table.specials);
    this.leadingSpace = table.leadingSpace;
    this.#specialIds = new Set(this.specials.values());
  }

  streamDecoder(options: DecodeOptions = {}): StreamDecoder {
    return createStreamDecoder(this, this.leadingSpace, options);
  }

  pieceBytes(id: number): Uint8Array {
    const { bytes, ends } = this.#table;
    const end = ends[id];
    if (end === undefined) fail("invalid_request", `token id ${id} is not in 0..${this.vocabSize - 1}`);
    return bytes.subarray(id === 0 ? 0 : ends[id - 1]!, end);
  }

  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }
}
