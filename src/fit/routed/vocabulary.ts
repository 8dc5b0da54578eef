/** The vocabulary of the routed model: marks, bytes, and every word of its tasks whole, with and without a space before it. */
import { SPECIAL_TOKENS, Tokenizer, trainBpe } from "../../llm/index.ts";
import { routedWords } from "./tasks.ts";

/** Pieces in all; those that no word fills are reserved. */
export const ROUTED_VOCABULARY = 640;

/** The same tokenizer every time. */
export function routedTokenizer(): Tokenizer {
  const base = trainBpe([], { vocabSize: SPECIAL_TOKENS.length + 256 });
  const whole = routedWords().flatMap((word) => (word.length === 1 ? [` ${word}`] : [word, ` ${word}`]));
  const pieces = [...base.data.pieces, ...whole.map((word) => Buffer.from(word))];
  return new Tokenizer({ ...base.data, pieces, wholeWords: true });
}
