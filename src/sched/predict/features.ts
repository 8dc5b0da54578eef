/**
 * A prompt as 64 small numbers that say something about how long its answer will be: two for sizes, a
 * hashed bag of its first tokens, where an application's own words stand, and one of all its tokens
 * (hashing: Weinberger et al. 2009). It works on token ids and on hashes of
 * words alike; the ids mean nothing to it beyond being equal or not.
 *
 * Every feature is one of 32 levels, so that a tree finds its best split by counting instead of sorting.
 */
import { hashString } from "../../core/index.ts";

/** Numbers in a feature vector. */
export const FEATURE_COUNT = 64;
/** Values a feature can take: 0 to 31. */
export const FEATURE_LEVELS = 32;

/** One request's features, `FEATURE_COUNT` levels. The same object stands for the same request all its life. */
export type LengthFeatures = Uint8Array;

const HEAD_START = 2;
const HEAD_SIZE = 24;
const HEAD_TOKENS = 12;
const BAG_START = HEAD_START + HEAD_SIZE;
const BAG_SIZE = FEATURE_COUNT - BAG_START;
/** Tokens looked at from either end; what lies between says little, and the work stays bounded. */
const SIDE_TOKENS = 512;

/**
 * The features of a request.
 * @param ids token ids of the prompt, or hashes of its words; any integers.
 * @param promptTokens its length, where `ids` are not its tokens.
 */
export function lengthFeatures(
  ids: ArrayLike<number>,
  maxTokens: number,
  promptTokens: number = ids.length,
): LengthFeatures {
  const counts = new Uint16Array(FEATURE_COUNT);
  for (let i = 0; i < Math.min(ids.length, HEAD_TOKENS); i++) counts[HEAD_START + hashSlot(ids[i]!, HEAD_SIZE)]! += 1;
  const front = Math.min(ids.length, SIDE_TOKENS);
  for (let i = 0; i < front; i++) counts[BAG_START + hashSlot(ids[i]!, BAG_SIZE)]! += 1;
  for (let i = Math.max(front, ids.length - SIDE_TOKENS); i < ids.length; i++) {
    counts[BAG_START + hashSlot(ids[i]!, BAG_SIZE)]! += 1;
  }
  const features = Uint8Array.from(counts, countLevel);
  features[0] = sizeLevel(promptTokens);
  features[1] = sizeLevel(maxTokens);
  return features;
}

/** Hashes of the words of a text, lower-cased, at most `limit` of them: ids where there is no tokenizer. */
export function wordHashes(text: string, limit = 2 * SIDE_TOKENS): Uint32Array {
  const words =
    text
      .slice(0, limit * 16)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  return Uint32Array.from(words.slice(0, limit), hashString);
}

/** Neighbouring ids land far apart (Fibonacci hashing). */
function hashSlot(id: number, slots: number): number {
  return ((Math.imul(id, 0x9e3779b1) >>> 16) * slots) >>> 16;
}

/** Two levels an octave up to 16, one beyond: 1 token is 2, a million is 24. */
function sizeLevel(size: number): number {
  const octaves = Math.log2(1 + Math.max(0, size));
  return Math.min(FEATURE_LEVELS - 1, Math.floor(octaves <= 4 ? octaves * 2 : octaves + 4));
}

/** Counts 0 to 7 as they are, then four levels an octave. */
function countLevel(count: number): number {
  if (count < 8) return count;
  return Math.min(FEATURE_LEVELS - 1, Math.floor(8 + 4 * Math.log2(count / 8)));
}
