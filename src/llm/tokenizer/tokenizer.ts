/**
 * A byte-level byte-pair tokenizer, the fast path of most models: any text becomes tokens and comes back, because every byte is a
 * piece of its own. Special tokens are never recognised in text unless the caller says so: what a user
 * types cannot end a turn or open a call.
 */
import { assert, fail } from "../../core/index.ts";
import { AddedTokens, uncover, type AddedToken } from "./added.ts";
import { MergeTable } from "./merge.ts";
import { createSplitter, type SplitStage } from "./split.ts";
import { createStreamDecoder, decodeAll } from "./stream.ts";
import type { DecodeOptions, EncodeOptions, StreamDecoder, TextTokenizer } from "./types.ts";

/** Everything that defines a tokenizer, as plain data. */
export interface TokenizerData {
  /** Bytes of each piece by id; a special token's bytes are its name in UTF-8. */
  readonly pieces: readonly Uint8Array[];
  /** [left id, right id, merged id] in order of rank. */
  readonly merges: readonly (readonly [number, number, number])[];
  /** Name → id. */
  readonly specials: ReadonlyMap<string, number>;
  readonly stages: readonly SplitStage[];
  /** A word that is a piece is that piece, whatever merges would make of it (`ignore_merges` in files); default false. */
  readonly wholeWords?: boolean;
  /** Tokens looked for in text before it is split: marks with their rules about white space, and plain ones. */
  readonly added?: readonly AddedToken[];
  /** Text is brought to Unicode's form C first. */
  readonly normalizer?: "nfc";
  readonly bosToken?: string;
  readonly eosToken?: string;
  readonly prefix?: readonly number[];
  readonly suffix?: readonly number[];
}

const PLAIN_MARK = { mark: true, lstrip: false, rstrip: false } as const;
const CACHE_WORDS = 20_000;
const CACHED_LENGTH = 48;

export class Tokenizer implements TextTokenizer {
  readonly data: TokenizerData;
  readonly vocabSize: number;
  readonly leadingSpace = false;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
  readonly #table: MergeTable;
  readonly #byteIds = new Int32Array(256).fill(-1);
  readonly #split: (text: string) => string[];
  readonly #added: AddedTokens;
  readonly #specialIds: ReadonlySet<number>;
  /** Ids by bytes as Latin-1, where whole words count. */
  readonly #words: ReadonlyMap<string, number> | null;
  readonly #cache = new Map<string, readonly number[]>();
  readonly #encoder = new TextEncoder();

  constructor(data: TokenizerData) {
    this.data = data;
    this.vocabSize = data.pieces.length;
    this.bosToken = data.bosToken ?? null;
    this.eosToken = data.eosToken ?? null;
    this.prefix = data.prefix ?? [];
    this.suffix = data.suffix ?? [];
    this.#specialIds = new Set(data.specials.values());
    for (const [id, bytes] of data.pieces.entries()) {
      if (bytes.length === 1 && !this.#specialIds.has(id) && this.#byteIds[bytes[0]!] === -1)
        this.#byteIds[bytes[0]!] = id;
    }
    const missing = this.#byteIds.indexOf(-1);
    if (missing >= 0) fail("invalid_file", `the vocabulary has no piece for byte ${missing}`, { param: "model.vocab" });
    this.#table = new MergeTable(this.vocabSize, data.merges);
    const words = data.pieces.map((bytes, id) => [Buffer.from(bytes).toString("latin1"), id] as const);
    this.#words = data.wholeWords === true ? new Map(words.filter(([, id]) => !this.#specialIds.has(id))) : null;
    this.#split = createSplitter(data.stages);
    const marks = Array.from(data.specials, ([content, id]) => ({ content, id, ...PLAIN_MARK }));
    this.#added = new AddedTokens([...marks, ...(data.added ?? [])]);
  }

  get specials(): ReadonlyMap<string, number> {
    return this.data.specials;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const ids: number[] = [];
    const special = options.special === true;
    for (const part of this.#added.split(text, special)) {
      if (typeof part === "number") ids.push(part);
      else this.#encodeText(special && options.shielded === true ? uncover(part) : part, ids);
    }
    return ids;
  }

  #encodeText(text: string, ids: number[]): void {
    const normal = this.data.normalizer === "nfc" ? text.normalize("NFC") : text;
    for (const word of this.#split(normal)) {
      for (const id of this.#encodeWord(word)) ids.push(id);
    }
  }

  #encodeWord(word: string): readonly number[] {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const bytes = this.#encoder.encode(word);
    const whole = this.#words?.get(Buffer.from(bytes).toString("latin1"));
    const merged = whole === undefined ? this.#table.merge(Array.from(bytes, (byte) => this.#byteIds[byte]!)) : [whole];
    if (word.length <= CACHED_LENGTH) {
      if (this.#cache.size >= CACHE_WORDS) this.#cache.clear(); // bounded; a text warms it again in no time
      this.#cache.set(word, merged);
    }
    return merged;
  }

  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    return decodeAll(this.streamDecoder(options), ids);
  }

  streamDecoder(options: DecodeOptions = {}): StreamDecoder {
    return createStreamDecoder(this, this.leadingSpace, options);
  }

  specialId(name: string): number {
    const id = this.data.specials.get(name);
    assert(id !== undefined, `the tokenizer has a special token ${name}`);
    return id!;
  }

  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }

  pieceBytes(id: number): Uint8Array {
    const bytes = this.data.pieces[id];
    if (bytes === undefined) fail("invalid_request", `token id ${id} is not in 0..${this.vocabSize - 1}`);
    return bytes;
  }
}
