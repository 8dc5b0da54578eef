import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/index.ts";
import { PagedAttention, type AttentionSequence } from "../kernels/index.ts";
import { calibrateThreshold, checkThreshold, KernelAttention, OrtAttention, SplitAttention } from "./attention.ts";
import type { DecoderConfig } from "./config.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 8,
  hidden: 64,
  layers: 2,
  heads: 6,
  kvHeads: 2,
  headDim: 16,
  ffn: 32,
  ropeTheta: 10000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 256,
};
const [PAGES, PAGE_TOKENS, MAX_ROWS] = [24, 8, 96];
const WIDTH = CONFIG.heads * CONFIG.headDim;
const KV_WIDTH = CONFIG.kvHeads * CONFIG.headDim;

function createKernel(config: DecoderConfig): Promise<PagedAttention> {
  const { layers, kvHeads, headDim, heads, window } = config;
  const layout = { layers, kvHeads, headDim, pageTokens: PAGE_TOKENS, pages: PAGES, format: "f32" } as const;
  return PagedAttention.create({ layout, heads, maxRows: MAX_ROWS, ...(window === undefined ? {} : { window }) });
}

describe.each([undefined, 13])("attention executors, window %s", (window) => {
  const config = { ...CONFIG, ...(window === undefined ? {} : { window }) };

  it("agree on any ragged batch, and leave the rows of others alone", async () => {
    await using kernel = await createKernel(config);
    const ort = await OrtAttention.create(config, { pageTokens: PAGE_TOKENS, threads: 1 }, kernel);
    const random = createRandom(1, "kv");
    const noise = (length: number): Float32Array => Float32Array.from({ length }, () => random.normal());
    for (let page = 0; page < PAGES; page++) {
      const slots = Int32Array.from({ length: PAGE_TOKENS }, (_, i) => page * PAGE_TOKENS + i);
      for (let layer = 0; layer < config.layers; layer++) {
        kernel.writeKv(layer, noise(PAGE_TOKENS * KV_WIDTH), noise(PAGE_TOKENS * KV_WIDTH), slots);
      }
    }
    const shape = fc.record({ rows: fc.integer({ min: 1, max: 20 }), past: fc.nat(60), gap: fc.nat(2) });
    await fc.assert(
      fc.asyncProperty(fc.array(shape, { minLength: 1, maxLength: 4 }), fc.integer(), async (shapes, seed) => {
        let rows = 0;
        const sequences = shapes.map(({ rows: queryRows, past, gap }): AttentionSequence => {
          const queryStart = rows + gap;
          rows = queryStart + queryRows;
          const order = createRandom(seed, `${queryStart}`).shuffled(Array.from({ length: PAGES }, (_, i) => i));
          return { queryStart, queryRows, contextLength: past + queryRows, pages: Int32Array.from(order) };
        });
        const q = noise(rows * WIDTH);
        const layer = Math.abs(seed) % config.layers;
        const [a, b, c] = [0, 0, 0].map(() => new Float32Array(q.length).fill(77));
        await new KernelAttention(kernel).attend(layer, q, sequences, a!);
        await ort.attend(layer, q, sequences, b!);
        await new SplitAttention(new KernelAttention(kernel), ort, 10).attend(layer, q, sequences, c!);
        expect(a!.reduce((most, value, i) => Math.max(most, Math.abs(value - b![i]!)), 0)).toBeLessThan(1e-5);
        for (const { queryStart, queryRows } of sequences) {
          const expected = queryRows >= 10 ? b! : a!;
          const [from, to] = [queryStart * WIDTH, (queryStart + queryRows) * WIDTH];
          const same = expected.subarray(from, to).every((value, i) => value === c![from + i]!);
          expect(same).toBe(true);
        }
      }),
      { seed: 20261120, numRuns: 40 },
    );
    await ort.release();
  });
});

describe("calibrateThreshold", () => {
  const limits = { maxRows: MAX_ROWS, capacityTokens: PAGES * PAGE_TOKENS, pageTokens: PAGE_TOKENS };
  /** Executors that take the time a formula says, by a clock of their own. */
  async function calibrate(shortMs: (rows: number) => number, longMs: (rows: number) => number): Promise<number> {
    let nowMs = 0;
    const executor = (ms: (rows: number) => number) => ({
      attend: async (_layer: number, _q: Float32Array, sequences: readonly AttentionSequence[]): Promise<void> => {
        nowMs += ms(sequences[0]!.queryRows);
      },
    });
    const executors = { short: executor(shortMs), long: executor(longMs) };
    return calibrateThreshold(CONFIG, executors, limits, { nowMs: () => nowMs });
  }

  it("finds where long chunks win, never below 16 rows", async () => {
    expect(
      await calibrate(
        (rows) => rows / 10,
        () => 2,
      ),
    ).toBe(32);
    expect(
      await calibrate(
        (rows) => rows,
        () => 0.1,
      ),
    ).toBe(16);
    expect(
      await calibrate(
        (rows) => rows / 100,
        () => 5,
      ),
    ).toBe(Infinity);
  });

  it("gives up on a slow machine after its budget", async () => {
    expect(
      await calibrate(
        () => 40,
        () => 50,
      ),
    ).toBe(32);
  });

  it("refuses a threshold that is none", () => {
    expect(() => checkThreshold(0)).toThrow("at least 1");
    expect(() => checkThreshold(NaN)).toThrow("at least 1");
  });
});
