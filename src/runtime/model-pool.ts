/**
 * Several models in one process within a budget of memory: each is loaded when it is first asked, and the one that has been
 * idle longest makes room for another. To a server every model of the pool is an `Engine`, loaded or not.
 *
 *   unloaded -> loading -> loaded <-> draining;  loaded | draining -> unloading -> unloaded
 *
 * - Loads happen one after the other, so the books of memory are exact: used = sum over loaded models.
 * - Only an idle model is unloaded. When none is, the longest unasked one gets no new requests after a while (it drains;
 *   they wait), so that a busy model cannot keep another out for ever; nothing under way is ever ended for it.
 * - Requests for a model that is not loaded wait for it: at most so many, at most so long.
 */
import { assert, fail, PunctualError, type Clock } from "../core/index.ts";
import type { DecoderConfig } from "../llm/index.ts";
import { createPolicy } from "../sched/index.ts";
import { after, liveClock, sleep } from "./clock.ts";
import { readEmbeddingOptions } from "./embedding.ts";
import { Engine as LiveEngine } from "./engine.ts";
import type { Engine } from "./engine-port.ts";
import type { AdapterSource } from "./lora/options.ts";
import { loadFacts, readOutline, type ModelFacts } from "./load-model.ts";
import { estimateMemory } from "./memory-estimate.ts";
import { mergeStats, statsBefore } from "./merge-stats.ts";
import { planEngine } from "./plan.ts";
import { PooledTransfers } from "./transfer/pooled-transfers.ts";
import type { LeavingStage, SequenceTransfers } from "./transfer/types.ts";
import { withRoutes } from "./routes/options.ts";
import { WaitingStream, type EngineWait } from "./waiting-stream.ts";
import type { EngineInfo, EngineOptions, EngineState, EngineStats, PolicySwitch, WatchedStep } from "./types.ts";

/** A model of a pool: how its engine is started, and the name it is asked by. */
export type PooledModel = EngineOptions & { readonly name: string };

/** Limits of a pool. */
export interface ModelPoolOptions {
  /** Most memory of all loaded models together, as estimated; no limit when absent. */
  readonly memoryBudgetBytes?: number;
  /** Most requests that wait for one model to be loaded; the next one is refused with `queue_full`. 64 when absent. */
  readonly maxWaiting?: number;
  /** How long a request waits for its model, milliseconds; 120 000 when absent. */
  readonly loadWaitMs?: number;
  /** How long a load waits for another model to be idle before that one gets no new requests; 2000 when absent. */
  readonly patienceMs?: number;
  /** How long a load waits for room in all, milliseconds; 60 000 when absent. */
  readonly roomWaitMs?: number;
  readonly clock?: Clock;
}

/** Where a model of a pool is in its life. */
export type PoolState = "unloaded" | "loading" | "loaded" | "draining" | "unloading";

/** One model of a pool. */
export interface PoolEntryStatus {
  readonly name: string;
  readonly state: PoolState;
  /** Memory that it takes when loaded, as estimated. */
  readonly bytes: number;
  /** How often it was loaded. */
  readonly loads: number;
  /** Requests that wait for it to be loaded. */
  readonly waiting: number;
}

interface Entry {
  readonly options: PooledModel;
  readonly facts: ModelFacts;
  readonly info: EngineInfo;
  readonly bytes: number;
  readonly engine: Engine;
  state: PoolState;
  live: Engine | null;
  loading: Promise<void> | null;
  loads: number;
  /** Requests that wait for a load. */
  readonly waiters: Set<symbol>;
  /** Those of them whose load is done and that have not been submitted yet: until then it is not idle. */
  landing: Set<symbol>;
  /** Its own `stop` was called: it takes no requests any more. */
  closed: boolean;
  /** Books of engines that are gone. */
  past: EngineStats | null;
  /** In place of the one in its options; null: none. */
  policy: string | null;
  /** Those of its engine, or of the next one. */
  adapters: readonly AdapterSource[];
  readonly watchers: Set<(step: WatchedStep) => void>;
  /** Told of sequences that wait to be exported. */
  readonly listeners: Set<(requestId: string, stage: LeavingStage) => void>;
  /** Ends watching the engine that is loaded, where somebody does. */
  unwatch: (() => void) | null;
}

const POLL_MS = 20;
const RETRY_LATER = { retryAfterMs: 5000 };
const DEFAULTS = { maxWaiting: 64, loadWaitMs: 120_000, patienceMs: 2000, roomWaitMs: 60_000 };

/** Models by name, loaded and unloaded within a budget. Made by `ModelPool.create`, ended by `stop`. */
export class ModelPool implements AsyncDisposable {
  /** By name, the one unasked longest first. */
  readonly #entries = new Map<string, Entry>();
  /** In the order they were given. */
  readonly #names: string[] = [];
  readonly #limits: typeof DEFAULTS;
  readonly #clock: Clock;
  readonly budgetBytes: number;
  /** Loads and unloads wait for the one before. */
  #turn: Promise<unknown> = Promise.resolve();
  #stopped = false;

  private constructor(options: ModelPoolOptions) {
    const { maxWaiting, loadWaitMs, patienceMs, roomWaitMs } = { ...DEFAULTS, ...options };
    this.#limits = { maxWaiting, loadWaitMs, patienceMs, roomWaitMs };
    this.#clock = options.clock ?? liveClock;
    this.budgetBytes = options.memoryBudgetBytes ?? Infinity;
  }

  /**
   * A pool of these models, none of them loaded yet; their configurations and vocabularies are read.
   * @throws PunctualError invalid_request for a model that cannot fit the budget even alone, for names that are not
   * distinct and for options that are wrong; model_not_found, invalid_file, unsupported for a model that cannot be read.
   */
  static async create(models: readonly PooledModel[], options: ModelPoolOptions = {}): Promise<ModelPool> {
    const pool = new ModelPool(options);
    for (const model of models) await pool.add(model);
    return pool;
  }

  /** Every model as an engine, in the order they were given. */
  get engines(): readonly Engine[] {
    return this.status().map(({ name }) => this.engine(name));
  }

  /** Memory of the models that are loaded or being loaded. */
  get usedBytes(): number {
    let used = 0;
    for (const { state, bytes } of this.#entries.values()) if (state !== "unloaded") used += bytes;
    return used;
  }

  /** A model as an engine. @throws PunctualError model_not_found. */
  engine(name: string): Engine {
    return this.#entry(name).engine;
  }

  /** Every model, in the order they were given. */
  status(): PoolEntryStatus[] {
    const rank = new Map(this.#names.map((name, i) => [name, i]));
    return Array.from(this.#entries.values(), ({ options, state, bytes, loads, waiters }) => ({
      name: options.name,
      state,
      bytes,
      loads,
      waiting: waiters.size,
    })).toSorted((a, b) => rank.get(a.name)! - rank.get(b.name)!);
  }

  /** Whether the model would fit without another making room. */
  fits(name: string): boolean {
    const entry = this.#entry(name);
    return entry.state !== "unloaded" || this.usedBytes + entry.bytes <= this.budgetBytes;
  }

  /** Loads a model unless it is. @throws PunctualError as `Engine.start`; engine_failed when others leave no room in time. */
  async load(name: string): Promise<void> {
    await this.#loading(this.#entry(name));
  }

  /** Unloads a model after its open requests, or `graceMs` (10 s when absent); requests that come later load it again. */
  async unload(name: string, options: { readonly graceMs?: number } = {}): Promise<void> {
    const entry = this.#entry(name);
    await this.#inTurn(() => this.#unload(entry, options.graceMs ?? 10_000));
  }

  /** Refuses new requests and loads, and stops every engine as `Engine.stop` does. */
  async stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopped = true;
    await Promise.all(Array.from(this.#entries.values(), async ({ live }) => live?.stop(options)));
    await this.#inTurn(async () => {
      for (const entry of this.#entries.values()) await this.#unload(entry, 0);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop({ graceMs: 0 });
  }

  /** Asserts that the books agree with themselves. */
  checkIntegrity(): void {
    assert(this.usedBytes <= this.budgetBytes, "loaded models fit the budget");
    for (const { state, live, waiters, options } of this.#entries.values()) {
      const isLive = state === "loaded" || state === "draining" || state === "unloading";
      assert(isLive === (live !== null), `${options.name}: an engine exactly when loaded`);
      assert(waiters.size <= this.#limits.maxWaiting, `${options.name}: waiting requests within their limit`);
    }
  }

  /**
   * One more model, not loaded yet. Answers it as an engine.
   * @throws PunctualError as `create` does, and shutting_down when the pool is stopping.
   */
  async add(options: PooledModel): Promise<Engine> {
    if (this.#stopped) fail("shutting_down", "the pool is stopping");
    return this.#add(options);
  }

  async #add(options: PooledModel): Promise<Engine> {
    const { name } = options;
    if (this.#entries.has(name)) fail("invalid_request", `Two models are named '${name}'.`, { param: "model" });
    const facts = await loadFacts(options.model);
    const embedding = options.embedding ?? (await readEmbeddingOptions(options.model));
    const complete = withRoutes(embedding === null ? options : { ...options, embedding });
    const draft = await draftConfigOf(complete);
    const bytes = estimateMemory(complete, facts.config, draft).totalBytes;
    if (bytes > this.budgetBytes) {
      fail(
        "invalid_request",
        `'${name}' needs about ${inMib(bytes)} and can never fit a memory budget of ${inMib(this.budgetBytes)}. ` +
          "A smaller KV cache, a shorter context or packed weights take less.",
        { param: "memoryBudgetBytes" },
      );
    }
    const { info } = planEngine(complete, facts.config, name);
    const entry: Entry = {
      options: complete,
      facts,
      info,
      bytes,
      engine: this.#engineOf(() => entry),
      state: "unloaded",
      live: null,
      loading: null,
      loads: 0,
      waiters: new Set(),
      landing: new Set(),
      closed: false,
      past: null,
      policy: null,
      adapters: complete.lora?.modules ?? [],
      watchers: new Set(),
      listeners: new Set(),
      unwatch: null,
    };
    // Reading took a while; a second one of that name may have come meanwhile.
    if (this.#entries.has(name)) fail("invalid_request", `Two models are named '${name}'.`, { param: "model" });
    this.#names.push(name);
    this.#entries.set(name, entry);
    return entry.engine;
  }

  #engineOf(entry: () => Entry): Engine {
    return new PooledEngine({
      entry,
      ask: () => this.#ask(entry()),
      ready: (signal, use) => this.#ready(entry(), signal, use),
      close: async (graceMs) => {
        entry().closed = true;
        await this.#inTurn(() => this.#unload(entry(), graceMs));
      },
      isStopped: () => this.#stopped,
      clock: this.#clock,
    });
  }

  #entry(name: string): Entry {
    const known = this.#names.join(", ");
    return (
      this.#entries.get(name) ??
      fail("model_not_found", `There is no model '${name}'; there are ${known}.`, { param: "model" })
    );
  }

  /** Notes that the model was asked, and answers its engine when it can take the request at once. */
  #ask(entry: Entry): Engine | null {
    const { name } = entry.options;
    if (this.#stopped || entry.closed) fail("shutting_down", `'${name}' is stopping`);
    this.#entries.delete(name);
    this.#entries.set(name, entry);
    if (entry.state === "loaded") return entry.live;
    const { maxWaiting } = this.#limits;
    if (entry.waiters.size < maxWaiting) return null;
    return fail("queue_full", `${maxWaiting} requests wait for '${name}' to be loaded already`, { retryAfterMs: 1000 });
  }

  /** Uses the engine in the turn in which it is found loaded. @throws cancelled, engine_failed after the longest wait. */
  async #ready<T>(entry: Entry, signal: AbortSignal, use: (engine: Engine) => T): Promise<T> {
    const { loadWaitMs } = this.#limits;
    const limit = new AbortController();
    const message = `'${entry.options.name}' was not loaded within ${loadWaitMs} ms`;
    const disarm = after(loadWaitMs, () => limit.abort(new PunctualError("engine_failed", message, RETRY_LATER)));
    const onAbort = (): void => limit.abort(new PunctualError("cancelled", "the request was cancelled"));
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
    const waiter = Symbol(entry.options.name);
    entry.waiters.add(waiter);
    try {
      for (;;) {
        await Promise.race([this.#loading(entry), aborted(limit.signal)]);
        if (entry.state === "loaded") return use(entry.live!);
        // It was unloaded before this could run: once more.
      }
    } finally {
      entry.waiters.delete(waiter);
      entry.landing.delete(waiter);
      disarm();
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** The load that is under way, or a new one. */
  #loading(entry: Entry): Promise<void> {
    entry.loading ??= this.#inTurn(() => this.#load(entry)).finally(() => {
      entry.loading = null;
    });
    return entry.loading;
  }

  /** One load or unload at a time. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    this.#turn = turn.catch(() => undefined); // told to whoever asked for it
    return turn;
  }

  async #load(entry: Entry): Promise<void> {
    if (this.#stopped || entry.closed) fail("shutting_down", `'${entry.options.name}' is stopping`);
    if (entry.state !== "loaded") {
      assert(entry.state === "unloaded", "loads and unloads take turns");
      await this.#makeRoom(entry);
      entry.state = "loading";
      try {
        const { options, adapters } = entry;
        const lora = options.lora === undefined ? {} : { lora: { ...options.lora, modules: adapters } };
        const live = await LiveEngine.start({ ...options, ...lora }, entry.facts);
        // It may be switched again while this waits.
        for (let set: string | null = null; entry.policy !== null && entry.policy !== set;) {
          set = entry.policy;
          await live.setPolicy(set);
        }
        entry.live = live;
        live.transfers.onLeaving((requestId, stage) => {
          for (const tell of entry.listeners) tell(requestId, stage);
        });
        updateWatch(entry);
      } catch (error) {
        entry.state = "unloaded";
        throw error;
      }
      entry.loads += 1;
      entry.state = "loaded";
    }
    entry.landing = new Set(entry.waiters);
  }

  async #makeRoom(entry: Entry): Promise<void> {
    const { patienceMs, roomWaitMs } = this.#limits;
    const startMs = this.#clock.nowMs();
    try {
      while (this.usedBytes + entry.bytes > this.budgetBytes) {
        if (this.#stopped) fail("shutting_down", `'${entry.options.name}' is stopping`);
        const loaded = [...this.#entries.values()].filter(({ live }) => live !== null);
        const idle = loaded.find(isIdle);
        const waitedMs = this.#clock.nowMs() - startMs;
        if (idle !== undefined) await this.#unload(idle, 0);
        else if (waitedMs > roomWaitMs) {
          const names = loaded.map(({ options }) => `'${options.name}'`).join(", ");
          const message = `'${entry.options.name}' has no room: ${names} were busy for ${roomWaitMs} ms`;
          fail("engine_failed", message, RETRY_LATER);
        } else {
          if (waitedMs > patienceMs && !loaded.some(({ state }) => state === "draining")) loaded[0]!.state = "draining";
          await sleep(POLL_MS);
        }
      }
    } finally {
      // What was not needed takes requests again.
      for (const other of this.#entries.values()) if (other.state === "draining") other.state = "loaded";
    }
  }

  async #unload(entry: Entry, graceMs: number): Promise<void> {
    const { live } = entry;
    if (live === null) return;
    entry.state = "unloading";
    await live.stop({ graceMs });
    const last = live.stats();
    entry.past = entry.past === null ? last : mergeStats(entry.past, last);
    entry.live = null;
    entry.unwatch = null;
    entry.state = "unloaded";
  }
}

/** Watches the engine that is loaded exactly while somebody watches the model. */
function updateWatch(entry: Entry): void {
  const { live, watchers } = entry;
  if (watchers.size > 0) {
    entry.unwatch ??=
      live?.watch((step) => {
        for (const onStep of watchers) onStep(step);
      }) ?? null;
    return;
  }
  entry.unwatch?.();
  entry.unwatch = null;
}

/** No request of it is queued, computed or set aside. Answers that are complete but unread need no engine. */
function isIdle({ live, landing }: Entry): boolean {
  if (live === null || landing.size > 0) return false;
  const { running, waiting, paused } = live.stats();
  return running + waiting + paused === 0;
}

/** Rejects with the signal's reason. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason as PunctualError);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

function inMib(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)} MiB`;
}

interface PooledEngineLink {
  entry(): Entry;
  ask(): Engine | null;
  readonly ready: EngineWait;
  close(graceMs: number): Promise<void>;
  isStopped(): boolean;
  readonly clock: Clock;
}

/** A model of a pool as an engine. Its requests load it; its state is "ready" as long as it takes them. */
class PooledEngine implements Engine {
  readonly #link: PooledEngineLink;

  readonly transfers: SequenceTransfers;

  constructor(link: PooledEngineLink) {
    this.#link = link;
    this.transfers = new PooledTransfers({
      get live() {
        return link.entry().live;
      },
      get listeners() {
        return link.entry().listeners;
      },
      ask: () => link.ask(),
      ready: link.ready,
      clock: link.clock,
    });
  }

  get tokenizer(): ModelFacts["tokenizer"] {
    return this.#link.entry().facts.tokenizer;
  }

  get config(): ModelFacts["config"] {
    return this.#link.entry().facts.config;
  }

  get dialect(): ModelFacts["dialect"] {
    return this.#link.entry().facts.dialect;
  }

  get endTokens(): readonly number[] {
    return this.#link.entry().facts.endTokens;
  }

  get info(): EngineInfo {
    const { live, info, policy } = this.#link.entry();
    return live?.info ?? (policy === null ? info : { ...info, policy });
  }

  get state(): EngineState {
    const { live, closed } = this.#link.entry();
    if (this.#link.isStopped() || closed) return live?.state ?? "stopped";
    return live?.state === "restarting" ? "restarting" : "ready";
  }

  submit(...[request, options = {}]: Parameters<Engine["submit"]>): ReturnType<Engine["submit"]> {
    const engine = this.#link.ask();
    if (engine !== null) return engine.submit(request, options);
    const arrivalMs = request.arrivalMs ?? this.#link.clock.nowMs();
    return new WaitingStream({ ...request, arrivalMs }, options, this.#link.ready, this.#link.clock);
  }

  async embed(...[tokens, options = {}]: Parameters<Engine["embed"]>): Promise<Float32Array> {
    const arrivalMs = options.arrivalMs ?? this.#link.clock.nowMs();
    const use = (engine: Engine): Promise<Float32Array> => engine.embed(tokens, { ...options, arrivalMs });
    const engine = this.#link.ask();
    if (engine !== null) return use(engine);
    return this.#link.ready(options.signal ?? new AbortController().signal, use);
  }

  stats(): EngineStats {
    const { live, past } = this.#link.entry();
    if (live !== null) return { ...(past === null ? live.stats() : mergeStats(past, live.stats())), state: this.state };
    return { ...(past === null ? statsBefore(this.#link.entry()) : idle(past)), state: this.state };
  }

  async decisions(): ReturnType<Engine["decisions"]> {
    return (await this.#link.entry().live?.decisions()) ?? [];
  }

  watch(onStep: (step: WatchedStep) => void): () => void {
    const entry = this.#link.entry();
    const own = (step: WatchedStep): void => onStep(step); // the same function may watch twice
    entry.watchers.add(own);
    updateWatch(entry);
    return () => {
      entry.watchers.delete(own);
      updateWatch(entry);
    };
  }

  get adapters(): readonly AdapterSource[] {
    return this.#link.entry().adapters;
  }

  /** Loads the model too: whether an adapter fits is known then. */
  async loadAdapter(source: AdapterSource): Promise<void> {
    const use = (engine: Engine): Promise<void> => engine.loadAdapter(source);
    const live = this.#link.ask();
    await (live === null ? this.#link.ready(new AbortController().signal, use) : use(live));
    const entry = this.#link.entry();
    entry.adapters = [...entry.adapters, source];
  }

  async unloadAdapter(name: string): Promise<void> {
    const entry = this.#link.entry();
    const known = entry.adapters.some((adapter) => adapter.name === name);
    if (!known) fail("model_not_found", `There is no adapter '${name}'.`, { param: "lora_name" });
    await entry.live?.unloadAdapter(name);
    entry.adapters = entry.adapters.filter((adapter) => adapter.name !== name);
  }

  /** Of a model that is not loaded: from its next load on. */
  async setPolicy(policy: string): Promise<PolicySwitch> {
    const entry = this.#link.entry();
    const { live, info } = entry;
    const previous = this.info.policy;
    if (live !== null) {
      const done = await live.setPolicy(policy);
      entry.policy = policy;
      return done;
    }
    createPolicy(policy);
    if (info.fixedPolicy !== undefined) {
      return fail("policy_fixed", `The policy cannot be switched: ${info.fixedPolicy}.`);
    }
    entry.policy = policy;
    return { policy, previous, atMs: this.#link.clock.nowMs() };
  }

  crashWorker(how: "throw" | "exit"): void {
    this.#link.entry().live?.crashWorker(how);
  }

  async stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    await this.#link.close(options.graceMs ?? 10_000);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop({ graceMs: 0 });
  }
}

/** The shape of the model that drafts for an engine; undefined where none does. */
async function draftConfigOf({ speculation }: EngineOptions): Promise<DecoderConfig | undefined> {
  return speculation?.model === undefined ? undefined : (await readOutline(speculation.model)).config;
}

/** Books of an engine that is gone, without what it was doing then. */
function idle(past: EngineStats): EngineStats {
  return { ...past, running: 0, waiting: 0, paused: 0, kv: { ...past.kv, pagesUsed: 0, usage: 0 } };
}
