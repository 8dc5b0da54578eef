/**
 * The books of one engine, kept on the main thread so that they outlive a worker: counters and
 * histograms by vLLM's definitions.
 *
 *   queue     arrival .. last taken from the queue before the first token
 *   prefill   that .. first token;  decode: first .. last token;  inference: prefill and decode
 *   inter-token latency counts every gap; time per output token counts every request once
 */
import { Histogram } from "../core/index.ts";
import { SLO_CLASSES, sloTargets, type SloClass } from "../sched/index.ts";
import type { SequenceEnd, SequenceEvent, StepReport } from "./messages.ts";
import { addDraftCounts } from "./speculation/counts.ts";
import type { DraftCount } from "./speculation/types.ts";
import {
  HISTOGRAM_NAMES,
  type EngineStats,
  type HistogramName,
  type HistogramSnapshot,
  type RequestEnd,
  type SloCount,
} from "./types.ts";

const FIRST_TOKEN = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
];
// vLLM starts at 10 ms; a small model on a processor needs finer buckets below.
const PER_TOKEN = [
  0.001, 0.0025, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20,
  40, 80,
];
const REQUEST = [
  0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];
const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];
const STEP_TOKENS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];

const BOUNDS: Readonly<Record<HistogramName, readonly number[]>> = {
  time_to_first_token_seconds: FIRST_TOKEN,
  inter_token_latency_seconds: PER_TOKEN,
  request_time_per_output_token_seconds: PER_TOKEN,
  e2e_request_latency_seconds: REQUEST,
  request_queue_time_seconds: REQUEST,
  request_prefill_time_seconds: REQUEST,
  request_decode_time_seconds: REQUEST,
  request_inference_time_seconds: REQUEST,
  iteration_tokens_total: STEP_TOKENS,
  iteration_seconds: PER_TOKEN,
  request_prompt_tokens: TOKENS,
  request_generation_tokens: TOKENS,
};

function eachHistogram<T>(make: (name: HistogramName) => T): Record<HistogramName, T> {
  const result: Partial<Record<HistogramName, T>> = {};
  for (const name of HISTOGRAM_NAMES) result[name] = make(name);
  return result as Record<HistogramName, T>;
}

type Counters = { -readonly [K in keyof EngineStats["counters"]]: EngineStats["counters"][K] };

/** See the head of this file. */
export class EngineMetrics {
  readonly #histograms: Readonly<Record<HistogramName, Histogram>>;
  readonly #requests: Record<RequestEnd, number> = { stop: 0, length: 0, abort: 0, error: 0, expired: 0, rejected: 0 };
  readonly #counters: Omit<Counters, "requests" | "goodputTokens"> = {
    promptTokens: 0,
    generationTokens: 0,
    preemptions: 0,
    prefixQueries: 0,
    prefixHits: 0,
    steps: 0,
    restarts: 0,
  };
  readonly #goodputTokens = Object.fromEntries(SLO_CLASSES.map((name) => [name, 0])) as Record<SloClass, number>;
  readonly #slo = new Map<string, { attained: number; missed: number } & Pick<SloCount, "class" | "metric">>();

  #drafts: readonly DraftCount[] = [];

  constructor() {
    this.#histograms = eachHistogram((name) => new Histogram(BOUNDS[name]));
  }

  /** Books one step of the worker. */
  step(report: StepReport): void {
    this.#counters.preemptions += report.preemptions;
    if (report.tokens > 0) {
      this.#counters.steps += 1;
      this.#histograms.iteration_tokens_total.observe(report.tokens);
      this.#histograms.iteration_seconds.observe(report.stepMs / 1000);
    }
    for (const event of report.events) this.event(event);
    if (report.drafts !== undefined) this.#drafts = addDraftCounts([...this.#drafts, ...report.drafts]);
  }

  /** Checked drafts by source. */
  drafts(): readonly DraftCount[] {
    return this.#drafts;
  }

  /** A request that ended without the worker saying so: refused, or lost with its worker. */
  ended(end: RequestEnd): void {
    this.#requests[end] += 1;
  }

  restarted(): void {
    this.#counters.restarts += 1;
  }

  counters(): EngineStats["counters"] {
    return { ...this.#counters, requests: { ...this.#requests }, goodputTokens: { ...this.#goodputTokens } };
  }

  slo(): SloCount[] {
    return Array.from(this.#slo.values(), (count) => ({ ...count }));
  }

  histograms(): Record<HistogramName, HistogramSnapshot> {
    return eachHistogram((name) => {
      const { bounds, sum, count } = this.#histograms[name];
      return { bounds, cumulative: this.#histograms[name].cumulative(), sum, count };
    });
  }

  /** Books what happened to one sequence. */
  event(event: SequenceEvent): void {
    switch (event.kind) {
      case "admit":
        this.#counters.prefixQueries += event.queries;
        this.#counters.prefixHits += event.hits;
        return;
      case "token":
        this.#counters.generationTokens += 1;
        if (event.gapMs !== null) this.#histograms.inter_token_latency_seconds.observe(event.gapMs / 1000);
        return;
      case "finish":
      case "error":
        this.#end(event.end);
        return;
      case "coming":
      case "grown":
      case "set_back":
      case "ready":
      case "moved": // counted where it ends
        return;
      default:
        event satisfies never;
    }
  }

  #end(end: SequenceEnd): void {
    const { timing } = end;
    this.#requests[end.end] += 1;
    const observe = (name: HistogramName, ms: number): void => this.#histograms[name].observe(ms / 1000);
    if (timing.scheduledMs !== null) {
      this.#counters.promptTokens += end.promptTokens;
      observe("request_queue_time_seconds", timing.scheduledMs - timing.arrivalMs);
    }
    if (timing.firstTokenMs !== null) {
      observe("time_to_first_token_seconds", timing.firstTokenMs - timing.arrivalMs);
      if (timing.scheduledMs !== null) {
        observe("request_prefill_time_seconds", timing.firstTokenMs - timing.scheduledMs);
      }
    }
    // Latencies of requests that did not finish would flatter or spoil those that did.
    if (end.end === "stop" || end.end === "length") this.#finished(end, observe);
    this.#goodputTokens[end.slo.class] += end.goodTokens;
    // Whoever left or was failed by us proves nothing about the objective.
    if (end.end !== "abort" && end.end !== "error") this.#objective(end);
  }

  #finished(end: SequenceEnd, observe: (name: HistogramName, ms: number) => void): void {
    const { timing, completionTokens } = end;
    observe("e2e_request_latency_seconds", timing.endMs - timing.arrivalMs);
    this.#histograms.request_prompt_tokens.observe(end.promptTokens);
    this.#histograms.request_generation_tokens.observe(completionTokens);
    if (timing.firstTokenMs === null || timing.lastTokenMs === null) return;
    const decodeMs = timing.lastTokenMs - timing.firstTokenMs;
    observe("request_decode_time_seconds", decodeMs);
    if (timing.scheduledMs !== null) {
      observe("request_inference_time_seconds", timing.lastTokenMs - timing.scheduledMs);
    }
    if (completionTokens > 1) observe("request_time_per_output_token_seconds", decodeMs / (completionTokens - 1));
  }

  #objective(end: SequenceEnd): void {
    const targets = sloTargets(end.slo, end.outcome);
    for (const metric of ["ttft", "tpot", "deadline"] as const) {
      const met = targets[metric];
      if (met !== undefined) this.#count(end.slo.class, metric, met);
    }
    this.#count(end.slo.class, "all", end.outcome.attained);
  }

  #count(sloClass: string, metric: SloCount["metric"], met: boolean): void {
    const key = `${sloClass}/${metric}`;
    let count = this.#slo.get(key);
    if (count === undefined) {
      count = { class: sloClass, metric, attained: 0, missed: 0 };
      this.#slo.set(key, count);
    }
    if (met) count.attained += 1;
    else count.missed += 1;
  }
}
