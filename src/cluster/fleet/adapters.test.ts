/** Adapters through a router: a request goes only to instances that have its adapter, and there says what one engine says. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeRandomAdapter } from "../../../test/support/adapters.ts";
import { until } from "../../../test/support/engine.ts";
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom } from "../../core/index.ts";
import { Engine, type GenerateRequest } from "../../runtime/index.ts";
import { MemoryBroker } from "../bus/memory.ts";
import type { Bus } from "../bus/types.ts";
import { InstanceHost } from "../host/instance-host.ts";
import { Migration } from "../migration/migration.ts";
import { Fleet } from "./fleet.ts";

const config = { ...TINY, maxPositions: 512 };
const engines: Engine[] = [];
const hosts: InstanceHost[] = [];
const buses: Bus[] = [];
let dir: string;
let fleet: Fleet;
let engine: Engine;
let broker: MemoryBroker;

const source = (name: string) => ({ name, dir: join(dir, name) });

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "punctual-fleet-lora-"));
  for (const [i, name] of ["a", "b", "late"].entries()) await writeRandomAdapter(join(dir, name), config, i + 1, 4);
  broker = new MemoryBroker();
  // Who has what: "a" everywhere but at the third, which takes none; "b" at the second only.
  const loras = [{ modules: [source("a")], maxRank: 4 }, { modules: [source("a"), source("b")], maxRank: 4 }, null];
  for (const [i, lora] of loras.entries()) {
    const model = { random: config, seed: 3 };
    const options = { model, name: "tiny", kvPages: 96, budgetTokens: 32, maxRunning: 8, exact: true };
    engines.push(await Engine.start({ ...options, ...(lora === null ? {} : { lora }) }));
    buses.push(broker.connect());
    const parts = { engine: engines[i]!, bus: buses[i]!, fleet: "lora", id: `i${i}` };
    const extensions = [new Migration()];
    hosts.push(await InstanceHost.start({ ...parts, workItems: 2, heartbeatMs: 50, extensions }));
  }
  fleet = await Fleet.join({ bus: broker.connect(), fleet: "lora", id: "r", router: "round-robin", durable: "keyed" });
  engine = await fleet.ready("tiny");
});
afterAll(async () => {
  await fleet.stop();
  for (const host of hosts) await host.stop({ graceMs: 0 });
  await Promise.all(engines.map((one) => one.stop({ graceMs: 0 })));
  await rm(dir, { recursive: true, force: true });
});

function request(over: Partial<GenerateRequest> = {}): GenerateRequest {
  const random = createRandom(7, "prompt");
  const promptTokens = Array.from({ length: 40 }, () => random.int(30, 300));
  return { promptTokens, maxTokens: 12, ignoreEos: true, sampling: { temperature: 0 }, ...over };
}

/** @param tokens what has been read so far: it grows while the answer comes */
async function ask(at: Engine, over: Partial<GenerateRequest> = {}, tokens: number[] = []): Promise<number[]> {
  for await (const event of at.submit(request(over))) if (event.kind === "token") tokens.push(event.id);
  return tokens;
}

const promptTokensAt = (): number[] => engines.map((one) => one.stats().counters.promptTokens);

test("requests go where their adapter is, and say what it says", async () => {
  expect(engine.adapters.map(({ name }) => name).toSorted()).toEqual(["a", "b"]);
  expect(engine.info.lora).toMatchObject({ maxRank: 4 });
  const [plain, a, b] = [
    await ask(engines[0]!),
    await ask(engines[0]!, { adapter: "a" }),
    await ask(engines[1]!, { adapter: "b" }),
  ];
  expect(new Set([plain, a, b].map((tokens) => tokens.join())).size).toBe(3);
  const before = promptTokensAt();
  for (let i = 0; i < 4; i++) expect(await ask(engine, { adapter: "a" })).toEqual(a);
  expect(await Promise.all([1, 2, 3].map(() => ask(engine, { adapter: "b" })))).toEqual([b, b, b]);
  const after = promptTokensAt();
  const [first, second, third] = after.map((tokens, i) => (tokens - before[i]!) / 40);
  expect([first! + second!, third]).toEqual([7, 0]);
  expect(first).toBe(2);
  expect(await ask(engine)).toEqual(plain);
  // Work that the bus keeps is taken by whoever has room, so that one with an adapter that some lack is placed instead.
  expect(await ask(engine, { adapter: "b", whole: { key: "once" } })).toEqual(b);
});

test("what no instance has is refused by name; what an instance forgets meanwhile is asked for elsewhere", async () => {
  const wanted = (): unknown => engine.submit(request({ adapter: "c" }));
  expect(wanted).toThrow(expect.objectContaining({ code: "model_not_found", param: "adapter" }) as Error);
  expect(wanted).toThrow(/'a', 'b'/);
  await engines[0]!.unloadAdapter("a");
  const a = await ask(engines[1]!, { adapter: "a" });
  expect(await Promise.all([1, 2, 3, 4].map(() => ask(engine, { adapter: "a" })))).toEqual([a, a, a, a]);
  await engines[0]!.loadAdapter(source("a"));
});

test("an adapter is loaded and unloaded at every instance that takes some", async () => {
  await engine.loadAdapter(source("late"));
  expect(engines.map((one) => one.adapters.some(({ name }) => name === "late"))).toEqual([true, true, false]);
  expect(await ask(engine, { adapter: "late" })).toEqual(await ask(engines[0]!, { adapter: "late" }));
  await expect(engine.loadAdapter(source("late"))).rejects.toMatchObject({ code: "invalid_request" });
  await expect(engine.loadAdapter({ name: "x", dir: join(dir, "nowhere") })).rejects.toMatchObject({
    code: "model_not_found",
  });
  await engine.unloadAdapter("late");
  expect(engine.adapters.map(({ name }) => name).toSorted()).toEqual(["a", "b"]);
  await expect(engine.unloadAdapter("late")).rejects.toMatchObject({ code: "model_not_found" });
});

test("an instance with a request of an adapter that drains ends it there; one that dies has it go on where the adapter is", async () => {
  const expected = await ask(engines[1]!, { adapter: "b", maxTokens: 400 });
  const [ofB, ofA]: [number[], number[]] = [[], []];
  const reading = ask(engine, { adapter: "b", maxTokens: 400 }, ofB);
  await until(() => ofB.length > 3);
  expect(fleet.view().requests.some(({ instance }) => instance === "i1")).toBe(true);
  await fleet.drain("i1");
  expect(await reading).toEqual(expected);
  await until(() => engines[1]!.stats().running === 0);
  hosts[1]!.undoDrain();
  await until(() => fleet.find("i1")?.draining !== true);
  const a = await ask(engines[0]!, { adapter: "a", maxTokens: 400 });
  const going = ask(engine, { adapter: "a", maxTokens: 400 }, ofA);
  await until(() => ofA.length > 3);
  const at = Number(fleet.view().requests[0]!.instance!.slice(1));
  await buses[at]![Symbol.asyncDispose](); // as if it were killed
  expect(await going).toEqual(a);
});
