/** Least squares with coefficients of at least 0, weighted; for a handful of columns. */
import { assert } from "../../core/index.ts";

const MAX_SWEEPS = 20_000;

/**
 * The x >= 0 that minimises the sum of weights[i] * (rows[i] · x - targets[i])², by coordinate descent on the normal
 * equations: exact in the limit, deterministic, and indifferent to columns that nothing decides (they stay 0).
 */
export function nonNegativeLeastSquares(
  rows: readonly (readonly number[])[],
  targets: readonly number[],
  weights: readonly number[],
): number[] {
  assert(rows.length === targets.length && rows.length === weights.length, "every row has a target and a weight");
  const columns = rows[0]?.length ?? 0;
  const products = Array.from({ length: columns }, () => new Float64Array(columns));
  const right = new Float64Array(columns);
  for (const [i, row] of rows.entries()) {
    const weight = weights[i]!;
    for (let j = 0; j < columns; j++) {
      right[j]! += weight * row[j]! * targets[i]!;
      for (let k = 0; k < columns; k++) products[j]![k]! += weight * row[j]! * row[k]!;
    }
  }
  const x = new Float64Array(columns);
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let moved = 0;
    for (let j = 0; j < columns; j++) {
      const own = products[j]![j]!;
      if (own <= 0) continue;
      let rest = right[j]!;
      for (let k = 0; k < columns; k++) if (k !== j) rest -= products[j]![k]! * x[k]!;
      const next = Math.max(0, rest / own);
      // In the unit of what the column contributes, so that columns of any scale stop together.
      moved = Math.max(moved, Math.abs(next - x[j]!) * Math.sqrt(own));
      x[j] = next;
    }
    if (moved < 1e-12 * Math.sqrt(rows.length)) break;
  }
  return [...x];
}
