/**
 * The queue of a discrete-event simulation: a binary heap over structs of arrays, no object per event. Events of one
 * moment come out in the order they were pushed, those pushed as `late` after all others of the moment. Any event can
 * be cancelled by its handle in O(log n).
 *
 *   heap[i] ─▶ slot ─▶ timeMs, order, kind, a, b       place[slot] ─▶ i (free slots form a list through it)
 */
import { assert, fail } from "../core/index.ts";

declare const brand: unique symbol;
/** Names an event until it is popped or cancelled. */
export type EventHandle = number & { readonly [brand]: "EventHandle" };

/** Above every count of events: late ones sort behind. */
const LATE = 2 ** 52;
/** Slots in a handle; what is above is the slot's generation. */
const SLOT_SPACE = 2 ** 26;

/** Events at times in milliseconds, each with a kind and two numbers for whoever pushed it. */
export class EventQueue {
  readonly limit: number;
  #heap: Int32Array;
  #place: Int32Array;
  #generation: Int32Array;
  #times: Float64Array;
  #orders: Float64Array;
  #kinds: Uint8Array;
  #as: Float64Array;
  #bs: Float64Array;
  #size = 0;
  /** First free slot, -1 when all are taken. */
  #free = 0;
  #pushed = 0;
  #popped = -1;

  /** @param limit most events at once; one more is an expected failure. */
  constructor(limit = 2 ** 24) {
    assert(Number.isInteger(limit) && limit >= 1 && limit <= SLOT_SPACE, "an event queue holds 1 to 2^26 events");
    this.limit = limit;
    const slots = Math.min(limit, 64);
    this.#heap = new Int32Array(slots);
    this.#place = Int32Array.from({ length: slots }, (_, slot) => (slot + 1 < slots ? slot + 1 : -1));
    this.#generation = new Int32Array(slots);
    this.#times = new Float64Array(slots);
    this.#orders = new Float64Array(slots);
    this.#kinds = new Uint8Array(slots);
    this.#as = new Float64Array(slots);
    this.#bs = new Float64Array(slots);
  }

  get size(): number {
    return this.#size;
  }

  /** Events pushed so far, the popped and cancelled ones included. */
  get pushed(): number {
    return this.#pushed;
  }

  /** @throws PunctualError out_of_memory at the limit. */
  push(timeMs: number, kind: number, a = 0, b = 0, late = false): EventHandle {
    assert(timeMs === timeMs, "an event has a time");
    if (this.#free === -1) this.#grow();
    const slot = this.#free;
    this.#free = this.#place[slot]!;
    this.#times[slot] = timeMs;
    this.#orders[slot] = this.#pushed + (late ? LATE : 0);
    this.#kinds[slot] = kind;
    this.#as[slot] = a;
    this.#bs[slot] = b;
    this.#pushed += 1;
    this.#up(this.#size++, slot);
    return (this.#generation[slot]! * SLOT_SPACE + slot) as EventHandle;
  }

  /** Time of the next event; Infinity when there is none. */
  get nextMs(): number {
    return this.#size === 0 ? Infinity : this.#times[this.#heap[0]!]!;
  }

  /** Takes the next event out; then timeMs, kind, a and b are its own. False when there is none. */
  pop(): boolean {
    if (this.#size === 0) return false;
    const slot = this.#heap[0]!;
    this.#popped = slot;
    this.#remove(0);
    return true;
  }

  /** Of the event popped last, until the next push. */
  get timeMs(): number {
    return this.#times[this.#popped]!;
  }
  get kind(): number {
    return this.#kinds[this.#popped]!;
  }
  get a(): number {
    return this.#as[this.#popped]!;
  }
  get b(): number {
    return this.#bs[this.#popped]!;
  }

  /** False when it has been popped or cancelled already. */
  cancel(handle: EventHandle): boolean {
    const slot = handle % SLOT_SPACE;
    if (this.#generation[slot] !== Math.floor(handle / SLOT_SPACE)) return false;
    this.#remove(this.#place[slot]!);
    return true;
  }

  /** @throws AssertionError when order or links are broken. O(size). */
  checkIntegrity(): void {
    for (let i = 0; i < this.#size; i++) {
      const slot = this.#heap[i]!;
      assert(this.#place[slot] === i, "a slot knows its place");
      if (i > 0) assert(!this.#before(slot, this.#heap[(i - 1) >>> 1]!), "parents come before children");
    }
    let free = 0;
    for (let slot = this.#free; slot !== -1; slot = this.#place[slot]!) free += 1;
    assert(free + this.#size === this.#heap.length, "a slot is free or in the heap");
  }

  #before(a: number, b: number): boolean {
    const earlier = this.#times[a]! - this.#times[b]!;
    // Infinity - Infinity is NaN, which is no order: then the second key decides as well.
    return earlier < 0 || (!(earlier > 0) && this.#orders[a]! < this.#orders[b]!);
  }

  #remove(index: number): void {
    const slot = this.#heap[index]!;
    this.#generation[slot] = (this.#generation[slot]! + 1) % SLOT_SPACE;
    this.#place[slot] = this.#free;
    this.#free = slot;
    const last = this.#heap[--this.#size]!;
    if (index === this.#size) return;
    if (index > 0 && this.#before(last, this.#heap[(index - 1) >>> 1]!)) this.#up(index, last);
    else this.#down(index, last);
  }

  #up(start: number, slot: number): void {
    let index = start;
    while (index > 0) {
      const above = (index - 1) >>> 1;
      const parent = this.#heap[above]!;
      if (!this.#before(slot, parent)) break;
      this.#heap[index] = parent;
      this.#place[parent] = index;
      index = above;
    }
    this.#heap[index] = slot;
    this.#place[slot] = index;
  }

  #down(start: number, slot: number): void {
    let index = start;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= this.#size) break;
      if (child + 1 < this.#size && this.#before(this.#heap[child + 1]!, this.#heap[child]!)) child += 1;
      const below = this.#heap[child]!;
      if (!this.#before(below, slot)) break;
      this.#heap[index] = below;
      this.#place[below] = index;
      index = child;
    }
    this.#heap[index] = slot;
    this.#place[slot] = index;
  }

  #grow(): void {
    const slots = this.#heap.length;
    if (slots === this.limit) fail("out_of_memory", `the event queue holds ${this.limit} events already`);
    const size = Math.min(this.limit, slots * 2);
    const larger = <T extends Int32Array | Float64Array | Uint8Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.#heap = larger(new Int32Array(size), this.#heap);
    this.#place = larger(new Int32Array(size), this.#place);
    this.#generation = larger(new Int32Array(size), this.#generation);
    this.#times = larger(new Float64Array(size), this.#times);
    this.#orders = larger(new Float64Array(size), this.#orders);
    this.#kinds = larger(new Uint8Array(size), this.#kinds);
    this.#as = larger(new Float64Array(size), this.#as);
    this.#bs = larger(new Float64Array(size), this.#bs);
    for (let slot = slots; slot < size; slot++) this.#place[slot] = slot + 1 < size ? slot + 1 : -1;
    this.#free = slots;
  }
}
