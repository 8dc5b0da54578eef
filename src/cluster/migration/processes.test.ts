/** Migration and hand-over between `punctual worker` processes, over a real nats-server: the same tokens as on one of them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { FaultProxy } from "../../../test/fleet/fault-proxy.ts";
import { headerSplitter } from "../../../test/fleet/frames.ts";
import { TestProcess } from "../../../test/fleet/processes.ts";
import { freePort } from "../../../test/fleet/test-fleet.ts";
import { writeRandomModel } from "../../../test/support/model-folder.ts";
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom } from "../../core/index.ts";
import {
  controlReplySchema,
  FLEET_VERSION,
  fleetMoveViewSchema,
  type ControlReply,
  type FleetMoveView,
  type WireRequest,
} from "../../protocol/index.ts";
import { until } from "../bus/bus.conformance.ts";
import { connectBus } from "../bus/connect.ts";
import { TestNatsServer } from "../bus/nats-server.conformance.ts";
import type { Bus } from "../bus/types.ts";
import { LOSSLESS_FRAME_CODEC } from "../codec/frame-codec.ts";
import { TestReader } from "../host/reader.conformance.ts";
import { FRAME_HEADER_BYTES, FRAME_KINDS } from "../kv/frames.ts";
import { fleetNames } from "../registry/names.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";

const names = fleetNames("processes");
const dir = mkdtempSync(join(tmpdir(), "punctual-migration-"));
let nats: TestNatsServer;
let bus: Bus;
const workers = new Map<string, TestProcess>();
const views: FleetMoveView[] = [];

async function startWorker(id: string, role: string, others: readonly string[] = []): Promise<void> {
  const flags = ["--bus", nats.url, "--fleet", "processes", "--model", `tiny=${join(dir, "model")}`];
  const more = ["--id", id, "--role", role, "--threads", "1", "--kv-pages", "256", "--exact", "--work-items", "0"];
  const one = TestProcess.start(id, ["worker", ...flags, ...more, ...others]);
  workers.set(id, one);
  await one.printed(/serves/);
}

beforeAll(async () => {
  writeRandomModel(join(dir, "model"), { ...TINY, maxPositions: 4096 });
  nats = await TestNatsServer.start();
  bus = await connectBus(nats.url);
  bus.subscribe(names.moves, ({ data }) => views.push(decodeMessage(fleetMoveViewSchema, data)));
  await Promise.all([startWorker("one", "any"), startWorker("two", "any")]);
});

afterAll(async () => {
  for (const one of workers.values()) one.kill();
  await Promise.all([...workers.values()].map(async ({ ended }) => await ended));
  await bus[Symbol.asyncDispose]();
  await nats[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

function request(seed: number, maxTokens: number): Omit<WireRequest, "id"> {
  const random = createRandom(seed, "prompt");
  const promptTokens = Array.from({ length: 30 }, () => random.int(30, 250));
  return { promptTokens, maxTokens, ignoreEos: true, sampling: { seed, temperature: 0.8 } };
}

async function ask(id: string, body: object): Promise<ControlReply> {
  const message = encodeMessage({ version: FLEET_VERSION, ...body });
  return decodeMessage(controlReplySchema, (await bus.request(names.control(id), message, { timeoutMs: 20_000 })).data);
}

const move = async (id: string, requestId: string, to: string): Promise<ControlReply> =>
  await ask(id, { kind: "extension", name: "migration", body: { kind: "move", requestId, to } });

async function answer(id: string, instance: string, wanted: Omit<WireRequest, "id">): Promise<TestReader> {
  const reader = new TestReader(bus, names, id);
  expect(await reader.submit(names.submit(instance), wanted)).toMatchObject({ kind: "accepted" });
  return reader;
}

/** No page is held and nothing runs. */
async function empty(id: string): Promise<void> {
  await until(async () => {
    const reply = await ask(id, { kind: "stats" });
    const stats =
      reply.kind === "stats" ? (reply.stats as unknown as { kv: { pagesUsed: number }; running: number }) : null;
    return stats !== null && stats.kv.pagesUsed === 0 && stats.running === 0;
  }, 30_000);
}

describe("between processes", () => {
  test("there and back, while it decodes: each token once, as without a move", async () => {
    const wanted = request(1, 700);
    const still = await answer("still", "two", wanted);
    await still.end(120_000);
    const reader = await answer("moves", "one", wanted);
    let owner = "one";
    for (let times = 0; times < 3; times++) {
      await until(() => reader.tokens.length > 40 + 100 * times, 60_000);
      const to = owner === "one" ? "two" : "one";
      const before = views.filter(({ outcome }) => outcome !== null).length;
      const reply = await move(owner, "moves", to);
      if (reply.kind !== "extension") break; // it was quicker
      await until(() => views.filter(({ outcome }) => outcome !== null).length > before, 60_000);
      if (views.findLast(({ outcome }) => outcome !== null)?.outcome === "moved") owner = to;
    }
    await reader.end(120_000);
    expect(reader.tokens).toEqual(still.tokens);
    expect(reader.text).toBe(still.text);
    expect(views.some(({ outcome, pages }) => outcome === "moved" && pages > 2)).toBe(true);
    for (const one of [reader, still]) one.close();
    await empty("one");
    await empty("two");
  });

  test("SIGTERM: what is here moves away, the process ends by itself, the answers are complete", async () => {
    const seeds = [11, 12, 13];
    const expected = await Promise.all(
      seeds.map(async (seed) => await answer(`calm-${seed}`, "two", request(seed, 400))),
    );
    await Promise.all(expected.map(async (reader) => await reader.end(120_000)));
    const readers = await Promise.all(
      seeds.map(async (seed) => await answer(`leaves-${seed}`, "one", request(seed, 400))),
    );
    await until(() => readers.every(({ tokens }) => tokens.length > 3), 60_000);
    workers.get("one")!.kill("SIGTERM");
    expect(await workers.get("one")!.ended).toBe(0);
    await Promise.all(readers.map(async (reader) => await reader.end(120_000)));
    for (const [i, reader] of readers.entries()) expect(reader.tokens).toEqual(expected[i]!.tokens);
    expect(readers.some(({ owner }) => owner === "two")).toBe(true);
    for (const reader of [...readers, ...expected]) reader.close();
    await empty("two");
  });

  test("the target is killed in the middle: the source goes on or it is lost with the target, never a wrong token", async () => {
    await startWorker("three", "any");
    const wanted = request(21, 900);
    const still = await answer("quiet", "two", wanted);
    await still.end(120_000);
    const reader = await answer("killed", "two", wanted);
    await until(() => reader.tokens.length > 20, 60_000);
    const ended = views.length;
    expect((await move("two", "killed", "three")).kind).toBe("extension");
    await until(
      () => views.slice(ended).some(({ stage }) => stage === "copy" || stage === "freeze" || stage === "ended"),
      60_000,
    );
    workers.get("three")!.kill();
    await workers.get("three")!.ended;
    // What became of it is told after that it has ended; of earlier moves as well.
    const over = (): FleetMoveView | undefined =>
      views.slice(ended).find(({ request: moved, outcome }) => moved === "killed" && outcome !== null);
    await until(() => over() !== undefined, 60_000);
    const { outcome } = over()!;
    if (outcome !== "moved") await reader.end(120_000);
    expect(still.tokens.slice(0, reader.tokens.length)).toEqual(reader.tokens);
    if (outcome !== "moved") expect(reader.tokens).toEqual(still.tokens);
    for (const one of [reader, still]) one.close();
    await empty("two");
  });

  test("prompts in one process, decodes in another", async () => {
    const seeds = [31, 32, 33, 34];
    const expected = await Promise.all(
      seeds.map(async (seed) => await answer(`whole-${seed}`, "two", request(seed, 60))),
    );
    await Promise.all(expected.map(async (reader) => await reader.end(120_000)));
    await Promise.all([startWorker("prompts", "prefill"), startWorker("decodes", "decode")]);
    const readers = await Promise.all(
      seeds.map(async (seed) => await answer(`apart-${seed}`, "prompts", request(seed, 60))),
    );
    await Promise.all(readers.map(async (reader) => await reader.end(120_000)));
    for (const [i, reader] of readers.entries()) {
      expect(reader.tokens).toEqual(expected[i]!.tokens);
      const finish = reader.events.at(-1)!;
      expect(finish.kind === "finish" ? finish.usage.transferMs : null).toBeGreaterThan(0);
    }
    for (const reader of [...readers, ...expected]) reader.close();
    await empty("prompts");
    await empty("decodes");
  });
});

/** The codecs of all frames of pages that come to a worker's port for keys and values, and their bytes before and after. */
interface Tapped {
  readonly codecs: number[];
  rawBytes: number;
  bytes: number;
}

/** Starts a worker whose keys and values come through a proxy that reads along. */
async function startTapped(id: string, others: readonly string[] = []): Promise<Tapped & AsyncDisposable> {
  const port = await freePort();
  const payloadBytes = (header: Buffer): number => header.readUInt32LE(48);
  const proxy = await FaultProxy.start(port, () => headerSplitter(FRAME_HEADER_BYTES, payloadBytes));
  const seen: Tapped = { codecs: [], rawBytes: 0, bytes: 0 };
  proxy.rule = ({ bytes, payload }, way) => {
    if (way === "up" && bytes[5] === FRAME_KINDS.indexOf("pages")) {
      seen.codecs.push(bytes[6]!);
      seen.rawBytes += bytes.readUInt32LE(52);
      seen.bytes += payload.length;
    }
    return "pass";
  };
  await startWorker(id, "any", ["--kv-port", `${port}`, "--kv-advertise", `127.0.0.1:${proxy.port}`, ...others]);
  return Object.assign(seen, { [Symbol.asyncDispose]: () => proxy[Symbol.asyncDispose]() });
}

describe("pages between workers", () => {
  test.each([["coded", "lossless"] as const, ["plain", "auto"] as const])(
    "travel %s when told '%s', and are the same",
    async (name, coding) => {
      await using target = await startTapped(`to-${name}`, ["--kv-coding", coding]);
      await startWorker(`from-${name}`, "any", ["--kv-coding", coding, "--no-balance"]);
      const wanted = request(41, 600);
      const still = await answer(`still-${name}`, `from-${name}`, wanted);
      await still.end(120_000);
      let outcome: string | null | undefined;
      // On a busy machine an answer may be quicker than its move.
      for (let times = 0; times < 5 && outcome !== "moved"; times++) {
        const id = `${name}-${times}`;
        const reader = await answer(id, `from-${name}`, wanted);
        await until(() => reader.tokens.length > 100, 60_000);
        const before = views.length;
        if ((await move(`from-${name}`, id, `to-${name}`)).kind === "extension") {
          await until(() => views.slice(before).some((view) => view.outcome !== null), 60_000);
          ({ outcome } = views.findLast((view) => view.outcome !== null)!);
        }
        await reader.end(120_000);
        expect(reader.tokens).toEqual(still.tokens);
        reader.close();
      }
      still.close();
      expect(outcome).toBe("moved");
      const { codecs, bytes, rawBytes } = target;
      expect(rawBytes).toBeGreaterThan(0);
      // The last stage, while nothing is computed, goes as it is; everything before it is coded. On one machine nothing is,
      // unless it is asked for.
      if (name === "coded") {
        expect(codecs).toContain(LOSSLESS_FRAME_CODEC);
        expect(bytes).toBeLessThan(rawBytes);
      } else expect([bytes, new Set(codecs)]).toEqual([rawBytes, new Set([0])]);
      await empty(`from-${name}`);
      await empty(`to-${name}`);
    },
    240_000,
  );
});
