/**
 * One request's events on the main thread: a bounded buffer between the engine and a reader.
 *
 * The engine never waits for a reader. When the unread events pass the limit the stream asks for its
 * sequence to be paused; when the reader has caught up to a quarter of it, to go on. A reader that
 * stays away for `stallMs` loses the request. So one slow reader costs the others nothing but the
 * recomputation of its own sequence, and the buffer holds at most the limit and what one step adds.
 */
import { PunctualError } from "../core/index.ts";
import { after } from "./clock.ts";
import type { GenerateEvent, TokenStream } from "./types.ts";

/** What a stream asks of its engine. */
export interface StreamOwner {
  pause(): void;
  resume(): void;
  /** Nobody reads any more: free everything. Called at most once, and not after the end. */
  abandon(): void;
}

export interface StreamOptions {
  /** Most unread events before the sequence is paused. */
  readonly limit: number;
  readonly stallMs: number;
  /** Registers a call that cancels; answers the undo. */
  readonly onCancel?: (cancel: () => void) => () => void;
}

type End = { readonly error: PunctualError | null };

export class LiveStream implements TokenStream {
  readonly id: string;
  readonly #limit: number;
  readonly #stallMs: number;
  readonly #owner: StreamOwner;
  #buffer: GenerateEvent[] = [];
  #head = 0;
  #end: End | null = null;
  /** The error is thrown once; afterwards the stream is simply over. */
  #endDelivered = false;
  #waiter: (() => void) | null = null;
  #disarmStall: (() => void) | null = null;
  #paused = false;
  #unlisten: (() => void) | null = null;

  constructor(id: string, owner: StreamOwner, options: StreamOptions) {
    this.id = id;
    this.#owner = owner;
    this.#limit = options.limit;
    this.#stallMs = options.stallMs;
    this.#unlisten = options.onCancel?.(() => this.cancel()) ?? null;
  }

  get unread(): number {
    return this.#buffer.length - this.#head;
  }

  /** For the engine: one more event. Dropped after the end. */
  push(event: GenerateEvent): void {
    if (this.#end !== null) return;
    this.#buffer.push(event);
    if (event.kind === "finish") this.#finish(null);
    else if (!this.#paused && this.unread > this.#limit) this.#pause();
    this.#wake();
  }

  /** For the engine: ends the stream with an error; the first end counts. Unread events stay readable. */
  fail(error: PunctualError): void {
    if (this.#end !== null) return;
    this.#finish(error);
    this.#wake();
  }

  cancel(): void {
    this.#leave(new PunctualError("cancelled", "the request was cancelled"));
  }

  async next(): Promise<IteratorResult<GenerateEvent, undefined>> {
    for (;;) {
      const event = this.#shift();
      if (event !== undefined) return { done: false, value: event };
      if (this.#end !== null) {
        const { error } = this.#end;
        if (error === null || this.#endDelivered) return { done: true, value: undefined };
        this.#endDelivered = true;
        throw error;
      }
      await new Promise<void>((resolve) => {
        this.#waiter = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<GenerateEvent, undefined>> {
    this.#leave(null);
    this.#buffer = [];
    this.#head = 0;
    this.#endDelivered = true;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): TokenStream {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** The reader's end of the stream: whatever has not been read is of no interest any more. */
  #leave(error: PunctualError | null): void {
    if (this.#end !== null) return;
    this.#buffer = [];
    this.#head = 0;
    this.#finish(error);
    this.#owner.abandon();
    this.#wake();
  }

  #finish(error: PunctualError | null): void {
    this.#end = { error };
    this.#disarmStall?.();
    this.#disarmStall = null;
    this.#unlisten?.();
    this.#unlisten = null;
  }

  #pause(): void {
    this.#paused = true;
    this.#owner.pause();
    this.#disarmStall = after(this.#stallMs, () => {
      if (this.#end !== null) return;
      const message = `nobody read the stream for ${this.#stallMs} ms while ${this.unread} events were waiting`;
      this.#finish(new PunctualError("request_timeout", message));
      this.#owner.abandon();
      this.#wake();
    });
  }

  #shift(): GenerateEvent | undefined {
    if (this.unread === 0) return undefined;
    const event = this.#buffer[this.#head++];
    if (this.#head === this.#buffer.length) {
      this.#buffer = [];
      this.#head = 0;
    }
    if (this.#paused && this.unread <= this.#limit / 4) {
      this.#paused = false;
      this.#disarmStall?.();
      this.#disarmStall = null;
      if (this.#end === null) this.#owner.resume();
    }
    return event;
  }

  #wake(): void {
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.();
  }
}
