/**
 * The best tokens of a distribution, in the order that sampling uses, and how much mass there is in
 * all. Built from the executor's top scores or from a whole row; sampler.ts decides over both with the
 * same lines, so that the two agree token by token.
 *
 * Masses are relative to the best candidate: exp((logit - best) / temperature), float64. The total is an interval:
 * a point when a whole row was summed, a little wide around a float32 log-sum-exp.
 */
import type { TopScores } from "./types.ts";

/** Candidates in sampling order before the rest of the vocabulary, which follows by id. */
export const HEAD_CANDIDATES = 64;

/** Sums of up to a vocabulary of float64 terms in different orders differ by less, relative to them. */
const SUM_SLACK = 1e-9;

export interface Candidates {
  /** By logit descending, then id ascending. */
  readonly ids: ArrayLike<number>;
  readonly logits: ArrayLike<number>;
  readonly count: number;
  /** True when no other token has any mass. */
  readonly complete: boolean;
  /** Bounds of the mass of the whole vocabulary. */
  readonly totalLow: number;
  readonly totalHigh: number;
}

/** Which tokens are out of the question. */
export interface Exclusion {
  has(id: number): boolean;
  /** At most so many tokens are excluded, at least so many are not. */
  readonly most: number;
  /** At most so many tokens are left. */
  readonly leaves: number;
}

/** Candidates from top scores, with the excluded ids taken out; null when nothing is left of them. */
export function candidatesOfTop(scores: TopScores, temperature: number, excluded: Exclusion): Candidates | null {
  const ids: number[] = [];
  const logits: number[] = [];
  const out: number[] = [];
  for (let i = 0; i < scores.ids.length; i++) {
    if (excluded.has(scores.ids[i]!)) {
      out.push(scores.logits[i]!);
      continue;
    }
    ids.push(scores.ids[i]!);
    logits.push(scores.logits[i]!);
  }
  if (ids.length === 0) return null;
  const best = logits[0]!;
  const mass = (logit: number): number => Math.exp((logit - best) / temperature);
  // What float32 may have lost: rounding of the sum's value, and of the sum itself.
  const slack = 1e-4 + Math.abs(scores.logSumExp) * 1e-6;
  const center = scores.logSumExp - best / temperature;
  let low = Math.exp(center - slack);
  let high = Math.exp(center + slack);
  for (const logit of out) {
    low -= mass(logit);
    high -= mass(logit);
  }
  // What is not listed weighs at most as much as the last one listed, at least nothing.
  const last = mass(scores.logits[scores.logits.length - 1]!);
  low -= Math.max(excluded.most - out.length, 0) * last;
  const complete = scores.ids.length === scores.vocabSize || excluded.leaves <= ids.length;
  if (out.length > 0 || excluded.most > 0) {
    // The sum of what is left bounds it from below, and with all that may be left beyond from above.
    const sum = logits.reduce((total, logit) => total + mass(logit), 0);
    const beyond = complete ? 0 : Math.max(excluded.leaves - ids.length, 0) * last;
    low = Math.max(low, sum * (1 - SUM_SLACK));
    high = Math.min(Math.max(high, low), (sum + beyond) * (1 + SUM_SLACK));
  }
  return { ids, logits, count: ids.length, complete, totalLow: low, totalHigh: Math.max(low, high) };
}

/** The `count` best of a row (fewer when fewer are finite), ties to the lower id. */
export function bestOfRow(row: Float32Array, count: number): { ids: Int32Array; logits: Float32Array } {
  const ids = new Int32Array(count);
  const logits = new Float32Array(count).fill(-Infinity);
  let filled = 0;
  for (let id = 0; id < row.length; id++) {
    const logit = row[id]!;
    if (logit === -Infinity) continue;
    if (filled === count && !(logit > logits[count - 1]!)) continue;
    let at = filled < count ? filled++ : count - 1;
    for (; at > 0 && logit > logits[at - 1]!; at--) {
      logits[at] = logits[at - 1]!;
      ids[at] = ids[at - 1]!;
    }
    logits[at] = logit;
    ids[at] = id;
  }
  return { ids: ids.subarray(0, filled), logits: logits.subarray(0, filled) };
}

const sortBits = new DataView(new ArrayBuffer(4));

/** A float32 as an unsigned integer of the same order. */
function orderOf(value: number): number {
  sortBits.setFloat32(0, value);
  const bits = sortBits.getUint32(0);
  return (bits & 0x80000000) !== 0 ? ~bits >>> 0 : (bits | 0x80000000) >>> 0;
}

/** Ids above this do not fit the sort keys below. */
export const LARGEST_VOCABULARY = 2 ** 21;

/** All finite tokens of a row, sorted. Key: (descending logit, ascending id) in the 53 exact bits of a double. */
export function sortRow(row: Float32Array): { ids: Int32Array; logits: Float32Array } {
  const keys = new Float64Array(row.length);
  let count = 0;
  for (let id = 0; id < row.length; id++) {
    // -0 and 0 are equal logits, so they get one key
    if (row[id] !== -Infinity) keys[count++] = (0xffffffff - orderOf(row[id]! + 0)) * LARGEST_VOCABULARY + id;
  }
  const sorted = keys.subarray(0, count).sort();
  const ids = Int32Array.from(sorted, (key) => key % LARGEST_VOCABULARY);
  return { ids, logits: Float32Array.from(ids, (id) => row[id]!) };
}

/** Mass of a whole row relative to `best`, summed in order of id. */
export function massOfRow(row: Float32Array, best: number, temperature: number): number {
  let sum = 0;
  for (let id = 0; id < row.length; id++) {
    // masked rows are mostly empty, and an exponential is slow
    if (row[id] !== -Infinity) sum += Math.exp((row[id]! - best) / temperature);
  }
  return sum;
}
