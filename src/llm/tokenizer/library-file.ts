/**
 * A tokenizer.json made safe for @huggingface/tokenizers: only stages that it carries out faithfully, no expression
 * that could run for ever, and a vocabulary in which no mark can be reached from text.
 */
import { fail } from "../../core/index.ts";
import type { AddedMap } from "./vocabulary.ts";
import { list, mergeParts, pieceText, record, tokenId, type Fields } from "./fields.ts";
import { checkPattern } from "./pattern-guard.ts";

const NORMALIZERS: ReadonlySet<unknown> = new Set(
  "BertNormalizer Precompiled Sequence Replace NFC NFD NFKC NFKD Strip StripAccents Lowercase Prepend".split(" "),
);
const PRE_TOKENIZERS: ReadonlySet<unknown> = new Set(
  "ByteLevel Metaspace Split Digits Punctuation Whitespace WhitespaceSplit BertPreTokenizer Sequence".split(" "),
);
const MAX_STAGES = 16;
const MAX_STRING = 64;

/** The model's part: its constructor's argument, and ids by piece without marks. */
export interface LibraryModel {
  readonly config: Fields;
  readonly ids: ReadonlyMap<string, number>;
  readonly unknownId: number | null;
  readonly byteFallback: boolean;
}

/** @throws PunctualError invalid_file, unsupported. */
export function readModel(file: Fields, added: AddedMap): LibraryModel {
  const model = record(file["model"], "model");
  if (model["type"] === "Unigram" || (model["type"] === undefined && Array.isArray(model["vocab"]))) {
    return readUnigram(model, added);
  }
  if (model["type"] === "BPE" || model["type"] === undefined) return readBpe(model, added);
  return fail("unsupported", `a tokenizer of model ${JSON.stringify(model["type"])} is not supported`, {
    param: "model.type",
  });
}

function readBpe(model: Fields, added: AddedMap): LibraryModel {
  for (const field of ["continuing_subword_prefix", "continuing_subword_suffix", "end_of_word_suffix"]) {
    if ((model[field] ?? "") !== "") {
      fail("unsupported", `${field} is not supported`, { param: `model.${field}` });
    }
  }
  const all = new Map<string, number>();
  for (const [piece, id] of Object.entries(record(model["vocab"], "model.vocab"))) {
    all.set(pieceText(piece, "model.vocab"), tokenId(id, `model.vocab[${JSON.stringify(piece)}]`));
  }
  const ids = new Map(Array.from(all).filter(([piece]) => added.get(piece)?.mark !== true));
  const merges = list(model["merges"], "model.merges")
    .map((entry, i) => mergeParts(entry, `model.merges[${i}]`))
    // A merge that makes a mark would let text become one.
    .filter(([left, right]) => ids.has(left + right));
  const unknown = model["unk_token"] ?? null;
  const byteFallback = model["byte_fallback"] === true;
  const config = {
    type: "BPE",
    vocab: Object.fromEntries(ids),
    merges,
    unk_token: typeof unknown === "string" ? unknown : null,
    fuse_unk: model["fuse_unk"] === true,
    byte_fallback: byteFallback,
    ignore_merges: model["ignore_merges"] === true,
  };
  return { config, ids, unknownId: typeof unknown === "string" ? (all.get(unknown) ?? null) : null, byteFallback };
}

function readUnigram(model: Fields, added: AddedMap): LibraryModel {
  const ids = new Map<string, number>();
  const entries = list(model["vocab"], "model.vocab");
  if (entries.length === 0)
    fail("invalid_file", "expected at least one piece at model.vocab", { param: "model.vocab" });
  const vocab = entries.map((entry, i): [string, number] => {
    const param = `model.vocab[${i}]`;
    const pair = list(entry, param);
    const piece = pieceText(pair[0], param);
    const score = pair[1];
    if (pair.length !== 2 || typeof score !== "number" || !Number.isFinite(score)) {
      return fail("invalid_file", "expected a piece and its score", { param });
    }
    tokenId(i, param);
    // Unreachable: text is well-formed before it gets here, and this begins with half a character.
    if (added.get(piece)?.mark === true || ids.has(piece)) return [`\uD800${i}`, score];
    ids.set(piece, i);
    return [piece, score];
  });
  const unknown = model["unk_id"] ?? null;
  const unknownId = unknown === null ? null : tokenId(unknown, "model.unk_id");
  if (unknownId === null || unknownId >= vocab.length) {
    return fail("unsupported", "a Unigram vocabulary without an unknown piece is not supported", {
      param: "model.unk_id",
    });
  }
  const config = { type: "Unigram", vocab, unk_id: unknownId };
  return { config, ids, unknownId, byteFallback: model["byte_fallback"] === true };
}

/** The normalizer, checked. */
export function readNormalizer(file: Fields): unknown {
  const value = file["normalizer"] ?? null;
  if (value !== null) checkStages(value, "normalizer", NORMALIZERS, 0);
  return value;
}

/** The pre-tokenizer, checked. @param spaceless the normalizer leaves no space in the text */
export function readPreTokenizer(file: Fields, spaceless: boolean): unknown {
  const value = file["pre_tokenizer"] ?? null;
  if (value === null) return null;
  const stage = record(value, "pre_tokenizer");
  // Gemma splits at spaces after it has replaced every space: nothing to split.
  const pattern = stage["pattern"] as Fields | undefined;
  if (stage["type"] === "Split" && spaceless && pattern?.["String"] === " ") return null;
  checkStages(value, "pre_tokenizer", PRE_TOKENIZERS, 0);
  return value;
}

/** Whether a normalizer turns every space into something else. */
export function removesSpaces(normalizer: unknown): boolean {
  if (typeof normalizer !== "object" || normalizer === null) return false;
  const stage = normalizer as Fields;
  if (stage["type"] === "Sequence") return (stage["normalizers"] as readonly unknown[]).some(removesSpaces);
  const content = stage["content"];
  return (
    stage["type"] === "Replace" &&
    (stage["pattern"] as Fields)["String"] === " " &&
    typeof content === "string" &&
    !content.includes(" ")
  );
}

function checkStages(value: unknown, param: string, allowed: ReadonlySet<unknown>, depth: number): void {
  const stage = record(value, param);
  if (!allowed.has(stage["type"])) {
    fail("unsupported", `${param} ${JSON.stringify(stage["type"])} is not supported`, { param });
  }
  if (stage["type"] === "Sequence") {
    const field = param.startsWith("normalizer") ? "normalizers" : "pretokenizers";
    const inner = list(stage[field], `${param}.${field}`);
    if (depth > 1 || inner.length > MAX_STAGES) fail("unsupported", `${param} nests too deep`, { param });
    for (const [i, one] of inner.entries()) checkStages(one, `${param}.${field}[${i}]`, allowed, depth + 1);
    return;
  }
  if (stage["type"] === "Split" || stage["type"] === "Replace") checkSplit(stage, param);
  for (const field of ["content", "prepend", "replacement", "str_rep"]) {
    const text = stage[field];
    if (text !== undefined && (typeof text !== "string" || text.length > MAX_STRING)) {
      fail("invalid_file", `expected at most ${MAX_STRING} characters`, { param: `${param}.${field}` });
    }
  }
  for (const field of ["left", "right", "strip_left", "strip_right"]) {
    const flag = stage[field];
    if (flag !== undefined && typeof flag !== "boolean") {
      fail("invalid_file", "expected true or false", { param: `${param}.${field}` });
    }
  }
}

/** Stages with a pattern. */
function checkSplit(stage: Fields, param: string): void {
  const pattern = record(stage["pattern"], `${param}.pattern`);
  const { Regex: expression, String: text } = pattern;
  if (typeof expression === "string") checkPattern(expression, `${param}.pattern`);
  else if (typeof text !== "string" || text.length === 0 || text.length > MAX_STRING) {
    fail("invalid_file", `expected a Regex, or a String of 1..${MAX_STRING} characters`, { param: `${param}.pattern` });
  }
  // The library splits these two ways only.
  const behavior = stage["type"] === "Split" ? String(stage["behavior"]).toLowerCase() : "isolated";
  if (behavior !== "isolated" && !(behavior === "removed" && stage["invert"] === true)) {
    fail("unsupported", `a split of behaviour ${JSON.stringify(stage["behavior"])} is not supported`, {
      param: `${param}.behavior`,
    });
  }
  if (behavior === "isolated" && stage["invert"] === true) {
    fail("unsupported", "an inverted split keeps only its matches", { param: `${param}.invert` });
  }
}
