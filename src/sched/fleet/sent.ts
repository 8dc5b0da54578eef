/**
 * What a dispatcher has sent to each instance since the load that it looks at was taken: one dispatcher with old loads does
 * not send a heap of requests to one place. Fresh loads need no such memory.
 */
import { NO_DEMAND, type ExtraDemand } from "./freeness.ts";
import type { Slo } from "../types.ts";
import type { FleetRequest, InstanceLoad } from "./types.ts";

/**
 * The priority of a request where none is named: above 0 for class "latency", the objective of who reads each token as it
 * comes (the service tier "priority" is short for one). A late batch or task loses its deadline as a whole; a late token is
 * seen.
 */
export const priorityBySlo = (slo: Slo | undefined): number => (slo?.class === "latency" ? 1 : 0);

/** Above 0 goes first. */
export const isUrgent = ({ priority = 0 }: FleetRequest): boolean => priority > 0;

/** Pages of the prompt on that instance. */
export const pagesOf = ({ promptTokens }: FleetRequest, { pageTokens }: InstanceLoad): number =>
  Math.ceil(promptTokens / pageTokens);

/** Prompt tokens that the instance would have to compute, at least the last one. */
export function uncachedTokens(request: FleetRequest, load: InstanceLoad): number {
  return Math.max(1, request.promptTokens - load.cachedTokens(request));
}

/** See the head of this file. One object serves one dispatcher. */
export class SentDemand {
  readonly #byIndex = new Map<number, ExtraDemand & { readonly takenMs: number }>();

  /** Nothing when the load is fresh. */
  since({ index, takenMs }: InstanceLoad): ExtraDemand {
    const sent = this.#byIndex.get(index);
    return sent === undefined || sent.takenMs !== takenMs ? NO_DEMAND : sent;
  }

  /** The request goes there, if anywhere; answers where. */
  note(request: FleetRequest, load: InstanceLoad | null): InstanceLoad | null {
    if (load?.takenMs === undefined) return load;
    const before = this.since(load);
    const [pages, urgent] = [pagesOf(request, load), isUrgent(request) ? 1 : 0];
    this.#byIndex.set(load.index, {
      takenMs: load.takenMs,
      requests: before.requests + 1,
      pages: before.pages + pages,
      tokens: before.tokens + uncachedTokens(request, load),
      urgentRequests: before.urgentRequests + urgent,
      urgentPages: before.urgentPages + urgent * pages,
    });
    return load;
  }
}
