/** Dispatchers by name: in turn, and to the shortest queue. */
import { fail } from "../core/index.ts";
import type { Dispatch, InstanceLoad } from "./types.ts";

/** One instance after the other, whatever they have to do. */
export function roundRobin(): Dispatch {
  let next = 0;
  return {
    name: "round-robin",
    choose: (_, candidates) => {
      const chosen = candidates[next % candidates.length]!;
      next = (next + 1) % candidates.length;
      return chosen;
    },
  };
}

/** Fewest requests, waiting and running; the lowest index of several. */
export function leastQueue(): Dispatch {
  return {
    name: "least-queue",
    choose: (_, candidates) => lightest(candidates, (load) => load.waiting + load.running),
  };
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

const DISPATCHERS: Readonly<Record<string, () => Dispatch>> = {
  "round-robin": roundRobin,
  "least-queue": leastQueue,
};

/** The names that createDispatch knows. */
export const DISPATCH_NAMES: readonly string[] = Object.keys(DISPATCHERS);

/** @throws PunctualError invalid_request when there is no dispatcher of that name. */
export function createDispatch(name: string): Dispatch {
  const create = Object.hasOwn(DISPATCHERS, name) ? DISPATCHERS[name] : undefined;
  if (create !== undefined) return create();
  return fail("invalid_request", `dispatch: expected one of ${DISPATCH_NAMES.join(", ")}, got "${name}"`, {
    param: "dispatch",
  });
}
