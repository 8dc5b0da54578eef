/**
 * The outlook of an engine whose policy may be switched: each kind is made when a policy first rests on it, is told then
 * of the requests that are open, and of everything from then on, so that switching back and forth forgets nothing.
 *
 * With one kind only, which is every engine that is never switched, it is that outlook and a book of open requests.
 */
import {
  createOutlook,
  type ArrivedRequest,
  type Outlook,
  type OutlookKind,
  type RequestOutlook,
} from "../sched/index.ts";

interface OpenRequest {
  readonly request: ArrivedRequest;
  computedTokens: number;
}

/** See the head of this file. */
export class Outlooks implements Outlook {
  readonly #seed: number;
  readonly #made = new Map<OutlookKind, Outlook>();
  readonly #open = new Map<number, OpenRequest>();
  #now: Outlook;

  /** @param seed of a predictor's own draws. */
  constructor(kind: OutlookKind, seed: number) {
    this.#seed = seed;
    this.#now = createOutlook(kind, seed);
    this.#made.set(kind, this.#now);
  }

  /** Answers from now on come from an outlook of that kind. */
  use(kind: OutlookKind): void {
    let outlook = this.#made.get(kind);
    if (outlook === undefined) {
      outlook = createOutlook(kind, this.#seed);
      for (const { request, computedTokens } of this.#open.values()) {
        outlook.arrived(request);
        if (computedTokens > 0) outlook.computed(request.id, computedTokens);
      }
      this.#made.set(kind, outlook);
    }
    this.#now = outlook;
  }

  arrived(request: ArrivedRequest): void {
    this.#open.set(request.id, { request, computedTokens: 0 });
    for (const outlook of this.#made.values()) outlook.arrived(request);
  }

  computed(id: number, tokens: number): void {
    const open = this.#open.get(id);
    if (open !== undefined) open.computedTokens += tokens;
    for (const outlook of this.#made.values()) outlook.computed(id, tokens);
  }

  ended(id: number, generatedTokens: number, complete: boolean, nowMs: number): void {
    this.#open.delete(id);
    for (const outlook of this.#made.values()) outlook.ended(id, generatedTokens, complete, nowMs);
  }

  of(id: number, generatedTokens: number, nowMs: number): RequestOutlook {
    return this.#now.of(id, generatedTokens, nowMs);
  }
}
