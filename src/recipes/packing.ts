/**
 * Items of tokens packed into rows, several to a row, as the training graph wants them: next-token
 * targets, positions that restart in each item, and a segment number so that attention stays inside.
 *
 *   row:      [ item 1 ........ ][ item 2 .... ][ padding ]
 *   segment:    1 1 1 1 1 1 1 1    2 2 2 2 2 2    0 0 0 0
 */
import { assert } from "../core/index.ts";
import { IGNORED_TARGET, type PackedShape } from "../llm/index.ts";
import type { TensorData } from "../graph/index.ts";

/** One training sequence: `lossMask[i]` is 1 where predicting tokens[i] counts, 0 where it is given. */
export interface TokenItem {
  readonly tokens: readonly number[];
  readonly lossMask: ArrayLike<number>;
}

/** A batch under construction; all arrays are [batch, length], row-major. */
export class PackedBatch {
  readonly shape: PackedShape;
  readonly #givenWeight: number;
  readonly #ids: BigInt64Array;
  readonly #targets: BigInt64Array;
  readonly #weights: Float32Array;
  readonly #positions: BigInt64Array;
  readonly #segments: BigInt64Array;
  readonly #used: Int32Array;
  readonly #items: Int32Array;
  #targetWeight = 0;

  /** @param givenWeight weight in the loss of predicting given tokens, beside 1 for those that the mask counts */
  constructor(shape: PackedShape, givenWeight = 0) {
    const size = shape.batch * shape.length;
    this.shape = shape;
    this.#givenWeight = givenWeight;
    this.#ids = new BigInt64Array(size);
    this.#targets = new BigInt64Array(size).fill(BigInt(IGNORED_TARGET));
    this.#weights = new Float32Array(size);
    this.#positions = new BigInt64Array(size);
    this.#segments = new BigInt64Array(size);
    this.#used = new Int32Array(shape.batch);
    this.#items = new Int32Array(shape.batch);
  }

  /** Weights of all targets together, over which the loss is a mean. */
  get targetWeight(): number {
    return this.#targetWeight;
  }

  /** Tokens of items, without padding. */
  get usedTokens(): number {
    return this.#used.reduce((sum, used) => sum + used, 0);
  }

  /** Puts the item into the fullest row with room; false, and nothing changed, when no row has any. */
  add(item: TokenItem): boolean {
    assert(item.tokens.length === item.lossMask.length, "a mask entry for each token");
    const inputs = item.tokens.length - 1; // the last token is only a target
    const row = this.#fullestWithRoom(inputs);
    if (row < 0) return false;
    const start = row * this.shape.length + this.#used[row]!;
    const segment = BigInt((this.#items[row]! += 1));
    for (let i = 0; i < inputs; i++) {
      this.#ids[start + i] = BigInt(item.tokens[i]!);
      this.#positions[start + i] = BigInt(i);
      this.#segments[start + i] = segment;
      const weight = item.lossMask[i + 1] === 1 ? 1 : this.#givenWeight;
      if (weight === 0) continue;
      this.#targets[start + i] = BigInt(item.tokens[i + 1]!);
      this.#weights[start + i] = weight;
      this.#targetWeight += weight;
    }
    this.#used[row]! += inputs;
    return true;
  }

  #fullestWithRoom(tokens: number): number {
    let best = -1;
    for (let row = 0; row < this.shape.batch; row++) {
      if (this.#used[row]! + tokens > this.shape.length) continue;
      if (best < 0 || this.#used[row]! > this.#used[best]!) best = row;
    }
    return best;
  }

  /** The graph's feeds. */
  feeds(): Record<"ids" | "targets" | "weights" | "positions" | "segments", TensorData> {
    const dims = [this.shape.batch, this.shape.length];
    const tensor = (data: BigInt64Array): TensorData => ({ dtype: "int64", dims, data });
    return {
      ids: tensor(this.#ids),
      targets: tensor(this.#targets),
      weights: { dtype: "float32", dims, data: this.#weights },
      positions: tensor(this.#positions),
      segments: tensor(this.#segments),
    };
  }
}

/** Items in a row that may fail to fit before a batch counts as full. */
const MISFITS = 6;

/** A batch filled from `draw`. Items longer than a row are dropped; they count as misfits. */
export function packBatch(shape: PackedShape, draw: () => TokenItem, givenWeight = 0): PackedBatch {
  const batch = new PackedBatch(shape, givenWeight);
  let misfits = 0;
  while (misfits < MISFITS) misfits = batch.add(draw()) ? 0 : misfits + 1;
  return batch;
}
