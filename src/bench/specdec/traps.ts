/**
 * The two ways in which a benchmark of speculation deceives itself. Random-token prompts: what follows noise is easy to
 * guess, so acceptance and throughput come out too high. Prompts that are alike: they favour one drafter over another,
 * so that rankings turn with the choice of prompts.
 */
import type { Cell } from "./cell.ts";
import { answerMeans, type ArmSummary } from "./compare.ts";
import { differenceInterval, meanOf, ratioInterval } from "./estimate.ts";
import type { Interval } from "./types.ts";

/** Names of the groups that the experiments compare. */
export const TRAP_GROUPS = { real: "real", random: "random tokens" } as const;
/** Names of the groups of the bias experiment. */
export const BIAS_GROUPS = { diverse: "diverse", alike: "alike" } as const;

/** By how much random tokens flatter an arm. */
export interface TrapRow {
  readonly arm: string;
  readonly concurrency: number;
  readonly realTps: number;
  readonly randomTps: number;
  /** Throughput on random tokens by throughput on real prompts, minus 1. */
  readonly inflation: Interval | null;
  readonly realLength: number | null;
  readonly randomLength: number | null;
  /** By how much the speed-up over no drafting is overstated; null for the arm without drafts. */
  readonly speedupInflation: number | null;
  /** The inflation's interval excludes 0. */
  readonly isDecided: boolean;
}

/** Rows per arm and concurrency. */
export function trapRows(cells: readonly Cell[], summaries: readonly ArmSummary[]): readonly TrapRow[] {
  return summaries
    .filter(({ group }) => group === TRAP_GROUPS.real)
    .flatMap((real): TrapRow[] => {
      const { arm, concurrency } = real;
      const random = summaries.find(
        (one) => one.group === TRAP_GROUPS.random && one.arm === arm && one.concurrency === concurrency,
      );
      if (random === undefined) return [];
      const of = (group: string): readonly number[] =>
        cells
          .filter((cell) => cell.group === group && cell.arm === arm && cell.concurrency === concurrency)
          .toSorted((a, b) => a.round - b.round)
          .map(({ timing }) => timing.outputTps);
      const [above, below] = [of(TRAP_GROUPS.random), of(TRAP_GROUPS.real)];
      const ratio = above.length === below.length ? ratioInterval(above, below) : null;
      const inflation = ratio === null ? null : shifted(ratio, -1);
      return [
        {
          arm,
          concurrency,
          realTps: real.outputTps,
          randomTps: random.outputTps,
          inflation,
          realLength: real.acceptanceLength,
          randomLength: random.acceptanceLength,
          speedupInflation:
            real.speedup === null || random.speedup === null ? null : random.speedup.mean / real.speedup.mean - 1,
          isDecided: inflation !== null && (inflation.low > 0 || inflation.high < 0),
        },
      ];
    });
}

function shifted({ mean, low, high, count }: Interval, by: number): Interval {
  return { mean: mean + by, low: low + by, high: high + by, count };
}

/** The gap between two drafters on a set of prompts. */
export interface Gap {
  readonly group: string;
  readonly first: {
    readonly arm: string;
    readonly acceptanceLength: Interval | null;
    readonly speedup: Interval | null;
  };
  readonly second: Gap["first"];
  /** Acceptance length of the first minus that of the second. */
  readonly gap: Interval | null;
}

/** Whether the choice of prompts changes how two drafters compare. */
export interface BiasReport {
  readonly diverse: Gap;
  readonly alike: Gap;
  /** Gap on the diverse set minus gap on the set of like prompts, with its interval. */
  readonly change: Interval | null;
  readonly orderFlips: boolean;
  /** The change's interval excludes 0, or the order flips with both gaps clear; else not seen here. */
  readonly isSeen: boolean;
}

/** Compares two arms on both sets. */
export function biasReport(
  cells: readonly Cell[],
  summaries: readonly ArmSummary[],
  first: string,
  second: string,
): BiasReport {
  const diverse = gapOn(cells, summaries, BIAS_GROUPS.diverse, first, second);
  const alike = gapOn(cells, summaries, BIAS_GROUPS.alike, first, second);
  const change = changeOf(diverse.gap, alike.gap);
  const isClear = ({ gap }: Gap): boolean => gap !== null && (gap.low > 0 || gap.high < 0);
  const orderFlips = diverse.gap !== null && alike.gap !== null && diverse.gap.mean * alike.gap.mean < 0;
  return {
    diverse,
    alike,
    change,
    orderFlips,
    isSeen:
      (change !== null && (change.low > 0 || change.high < 0)) || (orderFlips && isClear(diverse) && isClear(alike)),
  };
}

function gapOn(
  cells: readonly Cell[],
  summaries: readonly ArmSummary[],
  group: string,
  first: string,
  second: string,
): Gap {
  const side = (arm: string): Gap["first"] => {
    const own = summaries.find((one) => one.group === group && one.arm === arm);
    return { arm, acceptanceLength: own?.acceptanceInterval ?? null, speedup: own?.speedup ?? null };
  };
  const lengths = (arm: string): readonly number[] =>
    answerMeans(cells.filter((cell) => cell.group === group && cell.arm === arm));
  return {
    group,
    first: side(first),
    second: side(second),
    gap: differenceInterval(lengths(first), lengths(second)),
  };
}

/** Two independent gaps: their half widths add as squares. */
function changeOf(a: Interval | null, b: Interval | null): Interval | null {
  if (a === null || b === null) return null;
  const half = Math.hypot(a.high - a.mean, b.high - b.mean);
  const mean = a.mean - b.mean;
  return { mean, low: mean - half, high: mean + half, count: a.count + b.count };
}

/** The mean inflation over arms that draft; null without any. */
export function meanInflation(rows: readonly TrapRow[], baseline: string | null): number | null {
  const drafting = rows.flatMap(({ arm, inflation }) =>
    arm === baseline || inflation === null ? [] : [inflation.mean],
  );
  return drafting.length === 0 ? null : meanOf(drafting);
}
