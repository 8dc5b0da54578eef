import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { countedLengths } from "./acceptance.ts";
import {
  frequentTokens,
  missingShare,
  ngramProposer,
  replayAblation,
  replaySteps,
  type Proposer,
} from "./vocabulary.ts";

const tokens = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 40 });

/** Drafting by hand: one token at a time, greedy verification against the answer. */
async function byHand(
  prompt: readonly number[],
  answer: readonly number[],
  proposer: Proposer,
  count: number,
): Promise<number[]> {
  const lengths = [1];
  let at = 1;
  while (at < answer.length) {
    const draft = await proposer.propose([...prompt, ...answer.slice(0, at)], count, null);
    let length = 0;
    for (;;) {
      const isAccepted = length < draft.length && draft[length] === answer[at + length];
      length += 1; // an accepted token, or the target's own in place of the rejected one or after the last
      if (!isAccepted || at + length >= answer.length) break;
    }
    lengths.push(length);
    at += length;
  }
  return lengths;
}

describe("replay of a drafter over a finished answer", () => {
  test("its steps are those of drafting and verifying by hand, and make the answer", async () => {
    const proposer = ngramProposer(1, 3);
    await fc.assert(
      fc.asyncProperty(tokens, tokens, fc.integer({ min: 0, max: 6 }), async (prompt, answer, count) => {
        const steps = await replaySteps({ prompt, answer }, proposer, count, null);
        expect(steps.lengths).toEqual(await byHand(prompt, answer, proposer, count));
        expect(steps.lengths!.reduce((sum, length) => sum + length, 0)).toBe(answer.length);
        expect(Math.max(...steps.lengths!)).toBeLessThanOrEqual(count + 1);
        expect(steps.drafted).toBeGreaterThanOrEqual(steps.accepted);
        if (count === 0) expect(steps.accepted).toBe(0);
      }),
    );
  });

  test("a smaller vocabulary never proposes what it lacks; the whole one is no pruning", async () => {
    await fc.assert(
      fc.asyncProperty(tokens, tokens, fc.integer({ min: 0, max: 6 }), async (prompt, answer, size) => {
        const allowed = new Set(Array.from({ length: size }, (_, i) => i));
        const inner = ngramProposer(1, 3);
        const seen: number[] = [];
        const watched: Proposer = {
          name: "watched",
          propose: async (context, count, only) => {
            const draft = await inner.propose(context, count, only);
            seen.push(...draft);
            return draft;
          },
        };
        const pruned = await replaySteps({ prompt, answer }, watched, 4, allowed);
        expect(seen.every((id) => allowed.has(id))).toBe(true);
        const whole = await replaySteps({ prompt, answer }, inner, 4, null);
        if (size === 6) expect(pruned).toEqual(whole);
        if (size === 0) expect(countedLengths(pruned)!.every((length) => length === 1)).toBe(true);
      }),
    );
  });

  test("n-grams: the longest, then the latest match", () => {
    const proposer = ngramProposer(1, 2);
    const propose: Proposer["propose"] = (...given) => proposer.propose(...given);
    expect(propose([1, 2, 3, 9, 2, 4, 1, 2], 2, null)).toEqual([3, 9]); // "1 2" before, not the later lone "2"
    expect(propose([2, 7, 2, 8, 2], 1, null)).toEqual([8]);
    expect(propose([1, 2, 3], 4, null)).toEqual([]);
    expect(propose([5, 5, 5, 5], 3, null)).toEqual([5]); // only what has followed already can be proposed
    expect(propose([1, 2, 3, 9, 1, 2], 3, new Set([3]))).toEqual([3]);
  });
});

describe("the ablation", () => {
  test("frequencies: most first, ties by id; missing is what lies outside", () => {
    expect(
      frequentTokens(
        [
          [3, 1, 1],
          [2, 2, 5],
        ],
        3,
      ),
    ).toEqual([1, 2, 3]);
    expect(missingShare([{ answer: [1, 2, 9] }, { answer: [9] }], new Set([1, 2]))).toBe(0.5);
  });

  test("rare text loses more than common text", async () => {
    const loop = (ids: readonly number[]) => Array.from({ length: 8 }, () => ids).flat();
    const answers = [
      { category: "common", prompt: [1, 2, 3, 4], answer: loop([1, 2, 3, 4]) },
      { category: "rare", prompt: [91, 92, 93, 4], answer: loop([91, 92, 93, 4]) },
    ];
    const report = await replayAblation(answers, [loop([1, 2, 3, 4]), [91]], [4, 100], 3, ngramProposer());
    if (report.kind !== "replay") throw new Error("expected a replay");
    const row = (category: string, size: number | null) =>
      report.rows.find((one) => one.category === category && one.vocabularyTokens === size)!;
    expect(row("common", 4)).toMatchObject({ change: 0, missing: 0 });
    expect(row("rare", 4).change).toBeLessThan(-0.5);
    expect(row("rare", 4).missing).toBeCloseTo(0.75);
    expect(row("common", null).acceptanceLength).toBeGreaterThan(2.5);
    expect(report.overall.map(({ vocabularyTokens }) => vocabularyTokens)).toEqual([4, 100]);
  });
});
