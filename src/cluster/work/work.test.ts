/** Durable work over real engines, on both buses: done once, kept, given on when who had it is gone. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TINY } from "../../../test/support/tiny.ts";
import { PunctualError, replacing } from "../../core/index.ts";
import { FLEET_VERSION, type WireRequest, type WorkMessage } from "../../protocol/index.ts";
import { Engine, sleep, wallMs } from "../../runtime/index.ts";
import { until } from "../bus/bus.conformance.ts";
import { connectBus } from "../bus/connect.ts";
import { MemoryBroker } from "../bus/memory.ts";
import { TestNatsServer } from "../bus/nats-server.conformance.ts";
import type { Bus, WorkItem, WorkQueue } from "../bus/types.ts";
import { InstanceHost } from "../host/instance-host.ts";
import { fleetNames } from "../registry/names.ts";
import { encodeMessage } from "../wire.ts";
import { DurableWork } from "./durable-work.ts";

const names = fleetNames("work");
const patience = new AbortController().signal;
const promptTokens = Array.from({ length: 20 }, (_, i) => 40 + i);

function message(id: string, over: Partial<WireRequest> = {}, inbox?: string): WorkMessage {
  const request = { id, promptTokens, maxTokens: 24, ignoreEos: true, sampling: { seed: 1 }, ...over };
  return { version: FLEET_VERSION, request, ageMs: 0, putUnixMs: wallMs(), ...(inbox === undefined ? {} : { inbox }) };
}

let engine: Engine;
let server: TestNatsServer;

beforeAll(async () => {
  server = await TestNatsServer.start();
  engine = await Engine.start({
    model: { random: { ...TINY, maxPositions: 4096 }, seed: 3 },
    name: "tiny",
    kvPages: 512,
    maxRunning: 4,
    exact: true,
    budgetTokens: 64,
  });
});

afterAll(async () => {
  await engine.stop({ graceMs: 0 });
  await server[Symbol.asyncDispose]();
});

const broker = new MemoryBroker({ maxMessageBytes: 1024 * 1024 });
const buses: readonly (readonly [string, () => Promise<Bus>])[] = [
  ["memory", async () => broker.connect()],
  ["nats", () => connectBus(server.url)],
];

describe.each(buses)("over %s", (kind, connect) => {
  const host = (bus: Bus, id: string, over = {}): Promise<InstanceHost> =>
    InstanceHost.start({ bus, engine, fleet: "work", id: `${kind}-${id}`, ...over });

  test("what is put is done, told and kept; the same id is the same work", async () => {
    await using mine = await connect();
    await using theirs = await connect();
    const work = await DurableWork.open(mine, names);
    expect(await work.put("tiny", message("a", {}, "told.a"))).toEqual({ isKnown: false });
    expect(await work.put("tiny", message("a"))).toEqual({ isKnown: true });
    expect(await work.result("a")).toBeNull();
    await using one = await host(theirs, "one");
    const result = await work.wait("a", { signal: patience, inbox: "told.a" });
    const expected: number[] = [];
    for await (const event of engine.submit(message("a").request)) if (event.kind === "token") expected.push(event.id);
    expect(result).toMatchObject({
      kind: "finished",
      instance: one.id,
      attempts: 1,
      summary: { completionTokens: 24 },
    });
    const events = result.kind === "finished" ? result.events : [];
    expect(events.flatMap((event) => (event.kind === "token" ? [event.id] : []))).toEqual(expected);
    expect(events.at(-1)).toMatchObject({ kind: "finish", index: 24 });
    expect(await work.put("tiny", message("a"))).toEqual({ isKnown: true });
    // Another router, which has just started, finds it as well.
    await using late = await connect();
    expect(await (await DurableWork.open(late, names)).result("a")).toEqual(result);
    await until(() => one.open === 0);
  });

  test("what cannot be done says why, what is cancelled is not done", async () => {
    await using mine = await connect();
    await using theirs = await connect();
    const work = await DurableWork.open(mine, names);
    await work.put("tiny", message("bad", { promptTokens: Array.from({ length: 5000 }, () => 40) }));
    await work.put("tiny", message("unwanted"));
    await work.cancel("unwanted");
    await using one = await host(theirs, "two");
    const bad = await work.wait("bad", { signal: patience });
    expect(bad).toMatchObject({ kind: "failed", error: { code: "context_length_exceeded" } });
    const unwanted = await work.wait("unwanted", { signal: patience });
    expect(unwanted).toMatchObject({ kind: "failed", error: { code: "cancelled" }, attempts: 0 });
    await work.put("tiny", message("long", { maxTokens: 3000 }));
    await until(() => one.port.requests().some(({ requestId }) => requestId === "long"));
    await work.cancel("long");
    await until(() => one.open === 0);
    expect(await work.result("long")).toMatchObject({ kind: "failed", error: { code: "cancelled" } });
    await expect(work.wait("never", { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ code: "cancelled" });
  });

  test("an instance that leaves gives back what it has, and another does it", async () => {
    await using mine = await connect();
    await using theirs = await connect();
    const work = await DurableWork.open(mine, names);
    const first = await host(theirs, "first");
    await work.put("tiny", message("moves", { maxTokens: 3000 }));
    await until(() => first.open === 1);
    await using second = await host(await connect(), "second");
    await first.stop({ graceMs: 1 });
    const result = await work.wait("moves", { signal: patience });
    expect(result).toMatchObject({ kind: "finished", instance: second.id, attempts: 2 });
    await until(() => second.open === 0);
  });

  test("a piece that is handed out twice at once is begun once", async () => {
    await using mine = await connect();
    await using theirs = await connect();
    const work = await DurableWork.open(mine, names);
    let refused = 0;
    const again = (item: WorkItem): WorkItem => ({
      subject: item.subject,
      data: item.data,
      deliveries: item.deliveries + 1,
      working: () => undefined,
      ack: async () => undefined,
      release: () => void (refused += 1),
      discard: () => undefined,
    });
    // As a bus does that was lost for longer than it waits to hear of a piece.
    const doubling = replacing(theirs, {
      work: async (...given) => {
        const queue = await theirs.work(...given);
        const take: WorkQueue["take"] = (options, handle) =>
          queue.take(options, async (item) => void (await Promise.all([handle(item), handle(again(item))])));
        return replacing(queue, { take });
      },
    });
    const before = engine.stats().counters.requests.length;
    await using one = await host(doubling, "twice");
    await work.put("tiny", message("twice"));
    expect(await work.wait("twice", { signal: patience })).toMatchObject({ kind: "finished", attempts: 1 });
    await until(() => one.open === 0);
    expect([refused, engine.stats().counters.requests.length - before]).toEqual([1, 1]);
  });

  test("work that finds no room, or whose directory is away, waits and is done; what takes its instances with it is not", async () => {
    await using mine = await connect();
    await using theirs = await connect();
    const work = await DurableWork.open(mine, names);
    let refusals = 0;
    const full = replacing(engine, {
      submit: (...given) => {
        if (refusals++ < 7) throw new PunctualError("queue_full", "no room");
        return engine.submit(...given);
      },
    });
    const failing = replacing(engine, {
      submit: () => {
        refusals += 1;
        throw new PunctualError("engine_failed", "it fell");
      },
    });
    // As a broker is that has just come back: its directories are there a moment later.
    let lost = 0;
    const late = replacing(theirs, {
      keyValue: async (...given) => {
        const directory = await theirs.keyValue(...given);
        return replacing(directory, {
          get: async (key) => {
            if (lost++ < 7) throw new PunctualError("unavailable", "not yet");
            return directory.get(key);
          },
        });
      },
    });
    for (const [id, bus, own] of [
      ["full", theirs, full],
      ["late", late, engine],
    ] as const) {
      await work.put("tiny", message(id));
      await using one = await InstanceHost.start({ bus, engine: own, fleet: "work", id, workItems: 1 });
      expect(await work.wait(id, { signal: patience })).toMatchObject({ kind: "finished" });
      await until(() => one.open === 0);
    }
    expect([refusals, lost].every((count) => count > 7)).toBe(true);
    refusals = 0;
    await work.put("tiny", message("falls"));
    await using one = await InstanceHost.start({ bus: theirs, engine: failing, fleet: "work", id: "falls" });
    expect(await work.wait("falls", { signal: patience })).toMatchObject({
      kind: "failed",
      error: { code: "engine_failed" },
    });
    await until(() => one.open === 0);
    expect(refusals).toBe(5);
  });

  test("work that nobody can read is dropped, and a result may be larger than a message", async () => {
    await using mine = await connect();
    await using theirs = await connect();
    const queue = await mine.work(names.workStream, { subjects: [names.workSubjects] });
    await queue.put(names.work("tiny"), encodeMessage({ nonsense: true }), `junk-${kind}`);
    const work = await DurableWork.open(mine, names);
    await using one = await host(theirs, "three");
    await work.put("tiny", message("large", { maxTokens: 3000, sampling: { seed: 2, logprobs: 20 } }));
    const result = await work.wait("large", { signal: patience });
    expect(result.kind === "finished" ? result.events.length : result).toBe(3001);
    await until(async () => (await queue.size()) === 0);
    await until(() => one.open === 0);
  });
});

test("the broker is killed and started again: what was accepted is done", async () => {
  await using mine = await connectBus(server.url);
  await using theirs = await connectBus(server.url);
  const work = await DurableWork.open(mine, names);
  for (let i = 0; i < 4; i++) await work.put("tiny", message(`kept${i}`, { maxTokens: 1000 + i }));
  await using one = await InstanceHost.start({ bus: theirs, engine, fleet: "work", id: "survivor" });
  await until(() => one.open > 0);
  await server.kill();
  await sleep(300);
  await server.restart();
  for (let i = 0; i < 4; i++) {
    const result = await work.wait(`kept${i}`, { signal: patience });
    expect(result, JSON.stringify(result).slice(0, 300)).toMatchObject({
      kind: "finished",
      summary: { completionTokens: 1000 + i },
    });
  }
});
