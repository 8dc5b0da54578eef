import { expect, test } from "vitest";
import { jaccardDistance, separation } from "./masks.ts";

test("sets that are alike are near, others far", () => {
  expect(jaccardDistance(new Set([1, 2]), new Set([1, 2]))).toBe(0);
  expect(jaccardDistance(new Set([1, 2]), new Set([3]))).toBe(1);
  expect(jaccardDistance(new Set([1, 2, 3]), new Set([2, 3, 4]))).toBe(0.5);
  expect(jaccardDistance(new Set(), new Set())).toBe(0);
});

test("groups that differ are apart, mixed ones are not", () => {
  const distance = Float64Array.from([0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 0, 0, 1, 1, 0, 0]);
  expect(separation(distance, Int32Array.of(0, 0, 1, 1))).toBe(1);
  expect(separation(distance, Int32Array.of(0, 1, 0, 1))).toBe(-0.5);
});
