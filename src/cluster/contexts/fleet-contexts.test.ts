/** Contexts between instances: real engines and stores, a bus in memory, chunks over TCP; the same answers, less computed. */
import { mkdtemp, readdir, rm, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { answerTo } from "../../../test/support/answer.ts";
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom } from "../../core/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { until } from "../bus/bus.conformance.ts";
import { MemoryBroker } from "../bus/memory.ts";
import { KvCodec } from "../codec/codec.ts";
import { cacheShape } from "../codec/shape.ts";
import { InstanceHost } from "../host/instance-host.ts";
import { TestReader } from "../host/reader.conformance.ts";
import { Migration, type MigrationOptions } from "../migration/migration.ts";
import { names, startEngine } from "../migration/sides.conformance.ts";
import { FleetContexts } from "./fleet-contexts.ts";
import { PrefixStore } from "./prefix-store.ts";
import { withPrefixSpill, type SpillingEngine } from "./spill.ts";
import { ContextStore } from "./store.ts";
import { chunkPlaces } from "./types.ts";

const PAGE_TOKENS = 16;
const folders: string[] = [];
let engines: Engine[];
let broker: MemoryBroker;
let sides: Sharing[] = [];
let count = 0;

interface Sharing {
  readonly id: string;
  readonly spilling: SpillingEngine;
  readonly store: ContextStore | null;
  readonly migration: Migration;
  readonly contexts: FleetContexts;
  readonly host: InstanceHost;
  readonly problems: string[];
}

beforeAll(async () => {
  engines = await Promise.all([startEngine(), startEngine()]);
  broker = new MemoryBroker();
});

afterEach(async () => {
  for (const { host } of sides.splice(0)) await host.stop({ graceMs: 0 });
});

afterAll(async () => {
  await Promise.all(engines.map((engine) => engine.stop({ graceMs: 0 })));
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

/** An instance; with a folder it keeps contexts there. */
async function sharing(engine: Engine, dir: string | null, options: MigrationOptions = {}): Promise<Sharing> {
  const fingerprint = engine.info.modelFingerprint!;
  const config = { ...TINY, maxPositions: 2048 };
  const codec = await KvCodec.create(cacheShape(config, { format: "f32", pageTokens: PAGE_TOKENS }, fingerprint));
  const store = dir === null ? null : await ContextStore.open({ dir, fingerprint });
  const problems: string[] = [];
  const log = (message: string): void => void problems.push(message);
  const memory = { warm: (tokens: readonly number[]) => spilling.warm(tokens), keep: () => undefined };
  const migration = new Migration({ memory, giveUpMs: 30_000, silenceMs: 60_000, ...options });
  // Patience for a busy machine: what fetching may take is not what is tested here.
  const contexts = new FleetContexts({ carrier: migration, store, leastMs: 40_000, log });
  const prefixes = new PrefixStore({ transfers: engine.transfers, codec, store });
  const spilling = withPrefixSpill(engine, prefixes, { others: contexts, warmMs: 20_000, log });
  const host = await InstanceHost.start({
    engine: spilling.engine,
    bus: broker.connect(),
    fleet: names.fleet,
    id: `c${count++}`,
    workItems: 0,
    extensions: [migration, contexts],
  });
  const side = { id: host.id, spilling, store, migration, contexts, host, problems };
  sides.push(side);
  await until(() => sides.every((one) => sides.every(({ id }) => one.migration.eye.find(id) !== null)));
  return side;
}

async function folder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), "punctual-fleet-contexts-"));
  folders.push(made);
  return made;
}

function prompt(seed: number, length = 205): number[] {
  const random = createRandom(seed, "prompt");
  return Array.from({ length }, () => random.int(30, 300));
}

test("an instance without a prefix, and without a store, has it from one that keeps it: computed once, the same answer", async () => {
  const keeper = await sharing(engines[0]!, await folder());
  const other = await sharing(engines[1]!, null);
  expect([keeper.host.card.contexts, other.host.card.contexts]).toEqual([true, undefined]);
  const wanted = prompt(1);
  const first = await answerTo(keeper.spilling.engine, wanted);
  await keeper.spilling.settled();
  // 205 tokens are twelve whole pages: three chunks of 64.
  expect(await answerTo(other.spilling.engine, wanted)).toEqual({ tokens: first.tokens, cached: 192 });
  expect(other.contexts.stats).toMatchObject({ asked: 1, fetchedChunks: 3 });
  // What is in the cache is not asked for again, and of another prompt only what is the same.
  await answerTo(other.spilling.engine, wanted);
  expect(other.contexts.stats).toMatchObject({ asked: 1, fetchedChunks: 3 });
  const [shared, mine] = [prompt(2), [...prompt(2).slice(0, 130), ...prompt(3, 90)]];
  await answerTo(keeper.spilling.engine, shared);
  await keeper.spilling.settled();
  expect((await answerTo(other.spilling.engine, mine)).cached).toBe(128);
  // Nobody has this one; who says so is not asked again at once.
  const nobodys = prompt(4);
  await answerTo(other.spilling.engine, nobodys, { maxTokens: 1 });
  const { asked } = other.contexts.stats;
  await answerTo(other.spilling.engine, nobodys, { maxTokens: 1, cacheSalt: "own" });
  await answerTo(other.spilling.engine, nobodys.slice(0, 140), { maxTokens: 1 });
  expect(other.contexts.stats.asked).toBe(asked);
  expect([...keeper.problems, ...other.problems]).toEqual([]);
});

test("two prompts that begin alike fetch once, and what was fetched is kept where something is kept", async () => {
  const keeper = await sharing(engines[0]!, await folder());
  const other = await sharing(engines[1]!, await folder());
  const wanted = prompt(11);
  const first = await answerTo(keeper.spilling.engine, wanted);
  await keeper.spilling.settled();
  const both = await Promise.all([answerTo(other.spilling.engine, wanted), answerTo(other.spilling.engine, wanted)]);
  for (const one of both) expect(one.tokens).toEqual(first.tokens);
  expect(other.contexts.stats.fetchedChunks).toBe(3);
  await other.spilling.settled();
  expect(other.store!.stats.chunks).toBe(3);
  await other.store!.checkIntegrity();
});

test("who leaves while a chunk comes takes it from nobody else who waits for it", async () => {
  const keeper = await sharing(engines[0]!, await folder());
  const other = await sharing(engines[1]!, null);
  const wanted = prompt(12);
  await answerTo(keeper.spilling.engine, wanted);
  await keeper.spilling.settled();
  const [place] = chunkPlaces(wanted, 64, PAGE_TOKENS);
  const [offer] = await other.contexts.offers([place!], ["lossless"], 20_000);
  const leaves = new AbortController();
  const take = (signal: AbortSignal): Promise<Uint8Array | null> =>
    other.contexts.take(offer!, place!, "lossless", { bytes: 0, withinMs: 20_000, signal });
  const taken = [take(leaves.signal), take(new AbortController().signal), take(new AbortController().signal)];
  leaves.abort();
  const [left, second, third] = await Promise.all(taken);
  expect(left).toBeNull();
  expect(second).toEqual(await keeper.store!.get(place!, "lossless"));
  expect(third).toEqual(second);
  expect(other.contexts.stats.fetchedChunks).toBe(1);
});

test("what is damaged, lossy or out of reach is computed, and nothing else changes", async () => {
  const dir = await folder();
  const keeper = await sharing(engines[0]!, dir);
  const other = await sharing(engines[1]!, null);
  const [wanted, lossy] = [prompt(21), prompt(22)];
  const first = await answerTo(keeper.spilling.engine, wanted);
  await answerTo(keeper.spilling.engine, lossy);
  await keeper.spilling.settled();
  const [model] = await readdir(dir);
  const chunks = join(dir, model!, "chunks");
  for (const file of await readdir(chunks)) if (file.endsWith(".lossless")) await truncate(join(chunks, file), 40);
  expect(await answerTo(other.spilling.engine, wanted)).toEqual({ tokens: first.tokens, cached: 0 });
  await keeper.host.stop({ graceMs: 0 });
  sides.splice(0, 1);
  // A third that says it has it, at a door where nobody is.
  const away = { host: "127.0.0.1", port: 1 };
  const liar = await sharing(engines[0]!, await folder(), { advertise: away });
  const again = prompt(23);
  const expected = await answerTo(liar.spilling.engine, again);
  await liar.spilling.settled();
  expect(await answerTo(other.spilling.engine, again)).toEqual({ tokens: expected.tokens, cached: 0 });
  expect(other.problems.some((problem) => problem.includes(liar.id))).toBe(true);
});

test("what an instance keeps of a prompt does not travel when the sequence comes", async () => {
  const dir = await folder();
  const keeper = await sharing(engines[0]!, dir);
  const promptTokens = prompt(31, 200);
  await answerTo(keeper.spilling.engine, promptTokens);
  await keeper.spilling.settled();
  await keeper.host.stop({ graceMs: 0 });
  sides.splice(0);
  // Its store is here now, and its cache is not.
  await using fresh = await startEngine();
  const source = await sharing(engines[1]!, null);
  const target = await sharing(fresh, dir);
  const bus = broker.connect();
  for (let i = 0; ; i++) {
    const reader = new TestReader(bus, names, `warm-${i}`);
    const asked = { promptTokens, maxTokens: 600, ignoreEos: true, sampling: { seed: 1 } };
    await reader.submit(names.submit(source.id), asked);
    await until(() => reader.tokens.length > 5);
    const move = await source.migration.move(`warm-${i}`, target.id).catch(() => null);
    const report = (await move?.done) ?? null;
    await reader.end();
    reader.close();
    if (report?.outcome !== "moved") {
      expect(i).toBeLessThan(5); // on a busy machine an answer may be quicker than its move
      continue;
    }
    const total = Math.ceil((200 + report.tokens) / PAGE_TOKENS);
    expect(report.pages).toBeLessThanOrEqual(total - 12);
    break;
  }
  for (const { host } of sides.splice(0)) await host.stop({ graceMs: 0 });
});
