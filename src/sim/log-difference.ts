/** Decision logs against each other: where they first differ, to the last digit. */
import type { DecisionLogEntry } from "../sched/index.ts";
import type { Recording } from "../workload/index.ts";

/** Where two logs first part. */
export interface LogDifference {
  /** Index of the entry; the shorter length when one log is a beginning of the other. */
  readonly entry: number;
  /** Path of the first field that differs, "" when an entry is missing. */
  readonly field: string;
  readonly recorded: unknown;
  readonly replayed: unknown;
}

/** Compares two decision logs exactly; null when they are identical. */
export function firstDifference(
  recorded: readonly DecisionLogEntry[],
  replayed: readonly DecisionLogEntry[],
): LogDifference | null {
  const entries = Math.max(recorded.length, replayed.length);
  for (let entry = 0; entry < entries; entry++) {
    const [a, b] = [recorded[entry], replayed[entry]];
    if (a === undefined || b === undefined) return { entry, field: "", recorded: a, replayed: b };
    const found = difference(a, b, "");
    if (found !== null) return { entry, ...found };
  }
  return null;
}

function difference(a: unknown, b: unknown, field: string): Omit<LogDifference, "entry"> | null {
  if (Object.is(a, b)) return null;
  const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
    typeof value === "object" && value !== null;
  if (!isObject(a) || !isObject(b)) return { field, recorded: a, replayed: b };
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const found = difference(a[key], b[key], field === "" ? key : `${field}.${key}`);
    if (found !== null) return found;
  }
  return null;
}

/**
 * The decisions that a recording carries, in order. A server under load writes some steps without theirs: those are
 * skipped here, so that the list may be shorter than `recording.steps`; each entry says which `step` it is of.
 */
export function recordedDecisions(recording: Recording): readonly DecisionLogEntry[] {
  return recording.steps.flatMap(({ decision }) => (decision === undefined ? [] : [decision as DecisionLogEntry]));
}

/**
 * Compares the decisions that a recording carries with those of its replay, step by step. A server under load writes
 * some steps without their decision: they count as unknown, not as different.
 * @param replayed one entry per recorded step.
 */
export function compareDecisions(
  recording: Recording,
  replayed: readonly DecisionLogEntry[],
): { readonly compared: number; readonly difference: LogDifference | null } {
  let compared = 0;
  if (recording.steps.length !== replayed.length) {
    const counts = { recorded: recording.steps.length, replayed: replayed.length };
    return { compared, difference: { entry: Math.min(counts.recorded, counts.replayed), field: "", ...counts } };
  }
  for (const [entry, { decision }] of recording.steps.entries()) {
    if (decision === undefined) continue;
    compared += 1;
    const found = difference(decision, replayed[entry], "");
    if (found !== null) return { compared, difference: { entry, ...found } };
  }
  return { compared, difference: null };
}
