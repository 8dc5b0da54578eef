/** Instances that die, leave, fall silent, and messages that are lost: a client reads the same tokens, once and in order, or one error. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { codeOf } from "../../../test/support/error-code.ts";
import { TINY } from "../../../test/support/tiny.ts";
import { until } from "../../../test/support/engine.ts";
import { createRandom } from "../../core/index.ts";
import { Engine, type GenerateRequest, type TokenStream, type Usage } from "../../runtime/index.ts";
import { MemoryBroker } from "../bus/memory.ts";
import type { Bus } from "../bus/types.ts";
import { InstanceHost } from "../host/instance-host.ts";
import { Fleet } from "./fleet.ts";
import type { FleetOptions } from "./types.ts";

const engines: Engine[] = [];
let broker: MemoryBroker;
let count = 0;

beforeAll(async () => {
  for (let i = 0; i < 2; i++) {
    engines.push(
      await Engine.start({
        model: { random: { ...TINY, maxPositions: 1024 }, seed: 3 },
        name: "tiny",
        kvPages: 128,
        budgetTokens: 64,
        maxRunning: 8,
        exact: true,
        checkEachStep: true,
      }),
    );
  }
  broker = new MemoryBroker();
});
afterAll(() => Promise.all(engines.map((engine) => engine.stop({ graceMs: 0 }))));

interface Instance {
  readonly host: InstanceHost;
  readonly bus: Bus;
}

interface Setup extends AsyncDisposable {
  readonly fleet: Fleet;
  readonly engine: Engine;
  readonly instances: Map<string, Instance>;
  start(index: number): Promise<void>;
}

async function setUp(options: Partial<FleetOptions> = {}, wrap: (bus: Bus) => Bus = (bus) => bus): Promise<Setup> {
  const fleetName = `x${count++}`;
  const instances = new Map<string, Instance>();
  const start = async (index: number): Promise<void> => {
    const bus = broker.connect();
    const host = await InstanceHost.start({
      engine: engines[index]!,
      bus: wrap(bus),
      fleet: fleetName,
      id: `i${index}`,
      workItems: 0,
      heartbeatMs: 50,
      renewMs: 200,
      routerSilenceMs: 4000,
    });
    instances.set(`i${index}`, { host, bus });
  };
  await start(0);
  await start(1);
  const fleet = await Fleet.join({
    bus: wrap(broker.connect()),
    fleet: fleetName,
    id: "r",
    router: "round-robin",
    ...options,
  });
  const engine = await fleet.ready("tiny");
  return {
    fleet,
    engine,
    instances,
    start,
    [Symbol.asyncDispose]: async () => {
      await fleet.stop();
      for (const { host, bus } of instances.values()) {
        await host.stop({ graceMs: 0 });
        await bus[Symbol.asyncDispose]();
      }
      for (const one of engines) {
        await until(() => one.stats().running + one.stats().waiting + one.stats().paused === 0);
        expect(one.stats().kv.pagesUsed).toBe(0);
      }
    },
  };
}

function request(seed: number, over: Partial<GenerateRequest> = {}): GenerateRequest {
  const random = createRandom(seed, "prompt");
  const promptTokens = Array.from({ length: 20 + (seed % 7) }, () => random.int(30, 300));
  return {
    promptTokens,
    maxTokens: 160,
    ignoreEos: true,
    sampling: { seed, temperature: 0.8, repetitionPenalty: 1.1 },
    ...over,
  };
}

interface Read {
  readonly tokens: number[];
  readonly text: string;
}

async function read(stream: TokenStream, each: (index: number) => void = () => undefined): Promise<Read> {
  const tokens: number[] = [];
  let text = "";
  for await (const event of stream) {
    text += event.text;
    if (event.kind !== "token") continue;
    expect(event.index).toBe(tokens.length);
    tokens.push(event.id);
    each(event.index);
  }
  return { tokens, text };
}

/** As a killed process: it says nothing any more and hears nothing. */
async function kill({ bus }: Instance): Promise<void> {
  await bus[Symbol.asyncDispose]();
}

/** Where the one open request is. */
const placeOf = (setup: Setup): string =>
  [...setup.instances.keys()].find((id) => setup.fleet.find(id)!.open.size > 0)!;

test("an instance dies in the middle: its answers go on at another one, token by token the same", async () => {
  await using setup = await setUp();
  const { engine, instances } = setup;
  const wanted = [1, 2, 3, 4].map((seed) => request(seed, { stop: ["never"] }));
  let killed = false;
  const answers = await Promise.all(
    wanted.map((one) =>
      read(engine.submit(one), (index) => {
        if (index === 20 && !killed) {
          killed = true;
          void kill(instances.get("i0")!);
        }
      }),
    ),
  );
  for (const [i, one] of wanted.entries()) expect(answers[i]).toEqual(await read(engines[1]!.submit(one)));
  expect(setup.engine.stats().counters).toMatchObject({ restarts: 1, requests: { length: 4, error: 0 } });
  // Whoever watches sees for some seconds that it has died; nobody is sent there.
  expect(setup.fleet.size).toBe(1);
  expect(setup.fleet.view().instances).toMatchObject([
    { id: "i1", state: "serving" },
    { id: "i0", state: "gone", lostBy: "dead", running: 0, usedPages: null },
  ]);
  await until(() => engines[0]!.stats().running === 0); // the orphans are cancelled where they were
});

test("what an answer began from is told though another instance ends it: keys and values that were not exact", async () => {
  await using setup = await setUp();
  // Under a salt, with what is known of it: as an instance asks its engine after it has put lossy pages in place.
  const lossy = (first: number): GenerateRequest =>
    request(2, {
      promptTokens: Array.from({ length: 90 }, (_, i) => first + i),
      cacheSalt: "lossy",
      exactPrefixTokens: 16,
      maxTokens: 300,
    });
  await read(engines[0]!.submit({ ...lossy(30), maxTokens: 1 }));
  await read(engines[1]!.submit({ ...lossy(150), maxTokens: 1 }));
  // One for each, in turn: neither finds anything where it goes on.
  const usageOf = async (first: number, killsAt: number): Promise<Usage> => {
    const stream = setup.engine.submit(lossy(first));
    for await (const event of stream) {
      if (event.kind === "finish") return event.usage;
      if (event.index === killsAt) await kill(setup.instances.get("i0")!);
    }
    throw new Error("no finish");
  };
  const usages = await Promise.all([usageOf(30, 20), usageOf(150, -1)]);
  const all = { cachedTokens: 80, lossyTokens: 64 };
  expect(usages).toMatchObject([all, all]);
  expect(setup.engine.stats().counters).toMatchObject({ restarts: 1 });
});

test("an instance leaves: the same, without waiting for a lease", async () => {
  await using setup = await setUp();
  const one = request(5);
  const stream = setup.engine.submit(one);
  await stream.next();
  const place = placeOf(setup);
  const rest = read(stream2(stream));
  await setup.instances.get(place)!.host.stop({ graceMs: 0 });
  const { tokens } = await rest;
  expect(tokens).toEqual((await read(engines[1]!.submit(one))).tokens.slice(1));
});

/** A stream whose first token was read: indices from 0 again. */
function stream2(stream: TokenStream): TokenStream {
  const next = async (): ReturnType<TokenStream["next"]> => {
    const { done, value } = await stream.next();
    if (done === true) return { done, value: undefined };
    return { done: false, value: value.kind === "token" ? { ...value, index: value.index - 1 } : value };
  };
  return {
    id: stream.id,
    cancel: () => stream.cancel(),
    next,
    return: () => stream.return(),
    [Symbol.asyncIterator]: () => stream2(stream),
    [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
  };
}

test("when nobody is left a client reads one error; when somebody comes in time, the rest", async () => {
  await using setup = await setUp({ recoverMs: 400 });
  const { engine, instances } = setup;
  const broken = engine.submit(request(6));
  await broken.next();
  for (const instance of instances.values()) await kill(instance);
  expect(await codeOf(read(stream2(broken)))).toBe("engine_failed");
  expect(() => engine.submit(request(7))).toThrow("no instance");
  const states = (): string[] => setup.fleet.view().instances.map(({ id, state }) => `${id} ${state}`);
  await until(() => states().toSorted().join() === "i0 gone,i1 gone");
  instances.clear();
  await setup.start(0);
  await setup.start(1);
  await until(() => engine.state === "ready");
  expect(states().filter((one) => one.endsWith("gone"))).toEqual([]); // they are back
  expect((await read(engine.submit(request(7, { maxTokens: 8 })))).tokens).toHaveLength(8);
});

test("a model that nobody serves is forgotten after a while, with its vocabulary, and is back when somebody does", async () => {
  let factsRead = 0;
  const wrap = (bus: Bus): Bus => {
    const publish: Bus["publish"] = (...given) => bus.publish(...given);
    return overriding(bus, publish, (subject, data, options) => {
      if (Buffer.from(data).includes('"kind":"facts"')) factsRead += 1;
      return bus.request(subject, data, options);
    });
  };
  const gone: string[] = [];
  // Whoever waits for another instance keeps its model from being forgotten, not for ever.
  const times = { recoverMs: 900, forgetMs: 300 };
  await using setup = await setUp({ ...times, onModelGone: (name) => gone.push(name) }, wrap);
  const { engine, fleet, instances } = setup;
  const read1 = factsRead;
  expect(read1).toBeGreaterThan(0);
  const broken = engine.submit(request(9));
  await broken.next();
  for (const instance of instances.values()) await kill(instance);
  instances.clear();
  expect(await codeOf(read(stream2(broken)))).toBe("engine_failed");
  await until(() => gone.length > 0);
  expect([gone, fleet.engines.length, engine.state]).toEqual([["tiny"], 0, "stopped"]);
  await setup.start(0);
  const again = await fleet.ready("tiny");
  expect((await read(again.submit(request(9, { maxTokens: 8 })))).tokens).toHaveLength(8);
  expect(factsRead).toBe(2 * read1);
});

test("a silent instance gets nothing new until it has been punctual for a while", async () => {
  let muted = false;
  const wrap = (bus: Bus): Bus => {
    return overriding(bus, (subject, data, reply) => {
      if (!(muted && subject.endsWith(".load.i0"))) bus.publish(subject, data, reply);
    });
  };
  await using setup = await setUp({ heartbeats: { silentMs: 1000, trustAfter: 3 } }, wrap);
  const { engine, fleet } = setup;
  const state = (): string => fleet.view().instances.find(({ id }) => id === "i0")!.state;
  await until(() => state() === "serving");
  muted = true;
  await until(() => state() === "silent");
  const before = engines[0]!.stats().counters.promptTokens;
  for (let i = 0; i < 4; i++) await read(engine.submit(request(10 + i, { maxTokens: 4 })));
  expect(engines[0]!.stats().counters.promptTokens).toBe(before);
  muted = false;
  await until(() => state() === "serving");
  await Promise.all([20, 21].map((seed) => read(engine.submit(request(seed, { maxTokens: 4 })))));
  expect(engines[0]!.stats().counters.promptTokens).toBeGreaterThan(before);
});

test("an instance that has forgotten a request without a word is noticed, and the request goes on", async () => {
  let deaf = false;
  const wrap = (bus: Bus): Bus =>
    overriding(bus, (subject, data, reply) => {
      if (!(deaf && subject.includes(".inbox."))) bus.publish(subject, data, reply);
    });
  await using setup = await setUp({ askAfterMs: 600 }, wrap);
  const one = request(8, { maxTokens: 400 });
  const stream = setup.engine.submit(one);
  const [open] = [...setup.fleet.instances("tiny")].flatMap(({ open }) => [...open]);
  await stream.next();
  deaf = true;
  const place = placeOf(setup);
  setup.fleet.link.tell(place, {
    kind: "cancel",
    requestId: (open ?? [...setup.fleet.find(place)!.open][0]!).request.id,
  });
  await until(() => engines.every((engine) => engine.stats().running === 0));
  deaf = false;
  const { tokens } = await read(stream2(stream));
  expect(tokens).toEqual((await read(engines[1]!.submit(one))).tokens.slice(1));
});

test("messages are lost, repeated and late in both directions: every token once, in order", async () => {
  const random = createRandom("faults", "bus");
  const late: (() => void)[] = [];
  const wrap = (bus: Bus): Bus =>
    overriding(bus, (subject, data, reply) => {
      const isStream = subject.includes(".inbox.") || subject.endsWith(".control");
      const send = (): void => bus.publish(subject, data, reply);
      if (!isStream || reply !== undefined) return send();
      const fate = random.uniform();
      if (fate < 0.1) return;
      if (fate < 0.2) late.push(send);
      else send();
      if (fate > 0.9) send();
      while (late.length > 2) late.shift()!();
    });
  await using setup = await setUp({ window: 32 }, wrap);
  const wanted = Array.from({ length: 6 }, (_, i) => request(30 + i, { maxTokens: 80 }));
  const answers = await Promise.all(wanted.map((one) => read(setup.engine.submit(one))));
  for (const [i, one] of wanted.entries()) expect(answers[i]).toEqual(await read(engines[0]!.submit(one)));
}, 60_000);

/** The same bus but for what is published, or asked. */
function overriding(
  bus: Bus,
  publish: Bus["publish"],
  request: Bus["request"] = (...given) => bus.request(...given),
): Bus {
  return {
    kind: bus.kind,
    get status() {
      return bus.status;
    },
    maxMessageBytes: bus.maxMessageBytes,
    publish,
    subscribe: (...given) => bus.subscribe(...given),
    request,
    inbox: () => bus.inbox(),
    keyValue: (...given) => bus.keyValue(...given),
    work: (...given) => bus.work(...given),
    flush: () => bus.flush(),
    onStatus: (listener) => bus.onStatus(listener),
    [Symbol.asyncDispose]: () => bus[Symbol.asyncDispose](),
  };
}
