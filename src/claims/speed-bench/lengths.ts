/**
 * Draft length by batch in claim `11`: the crossover of long and short drafts, and the controller against every fixed length.
 *
 * Which length is best at a load is not known beforehand, and the best of five noisy figures is better than it is. So for
 * each round the best length is chosen by all the other rounds, and the controller is held against what that
 * length did in this one: rounds that choose never count as rounds that compare. With a single round there are no others.
 */
import { crossoverOf, intervalOf, type Crossover } from "../../bench/index.ts";
import { median } from "../../core/index.ts";
import type { Measured } from "../framework.ts";
import { compare, exact } from "../statistics.ts";
import { armsOf, HEADS_LENGTHS, LENGTHS, type LengthArms, type SpeedArm } from "./arms.ts";
import { mixOf, roundsOf, type ThroughputCell } from "./throughput.ts";

const live = { kind: "live", note: "" } as const;
/** Within so much of the best the controller is to be, at every load. */
const LEAST_RATIO = 0.97;

/** Whose cells they are. */
export interface LengthsOf {
  readonly arms: LengthArms;
  /** Behind every metric. */
  readonly suffix: string;
}

const HEADS: LengthsOf = { arms: HEADS_LENGTHS, suffix: "" };

/** All lines of the cells of no drafts, every fixed length, and the controller. */
export function lengthLines(
  cells: readonly ThroughputCell[],
  batches: readonly number[],
  of: LengthsOf = HEADS,
): Measured[] {
  const lines: Measured[] = [crossoverLine(cells, batches, of)];
  for (const batch of batches) lines.push(bestLine(cells, batch, of), plainLine(cells, batch, of));
  const mix = mixOf(cells, of.arms.adaptive, batches);
  for (const arm of of.arms.fixed) {
    const text = {
      ...live,
      metric: `adaptive against ${arm.name} everywhere${of.suffix}`,
      unit: "tokens/s",
      better: "higher",
      note: `geometric mean over ${batches.join(", ")} at a time, round by round`,
    } as const;
    lines.push(compare(text, mix, mixOf(cells, arm, batches), 1));
  }
  return lines;
}

/** The best fixed length of every round by all other rounds, and what it did in that round. */
export function bestByOthers(
  cells: readonly ThroughputCell[],
  batch: number,
  { fixed }: LengthArms = HEADS_LENGTHS,
): { readonly arms: readonly SpeedArm[]; readonly tps: readonly number[] } {
  const rates = fixed.map((arm) => roundsOf(cells, arm, batch));
  const rounds = rates[0]!.length;
  const arms: SpeedArm[] = [];
  const tps: number[] = [];
  for (let round = 0; round < rounds; round++) {
    // All arms of a round met the same minute and prompts, so rounds weigh the same: means of logarithms.
    const scores = rates.map((own) =>
      own.reduce((sum, rate, other) => (other === round && rounds > 1 ? sum : sum + Math.log(rate)), 0),
    );
    const best = scores.indexOf(Math.max(...scores));
    arms.push(fixed[best]!);
    tps.push(rates[best]![round]!);
  }
  return { arms, tps };
}

function bestLine(
  cells: readonly ThroughputCell[],
  batch: number,
  { arms: { fixed, adaptive }, suffix }: LengthsOf,
): Measured {
  const { arms, tps } = bestByOthers(cells, batch, { ...HEADS_LENGTHS, fixed });
  const counts = LENGTHS.flatMap((length, i) => {
    const count = arms.filter((arm) => arm === fixed[i]).length;
    return count === 0 ? [] : [`${length} (${count})`];
  });
  const text = {
    ...live,
    metric: `adaptive against the best fixed length, ${batch} at a time${suffix}`,
    unit: "tokens/s",
    better: "higher",
    note: `same round; best by all other rounds, drafted tokens (rounds): ${counts.join(", ")}`,
  } as const;
  return compare(text, roundsOf(cells, adaptive, batch), tps, LEAST_RATIO);
}

/** Where no length pays, as good as none is as good as it gets. */
function plainLine(
  cells: readonly ThroughputCell[],
  batch: number,
  { arms: { plain, adaptive }, suffix }: LengthsOf,
): Measured {
  const text = {
    ...live,
    metric: `adaptive against no drafts, ${batch} at a time${suffix}`,
    unit: "tokens/s",
    better: "higher",
    note: "same round; zero drafted tokens are a choice of the controller's too",
  } as const;
  return compare(text, roundsOf(cells, adaptive, batch), roundsOf(cells, plain, batch), LEAST_RATIO);
}

function curveOf(
  cells: readonly ThroughputCell[],
  batches: readonly number[],
  of: LengthArms,
): NonNullable<Measured["curve"]> {
  return armsOf(of).flatMap((arm) =>
    batches.map((batch) => {
      const tps = roundsOf(cells, arm, batch);
      const plain = roundsOf(cells, of.plain, batch);
      const paces = cells.filter((cell) => cell.arm === arm.name && cell.batch === batch).map((cell) => cell.userTps);
      return {
        arm: arm.name,
        batch,
        output_tps: Math.round(median(tps)),
        user_tps: Math.round(median(paces)),
        speedup: Math.round(median(tps.map((value, i) => value / plain[i]!)) * 1000) / 1000,
      };
    }),
  );
}

function crossoverLine(
  cells: readonly ThroughputCell[],
  batches: readonly number[],
  { arms, suffix }: LengthsOf,
): Measured {
  const [longest, shortest] = [arms.fixed.at(-1)!, arms.fixed[0]!];
  const points = batches.map((concurrency) => {
    const beside = roundsOf(cells, shortest, concurrency);
    const ratios = roundsOf(cells, longest, concurrency).map((tps, i) => tps / beside[i]!);
    return { concurrency, speedup: intervalOf(ratios) };
  });
  const found = crossoverOf(points);
  const note = `${LENGTHS.at(-1)} drafted tokens against ${LENGTHS[0]}: ${crossoverWords(found)}`;
  const text = {
    ...live,
    metric: `long drafts win few at a time and lose many at a time${suffix}`,
    unit: "1 = seen",
    better: "higher",
    note,
    curve: curveOf(cells, batches, arms),
  } as const;
  return exact(text, found.kind === "pays until" ? 1 : 0, 1, points.length);
}

function crossoverWords(found: Crossover): string {
  if (found.kind === "pays until" || found.kind === "pays from") {
    return `${found.kind} ${found.concurrency.toFixed(1)} at a time${found.isDecided ? "" : " (its neighbours are within noise)"}`;
  }
  return found.kind;
}
