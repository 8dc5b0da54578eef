/**
 * What became of a request's promise, as a page shows it: one word, one shape and one colour each, so that nothing rests
 * on colour alone. Pure; the wire's states are those of the live feed.
 */

import type { RequestRow, RequestState, RequestTargets } from "@protocol";

/** How a request stands with its promise. "late" is under way and can no longer keep it. */
export type Outcome =
  | "waiting"
  | "running"
  | "late"
  | "kept"
  | "missed"
  | "cut"
  | "rejected"
  | "expired"
  | "cancelled"
  | "failed";

/** All outcomes, in the order of a legend. */
export const OUTCOMES: readonly Outcome[] = [
  "kept",
  "missed",
  "cut",
  "rejected",
  "expired",
  "waiting",
  "running",
  "late",
  "cancelled",
  "failed",
];

/** In words, for legends, tables and readers of screens. */
export const OUTCOME_WORDS: Readonly<Record<Outcome, string>> = {
  waiting: "waiting",
  running: "running",
  late: "running late",
  kept: "kept",
  missed: "missed",
  cut: "cut at the deadline",
  rejected: "rejected",
  expired: "expired",
  cancelled: "cancelled",
  failed: "failed",
};

/** How a request stands at a time. */
export function outcomeOf(request: RequestRow, nowMs: number): Outcome {
  const { state } = request;
  if (state === "finished") return request.attained === false ? "missed" : "kept";
  if (state !== "waiting" && state !== "running") return state;
  return isLate(request, nowMs) ? "late" : state;
}

/** A request as it was at a moment: what came later is not known yet. */
export function asOf(request: RequestRow, nowMs: number): RequestRow {
  const { firstTokenMs, endMs } = request;
  if (endMs === undefined || endMs <= nowMs) return request;
  const hasBegun = firstTokenMs !== undefined && firstTokenMs <= nowMs;
  const state = hasBegun ? "running" : "waiting";
  return {
    ...request,
    state,
    firstTokenMs: hasBegun ? firstTokenMs : undefined,
    endMs: undefined,
    attained: undefined,
  };
}

/**
 * Until when a request that is over takes room on its lane: its end, or its deadline when that is near enough to be drawn
 * beside it. A deadline further away than the answer took twice over, and half a second, has no mark.
 */
export function reachMs(request: RequestRow): number {
  const endMs = request.endMs ?? request.arrivalMs;
  const { deadlineMs } = request.targets;
  if (deadlineMs === undefined || request.state === "rejected") return endMs;
  const dueMs = request.arrivalMs + deadlineMs;
  return dueMs <= endMs + 2 * (endMs - request.arrivalMs) + 500 ? Math.max(endMs, dueMs) : endMs;
}

/** True once it is over, whatever the outcome. */
export function isOver(state: RequestState): boolean {
  return state !== "waiting" && state !== "running";
}

function isLate(request: RequestRow, nowMs: number): boolean {
  const { ttftMs, deadlineMs } = request.targets;
  const firstMs = request.firstTokenMs ?? nowMs;
  if (ttftMs !== undefined && firstMs - request.arrivalMs > ttftMs) return true;
  return deadlineMs !== undefined && nowMs - request.arrivalMs > deadlineMs;
}

/** The parts of a promise in words: "first token in 200 ms, done in 2 s". */
export function promiseWords(targets: Omit<RequestTargets, "onMiss">, ms: (value: number) => string): string {
  const parts: string[] = [];
  if (targets.ttftMs !== undefined) parts.push(`first token in ${ms(targets.ttftMs)}`);
  if (targets.tpotMs !== undefined) parts.push(`${ms(targets.tpotMs)} a token`);
  if (targets.deadlineMs !== undefined) parts.push(`done in ${ms(targets.deadlineMs)}`);
  return parts.length === 0 ? "nothing promised" : parts.join(", ");
}

/** The tightest promise of a request and how much of it was used: 1 is all of it. Null without a promise in time. */
export function promiseUse(
  request: RequestRow,
  nowMs: number,
): { readonly usedMs: number; readonly allowedMs: number } | null {
  const { ttftMs, deadlineMs } = request.targets;
  const uses: { usedMs: number; allowedMs: number }[] = [];
  if (ttftMs !== undefined) {
    uses.push({ usedMs: (request.firstTokenMs ?? request.endMs ?? nowMs) - request.arrivalMs, allowedMs: ttftMs });
  }
  if (deadlineMs !== undefined) {
    uses.push({ usedMs: (request.endMs ?? nowMs) - request.arrivalMs, allowedMs: deadlineMs });
  }
  return uses.toSorted((a, b) => b.usedMs / b.allowedMs - a.usedMs / a.allowedMs)[0] ?? null;
}
