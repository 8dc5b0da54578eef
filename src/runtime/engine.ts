/**
 * The main thread's side of an engine: checks requests, hands them to the worker, feeds their streams,
 * keeps the books, and starts a new worker when one dies. It never computes.
 *
 *   starting -> ready <-> restarting;  any -> stopping -> stopped
 *
 * A worker that dies ends every open stream with one `engine_failed`; nothing is retried behind the
 * caller's back, because tokens may have been seen already. Restarts back off (0.1 s doubling to 10 s).
 */
import { createRandom, fail, fromErrorRecord, PunctualError, type RandomStream } from "../core/index.ts";
import {
  checkSampling,
  GrammarChecker,
  type ChatDialect,
  type DecoderConfig,
  type TextTokenizer,
} from "../llm/index.ts";
import { checkSlo, createPolicy, type DecisionLogEntry, type Phase } from "../sched/index.ts";
import { after, liveClock, sleep } from "./clock.ts";
import { checkDimensions, readEmbeddingOptions, unitVector } from "./embedding.ts";
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
import { SignalFan } from "./signal-fan.ts";
import { speculates } from "./speculation/options.ts";
import { checkDraftVocabulary } from "./speculation/vocabulary.ts";
import { LiveStream } from "./stream.ts";
import type {
  Calibration,
  EmbedOptions,
  EngineInfo,
  EngineOptions,
  EngineState,
  EngineStats,
  GenerateRequest,
  PolicySwitch,
  RequestSummary,
  RequestTask,
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

type LastEvent = Extract<SequenceEvent, { readonly kind: "finish" | "error" }>;

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
  readonly #watchers = new Map<number, (last: LastEvent | null) => void>();
  readonly #watch = new EngineWatch((on) => this.#link.send({ kind: "watch", on }));
  readonly #adapters: AdapterBook;
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
    const options = embedding === null ? given : { ...given, embedding };
    const { maxRunning } = planEngine(options, config, name); // refuses bad options before a thread exists
    const file = openRecording(options);
    let onStep: (report: StepReport) => void = () => undefined; // no request, no step
    const adapters = new AdapterBook(options.lora?.modules ?? []).list;
    const link = startWorker({ options, config, name, adapters }, file, (report) => onStep(report));
    const { opened, ready } = await bothReady(outline, link, file);
    const engine = new Engine({ ...options, maxRunning }, name, opened, link, ready);
    engine.#recording = file;
    onStep = (report) => engine.#onStep(report);
    engine.#recoverFrom(link);
    return engine;
  }

  get info(): EngineInfo {
    return this.#info;
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
    const maxWaiting = this.#options.maxWaiting ?? DEFAULT_MAX_WAITING;
    if (this.#queued >= maxWaiting) {
      this.#metrics.ended("rejected");
      return fail("queue_full", `${maxWaiting} requests are waiting already`, {
        retryAfterMs: Math.ceil(Math.min(60_000, Math.max(50, this.#admitGapMs))),
      });
    }
    const { seq } = spec;
    const { signal, onEnd, observer } = options;
    const stream = new LiveStream(
      request.id ?? `${this.#name}-${seq}`,
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
    this.#open.set(seq, { stream, queued: true });
    this.#queued += 1;
    if (onEnd !== undefined) this.#watchers.set(seq, (last) => onEnd(summarise(spec, last)));
    if (observer !== undefined) this.#watch.follow(seq, observer);
    this.#link.send({ kind: "submit", spec });
    if (signal?.aborted === true) stream.cancel();
    return stream;
  }

  /**
   * The embedding of a text: its last token's state after the last norm, at unit length. Tokens that the model wants
   * around a text are the caller's (`info.embedding`). Aborting the signal cancels within one step.
   * @param tokens at least one, fewer than the context holds
   * @throws PunctualError unsupported for a model that generates, invalid_request for `dimensions` that the model was
   * not trained for, otherwise as `submit` and its stream do.
   */
  async embed(tokens: readonly number[], options: EmbedOptions = {}): Promise<Float32Array> {
    const { embedding } = this.#info;
    if (embedding === undefined) {
      return fail("unsupported", `the model '${this.#name}' generates text and embeds none`, { param: "model" });
    }
    const { dimensions = embedding.width, signal, ...rest } = options;
    checkDimensions(embedding, dimensions);
    const request = { ...rest, promptTokens: tokens, maxTokens: 1, embedding: true as const };
    const stream = this.submit(request, signal === undefined ? {} : { signal });
    let state: Float32Array | undefined;
    for await (const event of stream) if (event.kind === "finish") state = event.embedding;
    if (state === undefined) return fail("deadline_expired", "the deadline passed before the text was embedded");
    return unitVector(state, dimensions);
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

  /** A request with defaults, or the error that says what is wrong with it. */
  #check(request: GenerateRequest): SequenceSpec {
    const { promptTokens, maxTokens, minTokens = 0, thinkingBudget } = request;
    const { contextTokens, vocabSize } = this.#info;
    const count = (value: number, least: number, param: string): void => {
      if (Number.isInteger(value) && value >= least) return;
      fail("invalid_request", `${param}: expected an integer of at least ${least}, got ${value}`, { param });
    };
    count(maxTokens, 1, "maxTokens");
    count(minTokens, 0, "minTokens");
    if (thinkingBudget !== undefined) count(thinkingBudget, 0, "thinkingBudget");
    if (promptTokens.length === 0) fail("invalid_request", "the prompt is empty", { param: "promptTokens" });
    const wrong = promptTokens.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
    if (wrong !== undefined) {
      fail("invalid_request", `token id ${wrong} is not in 0..${vocabSize - 1}`, { param: "promptTokens" });
    }
    const room = contextTokens - promptTokens.length;
    if (room < 1) {
      fail("context_length_exceeded", `the prompt has ${promptTokens.length} tokens, the context ${contextTokens}`, {
        param: "promptTokens",
      });
    }
    const { prediction } = request;
    const strange = prediction?.find((id) => !(Number.isInteger(id) && id >= 0 && id < vocabSize));
    if (strange !== undefined) {
      fail("invalid_request", `token id ${strange} is not in 0..${vocabSize - 1}`, { param: "prediction" });
    }
    const sampling = request.sampling ?? {};
    checkSampling(sampling, vocabSize);
    return {
      seq: this.#nextSeq++,
      arrivalMs: request.arrivalMs ?? liveClock.nowMs(),
      promptTokens,
      maxTokens: Math.min(maxTokens, room),
      minTokens: Math.min(minTokens, maxTokens, room),
      sampling: { ...sampling, seed: sampling.seed ?? this.#seeds.uint32() },
      stop: request.stop ?? [],
      slo: request.slo === undefined ? this.#info.defaultSlo : checkSlo(request.slo),
      ...(request.task === undefined ? {} : { task: checkTask(request.task) }),
      thinkingBudget: thinkingBudget ?? null,
      ignoreEos: request.ignoreEos ?? false,
      ...(request.grammar === undefined ? {} : { grammar: this.#grammars.check(request.grammar) }),
      ...(prediction === undefined || !speculates(this.#options)
        ? {}
        : { prediction: prediction.slice(0, contextTokens) }),
      ...(request.adapter === undefined ? {} : { adapter: this.#adapters.idOf(request.adapter) }),
    };
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
    this.#tellWatcher(event.seq, event);
    if (open === undefined) return; // cancelled meanwhile
    this.#close(event.seq);
    if (event.kind === "finish") open.stream.push(event.finish);
    else open.stream.fail(fromErrorRecord(event.error));
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

  #tellWatcher(seq: number, last: LastEvent | null): void {
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
    for (const seq of this.#watchers.keys()) this.#tellWatcher(seq, null);
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
        this.#info = { ...ready.info, policy: this.#policy ?? ready.info.policy };
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

const MAX_TASK_CHARACTERS = 256;
const MAX_TASK_STAGE = 1_000_000;

function checkTask({ id, stage }: RequestTask): RequestTask {
  if (id.length < 1 || id.length > MAX_TASK_CHARACTERS) {
    const expected = `expected 1 to ${MAX_TASK_CHARACTERS} characters, got ${id.length}`;
    fail("invalid_request", `task.id: ${expected}`, { param: "task.id" });
  }
  if (!(Number.isInteger(stage) && stage >= 0 && stage <= MAX_TASK_STAGE)) {
    const expected = `expected an integer from 0 to ${MAX_TASK_STAGE}, got ${stage}`;
    fail("invalid_request", `task.stage: ${expected}`, { param: "task.stage" });
  }
  return { id, stage };
}

/** What the worker said about a request's end; without its word (it died) only what this side knows. */
function summarise(spec: SequenceSpec, last: LastEvent | null): RequestSummary {
  if (last !== null) {
    const { end, timing, promptTokens, completionTokens, outcome, drafts } = last.end;
    const drafted = drafts === undefined ? {} : { drafts };
    const finish = last.kind === "finish" ? last.finish : null;
    const cachedTokens = finish?.usage.cachedTokens ?? 0;
    const error = last.kind === "error" ? last.error.code : null;
    const cause = finish?.cause ?? null;
    return { end, ...timing, promptTokens, cachedTokens, completionTokens, cause, error, outcome, ...drafted };
  }
  return {
    end: "error",
    arrivalMs: spec.arrivalMs,
    scheduledMs: null,
    firstTokenMs: null,
    lastTokenMs: null,
    endMs: liveClock.nowMs(),
    promptTokens: spec.promptTokens.length,
    cachedTokens: 0,
    completionTokens: 0,
    cause: null,
    error: "engine_failed",
    outcome: null,
  };
}
