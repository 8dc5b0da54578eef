/**
 * Prompts of an exact length, as SPEED-Bench's throughput split has them: cut where they are too long, filled with a
 * neutral request for the answer where they are too short. Lengths are counted by one tokenizer for all servers, or,
 * for a server's own, by asking it.
 */
import { assert } from "../../core/index.ts";
import type { LongPrompt } from "./generate.ts";

/** Counts a text's tokens. */
export type CountTokens = (text: string) => Promise<number> | number;

/** What fills up a prompt that is too short. */
const FILLING = "Please answer now.";

/**
 * The longest prompt of at most `tokens` tokens that is made by cutting or filling `text`; its counted length.
 * Cutting is by words, so that no character is torn.
 */
export async function fitLength(
  text: string,
  tokens: number,
  count: CountTokens,
): Promise<{ readonly text: string; readonly tokens: number }> {
  assert(tokens >= 1, "a prompt has a length");
  const own = await count(text);
  if (own === tokens) return { text, tokens: own };
  if (own > tokens) return await longestPrefix(text.split(/(?<=\s)/), tokens, count, "");
  // Fillings cost about the same each: as many as surely suffice, then cut.
  const one = Math.max(1, (await count(`${text} ${FILLING}`)) - own);
  const fillings = Math.ceil((2 * (tokens - own)) / one) + 2;
  const words = Array.from({ length: fillings }, () => ` ${FILLING}`)
    .join("")
    .split(/(?<=\s)/);
  return await longestPrefix(words, tokens, count, text);
}

/** By bisection: counts grow with the text, so ⌈log2⌉ questions find the last word that still fits. */
async function longestPrefix(
  words: readonly string[],
  tokens: number,
  count: CountTokens,
  before: string,
): Promise<{ readonly text: string; readonly tokens: number }> {
  let [low, high] = [0, words.length]; // `low` words fit, more than `high` do not
  let best = { text: before, tokens: before === "" ? 0 : await count(before) };
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const text = (before + words.slice(0, middle).join("")).trimEnd();
    const length = await count(text);
    if (length <= tokens) {
      low = middle;
      best = { text, tokens: length };
    } else high = middle - 1;
  }
  return best;
}

/** A prompt of the throughput split of about `tokens` tokens: instruction, as much material as fits, closing. */
export async function composeLong(
  prompt: LongPrompt,
  tokens: number,
  count: CountTokens,
): Promise<{ readonly text: string; readonly tokens: number }> {
  const { instruction, material, closing } = prompt;
  const frame = await count(`${instruction}\n\n\n\n${closing}`);
  let middle = "";
  // Material grows by doubling, so that few counts are asked for.
  for (let pieces = 4; (await count(middle)) + frame < tokens && pieces <= MAX_PIECES; pieces *= 2) {
    middle += `${Array.from({ length: pieces }, material).join("\n")}\n`;
  }
  const room = Math.max(0, tokens - frame - 1);
  const fitted = room === 0 ? { text: "" } : await longestPrefix(middle.split(/(?<=\n)/), room, count, "");
  return await fitLength(`${instruction}\n\n${fitted.text}\n\n${closing}`, tokens, count);
}

/** No prompt is made of more. */
const MAX_PIECES = 1 << 16;
