/**
 * What arms come to, group by group: acceptance, throughput and speed-up over the arm without drafts. Speed-ups are
 * ratios within a round, so that what drifts between rounds cancels; and greedy answers must be the same text with
 * drafts and without.
 */
import { answerKey } from "./conversations.ts";
import { shownLength } from "./evidence.ts";
import type { Cell } from "./cell.ts";
import { intervalOf, meanOf, ratioInterval } from "./estimate.ts";
import { proxySpeedup } from "./timing.ts";
import type { AcceptanceSource, DraftLength, Interval } from "./types.ts";

/** Answers compared with those of the arm without drafts. */
export interface Identity {
  readonly compared: number;
  readonly same: number;
  /** Where the first pair that differs does; null when all are the same. */
  readonly firstDifference: { readonly question: string; readonly turn: number; readonly character: number } | null;
}

/** One arm on one group at one concurrency, over all rounds. */
export interface ArmSummary {
  readonly arm: string;
  readonly drafter: string | null;
  readonly draftLength: DraftLength;
  readonly group: string;
  readonly concurrency: number;
  readonly rounds: number;
  readonly failed: number;
  readonly source: AcceptanceSource | null;
  /** AL as it is shown; see `source` for what it is a mean of. */
  readonly acceptanceLength: number | null;
  /** Over answers, each one's rounds averaged first; null where only sums are known. */
  readonly acceptanceInterval: Interval | null;
  readonly acceptanceRate: number | null;
  readonly conditional: readonly (number | null)[] | null;
  readonly joint: readonly number[] | null;
  /** Means over rounds. */
  readonly outputTps: number;
  readonly userTps: number;
  readonly ttftMs: number;
  readonly stepMs: number;
  /** Against the arm without drafts; null without one. */
  readonly speedup: Interval | null;
  readonly userSpeedup: Interval | null;
  /** t_ar · AL / t_sd. */
  readonly proxySpeedup: number | null;
  readonly identity: Identity | null;
  readonly warnings: readonly string[];
}

/** The arm that the others are compared with: the first without drafts. */
export function baselineOf(cells: readonly Cell[]): string | null {
  return cells.find(({ draftLength }) => draftLength === 0)?.arm ?? null;
}

/** Sums up cells; in order of group, concurrency and arm as they were measured. */
export function summariseArms(cells: readonly Cell[], isGreedy: boolean): readonly ArmSummary[] {
  const baseline = baselineOf(cells);
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const key = [cell.group, cell.concurrency, cell.arm].join("\n");
    const known = groups.get(key);
    if (known === undefined) groups.set(key, [cell]);
    else known.push(cell);
  }
  return [...groups.values()]
    .map((rounds) => {
      const plain = cells.filter(
        (cell) =>
          cell.arm === baseline && cell.group === rounds[0]!.group && cell.concurrency === rounds[0]!.concurrency,
      );
      return summariseArm(rounds, plain, isGreedy);
    })
    .toSorted(inOrder(cells));
}

function inOrder(cells: readonly Cell[]): (a: ArmSummary, b: ArmSummary) => number {
  const place = <T>(of: (cell: Cell) => T): ((value: T) => number) => {
    const values = [...new Set(cells.map(of))];
    return (value) => values.indexOf(value);
  };
  const [group, concurrency] = [place(({ group: name }) => name), place((cell) => cell.concurrency)];
  const arm = place((cell) => cell.arm);
  return (a, b) =>
    group(a.group) - group(b.group) ||
    concurrency(a.concurrency) - concurrency(b.concurrency) ||
    arm(a.arm) - arm(b.arm);
}

function summariseArm(rounds: readonly Cell[], plain: readonly Cell[], isGreedy: boolean): ArmSummary {
  const first = rounds[0]!;
  const measured = rounds.filter(({ acceptance }) => acceptance !== null);
  const accounts = measured.map(({ acceptance }) => acceptance!);
  const lengths = answerMeans(rounds);
  const interval = intervalOf(lengths);
  const shown = interval?.mean ?? (accounts.length === 0 ? null : meanOf(accounts.map(shownLength)));
  const isBaseline = plain.length === 0 || first.arm === plain[0]!.arm;
  const pairs = isBaseline ? [] : pairsOf(rounds, plain);
  const rates = accounts.flatMap(({ rate }) => (rate === null ? [] : [rate]));
  return {
    arm: first.arm,
    drafter: first.drafter,
    draftLength: first.draftLength,
    group: first.group,
    concurrency: first.concurrency,
    rounds: rounds.length,
    failed: rounds.reduce((sum, { failed }) => sum + failed, 0),
    source: accounts[0]?.source ?? null,
    acceptanceLength: shown,
    acceptanceInterval: interval,
    acceptanceRate: rates.length === 0 ? null : meanOf(rates),
    conditional: accounts[0]?.conditional ?? null,
    joint: accounts[0]?.joint ?? null,
    outputTps: meanOf(rounds.map(({ timing }) => timing.outputTps)),
    userTps: meanOf(rounds.map(({ timing }) => timing.userTps?.mean ?? 0)),
    ttftMs: meanOf(rounds.map(({ timing }) => timing.ttftMs?.mean ?? 0)),
    stepMs: meanOf(rounds.map(({ timing }) => timing.stepMs?.mean ?? 0)),
    speedup: ratioOf(pairs, ({ timing }) => timing.outputTps),
    userSpeedup: ratioOf(pairs, ({ timing }) => timing.userTps?.mean ?? 0),
    proxySpeedup: proxyOf(pairs, shown),
    identity: isGreedy && !isBaseline ? identityOf(pairs) : null,
    warnings: [...new Set(rounds.flatMap(({ warnings }) => warnings))],
  };
}

type Pair = readonly [Cell, Cell];

function pairsOf(rounds: readonly Cell[], plain: readonly Cell[]): readonly Pair[] {
  return rounds.flatMap((cell): Pair[] => {
    const other = plain.find(({ round }) => round === cell.round);
    return other === undefined ? [] : [[cell, other]];
  });
}

function ratioOf(pairs: readonly Pair[], of: (cell: Cell) => number): Interval | null {
  return ratioInterval(
    pairs.map(([cell]) => of(cell)),
    pairs.map(([, plain]) => of(plain)),
  );
}

function proxyOf(pairs: readonly Pair[], length: number | null): number | null {
  const proxies = pairs.flatMap(([cell, plain]) => proxySpeedup(plain.timing, cell.timing, length) ?? []);
  return proxies.length === 0 ? null : meanOf(proxies);
}

/** Of every answer its mean step length over rounds: repeating a question makes no second answer of it. */
export function answerMeans(rounds: readonly Cell[]): readonly number[] {
  const byAnswer = new Map<string, number[]>();
  for (const { answerLengths } of rounds) {
    for (const [key, length] of answerLengths) {
      const known = byAnswer.get(key);
      if (known === undefined) byAnswer.set(key, [length]);
      else known.push(length);
    }
  }
  return [...byAnswer.values()].map(meanOf);
}

/** Compares texts turn by turn. */
export function identityOf(pairs: readonly Pair[]): Identity {
  let [compared, same] = [0, 0];
  let firstDifference: Identity["firstDifference"] = null;
  for (const [cell, plain] of pairs) {
    const texts = new Map<string, string>();
    for (const { question, turn, outcome } of plain.turns) {
      if (outcome.failure === null) texts.set(answerKey(question, turn), outcome.text ?? "");
    }
    for (const { question, turn, outcome } of cell.turns) {
      const expected = texts.get(answerKey(question, turn));
      if (expected === undefined || outcome.failure !== null) continue;
      compared += 1;
      const text = outcome.text ?? "";
      if (text === expected) same += 1;
      else firstDifference ??= { question: question.id, turn, character: differsAt(text, expected) };
    }
  }
  return { compared, same, firstDifference };
}

function differsAt(text: string, expected: string): number {
  let at = 0;
  while (at < text.length && text[at] === expected[at]) at += 1;
  return at;
}

/** An arm over all groups: SPEED-Bench's mean over categories, each weighing the same. */
export interface OverallSummary {
  readonly arm: string;
  readonly concurrency: number;
  readonly acceptanceLength: number | null;
  /** Geometric mean of the groups' speed-ups. */
  readonly speedup: number | null;
  readonly userSpeedup: number | null;
  readonly proxySpeedup: number | null;
}

/** Means over groups, arm by arm. */
export function summariseOverall(summaries: readonly ArmSummary[]): readonly OverallSummary[] {
  const keys = new Map(summaries.map((one) => [`${one.concurrency}\n${one.arm}`, one]));
  return [...keys.values()].map(({ arm, concurrency }) => {
    const own = summaries.filter((one) => one.arm === arm && one.concurrency === concurrency);
    const lengths = own.flatMap((one) => one.acceptanceLength ?? []);
    return {
      arm,
      concurrency,
      acceptanceLength: lengths.length === 0 ? null : meanOf(lengths),
      speedup: geometricMean(own.flatMap((one) => one.speedup?.mean ?? [])),
      userSpeedup: geometricMean(own.flatMap((one) => one.userSpeedup?.mean ?? [])),
      proxySpeedup: geometricMean(own.flatMap((one) => one.proxySpeedup ?? [])),
    };
  });
}

function geometricMean(values: readonly number[]): number | null {
  return values.length === 0 ? null : Math.exp(meanOf(values.map(Math.log)));
}

/** A matrix and its sums. */
export interface MatrixReport {
  readonly summaries: readonly ArmSummary[];
  readonly overall: readonly OverallSummary[];
  readonly cells: readonly Cell[];
}
