/**
 * One step of the decoder that can be left and taken up again at every layer. It owns the scratch of that step, so
 * an executor with two of them can have two steps under way and give each layer by layer what its thread has time for.
 *
 *   slot 0       session 0 -> write k, v of layer 0
 *   slot i       attention of layer i-1 -> session i -> write k, v of layer i
 *   last slot    attention of the last layer -> the last session -> scores (or hidden states)
 *
 * After slot i every key and value of layers 0..i is in the pages. It decides nothing: who gets the next slot is the
 * caller's business, and advancing by all slots at once is a plain step without a single further turn of the thread.
 */
import { assert, fail } from "../core/index.ts";
import type { Fetched, Session, TensorData } from "../graph/index.ts";
import type { PagedAttention } from "../kernels/index.ts";
import type { AttentionExecutor } from "./attention.ts";
import { layerRope, type DecoderConfig } from "./config.ts";
import { StepLora, type LoraBank } from "./lora/index.ts";
import type { RouteSums } from "./routes/route-sums.ts";
import { StepPlan, type StepLimits } from "./step-plan.ts";
import { StepScores } from "./step-scores.ts";
import type { KeptRow, StepBatch, StepResult, StepWants, TokenScores } from "./types.ts";

/** What all steps of an executor share. */
export interface StepParts {
  readonly config: DecoderConfig;
  /** One per layer boundary: layers + 1. */
  readonly sessions: readonly Session[];
  readonly kernel: Pick<PagedAttention, "writeKv">;
  readonly attention: AttentionExecutor;
  readonly limits: StepLimits;
  /** Best tokens per TopScores. */
  readonly topK: number;
  /** The last session gives hidden states in place of scores. */
  readonly embedding: boolean;
  /** The last session gives the states behind its scores too. */
  readonly states: boolean;
  /** Adapters that rows may have; null: none, and sessions without them. */
  readonly bank: LoraBank | null;
  /** Where what routers say of rows goes; null: the model has none. */
  readonly routeSums: RouteSums | null;
}

function floats(tensor: TensorData | undefined): Float32Array {
  return tensor!.data as Float32Array;
}

function tensor(data: Float32Array, ...dims: number[]): TensorData {
  return { dtype: "float32", dims, data };
}

/** Inputs that have every row come to a forked boundary from the layer before, and go on. */
function allRows(rows: number, hidden: number): Readonly<Record<string, TensorData>> {
  const data = new BigInt64Array(rows);
  const words = new Int32Array(data.buffer);
  for (let row = 0; row < rows; row++) words[row * 2] = row;
  return { waiting: tensor(new Float32Array(0), 0, hidden), going: { dtype: "int64", dims: [rows], data } };
}

/** A step at a time: `begin` it, `advance` it until it says true, take its `result`. Made by StepExecutor.open. */
export class StepRun {
  /** Slots of a step: one a layer, and one for what it ends in. */
  readonly slots: number;
  readonly #parts: StepParts;
  readonly #plan: StepPlan;
  readonly #lora: StepLora;
  readonly #attended: Float32Array;
  /** Rows of the last boundary, kept until the next step for wholeRow. */
  readonly #ends: StepScores;
  #sequences = 0;
  /** Slots done; `slots` when no step is under way. */
  #slot: number;
  #state: Fetched = {};
  /** By boundary: whether its rows could leave layers out (step-graphs.ts). */
  readonly #forked: readonly boolean[];
  /** Inputs of such boundaries: all rows come from the layer before, and all go on. */
  #all: Readonly<Record<string, TensorData>> = {};
  #rotaries: ReadonlyMap<string, { readonly cos?: TensorData; readonly sin?: TensorData }> = new Map();
  #scores: readonly TokenScores[] = [];
  #hidden: readonly Float32Array[] = [];
  #complete = false;
  #wants: StepWants = {};

  /** Use StepExecutor.open. */
  constructor(parts: StepParts) {
    const { config, limits, sessions, topK, bank, states } = parts;
    this.#parts = parts;
    this.slots = config.layers + 1;
    this.#slot = this.slots;
    const plan = new StepPlan(config, limits);
    this.#plan = plan;
    this.#lora = new StepLora(bank);
    this.#attended = new Float32Array(plan.padded(limits.maxRows + 1) * config.heads * config.headDim);
    this.#forked = sessions.map(({ inputs }) => inputs.some(({ name }) => name === "going"));
    const session = sessions[config.layers]!;
    const { maxRows } = limits;
    this.#ends = new StepScores({ config, session, topK, bank, states, maxRows, padded: (rows) => plan.padded(rows) });
  }

  /** Whether a step has begun and not come to its end. */
  get active(): boolean {
    return this.#slot < this.slots;
  }

  /** Slots done of the step at hand. */
  get slot(): number {
    return this.#slot;
  }

  /** Tokens of the step at hand. */
  get rows(): number {
    return this.#plan.rows;
  }

  /**
   * Prepares a step of at least one sequence; nothing is computed yet. Sequences must not share a page that is written.
   * @throws PunctualError invalid_request or context_length_exceeded before anything is touched.
   */
  begin(batch: StepBatch, wants: StepWants = {}): void {
    assert(!this.active, "one step at a time");
    this.#complete = false;
    this.#plan.prepare(batch);
    this.#wants = wants;
    this.#sequences = batch.length;
    this.#scores = [];
    this.#hidden = [];
    const padded = this.#plan.padded(this.#plan.rows);
    const { headDim } = this.#parts.config;
    const rotaries = new Map<string, { readonly cos?: TensorData; readonly sin?: TensorData }>([["none", {}]]);
    for (const [kind, { cos, sin }] of this.#plan.rotaries()) {
      rotaries.set(kind, { cos: tensor(cos, padded, 1, headDim), sin: tensor(sin, padded, 1, headDim) });
    }
    this.#rotaries = rotaries;
    this.#lora.begin(padded, this.#plan.adapted);
    if (this.#forked.includes(true)) {
      this.#all = { ...allRows(padded, this.#parts.config.hidden), ...this.#lora.goingMask };
    }
    this.#slot = batch.length === 0 ? this.slots : 0;
    this.#complete = batch.length === 0;
  }

  /** Computes up to `count` further slots, at least one; true when the step is complete. */
  async advance(count = Infinity): Promise<boolean> {
    const { sessions, config } = this.#parts;
    const { layers, hidden, heads, headDim } = config;
    const plan = this.#plan;
    const end = Math.min(this.slots, this.#slot + count);
    const padded = plan.padded(plan.rows);
    const attended = tensor(this.#attended.subarray(0, padded * heads * headDim), padded, heads * headDim);
    while (this.#slot < end) {
      const at = this.#slot;
      if (at === layers) {
        await this.#last();
      } else if (at === 0) {
        const ids: TensorData = { dtype: "int64", dims: [padded], data: plan.ids };
        this.#state = await sessions[0]!.run({ ids, ...this.#rotary(0), ...this.#lora.feeds(0, layers) });
        this.#write(0);
      } else {
        await this.#attend(at - 1, plan.sequences);
        const x = tensor(floats(this.#state["next"]), padded, hidden);
        const more = { ...this.#lora.feeds(at, layers), ...(this.#forked[at] === true ? this.#all : {}) };
        this.#state = await sessions[at]!.run({ attended, x, ...this.#rotary(at), ...more });
        this.#write(at);
      }
      this.#slot = at + 1;
    }
    return !this.active;
  }

  /** Leaves the step where it is; what it has written stays written. */
  abandon(): void {
    this.#slot = this.slots;
    this.#state = {};
  }

  /** Scores of the completed step. */
  result(): StepResult {
    assert(this.#complete, "the step is complete");
    return { scores: this.#grouped(this.#scores) };
  }

  /** Final states of the completed step of an embedding executor, [hidden] floats each. */
  states(): readonly (readonly Float32Array[])[] {
    assert(this.#complete, "the step is complete");
    return this.#grouped(this.#hidden);
  }

  /**
   * The state after the last norm [hidden] behind the scores of a token of the completed step, of an executor made with
   * `states` and a step that was asked for them: the `index`-th scored token of that `sequence` of the batch. Valid until
   * the next step; not to be changed.
   */
  state(sequence: number, index = 0): Float32Array {
    return this.#ends.stateOf(this.#scoredAt(sequence, index));
  }

  /**
   * All logits [vocabSize] of a token that was scored in the completed step: the `index`-th scored token of
   * that `sequence` of the batch. For samplers that could not decide from the best tokens.
   */
  async wholeRow(sequence: number, index = 0): Promise<TokenScores> {
    assert(!this.active, "whole rows are of a finished step");
    return this.wholeRowOf(this.keptRow(sequence, index));
  }

  /** What `wholeRowOf` needs of a scored token of the completed step, in memory of its own. */
  keptRow(sequence: number, index = 0): KeptRow {
    return this.#ends.keptRow(this.#scoredAt(sequence, index));
  }

  /** Which of the scored rows of the completed step that is. @throws PunctualError invalid_request when it was not scored. */
  #scoredAt(sequence: number, index: number): number {
    const { scored } = this.#plan;
    const first = this.#complete ? scored.findIndex((row) => row.sequence === sequence) : -1; // half made rows are no rows
    // Rows of a sequence are adjacent.
    if (first >= 0 && scored[first + index]?.sequence === sequence) return first + index;
    return fail("invalid_request", `no scores were asked for token ${index} of sequence ${sequence}`, {
      param: "sequence",
    });
  }

  /** All logits of a row that any step over the same weights has kept, whichever thread ran it. */
  wholeRowOf(kept: KeptRow): Promise<TokenScores> {
    return this.#ends.wholeRowOf(kept);
  }

  #rotary(layer: number): { readonly cos?: TensorData; readonly sin?: TensorData } {
    return this.#rotaries.get(layerRope(this.#parts.config, layer))!;
  }

  #write(layer: number): void {
    const { kernel, config } = this.#parts;
    const kv = this.#plan.rows * config.kvHeads * config.headDim;
    const { k, v } = this.#state;
    kernel.writeKv(layer, floats(k).subarray(0, kv), floats(v).subarray(0, kv), this.#plan.slots);
    const { route } = this.#state;
    if (route !== undefined) this.#parts.routeSums?.add(layer, this.#plan.slots, floats(route));
  }

  async #attend(layer: number, sequences: StepPlan["sequences"]): Promise<void> {
    const { heads, headDim } = this.#parts.config;
    const out = this.#attended.subarray(0, this.#plan.rows * heads * headDim);
    const q = floats(this.#state["q"]).subarray(0, out.length);
    if (sequences.length > 0) await this.#parts.attention.attend(layer, q, sequences, out);
  }

  /** The last slot: only rows that are scored are attended and go through the last session. */
  async #last(): Promise<void> {
    const { config, embedding } = this.#parts;
    await this.#attend(config.layers - 1, this.#plan.lastSequences);
    this.#ends.keep(this.#plan.scored, this.#attended, floats(this.#state["next"]));
    this.#state = {};
    if (embedding) this.#hidden = await this.#ends.states();
    else this.#scores = await this.#ends.score(this.#wants);
    this.#complete = true;
  }

  #grouped<T>(scores: readonly T[]): T[][] {
    const groups: T[][] = Array.from({ length: this.#sequences }, () => []);
    for (const [at, { sequence }] of this.#plan.scored.entries()) groups[sequence]!.push(scores[at]!);
    return groups;
  }
}
