import fc from "fast-check";
import { expect, test } from "vitest";
import { LatencyFit } from "./latency-fit.ts";

const SEED = 20261126;
const value = (min: number, max: number) => fc.double({ min, max, noNaN: true });

test("finds the curve behind exact measurements, as far as it is asked about what was measured", () => {
  fc.assert(
    fc.property(value(0.02, 0.6), value(0, 0.3), value(0, 0.25), (a, b, lambda) => {
      const fit = new LatencyFit(true);
      for (const share of [0.3, 0.4, 0.5, 0.6, 0.75, 0.9]) fit.add({ share, latency: a / (share - lambda) + b });
      for (const share of [0.35, 0.5, 0.7]) {
        const truth = a / (share - lambda) + b;
        expect(Math.abs(fit.curve()!.estimate(share) / truth - 1)).toBeLessThan(0.15);
      }
      const decode = new LatencyFit(false);
      for (const share of [0.2, 0.5]) decode.add({ share, latency: a / share + b });
      expect(decode.curve()!.estimate(0.3)).toBeCloseTo(a / 0.3 + b, 6);
    }),
    { seed: SEED },
  );
});

test("knows when it has seen too little, and that a share below what arrives never suffices", () => {
  const fit = new LatencyFit(true);
  for (const share of [0.5, 0.5, 0.6]) fit.add({ share, latency: 0.1 / (share - 0.3) });
  expect(fit.curve()).toBeNull();
  for (const share of [0.4, 0.7, 0.8]) fit.add({ share, latency: 0.1 / (share - 0.3) });
  const curve = fit.curve()!;
  expect(curve.lambda).toBeGreaterThan(0.2);
  expect(curve.estimate(curve.lambda)).toBe(Infinity);
  expect(curve.estimate(0)).toBe(Infinity);
});

test("forgets when the load is another", () => {
  const fit = new LatencyFit(false);
  for (const share of [0.2, 0.4, 0.6]) fit.add({ share, latency: 0.2 / share });
  fit.add({ share: 0.5, latency: 4 });
  expect(fit.curve()).toBeNull();
  fit.add({ share: 0.6, latency: 2 / 0.6 });
  expect(fit.curve()!.estimate(0.5)).toBeGreaterThan(3);
});

test("noise, equal points and odd numbers never make a curve that rises with the share", () => {
  fc.assert(
    fc.property(
      fc.boolean(),
      fc.array(fc.record({ share: value(0.01, 1), latency: value(0, 50) }), { minLength: 1, maxLength: 60 }),
      (queueing, points) => {
        const fit = new LatencyFit(queueing);
        for (const point of points) fit.add(point);
        const curve = fit.curve();
        if (curve === null) return;
        expect(curve.a).toBeGreaterThanOrEqual(0);
        expect(curve.estimate(0.9)).toBeLessThanOrEqual(curve.estimate(0.5));
        expect(Number.isNaN(curve.estimate(0.5))).toBe(false);
      },
    ),
    { seed: SEED },
  );
});
