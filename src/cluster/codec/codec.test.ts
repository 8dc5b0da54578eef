import { crc32 } from "node:zlib";
import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { codeThrown } from "../../../test/support/error-code.ts";
import { createRandom, type RandomStream } from "../../core/index.ts";
import { BitReader, BitWriter } from "./bits.ts";
import { CODEC_LEVELS, KvCodec, type CodecLevel, type KvChunk } from "./codec.ts";
import { emptyPlanes, pagesToPlanes, planesToPages } from "./planes.ts";
import { packScale, unpackScale } from "./sections.ts";
import { channelCount, pageLayout, type CacheShape } from "./shape.ts";
import { PredictionProfiler } from "./prediction-fit.ts";
import type { PredictionTables } from "./prediction.ts";
import { readTables, TableProfiler, type ProfiledTables } from "./tables.ts";

const SEED = 20261126;
const PAGE_TOKENS = 8;

function shapeOf(format: "f32" | "int8", layers = 3): CacheShape {
  const perPosition = Float64Array.from({ length: 4 }, (_, pair) => 100 ** (-pair / 4));
  // The middle layer does not turn its keys, the last scales them too.
  const rotations = Array.from({ length: layers }, (_, l) =>
    l === 1 ? null : { perPosition, factor: l === 2 ? 1.25 : 1 },
  );
  return { fingerprint: `test-${format}`, layers, kvHeads: 2, headDim: 8, pageTokens: PAGE_TOKENS, format, rotations };
}

/** Planes as caches have them: channels of different scales, some constant, some zero, some tokens far out. */
function drawPlanes(shape: CacheShape, tokens: number, random: RandomStream) {
  const planes = emptyPlanes(shape, tokens);
  for (const data of planes.data) {
    for (let c = 0; c < channelCount(shape); c++) {
      const scale = random.chance(0.15) ? 0 : random.exponential(1);
      const offset = random.normal() * 2 * random.int(0, 1);
      for (let t = 0; t < tokens; t++) data[c * tokens + t] = offset + scale * random.normal();
    }
    if (random.chance(0.3)) for (let i = random.int(0, tokens - 1); i < data.length; i += tokens) data[i]! *= 40;
    if (random.chance(0.3)) for (let i = random.int(0, tokens - 1); i < data.length; i += tokens) data[i] = 0;
  }
  return planes;
}

function drawChunk(shape: CacheShape, tokens: number, random: RandomStream): KvChunk {
  const firstPosition = random.int(0, 300);
  const tokenIds = drawIds(tokens, random);
  return {
    pages: planesToPages(shape, drawPlanes(shape, tokens, random), firstPosition),
    tokens,
    firstPosition,
    tokenIds,
  };
}

/** Few, so that a profile has seen some of them often, and some it has not. */
function drawIds(tokens: number, random: RandomStream): number[] {
  return Array.from({ length: tokens }, () => (random.chance(0.1) ? random.int(1000, 2000) : random.int(0, 20)));
}

function predictionOf(shape: CacheShape): PredictionTables {
  const profiler = new PredictionProfiler(shape);
  const random = createRandom(SEED, "prediction");
  for (let i = 0; i < 3; i++) profiler.add(drawPlanes(shape, 40, random), drawIds(40, random));
  return profiler.finish();
}

function profileOf(shape: CacheShape): ProfiledTables {
  const profiler = new TableProfiler(shape);
  const random = createRandom(SEED, "profile");
  for (let i = 0; i < 3; i++) profiler.add(drawPlanes(shape, 40, random));
  return profiler.finish();
}

const LEVELS = Object.entries(CODEC_LEVELS).flatMap(([variant, count]) =>
  Array.from({ length: count }, (_, level) => ({ variant, level }) as CodecLevel & { readonly level: number }),
);

const codecs = new Map<string, KvCodec>();

beforeAll(async () => {
  for (const format of ["f32", "int8"] as const) {
    const shape = shapeOf(format);
    codecs.set(format, await KvCodec.create(shape, { tables: profileOf(shape), prediction: predictionOf(shape) }));
  }
});

const codecOf = (format: string): KvCodec => codecs.get(format)!;

/** Root of the mean square of differences over that of values, all planes. */
function relativeError(shape: CacheShape, a: KvChunk, b: KvChunk): number {
  const [x, y] = [a, b].map((chunk) => pagesToPlanes(shape, chunk.pages, chunk.tokens, chunk.firstPosition).data);
  let [error, signal] = [0, 0];
  x!.forEach((plane, p) => {
    plane.forEach((value, i) => {
      error += (value - y![p]![i]!) ** 2;
      signal += value * value;
    });
  });
  return Math.sqrt(error / Math.max(signal, 1e-30));
}

describe.each(["f32", "int8"])("chunks of %s", (format) => {
  it("come back whole from every variant and level, nearer the finer it is, at any length", () => {
    const codec = codecOf(format);
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 37 }), (seed, tokens) => {
        const chunk = drawChunk(codec.shape, tokens, createRandom(seed, "chunk"));
        const errors = LEVELS.map((level) => {
          const back = codec.decode(codec.encode(chunk, level), chunk);
          expect([back.tokens, back.firstPosition]).toEqual([tokens, chunk.firstPosition]);
          expect(back.header.variant).toBe(level.variant);
          return relativeError(codec.shape, chunk, back);
        });
        expect(errors[0]).toBe(0);
        // Steps of the predicted variant are of the profile's deviations, not of this chunk's (predicted.test.ts has its error).
        expect(errors.every((error, i) => error < 1.2 || LEVELS[i]!.variant === "predicted")).toBe(true);
      }),
      { seed: SEED, numRuns: 12 },
    );
  });

  it("lossless is exact for any bytes of whole pages", () => {
    const codec = codecOf(format);
    const { pageBytes } = pageLayout(codec.shape);
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 4 }), fc.constantFrom(1, 0.1, 0), (seed, pages, share) => {
        const random = createRandom(seed, "bytes");
        const bytes = Uint8Array.from({ length: pages * pageBytes }, () =>
          random.chance(share) ? random.int(0, 255) : 63,
        );
        const chunk = { pages: bytes, tokens: pages * PAGE_TOKENS, firstPosition: 5 };
        const coded = codec.encode(chunk);
        expect(Buffer.from(codec.decode(coded).pages).equals(bytes)).toBe(true);
        expect(coded.length).toBeLessThan(bytes.length + 300);
      }),
      { seed: SEED, numRuns: 12 },
    );
  });

  it("has no error beyond half a bin but for what escapes and anchors round", () => {
    const codec = codecOf(format);
    const random = createRandom(SEED, "smooth");
    const shape = codec.shape;
    const planes = emptyPlanes(shape, 40);
    for (const data of planes.data) for (let i = 0; i < data.length; i++) data[i] = random.normal();
    const tokenIds = drawIds(40, random);
    const chunk = { pages: planesToPages(shape, planes, 0), tokens: 40, firstPosition: 0, tokenIds };
    const errors = LEVELS.map((level) => relativeError(shape, chunk, codec.decode(codec.encode(chunk, level), chunk)));
    const sizes = LEVELS.map((level) => codec.encode(chunk, level).length);
    const of = (variant: string, from: readonly number[]) => from.filter((_, i) => LEVELS[i]!.variant === variant);
    for (const variant of ["anchored", "released", "predicted"]) {
      expect(of(variant, errors)).toEqual(of(variant, errors).toSorted((a, b) => a - b));
      expect(of(variant, sizes)).toEqual(of(variant, sizes).toSorted((a, b) => b - a));
    }
  });
});

describe("positions", () => {
  it("keys of a chunk can be put at other positions: they are turned as if they had been computed there", () => {
    const codec = codecOf("f32");
    const planes = drawPlanes(codec.shape, 20, createRandom(SEED, "shift"));
    const at = (firstPosition: number): KvChunk => ({
      pages: planesToPages(codec.shape, planes, firstPosition),
      tokens: 20,
      firstPosition,
    });
    const moved = codec.decode(codec.encode(at(7), { variant: "anchored", level: 0 }), { shift: 100 });
    const there = codec.decode(codec.encode(at(107), { variant: "anchored", level: 0 }));
    expect(moved.firstPosition).toBe(107);
    expect(relativeError(codec.shape, moved, there)).toBeLessThan(0.02);
  });

  it("planes come back from pages to rounding, from int8 to its own", () => {
    for (const format of ["f32", "int8"] as const) {
      const shape = shapeOf(format);
      const planes = drawPlanes(shape, 19, createRandom(SEED, "planes"));
      const back = pagesToPlanes(shape, planesToPages(shape, planes, 11), 19, 11);
      const error = planes.data.map((plane, p) => {
        const largest = plane.reduce((top, x) => Math.max(top, Math.abs(x)), 1e-9);
        return plane.reduce((top, x, i) => Math.max(top, Math.abs(x - back.data[p]![i]!)), 0) / largest;
      });
      expect(Math.max(...error)).toBeLessThan(format === "f32" ? 1e-5 : 0.02);
    }
  });
});

describe("foreign bytes", () => {
  it("of any kind end in invalid_file or unsupported, and change nothing", () => {
    const codec = codecOf("f32");
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...LEVELS), (seed, level) => {
        const random = createRandom(seed, "fuzz");
        const chunk = drawChunk(codec.shape, random.int(1, 20), random);
        const coded = codec.encode(chunk, level);
        const damaged = [
          coded.slice(0, random.int(0, coded.length - 1)),
          coded.map((byte, i) => (i === random.int(0, coded.length - 1) ? byte ^ (1 << random.int(0, 7)) : byte)),
          Uint8Array.from({ length: random.int(0, 90) }, () => random.int(0, 255)),
          resealed(coded, random),
        ];
        for (const bytes of damaged) {
          expect(["invalid_file", "unsupported", null]).toContain(codeThrown(() => decodeAny(codec, bytes, chunk)));
        }
        expect(codeThrown(() => codec.decode(coded, chunk))).toBeNull();
      }),
      { seed: SEED, numRuns: 60 },
    );
  });

  it("of another model, or made with other tables, are unsupported", async () => {
    const codec = codecOf("f32");
    const chunk = drawChunk(codec.shape, 16, createRandom(SEED, "other"));
    const coded = codec.encode(chunk, { variant: "anchored", level: 1 });
    const other = await KvCodec.create({ ...codec.shape, fingerprint: "other" });
    expect(codeThrown(() => other.decode(coded))).toBe("unsupported");
    const without = await KvCodec.create(codec.shape);
    expect(codeThrown(() => without.decode(coded))).toBe("unsupported");
    expect(codeThrown(() => without.encode(chunk, { variant: "anchored", level: 1 }))).toBe("invalid_request");
    expect(codeThrown(() => codec.encode(chunk, { variant: "anchored", level: 9 }))).toBe("invalid_request");
    expect(codeThrown(() => codec.encode({ ...chunk, tokens: 60 }))).toBe("invalid_request");
  });
});

/** Damage may change how many tokens a chunk says it has: then it is given as many. */
function decodeAny(codec: KvCodec, bytes: Uint8Array, { tokenIds = [] }: KvChunk): void {
  const { tokens } = codec.header(bytes);
  codec.decode(bytes, { tokenIds: Array.from({ length: Math.min(tokens, 4096) }, (_, i) => tokenIds[i] ?? 0) });
}

/** Damages the body and makes the checksum right again: what a liar would send. */
function resealed(coded: Uint8Array, random: RandomStream): Uint8Array {
  const bytes = coded.slice();
  for (let i = 0; i < 3; i++) bytes[random.int(40, bytes.length - 1)] = random.int(0, 255);
  return withChecksum(bytes);
}

function withChecksum(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(40, bytes.length - 48, true);
  view.setUint32(44, crc32(bytes.subarray(48), crc32(bytes.subarray(0, 44))), true);
  return bytes;
}

describe("tables", () => {
  it("come back from their bytes with the same id, and nothing else is taken for them", () => {
    const shape = shapeOf("f32");
    const tables = profileOf(shape);
    // As a file is read: a part of a larger buffer.
    const again = readTables(shape, Buffer.concat([Buffer.alloc(5), tables.bytes]).subarray(5));
    expect(again.id).toBe(tables.id);
    expect(again.deviations).toEqual(tables.deviations);
    expect(again.anchors.starts).toEqual(tables.anchors.starts);
    expect(again.deltas.map((level) => level.starts)).toEqual(tables.deltas.map((level) => level.starts));
    expect(codeThrown(() => readTables({ ...shape, fingerprint: "other" }, tables.bytes))).toBe("invalid_file");
    const random = createRandom(SEED, "tables");
    for (let i = 0; i < 60; i++) {
      const cut = tables.bytes.slice(0, random.int(0, tables.bytes.length - 1));
      expect(codeThrown(() => readTables(shape, cut))).toBe("invalid_file");
      const damaged = tables.bytes.map((byte) => (random.chance(0.01) ? random.int(0, 255) : byte));
      expect(["invalid_file", null]).toContain(codeThrown(() => readTables(shape, damaged)));
    }
  });

  it("need some text", () => {
    expect(codeThrown(() => new TableProfiler(shapeOf("f32")).finish())).toBe("invalid_request");
  });
});

describe("numbers as bits", () => {
  it("come back, and the end is found", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: -(2 ** 29), max: 2 ** 29 }), { maxLength: 30 }), (values) => {
        const writer = new BitWriter();
        for (const value of values) writer.signed(value);
        const reader = new BitReader(writer.bytes());
        expect(values.map(() => reader.signed())).toEqual(values.map((value) => value + 0));
        reader.end();
      }),
      { seed: SEED, numRuns: 100 },
    );
  });

  it("scales in two bytes are never too small and at most 1 % too large", () => {
    fc.assert(
      fc.property(fc.float({ min: 0, max: 2 ** 100, noNaN: true }), (scale) => {
        const packed = unpackScale(packScale(scale));
        expect(packed >= scale && packed <= Math.max(scale * 1.01, 1e-38)).toBe(true);
      }),
      { seed: SEED, numRuns: 200 },
    );
  });
});
