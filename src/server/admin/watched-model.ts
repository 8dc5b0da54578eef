/**
 * One served model as the live feed sees it: its last steps, its last samples, the latencies of what ended lately. All of
 * it bounded; the engine tells steps, the book tells ends, the hub asks for samples.
 */
import { CONSOLE_LIMITS, type LiveModel, type RequestClass, type SampleEvent } from "../../protocol/index.ts";
import type { Engine, EngineStats } from "../../runtime/index.ts";
import { LatencyWindow } from "./latency-window.ts";
import type { RequestRecord } from "./request-record.ts";
import { StepRing } from "./step-ring.ts";

/** How late the server's thread was, milliseconds. */
export type EventLoopLag = SampleEvent["eventLoopLagMs"];

const CLASSES: readonly RequestClass[] = ["latency", "deadline", "compound", "best-effort"];

/** What rates are counted from. */
interface Baseline {
  readonly nowMs: number;
  readonly prefillTokens: number;
  readonly decodeTokens: number;
}

/** See the head of this file. */
export class WatchedModel {
  readonly engine: Engine;
  readonly steps = new StepRing(CONSOLE_LIMITS.steps);
  readonly #latencies = new LatencyWindow();
  readonly #samples: SampleEvent[] = [];
  readonly #unwatch: () => void;
  #sampleCount = 0;
  #baseline: Baseline | null = null;
  #signature = "";
  #sampledMs = -Infinity;

  constructor(engine: Engine) {
    this.engine = engine;
    this.#unwatch = engine.watch((step) => this.steps.note(step));
  }

  get name(): string {
    return this.engine.info.name;
  }

  /** Samples taken so far. */
  get sampleCount(): number {
    return this.#sampleCount;
  }

  /** Number of the oldest sample that is still there. */
  get firstSample(): number {
    return this.#sampleCount - this.#samples.length;
  }

  /** Samples from number `from` on, which must not be older than the first. */
  samplesFrom(from: number): readonly SampleEvent[] {
    return this.#samples.slice(from - this.firstSample);
  }

  describe(): LiveModel {
    const { info, state } = this.engine;
    const { limits } = this.engine.stats();
    const { name, policy, phases, fixedPolicy, kvPages, pageTokens } = info;
    return {
      id: name,
      state,
      policy,
      phases,
      ...(fixedPolicy === undefined ? {} : { fixedPolicy }),
      kvPages,
      pageTokens,
      ...limits,
    };
  }

  /** A request of this model has ended. */
  ended(record: RequestRecord): void {
    const { endMs, outcome, state } = record;
    if (endMs === null || outcome === null) return;
    // Latencies of requests that did not finish would flatter or spoil those that did.
    const isDone = state === "finished" || state === "cut";
    this.#latencies.note(endMs, {
      ttftMs: outcome.ttftMs ?? Number.NaN,
      tpotMs: isDone ? (outcome.tpotMs ?? Number.NaN) : Number.NaN,
      e2eMs: isDone ? outcome.e2eMs : Number.NaN,
    });
  }

  /** Nobody has looked for a while: rates count from here. */
  restartRates(nowMs: number): void {
    const { generationTokens } = this.engine.stats().counters;
    this.#baseline = { nowMs, prefillTokens: this.steps.prefillTokens, decodeTokens: generationTokens };
    this.#sampledMs = -Infinity;
  }

  /** Takes a sample when something has happened since the last, or that was long ago. */
  sample(nowMs: number, lag: EventLoopLag): void {
    const stats = this.engine.stats();
    const signature = signatureOf(this.engine, stats);
    if (signature === this.#signature && nowMs - this.#sampledMs < CONSOLE_LIMITS.idleSampleMs) return;
    this.#signature = signature;
    this.#sampledMs = nowMs;
    this.#samples.push(this.#sampleOf(stats, nowMs, lag));
    this.#sampleCount += 1;
    if (this.#samples.length > CONSOLE_LIMITS.samples) this.#samples.shift();
  }

  /** The model is served no more. */
  close(): void {
    this.#unwatch();
  }

  #sampleOf(stats: EngineStats, nowMs: number, eventLoopLagMs: EventLoopLag): SampleEvent {
    const { running, waiting, paused, kv, counters, state } = stats;
    const now: Baseline = {
      nowMs,
      prefillTokens: this.steps.prefillTokens,
      decodeTokens: counters.generationTokens,
    };
    const before = this.#baseline ?? now;
    this.#baseline = now;
    const seconds = (nowMs - before.nowMs) / 1000;
    const rate = (tokens: number): number => (seconds > 0 ? Math.max(0, tokens) / seconds : 0);
    return {
      kind: "sample",
      nowMs,
      model: this.name,
      state,
      policy: this.engine.info.policy,
      running,
      waiting,
      paused,
      kvPagesUsed: kv.pagesUsed,
      kvPagesTotal: kv.pagesTotal,
      prefixHitTokens: counters.prefixHits,
      prefixLookupTokens: counters.prefixQueries,
      preemptions: counters.preemptions,
      tokensPerSecond: {
        prefill: rate(now.prefillTokens - before.prefillTokens),
        decode: rate(now.decodeTokens - before.decodeTokens),
      },
      eventLoopLagMs,
      ...this.#latencies.at(nowMs),
      goodput: goodputOf(stats),
    };
  }
}

function signatureOf({ info, state }: Engine, { running, waiting, paused, kv, counters }: EngineStats): string {
  const { steps, requests, restarts } = counters;
  return [
    state,
    info.policy,
    running,
    waiting,
    paused,
    kv.pagesUsed,
    steps,
    restarts,
    ...Object.values(requests),
  ].join();
}

function goodputOf({ slo, counters }: EngineStats): SampleEvent["goodput"] {
  const entries = CLASSES.map((name) => {
    const all = slo.find((count) => count.class === name && count.metric === "all");
    const tokens = counters.goodputTokens[name];
    return [name, { attained: all?.attained ?? 0, missed: all?.missed ?? 0, tokens }] as const;
  });
  return Object.fromEntries(entries) as SampleEvent["goodput"];
}
