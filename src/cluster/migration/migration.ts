/**
 * Live migration as part of an instance: takes and gives sequences, chooses what leaves when somebody who watches the fleet
 * says that there is room elsewhere, and moves everything away when the instance drains (Llumnix's llumlet, OSDI'24). Who
 * watches sees instances only; which sequence moves is decided here, where the sequences are.
 *
 *   const migration = new Migration({ role: "any" });
 *   await InstanceHost.start({ engine, bus, extensions: [migration] });
 *   const report = await migration.move("request-7", "i-other").done;
 */
import { randomBytes } from "node:crypto";
import { fail, PunctualError } from "../../core/index.ts";
import { FLEET_VERSION, type FleetMoveReason, type FleetMoveView } from "../../protocol/index.ts";
import { after, liveClock, sleep, type SequenceExport, type TransferCandidate } from "../../runtime/index.ts";
import {
  llumnixMigrants,
  priorityBySlo,
  type Migrants,
  type MigrationSource,
  type SequenceView,
} from "../../sched/index.ts";
import type { HostExtension, HostPort } from "../host/types.ts";
import { KvClient } from "../kv/client.ts";
import { KvServer } from "../kv/server.ts";
import type { FrameCodec, KvAddress, KvSource, KvTls } from "../kv/types.ts";
import { decodeBody, encodeMessage } from "../wire.ts";
import { bestTarget } from "./destination.ts";
import { FleetEye } from "./fleet-eye.ts";
import { HandOverDesk } from "./hand-over.ts";
import { Incoming, type PromptMemory } from "./incoming.ts";
import { MigrationLedger, type MigrationStats } from "./ledger.ts";
import { Outgoing, resourceOf, type MoveReport } from "./outgoing.ts";
import { withDefaults, type AllSettings, type MigrationSettings } from "./settings.ts";
import { isOver } from "./source.ts";
import { isSettled } from "./target.ts";
import type { MigrationMode } from "./types.ts";
import { FleetWatch, type FleetWatchOptions } from "./watch.ts";
import { migrationMessageSchema, type Door, type FromSource, type FromTarget, type MigrationMessage } from "./wire.ts";

/** How an instance migrates. */
export interface MigrationOptions extends MigrationSettings {
  /** What the instance is for, as its host says; "any" when absent. */
  readonly role?: "any" | "prefill" | "decode";
  /** Where pages are served; 127.0.0.1 and any free port when absent. */
  readonly listen?: { readonly host?: string; readonly port?: number };
  /** How others reach it, when that is not where it listens. */
  readonly advertise?: KvAddress;
  /** The same for the host only: the port is the one that it listens on. */
  readonly advertiseHost?: string;
  readonly tls?: KvTls;
  /** Pages travel coded by the first of them that the other side has, too. */
  readonly codecs?: readonly FrameCodec[];
  /** False: not between instances of one machine. True when absent. */
  readonly codesLocally?: boolean;
  /** Takes part in watching over the fleet: one instance of all that do is elected. Nobody watches when absent. */
  readonly watch?: FleetWatchOptions;
  /** What an instance remembers of prompts beyond its cache: put there before a sequence comes, so that less has to travel. */
  readonly memory?: PromptMemory;
  /** Chooses what leaves; Llumnix's choice when absent. */
  readonly migrants?: Migrants;
  /** Told of every move from here when it is over. Must not throw. */
  readonly onMoved?: (report: MoveReport) => void;
  readonly log?: (message: string) => void;
}

/** A move that has begun. */
export interface BegunMove {
  readonly migration: string;
  readonly done: Promise<MoveReport>;
}

/** Most migrations whose outcome is remembered: more than can come within `rememberMs` in any sane fleet. */
const MAX_REMEMBERED = 4096;
const SWEEP_MS = 1000;
/** How moves stand is told so much later, once for all that has happened: telling must not hold up what is told of. */
const TELL_MS = 20;
const EVACUATION_PAUSE_MS = 100;

/** See the head of this file. Serves one host. */
export class Migration implements HostExtension {
  readonly name = "migration";
  readonly settings: AllSettings;
  readonly #options: MigrationOptions;
  readonly #migrants: Migrants;
  readonly #outgoing = new Map<string, Outgoing>();
  readonly #beginning = new Set<string>();
  readonly #incoming = new Map<string, Incoming>();
  /** Of requests that wait to be handed over and were offered before: an engine opens one export of each. */
  readonly #waiting = new Map<string, SequenceExport>();
  /** When sequences that came here did so. */
  readonly #arrivals = new Map<string, number>();
  readonly #ledger = new MigrationLedger();
  /** Moves whose state was not told yet, and how they ended. */
  readonly #untold = new Map<Outgoing, MoveReport | null>();
  #disarmTelling: (() => void) | null = null;
  #parts: Parts | null = null;
  #watch: FleetWatch | null = null;
  #handOver: HandOverDesk | null = null;
  #sweep: NodeJS.Timeout | null = null;

  constructor(options: MigrationOptions = {}) {
    this.#options = options;
    this.settings = withDefaults(options);
    this.#migrants = options.migrants ?? llumnixMigrants({ restMs: this.settings.restMs });
  }

  /** How migrations went, since the start. */
  get stats(): MigrationStats {
    return this.#ledger.stats(this.#parts?.server.stats ?? null, this.#moving());
  }

  /** Where others reach it. Only while the host runs, as all of these. */
  get address(): KvAddress {
    return this.#need().address;
  }
  /** The server of pages: what else is carried (contexts) is offered there. */
  get server(): KvServer {
    return this.#need().server;
  }
  get client(): KvClient {
    return this.#need().client;
  }
  get eye(): FleetEye {
    return this.#need().eye;
  }
  /** How many more migrations to here may begin now. */
  get incomingLeft(): number {
    return Math.max(0, this.settings.maxIncoming - this.#comingIn(false));
  }
  /** The same for prompts that are being computed. */
  get growingLeft(): number {
    return Math.max(0, this.settings.maxGrowing - this.growing);
  }
  /** Sequences that come here while their prompts are computed: they have a place and pages. */
  get growing(): number {
    return this.#comingIn(true);
  }
  /** True in the instance that watches over the fleet now. */
  get isWatching(): boolean {
    return this.#watch?.isElected ?? false;
  }

  async start(host: HostPort): Promise<{ readonly kv?: KvAddress }> {
    const { listen = {}, tls, codecs = [], codesLocally = true, log, role = "any", watch } = this.#options;
    const fingerprint = host.engine.info.modelFingerprint ?? host.id;
    const shared = { fingerprint, codecs, ...(tls === undefined ? {} : { tls }) };
    const server = await KvServer.listen({ ...shared, ...listen, ...(log === undefined ? {} : { log }) });
    const client = new KvClient({ ...shared, codesLocally });
    const eye = await FleetEye.open(host.bus, host.names, (id) => this.#onGone(id));
    const { advertiseHost = server.address.host } = this.#options;
    const address = this.#options.advertise ?? { host: advertiseHost, port: server.address.port };
    this.#parts = { host, server, client, eye, address };
    if (watch !== undefined) this.#watch = await FleetWatch.start(host, eye, watch);
    if (role !== "any") this.#handOver = new HandOverDesk({ host, eye, role, mover: this });
    this.#sweep = setInterval(() => this.#forget(), SWEEP_MS);
    this.#sweep.unref();
    return { kv: address };
  }

  /**
   * Begins to move a request to another instance.
   * @throws PunctualError not_found, busy (it moves already, too many do), unsupported, unavailable (no such instance).
   */
  async move(
    requestId: string,
    to: string,
    options: { readonly mode?: MigrationMode; readonly reason?: FleetMoveReason } = {},
  ): Promise<BegunMove> {
    const { host, client, eye, server, address } = this.#need();
    const { mode = "live", reason = "asked" } = options;
    if (to === host.id) fail("invalid_request", `'${requestId}' is here already.`, { param: "to" });
    if (eye.find(to) === null) fail("unavailable", `There is no instance '${to}'.`, { param: "to" });
    const hosted = host.request(requestId) ?? fail("not_found", `There is no request '${requestId}' here.`);
    if (this.#outgoing.size + this.#beginning.size >= this.settings.maxOutgoing && reason !== "hand-off") {
      fail("busy", `${this.settings.maxOutgoing} requests leave already.`, { retryAfterMs: 50 });
    }
    if (this.#beginning.has(requestId) || this.#leaves(requestId)) fail("busy", `'${requestId}' leaves already.`);
    this.#beginning.add(requestId);
    try {
      const exported = this.#waiting.get(requestId) ?? (await host.engine.transfers.export(requestId));
      if (mode === "hand-over") this.#waiting.set(requestId, exported);
      const { computed, running } = await exported.progress();
      const migration = randomBytes(16).toString("hex");
      const isGrowing = mode === "hand-over" && running && exported.whenGrown !== undefined;
      const tokens = isGrowing ? exported.request.promptTokens.length : computed;
      const pages = Math.ceil(tokens / exported.pageTokens);
      const { pageBytes } = exported;
      const available = async (first: number): Promise<number> => await one.available(first);
      const isUrgent = (): boolean => one.isUrgent;
      const source: KvSource = { pageBytes, pages, available, isUrgent, read: exported.read.bind(exported) };
      const door: Door | null = mode === "hand-over" ? { address, token: randomBytes(18).toString("base64url") } : null;
      const undo = door === null ? null : server.offer(resourceOf(migration), { token: door.token, source });
      const tell = (target: string, message: FromSource): void => this.#tell(target, message);
      const { settings } = this;
      const parts = {
        migration,
        host,
        client,
        settings,
        hosted,
        exported,
        to,
        mode,
        reason,
        pages,
        isGrowing,
        door,
        tell,
      };
      const one: Outgoing = new Outgoing({ ...parts, onChange: () => this.#onChange(one) });
      this.#outgoing.set(migration, one);
      this.#onChange(one);
      void one.done.then((report) => {
        undo?.();
        this.#onOver(one, report);
      });
      return { migration, done: one.done };
    } catch (error) {
      this.#waiting.delete(requestId);
      throw error;
    } finally {
      this.#beginning.delete(requestId);
    }
  }

  /** Pages of a request on its way from here that its target may have; null when it does not leave. */
  pagesGiven(requestId: string): number | null {
    return this.#leaving(requestId)?.state.copied ?? null;
  }

  /** It is to stay for now, if that is still possible. */
  holdBack(requestId: string): void {
    this.#leaving(requestId)?.cancel("cancelled");
  }

  /** A request that waits to be handed over is decoded here. @throws PunctualError not_found, busy (it moves) */
  async keep(requestId: string): Promise<void> {
    if (this.#beginning.has(requestId) || this.#leaves(requestId)) fail("busy", `'${requestId}' leaves already.`);
    const known = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    await (known ?? (await this.#need().host.engine.transfers.export(requestId))).resume();
  }

  /** Sequences of the engine that could leave: on their way are none of them, nor those that have just come. */
  async candidates(): Promise<readonly TransferCandidate[]> {
    const { host } = this.#need();
    const nowMs = liveClock.nowMs();
    const all = await host.engine.transfers.list();
    return all.filter(({ requestId, leaving }) => {
      const arrivedMs = this.#arrivals.get(requestId) ?? -Infinity;
      return !leaving && this.#mayMove(requestId) && nowMs - arrivedMs >= this.settings.restMs;
    });
  }

  async control(body: unknown): Promise<unknown> {
    const message: MigrationMessage = decodeBody(migrationMessageSchema, body);
    switch (message.kind) {
      case "offer":
      case "reserve":
      case "commit":
      case "withdraw":
        return this.#fromSource(message);
      case "accepted":
      case "reserved":
      case "aborted":
      case "adopted":
        return this.#fromTarget(message);
      case "move": {
        const { requestId, to, mode, reason } = message;
        const { migration } = await this.move(requestId, to, { ...(mode && { mode }), ...(reason && { reason }) });
        return { migration };
      }
      case "pair":
        return await this.#relieve(message.to);
      case "claim":
        return this.#handOver?.claim(message.requestId, message.by, message.freeSteps);
      default:
        return message satisfies never;
    }
  }

  /** Moves away what can be moved, until nothing is left or time is up. */
  async evacuate(signal: AbortSignal): Promise<void> {
    const { host, eye } = this.#need();
    for (const one of this.#incoming.values()) one.cancel("cancelled");
    while (!signal.aborted) {
      const all = await host.engine.transfers.list();
      const left = all.filter(
        ({ requestId, leaving }) =>
          this.#mayMove(requestId) && (!leaving || (this.#waiting.has(requestId) && !this.#leaves(requestId))),
      );
      if (left.length === 0 && this.#outgoing.size === 0) return;
      const begun: Promise<unknown>[] = [];
      for (const candidate of left) {
        if (this.#outgoing.size >= this.settings.maxOutgoing) break;
        const to = bestTarget(eye.instances(), host.id, candidate);
        if (to === null) continue;
        const mode = candidate.state === "frozen" ? "hand-over" : "live";
        const move = await this.move(candidate.requestId, to, { reason: "drain", mode }).catch(() => null);
        if (move !== null) begun.push(move.done);
      }
      if (begun.length > 0) await Promise.race(begun);
      else await sleep(EVACUATION_PAUSE_MS, signal);
    }
  }

  async stop(): Promise<void> {
    if (this.#sweep !== null) clearInterval(this.#sweep);
    await this.#watch?.stop();
    this.#handOver?.stop();
    for (const one of this.#outgoing.values()) one.cancel("cancelled");
    for (const one of this.#incoming.values()) one.cancel("cancelled");
    await Promise.race([Promise.all([...this.#outgoing.values()].map(({ done }) => done)), sleep(1000)]);
    const parts = this.#parts;
    if (parts === null) return;
    this.#tellMoves();
    await parts.eye[Symbol.asyncDispose]();
    await parts.client.close();
    await parts.server.close();
  }

  #need(): Parts {
    return this.#parts ?? fail("unavailable", "Migration has not begun.");
  }

  /** It is here, and its keys and values mean the same elsewhere: an adapter's are its own, and end here. */
  #mayMove(requestId: string): boolean {
    const hosted = this.#need().host.request(requestId);
    return hosted !== null && hosted.request.adapter === undefined;
  }

  #leaves(requestId: string): boolean {
    return this.#leaving(requestId) !== null;
  }

  #leaving(requestId: string): Outgoing | null {
    for (const one of this.#outgoing.values()) if (one.parts.hosted.requestId === requestId) return one;
    return null;
  }

  #fromSource(message: FromSource): void {
    const known = this.#incoming.get(message.migration);
    if (known !== undefined) return known.receive(message);
    const { host } = this.#need();
    if (message.kind === "offer") {
      for (const one of this.#outgoing.values()) {
        if (one.parts.hosted.requestId === message.request.id) one.comesBack(message.epoch);
      }
    }
    const isGrowing = message.kind === "offer" && message.growing === true;
    const isFull = (isGrowing ? this.growingLeft : this.incomingLeft) === 0;
    // Beyond what can be remembered nothing is said: a refusal that is forgotten could be contradicted.
    if (this.#incoming.size >= MAX_REMEMBERED) return;
    const one = this.#newIncoming(message.migration);
    this.#incoming.set(message.migration, one);
    if (message.kind === "offer" && (isFull || host.isDraining)) one.cancel("refused");
    one.receive(message);
    this.#tellMoving();
  }

  #newIncoming(migration: string): Incoming {
    const { host, client, server, address } = this.#need();
    return new Incoming({
      migration,
      host,
      client,
      server,
      address: () => address,
      settings: this.settings,
      ...(this.#options.memory === undefined ? {} : { memory: this.#options.memory }),
      tell: (to, message) => this.#tell(to, message),
      onAdopted: (requestId) => {
        this.#arrivals.set(requestId, liveClock.nowMs());
        this.#ledger.adopted();
      },
      onHeld: (requestId) => this.#handOver?.held(requestId),
      onSettled: () => this.#tellMoving(),
    });
  }

  #fromTarget(message: FromTarget): void {
    const one = this.#outgoing.get(message.migration);
    if (one !== undefined) return one.receive(message);
    if (message.kind !== "accepted" && message.kind !== "reserved") return;
    // Of a move that was given up here: the other side does not know yet.
    const { migration } = message;
    this.#tell(message.from, { kind: "withdraw", from: this.#need().host.id, migration, reason: "cancelled" });
  }

  /** Someone has room for what should leave. */
  async #relieve(to: string): Promise<void> {
    const { host, eye } = this.#need();
    const [own, target] = [eye.find(host.id), eye.find(to)];
    if (own === null || target === null || this.#outgoing.size > 0) return;
    if (target.card.fingerprint !== own.card.fingerprint) return;
    const candidates = await this.candidates();
    const of = (wanted: TransferCandidate["state"]): SequenceView[] =>
      candidates
        .filter(({ state }) => state === wanted)
        .map(({ view }) => ({ ...view, priority: view.priority ?? priorityBySlo(view.slo) }));
    const source: MigrationSource = { load: own.load, running: of("running"), waiting: of("waiting") };
    for (const id of this.#migrants.choose(source, target.load, liveClock.nowMs())) {
      const candidate = candidates.find(({ view }) => view.id === id);
      if (candidate === undefined) continue;
      const reason = host.isDraining ? "drain" : "balance";
      const move = await this.move(candidate.requestId, to, { reason }).catch((error: unknown) => {
        this.#options.log?.(`'${candidate.requestId}' could not leave: ${String(error)}`);
        return null;
      });
      if (move === null) return;
    }
  }

  #tell(to: string, message: FromSource | FromTarget): void {
    const { host } = this.#need();
    const body = { version: FLEET_VERSION, kind: "extension", name: this.name, body: message };
    try {
      if (host.bus.status === "connected") host.bus.publish(host.names.control(to), encodeMessage(body));
    } catch (error) {
      // As if it had been lost: it is said again.
      this.#options.log?.(`A message about a migration could not be sent: ${String(error)}`);
    }
  }

  #moving(): { readonly outgoing: number; readonly incoming: number } {
    let incoming = 0;
    for (const { state } of this.#incoming.values()) if (!isSettled(state)) incoming += 1;
    return { outgoing: this.#outgoing.size, incoming };
  }

  /** Of those that come, the ones whose prompts are being computed, or the others. */
  #comingIn(isGrowing: boolean): number {
    let count = 0;
    for (const one of this.#incoming.values()) if (!isSettled(one.state) && one.isGrowing === isGrowing) count += 1;
    return count;
  }

  #tellMoving(): void {
    this.#parts?.host.setMoving(this.#moving());
  }

  #onChange(one: Outgoing): void {
    this.#tellMoving();
    if (!this.#untold.has(one)) this.#untold.set(one, null);
    this.#disarmTelling ??= after(TELL_MS, () => this.#tellMoves());
  }

  #onOver(one: Outgoing, report: MoveReport): void {
    this.#outgoing.delete(report.migration);
    const isLost = report.stayReason === "ended" || report.stayReason === "preempted";
    if (report.outcome === "moved" || isLost) this.#waiting.delete(report.requestId);
    this.#ledger.ended(report);
    this.#tellMoving();
    this.#untold.set(one, report);
    this.#disarmTelling ??= after(TELL_MS, () => this.#tellMoves());
    this.#handOver?.ended(report);
    this.#options.onMoved?.(report);
  }

  #tellMoves(): void {
    this.#disarmTelling?.();
    this.#disarmTelling = null;
    for (const [one, report] of this.#untold) {
      // One that is over and has pages to free: its outcome follows, with its end.
      if (report !== null || !isOver(one.state)) this.#publish(this.#ledger.view(one, report));
    }
    this.#untold.clear();
  }

  /** For who shows the fleet; nobody decides by it. */
  #publish(view: FleetMoveView): void {
    const { host } = this.#need();
    try {
      if (host.bus.status === "connected") host.bus.publish(host.names.moves, encodeMessage(view));
    } catch (error) {
      this.#options.log?.(`A move could not be told: ${String(error)}`);
    }
  }

  #onGone(id: string): void {
    for (const one of this.#outgoing.values()) if (one.parts.to === id) one.targetGone();
  }

  /** What nobody can ask for any more. */
  #forget(): void {
    const nowMs = liveClock.nowMs();
    for (const [migration, { settledMs }] of this.#incoming) {
      if (settledMs !== null && nowMs - settledMs > this.settings.rememberMs) this.#incoming.delete(migration);
    }
    for (const [requestId, atMs] of this.#arrivals) {
      if (nowMs - atMs > this.settings.restMs) this.#arrivals.delete(requestId);
    }
    for (const one of this.#outgoing.values()) {
      // A target that is not heard of is asked about long before its lease ends.
      if (nowMs - one.startMs > this.settings.giveUpMs / 2) void this.#parts?.eye.suspect(one.parts.to);
    }
  }

  /** Nothing is under way, in either direction. For tests. @throws PunctualError busy */
  checkIdle(): void {
    const { outgoing, incoming } = this.#moving();
    if (outgoing + incoming > 0) throw new PunctualError("busy", `${outgoing} leave, ${incoming} come.`);
  }
}

interface Parts {
  readonly host: HostPort;
  readonly server: KvServer;
  readonly client: KvClient;
  readonly eye: FleetEye;
  readonly address: KvAddress;
}
