/**
 * Turns a batch into the arrays that the graphs and the kernel eat. All memory is allocated once, for
 * maxRows packed rows; a step writes into its front. Rows of a sequence are adjacent, sequences in
 * batch order. Where an odd last row would get other bits (see `needsEvenRows`), a row that belongs to
 * nobody is added: token 0, never written to the cache, never attended.
 */
import { fail } from "../core/index.ts";
import type { AttentionSequence } from "../kernels/index.ts";
import type { RotaryTables } from "../nn/index.ts";
import { layerRope, type DecoderConfig, type LayerRope } from "./config.ts";
import { ropeFrequencies, RopeRows } from "./rope.ts";
import type { StepBatch, StepRow } from "./types.ts";

export interface StepLimits {
  readonly maxRows: number;
  readonly pages: number;
  readonly pageTokens: number;
  /** Whether graphs run on even numbers of rows only. */
  readonly evenRows: boolean;
  /** Graphs run on at least so many rows. */
  readonly leastRows: number;
}

/** A row of the step whose successor is scored. */
export interface ScoredRow {
  /** Index into the packed rows. */
  readonly row: number;
  readonly sequence: number;
  readonly whole: boolean;
  readonly inverseTemperature: number;
  /** Null: none. */
  readonly adapter: number | null;
}

/** One kind of rotary positions and its rows of the step at hand. */
interface RopeScratch {
  readonly kind: LayerRope;
  readonly rows: RopeRows;
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

export class StepPlan {
  readonly #config: DecoderConfig;
  readonly #limits: StepLimits;
  /** One for every kind that a layer of the model has. */
  readonly #ropes: readonly RopeScratch[];
  /** Token ids; written through a 32-bit view, for BigInts would be allocated one by one. */
  readonly #ids: BigInt64Array;
  readonly #idWords: Int32Array;
  readonly #slots: Int32Array;

  /** Packed rows of the step at hand. */
  rows = 0;
  /** What every layer but the last attends. */
  readonly sequences: AttentionSequence[] = [];
  /** What the last layer attends: only rows that are scored. */
  readonly lastSequences: AttentionSequence[] = [];
  readonly scored: ScoredRow[] = [];
  /** Rows with an adapter, and which. */
  readonly adapted: { readonly row: number; readonly adapter: number }[] = [];

  constructor(config: DecoderConfig, limits: StepLimits) {
    this.#config = config;
    this.#limits = limits;
    this.#ids = new BigInt64Array(Math.max(limits.leastRows, limits.maxRows + 1));
    this.#idWords = new Int32Array(this.#ids.buffer);
    const kinds = new Set(Array.from({ length: config.layers }, (_, layer) => layerRope(config, layer)));
    this.#ropes = [...kinds].flatMap((kind): RopeScratch[] => {
      if (kind === "none") return [];
      const scratch = (): Float32Array => new Float32Array(this.#ids.length * config.headDim);
      return [{ kind, rows: new RopeRows(ropeFrequencies(config, kind)), cos: scratch(), sin: scratch() }];
    });
    this.#slots = new Int32Array(limits.maxRows);
  }

  /** `rows` as graphs run them: made even, or at least two, where that matters. */
  padded(rows: number): number {
    const { evenRows, leastRows } = this.#limits;
    return Math.max(leastRows, evenRows ? rows + (rows & 1) : rows);
  }

  /** [padded rows] */
  get ids(): BigInt64Array {
    return this.#ids.subarray(0, this.padded(this.rows));
  }

  /** For every kind of layer but "none" that the model has, each [padded rows, 1, headDim]. */
  rotaries(): ReadonlyMap<LayerRope, RotaryTables> {
    const length = this.padded(this.rows) * this.#config.headDim;
    return new Map(
      this.#ropes.map(({ kind, cos, sin }) => [kind, { cos: cos.subarray(0, length), sin: sin.subarray(0, length) }]),
    );
  }

  /** Where each row's keys and values go: page * pageTokens + offset. */
  get slots(): Int32Array {
    return this.#slots.subarray(0, this.rows);
  }

  /** Fails with invalid_request, and leaves nothing half done, when the batch does not fit. */
  prepare(batch: StepBatch): void {
    this.rows = 0;
    this.sequences.length = 0;
    this.lastSequences.length = 0;
    this.scored.length = 0;
    this.adapted.length = 0;
    for (const [index, row] of batch.entries()) {
      this.#check(index, row);
      this.#place(index, row);
    }
    for (let row = this.rows; row < this.padded(this.rows); row++) this.#idWords[row * 2] = 0;
  }

  #place(index: number, row: StepRow): void {
    const { tokens, startPosition, pages, adapter = null } = row;
    const { pageTokens } = this.#limits;
    const first = this.rows;
    const contextLength = startPosition + tokens.length;
    for (let i = 0; i < tokens.length; i++) {
      const at = first + i;
      const position = startPosition + i;
      this.#idWords[at * 2] = tokens[i]!;
      this.#slots[at] = pages[Math.floor(position / pageTokens)]! * pageTokens + (position % pageTokens);
    }
    for (const { rows, cos, sin } of this.#ropes) rows.copy(startPosition, tokens.length, cos, sin, first);
    if (adapter !== null) for (let i = 0; i < tokens.length; i++) this.adapted.push({ row: first + i, adapter });
    this.rows += tokens.length;
    this.sequences.push({ queryStart: first, queryRows: tokens.length, contextLength, pages });
    if (row.wantLogits === "none") return;
    const wanted = row.wantLogits === "all" ? tokens.length : 1;
    const queryStart = this.rows - wanted;
    this.lastSequences.push({ queryStart, queryRows: wanted, contextLength, pages });
    const { row: whole = false, inverseTemperature = 1 } = row.scores ?? {};
    for (let i = 0; i < wanted; i++) {
      this.scored.push({ row: queryStart + i, sequence: index, whole, inverseTemperature, adapter });
    }
  }

  #check(index: number, { tokens, startPosition, pages }: StepRow): void {
    const { maxRows, pageTokens } = this.#limits;
    const end = startPosition + tokens.length;
    const refuse = (message: string, param: string): never =>
      fail("invalid_request", `sequence ${index} of the step: ${message}`, { param });
    if (tokens.length < 1) refuse("expected at least one token", "tokens");
    if (this.rows + tokens.length > maxRows) refuse(`a step holds at most ${maxRows} tokens`, "tokens");
    if (!Number.isInteger(startPosition) || startPosition < 0) {
      refuse(`startPosition must be a position, got ${startPosition}`, "startPosition");
    }
    if (end > this.#config.maxPositions) {
      fail("context_length_exceeded", `position ${end} is beyond the model's ${this.#config.maxPositions}`);
    }
    if (pages.length * pageTokens < end) refuse(`${pages.length} pages do not hold ${end} tokens`, "pages");
    for (let i = 0; i < Math.ceil(end / pageTokens); i++) {
      if (!(pages[i]! >= 0 && pages[i]! < this.#limits.pages)) refuse(`there is no page ${pages[i]}`, "pages");
    }
    for (let i = 0; i < tokens.length; i++) {
      const id = tokens[i]!;
      if (!(id >= 0 && id < this.#config.vocabSize && Number.isInteger(id)))
        refuse(`there is no token ${id}`, "tokens");
    }
  }
}
