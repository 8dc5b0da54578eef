/**
 * Frames over a socket. Reading waits for the reader: as long as one frame is dealt with, no more bytes are taken from the
 * socket than it holds anyway, which is what slows a fast sender down.
 */
import type { Socket } from "node:net";
import { encodeHeader, FrameParser, type Frame } from "./frames.ts";
import { MAX_NOTE_BYTES } from "./notes.ts";

/** Frames to and from the other end. */
export class FrameSocket {
  readonly #socket: Socket;
  readonly #parser = new FrameParser(MAX_NOTE_BYTES);
  #sentBytes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    // Errors end the reading loop; without a listener they would end the process.
    socket.on("error", () => undefined);
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  /** Bytes written so far. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Frames of this size are taken from the next header on; at first only short ones are. */
  allow(maxPayloadBytes: number): void {
    this.#parser.maxPayloadBytes = Math.max(this.#parser.maxPayloadBytes, maxPayloadBytes);
  }

  /** Sends; what is written to a broken connection is lost. */
  send(one: Frame): void {
    if (!this.isOpen) return;
    const header = encodeHeader(one);
    this.#sentBytes += header.length + one.payload.length;
    if (one.payload.length === 0) {
      this.#socket.write(header);
      return;
    }
    this.#socket.cork();
    this.#socket.write(header);
    this.#socket.write(one.payload);
    this.#socket.uncork();
  }

  /**
   * Hands every frame to `take`, one at a time, until the connection ends.
   * @throws what `take` throws, and PunctualError for bytes that are no frames; the connection is closed then.
   */
  async read(take: (one: Frame) => Promise<void> | void): Promise<void> {
    let fault: { readonly error: unknown } | null = null;
    const takeAll = async (bytes: Uint8Array): Promise<boolean> => {
      try {
        for (const one of this.#parser.push(bytes)) await take(one);
        return true;
      } catch (error) {
        fault = { error };
        return false;
      }
    };
    try {
      for await (const bytes of this.#socket as AsyncIterable<Uint8Array>) if (!(await takeAll(bytes))) break;
    } catch {
      // The connection was lost: who reads sees that it has ended, however it did.
    } finally {
      this.#socket.destroy();
    }
    if (fault !== null) throw (fault as { readonly error: unknown }).error;
  }

  close(): void {
    this.#socket.destroy();
  }
}
