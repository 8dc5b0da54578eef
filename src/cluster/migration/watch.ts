/**
 * Who watches over the fleet: one instance of all that offer to, elected by a lease in a directory of the bus. Every look
 * (50 ms) it runs the fleet's policies over the loads of all instances of each model and carries out what they decide: pairs
 * are told to their sources, which choose what moves; instances are drained, or asked for.
 *
 * The lease is kept by putting the same entry again; when its holder dies the entry ends by itself and the first to make it
 * anew is elected. For a moment after a partition two may hold themselves for elected: what they decide is told twice then,
 * which sources that are moving something already do not follow.
 */
import { assert } from "../../core/index.ts";
import { FLEET_VERSION } from "../../protocol/index.ts";
import { liveClock } from "../../runtime/index.ts";
import { fleetWatcher, type FleetDecision, type FleetWatcher, type WatcherOptions } from "../../sched/index.ts";
import type { KeyValue } from "../bus/types.ts";
import type { HostPort } from "../host/types.ts";
import { encodeMessage } from "../wire.ts";
import type { FleetEye, SeenInstance } from "./fleet-eye.ts";

/** What is watched for. */
export interface FleetWatchOptions extends WatcherOptions {
  /** How long an election lasts without renewal, milliseconds; 3000 when absent. */
  readonly leaseMs?: number;
  /** Starts an instance of that model; without it, nothing is started. */
  readonly onStart?: (model: string) => void;
  /** Told what was decided. For tests and people. */
  readonly onDecision?: (model: string, decision: FleetDecision) => void;
  readonly log?: (message: string) => void;
}

const KEY = "watcher";
const DEFAULT_LEASE_MS = 3000;

/** See the head of this file. */
export class FleetWatch {
  readonly #host: HostPort;
  readonly #eye: FleetEye;
  readonly #options: FleetWatchOptions;
  readonly #directory: KeyValue;
  readonly #timers: NodeJS.Timeout[] = [];
  /** By model fingerprint: thresholds follow the load of what can replace one another. */
  readonly #watchers = new Map<string, FleetWatcher>();
  /** Elected until then, by this clock. */
  #untilMs = -Infinity;
  #isRenewing = false;

  private constructor(host: HostPort, eye: FleetEye, options: FleetWatchOptions, directory: KeyValue) {
    this.#host = host;
    this.#eye = eye;
    this.#options = options;
    this.#directory = directory;
  }

  /** @throws PunctualError unavailable, unsupported (the bus) */
  static async start(host: HostPort, eye: FleetEye, options: FleetWatchOptions): Promise<FleetWatch> {
    const { leaseMs = DEFAULT_LEASE_MS, everyMs = 50 } = options;
    const directory = await host.bus.keyValue(host.names.watchers, { ttlMs: leaseMs });
    const watch = new FleetWatch(host, eye, options, directory);
    watch.#timers.push(setInterval(() => void watch.#renew(), leaseMs / 3).unref());
    watch.#timers.push(setInterval(() => watch.#look(), everyMs).unref());
    await watch.#renew();
    return watch;
  }

  get isElected(): boolean {
    return liveClock.nowMs() < this.#untilMs;
  }

  async #renew(): Promise<void> {
    const { bus, id, isDraining } = this.#host;
    if (this.#isRenewing || bus.status !== "connected" || isDraining) return;
    this.#isRenewing = true;
    const { leaseMs = DEFAULT_LEASE_MS } = this.#options;
    const beganMs = liveClock.nowMs();
    const mine = new TextEncoder().encode(id);
    try {
      const entry = await this.#directory.get(KEY);
      const isMine = entry !== null && new TextDecoder().decode(entry.value) === id;
      if (isMine) await this.#directory.put(KEY, mine);
      else if (entry !== null || (await this.#directory.create(KEY, mine)) === null) {
        this.#untilMs = -Infinity;
        return;
      }
      this.#untilMs = beganMs + leaseMs;
    } catch (error) {
      this.#options.log?.(`Who watches could not be settled: ${String(error)}`);
    } finally {
      this.#isRenewing = false;
    }
  }

  #look(): void {
    if (!this.isElected) return;
    const groups = new Map<string, SeenInstance[]>();
    for (const seen of this.#eye.instances()) {
      const group = groups.get(seen.card.fingerprint);
      if (group === undefined) groups.set(seen.card.fingerprint, [seen]);
      else group.push(seen);
    }
    for (const [fingerprint, group] of groups) {
      const watcher = this.#watchers.get(fingerprint) ?? fleetWatcher(this.#options);
      this.#watchers.set(fingerprint, watcher);
      const decisions = watcher.decide(
        group.map(({ load }) => load),
        liveClock.nowMs(),
      );
      for (const decision of decisions) this.#carryOut(decision, group);
    }
    for (const fingerprint of this.#watchers.keys()) if (!groups.has(fingerprint)) this.#watchers.delete(fingerprint);
  }

  #carryOut(decision: FleetDecision, group: readonly SeenInstance[]): void {
    const { onStart, onDecision } = this.#options;
    const { model } = group[0]!.card;
    const idOf = (index: number): string => {
      const seen = group.find(({ load }) => load.index === index);
      assert(seen !== undefined, "what is decided is decided of somebody who was looked at");
      return seen.card.id;
    };
    onDecision?.(model, decision);
    switch (decision.kind) {
      case "pair": {
        const body = { kind: "pair", to: idOf(decision.to) };
        return this.#tell(idOf(decision.from), { kind: "extension", name: "migration", body });
      }
      case "start":
        return onStart?.(model);
      case "drain":
        return this.#tell(idOf(decision.instance), { kind: "drain" });
      default:
        return decision satisfies never;
    }
  }

  #tell(instance: string, message: object): void {
    const { bus, names } = this.#host;
    try {
      bus.publish(names.control(instance), encodeMessage({ version: FLEET_VERSION, ...message }));
    } catch (error) {
      this.#options.log?.(`A decision could not be told: ${String(error)}`);
    }
  }

  /** Looks no more; somebody else is elected at once. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    const wasElected = this.isElected;
    this.#untilMs = -Infinity;
    if (wasElected && this.#host.bus.status === "connected") await this.#directory.delete(KEY).catch(() => undefined);
  }
}
