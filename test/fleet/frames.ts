/**
 * Byte streams in pieces: where the messages of NATS's client protocol begin and end, and those of any protocol whose
 * headers have a fixed size and say how much follows. Only as much is read as a proxy must know; a stream that is none of
 * these is an error of the test.
 */

/** One unit that a proxy may do something to. */
export interface Frame {
  readonly bytes: Buffer;
  /** False for what keeps the connection itself alive: a proxy lets it pass. */
  readonly isMessage: boolean;
  /** "PUB", "MSG" and so on; "frame" where there are no names. */
  readonly kind: string;
  /** Of a message of NATS; "" elsewhere. */
  readonly subject: string;
  /** What is in it, without its header. */
  readonly payload: Buffer;
}

/** Frames out of one direction of one connection. */
export interface Splitter {
  /** The frames that this piece completes. */
  push(chunk: Buffer): readonly Frame[];
}

const EMPTY = Buffer.alloc(0);
const CRLF = "\r\n";

/** NATS's client protocol, both directions: a line, and after some lines as many bytes as their last word says. */
export function natsSplitter(): Splitter {
  return splitter((pending) => {
    const lineEnd = pending.indexOf(CRLF);
    if (lineEnd < 0) return null;
    const words = pending.toString("latin1", 0, lineEnd).split(/\s+/);
    const kind = words[0]!.toUpperCase();
    const bodyAt = lineEnd + CRLF.length;
    if (!/^H?(PUB|MSG)$/.test(kind)) {
      return { bytes: pending.subarray(0, bodyAt), isMessage: false, kind, subject: "", payload: EMPTY };
    }
    const size = Number(words.at(-1));
    if (!Number.isSafeInteger(size)) throw new Error(`not NATS: ${words.join(" ")}`);
    const end = bodyAt + size + CRLF.length;
    if (pending.length < end) return null;
    const headerBytes = kind.startsWith("H") ? Number(words.at(-2)) : 0;
    const payload = pending.subarray(bodyAt + headerBytes, bodyAt + size);
    return { bytes: pending.subarray(0, end), isMessage: true, kind, subject: words[1]!, payload };
  });
}

/** A protocol whose frames have a header of that size. `bodyBytes` reads from a header how much follows. */
export function headerSplitter(headerBytes: number, bodyBytes: (header: Buffer) => number): Splitter {
  return splitter((pending) => {
    if (pending.length < headerBytes) return null;
    const end = headerBytes + bodyBytes(pending.subarray(0, headerBytes));
    if (pending.length < end) return null;
    const payload = pending.subarray(headerBytes, end);
    return { bytes: pending.subarray(0, end), isMessage: true, kind: "frame", subject: "", payload };
  });
}

/** What nobody here can read: pieces as they come, all of them messages. */
export function pieceSplitter(): Splitter {
  return { push: (bytes) => [{ bytes, isMessage: true, kind: "piece", subject: "", payload: bytes }] };
}

/** @param first the frame at the beginning of the bytes; null: it is not complete yet */
function splitter(first: (pending: Buffer) => Frame | null): Splitter {
  let pending: Buffer = EMPTY;
  return {
    push(chunk) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const frames: Frame[] = [];
      for (let frame = first(pending); frame !== null; frame = first(pending)) {
        frames.push(frame);
        pending = pending.subarray(frame.bytes.length);
      }
      return frames;
    },
  };
}
