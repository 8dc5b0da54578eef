import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import {
  attendChunks,
  attentionCases,
  drawData,
  drawTables,
  greatestDifference,
  normals,
  poison,
  sameBits,
  writeSequence,
  type AttentionCase,
  type Chunk,
} from "./cases.conformance.ts";
import type { KvLayout } from "./geometry.ts";
import { PagedAttention, type PagedAttentionOptions } from "./paged-attention.ts";
import { AttentionTwin, quantiseTwin } from "./twin.ts";

const SEED = 20261120;
/** Outputs are averages of unit normals; the kernel's arithmetic is f32, the twin's double. */
const TOLERANCE = 3e-6;

const LAYOUT: KvLayout = { layers: 2, kvHeads: 2, headDim: 32, pageTokens: 16, pages: 8, format: "f32" };
const OPTIONS: PagedAttentionOptions = { layout: LAYOUT, heads: 4, maxRows: 32 };

/** A poisoned cache with every sequence of the case written through its own pages. */
async function filled({ options, lengths, seed }: AttentionCase, threads: 1 | 2 = 1, pageSeed = seed) {
  const attention = await PagedAttention.create({ ...options, threads });
  const layer = options.layout.layers - 1;
  const data = drawData(options, lengths, seed);
  const tables = drawTables(options, lengths, pageSeed);
  poison(attention, options, layer);
  tables.forEach((pages, i) => writeSequence(attention, options, layer, pages, data[i]!));
  return { attention, layer, data, tables };
}

const tails = ({ lengths }: AttentionCase): Chunk[] =>
  lengths.map(({ context, rows }, sequence) => ({ sequence, from: context - rows, to: context }));

describe("against the twin", () => {
  test("any ragged set of sequences", async () => {
    const property = fc.asyncProperty(attentionCases, async (sample) => {
      const { attention, layer, data, tables } = await filled(sample);
      const twin = new AttentionTwin(sample.options);
      tables.forEach((pages, i) => writeSequence(twin, sample.options, layer, pages, data[i]!));
      const got = attendChunks(attention, sample.options, layer, tables, data, tails(sample));
      const expected = attendChunks(twin, sample.options, layer, tables, data, tails(sample));
      got.forEach((rows, i) => expect(greatestDifference(rows, expected[i]!)).toBeLessThan(TOLERANCE));
      await attention.dispose();
    });
    await fc.assert(property, { seed: SEED, numRuns: 60 });
  });

  test.each(["f32", "int8"] as const)("4096 tokens of context, %s", async (format) => {
    const layout: KvLayout = { layers: 1, kvHeads: 1, headDim: 64, pageTokens: 16, pages: 256, format };
    const sample: AttentionCase = {
      options: { layout, heads: 2, maxRows: 256 },
      lengths: [{ context: 4096, rows: 3 }],
      seed: 5,
    };
    const { attention, data, tables } = await filled(sample);
    const twin = new AttentionTwin(sample.options);
    writeSequence(twin, sample.options, 0, tables[0]!, data[0]!);
    const [got] = attendChunks(attention, sample.options, 0, tables, data, tails(sample));
    const [expected] = attendChunks(twin, sample.options, 0, tables, data, tails(sample));
    expect(greatestDifference(got!, expected!)).toBeLessThan(1e-6);
    await attention.dispose();
  });

  test("scores far apart: a late large key takes all the weight, earlier ones vanish without NaN", async () => {
    const attention = await PagedAttention.create({ ...OPTIONS, scale: 1 });
    const [k, v] = [new Float32Array(20 * 64), new Float32Array(20 * 64)];
    k.fill(-100).fill(100, 19 * 64);
    v.fill(3).fill(7, 19 * 64);
    attention.writeKv(
      0,
      k,
      v,
      Int32Array.from({ length: 20 }, (_, t) => t),
    );
    const out = new Float32Array(4 * 32);
    attention.attend(
      0,
      new Float32Array(4 * 32).fill(1),
      [{ queryStart: 0, queryRows: 1, contextLength: 20, pages: Int32Array.of(0, 1) }],
      out,
    );
    expect([...new Set(out)]).toEqual([7]);
    await attention.dispose();
  });
});

describe("a row has the same bits", () => {
  test("alone, in a chunk, in a batch and through other pages", async () => {
    const property = fc.asyncProperty(attentionCases, fc.integer({ min: 1, max: 20 }), async (sample, step) => {
      const { attention, layer, data, tables } = await filled(sample);
      const other = await filled(sample, 1, sample.seed + 1);
      const { options } = sample;
      const together = attendChunks(attention, options, layer, tables, data, tails(sample));
      const elsewhere = attendChunks(other.attention, options, layer, other.tables, data, tails(sample));
      const width = options.heads * options.layout.headDim;
      tails(sample).forEach((tail, i) => {
        const expected = together[i]!;
        expect(sameBits(elsewhere[i]!, expected)).toBe(true);
        const [whole] = attendChunks(attention, options, layer, tables, data, [{ ...tail, from: 0 }]);
        expect(sameBits(whole!.slice(tail.from * width), expected)).toBe(true);
        for (let from = tail.from; from < tail.to; from += step) {
          const to = Math.min(tail.to, from + step);
          const [part] = attendChunks(attention, options, layer, tables, data, [{ ...tail, from, to }]);
          expect(sameBits(part!, expected.slice((from - tail.from) * width, (to - tail.from) * width))).toBe(true);
        }
        const alone: Chunk = { ...tail, from: tail.to - 1 };
        const [one] = attendChunks(attention, options, layer, tables, data, [alone]);
        expect(sameBits(one!, expected.slice(-width))).toBe(true);
      });
      await Promise.all([attention.dispose(), other.attention.dispose()]);
    });
    await fc.assert(property, { seed: SEED, numRuns: 50 });
  });

  test("on one thread and on two", async () => {
    const property = fc.asyncProperty(attentionCases, async (sample) => {
      const { attention, layer, data, tables } = await filled(sample, 2);
      attention.threadThresholdBytes = Infinity;
      const one = attendChunks(attention, sample.options, layer, tables, data, tails(sample));
      attention.threadThresholdBytes = 0;
      for (let repeat = 0; repeat < 5; repeat++) {
        const two = attendChunks(attention, sample.options, layer, tables, data, tails(sample));
        expect(two.every((rows, i) => sameBits(rows, one[i]!))).toBe(true);
      }
      await attention.dispose();
    });
    await fc.assert(property, { seed: SEED, numRuns: 12 });
  });

  test("when its call needs several passes because the page table is full", async () => {
    const layout: KvLayout = { ...LAYOUT, pages: 4096, kvHeads: 1, headDim: 4 };
    const options: PagedAttentionOptions = { layout, heads: 1, maxRows: 300 };
    const lengths = Array.from({ length: 70 }, () => ({ context: 4096 * 16, rows: 1 }));
    const attention = await PagedAttention.create(options);
    const pages = Int32Array.from({ length: 4096 }, (_, i) => i);
    const q = normals(createRandom(1), 70 * 4);
    const k = normals(createRandom(2), 300 * 4);
    attention.writeKv(
      0,
      k,
      k,
      Int32Array.from({ length: 300 }, (_, i) => i * 100),
    );
    const out = new Float32Array(q.length);
    // 70 x 4096 page ids exceed the table's 2^18
    const sequences = lengths.map((_, i) => ({ queryStart: i, queryRows: 1, contextLength: 40_000, pages }));
    attention.attend(
      0,
      q,
      sequences.map((s) => ({ ...s, contextLength: 65_536 })),
      out,
    );
    for (const i of [0, 63, 64, 69]) {
      const one = new Float32Array(4);
      attention.attend(
        0,
        q.slice(i * 4, i * 4 + 4),
        [{ queryStart: 0, queryRows: 1, contextLength: 65_536, pages }],
        one,
      );
      expect(sameBits(out.slice(i * 4, i * 4 + 4), one)).toBe(true);
    }
    await attention.dispose();
  });
});

describe("pages", () => {
  test("gather returns what was written, int8 through its quantiser", async () => {
    for (const format of ["f32", "int8"] as const) {
      const layout: KvLayout = { ...LAYOUT, format };
      const attention = await PagedAttention.create({ ...OPTIONS, layout });
      const [random, length, width] = [createRandom(3), 27, 64];
      const [k, v] = [normals(random, length * width), normals(random, length * width)];
      const pages = Int32Array.of(5, 2);
      attention.writeKv(
        1,
        k,
        v,
        Int32Array.from({ length }, (_, t) => pages[t >> 4]! * 16 + (t & 15)),
      );
      const [gotK, gotV] = [new Float32Array(k.length), new Float32Array(v.length)];
      attention.gather(1, pages, length, gotK, gotV);
      for (let h = 0; h < 2; h++) {
        for (let t = 0; t < length; t++) {
          const source = (t * 2 + h) * 32;
          const at = (h * length + t) * 32;
          const stored = (row: Float32Array): Float32Array => (format === "f32" ? row : quantiseTwin(row));
          expect(gotK.slice(at, at + 32)).toEqual(stored(k.slice(source, source + 32)));
          expect(gotV.slice(at, at + 32)).toEqual(stored(v.slice(source, source + 32)));
        }
      }
      await attention.dispose();
    }
  });

  test("an int8 page is within half a step of what was written", async () => {
    const row = normals(createRandom(4), 64);
    const largest = Math.max(...row.map(Math.abs));
    expect(greatestDifference(quantiseTwin(row), row)).toBeLessThan((largest / 127) * 0.5001);
  });

  test("copyPage copies every layer", async () => {
    const attention = await PagedAttention.create(OPTIONS);
    const k = normals(createRandom(5), 16 * 64);
    const slots = (page: number): Int32Array => Int32Array.from({ length: 16 }, (_, t) => page * 16 + t);
    for (const layer of [0, 1])
      attention.writeKv(
        layer,
        k.map((x) => x + layer),
        k,
        slots(3),
      );
    attention.copyPage(3, 6);
    for (const layer of [0, 1]) {
      const [a, b, v] = [3, 6, 6].map(() => new Float32Array(16 * 64));
      attention.gather(layer, Int32Array.of(3), 16, a!, v!);
      attention.gather(layer, Int32Array.of(6), 16, b!, v!);
      expect(b).toEqual(a);
    }
    await attention.dispose();
  });
});

describe("what cannot be asked", () => {
  test("options", async () => {
    const create = (change: Partial<PagedAttentionOptions>, layout: Partial<KvLayout> = {}): Promise<PagedAttention> =>
      PagedAttention.create({ ...OPTIONS, ...change, layout: { ...LAYOUT, ...layout } });
    await expect(create({ heads: 3 })).rejects.toMatchObject({ code: "unsupported", param: "heads" });
    await expect(create({ maxRows: 0 })).rejects.toMatchObject({ code: "invalid_request", param: "maxRows" });
    await expect(create({ window: -1 })).rejects.toMatchObject({ code: "invalid_request", param: "window" });
    await expect(create({ windows: [4] })).rejects.toMatchObject({ code: "invalid_request", param: "windows" });
    await expect(create({ windows: [4, -1] })).rejects.toMatchObject({ code: "invalid_request", param: "windows[1]" });
    await expect(create({}, { headDim: 6 })).rejects.toMatchObject({ code: "unsupported", param: "layout.headDim" });
    await expect(create({}, { headDim: 512 })).rejects.toMatchObject({ code: "unsupported" });
    await expect(create({}, { pageTokens: 12 })).rejects.toMatchObject({
      code: "unsupported",
      param: "layout.pageTokens",
    });
    await expect(create({}, { pages: 1.5 })).rejects.toMatchObject({ code: "invalid_request", param: "layout.pages" });
    await expect(create({}, { pages: 1 << 20 })).rejects.toMatchObject({ code: "out_of_memory" });
  });

  test("page ids, rows and lengths out of range", async () => {
    const attention = await PagedAttention.create(OPTIONS);
    const q = new Float32Array(2 * 128);
    const out = new Float32Array(2 * 128);
    const attend = (change: object, layer = 0): void =>
      attention.attend(
        layer,
        q,
        [{ queryStart: 0, queryRows: 2, contextLength: 20, pages: Int32Array.of(0, 1), ...change }],
        out,
      );
    const invalid = expect.objectContaining({ code: "invalid_request" });
    attend({});
    for (const pages of [[0, 8], [0, -1], [0], [2 ** 31 - 1, 0]])
      expect(() => attend({ pages: Int32Array.from(pages) })).toThrow(invalid);
    for (const change of [
      { queryRows: 0 },
      { queryRows: 3 },
      { queryStart: 1 },
      { queryStart: -1 },
      { contextLength: 1 },
    ]) {
      expect(() => attend(change)).toThrow(invalid);
    }
    for (const contextLength of [33, 2 ** 31, Number.NaN, 20.5])
      expect(() => attend({ contextLength })).toThrow(invalid);
    for (const layer of [-1, 2, 0.5]) expect(() => attend({}, layer)).toThrow(invalid);
    const two = { queryStart: 0, queryRows: 1, contextLength: 1, pages: Int32Array.of(0) };
    expect(() => attention.attend(0, q, [two, two], out)).toThrow(invalid);
    const shape = expect.objectContaining({ code: "shape_mismatch" });
    expect(() => attention.attend(0, q, [two], new Float32Array(1))).toThrow(shape);
    expect(() => attention.attend(0, new Float32Array(33 * 128), [], new Float32Array(33 * 128))).toThrow(shape);
    const row = new Float32Array(64);
    for (const slot of [-1, 128]) expect(() => attention.writeKv(0, row, row, Int32Array.of(slot))).toThrow(invalid);
    expect(() => attention.writeKv(0, row, new Float32Array(63), Int32Array.of(0))).toThrow(shape);
    expect(() => attention.gather(0, Int32Array.of(8), 3, new Float32Array(192), new Float32Array(192))).toThrow(
      invalid,
    );
    expect(() => attention.gather(0, Int32Array.of(0), 17, new Float32Array(1088), new Float32Array(1088))).toThrow(
      invalid,
    );
    expect(() => attention.copyPage(0, 8)).toThrow(invalid);
    await attention.dispose();
    expect(() => attend({})).toThrow(invalid);
  });

  test("every layer has its own window, one call after the other", async () => {
    const windows = [3, 0];
    const options = { ...OPTIONS, windows };
    const attention = await PagedAttention.create(options);
    const twin = new AttentionTwin(options);
    const lengths = [{ context: 40, rows: 5 }];
    const [data, tables] = [drawData(options, lengths, 8), drawTables(options, lengths, 8)];
    for (const layer of [0, 1]) {
      for (const to of [attention, twin]) writeSequence(to, options, layer, tables[0]!, data[0]!);
    }
    const chunk: Chunk = { sequence: 0, from: 35, to: 40 };
    const results = [0, 1, 0].map((layer) => {
      const [got] = attendChunks(attention, options, layer, tables, data, [chunk]);
      const [expected] = attendChunks(twin, options, layer, tables, data, [chunk]);
      expect(greatestDifference(got!, expected!)).toBeLessThan(TOLERANCE);
      return got!;
    });
    expect(sameBits(results[0]!, results[2]!)).toBe(true);
    expect(sameBits(results[0]!, results[1]!)).toBe(false);
    await attention.dispose();
  });

  test("forty query heads may share a key head", async () => {
    const layout: KvLayout = { ...LAYOUT, kvHeads: 1, headDim: 8 };
    const sample: AttentionCase = {
      options: { layout, heads: 40, maxRows: 32 },
      lengths: [{ context: 30, rows: 6 }],
      seed: 9,
    };
    const { attention, layer, data, tables } = await filled(sample);
    const twin = new AttentionTwin(sample.options);
    writeSequence(twin, sample.options, layer, tables[0]!, data[0]!);
    const [got] = attendChunks(attention, sample.options, layer, tables, data, tails(sample));
    const [expected] = attendChunks(twin, sample.options, layer, tables, data, tails(sample));
    expect(greatestDifference(got!, expected!)).toBeLessThan(TOLERANCE);
    await attention.dispose();
  });

  test("pages that lie before the window are never looked at", async () => {
    const attention = await PagedAttention.create({ ...OPTIONS, window: 4 });
    const q = new Float32Array(128);
    const attend = (pages: number[]): void =>
      attention.attend(
        0,
        q,
        [{ queryStart: 0, queryRows: 1, contextLength: 36, pages: Int32Array.from(pages) }],
        new Float32Array(128),
      );
    attend([-1, -1, 3]);
    expect(() => attend([-1, 3, -1])).toThrow(expect.objectContaining({ code: "invalid_request" }));
    await attention.dispose();
  });
});
