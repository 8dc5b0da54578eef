import { expect, test } from "vitest";
import { createRandom, type RandomStream } from "../../core/index.ts";
import { drawFrom, rejectionSample, residual } from "./rejection.ts";
import type { Proposal } from "./types.ts";

const SIZE = 8;
const DRAWS = 20_000;
/** Of chi-square with 7 degrees of freedom, passed once in a hundred thousand. */
const LIMIT = 36;

function distribution(random: RandomStream, kept: number): Float64Array {
  const weights = Float64Array.from({ length: SIZE }, (_, i) => (i < kept ? random.exponential(1) : 0));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

const proposalOf = (q: Float64Array): Proposal => ({
  ids: Array.from(q.keys()).filter((id) => q[id]! > 0),
  probabilities: [...q].filter((weight) => weight > 0),
});

/** Sum over tokens of (observed - expected)^2 / expected; a token of no probability must not come. */
function chiSquare(counts: Float64Array, p: Float64Array): number {
  let sum = 0;
  for (const [id, count] of counts.entries()) {
    const expected = p[id]! * DRAWS;
    if (expected === 0) expect(count).toBe(0);
    else sum += (count - expected) ** 2 / expected;
  }
  return sum;
}

test("a token drawn from q and tested is distributed as p, for near and far, narrow and wide distributions", () => {
  for (let seed = 0; seed < 12; seed++) {
    const random = createRandom(seed, "rejection");
    const p = distribution(random, seed % 3 === 0 ? 5 : SIZE);
    const q = distribution(random, seed % 4 === 0 ? 3 : SIZE);
    const proposal = proposalOf(q);
    const counts = new Float64Array(SIZE);
    let accepted = 0;
    for (let i = 0; i < DRAWS; i++) {
      const drafted = drawFrom(q, random);
      const said = rejectionSample(p, proposal, drafted, random);
      counts[said]! += 1;
      if (said === drafted) accepted += 1;
    }
    expect(chiSquare(counts, p)).toBeLessThan(LIMIT);
    // How often it is taken is one less the distance of the distributions.
    const overlap = p.reduce((sum, weight, id) => sum + Math.min(weight, q[id]!), 0);
    expect(Math.abs(accepted / DRAWS - overlap)).toBeLessThan(0.02);
  }
});

test("equal distributions take every draft, distant ones none", () => {
  const random = createRandom(1, "rejection");
  const p = distribution(random, SIZE);
  const low = distribution(random, 4);
  const high = Float64Array.from(low).reverse();
  for (let i = 0; i < 500; i++) {
    const drafted = drawFrom(p, random);
    expect(rejectionSample(p, proposalOf(p), drafted, random)).toBe(drafted);
    const far = drawFrom(low, random);
    expect(rejectionSample(high, proposalOf(low), far, random)).toBeGreaterThanOrEqual(4);
  }
  expect([...residual(p, proposalOf(p))]).toEqual([...p]); // nothing is left: p itself
});
