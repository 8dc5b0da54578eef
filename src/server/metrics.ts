/**
 * GET /metrics: what the engines and the HTTP side count, under our own names (`punctual_*`) and, where
 * vLLM has the same quantity, again as `vllm:*`, so that dashboards and endpoint pickers made for vLLM
 * work unchanged. Times in seconds.
 */
import { HISTOGRAM_NAMES, type EngineStats, type HistogramName, type RequestEnd } from "../runtime/index.ts";
import { Exposition, type Labels } from "./exposition.ts";

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

/** Histograms that vLLM does not have. */
const OURS_ONLY: ReadonlySet<HistogramName> = new Set<HistogramName>(["iteration_seconds"]);
/** Values of vLLM's finished_reason; requests that were refused or expired never started there. */
const VLLM_REASONS: ReadonlySet<RequestEnd> = new Set<RequestEnd>(["stop", "length", "abort", "error"]);

/** Counts finished HTTP requests by route, method and status. Routes are patterns, so the set is small. */
export class HttpMetrics {
  readonly #requests = new Map<string, { readonly labels: Labels; count: number }>();
  inFlight = 0;

  finished(route: string, method: string, status: number): void {
    const key = `${method} ${route} ${status}`;
    const entry = this.#requests.get(key);
    if (entry !== undefined) entry.count += 1;
    else this.#requests.set(key, { labels: { route, method, status: String(status) }, count: 1 });
  }

  write(page: Exposition): void {
    page.gauge("punctual_http_requests_in_flight", "HTTP requests being answered.", {}, this.inFlight);
    for (const { labels, count } of this.#requests.values()) {
      page.counter("punctual_http_requests_total", "HTTP requests answered.", labels, count);
    }
  }
}

/** The whole page. */
export function renderMetrics(engines: readonly EngineStats[], http: HttpMetrics): string {
  const page = new Exposition();
  for (const stats of engines) {
    writeGauges(page, stats);
    writeCounters(page, stats);
    writeHistograms(page, stats);
  }
  http.write(page);
  return page.text();
}

/** One quantity under both prefixes. */
class Both {
  readonly #page: Exposition;
  readonly #labels: Labels;

  constructor(page: Exposition, model: string) {
    this.#page = page;
    this.#labels = { model_name: model };
  }

  gauge(name: string, help: string, value: number): void {
    this.#page.gauge(`punctual_${name}`, help, this.#labels, value);
    this.#page.gauge(`vllm:${name}`, help, { ...this.#labels, engine: "0" }, value);
  }

  counter(name: string, help: string, value: number): void {
    this.#page.counter(`punctual_${name}`, help, this.#labels, value);
    this.#page.counter(`vllm:${name}`, help, { ...this.#labels, engine: "0" }, value);
  }
}

function writeGauges(page: Exposition, stats: EngineStats): void {
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
  const goodput = "Generated tokens of requests that attained their whole objective.";
  page.counter("punctual_goodput_tokens_total", goodput, labels, counters.goodputTokens);
  for (const { class: sloClass, metric, attained, missed } of stats.slo) {
    const which = { ...labels, class: sloClass, metric };
    page.counter("punctual_slo_attained_total", "Objectives met.", which, attained);
    page.counter("punctual_slo_missed_total", "Objectives missed.", which, missed);
  }
}

function writeHistograms(page: Exposition, stats: EngineStats): void {
  const labels = { model_name: stats.name };
  for (const name of HISTOGRAM_NAMES) {
    const sample = stats.histograms[name];
    page.histogram(`punctual_${name}`, HISTOGRAM_HELP[name], labels, sample);
    if (OURS_ONLY.has(name)) continue;
    page.histogram(`vllm:${name}`, HISTOGRAM_HELP[name], { ...labels, engine: "0" }, sample);
  }
}
