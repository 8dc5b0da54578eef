import * as fc from "fast-check";
import { expect, test } from "vitest";
import { copyFrom, matchLength, MOST_CANDIDATES, NgramDrafter, NgramIndex } from "./ngram.ts";

/** The same in the plainest way: every earlier position, the latest few with a match, the longest of them. */
function naiveFind(tokens: Int32Array, minMatch: number, maxMatch: number): number {
  const matches: number[] = [];
  for (let at = tokens.length - 1; at >= minMatch; at--) {
    if (matchLength(tokens, at, maxMatch) >= minMatch) matches.push(at);
  }
  let best = -1;
  for (const at of matches.slice(0, MOST_CANDIDATES)) {
    if (best < 0 || matchLength(tokens, at, maxMatch) > matchLength(tokens, best, maxMatch)) best = at;
  }
  return best;
}

test("finds what a search of the whole text finds, token after token", () => {
  const setup = fc.record({
    text: fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 120 }),
    minMatch: fc.integer({ min: 1, max: 4 }),
    more: fc.integer({ min: 0, max: 4 }),
    stride: fc.integer({ min: 1, max: 7 }),
  });
  const property = fc.property(setup, ({ text, minMatch, more, stride }) => {
    const index = new NgramIndex({ minMatch, maxMatch: minMatch + more });
    for (let length = 0; length <= text.length; length += stride) {
      const tokens = Int32Array.from(text.slice(0, length));
      expect(index.find(tokens)).toBe(naiveFind(tokens, minMatch, minMatch + more));
    }
  });
  fc.assert(property, { seed: 71, numRuns: 150 });
});

test("the longest match counts, then the latest", () => {
  const index = new NgramIndex({ minMatch: 2, maxMatch: 4 });
  //                               0  1  2  3  4  5  6  7  8  9 10 11
  const tokens = Int32Array.from([9, 1, 2, 3, 7, 8, 2, 3, 6, 1, 2, 3]);
  expect(index.find(tokens)).toBe(4); // behind 1 2 3, not behind the later 2 3
  expect(new NgramIndex({ minMatch: 2, maxMatch: 2 }).find(tokens)).toBe(8);
});

test("a copy that reaches the end goes on with itself", () => {
  expect(copyFrom(Int32Array.of(5, 5, 5), 2, 4)).toEqual([5, 5, 5, 5]);
  expect(copyFrom(Int32Array.of(1, 2, 3, 1, 2, 3), 4, 6)).toEqual([2, 3, 2, 3, 2, 3]);
  expect(copyFrom(Int32Array.of(1, 2, 3, 4), 0, 2)).toEqual([1, 2]);
});

test("drafts what followed, and nothing without a match", async () => {
  const drafter = new NgramDrafter({ minMatch: 2 });
  const subject = { id: 1, tokens: Int32Array.of(4, 5, 6, 7, 4, 5), promptTokens: 4 };
  expect(drafter.available(subject, 3)).toBe(3);
  expect(await drafter.draft([{ subject, most: 3 }])).toEqual([
    { source: "ngram", tokens: [6, 7, 4], proposals: null },
  ]);
  const other = { id: 2, tokens: Int32Array.of(1, 2, 3), promptTokens: 3 };
  expect(drafter.available(other, 3)).toBe(0);
  expect((await drafter.draft([{ subject: other, most: 3 }]))[0]!.tokens).toEqual([]);
  drafter.release(1);
  expect(drafter.available({ ...subject, tokens: Int32Array.of(1, 2) }, 3)).toBe(0); // a new life may be shorter
});
