/**
 * Draft length × batch size: which points no other beats on both axes (what the server delivers, what one reader sees),
 * which draft length is best at each concurrency, and from which concurrency on drafting does not pay any more.
 */
import type { ArmSummary } from "./compare.ts";
import type { DraftLength, Interval } from "./types.ts";

/** A point of the plane. */
export interface ParetoPoint {
  readonly arm: string;
  readonly draftLength: DraftLength;
  readonly concurrency: number;
  readonly outputTps: number;
  readonly userTps: number;
  readonly acceptanceLength: number | null;
  readonly speedup: Interval | null;
  /** No other point has more of one and not less of the other. */
  readonly isOnFront: boolean;
}

/** Where drafting stops paying, or starts to. Concurrencies between measured ones are interpolated by their logarithm. */
export type Crossover =
  | { readonly kind: "always pays" }
  | { readonly kind: "never pays" }
  | {
      readonly kind: "pays until" | "pays from";
      readonly concurrency: number;
      /** The measured ones around it. */
      readonly between: readonly [number, number];
      /** False when the interval of a neighbour contains 1. */
      readonly isDecided: boolean;
    }
  | { readonly kind: "not measured" };

/** The best draft length at a concurrency. */
export interface BestLength {
  readonly concurrency: number;
  readonly arm: string;
  readonly draftLength: DraftLength;
  readonly outputTps: number;
  /** Over the arm without drafts. */
  readonly speedup: number | null;
}

/** How a controller's choice compares with fixed lengths. */
export interface AdaptiveVerdict {
  readonly arm: string;
  /** Its throughput by that of the best fixed length, at each concurrency and at worst. */
  readonly shares: readonly { readonly concurrency: number; readonly bestFixed: string; readonly share: number }[];
  readonly worstShare: number;
  /** Over all concurrencies together (geometric mean), by that of each fixed length. */
  readonly overall: readonly { readonly arm: string; readonly ratio: number }[];
}

/** The whole picture. */
export interface ParetoReport {
  readonly points: readonly ParetoPoint[];
  readonly crossovers: readonly {
    readonly arm: string;
    readonly draftLength: DraftLength;
    readonly crossover: Crossover;
  }[];
  readonly best: readonly BestLength[];
  readonly adaptive: readonly AdaptiveVerdict[];
}

/** Of the summaries of one group. */
export function paretoReport(summaries: readonly ArmSummary[]): ParetoReport {
  const rates = summaries.map(({ outputTps, userTps }) => ({ outputTps, userTps }));
  const points = summaries.map((one, i): ParetoPoint => {
    const { arm, draftLength, concurrency, outputTps, userTps, acceptanceLength, speedup } = one;
    const isOnFront = !rates.some((other) => dominates(other, rates[i]!));
    return { arm, draftLength, concurrency, outputTps, userTps, acceptanceLength, speedup, isOnFront };
  });
  const drafting = [...new Set(points.filter(({ draftLength }) => draftLength !== 0).map(({ arm }) => arm))];
  return {
    points,
    crossovers: drafting.map((arm) => {
      const own = points.filter((point) => point.arm === arm);
      return { arm, draftLength: own[0]!.draftLength, crossover: crossoverOf(own) };
    }),
    best: bestLengths(points),
    adaptive: adaptiveVerdicts(points),
  };
}

/** At least as much of both and more of one. */
export function dominates(
  a: Pick<ParetoPoint, "outputTps" | "userTps">,
  b: Pick<ParetoPoint, "outputTps" | "userTps">,
): boolean {
  return a.outputTps >= b.outputTps && a.userTps >= b.userTps && (a.outputTps > b.outputTps || a.userTps > b.userTps);
}

/**
 * Of one arm's points with speed-ups: the last concurrency at which the sign of (speed-up − 1) changes. What wavers
 * before that is noise or a plateau; what holds from there on is the answer.
 */
export function crossoverOf(points: readonly Pick<ParetoPoint, "concurrency" | "speedup">[]): Crossover {
  const known = points
    .flatMap(({ concurrency, speedup }) => (speedup === null ? [] : [{ concurrency, speedup }]))
    .toSorted((a, b) => a.concurrency - b.concurrency);
  if (known.length === 0) return { kind: "not measured" };
  const pays = known.map(({ speedup }) => speedup.mean > 1);
  const ending = pays.at(-1)!;
  const change = pays.lastIndexOf(!ending);
  if (change < 0) return { kind: ending ? "always pays" : "never pays" };
  const [left, right] = [known[change]!, known[change + 1]!];
  const [from, to] = [Math.log(left.speedup.mean), Math.log(right.speedup.mean)];
  const share = from === to ? 0.5 : from / (from - to);
  const [low, high] = [Math.log2(left.concurrency), Math.log2(right.concurrency)];
  const isClear = ({ speedup }: { readonly speedup: Interval }): boolean => speedup.low > 1 || speedup.high < 1;
  return {
    kind: ending ? "pays from" : "pays until",
    concurrency: 2 ** (low + (high - low) * share),
    between: [left.concurrency, right.concurrency],
    isDecided: isClear(left) && isClear(right),
  };
}

/** At each concurrency the arm that delivers most, drafting or not. */
export function bestLengths(points: readonly ParetoPoint[]): readonly BestLength[] {
  const concurrencies = [...new Set(points.map(({ concurrency }) => concurrency))].toSorted((a, b) => a - b);
  return concurrencies.map((concurrency) => {
    const best = points
      .filter((point) => point.concurrency === concurrency && point.draftLength !== "auto")
      .reduce<ParetoPoint | null>(
        (most, point) => (most === null || point.outputTps > most.outputTps ? point : most),
        null,
      );
    const { arm, draftLength, outputTps, speedup } = best ?? points.find((point) => point.concurrency === concurrency)!;
    return { concurrency, arm, draftLength, outputTps, speedup: speedup?.mean ?? null };
  });
}

function adaptiveVerdicts(points: readonly ParetoPoint[]): readonly AdaptiveVerdict[] {
  const names = new Set(points.filter(({ draftLength }) => draftLength === "auto").map(({ arm }) => arm));
  const fixed = points.filter(({ draftLength }) => typeof draftLength === "number");
  if (fixed.length === 0) return [];
  return [...names].map((arm): AdaptiveVerdict => {
    const own = points.filter((point) => point.arm === arm);
    const shares = own.flatMap(({ concurrency, outputTps }) => {
      const beside = fixed.filter((point) => point.concurrency === concurrency);
      if (beside.length === 0) return [];
      const best = beside.reduce((most, point) => (point.outputTps > most.outputTps ? point : most));
      return [{ concurrency, bestFixed: best.arm, share: outputTps / best.outputTps }];
    });
    const overall = [...new Set(fixed.map((point) => point.arm))].map((other) => {
      const logs = own.flatMap(({ concurrency, outputTps }) => {
        const beside = fixed.find((point) => point.arm === other && point.concurrency === concurrency);
        return beside === undefined ? [] : [Math.log(outputTps / beside.outputTps)];
      });
      return { arm: other, ratio: Math.exp(logs.reduce((sum, value) => sum + value, 0) / Math.max(1, logs.length)) };
    });
    return { arm, shares, worstShare: Math.min(...shares.map(({ share }) => share)), overall };
  });
}
