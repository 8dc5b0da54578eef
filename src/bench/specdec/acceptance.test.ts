import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  acceptanceLength,
  acceptanceRates,
  acceptanceReport,
  countedLengths,
  lengthHistogram,
  lengthOfRates,
  stepsOf,
  type AnswerSteps,
} from "./acceptance.ts";
import { differenceInterval, intervalOf, ratioInterval, spreadOf, studentT975 } from "./estimate.ts";
import { readSpeculation } from "../speculation-counts.ts";

const answer = (lengths: readonly number[], isCut = false): AnswerSteps => {
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  return {
    source: "chunks",
    tokens,
    accepted: tokens - lengths.length,
    drafted: null,
    lengths,
    histogram: null,
    isCut,
  };
};
const answers = fc.array(fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 40 }), {
  minLength: 1,
  maxLength: 12,
});

describe("acceptance length", () => {
  test("by hand: two answers, means of means", () => {
    const report = acceptanceReport([answer([1, 4, 4, 3]), answer([1, 1])], "chunks", 3);
    expect(report.length).toMatchObject({ mean: (3 + 1) / 2, count: 2 });
    expect(report.lengthOverSteps).toBeCloseTo(14 / 6);
    expect(report.lengthHistogram).toEqual([3, 0, 1, 2]);
    expect(report.conditional).toEqual([3 / 6, 3 / 3, 2 / 3]);
    expect(report.joint).toEqual([3 / 6, 3 / 6, 2 / 6]);
    expect(report.accepted).toBe(8);
    expect(report.verificationLength).toBeCloseTo(1 + 8 / 4);
  });

  test("the bonus token counts: no acceptance is 1, full acceptance is γ + 1", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 30 }), (draftLength, steps) => {
        const none = acceptanceReport([answer(Array.from({ length: steps }, () => 1))], "chunks", draftLength);
        expect(none.length!.mean).toBe(1);
        expect(none.conditional![0]).toBe(0);
        const full = Array.from({ length: steps }, () => draftLength + 1);
        const all = acceptanceReport([answer(full)], "chunks", draftLength);
        expect(all.length!.mean).toBe(draftLength + 1);
        expect(all.conditional).toEqual(Array.from({ length: draftLength }, () => 1));
      }),
    );
  });

  test("E[L] is 1 + Σ Π of the conditional rates, over the very steps of the histogram", () => {
    fc.assert(
      fc.property(answers, (lists) => {
        const histogram = lengthHistogram(
          lists.map((list) => answer(list)),
          null,
        )!;
        const steps = lists.flat();
        const mean = steps.reduce((sum, length) => sum + length, 0) / steps.length;
        const { conditional, joint } = acceptanceRates(histogram);
        expect(lengthOfRates(conditional)).toBeCloseTo(mean, 10);
        expect(1 + joint.reduce((sum, share) => sum + share, 0)).toBeCloseTo(mean, 10);
      }),
    );
  });

  test("conditional rates are those of counting, also where a length never occurs", () => {
    fc.assert(
      fc.property(answers, fc.integer({ min: 0, max: 10 }), (lists, draftLength) => {
        const steps = lists.flat();
        const histogram = lengthHistogram(
          lists.map((list) => answer(list)),
          draftLength,
        )!;
        expect(histogram.length).toBe(Math.max(draftLength + 1, ...steps)); // the full support 1 … γ + 1
        const { conditional } = acceptanceRates(histogram);
        for (const [i, rate] of conditional.entries()) {
          const reached = steps.filter((length) => length >= i + 1).length;
          const further = steps.filter((length) => length >= i + 2).length;
          if (reached === 0) expect(rate).toBeNull();
          else expect(rate).toBeCloseTo(further / reached, 12);
        }
      }),
    );
    // Skipping the empty place of length 2 would say that the first draft token was accepted less often than it was.
    expect(acceptanceRates([1, 0, 3]).conditional).toEqual([3 / 4, 1]);
  });

  test("a long answer does not outvote short ones", () => {
    const short = Array.from({ length: 9 }, () => answer([1, 1]));
    const long = answer(Array.from({ length: 1000 }, () => 5));
    const report = acceptanceReport([...short, long], "chunks", 4);
    expect(report.length!.mean).toBeCloseTo((9 * 1 + 5) / 10);
    expect(report.lengthOverSteps).toBeGreaterThan(4.9);
  });

  test("the step that the token limit cut is left out, and said; a natural end is not", () => {
    fc.assert(
      fc.property(answers, (lists) => {
        for (const list of lists) {
          const cut = answer(list, true);
          expect(countedLengths(cut)).toEqual(list.length > 1 ? list.slice(0, -1) : list);
          expect(countedLengths(answer(list))).toEqual(list);
          expect(stepsOf(cut)).toBe(list.length);
        }
      }),
    );
    const report = acceptanceReport([answer([1, 4, 4, 1], true), answer([1, 4, 4, 1])], "chunks", 3);
    expect(report.cutSteps).toBe(1);
    expect(report.lengthHistogram).toEqual([3, 0, 0, 4]);
    expect(acceptanceLength(answer([1, 4, 4, 1], true))).toBe(3);
  });

  test("from sums alone: every step adds one token that no draft brought", () => {
    fc.assert(
      fc.property(answers, (lists) => {
        for (const list of lists) {
          const whole = answer(list);
          const sums: AnswerSteps = { ...whole, source: "usage", lengths: null, drafted: whole.accepted + 3 };
          expect(stepsOf(sums)).toBe(list.length);
          expect(acceptanceLength(sums)).toBeCloseTo(acceptanceLength(whole), 12);
          expect(acceptanceReport([sums], "usage", null).lengthHistogram).toBeNull();
        }
      }),
    );
  });

  test("from a server's histogram of accepted counts: the same as from steps", () => {
    fc.assert(
      fc.property(answers, (lists) => {
        const steps = lists.map((list) => [1, ...list]);
        const exact = acceptanceReport(
          steps.map((list) => answer(list)),
          "chunks",
          8,
        );
        const counted = lists.map((list): AnswerSteps => {
          const histogram = Array.from({ length: 9 }, (_, j) => list.filter((length) => length === j + 1).length);
          const tokens = 1 + list.reduce((sum, length) => sum + length, 0);
          const accepted = tokens - list.length - 1;
          return {
            source: "response metrics",
            tokens,
            accepted,
            drafted: 8 * list.length,
            lengths: null,
            histogram,
            isCut: false,
          };
        });
        const report = acceptanceReport(counted, "response metrics", 8);
        expect(report.lengthHistogram).toEqual(exact.lengthHistogram);
        expect(report.length!.mean).toBeCloseTo(exact.length!.mean, 10);
        const verified = lists.flat();
        const mean = verified.reduce((sum, length) => sum + length, 0) / verified.length;
        expect(report.verificationLength).toBeCloseTo(mean, 10);
      }),
    );
  });
});

describe("what servers say", () => {
  test("the three forms, the most exact first", () => {
    const usage = { completion_tokens_details: { accepted_prediction_tokens: 6, rejected_prediction_tokens: 2 } };
    const timings = { draft_n: 9, draft_n_accepted: 5 };
    const metrics = {
      speculative_decoding: {
        num_accepted_draft_tokens: 10,
        num_draft_tokens: 129,
        acceptance_histogram: [39, 1, 0, 3],
      },
    };
    expect(readSpeculation({ usage })).toEqual({ source: "usage", accepted: 6, drafted: 8, histogram: null });
    expect(readSpeculation({ timings })).toEqual({ source: "timings", accepted: 5, drafted: 9, histogram: null });
    expect(readSpeculation({ usage, timings, metrics })).toEqual({
      source: "response metrics",
      accepted: 10,
      drafted: 129,
      histogram: [39, 1, 0, 3],
    });
    // Zeros of a server that never drafts there are no reason to overlook what it says elsewhere.
    const zeros = { completion_tokens_details: { accepted_prediction_tokens: 0, rejected_prediction_tokens: 0 } };
    expect(readSpeculation({ usage: zeros, timings })).toMatchObject({ source: "timings" });
    expect(readSpeculation({ usage: zeros })).toMatchObject({ source: "usage", drafted: 0 });
    // A histogram that contradicts its sum is not believed; the sum is.
    metrics.speculative_decoding.acceptance_histogram = [1, 1];
    expect(readSpeculation({ metrics })).toMatchObject({ accepted: 10, histogram: null });
  });

  test("whatever comes in those fields, counts are whole and consistent", () => {
    fc.assert(
      fc.property(fc.object({ maxDepth: 3 }), fc.anything(), fc.anything(), (object, metrics, details) => {
        for (const chunk of [
          object,
          { metrics: { speculative_decoding: metrics } },
          {
            metrics: {
              speculative_decoding: {
                num_accepted_draft_tokens: details,
                num_draft_tokens: 5,
                acceptance_histogram: metrics,
              },
            },
          },
          { usage: { completion_tokens_details: details }, timings: metrics },
          {
            usage: {
              completion_tokens_details: { accepted_prediction_tokens: details, rejected_prediction_tokens: 1 },
            },
          },
        ]) {
          const counts = readSpeculation(chunk as Parameters<typeof readSpeculation>[0]);
          if (counts === null) continue;
          expect(Number.isSafeInteger(counts.accepted) && counts.accepted >= 0).toBe(true);
          expect(counts.drafted).toBeGreaterThanOrEqual(counts.accepted);
        }
      }),
    );
  });
});

describe("estimates", () => {
  test("Student's t at known points", () => {
    for (const [degrees, value] of [
      [1, 12.706],
      [2, 4.303],
      [3, 3.182],
      [4, 2.776],
      [9, 2.262],
      [30, 2.042],
      [1000, 1.962],
    ] as const) {
      expect(studentT975(degrees) / value).toBeCloseTo(1, 2);
    }
  });

  test("intervals hold what they should", () => {
    expect(intervalOf([])).toBeNull();
    expect(intervalOf([3])).toEqual({ mean: 3, low: -Infinity, high: Infinity, count: 1 });
    expect(intervalOf([1, 3])).toMatchObject({ mean: 2, low: 2 - 12.7062, high: 2 + 12.7062 });
    expect(ratioInterval([2, 8], [1, 4])).toMatchObject({ mean: 2, low: 2, high: 2 });
    expect(ratioInterval([0], [1])).toBeNull();
    expect(differenceInterval([1, 1], [0, 0])).toMatchObject({ mean: 1, low: 1, high: 1 });
    const welch = differenceInterval([5, 6, 7], [1, 2, 3, 4])!;
    expect(welch.mean).toBeCloseTo(3.5);
    expect(welch.low).toBeGreaterThan(1);
    expect(welch.high).toBeLessThan(6);
  });

  test("a spread has quartiles between neighbours, and the deviation of the whole", () => {
    expect(spreadOf([1, 2, 3, 4])).toEqual({
      count: 4,
      min: 1,
      q25: 1.75,
      median: 2.5,
      q75: 3.25,
      max: 4,
      mean: 2.5,
      std: Math.sqrt(1.25),
    });
    expect(spreadOf([])).toBeNull();
  });
});
