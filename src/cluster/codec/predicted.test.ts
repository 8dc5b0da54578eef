import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { codeThrown } from "../../../test/support/error-code.ts";
import { createRandom, type RandomStream } from "../../core/index.ts";
import { KvCodec, type CodecLevel } from "./codec.ts";
import { eigenvectors } from "./eigen.ts";
import { frontierOf, type RatedLevel } from "./frontier.ts";
import { emptyPlanes, pagesToPlanes, planesToPages, type Planes } from "./planes.ts";
import { decodePredicted, encodePredicted, loadPrediction, type LoadedPrediction } from "./predicted.ts";
import { PredictionProfiler } from "./prediction-fit.ts";
import {
  blocksOf,
  PREDICTED_LEVELS,
  quarterPower,
  readPrediction,
  STEP_LOGS,
  type PredictionTables,
} from "./prediction.ts";
import { ERROR_STEPS } from "./quantiser.ts";
import { measureSensitivities } from "./sensitivity.ts";
import { channelCount, planeCount, type CacheShape } from "./shape.ts";
import { Turn } from "./turn.ts";

const SEED = 20261127;
const IDS = 24;

function shapeOf(kvHeads = 2, headDim = 8): CacheShape {
  return {
    fingerprint: "predicted",
    layers: 2,
    kvHeads,
    headDim,
    pageTokens: 8,
    format: "f32",
    rotations: [null, null],
  };
}

/** A cache as models have them: channels that vary together, and by token; the first layer by token alone. */
function worldOf(shape: CacheShape, seed: number) {
  const random = createRandom(seed, "world");
  const rows = planeCount(shape) * channelCount(shape);
  const draw = (): number[] => Array.from({ length: rows }, () => random.normal());
  const byId = Array.from({ length: IDS }, draw);
  const topics = Array.from({ length: 3 }, draw);
  return (tokens: number, stream: RandomStream): { planes: Planes; ids: number[] } => {
    const planes = emptyPlanes(shape, tokens);
    const ids = Array.from({ length: tokens }, () => stream.int(0, IDS - 1));
    for (let t = 0; t < tokens; t++) {
      const shares = topics.map(() => stream.normal());
      for (let row = 0; row < rows; row++) {
        const [plane, c] = [Math.floor(row / channelCount(shape)), row % channelCount(shape)];
        const moved = topics.reduce((sum, topic, k) => sum + topic[row]! * shares[k]!, 0) + 0.1 * stream.normal();
        planes.data[plane]![c * tokens + t] = 3 + byId[ids[t]!]![row]! + (plane < 2 ? 0 : moved);
      }
    }
    return { planes, ids };
  };
}

const shape = shapeOf();
const draw = worldOf(shape, SEED);
let tables: PredictionTables;
let loaded: LoadedPrediction;
/** The same, out of the tables' bytes. */
let again: LoadedPrediction;

function fit(of: CacheShape, source: typeof draw, texts: number): PredictionTables {
  const profiler = new PredictionProfiler(of);
  for (let i = 0; i < texts; i++) {
    const { planes, ids } = source(40, createRandom(SEED, `profile-${i}`));
    profiler.add(planes, ids);
  }
  return profiler.finish();
}

beforeAll(async () => {
  tables = fit(shape, draw, 10);
  loaded = await loadPrediction(shape, tables);
  again = await loadPrediction(shape, readPrediction(shape, tables.bytes));
});

function encode(of: LoadedPrediction, planes: Planes, tokenIds: readonly number[], level: number): Uint8Array {
  return encodePredicted(of, planesToPages(shape, planes, 0), { tokenIds, firstPosition: 0 }, level);
}

function decode(of: LoadedPrediction, body: Uint8Array, tokenIds: readonly number[], level: number): Planes {
  const pages = decodePredicted(of, body, { tokenIds, firstPosition: 0 }, level);
  return pagesToPlanes(shape, pages, tokenIds.length, 0);
}

/** Components of every token and block, after each other. */
function componentsOf(of: PredictionTables, planes: Planes): number[] {
  const channels = channelCount(shape);
  return of.blocks.flatMap((block, b) => {
    const turn = new Turn(block, of.matrices[b]!, of);
    const out = new Float32Array(block.rows.length);
    return Array.from({ length: planes.tokens }, (_, t) => {
      turn.components((row) => planes.data[Math.floor(row / channels)]![(row % channels) * planes.tokens + t]!, out);
      return [...out];
    }).flat();
  });
}

describe("coding by prediction", () => {
  it("comes back within the stated error at every level, whatever the tokens", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 1, max: 20 }),
        fc.nat({ max: PREDICTED_LEVELS - 1 }),
        (seed, tokens, level) => {
          const random = createRandom(seed, "round-trip");
          const { planes, ids } = draw(tokens, random);
          // Some tokens are unknown, some numbers far out.
          const tokenIds = ids.map((id) => (random.chance(0.2) ? 5000 + id : id));
          if (random.chance(0.5)) planes.data[random.int(0, 3)]![random.int(0, tokens - 1)] = 1e4 * random.normal();
          const body = encode(loaded, planes, tokenIds, level);
          const back = decode(loaded, body, tokenIds, level);
          const largest = Math.max(...componentsOf(tables, planes).map(Math.abs));
          // Matrices in whole 256ths are orthonormal to about a hundredth: what is large leaves that of itself besides.
          const allowed = ERROR_STEPS * quarterPower(STEP_LOGS[level]!) * 1.1 + 0.05 * largest;
          const [before, after] = [componentsOf(tables, planes), componentsOf(tables, back)];
          expect(Math.max(...before.map((value, i) => Math.abs(value - after[i]!)))).toBeLessThan(allowed);
          // Whoever has the tables' bytes makes the same bytes and the same numbers of them.
          expect(Buffer.from(encode(again, planes, tokenIds, level)).equals(Buffer.from(body))).toBe(true);
          expect(decode(again, body, tokenIds, level)).toEqual(back);
        },
      ),
      { seed: SEED, numRuns: 25 },
    );
  });

  it("takes far fewer bytes where tokens say what to expect and channels vary together", async () => {
    const { planes, ids } = draw(64, createRandom(SEED, "small"));
    const known = encode(loaded, planes, ids, 1).length;
    const unknown = encode(
      loaded,
      planes,
      ids.map((id) => id + 5000),
      1,
    ).length;
    const independent = fit(
      shape,
      (tokens, random) => {
        const { planes: own } = draw(tokens, random);
        return { planes: own, ids: Array.from({ length: tokens }, (_, i) => i + 9000) };
      },
      10,
    );
    const plain = await loadPrediction(shape, independent);
    expect(known).toBeLessThan(0.6 * unknown);
    expect(known).toBeLessThan(0.6 * encode(plain, planes, ids, 1).length);
  });

  it("each token depends on its own symbols alone: a chunk without some tokens decodes the others alike", () => {
    const { planes, ids } = draw(24, createRandom(SEED, "alone"));
    const whole = decode(loaded, encode(loaded, planes, ids, 2), ids, 2);
    const kept = [1, 5, 6, 17];
    const part = {
      tokens: kept.length,
      data: planes.data.map((data) =>
        Float32Array.from(
          { length: (data.length / 24) * kept.length },
          (_, i) => data[Math.floor(i / kept.length) * 24 + kept[i % kept.length]!]!,
        ),
      ),
    };
    const partIds = kept.map((t) => ids[t]!);
    const alone = decode(loaded, encode(loaded, part, partIds, 2), partIds, 2);
    alone.data.forEach((data, p) =>
      data.forEach((value, i) => {
        expect(value).toBe(whole.data[p]![Math.floor(i / kept.length) * 24 + kept[i % kept.length]!]);
      }),
    );
  });

  it("needs its tables and the ids of the tokens, the same on both sides", async () => {
    const { planes, ids: tokenIds } = draw(16, createRandom(SEED, "needs"));
    const chunk = { pages: planesToPages(shape, planes, 3), tokens: 16, firstPosition: 3, tokenIds };
    const how: CodecLevel = { variant: "predicted", level: 1 };
    const [codec, without] = [await KvCodec.create(shape, { prediction: tables }), await KvCodec.create(shape)];
    const coded = codec.encode(chunk, how);
    expect(codec.header(coded)).toMatchObject({ variant: "predicted", level: 1, tables: tables.id });
    expect(codeThrown(() => codec.decode(coded, { tokenIds }))).toBeNull();
    expect(codeThrown(() => codec.decode(coded, { tokenIds: tokenIds.toReversed() }))).toBe("invalid_file");
    expect(codeThrown(() => codec.decode(coded))).toBe("invalid_request");
    expect(codeThrown(() => without.decode(coded, { tokenIds }))).toBe("unsupported");
    expect(codeThrown(() => without.encode(chunk, how))).toBe("invalid_request");
    const { tokenIds: _, ...unnamed } = chunk;
    expect(codeThrown(() => codec.encode(unnamed, how))).toBe("invalid_request");
    expect(codeThrown(() => codec.encode({ ...chunk, tokenIds: tokenIds.slice(1) }, how))).toBe("invalid_request");
  });
});

describe("tables of predictions", () => {
  it("come back from their bytes, and nothing else is taken for them", () => {
    expect(readPrediction(shape, tables.bytes)).toEqual(tables);
    // As a file is read: a part of a larger buffer.
    const padded = Buffer.concat([Buffer.alloc(5), tables.bytes]);
    expect(readPrediction(shape, padded.subarray(5))).toEqual(tables);
    expect(codeThrown(() => readPrediction({ ...shape, fingerprint: "other" }, tables.bytes))).toBe("invalid_file");
    const random = createRandom(SEED, "damage");
    for (let i = 0; i < 30; i++) {
      const cut = tables.bytes.slice(0, random.int(0, tables.bytes.length - 1));
      expect(codeThrown(() => readPrediction(shape, cut))).toBe("invalid_file");
      const damaged = tables.bytes.map((byte) => (random.chance(0.003) ? random.int(0, 255) : byte));
      expect(["invalid_file", null]).toContain(codeThrown(() => readPrediction(shape, damaged)));
    }
    expect(codeThrown(() => new PredictionProfiler(shape).finish())).toBe("invalid_request");
  });

  it.each([shapeOf(), shapeOf(4, 32), shapeOf(4, 64), shapeOf(2, 128), shapeOf(3, 160), shapeOf(1, 512)])(
    "blocks cover every channel once, within their width: %o",
    (of) => {
      const blocks = blocksOf(of);
      const rows = blocks.flatMap((block) => [...block.rows]);
      expect(rows.toSorted((a, b) => a - b)).toEqual(
        Array.from({ length: planeCount(of) * channelCount(of) }, (_, i) => i),
      );
      expect(Math.max(...blocks.map((block) => block.rows.length))).toBeLessThanOrEqual(256);
      blocks.forEach(({ first }, i) => {
        expect(first).toBe(blocks.slice(0, i).reduce((sum, block) => sum + block.rows.length, 0));
      });
    },
  );

  it("eigenvectors are found where a matrix has nearly no rank: as of few texts, or of tokens that never repeat", () => {
    const n = 96;
    for (const rank of [0, 1, 5, 30]) {
      const random = createRandom(SEED, `rank-${rank}`);
      const vectors = Array.from({ length: rank }, () => Array.from({ length: n }, () => random.normal()));
      const a = Float64Array.from({ length: n * n }, (_, at) =>
        vectors.reduce((sum, v) => sum + v[Math.floor(at / n)]! * v[at % n]!, 0),
      );
      const u = eigenvectors(a, n);
      let worst = 0;
      for (let j = 0; j < n; j++) {
        for (let k = 0; k <= j; k++) {
          let dot = 0;
          for (let i = 0; i < n; i++) dot += u[i * n + j]! * u[i * n + k]!;
          worst = Math.max(worst, Math.abs(dot - (j === k ? 1 : 0)));
        }
      }
      expect(worst).toBeLessThan(1e-10);
    }
  });

  it("eigenvectors are orthonormal, of the largest eigenvalue first, for any symmetric matrix", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), (seed, n, rank) => {
        const random = createRandom(seed, "matrix");
        const a = new Float64Array(n * n);
        for (let k = 0; k < rank; k++) {
          const v = Array.from({ length: n }, () => (random.chance(0.2) ? 0 : random.normal()));
          for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) a[i * n + j]! += v[i]! * v[j]!;
        }
        const u = eigenvectors(a, n);
        const times = (j: number, i: number): number => {
          let sum = 0;
          for (let k = 0; k < n; k++) sum += a[i * n + k]! * u[k * n + j]!;
          return sum;
        };
        let previous = Infinity;
        for (let j = 0; j < n; j++) {
          let value = 0;
          for (let i = 0; i < n; i++) value += u[i * n + j]! * times(j, i);
          for (let i = 0; i < n; i++) expect(times(j, i)).toBeCloseTo(value * u[i * n + j]!, 8);
          expect(value).toBeLessThanOrEqual(previous + 1e-8);
          previous = value;
          for (let k = 0; k <= j; k++) {
            let dot = 0;
            for (let i = 0; i < n; i++) dot += u[i * n + j]! * u[i * n + k]!;
            expect(dot).toBeCloseTo(k === j ? 1 : 0, 8);
          }
        }
      }),
      { seed: SEED, numRuns: 60 },
    );
  });
});

describe("where steps may be wide", () => {
  it("sensitivities say which heads' errors count, and make their steps narrower", async () => {
    const { planes } = draw(16, createRandom(SEED, "sensitive"));
    const exact = planesToPages(shape, planes, 0);
    // Answers that hang on the values of the second layer's first head: a quarter of what pages of that layer hold.
    const floatsOf = (pages: Uint8Array): Float32Array =>
      new Float32Array(pages.buffer, pages.byteOffset, pages.length / 4);
    const profiler = new PredictionProfiler(shape);
    for (let i = 0; i < 4; i++) {
      const text = draw(20, createRandom(SEED, `sensitive-${i}`));
      profiler.add(text.planes, text.ids);
    }
    const group = 3 * shape.kvHeads;
    const divergence = async (pages: Uint8Array): Promise<number> => {
      const isMoved = (plane: number): boolean => {
        const perPage = floatsOf(exact).length / 2;
        const at = plane * (perPage / 4);
        return floatsOf(pages)
          .subarray(at, at + shape.headDim * 8)
          .some((x, i) => x !== floatsOf(exact)[at + i]);
      };
      return isMoved(3) ? 1 : 0.01;
    };
    const random = createRandom(SEED, "noise");
    const sensitivities = await measureSensitivities(
      shape,
      profiler.deviations(),
      [{ planes, firstPosition: 0, divergence }],
      random,
    );
    expect(sensitivities.indexOf(Math.max(...sensitivities))).toBe(group);
    const deviations = profiler.deviations();
    const { scales } = profiler.finish({ sensitivities });
    const share = (row: number): number => scales[row]! / deviations[row]!;
    expect(share(3 * channelCount(shape))).toBeLessThan(0.5 * share(0));
  });

  it("of all levels those are offered that no other beats in bytes and loss", () => {
    const rated = fc.record({ bytes: fc.integer({ min: 1, max: 9 }), loss: fc.integer({ min: 0, max: 9 }) });
    fc.assert(
      fc.property(fc.array(rated, { maxLength: 12 }), (list) => {
        const levels = list.map((each, level): RatedLevel => ({ ...each, level: { variant: "predicted", level } }));
        const frontier = frontierOf(levels);
        for (let i = 1; i < frontier.length; i++) {
          expect(frontier[i]!.bytes).toBeLessThan(frontier[i - 1]!.bytes);
          expect(frontier[i]!.loss).toBeGreaterThan(frontier[i - 1]!.loss);
        }
        for (const { bytes, loss } of levels) {
          expect(frontier.some((each) => each.bytes <= bytes && each.loss <= loss)).toBe(true);
        }
      }),
      { seed: SEED, numRuns: 100 },
    );
  });
});
