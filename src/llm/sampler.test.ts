import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom, PunctualError, type RandomStream } from "../core/index.ts";
import { bestOfRow, sortRow } from "./candidates.ts";
import { Sampler, samplingStream } from "./sampler.ts";
import type { SamplingOptions, TokenScores, TopScores } from "./types.ts";

function randomRow(random: RandomStream, size: number, spread: number): Float32Array {
  return Float32Array.from({ length: size }, () => random.normal() * spread);
}

/** What the head graph returns for a row. */
function topOf(row: Float32Array, k: number, inverseTemperature = 1): TopScores {
  const { ids, logits } = bestOfRow(row, k);
  const best = logits[0]! * inverseTemperature;
  let sum = 0;
  for (const logit of row) sum += Math.exp(logit * inverseTemperature - best);
  const logSumExp = Math.fround(best + Math.log(sum));
  return { kind: "top", ids, logits, logSumExp, inverseTemperature, vocabSize: row.length };
}

const rowOf = (logits: Float32Array): TokenScores => ({ kind: "row", logits });

/** The distribution by the book: every rule on the whole vocabulary, nothing shared with the sampler. */
function naive(row: Float32Array, options: SamplingOptions, prompt: number[], output: number[]): number[] {
  const { temperature = 1, topK = 0, topP = 1, minP = 0, repetitionPenalty = 1 } = options;
  const logits = Array.from(row, (logit, id) => {
    let value = logit;
    if (prompt.includes(id) || output.includes(id))
      value = value > 0 ? value / repetitionPenalty : value * repetitionPenalty;
    const count = output.filter((other) => other === id).length;
    if (count > 0) value -= (options.presencePenalty ?? 0) + (options.frequencyPenalty ?? 0) * count;
    return value + (options.logitBias?.[id] ?? 0);
  });
  const order = logits.map((_, id) => id).toSorted((a, b) => logits[b]! - logits[a]! || a - b);
  const best = logits[order[0]!]!;
  let kept = order.slice(0, topK === 0 ? order.length : topK);
  const weight = (id: number): number => Math.exp((logits[id]! - best) / temperature);
  kept = kept.filter((id) => weight(id) >= minP);
  const mass = kept.reduce((sum, id) => sum + weight(id), 0);
  let reached = 0;
  kept = kept.filter((id) => {
    const wanted = reached === 0 || reached < topP * mass;
    reached += weight(id);
    return wanted;
  });
  const total = kept.reduce((sum, id) => sum + weight(id), 0);
  return logits.map((_, id) => (kept.includes(id) ? weight(id) / total : 0));
}

describe("candidates", () => {
  it("sorts a row by logit, ties by id, -infinity left out", () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(-Infinity, -3.5, -0, 0, 1e-30, 2, 1e30), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 40 }),
        (values, count) => {
          const row = Float32Array.from(values);
          const expected = values
            .map((_, id) => id)
            .filter((id) => row[id] !== -Infinity)
            .toSorted((a, b) => row[b]! - row[a]! || a - b);
          expect(Array.from(sortRow(row).ids)).toEqual(expected);
          expect(Array.from(bestOfRow(row, count).ids)).toEqual(expected.slice(0, count));
        },
      ),
      { seed: 7, numRuns: 300 },
    );
  });
});

const samplingArbitrary: fc.Arbitrary<SamplingOptions> = fc.record(
  {
    temperature: fc.constantFrom(0, 0.3, 0.8, 1, 1.7),
    topK: fc.constantFrom(0, 1, 5, 64, 90, 500),
    topP: fc.constantFrom(0, 0.3, 0.9, 0.999, 1),
    minP: fc.constantFrom(0, 0.02, 0.5, 1),
    repetitionPenalty: fc.constantFrom(1, 1, 1.3),
    presencePenalty: fc.constantFrom(0, 0, 0.7),
    frequencyPenalty: fc.constantFrom(0, 0, 0.4),
    logitBias: fc.constantFrom<Record<number, number>>({}, {}, { 3: 4, 7: -100 }),
    logprobs: fc.constantFrom(0, 3),
  },
  { requiredKeys: [] },
);

describe("Sampler", () => {
  it("chooses the same tokens from best tokens and from whole rows", () => {
    let decided = 0;
    fc.assert(
      fc.property(samplingArbitrary, fc.integer(), fc.constantFrom(0.2, 1, 4), fc.constantFrom(40, 200), (...args) => {
        const [sampling, seed, spread, vocabSize] = args;
        const common = { sampling, vocabSize, promptTokens: [1, 2, 3], endTokens: [0, 9], minTokens: 3 };
        const short = new Sampler({ ...common, random: samplingStream(seed) });
        const whole = new Sampler({ ...common, random: samplingStream(seed) });
        const random = createRandom(seed, "rows");
        for (let i = 0; i < 6; i++) {
          const row = randomRow(random, vocabSize, spread);
          const { inverseTemperature } = short.wants();
          const fromTop = short.sample(topOf(row, Math.min(64, vocabSize), inverseTemperature));
          if (fromTop !== null) decided += 1;
          const token = fromTop ?? short.sample(rowOf(row));
          const expected = whole.sample(rowOf(row));
          expect(token!.id).toBe(expected!.id);
          expect(token!.logprobs === null).toBe(expected!.logprobs === null);
          if (token!.logprobs === null) continue;
          expect(token!.logprobs.logprob).toBeCloseTo(expected!.logprobs!.logprob, 4);
          expect(token!.logprobs.top.map(({ id }) => id)).toEqual(expected!.logprobs!.top.map(({ id }) => id));
        }
      }),
      { seed: 20261120, numRuns: 400 },
    );
    expect(decided).toBeGreaterThan(500);
  });

  it("goes on with what another has learnt of looks, and chooses the same", () => {
    const options = { sampling: { temperature: 1 }, vocabSize: 2048 };
    const first = new Sampler({ ...options, random: samplingStream(7) });
    const random = createRandom(7, "rows");
    const flat = (): Float32Array => randomRow(random, 2048, 0.2);
    const said: number[] = [];
    for (let i = 0; i < 12; i++) {
      const row = flat();
      const { inverseTemperature, row: wanted } = first.wants();
      const scores = wanted ? rowOf(row) : topOf(row, 64, inverseTemperature);
      said.push((first.sample(scores) ?? first.sample(rowOf(row)))!.id);
    }
    const [knowing, fresh] = [0, 1].map(() => new Sampler({ ...options, random: samplingStream(7) }));
    for (const id of said) for (const sampler of [knowing!, fresh!]) sampler.replay(id);
    knowing!.learn(first.looks);
    expect(knowing!.looks).toEqual(first.looks);
    expect([first, knowing!, fresh!].map((sampler) => sampler.wants().row)).toEqual([true, true, false]);
    const row = flat();
    const ids = [first, knowing!, fresh!].map((sampler) => sampler.sample(rowOf(row))!.id);
    expect(new Set(ids).size).toBe(1);
  });

  it("says what it draws from, by the book, after any output", () => {
    const property = fc.property(
      samplingArbitrary,
      fc.integer(),
      fc.constantFrom(40, 200),
      (given, seed, vocabSize) => {
        const sampling = { ...given, temperature: given.temperature === 0 ? 0.5 : (given.temperature ?? 1) };
        const sampler = new Sampler({ sampling, vocabSize, promptTokens: [1, 2, 3], random: samplingStream(seed) });
        const random = createRandom(seed, "rows");
        const output: number[] = [];
        for (let i = 0; i < 4; i++) {
          const row = randomRow(random, vocabSize, 2);
          const said = sampler.distribution(row);
          const expected = naive(row, sampling, [1, 2, 3], output);
          for (const [id, share] of expected.entries()) expect(said[id]).toBeCloseTo(share, 6);
          const id = random.int(0, vocabSize - 1);
          const taken = sampler.take(id, { kind: "row", logits: row });
          expect([taken.id, taken.logprobs === null]).toEqual([id, sampling.logprobs === undefined]);
          output.push(id);
        }
        expect(sampler.generated).toBe(output.length);
      },
    );
    fc.assert(property, { seed: 20261126, numRuns: 40 });
  });

  it("draws as often as the book says", () => {
    const cases: SamplingOptions[] = [
      {},
      { temperature: 0.7, topK: 8 },
      { temperature: 1.4, topP: 0.8 },
      { minP: 0.1 },
      { temperature: 0.9, topK: 12, topP: 0.9, minP: 0.01 },
    ];
    const row = randomRow(createRandom(3, "row"), 30, 1.5);
    for (const sampling of cases) {
      const expected = naive(row, sampling, [], []);
      const sampler = new Sampler({ sampling, random: samplingStream(11), vocabSize: 30 });
      const counts = new Float64Array(30);
      const draws = 6000;
      for (let i = 0; i < draws; i++) counts[sampler.sample(rowOf(row))!.id]! += 1;
      let chiSquare = 0;
      let degrees = -1;
      for (let id = 0; id < 30; id++) {
        if (expected[id] === 0) expect(counts[id]).toBe(0);
        const mean = expected[id]! * draws;
        if (mean === 0) continue;
        chiSquare += (counts[id]! - mean) ** 2 / mean;
        degrees += 1;
      }
      // Five deviations above the mean of a chi-square: seeded, so it either always passes or never does.
      expect(chiSquare).toBeLessThan(degrees + 5 * Math.sqrt(2 * degrees));
    }
  });

  it("applies penalties and bias as the book says", () => {
    fc.assert(
      fc.property(samplingArbitrary, fc.integer(), (options, seed) => {
        const sampling = { ...options, temperature: options.temperature || 1 };
        const random = createRandom(seed, "rows");
        const sampler = new Sampler({ sampling, random: samplingStream(seed), vocabSize: 20, promptTokens: [4, 5] });
        const output: number[] = [];
        for (let i = 0; i < 8; i++) {
          const row = randomRow(random, 20, 2);
          const { id } = sampler.sample(rowOf(row))!;
          expect(naive(row, sampling, [4, 5], output)[id]).toBeGreaterThan(0);
          output.push(id);
        }
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it("is greedy at temperature 0, the lower id winning ties", () => {
    const sampler = new Sampler({ sampling: { temperature: 0 }, random: samplingStream(1), vocabSize: 4 });
    expect(sampler.sample(rowOf(Float32Array.of(1, 5, 5, 2)))).toEqual({ id: 1, logprobs: null });
  });

  it("suppresses end tokens until there are minTokens", () => {
    const sampler = new Sampler({
      sampling: { temperature: 0 },
      random: samplingStream(1),
      vocabSize: 3,
      endTokens: [2],
      minTokens: 2,
    });
    const row = Float32Array.of(0, 1, 9);
    const ids = [topOf(row, 3), topOf(row, 2), topOf(row, 1)].map((scores) => sampler.sample(scores)?.id);
    expect(ids).toEqual([1, 1, 2]);
  });

  it("takes one draw per token, whether or not the first attempt failed", () => {
    const row = randomRow(createRandom(1, "row"), 200, 0.01); // flat: the best 64 hold a third of the mass
    const options = { sampling: {}, vocabSize: 200 };
    const patient = new Sampler({ ...options, random: samplingStream(2) });
    const direct = new Sampler({ ...options, random: samplingStream(2) });
    for (let i = 0; i < 20; i++) {
      const id = (patient.sample(topOf(row, 64)) ?? patient.sample(rowOf(row)))!.id;
      expect(id).toBe(direct.sample(rowOf(row))!.id);
    }
    expect(patient.wants().row).toBe(true); // it learned that rows are cheaper here
  });

  it("refuses options out of range, naming them", () => {
    const wrong: SamplingOptions[] = [
      { temperature: -1 },
      { topP: 1.1 },
      { minP: NaN },
      { topK: 1.5 },
      { logitBias: { 10: 1 } },
    ];
    for (const sampling of wrong) {
      const make = (): Sampler => new Sampler({ sampling, random: samplingStream(1), vocabSize: 10 });
      expect(make).toThrow(PunctualError);
      expect(make).toThrow(Object.keys(sampling)[0]);
    }
  });
});
