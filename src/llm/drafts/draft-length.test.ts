import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { draftLengths, draftYield, type DraftCandidate, type DraftCosts, type DraftStep } from "./draft-length.ts";

/** Tokens and milliseconds of given lengths, straight from the definition. */
function yieldOf(
  candidates: readonly DraftCandidate[],
  lengths: readonly number[],
  { baseTokens }: DraftStep,
  { stepMs, passMs = () => 0 }: DraftCosts,
): { useful: number; ms: number } {
  let useful = baseTokens;
  let drafted = 0;
  for (const [i, { gains }] of candidates.entries()) {
    for (let k = 0; k < lengths[i]!; k++) useful += gains[k]!;
    drafted += lengths[i]!;
  }
  let ms = stepMs(baseTokens + drafted);
  const deepest = Math.max(0, ...candidates.map(({ modelled }, i) => (modelled ? lengths[i]! : 0)));
  for (let depth = 1; depth <= deepest; depth++) {
    ms += passMs(candidates.filter(({ modelled }, i) => modelled && lengths[i]! >= depth).length, depth);
  }
  return { useful, ms };
}

/** Tokens per millisecond of given lengths. */
function rateOf(
  candidates: readonly DraftCandidate[],
  lengths: readonly number[],
  step: DraftStep,
  costs: DraftCosts,
): number {
  const { useful, ms } = yieldOf(candidates, lengths, step, costs);
  return useful / ms;
}

function* everyLength(candidates: readonly DraftCandidate[], room: number, at = 0): Generator<number[]> {
  if (at === candidates.length) return yield [];
  for (let own = 0; own <= Math.min(candidates[at]!.gains.length, room); own++) {
    for (const rest of everyLength(candidates, room - own, at + 1)) yield [own, ...rest];
  }
}

/** Any rising curve, steps and kinks included. */
const curve = fc
  .array(fc.double({ min: 0, max: 2, noNaN: true }), { minLength: 24, maxLength: 24 })
  .map((rises) => (tokens: number) => rises.slice(0, tokens).reduce((sum, rise) => sum + rise, 0.5));

/** Of any falling gains. */
const candidate = (modelled: fc.Arbitrary<boolean>): fc.Arbitrary<DraftCandidate> =>
  fc.record({
    gains: fc
      .array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 4 })
      .map((rates) => rates.map((_, i) => rates.slice(0, i + 1).reduce((all, rate) => all * rate, 1))),
    modelled,
  });

const step = fc.record({ baseTokens: fc.integer({ min: 1, max: 6 }), roomTokens: fc.integer({ min: 0, max: 12 }) });

describe("draft lengths", () => {
  test("no lengths give more tokens per time: brute force over all of them, whatever the cost curve", () => {
    const candidates = fc.array(candidate(fc.constant(false)), { minLength: 1, maxLength: 4 });
    const property = fc.property(candidates, step, curve, (list, one, stepMs) => {
      const costs = { stepMs };
      const rate = rateOf(list, draftLengths(list, one, costs).lengths, one, costs);
      for (const lengths of everyLength(list, one.roomTokens)) {
        expect(rateOf(list, lengths, one, costs)).toBeLessThanOrEqual(rate * (1 + 1e-12));
      }
    });
    fc.assert(property, { seed: 73, numRuns: 120 });
  });

  test("the same where a model drafts and a pass has a fixed and a proportional part", () => {
    const candidates = fc.array(candidate(fc.constant(true)), { minLength: 1, maxLength: 3 });
    const pass = fc.record({
      fixed: fc.double({ min: 0, max: 1, noNaN: true }),
      each: fc.double({ min: 0, max: 0.5, noNaN: true }),
    });
    const property = fc.property(candidates, step, curve, pass, (list, one, stepMs, { fixed, each }) => {
      // A first pass that costs more, as where several places are one run.
      const passMs = (sequences: number, place: number): number => (place === 1 ? 2 : 1) * fixed + each * sequences;
      const costs = { stepMs, passMs };
      const { lengths, tokensPerMs } = draftLengths(list, one, costs);
      expect(lengths.reduce((sum, own) => sum + own, 0)).toBeLessThanOrEqual(one.roomTokens);
      const rate = rateOf(list, lengths, one, costs);
      expect(tokensPerMs).toBeCloseTo(rate, 9);
      const { tokens, ms } = draftYield(list, lengths, one.baseTokens, costs);
      expect(tokens / ms).toBeCloseTo(rate, 9);
      for (const other of everyLength(list, one.roomTokens)) {
        expect(rateOf(list, other, one, costs)).toBeLessThanOrEqual(rate * (1 + 1e-9));
      }
    });
    fc.assert(property, { seed: 74, numRuns: 120 });
  });

  test("at a price of time no lengths have more surplus: brute force again", () => {
    const candidates = fc.array(candidate(fc.constant(true)), { minLength: 1, maxLength: 3 });
    const price = fc.double({ min: 0, max: 20, noNaN: true });
    const property = fc.property(candidates, step, curve, price, (list, one, stepMs, pricePerMs) => {
      const costs = { stepMs, passMs: (sequences: number) => 0.1 + 0.02 * sequences };
      const surplusOf = (lengths: readonly number[]): number => {
        const { useful, ms } = yieldOf(list, lengths, one, costs);
        return useful - pricePerMs * ms;
      };
      const surplus = surplusOf(draftLengths(list, { ...one, pricePerMs }, costs).lengths);
      for (const other of everyLength(list, one.roomTokens)) {
        expect(surplusOf(other)).toBeLessThanOrEqual(surplus + 1e-9);
      }
    });
    fc.assert(property, { seed: 76, numRuns: 120 });
  });

  test("stays within what each can draft, also where free drafts and a model's mix", () => {
    const candidates = fc.array(candidate(fc.boolean()), { maxLength: 6 });
    const property = fc.property(candidates, step, curve, (list, one, stepMs) => {
      const costs = { stepMs, passMs: (sequences: number) => 0.2 + 0.05 * sequences };
      const { lengths } = draftLengths(list, one, costs);
      for (const [i, { gains }] of list.entries()) expect(lengths[i]).toBeLessThanOrEqual(gains.length);
      const none = list.map(() => 0);
      expect(rateOf(list, lengths, one, costs)).toBeGreaterThanOrEqual(rateOf(list, none, one, costs));
    });
    fc.assert(property, { seed: 75, numRuns: 150 });
  });

  const some = (acceptance: number, count = 1): DraftCandidate[] =>
    Array.from({ length: count }, () => ({
      gains: Array.from({ length: 7 }, (_, i) => acceptance ** (i + 1)),
      modelled: false,
    }));
  const one: DraftStep = { baseTokens: 1, roomTokens: 100 };

  test("long where a step hardly grows, none where every token costs the same, and none without costs", () => {
    expect(draftLengths(some(0.8), one, { stepMs: (n) => 1 + 0.05 * n }).lengths[0]).toBeGreaterThanOrEqual(5);
    expect(draftLengths(some(0.95), one, { stepMs: (n) => n }).lengths).toEqual([0]);
    expect(draftLengths(some(0.9), one, { stepMs: () => 0 })).toEqual({ lengths: [0], tokensPerMs: 0 });
  });

  test("the larger the batch, the shorter: nothing once the machine is full", () => {
    // Flat up to 16 tokens, then proportional: the shape of a memory-bound step that becomes compute-bound.
    const stepMs = (n: number): number => Math.max(16, n) + 0.1 * n;
    const lengthAt = (batch: number): number => {
      const { lengths } = draftLengths(some(0.7, batch), { baseTokens: batch, roomTokens: 1000 }, { stepMs });
      return lengths.reduce((sum, own) => sum + own, 0) / batch;
    };
    const lengths = [1, 2, 4, 8, 16, 32].map(lengthAt);
    expect(lengths[0]).toBeGreaterThan(3);
    expect(lengths).toEqual(lengths.toSorted((a, b) => b - a));
    expect(lengths[4]).toBe(0);
  });

  test("sure guesses get more than doubtful ones, and a gain below the least wanted is none", () => {
    const mixed = [...some(0.9), ...some(0.4)];
    const room = { baseTokens: 2, roomTokens: 100 };
    const [sure, doubtful] = draftLengths(mixed, room, { stepMs: (n) => 2 + 0.3 * n }).lengths;
    expect(sure).toBeGreaterThan(doubtful!);
    const costs: DraftCosts = { stepMs: (n) => 0.9 + 0.1 * n };
    expect(draftLengths(some(0.11), one, costs).lengths[0]).toBe(1);
    expect(draftLengths(some(0.11), { ...one, leastGain: 0.03 }, costs).lengths[0]).toBe(0);
  });
});
