/**
 * Steps of sequences that leave layers out. Each goes through its own layers, all of them in one step: at every layer the
 * rows are sorted by where they come from and where they go.
 *
 *   kept before, kept      one run: the end of the layer before and the start of this one, as everybody's
 *   kept before, left out  in the same run, whose queries nobody asks for, or by itself the end of the layer before; then the
 *                          row waits, its state unchanged
 *   waiting, kept          the start of this layer
 *   waiting, left out      nothing
 *
 * The weights are the routes' own (low-rank changes added), so rows with full depth are not here but in StepRun. The first and
 * the last layer are always kept. A row's bits depend on its sequence and mask alone, not on the masks beside it.
 */
import { assert } from "../../core/index.ts";
import type { Session, TensorData } from "../../graph/index.ts";
import type { AttentionSequence, PagedAttention } from "../../kernels/index.ts";
import type { AttentionExecutor } from "../attention.ts";
import { layerRope, type DecoderConfig } from "../config.ts";
import { StepPlan, type StepLimits } from "../step-plan.ts";
import { StepScores } from "../step-scores.ts";
import type { KeptRow, StepRow, TokenScores } from "../types.ts";
import { layerUnits, pagesFor, type RowPlace } from "./units.ts";

/** A row of a step with its route. */
export type RoutedRow = StepRow & { readonly route: RowPlace };

/** Sessions over the routes' weights; by layer, null where no row can need one. */
export interface RoutedSessions {
  /** As StepRun's: one per layer boundary. */
  readonly whole: readonly Session[];
  /** attended, x -> next: the end of a layer. */
  readonly ends: readonly (Session | null)[];
  /** x -> q, k, v: the start of a layer. */
  readonly starts: readonly (Session | null)[];
}

/** What it computes with. */
export interface RoutedParts {
  readonly config: DecoderConfig;
  readonly sessions: RoutedSessions;
  /** Of units. */
  readonly cache: Pick<PagedAttention, "writeKv">;
  /** Over units, in layer 0. */
  readonly attention: AttentionExecutor;
  /** Pages are the cache's, not units. */
  readonly limits: StepLimits;
  readonly topK: number;
  readonly states: boolean;
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
    const session = sessions.whole[config.layers]!;
    const { maxRows } = limits;
    this.#ends = new StepScores({
      config,
      session,
      topK,
      bank: null,
      states,
      maxRows,
      padded: (count) => plan.padded(count),
    });
  }

  /** Computes a step. Answers scores as StepExecutor.step. @throws PunctualError invalid_request before anything runs. */
  async step(batch: readonly RoutedRow[]): Promise<TokenScores[][]> {
    this.#prepare(batch);
    const { layers } = this.#parts.config;
    for (let layer = 0; layer < layers; layer++) {
      await this.#layer(layer);
      await this.#attend(layer);
    }
    this.#ends.keep(this.#plan.scored, this.#attended, this.#x);
    const scores = await this.#ends.score();
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
    this.#plan.prepare(
      batch.map((row) => {
        const blocks = blocksOf(row);
        const held = row.pages.length >= pagesFor(blocks, row.route);
        return { ...row, pages: held ? layerUnits(row.pages, blocks, row.route, 0) : new Int32Array(0) };
      }),
    );
    let scored = 0;
    this.#sequences = batch.map((row, i): Part => {
      const sequence = this.#plan.sequences[i]!;
      const last = row.wantLogits === "none" ? null : this.#plan.lastSequences[scored++]!;
      return { place: row.route, pages: row.pages, blocks: blocksOf(row), sequence, last };
    });
  }

  /** Everything between the attention of the layer before and that of this one. */
  async #layer(layer: number): Promise<void> {
    if (layer === 0) return this.#start(0, ALL);
    const kept = (at: number) => (part: Part) => part.place.mask[at] === 1;
    const came = kept(layer - 1);
    const goes = kept(layer);
    const coming = this.#rowsOf(came);
    const going = this.#sequences.some((part) => came(part) && goes(part));
    const starting = this.#rowsOf((part) => !came(part) && goes(part));
    // A run of its own would cost more than queries, keys and values that nobody asks for.
    if (coming !== undefined && going) await this.#through(layer, coming);
    else if (coming !== undefined) await this.#end(layer - 1, coming);
    if (starting !== undefined) await this.#start(layer, starting);
  }

  /** Rows of the sequences that are asked for; undefined: none. */
  #rowsOf(wanted: (part: Part) => boolean): Rows | undefined {
    const parts = this.#sequences.filter(wanted);
    if (parts.length === 0) return undefined;
    if (parts.length === this.#sequences.length) return ALL;
    return Int32Array.from(
      parts.flatMap(({ sequence: { queryStart, queryRows } }) =>
        Array.from({ length: queryRows }, (_, i) => queryStart + i),
      ),
    );
  }

  async #through(layer: number, rows: Rows): Promise<void> {
    const { config, sessions } = this.#parts;
    const { next, q, k, v } = await sessions.whole[layer]!.run({
      attended: this.#taken(this.#attended, config.heads * config.headDim, rows),
      x: this.#taken(this.#x, config.hidden, rows),
      ...this.#rotary(layer, rows),
    });
    this.#put(this.#x, config.hidden, rows, next);
    this.#queriesAndKeys(layer, rows, q, k, v);
  }

  async #end(layer: number, rows: Rows): Promise<void> {
    const { config, sessions } = this.#parts;
    const { next } = await sessions.ends[layer]!.run({
      attended: this.#taken(this.#attended, config.heads * config.headDim, rows),
      x: this.#taken(this.#x, config.hidden, rows),
    });
    this.#put(this.#x, config.hidden, rows, next);
  }

  async #start(layer: number, rows: Rows): Promise<void> {
    const { config, sessions } = this.#parts;
    if (layer === 0) {
      const ids: TensorData = { dtype: "int64", dims: [this.#plan.padded(this.#plan.rows)], data: this.#plan.ids };
      const { next, q, k, v } = await sessions.whole[0]!.run({ ids, ...this.#rotary(0, rows) });
      this.#put(this.#x, config.hidden, rows, next);
      return this.#queriesAndKeys(0, rows, q, k, v);
    }
    const { q, k, v } = await sessions.starts[layer]!.run({
      x: this.#taken(this.#x, config.hidden, rows),
      ...this.#rotary(layer, rows),
    });
    this.#queriesAndKeys(layer, rows, q, k, v);
  }

  /** Takes what a run has made of these rows, as far as they keep the layer. */
  #queriesAndKeys(
    layer: number,
    rows: Rows,
    q: TensorData | undefined,
    k: TensorData | undefined,
    v: TensorData | undefined,
  ): void {
    const { config, cache } = this.#parts;
    const width = config.kvHeads * config.headDim;
    this.#put(this.#q, config.heads * config.headDim, rows, q);
    const { slots, at } = this.#slots(layer, rows);
    const part = (data: TensorData | undefined): Float32Array => {
      const floats = data!.data as Float32Array;
      if (at === null) return floats.subarray(0, slots.length * width);
      const taken = new Float32Array(at.length * width);
      for (const [i, row] of at.entries()) taken.set(floats.subarray(row * width, (row + 1) * width), i * width);
      return taken;
    };
    cache.writeKv(0, part(k), part(v), slots);
  }

  /** Where keys and values of those rows go that keep the layer, and which of the run's rows they are; null: the first ones, all. */
  #slots(layer: number, rows: Rows): { readonly slots: Int32Array; readonly at: readonly number[] | null } {
    const { pageTokens } = this.#parts.limits;
    const slots: number[] = [];
    const at: number[] = [];
    let next = 0; // of the run's rows
    for (const { place, pages, blocks, sequence } of this.#sequences) {
      const { queryStart, queryRows, contextLength } = sequence;
      if (rows !== ALL && rows[next] !== queryStart) continue;
      const from = next;
      next += queryRows;
      if (place.mask[layer] !== 1) continue;
      const units = layerUnits(pages, blocks, place, layer);
      for (let i = 0; i < queryRows; i++) {
        const position = contextLength - queryRows + i;
        slots.push(units[Math.floor(position / pageTokens)]! * pageTokens + (position % pageTokens));
        at.push(from + i);
      }
    }
    return { slots: Int32Array.from(slots), at: slots.length === next ? null : at };
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
    const count = this.#plan.padded(rows === ALL ? this.#plan.rows : rows.length);
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
