/**
 * A router's fleet: every model that instances on its bus serve, as an engine. It watches who is there, hears loads and
 * streams, tells instances that it lives, and shows itself to a console.
 *
 *   await using fleet = await Fleet.join({ bus, onModel: (engine) => server.add(engine) });
 *
 * Nothing of a fleet is kept here that instances do not know as well: a router that is restarted finds everything again.
 * Requests of one that died are cancelled by their instances.
 */
import { createRandom, fail, type Clock, type RandomStream } from "../../core/index.ts";
import {
  fleetMoveViewSchema,
  FLEET_VIEW_LIMITS,
  type FleetDrainAnswer,
  type FleetMoveAnswer,
  type FleetRouterAnswer,
  type FleetScalingAnswer,
  type FleetView,
  type FleetViewSource,
  type InstanceCard,
  type LoadReport,
  type StepsMessage,
  type StreamMessage,
} from "../../protocol/index.ts";
import { z } from "zod";
import { liveClock, type Engine } from "../../runtime/index.ts";
import type { Bus, BusWatch } from "../bus/types.ts";
import { fetchFacts } from "../registry/facts.ts";
import { fleetNames, type FleetNames } from "../registry/names.ts";
import { InstanceRegistry, type GoneReason } from "../registry/registry.ts";
import { Router, DEFAULT_ROUTER } from "../routing/router.ts";
import { Election } from "../registry/election.ts";
import { FleetScaler } from "../scaling/scaler.ts";
import { decodeMessage } from "../wire.ts";
import { DurableWork } from "../work/durable-work.ts";
import { FleetEngine, type EngineHost, type FleetFacts } from "./fleet-engine.ts";
import type { FleetStream } from "./fleet-stream.ts";
import { instanceView, requestView } from "./fleet-view.ts";
import { fromWireError } from "./from-wire.ts";
import { FleetInstance } from "./instance.ts";
import { FleetLink } from "./link.ts";
import { LostInstances } from "./lost-instances.ts";
import { MoveBook } from "./move-book.ts";
import { RouterStats } from "./router-stats.ts";
import type { FleetOptions } from "./types.ts";

type Target = FleetInstance<FleetStream>;

const TICK_MS = 50;
/** Instances cancel what belongs to a router that they have not heard of for several of these. */
const ALIVE_MS = 1000;
const DEFAULT_ASK_AFTER_MS = 3000;
const MOST_ASKED = 1024;
/** An instance with open requests that is silent for so long is asked whether it is there. */
const SILENT_MS = 800;
const CONTROL_TIMEOUT_MS = 5000;
/** How often it is looked whether there are enough instances. */
const SCALE_MS = 250;
/** A model whose facts could not be read is tried again after so long. */
const FACTS_RETRY_MS = 1000;
const DEFAULTS = { window: 256, stallMs: 30_000, recoverMs: 10_000, maxOpen: 10_000, forgetMs: 600_000 };

/** See the head of this file. Made by `join`, ended by `stop`. */
export class Fleet implements FleetViewSource, EngineHost, AsyncDisposable {
  readonly name: string;
  readonly clock: Clock;
  readonly random: RandomStream;
  readonly stats = new RouterStats();
  readonly window: number;
  readonly stallMs: number;
  readonly recoverMs: number;
  readonly maxOpen: number;
  readonly durable: "keyed" | "all" | "none";
  readonly link: FleetLink;
  readonly #options: FleetOptions;
  readonly #bus: Bus;
  readonly #names: FleetNames;
  readonly #moves = new MoveBook();
  readonly #instances = new Map<string, Target>();
  readonly #lost = new LostInstances();
  readonly #streams = new Map<string, FleetStream>();
  readonly #engines = new Map<string, FleetEngine>();
  /** Facts by id: read once, however many instances have them. */
  readonly #facts = new Map<string, Promise<FleetFacts>>();
  /** When the last instance of a model went. */
  readonly #emptySinceMs = new Map<string, number>();
  /** When an instance was told last that its steps are watched. */
  readonly #followedMs = new WeakMap<Target, number>();
  readonly #undo: (() => void)[] = [];
  readonly #startedMs: number;
  #router: Router;
  #registry: InstanceRegistry | null = null;
  #work: DurableWork | null = null;
  #scaler: FleetScaler | null = null;
  #election: Election | null = null;
  #nextIndex = 0;
  #nextNumber = 0;
  #aliveMs = -Infinity;
  #askedMs = -Infinity;
  #stopped: Promise<void> | null = null;

  private constructor(options: FleetOptions) {
    const { bus, clock = liveClock } = options;
    this.#options = options;
    this.#bus = bus;
    this.clock = clock;
    this.#startedMs = clock.nowMs();
    this.random = options.random ?? createRandom(`${clock.nowMs()}`, "router");
    const limits = { ...DEFAULTS, ...options };
    this.window = limits.window;
    this.stallMs = limits.stallMs;
    this.recoverMs = limits.recoverMs;
    this.maxOpen = limits.maxOpen;
    this.durable = options.durable ?? (bus.kind === "nats" ? "keyed" : "none");
    this.#names = fleetNames(options.fleet);
    this.name = this.#names.fleet;
    this.#router = new Router(options.router ?? DEFAULT_ROUTER, this.random.fork("routing"));
    const id = options.id ?? `router-${this.random.fork("id").uint32().toString(36)}`;
    const handlers = {
      load: (report: LoadReport) => this.#instances.get(report.id)?.heard(report, clock.nowMs()),
      stream: (message: StreamMessage) => this.#onStream(message),
      steps: (message: StepsMessage) => this.#onSteps(message),
    };
    this.link = new FleetLink(bus, this.#names, id, handlers, (message) => this.#log(message));
  }

  /**
   * Resolves when every instance that is there is known; `onModel` follows as vocabularies are read.
   * @throws PunctualError invalid_request (a name), unavailable (the bus), unsupported (a bus without directories).
   */
  static async join(options: FleetOptions): Promise<Fleet> {
    const fleet = new Fleet(options);
    try {
      await fleet.#start();
      return fleet;
    } catch (error) {
      await fleet.stop({ graceMs: 0 });
      throw error;
    }
  }

  /** Every model that is or was there, in order of appearance. */
  get engines(): readonly Engine[] {
    return [...this.#engines.values()];
  }

  /** Instances that are there now. */
  get size(): number {
    return this.#instances.size;
  }

  /**
   * Resolves when that model is served, or any when none is named.
   * @throws PunctualError request_timeout
   */
  async ready(model?: string, timeoutMs = 30_000): Promise<Engine> {
    const untilMs = this.clock.nowMs() + timeoutMs;
    for (;;) {
      const engine = model === undefined ? this.engines[0] : this.#engines.get(model);
      if (engine?.state === "ready") return engine;
      if (this.clock.nowMs() > untilMs) {
        return fail("request_timeout", `no instance of ${model ?? "any model"} came within ${timeoutMs} ms`);
      }
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
  }

  get work(): DurableWork | null {
    return this.#work;
  }

  router(): Router {
    return this.#router;
  }

  instances(model: string): readonly Target[] {
    return [...this.#instances.values()].filter(({ card }) => card.model === model);
  }

  find(id: string): Target | null {
    return this.#instances.get(id) ?? null;
  }

  suspect(instance: Target): void {
    void this.#registry?.suspect(instance.id);
  }

  follow(instance: Target): void {
    const nowMs = this.clock.nowMs();
    if (nowMs - (this.#followedMs.get(instance) ?? -Infinity) < ALIVE_MS) return;
    this.#followedMs.set(instance, nowMs);
    const { router, stepsInbox } = this.link;
    this.link.tell(instance.id, { kind: "watch", router, inbox: stepsInbox, forMs: 3 * ALIVE_MS });
  }

  register(stream: FleetStream): void {
    this.#streams.set(stream.request.id, stream);
  }

  unregister(stream: FleetStream): void {
    this.#streams.delete(stream.request.id);
  }

  nextNumber(): number {
    return this.#nextNumber++;
  }

  view(): FleetView {
    const nowMs = this.clock.nowMs();
    const { moving } = this.#moves;
    const streams = [...this.#streams.values()];
    const shown = streams.slice(0, FLEET_VIEW_LIMITS.requests);
    const there = Array.from(this.#instances.values(), (instance) => instanceView(instance, nowMs));
    const modelOf = new Map(Array.from(this.#engines.values(), ({ open, name }) => [open, name] as const));
    const model = (stream: FleetStream): string => {
      for (const [open, name] of modelOf) if (open.has(stream)) return name;
      return "";
    };
    return {
      kind: "fleet",
      name: this.name,
      bus: { kind: this.#bus.kind, status: this.#bus.status },
      upMs: nowMs - this.#startedMs,
      instances: [...there, ...this.#lost.views(nowMs)].slice(0, FLEET_VIEW_LIMITS.instances),
      requests: shown.map((stream) => requestView(stream, model(stream), moving, nowMs)),
      omittedRequests: streams.length - shown.length,
      ...this.#moves.view(
        nowMs,
        (request) => this.#streams.get(request)?.id ?? request.replace(/~[^~]*$/, ""),
        (request) => this.#streams.get(request)?.instance?.id ?? null,
      ),
      routers: this.stats.views(this.#router.name).slice(0, FLEET_VIEW_LIMITS.routers),
      ...(this.#scaler === null ? {} : { scaling: this.#scaler.view(nowMs) }),
    };
  }

  async drain(id: string): Promise<FleetDrainAnswer> {
    const instance = this.find(id) ?? fail("not_found", `There is no instance '${id}'.`);
    await this.#tellDrain(id, false);
    const { running = 0, waiting = 0 } = instance.report ?? {};
    return { id, state: "draining", running, waiting };
  }

  async #tellDrain(id: string, undo: boolean): Promise<void> {
    const reply = await this.link.ask(id, { kind: "drain", ...(undo ? { undo } : {}) }, CONTROL_TIMEOUT_MS);
    if (reply.kind === "failed") throw fromWireError(reply.error);
  }

  async move(request: string, to: string): Promise<FleetMoveAnswer> {
    const stream = [...this.#streams.values()].find(({ id }) => id === request);
    if (stream === undefined) return fail("not_found", `There is no open request '${request}'.`);
    if (this.find(to) === null) return fail("not_found", `There is no instance '${to}'.`);
    const from = stream.instance?.id;
    if (from === undefined) return fail("unsupported", `The request '${request}' is at no instance at the moment.`);
    if (from === to) return fail("invalid_request", `The request '${request}' is at '${to}' already.`, { param: "to" });
    const body = { kind: "move", requestId: stream.request.id, to, reason: "asked" };
    const reply = await this.link.ask(from, { kind: "extension", name: "migration", body }, CONTROL_TIMEOUT_MS);
    if (reply.kind === "failed") {
      // By the name that people know it by.
      const message = reply.error.message.replaceAll(stream.request.id, request);
      throw fromWireError({ ...reply.error, message });
    }
    const answer = reply.kind === "extension" ? moveAnswer.safeParse(reply.body) : null;
    if (answer?.success !== true) return fail("unsupported", `The instance '${from}' cannot move requests.`);
    return { id: answer.data.migration, request, from, to };
  }

  setRouter(router: string): FleetRouterAnswer {
    const previous = this.#router.name;
    if (router !== previous) this.#router = new Router(router, this.random.fork("routing"));
    return { router, previous };
  }

  setScaling(enabled: boolean): FleetScalingAnswer {
    const scaler = this.#scaler ?? fail("not_found", "This router starts and stops no instances: it has no --scale.");
    return { enabled, previous: scaler.setEnabled(enabled) };
  }

  /** Ends the router: open requests may finish for `graceMs` (0 when absent), the others end with `shutting_down`. */
  stop(options: { readonly graceMs?: number } = {}): Promise<void> {
    this.#stopped ??= this.#stop(options.graceMs ?? 0);
    return this.#stopped;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #start(): Promise<void> {
    const { heartbeats } = this.#options;
    const nowMs = (): number => this.clock.nowMs();
    this.#undo.push(this.#bus.onStatus((status) => status === "connected" && this.#reconnected()));
    this.#undo.push(subscribed(this.#bus.subscribe(this.#names.moves, ({ data }) => this.#onMove(data))));
    if (this.durable !== "none") this.#work = await DurableWork.open(this.#bus, this.#names);
    this.#registry = await InstanceRegistry.open({
      bus: this.#bus,
      names: this.#names,
      clock: this.clock,
      log: (message) => this.#log(message),
      listener: {
        joined: (card) => {
          this.#instances.set(card.id, new FleetInstance(this.#nextIndex++, card, nowMs(), heartbeats));
          this.#lost.back(card.id);
          this.#emptySinceMs.delete(card.model);
          void this.#introduce(card);
        },
        changed: (card) => this.#instances.get(card.id)?.renewed(card),
        gone: (card, why) => this.#onGone(card, why),
      },
    });
    this.#tick();
    const timer = setInterval(() => this.#tick(), TICK_MS).unref();
    this.#undo.push(() => clearInterval(timer));
    await this.#scale();
  }

  /** Keeps the number of instances from now on, where that is asked for. */
  async #scale(): Promise<void> {
    const { scaling } = this.#options;
    if (scaling === undefined) return;
    const log = (message: string): void => this.#log(message);
    const id = this.link.router;
    const election = await Election.start({ bus: this.#bus, names: this.#names, office: "scaler", id, log });
    this.#election = election;
    const scaler = new FleetScaler(scaling, {
      instances: () =>
        Array.from(this.#instances.values(), ({ id: name, card, load }) => ({
          id: name,
          model: card.model,
          role: card.role,
          load,
        })),
      drain: (instance, undo) => this.#tellDrain(instance, undo),
      isActive: () => election.isElected && this.#bus.status === "connected",
      newId: () => `s-${this.random.uint32().toString(36)}`,
      log,
    });
    this.#scaler = scaler;
    const timer = setInterval(() => scaler.look(this.clock.nowMs()), SCALE_MS).unref();
    this.#undo.push(() => clearInterval(timer));
  }

  async #stop(graceMs: number): Promise<void> {
    await Promise.all(Array.from(this.#engines.values(), (engine) => engine.stop({ graceMs })));
    for (const step of this.#undo.splice(0)) step();
    await this.#election?.stop();
    this.link[Symbol.dispose]();
    await this.#registry?.[Symbol.asyncDispose]();
  }

  /** Reads what a model's texts are made of, unless it is known, and serves it. */
  async #introduce(card: InstanceCard): Promise<void> {
    const { model } = card;
    const known = this.#facts.get(card.facts.id);
    const reading = known ?? fetchFacts(this.#bus, this.#names, card);
    if (known === undefined) this.#facts.set(card.facts.id, reading);
    try {
      const facts = await reading;
      const instances = this.instances(model);
      if (this.#stopped !== null || this.#engines.has(model) || instances.length === 0) return;
      const engine = new FleetEngine(this, model, facts, instances);
      this.#engines.set(model, engine);
      this.#options.onModel?.(engine);
    } catch (error) {
      this.#facts.delete(card.facts.id);
      this.#log(`The vocabulary of ${model} could not be read from ${card.id}: ${String(error)}`);
      setTimeout(() => {
        const again = this.#instances.get(card.id)?.card;
        if (this.#stopped === null && again !== undefined) void this.#introduce(again);
      }, FACTS_RETRY_MS).unref();
    }
  }

  #onStream(message: StreamMessage): void {
    const stream = this.#streams.get(message.requestId);
    if (stream !== undefined) return stream.receive(message);
    // Over here, or of an earlier life of this router: nobody waits for it.
    const { instance, requestId } = message;
    if (message.kind === "events" || message.kind === "error") {
      const last = message.kind === "error" ? message.index : message.firstIndex + message.events.length - 1;
      this.link.tell(instance, { kind: "ack", requestId, nextIndex: last + 1, window: 0 });
      if (message.kind === "events" && message.events.at(-1)?.kind === "finish") return;
    }
    if (message.kind !== "error") this.link.tell(instance, { kind: "cancel", requestId });
  }

  #onSteps(message: StepsMessage): void {
    const card = this.#instances.get(message.instance)?.card;
    if (card !== undefined) this.#engines.get(card.model)?.tookSteps(message, this.clock.nowMs());
  }

  #onMove(data: Uint8Array): void {
    try {
      this.#moves.heard(decodeMessage(fleetMoveViewSchema, data), this.clock.nowMs());
    } catch (error) {
      this.#log(`A move cannot be read: ${String(error)}`);
    }
  }

  #onGone(card: InstanceCard, why: GoneReason): void {
    const instance = this.#instances.get(card.id);
    if (instance === undefined) return;
    const nowMs = this.clock.nowMs();
    if (why === "dead" || why === "expired") this.#lost.add(instanceView(instance, nowMs), why, nowMs);
    instance.gone = true;
    this.#moves.gone(instance.id, nowMs);
    this.#instances.delete(card.id);
    if (this.instances(card.model).length === 0) this.#emptySinceMs.set(card.model, nowMs);
    this.#engines.get(card.model)?.instanceGone(card.id, why !== "left");
    for (const stream of instance.open) stream.lost(instance, `it ${WHY[why]}`);
  }

  /** What was said meanwhile is lost: every stream is asked for again. */
  #reconnected(): void {
    this.#aliveMs = -Infinity;
    this.#tick();
    for (const stream of this.#streams.values()) stream.askAgain();
  }

  #tick(): void {
    const nowMs = this.clock.nowMs();
    if (nowMs - this.#aliveMs >= ALIVE_MS) {
      this.#aliveMs = nowMs;
      this.link.tellAll({ kind: "alive", router: this.link.router });
    }
    for (const stream of this.#streams.values()) stream.tick(nowMs);
    for (const engine of this.#engines.values()) engine.tick(nowMs);
    for (const instance of this.#instances.values()) {
      if (instance.open.size > 0 && nowMs - (instance.beats.lastMs ?? nowMs) > SILENT_MS) this.suspect(instance);
    }
    if (nowMs - this.#askedMs >= this.#askAfterMs / 2) {
      this.#askedMs = nowMs;
      for (const instance of this.#instances.values()) void this.#askFor(instance, nowMs);
    }
    const { forgetMs } = { ...DEFAULTS, ...this.#options };
    for (const [model, sinceMs] of this.#emptySinceMs) {
      if (nowMs - sinceMs > forgetMs) this.#forget(model);
    }
  }

  /** Requests that nothing is heard of: does the instance still have them? */
  async #askFor(instance: Target, nowMs: number): Promise<void> {
    const silent = [...instance.open]
      .filter((stream) => stream.silentMs(nowMs) > this.#askAfterMs)
      .slice(0, MOST_ASKED);
    if (silent.length === 0) return;
    const requestIds = silent.map(({ request }) => request.id);
    try {
      const reply = await this.link.ask(instance.id, { kind: "ping", requestIds }, CONTROL_TIMEOUT_MS);
      if (reply.kind !== "pong") return;
      const there = new Set(reply.requestIds);
      for (const stream of silent) {
        if (instance.open.has(stream)) stream.answeredFor(instance, there.has(stream.request.id));
      }
    } catch {
      this.suspect(instance); // whether it is there at all, its lease says
    }
  }

  get #askAfterMs(): number {
    return this.#options.askAfterMs ?? DEFAULT_ASK_AFTER_MS;
  }

  #forget(model: string): void {
    const engine = this.#engines.get(model);
    if (engine !== undefined && engine.open.size > 0) return; // looked at again when they have ended
    this.#emptySinceMs.delete(model);
    // Vocabularies are large: those that nobody serves any more are read again when somebody does.
    const served = new Set(Array.from(this.#instances.values(), ({ card }) => card.facts.id));
    for (const id of this.#facts.keys()) if (!served.has(id)) this.#facts.delete(id);
    if (engine === undefined) return;
    this.#engines.delete(model);
    void engine.stop({ graceMs: 0 });
    this.#options.onModelGone?.(model);
  }

  #log(message: string): void {
    this.#options.log?.(message);
  }
}

const moveAnswer = z.object({ migration: z.string().min(1).max(FLEET_VIEW_LIMITS.idCharacters) });

const WHY: Readonly<Record<GoneReason, string>> = {
  left: "has left",
  expired: "was not heard of for too long",
  dead: "is not there any more",
  restarted: "has been restarted",
};

function subscribed(subscription: BusWatch): () => void {
  return () => subscription.unsubscribe();
}
