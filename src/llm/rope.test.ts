import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rotaryTables } from "../nn/index.ts";
import type { DecoderConfig, RopeScaling } from "./config.ts";
import { ropeFrequencies, RopeRows, ropeTables, yarnAttentionFactor } from "./rope.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 8,
  hidden: 64,
  layers: 1,
  heads: 1,
  kvHeads: 1,
  headDim: 128,
  ffn: 8,
  ropeTheta: 500_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 1024,
};

function frequencies(ropeScaling?: RopeScaling): Float64Array {
  return ropeFrequencies({ ...CONFIG, ...(ropeScaling === undefined ? {} : { ropeScaling }) }, "global").perPosition;
}

describe("ropeFrequencies", () => {
  it("without scaling gives the tables of training, bit for bit", () => {
    const expectTables = (rope: "global" | "local", theta: number): void => {
      const tables = ropeTables(ropeFrequencies({ ...CONFIG, ropeThetaLocal: 10_000 }, rope), 300);
      const training = rotaryTables(300, CONFIG.headDim, theta);
      expect(bytes(tables.cos).equals(bytes(training.cos))).toBe(true);
      expect(bytes(tables.sin).equals(bytes(training.sin))).toBe(true);
    };
    expectTables("global", CONFIG.ropeTheta);
    expectTables("local", 10_000);
  });

  it("linear slows every pair down; a layer with a theta of its own is not scaled", () => {
    const ropeScaling = { type: "linear", factor: 8 } as const;
    expect(frequencies(ropeScaling)).toEqual(frequencies().map((frequency) => frequency / 8));
    const local = ropeFrequencies({ ...CONFIG, ropeScaling, ropeThetaLocal: 500_000 }, "local");
    expect(local.perPosition).toEqual(frequencies());
  });

  it("llama3 keeps fast pairs, slows slow ones down, and blends without a jump", () => {
    const ratios = frequencies({
      type: "llama3",
      factor: 8,
      lowFrequencyFactor: 1,
      highFrequencyFactor: 4,
      originalMaxPositions: 8192,
    }).map((frequency, i) => frequency / frequencies()[i]!);
    // Llama 3.1: of 64 pairs those up to 28 turn more than four times in 8192 positions, those from 35 less than once.
    expect(ratios.slice(0, 29).every((ratio) => ratio === 1)).toBe(true);
    expect(ratios.slice(35).every((ratio) => Math.abs(ratio - 1 / 8) < 1e-12)).toBe(true);
    for (let pair = 29; pair < 35; pair++) {
      expect(ratios[pair]).toBeLessThan(ratios[pair - 1]!);
      expect(ratios[pair]).toBeGreaterThan(1 / 8);
    }
  });

  it("yarn ramps over the pairs between its bounds", () => {
    const scaling = {
      type: "yarn",
      factor: 4,
      originalMaxPositions: 32_768,
      betaFast: 32,
      betaSlow: 1,
      attentionFactor: yarnAttentionFactor(4),
      truncate: true,
    } as const;
    const config = { ...CONFIG, ropeTheta: 1_000_000, ropeScaling: scaling };
    const plain = ropeFrequencies({ ...CONFIG, ropeTheta: 1_000_000 }, "global").perPosition;
    const { perPosition, factor } = ropeFrequencies(config, "global");
    expect(factor).toBeCloseTo(1.138629436, 9);
    const ratios = perPosition.map((frequency, i) => frequency / plain[i]!);
    // Qwen2.5: 64 ln(32768 / (2π turns)) / ln(1e6) is 23.6 for 32 turns and 39.6 for one.
    expect(ratios.slice(0, 24).every((ratio) => ratio === 1)).toBe(true);
    expect(ratios.slice(40).every((ratio) => Math.abs(ratio - 1 / 4) < 1e-12)).toBe(true);
    expect(ratios[31]).toBeCloseTo(1 - (0.75 * (31 - 23)) / (40 - 23), 12);
    const [cos] = [ropeTables({ perPosition, factor }, 1).cos];
    expect(cos[0]).toBe(Math.fround(factor));
    const exact = ropeFrequencies({ ...config, ropeScaling: { ...scaling, truncate: false } }, "global").perPosition;
    expect(exact[31]).not.toBe(perPosition[31]);
  });

  it("yarn has a ramp even where both bounds fall on one pair", () => {
    const scaling = {
      type: "yarn",
      factor: 2,
      originalMaxPositions: 4,
      betaFast: 32,
      betaSlow: 1,
      attentionFactor: 1,
      truncate: true,
    } as const;
    expect(frequencies(scaling).every((frequency) => Number.isFinite(frequency) && frequency > 0)).toBe(true);
  });
});

describe("RopeRows", () => {
  it("copies the rows of the whole tables, from any position, across blocks", () => {
    const frequenciesOf = ropeFrequencies(CONFIG, "global");
    const tables = ropeTables(frequenciesOf, 1024);
    const rows = new RopeRows(frequenciesOf);
    const width = CONFIG.headDim;
    fc.assert(
      fc.property(fc.nat(700), fc.integer({ min: 1, max: 320 }), fc.nat(3), (from, count, row) => {
        const [cos, sin] = [new Float32Array(324 * width), new Float32Array(324 * width)];
        rows.copy(from, count, cos, sin, row);
        for (const [got, table] of [[cos, tables.cos] as const, [sin, tables.sin] as const]) {
          const copied = got.subarray(row * width, (row + count) * width);
          expect(bytes(copied).equals(bytes(table.subarray(from * width, (from + count) * width)))).toBe(true);
          expect(got.subarray(0, row * width).every((x) => x === 0)).toBe(true);
          expect(got.subarray((row + count) * width).every((x) => x === 0)).toBe(true);
        }
      }),
      { seed: 20261120, numRuns: 40 },
    );
  });
});

function bytes(floats: Float32Array): Buffer {
  return Buffer.from(floats.buffer, floats.byteOffset, floats.byteLength);
}
