import * as fc from "fast-check";
import { expect, test } from "vitest";
import { PredictionCursor, PredictionDrafter } from "./prediction.ts";

const after = (prediction: number[], answer: number[], most = 4): number[] => [
  ...new PredictionCursor(prediction).after(Int32Array.from(answer), most),
];

test("follows an answer that is as predicted", () => {
  expect(after([1, 2, 3, 4, 5], [])).toEqual([1, 2, 3, 4]);
  expect(after([1, 2, 3, 4, 5], [1, 2, 3])).toEqual([4, 5]);
  expect(after([1, 2, 3], [1, 2, 3])).toEqual([]);
});

test("is lost where they part and finds its place again, the nearest ahead first", () => {
  const prediction = [1, 2, 3, 4, 5, 6, 7, 8, 3, 4, 9];
  expect(after(prediction, [1, 2, 90])).toEqual([]); // replaced
  expect(after(prediction, [1, 2, 90, 4, 5])).toEqual([6, 7, 8, 3]);
  expect(after(prediction, [1, 2, 90, 91, 3, 4], 2)).toEqual([5, 6]); // inserted
  expect(after(prediction, [1, 2, 5, 6], 2)).toEqual([7, 8]); // dropped
  expect(after(prediction, [1, 2, 3, 4, 5, 6, 7, 8, 90, 3, 4], 2)).toEqual([9]); // ahead, not behind
  expect(after(prediction, [1, 2, 3, 4, 5, 90, 1, 2], 2)).toEqual([3, 4]); // behind, when nothing is ahead
});

test("a section before the text does not cost the prediction", () => {
  expect(after([1, 2, 3], [50, 51, 52, 1], 2)).toEqual([2, 3]);
});

test("whatever the answer, what is drafted stands in the prediction, and telling it at once or by pieces is the same", () => {
  const tokens = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 30 });
  const property = fc.property(tokens, tokens, fc.integer({ min: 1, max: 5 }), (prediction, answer, most) => {
    const cursor = new PredictionCursor(prediction);
    for (let length = 0; length <= answer.length; length++) {
      const answered = answer.slice(0, length);
      const drafted = [...cursor.after(Int32Array.from(answered), most)];
      expect(drafted).toEqual(after(prediction, answered, most));
      const text = `,${prediction.join()},`;
      expect(drafted.length === 0 || text.includes(`,${drafted.join()},`)).toBe(true);
    }
  });
  fc.assert(property, { seed: 72, numRuns: 150 });
});

test("drafts for sequences with a prediction only", async () => {
  const drafter = new PredictionDrafter((id) => (id === 1 ? [7, 8, 9] : null));
  const subject = { id: 1, tokens: Int32Array.of(3, 7), promptTokens: 1 };
  expect(drafter.available(subject, 5)).toBe(2);
  expect(drafter.available({ ...subject, id: 2 }, 5)).toBe(0);
  expect(await drafter.draft([{ subject, most: 1 }])).toEqual([{ source: "prediction", tokens: [8], proposals: null }]);
});
