import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { readTokenizer, writeTokenizer } from "../llm/index.ts";
import { DEFAULT_WEIGHTS, generateItem, writeCall } from "../world/index.ts";
import { trainTokenizer } from "./family-tokenizer.ts";
import type { TokenizerRecipe } from "./types.ts";

const recipe: TokenizerRecipe = {
  kind: "tokenizer",
  name: "test",
  summary: "",
  seed: 2,
  vocabSize: 900,
  spacedWords: 80,
  items: 1500,
  mixture: { skills: DEFAULT_WEIGHTS, conversations: 0 },
};

describe("the family's vocabulary", () => {
  const tokenizer = trainTokenizer(recipe);

  test("is as large as declared, and the same each time", () => {
    expect(tokenizer.vocabSize).toBe(900);
    expect(writeTokenizer(trainTokenizer(recipe))).toBe(writeTokenizer(tokenizer));
  });

  test("spells a word the same after a space and after a quotation mark", () => {
    for (const word of ["cable", "ladder", "Rosalinda", "wnifep", "kitchen"]) {
      const bare = tokenizer.encode(`"${word}"`).slice(1, -1);
      expect(tokenizer.encode(`a ${word}.`).slice(-1 - bare.length, -1)).toEqual(bare);
    }
  });

  test("joins a space to frequent words only", () => {
    expect(tokenizer.encode(" and").length).toBe(1);
    expect(tokenizer.encode(" wnifep").length).toBeGreaterThan(2);
  });

  test("its file reads back, and every text survives", () => {
    const read = readTokenizer(writeTokenizer(tokenizer));
    const random = createRandom(8);
    for (let i = 0; i < 50; i++) {
      for (const { text, call } of generateItem("tool-call", "test", random).turns) {
        const whole = call === undefined ? text : text + writeCall(call);
        expect(read.decode(tokenizer.encode(whole))).toBe(whole);
        expect(read.encode(whole)).toEqual(tokenizer.encode(whole));
      }
    }
  });
});
