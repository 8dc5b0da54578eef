import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../../core/index.ts";
import {
  chooseChunk,
  choicesOf,
  GoodputMeter,
  LINK_CAUTION,
  loadMs,
  type ChunkChoice,
  type ChunkOffer,
} from "./controller.ts";
import { playLoad, transferMs, type LinkTrace } from "./link.ts";

const SEED = 20261126;

function drawChunks(seed: number, count: number, text = true): ChunkOffer[] {
  const random = createRandom(seed, "chunks");
  return Array.from({ length: count }, () => {
    const finest = random.int(500, 3000);
    const levelBytes = [1, 0.7, 0.45, 0.3].map((share) => Math.round(finest * share));
    const decodeMs = levelBytes.map((bytes) => bytes / 400);
    return { levelBytes, decodeMs, textBytes: 80, recomputeMs: text ? random.int(5, 80) : Infinity };
  });
}

/** Every way to fetch all chunks. */
function* plans(chunks: readonly ChunkOffer[]): Generator<ChunkChoice[]> {
  const [first, ...rest] = chunks;
  if (first === undefined) return yield [];
  for (const choice of choicesOf(first)) for (const others of plans(rest)) yield [choice, ...others];
}

const rank = (choice: ChunkChoice): number => (choice.kind === "text" ? 4 : choice.level);

describe("chooseChunk against every plan", () => {
  it("meets an objective that a level or text can meet, at the finest such, and what is soonest when nothing can be in time", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 1, max: 400 }),
        fc.boolean(),
        (seed, count, leftMs, text) => {
          const random = createRandom(seed, "link");
          const chunks = drawChunks(seed, count, text);
          const progress = { chunks, leftMs, backlogMs: random.int(0, 20), goodput: random.int(5, 200) };
          const all = Array.from(plans(chunks), (choices) => ({ choices, ms: loadMs(progress, choices) }));
          const uniform = all.filter(({ choices }) => choices.every((choice) => rank(choice) === rank(choices[0]!)));
          const met = uniform.filter(({ ms }) => ms <= leftMs);
          const { choice, expectedMs } = chooseChunk(progress);
          if (met.length > 0) {
            expect(expectedMs <= leftMs).toBe(true);
            expect(rank(choice)).toBe(Math.min(...met.map(({ choices }) => rank(choices[0]!))));
          } else {
            const least = (made: readonly { readonly ms: number }[]): number => Math.min(...made.map(({ ms }) => ms));
            expect(expectedMs >= least(all) - 1e-9).toBe(true);
            const hoped = all.map(({ choices }) => loadMs({ ...progress, goodput: 8 * progress.goodput }, choices));
            if (hoped.every((ms) => ms > leftMs)) expect(expectedMs <= least(uniform) + 1e-9).toBe(true);
          }
        },
      ),
      { seed: SEED, numRuns: 150 },
    );
  });

  it("asked again before every chunk on a steady link, it keeps every objective that it kept at first, and is as fine", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 2, max: 5 }),
        fc.integer({ min: 20, max: 600 }),
        (seed, count, objectiveMs) => {
          const chunks = drawChunks(seed, count);
          const rate = createRandom(seed, "rate").int(5, 200);
          const trace = [{ fromMs: 0, rate }];
          const load = playLoad(chunks, trace, { kind: "controller", objectiveMs, priorGoodput: rate, caution: 1 });
          const first = chooseChunk({ chunks, leftMs: objectiveMs, backlogMs: 0, goodput: rate });
          if (first.expectedMs <= objectiveMs) {
            expect(load.ms).toBeLessThanOrEqual(objectiveMs + 1e-6);
            expect(load.choices.every((choice) => rank(choice) <= rank(first.choice))).toBe(true);
          }
        },
      ),
      { seed: SEED, numRuns: 150 },
    );
  });
});

describe("on links whose rate changes", () => {
  it("misses fewer objectives than any fixed level, and than text", () => {
    const random = createRandom(SEED, "traces");
    const chunks = Array.from({ length: 10 }, (): ChunkOffer => {
      const levelBytes = [20_000, 13_000, 9_000, 6_500];
      return { levelBytes, decodeMs: levelBytes.map((bytes) => bytes / 20_000), textBytes: 300, recomputeMs: 45 };
    });
    const objectiveMs = 300;
    const missed = new Map<string, number>();
    for (let run = 0; run < 300; run++) {
      const trace: LinkTrace = Array.from({ length: 40 }, (_, i) => ({
        fromMs: i * 150,
        rate: 30 * 10 ** (random.uniform() * 2),
      }));
      const strategies = [
        ...choicesOf(chunks[0]!).map((choice) => ({ kind: "fixed", choice }) as const),
        { kind: "controller", objectiveMs, priorGoodput: 300, caution: LINK_CAUTION } as const,
      ];
      for (const strategy of strategies) {
        const name = strategy.kind === "controller" ? "controller" : String(rank(strategy.choice));
        const { ms } = playLoad(chunks, trace, strategy);
        missed.set(name, (missed.get(name) ?? 0) + (ms > objectiveMs ? 1 : 0));
      }
    }
    for (const [name, count] of missed) {
      if (name !== "controller") expect(missed.get("controller")!, name).toBeLessThanOrEqual(count);
    }
  });

  it("bytes take the time that the rates give them", () => {
    const trace = [
      { fromMs: 0, rate: 10 },
      { fromMs: 5, rate: 100 },
    ];
    expect(transferMs(trace, 50, 0)).toBe(5);
    expect(transferMs(trace, 150, 0)).toBe(6);
    expect(transferMs(trace, 100, 4)).toBeCloseTo(1.9, 9);
    expect(transferMs(trace, 0, 2)).toBe(0);
  });
});

describe("goodput", () => {
  it("is the prior, then what the last chunks got, the less of the last and the last three", () => {
    const meter = new GoodputMeter(7);
    expect(meter.goodput).toBe(7);
    meter.record(100, 10);
    expect(meter.goodput).toBe(10);
    meter.record(100, 2);
    expect(meter.goodput).toBeCloseTo(200 / 12, 9);
    meter.record(10, 10);
    expect(meter.goodput).toBe(1);
    meter.record(0, 10);
    expect(meter.goodput).toBe(1);
  });
});
