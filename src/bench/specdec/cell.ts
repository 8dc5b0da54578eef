/**
 * One cell of a benchmark: one arm, one group of questions, one concurrency. Warm-up is excluded, counters are read
 * right before and after, and whatever makes the numbers doubtful is said beside them.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { assert } from "../../core/index.ts";
import { endpointUrl } from "../http-client.ts";
import type { Failure, Outcome, Timing } from "../types.ts";
import { acceptanceLength, stepsOf, type AcceptanceReport } from "./acceptance.ts";
import {
  answerKey,
  runConversations,
  type AnswerMemory,
  type Asked,
  type RequestOptions,
  type TurnOutcome,
} from "./conversations.ts";
import { counterDifference, fetchCounters, type SpecDecodeCounters } from "./counters.ts";
import { answerSteps, readAcceptance, shownLength, sourcesOf, type Evidence } from "./evidence.ts";
import { timingReport, type TimingReport } from "./timing.ts";
import type { AcceptanceSource, Arm, DraftLength } from "./types.ts";

/** What all cells of a run share. */
export interface Session {
  readonly request: RequestOptions;
  readonly timeoutMs: number;
  /** Copies of the first questions before each cell, dropped. */
  readonly warmups: number;
  /** Path of the server's Prometheus page; null not to ask. */
  readonly metricsPath: string | null;
  /** Answers that later turns refer to; the same for all arms. */
  readonly memory: AnswerMemory;
  readonly timing: Timing;
  readonly onTurn?: (turn: TurnOutcome) => void;
  readonly signal?: AbortSignal;
}

/** Which cell. */
export interface CellKey {
  readonly arm: string;
  readonly drafter: string | null;
  readonly draftLength: DraftLength;
  readonly group: string;
  readonly concurrency: number;
  readonly round: number;
}

/** Another account of the same acceptance, for comparison. */
export interface CrossCheck {
  readonly source: AcceptanceSource;
  readonly length: number;
}

/** A measured cell. */
export interface Cell extends CellKey {
  /** Turns that came to their end, and those that did not. */
  readonly completed: number;
  readonly failed: number;
  readonly failures: readonly { readonly kind: Failure["kind"]; readonly count: number; readonly example: string }[];
  /** Null when nothing tells steps from tokens. */
  readonly acceptance: AcceptanceReport | null;
  readonly crossChecks: readonly CrossCheck[];
  readonly timing: TimingReport;
  /** What makes these numbers doubtful. */
  readonly warnings: readonly string[];
  /** Mean step length of every answer, by its key, for intervals over several cells; empty where it is not known. */
  readonly answerLengths: ReadonlyMap<string, number>;
  /** Every turn, for comparisons answer by answer. */
  readonly turns: readonly TurnOutcome[];
}

/** Measures one cell. Never rejects for what requests do: failures are counted. */
export async function measureCell(
  session: Session,
  arm: Arm,
  asked: readonly Asked[],
  key: Pick<CellKey, "group" | "concurrency" | "round">,
): Promise<Cell> {
  assert(asked.length > 0, "a cell has questions");
  const { concurrency } = key;
  const common = { ...session, arm, concurrency };
  if (session.warmups > 0) {
    const copies = Array.from({ length: session.warmups }, (_, i) => asked[i % asked.length]!);
    // Their answers are not what later turns refer to.
    await runConversations({ ...withoutCallback(common), asked: copies, memory: new Map() });
  }
  const before = await countersOf(session, arm);
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  lag.enable();
  const turns = await runConversations({ ...common, asked });
  lag.disable();
  const after = await countersOf(session, arm);
  const counters = before === null || after === null ? null : counterDifference(before, after);
  const cell = summarise(arm, key, turns, counters);
  const lateMs = lag.percentile(99) / 1e6 - LAG_RESOLUTION_MS;
  const stepMs = cell.timing.stepMs?.mean ?? Infinity;
  // A client that reads late sees times of its own making: the load generator must not be what is measured.
  const isLate = lateMs < MAX_LAG_MS && lateMs > LATE_SHARE * stepMs;
  const warning = `this client read up to ${lateMs.toFixed(0)} ms late (p99), at steps of ${stepMs.toFixed(1)} ms`;
  return isLate ? { ...cell, warnings: [...cell.warnings, warning] } : cell;
}

const LAG_RESOLUTION_MS = 10;
/** Beyond it a histogram without a tick says nonsense. */
const MAX_LAG_MS = 1e6;
const LATE_SHARE = 0.5;

function withoutCallback<T extends { readonly onTurn?: unknown }>(options: T): Omit<T, "onTurn"> {
  const { onTurn: _, ...rest } = options;
  return rest;
}

async function countersOf({ metricsPath }: Session, { target }: Arm): Promise<SpecDecodeCounters | null> {
  if (metricsPath === null) return null;
  const url = endpointUrl(target.url.replace(/\/v1\/*$/, ""), metricsPath);
  // A server that cannot be asked has no counters; whether it answers at all, its requests will show.
  return await fetchCounters(url, target.headers).catch(() => null);
}

/** The cell's numbers from what came. */
export function summarise(
  arm: Arm,
  key: Pick<CellKey, "group" | "concurrency" | "round">,
  turns: readonly TurnOutcome[],
  counters: SpecDecodeCounters | null,
): Cell {
  const ended = turns.filter(({ outcome }) => outcome.failure === null);
  const outcomes = ended.map(({ outcome }) => outcome);
  const evidence = { outcomes, counters, draftLength: arm.draftLength };
  const [source, ...others] = sourcesOf(evidence);
  const acceptance = source === undefined ? null : readAcceptance(evidence, source);
  const crossChecks = others.map((other) => ({ source: other, length: shownLength(readAcceptance(evidence, other)) }));
  const steps = outcomes.map((outcome) => answerStepCount(outcome, source ?? null, acceptance));
  return {
    arm: arm.name,
    drafter: arm.drafter,
    draftLength: arm.draftLength,
    ...key,
    completed: outcomes.length,
    failed: turns.length - outcomes.length,
    failures: failuresOf(turns),
    acceptance,
    crossChecks,
    timing: timingReport(outcomes, steps),
    warnings: warningsOf(evidence, acceptance, turns.length - outcomes.length),
    answerLengths:
      source === undefined || source === "server counters"
        ? new Map()
        : new Map(ended.map((one) => [answerKey(one.question, one.turn), lengthOf(one.outcome, source)])),
    turns,
  };
}

function lengthOf(outcome: Outcome, source: Exclude<AcceptanceSource, "server counters">): number {
  return acceptanceLength(answerSteps(outcome, source));
}

function answerStepCount(
  outcome: Outcome,
  source: AcceptanceSource | null,
  acceptance: AcceptanceReport | null,
): number | null {
  if (source === null || acceptance === null) return null;
  if (source !== "server counters") return stepsOf(answerSteps(outcome, source));
  // The server's mean stands in for the answer's own.
  return Math.max(1, 1 + (outcome.outputTokens - 1) / shownLength(acceptance));
}

function failuresOf(turns: readonly TurnOutcome[]): Cell["failures"] {
  const kinds = new Map<Failure["kind"], { count: number; example: string }>();
  for (const { outcome } of turns) {
    if (outcome.failure === null) continue;
    const { kind, status, message } = outcome.failure;
    const known = kinds.get(kind);
    if (known === undefined) kinds.set(kind, { count: 1, example: status > 0 ? `${status} ${message}` : message });
    else known.count += 1;
  }
  return [...kinds].map(([kind, { count, example }]) => ({ kind, count, example }));
}

/** Others used the server when it generated so much more than came here. */
const FOREIGN_SHARE = 0.02;

function warningsOf(
  { outcomes, counters, draftLength }: Evidence,
  acceptance: AcceptanceReport | null,
  failed: number,
): readonly string[] {
  const warnings: string[] = [];
  const tokens = outcomes.reduce((sum, { outputTokens }) => sum + outputTokens, 0);
  if (failed > 0) warnings.push(`${failed} turns failed and are not in any number`);
  if (acceptance === null) {
    if (outcomes.length > 0)
      warnings.push("acceptance is not known: the server counts neither drafts nor tokens by chunk");
    return warnings;
  }
  if (acceptance.source === "chunks")
    warnings.push("acceptance is read off chunks: right only if each chunk is one step");
  const isByServer = acceptance.source === "server counters";
  if (isByServer) warnings.push("acceptance is the whole server's, over drafts and not over answers");
  const generated = counters?.generatedTokens ?? null;
  if (isByServer && generated !== null && generated > tokens * (1 + FOREIGN_SHARE) + 1) {
    warnings.push(`the server generated ${generated} tokens, ${tokens} of them here: others used it meanwhile`);
  }
  const longest = acceptance.lengthHistogram === null ? 0 : acceptance.lengthHistogram.findLastIndex((n) => n > 0) + 1;
  if (typeof draftLength === "number" && draftLength > 0 && longest > draftLength + 1) {
    warnings.push(`steps of ${longest} tokens at a draft length of ${draftLength}: steps are merged on their way`);
  }
  return warnings;
}
