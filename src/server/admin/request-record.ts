/**
 * What a server remembers of one request while it lives and after: its row for the live feed and its trace. Filled by
 * the engine's observer calls, bounded by CONSOLE_LIMITS, never with a token or a text in it.
 */
import { toErrorRecord, type ErrorCode } from "../../core/index.ts";
import {
  CONSOLE_LIMITS,
  type DraftCheck,
  type Interruption,
  type PromptChunk,
  type RequestRow,
  type RequestState,
  type RequestTraceBody,
} from "../../protocol/index.ts";
import type { GenerateRequest, RequestObserver, RequestSummary } from "../../runtime/index.ts";

/** What a record takes of a request. */
export type RecordedRequest = Pick<GenerateRequest, "maxTokens" | "slo" | "task"> & {
  readonly promptTokens: { readonly length: number };
};

/** Moments and pieces that only a trace has. */
interface Trace {
  readonly chunks: PromptChunk[];
  omittedChunks: number;
  /** Grown as tokens come, up to the limit. */
  tokenMs: Float64Array;
  readonly drafts: DraftCheck[];
  omittedDrafts: number;
  readonly interruptions: Interruption[];
  outcome: RequestTraceBody["outcome"];
}

const FIRST_TOKENS = 64;

const STATES: Readonly<Record<RequestSummary["end"], RequestState>> = {
  stop: "finished",
  length: "finished",
  abort: "cancelled",
  error: "failed",
  expired: "expired",
  rejected: "rejected",
};

/** See the head of this file. `onChange` is called after every change, `onEnd` once. */
export class RequestRecord implements RequestObserver {
  readonly id: string;
  readonly model: string;
  /** Number of the change that was the last, as the book counts them. */
  changed = 0;
  readonly #request: RecordedRequest;
  readonly #arrivalMs: number;
  readonly #onChange: (record: RequestRecord) => void;
  readonly #onEnd: (record: RequestRecord) => void;
  #state: RequestState = "waiting";
  #scheduledMs: number | null = null;
  #firstTokenMs: number | null = null;
  #lastTokenMs: number | null = null;
  #endMs: number | null = null;
  #cachedTokens = 0;
  #answerTokens = 0;
  #attained: boolean | null = null;
  #error: ErrorCode | null = null;
  #route: NonNullable<RequestSummary["route"]> | null = null;
  #trace: Trace | null = {
    chunks: [],
    omittedChunks: 0,
    tokenMs: new Float64Array(FIRST_TOKENS),
    drafts: [],
    omittedDrafts: 0,
    interruptions: [],
    outcome: null,
  };

  constructor(
    id: string,
    model: string,
    request: RecordedRequest,
    arrivalMs: number,
    on: { readonly change: (record: RequestRecord) => void; readonly end: (record: RequestRecord) => void },
  ) {
    this.id = id;
    this.model = model;
    // The prompt itself is not kept.
    const { maxTokens, slo, task, promptTokens } = request;
    this.#request = {
      maxTokens,
      promptTokens: { length: promptTokens.length },
      ...(slo === undefined ? {} : { slo }),
      ...(task === undefined ? {} : { task }),
    };
    this.#arrivalMs = arrivalMs;
    this.#onChange = on.change;
    this.#onEnd = on.end;
  }

  /** How it fared; null until it has ended, and when nobody could say or its trace is gone. */
  get outcome(): RequestTraceBody["outcome"] {
    return this.#trace?.outcome ?? null;
  }

  get endMs(): number | null {
    return this.#endMs;
  }

  get state(): RequestState {
    return this.#state;
  }

  admitted(atMs: number, cachedTokens: number): void {
    this.#state = "running";
    this.#scheduledMs = atMs;
    this.#cachedTokens = cachedTokens;
    this.#close(atMs); // paused before it was ever taken
    this.#onChange(this);
  }

  chunk(startMs: number, durationMs: number, tokens: number): void {
    if (this.#trace === null) return;
    const { chunks } = this.#trace;
    if (chunks.length < CONSOLE_LIMITS.traceChunks) chunks.push({ startMs, durationMs, tokens });
    else this.#trace.omittedChunks += 1;
  }

  drafted(atMs: number, tokens: number, accepted: number): void {
    if (this.#trace === null) return;
    if (this.#trace.drafts.length < CONSOLE_LIMITS.traceDrafts) this.#trace.drafts.push({ atMs, tokens, accepted });
    else this.#trace.omittedDrafts += 1;
  }

  token(atMs: number): void {
    if (this.#trace !== null && this.#answerTokens < CONSOLE_LIMITS.traceTokens) this.#note(this.#trace, atMs);
    this.#firstTokenMs ??= atMs;
    this.#lastTokenMs = atMs;
    this.#answerTokens += 1;
    this.#onChange(this);
  }

  interrupted(kind: Interruption["kind"], atMs: number): void {
    this.#state = "waiting";
    const interruptions = this.#trace?.interruptions;
    if (interruptions !== undefined && interruptions.length < CONSOLE_LIMITS.traceInterruptions) {
      interruptions.push({ kind, atMs, resumedMs: null });
    }
    this.#onChange(this);
  }

  resumed(atMs: number): void {
    this.#state = "running";
    // Paused while it had been preempted already: both end here.
    this.#close(atMs);
    if (this.#firstTokenMs === null) this.#scheduledMs = atMs;
    this.#onChange(this);
  }

  ended(summary: RequestSummary): void {
    const { end, cause, error, outcome, endMs } = summary;
    this.#state = cause === "deadline" ? "cut" : STATES[end];
    this.#scheduledMs = summary.scheduledMs ?? this.#scheduledMs;
    this.#firstTokenMs = summary.firstTokenMs ?? this.#firstTokenMs;
    this.#lastTokenMs = summary.lastTokenMs ?? this.#lastTokenMs;
    this.#endMs = endMs;
    this.#cachedTokens = Math.max(this.#cachedTokens, summary.cachedTokens);
    this.#answerTokens = Math.max(this.#answerTokens, summary.completionTokens);
    this.#error = error;
    this.#route = summary.route ?? null;
    // Whoever left or was failed by us proves nothing about the objective.
    const isJudged = outcome !== null && end !== "abort" && end !== "error";
    this.#attained = isJudged ? outcome.attained : null;
    this.#close(endMs);
    if (this.#trace !== null && outcome !== null) {
      const { attained, ttft_ms: ttftMs, tpot_ms: tpotMs, e2e_ms: e2eMs, slack_ms: slackMs } = outcome;
      this.#trace.outcome = { attained, ttftMs, tpotMs, e2eMs, slackMs };
    }
    this.#finish();
  }

  /** It was never handed to its engine. */
  refused(error: unknown, atMs: number): void {
    const { code } = toErrorRecord(error);
    this.#state = code === "queue_full" ? "rejected" : "failed";
    this.#error = code;
    this.#endMs = atMs;
    this.#finish();
  }

  /** Its row stays. */
  dropTrace(): void {
    this.#trace = null;
  }

  row(): RequestRow {
    const { slo, task, maxTokens, promptTokens } = this.#request;
    return {
      id: this.id,
      model: this.model,
      class: slo?.class ?? "best-effort",
      state: this.#state,
      arrivalMs: this.#arrivalMs,
      ...moment("scheduledMs", this.#scheduledMs),
      ...moment("firstTokenMs", this.#firstTokenMs),
      ...moment("lastTokenMs", this.#lastTokenMs),
      ...moment("endMs", this.#endMs),
      targets: {
        ...moment("ttftMs", slo?.ttftMs ?? null),
        ...moment("tpotMs", slo?.tpotMs ?? null),
        ...moment("deadlineMs", slo?.deadlineMs ?? null),
        onMiss: slo?.onMiss ?? "finish",
      },
      promptTokens: promptTokens.length,
      cachedTokens: this.#cachedTokens,
      answerTokens: this.#answerTokens,
      maxTokens,
      ...(this.#attained === null ? {} : { attained: this.#attained }),
      ...(this.#error === null ? {} : { error: this.#error }),
      ...(this.#route === null ? {} : { route: { layers: this.#route.layers, skipped: [...this.#route.skipped] } }),
      ...(task === undefined ? {} : { task: { id: task.id, stage: task.stage } }),
    };
  }

  /** Null when its trace was dropped. */
  trace(): RequestTraceBody | null {
    if (this.#trace === null) return null;
    const { chunks, omittedChunks, tokenMs, drafts, omittedDrafts, interruptions, outcome } = this.#trace;
    const kept = Math.min(this.#answerTokens, CONSOLE_LIMITS.traceTokens);
    // The first piece is computed in the step that takes it from the queue; a preemption moves `scheduledMs` on.
    const startedMs = chunks[0]?.startMs ?? this.#scheduledMs;
    return {
      ...this.row(),
      queue: { startMs: this.#arrivalMs, endMs: startedMs },
      chunks: [...chunks],
      omittedChunks,
      tokenMs: [...tokenMs.subarray(0, kept)],
      omittedTokens: this.#answerTokens - kept,
      ...(drafts.length === 0 ? {} : { drafts: [...drafts], omittedDrafts }),
      interruptions: [...interruptions],
      outcome,
    };
  }

  #note(trace: Trace, atMs: number): void {
    if (this.#answerTokens === trace.tokenMs.length) {
      const grown = new Float64Array(Math.min(CONSOLE_LIMITS.traceTokens, trace.tokenMs.length * 2));
      grown.set(trace.tokenMs);
      trace.tokenMs = grown;
    }
    trace.tokenMs[this.#answerTokens] = atMs;
  }

  #close(atMs: number): void {
    const interruptions = this.#trace?.interruptions ?? [];
    for (let i = interruptions.length - 1; i >= 0 && interruptions[i]!.resumedMs === null; i--) {
      interruptions[i] = { ...interruptions[i]!, resumedMs: atMs };
    }
  }

  #finish(): void {
    this.#onChange(this);
    this.#onEnd(this);
  }
}

function moment<K extends string>(key: K, value: number | null): Partial<Record<K, number>> {
  return value === null ? {} : ({ [key]: value } as Record<K, number>);
}
