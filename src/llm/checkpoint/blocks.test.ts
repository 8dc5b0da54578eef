/**
 * Each block format against a reference that works on single bits: it reads numbered bits of a block's fields and
 * computes one element in doubles, by the formulas of ggml's documentation.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../core/index.ts";
import { BLOCK_FORMATS } from "./blocks.ts";

/** Bits `from`..`from + count` of a field that starts at byte `start`, the lowest first. */
function bits(block: Uint8Array, start: number, from: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) {
    const bit = from + i;
    value += ((block[start + Math.floor(bit / 8)]! >> (bit % 8)) & 1) * 2 ** i;
  }
  return value;
}

function half(block: Uint8Array, start: number): number {
  const sign = bits(block, start, 15, 1) === 1 ? -1 : 1;
  const exponent = bits(block, start, 10, 5);
  const mantissa = bits(block, start, 0, 10);
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

function int8(block: Uint8Array, at: number): number {
  const value = bits(block, at, 0, 8);
  return value < 128 ? value : value - 256;
}

/** Scale j of a 12-byte field of Q4_K and Q5_K, or its minimum. */
function sixBits(block: Uint8Array, start: number, j: number, what: "scale" | "minimum"): number {
  const own = what === "scale" ? 0 : 4;
  if (j < 4) return bits(block, start + own + j, 0, 6);
  return bits(block, start + 4 + j, own, 4) + 16 * bits(block, start + own + j - 4, 6, 2);
}

/** Nibble of element i in a block of 32: the first half low, the second high. */
const nibble32 = (block: Uint8Array, start: number, i: number): number =>
  bits(block, start + (i % 16), i < 16 ? 0 : 4, 4);
/** Nibble of element i of 256: 64 elements share 32 bytes. */
const nibble256 = (block: Uint8Array, start: number, i: number): number =>
  bits(block, start + Math.floor(i / 64) * 32 + (i % 32), i % 64 < 32 ? 0 : 4, 4);

type Reference = (block: Uint8Array, i: number) => number;

const REFERENCES: Readonly<Record<string, Reference>> = {
  F16: (b) => half(b, 0),
  BF16: (b) => new DataView(Uint8Array.of(0, 0, b[0]!, b[1]!).buffer).getFloat32(0, true),
  F32: (b) => new DataView(b.buffer, b.byteOffset).getFloat32(0, true),
  F64: (b) => new DataView(b.buffer, b.byteOffset).getFloat64(0, true),
  Q8_0: (b, i) => half(b, 0) * int8(b, 2 + i),
  Q4_0: (b, i) => half(b, 0) * (nibble32(b, 2, i) - 8),
  Q4_1: (b, i) => half(b, 0) * nibble32(b, 4, i) + half(b, 2),
  Q5_0: (b, i) => half(b, 0) * (nibble32(b, 6, i) + 16 * bits(b, 2, i, 1) - 16),
  Q5_1: (b, i) => half(b, 0) * (nibble32(b, 8, i) + 16 * bits(b, 4, i, 1)) + half(b, 2),
  Q4_K: (b, i) => {
    const run = Math.floor(i / 32);
    return half(b, 0) * sixBits(b, 4, run, "scale") * nibble256(b, 16, i) - half(b, 2) * sixBits(b, 4, run, "minimum");
  },
  Q5_K: (b, i) => {
    const run = Math.floor(i / 32);
    const code = nibble256(b, 48, i) + 16 * bits(b, 16 + (i % 32), run, 1);
    return half(b, 0) * sixBits(b, 4, run, "scale") * code - half(b, 2) * sixBits(b, 4, run, "minimum");
  },
  Q6_K: (b, i) => {
    const [side, quarter, at] = [Math.floor(i / 128), Math.floor((i % 128) / 32), i % 32];
    const low = bits(b, side * 64 + (quarter % 2) * 32 + at, quarter < 2 ? 0 : 4, 4);
    const high = bits(b, 128 + side * 32 + at, quarter * 2, 2);
    return half(b, 208) * int8(b, 192 + Math.floor(i / 16)) * (low + 16 * high - 32);
  },
};

/** Where a block keeps halves. */
const HALVES: Readonly<Record<string, readonly number[]>> = {
  Q8_0: [0],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
};

/** Bytes of any value, but scales that are finite. */
function randomBlocks(name: string, count: number, seed: number): Uint8Array {
  const { bytes } = BLOCK_FORMATS[name as keyof typeof BLOCK_FORMATS];
  const random = createRandom(seed, name);
  const blocks = Uint8Array.from({ length: bytes * count }, () => random.uint32() & 255);
  for (let block = 0; block < count; block++) {
    for (const at of HALVES[name] ?? []) {
      if ((blocks[block * bytes + at + 1]! & 0x7c) === 0x7c) blocks[block * bytes + at + 1]! &= 0xbf;
    }
  }
  return blocks;
}

describe("block formats", () => {
  it("has a reference for each", () => {
    expect(Object.keys(REFERENCES).toSorted()).toEqual(Object.keys(BLOCK_FORMATS).toSorted());
  });

  it.each(Object.values(BLOCK_FORMATS))("$name widens to the reference, bit by bit", (format) => {
    const blocks = randomBlocks(format.name, 24, 5);
    // Between two other values, to see that a decoder stays within its place.
    const values = new Float32Array(24 * format.elements + 2).fill(7);
    format.decode(blocks, values, 1);
    expect([values[0], values.at(-1)]).toEqual([7, 7]);
    for (let i = 0; i < 24 * format.elements; i++) {
      const at = Math.floor(i / format.elements) * format.bytes;
      const block = blocks.slice(at, at + format.bytes);
      const expected = Math.fround(REFERENCES[format.name]!(block, i % format.elements));
      // Object.is tells the zeros apart.
      if (!Object.is(values[i + 1], expected)) expect([i, values[i + 1]]).toEqual([i, expected]);
    }
  });

  it.each(["F16", "BF16"] as const)("%s widens every one of its numbers", (name) => {
    const all = new Uint8Array(Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).buffer);
    const values = new Float32Array(2 ** 16);
    BLOCK_FORMATS[name].decode(all, values, 0);
    for (let i = 0; i < values.length; i++) {
      const expected = Math.fround(REFERENCES[name]!(all.subarray(i * 2, i * 2 + 2), 0));
      if (!Object.is(values[i], expected)) expect([i, values[i]]).toEqual([i, expected]);
    }
  });

  it("a block's values depend on that block alone", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.values(BLOCK_FORMATS)), fc.nat(7), fc.nat(2 ** 30), (format, at, seed) => {
        const blocks = randomBlocks(format.name, 8, seed);
        const [whole, single] = [new Float32Array(8 * format.elements), new Float32Array(format.elements)];
        format.decode(blocks, whole, 0);
        format.decode(blocks.subarray(at * format.bytes, (at + 1) * format.bytes), single, 0);
        expect(whole.subarray(at * format.elements, (at + 1) * format.elements)).toEqual(single);
      }),
      { seed: 31, numRuns: 60 },
    );
  });
});
