/**
 * Keys and values by what is known of them beforehand: whoever has a chunk has the ids of its tokens too, so that each
 * token's components are predicted from the mean that the same token had in the profile; what is left is quantised in
 * equal steps and coded with distributions chosen by component and token. Nothing depends on another token: all of a
 * chunk's tokens can be decoded at once. Not in CacheGen, whose anchors stand for the prediction; levels are as there.
 *
 *     component j of a block = sum over its channels i of matrix[i, j] (x[i] - mean[i]) / scale[i]
 *     residual = component - mean of that component for this token id,   symbol ~ residual / step of the level
 *
 * The encoder takes the lower of two neighbouring symbols where the bits it saves are worth the error (rate-distortion
 * optimised quantisation); no component is off by more than ERROR_STEPS. Beyond the last symbol a number is written out.
 *
 *     body = format (u8), CRC-32 of the token ids (u32) | payload of the entropy coder | escapes   (sections.ts)
 */
import { crc32 } from "node:zlib";
import { fail } from "../../core/index.ts";
import type { EntropyCoder, LoadedTables } from "../../kernels/index.ts";
import { BitReader, BitWriter } from "./bits.ts";
import { emptyPlanes, type Planes } from "./planes.ts";
import {
  BLOCK_MAX,
  CENTROID_UNIT,
  ESCAPE,
  MATRIX_UNIT,
  quarterPower,
  RESIDUAL_SYMBOLS,
  SIDE,
  SPREADS,
  STEP_LOGS,
  tableOf,
  type Block,
  type PredictionParts,
  type PredictionTables,
} from "./prediction.ts";
import { joinSections, splitSections } from "./sections.ts";
import { channelCount, type CacheShape } from "./shape.ts";

/** No component's residual comes back farther off than this many steps of the level. */
export const ERROR_STEPS = 0.75;
/** Of the body; another one is refused. */
const FORMAT = 1;
/** Squared steps that a bit is worth: the slope of error over rate of a fine uniform quantiser, (ln 2) / 6. */
const BIT_WORTH = Math.LN2 / 6;
const FARTHEST = 2 ** 28;

/** Tables in a coder's memory, with what symbols cost. */
export interface LoadedPrediction {
  readonly tables: PredictionTables;
  readonly residuals: LoadedTables;
  readonly quantiser: Quantiser;
  readonly turns: readonly Turn[];
}

/** Puts tables into a coder. */
export function loadPrediction(coder: EntropyCoder, tables: PredictionTables): LoadedPrediction {
  const turns = tables.blocks.map((block, b) => new Turn(block, tables.matrices[b]!, tables));
  return { tables, residuals: coder.load(tables.residuals), quantiser: new Quantiser(tables), turns };
}

/** Channels of a block to components and back, one token at a time. */
export class Turn {
  readonly #rows: Uint32Array;
  readonly #means: Float64Array;
  readonly #scales: Float64Array;
  /** [channel x component], and the other way round. */
  readonly #out: Float64Array;
  readonly #back: Float64Array;

  constructor({ rows }: Block, matrix: Int16Array, { means, scales }: Pick<PredictionParts, "means" | "scales">) {
    const n = rows.length;
    this.#rows = rows;
    this.#means = Float64Array.from(rows, (row) => means[row]!);
    this.#scales = Float64Array.from(rows, (row) => scales[row]!);
    this.#out = Float64Array.from(matrix, (entry) => entry / MATRIX_UNIT);
    this.#back = new Float64Array(n * n);
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) this.#back[j * n + i] = this.#out[i * n + j]!;
  }

  /** Components of a token, [n]; `data` says a row's number. */
  components(data: (row: number) => number, out: Float64Array): void {
    const n = this.#rows.length;
    const matrix = this.#out;
    out.fill(0, 0, n);
    for (let i = 0; i < n; i++) {
      const x = (data(this.#rows[i]!) - this.#means[i]!) / this.#scales[i]!;
      for (let j = 0, at = i * n; j < n; j++) out[j]! += matrix[at + j]! * x;
    }
  }

  /** Channels, in the order of the block's rows. */
  channels(components: Float64Array, out: Float64Array): void {
    const n = this.#rows.length;
    const matrix = this.#back;
    out.fill(0, 0, n);
    for (let j = 0; j < n; j++) {
      const y = components[j]!;
      // More than half of them are nothing at the levels that are used.
      if (y !== 0) for (let i = 0, at = j * n; i < n; i++) out[i]! += matrix[at + i]! * y;
    }
    for (let i = 0; i < n; i++) out[i] = this.#means[i]! + this.#scales[i]! * out[i]!;
  }
}

/** Residuals in steps to symbols and back. */
export class Quantiser {
  /** Bits of symbol and table; Infinity where there is no code. */
  readonly #bits = new Float64Array(SPREADS * RESIDUAL_SYMBOLS);
  readonly #centroids: Uint8Array;

  constructor({ sizes, centroids }: Pick<PredictionParts, "sizes" | "centroids">) {
    for (let i = 0; i < sizes.length; i++) this.#bits[i] = 14 - Math.log2(sizes[i]!);
    this.#centroids = centroids;
  }

  /** Steps that a number of steps stands for. */
  value(steps: number, table: number): number {
    if (steps === 0) return 0;
    const size = Math.abs(steps);
    const near = size - this.#centroids[2 * table + (size === 1 ? 0 : 1)]! / CENTROID_UNIT;
    return steps > 0 ? near : -near;
  }

  /** Whether a number of steps has a symbol of its own. */
  hasSymbol(steps: number, table: number): boolean {
    return Math.abs(steps) <= SIDE && this.#bits[table * RESIDUAL_SYMBOLS + steps + SIDE]! < Infinity;
  }

  /** The whole number of steps to code for a residual: the nearest, or the one below it that is cheaper. */
  steps(residual: number, table: number): number {
    const size = Math.min(Math.abs(residual), FARTHEST);
    const low = Math.floor(size);
    const sign = residual < 0 ? -1 : 1;
    const [below, above] = [this.#cost(size, low, sign, table), this.#cost(size, low + 1, sign, table)];
    return below <= above ? low * sign + 0 : (low + 1) * sign;
  }

  #cost(size: number, steps: number, sign: number, table: number): number {
    const error = Math.abs(this.value(steps, table) - size);
    if (error > ERROR_STEPS) return Infinity;
    const at = table * RESIDUAL_SYMBOLS;
    const symbol = steps <= SIDE ? this.#bits[at + steps * sign + SIDE]! : Infinity;
    const bits = symbol < Infinity ? symbol : this.#bits[at + ESCAPE]! + 2 * Math.log2(2 * steps + 1) + 1;
    return error * error + BIT_WORTH * bits;
  }
}

/** A chunk's tokens by table: order of tokens per layer, and the stretches of it that share a spread. */
interface LayerOrder {
  /** Places of token ids in the tables, by token of the chunk; the number of ids for those without. */
  readonly tokens: Uint32Array;
  readonly segments: readonly { readonly idLog: number; readonly from: number; readonly end: number }[];
}

function ordersOf(shape: CacheShape, { idLogs, ids }: PredictionTables, places: Uint32Array): LayerOrder[] {
  return Array.from({ length: shape.layers }, (_, layer) => {
    const log = (token: number): number => idLogs[layer * (ids.length + 1) + places[token]!]!;
    const tokens = Uint32Array.from(places.keys()).sort((a, b) => log(a) - log(b) || a - b);
    const segments: { idLog: number; from: number; end: number }[] = [];
    tokens.forEach((token, i) => {
      const last = segments.at(-1);
      if (last !== undefined && last.idLog === log(token)) last.end = i + 1;
      else segments.push({ idLog: log(token), from: i, end: i + 1 });
    });
    return { tokens, segments };
  });
}

function runsOf(tables: PredictionTables, orders: readonly LayerOrder[], stepLog: number) {
  const runs = { tables: [] as number[], lengths: [] as number[] };
  for (const { layer, rows, first } of tables.blocks) {
    for (let c = first; c < first + rows.length; c++) {
      for (const { idLog, from, end } of orders[layer]!.segments) {
        runs.tables.push(tableOf(tables.spreadLogs[c]!, idLog, stepLog));
        runs.lengths.push(end - from);
      }
    }
  }
  return runs;
}

function placesOf({ places, ids }: PredictionTables, tokenIds: ArrayLike<number>): Uint32Array {
  return Uint32Array.from(tokenIds, (id) => places.get(id) ?? ids.length);
}

function idsChecksum(tokenIds: ArrayLike<number>): number {
  return crc32(new Uint8Array(Uint32Array.from(tokenIds).buffer));
}

/** @param level 0 (finest) to PREDICTED_LEVELS - 1 */
export function encodePredicted(
  coder: EntropyCoder,
  { tables, residuals, quantiser, turns }: LoadedPrediction,
  shape: CacheShape,
  planes: Planes,
  tokenIds: readonly number[],
  level: number,
): Uint8Array<ArrayBuffer> {
  const { tokens } = planes;
  const channels = channelCount(shape);
  const places = placesOf(tables, tokenIds);
  const orders = ordersOf(shape, tables, places);
  const stepLog = STEP_LOGS[level]!;
  const perStep = 1 / quarterPower(stepLog);
  const symbols = new Uint8Array(tables.meanLogs.length * tokens);
  const steps = new Int32Array(tables.meanLogs.length * tokens);
  const y = new Float64Array(BLOCK_MAX);
  tables.blocks.forEach(({ layer, rows, first }, b) => {
    const { tokens: order, segments } = orders[layer]!;
    for (const { idLog, from, end } of segments) {
      for (let i = from; i < end; i++) {
        const token = order[i]!;
        turns[b]!.components((row) => planes.data[Math.floor(row / channels)]![(row % channels) * tokens + token]!, y);
        for (let j = 0; j < rows.length; j++) {
          const residual = (y[j]! - predictionOf(tables, first + j, places[token]!)) * perStep;
          if (!Number.isFinite(residual)) fail("invalid_request", "expected finite keys and values");
          const table = tableOf(tables.spreadLogs[first + j]!, idLog, stepLog);
          const at = (first + j) * tokens + i;
          steps[at] = quantiser.steps(residual, table);
          symbols[at] = quantiser.hasSymbol(steps[at]!, table) ? steps[at]! + SIDE : ESCAPE;
        }
      }
    }
  });
  const escapes = new BitWriter();
  symbols.forEach((symbol, at) => {
    if (symbol === ESCAPE) escapes.signed(steps[at]!);
  });
  const head = new DataView(new ArrayBuffer(5));
  head.setUint8(0, FORMAT);
  head.setUint32(1, idsChecksum(tokenIds), true);
  const payload = coder.encode(residuals, symbols, runsOf(tables, orders, stepLog));
  return joinSections([new Uint8Array(head.buffer), payload, escapes.bytes()]);
}

function predictionOf({ ids, idMeans, meanLogs }: PredictionTables, component: number, place: number): number {
  if (place === ids.length) return 0;
  return idMeans[component * ids.length + place]! * quarterPower(meanLogs[component]!);
}

/**
 * @param tokenIds of the chunk, as they were when it was encoded
 * @throws PunctualError invalid_file for what encodePredicted of this shape, level and these tokens has not made.
 */
export function decodePredicted(
  coder: EntropyCoder,
  { tables, residuals, quantiser, turns }: LoadedPrediction,
  shape: CacheShape,
  body: Uint8Array,
  tokenIds: readonly number[],
  level: number,
): Planes {
  const [head, payload, escapeBytes] = splitSections(body, 3) as [Uint8Array, Uint8Array, Uint8Array];
  checkHead(head, tokenIds);
  const tokens = tokenIds.length;
  const channels = channelCount(shape);
  const places = placesOf(tables, tokenIds);
  const orders = ordersOf(shape, tables, places);
  const stepLog = STEP_LOGS[level]!;
  const step = quarterPower(stepLog);
  const symbols = coder.decode(residuals, payload, runsOf(tables, orders, stepLog));
  const escapes = new BitReader(escapeBytes);
  const planes = emptyPlanes(shape, tokens);
  const [y, x] = [new Float64Array(BLOCK_MAX), new Float64Array(BLOCK_MAX)];
  const far = new Map<number, number>();
  symbols.forEach((symbol, at) => {
    if (symbol === ESCAPE) far.set(at, escapes.signed());
  });
  escapes.end();
  tables.blocks.forEach(({ layer, rows, first }, b) => {
    const n = rows.length;
    const { tokens: order, segments } = orders[layer]!;
    for (const { idLog, from, end } of segments) {
      for (let i = from; i < end; i++) {
        const token = order[i]!;
        for (let j = 0; j < n; j++) {
          const at = (first + j) * tokens + i;
          const symbol = symbols[at]!;
          const table = tableOf(tables.spreadLogs[first + j]!, idLog, stepLog);
          const residual = quantiser.value(symbol === ESCAPE ? far.get(at)! : symbol - SIDE, table);
          y[j] = predictionOf(tables, first + j, places[token]!) + residual * step;
        }
        turns[b]!.channels(y, x);
        for (let c = 0; c < n; c++) {
          const row = rows[c]!;
          planes.data[Math.floor(row / channels)]![(row % channels) * tokens + token] = x[c]!;
        }
      }
    }
  });
  return planes;
}

function checkHead(head: Uint8Array, tokenIds: readonly number[]): void {
  if (head.length !== 5 || head[0] !== FORMAT) fail("invalid_file", `expected predicted chunks of format ${FORMAT}`);
  const sum = new DataView(head.buffer, head.byteOffset).getUint32(1, true);
  if (sum !== idsChecksum(tokenIds)) fail("invalid_file", "expected the token ids that the chunk was made with");
}
