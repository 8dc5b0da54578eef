/**
 * What a host knows of its engine's load beyond the engine's own gauges: how many tokens those that wait have to compute,
 * which of all requests are urgent, how long answers have been lately, what steps are like. Kept up by the observers of all requests, read four times a second.
 */
import { FLEET_VERSION, type LoadReport } from "../../protocol/index.ts";
import { liveClock, type Engine, type RequestObserver, type WatchedStep } from "../../runtime/index.ts";
import { priorityBySlo, type Slo } from "../../sched/index.ts";

/** Weight of the newest in running means. */
const STEP_SHARE = 0.2;
const ANSWER_SHARE = 0.1;
const RATE_SHARE = 0.5;
/** Without a step for so long, an engine is idle. */
const IDLE_MS = 500;

interface Entry {
  readonly promptTokens: number;
  readonly isUrgent: boolean;
  generated: number;
  /** Tokens with keys and values in place. */
  computed: number;
  state: "waiting" | "running" | "paused";
}

/** What the book has to know of a request. */
export interface BookedRequest {
  readonly promptTokens: { readonly length: number };
  readonly slo?: Slo;
}

/** One request in the book. */
export interface LoadEntry {
  readonly observer: RequestObserver;
  /** It has ended here. @param answerTokens how long its answer was; null when it did not end by itself */
  end(answerTokens: number | null): void;
}

/** See the head of this file. */
export class LoadBook implements Disposable {
  readonly #engine: Engine;
  readonly #entries = new Set<Entry>();
  readonly #unwatch: () => void;
  #answerTokens: number | null = null;
  #stepMs: number | null = null;
  #stepTokens = 0;
  #batch = 0;
  #lastStepMs = -Infinity;
  #tokensPerSecond = 0;
  #counted: { readonly tokens: number; readonly atMs: number };
  #sequence = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#unwatch = engine.watch((step) => this.#onStep(step));
    this.#counted = { tokens: engine.stats().counters.generationTokens, atMs: liveClock.nowMs() };
  }

  /**
   * @param request its prompt, and its objective unless that is the engine's default
   * @param running of one that came from elsewhere with its pages: all its tokens but the last are in place
   */
  enter(request: BookedRequest, generated: number, running = false): LoadEntry {
    const promptTokens = request.promptTokens.length;
    const known = promptTokens + generated;
    const entry: Entry = {
      promptTokens,
      isUrgent: priorityBySlo(request.slo ?? this.#engine.info.defaultSlo) > 0,
      generated,
      computed: running ? known : 0,
      state: running ? "running" : "waiting",
    };
    this.#entries.add(entry);
    return {
      observer: {
        admitted: (_, cachedTokens) => {
          entry.state = "running";
          entry.computed = Math.max(entry.computed, cachedTokens);
        },
        chunk: (_, __, tokens) => {
          entry.computed += tokens;
        },
        token: () => {
          entry.generated += 1;
          entry.computed = Math.max(entry.computed, entry.promptTokens + entry.generated - 1);
        },
        interrupted: (kind) => {
          entry.state = kind === "paused" ? "paused" : "waiting";
          entry.computed = 0;
        },
        resumed: () => {
          entry.state = "running";
        },
      },
      end: (answerTokens) => {
        this.#entries.delete(entry);
        if (answerTokens === null) return;
        const before = this.#answerTokens ?? answerTokens;
        this.#answerTokens = before + (answerTokens - before) * ANSWER_SHARE;
      },
    };
  }

  /** The load now. Called at regular times: rates are between two calls. */
  report(
    id: string,
    state: LoadReport["state"],
    moving: { readonly outgoing: number; readonly incoming: number },
  ): LoadReport {
    const stats = this.#engine.stats();
    const { pagesUsed, pagesTotal, pageTokens } = stats.kv;
    const nowMs = liveClock.nowMs();
    this.#countTokens(stats.counters.generationTokens, nowMs);
    const isIdle = nowMs - this.#lastStepMs > IDLE_MS;
    return {
      version: FLEET_VERSION,
      id,
      state,
      sequence: this.#sequence++,
      waiting: stats.waiting,
      running: stats.running,
      paused: stats.paused,
      ...this.#demand(pageTokens),
      ...this.#urgent(pageTokens),
      usedPages: pagesUsed,
      totalPages: pagesTotal,
      pageTokens,
      answerTokens: this.#answerTokens,
      ...moving,
      batch: isIdle ? 0 : this.#batch,
      stepTokens: isIdle ? 0 : this.#stepTokens,
      stepMs: this.#stepMs,
      tokensPerSecond: this.#tokensPerSecond,
      budgetTokens: stats.limits.budgetTokens,
      costs: (stats.calibration?.points ?? []).slice(0, 64),
    };
  }

  [Symbol.dispose](): void {
    this.#unwatch();
  }

  #demand(pageTokens: number): Pick<LoadReport, "waitingTokens" | "prefillTokens" | "waitingPages" | "headPages"> {
    let [waitingTokens, prefillTokens, waitingPages, headPages] = [0, 0, 0, 0];
    let isHeadUrgent = false;
    for (const { promptTokens, generated, computed, state, isUrgent } of this.#entries) {
      const tokens = promptTokens + generated;
      if (state === "running") prefillTokens += Math.max(0, promptTokens - computed);
      if (state !== "waiting") continue;
      const pages = Math.ceil(tokens / pageTokens);
      waitingTokens += tokens;
      waitingPages += pages;
      // The first in line: of urgent ones, if there are any.
      if (headPages === 0 || (isUrgent && !isHeadUrgent)) {
        headPages = pages;
        isHeadUrgent = isUrgent;
      }
    }
    return { waitingTokens, prefillTokens, waitingPages, headPages };
  }

  #urgent(pageTokens: number): Pick<LoadReport, "urgent" | "urgentWaiting" | "urgentWaitingPages"> {
    let [urgent, urgentWaiting, urgentWaitingPages] = [0, 0, 0];
    for (const { promptTokens, generated, state, isUrgent } of this.#entries) {
      if (!isUrgent) continue;
      urgent += 1;
      if (state !== "waiting") continue;
      urgentWaiting += 1;
      urgentWaitingPages += Math.ceil((promptTokens + generated) / pageTokens);
    }
    return { urgent, urgentWaiting, urgentWaitingPages };
  }

  #countTokens(tokens: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#counted.atMs;
    if (elapsedMs <= 0) return;
    const rate = (Math.max(0, tokens - this.#counted.tokens) * 1000) / elapsedMs;
    this.#tokensPerSecond += (rate - this.#tokensPerSecond) * RATE_SHARE;
    if (this.#tokensPerSecond < 0.01) this.#tokensPerSecond = 0;
    this.#counted = { tokens, atMs: nowMs };
  }

  #onStep({ startMs, durationMs, prefillTokens, decodeTokens, sequences }: WatchedStep): void {
    const mean = (before: number, value: number): number => before + (value - before) * STEP_SHARE;
    const isFirst = this.#stepMs === null;
    this.#stepMs = isFirst ? durationMs : mean(this.#stepMs!, durationMs);
    this.#stepTokens = isFirst ? prefillTokens + decodeTokens : mean(this.#stepTokens, prefillTokens + decodeTokens);
    this.#batch = isFirst ? sequences : mean(this.#batch, sequences);
    this.#lastStepMs = startMs + durationMs;
  }
}
