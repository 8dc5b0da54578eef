import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, type RandomStream } from "../../core/index.ts";
import { FEATURE_COUNT, FEATURE_LEVELS, lengthFeatures, wordHashes, type LengthFeatures } from "./features.ts";
import { lengthDistribution, shareUpTo, survivingQuantile } from "./length-distribution.ts";
import { ForestLengthPredictor, OracleLengthPredictor } from "./length-predictor.ts";
import { QuantileForest } from "./quantile-forest.ts";

/** Four kinds of request, told apart by their words, with answers of their own lengths. */
const KINDS = [
  { words: [11, 12, 13, 14], mean: 3, spread: 0.4 },
  { words: [21, 22, 23, 24], mean: 4, spread: 0.7 },
  { words: [31, 32, 33, 34], mean: 5.5, spread: 0.3 },
  { words: [41, 42, 43, 44], mean: 6, spread: 0.9 },
];

interface Sample {
  readonly kind: number;
  readonly features: LengthFeatures;
  readonly tokens: number;
}

function draw(random: RandomStream): Sample {
  const kind = random.int(0, KINDS.length - 1);
  const { words, mean, spread } = KINDS[kind]!;
  const noise = Array.from({ length: random.int(5, 30) }, () => random.int(100, 600));
  const own = Array.from({ length: random.int(3, 8) }, () => random.pick(words));
  const tokens = Math.max(1, Math.round(Math.exp(mean + spread * random.normal())));
  return { kind, features: lengthFeatures([...own, ...noise], 4096), tokens };
}

function draws(name: string, count: number): Sample[] {
  const random = createRandom(7, name);
  return Array.from({ length: count }, () => draw(random));
}

function trained(count: number): ForestLengthPredictor {
  const random = createRandom(1, "forest");
  const predictor = new ForestLengthPredictor({ random, logSize: 800, trees: 60, renewEvery: 300 });
  for (const { features, tokens } of draws("train", count)) predictor.observe(features, tokens);
  return predictor;
}

describe("features", () => {
  test("are bounded levels, equal for equal prompts, different for different ones", () => {
    const property = fc.property(
      fc.array(fc.integer(), { maxLength: 3000 }),
      fc.integer({ min: 1, max: 1e6 }),
      (ids, max) => {
        const features = lengthFeatures(ids, max);
        expect(features).toHaveLength(FEATURE_COUNT);
        expect(Math.max(...features)).toBeLessThan(FEATURE_LEVELS);
        expect(lengthFeatures(Int32Array.from(ids), max)).toEqual(features);
      },
    );
    fc.assert(property, { seed: 5, numRuns: 60 });
    expect(lengthFeatures([1, 2, 3], 64)).not.toEqual(lengthFeatures([1, 2, 4], 64));
    expect(lengthFeatures([1, 2, 3], 64)).not.toEqual(lengthFeatures([1, 2, 3], 512));
  });

  test("spread neighbouring ids over the bags", () => {
    const touched = new Set<number>();
    for (let id = 0; id < 400; id++) {
      for (const [i, level] of lengthFeatures([id], 1).entries()) if (level > 0 && i >= 2) touched.add(i);
    }
    expect(touched.size).toBe(FEATURE_COUNT - 2);
  });

  test("hash words whatever their case and punctuation", () => {
    expect(wordHashes("Write a poem, please!")).toEqual(wordHashes("write a POEM please"));
    expect(wordHashes("one two three", 2)).toHaveLength(2);
    expect(wordHashes("")).toHaveLength(0);
  });
});

describe("the weighted quantile", () => {
  /** Meinshausen's definition word for word. */
  function naive(tokens: readonly number[], weights: readonly number[], reached: number, level: number): number | null {
    const left = tokens.map((t, i) => ({ t, w: weights[i]! })).filter(({ t }) => t > reached);
    const total = left.reduce((sum, { w }) => sum + w, 0);
    for (const { t } of left.toSorted((a, b) => a.t - b.t)) {
      const upTo = left.filter((other) => other.t <= t).reduce((sum, { w }) => sum + w, 0);
      if (upTo >= level * total) return t;
    }
    return null;
  }

  const samples = fc.array(fc.record({ t: fc.integer({ min: 0, max: 40 }), w: fc.integer({ min: 1, max: 64 }) }), {
    minLength: 1,
    maxLength: 30,
  });

  test("equals its plain twin", () => {
    const level = fc.constantFrom(0.125, 0.5, 0.75, 0.9375, 1);
    const property = fc.property(samples, fc.integer({ min: -1, max: 41 }), level, (list, reached, tau) => {
      const tokens = list.map(({ t }) => t);
      const weights = list.map(({ w }) => w);
      const distribution = lengthDistribution(tokens, weights);
      expect(survivingQuantile(distribution, reached, tau)).toBe(naive(tokens, weights, reached, tau));
      const below = list.filter(({ t }) => t <= reached).reduce((sum, { w }) => sum + w, 0);
      const total = list.reduce((sum, { w }) => sum + w, 0);
      expect(shareUpTo(distribution, reached)).toBeCloseTo(below / total, 12);
    });
    fc.assert(property, { seed: 11, numRuns: 500 });
  });

  test("never falls as an answer grows, and lies above what it has reached", () => {
    const property = fc.property(samples, fc.double({ min: 0.01, max: 1, noNaN: true }), (list, tau) => {
      const distribution = lengthDistribution(
        list.map(({ t }) => t),
        list.map(({ w }) => w / 7),
      );
      let last = -1;
      for (let reached = -1; reached <= 41; reached++) {
        const bound = survivingQuantile(distribution, reached, tau);
        if (bound === null) continue;
        expect(bound).toBeGreaterThan(reached);
        expect(bound).toBeGreaterThanOrEqual(last);
        last = bound;
      }
    });
    fc.assert(property, { seed: 12, numRuns: 200 });
  });
});

describe("the forest", () => {
  const predictor = trained(900);

  test("bounds what it has not seen as often as it says, over all and within each kind", () => {
    const held = draws("held out", 1500);
    const inside = (level: "upperTokens" | "expectedTokens", of: readonly Sample[]): number =>
      of.filter(({ features, tokens }) => tokens <= predictor.predict(features, 0, 4096)[level]).length / of.length;
    expect(inside("upperTokens", held)).toBeGreaterThan(0.92);
    expect(inside("upperTokens", held)).toBeLessThan(0.98);
    expect(inside("expectedTokens", held)).toBeGreaterThan(0.45);
    expect(inside("expectedTokens", held)).toBeLessThan(0.55);
    for (const kind of KINDS.keys()) {
      const own = held.filter((s) => s.kind === kind);
      expect(inside("upperTokens", own)).toBeGreaterThan(0.88);
    }
  });

  test("stays calibrated once answers have come some way", () => {
    for (const reached of [20, 60, 200]) {
      const alive = draws(`survivors of ${reached}`, 1500).filter(({ tokens }) => tokens > reached);
      const inside = alive.filter(
        ({ features, tokens }) => tokens <= predictor.predict(features, reached, 4096).upperTokens,
      );
      expect(inside.length / alive.length).toBeGreaterThan(0.9);
      expect(inside.length / alive.length).toBeLessThan(0.99);
    }
  });

  test("tells kinds apart: tighter than the whole log", () => {
    const all = lengthDistribution(
      draws("train", 800).map(({ tokens }) => tokens),
      new Float64Array(800).fill(1),
    );
    const blind = survivingQuantile(all, 0, 0.95)!;
    const held = draws("held out", 500).filter(({ kind }) => kind === 0);
    const mean = held.reduce((sum, { features }) => sum + predictor.predict(features, 0, 4096).upperTokens, 0);
    expect(mean / held.length).toBeLessThan(blind / 2);
  });

  test("is the same from the same log and seed, and follows a load that changes", () => {
    const first = trained(300);
    const second = trained(300);
    const asked = draws("asked", 30);
    for (const { features } of asked) {
      expect(second.predict(features, 0, 4096)).toEqual(first.predict(features, 0, 4096));
    }
    for (const { features } of draws("after", 1150)) first.observe(features, 5);
    for (const { features } of draws("asked later", 20)) {
      expect(first.predict(features, 0, 4096)).toEqual({ expectedTokens: 5, upperTokens: 5 });
    }
  });

  test("takes requests that nothing tells apart, and gathers a bounded number of samples", () => {
    const forest = new QuantileForest({ random: createRandom(3), trees: 300, logSize: 2000 });
    const features = lengthFeatures([1], 10);
    const random = createRandom(4);
    for (let i = 0; i < 300; i++) forest.observe(features, random.int(1, 1000));
    const distribution = forest.distribution(features);
    expect(distribution.tokens.length).toBeLessThanOrEqual(300);
    expect(survivingQuantile(distribution, 0, 0.5)).toBeGreaterThan(400);
    expect(survivingQuantile(distribution, 0, 0.5)).toBeLessThan(600);
    expect(forest.marginal().tokens.length).toBeLessThanOrEqual(300);
    expect(forest.size).toBe(300);
  });
});

describe("a length predictor", () => {
  test("expects the most until enough requests have finished", () => {
    const predictor = new ForestLengthPredictor({ random: createRandom(1), minLog: 10, logSize: 50, trees: 10 });
    const [first, ...rest] = draws("cold", 12);
    for (const { features, tokens } of rest.slice(0, 9)) predictor.observe(features, tokens);
    expect(predictor.predict(first!.features, 0, 300)).toEqual({ expectedTokens: 300, upperTokens: 300 });
    predictor.observe(rest[9]!.features, 4);
    expect(predictor.predict(first!.features, 0, 3000).upperTokens).toBeLessThan(3000);
  });

  test("never lowers a bound while an answer grows, whatever finishes meanwhile", () => {
    const predictor = trained(200);
    const others = createRandom(9, "others");
    for (const { features } of draws("growing", 10)) {
      let last = { expectedTokens: 0, upperTokens: 0 };
      for (let reached = 0; reached < 1000; reached += 7) {
        const next = predictor.predict(features, reached, 900);
        expect(next.expectedTokens).toBeGreaterThanOrEqual(last.expectedTokens);
        expect(next.upperTokens).toBeGreaterThanOrEqual(last.upperTokens);
        expect(next.upperTokens).toBeGreaterThanOrEqual(next.expectedTokens);
        expect(next.upperTokens).toBeLessThanOrEqual(900);
        last = next;
        if (reached % 70 === 0) predictor.observe(draw(others).features, others.int(1, 2000));
      }
    }
  });

  test("an oracle repeats what it was told and refuses to guess", () => {
    const oracle = new OracleLengthPredictor();
    const features = lengthFeatures([1, 2], 100);
    oracle.tell(features, 30);
    expect(oracle.predict(features, 3, 100)).toEqual({ expectedTokens: 30, upperTokens: 30 });
    expect(oracle.predict(features, 3, 20).upperTokens).toBe(20);
    expect(() => oracle.predict(lengthFeatures([1, 2], 100), 3, 100)).toThrow("told about every request");
  });
});
