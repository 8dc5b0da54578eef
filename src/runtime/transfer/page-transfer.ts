/** Bytes of pages out of a cache and into one, by position within their sequence. Who holds the pages is others' business. */
import { fail } from "../../core/index.ts";
import type { KvPages, SequencePages, StepExecutor } from "../../llm/index.ts";

/** Where pages are and who says which are free. */
export interface PageCache {
  readonly pages: KvPages;
  readonly executor: Pick<StepExecutor, "pageData">;
}

/** A copy of pages `first` to `first + count` of these. @throws PunctualError invalid_request beyond them. */
export function readPages(
  executor: Pick<StepExecutor, "pageData">,
  pages: Int32Array,
  first: number,
  count: number,
): Uint8Array {
  if (
    !(Number.isInteger(first) && Number.isInteger(count) && first >= 0 && count >= 0 && first + count <= pages.length)
  ) {
    fail("invalid_request", `pages ${first} to ${first + count}: there are ${pages.length} to read`, {
      param: "first",
    });
  }
  const { byteLength } = executor.pageData(0);
  const bytes = new Uint8Array(count * byteLength);
  for (let i = 0; i < count; i++) bytes.set(executor.pageData(pages[first + i]!), i * byteLength);
  return bytes;
}

/** Pages that are being filled with somebody else's keys and values. */
export class IncomingPages {
  readonly pages: SequencePages;
  /** Leading pages that were cached here: others may read them, so that they are never written. */
  readonly cachedPages: number;
  readonly pageBytes: number;
  readonly #cache: PageCache;
  readonly #tokens: Int32Array;
  /** By position, 1 for pages that were written. */
  readonly #written: Uint8Array;

  /** @param tokens what the cached ones were found by */
  constructor(pages: SequencePages, tokens: Int32Array, cache: PageCache) {
    this.pages = pages;
    this.cachedPages = pages.pages.length;
    this.#tokens = tokens;
    this.#cache = cache;
    this.pageBytes = cache.executor.pageData(0).byteLength;
    this.#written = new Uint8Array(cache.pages.pages);
  }

  /** Room for `count` pages in all, leaving `spare` to others. */
  reserve(count: number, spare: number): boolean {
    const { pages: kv } = this.#cache;
    if (!(Number.isInteger(count) && count >= 0))
      fail("invalid_request", `pages: expected a number of them, got ${count}`);
    const missing = this.pages.missingPages(count * kv.pageTokens);
    return missing === 0 || (missing + spare <= kv.availablePages && this.pages.reserve(count * kv.pageTokens));
  }

  /** The page behind the last one that these bytes fill. @throws PunctualError invalid_request for parts of pages. */
  endOf(first: number, bytes: Uint8Array): number {
    const count = bytes.byteLength / this.pageBytes;
    if (Number.isInteger(first) && first >= 0 && Number.isInteger(count)) return first + count;
    const got = `${bytes.byteLength} bytes from page ${first}`;
    return fail("invalid_request", `expected whole pages of ${this.pageBytes} bytes, got ${got}`, { param: "bytes" });
  }

  /** Fills pages. @throws PunctualError invalid_request beyond those reserved. */
  write(first: number, bytes: Uint8Array): void {
    const end = this.endOf(first, bytes);
    const { pages } = this.pages;
    if (end > pages.length) {
      fail("invalid_request", `pages ${first} to ${end}: ${pages.length} are reserved`, { param: "first" });
    }
    for (let at = Math.max(first, this.cachedPages); at < end; at++) {
      const from = (at - first) * this.pageBytes;
      this.#cache.executor.pageData(pages[at]!).set(bytes.subarray(from, from + this.pageBytes));
      this.#written[at] = 1;
    }
  }

  /**
   * How many of these tokens have keys and values in place: `computed`, or more where more were cached.
   * @throws PunctualError invalid_request when one of them was never written, or they are not the tokens of the offer.
   */
  complete(known: Int32Array, computed: number): number {
    const { pageTokens } = this.#cache.pages;
    const cached = this.cachedPages * pageTokens;
    for (let i = 0; i < cached; i++) {
      if (known[i] !== this.#tokens[i]) fail("invalid_request", `token ${i} is another than was offered`);
    }
    const end = Math.ceil(computed / pageTokens);
    for (let at = this.cachedPages; at < end; at++) {
      if (this.#written[at] !== 1) fail("invalid_request", `page ${at} was never written`, { param: "computed" });
    }
    if (cached >= known.length) fail("invalid_request", "the sequence is shorter than what was offered");
    return Math.max(computed, cached);
  }
}
