/** What the measurements of claim `11` come to, line by line. */
import type { AcceptanceReport } from "../../bench/index.ts";
import { median } from "../../core/index.ts";
import type { Measured } from "../framework.ts";
import { absolute, compare, exact } from "../statistics.ts";
import { acceptanceBy, identical, pairedSpeeds, type Answered } from "./answers.ts";
import { COMPARED_LENGTH, PLAIN, prunedArm, type SpeedArm } from "./arms.ts";
import { roundsOf, type ThroughputCell } from "./throughput.ts";

const live = { kind: "live", note: "" } as const;

const rounded = (value: number | null | undefined): number | string =>
  value === null || value === undefined ? "-" : Math.round(value * 1000) / 1000;

/** The same texts, and every drafter's acceptance by category and speed-up on the same prompts. */
export function drafterLines(answers: readonly Answered[], arms: readonly SpeedArm[]): Measured[] {
  const { compared, same } = identical(answers, PLAIN);
  const lines = [
    exact(
      {
        ...live,
        metric: "greedy answers equal to those without drafts",
        unit: "share",
        better: "higher",
        note: "token by token, one at a time",
      },
      compared === 0 ? 0 : same / compared,
      1,
      compared,
    ),
  ];
  for (const arm of arms) {
    const { categories, length } = acceptanceBy(answers, arm, COMPARED_LENGTH);
    const note = `${COMPARED_LENGTH} drafted tokens, mean over ${categories.size} categories; tokens a step`;
    lines.push(
      exact(
        {
          ...live,
          metric: `acceptance length, ${arm.name}`,
          unit: "tokens",
          better: "higher",
          note,
          curve: Array.from(categories, ([category, report]) => categoryPoint(category, report)),
        },
        length,
        null,
        answers.filter((answer) => answer.arm === arm.name).length,
      ),
    );
  }
  const speeds = arms
    .map((arm) => ({ arm, ...pairedSpeeds(answers, arm, PLAIN) }))
    .filter(({ ours }) => ours.length > 0);
  const best = speeds.toSorted((a, b) => ratio(b) - ratio(a))[0];
  for (const { arm, ours, others } of speeds) {
    const text = {
      ...live,
      metric: `speed-up, ${arm.name}`,
      unit: "tokens/s",
      better: "higher",
      note: "one reader, same prompts in turn",
    } as const;
    lines.push(compare(text, ours, others, arm === best?.arm ? 1 : null));
  }
  return lines;
}

const ratio = ({ ours, others }: { readonly ours: readonly number[]; readonly others: readonly number[] }): number =>
  median(ours.map((value, i) => value / others[i]!));

function categoryPoint(category: string, { length, conditional, rate }: AcceptanceReport) {
  const rates = Array.from({ length: COMPARED_LENGTH }, (_, i): [string, number | string] => [
    `AR ${i + 1}`,
    rounded(conditional?.[i]),
  ]);
  return { category, AL: rounded(length?.mean), ...Object.fromEntries(rates), accepted: rounded(rate) };
}

/** Random tokens against real prompts: by how much they flatter each drafter, and drafters on average, as the paper has it. */
export function trapLines(
  real: readonly ThroughputCell[],
  random: readonly ThroughputCell[],
  arms: readonly SpeedArm[],
  batch: number,
): Measured[] {
  const inflation = (arm: SpeedArm): number[] => {
    const below = roundsOf(real, arm, batch);
    return roundsOf(random, arm, batch).map((tps, i) => tps / below[i]! - 1);
  };
  const note = `${batch} at a time, same lengths; without drafts ${rounded(median(inflation(PLAIN)))}`;
  const line = (who: string, sample: readonly number[], target: number | null): Measured => ({
    ...absolute(
      {
        ...live,
        metric: `inflation of throughput by random-token prompts, ${who}`,
        unit: "share",
        better: "higher",
        note,
      },
      sample,
      target,
    ),
    paper_says: "about 23 % on average, EAGLE3",
  });
  const each = arms.map((arm) => ({ arm, sample: inflation(arm) }));
  const mean = each[0]!.sample.map((_, i) => each.reduce((sum, { sample }) => sum + sample[i]!, 0) / each.length);
  return [line("mean of drafters", mean, 0.1), ...each.map(({ arm, sample }) => line(arm.name, sample, null))];
}

/** N-grams with a full batch: slower than no drafts, and said so. */
export function slowdownLine(cells: readonly ThroughputCell[], ngram: SpeedArm, batch: number): Measured {
  const plain = roundsOf(cells, PLAIN, batch);
  const ratios = roundsOf(cells, ngram, batch).map((tps, i) => tps / plain[i]!);
  const note = `${COMPARED_LENGTH} drafted tokens whatever they bring`;
  const text = {
    ...live,
    metric: `speed-up of n-gram lookup, ${batch} at a time`,
    unit: "ratio",
    better: "lower",
    note,
  } as const;
  return { ...absolute(text, ratios, 1), paper_says: "0.88x for Llama-3.3-70B, 0.29x for GPT-OSS-120B" };
}

/** What fewer tokens cost the heads, by category. */
export function vocabularyLine(
  full: readonly Answered[],
  pruned: readonly Answered[],
  heads: SpeedArm,
  tokens: number,
  vocabSize: number,
): Measured {
  const before = acceptanceBy(full, heads, COMPARED_LENGTH).categories;
  const after = acceptanceBy(pruned, prunedArm(tokens), COMPARED_LENGTH).categories;
  const curve = Array.from(after, ([category, report]) => {
    const [own, whole] = [report.length?.mean ?? 1, before.get(category)?.length?.mean ?? 1];
    return { category, AL: rounded(own), AL_full: rounded(whole), change: rounded(own / whole - 1) };
  });
  const changes = curve.map(({ change }) => Number(change));
  const spread = `${(Math.max(...changes) * 100).toFixed(1)} % to ${(Math.min(...changes) * 100).toFixed(1)} % by category`;
  const text = {
    ...live,
    metric: `acceptance length of heads with ${tokens} of ${vocabSize} tokens`,
    unit: "change",
    better: "higher",
    note: spread,
    curve,
  } as const;
  const mean = changes.reduce((sum, change) => sum + change, 0) / Math.max(1, changes.length);
  return { ...exact(text, mean, null, pruned.length), paper_says: "-0.65 % to -10.2 %, largest on the long tail" };
}
