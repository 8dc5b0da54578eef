/** A router over instances that move requests: its clients notice nothing, its console sees where they are. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { TINY } from "../../../test/support/tiny.ts";
import { until } from "../../../test/support/engine.ts";
import { createRandom } from "../../core/index.ts";
import { fleetViewSchema } from "../../protocol/fleet-view.ts";
import { Engine, type GenerateRequest, type TokenStream } from "../../runtime/index.ts";
import { MemoryBroker } from "../bus/memory.ts";
import type { Bus } from "../bus/types.ts";
import { InstanceHost } from "../host/instance-host.ts";
import { Migration } from "../migration/migration.ts";
import { Fleet } from "./fleet.ts";

const engines: Engine[] = [];
const hosts: InstanceHost[] = [];
const buses: Bus[] = [];
let fleet: Fleet;
let engine: Engine;

beforeAll(async () => {
  const broker = new MemoryBroker();
  for (const id of ["i0", "i1"]) {
    const one = await Engine.start({
      model: { random: { ...TINY, maxPositions: 1024 }, seed: 3 },
      name: "tiny",
      kvPages: 128,
      budgetTokens: 64,
      maxRunning: 8,
      exact: true,
    });
    const bus = broker.connect();
    engines.push(one);
    buses.push(bus);
    const extensions = [new Migration({ role: "any" })];
    hosts.push(
      await InstanceHost.start({ engine: one, bus, id, workItems: 0, heartbeatMs: 50, renewMs: 200, extensions }),
    );
  }
  fleet = await Fleet.join({ bus: broker.connect(), id: "r", router: "round-robin" });
  engine = await fleet.ready("tiny");
});
afterAll(async () => {
  await fleet.stop();
  await Promise.all(hosts.map((host) => host.stop({ graceMs: 0 })));
  await Promise.all(engines.map((one) => one.stop({ graceMs: 0 })));
});

function request(seed: number, maxTokens = 300): GenerateRequest {
  const random = createRandom(seed, "prompt");
  const promptTokens = Array.from({ length: 40 }, () => random.int(30, 300));
  return { id: `q${seed}`, promptTokens, maxTokens, ignoreEos: true, sampling: { seed, temperature: 0.8 } };
}

/** @param tokens what has been read so far: it grows while the answer comes */
async function tokensOf(stream: TokenStream, tokens: number[] = []): Promise<number[]> {
  for await (const event of stream) {
    if (event.kind !== "token") continue;
    expect(event.index).toBe(tokens.length);
    tokens.push(event.id);
  }
  return tokens;
}

const viewOf = (id: string) => fleet.view().requests.find((one) => one.id === id);

test("a request is moved when a person asks for it, and the console sees it go", async () => {
  let moved = false;
  for (let seed = 1; seed <= 5 && !moved; seed++) {
    const one = request(seed);
    const tokens: number[] = [];
    const reading = tokensOf(engine.submit(one), tokens);
    await until(() => tokens.length > 10);
    const to = viewOf(one.id!)?.instance === "i0" ? "i1" : "i0";
    await fleet.move(one.id!, to).catch(() => undefined); // it may have been quicker
    await reading;
    expect(tokens).toEqual(await tokensOf(engines[0]!.submit(one)));
    await until(() => fleet.view().moves.length === 0);
    moved = fleet.view().moveCounts.moved > 0;
  }
  expect(moved).toBe(true);
  const view = fleet.view();
  expect(fleetViewSchema.parse(view)).toEqual(view);
  expect(view.endedMoves[0]).toMatchObject({ outcome: "moved", reason: "asked" });
  expect(view.kv.sentBytes).toBeGreaterThan(0);
  expect(view.endedMoves[0]!.request).toMatch(/^q\d$/);
});

test("what cannot be moved is said in a person's words: by the id that it was asked for with", async () => {
  const one = request(6, 900);
  const tokens: number[] = [];
  const reading = tokensOf(engine.submit(one), tokens);
  await until(() => tokens.length > 0 && typeof viewOf(one.id!)?.instance === "string");
  const at = viewOf(one.id!)!.instance!;
  const said = (to: string): Promise<unknown> => fleet.move(one.id!, to).catch((error: unknown) => String(error));
  expect(await said(at)).toContain(`The request '${one.id}' is at '${at}' already.`);
  const other = at === "i0" ? "i1" : "i0";
  const [first, second] = await Promise.all([said(other), said(other)]);
  const refused = [first, second].filter((answer) => typeof answer === "string");
  expect(refused).toHaveLength(1);
  expect(refused[0]).toContain(`'${one.id}' leaves already`);
  await reading;
});

test("an instance that drains sends away what it has; when its new place dies, the answers still come whole", async () => {
  const wanted = [11, 12, 13, 14].map((seed) => request(seed, 400));
  const begun = wanted.map((): number[] => []);
  const reading = wanted.map((one, i) => tokensOf(engine.submit(one), begun[i]));
  await until(() => begun.every((tokens) => tokens.length > 5));
  await fleet.drain("i0");
  await until(() => fleet.find("i0") === null || fleet.find("i0")!.open.size === 0);
  hosts[0]!.undoDrain();
  await until(() => fleet.find("i0")?.draining === false);
  await buses[1]![Symbol.asyncDispose](); // as if it were killed
  const answers = await Promise.all(reading);
  for (const [i, one] of wanted.entries()) expect(answers[i]).toEqual(await tokensOf(engines[0]!.submit(one)));
  await until(() => engines.every((one) => one.stats().running === 0));
});
