/**
 * Associative recall in its purest form: pairs of random pieces in one order, then the same pairs in another
 * order, where each value has to be found by its key. Reading needs this circuit, but its own items
 * teach it slowly: they ask one question a text, and guessing among the few values in sight is nearly as
 * good for a long time. Here every pair is a question (Arora et al. 2023, "Zoology", use the task as a
 * test; Olsson et al. 2022 describe the circuit).
 *
 *     k1 : v1 ; k2 : v2 ; k3 : v3 ;   k2 : V2 ; k3 : V3 ; k1 : V1 ;      loss on V
 *
 * Keys and values are one to three pieces long and the two marks are random, so that only the relation counts.
 */
import type { RandomStream } from "../core/index.ts";
import type { TokenItem } from "./packing.ts";

const SHORTEST = 2;
const LONGEST = 9;

/** One item over the pieces firstPiece..vocabSize-1; at most 2 * 9 * 8 tokens. */
export function recallItem(firstPiece: number, vocabSize: number, random: RandomStream): TokenItem {
  const piece = (): number => random.int(firstPiece, vocabSize - 1);
  const some = (most: number): number[] => Array.from({ length: random.int(1, most) }, piece);
  const pairs = Array.from({ length: random.int(SHORTEST, LONGEST) }, () => ({ key: some(2), value: some(2) }));
  const between = some(2);
  const after = some(1);
  const tokens: number[] = [];
  const lossMask: number[] = [];
  const write = (ids: readonly number[], learn: number): void => {
    for (const id of ids) {
      tokens.push(id);
      lossMask.push(learn);
    }
  };
  for (const [round, order] of [pairs, random.shuffled(pairs)].entries()) {
    for (const { key, value } of order) {
      write(key, 0);
      write(between, 0);
      write(value, round);
      write(after, 0);
    }
  }
  return { tokens, lossMask };
}
