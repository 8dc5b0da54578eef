/**
 * Which page is registered under which key: open addressing with linear probing in two typed arrays, sized once, so
 * that a thousand caches fit in memory. Keys are whole numbers above 0 and below 2^53, well mixed already.
 */
import { assert } from "../core/index.ts";

const NONE = -1;

/** A two-way map between pages (0 to pages - 1) and their keys. */
export class KeyTable {
  readonly #keys: Float64Array;
  readonly #cells: Int32Array;
  readonly #mask: number;
  #size = 0;

  constructor(pages: number) {
    const cells = 2 ** Math.ceil(Math.log2(pages * 2));
    this.#keys = new Float64Array(pages);
    this.#cells = new Int32Array(cells).fill(NONE);
    this.#mask = cells - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** 0 when the page has none. */
  keyOf(page: number): number {
    return this.#keys[page]!;
  }

  /** The page of that key, or -1. */
  find(key: number): number {
    for (let cell = key & this.#mask; ; cell = (cell + 1) & this.#mask) {
      const page = this.#cells[cell]!;
      if (page === NONE || this.#keys[page] === key) return page;
    }
  }

  /** Neither the page nor the key is in the table. */
  set(page: number, key: number): void {
    assert(this.#keys[page] === 0 && key > 0, "a page has one key");
    let cell = key & this.#mask;
    while (this.#cells[cell] !== NONE) cell = (cell + 1) & this.#mask;
    this.#cells[cell] = page;
    this.#keys[page] = key;
    this.#size += 1;
  }

  /** False when the page had no key. */
  remove(page: number): boolean {
    const key = this.#keys[page]!;
    if (key === 0) return false;
    let hole = key & this.#mask;
    while (this.#cells[hole] !== page) hole = (hole + 1) & this.#mask;
    // Moves back what the hole would cut off from the cell it hashes to.
    for (let cell = (hole + 1) & this.#mask; this.#cells[cell] !== NONE; cell = (cell + 1) & this.#mask) {
      const home = this.#keys[this.#cells[cell]!]! & this.#mask;
      const distance = (cell - home) & this.#mask;
      if (distance < ((cell - hole) & this.#mask)) continue;
      this.#cells[hole] = this.#cells[cell]!;
      hole = cell;
    }
    this.#cells[hole] = NONE;
    this.#keys[page] = 0;
    this.#size -= 1;
    return true;
  }

  /** @throws AssertionError */
  checkIntegrity(): void {
    let keys = 0;
    for (let page = 0; page < this.#keys.length; page++) {
      const key = this.#keys[page]!;
      if (key === 0) continue;
      keys += 1;
      assert(this.find(key) === page, "a key finds its page");
    }
    assert(keys === this.#size, "no key without a page");
  }
}
