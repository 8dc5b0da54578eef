/** What tests of migration share: real engines of a tiny random model, hosts on a bus in memory, requests and their answers. */
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom, type RandomStream } from "../../core/index.ts";
import type { WireRequest } from "../../protocol/index.ts";
import { Engine, type EngineOptions } from "../../runtime/index.ts";
import { until } from "../bus/bus.conformance.ts";
import type { MemoryBroker } from "../bus/memory.ts";
import type { Bus } from "../bus/types.ts";
import { InstanceHost } from "../host/instance-host.ts";
import { TestReader } from "../host/reader.conformance.ts";
import { fleetNames } from "../registry/names.ts";
import { Migration, type MigrationOptions } from "./migration.ts";

export const names = fleetNames("move");

/** An instance. */
export interface Side {
  readonly id: string;
  readonly engine: Engine;
  readonly migration: Migration;
  readonly host: InstanceHost;
}

let count = 0;

export async function startEngine(over: Partial<EngineOptions> = {}): Promise<Engine> {
  return await Engine.start({
    model: { random: { ...TINY, maxPositions: 2048 }, seed: 3 },
    name: "tiny",
    kvPages: 160,
    budgetTokens: 32,
    maxRunning: 8,
    exact: true,
    checkEachStep: true,
    ...over,
  });
}

export async function startSide(
  engine: Engine,
  broker: MemoryBroker,
  options: MigrationOptions = {},
  wrap: (bus: Bus) => Bus = (bus) => bus,
): Promise<Side> {
  // A busy machine answers late.
  const migration = new Migration({ retryMs: 100, giveUpMs: 5000, silenceMs: 20_000, ...options });
  const { role = "any" } = options;
  const host = await InstanceHost.start({
    engine,
    bus: wrap(broker.connect()),
    fleet: "move",
    id: `m${count++}`,
    role,
    workItems: 0,
    extensions: [migration],
  });
  return { id: host.id, engine, migration, host };
}

/** Until each of them knows all of them, loads included. */
export async function acquainted(sides: readonly Side[]): Promise<void> {
  await until(() =>
    sides.every(({ migration }) => sides.every(({ id }) => migration.eye.find(id)?.load.accepting === true)),
  );
}

export function request(seed: number, over: Partial<WireRequest> = {}): Omit<WireRequest, "id"> {
  const random = createRandom(seed, "prompt");
  const promptTokens = Array.from({ length: 20 + (seed % 50) }, () => random.int(30, 300));
  return { promptTokens, maxTokens: 120, ignoreEos: true, sampling: { seed, temperature: 0.8 }, ...over };
}

/** What the engine says when nothing moves. */
export async function direct(
  engine: Engine,
  wanted: Omit<WireRequest, "id">,
): Promise<{ tokens: readonly number[]; text: string }> {
  const tokens: number[] = [];
  let text = "";
  for await (const event of engine.submit(wanted)) {
    text += event.text;
    if (event.kind === "token") tokens.push(event.id);
  }
  return { tokens, text };
}

/** Until nothing runs, moves or holds a page anywhere. */
export async function quiet(sides: readonly Side[]): Promise<void> {
  await until(
    () =>
      sides.every(({ engine, migration }) => {
        const { running, waiting, paused, kv } = engine.stats();
        const { outgoing, incoming } = migration.stats;
        return running + waiting + paused + kv.pagesUsed + outgoing + incoming === 0;
      }),
    30_000,
  );
}

/** A bus whose messages are lost, doubled and late. */
export function unreliable(bus: Bus, random: RandomStream, share: number): Bus {
  return new Proxy(bus, {
    get: (target, key) => {
      if (key !== "publish") {
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? (value as () => unknown).bind(target) : value;
      }
      return (subject: string, data: Uint8Array) => {
        const fate = random.uniform() / share;
        if (fate < 0.3) return;
        target.publish(subject, data);
        if (fate < 0.6) target.publish(subject, data);
        else if (fate < 1) {
          setTimeout(() => {
            if (target.status === "connected") target.publish(subject, data);
          }, 30);
        }
      };
    },
  });
}

/** What a soak has seen. */
export interface SoakReport {
  readonly requests: number;
  readonly moved: number;
  readonly stayed: Readonly<Record<string, number>>;
  /** Requests whose answer was not the one that it should have been. */
  readonly wrong: readonly string[];
}

/** What a soak does. */
export interface SoakOptions {
  readonly sides: readonly Side[];
  readonly bus: Bus;
  readonly seed: string;
  /** Moves that have to succeed. */
  readonly moves: number;
  /** Requests open at once. */
  readonly open: number;
  /** Different requests; their answers are computed beforehand. */
  readonly kinds: readonly Omit<WireRequest, "id">[];
}

/** Requests without end, moved about at random, until so many moves have succeeded; every answer is compared. */
export async function soak({ sides, bus, seed, moves, open, kinds }: SoakOptions): Promise<SoakReport> {
  const expected = await Promise.all(kinds.map(async (kind) => await direct(sides[0]!.engine, kind)));
  const random = createRandom(seed, "soak");
  const stayed: Record<string, number> = {};
  const wrong: string[] = [];
  let [requests, moved] = [0, 0];
  const client = async (): Promise<void> => {
    while (moved < moves) {
      const kind = random.int(0, kinds.length - 1);
      const id = `${seed}-${requests++}`;
      const reader = new TestReader(bus, names, id, { window: random.pick([8, 64, 256]) });
      const reply = await reader.submit(names.submit(random.pick(sides).id), kinds[kind]!).catch(() => null);
      if (reply?.kind === "accepted") {
        await reader.end(120_000);
        const { tokens, text } = expected[kind]!;
        const isRight = reader.error === null && reader.text === text && reader.tokens.join() === tokens.join();
        if (!isRight) wrong.push(`${id}: ${reader.error?.error.message ?? "other tokens"}`);
      }
      reader.close();
    }
  };
  const mover = async (): Promise<void> => {
    while (moved < moves) {
      const from = random.pick(sides);
      const hosted = from.host.port.requests();
      const to = random.pick(sides.filter((one) => one !== from));
      const mode = random.pick(["live", "live", "live", "blocking", "recompute"] as const);
      const chosen = hosted.length === 0 ? null : random.pick(hosted);
      const move = chosen && (await from.migration.move(chosen.requestId, to.id, { mode }).catch(() => null));
      if (move === null) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        continue;
      }
      const report = await move.done;
      if (report.outcome === "moved") moved += 1;
      else stayed[report.stayReason!] = (stayed[report.stayReason!] ?? 0) + 1;
    }
  };
  await Promise.all([...Array.from({ length: open }, client), ...Array.from({ length: Math.ceil(open / 2) }, mover)]);
  return { requests, moved, stayed, wrong };
}
