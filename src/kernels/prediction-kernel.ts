/**
 * Chunks of keys and values by what is predicted of them, in WebAssembly: entropy coding, quantisation, the turn of a
 * block's channels, the turn of keys by position, pages. From a payload to pages and back, equal to the last bit to the
 * plain form (cluster/codec/predicted.ts), which says what all of this is. Of formats around a payload it knows nothing.
 *
 *   const kernel = await PredictionKernel.create(model);
 *   const { payload, escapes } = kernel.encode({ pages, tokens, firstPosition, places }, 1);
 *   kernel.decode({ payload, escapes: bits, tokens, firstPosition, places }, 1);   // pages
 */
import { assert, fail } from "../core/index.ts";
import * as PLAN from "./assembly/prediction-plan.ts";
import { layTables, tableSizes, type EntropyTables } from "./entropy/tables.ts";
import { kvLayerPlan, kvPageBytes, type KvLayout } from "./geometry.ts";
import { loadBuilt } from "./kernel-module.ts";

/** Channels that are turned together. */
export interface PredictionBlock {
  readonly layer: number;
  /** Plane x channels + channel of each, of that layer's two planes; at most 256. */
  readonly rows: Uint32Array;
  /** Its first component: components of all blocks are numbered through, layer by layer. */
  readonly first: number;
}

/** How a layer's keys are turned by position. */
export interface KeyTurns {
  /** Radians per position, of each pair. */
  readonly perPosition: ArrayLike<number>;
  /** Turned keys are scaled by this. */
  readonly factor: number;
}

/** What is known of a model's cache. Arrays by row are [planes x channels], by component as blocks number them. */
export interface PredictionModel {
  readonly layout: Omit<KvLayout, "pages">;
  /** By layer; null: keys are not turned. */
  readonly rotations: readonly (KeyTurns | null)[];
  readonly blocks: readonly PredictionBlock[];
  /** By row. */
  readonly means: Float32Array;
  readonly scales: Float32Array;
  /** By block, [channel x component]: entry / matrixUnit. */
  readonly matrices: readonly Int16Array[];
  readonly matrixUnit: number;
  /** By component: what a whole number of its predictions stands for. */
  readonly meanSteps: Float32Array;
  /** [components x ids] */
  readonly idMeans: Int16Array;
  readonly ids: number;
  /** By component, and [layers x (ids + 1)]. */
  readonly spreadLogs: Int8Array;
  readonly idLogs: Int8Array;
  /** 64 distributions of 128 symbols; each has the escape, the last one. */
  readonly residuals: EntropyTables;
  /** [64 x 2] */
  readonly centroids: Uint8Array;
  /** [64 x 128]: bits of each symbol; Infinity where there is no code. */
  readonly symbolBits: Float64Array;
  /** By level. */
  readonly levels: readonly PredictionLevel[];
}

/** How finely residuals are coded. */
export interface PredictionLevel {
  readonly stepLog: number;
  readonly step: number;
  /** [64 x 128]: what symbols stand for, the step included. */
  readonly symbolValues: Float32Array;
}

/** Which tokens a chunk is of. */
export interface PredictionTokens {
  readonly tokens: number;
  readonly firstPosition: number;
  /** Of each token's id among those that have predictions; their number for the others. */
  readonly places: Uint32Array;
}

/** A chunk to encode: whole pages. */
export type PredictionPages = PredictionTokens & { readonly pages: Uint8Array };
/** A chunk to decode: what the entropy coder made, and the bits of steps without a symbol. */
export type PredictionPayload = PredictionTokens & { readonly payload: Uint8Array; readonly escapes: Uint8Array };

/** What encoding gives. */
export interface EncodedPrediction {
  readonly payload: Uint8Array<ArrayBuffer>;
  /** Steps of the escapes, in the order of their symbols. */
  readonly escapes: Int32Array<ArrayBuffer>;
}

interface Kernel {
  encode(top: number, perStep: number): number;
  escapesEnd(): number;
  decode(payload: number, bytes: number, step: number): number;
}

/** Where things of a call lie, by the names of the plan, and how many pages it has. */
interface Call {
  readonly pages: number;
  readonly regions: readonly (readonly [field: number, at: number])[];
  readonly placesAt: number;
  readonly turnsAt: number;
  readonly pagesAt: number;
  readonly escapesAt: number;
  readonly payloadAt: number;
}

/** Most symbols of one call, as of the entropy coder. */
const SYMBOLS_PER_CALL_MAX = 2 ** 26;
const MEMORY_PAGES_MAX = 32768; // 2 GiB
/** An escape takes no more bits than this. */
const ESCAPE_BYTES_MAX = 8;
/** So that their bits can be counted. */
const ESCAPES_BYTES_MAX = 2 ** 28;
const BLOCK_SIZE_MAX = PLAN.ROW_BYTES / 4;

const aligned = (bytes: number): number => Math.ceil(bytes / 16) * 16;

/** An instance with a memory of its own: a model below, what a call needs above. One call at a time. */
export class PredictionKernel {
  readonly #memory: WebAssembly.Memory;
  readonly #kernel: Kernel;
  readonly #model: PredictionModel;
  readonly #pageBytes: number;
  /** Different turns by position, and which of them each layer has, from 1; 0: none. */
  readonly #turns: readonly KeyTurns[];
  readonly #levelsAt: readonly number[];
  /** Where a call's memory begins. */
  #top: number = PLAN.FREE_AT;

  private constructor(module: WebAssembly.Module, model: PredictionModel) {
    this.#memory = new WebAssembly.Memory({ initial: 4, maximum: MEMORY_PAGES_MAX, shared: true });
    this.#kernel = new WebAssembly.Instance(module, { env: { memory: this.#memory } }).exports as unknown as Kernel;
    this.#model = model;
    this.#pageBytes = kvPageBytes({ ...model.layout, pages: 1 });
    const { different, ofLayers } = differentTurns(model.rotations);
    this.#turns = different;
    this.#layModel(ofLayers);
    this.#levelsAt = model.levels.map(({ symbolValues }) => this.#put(symbolValues));
  }

  /**
   * @throws PunctualError missing_dependency when the package is not built, out_of_memory for a model beyond 2 GiB.
   */
  static async create(model: PredictionModel): Promise<PredictionKernel> {
    return new PredictionKernel(await loadBuilt("prediction.wasm"), model);
  }

  /**
   * Pages of a chunk; what is behind the last token is zero.
   * @param level of the model's
   * @throws PunctualError invalid_file when `encode` of this model, level and these tokens has not made it. Most damage is
   * noticed, not all: whoever stores payloads adds a checksum.
   */
  decode(chunk: PredictionPayload, level: number): Uint8Array<ArrayBuffer> {
    const { tokens, payload, escapes } = chunk;
    const { step } = this.#model.levels[level]!;
    const symbols = this.#symbolsOf(tokens);
    if (payload.length > 16 + 2 * symbols || escapes.length > Math.min(ESCAPE_BYTES_MAX * symbols, ESCAPES_BYTES_MAX)) {
      fail("invalid_file", `expected up to ${symbols} symbols, got ${payload.length + escapes.length} bytes`);
    }
    const call = this.#callOf(chunk, escapes.length, payload.length);
    this.#begin(chunk, call, level, 1);
    const bytes = this.#bytes();
    bytes.set(escapes, call.escapesAt);
    bytes.set(payload, call.payloadAt);
    this.#write(PLAN.ESCAPES_BYTES, escapes.length);
    const answer = this.#kernel.decode(call.payloadAt, payload.length, step);
    if (answer === PLAN.BAD_PAYLOAD) {
      fail("invalid_file", `expected a payload of ${symbols} symbols, these ${payload.length} bytes are not one`);
    }
    if (answer === PLAN.BAD_ESCAPES) fail("invalid_file", `expected other than ${escapes.length} bytes of escapes`);
    if (answer === PLAN.NOT_FINITE) fail("invalid_file", "expected finite keys and values");
    const pages = new Uint8Array(call.pages * this.#pageBytes); // not shared, as callers expect
    pages.set(bytes.subarray(call.pagesAt, call.pagesAt + pages.length));
    return pages;
  }

  /**
   * A chunk's payload, and the steps that have no symbol.
   * @throws PunctualError invalid_request for numbers that are not finite.
   */
  encode(chunk: PredictionPages, level: number): EncodedPrediction {
    const { step } = this.#model.levels[level]!;
    const symbols = this.#symbolsOf(chunk.tokens);
    const room = 16 + 2 * symbols;
    const call = this.#callOf(chunk, 4 * symbols, room);
    assert(chunk.pages.length === call.pages * this.#pageBytes, "pages are as many as tokens need");
    this.#begin(chunk, call, level, -1);
    const bytes = this.#bytes();
    bytes.set(chunk.pages, call.pagesAt);
    const top = call.payloadAt + room;
    const from = this.#kernel.encode(top, 1 / step);
    if (from === 0) fail("invalid_request", "expected finite keys and values");
    const escapes = new Int32Array((this.#kernel.escapesEnd() - call.escapesAt) / 4);
    escapes.set(new Int32Array(bytes.buffer, call.escapesAt, escapes.length));
    const payload = new Uint8Array(top - from);
    payload.set(bytes.subarray(from, top));
    return { payload, escapes };
  }

  #symbolsOf(tokens: number): number {
    const symbols = tokens * this.#model.spreadLogs.length;
    if (symbols <= SYMBOLS_PER_CALL_MAX) return symbols;
    return fail("payload_too_large", `expected up to ${SYMBOLS_PER_CALL_MAX} symbols in a call, got ${symbols}`);
  }

  /** Memory for a call, and where what lies in it. */
  #callOf({ tokens }: PredictionTokens, escapeBytes: number, payloadBytes: number): Call {
    const { layout, spreadLogs } = this.#model;
    const segments = Math.min(tokens, PLAN.SEGMENTS_MAX);
    const pages = Math.ceil(tokens / layout.pageTokens);
    let top = this.#top;
    const regions: [field: number, at: number][] = [];
    const region = (field: number | null, bytes: number): number => {
      const at = top;
      top = aligned(at + bytes);
      if (field !== null) regions.push([field, at]);
      return at;
    };
    region(PLAN.ORDER_AT, 4 * tokens);
    region(PLAN.ORDER_PLACES_AT, 4 * tokens);
    region(PLAN.TERM_ENDS_AT, 4 * tokens);
    region(PLAN.SEGMENTS_AT, PLAN.SEGMENT_BYTES * segments);
    // The decoder has the runs of a block, 12 bytes each, the encoder those of all, 8 bytes each.
    region(PLAN.RUNS_AT, 12 * Math.max(BLOCK_SIZE_MAX, spreadLogs.length) * segments);
    region(PLAN.SYMBOLS_AT, tokens * spreadLogs.length);
    region(PLAN.STAGED_AT, tokens * layout.kvHeads * layout.headDim * 8);
    region(PLAN.ROWS_AT, tokens * PLAN.ROW_BYTES);
    region(PLAN.TERMS_AT, tokens * this.#termsStride);
    const call = {
      pages,
      regions,
      placesAt: region(PLAN.PLACES_AT, 4 * tokens),
      turnsAt: region(PLAN.TURNS_AT, this.#turns.length * tokens * layout.headDim * 8),
      pagesAt: region(PLAN.PAGES_AT, pages * this.#pageBytes),
      escapesAt: region(PLAN.ESCAPES_AT, escapeBytes),
      payloadAt: region(null, payloadBytes),
    };
    this.#reserve(top);
    return call;
  }

  /** A list has room for one term more: it is written before it is known to count. */
  get #termsStride(): number {
    return aligned((Math.max(...this.#model.blocks.map(({ rows }) => rows.length)) + 1) * PLAN.TERM_BYTES);
  }

  #begin(chunk: PredictionTokens, call: Call, level: number, direction: 1 | -1): void {
    const { buffer } = this.#memory;
    const { tokens, places } = chunk;
    assert(places.length === tokens, "every token has a place");
    new Uint32Array(buffer, call.placesAt, tokens).set(places);
    const floats = tokens * this.#model.layout.headDim;
    this.#turns.forEach((turns, i) => {
      writeAngles(turns, new Float64Array(buffer, call.turnsAt + i * floats * 8, floats), chunk, direction);
    });
    for (const [field, at] of call.regions) this.#write(field, at);
    this.#write(PLAN.TOKENS, tokens);
    this.#write(PLAN.VALUES_OF_SYMBOLS_AT, this.#levelsAt[level]!);
    this.#write(PLAN.STEP_LOG, this.#model.levels[level]!.stepLog);
    this.#write(PLAN.TERMS_STRIDE, this.#termsStride);
    this.#write(PLAN.PAGES_COUNT, call.pages);
  }

  #layModel(ofLayers: readonly number[]): void {
    const { layout, residuals, blocks, ids, idMeans, spreadLogs } = this.#model;
    const { startsBytes, strideBytes } = tableSizes(residuals);
    const tablesAt = this.#room(residuals.count * strideBytes);
    layTables(this.#bytes(), tablesAt, residuals);
    // One more by component: nothing is predicted for a token without an id of its own.
    const means = new Int16Array(spreadLogs.length * (ids + 1));
    for (let c = 0; c < spreadLogs.length; c++) means.set(idMeans.subarray(c * ids, (c + 1) * ids), c * (ids + 1));
    const plan = kvLayerPlan(layout);
    const entries: readonly (readonly [at: number, value: number])[] = [
      [PLAN.TABLES_AT, tablesAt],
      [PLAN.TABLE_STRIDE, strideBytes],
      [PLAN.STARTS_BYTES, startsBytes],
      [PLAN.BITS_AT, this.#put(this.#model.symbolBits)],
      [PLAN.CENTROIDS_AT, this.#put(this.#model.centroids)],
      [PLAN.ID_COUNT, ids],
      [PLAN.ID_LOGS_AT, this.#put(this.#model.idLogs)],
      [PLAN.SPREAD_LOGS_AT, this.#put(spreadLogs)],
      [PLAN.MEAN_STEPS_AT, this.#put(this.#model.meanSteps)],
      [PLAN.ID_MEANS_AT, this.#put(means)],
      [PLAN.BLOCK_COUNT, blocks.length],
      [PLAN.BLOCKS_AT, this.#put(Uint32Array.from(blocks.flatMap((block, b) => this.#putBlock(block, b))))],
      [PLAN.KV_HEADS, layout.kvHeads],
      [PLAN.HEAD_DIM, layout.headDim],
      [PLAN.IS_INT8, Number(layout.format === "int8")],
      [PLAN.PAGE_TOKENS, layout.pageTokens],
      [PLAN.PAGE_BYTES, this.#pageBytes],
      [PLAN.LAYER_BYTES, plan.layerBytes],
      [PLAN.VALUES_AT, plan.valuesAt],
      [PLAN.KEY_SCALES_AT, plan.keyScalesAt],
      [PLAN.VALUE_SCALES_AT, plan.valueScalesAt],
      [PLAN.LAYER_TURNS_AT, this.#put(Uint32Array.from(ofLayers))],
    ];
    for (const [at, value] of entries) this.#write(at, value);
  }

  #putBlock({ layer, rows, first }: PredictionBlock, b: number): number[] {
    const { means, scales, matrices, matrixUnit, layout } = this.#model;
    const size = rows.length;
    assert(size >= 1 && size <= BLOCK_SIZE_MAX, "a block is within its width");
    const padded = Math.ceil(size / 8) * 8;
    const matrix = matrices[b]!;
    const ofRows = (values: Float32Array, beyond: number): Float32Array =>
      Float32Array.from({ length: padded }, (_, i) => (i < size ? values[rows[i]!]! : beyond));
    const columns = 2 * layout.kvHeads * layout.headDim;
    const stretches = stretchesOf(Array.from(rows, (row) => row - layer * columns));
    assert(
      stretches.every(([column, length]) => column >= 0 && column + length <= columns),
      "a block is of its layer",
    );
    const fields = new Uint32Array(PLAN.BLOCK_BYTES / 4);
    const set = (at: number, value: number): void => {
      fields[at / 4] = value;
    };
    set(PLAN.BLOCK_LAYER, layer);
    set(PLAN.BLOCK_SIZE, size);
    set(PLAN.BLOCK_PADDED, padded);
    set(PLAN.BLOCK_FIRST, first);
    const tiles = (entry: (row: number, column: number) => number): Float32Array =>
      tilesOf(size, padded, (row, column) => entry(row, column) / matrixUnit);
    set(PLAN.BLOCK_OUT_AT, this.#put(tiles((channel, component) => matrix[channel * size + component]!)));
    set(PLAN.BLOCK_BACK_AT, this.#put(tiles((component, channel) => matrix[channel * size + component]!)));
    set(PLAN.BLOCK_MEANS_AT, this.#put(ofRows(means, 0)));
    set(PLAN.BLOCK_SCALES_AT, this.#put(ofRows(scales, 1)));
    set(PLAN.BLOCK_STRETCHES_AT, this.#put(Uint32Array.from(stretches.flat())));
    set(PLAN.BLOCK_STRETCHES, stretches.length);
    return [...fields];
  }

  #put(values: Float64Array | Float32Array | Uint32Array | Int16Array | Int8Array | Uint8Array): number {
    const at = this.#room(values.byteLength);
    this.#bytes().set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    return at;
  }

  /** Room for good. */
  #room(bytes: number): number {
    const at = this.#top;
    this.#top = aligned(at + bytes);
    this.#reserve(this.#top);
    return at;
  }

  #write(at: number, value: number): void {
    new Int32Array(this.#memory.buffer)[(PLAN.PLAN + at) / 4] = value;
  }

  #bytes(): Uint8Array<ArrayBufferLike> {
    return new Uint8Array(this.#memory.buffer);
  }

  #reserve(bytes: number): void {
    const missing = Math.ceil((bytes + 64) / 65536) - this.#memory.buffer.byteLength / 65536;
    if (missing <= 0) return;
    try {
      this.#memory.grow(missing);
    } catch (cause) {
      fail("out_of_memory", `expected ${bytes} bytes for predictions and one call, the system refused`, { cause });
    }
  }
}

/** Consecutive channels of a block as (column, length). */
function stretchesOf(columns: readonly number[]): [column: number, length: number][] {
  const stretches: [number, number][] = [];
  for (const column of columns) {
    const last = stretches.at(-1);
    if (last !== undefined && last[0] + last[1] === column) last[1] += 1;
    else stretches.push([column, 1]);
  }
  return stretches;
}

/** A matrix as tiles of 32 columns, then of 8 (assembly/prediction-turn.ts); zeros beyond the last column. */
function tilesOf(size: number, padded: number, entry: (row: number, column: number) => number): Float32Array {
  const out = new Float32Array(size * padded);
  let at = 0;
  for (let from = 0; from < padded;) {
    const width = from + 32 <= padded ? 32 : 8;
    for (let row = 0; row < size; row++) {
      for (let column = from; column < from + width; column++) out[at++] = column < size ? entry(row, column) : 0;
    }
    from += width;
  }
  return out;
}

/** Layers whose keys are turned alike share what is computed for a chunk. */
function differentTurns(rotations: readonly (KeyTurns | null)[]): { different: KeyTurns[]; ofLayers: number[] } {
  const different: KeyTurns[] = [];
  const ofLayers = rotations.map((turns) => {
    if (turns === null) return 0;
    const isSame = (other: KeyTurns): boolean =>
      other.factor === turns.factor &&
      other.perPosition.length === turns.perPosition.length &&
      Array.from(other.perPosition).every((angle, i) => angle === turns.perPosition[i]);
    const known = different.findIndex(isSame);
    return known < 0 ? different.push(turns) : known + 1;
  });
  return { different, ofLayers };
}

/** Per token cosines of all pairs, then sines. */
function writeAngles(
  { perPosition, factor }: KeyTurns,
  out: Float64Array,
  { tokens, firstPosition }: Pick<PredictionTokens, "tokens" | "firstPosition">,
  direction: 1 | -1,
): void {
  const half = out.length / (2 * tokens);
  // A model that scales its turned keys has them scaled back.
  const scale = direction === 1 ? factor : 1 / factor;
  for (let t = 0, at = 0; t < tokens; t++, at += 2 * half) {
    for (let pair = 0; pair < half; pair++) {
      const angle = direction * (firstPosition + t) * perPosition[pair]!;
      out[at + pair] = scale * Math.cos(angle);
      out[at + half + pair] = scale * Math.sin(angle);
    }
  }
}
