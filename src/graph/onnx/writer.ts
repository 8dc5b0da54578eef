/**
 * Protocol buffer writing. A message is a list of chunks: small fields are gathered in one buffer, large
 * byte strings are kept by reference, so that a model's weights are copied once, into the final array.
 *
 * Not a general serialiser: no groups, and only the field kinds that onnx.proto uses.
 */
import { assert, fail } from "../../core/index.ts";
import { WIRE } from "./schema.ts";

/** Byte strings from this size on are referenced, not copied, while a message is being put together. */
const REFERENCE_BYTES = 1024;
const INT64_END = 2 ** 63;
const utf8 = new TextEncoder();

export class ProtoWriter {
  readonly #chunks: Uint8Array[] = [];
  #scratch = new Uint8Array(256);
  #used = 0;
  #flushedBytes = 0;

  get byteLength(): number {
    return this.#flushedBytes + this.#used;
  }

  /**
   * An int64, int32 or enum field; negative values take ten bytes, as the format demands. 2^63 and -2^63 stand
   * for the ends of the int64 range, which ONNX uses for "no bound" and a number cannot hold.
   */
  int(field: number, value: number): void {
    if (!Number.isSafeInteger(value) && Math.abs(value) !== INT64_END) {
      fail("invalid_graph", `${value} is no exact integer`);
    }
    this.#tag(field, WIRE.varint);
    if (value >= 0 && value < INT64_END) this.#smallVarint(value);
    else this.#bigVarint(value === INT64_END ? 2n ** 63n - 1n : BigInt.asUintN(64, BigInt(value)));
  }

  float(field: number, value: number): void {
    this.#tag(field, WIRE.fixed32);
    this.#reserve(4);
    new DataView(this.#scratch.buffer).setFloat32(this.#used, value, true);
    this.#used += 4;
  }

  string(field: number, value: string): void {
    this.bytes(field, utf8.encode(value));
  }

  bytes(field: number, value: Uint8Array): void {
    this.#tag(field, WIRE.bytes);
    this.#smallVarint(value.byteLength);
    this.#append(value);
  }

  /** A field that is already encoded, tag included. */
  raw(field: Uint8Array): void {
    this.#append(field);
  }

  /** A nested message, written by `fill`. */
  message(field: number, fill: (writer: ProtoWriter) => void): void {
    const inner = new ProtoWriter();
    fill(inner);
    this.#tag(field, WIRE.bytes);
    this.#smallVarint(inner.byteLength);
    for (const chunk of inner.finish()) this.#append(chunk);
  }

  /** The chunks in order. The writer takes no more fields afterwards. */
  finish(): readonly Uint8Array[] {
    this.#flush();
    return this.#chunks;
  }

  toBytes(): Uint8Array {
    const total = this.byteLength;
    const out = new Uint8Array(total);
    let at = 0;
    for (const chunk of this.finish()) {
      out.set(chunk, at);
      at += chunk.byteLength;
    }
    assert(at === total, "the chunks add up to the message");
    return out;
  }

  #append(value: Uint8Array): void {
    if (value.byteLength >= REFERENCE_BYTES) {
      this.#flush();
      this.#chunks.push(value);
      this.#flushedBytes += value.byteLength;
      return;
    }
    this.#reserve(value.byteLength);
    this.#scratch.set(value, this.#used);
    this.#used += value.byteLength;
  }

  #flush(): void {
    if (this.#used === 0) return;
    this.#chunks.push(this.#scratch.slice(0, this.#used));
    this.#flushedBytes += this.#used;
    this.#used = 0;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#scratch.byteLength) return;
    const grown = new Uint8Array(Math.max(this.#scratch.byteLength * 2, this.#used + bytes));
    grown.set(this.#scratch.subarray(0, this.#used));
    this.#scratch = grown;
  }

  #tag(field: number, wire: number): void {
    this.#smallVarint(field * 8 + wire);
  }

  /** Non-negative and exact in a double; no bit operations, so lengths above 2^31 are safe. */
  #smallVarint(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 128) {
      this.#scratch[this.#used++] = (rest % 128) + 128;
      rest = Math.floor(rest / 128);
    }
    this.#scratch[this.#used++] = rest;
  }

  #bigVarint(value: bigint): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 128n) {
      this.#scratch[this.#used++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.#scratch[this.#used++] = Number(rest);
  }
}
