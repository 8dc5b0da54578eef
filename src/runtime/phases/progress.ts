/**
 * How far a worker has come with its step of prompts, told through shared memory: a layer is too short for messages.
 * One worker writes, the other reads and may sleep until there is something new. What the writer has put into the cache
 * before `publish` is seen by whoever has read what it published (both are sequentially consistent atomics).
 */
const STEP = 0;
const SLOTS = 1;
const WORDS = 2;

export class StepProgress {
  readonly buffer: SharedArrayBuffer;
  readonly #words: Int32Array;

  /** @param buffer another worker's; made anew when absent */
  constructor(buffer = new SharedArrayBuffer(WORDS * Int32Array.BYTES_PER_ELEMENT)) {
    this.buffer = buffer;
    this.#words = new Int32Array(buffer);
  }

  /** A further step begins; steps count from 1 and wrap around. */
  begin(): void {
    Atomics.store(this.#words, SLOTS, 0); // first: who sees the new number sees no slots of the old step
    Atomics.store(this.#words, STEP, (Atomics.load(this.#words, STEP) + 1) | 0);
  }

  /** So many slots of it are done. */
  publish(slots: number): void {
    Atomics.store(this.#words, SLOTS, slots);
    Atomics.notify(this.#words, SLOTS);
  }

  /** Whether the step of that number has at least so many slots done, or is over. */
  reached(step: number, slots: number): boolean {
    const ahead = (Atomics.load(this.#words, STEP) - step) | 0;
    return ahead > 0 || (ahead === 0 && Atomics.load(this.#words, SLOTS) >= slots);
  }

  /** Sleeps until something is published, at most that long. Blocks the thread. */
  wait(ms: number, isEnough: () => boolean): void {
    const seen = Atomics.load(this.#words, SLOTS);
    if (!isEnough()) Atomics.wait(this.#words, SLOTS, seen, ms);
  }
}
