/**
 * Float32 numbers to ggml's blocks, simply: scales from extremes, no search for better ones. Written from the layout of
 * ggml's block structs alone (ggml-common.h), not from our reader of them.
 */
import { float32ToHalf, halfToFloat32 } from "../../nn/index.ts";

interface Layout {
  /** Numbers per block. */
  readonly elements: number;
  readonly bytes: number;
  readonly encode: (part: Float32Array, out: Uint8Array) => void;
}

const clamp = (value: number, low: number, high: number): number => Math.max(low, Math.min(high, Math.round(value)));

/** Writes a half-precision number and says what it is once rounded. */
function putHalf(value: number, out: Uint8Array, at: number): number {
  const half = float32ToHalf(Float32Array.of(value));
  out.set(new Uint8Array(half.buffer), at);
  return halfToFloat32(half)[0]!;
}

/** The number of largest size, with its sign. */
const extremeOf = (part: Float32Array): number =>
  part.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);

/** x / by, 0 where that has no meaning. */
const over = (x: number, by: number): number => (by === 0 ? 0 : x / by);

function encodeQ8_0(part: Float32Array, out: Uint8Array): void {
  const scale = extremeOf(part) / 127;
  putHalf(scale, out, 0);
  for (let i = 0; i < 32; i++) out[2 + i] = clamp(over(part[i]!, scale), -127, 127);
}

function encodeQ4_0(part: Float32Array, out: Uint8Array): void {
  const scale = extremeOf(part) / -8;
  putHalf(scale, out, 0);
  for (let i = 0; i < 32; i++) {
    out[2 + (i % 16)]! |= (clamp(over(part[i]!, scale), -8, 7) + 8) << (i < 16 ? 0 : 4);
  }
}

/** Eight 6-bit scales and eight 6-bit minima in 12 bytes: the last four of each give their top bits to the first. */
function packScales(scales: readonly number[], minima: readonly number[], out: Uint8Array): void {
  for (let i = 0; i < 4; i++) {
    out[i] = scales[i]! | ((scales[i + 4]! >> 4) << 6);
    out[i + 4] = minima[i]! | ((minima[i + 4]! >> 4) << 6);
    out[i + 8] = (scales[i + 4]! & 15) | ((minima[i + 4]! & 15) << 4);
  }
}

/** { half d, min; scales[12]; } and codes 0..top of 256 numbers: eight runs of 32, x = d * scale * code - min * minimum. */
function runsOf256(part: Float32Array, top: number, out: Uint8Array): Uint8Array {
  const runs = Array.from({ length: 8 }, (_, run) => part.subarray(run * 32, run * 32 + 32));
  const lows = runs.map((run) => Math.max(0, -Math.min(...run)));
  const steps = runs.map((run, i) => (Math.max(...run) + lows[i]!) / top);
  const d = putHalf(Math.max(...steps) / 63, out, 0);
  const min = putHalf(Math.max(...lows) / 63, out, 2);
  const scales = steps.map((step) => clamp(over(step, d), 0, 63));
  const minima = lows.map((low) => clamp(over(low, min), 0, 63));
  packScales(scales, minima, out.subarray(4, 16));
  return Uint8Array.from(part, (value, i) => {
    const run = i >> 5;
    return clamp(over(value + min * minima[run]!, d * scales[run]!), 0, top);
  });
}

/** Two runs share 32 bytes: the first in low nibbles, the second in high ones. */
function putNibbles(codes: Uint8Array, out: Uint8Array, at: number): void {
  for (const [i, code] of codes.entries()) out[at + (i >> 6) * 32 + (i & 31)]! |= (code & 15) << (i & 32 ? 4 : 0);
}

function encodeQ4_K(part: Float32Array, out: Uint8Array): void {
  putNibbles(runsOf256(part, 15, out), out, 16);
}

function encodeQ5_K(part: Float32Array, out: Uint8Array): void {
  const codes = runsOf256(part, 31, out);
  for (const [i, code] of codes.entries()) out[16 + (i & 31)]! |= (code >> 4) << (i >> 5);
  putNibbles(codes, out, 48);
}

/** { low[128]; high[64]; int8 scales[16]; half d }: 16 runs of 16, x = d * scale * (code - 32). */
function encodeQ6_K(part: Float32Array, out: Uint8Array): void {
  const steps = Array.from({ length: 16 }, (_, run) => extremeOf(part.subarray(run * 16, run * 16 + 16)) / -32);
  const d = putHalf(Math.max(...steps.map(Math.abs)) / 127, out, 208);
  const scales = steps.map((step) => clamp(over(step, d), -127, 127));
  for (const [run, scale] of scales.entries()) out[192 + run] = scale;
  for (let i = 0; i < 256; i++) {
    const code = clamp(over(part[i]!, d * scales[i >> 4]!), -32, 31) + 32;
    // In each half of 128: two quarters in low nibbles, two in high ones, and the top bits of all four in one byte.
    const [half, quarter, at] = [i >> 7, (i >> 5) & 3, i & 31];
    out[half * 64 + (quarter & 1) * 32 + at]! |= (code & 15) << (quarter >> 1 ? 4 : 0);
    out[128 + half * 32 + at]! |= (code >> 4) << (quarter * 2);
  }
}

const LAYOUTS = {
  Q8_0: { elements: 32, bytes: 34, encode: encodeQ8_0 },
  Q4_0: { elements: 32, bytes: 18, encode: encodeQ4_0 },
  Q4_K: { elements: 256, bytes: 144, encode: encodeQ4_K },
  Q5_K: { elements: 256, bytes: 176, encode: encodeQ5_K },
  Q6_K: { elements: 256, bytes: 210, encode: encodeQ6_K },
} as const satisfies Record<string, Layout>;

/** The block formats that can be written. */
export type BlockFormatName = keyof typeof LAYOUTS;

export function isBlockFormat(name: string): name is BlockFormatName {
  return Object.hasOwn(LAYOUTS, name);
}

/** Whole blocks of `values` (as many as the format's block divides) in that format. */
export function quantise(values: Float32Array, format: BlockFormatName): Uint8Array {
  const { elements, bytes, encode } = LAYOUTS[format];
  const out = new Uint8Array((values.length / elements) * bytes);
  for (let block = 0; block * elements < values.length; block++) {
    const part = values.subarray(block * elements, (block + 1) * elements);
    encode(part, out.subarray(block * bytes, (block + 1) * bytes));
  }
  return out;
}
