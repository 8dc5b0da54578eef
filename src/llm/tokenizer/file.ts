/**
 * tokenizer.json in the layout of Hugging Face `tokenizers` (version 1.0): model BPE with the byte-level
 * alphabet, `added_tokens`, and a pre-tokenizer of Split, Digits and ByteLevel stages.
 *
 * The reader trusts nothing: sizes are bounded and every failure is `invalid_file` (or `unsupported`)
 * with the path of the field.
 */
import { fail } from "../../core/index.ts";
import type { AddedToken } from "./added.ts";
import { fromChars, toChars } from "./alphabet.ts";
import { list, mergeParts, parseFields, pieceText, record, tokenId, type Fields } from "./fields.ts";
import { GPT2_PATTERN, type SplitStage } from "./split.ts";
import { Tokenizer } from "./tokenizer.ts";
import { readAdded, readSurroundings } from "./vocabulary.ts";

/** The file's text, one line per merge-free JSON (compact). */
export function writeTokenizer(tokenizer: Tokenizer): string {
  const { pieces, merges, stages, wholeWords = false, prefix = [], suffix = [] } = tokenizer.data;
  const apart = new Set(Array.from(writtenAdded(tokenizer), (token) => token.id));
  const vocab: Record<string, number> = {};
  for (const [id, bytes] of pieces.entries()) {
    if (bytes.length > 0 && !apart.has(id)) vocab[toChars(bytes)] = id;
  }
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  const file = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: Array.from(writtenAdded(tokenizer), ({ content, id, mark, lstrip, rstrip }) => ({
      id,
      content,
      single_word: false,
      lstrip,
      rstrip,
      normalized: false,
      special: mark,
    })),
    normalizer: tokenizer.data.normalizer === "nfc" ? { type: "NFC" } : null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...stages.map(writeStage), byteLevel] },
    post_processor: prefix.length + suffix.length === 0 ? null : writeTemplate(tokenizer, prefix, suffix),
    decoder: { ...byteLevel, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: wholeWords,
      vocab,
      merges: merges.map(([left, right]) => [toChars(pieces[left]!), toChars(pieces[right]!)]),
    },
  };
  return `${JSON.stringify(file)}\n`;
}

function writtenAdded(tokenizer: Tokenizer): Iterable<AddedToken> {
  const { specials, added = [] } = tokenizer.data;
  const marks = Array.from(specials, ([content, id]) => ({ content, id, mark: true, lstrip: false, rstrip: false }));
  return new Map([...marks, ...added].map((token) => [token.content, token])).values();
}

function writeTemplate(tokenizer: Tokenizer, prefix: readonly number[], suffix: readonly number[]): unknown {
  const names = new Map(Array.from(tokenizer.specials, ([name, id]) => [id, name]));
  const tokens = (ids: readonly number[]): unknown[] =>
    ids.map((id) => ({ SpecialToken: { id: names.get(id), type_id: 0 } }));
  const used = [...prefix, ...suffix].map((id) => [
    names.get(id)!,
    { id: names.get(id), ids: [id], tokens: [names.get(id)] },
  ]);
  return {
    type: "TemplateProcessing",
    single: [...tokens(prefix), { Sequence: { id: "A", type_id: 0 } }, ...tokens(suffix)],
    pair: [
      ...tokens(prefix),
      { Sequence: { id: "A", type_id: 0 } },
      { Sequence: { id: "B", type_id: 1 } },
      ...tokens(suffix),
    ],
    special_tokens: Object.fromEntries(used),
  };
}

function writeStage(stage: SplitStage): Record<string, unknown> {
  return stage.kind === "digits"
    ? { type: "Digits", individual_digits: true }
    : { type: "Split", pattern: { Regex: stage.pattern }, behavior: "Isolated", invert: false };
}

/** Reads a tokenizer.json. Throws `invalid_file` or `unsupported` with `param` = the field's path. */
export function readTokenizer(text: string): Tokenizer {
  return readByteLevel(parseFields(text), null);
}

/** The same of a parsed file, with tokenizer_config.json where there is one. */
export function readByteLevel(file: Fields, config: Fields | null): Tokenizer {
  const nfc = readNormalizer(file["normalizer"] ?? null, 0);
  const model = record(file["model"], "model");
  if (model["type"] !== "BPE" && model["type"] !== undefined) {
    fail("unsupported", `expected a BPE model, got ${JSON.stringify(model["type"])}`, { param: "model.type" });
  }
  const added = [...readAdded(file, config).values()];
  const specials = new Map(added.filter((token) => token.mark).map((token) => [token.content, token.id]));
  const rest = added.filter((token) => !token.mark || token.lstrip || token.rstrip);
  const { bosToken, eosToken, prefix, suffix } = readSurroundings(file, config, specials);
  const ids = readVocab(model["vocab"], new Set(added.map((token) => token.content)));
  const pieces = collectPieces(ids, added);
  return new Tokenizer({
    pieces,
    merges: readMerges(model["merges"], ids, pieces),
    specials,
    stages: readStages(file["pre_tokenizer"], "pre_tokenizer"),
    ...(model["ignore_merges"] === true ? { wholeWords: true } : {}),
    ...(rest.length === 0 ? {} : { added: rest }),
    ...(nfc ? { normalizer: "nfc" } : {}),
    ...(bosToken === null ? {} : { bosToken }),
    ...(eosToken === null ? {} : { eosToken }),
    ...(prefix.length === 0 ? {} : { prefix }),
    ...(suffix.length === 0 ? {} : { suffix }),
  });
}

/** True for Unicode's form C (Qwen), false for none. */
function readNormalizer(value: unknown, depth: number): boolean {
  if (value === null) return false;
  const stage = record(value, "normalizer");
  if (stage["type"] === "NFC") return true;
  if (stage["type"] === "Sequence" && depth === 0) {
    return list(stage["normalizers"], "normalizer.normalizers").some((one) => readNormalizer(one, 1));
  }
  return fail("unsupported", `normalizer ${JSON.stringify(stage["type"])} is not supported`, { param: "normalizer" });
}

function readVocab(value: unknown, added: ReadonlySet<string>): Map<string, number> {
  const ids = new Map<string, number>();
  for (const [piece, id] of Object.entries(record(value, "model.vocab"))) {
    if (added.has(piece)) continue; // some writers list them twice
    ids.set(pieceText(piece, "model.vocab"), tokenId(id, `model.vocab[${JSON.stringify(piece)}]`));
  }
  return ids;
}

const GAP = new Uint8Array(0);

/** Bytes by id. Ids are never shared; one that nothing has is a piece without bytes. */
function collectPieces(ids: ReadonlyMap<string, number>, added: readonly AddedToken[]): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  const put = (id: number, bytes: Uint8Array, name: string): void => {
    while (pieces.length <= id) pieces.push(GAP);
    if (pieces[id] !== GAP) {
      fail("invalid_file", `id ${id} of ${JSON.stringify(name)} repeats`, { param: "model.vocab" });
    }
    pieces[id] = bytes;
  };
  for (const [piece, id] of ids) put(id, toBytes(piece), piece);
  const encoder = new TextEncoder();
  for (const { content, id } of added) put(id, encoder.encode(content), content);
  return pieces;
}

function toBytes(piece: string): Uint8Array {
  const bytes = fromChars(piece);
  if (bytes !== null) return bytes;
  return fail("unsupported", `piece ${JSON.stringify(piece)} is not in the byte-level alphabet`, {
    param: "model.vocab",
  });
}

function readMerges(
  value: unknown,
  ids: ReadonlyMap<string, number>,
  pieces: readonly Uint8Array[],
): [number, number, number][] {
  return list(value, "model.merges").map((entry, i) => {
    const param = `model.merges[${i}]`;
    const [before, after] = mergeParts(entry, param);
    const left = ids.get(before);
    const right = ids.get(after);
    if (left === undefined || right === undefined) {
      return fail("invalid_file", "a merge joins two pieces of the vocabulary", { param });
    }
    const joined = ids.get(toChars(pieces[left]!) + toChars(pieces[right]!));
    if (joined === undefined) return fail("invalid_file", "a merge's result is in the vocabulary", { param });
    return [left, right, joined];
  });
}

const MAX_STAGES = 8;

function readStages(value: unknown, param: string, depth = 0): SplitStage[] {
  const stage = record(value, param);
  switch (stage["type"]) {
    case "Sequence": {
      const inner = list(stage["pretokenizers"], `${param}.pretokenizers`);
      if (inner.length > MAX_STAGES || depth > 1) return fail("unsupported", "pre-tokenizers nest too deep", { param });
      return inner.flatMap((one, i) => readStages(one, `${param}.pretokenizers[${i}]`, depth + 1));
    }
    case "Split": {
      const pattern = record(stage["pattern"], `${param}.pattern`)["Regex"];
      if (stage["behavior"] !== "Isolated" || stage["invert"] === true || typeof pattern !== "string") {
        return fail("unsupported", "only isolated splits by a regular expression are supported", { param });
      }
      return [{ kind: "pattern", pattern }];
    }
    case "Digits":
      if (stage["individual_digits"] !== true)
        return fail("unsupported", "only individual digits are supported", { param });
      return [{ kind: "digits" }];
    case "ByteLevel":
      if (stage["add_prefix_space"] === true)
        return fail("unsupported", "add_prefix_space is not supported", { param });
      return stage["use_regex"] === false ? [] : [{ kind: "pattern", pattern: GPT2_PATTERN }];
    default:
      return fail("unsupported", `pre-tokenizer ${JSON.stringify(stage["type"])} is not supported`, { param });
  }
}
