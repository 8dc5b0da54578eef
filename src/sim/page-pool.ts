/**
 * The KV cache of a virtual instance as its sequences see it. Two forms: `CountedPages` when nothing is shared, where
 * counting is enough, and `SharedPages` (shared-pages.ts) which follows the live page manager page by page.
 */
import { assert } from "../core/index.ts";
import type { SimRequest, SimSequence } from "./sequence.ts";

/** Pages of one cache and who holds them. Several instances may share a pool (prefill and decode of one device). */
export interface PagePool {
  readonly pages: number;
  readonly pageTokens: number;
  readonly prefixCache: boolean;
  /** Pages that can be taken now, evictable cached ones included. */
  readonly availablePages: number;
  readonly evictions: number;
  /** Leading tokens of the first `knownTokens` that need no computing: whole pages, fewer than all. */
  cachedTokens(request: SimRequest, knownTokens: number): number;
  /** Of the pages behind them, those nobody holds. */
  cachedFreePages(request: SimRequest, knownTokens: number): number;
  /** The sequence takes the cached pages of its prefix; answers the tokens they hold. */
  open(sequence: SimSequence): number;
  /** Room for `tokens` in all. False, and nothing taken, when too few pages are left. */
  reserve(sequence: SimSequence, tokens: number): boolean;
  /** Says that the first `tokens` are in place: full pages become shareable. */
  commit(sequence: SimSequence, tokens: number): void;
  /** Gives back pages beyond the first `tokens`, which drafts had. */
  truncate(sequence: SimSequence, tokens: number): void;
  /**
   * Has a sequence whose prompt is in place keep the layers of its route only: takes pages for them, gives the whole ones
   * back. False, and nothing done, when too few are left for the copy. From then on nothing of it is shareable.
   */
  pack(sequence: SimSequence): boolean;
  release(sequence: SimSequence): void;
  /** @throws AssertionError */
  checkIntegrity(): void;
}

/** Pages that hold so many tokens of a sequence. */
export function pagesFor({ packed, request: { route } }: SimSequence, tokens: number, pageTokens: number): number {
  const blocks = Math.ceil(tokens / pageTokens);
  return packed && route !== undefined ? Math.ceil((blocks * route.kept) / route.layers) : blocks;
}

/** It holds so many pages now: says for how many blocks of tokens that is room. */
export function setHeld(sequence: SimSequence, pages: number): void {
  const { route } = sequence.request;
  sequence.heldPages = pages;
  sequence.pages = sequence.packed && route !== undefined ? Math.floor((pages * route.layers) / route.kept) : pages;
}

/** A pool in which every page has one holder: three counters. */
export class CountedPages implements PagePool {
  readonly pages: number;
  readonly pageTokens: number;
  readonly prefixCache = false;
  readonly evictions = 0;
  #available: number;

  constructor(pages: number, pageTokens: number) {
    assert(Number.isInteger(pages) && pages >= 1, "a pool has pages");
    assert(Number.isInteger(pageTokens) && pageTokens >= 1, "a page has tokens");
    this.pages = pages;
    this.pageTokens = pageTokens;
    this.#available = pages;
  }

  get availablePages(): number {
    return this.#available;
  }

  cachedTokens(): number {
    return 0;
  }

  cachedFreePages(): number {
    return 0;
  }

  open(): number {
    return 0;
  }

  reserve(sequence: SimSequence, tokens: number): boolean {
    const missing = pagesFor(sequence, tokens, this.pageTokens) - sequence.heldPages;
    if (missing <= 0) return true;
    if (missing > this.#available) return false;
    this.#hold(sequence, sequence.heldPages + missing);
    return true;
  }

  commit(): void {
    // Nothing is shared.
  }

  truncate(sequence: SimSequence, tokens: number): void {
    const kept = pagesFor(sequence, tokens, this.pageTokens);
    if (kept < sequence.heldPages) this.#hold(sequence, kept);
  }

  pack(sequence: SimSequence): boolean {
    sequence.packed = true;
    const needed = pagesFor(sequence, sequence.computedTokens, this.pageTokens);
    // The copy is made while the whole pages are still held.
    if (needed <= this.#available) this.#hold(sequence, needed);
    else sequence.packed = false;
    return sequence.packed;
  }

  release(sequence: SimSequence): void {
    sequence.packed = false;
    this.#hold(sequence, 0);
  }

  #hold(sequence: SimSequence, pages: number): void {
    this.#available += sequence.heldPages - pages;
    setHeld(sequence, pages);
    sequence.ownPages = pages;
  }

  checkIntegrity(): void {
    assert(this.#available >= 0, "pages are not taken twice");
    assert(this.#available <= this.pages, "pages are not given back twice");
  }
}
