import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, type RandomStream } from "../core/index.ts";
import type { AttentionOptions, KvLayout } from "./geometry.ts";
import { PagedAttention, type PagedAttentionOptions } from "./paged-attention.ts";
import type { AttentionSequence } from "./schedule.ts";
import { AttentionTwin } from "./twin.ts";

/** A shape, and sequences as (context length, rows of the last chunk). */
interface Case {
  readonly options: PagedAttentionOptions;
  readonly lengths: readonly { readonly context: number; readonly rows: number }[];
  readonly seed: number;
}

const SEED = 20261120;

const shapes = fc.record({
  kvHeads: fc.constantFrom(1, 2, 3, 4),
  group: fc.constantFrom(1, 2, 3, 4, 8),
  headDim: fc.constantFrom(4, 12, 20, 32, 64, 128),
  pageTokens: fc.constantFrom(8, 16, 32),
  window: fc.constantFrom(0, 0, 1, 7, 16, 40),
  format: fc.constantFrom("f32" as const, "int8" as const),
  layers: fc.constantFrom(1, 2),
});

const lengths = fc.array(
  fc
    .tuple(
      fc.oneof(fc.integer({ min: 1, max: 130 }), fc.constantFrom(1, 8, 15, 16, 17, 32, 64)),
      fc.integer({ min: 1, max: 40 }),
    )
    .map(([context, rows]) => ({ context, rows: Math.min(context, rows) })),
  { minLength: 1, maxLength: 5 },
);

const cases: fc.Arbitrary<Case> = fc
  .tuple(shapes, lengths, fc.integer({ min: 0, max: 1e6 }))
  .map(([shape, list, seed]) => {
    const { kvHeads, group, headDim, pageTokens, window, format, layers } = shape;
    const pages = list.reduce((sum, { context }) => sum + Math.ceil(context / pageTokens), 0) + 3;
    const layout: KvLayout = { layers, kvHeads, headDim, pageTokens, pages, format };
    return { options: { layout, heads: kvHeads * group, window, maxRows: 200 }, lengths: list, seed };
  });

function normals(random: RandomStream, count: number): Float32Array {
  return Float32Array.from({ length: count }, () => random.normal());
}

/** Page ids for every sequence, drawn from a shuffled pool. */
function tables(options: AttentionOptions, list: Case["lengths"], random: RandomStream): Int32Array[] {
  const pool = random.shuffled(Array.from({ length: options.layout.pages }, (_, i) => i));
  return list.map(({ context }) => Int32Array.from(pool.splice(0, Math.ceil(context / options.layout.pageTokens))));
}

interface Rows {
  readonly k: Float32Array;
  readonly v: Float32Array;
}

interface Writer {
  writeKv(layer: number, k: Float32Array, v: Float32Array, slots: Int32Array): void;
}

function write(to: Writer, options: AttentionOptions, layer: number, pages: Int32Array, rows: Rows): void {
  const { pageTokens, kvHeads, headDim } = options.layout;
  const width = kvHeads * headDim;
  const slots = Int32Array.from(
    { length: rows.k.length / width },
    (_, t) => pages[Math.floor(t / pageTokens)]! * pageTokens + (t % pageTokens),
  );
  for (let at = 0; at < slots.length; at += options.maxRows) {
    const end = Math.min(slots.length, at + options.maxRows);
    to.writeKv(
      layer,
      rows.k.slice(at * width, end * width),
      rows.v.slice(at * width, end * width),
      slots.slice(at, end),
    );
  }
}

function greatestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((top, x, i) => Math.max(top, Math.abs(x - b[i]!)), 0);
}

describe("against the twin", () => {
  test("any ragged set of sequences", async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ options, lengths: list, seed }) => {
        await using attention = await PagedAttention.create(options);
        const twin = new AttentionTwin(options);
        const random = createRandom(seed);
        const { layout } = options;
        const pages = tables(options, list, random);
        const layer = layout.layers - 1;
        const sequences: AttentionSequence[] = [];
        let rows = 0;
        list.forEach(({ context, rows: queryRows }, i) => {
          const width = context * layout.kvHeads * layout.headDim;
          const data = { k: normals(random, width), v: normals(random, width) };
          write(attention, options, layer, pages[i]!, data);
          write(twin, options, layer, pages[i]!, data);
          sequences.push({ queryStart: rows, queryRows, contextLength: context, pages: pages[i]! });
          rows += queryRows;
        });
        const q = normals(random, rows * options.heads * layout.headDim);
        const [out, expected] = [new Float32Array(q.length), new Float32Array(q.length)];
        attention.attend(layer, q, sequences, out);
        twin.attend(layer, q, sequences, expected);
        expect(greatestDifference(out, expected)).toBeLessThan(5e-6);
      }),
      { seed: SEED, numRuns: 60 },
    );
  });
});
