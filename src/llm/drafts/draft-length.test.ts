import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AcceptanceRate, NEUTRAL_ACCEPTANCE } from "./acceptance.ts";
import { draftLengths, type DraftCandidate, type DraftCosts, type DraftStep } from "./draft-length.ts";

/** Tokens per millisecond of given lengths, straight from the definition. */
function rateOf(
  candidates: readonly DraftCandidate[],
  lengths: readonly number[],
  { baseTokens }: DraftStep,
  { stepMs, passMs = () => 0 }: DraftCosts,
): number {
  let useful = baseTokens;
  let drafted = 0;
  for (const [i, { acceptance }] of candidates.entries()) {
    for (let k = 1; k <= lengths[i]!; k++) useful += acceptance ** k;
    drafted += lengths[i]!;
  }
  let ms = stepMs(baseTokens + drafted);
  const deepest = Math.max(0, ...candidates.map(({ modelled }, i) => (modelled ? lengths[i]! : 0)));
  for (let depth = 1; depth <= deepest; depth++) {
    ms += passMs(candidates.filter(({ modelled }, i) => modelled && lengths[i]! >= depth).length, depth);
  }
  return useful / ms;
}

function* everyLength(candidates: readonly DraftCandidate[], room: number, at = 0): Generator<number[]> {
  if (at === candidates.length) return yield [];
  for (let own = 0; own <= Math.min(candidates[at]!.most, room); own++) {
    for (const rest of everyLength(candidates, room - own, at + 1)) yield [own, ...rest];
  }
}

/** Any rising curve, steps and kinks included. */
const curve = fc
  .array(fc.double({ min: 0, max: 2, noNaN: true }), { minLength: 24, maxLength: 24 })
  .map((rises) => (tokens: number) => rises.slice(0, tokens).reduce((sum, rise) => sum + rise, 0.5));

const candidate = (modelled: fc.Arbitrary<boolean>): fc.Arbitrary<DraftCandidate> =>
  fc.record({
    acceptance: fc.double({ min: 0, max: 1, noNaN: true }),
    most: fc.integer({ min: 0, max: 4 }),
    modelled,
  });

const step = fc.record({ baseTokens: fc.integer({ min: 1, max: 6 }), roomTokens: fc.integer({ min: 0, max: 12 }) });

describe("draft lengths", () => {
  test("no lengths give more tokens per time: brute force over all of them, whatever the cost curve", () => {
    const candidates = fc.array(candidate(fc.constant(false)), { minLength: 1, maxLength: 4 });
    const property = fc.property(candidates, step, curve, (list, one, stepMs) => {
      const costs = { stepMs };
      const rate = rateOf(list, draftLengths(list, one, costs), one, costs);
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
      const lengths = draftLengths(list, one, costs);
      expect(lengths.reduce((sum, own) => sum + own, 0)).toBeLessThanOrEqual(one.roomTokens);
      const rate = rateOf(list, lengths, one, costs);
      for (const other of everyLength(list, one.roomTokens)) {
        expect(rateOf(list, other, one, costs)).toBeLessThanOrEqual(rate * (1 + 1e-9));
      }
    });
    fc.assert(property, { seed: 74, numRuns: 120 });
  });

  test("stays within what each can draft, also where free drafts and a model's mix", () => {
    const candidates = fc.array(candidate(fc.boolean()), { maxLength: 6 });
    const property = fc.property(candidates, step, curve, (list, one, stepMs) => {
      const costs = { stepMs, passMs: (sequences: number) => 0.2 + 0.05 * sequences };
      const lengths = draftLengths(list, one, costs);
      for (const [i, { most }] of list.entries()) expect(lengths[i]).toBeLessThanOrEqual(most);
      const none = list.map(() => 0);
      expect(rateOf(list, lengths, one, costs)).toBeGreaterThanOrEqual(rateOf(list, none, one, costs));
    });
    fc.assert(property, { seed: 75, numRuns: 150 });
  });

  const some = (acceptance: number, count = 1): DraftCandidate[] =>
    Array.from({ length: count }, () => ({ acceptance, most: 7, modelled: false }));
  const one: DraftStep = { baseTokens: 1, roomTokens: 100 };

  test("long where a step hardly grows, none where every token costs the same, and none without costs", () => {
    expect(draftLengths(some(0.8), one, { stepMs: (n) => 1 + 0.05 * n })[0]).toBeGreaterThanOrEqual(5);
    expect(draftLengths(some(0.95), one, { stepMs: (n) => n })).toEqual([0]);
    expect(draftLengths(some(0.9), one, { stepMs: () => 0 })).toEqual([0]);
  });

  test("the larger the batch, the shorter: nothing once the machine is full", () => {
    // Flat up to 16 tokens, then proportional: the shape of a memory-bound step that becomes compute-bound.
    const stepMs = (n: number): number => Math.max(16, n) + 0.1 * n;
    const lengthAt = (batch: number): number => {
      const lengths = draftLengths(some(0.7, batch), { baseTokens: batch, roomTokens: 1000 }, { stepMs });
      return lengths.reduce((sum, own) => sum + own, 0) / batch;
    };
    const lengths = [1, 2, 4, 8, 16, 32].map(lengthAt);
    expect(lengths[0]).toBeGreaterThan(3);
    expect(lengths).toEqual(lengths.toSorted((a, b) => b - a));
    expect(lengths[4]).toBe(0);
  });

  test("sure guesses get more than doubtful ones, and a gain below the least wanted is none", () => {
    const mixed = [...some(0.9), ...some(0.4)];
    const [sure, doubtful] = draftLengths(mixed, { baseTokens: 2, roomTokens: 100 }, { stepMs: (n) => 2 + 0.3 * n });
    expect(sure).toBeGreaterThan(doubtful!);
    const costs: DraftCosts = { stepMs: (n) => 0.9 + 0.1 * n };
    expect(draftLengths(some(0.11), one, costs)[0]).toBe(1);
    expect(draftLengths(some(0.11), { ...one, leastGain: 0.03 }, costs)[0]).toBe(0);
  });
});

describe("acceptance", () => {
  test("comes to the share that is accepted, and never to 0 or 1", () => {
    for (const share of [0, 0.3, 0.8, 1]) {
      const rate = new AcceptanceRate();
      let balance = 0;
      for (let i = 0; i < 400; i++) {
        balance += share;
        const accepted = balance >= 1 ? 1 : 0;
        balance -= accepted;
        rate.observe(accepted, 1);
      }
      expect(Math.abs(rate.mean - share)).toBeLessThan(0.2);
      expect(rate.mean > 0 && rate.mean < 1).toBe(true);
    }
  });

  test("after the first rejection nothing is known of the rest of a draft", () => {
    const [short, long] = [new AcceptanceRate(), new AcceptanceRate()];
    short.observe(1, 2);
    long.observe(1, 7);
    expect(long.mean).toBe(short.mean);
  });

  test("begins with what all sequences before had, and drifts back there", () => {
    const all = new AcceptanceRate();
    expect(all.mean).toBe(NEUTRAL_ACCEPTANCE);
    for (let i = 0; i < 50; i++) all.observe(0, 3);
    const own = new AcceptanceRate(all);
    expect(own.mean).toBe(all.mean);
    own.observe(4, 4);
    expect(own.mean).toBeGreaterThan(all.mean);
    for (let i = 0; i < 2000; i++) {
      own.idle();
      all.idle();
    }
    expect(own.mean).toBeCloseTo(NEUTRAL_ACCEPTANCE, 3);
  });
});
