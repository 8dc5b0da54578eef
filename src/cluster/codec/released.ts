/**
 * CacheGen as released (its artifact and LMCache's codec), which is simpler than the paper: per layer and token all
 * channels are scaled by the largest, quantised to so many bins, and coded with one distribution per layer and channel,
 * counted over the chunk itself and shipped with it. Scales and tables are part of the size.
 *
 *     C = bins / 2 - 1,   q = round(x C / largest) + C  in 0..2C,   x' = (q - C) / C largest
 *
 * Bins are those of its Mistral-7B settings, by the same shares of the depth. Scales travel in two bytes.
 */
import { fail } from "../../core/index.ts";
import { EntropyTables, type EntropyCoder } from "../../kernels/index.ts";
import { BitReader, BitWriter } from "./bits.ts";
import { emptyPlanes, type Planes } from "./planes.ts";
import { bytesToScales, joinSections, packScale, scalesToBytes, splitSections, unpackScale } from "./sections.ts";
import { channelCount, planeCount, type CacheShape } from "./shape.ts";

/** Bins of keys in the first 10, the next 10 and the last 12 of 32 layers, of values in the first 2 and in the rest. */
interface Bins {
  readonly keys: readonly [number, number, number];
  readonly values: readonly [number, number];
}

/** From the finest to the coarsest: its levels 3, 2 (the default there) and 1. */
const LEVELS: readonly Bins[] = [
  { keys: [32, 32, 32], values: [32, 32] },
  { keys: [32, 16, 16], values: [32, 16] },
  { keys: [16, 16, 12], values: [16, 12] },
];

/** Levels of this variant, 0 the finest. */
export const RELEASED_LEVELS = LEVELS.length;

const BINS_MAX = 32;
const SYMBOLS = BINS_MAX - 1;

/** Steps on either side of zero. */
function stepsOf(shape: CacheShape, level: number, plane: number): number {
  const layer = plane >> 1;
  const bins = LEVELS[level]!;
  const depth = (32 * layer) / shape.layers;
  const count = plane % 2 === 0 ? bins.keys[depth < 10 ? 0 : depth < 20 ? 1 : 2] : bins.values[depth < 2 ? 0 : 1];
  return count / 2 - 1;
}

/** @param level 0 (finest) to RELEASED_LEVELS - 1 */
export function encodeReleased(
  coder: EntropyCoder,
  shape: CacheShape,
  planes: Planes,
  level: number,
): Uint8Array<ArrayBuffer> {
  const { tokens } = planes;
  const channels = channelCount(shape);
  const scales = new Uint16Array(planeCount(shape) * tokens);
  const symbols = new Uint8Array(planeCount(shape) * channels * tokens);
  const counts = new Uint32Array(planeCount(shape) * channels * SYMBOLS);
  for (let plane = 0; plane < planeCount(shape); plane++) {
    const data = planes.data[plane]!;
    const steps = stepsOf(shape, level, plane);
    const factors = new Float64Array(tokens);
    for (let t = 0; t < tokens; t++) {
      const packed = packScale(largestAt(data, t, tokens));
      scales[plane * tokens + t] = packed;
      const scale = unpackScale(packed);
      factors[t] = scale > 0 ? steps / scale : 0;
    }
    for (let c = 0; c < channels; c++) {
      const row = plane * channels + c;
      for (let t = 0; t < tokens; t++) {
        const q = Math.round(data[c * tokens + t]! * factors[t]!) + steps;
        symbols[row * tokens + t] = q;
        counts[row * SYMBOLS + q]! += 1;
      }
    }
  }
  const shipped = new BitWriter();
  forEachRow(shape, level, (row, alphabet) => {
    for (let s = 0; s < alphabet; s++) shipped.unsigned(counts[row * SYMBOLS + s]!);
  });
  const loaded = coder.load(EntropyTables.fromCounts(counts, SYMBOLS, { coverAll: false }));
  const payload = coder.encode(loaded, symbols, rowRuns(shape, tokens));
  coder.unload(loaded);
  return joinSections([scalesToBytes(scales), shipped.bytes(), payload]);
}

/** @throws PunctualError invalid_file for what encodeReleased of this shape, level and so many tokens has not made. */
export function decodeReleased(
  coder: EntropyCoder,
  shape: CacheShape,
  body: Uint8Array,
  tokens: number,
  level: number,
): Planes {
  const channels = channelCount(shape);
  const [scaleBytes, shipped, payload] = splitSections(body, 3) as [Uint8Array, Uint8Array, Uint8Array];
  const scales = bytesToScales(scaleBytes, planeCount(shape) * tokens);
  const reader = new BitReader(shipped);
  const counts = new Uint32Array(planeCount(shape) * channels * SYMBOLS);
  forEachRow(shape, level, (row, alphabet) => {
    let left = tokens;
    for (let s = 0; s < alphabet; s++) left -= counts[row * SYMBOLS + s] = reader.unsigned();
    if (left !== 0) fail("invalid_file", `expected a table over ${tokens} tokens, got one over ${tokens - left}`);
  });
  reader.end();
  const loaded = coder.load(EntropyTables.fromCounts(counts, SYMBOLS, { coverAll: false }));
  let symbols: Uint8Array;
  try {
    symbols = coder.decode(loaded, payload, rowRuns(shape, tokens));
  } finally {
    coder.unload(loaded);
  }
  const planes = emptyPlanes(shape, tokens);
  for (let plane = 0; plane < planeCount(shape); plane++) {
    const steps = stepsOf(shape, level, plane);
    const data = planes.data[plane]!;
    for (let i = 0; i < data.length; i++) {
      const q = symbols[plane * data.length + i]! - steps;
      data[i] = (q / steps) * scales[plane * tokens + (i % tokens)]!;
    }
  }
  return planes;
}

function forEachRow(shape: CacheShape, level: number, action: (row: number, alphabet: number) => void): void {
  const channels = channelCount(shape);
  for (let plane = 0; plane < planeCount(shape); plane++) {
    const alphabet = 2 * stepsOf(shape, level, plane) + 1;
    for (let c = 0; c < channels; c++) action(plane * channels + c, alphabet);
  }
}

/** One run of all tokens per layer, kind and channel, with the table of that number. */
export function rowRuns(shape: CacheShape, length: number): { tables: Uint32Array; lengths: Uint32Array } {
  const rows = planeCount(shape) * channelCount(shape);
  return { tables: Uint32Array.from({ length: rows }, (_, row) => row), lengths: new Uint32Array(rows).fill(length) };
}

/** The largest magnitude of a token's channels. @throws PunctualError invalid_request when one is not finite. */
export function largestAt(data: Float32Array, t: number, tokens: number): number {
  let largest = 0;
  for (let at = t; at < data.length; at += tokens) {
    const magnitude = Math.abs(data[at]!);
    // Not `>`: a NaN must not pass.
    if (!(magnitude <= largest)) largest = magnitude;
  }
  if (!(largest < 1e38)) fail("invalid_request", `expected finite keys and values, got ${largest}`);
  return largest;
}
