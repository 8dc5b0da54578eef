import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { idsOf, randomText, sourceOf, vocabularies, vocabularyOf } from "../../../test/support/grammar.ts";
import { createRandom, PunctualError } from "../../core/index.ts";
import { Tokenizer } from "../tokenizer/index.ts";
import { GrammarCache } from "./cache.ts";
import { GrammarChecker } from "./checker.ts";
import { compileGrammar } from "./grammar.ts";
import type { GrammarSpec, GrammarState } from "./types.ts";

const SEED = 411;

const PERSON: GrammarSpec = {
  kind: "json_schema",
  strict: true,
  schema: {
    type: "object",
    properties: {
      name: { type: "string", minLength: 1, maxLength: 300 },
      tags: { type: "array", items: { enum: ["red", "green", "größer"] }, maxItems: 3 },
      size: { type: "number", minimum: -1, maximum: 12.5 },
      next: { anyOf: [{ type: "null" }, { $ref: "#" }] },
    },
    required: ["name", "size"],
  },
};

const SPECS: readonly GrammarSpec[] = [
  PERSON,
  { kind: "json_object" },
  { kind: "regex", pattern: "[A-ZÄÖÜ][a-zäöüß]{2,9}(?:, [A-Z]\\w*)*|\\d{4}-\\d\\d|日本.?" },
  { kind: "choice", choices: ["yes", "yesterday", "no", "größer", "日本語"] },
];

/** Allowed by trying: nothing of masks, frames or trees. */
function byTrying(state: GrammarState, vocabSize: number): number[] {
  return Array.from({ length: vocabSize }, (_, id) => id).filter((id) => state.clone().accept(id));
}

describe("masks", () => {
  test("agree with trying every token, at every state of random texts", () => {
    const random = createRandom(SEED, "oracle");
    for (const source of vocabularies(random)) {
      for (const spec of SPECS) {
        // the mask of one vocabulary against the automaton of another, so that they share no memory
        const masked = compileGrammar(spec, vocabularyOf(source)).start();
        const tried = compileGrammar(spec, vocabularyOf(source)).start();
        for (let step = 0; step < 60 && !masked.complete; step++) {
          const allowed = idsOf(masked.bits());
          expect(allowed).toEqual(byTrying(tried, source.vocabSize + 5));
          expect(masked.count()).toBe(allowed.length);
          expect(allowed.includes(1)).toBe(masked.done);
          const id = allowed[random.int(0, allowed.length - 1)]!;
          if (id === 1) break;
          expect([masked.accept(id), tried.accept(id)]).toEqual([true, true]);
        }
      }
    }
  });

  test("agree for any expression of a small language", () => {
    const node: fc.Memo<string> = fc.memo((n) => {
      const leaf = fc.constantFrom("a", "b", "[ab]", "c", "[^a]", "é");
      if (n <= 1) return leaf;
      return fc.oneof(
        leaf,
        fc.tuple(node(), node()).map(([a, b]) => a + b),
        fc.tuple(node(), node()).map(([a, b]) => `(?:${a}|${b})`),
        fc
          .tuple(node(), fc.constantFrom("*", "+", "?", "{2}", "{0,3}", "{2,}", "{1,40}"))
          .map(([a, times]) => `(?:${a})${times}`),
      );
    });
    const pieces = ["ab", "ba", "aaa", "cab", "éa", "bé", "abcabc"].map((text) => new TextEncoder().encode(text));
    const source = sourceOf([...pieces, Uint8Array.of(0xa9, 0x61), Uint8Array.of(0x61, 0xc3)]);
    fc.assert(
      fc.property(node(4), fc.array(fc.nat(200), { maxLength: 12 }), (pattern, choices) => {
        const spec: GrammarSpec = { kind: "regex", pattern };
        const state = compileGrammar(spec, vocabularyOf(source)).start();
        const twin = compileGrammar(spec, vocabularyOf(source)).start();
        let text = "";
        for (const choice of choices) {
          const allowed = idsOf(state.bits());
          expect(allowed).toEqual(byTrying(twin, source.vocabSize + 5));
          const id = allowed[choice % allowed.length]!;
          if (id === 1) break;
          state.accept(id);
          twin.accept(id);
          text += Buffer.from(source.pieces[id]!).toString("latin1");
          const whole = Buffer.from(text, "latin1").toString();
          if (!whole.includes("\ufffd"))
            expect(state.done, whole).toBe(new RegExp(`^(?:${pattern})$`, "u").test(whole));
        }
      }),
      { seed: SEED, numRuns: 150 },
    );
  });

  test("of counts far from their ends are one, near them their own", () => {
    const pieces = ["xx", "xxx", "xxxxxx", 'xx"', 'x"'].map((text) => new TextEncoder().encode(text));
    const source = sourceOf(pieces);
    const schema = { type: "string", minLength: 20, maxLength: 40, pattern: "^x*$" };
    const state = compileGrammar({ kind: "json_schema", schema }, vocabularyOf(source)).start();
    const twin = compileGrammar({ kind: "json_schema", schema }, vocabularyOf(source)).start();
    for (const byte of `"${"x".repeat(40)}`) {
      expect(idsOf(state.bits())).toEqual(byTrying(twin, source.vocabSize + 5));
      state.accept(byte.charCodeAt(0) + 2);
      twin.accept(byte.charCodeAt(0) + 2);
    }
    expect(idsOf(state.bits())).toEqual([2 + '"'.charCodeAt(0)]);
  });

  test("hold after the automaton has dropped what it kept", () => {
    const source = sourceOf([]);
    const vocabulary = vocabularyOf(source);
    const state = compileGrammar(PERSON, vocabulary).start();
    for (const char of '{"name":"x","size":1') state.accept(char.charCodeAt(0) + 2);
    const before = idsOf(state.bits());
    const copy = state.clone();
    vocabulary.machine.forget();
    expect(idsOf(state.bits())).toEqual(before);
    for (const char of "2.5}") expect(state.accept(char.charCodeAt(0) + 2)).toBe(true);
    expect([state.complete, copy.complete]).toEqual([true, false]);
    for (const char of "}") expect(copy.accept(char.charCodeAt(0) + 2)).toBe(true);
    const cache = new GrammarCache(vocabulary, 2);
    const first = cache.get(PERSON);
    expect(cache.get(PERSON)).toBe(first);
    for (const choice of ["a", "b"]) cache.get({ kind: "choice", choices: [choice] });
    expect(cache.size).toBe(2);
    expect(cache.get(PERSON)).not.toBe(first);
  });
});

describe("texts", () => {
  test("of expressions match them", () => {
    const random = createRandom(SEED, "regex");
    const patterns = [
      "[a-z]+@[a-z]{2,8}\\.(?:org|com)",
      "(\\d{1,3}\\.){3}\\d{1,3}",
      "^(?<sign>[+-])?\\d+$",
      "\\w+ \\S*?",
      "[^\\x00-\\x7f]{3,}",
      "\\u00e9|\\u{1F600}|\\ud83d\\ude42",
      "a|",
      "[\\]\\-^]+",
      "\\/\\*[^*]*\\*\\/",
      "\\cA?[\\b]x",
    ];
    for (const source of vocabularies(random)) {
      const vocabulary = vocabularyOf(source);
      for (const pattern of patterns) {
        for (let i = 0; i < 5; i++) {
          const text = randomText(compileGrammar({ kind: "regex", pattern }, vocabulary).start(), source, random, 20);
          expect(text).toMatch(new RegExp(`^(?:${pattern})$`, "u"));
        }
      }
    }
  });

  test("of choices are the choices, each of them", () => {
    const random = createRandom(SEED, "choice");
    const source = vocabularies(random)[1]!;
    const choices = ["true", "truth", "a", "name", "größe", "t"];
    const vocabulary = vocabularyOf(source);
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) {
      seen.add(randomText(compileGrammar({ kind: "choice", choices }, vocabulary).start(), source, random, 50));
    }
    expect([...seen].toSorted()).toEqual(choices.toSorted());
  });

  test("of thousands of choices or branches are followed", () => {
    const vocabulary = vocabularyOf(sourceOf([]));
    const choices = Array.from({ length: 5000 }, (_, i) => `choice number ${i}`);
    const state = compileGrammar({ kind: "choice", choices }, vocabulary).start();
    for (const char of "choice number 4999") expect(state.accept(char.charCodeAt(0) + 2)).toBe(true);
    expect(state.complete).toBe(true);
  });

  test("ends are final, unknown and special tokens are never allowed", () => {
    const source = sourceOf([]);
    const state = compileGrammar({ kind: "choice", choices: ["a", "ab"] }, vocabularyOf(source)).start();
    expect([state.accept(1), state.accept(0), state.accept(source.vocabSize + 2), state.accept(9999)]).toEqual([
      false,
      false,
      false,
      false,
    ]);
    expect(state.accept(97 + 2)).toBe(true);
    expect([state.done, state.complete]).toEqual([true, false]);
    expect(idsOf(state.bits())).toEqual([1, 98 + 2]);
    expect(state.accept(1)).toBe(true);
    expect([state.accept(98 + 2), state.accept(1)]).toEqual([false, false]);
  });
});

describe("refusals", () => {
  const vocabulary = vocabularyOf(sourceOf([]));
  test.each<[GrammarSpec, string]>([
    [{ kind: "regex", pattern: "a(?!b)" }, "lookahead"],
    [{ kind: "regex", pattern: "(?<=a)b" }, "lookbehind"],
    [{ kind: "regex", pattern: "\\bword" }, "word boundaries"],
    [{ kind: "regex", pattern: "(a)\\1" }, "backreferences"],
    [{ kind: "regex", pattern: "\\p{L}" }, "property escapes"],
    [{ kind: "regex", pattern: "a^b" }, "anchor"],
    [{ kind: "regex", pattern: "(a$)" }, "anchor"],
    [{ kind: "regex", pattern: "a**" }, "nothing to repeat"],
    [{ kind: "regex", pattern: "a{3,2}" }, "out of order"],
    [{ kind: "regex", pattern: "[z-a]" }, "out of order"],
    [{ kind: "regex", pattern: "(a" }, "expected )"],
    [{ kind: "regex", pattern: "a)" }, "unexpected )"],
    [{ kind: "regex", pattern: "\\ud800" }, "no character"],
    [{ kind: "regex", pattern: "[]" }, "nothing can match"],
    [{ kind: "regex", pattern: "a".repeat(9000) }, "at most"],
    [{ kind: "choice", choices: [] }, "at least one"],
    [{ kind: "choice", choices: ["a", ""] }, "must not be empty"],
    [{ kind: "ebnf" } as unknown as GrammarSpec, "unknown kind"],
  ])("%j", (spec, words) => {
    const refused = (work: () => unknown): void => {
      try {
        work();
      } catch (error) {
        expect(error).toBeInstanceOf(PunctualError);
        const { code, param, message } = error as PunctualError;
        expect([code, param]).toEqual(["invalid_request", "grammar"]);
        expect(message).toContain(words);
        return;
      }
      expect.unreachable("it was accepted");
    };
    refused(() => compileGrammar(spec, vocabulary));
    refused(() => new GrammarChecker(sourceOf([]), [1]).check(spec));
  });

  test("a tokenizer without a piece for every byte", () => {
    const source = sourceOf([]);
    const poor = {
      ...source,
      pieceBytes: (id: number) => (id === 0x7b + 2 ? Uint8Array.of(1, 2) : source.pieces[id]!),
    };
    expect(() => new GrammarChecker(poor, [1]).check({ kind: "json_object" })).toThrow("byte 123 has none");
    expect(() => vocabularyOf(poor)).toThrow("byte 123 has none");
  });

  test("what is too ambiguous to follow fails by itself", () => {
    const anyOf = Array.from({ length: 3000 }, (_, i) => ({ enum: [{ a: i }] }));
    const state = compileGrammar({ kind: "json_schema", schema: { anyOf } }, vocabulary).start();
    expect(() => state.accept("{".charCodeAt(0) + 2)).toThrow("too ambiguous");
  });
});

test("a tokenizer of ours is a source of pieces", () => {
  const encoder = new TextEncoder();
  const pieces = [encoder.encode("<|end|>"), ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte))];
  const tokenizer = new Tokenizer({ pieces, merges: [], specials: new Map([["<|end|>", 0]]), stages: [] });
  const checker = new GrammarChecker(tokenizer, [0]);
  expect(checker.check(PERSON)).toBe(PERSON);
});
