/**
 * K-medoids: k members of a set that stand for all of it, so that the distances of the others to the
 * nearest one are small. Seeded farthest-first (Gonzalez 1985), then improved by turns: everybody joins
 * the nearest medoid, every group chooses its best member (Park and Jun 2009). Deterministic.
 *
 * It finds a good choice, not the best one; rounds are few, so the time is bounded by O(n^2).
 */
import { assert } from "../../core/index.ts";

const MAX_ROUNDS = 6;

/** Distances between n members, row by row, n * n of them. */
export type DistanceMatrix = Float32Array;

/** The distances between n members. */
export function distanceMatrix(n: number, distance: (a: number, b: number) => number): DistanceMatrix {
  const matrix = new Float32Array(n * n);
  for (let a = 0; a < n; a++) {
    for (let b = a + 1; b < n; b++) {
      const d = distance(a, b);
      matrix[a * n + b] = d;
      matrix[b * n + a] = d;
    }
  }
  return matrix;
}

/** k different members, ascending; all when k is no less than n. */
export function kMedoids(matrix: DistanceMatrix, n: number, k: number): number[] {
  assert(matrix.length === n * n && k >= 1, "k-medoids takes an n by n matrix and at least one medoid");
  if (k >= n) return Array.from({ length: n }, (_, i) => i);
  let medoids = farthestFirst(matrix, n, k);
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const next = bestMembers(matrix, n, medoids);
    if (next.every((member, i) => member === medoids[i])) break;
    medoids = next;
  }
  return medoids.toSorted((a, b) => a - b);
}

/** The sum over all members of the distance to the nearest medoid. */
export function medoidCost(matrix: DistanceMatrix, n: number, medoids: readonly number[]): number {
  let cost = 0;
  for (let member = 0; member < n; member++) {
    let nearest = Infinity;
    for (const medoid of medoids) nearest = Math.min(nearest, matrix[member * n + medoid]!);
    cost += nearest;
  }
  return cost;
}

function farthestFirst(matrix: DistanceMatrix, n: number, k: number): number[] {
  const medoids = [0];
  const nearest = matrix.slice(0, n);
  nearest[0] = -1; // chosen: never again, also among equal members
  while (medoids.length < k) {
    let far = 0;
    for (let i = 1; i < n; i++) if (nearest[i]! > nearest[far]!) far = i;
    medoids.push(far);
    for (let i = 0; i < n; i++) nearest[i] = Math.min(nearest[i]!, matrix[far * n + i]!);
    nearest[far] = -1;
  }
  return medoids;
}

function bestMembers(matrix: DistanceMatrix, n: number, medoids: readonly number[]): number[] {
  const groups: number[][] = medoids.map((medoid) => [medoid]);
  const chosen = new Set(medoids);
  for (let member = 0; member < n; member++) {
    if (chosen.has(member)) continue; // a medoid stays in its own group, also beside an equal one
    let group = 0;
    for (const [i, medoid] of medoids.entries()) {
      if (matrix[member * n + medoid]! < matrix[member * n + medoids[group]!]!) group = i;
    }
    groups[group]!.push(member);
  }
  return groups.map((members) => {
    let best = members[0]!;
    let bestSum = Infinity;
    for (const candidate of members) {
      let sum = 0;
      for (const other of members) sum += matrix[candidate * n + other]!;
      if (sum < bestSum) {
        best = candidate;
        bestSum = sum;
      }
    }
    return best;
  });
}
