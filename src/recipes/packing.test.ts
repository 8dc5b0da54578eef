import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { IGNORED_TARGET } from "../llm/index.ts";
import { PackedBatch, packBatch, type TokenItem } from "./packing.ts";
import { shareOf } from "./statistics.ts";

const item = (first: number, length: number): TokenItem => ({
  tokens: Array.from({ length }, (_, i) => first + i),
  lossMask: Array.from({ length }, (_, i) => (i >= length / 2 ? 1 : 0)),
});
const numbers = (tensor: { data: unknown }): number[] => Array.from(tensor.data as BigInt64Array, Number);

describe("packing", () => {
  test("two items in a row: shifted targets, restarted positions, own segments, masked prompts", () => {
    const batch = new PackedBatch({ batch: 1, length: 8 });
    expect(batch.add(item(10, 4))).toBe(true);
    expect(batch.add(item(20, 5))).toBe(true);
    expect(batch.add(item(30, 3))).toBe(false);
    const feeds = batch.feeds();
    const none = IGNORED_TARGET;
    expect(numbers(feeds.ids)).toEqual([10, 11, 12, 20, 21, 22, 23, 0]);
    expect(numbers(feeds.targets)).toEqual([none, 12, 13, none, none, 23, 24, none]);
    expect(numbers(feeds.positions)).toEqual([0, 1, 2, 0, 1, 2, 3, 0]);
    expect(numbers(feeds.segments)).toEqual([1, 1, 1, 2, 2, 2, 2, 0]);
    expect([batch.targetWeight, batch.usedTokens]).toEqual([4, 7]);
    expect(numbers(feeds.weights)).toEqual([0, 1, 1, 0, 0, 1, 1, 0]);
  });

  test("given tokens are targets of less weight where the phase asks for it", () => {
    const batch = new PackedBatch({ batch: 1, length: 4 }, 0.25);
    expect(batch.add({ tokens: [10, 11, 12, 13], lossMask: [0, 0, 1, 1] })).toBe(true);
    const feeds = batch.feeds();
    expect(numbers(feeds.targets)).toEqual([11, 12, 13, IGNORED_TARGET]);
    expect(numbers(feeds.weights)).toEqual([0.25, 1, 1, 0]);
    expect(batch.targetWeight).toBe(2.25);
  });

  test("every kept item is whole, and rows are nearly full", () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const random = createRandom(seed);
        let kept = 0;
        const batch = packBatch({ batch: 4, length: 64 }, () => item(100 * ++kept, random.int(5, 20)));
        const [ids, segments, positions] = (["ids", "segments", "positions"] as const).map((n) =>
          numbers(batch.feeds()[n]),
        );
        for (let i = 0; i < 256; i++) {
          if (segments![i] === 0) continue;
          const starts = i % 64 === 0 || segments![i] !== segments![i - 1];
          expect(positions![i]).toBe(starts ? 0 : positions![i - 1]! + 1);
          if (!starts) expect(ids![i]).toBe(ids![i - 1]! + 1);
        }
        expect(batch.usedTokens).toBeGreaterThan(200);
      }),
      { seed: 4, numRuns: 50 },
    );
  });
});

test("Wilson intervals: known values, inside 0..1", () => {
  expect(shareOf(950, 1000).interval95[0]).toBeCloseTo(0.9347, 4);
  expect(shareOf(950, 1000).interval95[1]).toBeCloseTo(0.9619, 4);
  expect(shareOf(0, 10).interval95[0]).toBeCloseTo(0, 12);
  expect(shareOf(10, 10).interval95[1]).toBeCloseTo(1, 12);
});
