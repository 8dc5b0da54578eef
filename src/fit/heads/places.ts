/**
 * Where a draft could begin in a text that a model has read, and what would be right: the training data of heads.
 *
 *   text        … w3 [w4] w5  w6  w7       a draft behind w4 begins from the state behind w3, which said w4
 *   said behind      w5' w6' w7'           w5' is right for its first place; when the text has another w5, nothing
 *                                          is known of later places, for such a draft would have been rejected
 */
import { IGNORED_TARGET } from "../../llm/index.ts";
import type { ReadText } from "../states.ts";

/** Drafts to learn; arrays by place, then draft. */
export interface DraftPlaces {
  /** Drafts. */
  readonly count: number;
  /** Behind the scores that the token before the draft came from, [count, hidden]. */
  readonly states: Float32Array;
  /** That token, and the text after it: what the cell is fed, int64 [places, count]. */
  readonly tokens: BigInt64Array;
  /** What the model says behind each of those, or IGNORED_TARGET, int64 [places, count]. */
  readonly targets: BigInt64Array;
}

/**
 * All places of the texts where something counts, up to `count` of them; what is missing has no targets.
 * @param indexOf the target of a token, null when it has none
 */
export function draftPlaces(
  texts: readonly ReadText[],
  shape: { readonly count: number; readonly places: number; readonly hidden: number },
  endTokens: ReadonlySet<number>,
  indexOf: (token: number) => number | null,
): DraftPlaces & { readonly used: number } {
  const { count, places, hidden } = shape;
  const states = new Float32Array(count * hidden);
  const tokens = new BigInt64Array(count * places);
  const targets = new BigInt64Array(count * places).fill(BigInt(IGNORED_TARGET));
  let used = 0;
  for (const { tokens: text, lossMask, first, states: own, said } of texts) {
    for (let at = 0; at < said.length && used < count; at++) {
      // Nothing is drafted behind what the model did not say itself, and nothing follows an end.
      if (lossMask[first + at + 1] !== 1 || endTokens.has(text[first + at + 1]!)) continue;
      states.set(own.subarray(at * hidden, (at + 1) * hidden), used * hidden);
      for (let place = 0; place < places; place++) {
        const next = first + at + 1 + place; // the token that is fed
        if (next >= text.length - 1) break; // nothing was said behind the last
        const right = said[at + 1 + place]!;
        tokens[place * count + used] = BigInt(text[next]!);
        const index = indexOf(right);
        if (index !== null) targets[place * count + used] = BigInt(index);
        if (right !== text[next + 1] || endTokens.has(right)) break;
      }
      used += 1;
    }
  }
  return { count, states, tokens, targets, used };
}

/** How drafts do: of those that came to a place, how many were right there. */
export interface HeldOutAcceptance {
  /** Share of drafts right at each place, of those right at all before it. */
  readonly byPlace: readonly number[];
  /** Tokens of a step with full drafts: accepted ones and the one that follows. */
  readonly acceptanceLength: number;
  readonly drafts: number;
}

/** Counts guesses, [places, count], against targets of the same numbering. */
export class AcceptanceCount {
  readonly #right: number[];
  readonly #tried: number[];
  #drafts = 0;

  constructor(places: number) {
    this.#right = Array.from({ length: places }, () => 0);
    this.#tried = Array.from({ length: places }, () => 0);
  }

  add({ count, targets }: DraftPlaces, guesses: ArrayLike<number>): void {
    for (let draft = 0; draft < count; draft++) {
      for (let place = 0; place < this.#right.length; place++) {
        const target = targets[place * count + draft]!;
        // Behind its first place there is nothing to guess where an answer has ended.
        if (target === BigInt(IGNORED_TARGET)) break;
        if (place === 0) this.#drafts += 1;
        this.#tried[place]! += 1;
        if (guesses[place * count + draft] !== Number(target)) break;
        this.#right[place]! += 1;
      }
    }
  }

  get result(): HeldOutAcceptance {
    const byPlace = this.#right.map((right, i) => right / Math.max(1, this.#tried[i]!));
    const accepted = this.#right.reduce((sum, right) => sum + right, 0);
    return { byPlace, acceptanceLength: 1 + accepted / Math.max(1, this.#drafts), drafts: this.#drafts };
  }
}
