import * as fc from "fast-check";
import { expect, test } from "vitest";
import { KNEE_CHUNKS, kneeDecodes, kneeOfSteps } from "./knee.ts";

test("half of the slots decode beside the chunks, and never more than sixteen", () => {
  expect([1, 2, 7, 32, 256].map(kneeDecodes)).toEqual([1, 1, 4, 16, 16]);
});

test("nothing measured, no knee", () => {
  expect(kneeOfSteps([])).toBeNull();
});

test("the more each decode costs of its own, the larger the step that pays off, whatever the machine", () => {
  const machine = fc.record({
    baseMs: fc.double({ min: 0.5, max: 50, noNaN: true }),
    tokenMs: fc.double({ min: 0.005, max: 1, noNaN: true }),
    extraMs: fc.double({ min: 0, max: 4, noNaN: true }),
  });
  fc.assert(
    fc.property(machine, fc.integer({ min: 1, max: 16 }), ({ baseMs, tokenMs, extraMs }, decodes) => {
      const kneeAt = (extra: number): number =>
        kneeOfSteps(
          KNEE_CHUNKS.map((chunk) => ({
            tokens: chunk + decodes,
            stepMs: baseMs + tokenMs * (chunk + decodes) + extra * decodes,
          })),
        )!;
      // Straight lines between sizes put the same knee a rounding apart.
      expect(kneeAt(extraMs)).toBeGreaterThanOrEqual(kneeAt(0) - 1);
    }),
    { seed: 4, numRuns: 200 },
  );
});

test("a larger step that was quicker is noise", () => {
  const steps = [20, 40, 80, 160].map((tokens) => ({ tokens, stepMs: 10 }));
  const noisy = steps.map((step) => (step.tokens === 80 ? { ...step, stepMs: 2 } : step));
  expect(kneeOfSteps(noisy)).toBe(kneeOfSteps(steps));
});
