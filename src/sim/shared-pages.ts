/**
 * The live page manager without tokens: the same list of free and cached pages, the same hash chains over full pages,
 * the same order of eviction, so that a replay evicts what the engine evicted. Pages are named by keys (block-key.ts)
 * instead of hashes over tokens.
 *
 *   in use   references > 0
 *   cached   references 0, registered: in the list, behind every free page
 *   free     references 0, unregistered: at the front of the list
 *
 * Beyond it, each sequence's `ownPages` is kept up to date: every page knows the exclusive or of its holders' slots,
 * which is the holder itself when there is one.
 */
import { assert } from "../core/index.ts";
import { pageKey } from "./block-key.ts";
import { KeyTable } from "./key-table.ts";
import { pagesFor, setHeld, type PagePool } from "./page-pool.ts";
import type { SimRequest, SimSequence } from "./sequence.ts";

const NONE = -1;

/** See the head of this file. */
export class SharedPages implements PagePool {
  readonly pages: number;
  readonly pageTokens: number;
  readonly prefixCache = true;
  readonly #references: Int32Array;
  /** Links of the list; index `pages` is its sentinel. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** Exclusive or of the slots of all holders. */
  readonly #holders: Int32Array;
  /** Which page is registered under a key, and the key of each page. */
  readonly #table: KeyTable;
  readonly #slots: (SimSequence | null)[] = [];
  readonly #freeSlots: number[] = [];
  #available: number;
  #evictions = 0;

  constructor(pages: number, pageTokens: number) {
    assert(Number.isInteger(pages) && pages >= 1, "a pool has pages");
    assert(Number.isInteger(pageTokens) && pageTokens >= 1, "a page has tokens");
    this.pages = pages;
    this.pageTokens = pageTokens;
    this.#references = new Int32Array(pages);
    this.#next = Int32Array.from({ length: pages + 1 }, (_, i) => (i + 1) % (pages + 1));
    this.#previous = Int32Array.from({ length: pages + 1 }, (_, i) => (i + pages) % (pages + 1));
    this.#holders = new Int32Array(pages);
    this.#table = new KeyTable(pages);
    this.#available = pages;
  }

  get availablePages(): number {
    return this.#available;
  }

  get evictions(): number {
    return this.#evictions;
  }

  /** Registered pages, in use or not. */
  get registeredPages(): number {
    return this.#table.size;
  }

  cachedTokens(request: SimRequest, knownTokens: number): number {
    let key = 0;
    let index = 0;
    // The last token is always computed: its scores are what the sequence is after.
    while ((index + 1) * this.pageTokens < knownTokens) {
      key = pageKey(request, index, this.pageTokens, key);
      if (this.#table.find(key) === NONE) break;
      index += 1;
    }
    return index * this.pageTokens;
  }

  cachedFreePages(request: SimRequest, knownTokens: number): number {
    let key = 0;
    let free = 0;
    for (let index = 0; (index + 1) * this.pageTokens < knownTokens; index++) {
      key = pageKey(request, index, this.pageTokens, key);
      const page = this.#table.find(key);
      if (page === NONE) break;
      if (this.#references[page] === 0) free += 1;
    }
    return free;
  }

  open(sequence: SimSequence): number {
    assert(sequence.slot === NONE, "a sequence is admitted once at a time");
    this.#enter(sequence);
    const { request, soughtTokens } = sequence;
    let key = 0;
    while ((sequence.pages + 1) * this.pageTokens < soughtTokens) {
      key = pageKey(request, sequence.pages, this.pageTokens, key);
      const page = this.#table.find(key);
      if (page === NONE) break;
      this.#append(sequence, page);
      sequence.chain = key;
    }
    sequence.committed = sequence.pages;
    return sequence.pages * this.pageTokens;
  }

  reserve(sequence: SimSequence, tokens: number): boolean {
    const missing = pagesFor(sequence, tokens, this.pageTokens) - sequence.heldPages;
    if (missing > this.#available) return false;
    for (let i = 0; i < missing; i++) this.#append(sequence, this.#take());
    return true;
  }

  commit(sequence: SimSequence, tokens: number): void {
    while (!sequence.packed && (sequence.committed + 1) * this.pageTokens <= tokens) {
      const index = sequence.committed;
      const key = pageKey(sequence.request, index, this.pageTokens, sequence.chain);
      const page = sequence.pageIds[index]!;
      const holder = this.#table.find(key);
      if (holder === NONE) {
        this.#table.set(page, key);
      } else {
        // Somebody registered the same page meanwhile: go on with that one.
        this.#acquire(holder, sequence);
        this.#put(page, sequence);
        sequence.pageIds[index] = holder;
      }
      sequence.chain = key;
      sequence.committed += 1;
    }
  }

  truncate(sequence: SimSequence, tokens: number): void {
    const keep = pagesFor(sequence, tokens, this.pageTokens);
    assert(keep >= sequence.committed, "committed pages are not truncated");
    this.#putFrom(sequence, keep);
  }

  pack(sequence: SimSequence): boolean {
    sequence.packed = true;
    const needed = pagesFor(sequence, sequence.computedTokens, this.pageTokens);
    if (needed > this.#available) {
      sequence.packed = false;
      return false;
    }
    const taken = Int32Array.from({ length: needed }, () => {
      const page = this.#take();
      this.#acquire(page, sequence);
      return page;
    });
    this.#putFrom(sequence, 0);
    sequence.committed = 0;
    sequence.pageIds = taken;
    setHeld(sequence, needed);
    return true;
  }

  release(sequence: SimSequence): void {
    if (sequence.slot === NONE) return;
    this.#putFrom(sequence, 0);
    this.#slots[sequence.slot] = null;
    this.#freeSlots.push(sequence.slot);
    sequence.slot = NONE;
    sequence.ownPages = 0;
    sequence.packed = false;
    sequence.committed = 0;
    sequence.chain = 0;
  }

  /** O(pages + pages held). */
  checkIntegrity(): void {
    let listed = 0;
    let sawCached = false;
    for (let page = this.#next[this.pages]!; page !== this.pages; page = this.#next[page]!) {
      listed += 1;
      assert(listed <= this.pages, "the list ends");
      assert(this.#references[page] === 0, "a listed page has no owner");
      assert(this.#previous[this.#next[page]!] === page, "links agree");
      if (this.#table.keyOf(page) === 0) assert(!sawCached, "free pages come before cached ones");
      else sawCached = true;
    }
    assert(listed === this.#available, "every available page is listed once");
    const counted = new Int32Array(this.pages);
    for (const sequence of this.#slots) {
      for (let i = 0; i < (sequence?.heldPages ?? 0); i++) counted[sequence!.pageIds[i]!]! += 1;
    }
    for (let page = 0; page < this.pages; page++) {
      assert(counted[page] === this.#references[page], "references are counted");
    }
    for (const sequence of this.#slots) {
      let own = 0;
      for (let i = 0; i < (sequence?.heldPages ?? 0); i++) own += counted[sequence!.pageIds[i]!] === 1 ? 1 : 0;
      assert(own === (sequence?.ownPages ?? 0), "own pages are counted");
    }
    this.#table.checkIntegrity();
  }

  #enter(sequence: SimSequence): void {
    const slot = this.#freeSlots.pop() ?? this.#slots.length;
    this.#slots[slot] = sequence;
    sequence.slot = slot;
  }

  #append(sequence: SimSequence, page: number): void {
    const held = sequence.heldPages;
    if (held === sequence.pageIds.length) {
      const grown = new Int32Array(Math.max(8, held * 2));
      grown.set(sequence.pageIds);
      sequence.pageIds = grown;
    }
    sequence.pageIds[held] = page;
    setHeld(sequence, held + 1);
    this.#acquire(page, sequence);
  }

  /** Gives the pages from that one on back, the last first. */
  #putFrom(sequence: SimSequence, first: number): void {
    for (let i = sequence.heldPages - 1; i >= first; i--) this.#put(sequence.pageIds[i]!, sequence);
    if (sequence.heldPages > first) setHeld(sequence, first);
  }

  #take(): number {
    const page = this.#next[this.pages]!;
    assert(page !== this.pages, "an available page can be taken");
    if (this.#table.remove(page)) this.#evictions += 1;
    return page;
  }

  #acquire(page: number, sequence: SimSequence): void {
    const references = this.#references[page]!;
    if (references === 0) {
      const before = this.#previous[page]!;
      const after = this.#next[page]!;
      this.#next[before] = after;
      this.#previous[after] = before;
      this.#available -= 1;
      sequence.ownPages += 1;
    } else if (references === 1) {
      this.#slots[this.#holders[page]!]!.ownPages -= 1;
    }
    this.#holders[page]! ^= sequence.slot;
    this.#references[page] = references + 1;
  }

  #put(page: number, sequence: SimSequence): void {
    const references = this.#references[page]! - 1;
    assert(references >= 0, "a page is given back by one who holds it");
    this.#references[page] = references;
    this.#holders[page]! ^= sequence.slot;
    if (references === 1) {
      this.#slots[this.#holders[page]!]!.ownPages += 1;
      return;
    }
    if (references > 1) return;
    sequence.ownPages -= 1;
    // Cached pages queue at the back, blank ones go first.
    const before = this.#table.keyOf(page) === 0 ? this.pages : this.#previous[this.pages]!;
    const after = this.#next[before]!;
    this.#next[before] = page;
    this.#previous[page] = before;
    this.#next[page] = after;
    this.#previous[after] = page;
    this.#available += 1;
  }
}
