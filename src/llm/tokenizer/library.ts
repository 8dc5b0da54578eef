/**
 * Tokenizers that our own byte-level path cannot run, by way of @huggingface/tokenizers: SentencePiece-like byte pairs
 * with byte fallback, Unigram, normalizers, and byte-level files with a pattern of their own.
 *
 * The library normalises, splits and merges. What it is not asked for: finding special tokens (it would find them in
 * anybody's text) and decoding (it needs the whole answer; we stream bytes).
 */
import { Tokenizer as LibraryClass } from "@huggingface/tokenizers";
import { assert, fail, PunctualError } from "../../core/index.ts";
import { AddedTokens, uncover } from "./added.ts";
import { readModel, readNormalizer, readPreTokenizer, removesSpaces, type LibraryModel } from "./library-file.ts";
import type { Fields } from "./fields.ts";
import { bytePiece, bytesOf, readPieceForm, type PieceForm } from "./pieces.ts";
import { createStreamDecoder, decodeAll } from "./stream.ts";
import type { DecodeOptions, EncodeOptions, StreamDecoder, TextTokenizer } from "./types.ts";
import { readAdded, readSurroundings, type AddedMap, type Surroundings } from "./vocabulary.ts";

// The library's declarations do not resolve under Node's module rules; this is what we use of it.
interface Library {
  readonly normalizer: { normalize(text: string): string } | null;
  readonly pre_tokenizer: { pre_tokenize(text: string, options: { section_index: number }): string[] } | null;
  readonly model: { _call(words: string[]): string[] };
}
const Library = LibraryClass as unknown as new (file: object, config: object) => Library;

/** A tokenizer of a parsed tokenizer.json. @throws PunctualError invalid_file, unsupported, naming the field. */
export function readLibraryTokenizer(file: Fields, config: Fields | null): TextTokenizer {
  const added = readAdded(file, config);
  const model = readModel(file, added);
  const form = readPieceForm(file["decoder"]);
  const normalizer = readNormalizer(file);
  const preTokenizer = readPreTokenizer(file, removesSpaces(normalizer));
  let library: Library;
  try {
    library = new Library(
      {
        model: model.config,
        normalizer,
        pre_tokenizer: preTokenizer,
        post_processor: null,
        decoder: null,
        added_tokens: [],
      },
      {},
    );
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.slice(0, 200) : "";
    throw new PunctualError("unsupported", `tokenizer.json cannot be run: ${why}`, { cause, param: "tokenizer.json" });
  }
  const specials = new Map(
    Array.from(added.values()).flatMap((token) => (token.mark ? [[token.content, token.id]] : [])),
  );
  return new LibraryTokenizer(library, model, added, form, specials, readSurroundings(file, config, specials));
}

/** Half a character, which UTF-8 has no form for. */
const HALF = /\p{Surrogate}/gu;
const GAP = new Uint8Array(0);

class LibraryTokenizer implements TextTokenizer {
  readonly vocabSize: number;
  readonly leadingSpace: boolean;
  readonly specials: ReadonlyMap<string, number>;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  readonly prefix: readonly number[];
  readonly suffix: readonly number[];
  readonly #library: Library;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #unknownId: number | null;
  /** Ids of the 256 bytes where the vocabulary has all of them. */
  readonly #byteIds: readonly number[] | null;
  readonly #added: AddedTokens;
  readonly #pieces: readonly Uint8Array[];
  readonly #specialIds: ReadonlySet<number>;
  readonly #encoder = new TextEncoder();

  constructor(
    library: Library,
    model: LibraryModel,
    added: AddedMap,
    form: PieceForm,
    specials: ReadonlyMap<string, number>,
    around: Surroundings,
  ) {
    this.#library = library;
    this.#ids = model.ids;
    this.#unknownId = model.unknownId;
    this.#added = new AddedTokens([...added.values()]);
    this.specials = specials;
    this.#specialIds = new Set(specials.values());
    this.#pieces = collectPieces(model, added, form);
    this.vocabSize = this.#pieces.length;
    const bytes = Array.from({ length: 256 }, (_, byte) => model.ids.get(bytePiece(byte)) ?? -1);
    this.#byteIds = model.byteFallback && !bytes.includes(-1) ? bytes : null;
    this.leadingSpace = form.leadingSpace;
    this.bosToken = around.bosToken;
    this.eosToken = around.eosToken;
    this.prefix = around.prefix;
    this.suffix = around.suffix;
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    const special = options.special === true;
    const ids: number[] = [];
    // The place in the text decides whether a SentencePiece vocabulary writes a space before a stretch.
    let section = 0;
    for (const part of this.#added.split(text, special)) {
      if (typeof part === "number") ids.push(part);
      else if (part !== "") this.#encodeText(special && options.shielded === true ? uncover(part) : part, section, ids);
      if (part !== "") section += 1;
    }
    return ids;
  }

  #encodeText(text: string, section: number, ids: number[]): void {
    const { normalizer, pre_tokenizer: preTokenizer, model } = this.#library;
    const whole = text.replaceAll(HALF, "\uFFFD");
    const normal = normalizer === null ? whole : normalizer.normalize(whole);
    if (normal === "") return;
    const words = preTokenizer === null ? [normal] : preTokenizer.pre_tokenize(normal, { section_index: section });
    for (const token of model._call(words)) {
      const id = this.#ids.get(token);
      if (id !== undefined) ids.push(id);
      else if (this.#byteIds !== null) for (const byte of this.#encoder.encode(token)) ids.push(this.#byteIds[byte]!);
      else if (this.#unknownId !== null) ids.push(this.#unknownId);
    }
  }

  decode(ids: readonly number[], options: DecodeOptions = {}): string {
    return decodeAll(this.streamDecoder(options), ids);
  }

  streamDecoder(options: DecodeOptions = {}): StreamDecoder {
    return createStreamDecoder(this, this.leadingSpace, options);
  }

  pieceBytes(id: number): Uint8Array {
    const bytes = this.#pieces[id];
    if (bytes === undefined) fail("invalid_request", `token id ${id} is not in 0..${this.vocabSize - 1}`);
    return bytes;
  }

  isSpecial(id: number): boolean {
    return this.#specialIds.has(id);
  }

  specialId(name: string): number {
    const id = this.specials.get(name);
    assert(id !== undefined, `the tokenizer has a special token ${name}`);
    return id!;
  }
}

/** Bytes by id; an id that nothing has is a piece without bytes. */
function collectPieces(model: LibraryModel, added: AddedMap, form: PieceForm): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const put = (id: number, bytes: Uint8Array, name: string): void => {
    while (pieces.length <= id) pieces.push(GAP);
    if (pieces[id] !== GAP) {
      fail("invalid_file", `id ${id} of ${JSON.stringify(name)} repeats`, { param: "model.vocab" });
    }
    pieces[id] = bytes;
  };
  const encoder = new TextEncoder();
  for (const { content, id } of added.values()) put(id, encoder.encode(content), content);
  for (const [piece, id] of model.ids) {
    if (added.get(piece)?.id !== id) put(id, bytesOf(piece, form), piece);
  }
  // An unknown piece that is no special token still has its name.
  return pieces;
}
