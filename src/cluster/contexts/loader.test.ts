/** Contexts of requests that have to be in time: real engines of a built-in model, chunks over TCP through a link of a given rate. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { answerTo } from "../../../test/support/answer.ts";
import { ThrottleProxy } from "../../../test/support/throttle-proxy.ts";
import { createRandom } from "../../core/index.ts";
import { builtInModelDir } from "../../llm/index.ts";
import { Engine, type GenerateRequest } from "../../runtime/index.ts";
import { until } from "../bus/bus.conformance.ts";
import { MemoryBroker } from "../bus/memory.ts";
import { KvCodec, type CodecLevel } from "../codec/codec.ts";
import { pagesToPlanes } from "../codec/planes.ts";
import { cacheShape, type CacheShape } from "../codec/shape.ts";
import { TableProfiler, type ProfiledTables } from "../codec/tables.ts";
import { InstanceHost } from "../host/instance-host.ts";
import { Migration } from "../migration/migration.ts";
import { ContextCodecs } from "./codecs.ts";
import { FleetContexts } from "./fleet-contexts.ts";
import { ContextLoader } from "./loader.ts";
import { PrefixStore } from "./prefix-store.ts";
import { withPrefixSpill, type SpillingEngine } from "./spill.ts";
import { ContextStore } from "./store.ts";

const LEVELS: CodecLevel[] = [
  { variant: "anchored", level: 1 },
  { variant: "anchored", level: 3 },
];
/** Of the prompts: seven chunks of 64 and two tokens. */
const TOKENS = 450;
const CHUNKS = 7;
const EXACT = "lossless";

let engines: [Engine, Engine];
let shape: CacheShape;
let tables: ProfiledTables;
let folder: string;
let broker: MemoryBroker;
let proxy: ThrottleProxy;
let sides: Sharing[] = [];
let count = 0;

interface Sharing {
  readonly engine: Engine;
  readonly spilling: SpillingEngine;
  readonly store: ContextStore | null;
  readonly contexts: FleetContexts;
  readonly codecs: ContextCodecs;
  readonly loader: ContextLoader;
  readonly migration: Migration;
  readonly host: InstanceHost;
  readonly problems: string[];
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "punctual-loader-"));
  const options = {
    model: { dir: builtInModelDir("small") },
    kvPages: 256,
    budgetTokens: 64,
    exact: true,
    checkEachStep: true,
  } as const;
  engines = [await Engine.start(options), await Engine.start(options)];
  broker = new MemoryBroker();
  const [keeps] = engines;
  const { pageTokens, modelFingerprint } = keeps.info;
  shape = cacheShape(keeps.config, { format: "f32", pageTokens }, modelFingerprint!);
  const text = prompt(0);
  await answerTo(keeps, text);
  const reader = (await keeps.transfers.readPrefix(text))!;
  const profiler = new TableProfiler(shape);
  profiler.add(pagesToPlanes(shape, await reader.read(0, reader.pages), reader.tokens, 0));
  await reader.release();
  tables = profiler.finish();
});

beforeEach(async () => {
  proxy = await ThrottleProxy.start();
});

afterEach(async () => {
  for (const { host, loader } of sides.splice(0)) {
    await host.stop({ graceMs: 0 });
    await loader[Symbol.asyncDispose]();
  }
  await proxy[Symbol.asyncDispose]();
});

afterAll(async () => {
  await Promise.all(engines.map((engine) => engine.stop({ graceMs: 0 })));
  await rm(folder, { recursive: true, force: true });
});

/** An instance. @param totalMs what it believes that computing a whole prompt takes */
async function sharing(engine: Engine, keeps: boolean, totalMs: number, levels = LEVELS): Promise<Sharing> {
  const { fingerprint } = shape;
  const store = keeps ? await ContextStore.open({ dir: folder, fingerprint }) : null;
  await store?.putTables(tables.id, tables.bytes);
  const codecs = await ContextCodecs.open(await KvCodec.create(shape), store);
  const problems: string[] = [];
  const log = (message: string): void => void problems.push(message);
  const advertise = keeps ? { advertise: { host: "127.0.0.1", port: proxy.port } } : {};
  const migration = new Migration({ giveUpMs: 30_000, silenceMs: 60_000, ...advertise });
  const contexts = new FleetContexts({ carrier: migration, store, leastMs: 40_000, log });
  const prefixes = new PrefixStore({ transfers: engine.transfers, codec: codecs.own, store });
  const computeMs = (tokens: number): number => (tokens * totalMs) / TOKENS;
  const loader = new ContextLoader({ engine, prefixes, codecs, others: contexts, levels, computeMs, log });
  const spilling = withPrefixSpill(engine, prefixes, { others: contexts, loader, levels: keeps ? levels : [], log });
  const host = await InstanceHost.start({
    engine: spilling.engine,
    bus: broker.connect(),
    fleet: "load",
    id: `l${count++}`,
    workItems: 0,
    extensions: [migration, contexts],
  });
  if (keeps) proxy.targetPort = migration.server.address.port;
  const side = { engine, spilling, store, contexts, codecs, loader, migration, host, problems };
  sides.push(side);
  await until(() => sides.every((one) => sides.every(({ host: { id } }) => one.migration.eye.find(id) !== null)));
  return side;
}

function prompt(seed: number): number[] {
  const random = createRandom(seed, "prompt");
  return Array.from({ length: TOKENS }, () => random.int(300, 1400));
}

const within = (ttftMs: number): Partial<GenerateRequest> => ({ slo: { class: "latency", ttftMs, onMiss: "finish" } });

/** Computed and kept by the one: its answer, and the bytes of one exact chunk. */
async function kept(
  { spilling, store }: Sharing,
  text: readonly number[],
): Promise<{ tokens: number[]; bytes: number }> {
  const before = store!.stats.bytes;
  const { tokens } = await answerTo(spilling.engine, text);
  await spilling.settled();
  expect(store!.stats.bytes).toBeGreaterThan(before);
  await store!.checkIntegrity();
  const places = new PrefixStore({
    transfers: engines[0].transfers,
    codec: await KvCodec.create(shape),
    store,
  }).places(text);
  const sizes = places.map((place) => store!.levels(place)!.get(EXACT)!);
  return { tokens, bytes: Math.max(...sizes) };
}

/** Chunks by how they were had. */
function choices({ contexts }: Sharing): Record<string, number> {
  return Object.fromEntries(contexts.stats.choices.map(({ choice, chunks }) => [choice, chunks]));
}

test("over a fast link all of a context comes exactly, and is counted", async () => {
  // Time enough for a busy machine: nothing here waits for it.
  const keeper = await sharing(engines[0], true, 60_000);
  const other = await sharing(engines[1], false, 60_000);
  const wanted = prompt(1);
  const first = await kept(keeper, wanted);
  expect(await answerTo(other.spilling.engine, wanted, within(120_000))).toEqual({ tokens: first.tokens, cached: 448 });
  expect(choices(other)).toEqual({ [EXACT]: CHUNKS });
  const bytes = other.contexts.stats.choices[0]!.bytes;
  expect(bytes).toBe(other.contexts.stats.fetchedBytes);
  expect(bytes).toBeGreaterThan(CHUNKS * 0.5 * first.bytes);
  // It is told with the load.
  const told = (): object | undefined => other.migration.eye.find(other.host.id)?.report?.contexts?.[0];
  await until(() => JSON.stringify(told() ?? null).includes(String(bytes)));
  expect(told()).toEqual({ choice: EXACT, chunks: CHUNKS, bytes });
  expect([...keeper.problems, ...other.problems]).toEqual([]);
});

test("over a slow link it is computed: what does not come is given up while there is time for that", async () => {
  const keeper = await sharing(engines[0], true, 2000);
  const other = await sharing(engines[1], false, 2000);
  const wanted = prompt(2);
  const first = await kept(keeper, wanted);
  proxy.rate = first.bytes / 40_000;
  expect((await answerTo(other.spilling.engine, wanted, within(3000))).tokens).toEqual(first.tokens);
  expect(choices(other)).toEqual({ text: CHUNKS });
  // The next one knows the link, and does not wait for it.
  const next = prompt(3);
  const expected = await kept(keeper, next);
  expect((await answerTo(other.spilling.engine, next, within(3000))).tokens).toEqual(expected.tokens);
  expect(choices(other)["text"]).toBeGreaterThan(CHUNKS);
  expect(other.problems).toEqual([]);
});

test("over a link that collapses half way the rest is computed", async () => {
  const keeper = await sharing(engines[0], true, 5000);
  const other = await sharing(engines[1], false, 5000);
  const wanted = prompt(4);
  const first = await kept(keeper, wanted);
  proxy.after(2.5 * first.bytes, first.bytes / 4000);
  expect((await answerTo(other.spilling.engine, wanted, within(10_000))).tokens).toEqual(first.tokens);
  const { [EXACT]: exact = 0, text = 0, ...more } = choices(other);
  expect(more).toEqual({});
  expect(exact + text).toBe(CHUNKS);
  expect(exact).toBeGreaterThanOrEqual(2);
  expect(text).toBeGreaterThanOrEqual(2);
  expect(other.problems).toEqual([]);
});

test("over a middling link a request that allows it comes at levels, which nobody else is answered from; others mix text and exact", async () => {
  const keeper = await sharing(engines[0], true, 10_000);
  const other = await sharing(engines[1], false, 10_000);
  const allowed = { ...within(20_000), lossyContext: true };
  // Over a fast link, levels are not needed, and the tables that they were coded with come meanwhile.
  const [known, wanted, strict] = [prompt(5), prompt(6), prompt(7)];
  const easy = await kept(keeper, known);
  // All of it came exactly, and none of it is said not to be.
  expect(await answerTo(other.spilling.engine, known, { ...within(120_000), lossyContext: true })).toEqual({
    tokens: easy.tokens,
    cached: 448,
  });
  expect(choices(other)).toEqual({ [EXACT]: CHUNKS });
  await until(() => other.codecs.has(tables.id), 30_000);

  const exact = await kept(keeper, wanted);
  const exactStrict = await kept(keeper, strict);
  proxy.rate = exact.bytes / 2000;
  const lossy = await answerTo(other.spilling.engine, wanted, allowed);
  const after = choices(other);
  const atLevels = (after["anchored-1"] ?? 0) + (after["anchored-3"] ?? 0);
  expect(atLevels).toBeGreaterThanOrEqual(2);
  expect(lossy.cached).toBeGreaterThanOrEqual(64 * atLevels);
  // It says so, from the first token on that is not exact.
  const exactTokens = lossy.cached - lossy.lossy!;
  expect(exactTokens).toBeGreaterThanOrEqual(0);
  expect(lossy.lossy).toBeGreaterThanOrEqual(64 * atLevels);
  // Again, with no time for a single exact chunk: it is there, and nothing comes.
  const { fetchedBytes } = other.contexts.stats;
  const soon = { ...within(3000), lossyContext: true };
  const again = await answerTo(other.spilling.engine, wanted, soon);
  expect(again.tokens).toEqual(lossy.tokens);
  expect(again.cached - again.lossy!).toBe(exactTokens);
  expect(other.contexts.stats.fetchedBytes).toBe(fetchedBytes);
  // Without permission it is as if those were not there; nor does a salt that somebody guesses find them.
  const plain = await answerTo(other.engine, wanted);
  expect(plain.tokens).toEqual(exact.tokens);
  expect(plain.lossy).toBeUndefined();
  expect(plain.cached).toBeLessThanOrEqual(64 * (CHUNKS - atLevels));
  expect(plain.cached).toBe(exactTokens);
  expect((await answerTo(other.engine, wanted, { cacheSalt: "lossy" })).cached).toBe(0);

  // Computed while the end is fetched.
  proxy.rate = exact.bytes / 1000;
  const before = choices(other);
  expect((await answerTo(other.spilling.engine, strict, within(11_000))).tokens).toEqual(exactStrict.tokens);
  const mixed = choices(other);
  expect((mixed["anchored-1"] ?? 0) + (mixed["anchored-3"] ?? 0)).toBe(
    (before["anchored-1"] ?? 0) + (before["anchored-3"] ?? 0),
  );
  expect(mixed["text"] ?? 0).toBeGreaterThan(before["text"] ?? 0);
  expect([...keeper.problems, ...other.problems]).toEqual([]);
});

test("an instance without such levels never uses them, whatever a request allows", async () => {
  const keeper = await sharing(engines[0], true, 5000);
  const other = await sharing(engines[1], false, 5000, []);
  const wanted = prompt(8);
  const first = await kept(keeper, wanted);
  proxy.rate = first.bytes / 1200;
  const got = await answerTo(other.spilling.engine, wanted, { ...within(10_000), lossyContext: true });
  expect(got.tokens).toEqual(first.tokens);
  expect(Object.keys(choices(other)).filter((choice) => choice !== EXACT && choice !== "text")).toEqual([]);
});

/** Timers and sockets that keep this process alive. */
function held(): Record<string, number> {
  const all = process.getActiveResourcesInfo();
  return Object.fromEntries(["Timeout", "TCPSocketWrap"].map((kind) => [kind, all.filter((k) => k === kind).length]));
}

test("a loader that is ended calls off what it loads, asks for nothing more, and leaves nothing behind", async () => {
  const before = held();
  const keeper = await sharing(engines[0], true, 60_000);
  const other = await sharing(engines[1], false, 60_000);
  const [wanted, next] = [prompt(9), prompt(10)];
  const first = await kept(keeper, wanted);
  const second = await kept(keeper, next);
  // A chunk takes half a minute, and there is time to wait for it.
  proxy.rate = first.bytes / 30_000;
  const answering = answerTo(other.spilling.engine, wanted, within(600_000));
  await until(() => proxy.carriedBytes > 0);
  await other.loader[Symbol.asyncDispose]();
  // None has come: it was not waited for.
  expect(choices(other)).toEqual({});
  expect(await answering).toEqual({ tokens: first.tokens, cached: 0 });
  await other.loader[Symbol.asyncDispose]();

  expect(other.loader.decides(within(600_000))).toBe(false);
  const request = { promptTokens: next, maxTokens: 1, arrivalMs: 0, ...within(600_000), lossyContext: true };
  const { asked } = other.contexts.stats;
  expect(await other.loader.load(request, new AbortController().signal)).toBeUndefined();
  expect(other.contexts.stats.asked).toBe(asked);
  // As an engine without a loader: a prompt that others keep is still had from them.
  proxy.rate = Infinity;
  expect(await answerTo(other.spilling.engine, next, within(600_000))).toEqual({ tokens: second.tokens, cached: 448 });
  for (const { host } of sides.splice(0)) await host.stop({ graceMs: 0 });
  await until(() => Object.entries(held()).every(([kind, count]) => count <= before[kind]!), 30_000);
  expect([...keeper.problems, ...other.problems]).toEqual([]);
});

test("an engine is watched for what its steps cost until the loader ends, and not again after", async () => {
  const { contexts, codecs, engine } = await sharing(engines[1], false, 60_000);
  let watchers = 0;
  const watched = new Proxy(engine, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (key !== "watch") return typeof value === "function" ? (value.bind(target) as unknown) : value;
      return (...given: Parameters<Engine["watch"]>) => {
        watchers += 1;
        const undo = target.watch(...given);
        return () => {
          watchers -= 1;
          undo();
        };
      };
    },
  });
  const prefixes = new PrefixStore({ transfers: engine.transfers, codec: codecs.own, store: null });
  const options = { engine: watched, prefixes, codecs, others: contexts };
  {
    await using loader = new ContextLoader(options);
    loader.decides(within(100));
    expect(watchers).toBe(1);
  }
  const loader = new ContextLoader(options);
  loader.decides(within(100));
  await loader[Symbol.asyncDispose]();
  loader.computeMs(64);
  expect([loader.decides(within(100)), watchers]).toEqual([false, 0]);
});
