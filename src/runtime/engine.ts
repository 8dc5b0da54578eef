/**
 * The main thread's side of an engine: checks requests, hands them to the worker, feeds their streams,
 * keeps the books, and starts a new worker when one dies. It never computes.
 *
 *   starting -> ready <-> restarting;  any -> stopping -> stopped
 *
 * A worker that dies ends every open stream with one `engine_failed`; nothing is retried behind the
 * caller's back, because tokens may have been seen already. Restarts back off (0.1 s doubling to 10 s).
 */
import {
  createRandom,
  fail,
  fromErrorRecord,
  PunctualError,
  type ErrorCode,
  type RandomStream,
} from "../core/index.ts";
import { GrammarChecker, type ChatDialect, type DecoderConfig, type TextTokenizer } from "../llm/index.ts";
import { checkSlo, createPolicy, type DecisionLogEntry, type Phase } from "../sched/index.ts";
import { after, liveClock, sleep } from "./clock.ts";
import { embedBy, readEmbeddingOptions } from "./embedding.ts";
import { bothReady, openRecording, startWorker, type Opened } from "./engine-start.ts";
import { EngineWatch } from "./engine-watch.ts";
import { AdapterBook } from "./lora/book.ts";
import type { AdapterSource } from "./lora/options.ts";
import { readOutline, type ModelFacts } from "./load-model.ts";
import type { Gauges, SequenceEvent, SequenceSpec, StepReport } from "./messages.ts";
import { EngineMetrics } from "./metrics.ts";
import type { PhaseStats } from "./phases/options.ts";
import { planEngine } from "./plan.ts";
import type { RecordingFile } from "./recording-file.ts";
import { checkRequest } from "./request-check.ts";
import { summarise, type LastEvent } from "./request-summary.ts";
import { withRoutes } from "./routes/options.ts";
import { SignalFan } from "./signal-fan.ts";
import { speculates } from "./speculation/options.ts";
import { checkDraftVocabulary } from "./speculation/vocabulary.ts";
import { LiveStream } from "./stream.ts";
import { EngineTransfers, type TransfersOwner } from "./transfer/engine-transfers.ts";
import { modelFingerprint } from "./transfer/fingerprint.ts";
import type { SequenceTransfers } from "./transfer/types.ts";
import type {
  Calibration,
  EmbedOptions,
  EngineInfo,
  EngineOptions,
  EngineState,
  EngineStats,
  GenerateRequest,
  PolicySwitch,
  SubmitOptions,
  TokenStream,
  WatchedStep,
} from "./types.ts";
import type { VocabularyData } from "./vocabulary-link.ts";
import type { EngineLink, Ready } from "./worker-link.ts";

const DEFAULT_MAX_WAITING = 256;
const DEFAULT_STREAM_BUFFER = 256;
const DEFAULT_STALL_MS = 30_000;
const DEFAULT_GRACE_MS = 10_000;
const FIRST_BACKOFF_MS = 100;
const LAST_BACKOFF_MS = 10_000;
const IDLE: Gauges = { running: 0, waiting: 0, paused: 0, pagesUsed: 0 };

type CheckedOptions = EngineOptions & { readonly maxRunning: number };

interface Open {
  readonly stream: LiveStream;
  /** Not taken from the queue yet. */
  queued: boolean;
}

/**
 * A model that serves requests, computed in a worker thread of its own. Made by `Engine.start`; ended by `stop`, or at
 * once by `await using`.
 */
export class Engine implements AsyncDisposable {
  /** Encodes prompts and decodes ids of this model. */
  readonly tokenizer: TextTokenizer;
  /** Writes conversations as this model wants them. */
  readonly dialect: ChatDialect;
  readonly config: DecoderConfig;
  /** Ids that end an answer. */
  readonly endTokens: readonly number[];
  readonly #options: CheckedOptions;
  readonly #name: string;
  readonly #vocabulary: VocabularyData;
  readonly #metrics = new EngineMetrics();
  readonly #grammars: GrammarChecker;
  readonly #seeds: RandomStream;
  readonly #signals = new SignalFan();
  readonly #open = new Map<number, Open>();
  /** Who wants to know how a request went; kept until the worker has said so, also for streams that were left. */
  readonly #watchers = new Map<number, (last: LastEvent | ErrorCode) => void>();
  readonly #watch = new EngineWatch((on) => this.#link.send({ kind: "watch", on }));
  readonly #adapters: AdapterBook;
  readonly #transfers = new EngineTransfers(this.#transfersOwner());
  /** In place of the one that it was started with; null: none. */
  #policy: string | null = null;
  #link: EngineLink;
  #phases: PhaseStats | null = null;
  #recording: RecordingFile | null = null;
  #info: EngineInfo;
  #calibration: Calibration | null;
  #state: EngineState = "ready";
  #gauges: Gauges = IDLE;
  #queued = 0;
  #nextSeq = 0;
  #failures = 0;
  #lastError: string | null = null;
  #cancelRestart: (() => void) | null = null;
  /** Mean time between two requests leaving the queue, for Retry-After. */
  #admitGapMs = 1000;
  #lastAdmitMs: number | null = null;
  #onDrained: (() => void) | null = null;
  #stopped: Promise<void> | null = null;

  private constructor(options: CheckedOptions, name: string, opened: Opened, link: EngineLink, ready: Ready) {
    const { facts, vocabulary } = opened;
    this.#options = options;
    this.#name = name;
    this.#vocabulary = vocabulary;
    this.tokenizer = facts.tokenizer;
    this.dialect = facts.dialect;
    this.config = facts.config;
    this.endTokens = facts.endTokens;
    this.#grammars = new GrammarChecker(facts.tokenizer, facts.endTokens);
    this.#seeds = createRandom(`${liveClock.nowMs()}`, "seeds");
    this.#adapters = new AdapterBook(options.lora?.modules ?? []);
    this.#link = link;
    this.#info = ready.info;
    this.#calibration = ready.calibration;
    this.#phases = ready.phases ?? null;
  }

  /**
   * Loads a model in a worker of its own and measures what a step costs.
   * @param known of the same model, where it has been read already
   * @throws PunctualError invalid_request (an option), invalid_file (the model), engine_failed.
   */
  static async start(given: EngineOptions, known?: ModelFacts): Promise<Engine> {
    if (given.defaultSlo !== undefined) checkSlo(given.defaultSlo, "defaultSlo");
    const name = given.name ?? "model";
    const read = await checkDraftVocabulary(given, known);
    const outline = read === undefined ? await readOutline(given.model) : { config: read.config, open: () => read };
    const { config } = outline;
    const embedding = given.embedding ?? (await readEmbeddingOptions(given.model));
    const options = withRoutes(embedding === null ? given : { ...given, embedding });
    const { maxRunning } = planEngine(options, config, name); // refuses bad options before a thread exists
    const file = openRecording(options);
    let onStep: (report: StepReport) => void = () => undefined; // no request, no step
    const adapters = new AdapterBook(options.lora?.modules ?? []).list;
    const link = startWorker({ options, config, name, adapters }, file, (report) => onStep(report));
    // A file that cannot be read twice is no reason not to serve: then nothing moves.
    const naming = modelFingerprint(options).catch(() => null);
    const { opened, ready } = await bothReady(outline, link, file);
    const named = { ...ready, info: { ...ready.info, modelFingerprint: await naming } };
    const engine = new Engine({ ...options, maxRunning }, name, opened, link, named);
    engine.#recording = file;
    onStep = (report) => engine.#onStep(report);
    engine.#recoverFrom(link);
    return engine;
  }

  get info(): EngineInfo {
    return this.#info;
  }

  /** Sequences and prefixes enter and leave. */
  get transfers(): SequenceTransfers {
    return this.#transfers;
  }

  get state(): EngineState {
    return this.#state;
  }

  /**
   * Queues a request and answers its stream at once. Aborting the signal cancels it within one step.
   * @throws PunctualError invalid_request, context_length_exceeded, queue_full, shutting_down, engine_failed.
   */
  submit(request: GenerateRequest, options: SubmitOptions = {}): TokenStream {
    this.#checkKind(request);
    this.#checkOpenForWork();
    const spec = this.#check(request);
    this.#checkQueue();
    const { signal } = options;
    const stream = this.#openStream(spec, request.id ?? `${this.#name}-${spec.seq}`, options, true);
    this.#link.send({ kind: "submit", spec });
    if (signal?.aborted === true) stream.cancel();
    return stream;
  }

  #checkQueue(): void {
    const maxWaiting = this.#options.maxWaiting ?? DEFAULT_MAX_WAITING;
    if (this.#queued < maxWaiting) return;
    this.#metrics.ended("rejected");
    fail("queue_full", `${maxWaiting} requests are waiting already`, {
      retryAfterMs: Math.ceil(Math.min(60_000, Math.max(50, this.#admitGapMs))),
    });
  }

  /** The stream of a sequence of which the worker is to be told next. @param queued until it is admitted */
  #openStream(spec: SequenceSpec, id: string, options: SubmitOptions, queued: boolean): LiveStream {
    const { seq } = spec;
    const { signal, onEnd, observer } = options;
    const stream = new LiveStream(
      id,
      {
        pause: () => {
          this.#watch.paused(seq, liveClock.nowMs());
          this.#link.send({ kind: "pause", seq });
        },
        resume: () => this.#link.send({ kind: "resume", seq }),
        abandon: () => this.#abandon(seq),
      },
      {
        limit: this.#options.streamBuffer ?? DEFAULT_STREAM_BUFFER,
        stallMs: this.#options.stallMs ?? DEFAULT_STALL_MS,
        ...(signal === undefined ? {} : { onCancel: (cancel) => this.#signals.listen(signal, cancel) }),
      },
    );
    this.#open.set(seq, { stream, queued });
    if (queued) this.#queued += 1;
    if (onEnd !== undefined) this.#watchers.set(seq, (last) => onEnd(summarise(spec, last)));
    if (observer !== undefined) this.#watch.follow(seq, observer);
    return stream;
  }

  /**
   * The embedding of a text: its last token's state after the last norm, at unit length. Tokens that the model wants
   * around a text are the caller's (`info.embedding`). Aborting the signal cancels within one step.
   * @param tokens at least one, fewer than the context holds
   * @throws PunctualError unsupported for a model that generates, invalid_request for `dimensions` that the model was
   * not trained for, otherwise as `submit` and its stream do.
   */
  embed(tokens: readonly number[], options: EmbedOptions = {}): Promise<Float32Array> {
    return embedBy(this, tokens, options);
  }

  stats(): EngineStats {
    const { kvPages, pageTokens } = this.#info;
    const { running, waiting, paused, pagesUsed } = this.#gauges;
    const { maxRunning, maxWaiting = DEFAULT_MAX_WAITING } = this.#options;
    return {
      name: this.#name,
      state: this.#state,
      running,
      waiting: Math.max(waiting, this.#queued),
      paused,
      kv: { pagesUsed, pagesTotal: kvPages, pageTokens, usage: pagesUsed / kvPages },
      counters: this.#metrics.counters(),
      slo: this.#metrics.slo(),
      histograms: this.#metrics.histograms(),
      limits: { maxRunning, maxWaiting, budgetTokens: this.#budgetTokens },
      calibration: this.#calibration,
      speculation: speculates(this.#options) ? this.#metrics.drafts() : null,
      phases: this.#phases,
      recording: this.#recording?.status ?? null,
      lastError: this.#lastError,
    };
  }

  /** What transfers need of this engine, as it is when they ask. */
  #transfersOwner(): TransfersOwner {
    const info = (): EngineInfo => this.#info;
    const link = (): EngineLink => this.#link;
    const fixed = (): string | null => this.#whyFixed();
    return {
      get info() {
        return info();
      },
      get link() {
        return link();
      },
      get fixed() {
        return fixed();
      },
      checkOpen: () => this.#checkOpenForWork(),
      checkQueue: () => this.#checkQueue(),
      check: (request) => this.#check(request),
      open: (spec, id, options, queued) => {
        const stream = this.#openStream(spec, id, options, queued);
        return { stream, refuse: (error, tell) => this.#refuse(spec.seq, error, tell) };
      },
      seqOf: (requestId) => this.#seqOf(requestId),
      idOf: (seq) => this.#open.get(seq)?.stream.id ?? null,
    };
  }

  get #budgetTokens(): number {
    return this.#options.budgetTokens ?? this.#calibration?.budgetTokens ?? 0;
  }

  /** Tells every step from now on, until the answer is called; also those of workers to come. */
  watch(onStep: (step: WatchedStep) => void): () => void {
    return this.#watch.watch(onStep);
  }

  /**
   * Has another policy decide from the next step on, with its own defaults. Requests stay where they are, and what is said
   * does not change by it; it holds over restarts.
   * @throws PunctualError invalid_request (no such policy), policy_fixed (`info.fixedPolicy`), shutting_down.
   */
  async setPolicy(policy: string): Promise<PolicySwitch> {
    createPolicy(policy);
    const { fixedPolicy } = this.#info;
    if (fixedPolicy !== undefined) fail("policy_fixed", `The policy cannot be switched: ${fixedPolicy}.`);
    if (this.#stopped !== null) fail("shutting_down", "the engine is stopping");
    const previous = this.#policy ?? this.#info.policy;
    this.#policy = policy;
    // A worker that dies before it answers is followed by one that is told again.
    const atMs = (await this.#link.setPolicy(policy)) ?? liveClock.nowMs();
    this.#info = { ...this.#info, policy };
    return { policy, previous, atMs };
  }

  /** Adapters that requests may name. */
  get adapters(): readonly AdapterSource[] {
    return this.#adapters.list.map(({ name, dir }) => ({ name, dir }));
  }

  /**
   * One more adapter, in force when it resolves; it holds over restarts.
   * @throws PunctualError unsupported (the engine or the adapter), invalid_request (name, rank, no room), model_not_found,
   * invalid_file.
   */
  async loadAdapter(source: AdapterSource): Promise<void> {
    if (this.#info.lora === undefined) fail("unsupported", `the model '${this.#name}' takes no adapters`);
    this.#checkOpenForWork();
    await this.#adapters.add(source, (adapter) => this.#link.changeAdapters({ kind: "load", adapter }));
  }

  /** Takes no more requests for an adapter; those under way keep it to their end. @throws PunctualError model_not_found. */
  async unloadAdapter(name: string): Promise<void> {
    const id = this.#adapters.remove(name);
    if (this.#link.alive) await this.#link.changeAdapters({ kind: "unload", id });
  }

  /** The last scheduling decisions, oldest first; see `recordDecisions`. */
  decisions(): Promise<readonly DecisionLogEntry[]> {
    return this.#link.decisions();
  }

  /**
   * For tests of recovery: makes the worker fail as a bug would, or exit as if killed.
   * @param phase of two workers, the one that decides and computes decodes, or the one that computes prompts
   */
  crashWorker(how: "throw" | "exit", phase: Phase = "decode"): void {
    this.#link.send({ kind: "crash", how, phase });
  }

  /**
   * Refuses new work, lets open requests finish for `graceMs` (10 s when absent), ends the others with
   * `shutting_down`, and resolves when the worker has left. Further calls wait for the first.
   */
  stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.graceMs ?? DEFAULT_GRACE_MS);
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop({ graceMs: 0 });
  }

  async #stop(graceMs: number): Promise<void> {
    this.#state = "stopping";
    this.#cancelRestart?.();
    if (this.#open.size > 0 && graceMs > 0 && this.#link.alive) {
      const drained = new AbortController();
      this.#onDrained = () => drained.abort();
      await sleep(graceMs, drained.signal);
      this.#onDrained = null;
    }
    for (const [seq, { stream }] of this.#open) {
      this.#link.send({ kind: "cancel", seq });
      stream.fail(new PunctualError("shutting_down", "the engine is stopping"));
    }
    this.#open.clear();
    this.#queued = 0;
    // A worker that is still loading reads this when it is done.
    this.#link.send({ kind: "stop" });
    await this.#link.gone;
    await this.#recording?.close();
    this.#gauges = IDLE;
    this.#state = "stopped";
  }

  /** A model generates or embeds, never both. */
  #checkKind(request: GenerateRequest): void {
    const embeds = this.#info.embedding !== undefined;
    if (embeds === (request.embedding === true)) return;
    const why = embeds ? "embeds text and does not generate any" : "generates text and embeds none";
    fail("unsupported", `the model '${this.#name}' ${why}`, { param: "model" });
  }

  #checkOpenForWork(): void {
    switch (this.#state) {
      case "ready":
        return;
      case "stopping":
      case "stopped":
        return fail("shutting_down", "the engine is stopping");
      case "starting":
      case "restarting":
        return fail("engine_failed", "the engine is restarting", { retryAfterMs: 1000 });
      default:
        this.#state satisfies never;
    }
  }

  /** A request with defaults and a number, or the error that says what is wrong with it. */
  #check(request: GenerateRequest): SequenceSpec {
    const rules = { info: this.#info, grammars: this.#grammars, seeds: this.#seeds, adapters: this.#adapters };
    const spec = checkRequest(request, this.#nextSeq, { ...rules, speculates: speculates(this.#options) });
    this.#nextSeq += 1;
    return spec;
  }

  #onStep(report: StepReport): void {
    this.#metrics.step(report);
    this.#gauges = report.gauges;
    this.#phases = report.phases ?? null;
    this.#failures = 0;
    this.#watch.report(report, this.#budgetTokens);
    for (const event of report.events) this.#deliver(event, report.atMs);
  }

  #deliver(event: SequenceEvent, atMs: number): void {
    if (event.kind === "admit") {
      this.#admitted(event.seq, atMs);
      return;
    }
    const open = this.#open.get(event.seq);
    if (event.kind === "token") {
      open?.stream.push(event.token);
      return;
    }
    if (event.kind === "coming") return this.#transfers.tellComing(event.seq, event.coming);
    if (event.kind === "grown") return this.#transfers.tellGrown(event.seq, event.grown);
    if (event.kind === "set_back") return this.#transfers.tellSetBack(event.seq);
    if (event.kind === "ready") return this.#transfers.tellReady(event.seq, event.leaving);
    this.#tellWatcher(event.seq, event);
    if (open === undefined) return; // cancelled meanwhile
    this.#close(event.seq);
    if (event.kind === "finish") open.stream.push(event.finish);
    else if (event.kind === "error") open.stream.fail(fromErrorRecord(event.error));
    else open.stream.fail(new PunctualError("moved", "the request goes on in another engine"));
  }

  /** The worker did not take a sequence that was opened for it. */
  #refuse(seq: number, error: PunctualError, tell: boolean): void {
    if (!tell) this.#watchers.delete(seq);
    this.#tellWatcher(seq, error.code);
    const open = this.#open.get(seq);
    if (open === undefined) return;
    this.#close(seq);
    if (tell) this.#metrics.ended("error");
    open.stream.fail(error);
  }

  #seqOf(requestId: string): number | null {
    for (const [seq, { stream }] of this.#open) if (stream.id === requestId) return seq;
    return null;
  }

  /** Why nothing moves in or out; null when it may. */
  #whyFixed(): string | null {
    const { phases, embedding } = this.#info;
    if (phases !== "colocated") return `phases are "${phases}"`;
    if (embedding !== undefined) return "the model embeds";
    return this.#options.record === undefined ? null : "this run is being recorded, and a recording is of one engine";
  }

  #admitted(seq: number, atMs: number): void {
    const open = this.#open.get(seq);
    if (open?.queued === true) {
      open.queued = false;
      this.#queued -= 1;
    }
    if (this.#lastAdmitMs !== null) this.#admitGapMs += (atMs - this.#lastAdmitMs - this.#admitGapMs) * 0.1;
    this.#lastAdmitMs = atMs;
  }

  #tellWatcher(seq: number, last: LastEvent | ErrorCode): void {
    const tell = this.#watchers.get(seq);
    if (tell === undefined) return;
    this.#watchers.delete(seq);
    tell(last);
  }

  /** The reader has left: free everything. */
  #abandon(seq: number): void {
    this.#link.send({ kind: "cancel", seq });
    this.#close(seq);
  }

  #close(seq: number): void {
    if (this.#open.get(seq)?.queued === true) this.#queued -= 1;
    this.#open.delete(seq);
    this.#transfers.forget(seq);
    if (this.#open.size === 0) this.#onDrained?.();
  }

  /** Waits for the worker's end and, unless that was asked for, recovers from it. */
  #recoverFrom(link: EngineLink): void {
    void link.gone.then((error) => {
      if (this.#link === link) this.#onGone(error);
    });
  }

  #onGone(error: Error | null): void {
    void this.#recording?.close(); // its last text came before
    this.#lastError = error?.message ?? this.#lastError;
    for (const { stream } of this.#open.values()) {
      this.#metrics.ended("error");
      stream.fail(new PunctualError("engine_failed", "the engine worker died", error === null ? {} : { cause: error }));
    }
    this.#open.clear();
    for (const seq of this.#watchers.keys()) this.#tellWatcher(seq, "engine_failed");
    this.#queued = 0;
    this.#gauges = IDLE;
    this.#onDrained?.();
    if (this.#state === "stopping" || this.#state === "stopped") return;
    this.#state = "restarting";
    const backoffMs = Math.min(LAST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#cancelRestart = after(backoffMs, () => this.#restart());
  }

  /** A worker's life has a recording of its own. That it cannot be made is no reason not to serve. */
  #openRecording(): RecordingFile | null {
    try {
      this.#recording = openRecording(this.#options) ?? this.#recording;
    } catch (error) {
      this.#lastError = error instanceof Error ? error.message : String(error);
      return null;
    }
    return this.#recording;
  }

  #restart(): void {
    this.#cancelRestart = null;
    const file = this.#openRecording();
    const adapters = this.#adapters.list;
    const setup = { options: this.#options, config: this.config, name: this.#name, adapters };
    const link = startWorker(setup, file, (report) => {
      if (this.#link === link) this.#onStep(report);
    });
    link.giveVocabulary(this.#vocabulary);
    this.#link = link;
    this.#recoverFrom(link);
    this.#metrics.restarted();
    this.#watch.restarted();
    if (this.#policy !== null) void link.setPolicy(this.#policy); // read before its first step
    link.ready.then(
      (ready) => {
        if (this.#state !== "restarting") return;
        const policy = this.#policy ?? ready.info.policy;
        this.#info = { ...ready.info, policy, modelFingerprint: this.#info.modelFingerprint };
        this.#calibration = ready.calibration;
        this.#phases = ready.phases ?? null;
        this.#state = "ready";
      },
      (error: unknown) => {
        // The thread's end, which follows, schedules the next attempt.
        this.#lastError = error instanceof Error ? error.message : String(error);
      },
    );
  }
}
