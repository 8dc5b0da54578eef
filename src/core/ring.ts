/**
 * A bounded FIFO queue over a ring of power-of-two size. `push` says false when full: what happens
 * then (wait, shed, drop) is the caller's decision, never this file's.
 */
import { assert } from "./assert.ts";

/**
 * A queue of at most `limit` items, first in, first out; every operation takes constant time. `shift` and `peek` give
 * undefined when it is empty, so items should not be undefined themselves.
 */
export class BoundedQueue<T> {
  readonly limit: number;
  readonly #slots: (T | undefined)[];
  readonly #mask: number;
  #head = 0;
  #size = 0;

  constructor(limit: number) {
    assert(Number.isInteger(limit) && limit >= 1, "a queue holds at least one item");
    this.limit = limit;
    const capacity = 2 ** Math.ceil(Math.log2(limit));
    this.#slots = Array.from<T | undefined>({ length: capacity });
    this.#mask = capacity - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** False, and nothing changed, when the queue is full. */
  push(item: T): boolean {
    if (this.#size === this.limit) return false;
    this.#slots[(this.#head + this.#size) & this.#mask] = item;
    this.#size += 1;
    return true;
  }

  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    const item = this.#slots[this.#head];
    this.#slots[this.#head] = undefined; // let it be collected
    this.#head = (this.#head + 1) & this.#mask;
    this.#size -= 1;
    return item;
  }

  peek(): T | undefined {
    return this.#size === 0 ? undefined : this.#slots[this.#head];
  }
}
