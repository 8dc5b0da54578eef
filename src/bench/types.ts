/**
 * The vocabulary of a benchmark run: where requests go, when each is due, what became of it. Times are milliseconds of
 * the client's own monotonic clock; nothing here is compared with a server's clock.
 */
import type { Clock } from "../core/index.ts";
import type { SloReport } from "../protocol/index.ts";
import type { TraceRequest } from "../workload/index.ts";

/** Which interface of a server is spoken to. */
export type EndpointKind = "chat" | "completions";

/** The endpoint under test. */
export interface Target {
  /** Origin and path prefix, such as http://127.0.0.1:8080; the endpoint's path is added. */
  readonly url: string;
  readonly endpoint: EndpointKind;
  /** The path when it is not the usual one of `endpoint`. */
  readonly path?: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Accept certificates that nobody vouches for. */
  readonly insecure?: boolean;
}

/** A clock and a way to wait on it. `sleep` ends early when the signal fires. */
export interface Timing {
  readonly clock: Clock;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** A request and the moment it is meant to be sent, milliseconds from the start of the run. */
export interface ScheduledRequest {
  readonly request: TraceRequest;
  readonly dueMs: number;
}

/** What goes over the wire for a request. */
export interface WireRequest {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Why a request failed. */
export type FailureKind =
  /** No connection, or it broke before the head of an answer. */
  | "connection"
  | "timeout"
  /** An HTTP status other than 200; the status is in the key of reports. */
  | "status"
  /** The server sent an error inside the stream. */
  | "stream_error"
  /** The stream ended without a finish reason and without [DONE]. */
  | "stream_cut"
  /** Something in the stream could not be read. */
  | "bad_stream"
  /** A whole answer, but no token in it. */
  | "empty"
  /** A call of its task that it waited for had failed: never sent. */
  | "task_failed"
  /** The run was stopped while it was under way. */
  | "stopped";

/** A failure, with what a report needs. */
export interface Failure {
  readonly kind: FailureKind;
  /** 0 where there was none. */
  readonly status: number;
  readonly message: string;
  /** What the server asked to wait. */
  readonly retryAfterMs: number | null;
}

/**
 * How output tokens were counted: by a running count in every chunk; by the count at the end (then gaps are those of
 * chunks); or, without any count, as chunks.
 */
export type TokenCount = "running usage" | "final usage" | "chunks";

/** What a server says about the drafts behind one answer. */
export interface SpeculationCounts {
  /** Which field said it: vLLM's `metrics.speculative_decoding`, `usage`, or llama.cpp's `timings`. */
  readonly source: "response metrics" | "usage" | "timings";
  /** Draft tokens that became part of the answer, and all that were proposed. */
  readonly accepted: number;
  readonly drafted: number;
  /** Entry j: verification steps that accepted j tokens; null where it does not say. */
  readonly histogram: readonly number[] | null;
}

/** What became of a request. Times are milliseconds on the run's clock. */
export interface Outcome {
  readonly request: TraceRequest;
  readonly dueMs: number;
  readonly sentMs: number;
  /** When the head of the answer came. */
  readonly ackMs: number | null;
  /** When the first token came. */
  readonly firstMs: number | null;
  /** When the last token came; when it failed or was cancelled, otherwise. */
  readonly endMs: number;
  /** As the server counts; null when it does not say. */
  readonly promptTokens: number | null;
  readonly outputTokens: number;
  readonly counted: TokenCount;
  /** Chunks with tokens, in order: when each came and how many tokens it brought. */
  readonly chunkMs: readonly number[];
  readonly chunkTokens: readonly number[];
  readonly finishReason: string | null;
  /** Null for success; a client's own cancellation as the trace has it is no failure. */
  readonly failure: Failure | null;
  readonly cancelled: boolean;
  /** What the server says about the objective. */
  readonly slo: SloReport | null;
  /** The answer, where it was asked to be kept. */
  readonly text: string | null;
  /** Absent where the server says nothing about drafts. */
  readonly speculation?: SpeculationCounts;
}
