/** What each way of routing has done at this router: requests, times to the first token, hits of caches. Bounded. */
import { quantile } from "../../core/index.ts";
import type { FleetRouterView } from "../../protocol/index.ts";
import { ROUTER_NAMES } from "../routing/router.ts";

/** Of the latest so many requests percentiles are told. */
const KEPT = 512;

interface Entry {
  requests: number;
  promptTokens: number;
  cachedTokens: number;
  readonly ttftMs: number[];
  next: number;
}

/** See the head of this file. */
export class RouterStats {
  readonly #entries = new Map<string, Entry>();

  /** It placed a request. */
  placed(router: string): void {
    this.#of(router).requests += 1;
  }

  /** The answer to a request that it placed has ended. @param ttftMs null when no token came */
  finished(router: string, ttftMs: number | null, promptTokens: number, cachedTokens: number): void {
    const entry = this.#of(router);
    entry.promptTokens += promptTokens;
    // Of an answer that was taken up elsewhere, tokens that were said before are found in a cache too.
    entry.cachedTokens += Math.min(cachedTokens, promptTokens);
    if (ttftMs === null) return;
    entry.ttftMs[entry.next] = ttftMs;
    entry.next = (entry.next + 1) % KEPT;
  }

  /** All there are, also those that have placed nothing yet. @param active the one that decides now; it comes first */
  views(active: string): FleetRouterView[] {
    const names = [active, ...ROUTER_NAMES.filter((name) => name !== active)];
    const entries = names.map((name) => [name, this.#of(name)] as const);
    return entries.map(([name, { requests, promptTokens, cachedTokens, ttftMs }]) => ({
      name,
      isActive: name === active,
      requests,
      ttftMs:
        ttftMs.length === 0
          ? null
          : {
              p50: quantile(ttftMs, 0.5),
              p90: quantile(ttftMs, 0.9),
              p99: quantile(ttftMs, 0.99),
              count: ttftMs.length,
            },
      hitShare: promptTokens === 0 ? null : cachedTokens / promptTokens,
    }));
  }

  #of(router: string): Entry {
    let entry = this.#entries.get(router);
    if (entry === undefined) {
      entry = { requests: 0, promptTokens: 0, cachedTokens: 0, ttftMs: [], next: 0 };
      this.#entries.set(router, entry);
    }
    return entry;
  }
}
