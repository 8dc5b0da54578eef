import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom, type RandomStream } from "../core/index.ts";
import { bestOfRow } from "./candidates.ts";
import type { TokenFilter } from "./grammar/index.ts";
import { GUIDED_DRAWS } from "./redraw.ts";
import { Sampler, samplingStream } from "./sampler.ts";
import type { SamplingOptions, TokenScores, TopScores } from "./types.ts";

const SEED = 131;

function topOf(row: Float32Array, k: number, inverseTemperature: number): TopScores {
  const { ids, logits } = bestOfRow(row, k);
  const best = logits[0]! * inverseTemperature;
  let sum = 0;
  for (const logit of row) sum += Math.exp(logit * inverseTemperature - best);
  const logSumExp = Math.fround(best + Math.log(sum));
  return { kind: "top", ids, logits, logSumExp, inverseTemperature, vocabSize: row.length };
}

/** What allows those tokens; whether it has counted them already is another matter. */
function filterOf(allowed: ReadonlySet<number>, vocabSize: number, counted: boolean): TokenFilter {
  return {
    allows: (id) => allowed.has(id),
    bits: () => {
      const bits = new Uint32Array(Math.ceil(vocabSize / 32));
      for (const id of allowed) bits[id >>> 5]! |= 1 << (id & 31);
      return bits;
    },
    count: () => (counted ? allowed.size : null),
  };
}

/** The masked distribution by the book. */
function masked(row: Float32Array, allowed: ReadonlySet<number>, temperature: number): Float64Array {
  const best = Math.max(...Array.from(allowed, (id) => row[id]!));
  const weights = Float64Array.from(row, (logit, id) => (allowed.has(id) ? Math.exp((logit - best) / temperature) : 0));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/** Fails when draws of a sampler do not look like that distribution; cells of less than five are put together. */
function expectDistribution(counts: Float64Array, expected: Float64Array): void {
  const draws = counts.reduce((sum, count) => sum + count, 0);
  let chiSquare = 0;
  let cells = 0;
  const rest = { seen: 0, mean: 0 };
  for (let id = 0; id < counts.length; id++) {
    const mean = expected[id]! * draws;
    if (mean === 0) expect(counts[id]).toBe(0);
    else if (mean < 5) {
      rest.seen += counts[id]!;
      rest.mean += mean;
    } else {
      chiSquare += (counts[id]! - mean) ** 2 / mean;
      cells += 1;
    }
  }
  if (rest.mean >= 5) {
    chiSquare += (rest.seen - rest.mean) ** 2 / rest.mean;
    cells += 1;
  }
  const degrees = Math.max(cells - 1, 1);
  // Five deviations above the mean of a chi-square: seeded, so it either always passes or never does.
  expect(chiSquare).toBeLessThan(degrees + 5 * Math.sqrt(2 * degrees));
}

function rowOf(random: RandomStream, size: number, spread: number): Float32Array {
  return Float32Array.from({ length: size }, () => random.normal() * spread);
}

/** Tokens of the row that a grammar might allow: of the best ones, of all, or of the worst. */
function someOf(random: RandomStream, row: Float32Array, share: number, from: number, to: number): Set<number> {
  const order = Array.from(row.keys()).toSorted((a, b) => row[b]! - row[a]!);
  const some = order.slice(from, to).filter(() => random.chance(share));
  return new Set(some.length > 0 ? some : [order[from]!]);
}

describe("redraw", () => {
  const cases = [
    { name: "most mass allowed", spread: 3, share: 0.8, from: 0, to: 300, temperature: 1 },
    { name: "half of a flat row", spread: 0.2, share: 0.5, from: 0, to: 300, temperature: 1 },
    { name: "little mass, so that masks decide", spread: 1.5, share: 0.2, from: 30, to: 300, temperature: 1.3 },
    { name: "few tokens, all of them best ones", spread: 2, share: 0.3, from: 0, to: 20, temperature: 0.8 },
    { name: "nothing but the worst", spread: 2, share: 0.5, from: 150, to: 300, temperature: 1 },
  ];

  for (const { name, spread, share, from, to, temperature } of cases) {
    it(`draws as often as a whole mask would: ${name}`, () => {
      const random = createRandom(SEED, name);
      const row = rowOf(random, 300, spread);
      const allowed = someOf(random, row, share, from, to);
      const expected = masked(row, allowed, temperature);
      const filter = filterOf(allowed, row.length, false);
      const top = topOf(row, 64, 1 / temperature);
      const whole: TokenScores = { kind: "row", logits: row };
      // The twin draws once from the whole mask: penalties of nothing send it that way.
      const options = { vocabSize: row.length };
      const sampler = new Sampler({ ...options, sampling: { temperature }, random: samplingStream(SEED) });
      const twin = new Sampler({
        ...options,
        sampling: { temperature, logitBias: { 0: 0 } },
        random: samplingStream(SEED + 1),
      });
      const own = new Float64Array(row.length);
      const twins = new Float64Array(row.length);
      for (let i = 0; i < 4000; i++) {
        own[(sampler.sample(top, filter) ?? sampler.sample(whole, filter))!.id]! += 1;
        twins[twin.sample(whole, filter)!.id]! += 1;
      }
      expectDistribution(own, expected);
      expectDistribution(twins, expected);
    });
  }

  it("takes the same token from best tokens, from rows, and whatever is known of a mask", () => {
    let tops = 0;
    let all = 0;
    const property = fc.property(
      fc.integer(),
      fc.constantFrom(0.2, 1, 4),
      fc.constantFrom(0.02, 0.3, 0.95),
      fc.constantFrom<[number, number]>([0, 200], [0, 12], [80, 200]),
      fc.constantFrom(0.5, 1, 1.7),
      fc.constantFrom(16, 64, 90),
      (seed, spread, share, [from, to], temperature, topScores) => {
        const sampling: SamplingOptions = { temperature };
        const options = { sampling, vocabSize: 200, endTokens: [3], minTokens: 2, topScores };
        const samplers = [0, 1, 2, 3].map(() => new Sampler({ ...options, random: samplingStream(seed) }));
        const random = createRandom(seed, "rows");
        for (let i = 0; i < 6; i++) {
          const row = rowOf(random, 200, spread);
          const allowed = someOf(random, row, share, from, to).add(5);
          const ids = samplers.map((sampler, which) => {
            const filter = filterOf(allowed, 200, which % 2 === 0);
            const { row: wantsRow, inverseTemperature } = sampler.wants(filter);
            all += 1;
            const top =
              which < 2 && !wantsRow ? sampler.sample(topOf(row, topScores, inverseTemperature!), filter) : null;
            if (top !== null) tops += 1;
            return (top ?? sampler.sample({ kind: "row", logits: row }, filter))!.id;
          });
          expect(new Set(ids).size).toBe(1);
          expect(allowed.has(ids[0]!)).toBe(true);
          if (i < 2) expect(ids[0]).not.toBe(3);
        }
      },
    );
    fc.assert(property, { seed: SEED, numRuns: 250 });
    expect(tops).toBeGreaterThan(all / 8);
  });

  it("asks for a row as rarely as without a grammar when most mass is allowed, and less often than a mask would", () => {
    const random = createRandom(SEED, "rare");
    const vocabSize = 4000;
    const row = rowOf(random, vocabSize, 3);
    const allowed = new Set(Array.from(row.keys()).filter((id) => row[id]! > 6 || random.chance(0.5)));
    const misses = (filter: TokenFilter | null): number => {
      const sampler = new Sampler({ sampling: {}, vocabSize, random: samplingStream(SEED) });
      let count = 0;
      for (let i = 0; i < 400; i++) {
        if (sampler.sample(topOf(row, 64, 1), filter) !== null) continue;
        count += 1;
        sampler.sample({ kind: "row", logits: row }, filter);
      }
      return count;
    };
    const free = misses(null);
    expect(free).toBeGreaterThan(0);
    expect(misses(filterOf(allowed, vocabSize, false))).toBeLessThan(free * 1.5 + 10);
  });

  it("draws each token from a stream of its own, whatever the tokens before it took", () => {
    const row = rowOf(createRandom(SEED, "row"), 100, 2);
    const scores = { kind: "row", logits: row } as const;
    const random = samplingStream(9);
    const untouched = random.state();
    const sampler = new Sampler({ sampling: {}, vocabSize: 100, random });
    const said: number[] = [];
    for (const allowed of [[1], [1, 2, 3], Array.from(row.keys()), null]) {
      for (const counted of [true, false]) {
        const filter = allowed === null ? null : filterOf(new Set(allowed), 100, counted);
        // One that was told what was said so far says the same next.
        const twin = new Sampler({ sampling: {}, vocabSize: 100, random: samplingStream(9) });
        for (const id of said) twin.replay(id);
        const { id } = sampler.sample(scores, filter)!;
        expect(twin.sample(scores, filter)!.id).toBe(id);
        said.push(id);
      }
    }
    expect(random.state()).toEqual(untouched);
    expect(GUIDED_DRAWS).toBeGreaterThan(1);
  });
});
