/**
 * Texts as vectors, without a model: words, pairs of words and runs of characters, hashed into a fixed number of
 * places, weighted by how rare they are among the texts given (TF-IDF), of length 1. Enough to tell like prompts from
 * unlike ones; not a measure of meaning. Vectors are sparse: so many places that hardly two features share one.
 */
import { assert, hashString } from "../../core/index.ts";

/** Sparse unit vectors, one a text: row i has the entries offsets[i] … offsets[i + 1]. */
export interface Embeddings {
  readonly count: number;
  readonly dimensions: number;
  readonly offsets: Uint32Array;
  readonly places: Uint32Array;
  readonly weights: Float32Array;
}

const DIMENSIONS = 1 << 16;
/** What is embedded of a text: its beginning says what is asked, and a long context would drown it. */
const MAX_CHARACTERS = 2000;
const GRAM_CHARACTERS = 4;

/** Embeds texts; the weights depend on all of them together. Similarities are within [0, 1]. */
export function embedTexts(texts: readonly string[], dimensions: number = DIMENSIONS): Embeddings {
  assert(dimensions >= 1, "an embedding has a dimension");
  const counts = texts.map((text) => placeCounts(text, dimensions));
  const inTexts = new Float64Array(dimensions);
  for (const places of counts) for (const place of places.keys()) inTexts[place]! += 1;
  const rows = counts.map((places, i) => {
    const row = [...places]
      .map(([place, count]): [number, number] => [
        place,
        (1 + Math.log(count)) * Math.log((1 + texts.length) / (1 + inTexts[place]!)),
      ])
      .filter(([, weight]) => weight > 0);
    // A text without any rare feature would have no direction: it gets one of its own.
    return row.length > 0 ? row : [[i % dimensions, 1] as [number, number]];
  });
  return pack(rows, dimensions);
}

function pack(rows: readonly (readonly [number, number][])[], dimensions: number): Embeddings {
  const offsets = new Uint32Array(rows.length + 1);
  for (const [i, row] of rows.entries()) offsets[i + 1] = offsets[i]! + row.length;
  const places = new Uint32Array(offsets[rows.length]!);
  const weights = new Float32Array(places.length);
  for (const [i, row] of rows.entries()) {
    const scale = 1 / Math.sqrt(row.reduce((sum, [, weight]) => sum + weight * weight, 0));
    for (const [j, [place, weight]] of row.entries()) {
      places[offsets[i]! + j] = place;
      weights[offsets[i]! + j] = weight * scale;
    }
  }
  return { count: rows.length, dimensions, offsets, places, weights };
}

/** How alike a text is to every text, itself included: cosines. */
export function similarities(embeddings: Embeddings, of: number): Float64Array {
  const { count, dimensions, offsets, places, weights } = embeddings;
  const own = new Float32Array(dimensions);
  for (let e = offsets[of]!; e < offsets[of + 1]!; e++) own[places[e]!] = weights[e]!;
  const result = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let dot = 0;
    for (let e = offsets[i]!; e < offsets[i + 1]!; e++) dot += own[places[e]!]! * weights[e]!;
    result[i] = dot;
  }
  return result;
}

function placeCounts(text: string, dimensions: number): Map<number, number> {
  const places = new Map<number, number>();
  const add = (feature: string): void => {
    const place = hashString(feature) % dimensions;
    places.set(place, (places.get(place) ?? 0) + 1);
  };
  const plain = text.slice(0, MAX_CHARACTERS).toLowerCase();
  const words = plain.match(/[\p{L}\p{N}]+/gu) ?? [];
  for (const [i, word] of words.entries()) {
    add(`w ${word}`);
    if (i > 0) add(`p ${words[i - 1]!} ${word}`);
    // Parts of long words bring inflected forms, and scripts without spaces, together.
    for (let c = 0; c + GRAM_CHARACTERS <= word.length; c++) add(`c ${word.slice(c, c + GRAM_CHARACTERS)}`);
  }
  return places;
}
