/** A host over real engines and a bus in memory: what is read equals what the engine says, whatever is lost on the way. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom } from "../../core/index.ts";
import {
  controlReplySchema,
  FLEET_VERSION,
  loadReportSchema,
  type ControlMessage,
  type ControlReply,
  type LoadReport,
  type WireRequest,
} from "../../protocol/index.ts";
import { collect, Engine, sleep, type TokenStream } from "../../runtime/index.ts";
import { until } from "../bus/bus.conformance.ts";
import { MemoryBroker, type MemoryBus } from "../bus/memory.ts";
import type { Bus } from "../bus/types.ts";
import { fetchFacts } from "../registry/facts.ts";
import { fleetNames } from "../registry/names.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";
import { InstanceHost } from "./instance-host.ts";
import { TestReader } from "./reader.conformance.ts";
import type { HostPort, InstanceHostOptions } from "./types.ts";

const names = fleetNames("test");

function request(seed: number, over: Partial<WireRequest> = {}): Omit<WireRequest, "id"> {
  const random = createRandom(seed, "prompt");
  const promptTokens = Array.from({ length: 20 + (seed % 7) }, () => random.int(30, 300));
  return { promptTokens, maxTokens: 24, ignoreEos: true, sampling: { seed }, ...over };
}

let engine: Engine;
let broker: MemoryBroker;
let mine: MemoryBus;
let theirs: MemoryBus;
let count = 0;

beforeAll(async () => {
  engine = await Engine.start({
    model: { random: { ...TINY, maxPositions: 1024 }, seed: 3 },
    name: "tiny",
    kvPages: 96,
    budgetTokens: 32,
    maxRunning: 8,
    exact: true,
    checkEachStep: true,
  });
  broker = new MemoryBroker();
  mine = broker.connect();
  theirs = broker.connect();
});

afterAll(async () => {
  await engine.stop({ graceMs: 0 });
});

/** A host whose requests have all left when the test ends. */
async function hosted(over: Partial<InstanceHostOptions> = {}): Promise<InstanceHost> {
  return InstanceHost.start({ engine, bus: theirs, fleet: "test", id: `h${count++}`, workItems: 0, ...over });
}

async function ask(
  id: string,
  message: ControlMessage extends infer M ? (M extends unknown ? Omit<M, "version"> : never) : never,
): Promise<ControlReply> {
  const bytes = encodeMessage({ version: FLEET_VERSION, ...message });
  const answer = await mine.request(names.control(id), bytes, { timeoutMs: 20_000 });
  return decodeMessage(controlReplySchema, answer.data);
}

async function direct(wanted: Omit<WireRequest, "id">): Promise<{ tokens: readonly number[]; text: string }> {
  const tokens: number[] = [];
  let text = "";
  for await (const event of engine.submit(wanted)) {
    text += event.text;
    if (event.kind === "token") tokens.push(event.id);
  }
  return { tokens, text };
}

async function noPagesHeld(): Promise<void> {
  await until(() => {
    const { running, waiting, paused } = engine.stats();
    return running + waiting + paused === 0;
  });
}

describe("answers", () => {
  test("each token once and in order, the end with its usage and how it went", async () => {
    await using host = await hosted();
    const wanted = request(1, { sampling: { seed: 1, logprobs: 2 } });
    const reader = new TestReader(mine, names, "first");
    expect(await reader.submit(names.submit(host.id), wanted, { observe: true, ageMs: 1000 })).toMatchObject({
      kind: "accepted",
      instance: host.id,
    });
    await reader.end();
    const expected = await direct(wanted);
    expect(reader.tokens).toEqual(expected.tokens);
    expect(reader.text).toBe(expected.text);
    const [first] = reader.events;
    expect(first).toMatchObject({ kind: "token", index: 0 });
    expect(first!.ageMs).toBeGreaterThanOrEqual(1000);
    const finish = reader.events.at(-1);
    expect(finish).toMatchObject({ kind: "finish", index: 24, usage: { completionTokens: 24 } });
    const last = reader.messages.findLast((message) => message.kind === "events" && message.summary !== undefined);
    expect(last).toMatchObject({ summary: { end: "length", completionTokens: 24 } });
    const notices = reader.messages.flatMap((message) => (message.kind === "events" ? (message.notices ?? []) : []));
    expect(notices.map(({ kind }) => kind)).toEqual(expect.arrayContaining(["admitted", "chunk"]));
    await until(() => host.port.requests().length === 0);
    reader.close();
  });

  test("messages lost, doubled and late: the same answer", async () => {
    const random = createRandom(7, "losses");
    const bad = unreliable(theirs, () => random.uniform());
    await using host = await hosted({ bus: bad });
    const seeds = [11, 12, 13, 14, 15, 16];
    const readers = seeds.map((seed) => new TestReader(mine, names, `lossy${seed}`, { window: 3 + (seed % 5) }));
    await Promise.all(readers.map((reader, i) => reader.submit(names.submit(host.id), request(seeds[i]!))));
    await Promise.all(readers.map((reader) => reader.end()));
    for (const [i, reader] of readers.entries()) {
      expect(reader.tokens).toEqual((await direct(request(seeds[i]!))).tokens);
      expect(reader.events.map(({ index }) => index)).toEqual(Array.from({ length: 25 }, (_, at) => at));
      reader.close();
    }
  });

  test("nothing is sent beyond what a reader takes, and its end waits as well", async () => {
    await using host = await hosted();
    const reader = new TestReader(mine, names, "narrow", { window: 4 });
    reader.acknowledges = false;
    await reader.submit(names.submit(host.id), request(2));
    await until(() => reader.events.length === 4);
    await sleep(100);
    expect(reader.events.length).toBe(4);
    reader.acknowledges = true;
    await reader.end();
    expect(reader.tokens).toEqual((await direct(request(2))).tokens);
    reader.close();
  });

  test("the end is repeated until somebody has it", async () => {
    await using host = await hosted();
    const reader = new TestReader(mine, names, "repeats");
    reader.acknowledges = false;
    await reader.submit(names.submit(host.id), request(3));
    const ends = (): number =>
      reader.messages.filter((message) => message.kind === "events" && message.summary !== undefined).length;
    await until(() => ends() >= 3);
    reader.ack();
    await sleep(300);
    const before = ends();
    await sleep(1300);
    expect(ends()).toBe(before);
    reader.close();
  });

  test("what the engine refuses is refused by name, what fails later is an error with its index", async () => {
    await using host = await hosted();
    const reader = new TestReader(mine, names, "refused");
    const long = { ...request(4), promptTokens: Array.from({ length: 2000 }, () => 50) };
    expect(await reader.submit(names.submit(host.id), long)).toMatchObject({
      kind: "refused",
      error: { code: "context_length_exceeded", param: "promptTokens" },
    });
    const late = { ...request(4), slo: { class: "deadline", deadlineMs: 0.001, onMiss: "reject" } } as const;
    const reply = await reader.submit(names.submit(host.id), late, { ageMs: 10_000 });
    if (reply.kind === "accepted") {
      await reader.end();
      expect(reader.error).toMatchObject({ index: 0 });
    }
    const answer = await mine.request(names.submit(host.id), new TextEncoder().encode("{}"), { timeoutMs: 20_000 });
    expect(new TextDecoder().decode(answer.data)).toContain("invalid_request");
    reader.close();
  });

  test("a request again is one request; under a later epoch it begins anew", async () => {
    await using host = await hosted();
    const reader = new TestReader(mine, names, "again", { window: 2 });
    reader.acknowledges = false;
    await reader.submit(names.submit(host.id), request(5));
    await reader.submit(names.submit(host.id), request(5));
    expect(host.open).toBe(1);
    await reader.submit(names.submit(host.id), request(5), { epoch: 1000 });
    expect(host.open).toBe(1);
    reader.acknowledges = true;
    await reader.end();
    expect(reader.tokens).toEqual((await direct(request(5))).tokens);
    reader.close();
  });

  test("an answer that another instance began goes on with the next token", async () => {
    await using host = await hosted();
    const expected = await direct(request(7));
    const reader = new TestReader(mine, names, "resumed");
    const resume = { generated: expected.tokens.slice(0, 9), firstTokenAgeMs: 5, lastTokenAgeMs: 50 };
    await reader.submit(names.submit(host.id), request(7), { resume, epoch: 1000, ageMs: 60 });
    // The reader has the first nine from elsewhere.
    const got = (): readonly number[] =>
      reader.messages.flatMap((message) => (message.kind === "events" ? message.events : [])).map(({ index }) => index);
    await until(() => got().includes(24));
    expect(got()[0]).toBe(9);
    const ids = reader.messages
      .flatMap((message) => (message.kind === "events" ? message.events : []))
      .flatMap((event) => (event.kind === "token" ? [[event.index, event.id] as const] : []));
    for (const [index, id] of ids) expect(id).toBe(expected.tokens[index]);
    reader.tell(host.id, { kind: "cancel", requestId: "resumed" });
    reader.close();
  });

  test("cancelled requests and those of a router that is silent free everything", async () => {
    await using host = await hosted({ routerSilenceMs: 2000 });
    const cancelled = new TestReader(mine, names, "cancelled", { window: 2, router: "r1" });
    const silent = new TestReader(mine, names, "silent", { window: 2, router: "r2" });
    const alive = new TestReader(mine, names, "alive", { window: 2, router: "r3" });
    for (const reader of [cancelled, silent, alive]) {
      reader.acknowledges = false;
      await reader.submit(names.submit(host.id), request(6, { maxTokens: 400 }));
    }
    const living = setInterval(() => {
      mine.publish(names.controlAll, encodeMessage({ version: FLEET_VERSION, kind: "alive", router: "r3" }));
    }, 100);
    cancelled.tell(host.id, { kind: "cancel", requestId: "cancelled" });
    await until(() => host.open === 1);
    await sleep(500);
    expect(host.port.request("alive")).not.toBeNull();
    expect(host.port.request("silent")).toBeNull();
    clearInterval(living);
    await until(() => host.open === 0);
    await noPagesHeld();
    for (const reader of [cancelled, silent, alive]) reader.close();
  });
});

describe("life of an instance", () => {
  test("it says that it is there and how loaded, and takes its card away when it leaves", async () => {
    const loads: LoadReport[] = [];
    const hearing = mine.subscribe(names.loads, (message) => loads.push(decodeMessage(loadReportSchema, message.data)));
    const host = await hosted({ heartbeatMs: 20, role: "any" });
    const directory = await mine.keyValue(names.instances, { ttlMs: 30_000 });
    expect(await directory.keys()).toContain(host.id);
    const reader = new TestReader(mine, names, "loads", { window: 1000 });
    // Long enough for several heartbeats on any machine.
    await reader.submit(names.submitAny("tiny"), request(8, { maxTokens: 900 }));
    await until(() => loads.some(({ running, batch }) => running === 1 && batch > 0));
    const busy = loads.findLast(({ running, batch }) => running === 1 && batch > 0)!;
    expect(busy).toMatchObject({ id: host.id, state: "serving", totalPages: 96, waitingTokens: 0 });
    expect(busy.usedPages).toBeGreaterThan(0);
    expect(busy.stepMs).toBeGreaterThan(0);
    await reader.end();
    await until(() => loads.at(-1)?.answerTokens === 900 && loads.at(-1)?.usedPages === 0);
    expect(loads.map(({ sequence }) => sequence)).toEqual(loads.map((_, i) => i));
    await host.stop();
    expect(await directory.keys()).not.toContain(host.id);
    await expect(mine.request(names.control(host.id), new Uint8Array(1), { timeoutMs: 100 })).rejects.toMatchObject({
      code: "unavailable",
    });
    hearing.unsubscribe();
    reader.close();
  });

  test("it says how many of its requests are urgent, and what those that wait need", async () => {
    const loads: LoadReport[] = [];
    const hearing = mine.subscribe(names.loads, (message) => loads.push(decodeMessage(loadReportSchema, message.data)));
    await using host = await hosted({ heartbeatMs: 20 });
    const slo = { class: "latency", ttftMs: 60_000, onMiss: "finish" } as const;
    const long = Array.from({ length: 8 }, (_, i) => request(60 + i, { maxTokens: 150, ...(i === 0 ? { slo } : {}) }));
    const late = [request(70, { slo, promptTokens: Array.from({ length: 40 }, (_, i) => 30 + i) }), request(71)];
    const readers = [...long, ...late].map((_, i) => new TestReader(mine, names, `urgent${i}`, { window: 400 }));
    for (const [i, wanted] of [...long, ...late].entries()) await readers[i]!.submit(names.submit(host.id), wanted);
    // All slots are taken; of the two that wait one is urgent, and so is one of those that run.
    await until(() => loads.some(({ running, waiting }) => running === 8 && waiting === 2));
    expect(loads.find(({ running, waiting }) => running === 8 && waiting === 2)).toMatchObject({
      urgent: 2,
      urgentWaiting: 1,
      urgentWaitingPages: 3,
      headPages: 3,
    });
    await Promise.all(readers.map((reader) => reader.end()));
    await until(() => loads.at(-1)!.urgent + loads.at(-1)!.waiting === 0);
    hearing.unsubscribe();
    for (const reader of readers) reader.close();
  });

  test("it answers what it is asked", async () => {
    const host = await hosted({
      extensions: [
        {
          name: "echo",
          start: async () => ({ kv: { host: "127.0.0.1", port: 5 } }),
          control: async (body) => (body === "bad" ? Promise.reject(new Error("no")) : { heard: body }),
        },
      ],
    });
    expect(host.card.kv).toEqual({ host: "127.0.0.1", port: 5 });
    expect(await ask(host.id, { kind: "ping" })).toMatchObject({ kind: "pong", instance: host.id, state: "serving" });
    expect(await ask(host.id, { kind: "stats" })).toMatchObject({ kind: "stats", stats: { name: "tiny" } });
    expect(await ask(host.id, { kind: "extension", name: "echo", body: 7 })).toMatchObject({ body: { heard: 7 } });
    expect(await ask(host.id, { kind: "extension", name: "echo", body: "bad" })).toMatchObject({ kind: "failed" });
    expect(await ask(host.id, { kind: "extension", name: "none", body: 0 })).toMatchObject({
      kind: "failed",
      error: { code: "unsupported" },
    });
    const { policy } = engine.info;
    expect(await ask(host.id, { kind: "policy", policy: "edf" })).toMatchObject({ policy: "edf", previous: policy });
    expect(await ask(host.id, { kind: "policy", policy: "lifo" })).toMatchObject({
      error: { code: "invalid_request" },
    });
    await engine.setPolicy(policy);
    const facts = await fetchFacts(mine, names, host.card);
    expect(facts.config).toEqual(engine.config);
    expect(facts.endTokens).toEqual(engine.endTokens);
    expect(facts.tokenizer.encode("a kettle")).toEqual(engine.tokenizer.encode("a kettle"));
    await host.stop();
  });

  test("draining: what is here ends here, nothing new is taken, and it can be undone", async () => {
    await using host = await hosted();
    const reader = new TestReader(mine, names, "drains");
    await reader.submit(names.submit(host.id), request(9, { maxTokens: 200 }));
    expect(await ask(host.id, { kind: "drain" })).toMatchObject({ kind: "done" });
    const refused = new TestReader(mine, names, "refused-draining");
    expect(await refused.submit(names.submit(host.id), request(9))).toMatchObject({
      kind: "refused",
      error: { code: "shutting_down" },
    });
    await ask(host.id, { kind: "drain", undo: true });
    expect(await refused.submit(names.submit(host.id), request(9))).toMatchObject({ kind: "accepted" });
    await ask(host.id, { kind: "drain" });
    await host.drained;
    await until(() => reader.ended && refused.ended);
    expect(reader.tokens.length).toBe(200);
    reader.close();
    refused.close();
  });

  test("leaving with too little grace ends what is open with a reason to go on elsewhere", async () => {
    const host = await hosted();
    const reader = new TestReader(mine, names, "leaves", { window: 2 });
    reader.acknowledges = false;
    await reader.submit(names.submit(host.id), request(10, { maxTokens: 500 }));
    await until(() => reader.events.length === 2);
    reader.acknowledges = true;
    await host.stop({ graceMs: 1 });
    expect(reader.error).toMatchObject({ error: { code: "shutting_down" } });
    await noPagesHeld();
    reader.close();
  });

  test("the bus goes and comes back: it computes on, and tells what was missed", async () => {
    await using host = await hosted({ routerSilenceMs: 1500 });
    const reader = new TestReader(mine, names, "offline", { window: 400 });
    await reader.submit(names.submit(host.id), request(21, { maxTokens: 300 }));
    await until(() => reader.events.length > 3);
    theirs.setConnected(false);
    await sleep(2000);
    theirs.setConnected(true);
    await reader.end();
    expect(reader.tokens).toEqual((await direct(request(21, { maxTokens: 300 }))).tokens);
    reader.close();
  });
});

describe("moves", () => {
  /** The rest of an answer from the same engine, as a target would go on with it. */
  function rest(wanted: Omit<WireRequest, "id">, from: number): TokenStream {
    const stream = engine.submit(wanted);
    let skipped = 0;
    const next = async (): Promise<IteratorResult<never, undefined>> => {
      while (skipped < from) {
        await stream.next();
        skipped += 1;
      }
      return stream.next() as Promise<IteratorResult<never, undefined>>;
    };
    return new Proxy(stream, {
      get: (target, key) => {
        if (key === "next") return next;
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? (value as () => unknown).bind(target) : value;
      },
    });
  }

  function portOf(host: InstanceHost): HostPort {
    return host.port;
  }

  test.each([0, 20])(
    "suspended, taken over with what was not acknowledged, told on, sent again from %s",
    async (resendFrom) => {
      const id = `moves-${resendFrom}`;
      await using from = await hosted();
      await using to = await hosted();
      const wanted = request(31, { maxTokens: 60 });
      const reader = new TestReader(mine, names, id, { window: 4 });
      reader.acknowledges = false;
      await reader.submit(names.submit(from.id), wanted);
      await until(() => reader.events.length === 4);
      const state = await portOf(from).suspend(id, 20);
      expect(state).toMatchObject({ requestId: id, epoch: 0, nextIndex: 20, windowEnd: 4 });
      expect(portOf(from).standing(id)).toEqual({ ...state, ageMs: expect.any(Number) });
      expect(portOf(from).standing("unknown")).toBeNull();
      expect(state.unacknowledged.map(({ index }) => index)).toEqual(Array.from({ length: 20 }, (_, i) => i));
      expect(() => portOf(from).settle("unknown", { kind: "stays" })).not.toThrow();
      const json = JSON.parse(JSON.stringify({ ...state, resendFrom })) as typeof state;
      await portOf(to).adopt({ ...wanted, id }, json, async () => rest(wanted, 20));
      portOf(from).settle(id, { kind: "moved", to: to.id });
      expect(from.open).toBe(0);
      reader.acknowledges = true;
      reader.ack(true);
      await reader.end();
      expect(reader.tokens).toEqual((await direct(wanted)).tokens);
      expect(reader.epoch).toBe(1);
      expect(reader.owner).toBe(to.id);
      const kinds = reader.messages.map(({ kind }) => kind);
      expect(kinds).toContain("moved");
      expect(kinds).toContain("adopted");
      reader.close();
    },
  );

  test("a move that comes to nothing leaves no trace", async () => {
    await using host = await hosted();
    const wanted = request(32, { maxTokens: 60 });
    const reader = new TestReader(mine, names, "stays", { window: 100 });
    await reader.submit(names.submit(host.id), wanted);
    await portOf(host).suspend("stays", 10);
    await expect(portOf(host).suspend("stays", 10)).rejects.toMatchObject({ code: "busy" });
    await expect(portOf(host).suspend("nobody", 10)).rejects.toMatchObject({ code: "not_found" });
    portOf(host).settle("stays", { kind: "stays" });
    await reader.end();
    expect(reader.tokens).toEqual((await direct(wanted)).tokens);
    reader.close();
  });

  test("a suspension ends with its request", async () => {
    await using host = await hosted();
    const reader = new TestReader(mine, names, "vanishes", { window: 2 });
    reader.acknowledges = false;
    await reader.submit(names.submit(host.id), request(33, { maxTokens: 300 }));
    const suspending = portOf(host).suspend("vanishes", 1_000_000);
    reader.tell(host.id, { kind: "cancel", requestId: "vanishes" });
    await expect(suspending).rejects.toMatchObject({ code: "not_found" });
    reader.close();
  });
});

test("an engine whose answers nobody reads over the bus is not held up", async () => {
  await using host = await hosted();
  const reader = new TestReader(mine, names, "held", { window: 1 });
  reader.acknowledges = false;
  await reader.submit(names.submit(host.id), request(41, { maxTokens: 900 }));
  const { completionTokens } = (await collect(engine.submit(request(42)))).finish.usage;
  expect(completionTokens).toBe(24);
  reader.close();
});

/** Loses, doubles and delays what is published; requests and answers go through. */
function unreliable(bus: Bus, draw: () => number): Bus {
  return new Proxy(bus, {
    get: (target, key) => {
      if (key !== "publish") {
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? (value as () => unknown).bind(target) : value;
      }
      return (subject: string, data: Uint8Array) => {
        const fate = draw();
        if (fate < 0.3) return;
        target.publish(subject, data);
        if (fate > 0.8) target.publish(subject, data);
        if (fate > 0.6 && fate < 0.8) setTimeout(() => target.publish(subject, data), 30);
      };
    },
  });
}
