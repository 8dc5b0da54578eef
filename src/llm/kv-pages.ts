/**
 * Who owns which page of the paged KV cache, and which pages hold which prefix. It moves no bytes: it
 * hands out page ids, and the executor writes keys and values behind them.
 *
 *   in use   references > 0; owned by sequences, maybe registered under a hash
 *   cached   references 0, registered: in the list, can be shared again until it is evicted
 *   free     references 0, unregistered: in the list, ahead of every cached page
 *
 * Free and cached pages form one doubly linked list, taken from the front: recency is position, no
 * clock. Only full pages are registered, a registered page is never written again, and so sharing
 * needs no copy on write. A sequence that finishes computing a page somebody registered meanwhile
 * takes the registered one and frees its own; therefore whoever holds a page holds its whole prefix,
 * and releasing back to front evicts children before parents: a registered page's parent is always
 * registered. Matching compares parent page and tokens, so a hash collision is a miss, never a mix-up.
 *
 * After: hash chains over full blocks (vLLM's block manager), shared-prefix attention (SGLang).
 */
import { assert, fail } from "../core/index.ts";
import { hashBlock, rootHash, type BlockHash, type BlockHasher } from "./block-hash.ts";

/** Size of a cache. */
export interface KvPagesOptions {
  readonly pages: number;
  readonly pageTokens: number;
  /** For tests: another hash, for example one that collides. */
  readonly hasher?: BlockHasher;
}

const NO_PARENT = -1;

/** The pages of one cache: who holds them, what they hold. Bytes are the kernel's. See the head of this file. */
export class KvPages {
  readonly pages: number;
  readonly pageTokens: number;
  readonly #hasher: BlockHasher;
  readonly #references: Int32Array;
  /** Links of the list; index `pages` is its sentinel. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  /** What a registered page holds: its hash, the page before it, its tokens. */
  readonly #hash: (BlockHash | null)[];
  readonly #parent: Int32Array;
  readonly #tokens: Int32Array;
  readonly #byHash = new Map<BlockHash, number>();
  #available: number;
  #evictions = 0;

  constructor(options: KvPagesOptions) {
    const { pages, pageTokens } = options;
    if (!Number.isInteger(pages) || pages < 1)
      fail("invalid_request", `pages must be a positive integer, got ${pages}`);
    if (!Number.isInteger(pageTokens) || pageTokens < 1) {
      fail("invalid_request", `pageTokens must be a positive integer, got ${pageTokens}`);
    }
    this.pages = pages;
    this.pageTokens = pageTokens;
    this.#hasher = options.hasher ?? hashBlock;
    this.#references = new Int32Array(pages);
    this.#next = Int32Array.from({ length: pages + 1 }, (_, i) => (i + 1) % (pages + 1));
    this.#previous = Int32Array.from({ length: pages + 1 }, (_, i) => (i + pages) % (pages + 1));
    this.#hash = Array.from<BlockHash | null>({ length: pages }).fill(null);
    this.#parent = new Int32Array(pages).fill(NO_PARENT);
    this.#tokens = new Int32Array(pages * pageTokens);
    this.#available = pages;
  }

  /** Pages a reservation can take now: free and cached ones. */
  get availablePages(): number {
    return this.#available;
  }

  get usedPages(): number {
    return this.pages - this.#available;
  }

  /** Registered pages, in use or not. */
  get registeredPages(): number {
    return this.#byHash.size;
  }

  /** Cached pages that were given to somebody else so far. */
  get evictions(): number {
    return this.#evictions;
  }

  /** Tokens at the head of `tokens` whose pages are there: a multiple of pageTokens, and less than tokens.length. */
  cachedTokens(tokens: ArrayLike<number>, salt = ""): number {
    let parent = NO_PARENT;
    let hash = rootHash(salt);
    let length = 0;
    // The last token is always computed: its scores are what the sequence is after.
    while (length + this.pageTokens < tokens.length) {
      hash = this.#hasher(hash, tokens, length, length + this.pageTokens);
      const page = this.#find(hash, parent, tokens, length);
      if (page === null) break;
      parent = page;
      length += this.pageTokens;
    }
    return length;
  }

  /** Of the pages behind `cachedTokens`, those that nobody holds. Looking changes nothing, not even recency. */
  cachedFreePages(tokens: ArrayLike<number>, salt = ""): number {
    let parent = NO_PARENT;
    let hash = rootHash(salt);
    let free = 0;
    for (let at = 0; at + this.pageTokens < tokens.length; at += this.pageTokens) {
      hash = this.#hasher(hash, tokens, at, at + this.pageTokens);
      const page = this.#find(hash, parent, tokens, at);
      if (page === null) break;
      if (this.#references[page] === 0) free += 1;
      parent = page;
    }
    return free;
  }

  /** Of a sequence's pages, those that nobody else holds: what giving them back would make available. */
  ownPages(pages: Int32Array): number {
    let own = 0;
    for (const page of pages) if (this.#references[page] === 1) own += 1;
    return own;
  }

  /** A sequence that already holds the cached pages of its prefix. Never fails; release() it. */
  open(tokens: ArrayLike<number> = [], salt = ""): SequencePages {
    const sequence = new SequencePages(this, rootHash(salt));
    let parent = NO_PARENT;
    for (let at = 0; at + this.pageTokens < tokens.length; at += this.pageTokens) {
      const hash = this.#hasher(sequence.chain, tokens, at, at + this.pageTokens);
      const page = this.#find(hash, parent, tokens, at);
      if (page === null) break;
      this.#acquire(page);
      sequence.adopt(page, hash);
      parent = page;
    }
    return sequence;
  }

  /** Forgets every cached page that no sequence holds. */
  dropCache(): void {
    for (let page = this.#next[this.pages]!; page !== this.pages; page = this.#next[page]!) this.#unregister(page);
  }

  /** For SequencePages: a page of its own, or null when none is left. */
  take(): number | null {
    const page = this.#next[this.pages]!;
    if (page === this.pages) return null;
    if (this.#hash[page] !== null) {
      this.#evictions += 1;
      this.#unregister(page);
    }
    this.#acquire(page);
    return page;
  }

  /** For SequencePages: gives one reference back. */
  put(page: number): void {
    assert(this.#references[page]! > 0, "a page is given back by one who holds it");
    this.#references[page]! -= 1;
    if (this.#references[page] !== 0) return;
    // Cached pages queue at the back, blank ones go first.
    const before = this.#hash[page] === null ? this.pages : this.#previous[this.pages]!;
    const after = this.#next[before]!;
    this.#next[before] = page;
    this.#previous[page] = before;
    this.#next[page] = after;
    this.#previous[after] = page;
    this.#available += 1;
  }

  /**
   * For SequencePages: registers the computed full page holding tokens[start, start + pageTokens) after
   * `parent`. Answers the page to go on with (another, already registered one: the caller's was given
   * back) and its hash; null when a collision keeps the page private.
   */
  register(
    page: number,
    parent: number,
    chain: BlockHash,
    tokens: ArrayLike<number>,
    start: number,
  ): { page: number; hash: BlockHash } | null {
    const hash = this.#hasher(chain, tokens, start, start + this.pageTokens);
    const holder = this.#byHash.get(hash);
    if (holder === undefined) {
      this.#byHash.set(hash, page);
      this.#hash[page] = hash;
      this.#parent[page] = parent;
      const base = page * this.pageTokens;
      for (let i = 0; i < this.pageTokens; i++) this.#tokens[base + i] = tokens[start + i]!;
      return { page, hash };
    }
    if (!this.#matches(holder, parent, tokens, start)) return null;
    this.#acquire(holder);
    this.put(page);
    return { page: holder, hash };
  }

  /** Throws AssertionError when an invariant of the header is broken. O(pages). */
  checkIntegrity(): void {
    let listed = 0;
    let sawCached = false;
    for (let page = this.#next[this.pages]!; page !== this.pages; page = this.#next[page]!) {
      listed += 1;
      assert(listed <= this.pages, "the list ends");
      assert(this.#references[page] === 0, "a listed page has no owner");
      assert(this.#previous[this.#next[page]!] === page, "links agree");
      if (this.#hash[page] === null) assert(!sawCached, "free pages come before cached ones");
      else sawCached = true;
    }
    assert(listed === this.#available, "every available page is listed once");
    let owned = 0;
    for (let page = 0; page < this.pages; page++) {
      if (this.#references[page]! > 0) owned += 1;
      const hash = this.#hash[page]!;
      if (hash === null) continue;
      assert(this.#byHash.get(hash) === page, "a hash finds its page");
      const parent = this.#parent[page]!;
      if (parent === NO_PARENT) continue;
      assert(this.#hash[parent] !== null, "a registered page's parent is registered");
      assert(this.#references[parent]! >= Math.sign(this.#references[page]!), "who holds a page holds its parent");
    }
    assert(owned + listed === this.pages, "every page is owned or listed");
    assert(this.#byHash.size === this.#hash.filter((hash) => hash !== null).length, "no hash without page");
  }

  #find(hash: BlockHash, parent: number, tokens: ArrayLike<number>, start: number): number | null {
    const page = this.#byHash.get(hash);
    return page !== undefined && this.#matches(page, parent, tokens, start) ? page : null;
  }

  #matches(page: number, parent: number, tokens: ArrayLike<number>, start: number): boolean {
    if (this.#parent[page] !== parent) return false;
    const base = page * this.pageTokens;
    for (let i = 0; i < this.pageTokens; i++) {
      if (this.#tokens[base + i] !== tokens[start + i]) return false;
    }
    return true;
  }

  #acquire(page: number): void {
    if (this.#references[page] === 0) {
      const before = this.#previous[page]!;
      const after = this.#next[page]!;
      this.#next[before] = after;
      this.#previous[after] = before;
      this.#available -= 1;
    }
    this.#references[page]! += 1;
  }

  #unregister(page: number): void {
    const hash = this.#hash[page]!;
    if (hash === null) return;
    this.#byHash.delete(hash);
    this.#hash[page] = null;
    this.#parent[page] = NO_PARENT;
  }
}

/** The pages of one sequence, in order. Made by KvPages.open. */
export class SequencePages {
  readonly #owner: KvPages;
  #buffer = new Int32Array(8);
  #view = this.#buffer.subarray(0, 0);
  #count = 0;
  #committed = 0;
  #cached = 0;
  /** Of so many layers its pages hold so many. */
  #kept = 1;
  #layers = 1;
  /** False after a hash collision: later pages would lack a registered parent. */
  #chained = true;
  #chain: BlockHash;

  /** Use KvPages.open. */
  constructor(owner: KvPages, root: BlockHash) {
    this.#owner = owner;
    this.#chain = root;
  }

  /** Page ids in order; a view that stays valid until the sequence changes. */
  get pages(): Int32Array {
    return this.#view;
  }

  get capacityTokens(): number {
    return this.blocks * this.#owner.pageTokens;
  }

  /** Whole blocks of tokens that its pages have room for: as many as pages, more when they are packed. */
  get blocks(): number {
    return Math.floor((this.#count * this.#layers) / this.#kept);
  }

  /** Whether its pages hold some layers only (`pack`). */
  get packed(): boolean {
    return this.#kept < this.#layers;
  }

  /** Tokens found in the cache when the sequence was opened. */
  get cachedTokens(): number {
    return this.#cached * this.#owner.pageTokens;
  }

  /** Hash of the last registered page; the root's before the first. */
  get chain(): BlockHash {
    return this.#chain;
  }

  /** Pages it would need from the owner to hold `length` tokens. */
  missingPages(length: number): number {
    return Math.max(0, this.#pagesFor(length) - this.#count);
  }

  #pagesFor(length: number): number {
    return Math.ceil((Math.ceil(length / this.#owner.pageTokens) * this.#kept) / this.#layers);
  }

  /**
   * Goes on with `kept` of `layers` layers in each block of `length` tokens: takes pages for them, has `copy` fill those from
   * the whole ones, and gives the whole ones back, where shared ones stay shared. False, and nothing done, when too few
   * pages are left for the copy. From now on nothing of it is registered: its pages are no blocks of tokens.
   */
  pack(kept: number, layers: number, length: number, copy: (from: Int32Array, to: Int32Array) => void): boolean {
    assert(!this.packed && kept >= 1 && kept < layers, "a whole sequence is packed, once");
    const blocks = Math.ceil(length / this.#owner.pageTokens);
    const needed = Math.ceil((blocks * kept) / layers);
    if (needed > this.#owner.availablePages) return false;
    const taken = Int32Array.from({ length: needed }, () => {
      const page = this.#owner.take();
      assert(page !== null, "an available page can be taken");
      return page;
    });
    copy(this.#buffer.slice(0, blocks), taken);
    while (this.#count > 0) this.#owner.put(this.#buffer[--this.#count]!);
    this.#kept = kept;
    this.#layers = layers;
    this.#chained = false;
    this.#committed = 0;
    for (const page of taken) this.#append(page);
    this.#view = this.#buffer.subarray(0, this.#count);
    return true;
  }

  /** Makes room for `length` tokens in all. False, and nothing taken, when too few pages are left. */
  reserve(length: number): boolean {
    const missing = this.missingPages(length);
    if (missing > this.#owner.availablePages) return false;
    for (let i = 0; i < missing; i++) {
      const page = this.#owner.take();
      assert(page !== null, "an available page can be taken");
      this.#append(page);
    }
    if (missing > 0) this.#view = this.#buffer.subarray(0, this.#count);
    return true;
  }

  /**
   * Says that keys and values of all of `tokens` (the sequence from its start) are in place: full
   * pages become shareable. May exchange page ids; read `pages` anew.
   */
  commit(tokens: ArrayLike<number>): void {
    const size = this.#owner.pageTokens;
    assert(tokens.length <= this.capacityTokens, "committed tokens have pages");
    while (this.#chained && (this.#committed + 1) * size <= tokens.length) {
      const index = this.#committed;
      const parent = index === 0 ? NO_PARENT : this.#buffer[index - 1]!;
      const result = this.#owner.register(this.#buffer[index]!, parent, this.#chain, tokens, index * size);
      if (result === null) {
        this.#chained = false;
        return;
      }
      this.#buffer[index] = result.page;
      this.#chain = result.hash;
      this.#committed += 1;
    }
  }

  /** Gives back pages beyond `length` tokens, for a rejected draft. Committed pages stay. */
  truncate(length: number): void {
    const keep = this.#pagesFor(length);
    assert(keep >= this.#committed, "committed pages are not truncated");
    while (this.#count > keep) this.#owner.put(this.#buffer[--this.#count]!);
    this.#view = this.#buffer.subarray(0, this.#count);
  }

  /** Gives everything back, last page first. The sequence is empty afterwards and must not be reused. */
  release(): void {
    while (this.#count > 0) this.#owner.put(this.#buffer[--this.#count]!);
    this.#view = this.#buffer.subarray(0, 0);
    this.#chained = false;
    this.#committed = 0;
    this.#kept = 1;
    this.#layers = 1;
  }

  /** For KvPages.open: takes over a cached page. */
  adopt(page: number, hash: BlockHash): void {
    this.#append(page);
    this.#view = this.#buffer.subarray(0, this.#count);
    this.#chain = hash;
    this.#committed += 1;
    this.#cached += 1;
  }

  #append(page: number): void {
    if (this.#count === this.#buffer.length) {
      const grown = new Int32Array(this.#count * 2);
      grown.set(this.#buffer);
      this.#buffer = grown;
    }
    this.#buffer[this.#count++] = page;
  }
}
