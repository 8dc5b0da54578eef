/** SentencePiece-like, Unigram and GGUF vocabularies: exact bytes, streams that equal wholes, marks that nobody can type. */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PunctualError } from "../../core/index.ts";
import type { TokenizerSource } from "../checkpoint/types.ts";
import { fileOfGguf } from "./gguf.ts";
import {
  openTokenizer,
  PieceDecoder,
  pieceTableOf,
  Tokenizer,
  trainBpe,
  writeTokenizer,
  type TextTokenizer,
} from "./index.ts";

const SEED = 23;
type Json = { [key: string]: Json } | Json[] | string | number | boolean | null;
type Fields = Record<string, Json>;

const WORDS = ["▁hello", "▁world", "▁the", "▁lamp", "ing", "▁café", "▁▁▁▁", "12", "▁turn", "▁on"];
const CHARS = Array.from("▁abcdefghijklmnopqrstuvwxyzé0123456789.,!?'\"{}:<>|/_\n");

/** A Llama-like vocabulary by hand: specials, bytes, characters, and every beginning of every word. */
function sentencePiece(
  options: { readonly addSpacePrefix?: boolean } = {},
): Extract<TokenizerSource, { kind: "gguf" }> {
  const beginnings = WORDS.flatMap((word) => Array.from({ length: word.length - 1 }, (_, i) => word.slice(0, i + 2)));
  const bytes = Array.from({ length: 256 }, (_, b) => `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`);
  const words = [...new Set(beginnings)].filter((piece) => !CHARS.includes(piece));
  const tokens = ["<unk>", "<s>", "</s>", ...bytes, ...words, ...CHARS, "[INST]", "<table>", "<think>", "</think>"];
  const first = 3 + 256;
  const types = tokens.map((_, id) => {
    if (id === 0) return 2;
    if (id < 3 || id === tokens.length - 4) return 3;
    if (id < first) return 6;
    return id >= tokens.length - 3 ? 4 : 1;
  });
  const scores = Float32Array.from(tokens, (_, id) => (id < first ? 0 : first - id));
  const base = { kind: "gguf", model: "llama", pre: null, merges: [], addBos: true } as const;
  return { ...base, tokens, types, scores, specials: { bos: 1, eos: 2, unknown: 0 }, ...options };
}

const llama = openTokenizer(sentencePiece());
const gemma = openTokenizer(sentencePiece({ addSpacePrefix: false }));

const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 30 }),
  fc.string({ unit: "grapheme", maxLength: 20 }),
  fc
    .array(fc.constantFrom(" hello", " world", "  ", "the lamp", "é", "12", "<s>", "[INST]", "<think>", "\n", "☕"), {
      maxLength: 12,
    })
    .map((parts) => parts.join("")),
);
/** What SentencePiece cannot tell from a space. */
const plain = (text: string): string => text.replaceAll("▁", " ");

function bytesOf(tokenizer: TextTokenizer, ids: readonly number[]): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Buffer.concat(ids.map((id) => tokenizer.pieceBytes(id))));
}

describe("SentencePiece of GGUF", () => {
  it("merges by score, falls back to bytes, and gives any text back", () => {
    expect(llama.decode(llama.encode("hello world"))).toBe("hello world");
    expect(llama.encode("hello world")).toHaveLength(2);
    expect(llama.encode("☕").map((id) => Array.from(llama.pieceBytes(id)))).toEqual([[0x20], [0xe2], [0x98], [0x95]]);
    fc.assert(
      fc.property(anyText, (text) => {
        const clean = plain(text);
        expect(llama.decode(llama.encode(clean))).toBe(clean);
        expect(gemma.decode(gemma.encode(clean))).toBe(clean);
        expect(bytesOf(gemma, gemma.encode(clean))).toBe(clean);
        expect(bytesOf(llama, llama.encode(clean))).toBe(clean === "" ? "" : ` ${clean}`);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it("puts a space before a text only where the vocabulary does, and takes it off again unless text goes on", () => {
    const ids = llama.encode("hello");
    expect(llama.decode(ids)).toBe("hello");
    expect(llama.decode(ids, { continues: true })).toBe(" hello");
    expect(bytesOf(gemma, gemma.encode("hello"))).toBe("hello");
  });

  it("streams what it decodes, and never half a character", () => {
    const whole = fc.array(fc.nat(llama.vocabSize - 1), { maxLength: 40 });
    fc.assert(
      fc.property(whole, fc.boolean(), fc.boolean(), (ids, special, continues) => {
        for (const tokenizer of [llama, gemma]) {
          const decoder = tokenizer.streamDecoder({ special, continues });
          const pieces = ids.map((id) => decoder.push(id));
          expect(pieces.join("") + decoder.end()).toBe(tokenizer.decode(ids, { special, continues }));
        }
      }),
      { seed: SEED, numRuns: 200 },
    );
    fc.assert(
      fc.property(anyText, (text) => {
        const decoder = llama.streamDecoder();
        const pieces = llama.encode(plain(text)).map((id) => decoder.push(id));
        if (!text.includes("\uFFFD")) expect(pieces.every((piece) => !piece.includes("\uFFFD"))).toBe(true);
        expect(decoder.end()).toBe("");
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  it("reads marks from trusted text only; HTML is text to both", () => {
    const text = "<s>[INST]hello<think></s><table>";
    const table = llama.encode("<table>").at(-1)!;
    expect(new TextDecoder().decode(llama.pieceBytes(table))).toBe("<table>");
    expect(llama.isSpecial(table)).toBe(false);
    expect(llama.encode(text).filter((id) => llama.isSpecial(id))).toEqual([]);
    const trusted = llama.encode(text, { special: true });
    expect(trusted.filter((id) => llama.isSpecial(id))).toEqual(
      ["<s>", "[INST]", "<think>", "</s>"].map((name) => llama.specialId(name)),
    );
    expect([...llama.specials.keys()].toSorted()).toEqual(["</s>", "</think>", "<s>", "<think>", "<unk>", "[INST]"]);
    fc.assert(
      fc.property(anyText, (any) => {
        expect(llama.encode(any).some((id) => llama.isSpecial(id))).toBe(false);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  it("knows its bos and eos", () => {
    expect(llama).toMatchObject({ bosToken: "<s>", eosToken: "</s>", prefix: [1], suffix: [] });
  });

  it("is the same as a tokenizer.json, and encodes as the library does from end to end", () => {
    const { file, config } = fileOfGguf(sentencePiece());
    const json = openTokenizer({ kind: "json", text: JSON.stringify(file), config });
    const library = new Library({ ...file, added_tokens: [] }, {});
    fc.assert(
      fc.property(anyText, (text) => {
        if (text === "" || text.includes("<table>") || /\p{Surrogate}/u.test(text)) return;
        const ids = llama.encode(text);
        expect(json.encode(text)).toEqual(ids);
        const theirs = library.encode(text, { add_special_tokens: false }) as { ids: number[] };
        expect(ids).toEqual(theirs.ids);
        const back = library.decode(ids, { clean_up_tokenization_spaces: false }) as string;
        if (!text.includes("\uFFFD")) expect(llama.decode(ids)).toBe(back);
      }),
      { seed: SEED, numRuns: 150 },
    );
  });

  it.each<[string, Partial<Extract<TokenizerSource, { kind: "gguf" }>>, string]>([
    ["another model", { model: "rwkv" }, "tokenizer.ggml.model"],
    ["an unknown pre-tokenizer", { model: "gpt2", pre: "unheard-of" }, "tokenizer.ggml.pre"],
    ["no scores", { scores: null }, "tokenizer.ggml.scores"],
    ["no tokens", { tokens: [] }, "tokenizer.ggml.tokens"],
  ])("with %s is refused by name", (_what, change, param) => {
    expect(() => openTokenizer({ ...sentencePiece(), ...change })).toThrow(
      expect.objectContaining({ name: "PunctualError", param }),
    );
  });
});

describe("byte level of GGUF", () => {
  const trained = trainBpe(["Turn on the kitchen light, please. It's 12:30 in the café."], {
    vocabSize: 320,
    minCount: 1,
    specials: ["<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"],
  });
  const written = JSON.parse(writeTokenizer(trained)) as {
    model: { vocab: Record<string, number>; merges: string[][] };
  };
  const tokens = Array.from({ length: trained.vocabSize }, () => "");
  for (const [piece, id] of Object.entries(written.model.vocab)) tokens[id] = piece;
  for (const [name, id] of trained.specials) tokens[id] = name;
  const source = {
    kind: "gguf",
    model: "gpt2",
    tokens,
    types: tokens.map((_, id) => (trained.isSpecial(id) ? (id < 2 ? 3 : 4) : 1)),
    merges: written.model.merges.map((pair) => pair.join(" ")),
    scores: null,
    specials: { eos: 1 },
    addBos: false,
  } as const;

  it.each(["qwen2", "llama-bpe", "gpt-2", "smollm", "tekken", "gpt-4o", null])("%s runs on our own path", (pre) => {
    const tokenizer = openTokenizer({ ...source, pre });
    expect(tokenizer).toBeInstanceOf(Tokenizer);
    const text = "Turn on 1234 cafés' lamps,\r\n\r\n  IT'S time 東京 ☕ <|im_end|>";
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
    expect(tokenizer.encode("x<tool_call>", { special: true }).at(-1)).toBe(2);
    expect([...tokenizer.specials.keys()]).toEqual(["<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"]);
    expect(tokenizer.eosToken).toBe("<|im_end|>");
  });
});

/** tokenizer.json of a small Unigram vocabulary with Metaspace. */
function unigram(): Fields {
  const pieces: [string, number][] = [
    ["<unk>", 0],
    ["<s>", 0],
    ...Array.from({ length: 256 }, (_, b): [string, number] => [
      `<0x${b.toString(16).toUpperCase().padStart(2, "0")}>`,
      -20,
    ]),
    ...WORDS.map((word, i): [string, number] => [word, -3 - i / 10]),
    ...CHARS.map((char): [string, number] => [char, -8]),
  ];
  const metaspace = { type: "Metaspace", replacement: "▁", prepend_scheme: "first", split: false };
  return {
    added_tokens: [
      { id: 0, content: "<unk>", special: true },
      { id: 1, content: "<s>", special: true },
    ],
    normalizer: null,
    pre_tokenizer: metaspace,
    post_processor: {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
    },
    decoder: { type: "Sequence", decoders: [{ type: "ByteFallback" }, metaspace] },
    model: { type: "Unigram", unk_id: 0, byte_fallback: true, vocab: pieces },
  };
}

const open = (file: Json, config: unknown = null): TextTokenizer =>
  openTokenizer({ kind: "json", text: JSON.stringify(file), config });

describe("Unigram", () => {
  it("takes the best pieces, bytes for the rest, and never a mark", () => {
    const tokenizer = open(unigram());
    expect(tokenizer.encode("hello world")).toHaveLength(2);
    expect(tokenizer.prefix).toEqual([1]);
    expect(tokenizer.bosToken).toBe("<s>");
    fc.assert(
      fc.property(anyText, (text) => {
        const clean = plain(text);
        const ids = tokenizer.encode(clean);
        expect(ids.some((id) => tokenizer.isSpecial(id))).toBe(false);
        // The scheme writes its space only where there is none yet.
        expect(tokenizer.decode(ids, { continues: true })).toBe(
          clean === "" || clean.startsWith(" ") ? clean : ` ${clean}`,
        );
      }),
      { seed: SEED, numRuns: 200 },
    );
  });

  it("writes its first space at the start of a text only", () => {
    const tokenizer = open(unigram());
    const ids = tokenizer.encode("<s>hello", { special: true });
    expect(tokenizer.decode(ids.slice(1), { continues: true })).toBe("hello");
  });
});

describe("byte-level files with a pattern of their own", () => {
  const trained = trainBpe(["aaa bbb ccc 1 2 3", "it's"], { vocabSize: 24 + 256 + 10, minCount: 1 });
  const file = (pattern: string): Fields => {
    const written = JSON.parse(writeTokenizer(trained)) as Fields;
    written["pre_tokenizer"] = {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: pattern }, behavior: "Isolated", invert: false },
        { type: "ByteLevel", add_prefix_space: false, use_regex: false },
      ],
    };
    return written;
  };

  it("run on the library, when the pattern cannot run for ever", () => {
    const tokenizer = open(file("\\p{L}{1,2}|\\p{N}| ?[^\\s\\p{L}\\p{N}]+|\\s+"));
    expect(tokenizer).not.toBeInstanceOf(Tokenizer);
    fc.assert(
      fc.property(anyText, (text) => {
        expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
        expect(bytesOf(tokenizer, tokenizer.encode(text))).toBe(text);
      }),
      { seed: SEED, numRuns: 200 },
    );
    expect(tokenizer.encode("aaa")).toHaveLength(2);
  });

  it.each([
    ["a repeated repetition", "(a+)+$"],
    ["a class in it", "(?:\\p{L}*)*"],
    ["braces", "([ab]+c?){20,}"],
    ["a reference back", "(a)\\1"],
    ["too much of it", "a".repeat(3000)],
    ["groups in groups", "(?:x|(?:y*z)+)*"],
  ])("are refused with %s", (_what, pattern) => {
    expect(() => open(file(pattern))).toThrow(expect.objectContaining({ code: "unsupported" }));
  });
});

describe("tokenizer_config.json", () => {
  const text = JSON.stringify(fileOfGguf(sentencePiece()).file);
  it("decides about bos and eos, and may name tokens that tokenizer.json lacks", () => {
    const config = {
      bos_token: { content: "<s>", special: true },
      eos_token: "</s>",
      add_bos_token: false,
      add_eos_token: true,
      added_tokens_decoder: {
        "1": { content: "<s>", special: true },
        "9000": { content: "<|extra|>", special: false },
      },
    };
    const tokenizer = openTokenizer({ kind: "json", text, config });
    expect(tokenizer).toMatchObject({ bosToken: "<s>", eosToken: "</s>", prefix: [], suffix: [2], vocabSize: 9001 });
    expect(tokenizer.encode("<|extra|>", { special: true })).toEqual([9000]);
    expect(tokenizer.pieceBytes(8999)).toHaveLength(0);
  });
});

describe("damage", () => {
  const failure = (text: string, config: unknown): string => {
    try {
      const tokenizer = openTokenizer({ kind: "json", text, config });
      expect(typeof tokenizer.decode(tokenizer.encode("hello 12 é<s>"))).toBe("string");
    } catch (error) {
      if (error instanceof PunctualError) return error.code;
      throw error;
    }
    return "read";
  };

  it.each([
    ["SentencePiece", fileOfGguf(sentencePiece()).file as Fields],
    ["Unigram", unigram()],
  ])("to a %s file is a typed error or a tokenizer that still works", (_kind, whole) => {
    const paths: (readonly string[])[] = [];
    const walk = (value: Json, path: readonly string[]): void => {
      if (path.length > 0) paths.push(path);
      if (typeof value !== "object" || value === null) return;
      for (const key of Object.keys(value).slice(0, 12)) walk((value as Fields)[key]!, [...path, key]);
    };
    walk(whole, []);
    const junk = fc.constantFrom<Json>(null, -1, 1.5, 2 ** 40, "", "x", "▁", [], {}, true, ["a"], [["a", "b"]], {
      type: "Sequence",
    });
    const text = JSON.stringify(whole);
    fc.assert(
      fc.property(fc.constantFrom(...paths), junk, (path, value) => {
        const file = JSON.parse(text) as Fields;
        let parent: Fields = file;
        for (const key of path.slice(0, -1)) parent = parent[key] as Fields;
        parent[path.at(-1)!] = value;
        expect(["read", "invalid_file", "unsupported"]).toContain(failure(JSON.stringify(file), { bos_token: "<s>" }));
      }),
      { seed: SEED, numRuns: 150 },
    );
  });
});

describe("the decoding half as data", () => {
  const byteLevel = trainBpe(["hello world, the lamp is on", "café ☕"], { vocabSize: 320 });
  it.each([
    ["SentencePiece", llama],
    ["Gemma's", gemma],
    ["byte-level", byteLevel],
  ] as const)("decodes as the tokenizer it is of: %s", (_, tokenizer) => {
    const half = new PieceDecoder(structuredClone(pieceTableOf(tokenizer)));
    expect(half.vocabSize).toBe(tokenizer.vocabSize);
    expect([...half.specials]).toEqual([...tokenizer.specials]);
    const ids = fc.array(fc.integer({ min: 0, max: tokenizer.vocabSize - 1 }), { maxLength: 20 });
    const options = fc.record({ special: fc.boolean(), continues: fc.boolean() });
    fc.assert(
      fc.property(ids, options, (some, given) => {
        const [ours, theirs] = [half.streamDecoder(given), tokenizer.streamDecoder(given)];
        for (const id of some) {
          expect(ours.push(id)).toBe(theirs.push(id));
          expect(half.isSpecial(id)).toBe(tokenizer.isSpecial(id));
          expect(Array.from(half.pieceBytes(id))).toEqual(Array.from(tokenizer.pieceBytes(id)));
        }
        expect(ours.end()).toBe(theirs.end());
      }),
      { seed: SEED, numRuns: 100 },
    );
    for (const id of [-1, tokenizer.vocabSize, 0.5]) {
      expect(() => half.pieceBytes(id)).toThrow(expect.objectContaining({ code: "invalid_request" }));
    }
  });
});
