/** Tokenizers against their definition: the naive merge, the naive trainer, and text that must come back. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom, PunctualError } from "../../core/index.ts";
import { MergeTable, mergeNaive } from "./merge.ts";
import { createSplitter, PUNCTUAL_PATTERN } from "./split.ts";
import { SPECIAL_TOKENS, Tokenizer, trainBpe } from "./index.ts";

const SEED = 20;

const TEXTS = Array.from({ length: 400 }, (_, i) => [
  `Turn on the kitchen light, please. It is ${i % 13}:${i % 60}.`,
  `{"name":"set_light","arguments":{"room":"kitchen","on":${i % 2 === 0}}}`,
  "What's the answer? It isn't the lamp's price: naïve café ☕.",
]).flat();

const tokenizer = trainBpe(TEXTS, { vocabSize: 420 });
const id = (name: string): number => tokenizer.specialId(name);
/** Any text: whole characters of every script, and text of our own words. */
const anyText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 60 }),
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc
    .array(fc.constantFrom(...TEXTS[1]!.split(/\b/u), ...TEXTS[2]!.split(/\b/u), "<|end|>", " ", "\n"), {
      maxLength: 40,
    })
    .map((parts) => parts.join("")),
);

describe("encode and decode", () => {
  it("give back any text", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const ids = tokenizer.encode(text);
        expect(tokenizer.decode(ids)).toBe(text);
        expect(ids.every((token) => token >= 0 && token < tokenizer.vocabSize)).toBe(true);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });

  it("never read a special token from text, but do from trusted text", () => {
    fc.assert(
      fc.property(anyText, fc.constantFrom(...SPECIAL_TOKENS), anyText, (before, name, after) => {
        expect(tokenizer.encode(before + name + after).some((token) => tokenizer.isSpecial(token))).toBe(false);
        expect(tokenizer.encode(before + name + after, { special: true })).toContain(id(name));
      }),
      { seed: SEED, numRuns: 200 },
    );
    expect(tokenizer.encode("<|user|>Hi<|end|>", { special: true })).toEqual([
      id("<|user|>"),
      ...tokenizer.encode("Hi"),
      id("<|end|>"),
    ]);
    expect(tokenizer.decode([id("<|user|>"), ...tokenizer.encode("Hi")])).toBe("Hi");
    expect(tokenizer.decode([id("<|user|>"), ...tokenizer.encode("Hi")], { special: true })).toBe("<|user|>Hi");
  });

  it("keep every digit apart and join a space to its word", () => {
    for (const token of tokenizer.encode("12345 and 6 789 x47")) {
      const piece = tokenizer.decode([token]);
      if (/\d/u.test(piece)) expect(piece).toMatch(/^\d$/u);
    }
    expect(tokenizer.encode(" kitchen")).toHaveLength(1);
    expect(tokenizer.decode(tokenizer.encode(" kitchen"))).toBe(" kitchen");
  });

  it("read lone surrogates as U+FFFD", () => {
    expect(tokenizer.decode(tokenizer.encode("a\uD800b"))).toBe("a\uFFFDb");
  });

  it("refuse ids that do not exist", () => {
    expect(() => tokenizer.decode([tokenizer.vocabSize])).toThrow(PunctualError);
    expect(() => tokenizer.decode([-1])).toThrow(PunctualError);
    expect(() => tokenizer.decode([1.5])).toThrow(PunctualError);
  });

  it("take a megabyte without a space in bounded time", () => {
    const runs = trainBpe(["aa aaaa aaaaaaaa", "aaaaaaaa"], { vocabSize: 24 + 256 + 3, minCount: 1 });
    const ids = runs.encode("a".repeat(2 ** 20));
    // Quadratic work would take hours here: the test's own time limit is the bound.
    expect(runs.decode(ids)).toHaveLength(2 ** 20);
    expect(ids.length).toBeLessThanOrEqual(2 ** 18);
  });
});

describe("streamDecoder", () => {
  it("gives, piece by piece, the text of all; never half a character", () => {
    fc.assert(
      fc.property(anyText, (text) => {
        const decoder = tokenizer.streamDecoder();
        const parts = tokenizer.encode(text).map((token) => decoder.push(token));
        parts.push(decoder.end());
        expect(parts.join("")).toBe(text);
        if (!text.includes("\uFFFD")) expect(parts.some((part) => part.includes("\uFFFD"))).toBe(false);
      }),
      { seed: SEED, numRuns: 300 },
    );
  });

  it("holds an emoji back until its last byte, and owns up to a broken one at the end", () => {
    const ids = tokenizer.encode("👋");
    expect(ids.length).toBeGreaterThan(1);
    const decoder = tokenizer.streamDecoder();
    expect(
      ids
        .slice(0, -1)
        .map((token) => decoder.push(token))
        .join(""),
    ).toBe("");
    expect(decoder.push(ids.at(-1)!)).toBe("👋");
    decoder.push(ids[0]!);
    expect(decoder.end()).toBe("\uFFFD");
  });
});

describe("merging", () => {
  it("with a heap is the naive merge", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(11), fc.nat(11)), { maxLength: 20 }),
        fc.array(fc.nat(3), { minLength: 25, maxLength: 120 }),
        (pairs, word) => {
          // Merge i makes symbol 4 + i from symbols below it.
          const merges = pairs.map(([a, b], i) => [a % (4 + i), b % (4 + i), 4 + i] as const);
          const table = new MergeTable(4 + merges.length, merges);
          expect(table.merge(word)).toEqual(mergeNaive(table, word));
        },
      ),
      { seed: SEED, numRuns: 500 },
    );
  });
});

/** The trainer by its definition: count all pairs of all words again before each merge. */
function trainNaive(texts: readonly string[], merges: number): [number, number][] {
  const split = createSplitter([{ kind: "pattern", pattern: PUNCTUAL_PATTERN }]);
  const first = SPECIAL_TOKENS.length;
  let words = texts.flatMap((text) =>
    split(text).map((word) => [...new TextEncoder().encode(word)].map((byte) => byte + first)),
  );
  const found: [number, number][] = [];
  for (let next = first + 256; found.length < merges; next++) {
    const counts = new Map<string, number>();
    for (const word of words) {
      for (let i = 0; i + 1 < word.length; i++) {
        const key = `${word[i]},${word[i + 1]}`;
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    const ranked = [...counts].map(([key, count]) => ({ pair: key.split(",").map(Number) as [number, number], count }));
    ranked.sort((a, b) => b.count - a.count || a.pair[0] - b.pair[0] || a.pair[1] - b.pair[1]);
    const best = ranked[0];
    if (best === undefined || best.count < 2) break;
    found.push(best.pair);
    words = words.map((word) => {
      const joined: number[] = [];
      for (let i = 0; i < word.length; i++) {
        const match = word[i] === best.pair[0] && word[i + 1] === best.pair[1];
        joined.push(match ? next : word[i]!);
        if (match) i += 1;
      }
      return joined;
    });
  }
  return found;
}

describe("trainBpe", () => {
  it("finds the merges of the naive trainer", () => {
    const random = createRandom(SEED, "words");
    const words = Array.from({ length: 60 }, () =>
      Array.from({ length: random.int(1, 9) }, () => random.pick(["a", "b", "c", "d", "e"])).join(""),
    );
    const texts = Array.from({ length: 80 }, () => Array.from({ length: 6 }, () => random.pick(words)).join(" "));
    const trained = trainBpe(texts, { vocabSize: SPECIAL_TOKENS.length + 256 + 60 });
    expect(trained.data.merges.map(([left, right]) => [left, right])).toEqual(trainNaive(texts, 60));
  });

  it("keeps specials first, is deterministic, and stops when nothing repeats", () => {
    expect(SPECIAL_TOKENS.map((name) => tokenizer.specialId(name))).toEqual(SPECIAL_TOKENS.map((_, i) => i));
    expect(SPECIAL_TOKENS).toHaveLength(24);
    expect(trainBpe(TEXTS, { vocabSize: 420 }).data.merges).toEqual(tokenizer.data.merges);
    expect(tokenizer.vocabSize).toBeLessThanOrEqual(420);
    expect(trainBpe(["abc"], { vocabSize: 400 }).vocabSize).toBe(SPECIAL_TOKENS.length + 256);
  });

  it("refuses a vocabulary without every byte", () => {
    const { pieces, merges, specials, stages } = tokenizer.data;
    expect(() => new Tokenizer({ pieces: pieces.slice(0, 100), merges, specials, stages })).toThrow(
      /no piece for byte/u,
    );
  });
});
