/** The choice of questions: how unlike the chosen ones are, and whether like ones change how two drafters compare. */
import {
  acceptanceLength,
  biasGroups,
  differenceInterval,
  selectQuestions,
  type Interval,
  type Question,
} from "../../bench/index.ts";
import { createRandom } from "../../core/index.ts";
import type { Measured } from "../framework.ts";
import { absolute, exact } from "../statistics.ts";
import { answerAll, type Answered } from "./answers.ts";
import { COMPARED_LENGTH, type SpeedArm, type SpeedEngines } from "./arms.ts";
import { asIds } from "./questions.ts";

/** Average pairwise similarity of what is chosen, by that of as many chosen by chance. */
export function selectionLine(questions: readonly Question[], perCategory: number, seed: number): Measured {
  const { reports } = selectQuestions(questions, perCategory, createRandom(seed, "speed-bench/select"));
  const ratios = reports.flatMap(({ ratio }) => ratio ?? []);
  const curve = reports.map(({ category, candidates, selected, similarity, randomSimilarity, ratio }) => ({
    category,
    candidates,
    selected,
    similarity: Math.round(similarity * 1000) / 1000,
    by_chance: Math.round(randomSimilarity * 1000) / 1000,
    ratio: ratio === null ? "-" : Math.round(ratio * 1000) / 1000,
  }));
  const similar = reports.reduce((sum, { similarity }) => sum + similarity, 0);
  const chance = reports.reduce((sum, { randomSimilarity }) => sum + randomSimilarity, 0);
  const text = {
    metric: "average similarity of chosen questions, by that of a random choice",
    unit: "ratio",
    better: "lower",
    kind: "live",
    note: `${perCategory} of each category; median over categories ${ratios.length === 0 ? "-" : absoluteMedian(ratios)}`,
    curve,
  } as const;
  return { ...exact(text, chance > 0 ? similar / chance : 1, 0.75, reports.length), paper_says: "0.14 against 0.22" };
}

function absoluteMedian(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) / 2)]!.toFixed(2);
}

/** Two drafters on questions that are unlike and on as many that are alike. */
export async function biasLine(
  engines: SpeedEngines,
  arms: readonly [SpeedArm, SpeedArm],
  options: {
    readonly questions: readonly Question[];
    readonly perCategory: number;
    readonly maxTokens: number;
    readonly seed: number;
  },
): Promise<Measured> {
  const { questions, perCategory, maxTokens, seed } = options;
  const { groups } = biasGroups(questions, perCategory, createRandom(seed, "speed-bench/bias"));
  const gaps: { readonly name: string; readonly gap: Interval | null; readonly lengths: readonly number[] }[] = [];
  const engine = await engines.of(arms[0]);
  for (const [name, asked] of groups) {
    const ids = await asIds(
      asked.map(({ question }) => question),
      engine,
      maxTokens,
    );
    const answers = await answerAll(engines, arms, ids, maxTokens);
    const [first, second] = arms.map((arm) => lengthsOf(answers, arm));
    gaps.push({ name, gap: differenceInterval(first!, second!), lengths: [meanOf(first!), meanOf(second!)] });
  }
  const [diverse, alike] = gaps;
  const change = changeOf(diverse?.gap ?? null, alike?.gap ?? null);
  const isSeen = change !== null && (change.low > 0 || change.high < 0);
  const curve = gaps.map(({ name, gap, lengths }) => ({
    set: name,
    [arms[0].name]: lengths[0]!.toFixed(3),
    [arms[1].name]: lengths[1]!.toFixed(3),
    gap: gap === null ? "-" : `${gap.mean.toFixed(3)} (${gap.low.toFixed(3)} to ${gap.high.toFixed(3)})`,
  }));
  const text = {
    metric: `gap in acceptance length, ${arms[0].name} over ${arms[1].name}, unlike questions less like ones`,
    unit: "tokens",
    better: "higher",
    kind: "live",
    note: isSeen ? "the choice of questions changes how they compare" : "not seen here: within its interval",
    curve,
  } as const;
  const line = absolute(text, [change?.mean ?? 0], null);
  return {
    ...line,
    interval95: change === null ? null : [change.low, change.high],
    samples: change?.count ?? 0,
    note: `${COMPARED_LENGTH} drafted tokens; ${text.note}`,
    paper_says: "equal on SpecBench, the external drafter ahead on SPEED-Bench",
  };
}

const meanOf = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);

function lengthsOf(answers: readonly Answered[], arm: SpeedArm): number[] {
  return answers.filter((answer) => answer.arm === arm.name).map(({ steps }) => acceptanceLength(steps));
}

/** Two independent gaps: their half widths add as squares. */
function changeOf(a: Interval | null, b: Interval | null): Interval | null {
  if (a === null || b === null) return null;
  const half = Math.hypot(a.high - a.mean, b.high - b.mean);
  const mean = a.mean - b.mean;
  return { mean, low: mean - half, high: mean + half, count: a.count + b.count };
}
