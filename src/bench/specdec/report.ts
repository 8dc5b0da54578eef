/** Results for people: a table per experiment and a sentence of what it says. Numbers only; how to read them is at the head of compare.ts and pareto.ts. */
import type { ArmSummary, OverallSummary } from "./compare.ts";
import type { ExperimentReport } from "./experiments.ts";
import type { SelectionReport } from "./groups.ts";
import type { Crossover, ParetoReport } from "./pareto.ts";
import type { BiasReport, TrapRow } from "./traps.ts";
import type { Interval } from "./types.ts";
import type { VocabularyReport } from "./vocabulary.ts";

/** The whole report of an experiment. */
export function experimentTable(report: ExperimentReport): string {
  const parts = [`── ${TITLES[report.kind]} ${"─".repeat(Math.max(0, 60 - TITLES[report.kind].length))}`];
  switch (report.kind) {
    case "qualitative":
      if (report.selection.length > 0) parts.push(selectionTable(report.selection));
      parts.push(summaryTable(report.summaries), overallTable(report.overall));
      break;
    case "throughput":
      parts.push(summaryTable(report.summaries));
      if (report.lengthsBy === "words")
        parts.push("Prompt lengths are estimated from words: the server has no /tokenize.");
      break;
    case "pareto":
      parts.push(paretoTable(report.pareto), ...paretoSentences(report.pareto));
      break;
    case "random-tokens":
      parts.push(trapTable(report.rows), trapSentence(report.meanInflation, report.promptsAs));
      break;
    case "diversity":
      if (report.summaries.length > 0) parts.push(summaryTable(report.summaries));
      parts.push(biasSentence(report.bias, report.note, report.similarity));
      break;
    case "vocabulary":
      parts.push(vocabularyTable(report.vocabulary));
      break;
    default:
      return report satisfies never;
  }
  return [...parts, ...identitySentences(report.summaries), ...warningSentences(report.summaries)].join("\n");
}

const TITLES: Readonly<Record<ExperimentReport["kind"], string>> = {
  qualitative: "Acceptance by category",
  throughput: "Throughput by prompt length and entropy",
  pareto: "Draft length × concurrency",
  "random-tokens": "Random tokens against real prompts",
  diversity: "Diverse prompts against like ones",
  vocabulary: "Pruned vocabulary",
};

function selectionTable(selection: readonly SelectionReport[]): string {
  return table(
    ["category", "selected", "of", "similarity", "of random", "ratio"],
    selection.map((one) => [
      one.category,
      String(one.selected),
      String(one.candidates),
      one.similarity.toFixed(4),
      one.randomSimilarity.toFixed(4),
      number(one.ratio, 2),
    ]),
  );
}

function summaryTable(summaries: readonly ArmSummary[]): string {
  const head = [
    "group",
    "arm",
    "conc.",
    "AL",
    "rate",
    "AR1..",
    "out tok/s",
    "user tok/s",
    "TTFT ms",
    "step ms",
    "speed-up",
    "user",
    "proxy",
  ];
  return table(
    head,
    summaries.map((one) => [
      one.group,
      one.arm,
      String(one.concurrency),
      lengthText(one),
      one.acceptanceRate === null ? "-" : `${(100 * one.acceptanceRate).toFixed(1)} %`,
      one.conditional === null
        ? "-"
        : one.conditional.map((rate) => (rate === null ? "-" : rate.toFixed(2))).join(" ") || "-",
      one.outputTps.toFixed(1),
      one.userTps.toFixed(1),
      one.ttftMs.toFixed(1),
      one.stepMs.toFixed(2),
      ratioText(one.speedup),
      ratioText(one.userSpeedup),
      number(one.proxySpeedup, 2),
    ]),
  );
}

function lengthText({ acceptanceLength, acceptanceInterval, draftLength }: ArmSummary): string {
  if (acceptanceLength === null) return "-";
  const isSpread = draftLength !== 0 && acceptanceInterval !== null && acceptanceInterval.high < Infinity;
  const half = isSpread ? `±${(acceptanceInterval.high - acceptanceInterval.mean).toFixed(2)}` : "";
  return acceptanceLength.toFixed(2) + half;
}

function overallTable(overall: readonly OverallSummary[]): string {
  return table(
    ["all categories", "conc.", "AL", "speed-up", "user", "proxy"],
    overall.map((one) => [
      one.arm,
      String(one.concurrency),
      number(one.acceptanceLength, 2),
      factor(one.speedup),
      factor(one.userSpeedup),
      factor(one.proxySpeedup),
    ]),
  );
}

function paretoTable({ points }: ParetoReport): string {
  return table(
    ["arm", "conc.", "AL", "out tok/s", "user tok/s", "speed-up", "front"],
    points.map((point) => [
      point.arm,
      String(point.concurrency),
      number(point.acceptanceLength, 2),
      point.outputTps.toFixed(1),
      point.userTps.toFixed(1),
      ratioText(point.speedup),
      point.isOnFront ? "*" : "",
    ]),
  );
}

function paretoSentences({ crossovers, best, adaptive }: ParetoReport): readonly string[] {
  return [
    ...best.map(
      ({ concurrency, arm, speedup }) =>
        `Best at ${concurrency}: ${arm}${speedup === null ? "" : ` (${speedup.toFixed(2)}x of no drafting)`}`,
    ),
    ...crossovers.map(({ arm, crossover }) => `${arm}: ${crossoverText(crossover)}`),
    ...adaptive.map(
      ({ arm, worstShare, overall }) =>
        `${arm}: at worst ${(100 * worstShare).toFixed(1)} % of the best fixed length; over all ` +
        overall.map((one) => `${one.ratio.toFixed(3)}x ${one.arm}`).join(", "),
    ),
  ];
}

/** A crossover in words. */
export function crossoverText(crossover: Crossover): string {
  switch (crossover.kind) {
    case "always pays":
      return "pays at every concurrency measured";
    case "never pays":
      return "slowdown at every concurrency measured";
    case "not measured":
      return "crossover not measured: there is no arm without drafts";
    case "pays until":
    case "pays from": {
      const { concurrency, between, isDecided } = crossover;
      const verb = crossover.kind === "pays until" ? "pays up to" : "pays from";
      const doubt = isDecided ? "" : ", within noise";
      return `${verb} a concurrency of ${concurrency.toFixed(1)} (between ${between[0]} and ${between[1]}${doubt})`;
    }
    default:
      return crossover satisfies never;
  }
}

function trapTable(rows: readonly TrapRow[]): string {
  return table(
    ["arm", "conc.", "real tok/s", "random tok/s", "inflation", "AL real", "AL random", "of speed-up"],
    rows.map((row) => [
      row.arm,
      String(row.concurrency),
      row.realTps.toFixed(1),
      row.randomTps.toFixed(1),
      row.inflation === null ? "-" : percentText(row.inflation),
      number(row.realLength, 2),
      number(row.randomLength, 2),
      row.speedupInflation === null ? "-" : percent(row.speedupInflation),
    ]),
  );
}

function trapSentence(inflation: number | null, promptsAs: "token ids" | "words"): string {
  const form = promptsAs === "words" ? " (random words: the server has no /tokenize)" : "";
  if (inflation === null) return `No drafting arm was measured on both${form}.`;
  const verdict = inflation >= 0 ? "overstate" : "understate";
  return `Random tokens ${verdict} speculative throughput by ${percent(Math.abs(inflation)).replace("+", "")} on average${form}.`;
}

function biasSentence(
  bias: BiasReport | null,
  note: string | null,
  similarity: Readonly<Record<string, number>>,
): string {
  const sets = Object.entries(similarity)
    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
    .join(", ");
  if (bias === null) return `Similarity: ${sets}. Not compared: ${note ?? "nothing was measured"}.`;
  const gap = (one: BiasReport["diverse"]): string =>
    `${one.group}: ${one.first.arm} − ${one.second.arm} = ${one.gap === null ? "-" : intervalText(one.gap)}`;
  const change = bias.change === null ? "-" : intervalText(bias.change);
  const verdict = bias.isSeen
    ? bias.orderFlips
      ? "the order flips with the prompts"
      : "the gap depends on the prompts"
    : "no bias seen here";
  return `Similarity: ${sets}. AL gap ${gap(bias.diverse)}; ${gap(bias.alike)}; change ${change}: ${verdict}.`;
}

function vocabularyTable(report: VocabularyReport): string {
  if (report.kind === "not measurable") return `Not measurable: ${report.reason}.`;
  const rows = report.rows.map((row) => [
    row.category,
    row.vocabularyTokens === null ? "all" : String(row.vocabularyTokens),
    String(row.answers),
    row.acceptanceLength.toFixed(2),
    percent(row.change),
    `${(100 * row.missing).toFixed(1)} %`,
  ]);
  const means = report.overall.map((row) => [
    "mean",
    String(row.vocabularyTokens),
    "",
    "",
    percent(row.change),
    `${(100 * row.missing).toFixed(1)} %`,
  ]);
  return [
    table(["category", "vocabulary", "answers", "AL", "change", "missing"], [...rows, ...means]),
    `Drafter: ${report.drafter}, draft length ${report.draftLength}; ${report.note}.`,
  ].join("\n");
}

function identitySentences(summaries: readonly ArmSummary[]): readonly string[] {
  let [compared, same] = [0, 0];
  let first: string | null = null;
  for (const { identity, arm } of summaries) {
    if (identity === null) continue;
    compared += identity.compared;
    same += identity.same;
    const at = identity.firstDifference;
    if (at !== null) first ??= `${arm}, question ${at.question}, turn ${at.turn + 1}, character ${at.character}`;
  }
  if (compared === 0) return [];
  return [
    same === compared
      ? `Greedy answers: all ${compared} identical with and without drafts.`
      : `Greedy answers: ${compared - same} of ${compared} DIFFER from those without drafts; first: ${first}.`,
  ];
}

function warningSentences(summaries: readonly ArmSummary[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { warnings } of summaries) for (const text of warnings) counts.set(text, (counts.get(text) ?? 0) + 1);
  return [...counts].slice(0, 20).map(([text, count]) => `Note: ${text}${count > 1 ? ` (${count} cells)` : ""}.`);
}

function number(value: number | null, digits: number): string {
  return value === null ? "-" : value.toFixed(digits);
}

function factor(value: number | null): string {
  return value === null ? "-" : `${value.toFixed(2)}x`;
}

function ratioText(ratio: Interval | null): string {
  if (ratio === null) return "-";
  const range = ratio.high < Infinity ? ` [${ratio.low.toFixed(2)}, ${ratio.high.toFixed(2)}]` : "";
  return `${ratio.mean.toFixed(2)}x${range}`;
}

function intervalText({ mean, low, high }: Interval): string {
  return high < Infinity ? `${mean.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]` : mean.toFixed(3);
}

function percent(share: number): string {
  return `${share >= 0 ? "+" : ""}${(100 * share).toFixed(1)} %`;
}

function percentText({ mean, low, high }: Interval): string {
  return high < Infinity ? `${percent(mean)} [${percent(low)}, ${percent(high)}]` : percent(mean);
}

/** Columns padded to their widest cell: the first two to the left, numbers to the right. */
export function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const rows = [head, ...body];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => width(row[column]!))));
  const isText = head.map((_, column) => column === 0 || body.every((row) => !/^[-+]?\d/.test(row[column]!)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => {
          const gap = " ".repeat(widths[i]! - width(cell));
          return isText[i]! ? cell + gap : gap + cell;
        })
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** In code points, near enough for terminals. */
function width(text: string): number {
  return Array.from(text).length;
}
