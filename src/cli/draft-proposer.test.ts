import { describe, expect, test } from "vitest";
import { replaySteps } from "../bench/index.ts";
import { engineProposer } from "./draft-proposer.ts";

describe("the engine's drafter, replayed", () => {
  const prompt = [1, 2, 3, 4, 5, 6, 7, 8];

  test("it copies what stood in the prompt, as far as it may", async () => {
    const proposer = await engineProposer();
    const context = [...prompt, 1, 2, 3, 4];
    expect(await proposer.propose(context, 3, null)).toEqual([5, 6, 7]);
    expect(await proposer.propose(context, 3, new Set([5, 7]))).toEqual([5]);
    expect(await proposer.propose(context, 0, null)).toEqual([]);
  });

  test("another text is another sequence, and texts may come in any order", async () => {
    const proposer = await engineProposer();
    const texts = [
      [...prompt, 1, 2, 3, 4],
      [9, 8, 7, 6, 5, 9, 8, 7],
      [...prompt, 1, 2, 3, 4, 5],
      [1, 2],
      [...prompt, 1, 2, 3, 4],
    ];
    for (const text of texts) {
      const fresh = await engineProposer();
      expect(await proposer.propose(text, 4, null)).toEqual(await fresh.propose(text, 4, null));
    }
  });

  test("a quotation is answered in few steps, and in more by a pruned drafter", async () => {
    const proposer = await engineProposer();
    const answer = [1, 2, 3, 4, 5, 6, 7, 8];
    const whole = await replaySteps({ prompt, answer }, proposer, 4, null);
    const pruned = await replaySteps({ prompt, answer }, proposer, 4, new Set([4]));
    expect(whole.lengths!.length).toBeLessThan(6);
    expect(pruned.lengths!.length).toBeGreaterThan(whole.lengths!.length);
  });
});
