/**
 * Serves one engine on a bus: takes requests, tells their events (delivery.ts), says every second that it is there and four
 * times how loaded, answers what it is asked, takes durable work, drains and leaves. When the bus is gone it computes on, and
 * is back by itself when the bus is. What else an instance can do (migrate, keep contexts) comes as extensions.
 */
import { randomUUID } from "node:crypto";
import { fail, PunctualError, toErrorRecord } from "../../core/index.ts";
import {
  controlMessageSchema,
  fleetIdSchema,
  FLEET_LIMITS,
  FLEET_VERSION,
  submitMessageSchema,
  type ControlMessage,
  type ControlReply,
  type InstanceCard,
  type SubmitMessage,
  type SubmitReply,
} from "../../protocol/index.ts";
import { liveClock, sleep, wallMs, type Engine } from "../../runtime/index.ts";
import type { Bus, BusMessage, BusSubscription, KeyValue } from "../bus/types.ts";
import { packFacts, pieceOfFacts, type PackedFacts } from "../registry/facts.ts";
import { fleetNames, type FleetNames } from "../registry/names.ts";
import { DIRECTORY_TTL_MS, LEASE_MS } from "../registry/registry.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";
import { WorkRunner } from "../work/runner.ts";
import { DeliveryDesk } from "./delivery-desk.ts";
import { LoadBook } from "./load-book.ts";
import { StepFeed } from "./step-feed.ts";
import type { HostExtension, HostPort, InstanceHostOptions } from "./types.ts";
import { toFleetError } from "./wire-events.ts";

const RENEW_MS = LEASE_MS / 3;
const HEARTBEAT_MS = 250;
const TICK_MS = 250;
/** How long readers may take to acknowledge the last ends when an instance leaves. */
const FAREWELL_MS = 2000;
const DEFAULT_GRACE_MS = 10_000;
const POLL_MS = 20;

type State = "serving" | "draining" | "stopped";

/** See the head of this file. Made by `InstanceHost.start`; ended by `stop`. The engine stays the caller's. */
export class InstanceHost implements AsyncDisposable {
  readonly id: string;
  readonly names: FleetNames;
  /** Resolves when it has drained because it was told to: nothing is open here, and nothing new is taken. */
  readonly drained: Promise<void>;
  readonly #options: InstanceHostOptions;
  readonly #engine: Engine;
  readonly #bus: Bus;
  readonly #book: LoadBook;
  readonly #desk: DeliveryDesk;
  readonly #feed: StepFeed;
  readonly #facts: PackedFacts;
  readonly #extensions: ReadonlyMap<string, HostExtension>;
  readonly #undo: (() => void)[] = [];
  readonly #subscriptions: BusSubscription[] = [];
  readonly #startedUnixMs = wallMs();
  #directory: KeyValue | null = null;
  #work: WorkRunner | null = null;
  #kv: InstanceCard["kv"] = null;
  #keepsContexts = false;
  #moving = { outgoing: 0, incoming: 0 };
  #state: State = "serving";
  #evacuation: AbortController | null = null;
  #onDrained: () => void = () => undefined;
  #isAnnouncing = false;
  #stopped: Promise<void> | null = null;
  /** What is open by then is not waited for. */
  #leaveMs = Infinity;
  #farewellMs = FAREWELL_MS;

  private constructor(options: InstanceHostOptions, names: FleetNames, facts: PackedFacts) {
    const { engine, bus, extensions = [] } = options;
    this.#options = options;
    this.#engine = engine;
    this.#bus = bus;
    this.names = names;
    this.id = options.id ?? `i-${randomUUID().slice(0, 8)}`;
    if (!fleetIdSchema.safeParse(this.id).success) {
      fail("invalid_request", `An instance's id has letters, digits, '_' and '-', got '${this.id}'.`, { param: "id" });
    }
    this.#facts = facts;
    this.#book = new LoadBook(engine);
    this.#extensions = new Map(extensions.map((extension) => [extension.name, extension]));
    this.#desk = new DeliveryDesk({
      instance: this.id,
      engine,
      bus,
      book: this.#book,
      ...(options.routerSilenceMs === undefined ? {} : { routerSilenceMs: options.routerSilenceMs }),
      ...(options.keptEvents === undefined ? {} : { keptEvents: options.keptEvents }),
      ...(options.keptMs === undefined ? {} : { keptMs: options.keptMs }),
    });
    const send = (inbox: string, message: Uint8Array): void => this.#publish(inbox, message);
    this.#feed = new StepFeed({ instance: this.id, engine, send });
    this.drained = new Promise((resolve) => {
      this.#onDrained = resolve;
    });
  }

  /**
   * Announces an engine on a bus and serves it from then on.
   * @throws PunctualError invalid_request (an option), busy when the id is taken, unavailable, unsupported (the bus).
   */
  static async start(options: InstanceHostOptions): Promise<InstanceHost> {
    const names = fleetNames(options.fleet);
    const host = new InstanceHost(options, names, await packFacts(options.engine));
    try {
      await host.#begin();
    } catch (error) {
      await host.stop({ graceMs: 0 });
      throw error;
    }
    return host;
  }

  /** Its card as it is announced. */
  get card(): InstanceCard {
    const { engine, role = "any" } = this.#options;
    const { info } = engine;
    const stats = engine.stats();
    return {
      version: FLEET_VERSION,
      id: this.id,
      model: info.name,
      // Without one (the files could not be read again) it is alike to nobody but itself.
      fingerprint: info.modelFingerprint ?? `${this.id}-${this.#startedUnixMs}`,
      role,
      state: this.#state === "serving" ? "serving" : "draining",
      pageTokens: info.pageTokens,
      totalPages: info.kvPages,
      contextTokens: info.contextTokens,
      maxRunning: stats.limits.maxRunning,
      maxWaiting: stats.limits.maxWaiting,
      kv: this.#kv,
      ...(this.#keepsContexts ? { contexts: true } : {}),
      ...(info.lora === undefined
        ? {}
        : { adapters: engine.adapters.slice(0, FLEET_LIMITS.adapters).map(({ name }) => name) }),
      startedUnixMs: this.#startedUnixMs,
      info: { ...info, dir: null },
      facts: { id: this.#facts.id, bytes: this.#facts.bytes.length },
    };
  }

  get isDraining(): boolean {
    return this.#state !== "serving";
  }

  /** Requests that are here and have not ended, durable ones included. */
  get open(): number {
    return this.#desk.open + (this.#work?.open ?? 0);
  }

  /** Takes nothing new; what is here moves away where it can and ends here otherwise. `drained` tells the end. */
  drain(): void {
    if (this.#state !== "serving") return;
    this.#state = "draining";
    this.#evacuation = new AbortController();
    this.#work?.pause();
    void this.#announce();
    this.#tellLoad();
    const { signal } = this.#evacuation;
    for (const extension of this.#extensions.values()) {
      void this.#guard(`${extension.name} could not move everything away`, extension.evacuate?.(signal));
    }
    void this.#waitUntilEmpty(signal);
  }

  /** Takes requests again, unless it has drained already. */
  undoDrain(): void {
    if (this.#state !== "draining" || this.#stopped !== null) return;
    this.#evacuation?.abort();
    this.#state = "serving";
    this.#work?.resume();
    void this.#announce();
    this.#tellLoad();
  }

  /**
   * Drains for at most `graceMs` (10 s when absent), then leaves: what is still open ends with `shutting_down`, which a router
   * takes as a reason to go on elsewhere. The engine is not stopped. Further calls wait for the first, and may shorten it.
   */
  stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    const { graceMs = DEFAULT_GRACE_MS } = options;
    this.#leaveMs = Math.min(this.#leaveMs, liveClock.nowMs() + graceMs);
    if (graceMs === 0) this.#farewellMs = 0;
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop({ graceMs: 0 });
  }

  async #begin(): Promise<void> {
    const { role = "any", workItems, resultMs } = this.#options;
    this.#directory = await this.#bus.keyValue(this.names.instances, { ttlMs: DIRECTORY_TTL_MS });
    if (this.#bus.kind === "nats" && (await this.#isTaken())) {
      fail("busy", `Another instance of this fleet has the id '${this.id}'.`, { param: "id" });
    }
    for (const extension of this.#extensions.values()) {
      const { kv, contexts } = (await extension.start?.(this.port)) ?? {};
      if (kv !== undefined) this.#kv = kv;
      if (contexts === true) this.#keepsContexts = true;
    }
    this.#listen(role);
    await this.#bus.flush();
    if (role === "any" && workItems !== 0 && this.#engine.info.embedding === undefined) {
      this.#work = await WorkRunner.start({
        instance: this.id,
        engine: this.#engine,
        bus: this.#bus,
        names: this.names,
        book: this.#book,
        items: workItems ?? Math.max(1, Math.floor(this.#engine.stats().limits.maxRunning / 2)),
        ...(resultMs === undefined ? {} : { resultMs }),
        ...(this.#options.log === undefined ? {} : { log: this.#options.log }),
      });
    }
    await this.#directory.put(this.id, encodeMessage(this.card));
    this.#tellLoad();
  }

  /** Somebody answers under this id. */
  async #isTaken(): Promise<boolean> {
    const message: ControlMessage = { version: FLEET_VERSION, kind: "ping" };
    try {
      await this.#bus.request(this.names.control(this.id), encodeMessage(message), { timeoutMs: 500 });
      return true;
    } catch (error) {
      if (error instanceof PunctualError && (error.code === "unavailable" || error.code === "request_timeout"))
        return false;
      throw error;
    }
  }

  #listen(role: NonNullable<InstanceHostOptions["role"]>): void {
    const { names } = this;
    const every = (ms: number, action: () => void): void => {
      const timer = setInterval(action, ms).unref();
      this.#undo.push(() => clearInterval(timer));
    };
    const submit = (message: BusMessage): void => this.#onSubmit(message);
    const control = (message: BusMessage): void => void this.#onControl(message);
    const subscriptions = [
      this.#bus.subscribe(names.submit(this.id), submit),
      this.#bus.subscribe(names.control(this.id), control),
      this.#bus.subscribe(names.controlAll, control),
    ];
    if (role !== "decode") {
      const any = names.submitAny(this.#engine.info.name);
      subscriptions.push(this.#bus.subscribe(any, submit, { queue: names.anyQueue }));
    }
    this.#subscriptions.push(...subscriptions);
    every(this.#options.renewMs ?? RENEW_MS, () => void this.#announce());
    every(this.#options.heartbeatMs ?? HEARTBEAT_MS, () => this.#tellLoad());
    every(TICK_MS, () => this.#desk.tick());
    every(TICK_MS, () => this.#feed.tick(liveClock.nowMs()));
    this.#undo.push(
      this.#bus.onStatus((status) => {
        this.#desk.onStatus(status === "connected");
        if (status === "connected") void this.#announce();
        else this.#options.log?.("The bus is lost; going on without it.");
      }),
    );
  }

  #onSubmit(message: BusMessage): void {
    const reply = (answer: Unversioned<SubmitReply>): void => {
      this.#respond(message, { version: FLEET_VERSION, instance: this.id, ...answer });
    };
    try {
      const submit: SubmitMessage = decodeMessage(submitMessageSchema, message.data);
      if (this.isDraining) fail("shutting_down", `The instance ${this.id} takes nothing new.`, { retryAfterMs: 0 });
      this.#desk.submit(submit);
      reply({ kind: "accepted", epoch: submit.epoch ?? 0 });
    } catch (error) {
      reply({ kind: "refused", error: toFleetError(error) });
    }
  }

  async #onControl(message: BusMessage): Promise<void> {
    let answer: Unversioned<ControlReply>;
    try {
      answer = await this.#control(decodeMessage(controlMessageSchema, message.data));
    } catch (error) {
      const { code } = toErrorRecord(error);
      if (message.reply === null) this.#options.log?.(`A control message failed (${code}): ${String(error)}`);
      answer = { kind: "failed", error: toFleetError(error) };
    }
    if (message.reply !== null) this.#respond(message, { version: FLEET_VERSION, instance: this.id, ...answer });
  }

  async #control(message: ControlMessage): Promise<Unversioned<ControlReply>> {
    switch (message.kind) {
      case "cancel":
        this.#desk.cancel(message.requestId);
        this.#work?.cancel(message.requestId);
        return { kind: "done" };
      case "ack":
        this.#desk.acknowledge(message.requestId, message.nextIndex, message.window, message.resend === true);
        return { kind: "done" };
      case "alive":
        this.#desk.alive(message.router);
        return { kind: "done" };
      case "watch":
        this.#feed.watch(message.router, message.inbox, message.forMs, liveClock.nowMs());
        return { kind: "done" };
      case "load_adapter":
        await this.#engine.loadAdapter({ name: message.name, dir: message.dir });
        await this.#announce();
        return { kind: "done" };
      case "unload_adapter":
        await this.#engine.unloadAdapter(message.name);
        await this.#announce();
        return { kind: "done" };
      case "ping": {
        const { running, waiting } = this.#engine.stats();
        const state = this.isDraining ? "draining" : "serving";
        const requestIds = (message.requestIds ?? []).filter((id) => this.#desk.isKnown(id));
        return { kind: "pong", state, running, waiting, requestIds };
      }
      case "policy": {
        const { policy, previous } = await this.#engine.setPolicy(message.policy);
        return { kind: "policy", policy, previous };
      }
      case "drain":
        if (message.undo === true) this.undoDrain();
        else this.drain();
        return { kind: "done" };
      case "stats":
        return { kind: "stats", stats: { ...this.#engine.stats() } };
      case "facts": {
        const { id, bytes } = this.#facts;
        const piece = pieceOfFacts(this.#facts, message.offset, this.#bus.maxMessageBytes);
        return { kind: "facts", id, offset: message.offset, totalBytes: bytes.length, piece };
      }
      case "extension": {
        const extension = this.#extensions.get(message.name);
        if (extension?.control === undefined) return fail("unsupported", `There is no '${message.name}' here.`);
        return { kind: "extension", body: (await extension.control(message.body)) ?? null };
      }
      default:
        return message satisfies never;
    }
  }

  /** What extensions get. */
  get port(): HostPort {
    const draining = (): boolean => this.isDraining;
    return {
      id: this.id,
      bus: this.#bus,
      names: this.names,
      engine: this.#engine,
      get isDraining() {
        return draining();
      },
      requests: () => [...this.#desk.hosted(), ...(this.#work?.hosted() ?? [])],
      request: (requestId) => this.#desk.find(requestId),
      standing: (requestId) => this.#desk.standing(requestId),
      suspend: (requestId, nextIndex) => this.#desk.suspend(requestId, nextIndex),
      settle: (requestId, outcome) => this.#desk.settle(requestId, outcome),
      quit: (requestId) => this.#desk.quit(requestId),
      adopt: (request, state, begin) => this.#desk.adopt(request, state, begin),
      setMoving: (counts) => {
        this.#moving = counts;
      },
    };
  }

  #respond(message: BusMessage, answer: object): void {
    try {
      message.respond(encodeMessage(answer));
    } catch (error) {
      this.#options.log?.(`An answer could not be sent: ${String(error)}`);
    }
  }

  /** What is lost is nobody's loss. */
  #publish(subject: string, message: Uint8Array): void {
    if (this.#bus.status !== "connected") return;
    try {
      this.#bus.publish(subject, message);
    } catch (error) {
      this.#options.log?.(`Steps could not be told: ${String(error)}`);
    }
  }

  #tellLoad(): void {
    if (this.#bus.status !== "connected" || this.#state === "stopped") return;
    const state = this.isDraining ? "draining" : "serving";
    const report = this.#book.report(this.id, state, this.#moving);
    for (const extension of this.#extensions.values()) Object.assign(report, extension.report?.());
    this.#work?.adapt(report);
    try {
      this.#bus.publish(this.names.load(this.id), encodeMessage(report));
    } catch (error) {
      this.#options.log?.(`The load could not be told: ${String(error)}`);
    }
  }

  /** Puts the card. One at a time; the next renewal follows anyway. */
  async #announce(): Promise<void> {
    if (this.#isAnnouncing || this.#directory === null || this.#state === "stopped") return;
    if (this.#bus.status !== "connected") return;
    this.#isAnnouncing = true;
    try {
      const { card } = this;
      await this.#directory.put(this.id, encodeMessage(card));
      // Drained, or with another adapter: said at once.
      if (JSON.stringify(card) !== JSON.stringify(this.card))
        await this.#directory.put(this.id, encodeMessage(this.card));
    } catch (error) {
      this.#options.log?.(`The card could not be put: ${String(error)}`);
    } finally {
      this.#isAnnouncing = false;
    }
  }

  async #guard(what: string, action: Promise<void> | undefined): Promise<void> {
    try {
      await action;
    } catch (error) {
      this.#options.log?.(`${what}: ${String(error)}`);
    }
  }

  async #waitUntilEmpty(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      if (this.open === 0) return this.#onDrained();
      await sleep(POLL_MS, signal);
    }
  }

  async #stop(): Promise<void> {
    this.drain();
    while (this.open > 0 && liveClock.nowMs() < this.#leaveMs) await sleep(POLL_MS);
    this.#evacuation?.abort();
    await this.#work?.stop();
    this.#desk.endAll(new PunctualError("shutting_down", `The instance ${this.id} is leaving.`));
    const sinceMs = liveClock.nowMs();
    const isWaiting = (): boolean => liveClock.nowMs() - sinceMs < this.#farewellMs;
    while (this.#desk.size > 0 && this.#bus.status === "connected" && isWaiting()) await sleep(POLL_MS);
    this.#state = "stopped";
    for (const extension of this.#extensions.values()) {
      await this.#guard(`${extension.name} could not be stopped`, extension.stop?.());
    }
    // Who was asked before the bus knew that it leaves still says no: whoever asks would wait for nothing.
    await Promise.all(this.#subscriptions.splice(0).map((subscription) => subscription.drain()));
    for (const step of this.#undo.splice(0)) step();
    this.#desk.close();
    this.#book[Symbol.dispose]();
    this.#feed[Symbol.dispose]();
    if (this.#directory !== null && this.#bus.status === "connected") {
      // Nobody listens under its name any more by now.
      await this.#guard("The bus did not answer", this.#bus.flush());
      await this.#guard("The card could not be taken away", this.#directory.delete(this.id));
    }
    this.#onDrained();
  }
}

type Unversioned<M> = M extends unknown ? Omit<M, "version" | "instance"> : never;
