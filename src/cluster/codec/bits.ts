/**
 * Whole numbers as bits: exponential Golomb codes (Teuhola 1978), most significant bit first. For what is too rare or too
 * short for a table of the entropy coder: counts of shipped tables, steps beyond the last bin.
 */
import { fail } from "../../core/index.ts";

/** Writes bits into memory that grows. */
export class BitWriter {
  #bytes = new Uint8Array(64);
  #bits = 0;

  bit(value: number): void {
    if (this.#bits >> 3 === this.#bytes.length) {
      const grown = new Uint8Array(this.#bytes.length * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    if (value !== 0) this.#bytes[this.#bits >> 3]! |= 0x80 >> (this.#bits & 7);
    this.#bits += 1;
  }

  /** A number from 0 to 2^30: small ones take few bits. */
  unsigned(value: number): void {
    const shifted = value + 1;
    const length = 31 - Math.clz32(shifted);
    for (let i = 0; i < length; i++) this.bit(0);
    for (let i = length; i >= 0; i--) this.bit((shifted >> i) & 1);
  }

  /** A number from -2^29 to 2^29. */
  signed(value: number): void {
    this.unsigned(value > 0 ? 2 * value - 1 : -2 * value);
  }

  /** The same in Rice's code (1979): the low `lowBits` bits as they are, the rest in unary. For values of about 2^lowBits. */
  rice(value: number, lowBits: number): void {
    const mapped = value > 0 ? 2 * value - 1 : -2 * value;
    for (let i = mapped >> lowBits; i > 0; i--) this.bit(1);
    this.bit(0);
    for (let i = lowBits - 1; i >= 0; i--) this.bit((mapped >> i) & 1);
  }

  /** What was written, zeros up to a whole byte. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(0, Math.ceil(this.#bits / 8));
  }
}

/** Reads what BitWriter wrote; every read beyond the end throws invalid_file. */
export class BitReader {
  readonly #bytes: Uint8Array;
  #bits = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  bit(): number {
    const byte = this.#bytes[this.#bits >> 3];
    if (byte === undefined) fail("invalid_file", `expected more than ${this.#bytes.length} bytes of bits`);
    const bit = (byte >> (7 - (this.#bits & 7))) & 1;
    this.#bits += 1;
    return bit;
  }

  unsigned(): number {
    let length = 0;
    while (this.bit() === 0) {
      length += 1;
      if (length > 30) fail("invalid_file", "expected a number up to 2^30");
    }
    let value = 1;
    for (let i = 0; i < length; i++) value = value * 2 + this.bit();
    return value - 1;
  }

  signed(): number {
    const value = this.unsigned();
    return value % 2 === 1 ? (value + 1) / 2 : 0 - value / 2;
  }

  /** What `rice` of so many low bits wrote, for magnitudes below 2^15. */
  rice(lowBits: number): number {
    let high = 0;
    while (this.bit() === 1) {
      high += 1;
      if (high >> (16 - lowBits) !== 0) fail("invalid_file", "expected a number below 2^15");
    }
    let mapped = high;
    for (let i = 0; i < lowBits; i++) mapped = mapped * 2 + this.bit();
    return mapped % 2 === 1 ? (mapped + 1) / 2 : 0 - mapped / 2;
  }

  /** Throws invalid_file unless all but the padding of the last byte has been read. */
  end(): void {
    if (Math.ceil(this.#bits / 8) === this.#bytes.length) return;
    fail("invalid_file", `expected ${Math.ceil(this.#bits / 8)} bytes of bits, got ${this.#bytes.length}`);
  }
}
