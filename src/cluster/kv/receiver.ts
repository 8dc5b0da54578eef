/**
 * The receiving end of one transfer: frames in order of their sequence, each written before the next is looked at. A frame
 * that has come already is acknowledged again and not written; one ahead of its turn is an error of the connection, after
 * which the sender goes on from the frame that is expected.
 */
import { fail } from "../../core/index.ts";
import type { Frame } from "./frames.ts";
import type { FrameCodec, KvSink } from "./types.ts";

export class FrameReceiver {
  readonly #sink: KvSink;
  readonly #codecs: ReadonlyMap<number, FrameCodec>;
  #next = 0;
  #pages = 0;
  #bytes = 0;

  constructor(sink: KvSink, codecs: ReadonlyMap<number, FrameCodec>) {
    this.#sink = sink;
    this.#codecs = codecs;
  }

  /** The frame that is expected. */
  get next(): number {
    return this.#next;
  }

  /** Pages and payload bytes so far. */
  get pages(): number {
    return this.#pages;
  }
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Takes a frame of kind "pages" or "last".
   * @throws PunctualError invalid_request for one that is ahead, or is not what it says; what the sink throws.
   */
  async take(one: Frame): Promise<void> {
    if (one.sequence < this.#next) return;
    if (one.sequence > this.#next) {
      fail("invalid_request", `Expected frame ${this.#next} of a transfer, got ${one.sequence}.`);
    }
    const { length } = one.payload; // the sink may have given the bytes away by then
    if (one.kind === "last") await this.#writeLast(one);
    else await this.#sink.write(one.firstPage, this.#decode(one));
    // The same frame may have come over another connection meanwhile.
    if (one.sequence < this.#next) return;
    this.#next = one.sequence + 1;
    this.#pages += one.pages;
    this.#bytes += length;
  }

  async #writeLast({ codec, firstPage, pages, payload, rawBytes }: Frame): Promise<void> {
    const sink = this.#sink;
    if (sink.writeLast === undefined) return fail("unsupported", "Nobody listens to notes here.");
    if (codec !== 0 || pages === 0 || rawBytes !== pages * sink.pageBytes || rawBytes > payload.length) {
      fail("invalid_request", `Expected ${pages} plain pages of ${sink.pageBytes} bytes, got ${rawBytes} bytes.`);
    }
    await sink.writeLast(firstPage, payload.subarray(0, rawBytes), payload.subarray(rawBytes));
  }

  #decode({ codec, firstPage, pages, payload, rawBytes }: Frame): Uint8Array {
    const { pageBytes } = this.#sink;
    if (rawBytes !== pages * pageBytes || pages === 0) {
      fail("invalid_request", `Expected ${pages} pages of ${pageBytes} bytes, got ${rawBytes} bytes.`);
    }
    const coder = this.#codecs.get(codec);
    if (codec !== 0 && coder === undefined) fail("unsupported", `Frames are coded with unknown codec ${codec}.`);
    const raw = coder === undefined ? payload : coder.decode(payload, { first: firstPage, count: pages, pageBytes });
    if (raw.length !== rawBytes) fail("invalid_request", `Expected ${rawBytes} bytes of pages, got ${raw.length}.`);
    return raw;
  }
}
