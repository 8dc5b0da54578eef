/**
 * A model of other servers as an engine: the same name on several of them is one model, and requests go to one or the other
 * as routers decide. It is asked in text (`proxy`): its vocabulary is not here, so what needs one refuses. Books, limits and
 * objectives are those of every model.
 */
import { fail, PunctualError, type Clock, type RandomStream } from "../../core/index.ts";
import type { DecoderConfig } from "../../llm/index.ts";
import {
  EngineMetrics,
  noTransfers,
  SignalFan,
  type Engine,
  type EngineInfo,
  type EngineState,
  type EngineStats,
  type ForeignTokens,
  type JsonObject,
  type SubmitOptions,
  type TextProxy,
  type TextRequest,
} from "../../runtime/index.ts";
import { BEST_EFFORT, type FleetRequest, type Slo } from "../../sched/index.ts";
import type { AnswerEnd } from "../fleet/answer-log.ts";
import type { RouterStats } from "../fleet/router-stats.ts";
import { BLOCK_TOKENS, textBlockIds, type Placement } from "../routing/prefix-index.ts";
import type { Router } from "../routing/router.ts";
import { brokenUpstream } from "./http.ts";
import { NO_CONFIG, NO_DIALECT, NO_TOKENIZER } from "./no-vocabulary.ts";
import { askText, askTokens } from "./tokens.ts";
import { TextAnswer, type AnswerHost, type Chosen } from "./text-answer.ts";
import type { UpstreamServer } from "./upstream-server.ts";

/** A server that has the model, and its name there. */
export interface UpstreamPlace {
  readonly server: UpstreamServer;
  readonly model: string;
}

/** What a model of other servers has of its router. */
export interface UpstreamHost {
  readonly clock: Clock;
  readonly random: RandomStream;
  readonly stats: RouterStats;
  readonly defaultSlo: Slo;
  /** Most open requests. */
  readonly maxOpen: number;
  router(): Router;
  /** Who has that model. */
  places(name: string): readonly UpstreamPlace[];
}

/** Where nobody says how much fits. */
const UNKNOWN_CONTEXT_TOKENS = 1_000_000;
const RETRY_MS = 1000;
const DEFAULT_GRACE_MS = 10_000;

/** See the head of this file. */
export class UpstreamEngine implements Engine, TextProxy, AnswerHost {
  readonly tokenizer = NO_TOKENIZER;
  readonly dialect = NO_DIALECT;
  readonly config: DecoderConfig = NO_CONFIG;
  readonly endTokens: readonly number[] = [];
  readonly transfers = noTransfers("they are with another server");
  readonly adapters: readonly never[] = [];
  readonly name: string;
  readonly metrics = new EngineMetrics();
  readonly signals = new SignalFan();
  readonly #host: UpstreamHost;
  readonly #open = new Set<TextAnswer>();
  readonly #placements = new WeakMap<TextRequest, { readonly place: UpstreamPlace; readonly made: Placement }>();
  readonly #routedBy = new WeakMap<TextRequest, string>();
  #count = 0;
  #lastError: string | null = null;
  #closed = false;
  #onDrained: (() => void) | null = null;
  #stopped: Promise<void> | null = null;

  constructor(host: UpstreamHost, name: string) {
    this.#host = host;
    this.name = name;
  }

  get proxy(): TextProxy {
    return this;
  }

  get clock(): Clock {
    return this.#host.clock;
  }

  /** Requests under way. */
  get open(): ReadonlySet<TextAnswer> {
    return this.#open;
  }

  get info(): EngineInfo {
    const known = this.#host
      .places(this.name)
      .flatMap(({ server, model }) => server.models.find(({ id }) => id === model)?.contextTokens ?? []);
    return {
      name: this.name,
      dir: null,
      vocabSize: 0,
      contextTokens: known.length === 0 ? UNKNOWN_CONTEXT_TOKENS : Math.min(...known),
      weights: "f32",
      threads: 0,
      kvPages: 0,
      pageTokens: BLOCK_TOKENS,
      pageBytes: 0,
      policy: "upstream",
      phases: "colocated",
      fixedPolicy: "it is computed by another server",
      modelFingerprint: null,
      defaultSlo: this.#host.defaultSlo,
    };
  }

  get state(): EngineState {
    if (this.#closed) return this.#open.size > 0 ? "stopping" : "stopped";
    const nowMs = this.clock.nowMs();
    const well = ({ server }: UpstreamPlace): boolean =>
      server.health.usable(nowMs) || server.health.retryAfterMs(nowMs) !== null;
    return this.#host.places(this.name).some(well) ? "ready" : "restarting";
  }

  ask(request: TextRequest, options: SubmitOptions = {}): TextAnswer {
    if (this.#closed) fail("shutting_down", "the router is stopping");
    if (this.#open.size >= this.#host.maxOpen) {
      this.metrics.ended("rejected");
      fail("queue_full", `${this.#host.maxOpen} requests are under way already`, { retryAfterMs: RETRY_MS });
    }
    const { defaultSlo } = this.#host;
    const id = request.id ?? `${this.name}-${this.#count++}`;
    const answer = new TextAnswer(this, id, { slo: defaultSlo, ...request }, options);
    this.#open.add(answer);
    return answer;
  }

  tokenize(body: JsonObject, signal: AbortSignal): Promise<ForeignTokens> {
    return this.#askTokens((place) => askTokens(place, body, () => this.clock.nowMs(), signal), signal);
  }

  detokenize(tokens: readonly number[], signal: AbortSignal): Promise<string> {
    return this.#askTokens((place) => askText(place, tokens, () => this.clock.nowMs(), signal), signal);
  }

  /**
   * Of the first server that tells. One that does not, or not in a form that can be read, may generate as well as ever: its
   * health is not judged by it.
   */
  async #askTokens<T>(ask: (place: UpstreamPlace) => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#closed) fail("shutting_down", "the router is stopping");
    const places = this.#host.places(this.name);
    const usable = places.filter(({ server }) => server.health.usable(this.clock.nowMs()));
    let last: PunctualError | null = null;
    for (const place of usable) {
      try {
        return await ask(place);
      } catch (error) {
        const failure = error instanceof PunctualError ? error : brokenUpstream(String(error), error);
        if (signal.aborted || failure.code === "invalid_request") throw failure;
        last = failure;
      }
    }
    throw last ?? this.#nobody(places, this.clock.nowMs());
  }

  choose(request: TextRequest, promptTokens: number, tried: ReadonlySet<number>): Chosen {
    const nowMs = this.clock.nowMs();
    const places = this.#host.places(this.name).filter(({ server }) => !tried.has(server.index));
    const usable = places.filter(({ server }) => server.health.usable(nowMs));
    const router = this.#host.router();
    const blocks = textBlockIds(request.prompt);
    const route = router.route(
      describe(request, promptTokens, blocks, nowMs),
      usable.map(({ server }) => server.load),
      nowMs,
    );
    switch (route.kind) {
      case "to": {
        const place = usable.find(({ server }) => server.index === route.load.index)!;
        this.#placements.set(request, { place, made: place.server.prefix.place(blocks) });
        if (!this.#routedBy.has(request)) {
          this.#routedBy.set(request, router.name);
          this.#host.stats.placed(router.name);
        }
        return place;
      }
      case "refused":
        throw new PunctualError("deadline_unattainable", route.reason, { retryAfterMs: route.retryAfterMs });
      case "too-long":
        throw new PunctualError("context_length_exceeded", "the prompt is longer than any upstream holds");
      case "nobody":
        throw this.#nobody(places, nowMs);
      default:
        return route satisfies never;
    }
  }

  ended(answer: TextAnswer, end: AnswerEnd): void {
    this.#open.delete(answer);
    const { request } = answer;
    if (end.kind === "finish") {
      const { promptTokens, cachedTokens, slo } = end.finish.usage;
      const placed = this.#placements.get(request);
      // Without counts nothing is learnt: a server that tells no hits may have had them.
      if (placed !== undefined && cachedTokens > 0) {
        placed.place.server.prefix.correct(placed.made, Math.floor(cachedTokens / BLOCK_TOKENS));
      }
      const router = this.#routedBy.get(request);
      if (router !== undefined) this.#host.stats.finished(router, slo.ttft_ms, promptTokens, cachedTokens);
    } else if (end.kind === "error") this.#lastError = end.code;
    if (this.#open.size === 0) this.#onDrained?.();
  }

  submit(): never {
    return fail("unsupported", `the model '${this.name}' is asked in text: it is computed by another server`, {
      param: "model",
    });
  }

  async embed(): Promise<never> {
    return this.submit();
  }

  stats(): EngineStats {
    return {
      name: this.name,
      state: this.state,
      running: this.#open.size,
      waiting: 0,
      paused: 0,
      kv: { pagesUsed: 0, pagesTotal: 0, pageTokens: BLOCK_TOKENS, usage: 0 },
      counters: this.metrics.counters(),
      slo: this.metrics.slo(),
      histograms: this.metrics.histograms(),
      limits: { maxRunning: this.#host.maxOpen, maxWaiting: 0, budgetTokens: 0 },
      calibration: null,
      speculation: null,
      phases: null,
      recording: null,
      lastError: this.#lastError,
    };
  }

  /** Steps happen elsewhere: none is told. */
  watch(): () => void {
    return () => undefined;
  }

  async decisions(): Promise<readonly never[]> {
    return [];
  }

  crashWorker(): never {
    return this.submit();
  }

  async setPolicy(): Promise<never> {
    return fail("policy_fixed", `The policy cannot be switched: ${this.info.fixedPolicy}.`);
  }

  async loadAdapter(): Promise<never> {
    return this.submit();
  }

  async unloadAdapter(): Promise<never> {
    return this.submit();
  }

  stop({ graceMs = DEFAULT_GRACE_MS }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop({ graceMs: 0 });
  }

  async #stop(graceMs: number): Promise<void> {
    this.#closed = true;
    if (this.#open.size > 0 && graceMs > 0) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        this.#onDrained = resolve;
        timer = setTimeout(resolve, graceMs);
      });
      clearTimeout(timer);
    }
    for (const answer of this.#open) answer.cancel();
  }

  #nobody(places: readonly UpstreamPlace[], nowMs: number): PunctualError {
    const pauses = places.flatMap(({ server }) => server.health.retryAfterMs(nowMs) ?? []);
    if (pauses.length > 0) {
      const message = `every upstream of the model '${this.name}' asks for a pause`;
      return new PunctualError("rate_limit_exceeded", message, { retryAfterMs: Math.min(...pauses) });
    }
    const problems = places.map(({ server }) => `${server.address.base}: ${server.health.problem ?? "unknown"}`);
    const what = problems.length === 0 ? "" : ` (${problems.join("; ")})`;
    const error = brokenUpstream(`no upstream of the model '${this.name}' can be reached${what}`);
    return new PunctualError("engine_failed", error.message, { retryAfterMs: RETRY_MS });
  }
}

function describe(request: TextRequest, promptTokens: number, hashIds: readonly number[], nowMs: number): FleetRequest {
  const { slo = BEST_EFFORT, arrivalMs = nowMs } = request;
  return { promptTokens, hashIds, blockTokens: BLOCK_TOKENS, slo, waitedMs: Math.max(0, nowMs - arrivalMs) };
}
