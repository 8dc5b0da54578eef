/**
 * The sending end of one transfer: pages become numbered frames, as many under way as the receiver's window allows. What
 * is not acknowledged is kept, one window at most, so that after a broken connection everything from the frame that the
 * receiver expects next is sent again. It opens no connections: it is given one, and another one later.
 */
import { assert, type PunctualError } from "../../core/index.ts";
import { frame, type Frame } from "./frames.ts";
import type { FrameCodec } from "./types.ts";

/** Bytes of pages in one frame, unless one page is more: a millisecond or so of copying. */
const FRAME_BYTES = 512 * 1024;

export interface FrameSenderOptions {
  readonly model: string;
  readonly transfer: string;
  readonly pageBytes: number;
  readonly windowBytes: number;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: PunctualError) => void;
}

export class FrameSender {
  readonly #options: FrameSenderOptions;
  /** Null: pages go as they are. */
  codec: FrameCodec | null = null;
  #windowBytes: number;
  #write: ((one: Frame) => void) | null = null;
  /** Sent, or to be sent when there is a connection; not acknowledged. */
  readonly #kept: Frame[] = [];
  #keptBytes = 0;
  #next = 0;
  #acknowledged = 0;
  #error: PunctualError | null = null;
  readonly #room: Waiter[] = [];
  readonly #done: (Waiter & { readonly sequence: number })[] = [];
  /** One `send` after the other, so that frames keep their order. */
  #last: Promise<void> = Promise.resolve();

  constructor(options: FrameSenderOptions) {
    this.#options = options;
    this.#windowBytes = options.windowBytes;
  }

  /** Bytes that are not acknowledged. */
  get pendingBytes(): number {
    return this.#keptBytes;
  }

  /** The frame that the receiver expects next, as far as is known. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  /**
   * Sends pages `first` and those behind it; resolves when the receiver has them all.
   * @param isUrgent they go as they are, whatever the codec: coding would take longer than it saves
   * @throws what `fail` was given.
   */
  async send(first: number, bytes: Uint8Array, isUrgent = false): Promise<void> {
    await this.#send(() => this.#enqueue(first, bytes, isUrgent ? null : this.codec));
  }

  /**
   * The same for pages that somebody stands still for, with a note that goes in the last of their frames: who has it has them.
   * There is at least one page. Only when the receiver takes such frames.
   */
  async sendLast(first: number, bytes: Uint8Array, note: Uint8Array): Promise<void> {
    assert(bytes.length > 0, "a note goes with pages");
    await this.#send(() => this.#enqueue(first, bytes, null, note));
  }

  async #send(enqueue: () => Promise<void>): Promise<void> {
    const sent = this.#last.then(enqueue);
    // Those behind it fail by themselves.
    this.#last = sent.then(
      () => undefined,
      () => undefined,
    );
    await sent;
    await this.#until(this.#next);
  }

  async #enqueue(
    first: number,
    bytes: Uint8Array,
    codec: FrameCodec | null,
    note: Uint8Array | null = null,
  ): Promise<void> {
    const { pageBytes } = this.#options;
    assert(pageBytes > 0 && bytes.length % pageBytes === 0, "pages are sent whole");
    const step = Math.max(1, Math.floor(FRAME_BYTES / pageBytes)) * pageBytes;
    for (let at = 0; at < bytes.length; at += step) {
      const piece = bytes.subarray(at, Math.min(at + step, bytes.length));
      const isLast = note !== null && at + step >= bytes.length;
      const page = first + at / pageBytes;
      const one = isLast ? this.#lastFrameOf(page, piece, note) : this.#frameOf(page, piece, codec);
      await this.#untilRoom(one.payload.length);
      this.#next += 1;
      this.#kept.push(one);
      this.#keptBytes += one.payload.length;
      this.#write?.(one);
    }
  }

  #frameOf(firstPage: number, raw: Uint8Array, codec: FrameCodec | null): Frame {
    const { model, transfer, pageBytes } = this.#options;
    const pages = raw.length / pageBytes;
    const payload = codec === null ? raw : codec.encode(raw, { first: firstPage, count: pages, pageBytes });
    return frame({
      kind: "pages",
      model,
      transfer,
      codec: codec?.id ?? 0,
      sequence: this.#next,
      firstPage,
      pages,
      payload,
      rawBytes: raw.length,
    });
  }

  #lastFrameOf(firstPage: number, raw: Uint8Array, note: Uint8Array): Frame {
    const { model, transfer, pageBytes } = this.#options;
    const payload = new Uint8Array(raw.length + note.length);
    payload.set(raw);
    payload.set(note, raw.length);
    const pages = raw.length / pageBytes;
    const where = { sequence: this.#next, firstPage, pages, rawBytes: raw.length };
    return frame({ kind: "last", model, transfer, ...where, payload });
  }

  /** A window smaller than a frame still lets one frame through. */
  async #untilRoom(bytes: number): Promise<void> {
    while (this.#kept.length > 0 && this.#keptBytes + bytes > this.#windowBytes) {
      this.#check();
      await new Promise<void>((resolve, reject) => {
        this.#room.push({ resolve, reject });
      });
    }
    this.#check();
  }

  async #until(sequence: number): Promise<void> {
    this.#check();
    if (sequence <= this.#acknowledged) return;
    await new Promise<void>((resolve, reject) => {
      this.#done.push({ sequence, resolve, reject });
    });
  }

  #check(): void {
    if (this.#error !== null) throw this.#error;
  }

  /** The receiver has taken all frames below that one. Old and impossible news change nothing. */
  acknowledge(sequence: number): void {
    if (sequence <= this.#acknowledged || sequence > this.#next) return;
    const count = sequence - this.#acknowledged;
    for (const { payload } of this.#kept.splice(0, count)) this.#keptBytes -= payload.length;
    this.#acknowledged = sequence;
    while (this.#done.length > 0 && this.#done[0]!.sequence <= sequence) this.#done.shift()!.resolve();
    for (const { resolve } of this.#room.splice(0)) resolve();
  }

  /** There is a connection: goes on with the frame that the receiver expects. */
  attach(next: number, windowBytes: number, write: (one: Frame) => void): void {
    this.#windowBytes = windowBytes;
    this.acknowledge(next);
    this.#write = write;
    for (const one of this.#kept) write(one);
    for (const { resolve } of this.#room.splice(0)) resolve();
  }

  /** The connection is gone. */
  detach(): void {
    this.#write = null;
  }

  /** The transfer is over: everything that waits rejects; the first error counts. */
  fail(error: PunctualError): void {
    this.#error ??= error;
    this.#write = null;
    this.#kept.length = 0;
    this.#keptBytes = 0;
    for (const { reject } of [...this.#room.splice(0), ...this.#done.splice(0)]) reject(this.#error);
  }
}
