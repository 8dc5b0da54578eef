/**
 * Attention of a packed step over the paged cache, by two executors behind one port.
 *
 *   kernel   our WebAssembly kernel reads the pages in place; any ragged mix of sequences in one call;
 *            a row's bits do not depend on the chunk it came in
 *   ORT      copies a sequence's pages together and runs a dense graph; five times the arithmetic speed,
 *            so long chunks win; its bits depend on the length of the chunk
 *
 * How far ORT's bits move unit-scale logits (measured, 6 layers, 500 rows): 1.4e-6 rms and 1e-5 at most with f32
 * weights; with packed weights 1.6e-2 rms, because a last bit can tip an activation's rounding to int8. That is a
 * twentieth of what packing to 4 bits moves them itself, but who wants bits wants a threshold of Infinity.
 *
 * SplitAttention sends each sequence to one of them by its number of rows alone, never by what else is
 * in the batch. The threshold is measured at start (calibrateThreshold), and each executor is the other's oracle.
 */
import { fail, median, type Clock } from "../core/index.ts";
import {
  add,
  createSession,
  GraphBuilder,
  matmul,
  mul,
  reshape,
  softmax,
  transpose,
  type GraphModel,
  type Session,
} from "../graph/index.ts";
import type { AttentionSequence, PagedAttention } from "../kernels/index.ts";
import { layerWindow, type DecoderConfig } from "./config.ts";

export interface AttentionExecutor {
  /**
   * q and out are [rows, heads * headDim]; keys and values of every visible position are in the pages of
   * `layer`. Rows that belong to no sequence are left as they are.
   */
  attend(layer: number, q: Float32Array, sequences: readonly AttentionSequence[], out: Float32Array): Promise<void>;
}

export class KernelAttention implements AttentionExecutor {
  readonly #kernel: Pick<PagedAttention, "attend">;

  constructor(kernel: Pick<PagedAttention, "attend">) {
    this.#kernel = kernel;
  }

  async attend(
    layer: number,
    q: Float32Array,
    sequences: readonly AttentionSequence[],
    out: Float32Array,
  ): Promise<void> {
    this.#kernel.attend(layer, q, sequences, out);
  }
}

/**
 * Dense attention of one sequence's chunk. Query heads of a group are stacked as rows, so that keys are
 * multiplied once per KV head and never repeated:
 *
 *   q [rows, kv*group*d] -> [kv, group*rows, d];  scores = q kᵀ + mask;  out = softmax(scores) v
 */
export function denseAttentionGraph(config: DecoderConfig): GraphModel {
  const { heads, kvHeads, headDim } = config;
  const group = heads / kvHeads;
  const builder = new GraphBuilder("dense-attention");
  const q = builder.input("q", "float32", ["rows", heads * headDim]);
  const k = builder.input("k", "float32", [kvHeads, "context", headDim]);
  const v = builder.input("v", "float32", [kvHeads, "context", headDim]);
  const mask = builder.input("mask", "float32", ["rows", "context"]);
  const scale = config.attentionScale ?? 1 / Math.sqrt(headDim);
  const byHead = transpose(reshape(mul(q, scale), ["rows", kvHeads, group, headDim]), [1, 2, 0, 3]);
  const stacked = reshape(byHead, [kvHeads, -1, headDim]); // [kv, group*rows, d]
  const scores = reshape(matmul(stacked, k, { transB: true }), [kvHeads, group, "rows", "context"]);
  const weights = reshape(softmax(add(scores, mask)), [kvHeads, -1, "context"]);
  const mixed = reshape(matmul(weights, v), [kvHeads, group, "rows", headDim]);
  builder.output("out", reshape(transpose(mixed, [2, 0, 1, 3]), ["rows", heads * headDim]));
  return builder.build();
}

/** Grows, never shrinks: scratch memory of a step. */
class Scratch {
  #data = new Float32Array(0);

  take(length: number): Float32Array {
    if (this.#data.length < length) this.#data = new Float32Array(Math.ceil(length * 1.25));
    return this.#data.subarray(0, length);
  }
}

/** Scratch, and what it holds now: it serves every layer of a step that has its window. */
interface Mask {
  readonly scratch: Scratch;
  key: string;
}

export class OrtAttention implements AttentionExecutor {
  readonly #config: DecoderConfig;
  readonly #pageTokens: number;
  readonly #kernel: Pick<PagedAttention, "gather">;
  readonly #session: Session;
  readonly #k = new Scratch();
  readonly #v = new Scratch();
  /** One per window that the model's layers have. */
  readonly #masks = new Map<number, Mask>();

  private constructor(
    config: DecoderConfig,
    pageTokens: number,
    kernel: Pick<PagedAttention, "gather">,
    session: Session,
  ) {
    this.#config = config;
    this.#pageTokens = pageTokens;
    this.#kernel = kernel;
    this.#session = session;
  }

  /** @param kernel only its pages are read. */
  static async create(
    config: DecoderConfig,
    options: { readonly pageTokens: number; readonly threads: number },
    kernel: Pick<PagedAttention, "gather">,
  ): Promise<OrtAttention> {
    const session = await createSession(denseAttentionGraph(config), { threads: options.threads });
    return new OrtAttention(config, options.pageTokens, kernel, session);
  }

  async attend(
    layer: number,
    q: Float32Array,
    sequences: readonly AttentionSequence[],
    out: Float32Array,
  ): Promise<void> {
    for (const sequence of sequences) await this.#attendOne(layer, q, sequence, out);
  }

  async #attendOne(layer: number, q: Float32Array, sequence: AttentionSequence, out: Float32Array): Promise<void> {
    const { kvHeads, headDim, heads } = this.#config;
    const { queryStart, queryRows, contextLength } = sequence;
    // Pages that the window has left behind entirely are not copied.
    const window = layerWindow(this.#config, layer) ?? Infinity;
    const firstVisible = Math.max(0, contextLength - queryRows + 1 - window);
    const firstPage = Math.floor(firstVisible / this.#pageTokens);
    const length = contextLength - firstPage * this.#pageTokens;
    const k = this.#k.take(kvHeads * length * headDim);
    const v = this.#v.take(kvHeads * length * headDim);
    this.#kernel.gather(layer, sequence.pages.subarray(firstPage), length, k, v);
    const width = heads * headDim;
    const kvDims = [kvHeads, length, headDim];
    const { out: attended } = await this.#session.run({
      q: {
        dtype: "float32",
        dims: [queryRows, width],
        data: q.subarray(queryStart * width, (queryStart + queryRows) * width),
      },
      k: { dtype: "float32", dims: kvDims, data: k },
      v: { dtype: "float32", dims: kvDims, data: v },
      mask: { dtype: "float32", dims: [queryRows, length], data: this.#maskFor(queryRows, length, window) },
    });
    out.set(attended!.data as Float32Array, queryStart * width);
  }

  /** 0 where a row may look, -infinity where it may not; key `length - rows + r` is row r itself. */
  #maskFor(rows: number, length: number, window: number): Float32Array {
    const known = this.#masks.get(window) ?? { scratch: new Scratch(), key: "" };
    this.#masks.set(window, known);
    const mask = known.scratch.take(rows * length);
    const key = `${rows}/${length}`;
    if (key === known.key) return mask;
    known.key = key;
    for (let row = 0; row < rows; row++) {
      const self = length - rows + row;
      const base = row * length;
      mask.fill(-Infinity, base, base + length);
      mask.fill(0, base + Math.max(0, self + 1 - window), base + self + 1);
    }
    return mask;
  }

  async release(): Promise<void> {
    await this.#session.release();
  }
}

export class SplitAttention implements AttentionExecutor {
  readonly threshold: number;
  readonly #short: AttentionExecutor;
  readonly #long: AttentionExecutor;
  readonly #shortSequences: AttentionSequence[] = [];
  readonly #longSequences: AttentionSequence[] = [];

  /** Sequences of at least `threshold` rows go to `long`. */
  constructor(short: AttentionExecutor, long: AttentionExecutor, threshold: number) {
    this.#short = short;
    this.#long = long;
    this.threshold = threshold;
  }

  async attend(
    layer: number,
    q: Float32Array,
    sequences: readonly AttentionSequence[],
    out: Float32Array,
  ): Promise<void> {
    this.#shortSequences.length = 0;
    this.#longSequences.length = 0;
    for (const sequence of sequences) {
      (sequence.queryRows >= this.threshold ? this.#longSequences : this.#shortSequences).push(sequence);
    }
    // Long first: the kernel keeps the rows of others, ORT writes only its own.
    if (this.#longSequences.length > 0) await this.#long.attend(layer, q, this.#longSequences, out);
    if (this.#shortSequences.length > 0) await this.#short.attend(layer, q, this.#shortSequences, out);
  }
}

/**
 * Rows at which thresholds are tried, and the context they are tried at. Shorter chunks always go to the kernel:
 * a verified draft or the last piece of a prompt must not cost exactness for microseconds.
 */
const TRIED_ROWS = [16, 32, 64, 128] as const;
const TRIED_CONTEXT = 512;
const BUDGET_MS = 250;

/**
 * The smallest number of rows, at least 16, from which `long` is faster than `short` on this machine, measured on
 * whatever the first pages hold; Infinity when it never is. Takes at most about 300 ms.
 */
export async function calibrateThreshold(
  config: DecoderConfig,
  executors: { readonly short: AttentionExecutor; readonly long: AttentionExecutor },
  limits: { readonly maxRows: number; readonly capacityTokens: number; readonly pageTokens: number },
  clock: Clock,
): Promise<number> {
  const startMs = clock.nowMs();
  const context = Math.min(TRIED_CONTEXT, limits.capacityTokens, config.maxPositions);
  const pages = Int32Array.from({ length: Math.ceil(context / limits.pageTokens) }, (_, i) => i);
  const width = config.heads * config.headDim;
  // Where layers differ, those that see everything are where the time goes.
  const layer = Math.max(0, Array.from({ length: config.layers }, (_, i) => layerWindow(config, i)).indexOf(undefined));
  for (const rows of TRIED_ROWS) {
    if (rows > limits.maxRows || rows > context) return Infinity;
    const q = new Float32Array(rows * width).fill(0.01);
    const out = new Float32Array(rows * width);
    const sequences = [{ queryStart: 0, queryRows: rows, contextLength: context, pages }];
    const measure = async (executor: AttentionExecutor): Promise<number> => {
      const samples: number[] = [];
      await executor.attend(layer, q, sequences, out); // warms up
      for (let i = 0; i < 3; i++) {
        const fromMs = clock.nowMs();
        await executor.attend(layer, q, sequences, out);
        samples.push(clock.nowMs() - fromMs);
      }
      return median(samples);
    };
    if ((await measure(executors.long)) < (await measure(executors.short))) return rows;
    if (clock.nowMs() - startMs > BUDGET_MS) return rows * 2;
  }
  return Infinity;
}

/** Fails unless the threshold is a number of rows. */
export function checkThreshold(threshold: number): number {
  if (!(threshold >= 1)) {
    fail("invalid_request", `ortRowThreshold must be at least 1, got ${threshold}`, { param: "ortRowThreshold" });
  }
  return threshold;
}
