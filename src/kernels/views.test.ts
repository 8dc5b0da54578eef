import fc from "fast-check";
import { expect, test } from "vitest";
import {
  attendChunks,
  attentionCases,
  drawData,
  drawTables,
  poison,
  sameBits,
  writeSequence,
  type Chunk,
} from "./cases.conformance.ts";
import { PagedAttention, type PagedAttentionOptions } from "./paged-attention.ts";

const SEED = 20261126;
const invalid = expect.objectContaining({ code: "invalid_request" });

test("what one view writes the others attend over, bit by bit as one view alone", async () => {
  const property = fc.asyncProperty(
    attentionCases,
    fc.constantFrom(2, 3),
    async ({ options, lengths, seed }, views) => {
      const shared: PagedAttentionOptions = { ...options, views };
      const alone = await PagedAttention.create(options);
      const first = await PagedAttention.create(shared);
      const last = await PagedAttention.attach(shared, first.memory, views - 1);
      const layer = options.layout.layers - 1;
      const [data, tables] = [drawData(options, lengths, seed), drawTables(options, lengths, seed)];
      for (const to of [alone, first]) poison(to, options, layer);
      for (const [i, pages] of tables.entries()) {
        writeSequence(alone, options, layer, pages, data[i]!);
        writeSequence(i % 2 === 0 ? first : last, options, layer, pages, data[i]!);
      }
      const chunks = lengths.map(({ context, rows }, sequence): Chunk => ({
        sequence,
        from: context - rows,
        to: context,
      }));
      const expected = attendChunks(alone, options, layer, tables, data, chunks);
      for (const view of [last, first]) {
        const got = attendChunks(view, options, layer, tables, data, chunks);
        got.forEach((rows, i) => expect(sameBits(rows, expected[i]!)).toBe(true));
      }
      for (const one of [alone, first, last]) await one.dispose();
    },
  );
  await fc.assert(property, { seed: SEED, numRuns: 30 });
});

test("each view has threads of its own", async () => {
  const options: PagedAttentionOptions = {
    layout: { layers: 1, kvHeads: 2, headDim: 32, pageTokens: 16, pages: 16, format: "f32" },
    heads: 4,
    maxRows: 64,
    views: 2,
    threads: 2,
  };
  const first = await PagedAttention.create(options);
  const second = await PagedAttention.attach(options, first.memory, 1);
  const lengths = [{ context: 60, rows: 9 }];
  const [data, tables] = [drawData(options, lengths, 1), drawTables(options, lengths, 1)];
  writeSequence(first, options, 0, tables[0]!, data[0]!);
  const results = [first, second].flatMap((view) =>
    [0, Infinity].map((bytes) => {
      view.threadThresholdBytes = bytes;
      return attendChunks(view, options, 0, tables, data, [{ sequence: 0, from: 51, to: 60 }])[0]!;
    }),
  );
  for (const rows of results) expect(sameBits(rows, results[0]!)).toBe(true);
  await second.dispose(); // the first goes on
  attendChunks(first, options, 0, tables, data, [{ sequence: 0, from: 51, to: 60 }]);
  await first.dispose();
});

test("a page's bytes are those of another memory once they are copied there", async () => {
  for (const format of ["f32", "int8"] as const) {
    const options: PagedAttentionOptions = {
      layout: { layers: 2, kvHeads: 2, headDim: 8, pageTokens: 8, pages: 4, format },
      heads: 2,
      maxRows: 16,
    };
    const [from, to] = [await PagedAttention.create(options), await PagedAttention.create({ ...options, views: 2 })];
    const lengths = [{ context: 13, rows: 2 }];
    const data = drawData(options, lengths, 2);
    const [source, target] = [Int32Array.of(3, 0), Int32Array.of(1, 2)];
    for (const layer of [0, 1]) writeSequence(from, options, layer, source, data[0]!);
    for (const [i, page] of source.entries()) to.pageData(target[i]!).set(from.pageData(page));
    for (const layer of [0, 1]) {
      const chunk = [{ sequence: 0, from: 11, to: 13 }];
      const expected = attendChunks(from, options, layer, [source], data, chunk)[0]!;
      expect(sameBits(attendChunks(to, options, layer, [target], data, chunk)[0]!, expected)).toBe(true);
    }
    expect(() => from.pageData(4)).toThrow(invalid);
    await from.dispose();
    await to.dispose();
  }
});

test("a view that is not there, or a memory of another shape, is refused", async () => {
  const options: PagedAttentionOptions = {
    layout: { layers: 1, kvHeads: 1, headDim: 8, pageTokens: 8, pages: 4, format: "f32" },
    heads: 1,
    maxRows: 4,
    views: 2,
  };
  const attention = await PagedAttention.create(options);
  await expect(PagedAttention.attach(options, attention.memory, 2)).rejects.toThrow(invalid);
  await expect(PagedAttention.attach({ ...options, maxRows: 40_000 }, attention.memory, 1)).rejects.toThrow(invalid);
  await expect(PagedAttention.create({ ...options, views: 0 })).rejects.toThrow(invalid);
  await attention.dispose();
});
