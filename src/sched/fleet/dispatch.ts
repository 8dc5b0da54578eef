/**
 * Who gets a new request, by name: in turn, to the shortest queue, to the least loaded memory (INFaaS++, as Llumnix's
 * evaluation extends INFaaS), to the freest (Llumnix), to where most of its prompt is cached (affinity.ts), to where it is in
 * time (deadline-aware.ts). All but the first count everything that is queued, and what they have sent themselves since the
 * load they look at was taken.
 */
import { fail } from "../../core/index.ts";
import { kvAwareDispatch, lmetricDispatch } from "./affinity.ts";
import { ableTo, lightestAble } from "./candidates.ts";
import { deadlineAwareDispatch } from "./deadline-aware.ts";
import { dispatchFreeness, withUrgentShare, type FreenessOptions } from "./freeness.ts";
import { isUrgent, pagesOf, SentDemand } from "./sent.ts";
import type { Dispatch, InstanceLoad } from "./types.ts";

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
  const sent = new SentDemand();
  return {
    name: "least-queue",
    choose: (request, candidates) => {
      const weigh = (load: InstanceLoad): number => load.waiting + load.running + sent.since(load).requests;
      return sent.note(request, lightestAble(request, candidates, weigh));
    },
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
          tokens: extra.tokens,
          urgentRequests: extra.urgentRequests + 1,
          urgentPages: extra.urgentPages + pages,
        });
      };
      return sent.note(request, lightestAble(request, candidates, weigh));
    },
  };
}

const DISPATCHERS: Readonly<Record<string, () => Dispatch>> = {
  "round-robin": roundRobin,
  "least-queue": leastQueue,
  infaas: infaasDispatch,
  llumnix: llumnixDispatch,
  "kv-aware": kvAwareDispatch,
  lmetric: lmetricDispatch,
  "deadline-aware": deadlineAwareDispatch,
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
