/**
 * GGUF vocabularies as tokenizer.json: one way from a vocabulary to a tokenizer, whatever file it came in.
 *
 *   gpt2   byte-level byte pairs; `pre` names the pattern, which the file itself does not hold
 *   llama  SentencePiece byte pairs: scores instead of merges, U+2581 for a space, <0xAB> for bytes (Gemma's too)
 *
 * Names and meanings are those of llama.cpp's format: tokens by type 1 normal, 2 unknown, 3 control, 4 user-defined,
 * 5 unused, 6 byte.
 */
import { fail } from "../../core/index.ts";
import type { TokenizerSource } from "../checkpoint/types.ts";
import { MAX_PIECES, type Fields } from "./fields.ts";
import { GPT2_PATTERN, GPT4O_PATTERN, LLAMA3_PATTERN, QWEN2_PATTERN, TEKKEN_PATTERN } from "./split.ts";

type GgufSource = Extract<TokenizerSource, { readonly kind: "gguf" }>;

const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;

const split = (pattern: string): Fields => ({
  type: "Split",
  pattern: { Regex: pattern },
  behavior: "Isolated",
  invert: false,
});
const DIGITS: Fields = { type: "Digits", individual_digits: true };

interface Pre {
  readonly stages: readonly Fields[];
  /** A word that is a piece is that piece, whatever merges would make of it. */
  readonly wholeWords?: boolean;
  /** Hugging Face's file of the same model brings text to form C. */
  readonly nfc?: boolean;
}

const GPT2: Pre = { stages: [split(GPT2_PATTERN)] };
const LLAMA3: Pre = { stages: [split(LLAMA3_PATTERN)], wholeWords: true };
const QWEN2: Pre = { stages: [split(QWEN2_PATTERN)], nfc: true };

const PRES: ReadonlyMap<string, Pre> = new Map([
  ["gpt-2", GPT2],
  ["smollm", { stages: [DIGITS, split(GPT2_PATTERN)] }],
  ["llama-bpe", LLAMA3],
  ["llama-v3", LLAMA3],
  ["llama3", LLAMA3],
  ["smaug-bpe", LLAMA3],
  ["qwen2", QWEN2],
  ["deepseek-r1-qwen", { ...QWEN2, nfc: false }],
  ["tekken", { stages: [split(TEKKEN_PATTERN)], wholeWords: true }],
  ["gpt-4o", { stages: [split(GPT4O_PATTERN)] }],
]);

/** The vocabulary as tokenizer.json and tokenizer_config.json. @throws PunctualError invalid_file, unsupported. */
export function fileOfGguf(source: GgufSource): { readonly file: Fields; readonly config: Fields } {
  if (source.tokens.length === 0 || source.tokens.length > MAX_PIECES) {
    fail("invalid_file", `expected 1..${MAX_PIECES} tokens, got ${source.tokens.length}`, {
      param: "tokenizer.ggml.tokens",
    });
  }
  const config: Fields = {
    bos_token: source.tokens[source.specials["bos"] ?? -1] ?? null,
    eos_token: source.tokens[source.specials["eos"] ?? -1] ?? null,
    add_bos_token: source.addBos,
  };
  switch (source.model) {
    case "gpt2":
      return { file: byteLevelFile(source), config };
    case "llama":
      return { file: sentencePieceFile(source), config };
    default:
      return fail("unsupported", `a vocabulary of model ${JSON.stringify(source.model)} is not supported`, {
        param: "tokenizer.ggml.model",
      });
  }
}

function byteLevelFile(source: GgufSource): Fields {
  // A missing name means GPT-2's own: the first files were of GPT-2 and had no such field.
  const pre = PRES.get(source.pre ?? "gpt-2");
  if (pre === undefined) {
    return fail("unsupported", `the pre-tokenizer ${JSON.stringify(source.pre)} is not known`, {
      param: "tokenizer.ggml.pre",
    });
  }
  const { vocab, added } = sortTokens(source);
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
  return {
    added_tokens: added,
    normalizer: pre.nfc === true ? { type: "NFC" } : null,
    pre_tokenizer: { type: "Sequence", pretokenizers: [...pre.stages, byteLevel] },
    post_processor: null,
    decoder: byteLevel,
    model: { type: "BPE", vocab, merges: source.merges, ignore_merges: pre.wholeWords === true },
  };
}

function sentencePieceFile(source: GgufSource): Fields {
  const { vocab, added } = sortTokens(source);
  const spaced = source.addSpacePrefix !== false;
  const replace = { type: "Replace", pattern: { String: " " }, content: "\u2581" };
  const back = { type: "Replace", pattern: { String: "\u2581" }, content: " " };
  const unknown = source.types.indexOf(UNKNOWN);
  return {
    added_tokens: added,
    normalizer: {
      type: "Sequence",
      normalizers: [...(spaced ? [{ type: "Prepend", prepend: "\u2581" }] : []), replace],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: "Sequence",
      decoders: [
        back,
        { type: "ByteFallback" },
        { type: "Fuse" },
        ...(spaced ? [{ type: "Strip", content: " ", start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: "BPE",
      vocab,
      merges: source.merges.length > 0 ? source.merges : mergesOfScores(source, vocab),
      unk_token: unknown === -1 ? null : source.tokens[unknown],
      fuse_unk: true,
      byte_fallback: true,
    },
  };
}

/** Ordinary pieces by text, and the tokens that are looked for before anything else. A text that repeats keeps its first id. */
function sortTokens(source: GgufSource): { readonly vocab: Record<string, number>; readonly added: readonly Fields[] } {
  const vocab = new Map<string, number>();
  const added = new Map<string, Fields>();
  for (const [id, content] of source.tokens.entries()) {
    const type = source.types[id] ?? 1;
    if (content === "" || vocab.has(content) || added.has(content)) continue;
    if (type === CONTROL || type === UNKNOWN) added.set(content, { id, content, special: true });
    else if (type === USER_DEFINED) added.set(content, { id, content, special: false });
    else vocab.set(content, id);
  }
  return { vocab: Object.fromEntries(vocab), added: [...added.values()] };
}

/**
 * SentencePiece joins the two neighbours whose joined piece has the best score. As merges: every way to cut a piece
 * into two pieces, best piece first; ways to cut the same piece by the ids of the parts, as Transformers converts.
 */
function mergesOfScores(source: GgufSource, vocab: Readonly<Record<string, number>>): [string, string][] {
  const { scores } = source;
  if (scores === null) {
    return fail("invalid_file", "a vocabulary without merges has scores", { param: "tokenizer.ggml.scores" });
  }
  const ids = new Map(Object.entries(vocab).filter(([, id]) => (source.types[id] ?? 1) !== UNUSED));
  const merges: { readonly left: string; readonly right: string; readonly score: number; readonly order: number }[] =
    [];
  const size = source.tokens.length;
  for (const [piece, id] of ids) {
    for (let cut = 1; cut < piece.length; cut++) {
      const left = ids.get(piece.slice(0, cut));
      const right = left === undefined ? undefined : ids.get(piece.slice(cut));
      if (left === undefined || right === undefined) continue;
      const score = scores[id] ?? Number.NEGATIVE_INFINITY;
      merges.push({ left: piece.slice(0, cut), right: piece.slice(cut), score, order: left * size + right });
    }
  }
  merges.sort((a, b) => b.score - a.score || a.order - b.order);
  return merges.map(({ left, right }) => [left, right]);
}
