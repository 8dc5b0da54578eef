/**
 * Who gets a new request, by name: in turn, to the shortest queue, to the least loaded memory (INFaaS++, as Llumnix's
 * evaluation extends INFaaS), to the freest (Llumnix). The last two count everything that is queued, and what they have
 * sent themselves since the load they look at was taken: one dispatcher with old loads does not send a heap of requests
 * to one place.
 */
import { fail } from "../../core/index.ts";
import { dispatchFreeness, NO_DEMAND, withUrgentShare, type ExtraDemand, type FreenessOptions } from "./freeness.ts";
import type { Dispatch, FleetRequest, InstanceLoad } from "./types.ts";

/** One instance after the other, whatever they have to do. */
export function roundRobin(): Dispatch {
  let next = 0;
  return {
    name: "round-robin",
    choose: (request, candidates) => {
      const able = ableTo(request, candidates);
      if (able.length === 0) return null;
      const chosen = able[next % able.length]!;
      next = (next + 1) % able.length;
      return chosen;
    },
  };
}

/** Fewest requests, waiting and running; the lowest index of several. */
export function leastQueue(): Dispatch {
  return {
    name: "least-queue",
    choose: (request, candidates) => lightestAble(request, candidates, (load) => load.waiting + load.running),
  };
}

/** The smallest share of memory in use and asked for by the queue, the request itself included. */
export function infaasDispatch(): Dispatch {
  const sent = new SentDemand();
  return {
    name: "infaas",
    choose: (request, candidates) => {
      const weigh = (load: InstanceLoad): number =>
        (load.usedPages + load.waitingPages + sent.since(load).pages + pagesOf(request, load)) / load.totalPages;
      return sent.note(request, lightestAble(request, candidates, weigh));
    },
  };
}

/**
 * The largest freeness with all queued demand counted, the request itself included. Of equal ones the emptiest, then the
 * lowest index.
 */
export function llumnixDispatch(options: FreenessOptions = {}): Dispatch {
  const sent = new SentDemand();
  return {
    name: "llumnix",
    choose: (request, candidates) => {
      const urgent = isUrgent(request);
      const shared = withUrgentShare(candidates, options);
      const weigh = (load: InstanceLoad): number => {
        const extra = sent.since(load);
        const pages = pagesOf(request, load);
        return -dispatchFreeness(load, urgent, shared, {
          requests: extra.requests + 1,
          pages: extra.pages + pages,
          urgentRequests: extra.urgentRequests + 1,
          urgentPages: extra.urgentPages + pages,
        });
      };
      return sent.note(request, lightestAble(request, candidates, weigh));
    },
  };
}

const isUrgent = ({ priority = 0 }: FleetRequest): boolean => priority > 0;

const pagesOf = ({ promptTokens }: FleetRequest, { pageTokens }: InstanceLoad): number =>
  Math.ceil(promptTokens / pageTokens);

/** Room for the prompt and one token, if nothing else were there. */
function holds(load: InstanceLoad, { promptTokens }: FleetRequest): boolean {
  return load.totalPages * load.pageTokens > promptTokens;
}

function ableTo(request: FleetRequest, candidates: readonly InstanceLoad[]): readonly InstanceLoad[] {
  return candidates.every((load) => holds(load, request))
    ? candidates
    : candidates.filter((load) => holds(load, request));
}

function lightestAble(
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

/** What was sent to each instance since the load that is looked at was taken; nothing to fresh loads. */
class SentDemand {
  readonly #byIndex = new Map<number, ExtraDemand & { readonly takenMs: number }>();

  since({ index, takenMs }: InstanceLoad): ExtraDemand {
    const sent = this.#byIndex.get(index);
    return sent === undefined || sent.takenMs !== takenMs ? NO_DEMAND : sent;
  }

  note(request: FleetRequest, load: InstanceLoad | null): InstanceLoad | null {
    if (load?.takenMs === undefined) return load;
    const before = this.since(load);
    const [pages, urgent] = [pagesOf(request, load), isUrgent(request) ? 1 : 0];
    this.#byIndex.set(load.index, {
      takenMs: load.takenMs,
      requests: before.requests + 1,
      pages: before.pages + pages,
      urgentRequests: before.urgentRequests + urgent,
      urgentPages: before.urgentPages + urgent * pages,
    });
    return load;
  }
}

const DISPATCHERS: Readonly<Record<string, () => Dispatch>> = {
  "round-robin": roundRobin,
  "least-queue": leastQueue,
  infaas: infaasDispatch,
  llumnix: llumnixDispatch,
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
