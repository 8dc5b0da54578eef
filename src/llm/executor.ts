/**
 * Runs steps: packed tokens through one session per layer boundary, attention over the paged cache in
 * between, scores at the end. It owns sessions, cache memory and scratch; which page belongs to whom is
 * KvPages' business, which token comes next the sampler's.
 *
 *   session 0 -> [ write k, v -> attention -> session i ] x layers -> scores
 *
 * Exactness: rows are independent of each other in every session and in the attention kernel, bit by
 * bit, so a sequence's scores depend on its tokens alone, not on batch, chunking or threads. Chunks attended
 * by ORT are the exception (attention.ts says by how much). A step blocks its thread while it runs:
 * executors live in worker threads.
 */
import { assert, fail } from "../core/index.ts";
import { createSession, type Fetched, type Session, type TensorData } from "../graph/index.ts";
import { PagedAttention } from "../kernels/index.ts";
import {
  calibrateThreshold,
  checkThreshold,
  KernelAttention,
  OrtAttention,
  SplitAttention,
  type AttentionExecutor,
} from "./attention.ts";
import { checkConfig, layerRope, layerWindow, type DecoderConfig } from "./config.ts";
import { boundaryGraph, defaultBlockSize, needsEvenRows } from "./step-graphs.ts";
import { StepPlan, type ScoredRow } from "./step-plan.ts";
import type { KvOptions, StepBatch, StepExecutorOptions, StepResult, TokenScores } from "./types.ts";

const DEFAULT_MAX_ROWS = 512;
const DEFAULT_TOP_K = 64;
const DEFAULT_ORT_THRESHOLD = 32;
const TOP_OUTPUTS = ["values", "indices", "logSumExp"];

interface Parts {
  readonly sessions: readonly Session[];
  readonly kernel: PagedAttention;
  readonly ort: OrtAttention;
  readonly attention: AttentionExecutor;
  readonly threshold: number;
}

function floats(tensor: TensorData | undefined): Float32Array {
  return tensor!.data as Float32Array;
}

function tensor(data: Float32Array, ...dims: number[]): TensorData {
  return { dtype: "float32", dims, data };
}

/** Sessions and paged cache of one model. create() it, step() it, dispose() it; one step at a time. */
export class StepExecutor implements AsyncDisposable {
  readonly config: DecoderConfig;
  readonly kv: KvOptions;
  readonly maxRows: number;
  /** Best tokens per TopScores. */
  readonly topK: number;
  /** Chunks of at least so many rows are attended by ORT. */
  readonly ortRowThreshold: number;
  /** Whether it gives hidden states instead of scores. */
  readonly embedding: boolean;
  readonly #parts: Parts;
  readonly #plan: StepPlan;
  readonly #attended: Float32Array;
  /** Rows of the last boundary, kept until the next step for wholeRow. */
  readonly #scoredAttended: Float32Array;
  readonly #scoredX: Float32Array;
  #disposed = false;
  /** Scratch is shared by all steps, so there is one at a time. */
  #running = false;

  private constructor(options: StepExecutorOptions, maxRows: number, topK: number, parts: Parts) {
    const { config } = options;
    this.config = config;
    this.kv = options.kv;
    this.maxRows = maxRows;
    this.topK = topK;
    this.ortRowThreshold = parts.threshold;
    this.embedding = options.embedding === true;
    this.#parts = parts;
    const { pages, pageTokens } = options.kv;
    const evenRows = needsEvenRows(options.weightsFormat, options.blockSize ?? defaultBlockSize(config));
    this.#plan = new StepPlan(config, { maxRows, pages, pageTokens, evenRows });
    this.#attended = new Float32Array((maxRows + 1) * config.heads * config.headDim);
    this.#scoredAttended = new Float32Array(this.#attended.length);
    this.#scoredX = new Float32Array((maxRows + 1) * config.hidden);
  }

  /** Builds and loads everything; blocks the thread meanwhile. */
  static async create(options: StepExecutorOptions): Promise<StepExecutor> {
    checkConfig(options.config);
    const maxRows = options.maxRows ?? DEFAULT_MAX_ROWS;
    const topK = Math.min(options.topK ?? DEFAULT_TOP_K, options.config.vocabSize);
    const cleanups: (() => Promise<void>)[] = [];
    try {
      const parts = await createParts(options, maxRows, topK, cleanups);
      return new StepExecutor(options, maxRows, topK, parts);
    } catch (error) {
      for (const cleanup of cleanups) await cleanup();
      throw error;
    }
  }

  /** Bytes of the paged cache. */
  get kvBytes(): number {
    return this.#parts.kernel.kvBytes;
  }

  /**
   * Computes every token of the batch: keys and values go to the pages, scores come back. Sequences must
   * not share a page that is written. Fails with invalid_request or context_length_exceeded before anything runs.
   */
  async step(batch: StepBatch): Promise<StepResult> {
    assert(!this.embedding, "an embedding executor has no scores");
    return { scores: await this.#compute(batch, (scored) => this.#score(scored)) };
  }

  /**
   * The same step for an executor made with `embedding`: in place of scores, each wanted token's state after the last
   * norm, [hidden] floats of its own.
   */
  async hidden(batch: StepBatch): Promise<readonly (readonly Float32Array[])[]> {
    assert(this.embedding, "only an embedding executor gives hidden states");
    return this.#compute(batch, (scored) => this.#states(scored));
  }

  async #compute<T>(batch: StepBatch, last: (scored: readonly ScoredRow[]) => Promise<T[]>): Promise<T[][]> {
    if (this.#disposed) fail("invalid_request", "this executor has been disposed");
    assert(!this.#running, "one step at a time");
    this.#plan.prepare(batch);
    if (batch.length === 0) return [];
    this.#running = true;
    try {
      this.#keepScoredRows(await this.#layers());
      return this.#grouped(batch, await last(this.#plan.scored));
    } finally {
      this.#running = false;
    }
  }

  /** All layers but the head, attention included; the residual stream x [padded rows, hidden] before the last boundary. */
  async #layers(): Promise<Float32Array> {
    const { sessions, kernel, attention } = this.#parts;
    const { layers, heads, kvHeads, headDim, hidden } = this.config;
    const plan = this.#plan;
    const padded = plan.padded(plan.rows);
    const width = heads * headDim;
    const rotaries = new Map<string, { readonly cos?: TensorData; readonly sin?: TensorData }>([["none", {}]]);
    for (const [kind, { cos, sin }] of plan.rotaries()) {
      rotaries.set(kind, { cos: tensor(cos, padded, 1, headDim), sin: tensor(sin, padded, 1, headDim) });
    }
    const rotary = (layer: number) => rotaries.get(layerRope(this.config, layer))!;
    const attended = tensor(this.#attended.subarray(0, padded * width), padded, width);
    const out = this.#attended.subarray(0, plan.rows * width);
    let state = await sessions[0]!.run({ ids: { dtype: "int64", dims: [padded], data: plan.ids }, ...rotary(0) });
    for (let layer = 0; layer < layers; layer++) {
      const kv = plan.rows * kvHeads * headDim;
      kernel.writeKv(layer, floats(state["k"]).subarray(0, kv), floats(state["v"]).subarray(0, kv), plan.slots);
      const last = layer === layers - 1;
      const sequences = last ? plan.lastSequences : plan.sequences;
      const q = floats(state["q"]).subarray(0, out.length);
      if (sequences.length > 0) await attention.attend(layer, q, sequences, out);
      if (!last) {
        const x = tensor(floats(state["next"]), padded, hidden);
        state = await sessions[layer + 1]!.run({ attended, x, ...rotary(layer + 1) });
      }
    }
    return floats(state["next"]);
  }

  /**
   * All logits [vocabSize] of a token that was scored in the latest step: the `index`-th scored token of
   * that `sequence` of the batch. For samplers that could not decide from the best tokens.
   */
  async wholeRow(sequence: number, index = 0): Promise<TokenScores> {
    assert(!this.#running, "whole rows are of a finished step");
    const scored = this.#plan.scored.filter((row) => row.sequence === sequence)[index];
    if (scored === undefined) {
      fail("invalid_request", `no scores were asked for token ${index} of sequence ${sequence}`, { param: "sequence" });
    }
    const at = this.#plan.scored.indexOf(scored);
    const result = await this.#head(at, [{ ...scored, whole: true }]);
    return { kind: "row", logits: floats(result["logits"]) };
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const session of this.#parts.sessions) await session.release();
    await this.#parts.ort.release();
    await this.#parts.kernel.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  /** Compacts the rows that are scored, in order. */
  #keepScoredRows(x: Float32Array): void {
    const { heads, headDim, hidden } = this.config;
    const width = heads * headDim;
    for (const [at, { row }] of this.#plan.scored.entries()) {
      this.#scoredAttended.set(this.#attended.subarray(row * width, (row + 1) * width), at * width);
      this.#scoredX.set(x.subarray(row * hidden, (row + 1) * hidden), at * hidden);
    }
  }

  /** Scores of all kept rows, in order. */
  async #score(scored: readonly ScoredRow[]): Promise<TokenScores[]> {
    if (scored.length === 0) return [];
    const { vocabSize } = this.config;
    const result = await this.#head(0, scored);
    const ids = result["indices"] === undefined ? null : int32Of(result["indices"].data as BigInt64Array);
    let tops = 0;
    let wholes = 0;
    return scored.map(({ whole, inverseTemperature }) => {
      if (whole) {
        const from = wholes++ * vocabSize;
        return { kind: "row", logits: floats(result["logits"]).subarray(from, from + vocabSize) };
      }
      const top = tops++;
      const [from, to] = [top * this.topK, (top + 1) * this.topK];
      return {
        kind: "top",
        ids: ids!.subarray(from, to),
        logits: floats(result["values"]).subarray(from, to),
        logSumExp: floats(result["logSumExp"])[top]!,
        inverseTemperature,
        vocabSize,
      };
    });
  }

  /** Final states of all kept rows, in order. */
  async #states(scored: readonly ScoredRow[]): Promise<Float32Array[]> {
    if (scored.length === 0) return [];
    const { hidden, layers } = this.config;
    const result = await this.#parts.sessions[layers]!.run(this.#keptRows(0, scored.length));
    return scored.map((_, at) => floats(result["hidden"]).slice(at * hidden, (at + 1) * hidden));
  }

  /** Runs the last boundary on the kept rows from `first` on, fetching only the forms that are wanted. */
  async #head(first: number, scored: readonly ScoredRow[]): Promise<Fetched> {
    const { layers } = this.config;
    const tops: bigint[] = [];
    const wholes: bigint[] = [];
    const inverse: number[] = [];
    for (const [at, { whole, inverseTemperature }] of scored.entries()) {
      (whole ? wholes : tops).push(BigInt(at));
      if (!whole) inverse.push(inverseTemperature);
    }
    const hasTops = tops.length > 0;
    // TopK of no rows at all divides by zero inside ORT and kills the process: let it rank row 0 for nobody.
    if (!hasTops) {
      tops.push(0n);
      inverse.push(1);
    }
    const fetches = [...(hasTops ? TOP_OUTPUTS : []), ...(wholes.length > 0 ? ["logits"] : [])];
    return this.#parts.sessions[layers]!.run(
      {
        ...this.#keptRows(first, scored.length),
        topRows: { dtype: "int64", dims: [tops.length], data: BigInt64Array.from(tops) },
        inverseTemperature: tensor(Float32Array.from(inverse), tops.length, 1),
        wholeRows: { dtype: "int64", dims: [wholes.length], data: BigInt64Array.from(wholes) },
      },
      fetches,
    );
  }

  /** Inputs of the last boundary: `count` kept rows from `first` on, padded as graphs want them. */
  #keptRows(first: number, count: number): { readonly attended: TensorData; readonly x: TensorData } {
    const { heads, headDim, hidden } = this.config;
    const width = heads * headDim;
    const rows = this.#plan.padded(count);
    return {
      attended: tensor(this.#scoredAttended.subarray(first * width, (first + rows) * width), rows, width),
      x: tensor(this.#scoredX.subarray(first * hidden, (first + rows) * hidden), rows, hidden),
    };
  }

  #grouped<T>(batch: StepBatch, scores: readonly T[]): T[][] {
    const groups: T[][] = batch.map(() => []);
    for (const [at, { sequence }] of this.#plan.scored.entries()) groups[sequence]!.push(scores[at]!);
    return groups;
  }
}

function int32Of(values: BigInt64Array): Int32Array {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  const result = new Int32Array(values.length);
  for (let i = 0; i < result.length; i++) result[i] = words[i * 2]!;
  return result;
}

async function createParts(
  options: StepExecutorOptions,
  maxRows: number,
  topK: number,
  cleanups: (() => Promise<void>)[],
): Promise<Parts> {
  const { config, kv, threads } = options;
  const kernel = await PagedAttention.create({
    layout: {
      layers: config.layers,
      kvHeads: config.kvHeads,
      headDim: config.headDim,
      pageTokens: kv.pageTokens,
      pages: kv.pages,
      format: kv.format,
    },
    heads: config.heads,
    maxRows,
    threads: threads > 1 ? 2 : 1,
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(config.attentionScale === undefined ? {} : { scale: config.attentionScale }),
    windows: Array.from({ length: config.layers }, (_, layer) => layerWindow(config, layer) ?? 0),
  });
  cleanups.push(() => kernel.dispose());
  const ort = await OrtAttention.create(config, { pageTokens: kv.pageTokens, threads }, kernel);
  cleanups.push(() => ort.release());
  const sessions: Session[] = [];
  const graphOptions = {
    format: options.weightsFormat,
    blockSize: options.blockSize ?? defaultBlockSize(config),
    topK,
    embedding: options.embedding === true,
  };
  for (let boundary = 0; boundary <= config.layers; boundary++) {
    const session = await createSession(boundaryGraph(boundary, config, options.weights, graphOptions), {
      threads,
      ...(options.weightCacheDir === undefined ? {} : { weightCacheDir: options.weightCacheDir }),
    });
    sessions.push(session);
    cleanups.push(() => session.release());
  }
  const short = new KernelAttention(kernel);
  const threshold = await thresholdOf(options, { short, long: ort }, maxRows);
  return { sessions, kernel, ort, attention: new SplitAttention(short, ort, threshold), threshold };
}

async function thresholdOf(
  options: StepExecutorOptions,
  executors: { readonly short: AttentionExecutor; readonly long: AttentionExecutor },
  maxRows: number,
): Promise<number> {
  const { config, kv, clock } = options;
  const asked = options.attention?.ortRowThreshold ?? (clock === undefined ? DEFAULT_ORT_THRESHOLD : "calibrate");
  if (asked !== "calibrate") return checkThreshold(asked);
  if (clock === undefined) fail("invalid_request", "calibrating attention needs a clock", { param: "clock" });
  const capacityTokens = kv.pages * kv.pageTokens;
  return calibrateThreshold(config, executors, { maxRows, capacityTokens, pageTokens: kv.pageTokens }, clock);
}
