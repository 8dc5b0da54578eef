/**
 * Choice under a grammar without its mask: tokens are drawn from the unrestricted distribution until one is allowed. A draw
 * that is taken has the masked, renormalised distribution, and so has what a mask gives after the last draw: whether it comes to
 * that depends on the draws before it alone. What it saves is the mass that a mask leaves: best tokens and a sum over all know that
 * of the whole vocabulary, but not how much of the rest a grammar allows, so a draw from the masked distribution often needs a row.
 *
 * Order of the vocabulary: the head by logit, then everything else by id. A head that stands alone and one with its tail take the
 * same token: what rounding of the total could change is not decided without the tail.
 */
import type { Candidates, Exclusion } from "./candidates.ts";

/** Draws that a token takes under a grammar: each but the last may be of a token that is not allowed, the last is for the mask. */
export const GUIDED_DRAWS = 9;

/** What the draws gave: a token, nothing that is allowed, or a question that only the whole row answers. */
export type Redrawn = { readonly kind: "token"; readonly id: number } | { readonly kind: "none" | "row" };

/** The tokens that are not in the head, by id, of a whole row. */
export interface Tail {
  /** Mass of head and tail relative to the best token. */
  readonly total: number;
  /** The first token at which head and tail up to it pass that mass; it is beyond the head's. */
  at(mass: number): number;
}

const NONE: Redrawn = { kind: "none" };
const ROW: Redrawn = { kind: "row" };

/**
 * @param head the best tokens, nothing excluded
 * @param draws uniform, in the order in which they are taken
 * @param tail absent when only the head is known
 */
export function redraw(
  head: Candidates,
  temperature: number,
  draws: Float64Array,
  excluded: Exclusion,
  tail: Tail | null,
): Redrawn {
  const sums = sumsOf(head, temperature);
  const ofHead = sums[head.count - 1]!;
  const sharp = head.complete ? ofHead : (tail?.total ?? null);
  const [low, high] = sharp === null ? [head.totalLow, head.totalHigh] : [sharp, sharp];
  let hopeless: boolean | null = null;
  for (const draw of draws) {
    let id: number;
    if (draw * low >= ofHead && !head.complete) {
      // Nothing is allowed beyond the head: whichever token it was, it is not taken.
      hopeless ??= allowsOnlyHead(head, excluded);
      if (hopeless) continue;
      if (tail === null) return ROW;
      id = tail.at(draw * high);
    } else {
      const at = firstAbove(sums, draw * high);
      // A draw next to 1 may pass the last sum by rounding.
      const index = at < head.count ? at : head.count - 1;
      if (index > 0 && sums[index - 1]! > draw * low) return ROW;
      if (at >= head.count && !head.complete) return ROW;
      id = head.ids[index]!;
    }
    if (!excluded.has(id)) return { kind: "token", id };
  }
  return NONE;
}

/** sums[i] is the mass of candidates 0..i. */
export function sumsOf({ logits, count }: Pick<Candidates, "logits" | "count">, temperature: number): Float64Array {
  const sums = new Float64Array(count);
  const best = logits[0]!;
  for (let i = 0, sum = 0; i < count; i++) sums[i] = sum += Math.exp((logits[i]! - best) / temperature);
  return sums;
}

/** The tail of a row behind that head. Costs an exponential per token. */
export function tailOf(row: Float32Array, head: Candidates, temperature: number): Tail {
  const sums = new Float64Array(row.length);
  const best = head.logits[0]!;
  const inHead = new Set(Array.from(head.ids));
  let sum = sumsOf(head, temperature)[head.count - 1]!;
  let last = head.ids[head.count - 1]!;
  for (let id = 0; id < row.length; id++) {
    if (row[id] !== -Infinity && !inHead.has(id)) {
      sum += Math.exp((row[id]! - best) / temperature);
      last = id;
    }
    sums[id] = sum;
  }
  // A draw next to 1 may pass the last sum by rounding.
  return { total: sum, at: (mass) => (mass < sum ? firstAbove(sums, mass) : last) };
}

/** First index of ascending sums that is above the threshold; their count when none is. */
function firstAbove(sums: Float64Array, threshold: number): number {
  let low = 0;
  let high = sums.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sums[middle]! > threshold) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Whether all that may be allowed is in the head, as far as that is known without a walk. */
function allowsOnlyHead({ ids, count }: Candidates, excluded: Exclusion): boolean {
  if (excluded.leaves > count) return false;
  let allowed = 0;
  for (let i = 0; i < count; i++) if (!excluded.has(ids[i]!)) allowed += 1;
  return excluded.leaves <= allowed;
}
