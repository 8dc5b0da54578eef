/** `punctual worker` as it is used: real processes on a real nats-server, stopped by signals and killed. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { TestProcess } from "../../test/fleet/processes.ts";
import { writeRandomAdapter } from "../../test/support/adapters.ts";
import { makeCertificates, type Certificate } from "../../test/support/certificates.ts";
import { writeRandomModel } from "../../test/support/model-folder.ts";
import { TINY } from "../../test/support/tiny.ts";
import { until } from "../cluster/bus/bus.conformance.ts";
import { TestNatsServer } from "../cluster/bus/nats-server.conformance.ts";
import { TestReader } from "../cluster/host/reader.conformance.ts";
import {
  connectBus,
  DurableWork,
  fetchFacts,
  Fleet,
  fleetNames,
  InstanceRegistry,
  type Bus,
} from "../cluster/index.ts";
import type { Engine } from "../runtime/index.ts";
import { FLEET_VERSION, type WireRequest, type WorkMessage } from "../protocol/index.ts";

const folder = mkdtempSync(join(tmpdir(), "punctual-worker-"));
const model = join(folder, "model");
const names = fleetNames("cli");
const patience = new AbortController().signal;
let server: TestNatsServer;
let bus: Bus;
const started: TestProcess[] = [];

beforeAll(async () => {
  writeRandomModel(model, { ...TINY, maxPositions: 4096 });
  server = await TestNatsServer.start();
  bus = await connectBus(server.url);
});

afterEach(async () => {
  for (const one of started.splice(0)) {
    one.kill();
    await one.ended;
  }
});

afterAll(async () => {
  await bus[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

function start(id: string, more: readonly string[] = [], url = server.url): TestProcess {
  const flags = [
    "--bus",
    url,
    "--fleet",
    "cli",
    "--model",
    `tiny=${model}`,
    "--id",
    id,
    "--kv-pages",
    "512",
    "--exact",
  ];
  const environment = { HOME: folder, XDG_CACHE_HOME: join(folder, "cache") };
  const one = TestProcess.start(id, ["worker", ...flags, ...more], environment);
  started.push(one);
  return one;
}

async function serving(id: string, more: readonly string[] = [], url = server.url): Promise<TestProcess> {
  const one = start(id, more, url);
  await one.printed(/serves/);
  return one;
}

/** Runs `punctual contexts` to its end. */
async function contexts(args: readonly string[]): Promise<{ readonly code: number | null; readonly output: string }> {
  const one = TestProcess.start("contexts", ["contexts", ...args], { HOME: folder });
  started.push(one);
  return { code: await one.ended, output: one.output };
}

/** Arguments that bring a context of the model from whichever worker has it into a folder. */
function fromFleet(name: string, dir: string): string[] {
  return ["get", name, "--model", model, "--dir", dir, "--bus", server.url, "--fleet", "cli", "--json"];
}

function request(maxTokens: number): Omit<WireRequest, "id"> {
  const promptTokens = Array.from({ length: 30 }, (_, i) => 40 + i);
  return { promptTokens, maxTokens, ignoreEos: true, sampling: { seed: 5 } };
}

/** Who is in the fleet, and what became of them. */
async function registry(): Promise<{ registry: InstanceRegistry; told: string[] }> {
  const told: string[] = [];
  const opened = await InstanceRegistry.open({
    bus,
    names,
    listener: {
      joined: ({ id }) => told.push(`joined ${id}`),
      changed: ({ id, state }) => told.push(`${state} ${id}`),
      gone: ({ id }, why) => told.push(`${why} ${id}`),
    },
  });
  return { registry: opened, told };
}

describe("a worker", () => {
  test("is in the directory, answers over the bus, and ends what it has when it is asked to stop", async () => {
    const worker = await serving("one");
    const { registry: fleet, told } = await registry();
    expect(told).toEqual(["joined one"]);
    const card = fleet.cards.get("one")!;
    expect(card).toMatchObject({ model: "tiny", role: "any", totalPages: 512, contextTokens: 4096 });
    const facts = await fetchFacts(bus, names, card);
    expect(facts.config.vocabSize).toBe(TINY.vocabSize);

    const reader = new TestReader(bus, names, "streams", { window: 4000 });
    await reader.submit(names.submitAny("tiny"), request(600));
    await until(() => reader.events.length > 5);
    worker.kill("SIGTERM");
    await worker.printed(/Stopping/);
    const late = new TestReader(bus, names, "late");
    expect(await late.submit(names.submit("one"), request(5))).toMatchObject({ error: { code: "shutting_down" } });
    await reader.end();
    expect(reader.tokens.length).toBe(600);
    expect(await worker.ended).toBe(0);
    expect(told).toEqual(["joined one", "draining one", "left one"]);
    await fleet[Symbol.asyncDispose]();
    reader.close();
    late.close();
  });

  test("that is killed is missed at once, and the work that it had is done by another", async () => {
    const first = await serving("first");
    const { registry: fleet, told } = await registry();
    const work = await DurableWork.open(bus, names);
    const message = (id: string, maxTokens: number): WorkMessage => ({
      version: FLEET_VERSION,
      request: { ...request(maxTokens), id },
      ageMs: 0,
      putUnixMs: Date.now(),
    });
    await work.put("tiny", message("work", 3000));
    const doing = async (): Promise<boolean> => {
      const ping = { version: FLEET_VERSION, kind: "ping" } as const;
      const bytes = new TextEncoder().encode(JSON.stringify(ping));
      const answer = await bus.request(names.control("first"), bytes, { timeoutMs: 20_000 });
      return (JSON.parse(new TextDecoder().decode(answer.data)) as { running: number }).running > 0;
    };
    await until(doing, 60_000);
    first.kill("SIGKILL");
    await first.ended;
    await until(() => told.length > 1);
    expect(told).toEqual(["joined first", "dead first"]);
    await serving("second");
    const result = await work.wait("work", { signal: patience });
    expect(result).toMatchObject({
      kind: "finished",
      instance: "second",
      attempts: 2,
      summary: { completionTokens: 3000 },
    });
    await fleet[Symbol.asyncDispose]();
  });

  test("goes on while the broker is killed and started again", async () => {
    await serving("steady");
    const { registry: fleet, told } = await registry();
    const reader = new TestReader(bus, names, "outlives", { window: 4000 });
    await reader.submit(names.submit("steady"), request(2500));
    await until(() => reader.events.length > 5);
    await server.kill();
    await server.restart();
    await reader.end(90_000);
    const other = new TestReader(bus, names, "afterwards", { window: 4000 });
    await until(async () => {
      try {
        return (await other.submit(names.submit("steady"), request(2500))).kind === "accepted";
      } catch {
        return false; // it is not connected again yet
      }
    });
    await other.end(90_000);
    expect(reader.tokens).toEqual(other.tokens);
    expect(told).toEqual(["joined steady"]);
    await fleet[Symbol.asyncDispose]();
    reader.close();
    other.close();
  });

  test("a rolling restart loses nothing", async () => {
    let workers = [await serving("left"), await serving("right")];
    let count = 0;
    let isOver = false;
    const answers: number[] = [];
    const client = async (name: string): Promise<void> => {
      while (!isOver) {
        const reader = new TestReader(bus, names, `${name}-${count++}`, { window: 200 });
        let reply = await reader.submit(names.submitAny("tiny"), request(60));
        // Between the word that it drains and its leaving the group, it may still be asked.
        while (reply.kind === "refused")
          reply = await reader.submit(names.submitAny("tiny"), request(60), { epoch: count++ });
        await reader.end();
        answers.push(reader.error === null ? reader.tokens.length : -1);
        reader.close();
      }
    };
    const clients = [client("a"), client("b"), client("c")];
    for (const [i, id] of ["left", "right"].entries()) {
      const before = answers.length;
      await until(() => answers.length > before + 2, 60_000);
      workers[i]!.kill("SIGTERM");
      expect(await workers[i]!.ended).toBe(0);
      workers = workers.with(i, await serving(id));
    }
    isOver = true;
    await Promise.all(clients);
    expect(answers.length).toBeGreaterThan(5);
    expect(new Set(answers)).toEqual(new Set([60]));
  });
});

describe("what workers do for each other and for a router", () => {
  test("a prompt that one has kept is not computed again by another", async () => {
    const kept = join(folder, "kept");
    const keeps = ["--contexts", kept, "--contexts-levels", "released-1,anchored-0"];
    const waits = ["--contexts-wait", "60000"];
    const [keeper, lacking] = await Promise.all([serving("keeps", keeps), serving("lacks", waits)]);
    const files = (level = "lossless"): string[] => {
      const [model] = existsSync(kept) ? readdirSync(kept) : [];
      return model === undefined ? [] : readdirSync(join(kept, model, "chunks")).filter((file) => file.endsWith(level));
    };
    let cached = -1;
    for (let i = 0; i < 2 && cached !== 192; i++) {
      const promptTokens = Array.from({ length: 205 }, (_, at) => 40 + ((at * (7 + i)) % 200));
      const before = files().length;
      const readers = ["keeps", "lacks"].map((id) => new TestReader(bus, names, `${id}-${i}`));
      for (const [at, id] of ["keeps", "lacks"].entries()) {
        const wanted = { ...request(8), promptTokens };
        expect(await readers[at]!.submit(names.submit(id), wanted)).toMatchObject({ kind: "accepted" });
        await readers[at]!.end(90_000);
        if (at === 0) await until(() => files().length >= before + 3, 60_000);
      }
      expect(readers[1]!.tokens).toEqual(readers[0]!.tokens);
      const finish = readers[1]!.events.at(-1)!;
      cached = finish.kind === "finish" ? finish.usage.cachedTokens : -1;
      for (const reader of readers) reader.close();
    }
    expect(cached).toBe(192);
    // Beside the exact chunks, those at the level that needs no tables; the other is said to be missing some.
    expect([files("released-1").length, files("anchored-0").length]).toEqual([files().length, 0]);
    expect(keeper.output).toContain("levels without tables");
    const wrong = start("wrong", ["--contexts-levels", "released-1,lossless"]);
    expect(await wrong.ended).not.toBe(0);
    expect(wrong.output).toContain("--contexts-levels: expected predicted-0");
    // Of one that has to be in time, a loader decides. What workers began for contexts ends with them: their processes end by themselves.
    const timed = new TestReader(bus, names, "timed");
    const slo = { class: "latency", ttftMs: 60_000, onMiss: "finish" } as const;
    const promptTokens = Array.from({ length: 205 }, (_, at) => 40 + ((at * 11) % 200));
    expect(await timed.submit(names.submit("lacks"), { ...request(8), promptTokens, slo })).toMatchObject({
      kind: "accepted",
    });
    await timed.end(90_000);
    timed.close();
    for (const one of [keeper, lacking]) one.kill("SIGTERM");
    expect(await Promise.all([keeper.ended, lacking.ended])).toEqual([0, 0]);
  }, 240_000);

  test("a context that a worker keeps is brought to another machine over the fleet's bus", async () => {
    const [here, there] = [join(folder, "here"), join(folder, "there")];
    const text = "The shop opens at nine and closes at six. ".repeat(4);
    const put = ["put", "manual", "--model", model, "--dir", here, "--text", text, "--levels", "lossless", "--json"];
    expect(await contexts(put)).toMatchObject({ code: 0 });
    await serving("manuals", ["--contexts", here]);
    const got = await contexts(fromFleet("manual", there));
    expect(got).toMatchObject({ code: 0, output: expect.stringContaining('"damaged":0') as string });
    expect((await contexts(fromFleet("nothing", there))).output).toContain("No instance of the fleet has");
  }, 240_000);

  test("one that is given over TLS only is had by who shows a certificate of the same authority, and by nobody else", async () => {
    const [here, there] = [join(folder, "sealed-here"), join(folder, "sealed-there")];
    const [ours, theirs] = [makeCertificates(join(folder, "ours")), makeCertificates(join(folder, "theirs"))];
    const text = "The shop closes at four on Saturdays. ".repeat(4);
    const put = ["put", "sealed", "--model", model, "--dir", here, "--text", text, "--levels", "lossless", "--json"];
    expect(await contexts(put)).toMatchObject({ code: 0 });
    const sealed = ({ cert, key }: Certificate, ca: string): string[] =>
      Object.entries({ cert, key, ca }).flatMap(([name, file]) => [`--kv-${name}`, file]);
    await serving("seals", ["--contexts", here, ...sealed(ours.server, ours.ca)]);
    // In clear, with a certificate of somebody else, with none.
    const strangers = [[], sealed(theirs.client, ours.ca), ["--kv-ca", ours.ca]];
    for (const flags of strangers) {
      const refused = await contexts([...fromFleet("sealed", there), ...flags]);
      expect([flags, refused.code]).not.toEqual([flags, 0]);
      expect(refused.output).toMatch(/connection|did not answer/i);
    }
    expect((await contexts(["ls", "--dir", there, "--json"])).output).toContain("[]");
    const got = await contexts([...fromFleet("sealed", there), ...sealed(ours.client, ours.ca)]);
    expect(got).toMatchObject({ code: 0, output: expect.stringContaining('"damaged":0') as string });
    expect((await contexts(["ls", "--dir", there, "--json"])).output).toContain('"name":"sealed"');
  }, 240_000);

  test("a router hears the steps of the one that has its request, and sends it where its adapter is", async () => {
    const dir = await writeRandomAdapter(join(folder, "adapter"), { ...TINY, maxPositions: 4096 }, 1, 4);
    const lora = ["--enable-lora", "--lora-modules", `tuned=${dir}`, "--max-lora-rank", "4"];
    await Promise.all([serving("adapted", lora), serving("plain")]);
    await using fleet = await Fleet.join({ bus, fleet: "cli", id: "hears", router: "round-robin" });
    const engine: Engine = await fleet.ready("tiny");
    await until(() => fleet.size === 2);
    const instances = new Set<string | undefined>();
    let told = 0;
    engine.watch(({ instance, decodeTokens }) => {
      instances.add(instance);
      told += decodeTokens;
    });
    const answers: number[][] = [];
    for (const adapter of ["tuned", "tuned", undefined]) {
      const { promptTokens, ...rest } = request(40);
      const named = adapter === undefined ? {} : { adapter };
      const tokens: number[] = [];
      const asked = { ...rest, promptTokens, sampling: { temperature: 0 }, ...named };
      for await (const event of engine.submit(asked)) if (event.kind === "token") tokens.push(event.id);
      answers.push(tokens);
      if (answers.length === 2) {
        await until(() => told >= 2 * 39, 10_000);
        expect(instances).toEqual(new Set(["adapted"]));
      }
    }
    expect(answers[0]).toEqual(answers[1]);
    expect(answers[2]).not.toEqual(answers[0]);
    expect(() => engine.submit({ ...request(4), adapter: "other" })).toThrow(/no instance.*adapter 'other'/i);
  }, 240_000);
});

describe("usage", () => {
  test("JSON lines, a token in the environment, an address without its secrets", async () => {
    await using closed = await TestNatsServer.start({ config: 'authorization { token: "s3cret" }' });
    const refused = start("refused", [], closed.url);
    expect(await refused.ended).not.toBe(0);
    expect(refused.output).toMatch(/bus/i);
    const worker = start("said", ["--json"], closed.url.replace("//", "//s3cret@"));
    const [line] = await worker.printed(/\{.*"ready".*\}/);
    const said = JSON.parse(line) as Record<string, unknown>;
    const kv = { host: "127.0.0.1", port: expect.any(Number) as number };
    expect(said).toMatchObject({ event: "ready", id: "said", model: "tiny", role: "any", fleet: "cli", kv });
    expect(said["pid"]).toBe(worker.pid);
    expect(worker.output).not.toContain("s3cret");
    worker.kill("SIGINT");
    await worker.ended;
    expect(worker.output).toMatch(/"stopped"/);
  });

  test("an nkey from a file", async () => {
    const user = nkeys.createUser();
    await using closed = await TestNatsServer.start({
      config: `authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`,
    });
    const file = join(folder, "user.nk");
    writeFileSync(file, `${new TextDecoder().decode(user.getSeed())}\n`);
    await serving("keyed", ["--bus-nkey", file], closed.url);
  });

  test("what is wrong is said before a model is loaded", async () => {
    const without = TestProcess.start("without", ["worker", "--model", model]);
    expect(await without.ended).toBe(2);
    expect(without.output).toContain("--bus");
    const wrong = TestProcess.start("wrong", ["worker", "--bus", "http://x", "--model", model]);
    expect(await wrong.ended).toBe(2);
    await serving("taken");
    const again = start("taken");
    expect(await again.ended).toBe(2);
    expect(again.output).toContain("taken");
  });
});
