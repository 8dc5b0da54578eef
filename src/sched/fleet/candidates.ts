/** Choosing among instances by a weight. */
import type { FleetRequest, InstanceLoad } from "./types.ts";

/** Room for the prompt and one token, if nothing else were there. */
function holds(load: InstanceLoad, { promptTokens }: FleetRequest): boolean {
  return load.totalPages * load.pageTokens > promptTokens;
}

/** Those that can hold the prompt. */
export function ableTo(request: FleetRequest, candidates: readonly InstanceLoad[]): readonly InstanceLoad[] {
  return candidates.every((load) => holds(load, request))
    ? candidates
    : candidates.filter((load) => holds(load, request));
}

/** The lightest of those that can hold the prompt; null when none can. */
export function lightestAble(
  request: FleetRequest,
  candidates: readonly InstanceLoad[],
  weigh: (load: InstanceLoad) => number,
): InstanceLoad | null {
  const able = ableTo(request, candidates);
  return able.length === 0 ? null : lightest(able, weigh);
}

/** The candidate of the smallest weight, the first of several. */
export function lightest(candidates: readonly InstanceLoad[], weigh: (load: InstanceLoad) => number): InstanceLoad {
  let best = candidates[0]!;
  let least = weigh(best);
  for (let i = 1; i < candidates.length; i++) {
    const weight = weigh(candidates[i]!);
    if (weight >= least) continue;
    least = weight;
    best = candidates[i]!;
  }
  return best;
}
