/**
 * Which of those that could each be in time can be so together: demands in the order of their deadlines must fit into the
 * machine time before each. Where they do not, those with the least reward per machine time are left out
 * (Moore 1968 leaves out the longest, which is the same when all rewards are equal; then no choice keeps more).
 *
 * The machine is taken as one that serves one demand after the other: what every slot and step adds up to.
 */
import { assert } from "../../core/index.ts";

/** Most demands of one list, and the grain of their deadlines: both fit into one exact number. */
const MAX_DEMANDS = 2 ** 20;
const GRAINS_PER_MS = 16;
const MAX_GRAINS = 2 ** 32;

/** Pieces of work with deadlines; each belongs to a claim, numbered from 0. */
export class DemandList {
  readonly #claims: number[] = [];
  readonly #worksMs: number[] = [];
  /** Deadline and index in one number: sorts as plain numbers, which a comparison function would slow tenfold. */
  readonly #keys: number[] = [];

  /** @param leftMs until it is due, machine time being counted from now. @param workMs machine time it takes. */
  add(claim: number, leftMs: number, workMs: number): void {
    assert(this.#keys.length < MAX_DEMANDS, "a list of demands is bounded");
    const grains = Math.min(MAX_GRAINS, Math.max(0, Math.ceil(leftMs * GRAINS_PER_MS)));
    this.#keys.push(grains * MAX_DEMANDS + this.#keys.length);
    this.#claims.push(claim);
    this.#worksMs.push(workMs);
  }

  /** Calls back for every demand, the earliest deadline first. */
  inOrder(visit: (claim: number, leftMs: number, workMs: number) => void): void {
    const keys = Float64Array.from(this.#keys).sort();
    for (let k = 0; k < keys.length; k++) {
      const key = keys[k]!;
      const grains = Math.floor(key / MAX_DEMANDS);
      const i = key - grains * MAX_DEMANDS;
      visit(this.#claims[i]!, grains / GRAINS_PER_MS, this.#worksMs[i]!);
    }
  }
}

/**
 * For each claim 1 if it is kept, 0 if not. O(n log n).
 * @param densities reward per machine time of each claim.
 */
export function admissible(densities: readonly number[], demands: DemandList): Uint8Array {
  const kept = new Uint8Array(densities.length).fill(1);
  const placedMs = new Float64Array(densities.length);
  const placed = new LeastDense(densities);
  let totalMs = 0;
  demands.inOrder((claim, leftMs, workMs) => {
    if (kept[claim] === 0) return;
    if (placedMs[claim] === 0) placed.push(claim);
    placedMs[claim]! += Math.max(workMs, Number.MIN_VALUE);
    totalMs += workMs;
    while (totalMs > leftMs) {
      const least = placed.pop();
      if (least === undefined) return;
      kept[least] = 0;
      totalMs -= placedMs[least]!;
    }
  });
  return kept;
}

/** A binary heap of claims, the least dense on top; of equal ones the later. */
class LeastDense {
  readonly #densities: readonly number[];
  readonly #heap: number[] = [];

  constructor(densities: readonly number[]) {
    this.#densities = densities;
  }

  push(claim: number): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(claim);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#before(claim, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = claim;
  }

  pop(): number | undefined {
    const heap = this.#heap;
    const [top] = heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return last;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && this.#before(heap[child + 1]!, heap[child]!)) child += 1;
      if (!this.#before(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return top;
  }

  #before(a: number, b: number): boolean {
    const difference = this.#densities[a]! - this.#densities[b]!;
    return difference < 0 || (difference === 0 && a > b);
  }
}
