/** Our byte-level path against @huggingface/tokenizers on the same files: every known pattern, any text, the same ids. */
import { Tokenizer as Library } from "@huggingface/tokenizers";
import fc from "fast-check";
import { expect, it } from "vitest";
import { readTokenizer, Tokenizer, trainBpe, writeTokenizer } from "./index.ts";
import {
  GPT2_PATTERN,
  GPT4O_PATTERN,
  LLAMA3_PATTERN,
  PUNCTUAL_PATTERN,
  QWEN2_PATTERN,
  TEKKEN_PATTERN,
} from "./split.ts";

const SEED = 24;
const TEXTS = [
  "It's 12:30 and the lamp in Ann's kitchen WON'T turn on; they'll say 1234567 naïve things about cafés.",
  '  two spaces\n\nand\tlines\r\n\r\n { "name": "set_light" }  東京タワー Привет, мир! ☕☕ ',
];
const trained = trainBpe(TEXTS, { vocabSize: 24 + 256 + 160, minCount: 1 });

const anyText = fc
  .oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.string({ unit: "grapheme", maxLength: 30 }),
    fc
      .array(fc.constantFrom(...TEXTS.flatMap((text) => text.split(/\b/u)), "'S", "'ll", " ", "\n", "\u00A0", "4"), {
        maxLength: 30,
      })
      .map((parts) => parts.join("")),
  )
  // The library's GPT-2 pattern has JavaScript's idea of white space, which differs from Unicode's in these two.
  .map((text) => text.replaceAll(/[\uFEFF\u0085]/gu, ""));

it.each([
  ["ours", PUNCTUAL_PATTERN, {}],
  ["GPT-2", GPT2_PATTERN, {}],
  ["Llama 3", LLAMA3_PATTERN, { wholeWords: true }],
  ["Qwen", QWEN2_PATTERN, { normalizer: "nfc" as const }],
  ["Tekken", TEKKEN_PATTERN, {}],
  ["GPT-4o", GPT4O_PATTERN, {}],
])("%s: the same ids, and the same text back", (_name, pattern, extra) => {
  const data = { ...trained.data, stages: [{ kind: "pattern" as const, pattern }], ...extra };
  const file = writeTokenizer(new Tokenizer(data));
  const ours = readTokenizer(file);
  const theirs = new Library({ ...(JSON.parse(file) as object), added_tokens: [] }, {});
  fc.assert(
    fc.property(anyText, (text) => {
      if (text === "") return;
      const expected = theirs.encode(text, { add_special_tokens: false }) as { ids: number[] };
      const ids = ours.encode(text);
      expect(ids).toEqual(expected.ids);
      expect(ours.decode(ids)).toBe(theirs.decode(ids, { clean_up_tokenization_spaces: false }) as string);
    }),
    { seed: SEED, numRuns: 200 },
  );
});
