/**
 * How numbers are stored, block by block: the plain types, where a block is one number, and ggml's quantised
 * ones. A decoder widens whole blocks to float32, to the bit what ggml's own dequantisation gives: scales times
 * codes are exact in float32, so at most the last addition rounds, and it rounds once.
 *
 * Layouts: ggml's block structs (ggml-common.h), little-endian, codes of a block in the order that ggml reads them.
 */
import { halfToFloat32 } from "../../nn/index.ts";

/** One way to store numbers. */
export interface BlockFormat {
  /** ggml's name, or safetensors' for a plain type. */
  readonly name: string;
  /** Numbers in a block. */
  readonly elements: number;
  /** Bytes of a block. */
  readonly bytes: number;
  /** Widens all blocks of `from` (whole blocks) into `into` from index `at` on. */
  readonly decode: (from: Uint8Array, into: Float32Array, at: number) => void;
}

let halves: Float32Array | null = null;

/** Every half-precision number by its bits: 256 KiB, made at the first use. */
export function halfTable(): Float32Array {
  halves ??= halfToFloat32(Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits));
  return halves;
}

const halfBits = (bytes: Uint8Array, at: number): number => bytes[at]! | (bytes[at + 1]! << 8);

function decodeF32(from: Uint8Array, into: Float32Array, at: number): void {
  new Uint8Array(into.buffer, into.byteOffset + at * 4, from.length).set(from);
}

function decodeF64(from: Uint8Array, into: Float32Array, at: number): void {
  const view = new DataView(from.buffer, from.byteOffset, from.length);
  for (let i = 0; i * 8 < from.length; i++) into[at + i] = view.getFloat64(i * 8, true);
}

function decodeF16(from: Uint8Array, into: Float32Array, at: number): void {
  const table = halfTable();
  for (let i = 0; i * 2 < from.length; i++) into[at + i] = table[halfBits(from, i * 2)]!;
}

function decodeBf16(from: Uint8Array, into: Float32Array, at: number): void {
  // As integers: a float in between would lose the payload of a NaN.
  const bits = new Uint32Array(into.buffer, into.byteOffset + at * 4, from.length / 2);
  for (let i = 0; i < bits.length; i++) bits[i] = halfBits(from, i * 2) << 16;
}

/** { half d; int8 q[32] }: q * d */
function decodeQ8_0(from: Uint8Array, into: Float32Array, at: number): void {
  const table = halfTable();
  for (let block = 0, out = at; block < from.length; block += 34, out += 32) {
    const d = table[halfBits(from, block)]!;
    for (let i = 0; i < 32; i++) into[out + i] = ((from[block + 2 + i]! << 24) >> 24) * d;
  }
}

/** { half d; uint8 q[16] }: (code - 8) * d, low nibbles are the first half of the block. */
function decodeQ4_0(from: Uint8Array, into: Float32Array, at: number): void {
  const table = halfTable();
  for (let block = 0, out = at; block < from.length; block += 18, out += 32) {
    const d = table[halfBits(from, block)]!;
    for (let i = 0; i < 16; i++) {
      const pair = from[block + 2 + i]!;
      into[out + i] = ((pair & 15) - 8) * d;
      into[out + i + 16] = ((pair >> 4) - 8) * d;
    }
  }
}

/** { half d, m; uint8 q[16] }: code * d + m */
function decodeQ4_1(from: Uint8Array, into: Float32Array, at: number): void {
  const table = halfTable();
  for (let block = 0, out = at; block < from.length; block += 20, out += 32) {
    const d = table[halfBits(from, block)]!;
    const m = table[halfBits(from, block + 2)]!;
    for (let i = 0; i < 16; i++) {
      const pair = from[block + 4 + i]!;
      into[out + i] = (pair & 15) * d + m;
      into[out + i + 16] = (pair >> 4) * d + m;
    }
  }
}

/** The 5-bit codes of a block of 32: nibbles from `low`, fifth bits from the 32-bit field at `high`. */
function fiveBits(from: Uint8Array, high: number, low: number, codes: Uint8Array): void {
  const bits = from[high]! | (from[high + 1]! << 8) | (from[high + 2]! << 16) | (from[high + 3]! << 24);
  for (let i = 0; i < 16; i++) {
    const pair = from[low + i]!;
    codes[i] = (pair & 15) | (((bits >>> i) & 1) << 4);
    codes[i + 16] = (pair >> 4) | (((bits >>> (i + 16)) & 1) << 4);
  }
}

/** { half d; uint8 high[4]; uint8 q[16] }: (code - 16) * d */
function decodeQ5_0(from: Uint8Array, into: Float32Array, at: number): void {
  const table = halfTable();
  const codes = new Uint8Array(32);
  for (let block = 0, out = at; block < from.length; block += 22, out += 32) {
    const d = table[halfBits(from, block)]!;
    fiveBits(from, block + 2, block + 6, codes);
    for (let i = 0; i < 32; i++) into[out + i] = (codes[i]! - 16) * d;
  }
}

/** { half d, m; uint8 high[4]; uint8 q[16] }: code * d + m */
function decodeQ5_1(from: Uint8Array, into: Float32Array, at: number): void {
  const table = halfTable();
  const codes = new Uint8Array(32);
  for (let block = 0, out = at; block < from.length; block += 24, out += 32) {
    const d = table[halfBits(from, block)]!;
    const m = table[halfBits(from, block + 2)]!;
    fiveBits(from, block + 4, block + 8, codes);
    for (let i = 0; i < 32; i++) into[out + i] = codes[i]! * d + m;
  }
}

/** The eight 6-bit scales, then the eight 6-bit minima, that Q4_K and Q5_K pack into 12 bytes at `at`. */
function scalesAndMinima(from: Uint8Array, at: number, into: Uint8Array): void {
  for (let i = 0; i < 4; i++) {
    const [a, b, c] = [from[at + i]!, from[at + i + 4]!, from[at + i + 8]!];
    into[i] = a & 63;
    into[i + 8] = b & 63;
    into[i + 4] = (c & 15) | ((a >> 6) << 4);
    into[i + 12] = (c >> 4) | ((b >> 6) << 4);
  }
}

/** { half d, min; uint8 scales[12]; uint8 q[128] }: 8 runs of 32, code * d * scale - min * minimum */
function decodeQ4_K(from: Uint8Array, into: Float32Array, at: number): void {
  const table = halfTable();
  const scales = new Uint8Array(16);
  for (let block = 0, out = at; block < from.length; block += 144, out += 256) {
    const d = table[halfBits(from, block)]!;
    const min = table[halfBits(from, block + 2)]!;
    scalesAndMinima(from, block + 4, scales);
    for (let run = 0; run < 8; run++) {
      const [scale, offset] = [d * scales[run]!, min * scales[run + 8]!];
      const codes = block + 16 + (run >> 1) * 32;
      const shift = (run & 1) * 4;
      for (let i = 0; i < 32; i++) {
        into[out + run * 32 + i] = ((from[codes + i]! >> shift) & 15) * scale - offset;
      }
    }
  }
}

/** { half d, min; uint8 scales[12]; uint8 high[32]; uint8 q[128] }: as Q4_K with a fifth bit, run r in bit r of `high` */
function decodeQ5_K(from: Uint8Array, into: Float32Array, at: number): void {
  const table = halfTable();
  const scales = new Uint8Array(16);
  for (let block = 0, out = at; block < from.length; block += 176, out += 256) {
    const d = table[halfBits(from, block)]!;
    const min = table[halfBits(from, block + 2)]!;
    scalesAndMinima(from, block + 4, scales);
    for (let run = 0; run < 8; run++) {
      const [scale, offset] = [d * scales[run]!, min * scales[run + 8]!];
      const codes = block + 48 + (run >> 1) * 32;
      const shift = (run & 1) * 4;
      for (let i = 0; i < 32; i++) {
        const high = (from[block + 16 + i]! >> run) & 1;
        into[out + run * 32 + i] = (((from[codes + i]! >> shift) & 15) | (high << 4)) * scale - offset;
      }
    }
  }
}

/** { uint8 low[128]; uint8 high[64]; int8 scales[16]; half d }: 16 runs of 16, (code - 32) * d * scale */
function decodeQ6_K(from: Uint8Array, into: Float32Array, at: number): void {
  const table = halfTable();
  for (let block = 0, out = at; block < from.length; block += 210, out += 256) {
    const d = table[halfBits(from, block + 208)]!;
    // Two halves of 128; in each, four quarters of 32 share the bytes of `high` and, two by two, those of `low`.
    for (let quarter = 0; quarter < 8; quarter++) {
      const [half, part] = [quarter >> 2, quarter & 3];
      const low = block + half * 64 + (part & 1) * 32;
      const lowShift = (part >> 1) * 4;
      const high = block + 128 + half * 32;
      for (let i = 0; i < 32; i++) {
        const scale = (from[block + 192 + quarter * 2 + (i >> 4)]! << 24) >> 24;
        const code = ((from[low + i]! >> lowShift) & 15) | (((from[high + i]! >> (part * 2)) & 3) << 4);
        into[out + quarter * 32 + i] = d * scale * (code - 32);
      }
    }
  }
}

const format = (name: string, elements: number, bytes: number, decode: BlockFormat["decode"]): BlockFormat => ({
  name,
  elements,
  bytes,
  decode,
});

/**
 * Every format that can be read, by name. Q4_1, Q5_0 and Q5_1 are here because files of the K kinds fall back on
 * them for rows that 256 does not divide.
 */
export const BLOCK_FORMATS = {
  F64: format("F64", 1, 8, decodeF64),
  F32: format("F32", 1, 4, decodeF32),
  F16: format("F16", 1, 2, decodeF16),
  BF16: format("BF16", 1, 2, decodeBf16),
  Q8_0: format("Q8_0", 32, 34, decodeQ8_0),
  Q4_0: format("Q4_0", 32, 18, decodeQ4_0),
  Q4_1: format("Q4_1", 32, 20, decodeQ4_1),
  Q5_0: format("Q5_0", 32, 22, decodeQ5_0),
  Q5_1: format("Q5_1", 32, 24, decodeQ5_1),
  Q4_K: format("Q4_K", 256, 144, decodeQ4_K),
  Q5_K: format("Q5_K", 256, 176, decodeQ5_K),
  Q6_K: format("Q6_K", 256, 210, decodeQ6_K),
} as const;
