/**
 * All instances of one model as one engine: to a server it is an `Engine` like any other, computed elsewhere. Made by `Fleet`
 * when the first instance of a model comes; it stays while there is none, and then refuses with 503.
 *
 * Its books are its own: times as its clients saw them. Steps (`watch`) are those of instances that have requests of this
 * router, as they tell them; adapters are those that instances say they have, and a request goes only where its own is.
 */
import { fail, PunctualError, type Clock, type RandomStream } from "../../core/index.ts";
import type { StepsMessage, WireRequest } from "../../protocol/index.ts";
import type { FleetRequest } from "../../sched/index.ts";
import {
  embedBy,
  EngineMetrics,
  noTransfers,
  SignalFan,
  sleep,
  type AdapterSource,
  type EmbedOptions,
  type Engine,
  type EngineInfo,
  type EngineState,
  type EngineStats,
  type GenerateRequest,
  type PolicySwitch,
  type SequenceEvent,
  type SubmitOptions,
  type TokenStream,
  type WatchedStep,
} from "../../runtime/index.ts";
import { createPolicy, priorityBySlo } from "../../sched/index.ts";
import type { DurableWork } from "../work/durable-work.ts";
import { BLOCK_TOKENS, blockIds } from "../routing/prefix-index.ts";
import type { Route, Router } from "../routing/router.ts";
import type { AnswerEnd } from "./answer-log.ts";
import { DurableStream, keyedRequest } from "./durable-stream.ts";
import { fleetInfo } from "./fleet-info.ts";
import { FleetStream, type Choice, type StreamHost } from "./fleet-stream.ts";
import { fleetRequestId, fromWireError, toWireRequest } from "./from-wire.ts";
import type { FleetInstance } from "./instance.ts";
import type { Control, FleetLink } from "./link.ts";
import type { RouterStats } from "./router-stats.ts";
import { StepMerge } from "./step-merge.ts";

/** What a router reads and writes a model's texts with. */
export type FleetFacts = Pick<Engine, "tokenizer" | "dialect" | "config" | "endTokens">;

/** What an engine of a fleet has of its fleet. */
export interface EngineHost {
  readonly link: FleetLink;
  readonly clock: Clock;
  readonly random: RandomStream;
  readonly stats: RouterStats;
  readonly window: number;
  readonly stallMs: number;
  readonly recoverMs: number;
  readonly maxOpen: number;
  /** Which of the requests whose answers are wanted whole the bus keeps. */
  readonly durable: "keyed" | "all" | "none";
  /** Null: this bus keeps nothing. */
  readonly work: DurableWork | null;
  /** Who places requests now. */
  router(): Router;
  /** Of that model, gone ones not included; in order of joining. */
  instances(model: string): readonly FleetInstance<FleetStream>[];
  find(id: string): FleetInstance<FleetStream> | null;
  suspect(instance: FleetInstance<FleetStream>): void;
  /** Its steps are wanted. */
  follow(instance: FleetInstance<FleetStream>): void;
  /** Where the messages of a request go to; answers a number that no other request of this router has. */
  register(stream: FleetStream): void;
  unregister(stream: FleetStream): void;
  nextNumber(): number;
}

/** While no instance is heard of in time, one that is there may still speak up within that time, milliseconds. */
const SILENCE_WAIT_MS = 2000;
const RETRY_MS = 1000;
const DEFAULT_GRACE_MS = 10_000;
const CONTROL_TIMEOUT_MS = 5000;
/** Adapters are read from disk. */
const ADAPTER_TIMEOUT_MS = 60_000;
const CARD_POLL_MS = 20;

type AdapterChange = Extract<Control, { readonly kind: "load_adapter" | "unload_adapter" }>;
type Target = FleetInstance<FleetStream>;

/** See the head of this file. */
export class FleetEngine implements Engine, StreamHost {
  readonly tokenizer: Engine["tokenizer"];
  readonly dialect: Engine["dialect"];
  readonly config: Engine["config"];
  readonly endTokens: readonly number[];
  readonly name: string;
  readonly transfers = noTransfers("they are with the instances of this model");
  readonly signals = new SignalFan();
  readonly #host: EngineHost;
  readonly #metrics = new EngineMetrics();
  readonly #open = new Set<FleetStream>();
  readonly #kept = new Set<DurableStream>();
  readonly #routedBy = new WeakMap<FleetStream, string>();
  readonly #watchers = new Set<{ readonly sinceMs: number; readonly onStep: (step: WatchedStep) => void }>();
  readonly #steps = new StepMerge();
  #info: EngineInfo;
  #restarts = 0;
  #lastError: string | null = null;
  #closed = false;
  #onDrained: (() => void) | null = null;
  #stopped: Promise<void> | null = null;

  /** @param instances at least one */
  constructor(host: EngineHost, name: string, facts: FleetFacts, instances: readonly Target[]) {
    this.#host = host;
    this.name = name;
    this.tokenizer = facts.tokenizer;
    this.dialect = facts.dialect;
    this.config = facts.config;
    this.endTokens = facts.endTokens;
    this.#info = fleetInfo(instances.map(({ card }) => card));
  }

  get info(): EngineInfo {
    const instances = this.#host.instances(this.name);
    if (instances.length > 0) {
      const { policy } = this.#info;
      this.#info = { ...fleetInfo(instances.map(({ card }) => card)), policy };
    }
    return this.#info;
  }

  get state(): EngineState {
    if (this.#closed) return this.#open.size > 0 ? "stopping" : "stopped";
    return this.#host.instances(this.name).some(({ draining }) => !draining) ? "ready" : "restarting";
  }

  get link(): FleetLink {
    return this.#host.link;
  }
  get clock(): Clock {
    return this.#host.clock;
  }
  get window(): number {
    return this.#host.window;
  }
  get stallMs(): number {
    return this.#host.stallMs;
  }
  get recoverMs(): number {
    return this.#host.recoverMs;
  }
  /** Requests under way. */
  get open(): ReadonlySet<FleetStream> {
    return this.#open;
  }

  submit(request: GenerateRequest, options: SubmitOptions = {}): TokenStream {
    const work = this.#keeper(request);
    this.#check(request, work !== null);
    const { link, maxOpen, random, clock } = this.#host;
    if (this.#open.size + this.#kept.size >= maxOpen) {
      this.#metrics.ended("rejected");
      return fail("queue_full", `${maxOpen} requests are under way already`, { retryAfterMs: RETRY_MS });
    }
    const id = fleetRequestId(request.id, link.router, this.#host.nextNumber());
    const arrived = { ...request, arrivalMs: request.arrivalMs ?? clock.nowMs() };
    const wire = toWireRequest({ slo: this.#info.defaultSlo, ...arrived }, id, random.uint32());
    if (work !== null) return this.#keep(work, arrived, wire, options);
    const blocks = blockIds(request.promptTokens, BLOCK_TOKENS, rootOf(wire));
    const stream = new FleetStream(this, arrived, wire, blocks, options);
    this.#open.add(stream);
    this.#host.register(stream);
    stream.start();
    return stream;
  }

  /** Who keeps it until it is done; null: it is placed like any other. */
  #keeper({ whole, embedding, adapter }: GenerateRequest): DurableWork | null {
    const { durable, work } = this.#host;
    if (whole === undefined || embedding === true || work === null || durable === "none") return null;
    if (durable === "keyed" && whole.key === null) return null;
    // Work is taken by instances that do both phases, whichever has room; where there are none, or not all of them have the
    // adapter that it names, it is placed.
    const there = this.#host.instances(this.name);
    const takers = there.filter(({ card }) => card.role === "any");
    if (adapter !== undefined && !takers.every((instance) => hasAdapter(instance, adapter))) return null;
    return there.length === 0 || takers.length > 0 ? work : null;
  }

  #keep(
    work: DurableWork,
    request: GenerateRequest & { readonly arrivalMs: number },
    wire: WireRequest,
    options: SubmitOptions,
  ): TokenStream {
    const key = request.whole?.key ?? null;
    const { seed } = request.sampling ?? {};
    const asked = key === null ? wire : keyedRequest(withSeed(wire, seed), this.name, key);
    const host = {
      clock: this.clock,
      signals: this.signals,
      work,
      model: this.name,
      inbox: this.link.ownInbox(),
      book: (event: SequenceEvent) => this.book(event),
      ended: (stream: DurableStream) => this.#kept.delete(stream),
    };
    const stream = new DurableStream(host, asked, request.arrivalMs, key !== null, options);
    this.#kept.add(stream);
    return stream;
  }

  embed(tokens: readonly number[], options: EmbedOptions = {}): Promise<Float32Array> {
    return embedBy(this, tokens, options);
  }

  stats(): EngineStats {
    const instances = this.#host.instances(this.name);
    const sum = (of: (instance: Target) => number): number => instances.reduce((total, one) => total + of(one), 0);
    const pagesTotal = sum(({ card }) => card.totalPages);
    const pagesUsed = sum(({ report }) => report?.usedPages ?? 0);
    const counters = this.#metrics.counters();
    return {
      name: this.name,
      state: this.state,
      running: sum(({ report }) => report?.running ?? 0),
      waiting: sum(({ report }) => report?.waiting ?? 0) + this.#unplaced(),
      paused: sum(({ report }) => report?.paused ?? 0),
      kv: {
        pagesUsed,
        pagesTotal,
        pageTokens: this.#info.pageTokens,
        usage: pagesTotal === 0 ? 0 : pagesUsed / pagesTotal,
      },
      counters: { ...counters, restarts: this.#restarts },
      slo: this.#metrics.slo(),
      histograms: this.#metrics.histograms(),
      limits: {
        maxRunning: sum(({ card }) => card.maxRunning),
        maxWaiting: sum(({ card }) => card.maxWaiting),
        budgetTokens: sum(({ report }) => report?.budgetTokens ?? 0),
      },
      calibration: null,
      speculation: null,
      phases: null,
      recording: null,
      lastError: this.#lastError,
    };
  }

  /**
   * Steps of instances while they have requests of this router, in order of their beginnings by this clock; told a moment
   * after they happened. Steps that were over before this call are not told, however late they come.
   */
  watch(onStep: (step: WatchedStep) => void): () => void {
    const watcher = { sinceMs: this.clock.nowMs(), onStep };
    this.#watchers.add(watcher);
    return () => {
      const isLast = this.#watchers.delete(watcher) && this.#watchers.size === 0;
      if (isLast) this.#steps.clear();
    };
  }

  /** An instance has told its steps. */
  tookSteps(message: StepsMessage, nowMs: number): void {
    if (this.#watchers.size > 0) this.#steps.take(message, nowMs);
  }

  /** Called a few times a second. */
  tick(nowMs: number): void {
    if (this.#watchers.size === 0) return;
    for (const instance of this.#host.instances(this.name)) if (instance.open.size > 0) this.#host.follow(instance);
    for (const step of this.#steps.release(nowMs)) {
      const endMs = step.startMs + step.durationMs;
      for (const { sinceMs, onStep } of this.#watchers) if (endMs >= sinceMs) onStep(step);
    }
  }

  /** Nobody here decides. */
  async decisions(): Promise<readonly never[]> {
    return [];
  }

  /** Nothing here could crash. */
  crashWorker(): void {
    fail("unsupported", `the model '${this.name}' is computed by a fleet`);
  }

  /** Those that any instance has; where their files lie is the instances' matter. */
  get adapters(): readonly AdapterSource[] {
    return adapterNames(this.#host.instances(this.name)).map((name) => ({ name, dir: "" }));
  }

  /**
   * At every instance that takes adapters, from that folder of its own machine. Done when one has it: requests go only there.
   * @throws PunctualError as an engine does, when no instance has it then.
   */
  async loadAdapter({ name, dir }: AdapterSource): Promise<void> {
    const takers = this.#host.instances(this.name).filter(({ card }) => card.adapters !== undefined);
    if (takers.length === 0) fail("unsupported", `no instance of the model '${this.name}' takes adapters`);
    await this.#askForAdapter(takers, { kind: "load_adapter", name, dir });
  }

  /** At every instance that has it. @throws PunctualError model_not_found, and as an engine does. */
  async unloadAdapter(name: string): Promise<void> {
    const owners = this.#host.instances(this.name).filter((instance) => hasAdapter(instance, name));
    if (owners.length === 0) this.#noAdapter(name);
    await this.#askForAdapter(owners, { kind: "unload_adapter", name });
  }

  /** Done when one instance has done it, and this router knows. */
  async #askForAdapter(instances: readonly Target[], message: AdapterChange): Promise<void> {
    const ask = async ({ id }: Target): Promise<void> => {
      const reply = await this.link.ask(id, message, ADAPTER_TIMEOUT_MS);
      if (reply.kind === "failed") throw fromWireError(reply.error);
    };
    const outcomes = await Promise.allSettled(instances.map(ask));
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined && outcomes.every(({ status }) => status === "rejected")) throw failed.reason;
    // Cards follow by another way than answers.
    const done = instances.filter((_, i) => outcomes[i]!.status === "fulfilled");
    const isKnown = (instance: Target): boolean =>
      instance.gone || hasAdapter(instance, message.name) === (message.kind === "load_adapter");
    const untilMs = this.clock.nowMs() + CONTROL_TIMEOUT_MS;
    while (!done.every(isKnown) && this.clock.nowMs() < untilMs) await sleep(CARD_POLL_MS);
  }

  /** At every instance. @throws PunctualError as an engine does; engine_failed when one does not answer. */
  async setPolicy(policy: string): Promise<PolicySwitch> {
    createPolicy(policy);
    const instances = this.#host.instances(this.name);
    if (instances.length === 0) this.#nobody();
    const ask = async ({ id }: Target): Promise<void> => {
      const reply = await this.link.ask(id, { kind: "policy", policy }, CONTROL_TIMEOUT_MS);
      if (reply.kind === "failed") throw fromWireError(reply.error);
    };
    await Promise.all(instances.map(ask));
    const previous = this.#info.policy;
    this.#info = { ...this.#info, policy };
    return { policy, previous, atMs: this.clock.nowMs() };
  }

  stop({ graceMs = DEFAULT_GRACE_MS }: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(graceMs);
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop({ graceMs: 0 });
  }

  choose(stream: FleetStream, tried: ReadonlySet<number>): Choice {
    const nowMs = this.clock.nowMs();
    const { adapter } = stream.request;
    const there = this.#host
      .instances(this.name)
      .filter((instance) => adapter === undefined || hasAdapter(instance, adapter));
    const able = there.filter((instance) => !tried.has(instance.index) && instance.accepts(nowMs));
    const router = this.#host.router();
    const route = router.route(
      this.#described(stream, nowMs),
      able.map(({ load }) => load),
      nowMs,
    );
    if (route.kind !== "to") return this.#nowhere(route, stream, there, tried);
    const instance = able.find(({ index }) => index === route.load.index)!;
    if (!this.#routedBy.has(stream)) {
      this.#routedBy.set(stream, router.name);
      this.#host.stats.placed(router.name);
    }
    if (this.#watchers.size > 0) this.#host.follow(instance);
    return { kind: "to", instance, placement: instance.prefix.place(stream.blocks) };
  }

  find(id: string): Target | null {
    return this.#host.find(id);
  }

  suspect(instance: Target): void {
    this.#host.suspect(instance);
  }

  book(event: SequenceEvent): void {
    this.#metrics.event(event);
  }

  ended(stream: FleetStream, end: AnswerEnd): void {
    this.#open.delete(stream);
    this.#host.unregister(stream);
    if (end.kind === "finish") this.#learn(stream, end.finish.usage.cachedTokens);
    else if (end.kind === "error") this.#lastError = end.code;
    if (this.#open.size === 0) this.#onDrained?.();
  }

  /** An instance of it is gone. @param lost not by its own will */
  instanceGone(id: string, lost: boolean): void {
    this.#steps.forget(id);
    if (lost) this.#restarts += 1;
  }

  /** What the answer says of the cache, and what it has left there. */
  #learn(stream: FleetStream, cachedTokens: number): void {
    const { instance, placement, log, request } = stream;
    if (instance !== null) {
      if (placement !== null) instance.prefix.correct(placement, Math.floor(cachedTokens / BLOCK_TOKENS));
      instance.prefix.place(blockIds([...request.promptTokens, ...stream.generated], BLOCK_TOKENS, rootOf(request)));
    }
    const router = this.#routedBy.get(stream);
    if (router === undefined) return;
    const ttftMs = log.firstTokenMs === null ? null : log.firstTokenMs - log.arrivalMs;
    this.#host.stats.finished(router, ttftMs, request.promptTokens.length, cachedTokens);
  }

  #described(stream: FleetStream, nowMs: number): FleetRequest {
    const { slo, promptTokens } = stream.request;
    const generated = stream.generated.length;
    return {
      promptTokens: promptTokens.length + generated,
      hashIds: stream.blocks,
      blockTokens: BLOCK_TOKENS,
      priority: priorityBySlo(slo),
      // What has been accepted is not refused any more.
      ...(slo === undefined || generated > 0 ? {} : { slo }),
      waitedMs: nowMs - stream.log.arrivalMs,
    };
  }

  #nowhere(
    route: Exclude<Route, { kind: "to" }>,
    stream: FleetStream,
    there: readonly Target[],
    tried: ReadonlySet<number>,
  ): Choice {
    switch (route.kind) {
      case "too-long": {
        const message = `the prompt has ${stream.request.promptTokens.length} tokens, more than the cache of any instance holds`;
        return nowhere(new PunctualError("context_length_exceeded", message, { param: "promptTokens" }), 0);
      }
      case "refused": {
        const { reason, retryAfterMs } = route;
        return nowhere(new PunctualError("deadline_unattainable", reason, { retryAfterMs }), 0);
      }
      case "nobody": {
        const silent = there.some((instance) => !instance.draining && !tried.has(instance.index));
        const waitMs = stream.recovering ? this.recoverMs : silent ? SILENCE_WAIT_MS : 0;
        const { adapter } = stream.request;
        const isUnknown = there.length === 0 && adapter !== undefined && this.#host.instances(this.name).length > 0;
        return nowhere(isUnknown ? this.#noAdapterError(adapter) : this.#nobodyError(), waitMs);
      }
      default:
        return route satisfies never;
    }
  }

  /** @param mayWait the bus keeps it until an instance comes */
  #check(request: GenerateRequest, mayWait: boolean): void {
    if (this.#closed) fail("shutting_down", "the router is stopping");
    const embeds = this.#info.embedding !== undefined;
    if (embeds !== (request.embedding === true)) {
      const why = embeds ? "embeds text and does not generate any" : "generates text and embeds none";
      fail("unsupported", `the model '${this.name}' ${why}`, { param: "model" });
    }
    if (request.promptTokens.length === 0) fail("invalid_request", "the prompt is empty", { param: "promptTokens" });
    const instances = this.#host.instances(this.name);
    if (!mayWait && instances.length === 0) this.#nobody();
    const { adapter } = request;
    const isKnown = adapter === undefined || instances.some((instance) => hasAdapter(instance, adapter));
    if (!isKnown) this.#noAdapter(adapter);
    const { contextTokens } = this.info;
    if (request.promptTokens.length >= contextTokens) {
      const message = `the prompt has ${request.promptTokens.length} tokens, the context ${contextTokens}`;
      fail("context_length_exceeded", message, { param: "promptTokens" });
    }
  }

  #noAdapter(name: string): never {
    throw this.#noAdapterError(name);
  }

  #noAdapterError(name: string): PunctualError {
    const known = adapterNames(this.#host.instances(this.name)).map((each) => `'${each}'`);
    const others = known.length === 0 ? "none" : known.join(", ");
    const message = `No instance of the model '${this.name}' has the adapter '${name}'; there are ${others}.`;
    return new PunctualError("model_not_found", message, { param: "adapter" });
  }

  #nobody(): never {
    throw this.#nobodyError();
  }

  #nobodyError(): PunctualError {
    const message = `no instance of the model '${this.name}' takes requests at the moment`;
    return new PunctualError("engine_failed", message, { retryAfterMs: RETRY_MS });
  }

  #unplaced(): number {
    let count = 0;
    for (const { instance } of this.#open) if (instance === null) count += 1;
    return count;
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
      this.#onDrained = null;
    }
    for (const stream of this.#open) stream.fail(new PunctualError("shutting_down", "the router is stopping"));
    for (const stream of this.#kept) stream.cancel();
  }
}

/** Requests may name it there. */
function hasAdapter({ card }: Target, name: string): boolean {
  return card.adapters?.includes(name) === true;
}

function adapterNames(instances: readonly Target[]): string[] {
  return [...new Set(instances.flatMap(({ card }) => card.adapters ?? []))];
}

/** Who shares what is cached of equal tokens: requests of the same adapter and salt. */
function rootOf({ adapter = "", cacheSalt = "" }: WireRequest): string {
  return adapter === "" && cacheSalt === "" ? "" : JSON.stringify([adapter, cacheSalt]);
}

/** The seed that was asked for, or none yet. */
function withSeed(wire: WireRequest, seed: number | undefined): WireRequest {
  const { seed: _made, ...sampling } = wire.sampling ?? {};
  return { ...wire, sampling: seed === undefined ? sampling : { ...sampling, seed } };
}

function nowhere(error: PunctualError, waitMs: number): Choice {
  return { kind: "nowhere", error, waitMs };
}
