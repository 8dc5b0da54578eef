/**
 * The family's vocabulary, made for copying. Byte-pair training on running text makes " cable" one piece
 * and leaves `"cable` in letters, so a model that copies a word from a question into a call would have
 * to learn how each word is spelled. Here merges are learned from words without their spaces; a space
 * joins a word only afterwards, and only the most frequent words that never begin an argument or a line. So a word
 * is the same pieces wherever it stands, and text is hardly longer.
 *
 * The file is an ordinary byte-pair tokenizer whose joined words are pieces that no merge makes (`ignore_merges`).
 */
import { createRandom } from "../core/index.ts";
import { Tokenizer, trainBpe } from "../llm/index.ts";
import { ENTITIES, writeCall, type ToolCall, type Turn } from "../world/index.ts";
import type { TokenizerRecipe } from "./types.ts";
import { drawTrainingItem } from "./draw.ts";

function textsOf({ text, thinking, context }: Turn): string[] {
  return [text, context, thinking].filter((part) => part !== undefined);
}

const wordsOf = (text: string): string[] => text.match(/\p{L}+|[^\s\p{L}\p{N}]+/gu) ?? [];

/** The words that stand directly after a quotation mark: the first of each argument. */
function firstWords(call: ToolCall): string[] {
  return Object.values(call.arguments).flatMap((value) => wordsOf(String(value)).slice(0, 1));
}

/** The words with which things begin that may stand at the head of a line or of an argument. */
function namingWords(): string[] {
  const { spots: _, ...kinds } = ENTITIES;
  return Object.values(kinds).flatMap(({ train }) => train.flatMap((entry) => wordsOf(entry).slice(0, 1)));
}

/** Learns the vocabulary of a tokenizer recipe: a pure function of the record, some seconds of work. */
export function trainTokenizer(recipe: TokenizerRecipe): Tokenizer {
  const random = createRandom(recipe.seed, "tokenizer");
  const pieces: string[] = [];
  const spaced = new Map<string, number>();
  const named = new Set(namingWords());
  for (let i = 0; i < recipe.items; i++) {
    for (const turn of drawTrainingItem(recipe.mixture, random).turns) {
      for (const text of textsOf(turn)) {
        pieces.push(...text.split(" "));
        for (const [, word] of text.matchAll(/ (\p{L}+|[^\s\p{L}\p{N}]+)/gu))
          spaced.set(word!, (spaced.get(word!) ?? 0) + 1);
      }
      if (turn.call === undefined) continue;
      pieces.push(...writeCall(turn.call).split(" "));
      for (const word of firstWords(turn.call)) named.add(word);
    }
  }
  const base = trainBpe(pieces, { vocabSize: recipe.vocabSize - recipe.spacedWords });
  const frequent = [...spaced]
    .filter(([word]) => !named.has(word) && base.encode(word).length === 1)
    .toSorted(([a, times], [b, others]) => others - times || (a < b ? -1 : 1));
  return withSpaces(
    base,
    frequent.slice(0, recipe.spacedWords).map(([word]) => word),
  );
}

/**
 * The tokenizer with a piece more for each word: a space and the word. No merge makes them, they stand for whole
 * words only: " do" is one piece, and the "do" of " donkey" stays what it is in "donkey".
 */
function withSpaces(base: Tokenizer, words: readonly string[]): Tokenizer {
  const pieces = [...base.data.pieces, ...words.map((word) => Buffer.from(` ${word}`))];
  return new Tokenizer({ ...base.data, pieces, wholeWords: true });
}
