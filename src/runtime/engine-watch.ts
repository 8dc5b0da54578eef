/**
 * Who watches an engine, on the main thread: step watchers, and observers of single requests. It has the worker trace its
 * steps only while there is somebody, and passes each report on as it comes; nothing is kept here.
 *
 * Observers and watchers must not throw.
 */
import type { StepReport } from "./messages.ts";
import type { RequestObserver, WatchedStep } from "./types.ts";

/** The watchers of one engine. */
export class EngineWatch {
  readonly #trace: (on: boolean) => void;
  readonly #steps = new Set<(step: WatchedStep) => void>();
  /** By sequence number, until the worker has told the request's end. */
  readonly #requests = new Map<number, RequestObserver>();
  #tracing = false;

  /** @param trace has the worker trace its steps, or stop doing so. */
  constructor(trace: (on: boolean) => void) {
    this.#trace = trace;
  }

  /** Tells every step from now on. Answers the undo. */
  watch(onStep: (step: WatchedStep) => void): () => void {
    const own = (step: WatchedStep): void => onStep(step); // the same function may watch twice
    this.#steps.add(own);
    this.#update();
    return () => {
      this.#steps.delete(own);
      this.#update();
    };
  }

  /** Tells of one request. Before it is handed to the worker. */
  follow(seq: number, observer: RequestObserver): void {
    this.#requests.set(seq, observer);
    this.#update();
  }

  /** The reader of a request is slow. */
  paused(seq: number, atMs: number): void {
    this.#requests.get(seq)?.interrupted("paused", atMs);
  }

  /** A new worker has taken the place of one that died, and with it the requests. */
  restarted(): void {
    this.#requests.clear();
    this.#tracing = false;
    this.#update();
  }

  report(report: StepReport, budgetTokens: number): void {
    if (!this.#tracing) return;
    if (this.#requests.size > 0) this.#toRequests(report);
    const { trace, tokens, stepMs, atMs, preemptions } = report;
    // A step that was under way when tracing began has no rows.
    if (this.#steps.size === 0 || trace === undefined || trace.sequences === 0) return;
    const { rejectedTokens = 0 } = trace;
    const step: WatchedStep = {
      startMs: atMs - stepMs,
      durationMs: stepMs,
      prefillTokens: trace.prefillTokens,
      decodeTokens: Math.max(0, tokens - trace.prefillTokens - rejectedTokens),
      ...(rejectedTokens === 0 ? {} : { rejectedTokens }),
      sequences: trace.sequences,
      budgetTokens,
      preempted: preemptions,
      ...(trace.phase === undefined ? {} : { phase: trace.phase }),
    };
    for (const onStep of this.#steps) onStep(step);
  }

  #toRequests({ trace, atMs, stepMs, events }: StepReport): void {
    const startMs = atMs - stepMs;
    for (const seq of trace?.preempted ?? []) this.#requests.get(seq)?.interrupted("preempted", startMs);
    for (const seq of trace?.resumed ?? []) this.#requests.get(seq)?.resumed(startMs);
    for (const event of events) {
      if (event.kind === "admit") this.#requests.get(event.seq)?.admitted(startMs, event.hits);
    }
    const chunks = trace?.chunks ?? [];
    for (let i = 0; i + 1 < chunks.length; i += 2) {
      this.#requests.get(chunks[i]!)?.chunk(startMs, stepMs, chunks[i + 1]!);
    }
    const drafts = trace?.drafts ?? [];
    for (let i = 0; i + 2 < drafts.length; i += 3) {
      this.#requests.get(drafts[i]!)?.drafted?.(atMs, drafts[i + 1]!, drafts[i + 2]!);
    }
    let ended = false;
    for (const event of events) {
      if (event.kind === "token") this.#requests.get(event.seq)?.token(event.token.atMs);
      else if (event.kind !== "admit" && event.kind !== "ready") ended = this.#requests.delete(event.seq) || ended;
    }
    if (ended) this.#update();
  }

  #update(): void {
    const wanted = this.#steps.size + this.#requests.size > 0;
    if (wanted === this.#tracing) return;
    this.#tracing = wanted;
    this.#trace(wanted);
  }
}
