/** What is remembered of exact chunks, against a set that forgets nothing: never more is called exact than is. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ExactChunks } from "./exact-chunks.ts";
import { chunkPlaces } from "./types.ts";

const places = chunkPlaces(
  Array.from({ length: 6 * 64 }, (_, i) => i),
  64,
  16,
);

test("leading chunks are exact up to the first that is not known to be, and none is after it was replaced", () => {
  const exact = new ExactChunks();
  expect(exact.leadingTokens(places)).toBe(0);
  exact.add(places.slice(0, 3));
  expect(exact.leadingTokens(places)).toBe(192);
  exact.add(places.slice(4));
  expect(exact.leadingTokens(places)).toBe(192);
  exact.delete(places[1]!);
  expect(exact.leadingTokens(places)).toBe(64);
  exact.add(places.slice(1, 4));
  expect(exact.leadingTokens(places)).toBe(384);
  expect(exact.leadingTokens([])).toBe(0);
});

test("however much is forgotten, nothing is called exact that is not", () => {
  const index = fc.nat({ max: places.length - 1 });
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.boolean(), index), { maxLength: 40 }),
      fc.integer({ min: 1, max: 8 }),
      (ops, most) => {
        const exact = new ExactChunks(most);
        const truth = new Set<number>();
        for (const [isAdded, at] of ops) {
          if (isAdded) {
            exact.add([places[at]!]);
            truth.add(at);
          } else {
            exact.delete(places[at]!);
            truth.delete(at);
          }
          const first = places.findIndex((_, i) => !truth.has(i));
          const most64 = (first < 0 ? places.length : first) * 64;
          const said = exact.leadingTokens(places);
          expect(said).toBeLessThanOrEqual(most64);
          if (most >= places.length) expect(said).toBe(most64);
        }
      },
    ),
    { seed: 32, numRuns: 100 },
  );
});
