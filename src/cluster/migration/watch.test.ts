/** Who watches, and what comes of it: a full instance is relieved, one is elected, and another when that one leaves. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { FleetDecision } from "../../sched/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { until } from "../bus/bus.conformance.ts";
import { MemoryBroker, type MemoryBus } from "../bus/memory.ts";
import { TestReader } from "../host/reader.conformance.ts";
import { acquainted, direct, names, quiet, request, startEngine, startSide, type Side } from "./sides.conformance.ts";
import type { MoveReport } from "./outgoing.ts";

let broker: MemoryBroker;
let mine: MemoryBus;
let engines: readonly Engine[];
let sides: Side[] = [];

// Also after a failure: who is left holds the lease of who watches.
afterEach(async () => {
  for (const { host } of sides.splice(0)) await host.stop({ graceMs: 0 });
});

beforeAll(async () => {
  broker = new MemoryBroker();
  mine = broker.connect();
  engines = await Promise.all([startEngine({ kvPages: 256 }), startEngine({ kvPages: 256 })]);
});

afterAll(async () => {
  await Promise.all(engines.map(async (engine) => await engine.stop({ graceMs: 0 })));
});

describe("watching", () => {
  test("a full instance is relieved by a free one, nothing goes to and fro, and all answers are right", async () => {
    const decisions: FleetDecision[] = [];
    const reports: MoveReport[] = [];
    const watch = {
      migrate: {},
      leaseMs: 600,
      onDecision: (_: string, decision: FleetDecision) => decisions.push(decision),
    };
    const onMoved = (report: MoveReport): unknown => reports.push(report);
    for (const engine of engines) sides.push(await startSide(engine, broker, { watch, onMoved }));
    await acquainted(sides);
    const seeds = [1, 2, 3, 4, 5, 6];
    // Long enough for several heartbeats on any machine: a load is told four times a second.
    const wanted = seeds.map((seed) => request(seed, { maxTokens: 1300 }));
    const readers = seeds.map((seed) => new TestReader(mine, names, `full-${seed}`));
    // All of them to one: together they need about twice its pages.
    await Promise.all(readers.map(async (reader, i) => await reader.submit(names.submit(sides[0]!.id), wanted[i]!)));
    await Promise.all(readers.map(async (reader) => await reader.end(120_000)));
    for (const [i, reader] of readers.entries()) {
      expect(reader.tokens).toEqual((await direct(engines[1]!, wanted[i]!)).tokens);
      reader.close();
    }
    expect(decisions.some(({ kind }) => kind === "pair")).toBe(true);
    const moved = reports.filter(({ outcome }) => outcome === "moved");
    expect(moved.length).toBeGreaterThan(0);
    expect(moved.every(({ reason }) => reason === "balance")).toBe(true);
    const perRequest = new Map<string, number>();
    for (const { requestId } of moved) perRequest.set(requestId, (perRequest.get(requestId) ?? 0) + 1);
    expect(Math.max(...perRequest.values())).toBeLessThanOrEqual(3);
    await quiet(sides);
  });

  test("one is elected; when it leaves, another", async () => {
    const watch = { migrate: {}, leaseMs: 600 };
    sides = [await startSide(engines[0]!, broker, { watch }), await startSide(engines[1]!, broker, { watch })];
    const elected = (): Side[] => sides.filter(({ migration }) => migration.isWatching);
    let leader: Side | undefined;
    await until(() => ([leader] = elected()).length === 1); // a lease may run out on a busy machine
    await leader!.host.stop({ graceMs: 0 });
    const other = sides.find((one) => one !== leader)!;
    await until(() => other.migration.isWatching);
  });
});
