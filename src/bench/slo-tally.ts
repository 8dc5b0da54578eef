/**
 * Which objectives were kept, as a client sees it: by class, requests (whole tasks for class "compound") and the tokens
 * they brought in time. A failed, rejected or cut request is not in time, whatever it brought.
 *
 * Times are the client's: from sending for single requests, from the first call's sending to the last one's end for
 * tasks. What servers said about their own objectives is counted beside it.
 */
import { latencies } from "./latencies.ts";
import type { Outcome } from "./types.ts";

/** The tally of a class. */
export interface SloTallyReport {
  /** Requests, or tasks of class "compound". */
  readonly count: number;
  readonly attained: number;
  readonly outputTokens: number;
  /** Tokens of what was attained. */
  readonly attainedTokens: number;
}

interface Tally {
  count: number;
  attained: number;
  outputTokens: number;
  attainedTokens: number;
}

interface OpenTask {
  startMs: number;
  endMs: number;
  failed: boolean;
  tokens: number;
  readonly deadlineMs: number;
}

/** Counts kept objectives. */
export class SloTally {
  readonly #classes = new Map<string, Tally>();
  readonly #tasks = new Map<number, OpenTask>();
  /** Answers that carried a report of the server's own, and those that said "attained". */
  reported = 0;
  reportedAttained = 0;

  add(outcome: Outcome): void {
    if (outcome.slo !== null) {
      this.reported += 1;
      if (outcome.slo.attained) this.reportedAttained += 1;
    }
    const { slo, task } = outcome.request;
    if (slo === undefined || outcome.cancelled) return;
    if (slo.class === "compound" && task !== undefined) this.#addCall(outcome, task.id, slo.deadlineMs ?? Infinity);
    else this.#count(slo.class, isAttained(outcome), outcome.outputTokens);
  }

  /** By class, in order of their first request. Tasks are judged by what has come so far. */
  report(): Readonly<Record<string, SloTallyReport>> {
    const report: Record<string, SloTallyReport> = Object.fromEntries(
      [...this.#classes].map(([name, tally]) => [name, { ...tally }]),
    );
    if (this.#tasks.size > 0) {
      const all = [...this.#tasks.values()];
      const kept = all.filter(({ startMs, endMs, failed, deadlineMs }) => !failed && endMs - startMs <= deadlineMs);
      const tokens = (tasks: readonly OpenTask[]): number => tasks.reduce((sum, task) => sum + task.tokens, 0);
      // Requests of class "compound" that name no task are tasks of one call, counted above.
      const single = report["compound"];
      report["compound"] = {
        count: all.length + (single?.count ?? 0),
        attained: kept.length + (single?.attained ?? 0),
        outputTokens: tokens(all) + (single?.outputTokens ?? 0),
        attainedTokens: tokens(kept) + (single?.attainedTokens ?? 0),
      };
    }
    return report;
  }

  #addCall(outcome: Outcome, id: number, deadlineMs: number): void {
    let task = this.#tasks.get(id);
    if (task === undefined) {
      task = { startMs: outcome.sentMs, endMs: outcome.endMs, failed: false, tokens: 0, deadlineMs };
      this.#tasks.set(id, task);
    }
    task.startMs = Math.min(task.startMs, outcome.sentMs);
    task.endMs = Math.max(task.endMs, outcome.endMs);
    task.tokens += outcome.outputTokens;
    if (outcome.failure !== null) task.failed = true;
  }

  #count(name: string, attained: boolean, tokens: number): void {
    let tally = this.#classes.get(name);
    if (tally === undefined) {
      tally = { count: 0, attained: 0, outputTokens: 0, attainedTokens: 0 };
      this.#classes.set(name, tally);
    }
    tally.count += 1;
    tally.outputTokens += tokens;
    if (!attained) return;
    tally.attained += 1;
    tally.attainedTokens += tokens;
  }
}

/** Whether a single request kept its objective, by the client's clock. */
export function isAttained(outcome: Outcome): boolean {
  if (outcome.failure !== null || outcome.firstMs === null) return false;
  const { ttftMs = Infinity, tpotMs = Infinity, deadlineMs = Infinity } = outcome.request.slo ?? {};
  const measured = latencies(outcome);
  // An answer cut at its deadline ends early by "length": it is shorter than was asked for.
  const isCut = outcome.request.slo?.onMiss === "cut" && outcome.slo?.attained === false;
  return !isCut && measured.ttftMs <= ttftMs && (measured.tpotMs ?? 0) <= tpotMs && measured.e2elMs <= deadlineMs;
}
