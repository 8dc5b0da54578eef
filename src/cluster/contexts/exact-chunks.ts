/**
 * Which chunks under a loader's salt are exact: those that were copied there from everybody's cache, until another level takes
 * their place. Of what is not remembered, nothing is known: it counts as not exact, so that no answer is called exact that was not.
 */
import type { ChunkPlace } from "./types.ts";

/** Chunks that are remembered; the oldest is forgotten beyond. */
const MOST_CHUNKS = 16_384;

/** See the head of this file. */
export class ExactChunks {
  readonly #most: number;
  readonly #keys = new Set<string>();

  /** @param most how many chunks are remembered */
  constructor(most = MOST_CHUNKS) {
    this.#most = most;
  }

  /** These are exact now. */
  add(places: readonly ChunkPlace[]): void {
    for (const { key } of places) {
      this.#keys.delete(key);
      this.#keys.add(key);
      const [oldest] = this.#keys;
      if (this.#keys.size > this.#most) this.#keys.delete(oldest!);
    }
  }

  /** That one need not be exact any more. */
  delete({ key }: ChunkPlace): void {
    this.#keys.delete(key);
  }

  /** Leading tokens of a prefix that are exact as far as they are there. @param places its chunks, from the first */
  leadingTokens(places: readonly ChunkPlace[]): number {
    const first = places.find(({ key }) => !this.#keys.has(key));
    if (first !== undefined) return first.firstPosition;
    const last = places.at(-1);
    return last === undefined ? 0 : last.firstPosition + last.tokens.length;
  }
}
