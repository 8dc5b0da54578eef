/**
 * An outcome as a line of AIPerf's profile_export.jsonl: metadata with epoch nanoseconds, metrics with units, an error
 * or null. Failed requests carry no metrics but the input length.
 */
import { latencies } from "./latencies.ts";
import type { Outcome } from "./types.ts";

/** Where the run's clock stands among dates, and what names its requests. */
export interface RecordContext {
  /** Milliseconds since 1970 at the run's time 0. */
  readonly epochMs: number;
  readonly idPrefix: string;
}

interface Value {
  readonly value: number | readonly number[];
  readonly unit: string;
}

/** One line, with its newline. */
export function aiperfRecord(outcome: Outcome, context: RecordContext): string {
  const { request, failure, cancelled, endMs } = outcome;
  const isSuccess = failure === null && !cancelled;
  const id = `${context.idPrefix}${request.id}`;
  const session = request.task === undefined ? id : `${context.idPrefix}task-${request.task.id}`;
  const head = {
    session_num: request.id,
    x_request_id: id,
    x_correlation_id: session,
    conversation_id: request.session === undefined ? session : `${context.idPrefix}session-${request.session}`,
    turn_index: request.task?.stage ?? 0,
    request_start_ns: "@start",
    request_ack_ns: outcome.ackMs === null ? null : "@ack",
    request_end_ns: "@end",
    worker_id: "punctual",
    record_processor_id: "punctual",
    benchmark_phase: "profiling",
    was_cancelled: cancelled,
    cancellation_time_ns: cancelled ? "@end" : null,
  };
  const line = JSON.stringify({
    metadata: head,
    metrics: isSuccess ? metricsOf(outcome) : errorMetrics(outcome),
    error: errorOf(outcome),
  });
  // Nanoseconds since 1970 are beyond what a double holds exactly, so they are put in as digits.
  const ns = (ms: number): string => String(BigInt(Math.round((context.epochMs + ms) * 1000)) * 1000n);
  return `${line
    .replace('"@start"', ns(outcome.sentMs))
    .replace('"@ack"', ns(outcome.ackMs ?? 0))
    .replaceAll('"@end"', ns(endMs))}\n`;
}

function metricsOf(outcome: Outcome): Readonly<Record<string, Value>> {
  const { ttftMs, tpotMs, e2elMs } = latencies(outcome);
  const { chunkMs, outputTokens } = outcome;
  const gaps = chunkMs.slice(1).map((atMs, i) => atMs - chunkMs[i]!);
  const second = gaps[0];
  const ms = (value: number): Value => ({ value, unit: "ms" });
  const tokens = (value: number): Value => ({ value, unit: "tokens" });
  return {
    input_sequence_length: tokens(outcome.promptTokens ?? outcome.request.promptTokens),
    output_sequence_length: tokens(outputTokens),
    output_token_count: tokens(outputTokens),
    time_to_first_token: ms(ttftMs),
    ...(second === undefined ? {} : { time_to_second_token: ms(second) }),
    request_latency: ms(e2elMs),
    ...(tpotMs === null ? {} : { inter_token_latency: ms(tpotMs) }),
    ...(gaps.length === 0 ? {} : { inter_chunk_latency: { value: gaps, unit: "ms" } }),
    ...(tpotMs === null || tpotMs === 0
      ? {}
      : { output_token_throughput_per_user: { value: 1000 / tpotMs, unit: "tokens/sec/user" } }),
  };
}

function errorMetrics({ request }: Outcome): Readonly<Record<string, Value>> {
  return { error_isl: { value: request.promptTokens, unit: "tokens" } };
}

function errorOf({ failure, cancelled, endMs, sentMs }: Outcome): object | null {
  if (failure !== null) return { code: failure.status, type: failure.kind, message: failure.message };
  if (!cancelled) return null;
  const seconds = ((endMs - sentMs) / 1000).toFixed(3);
  return { code: 499, type: "RequestCancellationError", message: `cancelled by the trace after ${seconds} s` };
}
