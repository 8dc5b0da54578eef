/** What the kernel's tests share: generated shapes and ragged sets, filled caches, comparisons. */
import fc from "fast-check";
import { createRandom, type RandomStream } from "../core/index.ts";
import type { AttentionOptions, KvLayout } from "./geometry.ts";
import type { AttentionSequence } from "./schedule.ts";

/** Sequences as (context length, rows of the chunk at its end). */
export interface Length {
  readonly context: number;
  readonly rows: number;
}

export interface AttentionCase {
  readonly options: AttentionOptions;
  readonly lengths: readonly Length[];
  readonly seed: number;
}

const shapes = fc.record({
  kvHeads: fc.constantFrom(1, 2, 3, 4),
  group: fc.constantFrom(1, 2, 3, 4, 7, 8),
  headDim: fc.constantFrom(4, 12, 20, 32, 64, 128),
  pageTokens: fc.constantFrom(8, 16, 32),
  window: fc.constantFrom(0, 0, 1, 7, 16, 40),
  format: fc.constantFrom("f32" as const, "int8" as const),
  layers: fc.constantFrom(1, 2),
  perLayer: fc.boolean(),
});

const anyLength = fc
  .tuple(
    fc.oneof(fc.integer({ min: 1, max: 90 }), fc.constantFrom(1, 8, 15, 16, 17, 31, 32, 33, 64)),
    fc.integer({ min: 1, max: 40 }),
  )
  .map(([context, rows]) => ({ context, rows: Math.min(context, rows) }));

/** Any shape the kernel supports with one to four sequences; there are pages to hold them twice. */
export const attentionCases: fc.Arbitrary<AttentionCase> = fc
  .tuple(shapes, fc.array(anyLength, { minLength: 1, maxLength: 4 }), fc.integer({ min: 0, max: 1e6 }))
  .map(([{ kvHeads, group, window, perLayer, ...shape }, lengths, seed]) => {
    const used = lengths.reduce((sum, { context }) => sum + Math.ceil(context / shape.pageTokens), 0);
    const layout: KvLayout = { ...shape, kvHeads, pages: 2 * used + 1 };
    // The tests attend the last layer; an earlier one with a window of its own must not matter.
    const windows = [...Array<number>(shape.layers - 1).fill(window === 0 ? 5 : 0), window];
    const options = { layout, heads: kvHeads * group, maxRows: 400, ...(perLayer ? { windows } : { window }) };
    return { options, lengths, seed };
  });

export function normals(random: RandomStream, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => random.normal());
}

interface KvWriter {
  writeKv(layer: number, k: Float32Array, v: Float32Array, slots: Int32Array): void;
}

/** The keys, values and queries of one sequence, every position. */
export interface SequenceData {
  readonly k: Float32Array;
  readonly v: Float32Array;
  readonly q: Float32Array;
}

export function drawData(options: AttentionOptions, lengths: readonly Length[], seed: number): SequenceData[] {
  const { kvHeads, headDim } = options.layout;
  const random = createRandom(seed, "data");
  return lengths.map(({ context }) => ({
    k: normals(random, context * kvHeads * headDim),
    v: normals(random, context * kvHeads * headDim),
    q: normals(random, context * options.heads * headDim),
  }));
}

/** Distinct page ids for every sequence, in no order. */
export function drawTables(options: AttentionOptions, lengths: readonly Length[], seed: number): Int32Array[] {
  const { pages, pageTokens } = options.layout;
  const pool = createRandom(seed, "pages").shuffled(Array.from({ length: pages }, (_, i) => i));
  return lengths.map(({ context }) => Int32Array.from(pool.splice(0, Math.ceil(context / pageTokens))));
}

/** Writes a sequence's keys and values through its page table. */
export function writeSequence(
  to: KvWriter,
  options: AttentionOptions,
  layer: number,
  pages: Int32Array,
  data: SequenceData,
): void {
  const { pageTokens, kvHeads, headDim } = options.layout;
  const width = kvHeads * headDim;
  const slots = Int32Array.from(
    { length: data.k.length / width },
    (_, t) => pages[Math.floor(t / pageTokens)]! * pageTokens + (t % pageTokens),
  );
  for (let at = 0; at < slots.length; at += options.maxRows) {
    const end = Math.min(slots.length, at + options.maxRows);
    to.writeKv(
      layer,
      data.k.slice(at * width, end * width),
      data.v.slice(at * width, end * width),
      slots.slice(at, end),
    );
  }
}

/** Every slot of a layer becomes NaN: whatever a row takes from outside its own keys then shows. */
export function poison(to: KvWriter, options: AttentionOptions, layer: number): void {
  const { pageTokens, kvHeads, headDim, pages } = options.layout;
  const rows = new Float32Array(pageTokens * kvHeads * headDim).fill(Number.NaN);
  for (let page = 0; page < pages; page++) {
    to.writeKv(
      layer,
      rows,
      rows,
      Int32Array.from({ length: pageTokens }, (_, t) => page * pageTokens + t),
    );
  }
}

interface Attender {
  attend(layer: number, q: Float32Array, sequences: readonly AttentionSequence[], out: Float32Array): void;
}

/** A chunk: positions [from, to) of a sequence. */
export interface Chunk {
  readonly sequence: number;
  readonly from: number;
  readonly to: number;
}

/** Attends the chunks in one call; the output of chunk i alone is element i. */
export function attendChunks(
  by: Attender,
  options: AttentionOptions,
  layer: number,
  tables: readonly Int32Array[],
  data: readonly SequenceData[],
  chunks: readonly Chunk[],
): Float32Array[] {
  const width = options.heads * options.layout.headDim;
  const rows = chunks.reduce((sum, { from, to }) => sum + to - from, 0);
  const q = new Float32Array(rows * width);
  const out = new Float32Array(rows * width);
  let queryStart = 0;
  const sequences = chunks.map(({ sequence, from, to }): AttentionSequence => {
    q.set(data[sequence]!.q.subarray(from * width, to * width), queryStart * width);
    queryStart += to - from;
    return { queryStart: queryStart - (to - from), queryRows: to - from, contextLength: to, pages: tables[sequence]! };
  });
  by.attend(layer, q, sequences, out);
  return sequences.map((s) => out.slice(s.queryStart * width, (s.queryStart + s.queryRows) * width));
}

export function greatestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Infinity;
  return a.reduce((top, x, i) => {
    const difference = Math.abs(x - b[i]!);
    return Number.isNaN(difference) ? Infinity : Math.max(top, difference);
  }, 0);
}

/** Equal bit by bit, so that -0 differs from 0. (Far quicker than a deep comparison of long arrays.) */
export function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bytes = (x: Float32Array): Buffer => Buffer.from(x.buffer, x.byteOffset, x.byteLength);
  return bytes(a).equals(bytes(b));
}
