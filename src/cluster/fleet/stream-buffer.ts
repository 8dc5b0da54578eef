/**
 * What has come of an answer and was not read yet, and what that lets an instance send: `window` items at most are on their
 * way or unread, so that one slow reader costs a router a bounded memory and nobody else anything.
 */
import type { PunctualError } from "../../core/index.ts";
import type { GenerateEvent } from "../../runtime/index.ts";

/** See the head of this file. */
export class StreamBuffer {
  readonly #window: number;
  #events: GenerateEvent[] = [];
  #head = 0;
  #waiter: (() => void) | null = null;
  #end: { readonly error: PunctualError | null } | null = null;
  #errorTold = false;

  constructor(window: number) {
    this.#window = window;
  }

  get ended(): boolean {
    return this.#end !== null;
  }

  get unread(): number {
    return this.#events.length - this.#head;
  }

  /** Items that may still come. */
  get room(): number {
    return Math.max(0, this.#window - this.unread);
  }

  push(events: readonly GenerateEvent[]): void {
    if (this.#end !== null) return;
    this.#events.push(...events);
    this.#wake();
  }

  /** What came stays readable; the first end counts. False when it had ended. */
  end(error: PunctualError | null): boolean {
    if (this.#end !== null) return false;
    this.#end = { error };
    this.#wake();
    return true;
  }

  /** What was not read is of no interest any more. */
  drop(): void {
    this.#events = [];
    this.#head = 0;
  }

  /** Throws the error of the end once, after all events; afterwards it is simply over. */
  async next(): Promise<GenerateEvent | undefined> {
    for (;;) {
      const event = this.#events[this.#head];
      if (event !== undefined) {
        this.#head += 1;
        if (this.#head === this.#events.length) this.drop();
        return event;
      }
      if (this.#end !== null) {
        const { error } = this.#end;
        if (error === null || this.#errorTold) return undefined;
        this.#errorTold = true;
        throw error;
      }
      await new Promise<void>((resolve) => {
        this.#waiter = resolve;
      });
    }
  }

  #wake(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.();
  }
}
