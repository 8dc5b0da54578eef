/**
 * When the tokens of one answer came to its router, and what that makes of its objective. Told to the books as an engine
 * tells its own: what a client of a fleet sees counts, the way over the bus and other instances included.
 */
import type { ErrorCode } from "../../core/index.ts";
import type { WireSummary } from "../../protocol/index.ts";
import type { FinishEvent, RequestEnd, RequestSummary, SequenceEnd, SequenceEvent } from "../../runtime/index.ts";
import { goodTokens, sloOutcome, tokenInTime, type Slo, type SloOutcome } from "../../sched/index.ts";

/** How an answer ended. */
export type AnswerEnd =
  | { readonly kind: "finish"; readonly finish: FinishEvent }
  | { readonly kind: "error"; readonly code: ErrorCode }
  | { readonly kind: "left" };

/** See the head of this file. Moments are milliseconds of the router's clock. */
export class AnswerLog {
  readonly #slo: Slo;
  readonly #promptTokens: number;
  readonly arrivalMs: number;
  #scheduledMs: number | null = null;
  #firstTokenMs: number | null = null;
  #lastTokenMs: number | null = null;
  #tokens = 0;
  #inTime = 0;

  constructor(slo: Slo, promptTokens: number, arrivalMs: number) {
    this.#slo = slo;
    this.#promptTokens = promptTokens;
    this.arrivalMs = arrivalMs;
  }

  get firstTokenMs(): number | null {
    return this.#firstTokenMs;
  }

  get lastTokenMs(): number | null {
    return this.#lastTokenMs;
  }

  /** An instance has begun with it, as far as is known. */
  get started(): boolean {
    return this.#scheduledMs !== null || this.#firstTokenMs !== null;
  }

  /** An instance began with it. The last time before the first token counts. */
  scheduled(atMs: number): void {
    if (this.#firstTokenMs === null) this.#scheduledMs = atMs;
  }

  /** Answers the time since the token before, null for the first. */
  token(atMs: number): number | null {
    const gapMs = this.#lastTokenMs === null ? null : atMs - this.#lastTokenMs;
    this.#firstTokenMs ??= atMs;
    this.#lastTokenMs = atMs;
    if (tokenInTime(this.#slo, this.arrivalMs, this.#firstTokenMs, this.#tokens, atMs)) this.#inTime += 1;
    this.#tokens += 1;
    return gapMs;
  }

  outcome(endMs: number, complete: boolean): SloOutcome {
    return sloOutcome(
      this.#slo,
      this.arrivalMs,
      this.#firstTokenMs,
      this.#lastTokenMs ?? endMs,
      this.#tokens,
      complete,
    );
  }

  /**
   * For the books.
   * @param told by the instance where it ended; its moments count where this side saw none
   * @param counted by who made the tokens, where this side saw pieces of text only
   */
  ended(
    end: AnswerEnd,
    endMs: number,
    told: WireSummary | null,
    counted: { readonly promptTokens: number; readonly completionTokens: number } | null = null,
  ): SequenceEnd {
    const how = endOf(end);
    const scheduled = told?.scheduledAgeMs ?? null;
    const outcome = this.outcome(endMs, end.kind === "finish" && end.finish.cause !== "deadline");
    return {
      end: how,
      timing: {
        arrivalMs: this.arrivalMs,
        scheduledMs: this.#scheduledMs ?? (scheduled === null ? null : this.arrivalMs + scheduled),
        firstTokenMs: this.#firstTokenMs,
        lastTokenMs: this.#lastTokenMs,
        endMs,
      },
      promptTokens: counted?.promptTokens ?? this.#promptTokens,
      completionTokens: counted?.completionTokens ?? this.#tokens,
      slo: this.#slo,
      outcome,
      goodTokens: goodTokens(this.#slo, outcome.attained, counted?.completionTokens ?? this.#tokens, this.#inTime),
    };
  }

  /** For who asked. */
  summary(end: AnswerEnd, booked: SequenceEnd): RequestSummary {
    const finish = end.kind === "finish" ? end.finish : null;
    const drafts = finish?.usage.drafts;
    return {
      end: booked.end,
      ...booked.timing,
      promptTokens: booked.promptTokens,
      cachedTokens: finish?.usage.cachedTokens ?? 0,
      completionTokens: booked.completionTokens,
      cause: finish?.cause ?? null,
      error: end.kind === "error" ? end.code : end.kind === "left" ? "cancelled" : null,
      outcome: booked.outcome,
      ...(drafts === undefined ? {} : { drafts }),
    };
  }
}

/** What an engine's books are told of an answer that is over. @param booked by `ended` */
export function bookedEvents(end: AnswerEnd, booked: SequenceEnd): readonly SequenceEvent[] {
  if (end.kind === "finish") {
    const { finish } = end;
    const { promptTokens, cachedTokens } = finish.usage;
    return [
      { kind: "admit", seq: 0, queries: promptTokens, hits: cachedTokens },
      { kind: "finish", seq: 0, finish, end: booked },
    ];
  }
  const code = end.kind === "error" ? end.code : "cancelled";
  return [{ kind: "error", seq: 0, error: { code, message: "", param: null, retryAfterMs: null }, end: booked }];
}

function endOf(end: AnswerEnd): RequestEnd {
  if (end.kind === "finish") return end.finish.reason;
  if (end.kind === "left" || end.code === "cancelled") return "abort";
  if (end.code === "deadline_expired") return "expired";
  return end.code === "deadline_unattainable" || end.code === "queue_full" ? "rejected" : "error";
}
