/**
 * What is known of a model's cache before any context is coded, for the predicted variant (predicted.ts): what each
 * channel is on average and by token, the directions in which channels vary together, how far they vary, and the
 * distributions of what is left. Profiled once per model (prediction-fit.ts), kept as bytes with an id that is their hash.
 *
 * Channels of a block (keys and values of a layer, or of one head where those are many) are turned into components by an
 * orthonormal matrix: few of them then carry nearly all of the variance. Every logarithm here is a whole number of quarter
 * octaves, 2^(i/4), so that both sides choose the same tables on every machine.
 *
 *     0  magic "PKVP"   4  version (u16)   6  levels (u16)   8  planes (u32)   12  channels (u32)   16  token ids (u32)
 *    20  model (16)    36  means (f32 x rows)   scales (f32 x rows)   then bits: the rest in the order of PredictionTables
 */
import { createHash } from "node:crypto";
import { fail } from "../../core/index.ts";
import { EntropyTables, TABLE_TOTAL } from "../../kernels/index.ts";
import { BitReader, BitWriter } from "./bits.ts";
import { channelCount, planeCount, type CacheShape } from "./shape.ts";
import { fingerprintBytes } from "./tables.ts";

/** Quarter octaves of each level's step, the finest level first; 0 is the step that scales are made for. */
export const STEP_LOGS = [-5, -2, 1, 4, 7, 10] as const;
/** Levels of this variant, 0 the finest. */
export const PREDICTED_LEVELS = STEP_LOGS.length;

/** Symbols on either side of zero, and one for all others. */
export const SIDE = 63;
export const ESCAPE = 2 * SIDE + 1;
export const RESIDUAL_SYMBOLS = ESCAPE + 1;
/** Distributions by spread: table i is of residuals that deviate by 2^((i - MIDDLE) / 4) steps. */
export const SPREADS = 64;
export const MIDDLE = 32;
/** Token ids that have a prediction of their own, at most. */
export const IDS_MAX = 2 ** 16;
/** Predictions by token that tables hold at most: 64 MiB. */
export const ID_MEANS_MAX = 2 ** 25;

/** Entries of matrices are whole 256ths: what that loses is a fiftieth of a step. */
export const MATRIX_UNIT = 256;
/** Predictions by token are whole multiples of 2^(stepLog / 4). */
const MEAN_MAX = 2 ** 14;
/** Centroids are in 256ths of a step, towards zero, at most a quarter. */
export const CENTROID_UNIT = 256;
export const CENTROID_MAX = 64;

const MAGIC = 0x50564b50; // "PKVP"
const VERSION = 1;
const HEADER_BYTES = 36;
const BYTES_MAX = 2 ** 28;
const LOG_MAX = 127;

/** Channels that are turned together. */
export interface Block {
  readonly layer: number;
  /** plane x channels + channel of each, at most BLOCK_MAX. */
  readonly rows: Uint32Array;
  /** Its first component; components of all blocks are numbered through. */
  readonly first: number;
}

/** Channels of a block at most: matrices grow with their square. */
export const BLOCK_MAX = 256;

/** The blocks of a cache: they cover every channel of every plane once, layer by layer. */
export function blocksOf(shape: CacheShape): Block[] {
  const channels = channelCount(shape);
  const width = 2 * channels <= BLOCK_MAX ? channels : Math.min(shape.headDim, BLOCK_MAX);
  const isJoint = 2 * width <= BLOCK_MAX;
  const blocks: Block[] = [];
  let first = 0;
  const add = (layer: number, rows: number[]): void => {
    blocks.push({ layer, rows: Uint32Array.from(rows), first });
    first += rows.length;
  };
  for (let layer = 0; layer < shape.layers; layer++) {
    const [keysAt, valuesAt] = [2 * layer * channels, (2 * layer + 1) * channels];
    for (let c = 0; c < channels;) {
      // Heads wider than a block are cut; no block reaches into the next head.
      const left = width === channels ? width : Math.min(width, shape.headDim - (c % shape.headDim));
      const run = (at: number): number[] => Array.from({ length: left }, (_, i) => at + c + i);
      if (isJoint) add(layer, [...run(keysAt), ...run(valuesAt)]);
      else for (const at of [keysAt, valuesAt]) add(layer, run(at));
      c += left;
    }
  }
  return blocks;
}

/** Everything but what follows of it. Components are numbered as blocks say. */
export interface PredictionParts {
  /** Per row: plane x channels + channel. */
  readonly means: Float32Array;
  /** Per row, above 0: a step at log 0, before turning. */
  readonly scales: Float32Array;
  /** Ascending. */
  readonly ids: Uint32Array;
  /** Per block n x n in 256ths: entry [i x n + j] is what component j adds to channel i. */
  readonly matrices: readonly Int16Array[];
  /** Per component: the step of its predictions by token. */
  readonly meanLogs: Int8Array;
  /** [components x ids], in those steps. */
  readonly idMeans: Int16Array;
  /** Per component: how far residuals spread. */
  readonly spreadLogs: Int8Array;
  /** [layers x (ids + 1)]: how much farther those of a token do; the last one is for tokens without a prediction. */
  readonly idLogs: Int8Array;
  /** [SPREADS x RESIDUAL_SYMBOLS], each row sums to 16,384; a symbol of size 0 is written as an escape. */
  readonly sizes: Uint16Array;
  /** [SPREADS x 2]: how far residuals of one step, and of more, lie towards zero on average. */
  readonly centroids: Uint8Array;
}

/** Tables of one model's cache. */
export interface PredictionTables extends PredictionParts {
  /** 16 hexadecimal digits: the hash of its bytes. */
  readonly id: string;
  readonly blocks: readonly Block[];
  readonly residuals: EntropyTables;
  /** Place of an id in `ids`. */
  readonly places: ReadonlyMap<number, number>;
  readonly bytes: Uint8Array;
}

const QUARTERS = [1, 1.189207115002721, 1.4142135623730951, 1.681792830507429] as const;

/** 2^(log / 4), the same on every machine. */
export function quarterPower(log: number): number {
  return QUARTERS[log & 3]! * 2 ** (log >> 2);
}

/** The table of a component's residual for a token, at a level's step. */
export function tableOf(spreadLog: number, idLog: number, stepLog: number): number {
  return Math.max(0, Math.min(SPREADS - 1, MIDDLE + spreadLog + idLog - stepLog));
}

/** The best low bits of Rice's code for such values. */
function riceBits(values: Int16Array): number {
  let sum = 0;
  for (const value of values) sum += Math.abs(value);
  const mean = (2 * sum) / Math.max(1, values.length);
  return Math.max(0, Math.min(13, Math.round(Math.log2(Math.max(mean, 0.5)) - 0.3)));
}

function writeRice(bits: BitWriter, values: Int16Array): void {
  const low = riceBits(values);
  bits.unsigned(low);
  for (const value of values) bits.rice(value, low);
}

function readRice(bits: BitReader, into: Int16Array): void {
  const low = bits.unsigned();
  if (low > 13) fail("invalid_file", `expected up to 13 low bits, got ${low}`);
  for (let i = 0; i < into.length; i++) into[i] = bits.rice(low);
}

/** Makes tables of their parts: as if they had been read. */
export function writePrediction(shape: CacheShape, parts: PredictionParts): PredictionTables {
  const bits = new BitWriter();
  let previous = -1;
  for (const id of parts.ids) {
    bits.unsigned(id - previous - 1);
    previous = id;
  }
  for (const matrix of parts.matrices) writeRice(bits, matrix);
  for (const log of parts.meanLogs) bits.signed(log);
  const { length } = parts.ids;
  for (let c = 0; c < parts.meanLogs.length; c++) writeRice(bits, parts.idMeans.subarray(c * length, (c + 1) * length));
  for (const log of parts.spreadLogs) bits.signed(log);
  for (const log of parts.idLogs) bits.signed(log);
  for (const size of parts.sizes) bits.unsigned(size);
  for (const centroid of parts.centroids) bits.unsigned(centroid);
  const packed = bits.bytes();
  const floats = parts.means.byteLength;
  const bytes = new Uint8Array(HEADER_BYTES + 2 * floats + packed.length);
  const view = new DataView(bytes.buffer);
  headerOf(shape, length).forEach(([at, width, value]) =>
    width === 2 ? view.setUint16(at, value, true) : view.setUint32(at, value, true),
  );
  bytes.set(fingerprintBytes(shape.fingerprint), 20);
  bytes.set(new Uint8Array(parts.means.buffer, parts.means.byteOffset, floats), HEADER_BYTES);
  bytes.set(new Uint8Array(parts.scales.buffer, parts.scales.byteOffset, floats), HEADER_BYTES + floats);
  bytes.set(packed, HEADER_BYTES + 2 * floats);
  return readPrediction(shape, bytes);
}

function headerOf(shape: CacheShape, ids: number): [at: number, width: 2 | 4, value: number][] {
  return [
    [0, 4, MAGIC],
    [4, 2, VERSION],
    [6, 2, PREDICTED_LEVELS],
    [8, 4, planeCount(shape)],
    [12, 4, channelCount(shape)],
    [16, 4, ids],
  ];
}

/** Whether bytes begin as tables of this kind do. */
export function isPrediction(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true) === MAGIC;
}

/**
 * Tables out of their bytes.
 * @throws PunctualError invalid_file for bytes that are none, or those of another model.
 */
export function readPrediction(shape: CacheShape, bytes: Uint8Array): PredictionTables {
  if (bytes.length < HEADER_BYTES || bytes.length > BYTES_MAX) {
    fail("invalid_file", `expected tables of up to ${BYTES_MAX} bytes, got ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const rows = planeCount(shape) * channelCount(shape);
  const count = view.getUint32(16, true);
  for (const [at, width, value] of headerOf(shape, count)) {
    const found = width === 2 ? view.getUint16(at, true) : view.getUint32(at, true);
    if (found !== value) fail("invalid_file", `byte ${at}: expected ${value}, got ${found}`);
  }
  if (count > IDS_MAX || count * rows > ID_MEANS_MAX) fail("invalid_file", `expected fewer than ${count} token ids`);
  if (!fingerprintBytes(shape.fingerprint).every((byte, i) => bytes[20 + i] === byte)) {
    fail("invalid_file", "expected tables of this model, these are of another");
  }
  if (bytes.length < HEADER_BYTES + rows * 8) fail("invalid_file", `expected ${rows} means and scales`);
  // A copy: what is read from a file may be a part of a larger buffer, whose own slice is not one.
  const floats = (at: number): Float32Array =>
    new Float32Array(new Uint8Array(bytes.subarray(at, at + rows * 4)).buffer);
  const means = floats(HEADER_BYTES);
  const scales = floats(HEADER_BYTES + rows * 4);
  if (!means.every((mean) => Math.abs(mean) < 1e30)) fail("invalid_file", "expected finite means");
  if (!scales.every((scale) => scale > 0 && scale < 1e30)) fail("invalid_file", "expected scales above 0");
  const blocks = blocksOf(shape);
  const rest = readBits(shape, blocks, count, new BitReader(bytes.subarray(HEADER_BYTES + rows * 8)));
  return {
    id: createHash("sha256").update(bytes).digest("hex").slice(0, 16),
    means,
    scales,
    ...rest,
    blocks,
    residuals: EntropyTables.fromSizes(rest.sizes, RESIDUAL_SYMBOLS),
    places: new Map(Array.from(rest.ids, (id, place) => [id, place])),
    bytes: new Uint8Array(bytes),
  };
}

function readBits(
  shape: CacheShape,
  blocks: readonly Block[],
  count: number,
  bits: BitReader,
): Omit<PredictionParts, "means" | "scales"> {
  const components = planeCount(shape) * channelCount(shape);
  let previous = -1;
  const ids = new Uint32Array(count);
  for (let i = 0; i < count; i++) {
    previous += 1 + bits.unsigned();
    if (previous >= 2 ** 31) fail("invalid_file", "expected token ids below 2^31");
    ids[i] = previous;
  }
  const matrices = blocks.map(({ rows }) => {
    const matrix = new Int16Array(rows.length ** 2);
    readRice(bits, matrix);
    return matrix;
  });
  const meanLogs = readLogs(bits, components);
  const idMeans = new Int16Array(components * count);
  for (let c = 0; c < components; c++) readRice(bits, idMeans.subarray(c * count, (c + 1) * count));
  const spreadLogs = readLogs(bits, components);
  const idLogs = readLogs(bits, shape.layers * (count + 1));
  const sizes = Uint16Array.from({ length: SPREADS * RESIDUAL_SYMBOLS }, () => {
    const size = bits.unsigned();
    return size > TABLE_TOTAL ? fail("invalid_file", `expected a size of up to ${TABLE_TOTAL}, got ${size}`) : size;
  });
  for (let table = 0; table < SPREADS; table++) {
    if (sizes[table * RESIDUAL_SYMBOLS + ESCAPE] === 0) fail("invalid_file", `table ${table}: expected an escape`);
  }
  const centroids = Uint8Array.from({ length: SPREADS * 2 }, () => {
    const centroid = bits.unsigned();
    return centroid > CENTROID_MAX ? fail("invalid_file", `expected a centroid up to ${CENTROID_MAX}`) : centroid;
  });
  bits.end();
  return { ids, matrices, meanLogs, idMeans, spreadLogs, idLogs, sizes, centroids };
}

function readLogs(bits: BitReader, length: number): Int8Array {
  return Int8Array.from({ length }, () => {
    const log = bits.signed();
    return Math.abs(log) > LOG_MAX ? fail("invalid_file", `expected a logarithm up to ${LOG_MAX}, got ${log}`) : log;
  });
}

/** A whole number of quarter octaves for a value, within what tables hold. */
export function logOf(value: number): number {
  return Math.max(-LOG_MAX, Math.min(LOG_MAX, Math.round(4 * Math.log2(Math.max(value, 1e-30)))));
}

/** A prediction in whole steps of its component, within what tables hold. */
export function meanSteps(mean: number, meanLog: number): number {
  return Math.max(-MEAN_MAX + 1, Math.min(MEAN_MAX - 1, Math.round(mean / quarterPower(meanLog))));
}
