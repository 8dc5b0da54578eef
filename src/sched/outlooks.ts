/**
 * The outlook of an engine whose policy may be switched: each kind is made when a policy first rests on it, is told then
 * of the requests that are open, and of everything from then on, so that switching back and forth forgets nothing.
 *
 * With one kind only, which is every engine that is never switched, it is that outlook and a book of open requests.
 */
import { createOutlook, type OutlookKind } from "./create-outlook.ts";
import { LearningOutlook } from "./learning-outlook.ts";
import type { LearntState } from "./learnt-state.ts";
import type { ArrivedRequest, Outlook, RequestOutlook } from "./outlook.ts";

interface OpenRequest {
  readonly request: ArrivedRequest;
  computedTokens: number;
}

/** See the head of this file. */
export class Outlooks implements Outlook {
  readonly #seed: number;
  readonly #learnt: LearntState | undefined;
  readonly #made = new Map<OutlookKind, Outlook>();
  readonly #open = new Map<number, OpenRequest>();
  #now: Outlook;

  /**
   * @param seed of a predictor's own draws.
   * @param learnt by an earlier engine; nothing when absent.
   */
  constructor(kind: OutlookKind, seed: number, learnt?: LearntState) {
    this.#seed = seed;
    this.#learnt = learnt;
    this.#now = createOutlook(kind, seed, learnt);
    this.#made.set(kind, this.#now);
  }

  /** Answers from now on come from an outlook of that kind. */
  use(kind: OutlookKind): void {
    let outlook = this.#made.get(kind);
    if (outlook === undefined) {
      outlook = createOutlook(kind, this.#seed, this.#learnt);
      for (const { request, computedTokens } of this.#open.values()) {
        outlook.arrived(request);
        if (computedTokens > 0) outlook.computed(request.id, computedTokens);
      }
      this.#made.set(kind, outlook);
    }
    this.#now = outlook;
  }

  /** What the kind that learns has learnt by now; null when no policy has rested on it yet. */
  learnt(): LearntState | null {
    const learning = this.#made.get("learning");
    return learning instanceof LearningOutlook ? learning.learnt() : null;
  }

  settle(): void {
    for (const outlook of this.#made.values()) outlook.settle?.();
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
