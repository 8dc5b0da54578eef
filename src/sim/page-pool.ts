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
  release(sequence: SimSequence): void;
  /** @throws AssertionError */
  checkIntegrity(): void;
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
    const missing = Math.ceil(tokens / this.pageTokens) - sequence.pages;
    if (missing <= 0) return true;
    if (missing > this.#available) return false;
    this.#available -= missing;
    sequence.pages += missing;
    sequence.ownPages = sequence.pages;
    return true;
  }

  commit(): void {
    // Nothing is shared.
  }

  truncate(sequence: SimSequence, tokens: number): void {
    const spare = sequence.pages - Math.ceil(tokens / this.pageTokens);
    if (spare <= 0) return;
    this.#available += spare;
    sequence.pages -= spare;
    sequence.ownPages = sequence.pages;
  }

  release(sequence: SimSequence): void {
    this.#available += sequence.pages;
    sequence.pages = 0;
    sequence.ownPages = 0;
  }

  checkIntegrity(): void {
    assert(this.#available >= 0, "pages are not taken twice");
    assert(this.#available <= this.pages, "pages are not given back twice");
  }
}
