/** tokenizer.json: what we write we read, what others write we read or refuse by name, and nothing else escapes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PunctualError } from "../../core/index.ts";
import { readTokenizer, trainBpe, writeTokenizer } from "./index.ts";

type Json = { [key: string]: Json } | Json[] | string | number | boolean | null;

const TEXTS = Array.from({ length: 200 }, (_, i) => `Turn on the light number ${i}. {"name":"set_light"} it's café`);
const tokenizer = trainBpe(TEXTS, { vocabSize: 360 });
const written = writeTokenizer(tokenizer);

/** The file with one change. */
function changed(change: (file: Record<string, Json>) => void): string {
  const file = JSON.parse(written) as Record<string, Json>;
  change(file);
  return JSON.stringify(file);
}

const model = (file: Record<string, Json>): Record<string, Json> => file["model"] as Record<string, Json>;

function failureOf(text: string): { code: string; param: string | null } {
  try {
    readTokenizer(text);
  } catch (error) {
    if (error instanceof PunctualError) return { code: error.code, param: error.param };
    throw error;
  }
  return { code: "read", param: null };
}

describe("round trip", () => {
  it("gives a tokenizer of the same data, and the same file again", () => {
    const read = readTokenizer(written);
    expect(read.data).toEqual(tokenizer.data);
    expect(writeTokenizer(read)).toBe(written);
    expect(read.encode("Turn the light off, 12 cafés!")).toEqual(tokenizer.encode("Turn the light off, 12 cafés!"));
  });

  it("has the layout other readers expect", () => {
    const file = JSON.parse(written) as Record<string, Record<string, unknown>>;
    expect(file["model"]).toMatchObject({ type: "BPE", byte_fallback: false, ignore_merges: false });
    expect(file["added_tokens"]).toMatchObject([
      { id: 0, content: "<|pad|>", special: true },
      { id: 1, content: "<|end|>" },
      ...Array.from({ length: 22 }, () => ({})),
    ]);
    expect(Object.keys(file["model"]!["vocab"] as object)).toContain("Ġlight");
  });
});

describe("files of others", () => {
  it("may spell merges as 'a b', and list specials in the vocabulary", () => {
    const text = changed((file) => {
      model(file)["merges"] = (model(file)["merges"] as string[][]).map((pair) => pair.join(" "));
      (model(file)["vocab"] as Record<string, Json>)["<|pad|>"] = 0;
    });
    expect(readTokenizer(text).data).toEqual(tokenizer.data);
  });

  it("may split as GPT-2, SmolLM, Llama 3 and Qwen do", () => {
    const llama =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    const byteLevel = { type: "ByteLevel", add_prefix_space: false, use_regex: false };
    const stages: Json[] = [
      { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
      {
        type: "Sequence",
        pretokenizers: [
          { type: "Digits", individual_digits: true },
          { ...byteLevel, use_regex: true },
        ],
      },
      {
        type: "Sequence",
        pretokenizers: [{ type: "Split", pattern: { Regex: llama }, behavior: "Isolated", invert: false }, byteLevel],
      },
      {
        type: "Sequence",
        pretokenizers: [
          { type: "Split", pattern: { Regex: llama.replace("{1,3}", "") }, behavior: "Isolated", invert: false },
          byteLevel,
        ],
      },
    ];
    const sample = "It'S 12345 o'clock,\r\n\r\n  naïve  wörds \t end ";
    for (const stage of stages) {
      const read = readTokenizer(changed((file) => void (file["pre_tokenizer"] = stage)));
      expect(read.decode(read.encode(sample))).toBe(sample);
    }
  });

  it.each<[string, (file: Record<string, Json>) => void, string, string]>([
    ["another model", (file) => void (model(file)["type"] = "Unigram"), "unsupported", "model.type"],
    ["a normalizer", (file) => void (file["normalizer"] = { type: "Lowercase" }), "unsupported", "normalizer"],
    [
      "a pattern of its own",
      (file) => void (file["pre_tokenizer"] = { type: "Split", pattern: { Regex: "(a+)+$" }, behavior: "Isolated" }),
      "unsupported",
      "pre_tokenizer.pattern",
    ],
    [
      "an unknown stage",
      (file) => void (file["pre_tokenizer"] = { type: "Metaspace" }),
      "unsupported",
      "pre_tokenizer",
    ],
    [
      "a prefix space",
      (file) => void (file["pre_tokenizer"] = { type: "ByteLevel", add_prefix_space: true }),
      "unsupported",
      "pre_tokenizer",
    ],
    [
      "an id twice",
      (file) => void ((model(file)["vocab"] as Record<string, Json>)["Ġlight"] = 30),
      "invalid_file",
      "model.vocab",
    ],
    [
      "a huge id",
      (file) => void ((model(file)["vocab"] as Record<string, Json>)["Ġlight"] = 1e12),
      "invalid_file",
      'model.vocab["Ġlight"]',
    ],
    [
      "a merge of nothing",
      (file) => void ((model(file)["merges"] as Json[])[3] = ["Ġ", "no such"]),
      "invalid_file",
      "model.merges[3]",
    ],
    [
      "a merge of three",
      (file) => void ((model(file)["merges"] as Json[])[3] = "a b c"),
      "invalid_file",
      "model.merges[3]",
    ],
    [
      "a special without a name",
      (file) => void ((file["added_tokens"] as Json[])[2] = { id: 2 }),
      "invalid_file",
      "added_tokens[2].content",
    ],
    ["no model", (file) => void delete file["model"], "invalid_file", "model"],
    ["no vocabulary", (file) => void delete model(file)["vocab"], "invalid_file", "model.vocab"],
  ])("with %s are refused by name", (_what, change, code, param) => {
    expect(failureOf(changed(change))).toEqual({ code, param });
  });
});

describe("damage", () => {
  it("of any kind is a typed error or a tokenizer that still works", () => {
    const paths: (readonly (string | number)[])[] = [];
    const walk = (value: Json, path: readonly (string | number)[]): void => {
      paths.push(path);
      if (typeof value !== "object" || value === null) return;
      for (const [key, child] of Object.entries(value).slice(0, 40)) walk(child, [...path, key]);
    };
    walk(JSON.parse(written) as Json, []);
    const junk = fc.constantFrom<Json>(null, -1, 1.5, 2 ** 40, "", "x", "Ġ", [], {}, true, ["a"], { type: "Sequence" });
    fc.assert(
      fc.property(fc.constantFrom(...paths.slice(1)), junk, (path, value) => {
        const file = JSON.parse(written) as Record<string, Json>;
        let parent: Json = file;
        for (const key of path.slice(0, -1)) parent = (parent as Record<string, Json>)[key]!;
        (parent as Record<string, Json>)[path.at(-1)!] = value;
        const { code } = failureOf(JSON.stringify(file));
        expect(["read", "invalid_file", "unsupported"]).toContain(code);
        if (code !== "read") return;
        const read = readTokenizer(JSON.stringify(file));
        expect(read.decode(read.encode("light 12 é"))).toBe("light 12 é");
      }),
      { seed: 21, numRuns: 120 },
    );
  });

  it("of bytes is a typed error or a tokenizer", () => {
    fc.assert(
      fc.property(fc.nat(written.length - 1), fc.string({ unit: "binary", maxLength: 3 }), (at, text) => {
        expect(["read", "invalid_file", "unsupported"]).toContain(
          failureOf(written.slice(0, at) + text + written.slice(at + 2)).code,
        );
        expect(failureOf(written.slice(0, at)).code).toBe("invalid_file");
      }),
      { seed: 22, numRuns: 80 },
    );
  });

  it("by nesting does not overflow the stack", () => {
    const deep = `${'{"type":"Sequence","pretokenizers":['.repeat(3000)}{"type":"ByteLevel"}${"]}".repeat(3000)}`;
    const flat = changed((file) => void (file["pre_tokenizer"] = "HERE"));
    const { code } = failureOf(flat.replace('"HERE"', deep));
    expect(code).toBe("unsupported");
  });
});
