/**
 * The fleet policies of sched/ as a controller of a simulation: what the watcher decides of instances becomes actions,
 * each source choosing what it sends. Instances are started like the first one.
 */
import type { FleetWatcher, Migrants } from "../sched/index.ts";
import type { FleetAction, FleetController, FleetView, MigrationModel } from "./types.ts";

/** What a controller is made of. */
export interface FleetControllerOptions {
  readonly watcher: FleetWatcher;
  /** Needed by watchers that pair instances. */
  readonly migrants?: Migrants;
  readonly migration?: MigrationModel;
  /** From the decision until a new instance serves, milliseconds; 0 when absent. */
  readonly startMs?: number;
}

/** See the head of this file. Serves one simulation. */
export function fleetController(options: FleetControllerOptions): FleetController {
  const { watcher, migrants, migration, startMs = 0 } = options;
  const { name, everyMs } = watcher;
  const pairActions = (fleet: FleetView, from: number, to: number): FleetAction[] => {
    const target = fleet.instances.find(({ index }) => index === to);
    if (migrants === undefined || target === undefined) return [];
    const ids = migrants.choose(fleet.source(from), target, fleet.nowMs);
    return ids.map((id) => ({ kind: "migrate", id, from, to }));
  };
  return {
    name,
    everyMs,
    ...(migration === undefined ? {} : { migration }),
    tick: (fleet) =>
      watcher.decide(fleet.instances, fleet.nowMs).flatMap((decision): FleetAction[] => {
        switch (decision.kind) {
          case "pair":
            return pairActions(fleet, decision.from, decision.to);
          case "start":
            return [{ kind: "start", like: 0, delayMs: startMs }];
          case "drain":
            return [decision];
          default:
            return decision satisfies never;
        }
      }),
  };
}

/** What copying keys and values rests on. */
export interface LinkOptions {
  /** Of keys and values of one token. */
  readonly kvBytesPerToken: number;
  readonly bytesPerSecond: number;
  /** Messages of one stage to and fro, milliseconds. */
  readonly handshakeMs: number;
  /** See MigrationModel; Llumnix measured at most 1 %. */
  readonly slowdown?: number;
}

/** Migration of a kind over a link of constant speed. */
export function linkMigration(kind: MigrationModel["kind"], link: LinkOptions): MigrationModel {
  const { kvBytesPerToken, bytesPerSecond, handshakeMs, slowdown = 0.01 } = link;
  return {
    kind,
    slowdown,
    stageMs: (tokens) => handshakeMs + ((tokens * kvBytesPerToken) / bytesPerSecond) * 1000,
  };
}
