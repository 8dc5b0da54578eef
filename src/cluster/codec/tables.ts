/**
 * What is known of a model's cache before any context is coded: the deviation of every channel, and the distributions of
 * anchors and differences at every level (anchored.ts). Profiled once per model from texts like those to come, kept as
 * bytes with an id that is their hash; both sides of a transfer must hold the same.
 */
import { createHash } from "node:crypto";
import { fail } from "../../core/index.ts";
import { EntropyTables } from "../../kernels/index.ts";
import {
  ANCHOR_SYMBOLS,
  ANCHORED_LEVELS,
  DELTA_SYMBOLS,
  GROUP_TOKENS,
  quantiseAnchored,
  type AnchoredSymbols,
} from "./anchored.ts";
import { BitReader, BitWriter } from "./bits.ts";
import type { Planes } from "./planes.ts";
import { channelCount, planeCount, type CacheShape } from "./shape.ts";

/** Tables of one model's cache. */
export interface ProfiledTables {
  /** 16 hexadecimal digits: the hash of its bytes. */
  readonly id: string;
  /** Per plane and channel, above 0. */
  readonly deviations: Float32Array;
  /** One table per plane and channel. */
  readonly anchors: EntropyTables;
  /** The same per level. */
  readonly deltas: readonly EntropyTables[];
  /** Of `writeTables`. */
  readonly bytes: Uint8Array;
}

const MAGIC = 0x54564b50; // "PKVT"
const VERSION = 1;
const HEADER_BYTES = 36;
/** No tables are larger: 256 layers of 8,192 channels would be. */
const TABLES_BYTES_MAX = 2 ** 28;

/** Tokens that a profile keeps at most: enough for tables of 34 symbols, and bounded. */
export const PROFILE_TOKENS_MAX = 8192;
/** A profile of fewer tokens says too little. */
export const PROFILE_TOKENS_MIN = 32;

/** How far counts are smeared: an anchor's neighbours are about as likely as itself. */
const ANCHOR_SMEAR = 6;
const DELTA_SMEAR = 1;
const PER_COUNT = 64;

/** Gathers texts' planes until it has enough, then makes tables of them. */
export class TableProfiler {
  readonly #shape: CacheShape;
  readonly #samples: Planes[] = [];
  #tokens = 0;

  constructor(shape: CacheShape) {
    this.#shape = shape;
  }

  /** Tokens so far. */
  get tokens(): number {
    return this.#tokens;
  }

  /** True when more would not be kept. */
  get isFull(): boolean {
    return this.#tokens >= PROFILE_TOKENS_MAX;
  }

  /** Adds one text's planes; the profiler holds on to them. Ignored when it is full. */
  add(planes: Planes): void {
    if (this.isFull || planes.tokens === 0) return;
    this.#samples.push(planes);
    this.#tokens += planes.tokens;
  }

  /** @throws PunctualError invalid_request for fewer than PROFILE_TOKENS_MIN tokens. */
  finish(): ProfiledTables {
    if (this.#tokens < PROFILE_TOKENS_MIN) {
      fail("invalid_request", `expected a profile of at least ${PROFILE_TOKENS_MIN} tokens, got ${this.#tokens}`);
    }
    const rows = planeCount(this.#shape) * channelCount(this.#shape);
    const deviations = deviationsOf(this.#shape, this.#samples);
    const anchorCounts = new Float64Array(rows * ANCHOR_SYMBOLS);
    const deltas: KeptTables[] = [];
    for (let level = 0; level < ANCHORED_LEVELS; level++) {
      const counts = new Float64Array(rows * DELTA_SYMBOLS);
      for (const planes of this.#samples) {
        const symbols = quantiseAnchored(this.#shape, deviations, planes, level);
        count(symbols, planes.tokens, rows, level === 0 ? anchorCounts : null, counts);
      }
      deltas.push(keptTables(counts, DELTA_SYMBOLS, DELTA_SMEAR));
    }
    const anchors = keptTables(anchorCounts, ANCHOR_SYMBOLS, ANCHOR_SMEAR);
    return withBytes(this.#shape, deviations, anchors, deltas);
  }
}

function count(
  symbols: AnchoredSymbols,
  tokens: number,
  rows: number,
  anchorCounts: Float64Array | null,
  deltaCounts: Float64Array,
): void {
  const groups = Math.ceil(tokens / GROUP_TOKENS);
  const add = (from: Uint8Array, perRow: number, alphabet: number, counts: Float64Array): void => {
    for (let row = 0; row < rows; row++) {
      for (let i = 0; i < perRow; i++) counts[row * alphabet + from[row * perRow + i]!]! += 1;
    }
  };
  if (anchorCounts !== null) add(symbols.anchors, groups, ANCHOR_SYMBOLS, anchorCounts);
  add(symbols.deltas, tokens - groups, DELTA_SYMBOLS, deltaCounts);
}

/** Smears counts over a triangle of neighbours and makes tables of them. */
function keptTables(counts: Float64Array, alphabet: number, smear: number): KeptTables {
  const smooth = new Float64Array(counts.length);
  for (let base = 0; base < counts.length; base += alphabet) {
    for (let s = 0; s < alphabet; s++) {
      const count = counts[base + s]!;
      if (count === 0) continue;
      for (let d = -smear; d <= smear; d++) {
        const to = Math.min(alphabet - 1, Math.max(0, s + d));
        // Narrow tables keep most of a count where it was.
        const weight = d === 0 ? PER_COUNT : Math.floor((PER_COUNT * (smear + 1 - Math.abs(d))) / (4 * (smear + 1)));
        smooth[base + to]! += count * weight;
      }
    }
  }
  return { logs: quarterOctaves(EntropyTables.fromCounts(smooth, alphabet, { coverAll: true })), alphabet };
}

/** Four steps an octave: 2^(i/4) in 4096ths, whole numbers so that every machine makes the same tables of them. */
const QUARTERS = [4096, 4871, 5793, 6889] as const;
const QUARTERS_MAX = 4 * 14;

/** Sizes as they are kept, [tables x symbols]: 4 log2(size), rounded. What that loses is less than 0.01 bits a symbol. */
function quarterOctaves(tables: EntropyTables): Uint8Array {
  const out = new Uint8Array(tables.count * tables.symbols);
  for (let i = 0; i < out.length; i++) {
    out[i] = Math.round(4 * Math.log2(tables.size(Math.floor(i / tables.symbols), i % tables.symbols)));
  }
  return out;
}

function fromQuarterOctaves(logs: Uint8Array, alphabet: number): EntropyTables {
  const weights = Float64Array.from(logs, (log) => QUARTERS[log & 3]! * 2 ** (log >> 2));
  return EntropyTables.fromCounts(weights, alphabet, { coverAll: true });
}

/** Logarithms as differences to the symbol before: neighbours are alike. */
function writeLogs(bits: BitWriter, logs: Uint8Array, alphabet: number): void {
  for (let i = 0; i < logs.length; i++) bits.signed(logs[i]! - (i % alphabet === 0 ? 0 : logs[i - 1]!));
}

function readLogs(bits: BitReader, tables: number, alphabet: number): Uint8Array {
  const logs = new Uint8Array(tables * alphabet);
  for (let i = 0; i < logs.length; i++) {
    const log = bits.signed() + (i % alphabet === 0 ? 0 : logs[i - 1]!);
    if (log < 0 || log > QUARTERS_MAX) fail("invalid_file", `expected a size of up to 2^14, got 2^(${log}/4)`);
    logs[i] = log;
  }
  return logs;
}

function deviationsOf(shape: CacheShape, samples: readonly Planes[]): Float32Array {
  const channels = channelCount(shape);
  const out = new Float32Array(planeCount(shape) * channels);
  for (let plane = 0; plane < planeCount(shape); plane++) {
    let planeVariance = 0;
    for (let c = 0; c < channels; c++) {
      let [n, sum, squares] = [0, 0, 0];
      for (const { tokens, data } of samples) {
        for (let t = 0; t < tokens; t++) {
          const x = data[plane]![c * tokens + t]!;
          sum += x;
          squares += x * x;
        }
        n += tokens;
      }
      const variance = Math.max(0, squares / n - (sum / n) ** 2);
      out[plane * channels + c] = Math.sqrt(variance);
      planeVariance += variance / channels;
    }
    // A channel that never moved still has bins; were it to move after all, few escapes would say so.
    const least = Math.max(1e-3 * Math.sqrt(planeVariance), 1e-12);
    for (let c = 0; c < channels; c++) out[plane * channels + c] = Math.max(least, out[plane * channels + c]!);
  }
  if (!out.every(Number.isFinite)) fail("invalid_request", "expected finite keys and values to profile");
  return out;
}

/** Tables as they are kept. */
interface KeptTables {
  readonly logs: Uint8Array;
  readonly alphabet: number;
}

function withBytes(
  shape: CacheShape,
  deviations: Float32Array,
  anchors: KeptTables,
  deltas: readonly KeptTables[],
): ProfiledTables {
  const bits = new BitWriter();
  for (const each of [anchors, ...deltas]) writeLogs(bits, each.logs, each.alphabet);
  const packed = bits.bytes();
  const floats = new Uint8Array(deviations.buffer);
  const bytes = new Uint8Array(HEADER_BYTES + floats.length + packed.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, MAGIC, true);
  view.setUint16(4, VERSION, true);
  view.setUint16(6, ANCHORED_LEVELS, true);
  view.setUint32(8, planeCount(shape), true);
  view.setUint32(12, channelCount(shape), true);
  view.setUint32(16, GROUP_TOKENS, true);
  bytes.set(fingerprintBytes(shape.fingerprint), 20);
  bytes.set(floats, HEADER_BYTES);
  bytes.set(packed, HEADER_BYTES + floats.length);
  const made = (kept: KeptTables): EntropyTables => fromQuarterOctaves(kept.logs, kept.alphabet);
  return { id: idOf(bytes), deviations, anchors: made(anchors), deltas: deltas.map(made), bytes };
}

function idOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}

/** A fingerprint in 16 bytes, as headers carry it. */
export function fingerprintBytes(fingerprint: string): Uint8Array {
  return createHash("sha256").update(fingerprint).digest().subarray(0, 16);
}

/**
 * Tables out of their bytes.
 * @throws PunctualError invalid_file for bytes that are none, or those of another model.
 */
export function readTables(shape: CacheShape, bytes: Uint8Array): ProfiledTables {
  if (bytes.length < HEADER_BYTES || bytes.length > TABLES_BYTES_MAX) {
    fail("invalid_file", `expected tables of up to ${TABLES_BYTES_MAX} bytes, got ${bytes.length}`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const planes = planeCount(shape);
  const channels = channelCount(shape);
  const expected = [MAGIC, VERSION, ANCHORED_LEVELS, planes, channels, GROUP_TOKENS];
  const got = [0, 8, 12, 16].map((at) => view.getUint32(at, true));
  const found = [got[0]!, view.getUint16(4, true), view.getUint16(6, true), ...got.slice(1)];
  if (found.join() !== expected.join()) {
    fail("invalid_file", `expected tables with the header ${expected.join()}, got ${found.join()}`);
  }
  if (!fingerprintBytes(shape.fingerprint).every((byte, i) => bytes[20 + i] === byte)) {
    fail("invalid_file", "expected tables of this model, these are of another");
  }
  const rows = planes * channels;
  if (bytes.length < HEADER_BYTES + rows * 4) fail("invalid_file", `expected ${rows} deviations`);
  // A copy: what is read from a file may be a part of a larger buffer, whose own slice is not one.
  const deviations = new Float32Array(new Uint8Array(bytes.subarray(HEADER_BYTES, HEADER_BYTES + rows * 4)).buffer);
  if (!deviations.every((value) => value > 0 && value < 1e30)) fail("invalid_file", "expected deviations above 0");
  const reader = new BitReader(bytes.subarray(HEADER_BYTES + rows * 4));
  const read = (alphabet: number): EntropyTables => fromQuarterOctaves(readLogs(reader, rows, alphabet), alphabet);
  const anchors = read(ANCHOR_SYMBOLS);
  const deltas = Array.from({ length: ANCHORED_LEVELS }, () => read(DELTA_SYMBOLS));
  reader.end();
  return { id: idOf(bytes), deviations, anchors, deltas, bytes: new Uint8Array(bytes) };
}
