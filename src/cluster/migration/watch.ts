/**
 * Who watches over the fleet: one instance of all that offer to, elected on the bus (registry/election.ts). Every look
 * (50 ms) it runs the fleet's migration policy over the loads of all instances of each model and tells the pairs that it
 * decides to their sources, which choose what moves. How many instances there are is a router's matter (scaling/).
 *
 * For a moment after a partition two may hold themselves for elected: what they decide is told twice then, which sources
 * that are moving something already do not follow.
 */
import { assert } from "../../core/index.ts";
import { FLEET_VERSION } from "../../protocol/index.ts";
import { liveClock } from "../../runtime/index.ts";
import { fleetWatcher, type FleetDecision, type FleetWatcher, type WatcherOptions } from "../../sched/index.ts";
import type { HostPort } from "../host/types.ts";
import { Election } from "../registry/election.ts";
import { encodeMessage } from "../wire.ts";
import type { FleetEye, SeenInstance } from "./fleet-eye.ts";

/** What is watched for. */
export interface FleetWatchOptions extends Pick<WatcherOptions, "migrate" | "everyMs"> {
  /** How long an election lasts without renewal, milliseconds; 3000 when absent. */
  readonly leaseMs?: number;
  /** Told what was decided. For tests and people. */
  readonly onDecision?: (model: string, decision: FleetDecision) => void;
  readonly log?: (message: string) => void;
}

/** See the head of this file. */
export class FleetWatch {
  readonly #host: HostPort;
  readonly #eye: FleetEye;
  readonly #options: FleetWatchOptions;
  readonly #election: Election;
  #timer: NodeJS.Timeout | null = null;
  /** By model fingerprint: thresholds follow the load of what can replace one another. */
  readonly #watchers = new Map<string, FleetWatcher>();

  private constructor(host: HostPort, eye: FleetEye, options: FleetWatchOptions, election: Election) {
    this.#host = host;
    this.#eye = eye;
    this.#options = options;
    this.#election = election;
  }

  /** @throws PunctualError unavailable, unsupported (the bus) */
  static async start(host: HostPort, eye: FleetEye, options: FleetWatchOptions): Promise<FleetWatch> {
    const { leaseMs, log, everyMs = 50 } = options;
    const { bus, names, id } = host;
    const election = await Election.start({
      bus,
      names,
      id,
      office: "watcher",
      mayServe: () => !host.isDraining,
      ...(leaseMs === undefined ? {} : { leaseMs }),
      ...(log === undefined ? {} : { log }),
    });
    const watch = new FleetWatch(host, eye, options, election);
    watch.#timer = setInterval(() => watch.#look(), everyMs).unref();
    return watch;
  }

  get isElected(): boolean {
    return this.#election.isElected;
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
    if (decision.kind !== "pair") return; // nothing else is asked of its policy
    const { onDecision } = this.#options;
    const { model } = group[0]!.card;
    const idOf = (index: number): string => {
      const seen = group.find(({ load }) => load.index === index);
      assert(seen !== undefined, "what is decided is decided of somebody who was looked at");
      return seen.card.id;
    };
    onDecision?.(model, decision);
    const body = { kind: "pair", to: idOf(decision.to) };
    this.#tell(idOf(decision.from), { kind: "extension", name: "migration", body });
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
    if (this.#timer !== null) clearInterval(this.#timer);
    await this.#election.stop();
  }
}
