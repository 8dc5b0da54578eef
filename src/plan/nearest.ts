/**
 * When nothing attains: the placement of each mode that comes nearest with all the devices there are. A split of phases
 * is looked for among at most a dozen, evenly spread.
 */
import { describePlacement, devicesOf, devicesOfChoice, pricePerHourOf } from "./placement.ts";
import { pairsOf, singlesOf, type SearchSpace } from "./search.ts";
import type { Evaluator } from "./evaluator.ts";
import type { Placement, PlacementMode } from "./types.ts";

const MOST_SPLITS = 12;

/** The best of each mode; of equal shares the cheapest. */
export async function nearestPlacements(evaluator: Evaluator, space: SearchSpace): Promise<Placement[]> {
  const nearest: Placement[] = [];
  for (const mode of space.modes) {
    let best: { placement: Placement; share: number } | null = null;
    for (const placement of largestOf(mode, space)) {
      const { share } = await evaluator.point(placement, { whole: true });
      const isCheaper =
        best !== null && share === best.share && pricePerHourOf(placement) < pricePerHourOf(best.placement);
      if (best === null || share > best.share || isCheaper) best = { placement, share };
    }
    if (best !== null) nearest.push(best.placement);
  }
  return nearest;
}

/** Placements that take as many devices as there are. */
export function largestOf(mode: PlacementMode, space: SearchSpace): Placement[] {
  const most = space.devices[1];
  if (mode !== "disaggregated") {
    return singlesOf(mode, space).flatMap(({ on, at }) => {
      const instances = Math.floor(most / devicesOfChoice(on));
      return instances < 1 ? [] : [at(instances)];
    });
  }
  const placements = new Map<string, Placement>();
  for (const [prefill, decode] of pairsOf(space)) {
    const [p, d] = [devicesOfChoice(prefill), devicesOfChoice(decode)];
    const mostX = Math.floor((most - d) / p);
    for (let i = 0; i < Math.min(MOST_SPLITS, mostX); i++) {
      const prefills = 1 + Math.floor((i * mostX) / Math.min(MOST_SPLITS, mostX));
      const decodes = Math.floor((most - prefills * p) / d);
      if (decodes < 1) continue;
      const placement: Placement = { kind: "disaggregated", prefill, prefills, decode, decodes };
      if (devicesOf(placement) <= most) placements.set(describePlacement(placement), placement);
    }
  }
  return [...placements.values()];
}
