import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { AdamW, globalNorm, type Parameter } from "./adamw.ts";
import { learningRate } from "./schedule.ts";

const parameter = (name: string, values: number[], decays: boolean): Parameter => ({
  name,
  dims: [values.length],
  data: Float32Array.from(values),
  decays,
});

/** The update as the paper writes it, in float64, one number at a time. */
function referenceRun(start: number, gradients: readonly number[], rate: number, decay: number): number {
  let [w, m, v] = [start, 0, 0];
  gradients.forEach((g, i) => {
    m = 0.9 * m + 0.1 * g;
    v = 0.95 * v + 0.05 * g * g;
    const corrected = m / (1 - 0.9 ** (i + 1)) / (Math.sqrt(v / (1 - 0.95 ** (i + 1))) + 1e-8);
    w = w - rate * decay * w - rate * corrected;
  });
  return w;
}

describe("AdamW", () => {
  test("follows the paper, with decay only where it is asked for", () => {
    const random = createRandom(3);
    const gradients = Array.from({ length: 20 }, () => random.normal() * 0.1);
    const optimizer = new AdamW([parameter("w", [0.7], true), parameter("b", [0.7], false)], { clipNorm: Infinity });
    for (const g of gradients) optimizer.step([Float32Array.of(g), Float32Array.of(g)], 0.01);
    expect(optimizer.parameters[0]!.data[0]).toBeCloseTo(referenceRun(0.7, gradients, 0.01, 0.1), 5);
    expect(optimizer.parameters[1]!.data[0]).toBeCloseTo(referenceRun(0.7, gradients, 0.01, 0), 5);
  });

  test("clips by the norm over all parameters and reports the norm before", () => {
    const clipped = new AdamW([parameter("w", [1, 1], false), parameter("v", [1], false)], { clipNorm: 1 });
    expect(clipped.step([Float32Array.of(3, 0), Float32Array.of(4)], 0.1)).toBeCloseTo(5, 6);
    expect(clipped.firstMoments[0]![0]).toBeCloseTo(0.1 * 0.6, 6);
    expect(clipped.firstMoments[1]![0]).toBeCloseTo(0.1 * 0.8, 6);
  });

  test("the average trails the weights", () => {
    const optimizer = new AdamW([parameter("w", [0], false)], { emaDecay: 0.99 });
    for (let i = 0; i < 50; i++) optimizer.step([Float32Array.of(-1)], 0.1);
    const weight = optimizer.parameters[0]!.data[0]!;
    const average = optimizer.averages[0]![0]!;
    expect(average).toBeGreaterThan(0);
    expect(average).toBeLessThan(weight);
  });

  test("globalNorm sums every element, whatever the length", () => {
    for (const length of [0, 1, 3, 4, 7]) {
      const values = Float32Array.from({ length }, (_, i) => i + 1);
      expect(globalNorm([values])).toBeCloseTo(Math.hypot(...values), 6);
    }
  });
});

describe("learning rates", () => {
  test("cosine: warms up to the peak, ends at the floor", () => {
    const schedule = { kind: "cosine", peak: 1, floor: 0.1, warmupSteps: 10 } as const;
    expect(learningRate(schedule, 0, 100)).toBeCloseTo(0.1);
    expect(learningRate(schedule, 9, 100)).toBe(1);
    expect(learningRate(schedule, 99, 100)).toBeCloseTo(0.1);
    for (let step = 11; step < 100; step++) {
      expect(learningRate(schedule, step, 100)).toBeLessThan(learningRate(schedule, step - 1, 100));
    }
  });

  test("wsd: flat in the middle, linear at the end", () => {
    const schedule = { kind: "wsd", peak: 1, floor: 0, warmupSteps: 10, decaySteps: 20, decay: "linear" } as const;
    expect(learningRate(schedule, 50, 100)).toBe(1);
    expect(learningRate(schedule, 79, 100)).toBe(1);
    expect(learningRate(schedule, 89, 100)).toBeCloseTo(0.5);
    expect(learningRate(schedule, 99, 100)).toBeCloseTo(0);
    const root = { ...schedule, decay: "root" } as const;
    expect(learningRate(root, 79, 100)).toBe(1);
    expect(learningRate(root, 84, 100)).toBeCloseTo(0.5);
    expect(learningRate(root, 99, 100)).toBeCloseTo(0);
  });
});
