/**
 * From sequences to the records the kernel reads: checks everything a caller can get wrong, copies the
 * page ids, and cuts the work into items (rows of one sequence x some kv heads) for the threads.
 *
 * How it is cut has no influence on any result (attention.ts), only on speed.
 */
import { fail } from "../core/index.ts";
import { ITEM_BYTES, ITEM_VECTORS, SEQUENCE_BYTES } from "./assembly/control.ts";
import { windowOf, type AttentionOptions, type Geometry } from "./geometry.ts";

/** One sequence's share of a call. */
export interface AttentionSequence {
  /** Its first row in q and out. Sequences come in ascending, disjoint row ranges. */
  readonly queryStart: number;
  /** The rows: its last tokens, in order. */
  readonly queryRows: number;
  /** Tokens visible to the last row, this chunk included. */
  readonly contextLength: number;
  /** Page ids in order from token 0. Those wholly before the window of the first row are never looked at. */
  readonly pages: Int32Array;
}

/** Query vectors that share one pass over the keys: more would spill the first-level cache. */
const CHUNK_VECTORS = 32;
/**
 * Items below which a job for two threads is cut finer, by kv heads. A lone sequence is only halved: its halves
 * are equal, and every cut shortens the runs in which memory is read (measured: 10 % for quarters).
 */
const ITEMS_WANTED = 4;

function badSequence(index: number, message: string): never {
  fail("invalid_request", `sequence ${index}: ${message}`, { param: `sequences[${index}]` });
}

export class WorkPlan {
  readonly #options: AttentionOptions;
  readonly #geometry: Geometry;
  readonly #sequences: Int32Array;
  readonly #table: Int32Array;
  readonly #items: Int32Array;
  /** Of the layer at hand. */
  #window = 0;
  readonly #maxPages: number;
  #itemCount = 0;
  #costBytes = 0;

  constructor(options: AttentionOptions, geometry: Geometry, buffer: ArrayBufferLike) {
    this.#options = options;
    this.#geometry = geometry;
    this.#sequences = new Int32Array(buffer, geometry.sequencesAt, (options.maxRows * SEQUENCE_BYTES) / 4);
    this.#table = new Int32Array(buffer, geometry.tableAt, geometry.tableEntries);
    this.#items = new Int32Array(buffer, geometry.itemsAt, (geometry.itemCount * ITEM_BYTES) / 4);
    this.#maxPages = options.maxPagesPerSequence ?? options.layout.pages;
  }

  /** Items of the call prepared last. */
  get itemCount(): number {
    return this.#itemCount;
  }

  /** Its cost in bytes of KV: what it reads, or what reading would take as long as its arithmetic. */
  get costBytes(): number {
    return this.#costBytes;
  }

  /** Everything about the sequences but their page ids, which `prepare` checks while it copies them. */
  check(sequences: readonly AttentionSequence[], rows: number): void {
    let end = 0;
    for (let i = 0; i < sequences.length; i++) {
      const { queryStart, queryRows, contextLength, pages } = sequences[i]!;
      if (!Number.isInteger(queryStart) || queryStart < end)
        badSequence(i, `expected its rows to start at ${end} or later, got ${queryStart}`);
      if (!Number.isInteger(queryRows) || queryRows < 1)
        badSequence(i, `expected at least one query row, got ${queryRows}`);
      end = queryStart + queryRows;
      if (end > rows) badSequence(i, `expected rows below ${rows}, got ${queryStart} + ${queryRows}`);
      if (!Number.isInteger(contextLength) || contextLength < queryRows) {
        badSequence(i, `expected a context of at least its ${queryRows} rows, got ${contextLength}`);
      }
      const needed = Math.ceil(contextLength / this.#options.layout.pageTokens);
      if (needed > pages.length)
        badSequence(i, `expected ${needed} pages for ${contextLength} tokens, got ${pages.length}`);
      if (needed > this.#maxPages) badSequence(i, `expected up to ${this.#maxPages} pages, got ${needed}`);
    }
  }

  /** Writes records for as many sequences as the page table holds, from `first`; returns the next index. */
  prepare(layer: number, sequences: readonly AttentionSequence[], first: number, threads: number): number {
    this.#window = windowOf(this.#options, layer);
    this.#itemCount = 0;
    this.#costBytes = 0;
    let entries = 0;
    let next = first;
    for (; next < sequences.length; next++) {
      const sequence = sequences[next]!;
      const firstPosition = sequence.contextLength - sequence.queryRows;
      const lowest = this.#window === 0 ? 0 : Math.max(0, firstPosition - this.#window + 1);
      const { pageTokens } = this.#options.layout;
      const firstPage = Math.floor(lowest / pageTokens);
      const needed = Math.ceil(sequence.contextLength / pageTokens);
      if (entries + needed > this.#table.length) break;
      this.#copyPages(sequence.pages, firstPage, needed, entries, next);
      const at = ((next - first) * SEQUENCE_BYTES) / 4;
      this.#sequences[at] = sequence.queryStart;
      this.#sequences[at + 1] = firstPosition;
      this.#sequences[at + 2] = entries;
      entries += needed;
    }
    this.#cut(sequences, first, next, threads);
    return next;
  }

  #copyPages(pages: Int32Array, firstPage: number, end: number, to: number, index: number): void {
    const limit = this.#options.layout.pages;
    for (let i = firstPage; i < end; i++) {
      const page = pages[i]!;
      if (page < 0 || page >= limit)
        badSequence(index, `expected page ids from 0 to ${limit - 1}, got ${page} at ${i}`);
      this.#table[to + i] = page;
    }
  }

  #cut(sequences: readonly AttentionSequence[], first: number, end: number, threads: number): void {
    const { group } = this.#geometry;
    const { kvHeads } = this.#options.layout;
    const rowsMax = Math.max(1, Math.floor(CHUNK_VECTORS / group));
    const wanted = threads === 1 ? 1 : end - first === 1 ? 2 : Math.ceil(ITEMS_WANTED / (end - first));
    for (let i = first; i < end; i++) {
      const { queryRows, contextLength } = sequences[i]!;
      for (let row = 0; row < queryRows; row += rowsMax) {
        const rows = Math.min(rowsMax, queryRows - row);
        const heads = Math.max(1, Math.min(Math.floor(ITEM_VECTORS / (rows * group)), Math.ceil(kvHeads / wanted)));
        const keys = contextLength - queryRows + row + rows;
        for (let head = 0; head < kvHeads; head += heads)
          this.#push(i - first, row, rows, head, Math.min(heads, kvHeads - head), keys);
      }
    }
  }

  #push(sequence: number, row: number, rows: number, head: number, heads: number, keys: number): void {
    const at = (this.#itemCount * ITEM_BYTES) / 4;
    this.#items[at] = sequence;
    this.#items[at + 1] = row;
    this.#items[at + 2] = rows;
    this.#items[at + 3] = head;
    this.#items[at + 4] = heads;
    this.#itemCount += 1;
    const seen = this.#window === 0 ? keys : Math.min(keys, this.#window + rows);
    // Up to about four query vectors arithmetic hides behind memory; beyond, it is what takes the time.
    const weight = Math.max(1, (rows * this.#geometry.group) / 4);
    this.#costBytes += 2 * this.#geometry.tokenBytes * heads * seen * weight;
  }
}
