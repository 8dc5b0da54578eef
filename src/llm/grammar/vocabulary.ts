/**
 * A tokenizer as grammars see it: pieces in a prefix tree, end tokens, and the automaton and masks that all grammars over it
 * share. Built once per tokenizer; it belongs to one thread.
 */
import { fail } from "../../core/index.ts";
import { JsonForms } from "./json.ts";
import { Machine } from "./machine.ts";
import { Masks } from "./mask.ts";
import { PieceTree } from "./piece-tree.ts";

/** What a grammar needs to know of a tokenizer. */
export interface PieceSource {
  readonly vocabSize: number;
  pieceBytes(id: number): Uint8Array;
  isSpecial(id: number): boolean;
}

/** How the model relates to the tokenizer. */
export interface GrammarVocabularyOptions {
  /** Ids that end an answer: allowed when the grammar is done. */
  readonly endTokens: readonly number[];
  /** Rows of the model's head; ids that the tokenizer lacks are never allowed. Default: the tokenizer's size. */
  readonly vocabSize?: number;
}

/** See the head of the file. */
export class GrammarVocabulary {
  readonly vocabSize: number;
  readonly endTokens: readonly number[];
  readonly machine = new Machine();
  readonly masks: Masks;
  readonly #pieces: readonly (Uint8Array | null)[];
  #forms: JsonForms | null = null;
  #formsEpoch = 0;

  /** @throws PunctualError unsupported when a byte that text needs has no piece of its own. */
  constructor(source: PieceSource, options: GrammarVocabularyOptions) {
    this.vocabSize = options.vocabSize ?? source.vocabSize;
    this.endTokens = options.endTokens.filter((id) => id >= 0 && id < this.vocabSize);
    checkPieces(source, this.endTokens);
    this.#pieces = piecesOf(source, this.vocabSize, new Set(this.endTokens));
    this.masks = new Masks(this.machine, new PieceTree(this.#pieces), this.vocabSize, this.endTokens);
  }

  /** JSON's parts, shared by all grammars so that their masks are found once. */
  jsonForms(): JsonForms {
    const { epoch, exprs } = this.machine;
    if (this.#forms === null || this.#formsEpoch !== epoch) this.#forms = new JsonForms(exprs);
    this.#formsEpoch = epoch;
    return this.#forms;
  }

  /** Bytes of a token that can be text; null for special and end tokens, and for ids without a piece. */
  piece(id: number): Uint8Array | null {
    return this.#pieces[id] ?? null;
  }
}

/** A longer piece is no text that a grammar meets; it is never allowed. */
const LONGEST_PIECE = 1024;

function piecesOf(source: PieceSource, vocabSize: number, ends: ReadonlySet<number>): (Uint8Array | null)[] {
  return Array.from({ length: vocabSize }, (_, id) => {
    if (id >= source.vocabSize || ends.has(id) || source.isSpecial(id)) return null;
    const bytes = source.pieceBytes(id);
    return bytes.length === 0 || bytes.length > LONGEST_PIECE ? null : bytes;
  });
}

/** Bytes that UTF-8 text may need. */
function isTextByte(byte: number): boolean {
  const ascii = byte === 9 || byte === 10 || (byte >= 0x20 && byte < 0x7f);
  return ascii || (byte >= 0x80 && byte < 0xf5 && byte !== 0xc0 && byte !== 0xc1);
}

/**
 * Grammars need a piece for every byte of text, else one could lead where no token goes on.
 * @throws PunctualError unsupported, naming the byte.
 */
export function checkPieces(source: PieceSource, endTokens: readonly number[]): void {
  const seen = new Uint8Array(256);
  for (let id = 0; id < source.vocabSize; id++) {
    if (source.isSpecial(id) || endTokens.includes(id)) continue;
    const piece = source.pieceBytes(id);
    if (piece.length === 1) seen[piece[0]!] = 1;
  }
  const missing = seen.findIndex((has, byte) => has === 0 && isTextByte(byte));
  if (missing < 0) return;
  fail("unsupported", `grammars need a tokenizer with a piece for every byte; byte ${missing} has none`, {
    param: "grammar",
  });
}
