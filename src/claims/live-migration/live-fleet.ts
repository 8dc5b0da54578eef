/**
 * A live fleet for claims, in this process: engines in worker threads, each an instance on the bus in memory that migrates
 * over TCP of this machine, and one router that is the client.
 */
import { Fleet, InstanceHost, MemoryBroker, Migration } from "../../cluster/index.ts";
import { Engine, type EngineOptions } from "../../runtime/index.ts";

/** One instance. */
export interface LiveInstance {
  readonly engine: Engine;
  readonly host: InstanceHost;
  readonly migration: Migration;
}

/** Engines, instances, a router. */
export interface LiveFleet extends AsyncDisposable {
  readonly instances: readonly LiveInstance[];
  readonly fleet: Fleet;
  /** All of them as one engine. */
  readonly engine: Engine;
}

/** Resolves when every instance is known to the router. */
export async function startLiveFleet(count: number, options: EngineOptions): Promise<LiveFleet> {
  const broker = new MemoryBroker();
  const instances: LiveInstance[] = [];
  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.toReversed()) await step();
  };
  try {
    for (let i = 0; i < count; i++) {
      const engine = await Engine.start(options);
      undo.push(() => engine.stop({ graceMs: 0 }));
      const migration = new Migration();
      const host = await InstanceHost.start({ engine, bus: broker.connect(), id: `i${i}`, extensions: [migration] });
      undo.push(() => host.stop({ graceMs: 0 }));
      instances.push({ engine, host, migration });
    }
    const fleet = await Fleet.join({ bus: broker.connect(), router: "round-robin" });
    undo.push(() => fleet.stop({ graceMs: 0 }));
    while (fleet.size < count) await new Promise((resolve) => setTimeout(resolve, 5));
    const engine = await fleet.ready();
    return { instances, fleet, engine, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
