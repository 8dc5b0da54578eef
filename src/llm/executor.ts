/**
 * Runs steps: packed tokens through one session per layer boundary, attention over the paged cache in
 * between, scores at the end. It owns sessions and cache memory; the order of things within a step is
 * step-run.ts, which page belongs to whom is KvPages' business, which token comes next the sampler's.
 *
 *   session 0 -> [ write k, v -> attention -> session i ] x layers -> scores
 *
 * Exactness: rows are independent of each other in every session and in the attention kernel, bit by
 * bit, so a sequence's scores depend on its tokens alone, not on batch, chunking or threads. Chunks attended
 * by ORT are the exception (attention.ts says by how much). A step blocks its thread while it runs:
 * executors live in worker threads.
 *
 * Several threads may compute over one cache: the first makes it (`sharedViews`), the others attach to its memory
 * (`attachTo`), each with sessions of its own over the same mapped weights.
 */
import { assert, fail } from "../core/index.ts";
import { createSession, type Session } from "../graph/index.ts";
import { PagedAttention, type PagedAttentionOptions } from "../kernels/index.ts";
import {
  calibrateThreshold,
  checkThreshold,
  KernelAttention,
  OrtAttention,
  SplitAttention,
  type AttentionExecutor,
} from "./attention.ts";
import { checkConfig, layerWindow, type DecoderConfig } from "./config.ts";
import { LoraBank, type LoraAdapter } from "./lora/index.ts";
import { createRouted, unitLayout } from "./routes/routed-parts.ts";
import { isShared, sharesAll } from "./routes/shared-weights.ts";
import { layeredView, packPages, RouteSums, type LayerMask, type RoutedRun } from "./routes/index.ts";
import type { StepLimits } from "./step-plan.ts";
import { boundaryGraph, defaultBlockSize, needsEvenRows } from "./step-graphs.ts";
import { StepRun, type StepParts } from "./step-run.ts";
import type {
  KeptRow,
  KvOptions,
  StepBatch,
  StepExecutorOptions,
  StepResult,
  StepWants,
  TokenScores,
} from "./types.ts";

const DEFAULT_MAX_ROWS = 512;
const DEFAULT_TOP_K = 64;
const DEFAULT_ORT_THRESHOLD = 32;

interface Parts extends StepParts {
  readonly cache: PagedAttention;
  /** Steps of rows that leave layers out; null: there are none. */
  readonly routed: RoutedRun | null;
  /** Whether rows may have adapters: its bank may be there for others. */
  readonly takesAdapters: boolean;
  /** What ends all of it, in the order in which it was made. */
  readonly cleanups: readonly (() => Promise<void>)[];
  readonly ort: OrtAttention;
  readonly threshold: number;
}

/** Sessions and paged cache of one model. create() it, step() it, dispose() it. */
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
  /** What `step` runs in; made when it is needed, for its scratch is large. */
  #own: StepRun | null = null;
  #disposed = false;
  /** Where each sequence of the latest step was computed; null: all of them in `#run`. */
  #split: readonly { readonly routed: boolean; readonly index: number }[] | null = null;

  private constructor(options: StepExecutorOptions, parts: Parts) {
    this.config = options.config;
    this.kv = options.kv;
    this.maxRows = parts.limits.maxRows;
    this.topK = parts.topK;
    this.ortRowThreshold = parts.threshold;
    this.embedding = parts.embedding;
    this.#parts = parts;
  }

  get #run(): StepRun {
    this.#own ??= this.open();
    return this.#own;
  }

  /** Builds and loads everything; blocks the thread meanwhile. */
  static async create(options: StepExecutorOptions): Promise<StepExecutor> {
    checkConfig(options.config);
    const maxRows = options.maxRows ?? DEFAULT_MAX_ROWS;
    const topK = Math.min(options.topK ?? DEFAULT_TOP_K, options.config.vocabSize);
    const cleanups: (() => Promise<void>)[] = [];
    try {
      return new StepExecutor(options, await createParts(options, maxRows, topK, cleanups));
    } catch (error) {
      for (const cleanup of cleanups) await cleanup();
      throw error;
    }
  }

  /** Bytes of the paged cache. */
  get kvBytes(): number {
    return this.#parts.cache.kvBytes;
  }

  /** The memory of the paged cache, for executors of other threads to attach to. */
  get kvMemory(): WebAssembly.Memory {
    return this.#parts.cache.memory;
  }

  /** The bytes of a page as they are stored, all layers: a view into the cache, to be moved to a cache of the same shape. */
  pageData(page: number): Uint8Array {
    const { cache, routed, config } = this.#parts;
    if (routed === null) return cache.pageData(page);
    // Units of a page lie side by side.
    const { buffer, byteOffset, byteLength } = cache.pageData(page * config.layers);
    return new Uint8Array(buffer, byteOffset, byteLength * config.layers);
  }

  /**
   * How likely routers keep each layer, by the first `tokens` of these pages, which must be all that the last of them holds.
   * @throws PunctualError unsupported without routes.
   */
  routeProbabilities(pages: Int32Array, tokens: number): Float64Array {
    return this.#routes.sums.probabilities(pages, tokens);
  }

  /** Copies what a mask keeps of whole pages into packed ones. Between steps only. @throws PunctualError unsupported without routes. */
  packPages(from: Int32Array, to: Int32Array, mask: LayerMask): void {
    assert(this.#routes !== null, "an executor with routes");
    packPages(this.#parts.cache, from, to, mask);
  }

  get #routes(): { readonly run: RoutedRun; readonly sums: RouteSums } {
    const { routed, routeSums } = this.#parts;
    if (routed !== null && routeSums !== null) return { run: routed, sums: routeSums };
    return fail("unsupported", "this executor was made without routes", { param: "routes" });
  }

  /**
   * Scratch for one more step at a time, beside that of `step`; steps of one thread may be interleaved slot by slot.
   * @param maxRows most tokens of such a step, at most the executor's
   */
  open(maxRows: number = this.maxRows): StepRun {
    assert(maxRows >= 1 && maxRows <= this.maxRows, "no step is larger than the executor's");
    return new StepRun({ ...this.#parts, limits: { ...this.#parts.limits, maxRows } });
  }

  /**
   * Computes every token of the batch: keys and values go to the pages, scores come back. Sequences must
   * not share a page that is written. Fails with invalid_request or context_length_exceeded before anything runs.
   */
  async step(batch: StepBatch, wants: StepWants = {}): Promise<StepResult> {
    assert(!this.embedding, "an embedding executor has no scores");
    this.#split = null;
    if (batch.some(({ route }) => route !== undefined)) return this.#stepApart(batch, wants);
    await this.#compute(batch, wants);
    return this.#run.result();
  }

  /** Rows that leave layers out and those that do not, one after the other: their weights are not the same. */
  async #stepApart(batch: StepBatch, wants: StepWants): Promise<StepResult> {
    const { run } = this.#routes;
    const routed = batch.flatMap((row, i) => {
      if (row.route === undefined) return [];
      if (row.adapter !== undefined) {
        fail("unsupported", `sequence ${i} of the step has an adapter and leaves out layers`, { param: "adapter" });
      }
      return [{ row: { ...row, route: row.route }, at: i }];
    });
    const plain = batch.flatMap((row, i) => (row.route === undefined ? [{ row, at: i }] : []));
    const scores: TokenScores[][] = batch.map(() => []);
    if (plain.length > 0) {
      await this.#compute(
        plain.map(({ row }) => row),
        wants,
      );
      for (const [i, group] of this.#run.result().scores.entries()) scores[plain[i]!.at] = [...group];
    }
    const groups = await run.step(
      routed.map(({ row }) => row),
      wants,
    );
    for (const [i, group] of groups.entries()) scores[routed[i]!.at] = group;
    this.#split = batch.map(({ route }, at) => {
      const among = route === undefined ? plain : routed;
      return { routed: route !== undefined, index: among.findIndex((each) => each.at === at) };
    });
    return { scores };
  }

  /**
   * The same step for an executor made with `embedding`: in place of scores, each wanted token's state after the last
   * norm, [hidden] floats of its own.
   */
  async hidden(batch: StepBatch): Promise<readonly (readonly Float32Array[])[]> {
    assert(this.embedding, "only an embedding executor gives hidden states");
    await this.#compute(batch);
    return this.#run.states();
  }

  async #compute(batch: StepBatch, wants: StepWants = {}): Promise<void> {
    if (this.#disposed) fail("invalid_request", "this executor has been disposed");
    this.#run.begin(batch, wants);
    try {
      await this.#run.advance();
    } finally {
      this.#run.abandon(); // no effect on a step that is complete
    }
  }

  /** As StepRun.state, of the latest `step`, which was asked for states. */
  state(sequence: number, index = 0): Float32Array {
    const place = this.#placeOf(sequence);
    if (!place.routed) return this.#run.state(place.index, index);
    return this.#routes.run.stateOf(this.#routedRow(place.index, index));
  }

  /** As StepRun.wholeRow, of the latest `step`. */
  wholeRow(sequence: number, index = 0): Promise<TokenScores> {
    const place = this.#placeOf(sequence);
    if (!place.routed) return this.#run.wholeRow(place.index, index);
    const { run } = this.#routes;
    return run.wholeRowOf(run.keptRow(this.#routedRow(place.index, index)));
  }

  #placeOf(sequence: number): { readonly routed: boolean; readonly index: number } {
    return this.#split?.[sequence] ?? { routed: false, index: sequence };
  }

  #routedRow(sequence: number, index: number): number {
    const at = this.#routes.run.scoredAt(sequence, index);
    if (at >= 0) return at;
    return fail("invalid_request", `no scores were asked for token ${index} of sequence ${sequence}`, {
      param: "sequence",
    });
  }

  /** As StepRun.wholeRowOf. */
  wholeRowOf(kept: KeptRow): Promise<TokenScores> {
    return kept.routed === true ? this.#routes.run.wholeRowOf(kept) : this.#run.wholeRowOf(kept);
  }

  /**
   * Makes an adapter available to rows, under a number that none has had. Between steps only.
   * @throws PunctualError unsupported without `lora`, invalid_request when there is no room for it.
   */
  addAdapter(id: number, adapter: LoraAdapter): void {
    this.#adapters.add(id, adapter);
  }

  /** Forgets an adapter that no row will have any more. Between steps only. */
  removeAdapter(id: number): void {
    this.#adapters.remove(id);
  }

  get #adapters(): LoraBank {
    const { bank, takesAdapters } = this.#parts;
    if (bank !== null && takesAdapters) return bank;
    return fail("unsupported", "this executor was made without adapters", { param: "lora" });
  }

  async dispose(): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const cleanup of this.#parts.cleanups.toReversed()) await cleanup();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

async function createParts(
  options: StepExecutorOptions,
  maxRows: number,
  topK: number,
  cleanups: (() => Promise<void>)[],
): Promise<Parts> {
  const { config, kv, threads, routes } = options;
  const cache = await openCache(options, maxRows);
  cleanups.push(() => cache.dispose());
  const kernel = routes === undefined ? cache : layeredView(cache, config.layers, kv.pageTokens);
  const ort = await OrtAttention.create(config, { pageTokens: kv.pageTokens, threads }, kernel);
  cleanups.push(() => ort.release());
  const graphOptions = {
    format: options.weightsFormat,
    blockSize: options.blockSize ?? defaultBlockSize(config),
    topK,
    embedding: options.embedding === true,
    states: options.states === true,
    lora: options.lora !== undefined || sharesAll(options),
    ...(routes === undefined ? {} : { routers: routes.routers }),
  };
  const sessions = await createSessions(options, graphOptions, cleanups);
  const short = new KernelAttention(kernel);
  const threshold = await thresholdOf(options, { short, long: ort }, maxRows);
  const limits: StepLimits = {
    maxRows,
    pages: kv.pages,
    pageTokens: kv.pageTokens,
    evenRows: needsEvenRows(options.weightsFormat, graphOptions.blockSize),
    // Adapters are inputs, and with those ORT computes a single row in another way than several.
    leastRows: graphOptions.lora ? 2 : 1,
  };
  const { format, blockSize, states } = graphOptions;
  const shared = {
    executor: options,
    cache,
    threshold,
    limits: sharesAll(options) ? limits : { ...limits, leastRows: 1 },
    topK,
  };
  const routed =
    routes === undefined
      ? null
      : await createRouted({ ...shared, routes, sessions, graph: { format, blockSize, states } }, cleanups);
  return {
    config,
    sessions,
    cache,
    kernel,
    ort,
    attention: new SplitAttention(short, ort, threshold),
    threshold,
    limits,
    routed,
    routeSums: routes === undefined ? null : new RouteSums(routes.routers, kv.pages, kv.pageTokens),
    cleanups,
    topK,
    bank: graphOptions.lora ? new LoraBank(config, options.lora ?? { maxLoras: 1, maxRank: 1 }) : null,
    takesAdapters: options.lora !== undefined,
    embedding: graphOptions.embedding,
    states: graphOptions.states,
  };
}

/** One session per boundary. */
async function createSessions(
  options: StepExecutorOptions,
  graphOptions: Parameters<typeof boundaryGraph>[3],
  cleanups: (() => Promise<void>)[],
): Promise<readonly Session[]> {
  const { config, threads } = options;
  const sessions: Session[] = [];
  for (let boundary = 0; boundary <= config.layers; boundary++) {
    const forked = isShared(boundary, options);
    const session = await createSession(boundaryGraph(boundary, config, options.weights, { ...graphOptions, forked }), {
      threads,
      ...(options.weightCacheDir === undefined ? {} : { weightCacheDir: options.weightCacheDir }),
    });
    sessions.push(session);
    cleanups.push(() => session.release());
  }
  return sessions;
}

/** The cache, made or attached to. */
async function openCache(options: StepExecutorOptions, maxRows: number): Promise<PagedAttention> {
  const { config, kv, threads, attachTo } = options;
  const views = attachTo?.views ?? options.sharedViews;
  const shape: PagedAttentionOptions = {
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
    ...(views === undefined ? {} : { views }),
  };
  const made = options.routes === undefined ? shape : unitLayout(shape, config);
  return attachTo === undefined
    ? PagedAttention.create(made)
    : PagedAttention.attach(made, attachTo.memory, attachTo.view);
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
