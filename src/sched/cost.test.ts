import * as fc from "fast-check";
import { expect, test } from "vitest";
import { costFromPoints, StepCost } from "./cost.ts";

test("the live estimate is that of its points, bit by bit, whatever was observed in whatever order", () => {
  const observation = fc.tuple(fc.integer({ min: 1, max: 5000 }), fc.double({ min: 0, max: 1000, noNaN: true }));
  const property = fc.property(fc.array(observation, { maxLength: 80 }), fc.array(fc.nat(9000)), (observed, asked) => {
    const cost = new StepCost();
    for (const [tokens, stepMs] of observed) cost.observe(tokens, stepMs);
    const points = cost.points();
    for (let i = 1; i < points.length; i++) expect(points[i]![0]).toBeGreaterThan(points[i - 1]![0]);
    const estimate = costFromPoints(points);
    for (const tokens of asked) expect(cost.stepMs(tokens)).toBe(estimate.stepMs(tokens));
  });
  fc.assert(property, { seed: 5_001, numRuns: 300 });
});

test("points are as they were when they were asked for", () => {
  const cost = new StepCost();
  cost.observe(8, 10);
  const before = cost.points();
  cost.observe(8, 20);
  expect(before).toEqual([[8, 10]]);
  expect(cost.points()).toEqual([[8, 11]]);
});
