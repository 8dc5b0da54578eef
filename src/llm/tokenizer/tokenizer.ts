/**
 * A byte-level byte-pair tokenizer: any text becomes tokens and comes back, because every byte is a
 * piece of its own. Special tokens are never recognised in text unless the caller says so: what a user
 * types cannot end a turn or open a call.
 */
import { assert, fail } from "../../core/index.ts";
import { MergeTable } from "./merge.ts";
import { createSplitter, type SplitStage } from "./split.ts";

/** Everything that defines a tokenizer, as plain data. */
export interface TokenizerData {
  /** Bytes of each piece by id; a special token's bytes are its name in UTF-8. */
  readonly pieces: readonly Uint8Array[];
  /** [left id, right id, merged id] in order of rank. */
  readonly merges: readonly (readonly [number, number, number])[];
  /** Name → id. */
  readonly specials: ReadonlyMap<string, number>;
  readonly stages: readonly SplitStage[];
}

/** Turns a stream of ids into text, holding back bytes until they are whole characters. */
export interface StreamDecoder {
  push(id: number): string;
  /** What was held back, as replacement characters. */
  end(): string;
}

const CACHE_WORDS = 20_000;
const CACHED_LENGTH = 48;

export class Tokenizer {
  readonly data: TokenizerData;
  readonly vocabSize: number;
  readonly #table: MergeTable;
  readonly #byteIds = new Int32Array(256).fill(-1);
  readonly #split: (text: string) => string[];
  readonly #specialPattern: RegExp | null;
  readonly #specialIds: ReadonlySet<number>;
  readonly #cache = new Map<string, readonly number[]>();
  readonly #encoder = new TextEncoder();

  constructor(data: TokenizerData) {
    this.data = data;
    this.vocabSize = data.pieces.length;
    this.#specialIds = new Set(data.specials.values());
    for (const [id, bytes] of data.pieces.entries()) {
      if (bytes.length === 1 && !this.#specialIds.has(id) && this.#byteIds[bytes[0]!] === -1)
        this.#byteIds[bytes[0]!] = id;
    }
    const missing = this.#byteIds.indexOf(-1);
    if (missing >= 0) fail("invalid_file", `the vocabulary has no piece for byte ${missing}`, { param: "model.vocab" });
    this.#table = new MergeTable(this.vocabSize, data.merges);
    this.#split = createSplitter(data.stages);
    const names = [...data.specials.keys()].toSorted((a, b) => b.length - a.length);
    this.#specialPattern = names.length === 0 ? null : new RegExp(`(${names.map(escapePattern).join("|")})`, "u");
  }

  /**
   * Token ids of a text. Lone surrogates count as U+FFFD.
   * @param options.special recognise special tokens by name (trusted text only; default false)
   */
  encode(text: string, options: { readonly special?: boolean } = {}): number[] {
    const ids: number[] = [];
    if (options.special !== true || this.#specialPattern === null) {
      this.#encodeText(text, ids);
      return ids;
    }
    for (const part of text.split(this.#specialPattern)) {
      const special = this.data.specials.get(part);
      if (special === undefined) this.#encodeText(part, ids);
      else ids.push(special);
    }
    return ids;
  }

  #encodeText(text: string, ids: number[]): void {
    for (const word of this.#split(text)) {
      for (const id of this.#encodeWord(word)) ids.push(id);
    }
  }

  #encodeWord(word: string): readonly number[] {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const bytes = Array.from(this.#encoder.encode(word), (byte) => this.#byteIds[byte]!);
    const merged = this.#table.merge(bytes);
    if (word.length <= CACHED_LENGTH) {
      if (this.#cache.size >= CACHE_WORDS) this.#cache.clear(); // bounded; a text warms it again in no time
      this.#cache.set(word, merged);
    }
    return merged;
  }

  /** Text of ids; special tokens are left out unless `special` is true. Throws `invalid_request` for an id out of range. */
  decode(ids: readonly number[], options: { readonly special?: boolean } = {}): string {
    const decoder = this.streamDecoder(options);
    let text = "";
    for (const id of ids) text += decoder.push(id);
    return text + decoder.end();
  }

  streamDecoder(options: { readonly special?: boolean } = {}): StreamDecoder {
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    return {
      push: (id) => {
        const bytes = this.pieceBytes(id);
        if (this.#specialIds.has(id) && options.special !== true) return "";
        return decoder.decode(bytes, { stream: true });
      },
      end: () => decoder.decode(),
    };
  }

  /** The id of a special token; a name that does not exist is a bug. */
  specialId(name: string): number {
    const id = this.data.specials.get(name);
    assert(id !== undefined, `the tokenizer has a special token ${name}`);
    return id!;
  }

  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }

  /** Bytes of a piece; a special token's are its name. Throws `invalid_request` for an id out of range. */
  pieceBytes(id: number): Uint8Array {
    const bytes = this.data.pieces[id];
    if (bytes === undefined) fail("invalid_request", `token id ${id} is not in 0..${this.vocabSize - 1}`);
    return bytes;
  }
}

function escapePattern(text: string): string {
  return text.replaceAll(/[$()*+./?[\\\]^{|}-]/gu, (char) => (char === "-" ? "\\x2d" : `\\${char}`));
}
