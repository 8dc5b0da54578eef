/**
 * Objectives: reading them from untrusted input, and judging a finished request against them.
 *
 * Accepted forms of the same objective:
 *   { class: "latency", ttftMs: 200, tpotMs: 50, onMiss: "finish" }
 *   { ttft_ms: 200, tpot_ms: 50 }                  (the wire; class and on_miss have defaults)
 *   "ttft=200ms,tpot=50ms,on-miss=cut,deadline=5s" (the command line)
 */
import { fail } from "../core/index.ts";
import type { OnMiss, Slo, SloClass } from "./types.ts";

/** The objective of a request that names none and whose server sets none. */
export const BEST_EFFORT: Slo = { class: "best-effort", onMiss: "finish" };

/** Every class. */
export const SLO_CLASSES: readonly SloClass[] = ["latency", "deadline", "compound", "best-effort"];
const ON_MISS: readonly OnMiss[] = ["finish", "cut", "reject"];
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000 };
/** A day: longer objectives are mistakes of unit. */
const MAX_MS = 86_400_000;

type Field = "class" | "ttftMs" | "tpotMs" | "deadlineMs" | "onMiss";
const FIELDS: Readonly<Record<string, Field>> = {
  class: "class",
  ttftMs: "ttftMs",
  ttft_ms: "ttftMs",
  ttft: "ttftMs",
  tpotMs: "tpotMs",
  tpot_ms: "tpotMs",
  tpot: "tpotMs",
  deadlineMs: "deadlineMs",
  deadline_ms: "deadlineMs",
  deadline: "deadlineMs",
  onMiss: "onMiss",
  on_miss: "onMiss",
  "on-miss": "onMiss",
};

/**
 * An objective from untrusted input: a record or a "key=value,…" string. Times are milliseconds as
 * numbers, or strings with a unit (ms, s, min), above 0 and at most a day. Without a class, it follows
 * from the targets: a deadline makes "deadline", a pace makes "latency", nothing "best-effort".
 * @throws PunctualError invalid_request naming the field.
 */
export function parseSlo(input: unknown, param = "slo"): Slo {
  const record = typeof input === "string" ? splitPairs(input, param) : input;
  if (record === null || typeof record !== "object" || Array.isArray(record)) {
    return fail("invalid_request", `${param}: expected an object or "key=value,…", got ${describe(input)}`, { param });
  }
  const values: Partial<Record<Field, unknown>> = {};
  for (const [key, value] of Object.entries(record)) {
    if (value === undefined || value === null) continue;
    const field = Object.hasOwn(FIELDS, key) ? FIELDS[key] : undefined;
    if (field === undefined) {
      return fail("invalid_request", `${param}: unknown field "${key}"`, { param: `${param}.${key}` });
    }
    values[field] = value;
  }
  const times = {
    ttftMs: readTime(values.ttftMs, `${param}.ttft_ms`),
    tpotMs: readTime(values.tpotMs, `${param}.tpot_ms`),
    deadlineMs: readTime(values.deadlineMs, `${param}.deadline_ms`),
  };
  const slo: Slo = {
    class: readChoice(values.class, SLO_CLASSES, `${param}.class`) ?? impliedClass(times),
    ...(times.ttftMs === undefined ? {} : { ttftMs: times.ttftMs }),
    ...(times.tpotMs === undefined ? {} : { tpotMs: times.tpotMs }),
    ...(times.deadlineMs === undefined ? {} : { deadlineMs: times.deadlineMs }),
    onMiss: readChoice(values.onMiss, ON_MISS, `${param}.on_miss`) ?? "finish",
  };
  return checkSlo(slo, param);
}

/** The same objective, if it says enough to be kept. @throws PunctualError invalid_request. */
export function checkSlo(slo: Slo, param = "slo"): Slo {
  for (const key of ["ttftMs", "tpotMs", "deadlineMs"] as const) readTime(slo[key], `${param}.${key}`);
  readChoice(slo.class, SLO_CLASSES, `${param}.class`);
  readChoice(slo.onMiss, ON_MISS, `${param}.on_miss`);
  const { class: kind, ttftMs, tpotMs, deadlineMs, onMiss } = slo;
  if ((kind === "deadline" || kind === "compound") && deadlineMs === undefined) {
    return fail("invalid_request", `${param}: class "${kind}" needs deadline_ms`, { param: `${param}.deadline_ms` });
  }
  if (kind === "latency" && ttftMs === undefined && tpotMs === undefined) {
    return fail("invalid_request", `${param}: class "latency" needs ttft_ms or tpot_ms`, { param: `${param}.ttft_ms` });
  }
  if (onMiss === "cut" && deadlineMs === undefined) {
    return fail("invalid_request", `${param}: on_miss "cut" needs deadline_ms`, { param: `${param}.deadline_ms` });
  }
  if (onMiss === "reject" && deadlineMs === undefined && ttftMs === undefined) {
    return fail("invalid_request", `${param}: on_miss "reject" needs deadline_ms or ttft_ms`, {
      param: `${param}.deadline_ms`,
    });
  }
  if (ttftMs !== undefined && deadlineMs !== undefined && ttftMs > deadlineMs) {
    return fail("invalid_request", `${param}: ttft_ms ${ttftMs} is above deadline_ms ${deadlineMs}`, {
      param: `${param}.ttft_ms`,
    });
  }
  return slo;
}

function impliedClass(times: { ttftMs?: number; tpotMs?: number; deadlineMs?: number }): SloClass {
  if (times.deadlineMs !== undefined) return "deadline";
  return times.ttftMs !== undefined || times.tpotMs !== undefined ? "latency" : "best-effort";
}

function splitPairs(text: string, param: string): Record<string, string> {
  const result: Record<string, string> = {};
  for (const part of text.split(",")) {
    const at = part.indexOf("=");
    if (at <= 0) return fail("invalid_request", `${param}: expected key=value, got "${part}"`, { param });
    result[part.slice(0, at).trim()] = part.slice(at + 1).trim();
  }
  return result;
}

function readTime(value: unknown, param: string): number | undefined {
  if (value === undefined) return undefined;
  let ms = Number.NaN;
  if (typeof value === "number") ms = value;
  if (typeof value === "string") {
    const match = /^(\d+(?:\.\d+)?)\s*(ms|s|min)?$/.exec(value);
    if (match !== null) ms = Number(match[1]) * UNIT_MS[match[2] ?? "ms"]!;
  }
  if (ms > 0 && ms <= MAX_MS) return ms;
  return fail("invalid_request", `${param}: expected a time above 0 and at most a day, got ${describe(value)}`, {
    param,
  });
}

function readChoice<T extends string>(value: unknown, choices: readonly T[], param: string): T | undefined {
  if (value === undefined) return undefined;
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  return fail("invalid_request", `${param}: expected one of ${choices.join(", ")}, got ${describe(value)}`, { param });
}

function describe(value: unknown): string {
  return JSON.stringify(value)?.slice(0, 80) ?? String(value);
}

/** How a request fared, in the field names of the API's usage record. */
export interface SloOutcome {
  /** Every target met, and the answer not cut short. */
  readonly attained: boolean;
  /** Null when no token was made. */
  readonly ttft_ms: number | null;
  /** (last - first) / (tokens - 1), null below two tokens. */
  readonly tpot_ms: number | null;
  readonly e2e_ms: number;
  /** The smallest margin over the targets given, negative when missed; null without a target. */
  readonly slack_ms: number | null;
}

/** Which target was met; only those the objective names. */
export interface SloTargets {
  readonly ttft?: boolean;
  readonly tpot?: boolean;
  readonly deadline?: boolean;
}

/**
 * Judges a finished request. All times are milliseconds of one clock. The margin of a pace is counted
 * over the whole answer: (tpotMs - measured) * (tokens - 1).
 * @param lastTokenMs when the answer ended; the moment it was cut when there was no token.
 * @param complete false when the deadline cut the answer short: never attained.
 */
export function sloOutcome(
  slo: Slo,
  arrivalMs: number,
  firstTokenMs: number | null,
  lastTokenMs: number,
  tokens: number,
  complete = true,
): SloOutcome {
  const ttft = firstTokenMs === null ? null : firstTokenMs - arrivalMs;
  const e2e = lastTokenMs - arrivalMs;
  const tpot = tokens < 2 || ttft === null ? null : (e2e - ttft) / (tokens - 1);
  const margins: number[] = [];
  if (slo.ttftMs !== undefined && ttft !== null) margins.push(slo.ttftMs - ttft);
  if (slo.tpotMs !== undefined && tpot !== null) margins.push((slo.tpotMs - tpot) * (tokens - 1));
  if (slo.deadlineMs !== undefined) margins.push(slo.deadlineMs - e2e);
  return {
    attained: complete && ttft !== null && margins.every((margin) => margin >= 0),
    ttft_ms: ttft,
    tpot_ms: tpot,
    e2e_ms: e2e,
    slack_ms: margins.length === 0 ? null : Math.min(...margins),
  };
}

/** The same judgement target by target, for counting. */
export function sloTargets(slo: Slo, outcome: SloOutcome): SloTargets {
  const { ttft_ms: ttft, tpot_ms: tpot, e2e_ms: e2e } = outcome;
  return {
    ...(slo.ttftMs === undefined ? {} : { ttft: ttft !== null && ttft <= slo.ttftMs }),
    // Below two tokens there is no pace to miss.
    ...(slo.tpotMs === undefined ? {} : { tpot: ttft !== null && (tpot === null || tpot <= slo.tpotMs) }),
    ...(slo.deadlineMs === undefined ? {} : { deadline: e2e <= slo.deadlineMs }),
  };
}

/**
 * Whether a token of a latency request came in time: token `index` (0 is the first) is due at
 * arrival + ttftMs + index * tpotMs, and never after the deadline. Without a target for the first token the
 * line starts where it came; without a pace every later token is as good as the first.
 * @param firstTokenMs when the first token came, `nowMs` for itself.
 */
export function tokenInTime(slo: Slo, arrivalMs: number, firstTokenMs: number, index: number, nowMs: number): boolean {
  if (slo.deadlineMs !== undefined && nowMs - arrivalMs > slo.deadlineMs) return false;
  const startMs = slo.ttftMs === undefined ? firstTokenMs : arrivalMs + slo.ttftMs;
  if (slo.tpotMs === undefined) return firstTokenMs <= startMs;
  return nowMs <= startMs + index * slo.tpotMs;
}

/**
 * Goodput of one request: tokens delivered within its objective. Of class "latency" those on their pace line, whatever
 * became of the rest; of every other class all tokens or none, because half an answer in time is worth nothing.
 * @param tokensInTime how many tokens `tokenInTime` said yes to.
 */
export function goodTokens(slo: Slo, attained: boolean, tokens: number, tokensInTime: number): number {
  if (slo.class === "latency") return tokensInTime;
  return attained ? tokens : 0;
}

/** The moment a request must be complete, on the clock of its arrival; Infinity without a deadline. */
export function deadlineAtMs(request: { readonly arrivalMs: number; readonly slo: Slo }): number {
  return request.arrivalMs + (request.slo.deadlineMs ?? Infinity);
}
