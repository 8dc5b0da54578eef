import { describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { AcceptanceBelief, AcceptancePopulation } from "./acceptance.ts";

/** Checks a draft whose tokens are accepted with those probabilities. */
function draft(belief: AcceptanceBelief, rates: readonly number[], random: { uniform(): number }): void {
  let accepted = 0;
  while (accepted < rates.length && random.uniform() < rates[accepted]!) accepted += 1;
  belief.observe(accepted, Math.min(rates.length, accepted + 1));
}

describe("beliefs of acceptance", () => {
  test("come to the share that is accepted, and never to 0 or 1", () => {
    for (const rate of [0, 0.3, 0.8, 1]) {
      const random = createRandom(1, `rate/${rate}`);
      const population = new AcceptancePopulation(0.6);
      for (let sequence = 0; sequence < 20; sequence++) {
        const belief = new AcceptanceBelief(population);
        for (let i = 0; i < 25; i++) draft(belief, [rate, rate, rate], random);
      }
      const [first] = new AcceptanceBelief(population).gains(1);
      expect(Math.abs(first! - rate)).toBeLessThan(0.09);
      expect(first! > 0 && first! < 1).toBe(true);
    }
  });

  test("where all sequences are alike, three rejections in a row are luck; where they differ, they tell which it is", () => {
    const learnt = (rates: readonly number[]): AcceptancePopulation => {
      const random = createRandom(2, `of/${rates.length}`);
      const population = new AcceptancePopulation(0.6);
      for (let sequence = 0; sequence < 40; sequence++) {
        const belief = new AcceptanceBelief(population);
        const rate = rates[sequence % rates.length]!;
        for (let i = 0; i < 20; i++) draft(belief, [rate, rate, rate], random);
      }
      return population;
    };
    const afterThree = (population: AcceptancePopulation): number => {
      const belief = new AcceptanceBelief(population);
      for (let i = 0; i < 3; i++) belief.observe(0, 1);
      return belief.gains(1)[0]!;
    };
    expect(afterThree(learnt([0.6]))).toBeGreaterThan(0.45);
    expect(afterThree(learnt([0.94, 0.2]))).toBeLessThan(0.35);
    const sure = new AcceptanceBelief(learnt([0.94, 0.2]));
    for (let i = 0; i < 2; i++) sure.observe(3, 3);
    expect(sure.gains(1)[0]).toBeGreaterThan(0.85);
  });

  test("a text of another kind is found out within a dozen drafts", () => {
    const random = createRandom(3, "change");
    const population = new AcceptancePopulation(0.6);
    const belief = new AcceptanceBelief(population);
    for (let i = 0; i < 200; i++) draft(belief, [0.9, 0.9, 0.9], random);
    expect(belief.gains(1)[0]).toBeGreaterThan(0.8);
    for (let i = 0; i < 12; i++) draft(belief, [0.1, 0.1, 0.1], random);
    expect(belief.gains(1)[0]).toBeLessThan(0.4);
  });

  test("places are told apart: of a drafter that loses the thread later tokens are worth less", () => {
    const random = createRandom(4, "places");
    const population = new AcceptancePopulation(0.6);
    for (let sequence = 0; sequence < 30; sequence++) {
      const belief = new AcceptanceBelief(population);
      for (let i = 0; i < 25; i++) draft(belief, [0.8, 0.6, 0.3, 0.3], random);
    }
    const gains = new AcceptanceBelief(population).gains(4);
    const wanted = [0.8, 0.48, 0.144, 0.0432];
    for (const [i, gain] of gains.entries()) expect(Math.abs(gain - wanted[i]!)).toBeLessThan(0.09);
  });

  test("gains fall, whatever was seen, and after the first rejection nothing is known of the rest of a draft", () => {
    const [short, long] = [2, 7].map((judged) => {
      const belief = new AcceptanceBelief(new AcceptancePopulation(0.6));
      belief.observe(1, judged);
      return [...belief.gains(14)];
    });
    expect(short).toEqual(long);
    for (const [i, gain] of short!.entries()) expect(gain).toBeLessThanOrEqual(i === 0 ? 1 : short![i - 1]!);
  });

  test("without drafts a belief goes back to what all sequences are like", () => {
    const population = new AcceptancePopulation(0.6);
    const before = new AcceptanceBelief(population).gains(1)[0]!;
    const belief = new AcceptanceBelief(population);
    for (let i = 0; i < 8; i++) belief.observe(0, 3);
    const bad = belief.gains(1)[0]!;
    for (let i = 0; i < 2000; i++) belief.idle();
    const back = belief.gains(1)[0]!;
    expect(bad).toBeLessThan(back);
    expect(back).toBeLessThan(before);
    expect(back).toBeCloseTo(new AcceptanceBelief(population).gains(1)[0]!, 2);
  });
});
