/**
 * Attention over a paged KV cache in one shared WebAssembly memory: any ragged set of sequences in one
 * call, causal inside each chunk, grouped-query heads, an optional sliding window, f32 or int8 pages.
 * (Paging after Kwon et al. 2023, vLLM; the kernel and its exactness: assembly/attention.ts.)
 *
 * A row's output is bitwise the same whatever else is in the call, however its sequence is chunked,
 * whichever pages it uses and with one thread or two.
 *
 * Several threads may attend over one memory at the same time, each through a view of its own (`attach`): a page
 * that one writes is no other's until both have met in a message or an atomic operation.
 *
 * Not here: which page belongs to whom, and when it is free (llm/ keeps that), and matrix products.
 */
import { fail, type Clock } from "../core/index.ts";
import * as control from "./assembly/control.ts";
import { sharingWins, smallestWinner, warmUp } from "./calibrate.ts";
import { checkOptions, planGeometry, widestLayer, windowOf, type AttentionOptions, type Geometry } from "./geometry.ts";
import { KernelRunner } from "./runner.ts";
import { WorkPlan, type AttentionSequence } from "./schedule.ts";

/** Shapes of the cache and how many threads attend over it. */
export interface PagedAttentionOptions extends AttentionOptions {
  /** 2 adds a second thread, used for calls that reach the threshold; 1 if absent. */
  readonly threads?: 1 | 2;
  /** With two threads: calibrates the threshold at create (some 100 ms); without a clock it is THREAD_THRESHOLD_BYTES. */
  readonly clock?: Clock;
}

/** KV bytes of a call above which waking the second thread pays, on the reference machine. */
export const THREAD_THRESHOLD_BYTES = 2 << 20;
/** The largest call that calibration tries. */
const CALIBRATION_BYTES = 16 << 20;
const WARM_TOKENS = 256;

/** Writes the geometry into the control block, where the kernel of every thread reads it. */
function writeControl(buffer: ArrayBufferLike, options: AttentionOptions, geometry: Geometry): void {
  const words = new Int32Array(buffer, geometry.controlAt, control.CONTROL_BYTES / 4);
  const set = (offset: number, value: number): void => {
    words[offset / 4] = value;
  };
  const { layout } = options;
  set(control.FORMAT, layout.format === "int8" ? 1 : 0);
  set(control.KV_HEADS, layout.kvHeads);
  set(control.GROUP, geometry.group);
  set(control.HEAD_DIM, layout.headDim);
  set(control.PAGE_TOKENS, layout.pageTokens);
  set(control.BLOCK_TOKENS, geometry.blockTokens);
  set(control.PAGES_AT, geometry.pagesAt);
  set(control.PAGE_BYTES, geometry.pageBytes);
  set(control.LAYER_BYTES, geometry.layerBytes);
  set(control.VALUES_AT, geometry.valuesAt);
  set(control.KEY_SCALES_AT, geometry.keyScalesAt);
  set(control.VALUE_SCALES_AT, geometry.valueScalesAt);
  set(control.QUERIES_AT, geometry.queriesAt);
  set(control.OUTPUTS_AT, geometry.outputsAt);
  set(control.SEQUENCES_AT, geometry.sequencesAt);
  set(control.ITEMS_AT, geometry.itemsAt);
  set(control.TABLE_AT, geometry.tableAt);
  set(control.SCRATCH_AT, geometry.scratchAt);
  set(control.SCRATCH_BYTES, geometry.scratchBytes);
  // The kernel exponentiates base 2: e^(s q.k) = 2^(s log2(e) q.k).
  const scale = (options.scale ?? 1 / Math.sqrt(layout.headDim)) * Math.LOG2E;
  new Float32Array(buffer, geometry.controlAt + control.QUERY_SCALE, 1)[0] = scale;
}

function checkLength(array: ArrayLike<number>, expected: number, param: string): void {
  if (array.length === expected) return;
  fail("shape_mismatch", `${param}: expected ${expected} numbers, got ${array.length}`, { param });
}

/**
 * A paged cache and the attention over it. One thread owns each view: its calls block until their result is there and
 * never overlap. It reserves its memory for good, at most 4 GiB; `dispose`, or `await using`, ends the second thread.
 */
export class PagedAttention {
  /** The one memory: control block, scratch and pages. Its size never changes. */
  readonly memory: WebAssembly.Memory;
  /** Bytes of all pages together. */
  readonly kvBytes: number;
  /** Bytes of one page, all layers, K and V. */
  readonly pageBytes: number;
  readonly options: PagedAttentionOptions;
  readonly #geometry: Geometry;
  readonly #runner: KernelRunner;
  readonly #plan: WorkPlan;
  readonly #queries: Float32Array;
  readonly #outputs: Float32Array;
  readonly #table: Int32Array;
  #thresholdBytes = THREAD_THRESHOLD_BYTES;

  private constructor(options: PagedAttentionOptions, geometry: Geometry, runner: KernelRunner) {
    const { memory } = runner;
    const { buffer } = memory;
    writeControl(buffer, options, geometry);
    const rowFloats = options.maxRows * options.heads * options.layout.headDim;
    this.memory = memory;
    this.kvBytes = geometry.pageBytes * options.layout.pages;
    this.pageBytes = geometry.pageBytes;
    this.options = options;
    this.#geometry = geometry;
    this.#runner = runner;
    this.#plan = new WorkPlan(options, geometry, buffer);
    this.#queries = new Float32Array(buffer, geometry.queriesAt, rowFloats);
    this.#outputs = new Float32Array(buffer, geometry.outputsAt, rowFloats);
    this.#table = new Int32Array(buffer, geometry.tableAt, geometry.tableEntries);
  }

  /**
   * Reserves the memory and loads the kernel. Pages start as zeros.
   * Errors: invalid_request, unsupported (a shape without code), out_of_memory, missing_dependency.
   */
  static async create(options: PagedAttentionOptions): Promise<PagedAttention> {
    checkOptions(options);
    const geometry = planGeometry(options);
    const runner = await KernelRunner.create(geometry.totalBytes, options.threads ?? 1);
    const attention = new PagedAttention(options, geometry, runner);
    if (options.clock !== undefined && runner.threads === 2) attention.#commitForCalibration();
    return attention.#calibrated();
  }

  /**
   * Another thread's way into a memory made by `create`: the same options, and a view from 1 to `views` - 1 that nobody
   * else has. Errors: as create, and invalid_request for a memory of another size.
   */
  static async attach(
    options: PagedAttentionOptions,
    memory: WebAssembly.Memory,
    view: number,
  ): Promise<PagedAttention> {
    checkOptions(options);
    const geometry = planGeometry(options, view);
    if (memory.buffer.byteLength !== geometry.totalBytes) {
      fail("invalid_request", `expected a memory of ${geometry.totalBytes} bytes, got ${memory.buffer.byteLength}`, {
        param: "memory",
      });
    }
    const runner = await KernelRunner.attach(memory, geometry.controlAt, options.threads ?? 1);
    return new PagedAttention(options, geometry, runner).#calibrated();
  }

  #calibrated(): this {
    const { clock } = this.options;
    if (clock !== undefined && this.#runner.threads === 2) this.calibrateThreadThreshold(clock);
    return this;
  }

  /** Calls that cost at least so many KV bytes use both threads; Infinity when two never win. */
  get threadThresholdBytes(): number {
    return this.#thresholdBytes;
  }

  /** Sets the threshold by hand: 0 shares every call, Infinity none. */
  set threadThresholdBytes(bytes: number) {
    if (!(bytes >= 0))
      fail("invalid_request", `expected a threshold of at least 0 bytes, got ${bytes}`, {
        param: "threadThresholdBytes",
      });
    this.#thresholdBytes = bytes;
  }

  /**
   * Measures from which size two threads beat one, sets it and returns it (some 100 ms; Infinity when two never
   * win). Attends over the pages as they are and keeps the results to itself. Of use on an idle machine only.
   */
  calibrateThreadThreshold(clock: Clock): number {
    const { layout, heads } = this.options;
    this.#thresholdBytes = Infinity;
    if (this.#runner.threads === 1) return Infinity;
    const pages = Int32Array.from({ length: this.#calibrationPages() }, (_, i) => i);
    const q = new Float32Array(heads * layout.headDim);
    const out = new Float32Array(q.length);
    const layer = widestLayer(this.options);
    const attend = (contextLength: number, thresholdBytes: number): void => {
      this.#thresholdBytes = thresholdBytes;
      this.attend(layer, q, [{ queryStart: 0, queryRows: 1, contextLength, pages }], out);
    };
    const longest = pages.length * layout.pageTokens;
    warmUp((bytes) => attend(Math.min(longest, WARM_TOKENS), bytes));
    const tokens = smallestWinner(longest, (size) => sharingWins(clock, (bytes) => attend(size, bytes)));
    attend(Math.min(tokens, longest), Infinity);
    this.#thresholdBytes = tokens === Infinity ? Infinity : this.#plan.costBytes;
    return this.#thresholdBytes;
  }

  /** Pages that calibration reads: up to CALIBRATION_BYTES of one layer, and no more than the window. */
  #calibrationPages(): number {
    const { layout, maxPagesPerSequence = layout.pages } = this.options;
    const window = windowOf(this.options, widestLayer(this.options));
    const few = Math.ceil(CALIBRATION_BYTES / this.#geometry.layerBytes);
    const seen = window === 0 ? layout.pages : Math.ceil(window / layout.pageTokens);
    return Math.min(layout.pages, maxPagesPerSequence, few, seen);
  }

  /** Untouched memory is one physical page of zeros, always in cache: writing the zeros makes it real. */
  #commitForCalibration(): void {
    const { pagesAt, pageBytes, layerBytes } = this.#geometry;
    const layerAt = pagesAt + widestLayer(this.options) * layerBytes;
    for (let page = 0; page < this.#calibrationPages(); page++) {
      new Float32Array(this.memory.buffer, layerAt + page * pageBytes, layerBytes / 4).fill(0);
    }
  }

  /**
   * Stores rows of keys and values, [rows, kvHeads x headDim] each, in slots page x pageTokens + offset.
   * int8 pages quantise here, per row and kv head. `rows` is slots.length, at most maxRows.
   */
  writeKv(layer: number, k: Float32Array, v: Float32Array, slots: Int32Array): void {
    this.#checkLayer(layer);
    const { layout, maxRows } = this.options;
    const rows = slots.length;
    if (rows > maxRows) fail("invalid_request", `expected up to ${maxRows} rows, got ${rows}`, { param: "slots" });
    checkLength(k, rows * layout.kvHeads * layout.headDim, "k");
    checkLength(v, rows * layout.kvHeads * layout.headDim, "v");
    const limit = layout.pages * layout.pageTokens;
    for (let i = 0; i < rows; i++) {
      const slot = slots[i]!;
      if (slot < 0 || slot >= limit)
        fail("invalid_request", `expected slots from 0 to ${limit - 1}, got ${slot}`, { param: `slots[${i}]` });
    }
    this.#queries.set(k);
    this.#outputs.set(v);
    this.#table.set(slots);
    const { queriesAt, outputsAt, tableAt } = this.#geometry;
    this.#runner.kernel.writeRows(layer, queriesAt, outputsAt, tableAt, rows);
  }

  /**
   * out = softmax(scale q.K) V for the rows of every sequence; rows of no sequence keep what `out` had.
   * q and out are [rows, heads x headDim]. Row r of a sequence stands at absolute position
   * contextLength - queryRows + r and sees keys 0 to there, or the last of them within the layer's window.
   */
  attend(layer: number, q: Float32Array, sequences: readonly AttentionSequence[], out: Float32Array): void {
    this.#checkLayer(layer);
    const rowFloats = this.options.heads * this.options.layout.headDim;
    const rows = q.length / rowFloats;
    if (!Number.isInteger(rows) || rows > this.options.maxRows) {
      fail(
        "shape_mismatch",
        `q: expected up to ${this.options.maxRows} rows of ${rowFloats} numbers, got ${q.length}`,
        { param: "q" },
      );
    }
    checkLength(out, q.length, "out");
    this.#plan.check(sequences, rows);
    this.#queries.set(q);
    this.#runner.words[control.LAYER / 4] = layer;
    this.#runner.words[control.WINDOW / 4] = windowOf(this.options, layer);
    for (let next = 0; next < sequences.length;) {
      next = this.#plan.prepare(layer, sequences, next, this.#runner.threads);
      const shared = this.#runner.threads === 2 && this.#plan.costBytes >= this.#thresholdBytes;
      this.#runner.run(this.#plan.itemCount, shared);
    }
    this.#copyRows(sequences, rowFloats, out);
  }

  /** Runs of adjacent sequences leave in one copy. */
  #copyRows(sequences: readonly AttentionSequence[], rowFloats: number, out: Float32Array): void {
    for (let i = 0; i < sequences.length;) {
      const start = sequences[i]!.queryStart;
      let end = start;
      for (; i < sequences.length && sequences[i]!.queryStart === end; i++) end += sequences[i]!.queryRows;
      out.set(this.#outputs.subarray(start * rowFloats, end * rowFloats), start * rowFloats);
    }
  }

  /**
   * The first `length` tokens of a sequence as plain f32 tensors [kvHeads, length, headDim], int8 pages
   * dequantised: what a matrix library attends over.
   */
  gather(layer: number, pages: Int32Array, length: number, k: Float32Array, v: Float32Array): void {
    this.#checkLayer(layer);
    const { kvHeads, headDim, pageTokens } = this.options.layout;
    const needed = Math.ceil(length / pageTokens);
    if (!Number.isInteger(length) || length < 0 || needed > pages.length) {
      fail("invalid_request", `expected a length within ${pages.length} pages, got ${length}`, { param: "length" });
    }
    checkLength(k, kvHeads * length * headDim, "k");
    checkLength(v, kvHeads * length * headDim, "v");
    for (let i = 0; i < needed; i++) this.#checkPage(pages[i]!, `pages[${i}]`);
    for (let i = 0; i < needed; i++) {
      const tokens = Math.min(pageTokens, length - i * pageTokens);
      const [keys, values] = this.#pageRows(layer, pages[i]!, tokens);
      for (let head = 0; head < kvHeads; head++) {
        const from = head * pageTokens * headDim;
        const to = (head * length + i * pageTokens) * headDim;
        k.set(keys.subarray(from, from + tokens * headDim), to);
        v.set(values.subarray(from, from + tokens * headDim), to);
      }
    }
  }

  /** K and V of one page and layer as f32 [kvHeads, pageTokens, headDim]: in place, or widened into the stage. */
  #pageRows(layer: number, page: number, tokens: number): [Float32Array, Float32Array] {
    const { kvHeads, headDim, pageTokens, format } = this.options.layout;
    const { pagesAt, pageBytes, layerBytes, stagedAt } = this.#geometry;
    const floats = kvHeads * pageTokens * headDim;
    const at = format === "f32" ? pagesAt + page * pageBytes + layer * layerBytes : stagedAt;
    if (format === "int8") this.#runner.kernel.widenPage(layer, page, tokens, stagedAt, stagedAt + floats * 4);
    const both = new Float32Array(this.memory.buffer, at, 2 * floats);
    return [both.subarray(0, floats), both.subarray(floats)];
  }

  /** The bytes of a page as they are stored, all layers; a view into the memory, of this layout only. */
  pageData(page: number): Uint8Array {
    this.#checkAlive();
    this.#checkPage(page, "page");
    const { pagesAt, pageBytes } = this.#geometry;
    return new Uint8Array(this.memory.buffer, pagesAt + page * pageBytes, pageBytes);
  }

  /** Copies a page, all layers: the copy of copy-on-write. */
  copyPage(from: number, to: number): void {
    this.#checkAlive();
    this.#checkPage(from, "from");
    this.#checkPage(to, "to");
    this.#runner.kernel.copyPage(from, to);
  }

  #checkAlive(): void {
    if (this.#runner.disposed) fail("invalid_request", "expected a live PagedAttention, this one is disposed");
  }

  #checkPage(page: number, param: string): void {
    const limit = this.options.layout.pages;
    if (Number.isInteger(page) && page >= 0 && page < limit) return;
    fail("invalid_request", `expected a page id from 0 to ${limit - 1}, got ${page}`, { param });
  }

  #checkLayer(layer: number): void {
    this.#checkAlive();
    const limit = this.options.layout.layers;
    if (Number.isInteger(layer) && layer >= 0 && layer < limit) return;
    fail("invalid_request", `expected a layer from 0 to ${limit - 1}, got ${layer}`, { param: "layer" });
  }

  /** Ends the second thread, if there is one. Every later call throws. */
  async dispose(): Promise<void> {
    await this.#runner.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
