/**
 * Byte-pair merging of one piece: repeatedly join the adjacent pair of lowest rank, leftmost first
 * (Sennrich et al. 2016, in the byte-level form of GPT-2).
 *
 * `mergeNaive` says what the result is; `MergeTable.merge` gets it in O(n log n) with a linked list
 * over typed arrays and a heap, so a megabyte without a space costs a second and not a day.
 */
export class MergeTable {
  readonly #vocabSize: number;
  /** left * vocabSize + right → index of the merge. */
  readonly #ranks = new Map<number, number>();
  readonly #results: Int32Array;

  /** @param merges triples [left id, right id, merged id] in order of rank. */
  constructor(vocabSize: number, merges: readonly (readonly [number, number, number])[]) {
    this.#vocabSize = vocabSize;
    this.#results = Int32Array.from(merges, (merge) => merge[2]);
    for (const [rank, [left, right]] of merges.entries()) {
      const key = left * vocabSize + right;
      if (!this.#ranks.has(key)) this.#ranks.set(key, rank);
    }
  }

  /** Rank of the pair, or -1. */
  rank(left: number, right: number): number {
    return this.#ranks.get(left * this.#vocabSize + right) ?? -1;
  }

  /** The id a merge of that rank produces. */
  result(rank: number): number {
    return this.#results[rank]!;
  }

  merge(ids: readonly number[]): number[] {
    return ids.length <= 24 ? mergeNaive(this, ids) : this.#mergeHeap(ids);
  }

  #mergeHeap(ids: readonly number[]): number[] {
    const length = ids.length;
    const symbols = Int32Array.from(ids); // -1: joined into its left neighbour
    const next = Int32Array.from(ids, (_, i) => i + 1);
    const previous = Int32Array.from(ids, (_, i) => i - 1);
    const heap = new KeyHeap(length);
    const offer = (left: number): void => {
      const right = next[left]!;
      if (right >= length) return;
      const rank = this.rank(symbols[left]!, symbols[right]!);
      if (rank >= 0) heap.push(rank * POSITIONS + left);
    };
    for (let i = 0; i + 1 < length; i++) offer(i);
    for (let key = heap.pop(); key >= 0; key = heap.pop()) {
      const rank = Math.floor(key / POSITIONS);
      const left = key - rank * POSITIONS;
      const right = next[left]!;
      // A stale entry: one of its two symbols has changed since it was offered.
      if (symbols[left]! < 0 || right >= length || this.rank(symbols[left]!, symbols[right]!) !== rank) continue;
      symbols[left] = this.#results[rank]!;
      symbols[right] = -1;
      const after = next[right]!;
      next[left] = after;
      if (after < length) previous[after] = left;
      if (previous[left]! >= 0) offer(previous[left]!);
      offer(left);
    }
    return Array.from(symbols.filter((symbol) => symbol >= 0));
  }
}

/** Heap keys are rank * POSITIONS + position: exact in a double for every vocabulary below 2^21 merges. */
const POSITIONS = 2 ** 32;

/** The definition: quadratic, used for short pieces and as the oracle of the test. */
export function mergeNaive(table: MergeTable, ids: readonly number[]): number[] {
  const symbols = ids.slice();
  for (;;) {
    let best = -1;
    let at = -1;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = table.rank(symbols[i]!, symbols[i + 1]!);
      if (rank >= 0 && (best < 0 || rank < best)) {
        best = rank;
        at = i;
      }
    }
    if (at < 0) return symbols;
    symbols.splice(at, 2, table.result(best));
  }
}

/** A binary min-heap of doubles that grows by doubling. */
class KeyHeap {
  #keys: Float64Array;
  #size = 0;

  constructor(capacity: number) {
    this.#keys = new Float64Array(Math.max(16, capacity));
  }

  push(key: number): void {
    if (this.#size === this.#keys.length) {
      const grown = new Float64Array(this.#size * 2);
      grown.set(this.#keys);
      this.#keys = grown;
    }
    const keys = this.#keys;
    let child = this.#size++;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (keys[parent]! <= key) break;
      keys[child] = keys[parent]!;
      child = parent;
    }
    keys[child] = key;
  }

  /** The smallest key, or -1 when empty. */
  pop(): number {
    if (this.#size === 0) return -1;
    const keys = this.#keys;
    const top = keys[0]!;
    const last = keys[--this.#size]!;
    let parent = 0;
    for (;;) {
      let child = 2 * parent + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && keys[child + 1]! < keys[child]!) child += 1;
      if (keys[child]! >= last) break;
      keys[parent] = keys[child]!;
      parent = child;
    }
    keys[parent] = last;
    return top;
  }
}
