/**
 * Drafts by looking the last tokens up in the text so far: where they stood before, the same may follow again (prompt
 * lookup; Saxena 2023). Costs no model, and pays for answers that quote: edits, summaries, code, extracted fields.
 *
 *   … the red lamp costs 12 …  what does the red lamp |   ->  costs 12 …
 *         ^ longest match, then the latest               ^ here
 *
 * An occurrence is found through a table of the last `minMatch` tokens at every position and chains through earlier
 * ones; of the latest few the longest match counts. Where the copy runs into the end of the text it goes on with itself,
 * as in LZ77, so that a repetition of period one is found too.
 */
import { assert } from "../../core/index.ts";
import type { Draft, Drafter, DraftRequest, DraftSubject } from "./types.ts";

/** vLLM's names: prompt_lookup_min and prompt_lookup_max. */
export interface NgramOptions {
  /** Fewest last tokens that must have stood there before, at least 1; 3 when absent. */
  readonly minMatch?: number;
  /** Longer matches are not looked for, at least minMatch; 8 when absent. */
  readonly maxMatch?: number;
}

const MIN_MATCH = 3;
const MAX_MATCH = 8;
/** Occurrences that are looked at, the latest ones. */
export const MOST_CANDIDATES = 32;

/** Positions of a text by the tokens before them; grows with the text. */
export class NgramIndex {
  readonly #minMatch: number;
  readonly #maxMatch: number;
  /** The latest position that follows tokens of that key. */
  readonly #latest = new Map<number, number>();
  /** At every position, the one before it with the same key; -1: none. */
  #earlier = new Int32Array(64);
  /** Positions up to here are in the table. */
  #length = 0;

  constructor({ minMatch = MIN_MATCH, maxMatch = Math.max(minMatch, MAX_MATCH) }: NgramOptions = {}) {
    assert(minMatch >= 1 && maxMatch >= minMatch, "matches are of minMatch to maxMatch tokens");
    this.#minMatch = minMatch;
    this.#maxMatch = maxMatch;
  }

  /** Where the text may go on from, a position with the same tokens before it as before its end; -1 when there is none. */
  find(tokens: Int32Array): number {
    this.#extend(tokens);
    const end = tokens.length;
    if (end <= this.#minMatch) return -1;
    let best = -1;
    let longest = 0;
    let at = this.#latest.get(this.#key(tokens, end)) ?? -1;
    for (let tried = 0; at >= 0 && tried < MOST_CANDIDATES; tried++) {
      const length = matchLength(tokens, at, this.#maxMatch);
      if (length >= this.#minMatch && length > longest) {
        longest = length;
        best = at;
        if (length === this.#maxMatch) break;
      }
      at = this.#earlier[at]!;
    }
    return best;
  }

  /** Positions before the end; the end itself is what is looked up. */
  #extend(tokens: Int32Array): void {
    assert(tokens.length >= this.#length, "a text only grows");
    if (this.#earlier.length < tokens.length) {
      const grown = new Int32Array(Math.ceil(tokens.length * 1.5));
      grown.set(this.#earlier);
      this.#earlier = grown;
    }
    for (let at = Math.max(this.#length, this.#minMatch); at < tokens.length; at++) {
      const key = this.#key(tokens, at);
      this.#earlier[at] = this.#latest.get(key) ?? -1;
      this.#latest.set(key, at);
    }
    this.#length = tokens.length;
  }

  /** Of the `minMatch` tokens before a position; different tokens may share one. */
  #key(tokens: Int32Array, at: number): number {
    let key = 0;
    for (let i = at - this.#minMatch; i < at; i++) key = (Math.imul(key, 0x01000193) ^ tokens[i]!) | 0;
    return key;
  }
}

/** How many tokens before `at` equal those before the end, at most `most`. */
export function matchLength(tokens: Int32Array, at: number, most: number): number {
  const end = tokens.length;
  let length = 0;
  while (length < most && length < at && tokens[at - 1 - length] === tokens[end - 1 - length]) length += 1;
  return length;
}

/** The next `count` tokens as they followed `from`; beyond the end the copy copies itself. */
export function copyFrom(tokens: Int32Array, from: number, count: number): number[] {
  const copied: number[] = [];
  for (let i = 0; i < count; i++) {
    const at = from + i;
    copied.push(at < tokens.length ? tokens[at]! : copied[at - tokens.length]!);
  }
  return copied;
}

interface Lookup {
  readonly index: NgramIndex;
  /** What was found for a text of that length. */
  length: number;
  from: number;
}

/** The drafter at the head of this file. */
export class NgramDrafter implements Drafter {
  readonly source = "ngram";
  readonly #options: NgramOptions;
  readonly #lookups = new Map<number, Lookup>();

  constructor(options: NgramOptions = {}) {
    this.#options = options;
  }

  available(subject: DraftSubject, most: number): number {
    return this.#find(subject) < 0 ? 0 : most;
  }

  async draft(requests: readonly DraftRequest[]): Promise<readonly Draft[]> {
    return requests.map(({ subject, most }) => {
      const from = this.#find(subject);
      return { source: this.source, tokens: from < 0 ? [] : copyFrom(subject.tokens, from, most), proposals: null };
    });
  }

  release(id: number): void {
    this.#lookups.delete(id);
  }

  #find({ id, tokens }: DraftSubject): number {
    let lookup = this.#lookups.get(id);
    if (lookup === undefined) {
      lookup = { index: new NgramIndex(this.#options), length: -1, from: -1 };
      this.#lookups.set(id, lookup);
    }
    if (lookup.length !== tokens.length) {
      lookup.from = lookup.index.find(tokens);
      lookup.length = tokens.length;
    }
    return lookup.from;
  }
}
