/** How far two evaluations of the same tokens are apart. Pure functions over rows of logits. */
import { assert } from "../../core/index.ts";

/** Greedy tokens must be equal where the best logit leads the second by more than this. */
export const GREEDY_GAP = 1e-2;

/** Two evaluations held against each other. */
export interface Difference {
  /** Of all log-probabilities, absolute. */
  readonly largest: number;
  readonly mean: number;
  /** Tokens whose successors were compared. */
  readonly rows: number;
  /** Log-probabilities compared. */
  readonly values: number;
  /** Tokens whose best two successors are further apart than GREEDY_GAP in the second evaluation. */
  readonly clear: number;
  /** Of those, how many have the same best successor in both. */
  readonly clearAndEqual: number;
  /** The same best successor, among all tokens. */
  readonly equal: number;
}

/** log of the softmax in double precision. */
function logProbabilities(logits: Float32Array): Float64Array {
  let top = -Infinity;
  for (const logit of logits) top = Math.max(top, logit);
  let total = 0;
  for (const logit of logits) total += Math.exp(logit - top);
  const shift = top + Math.log(total);
  return Float64Array.from(logits, (logit) => logit - shift);
}

function bestTwo(values: Float32Array): { readonly token: number; readonly gap: number } {
  let [token, second] = [0, -Infinity];
  for (let i = 1; i < values.length; i++) {
    if (values[i]! > values[token]!) {
      second = values[token]!;
      token = i;
    } else if (values[i]! > second) second = values[i]!;
  }
  return { token, gap: values[token]! - second };
}

/**
 * Logits [rows, vocab] of ours against theirs. `greedy` are the tokens that they chose, per row; without it their best is
 * what counts. Anything that is not a number makes `largest` NaN, which meets no target.
 */
export function compareLogits(
  ours: Float32Array,
  theirs: Float32Array,
  vocab: number,
  greedy?: readonly number[],
): Difference {
  const rows = theirs.length / vocab;
  assert(ours.length === theirs.length && Number.isInteger(rows) && rows > 0, "two evaluations of the same tokens");
  assert(greedy === undefined || greedy.length === rows, "one chosen token per row");
  let [largest, sum, clear, clearAndEqual, equal] = [0, 0, 0, 0, 0];
  for (let row = 0; row < rows; row++) {
    const [mine, other] = [ours, theirs].map((all) => all.subarray(row * vocab, (row + 1) * vocab)) as [
      Float32Array,
      Float32Array,
    ];
    const reference = logProbabilities(other);
    for (const [token, value] of logProbabilities(mine).entries()) {
      const apart = Math.abs(value - reference[token]!);
      largest = Math.max(largest, apart);
      sum += apart;
    }
    const best = bestTwo(other);
    const isEqual = bestTwo(mine).token === (greedy?.[row] ?? best.token);
    const isClear = best.gap > GREEDY_GAP;
    clear += Number(isClear);
    clearAndEqual += Number(isClear && isEqual);
    equal += Number(isEqual);
  }
  return { largest, mean: sum / ours.length, rows, values: ours.length, clear, clearAndEqual, equal };
}
