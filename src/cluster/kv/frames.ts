/**
 * Keys and values on the wire: frames of a 64-byte header and a payload, each with a checksum of its own (CRC-32), so that
 * a length is trusted only when its header is sound. Numbers are little-endian.
 *
 *    0 magic "PKVF"      4 version u8   5 kind u8   6 codec u8   7 zero
 *    8 hash of the model's fingerprint, 8 bytes          16 transfer, 16 bytes
 *   32 sequence u32     36 first page u32    40 pages u32    44 first layer u16   46 layers u16
 *   48 payload bytes u32   52 bytes before coding u32   56 CRC of the payload   60 CRC of the 60 bytes before
 *
 * `FrameParser` takes bytes as they come. What is not a sound frame throws `invalid_request`: the connection is of no use
 * any more, but transfers are, which go on over the next one. It holds one frame's bytes at most.
 */
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { assert, fail } from "../../core/index.ts";

/** Length of a header. */
export const FRAME_HEADER_BYTES = 64;
/** Most bytes of a payload, unless a parser is told less. */
export const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;

const MAGIC = 0x4656_4b50;
/** 1 had a checksum that took six times as long. */
const VERSION = 2;

/**
 * What a frame is.
 *
 *   open    who opened the connection wants to push or pull a resource        payload: JSON
 *   opened  it may; a push goes on with the frame of that sequence             payload: JSON
 *   pages   pages of a sequence, `sequence` counts them within the transfer
 *   ack     all frames below `sequence` have been taken
 *   refuse  the transfer is over: it failed                                    payload: JSON
 *   close   the transfer is over: nobody wants more of it
 *   last    pages that are not coded, and behind them (from rawBytes on) a note to who takes them; numbered as pages are
 */
export const FRAME_KINDS = ["open", "opened", "pages", "ack", "refuse", "close", "last"] as const;

/** One of FRAME_KINDS. */
export type FrameKind = (typeof FRAME_KINDS)[number];

/** What a header says. */
export interface FrameHeader {
  readonly kind: FrameKind;
  /** How the payload is coded; 0: not at all. */
  readonly codec: number;
  /** Of the fingerprint of the model that the pages belong to, 16 hexadecimal digits; see `fingerprintHash`. */
  readonly model: string;
  /** 32 hexadecimal digits. */
  readonly transfer: string;
  readonly sequence: number;
  readonly firstPage: number;
  readonly pages: number;
  readonly firstLayer: number;
  /** 0: all. */
  readonly layers: number;
  /** Length of the payload before it was coded. */
  readonly rawBytes: number;
}

/** A header and what follows it. */
export interface Frame extends FrameHeader {
  readonly payload: Uint8Array;
}

const EMPTY = new Uint8Array(0);

/** A frame with the fields that matter to it. */
export function frame(over: Partial<Frame> & Pick<Frame, "kind" | "model" | "transfer">): Frame {
  const payload = over.payload ?? EMPTY;
  return {
    codec: 0,
    sequence: 0,
    firstPage: 0,
    pages: 0,
    firstLayer: 0,
    layers: 0,
    rawBytes: payload.length,
    ...over,
    payload,
  };
}

/** The first 8 bytes of SHA-256 of a model's fingerprint, as 16 hexadecimal digits. */
export function fingerprintHash(fingerprint: string): string {
  return createHash("sha256").update(fingerprint).digest("hex").slice(0, 16);
}

/** The header of a frame as bytes; its payload goes after it. */
export function encodeHeader(one: Frame): Uint8Array {
  const bytes = new Uint8Array(FRAME_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  bytes[4] = VERSION;
  bytes[5] = FRAME_KINDS.indexOf(one.kind);
  bytes[6] = one.codec;
  putHex(bytes, 8, one.model, 8);
  putHex(bytes, 16, one.transfer, 16);
  view.setUint32(32, one.sequence, true);
  view.setUint32(36, one.firstPage, true);
  view.setUint32(40, one.pages, true);
  view.setUint16(44, one.firstLayer, true);
  view.setUint16(46, one.layers, true);
  view.setUint32(48, one.payload.length, true);
  view.setUint32(52, one.rawBytes, true);
  view.setUint32(56, crc32(one.payload), true);
  view.setUint32(60, crc32(bytes.subarray(0, 60)), true);
  return bytes;
}

/** A frame as bytes, header and payload. */
export function encodeFrame(one: Frame): Uint8Array {
  const header = encodeHeader(one);
  const bytes = new Uint8Array(header.length + one.payload.length);
  bytes.set(header);
  bytes.set(one.payload, header.length);
  return bytes;
}

function putHex(bytes: Uint8Array, at: number, hex: string, length: number): void {
  assert(hex.length === 2 * length, `expected ${2 * length} hexadecimal digits`);
  for (let i = 0; i < length; i++) bytes[at + i] = Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16);
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");

interface Header extends FrameHeader {
  readonly payloadBytes: number;
  readonly payloadCrc: number;
}

function decodeHeader(bytes: Uint8Array, maxPayloadBytes: number): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES);
  if (view.getUint32(0, true) !== MAGIC) fail("invalid_request", "Not a frame of keys and values: wrong magic.");
  if (view.getUint32(60, true) !== crc32(bytes.subarray(0, 60))) {
    fail("invalid_request", "A frame's header does not match its checksum.");
  }
  if (bytes[4] !== VERSION) fail("unsupported", `Expected frames of version ${VERSION}, got ${bytes[4]}.`);
  const kind = FRAME_KINDS[bytes[5]!];
  if (kind === undefined) fail("invalid_request", `A frame of unknown kind ${bytes[5]}.`);
  const payloadBytes = view.getUint32(48, true);
  const rawBytes = view.getUint32(52, true);
  if (payloadBytes > maxPayloadBytes || rawBytes > maxPayloadBytes) {
    const largest = Math.max(payloadBytes, rawBytes);
    fail("payload_too_large", `A frame holds at most ${maxPayloadBytes} bytes, got ${largest}.`);
  }
  return {
    kind,
    codec: bytes[6]!,
    model: hexOf(bytes.subarray(8, 16)),
    transfer: hexOf(bytes.subarray(16, 32)),
    sequence: view.getUint32(32, true),
    firstPage: view.getUint32(36, true),
    pages: view.getUint32(40, true),
    firstLayer: view.getUint16(44, true),
    layers: view.getUint16(46, true),
    rawBytes,
    payloadBytes,
    payloadCrc: view.getUint32(56, true),
  };
}

/** Frames out of a stream of bytes. After it has thrown it takes nothing more. */
export class FrameParser {
  /** Most bytes of a payload from the next header on. */
  maxPayloadBytes: number;
  readonly #head = new Uint8Array(FRAME_HEADER_BYTES);
  #filled = 0;
  #header: Header | null = null;
  #payload: Uint8Array = EMPTY;
  #broken = false;

  constructor(maxPayloadBytes: number = MAX_PAYLOAD_BYTES) {
    this.maxPayloadBytes = maxPayloadBytes;
  }

  /** True between two frames. */
  get isBetween(): boolean {
    return this.#header === null && this.#filled === 0;
  }

  /**
   * The frames that these bytes complete, one after the other.
   * @throws PunctualError invalid_request, unsupported (another version), payload_too_large.
   */
  *push(bytes: Uint8Array): Generator<Frame, void, undefined> {
    assert(!this.#broken, "nothing follows a broken frame");
    this.#broken = true;
    let at = 0;
    while (at < bytes.length || this.#isComplete()) {
      at += this.#header === null ? this.#fillHeader(bytes, at) : this.#fillPayload(bytes, at);
      if (!this.#isComplete()) continue;
      yield this.#take();
    }
    this.#broken = false;
  }

  #isComplete(): boolean {
    return this.#header !== null && this.#filled === this.#header.payloadBytes;
  }

  #fillHeader(bytes: Uint8Array, at: number): number {
    const count = Math.min(FRAME_HEADER_BYTES - this.#filled, bytes.length - at);
    this.#head.set(bytes.subarray(at, at + count), this.#filled);
    this.#filled += count;
    if (this.#filled === FRAME_HEADER_BYTES) {
      this.#header = decodeHeader(this.#head, this.maxPayloadBytes);
      this.#payload = new Uint8Array(this.#header.payloadBytes);
      this.#filled = 0;
    }
    return count;
  }

  #fillPayload(bytes: Uint8Array, at: number): number {
    const count = Math.min(this.#payload.length - this.#filled, bytes.length - at);
    this.#payload.set(bytes.subarray(at, at + count), this.#filled);
    this.#filled += count;
    return count;
  }

  #take(): Frame {
    const { payloadBytes: _, payloadCrc, ...header } = this.#header!;
    const payload = this.#payload;
    if (crc32(payload) !== payloadCrc) fail("invalid_request", "A frame's payload does not match its checksum.");
    this.#header = null;
    this.#payload = EMPTY;
    this.#filled = 0;
    return { ...header, payload };
  }
}
