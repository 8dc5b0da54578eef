/** Coding by prediction in the kernel, against its plain twin: the same bytes, the same pages, the same refusals. */
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { createRandom, PunctualError, type RandomStream } from "../../core/index.ts";
import { EntropyCoder, EntropyTables } from "../../kernels/index.ts";
import { pagesToPlanes, planesToPages } from "./planes.ts";
import { decodePredicted, encodePredicted, loadPrediction, type LoadedPrediction } from "./predicted.ts";
import {
  blocksOf,
  CENTROID_MAX,
  ESCAPE,
  PREDICTED_LEVELS,
  RESIDUAL_SYMBOLS,
  SPREADS,
  writePrediction,
  type PredictionTables,
} from "./prediction.ts";
import { joinSections, splitSections } from "./sections.ts";
import { channelCount, pageLayout, planeCount, type CacheShape } from "./shape.ts";
import { decodePredictedTwin, encodePredictedTwin, loadPredictionTwin, type PredictionTwin } from "./twin.ts";

const SEED = 20261128;
const IDS = 13;

/** Blocks of one tile and of several, of ends that fill no vector, of keys apart from values, of heads that are cut. */
const SHAPES: readonly Pick<CacheShape, "layers" | "kvHeads" | "headDim" | "format">[] = [
  { layers: 3, kvHeads: 2, headDim: 8, format: "f32" },
  { layers: 2, kvHeads: 3, headDim: 6, format: "f32" },
  { layers: 1, kvHeads: 1, headDim: 2, format: "f32" },
  { layers: 2, kvHeads: 2, headDim: 32, format: "int8" },
  { layers: 1, kvHeads: 1, headDim: 140, format: "f32" },
  { layers: 1, kvHeads: 1, headDim: 258, format: "int8" },
];

interface Case {
  readonly shape: CacheShape;
  readonly tables: PredictionTables;
  readonly loaded: LoadedPrediction;
  readonly twin: PredictionTwin;
}

let coder: EntropyCoder;
const cases: Case[] = [];

/** Any tables at all: what the kernel may read is in their bounds, not in what a profile would make of a model. */
function drawTables(shape: CacheShape, random: RandomStream): PredictionTables {
  const rows = planeCount(shape) * channelCount(shape);
  const ints = (length: number, most: number): number[] => Array.from({ length }, () => random.int(-most, most));
  const counts = Float64Array.from({ length: SPREADS * RESIDUAL_SYMBOLS }, (_, i) => {
    const [symbol, width] = [i % RESIDUAL_SYMBOLS, 0.5 + Math.floor(i / RESIDUAL_SYMBOLS) / 4];
    if (symbol === ESCAPE) return 40;
    return random.chance(0.1) ? 0 : Math.round(1e5 * Math.exp(-Math.abs(symbol - 63) / width));
  });
  const distributions = EntropyTables.fromCounts(counts, RESIDUAL_SYMBOLS, { coverAll: false });
  return writePrediction(shape, {
    means: Float32Array.from({ length: rows }, () => random.normal()),
    scales: Float32Array.from({ length: rows }, () => 0.2 + random.exponential(1)),
    ids: Uint32Array.from({ length: IDS }, (_, i) => 3 * i),
    // Of size 1 in each row, or nearly.
    matrices: blocksOf(shape).map(({ rows: { length: n } }) =>
      Int16Array.from({ length: n * n }, () => Math.round((256 * random.normal()) / Math.sqrt(n))),
    ),
    meanLogs: Int8Array.from(ints(rows, 9)),
    idMeans: Int16Array.from({ length: rows * IDS }, () => (random.chance(0.6) ? 0 : random.int(-5, 5))),
    spreadLogs: Int8Array.from(ints(rows, 20)),
    idLogs: Int8Array.from(ints(shape.layers * (IDS + 1), 3)),
    sizes: Uint16Array.from({ length: SPREADS * RESIDUAL_SYMBOLS }, (_, i) =>
      distributions.size(Math.floor(i / RESIDUAL_SYMBOLS), i % RESIDUAL_SYMBOLS),
    ),
    centroids: Uint8Array.from({ length: SPREADS * 2 }, () => random.int(0, CENTROID_MAX)),
  });
}

beforeAll(async () => {
  coder = await EntropyCoder.create();
  for (const [i, of] of SHAPES.entries()) {
    const random = createRandom(SEED, `tables-${i}`);
    const perPosition = Float64Array.from({ length: of.headDim / 2 }, (_, pair) => 10 ** (-pair / 4));
    const rotations = Array.from({ length: of.layers }, (_, layer) =>
      layer === 2 ? null : { perPosition: perPosition.map((angle) => angle / (layer + 1)), factor: 1 + 0.25 * layer },
    );
    const shape: CacheShape = { ...of, fingerprint: `twin-${i}`, pageTokens: 8, rotations };
    const tables = drawTables(shape, random);
    const loaded = await loadPrediction(shape, tables);
    cases.push({ shape, tables, loaded, twin: loadPredictionTwin(coder, tables) });
  }
});

/** Pages of that many tokens as a cache has them; a few numbers are far out. */
function drawPages({ shape }: Case, tokens: number, firstPosition: number, random: RandomStream): Uint8Array {
  const floats = channelCount(shape) * tokens;
  const data = Array.from({ length: planeCount(shape) }, () =>
    Float32Array.from({ length: floats }, () => random.normal() * (random.chance(0.01) ? 1e4 : 2)),
  );
  return planesToPages(shape, { tokens, data }, firstPosition);
}

const drawIds = (tokens: number, random: RandomStream): number[] =>
  Array.from({ length: tokens }, () => random.int(0, 3 * IDS + 2));

function outcome(action: () => Uint8Array): string {
  try {
    return Buffer.from(action()).toString("base64");
  } catch (error) {
    if (error instanceof PunctualError) return error.code;
    throw error;
  }
}

const drawn = fc.record({
  seed: fc.nat(),
  at: fc.nat({ max: SHAPES.length - 1 }),
  tokens: fc.integer({ min: 1, max: 21 }),
  level: fc.nat({ max: PREDICTED_LEVELS - 1 }),
  firstPosition: fc.nat({ max: 5000 }),
});

describe("the kernel and its twin", () => {
  it("make the same bytes of the same pages, and the same pages of the same bytes", () => {
    fc.assert(
      fc.property(drawn, ({ seed, at, tokens, level, firstPosition }) => {
        const random = createRandom(seed, "equal");
        const { shape, loaded, twin } = cases[at]!;
        const pages = drawPages(cases[at]!, tokens, firstPosition, random);
        const tokenIds = drawIds(tokens, random);
        const body = encodePredicted(loaded, pages, { tokenIds, firstPosition }, level);
        const planes = pagesToPlanes(shape, pages, tokens, firstPosition);
        expect(Buffer.from(body).equals(encodePredictedTwin(coder, twin, shape, planes, tokenIds, level))).toBe(true);
        const moved = firstPosition + random.int(0, 9);
        const back = decodePredicted(loaded, body, { tokenIds, firstPosition: moved }, level);
        const plain = planesToPages(shape, decodePredictedTwin(coder, twin, shape, body, tokenIds, level), moved);
        expect(Buffer.from(back).equals(plain)).toBe(true);
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  it("refuse the same: damaged, cut and lengthened sections, and any bytes in their place", () => {
    fc.assert(
      fc.property(drawn, fc.nat({ max: 5 }), ({ seed, at, tokens, level }, kind) => {
        const random = createRandom(seed, "hostile");
        const { shape, loaded, twin } = cases[at]!;
        const tokenIds = drawIds(tokens, random);
        const pages = drawPages(cases[at]!, tokens, 0, random);
        const body = encodePredicted(loaded, pages, { tokenIds, firstPosition: 0 }, level);
        const [head, payload, escapes] = splitSections(body, 3) as [Uint8Array, Uint8Array, Uint8Array];
        const noise = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.int(0, 255));
        const flip = (bytes: Uint8Array): Uint8Array =>
          bytes.map((byte) => (random.chance(0.05) ? random.int(0, 255) : byte));
        const damaged = [
          [head, flip(payload), escapes],
          [head, payload, flip(escapes)],
          [head, payload.slice(0, random.int(0, payload.length)), escapes],
          [head, payload, escapes.slice(0, random.int(0, escapes.length))],
          [head, noise(payload.length), noise(random.int(0, 40))],
          [head, Buffer.concat([payload, noise(2)]), Buffer.concat([escapes, noise(random.int(0, 1))])],
        ][kind]!;
        const bytes = joinSections(damaged);
        const got = outcome(() => decodePredicted(loaded, bytes, { tokenIds, firstPosition: 0 }, level));
        expect(got).toBe(
          outcome(() => planesToPages(shape, decodePredictedTwin(coder, twin, shape, bytes, tokenIds, level), 0)),
        );
        expect(got === "invalid_file" || got.length > 100).toBe(true);
        // What is refused leaves no trace.
        const whole = outcome(() => decodePredicted(loaded, body, { tokenIds, firstPosition: 0 }, level));
        expect(whole.length).toBeGreaterThan(100);
      }),
      { seed: SEED, numRuns: 80 },
    );
  });

  it("refuse numbers that are not finite, and what no call of theirs can hold", () => {
    const [first] = cases as [Case];
    const tokenIds = [1, 2, 3];
    const pages = drawPages(first, 3, 0, createRandom(SEED, "finite"));
    for (const value of [NaN, Infinity]) {
      const strange = pages.slice();
      new DataView(strange.buffer).setFloat32(pageLayout(first.shape).layerBytes, value, true);
      expect(outcome(() => encodePredicted(first.loaded, strange, { tokenIds, firstPosition: 0 }, 1))).toBe(
        "invalid_request",
      );
    }
    const body = encodePredicted(first.loaded, pages, { tokenIds, firstPosition: 0 }, 1);
    const [head, payload, escapes] = splitSections(body, 3) as [Uint8Array, Uint8Array, Uint8Array];
    const long = joinSections([head, Buffer.concat([payload, Buffer.alloc(10_000)]), escapes]);
    expect(outcome(() => decodePredicted(first.loaded, long, { tokenIds, firstPosition: 0 }, 1))).toBe("invalid_file");
    const { kernel } = first.loaded;
    const places = new Uint32Array(2 ** 20);
    expect(outcome(() => kernel.decode({ payload, escapes, tokens: places.length, firstPosition: 0, places }, 1))).toBe(
      "payload_too_large",
    );
  });
});
