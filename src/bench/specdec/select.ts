/**
 * SPEED-Bench's diversity selection: k of n candidates with the least sum of similarities between them,
 *
 *   L(S) = Σ_{i∈S} Σ_{j∈S, j≠i} x_i·x_j,
 *
 * by greedy additions and then by swaps until none improves. Run backwards it finds the most alike, which is how the
 * bias of a narrow test set is shown. Not an exact search: from a few random starts the best local optimum.
 */
import { assert, type RandomStream } from "../../core/index.ts";
import { similarities, type Embeddings } from "./embed.ts";

/** How to select. */
export interface SelectOptions {
  readonly count: number;
  /** Least alike, or most alike. */
  readonly sense: "diverse" | "alike";
  /** Random first members to try; 3 when absent. */
  readonly starts?: number;
  /** Most swaps per start; 10 per member when absent. */
  readonly maxSwaps?: number;
  /** A group of every candidate, and how many of each group to take: selections of equal lengths, for example. */
  readonly groups?: readonly number[];
  readonly quotas?: ReadonlyMap<number, number>;
}

/** Indices of the selected candidates, ascending. */
export function selectDiverse(embeddings: Embeddings, options: SelectOptions, random: RandomStream): readonly number[] {
  const { count, starts = 3 } = options;
  assert(count >= 1 && count <= embeddings.count, "a selection takes from 1 to all candidates");
  let best: readonly number[] | null = null;
  let bestSum = Infinity;
  for (let start = 0; start < starts; start++) {
    const search = new Search(embeddings, options);
    search.fill(random.int(0, embeddings.count - 1));
    search.refine();
    const total = search.total();
    if (total < bestSum - 1e-9) [best, bestSum] = [search.members(), total];
  }
  return best ?? [];
}

/** L(S) / (k (k − 1)): the mean similarity of two different members; 0 below two. */
export function averageSimilarity(embeddings: Embeddings, members: readonly number[]): number {
  const { dimensions, offsets, places, weights } = embeddings;
  const k = members.length;
  if (k < 2) return 0;
  // Σ_{i≠j} x_i·x_j = |Σ x_i|² − Σ |x_i|², in one pass.
  const sum = new Float64Array(dimensions);
  let squares = 0;
  for (const member of members) {
    for (let e = offsets[member]!; e < offsets[member + 1]!; e++) {
      sum[places[e]!]! += weights[e]!;
      squares += weights[e]! ** 2;
    }
  }
  let whole = 0;
  for (const value of sum) whole += value * value;
  return Math.max(0, whole - squares) / (k * (k - 1)); // rounding can fall below what unlike texts have in common
}

/** The mean of `averageSimilarity` over random selections of that size. */
export function randomSimilarity(embeddings: Embeddings, count: number, draws: number, random: RandomStream): number {
  const all = Array.from({ length: embeddings.count }, (_, i) => i);
  let total = 0;
  for (let i = 0; i < draws; i++) total += averageSimilarity(embeddings, random.shuffled(all).slice(0, count));
  return total / draws;
}

/** One search from one start. `#toSet[i]` is the sum of similarities of i to the set, itself included if a member. */
class Search {
  readonly #embeddings: Embeddings;
  readonly #options: SelectOptions;
  readonly #sign: 1 | -1;
  readonly #toSet: Float64Array;
  /** Similarities of each member to all candidates. */
  readonly #rows = new Map<number, Float64Array>();
  readonly #left: Map<number, number>;

  constructor(embeddings: Embeddings, options: SelectOptions) {
    this.#embeddings = embeddings;
    this.#options = options;
    this.#sign = options.sense === "diverse" ? 1 : -1;
    this.#toSet = new Float64Array(embeddings.count);
    this.#left = new Map(options.quotas ?? []);
  }

  fill(first: number): void {
    const isOpen = this.#isOpen(first);
    if (isOpen) this.#add(first);
    while (this.#rows.size < this.#options.count) {
      let best = -1;
      for (let i = 0; i < this.#embeddings.count; i++) {
        if (this.#rows.has(i) || !this.#isOpen(i)) continue;
        if (best < 0 || this.#sign * (this.#toSet[i]! - this.#toSet[best]!) < 0) best = i;
      }
      assert(best >= 0, "quotas leave room for the whole selection");
      this.#add(best);
    }
  }

  /** Swaps a member for a candidate as long as that improves the sum. */
  refine(): void {
    const limit = this.#options.maxSwaps ?? 10 * this.#options.count;
    for (let swaps = 0; swaps < limit; swaps++) {
      const swap = this.#bestSwap();
      if (swap === null) return;
      this.#remove(swap.out);
      this.#add(swap.in);
    }
  }

  #bestSwap(): { readonly out: number; readonly in: number } | null {
    const { groups } = this.#options;
    let best: { out: number; in: number } | null = null;
    let gain = -1e-7; // below what rounding can pretend
    for (const [out, row] of this.#rows) {
      const lost = this.#toSet[out]! - row[out]!;
      for (let i = 0; i < this.#embeddings.count; i++) {
        if (this.#rows.has(i) || (groups !== undefined && groups[i] !== groups[out])) continue;
        const delta = this.#sign * (this.#toSet[i]! - row[i]! - lost);
        if (delta < gain) [best, gain] = [{ out, in: i }, delta];
      }
    }
    return best;
  }

  #isOpen(candidate: number): boolean {
    const { groups, quotas } = this.#options;
    return groups === undefined || quotas === undefined || (this.#left.get(groups[candidate]!) ?? 0) > 0;
  }

  #add(candidate: number): void {
    const row = similarities(this.#embeddings, candidate);
    this.#rows.set(candidate, row);
    for (let i = 0; i < row.length; i++) this.#toSet[i]! += row[i]!;
    this.#take(candidate, -1);
  }

  #remove(member: number): void {
    const row = this.#rows.get(member)!;
    this.#rows.delete(member);
    for (let i = 0; i < row.length; i++) this.#toSet[i]! -= row[i]!;
    this.#take(member, 1);
  }

  #take(candidate: number, by: number): void {
    const group = this.#options.groups?.[candidate];
    if (group !== undefined) this.#left.set(group, (this.#left.get(group) ?? 0) + by);
  }

  /** L(S), with the sign of the search: smaller is better. */
  total(): number {
    let total = 0;
    for (const [member, row] of this.#rows) total += this.#toSet[member]! - row[member]!;
    return this.#sign * total;
  }

  members(): readonly number[] {
    return [...this.#rows.keys()].toSorted((a, b) => a - b);
  }
}
