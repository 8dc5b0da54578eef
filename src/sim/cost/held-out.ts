/**
 * How far a fit is off on steps that it has not seen: the measured sizes are dealt to up to eight parts in turn, each is
 * predicted by a fit of the others. A size that was measured several times is in one part, so that nothing is predicted
 * from itself; the smallest and the largest are predicted from beyond what was seen, so this is no flattering number.
 */
import { PunctualError } from "../../core/index.ts";
import { fitCost, fittedCost, type FittedForm, type StepPoint } from "./fitted.ts";

const MOST_PARTS = 8;

/**
 * Mean of |predicted - measured| / measured over all points; null where there are too few sizes.
 * @param options as for `fitCost`.
 */
export function heldOutError(points: readonly StepPoint[], options: Parameters<typeof fitCost>[1] = {}): number | null {
  const sizes = sameSizes(points);
  const count = Math.min(MOST_PARTS, sizes.length);
  let sum = 0;
  for (let part = 0; part < count; part++) {
    const form = formOf(sizes.filter((_, i) => i % count !== part).flat(), options);
    if (form === null) return null;
    const cost = fittedCost("others", form);
    for (const point of sizes.filter((_, i) => i % count === part).flat()) {
      sum += Math.abs(cost.stepMs(point) / point.stepMs - 1);
    }
  }
  return points.length === 0 ? null : sum / points.length;
}

/** The points by size, ascending. */
function sameSizes(points: readonly StepPoint[]): StepPoint[][] {
  const sizes: StepPoint[][] = [];
  for (const point of points.toSorted(bySize)) {
    const last = sizes.at(-1);
    if (last !== undefined && bySize(last[0]!, point) === 0) last.push(point);
    else sizes.push([point]);
  }
  return sizes;
}

function bySize(a: StepPoint, b: StepPoint): number {
  return (
    a.tokens - b.tokens || a.prefillSquares - b.prefillSquares || a.decodeContext - b.decodeContext || a.rows - b.rows
  );
}

/** Null where nothing can be fitted. */
function formOf(points: readonly StepPoint[], options: Parameters<typeof fitCost>[1]): FittedForm | null {
  try {
    return fitCost(points, options).form;
  } catch (error) {
    if (error instanceof PunctualError) return null;
    throw error;
  }
}
