/**
 * Steps of sequences that leave layers out. Each goes through its own layers, all of them in one step: at every layer the
 * rows are sorted by where they come from and where they go.
 *
 *   kept before, kept      the end of the layer before and the start of this one, as everybody's
 *   kept before, left out  the end of the layer before; then the row waits, its state unchanged
 *   waiting, kept          the start of this layer
 *   waiting, left out      nothing
 *
 * All of it is one run of one session per layer, whatever is mixed.
 *
 * The weights are the routes' own (low-rank changes added, or given), so rows with full depth are not here but in StepRun. The first and
 * the last layer are always kept. A row's bits depend on its sequence and mask alone, not on the masks beside it.
 */
import { assert } from "../../core/index.ts";
import type { Session, TensorData } from "../../graph/index.ts";
import type { AttentionSequence, PagedAttention } from "../../kernels/index.ts";
import type { AttentionExecutor } from "../attention.ts";
import { layerRope, type DecoderConfig } from "../config.ts";
import { StepPlan, type StepLimits } from "../step-plan.ts";
import { StepScores } from "../step-scores.ts";
import type { KeptRow, StepRow, StepWants, TokenScores } from "../types.ts";
import type { RouteLora } from "./route-lora.ts";
import { layerUnits, pagesFor, type RowPlace } from "./units.ts";

/** A row of a step with its route. */
export type RoutedRow = StepRow & { readonly route: RowPlace };

/** What it computes with. */
export interface RoutedParts {
  readonly config: DecoderConfig;
  /** One per layer boundary, over the routes' weights: as StepRun's, those between layers forked (step-graphs.ts). */
  readonly sessions: readonly Session[];
  /** Of units. */
  readonly cache: Pick<PagedAttention, "writeKv">;
  /** Over units, in layer 0. */
  readonly attention: AttentionExecutor;
  /** Pages are the cache's, not units. */
  readonly limits: StepLimits;
  readonly topK: number;
  readonly states: boolean;
  /** Where its low-rank weights are inputs of the sessions; null: the sessions take none. */
  readonly lora: RouteLora | null;
}

/** A sequence of the step at hand. */
interface Part {
  readonly place: RowPlace;
  readonly pages: Int32Array;
  readonly blocks: number;
  readonly sequence: AttentionSequence;
  /** What of it the last layer attends; null when it is not scored. */
  readonly last: AttentionSequence | null;
}

const ALL = null;
/** Rows in order; null: all of them. */
type Rows = Int32Array | typeof ALL;

export class RoutedRun {
  readonly #parts: RoutedParts;
  readonly #plan: StepPlan;
  readonly #ends: StepScores;
  readonly #attended: Float32Array;
  readonly #q: Float32Array;
  #x: Float32Array;
  #sequences: Part[] = [];

  constructor(parts: RoutedParts) {
    const { config, limits, topK, states, sessions } = parts;
    this.#parts = parts;
    // Rows are placed by unit, layer by layer: the plan's own slots are of layer 0 and not used.
    const plan = new StepPlan(config, { ...limits, pages: limits.pages * config.layers });
    this.#plan = plan;
    const rows = plan.padded(limits.maxRows + 1);
    this.#attended = new Float32Array(rows * config.heads * config.headDim);
    this.#q = new Float32Array(rows * config.heads * config.headDim);
    this.#x = new Float32Array(rows * config.hidden);
    const session = sessions[config.layers]!;
    const { maxRows } = limits;
    this.#ends = new StepScores({
      config,
      session,
      topK,
      bank: parts.lora?.bank ?? null,
      states,
      maxRows,
      padded: (count) => plan.padded(count),
    });
  }

  /** Computes a step. Answers scores as StepExecutor.step. @throws PunctualError invalid_request before anything runs. */
  async step(batch: readonly RoutedRow[], wants: StepWants = {}): Promise<TokenScores[][]> {
    this.#prepare(batch);
    const { layers } = this.#parts.config;
    for (let layer = 0; layer < layers; layer++) {
      await this.#layer(layer);
      await this.#attend(layer);
    }
    this.#ends.keep(this.#plan.scored, this.#attended, this.#x);
    const scores = await this.#ends.score(wants);
    const groups: TokenScores[][] = batch.map(() => []);
    for (const [at, { sequence }] of this.#plan.scored.entries()) groups[sequence]!.push(scores[at]!);
    return groups;
  }

  /** Of the last step: the `index`-th scored token of that sequence; -1 when it was not scored. */
  scoredAt(sequence: number, index: number): number {
    const first = this.#plan.scored.findIndex((row) => row.sequence === sequence);
    return first >= 0 && this.#plan.scored[first + index]?.sequence === sequence ? first + index : -1;
  }

  keptRow(at: number): KeptRow {
    return { ...this.#ends.keptRow(at), routed: true };
  }

  stateOf(at: number): Float32Array {
    return this.#ends.stateOf(at);
  }

  wholeRowOf(kept: KeptRow): Promise<TokenScores> {
    return this.#ends.wholeRowOf(kept);
  }

  #prepare(batch: readonly RoutedRow[]): void {
    const { layers } = this.#parts.config;
    const { pageTokens } = this.#parts.limits;
    const blocksOf = ({ startPosition, tokens }: StepRow): number =>
      Math.ceil((startPosition + tokens.length) / pageTokens);
    for (const { route } of batch) {
      assert(route.mask.length === layers, "a mask has a bit for each layer");
      assert(route.mask[0] === 1 && route.mask[layers - 1] === 1, "the first and the last layer are kept");
    }
    const adapter = this.#parts.lora?.adapter ?? null;
    this.#plan.prepare(
      batch.map((row) => {
        const blocks = blocksOf(row);
        const held = row.pages.length >= pagesFor(blocks, row.route);
        const own = adapter === null ? {} : { adapter };
        return { ...row, ...own, pages: held ? layerUnits(row.pages, blocks, row.route, 0) : new Int32Array(0) };
      }),
    );
    let scored = 0;
    this.#sequences = batch.map((row, i): Part => {
      const sequence = this.#plan.sequences[i]!;
      const last = row.wantLogits === "none" ? null : this.#plan.lastSequences[scored++]!;
      return { place: row.route, pages: row.pages, blocks: blocksOf(row), sequence, last };
    });
  }

  /** Everything between the attention of the layer before and that of this one, in one run. */
  async #layer(layer: number): Promise<void> {
    if (layer === 0) return this.#first();
    const { config, sessions, lora } = this.#parts;
    const came = ({ place }: Part): boolean => place.mask[layer - 1] === 1;
    const goes = ({ place }: Part): boolean => place.mask[layer] === 1;
    const coming = this.#sequences.filter(came);
    const waiting = this.#sequences.filter((part) => !came(part) && goes(part));
    const going = [...coming.filter(goes), ...waiting];
    if (coming.length + going.length === 0) return;
    const rows = { coming: this.#rowsOf(coming), waiting: this.#rowsOf(waiting), going: this.#rowsOf(going) };
    const numbers = this.#numbersOf(coming, waiting, goes);
    const { next, q, k, v } = await sessions[layer]!.run(
      {
        attended: this.#taken(this.#attended, config.heads * config.headDim, rows.coming),
        x: this.#taken(this.#x, config.hidden, rows.coming),
        waiting: this.#taken(this.#x, config.hidden, rows.waiting),
        going: numbers,
        ...this.#rotary(layer, rows.going),
        ...lora?.feeds(layer, config.layers, this.#countOf(rows.coming), numbers.dims[0]!),
      },
      [...(coming.length > 0 ? ["next"] : []), ...(going.length > 0 ? ["q", "k", "v"] : [])],
    );
    if (next !== undefined) this.#put(this.#x, config.hidden, rows.coming, next);
    if (going.length > 0) this.#queriesAndKeys(layer, going, rows.going, q, k, v);
  }

  async #first(): Promise<void> {
    const { config, sessions, lora } = this.#parts;
    const padded = this.#plan.padded(this.#plan.rows);
    const ids: TensorData = { dtype: "int64", dims: [padded], data: this.#plan.ids };
    const adapters = lora?.feeds(0, config.layers, padded, null);
    const { next, q, k, v } = await sessions[0]!.run({ ids, ...this.#rotary(0, ALL), ...adapters });
    this.#put(this.#x, config.hidden, ALL, next);
    this.#queriesAndKeys(0, this.#sequences, ALL, q, k, v);
  }

  /** Rows of these sequences, one after the other. */
  #rowsOf(parts: readonly Part[]): Rows {
    const inOrder = parts.length === this.#sequences.length && parts.every((part, i) => part === this.#sequences[i]);
    if (inOrder) return ALL;
    return Int32Array.from(
      parts.flatMap(({ sequence: { queryStart, queryRows } }) =>
        Array.from({ length: queryRows }, (_, i) => queryStart + i),
      ),
    );
  }

  /** Which of the rows that come, padding included, and of those that wait behind them, go through the layer. */
  #numbersOf(coming: readonly Part[], waiting: readonly Part[], goes: (part: Part) => boolean): TensorData {
    const numbers: number[] = [];
    let at = 0;
    const take = (part: Part): void => {
      const { queryRows } = part.sequence;
      if (goes(part)) for (let i = 0; i < queryRows; i++) numbers.push(at + i);
      at += queryRows;
    };
    coming.forEach(take);
    at = this.#padded(at);
    waiting.forEach(take);
    // Padding is some row again.
    const data = new BigInt64Array(this.#padded(numbers.length)).fill(BigInt(numbers[0] ?? 0));
    const words = new Int32Array(data.buffer);
    for (const [i, number] of numbers.entries()) words[i * 2] = number;
    return { dtype: "int64", dims: [data.length], data };
  }

  /** So many rows, as graphs run them. */
  #countOf(rows: Rows): number {
    return this.#padded(rows === ALL ? this.#plan.rows : rows.length);
  }

  /** Rows as graphs run them; none stay none. */
  #padded(rows: number): number {
    return rows === 0 ? 0 : this.#plan.padded(rows);
  }

  /** Takes what a run has made of the rows of these sequences, which keep the layer. */
  #queriesAndKeys(
    layer: number,
    parts: readonly Part[],
    rows: Rows,
    q: TensorData | undefined,
    k: TensorData | undefined,
    v: TensorData | undefined,
  ): void {
    const { config, cache } = this.#parts;
    this.#put(this.#q, config.heads * config.headDim, rows, q);
    const slots = this.#slots(layer, parts);
    const length = slots.length * config.kvHeads * config.headDim;
    const floats = (data: TensorData | undefined): Float32Array => (data!.data as Float32Array).subarray(0, length);
    cache.writeKv(0, floats(k), floats(v), slots);
  }

  /** Where the keys and values of their rows go. */
  #slots(layer: number, parts: readonly Part[]): Int32Array {
    const { pageTokens } = this.#parts.limits;
    const slots: number[] = [];
    for (const { place, pages, blocks, sequence } of parts) {
      const { queryRows, contextLength } = sequence;
      const units = layerUnits(pages, blocks, place, layer);
      for (let position = contextLength - queryRows; position < contextLength; position++) {
        slots.push(units[Math.floor(position / pageTokens)]! * pageTokens + (position % pageTokens));
      }
    }
    return Int32Array.from(slots);
  }

  /** Attention of the sequences that keep the layer; of the last one only rows that are scored. */
  async #attend(layer: number): Promise<void> {
    const { config, attention } = this.#parts;
    const isLast = layer === config.layers - 1;
    const sequences = this.#sequences.flatMap((part): AttentionSequence[] => {
      const wanted = isLast ? part.last : part.sequence;
      if (wanted === null || part.place.mask[layer] !== 1) return [];
      return [{ ...wanted, pages: layerUnits(part.pages, part.blocks, part.place, layer) }];
    });
    const length = this.#plan.rows * config.heads * config.headDim;
    if (sequences.length === 0) return;
    await attention.attend(0, this.#q.subarray(0, length), sequences, this.#attended.subarray(0, length));
  }

  #rotary(layer: number, rows: Rows): { readonly cos?: TensorData; readonly sin?: TensorData } {
    const { config } = this.#parts;
    const tables = this.#plan.rotaries().get(layerRope(config, layer));
    if (tables === undefined) return {};
    const turned = (table: Float32Array): TensorData => {
      const { dims, data, dtype } = this.#taken(table, config.headDim, rows);
      return { dtype, dims: [dims[0]!, 1, config.headDim], data };
    };
    return { cos: turned(tables.cos), sin: turned(tables.sin) };
  }

  /** Those rows of `from` [.., width], padded as graphs want them; in place where it is all of them. */
  #taken(from: Float32Array, width: number, rows: Rows): TensorData {
    const count = this.#countOf(rows);
    const dims = [count, width];
    if (rows === ALL) return { dtype: "float32", dims, data: from.subarray(0, count * width) };
    const data = new Float32Array(count * width);
    for (const [i, row] of rows.entries()) data.set(from.subarray(row * width, (row + 1) * width), i * width);
    return { dtype: "float32", dims, data };
  }

  #put(into: Float32Array, width: number, rows: Rows, from: TensorData | undefined): void {
    const data = from!.data as Float32Array;
    if (rows === ALL) return into.set(data);
    for (const [i, row] of rows.entries()) into.set(data.subarray(i * width, (i + 1) * width), row * width);
  }
}
