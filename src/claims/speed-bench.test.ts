/** Claim 11 as a whole, at its smallest, and how its lines read what was measured. */
import { describe, expect, test } from "vitest";
import { builtInModelDir, HEADS_FILE } from "../llm/index.ts";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { liveClock } from "../runtime/index.ts";
import { runClaim, selectClaims, CLAIMS } from "./index.ts";
import { acceptanceBy, identical, pairedSpeeds, type Answered } from "./speed-bench/answers.ts";
import { ADAPTIVE, LENGTHS, lengthArm, PLAIN } from "./speed-bench/arms.ts";
import { bestByOthers, lengthLines } from "./speed-bench/lengths.ts";
import { drafterLines, trapLines } from "./speed-bench/lines.ts";
import { specBenchQuestions, speedQuestions, worldQuestions } from "./speed-bench/questions.ts";
import { selectionLine } from "./speed-bench/selection.ts";
import { mixOf, type ThroughputCell } from "./speed-bench/throughput.ts";

const answered = (arm: string, id: string, tokens: number, accepted: number, decodeMs: number): Answered => ({
  arm,
  question: { id, category: id.slice(0, 1), promptIds: [1] },
  tokens: Array.from({ length: tokens }, (_, i) => i),
  decodeMs,
  steps: {
    source: "usage",
    tokens,
    accepted,
    drafted: accepted + 2,
    lengths: null,
    histogram: [2, 0, 0, accepted / 3],
    isCut: false,
  },
});

const heads = lengthArm(3);
const answers = [
  answered(PLAIN.name, "a1", 13, 0, 12),
  answered(heads.name, "a1", 13, 6, 6),
  answered(PLAIN.name, "b1", 21, 0, 20),
  answered(heads.name, "b1", 21, 9, 10),
];

describe("answers", () => {
  test("are compared token by token, and their speeds on the same questions", () => {
    expect(identical(answers, PLAIN)).toEqual({ compared: 2, same: 2 });
    const other = { ...answers[1]!, tokens: [5] };
    expect(identical([answers[0]!, other], PLAIN)).toEqual({ compared: 1, same: 0 });
    expect(pairedSpeeds(answers, heads, PLAIN)).toEqual({ ours: [2000, 2000], others: [1000, 1000] });
  });

  test("come to an acceptance length by category, each category weighing the same", () => {
    const { categories, length } = acceptanceBy(answers, heads, 3);
    expect([...categories.keys()]).toEqual(["a", "b"]);
    expect(categories.get("a")!.length!.mean).toBeCloseTo(13 / 7);
    expect(length).toBeCloseTo((13 / 7 + 21 / 12) / 2);
    const lines = drafterLines(answers, [heads]);
    expect(lines.map(({ holds }) => holds)).toEqual([true, null, true]);
    expect(lines[1]!.curve).toHaveLength(2);
  });
});

/** Throughput by a formula, so many rounds with the same noise for all. */
function cells(
  tps: (arm: string, batch: number) => number,
  arms: readonly string[],
  batches: readonly number[],
): ThroughputCell[] {
  return arms.flatMap((arm) =>
    batches.flatMap((batch) =>
      [0.95, 1, 1.04].map((noise, round) => ({ arm, batch, round, outputTps: noise * tps(arm, batch), userTps: 10 })),
    ),
  );
}

describe("loads", () => {
  const arms = [PLAIN, ...LENGTHS.map(lengthArm), ADAPTIVE];
  const batches = [1, 4, 16];
  /** Long drafts win alone, short ones in a full batch. */
  const fixedTps = (tokens: number, batch: number): number => 1000 * (1 + tokens * (0.2 - 0.02 * batch));

  test("the crossover is found, and a controller that is never far from the best holds everywhere", () => {
    const tps = (arm: string, batch: number): number => {
      const tokens = LENGTHS.find((length) => lengthArm(length).name === arm);
      if (tokens !== undefined) return fixedTps(tokens, batch);
      return arm === PLAIN.name ? 1000 : 0.99 * Math.max(1000, ...LENGTHS.map((length) => fixedTps(length, batch)));
    };
    const names = arms.map(({ name }) => name);
    const lines = lengthLines(cells(tps, names, batches), batches);
    expect(lines[0]).toMatchObject({ ours: 1, holds: true });
    expect(lines[0]!.note).toContain("pays until");
    expect(lines[0]!.curve).toHaveLength(arms.length * batches.length);
    expect(lines.map(({ holds }) => holds)).not.toContain(false);
    expect(mixOf(cells(tps, names, batches), PLAIN, batches)[1]).toBeCloseTo(1000);
    // One that always drafts long is found out.
    const stubborn = (arm: string, batch: number): number =>
      arm === ADAPTIVE.name ? 0.99 * fixedTps(7, batch) : tps(arm, batch);
    expect(lengthLines(cells(stubborn, names, batches), batches).map(({ holds }) => holds)).toContain(false);
  });

  test("the best fixed length of a round is chosen by the other rounds: a lucky round does not choose itself", () => {
    const luck = (tokens: number, round: number): number => (tokens === 3 && round === 2 ? 2 : 1);
    const lucky = LENGTHS.flatMap((tokens) =>
      [0, 1, 2, 3].map((round) => ({
        arm: lengthArm(tokens).name,
        batch: 4,
        round,
        outputTps: (tokens === 2 ? 1100 : 1000) * luck(tokens, round),
        userTps: 10,
      })),
    );
    const { arms: chosen, tps } = bestByOthers(lucky, 4);
    expect(chosen[2]).toMatchObject({ name: lengthArm(2).name });
    expect(tps[2]).toBe(1100);
    // The others see that round, and are fooled by it: they meet an ordinary one.
    for (const round of [0, 1, 3]) expect(tps[round]).toBe(1000);
    // With a single round there are no others.
    const single = lucky.filter(({ round }) => round === 2);
    expect(bestByOthers(single, 4)).toMatchObject({ tps: [2000] });
  });

  test("a controller that drafts where nothing pays is found out by no drafts", () => {
    const tps = (arm: string): number => (arm === PLAIN.name ? 1000 : 900);
    const lines = lengthLines(
      cells(
        tps,
        arms.map(({ name }) => name),
        batches,
      ),
      batches,
    );
    const against = (part: string): unknown[] =>
      lines.filter(({ metric }) => metric.startsWith(`adaptive against ${part}`)).map(({ holds }) => holds);
    expect(against("the best fixed length")).toEqual([true, true, true]);
    expect(against("no drafts")).toEqual([false, false, false]);
  });

  test("random tokens that flatter are found to", () => {
    const all = [PLAIN.name, heads.name];
    const real = cells(() => 1000, all, [8]);
    const random = cells((arm) => (arm === PLAIN.name ? 1010 : 1300), all, [8]);
    const lines = trapLines(real, random, [heads], 8);
    for (const { ours } of lines) expect(ours).toBeCloseTo(0.3);
    expect(lines.map(({ holds }) => holds)).toEqual([true, null]);
    expect(trapLines(real, real, [heads], 8)[0]!.holds).toBe(false);
  });
});

describe("questions", () => {
  test("are the same for a seed, single turns of every category, and chosen unlike", () => {
    const world = worldQuestions(24, 3);
    expect(world).toEqual(worldQuestions(24, 3));
    const speed = speedQuestions(24, 3);
    expect(new Set(speed.map(({ category }) => category)).size).toBe(11);
    for (const { turns } of [...world, ...speed, ...specBenchQuestions()]) expect(turns).toHaveLength(1);
    const line = selectionLine([...world, ...speed], 6, 3);
    expect(line.ours).toBeLessThan(0.9);
    expect(line.curve!.length).toBeGreaterThan(12);
  });
});

test.skipIf(!existsSync(join(builtInModelDir(), HEADS_FILE)))(
  "runs, and has a line for each of its targets",
  async () => {
    const [claim] = selectClaims(CLAIMS, ["11"]);
    const { error, measured } = await runClaim(claim!, { mode: "smoke", clock: liveClock, progress: () => undefined });
    expect(error).toBeUndefined();
    expect(measured.find(({ metric }) => metric.startsWith("greedy answers equal"))).toMatchObject({
      ours: 1,
      holds: true,
    });
    const targets = measured.filter(({ target }) => target !== null).map(({ metric }) => metric);
    for (const part of [
      "greedy",
      "inflation",
      "long drafts",
      "adaptive against the best",
      "adaptive against no drafts",
      "everywhere",
      "chosen",
      "n-gram",
      "speed-up",
    ]) {
      expect(targets.some((metric) => metric.includes(part))).toBe(true);
    }
  },
);
