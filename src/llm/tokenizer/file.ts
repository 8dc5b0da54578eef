/**
 * tokenizer.json in the layout of Hugging Face `tokenizers` (version 1.0): model BPE with the byte-level
 * alphabet, `added_tokens`, and a pre-tokenizer of Split, Digits and ByteLevel stages.
 *
 * The reader trusts nothing: sizes are bounded and every failure is `invalid_file` (or `unsupported`)
 * with the path of the field.
 */
import { fail, PunctualError } from "../../core/index.ts";
import { GPT2_PATTERN, type SplitStage } from "./split.ts";
import { Tokenizer } from "./tokenizer.ts";

const MAX_FILE_CHARS = 64 * 2 ** 20;
const MAX_PIECES = 2 ** 19;
const MAX_PIECE_CHARS = 1024;

/** GPT-2's printable stand-ins: byte → character, so that pieces are readable JSON strings. */
const BYTE_CHARS: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte).map((byte, _i, all) => {
  const printable = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  if (printable(byte)) return String.fromCharCode(byte);
  return String.fromCharCode(256 + all.filter((b) => b < byte && !printable(b)).length);
});
const CHAR_BYTES: ReadonlyMap<string, number> = new Map(BYTE_CHARS.map((char, byte) => [char, byte]));

const toChars = (bytes: Uint8Array): string => Array.from(bytes, (byte) => BYTE_CHARS[byte]!).join("");

/** The file's text, one line per merge-free JSON (compact). */
export function writeTokenizer(tokenizer: Tokenizer): string {
  const { pieces, merges, specials, stages } = tokenizer.data;
  const vocab: Record<string, number> = {};
  for (const [id, bytes] of pieces.entries()) {
    if (!tokenizer.isSpecial(id)) vocab[toChars(bytes)] = id;
  }
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: false };
  const file = {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: Array.from(specials, ([content, id]) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...stages.map(writeStage), byteLevel] },
    post_processor: null,
    decoder: { ...byteLevel, use_regex: true },
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab,
      merges: merges.map(([left, right]) => [toChars(pieces[left]!), toChars(pieces[right]!)]),
    },
  };
  return `${JSON.stringify(file)}\n`;
}

function writeStage(stage: SplitStage): Record<string, unknown> {
  return stage.kind === "digits"
    ? { type: "Digits", individual_digits: true }
    : { type: "Split", pattern: { Regex: stage.pattern }, behavior: "Isolated", invert: false };
}

/** Reads a tokenizer.json. Throws `invalid_file` or `unsupported` with `param` = the field's path. */
export function readTokenizer(text: string): Tokenizer {
  if (text.length > MAX_FILE_CHARS) fail("invalid_file", `tokenizer.json is longer than ${MAX_FILE_CHARS} characters`);
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch (cause) {
    throw new PunctualError("invalid_file", "tokenizer.json is not JSON", { cause });
  }
  const file = record(root, "");
  if ((file["normalizer"] ?? null) !== null) {
    fail("unsupported", "tokenizers with a normalizer are not supported", { param: "normalizer" });
  }
  const model = record(file["model"], "model");
  if (model["type"] !== "BPE" && model["type"] !== undefined) {
    fail("unsupported", `expected a BPE model, got ${JSON.stringify(model["type"])}`, { param: "model.type" });
  }
  const specials = readSpecials(file["added_tokens"]);
  const ids = readVocab(model["vocab"], specials);
  const pieces = collectPieces(ids, specials);
  const merges = readMerges(model["merges"], ids, pieces);
  return new Tokenizer({ pieces, merges, specials, stages: readStages(file["pre_tokenizer"], "pre_tokenizer") });
}

function record(value: unknown, param: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  return fail("invalid_file", `expected an object at ${param || "the root"}`, { param });
}

function list(value: unknown, param: string): readonly unknown[] {
  if (Array.isArray(value) && value.length <= 2 * MAX_PIECES) return value as unknown[];
  return fail("invalid_file", `expected a list of at most ${2 * MAX_PIECES} at ${param}`, { param });
}

function tokenId(value: unknown, param: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value < MAX_PIECES) return value;
  return fail("invalid_file", `expected a token id in 0..${MAX_PIECES - 1} at ${param}`, { param });
}

function pieceText(value: unknown, param: string): string {
  if (typeof value === "string" && value.length > 0 && value.length <= MAX_PIECE_CHARS) return value;
  return fail("invalid_file", `expected a piece of 1..${MAX_PIECE_CHARS} characters at ${param}`, { param });
}

function readSpecials(value: unknown): Map<string, number> {
  const specials = new Map<string, number>();
  for (const [i, entry] of list(value ?? [], "added_tokens").entries()) {
    const token = record(entry, `added_tokens[${i}]`);
    const content = pieceText(token["content"], `added_tokens[${i}].content`);
    specials.set(content, tokenId(token["id"], `added_tokens[${i}].id`));
  }
  return specials;
}

function readVocab(value: unknown, specials: ReadonlyMap<string, number>): Map<string, number> {
  const ids = new Map<string, number>();
  for (const [piece, id] of Object.entries(record(value, "model.vocab"))) {
    if (specials.has(piece)) continue; // some writers list them twice
    ids.set(pieceText(piece, "model.vocab"), tokenId(id, `model.vocab[${JSON.stringify(piece)}]`));
  }
  return ids;
}

/** Bytes by id. Ids must be 0..n-1 without gaps or repeats. */
function collectPieces(ids: ReadonlyMap<string, number>, specials: ReadonlyMap<string, number>): Uint8Array[] {
  const size = ids.size + specials.size;
  const pieces = Array.from<Uint8Array | undefined>({ length: size });
  const put = (id: number, bytes: Uint8Array, name: string): void => {
    if (id >= size || pieces[id] !== undefined) {
      fail("invalid_file", `id ${id} of ${JSON.stringify(name)} repeats or leaves a gap`, { param: "model.vocab" });
    }
    pieces[id] = bytes;
  };
  for (const [piece, id] of ids) put(id, toBytes(piece), piece);
  const encoder = new TextEncoder();
  for (const [name, id] of specials) put(id, encoder.encode(name), name);
  return pieces as Uint8Array[];
}

function toBytes(piece: string): Uint8Array {
  return Uint8Array.from(piece, (char) => {
    const byte = CHAR_BYTES.get(char);
    if (byte === undefined) {
      fail("unsupported", `piece ${JSON.stringify(piece)} is not in the byte-level alphabet`, { param: "model.vocab" });
    }
    return byte;
  });
}

function readMerges(
  value: unknown,
  ids: ReadonlyMap<string, number>,
  pieces: readonly Uint8Array[],
): [number, number, number][] {
  return list(value, "model.merges").map((entry, i) => {
    const param = `model.merges[${i}]`;
    // Both spellings are in use: "a b" (older) and ["a", "b"].
    const parts: readonly unknown[] = typeof entry === "string" ? entry.split(" ") : list(entry, param);
    const left = ids.get(parts.length === 2 ? pieceText(parts[0], param) : "");
    const right = ids.get(parts.length === 2 ? pieceText(parts[1], param) : "");
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
