/**
 * Who is in the fleet: the directory of cards, watched, with leases judged here. Cards that lie there when a reader comes may
 * be those of the dead: their instances are asked. An instance is there from its first card
 * until it takes it away, its lease runs out, or the bus says that nobody listens where it did.
 *
 * A reader that stood still itself (a paused machine) judges nobody by what it has missed: it begins to count anew.
 *
 * A lease alone needs three seconds to tell that a process was killed. An instance whose card is late is therefore asked,
 * and so is one that a router suspects: a broker knows at once that a connection has ended.
 */
import { PunctualError, type Clock } from "../../core/index.ts";
import {
  controlReplySchema,
  FLEET_VERSION,
  instanceCardSchema,
  type ControlMessage,
  type InstanceCard,
} from "../../protocol/index.ts";
import { liveClock } from "../../runtime/index.ts";
import type { Bus, BusWatch, KeyValueChange } from "../bus/types.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";
import { Leases } from "./leases.ts";
import type { FleetNames } from "./names.ts";

/** How long a card stands for its instance; it is put again three times as often. */
export const LEASE_MS = 3000;
/** A broker drops what nobody renews after that; readers judge much sooner. */
export const DIRECTORY_TTL_MS = 30_000;
const TICK_MS = 250;
const PING_MS = 1000;

/** Why an instance is not there any more. */
export type GoneReason = "left" | "expired" | "dead" | "restarted";

/** What a registry tells, in order. Must not throw. */
export interface RegistryListener {
  joined(card: InstanceCard): void;
  /** It put another card: it drains, it has moved. */
  changed(card: InstanceCard): void;
  gone(card: InstanceCard, why: GoneReason): void;
}

/** How to read a fleet. */
export interface RegistryOptions {
  readonly bus: Bus;
  readonly names: FleetNames;
  readonly listener: RegistryListener;
  /** 3000 when absent. */
  readonly leaseMs?: number;
  /** `liveClock` when absent. */
  readonly clock?: Clock;
  /** Told what cannot be read. */
  readonly log?: (message: string) => void;
}

/** See the head of this file. Ended by `await using`. */
export class InstanceRegistry implements AsyncDisposable {
  readonly #options: RegistryOptions;
  readonly #clock: Clock;
  readonly #leaseMs: number;
  readonly #leases: Leases;
  readonly #cards = new Map<string, InstanceCard>();
  readonly #pings = new Map<string, Promise<boolean>>();
  readonly #undo: (() => void)[] = [];
  /** When leases were looked at last. */
  #lookedMs: number;
  /** Until then nobody is taken for dead by silence on the bus: others may still be reconnecting. */
  #patientUntilMs = -Infinity;
  /** Cards that were there before this reader: of instances, or of the dead of the last half minute. */
  readonly #unproven = new Map<string, InstanceCard>();
  #isOpening = true;
  #watch: BusWatch | null = null;

  private constructor(options: RegistryOptions) {
    this.#options = options;
    this.#clock = options.clock ?? liveClock;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#leases = new Leases(this.#leaseMs);
    this.#lookedMs = this.#clock.nowMs();
  }

  /** Resolves when everybody who is there has been told. @throws PunctualError unavailable, unsupported. */
  static async open(options: RegistryOptions): Promise<InstanceRegistry> {
    const registry = new InstanceRegistry(options);
    const { bus, names } = options;
    const directory = await bus.keyValue(names.instances, { ttlMs: DIRECTORY_TTL_MS });
    registry.#undo.push(bus.onStatus((status) => registry.#onStatus(status === "connected")));
    registry.#watch = await directory.watch((change) => registry.#onChange(change));
    registry.#isOpening = false;
    await registry.#verify();
    const timer = setInterval(() => registry.tick(), TICK_MS).unref();
    registry.#undo.push(() => clearInterval(timer));
    return registry;
  }

  /** Everybody who is there, by id. */
  get cards(): ReadonlyMap<string, InstanceCard> {
    return this.#cards;
  }

  /**
   * Asks an instance whether it is there; when nobody listens where it did, it is gone from now on.
   * @returns false when it is gone; true also when it did not answer in time, which its lease will judge
   */
  suspect(id: string): Promise<boolean> {
    const known = this.#pings.get(id);
    if (known !== undefined) return known;
    const ping = this.#ping(id, "dead").finally(() => this.#pings.delete(id));
    this.#pings.set(id, ping);
    return ping;
  }

  /** Judges the leases now; the registry does it by itself a few times a second. */
  tick(): void {
    const nowMs = this.#clock.nowMs();
    const stoodStillMs = nowMs - this.#lookedMs;
    this.#lookedMs = nowMs;
    // What was put meanwhile waits to be read: everybody has a whole lease to be heard.
    if (stoodStillMs > this.#leaseMs / 2) this.#leases.healed(nowMs);
    for (const id of this.#leases.expired(nowMs)) this.#gone(id, "expired");
    for (const id of this.#leases.olderThan(this.#leaseMs / 2, nowMs)) void this.suspect(id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const step of this.#undo.splice(0)) step();
    this.#watch?.unsubscribe();
    await Promise.all(this.#pings.values());
  }

  #onStatus(isConnected: boolean): void {
    if (!isConnected) {
      this.#leases.cutOff();
      return;
    }
    const nowMs = this.#clock.nowMs();
    this.#leases.healed(nowMs);
    this.#patientUntilMs = nowMs + this.#leaseMs;
  }

  #onChange(change: KeyValueChange): void {
    if (change.kind === "ready") return;
    if (change.kind === "delete") {
      // It has left, or the broker forgot everything over a restart: only the instance knows.
      this.#unproven.delete(change.key);
      void this.#ping(change.key, "left");
      return;
    }
    let card: InstanceCard;
    try {
      card = decodeMessage(instanceCardSchema, change.value);
    } catch (error) {
      this.#options.log?.(`The card of ${change.key} cannot be read: ${String(error)}`);
      return;
    }
    if (card.id === change.key) this.#onCard(card, change.revision);
  }

  /** Whoever answers is there; whoever does not is when it puts another card. */
  async #verify(): Promise<void> {
    const verify = async (card: InstanceCard): Promise<void> => {
      if (await this.#answers(card.id)) this.#prove(card);
    };
    await Promise.all(Array.from(this.#unproven.values(), verify));
  }

  #prove(card: InstanceCard): void {
    if (!this.#unproven.delete(card.id)) return; // another card came meanwhile
    this.#leases.seen(card.id, -1, this.#clock.nowMs());
    this.#cards.set(card.id, card);
    this.#options.listener.joined(card);
  }

  #onCard(card: InstanceCard, revision: number): void {
    const { listener } = this.#options;
    if (this.#isOpening) {
      this.#unproven.set(card.id, card);
      return;
    }
    this.#unproven.delete(card.id);
    const known = this.#cards.get(card.id);
    if (known !== undefined && known.startedUnixMs !== card.startedUnixMs) this.#gone(card.id, "restarted");
    this.#leases.seen(card.id, revision, this.#clock.nowMs());
    const before = this.#cards.get(card.id);
    this.#cards.set(card.id, card);
    if (before === undefined) listener.joined(card);
    else if (JSON.stringify(before) !== JSON.stringify(card)) listener.changed(card);
  }

  #gone(id: string, why: GoneReason): void {
    const card = this.#cards.get(id);
    this.#leases.forget(id);
    if (!this.#cards.delete(id) || card === undefined) return;
    this.#options.listener.gone(card, why);
  }

  async #ping(id: string, reason: GoneReason): Promise<boolean> {
    const before = this.#cards.get(id);
    if (before === undefined) return false;
    // What was sent just before a connection ended is neither delivered nor refused: the second question tells.
    const isThere = (await this.#answers(id)) ?? (await this.#answers(id));
    if (isThere !== false || this.#clock.nowMs() < this.#patientUntilMs) return true;
    // Unless another life of it has begun meanwhile.
    if (this.#cards.get(id)?.startedUnixMs === before.startedUnixMs) this.#gone(id, reason);
    return this.#cards.has(id);
  }

  /** False when nobody listens where it did; null when that cannot be said. */
  async #answers(id: string): Promise<boolean | null> {
    const { bus, names } = this.#options;
    const message: ControlMessage = { version: FLEET_VERSION, kind: "ping" };
    try {
      const reply = await bus.request(names.control(id), encodeMessage(message), { timeoutMs: PING_MS });
      decodeMessage(controlReplySchema, reply.data);
      return true;
    } catch (error) {
      const isDeaf = error instanceof PunctualError && error.code === "unavailable" && bus.status === "connected";
      return isDeaf ? false : null;
    }
  }
}
