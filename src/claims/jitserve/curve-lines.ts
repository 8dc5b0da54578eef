/** The lines of claim `16` that come of curves of goodput over load, simulated or live. */
import { present } from "../../core/index.ts";
import type { Measured } from "../framework.ts";
import { absolute, compare } from "../statistics.ts";
import type { ArmRun } from "./run-arm.ts";
import { CHUNKED, FCFS, ORACLE, OURS, RIVALS, type Admission, type Arm } from "./setup.ts";

/** The targets of the claim, all fixed beforehand. */
export const TARGETS = { bestRival: 1.4, fcfs: 6.3, oracle: 0.9, throughput: 0.97 } as const;
/** Where first come, first served keeps less than this share of its own peak, a ratio to it says nothing. */
export const LEAST_FCFS_SHARE = 0.1;
/** Of FCFS's own capacity: the highest load at which the ratio to it is read. */
export const FCFS_LOAD = 1.3;

/** What counts of a run here. */
export type Sample = Pick<ArmRun, "goodput" | "throughput" | "attained">;

/** A load and what each arm that took part made of it, sample by sample. */
export interface LoadPoint {
  readonly load: number;
  readonly cv: number;
  readonly admission: Admission;
  readonly runs: Readonly<Partial<Record<Arm, readonly Sample[]>>>;
}

/** What lines of one setting have in common. */
export interface LineText {
  /** Put before each metric. */
  readonly where: string;
  readonly kind: Measured["kind"];
  readonly note: string;
}

const ADMISSIONS: Readonly<Record<Admission, string>> = { reject: "early refusal", finish: "expiry only" };

/** Keeps ratios finite where nothing was delivered in time. */
const TINY = 0.01;

const atLeast = (value: number): number => Math.max(value, TINY);

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const samplesOf = ({ runs }: LoadPoint, arm: Arm): readonly Sample[] => present(runs[arm], `a run of ${arm}`);

const goodputs = (point: LoadPoint, arm: Arm): number[] => samplesOf(point, arm).map(({ goodput }) => atLeast(goodput));

/** Mean goodput of an arm at a point. */
export const meanGoodput = (point: LoadPoint, arm: Arm): number => mean(goodputs(point, arm));

/** The rival with the largest mean goodput at a point. */
export function bestRival(point: LoadPoint): Arm {
  return RIVALS.reduce((best, arm) => (meanGoodput(point, arm) > meanGoodput(point, best) ? arm : best));
}

/** All points of one curve as plain rows. */
export function curveRows(points: readonly LoadPoint[]): NonNullable<Measured["curve"]> {
  return points.map(({ load, runs }) => {
    const row: Record<string, number | string> = { load };
    for (const [arm, samples] of Object.entries(runs)) {
      row[`${arm} tokens/s`] = round(mean(samples.map(({ goodput }) => goodput)));
      row[`${arm} attained`] = round(mean(samples.map(({ attained }) => attained)), 3);
    }
    return row;
  });
}

/** Ours against the best rival at each load, with a target where the machine is saturated; the first line has the curve. */
export function rivalLines(text: LineText, points: readonly LoadPoint[]): Measured[] {
  return points.map((point, i) => {
    const rival = bestRival(point);
    const { load, cv, admission } = point;
    return compare(
      {
        metric: `${text.where}, ${load} of capacity${burst(cv)}, ${ADMISSIONS[admission]}: goodput`,
        unit: "tokens/s",
        better: "higher",
        kind: text.kind,
        note: `the best rival here is ${rival}; ${text.note}`,
        paper_says: "1.4x to 6.3x",
        ...(i === 0 ? { curve: curveRows(points) } : {}),
      },
      goodputs(point, OURS),
      goodputs(point, rival),
      load >= 1 ? TARGETS.bestRival : null,
    );
  });
}

/** Ours against first come, first served. @param peak of its goodput over all loads. */
export function fcfsLine(text: LineText, metric: string, point: LoadPoint, peak: number): Measured {
  const theirs = goodputs(point, FCFS);
  const share = mean(theirs) / peak;
  const readable = share >= LEAST_FCFS_SHARE;
  return compare(
    {
      metric: `${text.where}, ${metric}, ${ADMISSIONS[point.admission]}: goodput over first come, first served`,
      unit: "tokens/s",
      better: "higher",
      kind: text.kind,
      note: `it keeps ${(100 * share).toFixed(0)} % of its peak here${readable ? "" : ", too little for the ratio to mean much"}; ${text.note}`,
      paper_says: "6.3x",
    },
    goodputs(point, OURS),
    theirs,
    TARGETS.fcfs,
  );
}

/** Ours as a share of what true lengths would give, and of the tokens that chunked prefill makes, where it is saturated. */
export function shareLines(text: LineText, points: readonly LoadPoint[]): Measured[] {
  const saturated = points.filter(({ load }) => load >= 1);
  const shares = (other: Arm, of: keyof Sample): number[] =>
    saturated.flatMap((point) =>
      samplesOf(point, OURS).map((own, i) => atLeast(own[of]) / atLeast(samplesOf(point, other)[i]![of])),
    );
  const { where, kind } = text;
  const common = { unit: "×", better: "higher", kind, note: `loads from 1 up, every seed; ${text.note}` } as const;
  const admission = ADMISSIONS[points[0]!.admission];
  const oracle = {
    ...common,
    metric: `${where}, ${admission}: goodput over that with true lengths`,
    paper_says: "0.91 to 0.97",
  };
  const chunked = { ...common, metric: `${where}, ${admission}: all tokens made over those of ${CHUNKED}` };
  return [
    absolute(oracle, shares(ORACLE, "goodput"), TARGETS.oracle),
    absolute(chunked, shares(CHUNKED, "throughput"), TARGETS.throughput),
  ];
}

const burst = (cv: number): string => (cv === 1 ? "" : `, gaps of CV ${cv}`);

function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits));
}
