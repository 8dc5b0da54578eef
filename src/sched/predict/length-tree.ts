/**
 * One tree of a quantile regression forest: grown by variance reduction on the logarithm of the length,
 * each split among a random few of the features, from a random half of the log; then every request of the
 * log is put into its leaf, and leaves keep lengths, not means (Meinshausen 2006).
 *
 * Arrays are allocated once for the largest log and reused whenever the tree is grown anew.
 */
import { assert, type RandomStream } from "../../core/index.ts";
import { FEATURE_COUNT, FEATURE_LEVELS, type LengthFeatures } from "./features.ts";

/** Finished requests as parallel arrays; row i of `features` starts at i * FEATURE_COUNT. */
export interface LengthLog {
  readonly features: Uint8Array;
  readonly tokens: Float64Array;
  readonly logTokens: Float64Array;
  readonly size: number;
}

/** How trees are grown. */
export interface TreeShape {
  /** Fewest requests of the growing half in a leaf. */
  readonly minLeaf: number;
  /** Features tried at a split, at most FEATURE_COUNT. */
  readonly tried: number;
  readonly maxDepth: number;
}

/** Arrays that growing needs for itself; one set serves all trees of a forest, one after another. */
export class TreeScratch {
  readonly rows: Int32Array;
  readonly leafOf: Int32Array;
  readonly order = Int32Array.from({ length: FEATURE_COUNT }, (_, i) => i);
  readonly counts = new Int32Array(FEATURE_LEVELS);
  readonly sums = new Float64Array(FEATURE_LEVELS);

  constructor(capacity: number) {
    this.rows = new Int32Array(capacity);
    this.leafOf = new Int32Array(capacity);
  }
}

/** Most lengths that one leaf adds to a prediction: a tree that found nothing to split has the whole log in one. */
export const MAX_GATHERED = 32;

/** A node whose rows are rows[start .. end). */
interface Open {
  readonly node: number;
  readonly start: number;
  readonly end: number;
  readonly depth: number;
}

interface Split {
  readonly feature: number;
  /** Levels up to this one go left. */
  readonly threshold: number;
}

/** The tree at the head of this file. Empty until it is grown for the first time. */
export class LengthTree {
  /** -1 at a leaf. */
  readonly #feature: Int8Array;
  readonly #threshold: Uint8Array;
  /** The right child follows the left one. */
  readonly #left: Int32Array;
  /** Leaf of node n: lengths[first[n] .. first[n] + count[n]). */
  readonly #first: Int32Array;
  readonly #count: Int32Array;
  readonly #lengths: Float64Array;
  #nodes = 0;
  /** Which lengths of a large leaf are taken, in [0, 1): another choice in every tree. */
  #phase = 0;

  /** @param capacity requests of the largest log. */
  constructor(capacity: number, minLeaf: number) {
    const nodes = 2 * Math.ceil(capacity / (2 * minLeaf)) + 1;
    this.#feature = new Int8Array(nodes);
    this.#threshold = new Uint8Array(nodes);
    this.#left = new Int32Array(nodes);
    this.#first = new Int32Array(nodes);
    this.#count = new Int32Array(nodes);
    this.#lengths = new Float64Array(capacity);
  }

  /** Replaces what the tree was. O(size * tried * depth). */
  grow(log: LengthLog, shape: TreeShape, random: RandomStream, scratch: TreeScratch): void {
    assert(log.size > 0 && log.size <= this.#lengths.length, "a log within the capacity of the tree");
    const half = drawHalf(scratch.rows, log.size, random);
    this.#nodes = 1;
    this.#phase = random.uniform();
    const open: Open[] = [{ node: 0, start: 0, end: half, depth: 0 }];
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const split = at.depth < shape.maxDepth ? bestSplit(log, at, shape, random, scratch) : null;
      if (split === null) {
        this.#feature[at.node] = -1;
        continue;
      }
      const middle = partition(log.features, scratch.rows, at, split);
      const left = this.#nodes;
      this.#nodes += 2;
      this.#feature[at.node] = split.feature;
      this.#threshold[at.node] = split.threshold;
      this.#left[at.node] = left;
      open.push({ node: left + 1, start: middle, end: at.end, depth: at.depth + 1 });
      open.push({ node: left, start: at.start, end: middle, depth: at.depth + 1 });
    }
    this.#fill(log, scratch.leafOf);
  }

  /**
   * Writes the lengths in the leaf of these features, evenly spaced ones of a large leaf, each with weight
   * 1 / their number; returns how many, at most MAX_GATHERED.
   */
  gather(features: LengthFeatures, tokens: Float64Array, weights: Float64Array, offset: number): number {
    const leaf = this.#leaf(features, 0);
    const first = this.#first[leaf]!;
    const all = this.#count[leaf]!;
    const count = Math.min(all, MAX_GATHERED);
    for (let i = 0; i < count; i++) {
      tokens[offset + i] = this.#lengths[first + Math.floor(((i + this.#phase) * all) / count)]!;
      weights[offset + i] = 1 / count;
    }
    return count;
  }

  #leaf(features: Uint8Array, base: number): number {
    let node = 0;
    for (let feature = this.#feature[0]!; feature >= 0; feature = this.#feature[node]!) {
      node = this.#left[node]! + (features[base + feature]! > this.#threshold[node]! ? 1 : 0);
    }
    return node;
  }

  #fill({ features, tokens, size }: LengthLog, leafOf: Int32Array): void {
    this.#count.fill(0, 0, this.#nodes);
    for (let row = 0; row < size; row++) {
      const leaf = this.#leaf(features, row * FEATURE_COUNT);
      leafOf[row] = leaf;
      this.#count[leaf]! += 1;
    }
    let first = 0;
    for (let node = 0; node < this.#nodes; node++) {
      this.#first[node] = first;
      first += this.#count[node]!;
      this.#count[node] = 0;
    }
    for (let row = 0; row < size; row++) {
      const leaf = leafOf[row]!;
      this.#lengths[this.#first[leaf]! + this.#count[leaf]!] = tokens[row]!;
      this.#count[leaf]! += 1;
    }
  }
}

/** Rows 0 to size-1 with a random half of them in front; returns how many that is. */
function drawHalf(rows: Int32Array, size: number, random: RandomStream): number {
  for (let i = 0; i < size; i++) rows[i] = i;
  const half = Math.max(1, size >> 1);
  for (let i = 0; i < half; i++) swap(rows, i, random.int(i, size - 1));
  return half;
}

function swap(array: Int32Array, i: number, j: number): void {
  const held = array[i]!;
  array[i] = array[j]!;
  array[j] = held;
}

/** The split with the largest variance reduction among some random features; null when none leaves two leaves. */
function bestSplit(
  log: LengthLog,
  at: Open,
  { minLeaf, tried }: TreeShape,
  random: RandomStream,
  scratch: TreeScratch,
): Split | null {
  const { rows, order, counts, sums } = scratch;
  const total = at.end - at.start;
  if (total < 2 * minLeaf) return null;
  let best: Split | null = null;
  let bestScore = -Infinity;
  for (let k = 0; k < tried; k++) {
    swap(order, k, random.int(k, FEATURE_COUNT - 1));
    const feature = order[k]!;
    counts.fill(0);
    sums.fill(0);
    let sum = 0;
    for (let i = at.start; i < at.end; i++) {
      const row = rows[i]!;
      const level = log.features[row * FEATURE_COUNT + feature]!;
      counts[level]! += 1;
      sums[level]! += log.logTokens[row]!;
      sum += log.logTokens[row]!;
    }
    let left = 0;
    let leftSum = 0;
    for (let level = 0; level < FEATURE_LEVELS - 1; level++) {
      if (counts[level] === 0) continue;
      left += counts[level]!;
      leftSum += sums[level]!;
      if (left < minLeaf) continue;
      if (total - left < minLeaf) break;
      const score = leftSum ** 2 / left + (sum - leftSum) ** 2 / (total - left);
      if (score <= bestScore) continue;
      bestScore = score;
      best = { feature, threshold: level };
    }
  }
  return best;
}

/** Rows that go left in front; returns where the right ones start. */
function partition(features: Uint8Array, rows: Int32Array, { start, end }: Open, split: Split): number {
  let middle = start;
  for (let i = start; i < end; i++) {
    if (features[rows[i]! * FEATURE_COUNT + split.feature]! > split.threshold) continue;
    swap(rows, i, middle);
    middle += 1;
  }
  return middle;
}
