/**
 * What a claim is: a headline, a baseline, a metric, a target, and a measurement that runs both arms
 * interleaved in one process. Nothing here measures: see run.ts for the life of a run, statistics.ts
 * for intervals, and one file per claim for what is claimed.
 */
import type { Clock } from "../core/index.ts";
import type { MachineInfo } from "./machine.ts";

/** full: the published figure. quick: at most 50 s, same arms. smoke: at most 3 s, structure only. */
export type ClaimMode = "full" | "quick" | "smoke";

/** One measured line of a claim; field names are those of the JSON that is printed. */
export interface Measured {
  readonly metric: string;
  readonly unit: string;
  readonly better: "higher" | "lower";
  readonly ours: number;
  /** Null when the target is an absolute one. */
  readonly baseline: number | null;
  /** Improvement over the baseline: above 1 is better, whatever `better` says. Null without a baseline. */
  readonly ratio: number | null;
  /** Null for a line that is published without a target. */
  readonly target: number | null;
  readonly target_on: "ours" | "ratio";
  readonly samples: number;
  /** 95 % interval of what the target is on. */
  readonly interval95: readonly [number, number] | null;
  /** True or false when the interval decides it, null when it does not. */
  readonly holds: boolean | null;
  readonly kind: "live" | "simulated" | "trained";
  readonly paper_says: string | null;
  readonly note: string;
  /** The whole curve where the line is one point of it. */
  readonly curve?: readonly Readonly<Record<string, number | string>>[];
}

/** What a measurement gets from the one who runs it. */
export interface ClaimContext {
  readonly mode: ClaimMode;
  readonly clock: Clock;
  readonly seed: number;
  /** A line of progress for people; never part of the result. */
  progress(message: string): void;
}

/**
 * One thing we say of ourselves and the measurement that decides it. `measure` runs both arms interleaved, keeps to
 * the limits of its mode, and throws when it cannot run (the runner turns that into a result with `error`).
 */
export interface Claim {
  /** The paper's number, or a word for a claim of our own. */
  readonly id: string;
  readonly name: string;
  /** What is claimed, in one sentence. */
  readonly headline: string;
  /** What it is measured against, in one sentence. */
  readonly baseline: string;
  /** Where the method comes from. */
  readonly source: string;
  /** Fixed before the run: what each target is. */
  readonly targets: string;
  /** It runs only where the folder rivals/ is installed, which is never with punctual. False when absent. */
  readonly needsRivals?: boolean;
  measure(context: ClaimContext): Promise<readonly Measured[]>;
}

/** The object that `--json` prints as its last line. */
export interface ClaimResult {
  readonly claim: string;
  readonly name: string;
  readonly mode: ClaimMode;
  readonly holds: boolean | null;
  readonly seconds: number;
  readonly machine: MachineInfo;
  readonly measured: readonly Measured[];
  /** Set when the claim could not run. */
  readonly error?: string;
}

/** False as soon as one line is false, true when every line with a target holds, else null. */
export function claimHolds(measured: readonly Measured[]): boolean | null {
  const decided = measured.filter((line) => line.target !== null);
  if (decided.some((line) => line.holds === false)) return false;
  return decided.length > 0 && decided.every((line) => line.holds === true) ? true : null;
}
