/**
 * A report as the JSON of `vllm bench serve`: the same field names, seconds and milliseconds where it has them, so that
 * scripts that read one read the other. What it has no field for stands under `punctual`.
 */
import type { BenchReport } from "./bench.ts";
import { latencies } from "./latencies.ts";
import type { Metric } from "./measures.ts";
import type { Outcome } from "./types.ts";

/** What the result says about how the run was made. */
export interface ResultHead {
  /** yyyymmdd-hhmmss. */
  readonly date: string;
  readonly backend: string;
  readonly label: string | null;
  readonly model_id: string;
  readonly tokenizer_id: string | null;
  readonly num_prompts: number;
  readonly request_rate: number | "inf" | "trace";
  readonly burstiness: number | "inf";
  readonly max_concurrency: number | null;
  readonly ramp_up_strategy?: string;
  readonly ramp_up_start_rps?: number;
  readonly ramp_up_end_rps?: number;
}

/** What is reported of the metrics. */
export interface ResultOptions {
  readonly percentileMetrics: readonly Metric[];
  /** In percent, such as 99. */
  readonly percentiles: readonly number[];
  readonly hasGoodput: boolean;
  /** `--metadata`: added as they are. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Each request's values in columns, kept only where they are asked for. */
export class DetailColumns {
  readonly #outcomes: Outcome[] = [];

  add(outcome: Outcome): void {
    this.#outcomes.push(outcome);
  }

  /** In the order of the requests. */
  columns(): Readonly<Record<string, unknown>> {
    const all = this.#outcomes.toSorted((a, b) => a.request.id - b.request.id);
    const failed = (outcome: Outcome): boolean => outcome.failure !== null;
    return {
      input_lens: all.map(({ promptTokens, request }) => promptTokens ?? request.promptTokens),
      output_lens: all.map((outcome) => (failed(outcome) ? 0 : outcome.outputTokens)),
      ttfts: all.map((outcome) => (outcome.firstMs === null ? 0 : latencies(outcome).ttftMs / 1000)),
      itls: all.map(({ chunkMs }) => chunkMs.slice(1).map((atMs, i) => (atMs - chunkMs[i]!) / 1000)),
      latencies: all.map((outcome) => latencies(outcome).e2elMs / 1000),
      start_times: all.map(({ sentMs }) => sentMs / 1000),
      queue_times: all.map((outcome) => latencies(outcome).queueMs / 1000),
      generated_texts: all.map(({ text }) => text ?? ""),
      errors: all.map(({ failure }) => (failure === null ? "" : `${failure.kind}: ${failure.message}`)),
    };
  }
}

/** The metric's name in vLLM's results. */
const NAMES: Readonly<Record<Metric, string>> = {
  ttft: "ttft",
  tpot: "tpot",
  itl: "itl",
  icl: "icl",
  e2el: "e2el",
  tpot_first: "tpot_incl_first",
  queue: "client_queue_time",
};

/** The result object. */
export function vllmResult(
  report: BenchReport,
  head: ResultHead,
  options: ResultOptions,
  details: DetailColumns | null,
): Readonly<Record<string, unknown>> {
  const { measures, run } = report;
  const seconds = run.durationMs / 1000;
  const { completed, failed, promptTokens, outputTokens } = measures;
  const statistics: Record<string, number> = {};
  for (const metric of options.percentileMetrics) Object.assign(statistics, metricFields(report, metric, options));
  return {
    ...head,
    ...options.metadata,
    endpoint_type: head.backend,
    duration: seconds,
    completed,
    failed,
    total_input_tokens: promptTokens,
    total_output_tokens: outputTokens,
    request_throughput: completed / seconds,
    request_goodput: options.hasGoodput ? measures.good / seconds : null,
    output_throughput: outputTokens / seconds,
    total_token_throughput: (promptTokens + outputTokens) / seconds,
    ...(details === null ? {} : details.columns()),
    max_output_tokens_per_s: measures.peakTokensPerSecond(),
    max_concurrent_requests: run.peakConcurrency,
    ...statistics,
    punctual: ownFields(report, options.hasGoodput),
  };
}

function metricFields(report: BenchReport, metric: Metric, options: ResultOptions): Record<string, number> {
  const sample = report.measures.samples[metric];
  const name = NAMES[metric];
  const fields: Record<string, number> = {
    [`mean_${name}_ms`]: sample.mean,
    [`median_${name}_ms`]: sample.quantile(0.5),
    [`std_${name}_ms`]: sample.deviation,
  };
  for (const percent of options.percentiles) fields[`p${percent}_${name}_ms`] = sample.quantile(percent / 100);
  return fields;
}

function ownFields(report: BenchReport, hasGoodput: boolean): Readonly<Record<string, unknown>> {
  const { measures, run, lag } = report;
  const seconds = run.durationMs / 1000;
  const { itl, icl, tpot_first: first, queue } = measures.samples;
  return {
    planned: report.planned,
    sent: run.sent,
    cancelled: measures.cancelled,
    offered_rate: report.offeredPerSecond,
    achieved_rate: report.sentPerSecond,
    saturated: run.saturated,
    tokens_counted_by: measures.counted(),
    short_answers: measures.shortAnswers,
    token_goodput: hasGoodput ? measures.goodTokens / seconds : null,
    client_queue_p99_ms: queue.quantile(0.99),
    client_queue_max_ms: queue.count === 0 ? 0 : queue.max,
    event_loop_lag_p99_ms: lag.eventLoopP99Ms,
    event_loop_lag_max_ms: lag.eventLoopMaxMs,
    mean_tpot_incl_first_ms: first.mean,
    p99_icl_ms: icl.quantile(0.99),
    percentiles_exact: itl.isExact,
    failures: measures.failures().map(({ kind, status, count, example, retryAfterMs }) => ({
      kind,
      status,
      count,
      example,
      retry_after_s: retryAfterMs === null ? null : retryAfterMs / 1000,
    })),
    slo: Object.fromEntries(
      Object.entries(measures.slo.report()).map(([name, { count, attained, outputTokens, attainedTokens }]) => [
        name,
        { count, attained, output_tokens: outputTokens, attained_tokens: attainedTokens },
      ]),
    ),
    slo_reported: { count: measures.slo.reported, attained: measures.slo.reportedAttained },
  };
}
