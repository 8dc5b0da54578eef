/**
 * GET /metrics: what the engines and the HTTP side count, under our own names (`punctual_*`) and, where
 * vLLM has the same quantity, again as `vllm:*`, so that dashboards and endpoint pickers made for vLLM
 * work unchanged. Times in seconds.
 */
import { assert, Histogram } from "../core/index.ts";
import {
  HISTOGRAM_NAMES,
  type Engine,
  type EngineStats,
  type HistogramName,
  type RequestEnd,
  type SloCount,
} from "../runtime/index.ts";
import type { FleetView } from "../protocol/index.ts";
import { SLO_CLASSES } from "../sched/index.ts";
import { writeFleet } from "./fleet-metrics.ts";
import { writePhases } from "./phase-metrics.ts";
import { writeSpeculation } from "./speculation-metrics.ts";
import { Exposition, type HistogramSample, type Labels } from "./exposition.ts";

const HISTOGRAM_HELP: Readonly<Record<HistogramName, string>> = {
  time_to_first_token_seconds: "Time from arrival to the first token.",
  inter_token_latency_seconds: "Time between two tokens of a request.",
  request_time_per_output_token_seconds: "Mean time per token after the first, one value a request.",
  e2e_request_latency_seconds: "Time from arrival to the last token.",
  request_queue_time_seconds: "Time a request waited to be scheduled.",
  request_prefill_time_seconds: "Time from scheduling to the first token.",
  request_decode_time_seconds: "Time from the first to the last token.",
  request_inference_time_seconds: "Time from scheduling to the last token.",
  iteration_tokens_total: "Tokens computed per step.",
  iteration_seconds: "Duration of a step.",
  request_prompt_tokens: "Prompt tokens per request.",
  request_generation_tokens: "Generated tokens per request.",
};

// vLLM's buckets, seconds and tokens. Ours are finer at the low end, where a small model on a processor lives; every bound of
// vLLM's is one of ours, so that the same counts serve both.
const FIRST_TOKEN = [
  0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640, 2560,
];
const PER_TOKEN = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
const REQUEST = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];
const STEP_TOKENS = [1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];
const TOKENS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000];
const CHOICES = [1, 2, 5, 10, 20];

/** vLLM's bounds for the histograms that it has too; null: ours only. */
const VLLM_BOUNDS: Readonly<Record<HistogramName, readonly number[] | null>> = {
  time_to_first_token_seconds: FIRST_TOKEN,
  inter_token_latency_seconds: PER_TOKEN,
  request_time_per_output_token_seconds: PER_TOKEN,
  e2e_request_latency_seconds: REQUEST,
  request_queue_time_seconds: REQUEST,
  request_prefill_time_seconds: REQUEST,
  request_decode_time_seconds: REQUEST,
  request_inference_time_seconds: REQUEST,
  iteration_tokens_total: STEP_TOKENS,
  iteration_seconds: null,
  request_prompt_tokens: TOKENS,
  request_generation_tokens: TOKENS,
};

/** Values of vLLM's finished_reason; requests that were refused or expired never started there. */
const VLLM_REASONS: ReadonlySet<RequestEnd> = new Set<RequestEnd>(["stop", "length", "abort", "error"]);

/** What is known of requests only here, where the generations of one request are still together. */
interface RequestShapes {
  readonly n: Histogram;
  readonly maxTokens: Histogram;
  readonly longest: Histogram;
}

/**
 * Counts finished HTTP requests by route, method and status, and the shapes of generation requests by model. Routes are
 * patterns and models are served ones, so both sets are small.
 */
export class HttpMetrics {
  readonly #requests = new Map<string, { readonly labels: Labels; count: number }>();
  readonly #shapes = new Map<string, RequestShapes>();
  inFlight = 0;

  finished(route: string, method: string, status: number): void {
    const key = `${method} ${route} ${status}`;
    const entry = this.#requests.get(key);
    if (entry !== undefined) entry.count += 1;
    else this.#requests.set(key, { labels: { route, method, status: String(status) }, count: 1 });
  }

  /** A generation was handed to that model, with room for that many tokens. */
  submitted(model: string, maxTokens: number): void {
    this.#shapeOf(model).maxTokens.observe(maxTokens);
  }

  /** A request with `n` generations is over; its longest answer has that many tokens. */
  generated(model: string, n: number, longestTokens: number): void {
    this.#shapeOf(model).n.observe(n);
    this.#shapeOf(model).longest.observe(longestTokens);
  }

  #shapeOf(model: string): RequestShapes {
    let shapes = this.#shapes.get(model);
    if (shapes === undefined) {
      shapes = { n: new Histogram(CHOICES), maxTokens: new Histogram(TOKENS), longest: new Histogram(TOKENS) };
      this.#shapes.set(model, shapes);
    }
    return shapes;
  }

  /** The histograms of a served model, also before its first request: a dashboard must not find a hole. */
  writeShapes(page: Exposition, model: string): void {
    const { n, maxTokens, longest } = this.#shapeOf(model);
    const write = (name: string, help: string, histogram: Histogram): void => {
      const { bounds, sum, count } = histogram;
      const sample = { bounds, cumulative: histogram.cumulative(), sum, count };
      page.histogram(`punctual_${name}`, help, { model_name: model }, sample);
      page.histogram(`vllm:${name}`, help, vllmLabels(model), sample);
    };
    write("request_params_n", "Answers wanted per request.", n);
    write("request_params_max_tokens", "Most tokens wanted per answer.", maxTokens);
    write("request_max_num_generation_tokens", "Tokens of the longest answer per request.", longest);
  }

  write(page: Exposition): void {
    page.gauge("punctual_http_requests_in_flight", "HTTP requests being answered.", {}, this.inFlight);
    for (const { labels, count } of this.#requests.values()) {
      page.counter("punctual_http_requests_total", "HTTP requests answered.", labels, count);
    }
  }
}

/** The whole page. */
export function renderMetrics(
  engines: readonly Pick<Engine, "info" | "stats">[],
  http: HttpMetrics,
  fleet: FleetView | null = null,
): string {
  const page = new Exposition();
  for (const engine of engines) {
    const stats = engine.stats();
    writeGauges(page, stats, engine.info.policy);
    writeCounters(page, stats);
    writeHistograms(page, stats);
    writePhases(page, stats);
    writeSpeculation(page, stats);
    http.writeShapes(page, stats.name);
  }
  writeFleet(page, fleet);
  http.write(page);
  return page.text();
}

/** vLLM numbers its engines; here each model has one. */
function vllmLabels(model: string): Labels {
  return { model_name: model, engine: "0" };
}

/** One quantity under both prefixes. */
class Both {
  readonly #page: Exposition;
  readonly #model: string;
  readonly #labels: Labels;

  constructor(page: Exposition, model: string) {
    this.#page = page;
    this.#model = model;
    this.#labels = { model_name: model };
  }

  gauge(name: string, help: string, value: number): void {
    this.#page.gauge(`punctual_${name}`, help, this.#labels, value);
    this.#page.gauge(`vllm:${name}`, help, vllmLabels(this.#model), value);
  }

  counter(name: string, help: string, value: number): void {
    this.#page.counter(`punctual_${name}`, help, this.#labels, value);
    this.#page.counter(`vllm:${name}`, help, vllmLabels(this.#model), value);
  }
}

function writeGauges(page: Exposition, stats: EngineStats, policy: string): void {
  const both = new Both(page, stats.name);
  const labels = { model_name: stats.name };
  both.gauge("num_requests_running", "Requests being computed.", stats.running);
  both.gauge("num_requests_waiting", "Requests waiting to be computed.", stats.waiting);
  both.gauge("kv_cache_usage_perc", "Share of the KV cache in use, 0 to 1.", stats.kv.usage);
  page.gauge("punctual_num_requests_paused", "Requests set aside for a slow reader.", labels, stats.paused);
  page.gauge("punctual_kv_pages_used", "Pages of the KV cache in use.", labels, stats.kv.pagesUsed);
  page.gauge("punctual_kv_pages_total", "Pages of the KV cache.", labels, stats.kv.pagesTotal);
  page.gauge("punctual_engine_ready", "1 when the engine answers requests.", labels, stats.state === "ready" ? 1 : 0);
  page.gauge("punctual_step_budget_tokens", "Most tokens in one step.", labels, stats.limits.budgetTokens);
  const cache = {
    ...labels,
    engine: "0",
    block_size: String(stats.kv.pageTokens),
    num_gpu_blocks: String(stats.kv.pagesTotal),
  };
  const about = { ...labels, policy };
  page.gauge("punctual_policy_info", "The scheduling policy in force.", about, 1);
  page.gauge("vllm:cache_config_info", "Configuration of the KV cache.", cache, 1);
}

function writeCounters(page: Exposition, stats: EngineStats): void {
  const both = new Both(page, stats.name);
  const labels = { model_name: stats.name };
  const { counters } = stats;
  both.counter("prompt_tokens_total", "Prompt tokens of admitted requests.", counters.promptTokens);
  both.counter("generation_tokens_total", "Tokens generated.", counters.generationTokens);
  both.counter("num_preemptions_total", "Requests set back to be recomputed.", counters.preemptions);
  both.counter("prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.", counters.prefixQueries);
  both.counter("prefix_cache_hits_total", "Prompt tokens found in the prefix cache.", counters.prefixHits);
  for (const [reason, count] of Object.entries(counters.requests) as [RequestEnd, number][]) {
    const withReason = { ...labels, finished_reason: reason };
    page.counter("punctual_request_success_total", "Requests by how they ended.", withReason, count);
    if (!VLLM_REASONS.has(reason)) continue;
    page.counter("vllm:request_success_total", "Requests by how they ended.", { ...withReason, engine: "0" }, count);
  }
  page.counter("punctual_steps_total", "Steps computed.", labels, counters.steps);
  page.counter("punctual_engine_restarts_total", "Times the engine's worker was replaced.", labels, counters.restarts);
  writeObjectives(page, stats);
}

const OBJECTIVE_METRICS: readonly SloCount["metric"][] = ["ttft", "tpot", "deadline", "all"];

/** Attainment is attained / (attained + missed), or of whole objectives attained{metric="all"} / requests. All from the start. */
function writeObjectives(page: Exposition, stats: EngineStats): void {
  const labels = { model_name: stats.name };
  for (const sloClass of SLO_CLASSES) {
    const ofClass = { ...labels, class: sloClass };
    for (const metric of OBJECTIVE_METRICS) {
      const count = stats.slo.find((one) => one.class === sloClass && one.metric === metric);
      const which = { ...ofClass, metric };
      page.counter("punctual_slo_attained_total", "Objectives met.", which, count?.attained ?? 0);
      page.counter("punctual_slo_missed_total", "Objectives missed.", which, count?.missed ?? 0);
    }
    const whole = stats.slo.find((one) => one.class === sloClass && one.metric === "all");
    const requests = whole === undefined ? 0 : whole.attained + whole.missed;
    page.counter("punctual_slo_requests_total", "Requests judged by their objective.", ofClass, requests);
    const goodput =
      "Tokens delivered within their objective: of class latency those on their pace line, else those of requests in time.";
    page.counter("punctual_goodput_tokens_total", goodput, ofClass, stats.counters.goodputTokens[sloClass]);
  }
}

function writeHistograms(page: Exposition, stats: EngineStats): void {
  const labels = { model_name: stats.name };
  for (const name of HISTOGRAM_NAMES) {
    const sample = stats.histograms[name];
    page.histogram(`punctual_${name}`, HISTOGRAM_HELP[name], labels, sample);
    const bounds = VLLM_BOUNDS[name];
    if (bounds === null) continue;
    page.histogram(`vllm:${name}`, HISTOGRAM_HELP[name], vllmLabels(stats.name), narrow(sample, bounds));
  }
  // vLLM's older name for the gaps between tokens, which many dashboards still read.
  const gaps = narrow(stats.histograms.inter_token_latency_seconds, PER_TOKEN);
  const help = "Time between two tokens of a request; older name of inter_token_latency_seconds.";
  page.histogram("vllm:time_per_output_token_seconds", help, vllmLabels(stats.name), gaps);
}

/** The same observations in fewer buckets; each of `bounds` is one of the sample's. */
function narrow(sample: HistogramSample, bounds: readonly number[]): HistogramSample {
  const cumulative = bounds.map((bound) => {
    const at = sample.bounds.indexOf(bound);
    assert(at >= 0, "vLLM's bucket is one of ours");
    return sample.cumulative[at] ?? 0;
  });
  return { bounds, cumulative: [...cumulative, sample.count], sum: sample.sum, count: sample.count };
}
