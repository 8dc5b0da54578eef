/** A report for people: the table of `vllm bench serve`, and what it leaves out about client, objectives and failures. */
import type { BenchReport } from "./bench.ts";
import type { Metric } from "./measures.ts";
import type { SampleSink } from "./sample-sink.ts";

/** What to print. */
export interface TableOptions {
  readonly percentileMetrics: readonly Metric[];
  readonly percentiles: readonly number[];
  readonly hasGoodput: boolean;
  readonly requestRate: number | null;
  readonly maxConcurrency: number;
}

const WIDTH = 56;
const LABEL = 42;

const HEADINGS: Readonly<Record<Metric, readonly [title: string, short: string]>> = {
  ttft: ["Time to First Token", "TTFT"],
  tpot: ["Time per Output Token (excl. 1st token)", "TPOT"],
  itl: ["Inter-token Latency", "ITL"],
  icl: ["Inter-chunk Latency", "ICL"],
  e2el: ["End-to-end Latency", "E2EL"],
  tpot_first: ["Time per Output Token (incl. 1st token)", "TPOT incl. 1st"],
  queue: ["Client-side Queueing", "Client queue"],
};

/** A heading in the middle of a rule. */
function rule(title: string, character: string): string {
  const text = title === "" ? "" : ` ${title} `;
  const left = Math.floor((WIDTH - text.length) / 2);
  return character.repeat(Math.max(0, left)) + text + character.repeat(Math.max(0, WIDTH - text.length - left));
}

function row(label: string, value: string | number): string {
  const text = typeof value === "number" && !Number.isInteger(value) ? value.toFixed(2) : String(value);
  return `${`${label}:`.padEnd(LABEL)} ${text}`;
}

/** The whole table. */
export function reportTable(report: BenchReport, options: TableOptions): string {
  const lines = [rule("Serving Benchmark Result", "="), ...totals(report, options)];
  for (const metric of options.percentileMetrics) {
    const [title, short] = HEADINGS[metric];
    lines.push(rule(title, "-"), ...distribution(report.measures.samples[metric], short, options.percentiles));
  }
  lines.push(...objectives(report), ...failures(report), ...client(report), rule("", "="));
  return lines.join("\n");
}

function totals({ measures, run, planned }: BenchReport, options: TableOptions): string[] {
  const seconds = run.durationMs / 1000;
  const { completed, failed, cancelled, promptTokens, outputTokens } = measures;
  return [
    row("Successful requests", completed),
    row("Failed requests", failed),
    ...(cancelled > 0 ? [row("Cancelled by the trace", cancelled)] : []),
    ...(run.sent < planned ? [row("Never sent", planned - run.sent)] : []),
    ...(options.maxConcurrency < Infinity ? [row("Maximum request concurrency", options.maxConcurrency)] : []),
    ...(options.requestRate !== null && options.requestRate < Infinity
      ? [row("Request rate configured (RPS)", options.requestRate.toFixed(2))]
      : []),
    row("Benchmark duration (s)", seconds.toFixed(2)),
    row("Total input tokens", promptTokens),
    row("Total generated tokens", outputTokens),
    row("Request throughput (req/s)", (completed / seconds).toFixed(2)),
    ...(options.hasGoodput ? [row("Request goodput (req/s)", (measures.good / seconds).toFixed(2))] : []),
    row("Output token throughput (tok/s)", (outputTokens / seconds).toFixed(2)),
    ...(options.hasGoodput ? [row("Output token goodput (tok/s)", (measures.goodTokens / seconds).toFixed(2))] : []),
    row("Peak output token throughput (tok/s)", measures.peakTokensPerSecond().toFixed(2)),
    row("Peak concurrent requests", run.peakConcurrency),
    row("Total token throughput (tok/s)", ((promptTokens + outputTokens) / seconds).toFixed(2)),
  ];
}

function distribution(sample: SampleSink, short: string, percentiles: readonly number[]): string[] {
  return [
    row(`Mean ${short} (ms)`, sample.mean.toFixed(2)),
    row(`Median ${short} (ms)`, sample.quantile(0.5).toFixed(2)),
    ...percentiles.map((percent) => row(`P${percent} ${short} (ms)`, sample.quantile(percent / 100).toFixed(2))),
    ...(sample.isExact ? [] : [row("Percentiles from a sample of", sample.count)]),
  ];
}

function objectives({ measures, run }: BenchReport): string[] {
  const classes = Object.entries(measures.slo.report());
  if (classes.length === 0 && measures.slo.reported === 0) return [];
  const seconds = run.durationMs / 1000;
  const lines = [rule("Objectives kept, by this client's clock", "-")];
  for (const [name, { count, attained, attainedTokens }] of classes) {
    const share = ((100 * attained) / count).toFixed(1);
    lines.push(
      row(name, `${attained} of ${count} (${share} %), ${(attainedTokens / seconds).toFixed(1)} tok/s in time`),
    );
  }
  if (measures.slo.reported > 0) {
    lines.push(row("By the server's own account", `${measures.slo.reportedAttained} of ${measures.slo.reported}`));
  }
  return lines;
}

function failures({ measures }: BenchReport): string[] {
  const kinds = measures.failures();
  if (kinds.length === 0) return [];
  return [
    rule("Failures", "-"),
    ...kinds.map(({ kind, status, count, example, retryAfterMs }) => {
      const name = kind === "status" ? `HTTP ${status}` : kind;
      const wait = retryAfterMs === null ? "" : `, retry after up to ${retryAfterMs / 1000} s`;
      return row(name, `${count}${wait}: ${example.slice(0, 120)}`);
    }),
  ];
}

function client({ measures, run, lag, offeredPerSecond, sentPerSecond }: BenchReport): string[] {
  const { queue } = measures.samples;
  const rate = (value: number | null): string => (value === null ? "all at once" : value.toFixed(2));
  const counted = measures.counted();
  return [
    rule("This client", "-"),
    row("Offered rate (req/s)", rate(offeredPerSecond)),
    row("Achieved rate (req/s)", rate(sentPerSecond)),
    ...(run.saturated ? [row("Stopped", "the server fell ever further behind")] : []),
    row("P99 late in sending (ms)", queue.quantile(0.99).toFixed(2)),
    row("P99 event-loop lag (ms)", lag.eventLoopP99Ms.toFixed(2)),
    row("Tokens counted by", counted.length === 0 ? "-" : counted.join(", ")),
    ...(measures.shortAnswers > 0 ? [row("Answers shorter than asked for", measures.shortAnswers)] : []),
  ];
}
