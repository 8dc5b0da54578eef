/** Live migration between real engines in one process: a bus in memory, pages over TCP, the same tokens as without. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { TINY } from "../../../test/support/tiny.ts";
import { createRandom, replacing } from "../../core/index.ts";
import { fleetMoveViewSchema, type FleetMoveView } from "../../protocol/index.ts";
import { sleep, type Engine, type GenerateEvent, type SequenceExport } from "../../runtime/index.ts";
import { until } from "../bus/bus.conformance.ts";
import { MemoryBroker, type MemoryBus } from "../bus/memory.ts";
import type { Bus } from "../bus/types.ts";
import { KvCodec } from "../codec/codec.ts";
import { losslessFrameCodec } from "../codec/frame-codec.ts";
import { cacheShape } from "../codec/shape.ts";
import { Fleet } from "../fleet/fleet.ts";
import { TestReader } from "../host/reader.conformance.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";
import {
  acquainted,
  direct,
  names,
  quiet,
  request,
  soak,
  startEngine,
  startSide,
  unreliable,
  type Side,
} from "./sides.conformance.ts";
import { measureGap } from "./measure-gap.ts";
import type { MoveReport } from "./outgoing.ts";
import type { MigrationMode } from "./types.ts";

/** How many moves of the soak: `MIGRATIONS=10000 npx vitest run src/cluster/migration` is the long one. */
const moves = Number(process.env["MIGRATIONS"] ?? 12);

let broker: MemoryBroker;
let mine: MemoryBus;
let engines: readonly Engine[];
let sides: Side[] = [];

beforeAll(async () => {
  broker = new MemoryBroker();
  mine = broker.connect();
  engines = await Promise.all([startEngine(), startEngine()]);
  sides = [await startSide(engines[0]!, broker), await startSide(engines[1]!, broker)];
  await acquainted(sides);
});

afterAll(async () => {
  for (const { host } of sides) await host.stop({ graceMs: 0 });
  await Promise.all(engines.map(async (engine) => await engine.stop({ graceMs: 0 })));
});

const first = (): Side => sides[0]!;
const second = (): Side => sides[1]!;

describe("a move", () => {
  test.each<MigrationMode>(["live", "blocking", "recompute"])(
    "%s: the same tokens, each once; nothing stays behind",
    async (mode) => {
      const views: FleetMoveView[] = [];
      const told = mine.subscribe(names.moves, ({ data }) => views.push(decodeMessage(fleetMoveViewSchema, data)));
      const wanted = request(10, {
        maxTokens: 500,
        sampling: { seed: 4, temperature: 0.9, presencePenalty: 0.5, logprobs: 2 },
      });
      const expected = await direct(first().engine, wanted);
      let report: MoveReport | null = null;
      // On a busy machine an answer may be quicker than its move.
      for (let i = 0; i < 5 && report?.outcome !== "moved"; i++) {
        const id = `one-${mode}-${i}`;
        const reader = new TestReader(mine, names, id);
        await reader.submit(names.submit(first().id), wanted);
        await until(() => reader.tokens.length > 20);
        const move = await first()
          .migration.move(id, second().id, { mode })
          .catch(() => null);
        report = (await move?.done) ?? null;
        await reader.end();
        expect(reader.tokens).toEqual(expected.tokens);
        expect(reader.text).toBe(expected.text);
        expect(reader.events.at(-1)).toMatchObject({ kind: "finish", usage: { completionTokens: 500 } });
        if (report?.outcome === "moved") expect([reader.epoch, reader.owner]).toEqual([1, second().id]);
        reader.close();
      }
      expect(report).toMatchObject({ outcome: "moved", stayReason: null, mode, from: first().id, to: second().id });
      if (mode !== "recompute") expect(report!.pages).toBeGreaterThan(1);
      expect(report!.tokens).toBeGreaterThan(20);
      await until(() => views.at(-1)?.stage === "ended");
      const { migration, bytes } = report!;
      expect(views.at(-1)).toMatchObject({ id: migration, outcome: "moved", reason: "asked", bytes });
      told.unsubscribe();
      await quiet(sides);
    },
  );

  test("is told as ended once, with what became of it, however long its pages take to be freed", async () => {
    const views: unknown[] = [];
    const told = mine.subscribe(names.moves, ({ data }) => views.push(JSON.parse(Buffer.from(data).toString())));
    // Longer than how moves stand is held back.
    const slow = await startSide(slowToLeave(engines[0]!, 100), broker);
    sides.push(slow);
    await acquainted(sides);
    for (let i = 0; i < 5 && !views.some((view) => outcomeOf(view) === "moved"); i++) {
      const reader = new TestReader(mine, names, `slow-${i}`);
      await reader.submit(names.submit(slow.id), request(12, { maxTokens: 500 }));
      await until(() => reader.tokens.length > 20);
      await (
        await slow.migration.move(`slow-${i}`, second().id).catch(() => null)
      )?.done;
      await reader.end();
      reader.close();
      await quiet(sides);
    }
    await until(() => views.some((view) => outcomeOf(view) === "moved"));
    told.unsubscribe();
    for (const view of views) expect(fleetMoveViewSchema.safeParse(view).error).toBeUndefined();
    sides.splice(2);
    await slow.host.stop({ graceMs: 0 });
  });

  test("the engine has given it up as frozen for too long: when it is heard that it moved, it ends here at once", async () => {
    const engine = await startEngine({ transferTimeoutMs: 1000 });
    let isHeldUp = true;
    const held: (() => void)[] = [];
    // Of a source that stands still, and hears everything late: the word of the target.
    const late = (bus: Bus): Bus =>
      replacing(bus, {
        publish: (subject, data) => {
          const isWord = Buffer.from(data).includes('"kind":"adopted","epoch"');
          if (isHeldUp && isWord) held.push(() => bus.publish(subject, data));
          else bus.publish(subject, data);
        },
      });
    const source = await startSide(engine, broker, { giveUpMs: 60_000 });
    const target = await startSide(engines[1]!, broker, {}, late);
    sides.push(source, target);
    await acquainted(sides);
    const wanted = request(13, { maxTokens: 1900 });
    const reader = new TestReader(mine, names, "given-up");
    await reader.submit(names.submit(source.id), wanted);
    await until(() => reader.tokens.length > 20);
    const { done } = await source.migration.move("given-up", target.id);
    await until(() => held.length > 0);
    reader.acknowledges = false; // its answer is not to be over before that
    const frozen = engine.stats().counters.generationTokens;
    await until(() => engine.stats().counters.generationTokens > frozen + 5); // it goes on, to nobody
    isHeldUp = false;
    held.at(-1)!();
    expect((await done).outcome).toBe("moved");
    // Nor does it wait for its reader until it is stale.
    await until(() => {
      const { running, waiting, paused, kv } = engine.stats();
      return running + waiting + paused + kv.pagesUsed === 0;
    }, 3000);
    expect(reader.ended).toBe(false); // it was cut off, it has not run out
    reader.acknowledges = true;
    reader.ack(true);
    await reader.end();
    expect(reader.tokens).toEqual((await direct(engines[1]!, wanted)).tokens);
    reader.close();
    await quiet(sides);
    for (const { host } of sides.splice(2)) await host.stop({ graceMs: 0 });
    await engine.stop({ graceMs: 0 });
  });

  test("what cannot be moved is said in words, and goes on", async () => {
    const wanted = request(11);
    const reader = new TestReader(mine, names, "stays");
    await reader.submit(names.submit(first().id), wanted);
    const move = async (id: string, to: string): Promise<unknown> => await first().migration.move(id, to);
    await expect(move("stays", "nobody")).rejects.toMatchObject({ code: "unavailable" });
    await expect(move("stays", first().id)).rejects.toMatchObject({ code: "invalid_request" });
    await expect(move("nothing", second().id)).rejects.toMatchObject({ code: "not_found" });
    const moving = first().migration.move("stays", second().id);
    await expect(move("stays", second().id)).rejects.toMatchObject({ code: "busy" });
    await (
      await moving
    ).done;
    await reader.end();
    expect(reader.tokens).toEqual((await direct(first().engine, wanted)).tokens);
    reader.close();
    await quiet(sides);
  });

  test("a client that leaves in the middle of a move: both sides are free", async () => {
    for (const afterMs of [0, 2, 5, 20, 60]) {
      const id = `leaves-${afterMs}`;
      const reader = new TestReader(mine, names, id);
      await reader.submit(names.submit(first().id), request(12));
      await until(() => reader.tokens.length > 5);
      const { done } = await first().migration.move(id, second().id);
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      const leave = setInterval(() => reader.tell(reader.owner, { kind: "cancel", requestId: id }), 5);
      await done;
      // As a router does: whoever has it is told.
      for (const { id: instance } of sides) reader.tell(instance, { kind: "cancel", requestId: id });
      await quiet(sides);
      clearInterval(leave);
      reader.close();
    }
  });

  test("an instance that drains is empty soon, and its answers are complete", async () => {
    const seeds = [21, 22, 23, 24];
    const readers = seeds.map((seed) => new TestReader(mine, names, `drains-${seed}`));
    const wanted = seeds.map((seed) => request(seed, { maxTokens: 400 }));
    await Promise.all(readers.map(async (reader, i) => await reader.submit(names.submit(first().id), wanted[i]!)));
    await until(() => readers.every(({ tokens }) => tokens.length > 2));
    first().host.drain();
    await first().host.drained;
    expect(first().migration.stats.moved).toBeGreaterThan(0);
    await first().host.stop({ graceMs: 0 });
    await Promise.all(readers.map(async (reader) => await reader.end()));
    for (const [i, reader] of readers.entries()) {
      expect(reader.tokens).toEqual((await direct(first().engine, wanted[i]!)).tokens);
      reader.close();
    }
    sides = [await startSide(engines[0]!, broker), second()];
    await acquainted(sides);
    await quiet(sides);
  });
});

describe("behind a router", () => {
  test.each<MigrationMode>(["live", "blocking", "recompute"])(
    "%s: a stream goes on over its move, and the pause is measured",
    async (mode) => {
      const fleet = await Fleet.join({ bus: broker.connect(), fleet: names.fleet, id: `router-${mode}` });
      const engine = await fleet.ready("tiny");
      const wanted = request(14, { maxTokens: 900 });
      const expected = await direct(second().engine, wanted);
      const tokens: number[] = [];
      const stream = engine.submit({ ...wanted, id: `gap-${mode}` });
      const noted = async function* (): AsyncGenerator<GenerateEvent> {
        for await (const event of stream) {
          if (event.kind === "token") tokens.push(event.id);
          yield event;
        }
      };
      const move = async (): Promise<MoveReport> => {
        const [from] = sides.filter(({ host }) => host.port.requests().length > 0);
        const to = sides.find((one) => one !== from)!;
        const [hosted] = from!.host.port.requests();
        return await (
          await from!.migration.move(hosted!.requestId, to.id, { mode })
        ).done;
      };
      const sample = await measureGap({ stream: noted(), afterTokens: 30, move });
      expect(tokens).toEqual(expected.tokens);
      expect(sample.report).toMatchObject({ outcome: "moved", mode });
      expect(sample.gapSteps).toBeGreaterThan(0);
      await fleet.stop();
      await quiet(sides);
    },
  );
});

describe("a word that is lost", () => {
  test("back at its first instance before that one knows that it has left: it goes on there", async () => {
    for (const { host } of sides) await host.stop({ graceMs: 0 });
    let silent = true;
    const deaf = (bus: Bus): Bus =>
      new Proxy(bus, {
        get: (target, key) => {
          if (key !== "publish") {
            const value: unknown = Reflect.get(target, key);
            return typeof value === "function" ? (value as () => unknown).bind(target) : value;
          }
          return (subject: string, data: Uint8Array) => {
            const isWord = subject.endsWith(".control") && Buffer.from(data).includes('"kind":"adopted"');
            if (!silent || !isWord) target.publish(subject, data);
          };
        },
      });
    sides = [await startSide(engines[0]!, broker), await startSide(engines[1]!, broker, {}, deaf)];
    await acquainted(sides);
    const wanted = request(15, { maxTokens: 900 });
    const expected = await direct(first().engine, wanted);
    const reader = new TestReader(mine, names, "returns");
    await reader.submit(names.submit(first().id), wanted);
    await until(() => reader.tokens.length > 10);
    const there = await first().migration.move("returns", second().id);
    await until(() => second().host.port.request("returns") !== null);
    const back = await second().migration.move("returns", first().id);
    expect(await back.done).toMatchObject({ outcome: "moved" });
    expect(await there.done).toMatchObject({ outcome: "moved" });
    silent = false;
    await reader.end();
    expect(reader.tokens).toEqual(expected.tokens);
    expect([reader.epoch, reader.owner]).toEqual([2, first().id]);
    reader.close();
    await quiet(sides);
  });
});

/** A bus on which bodies of control messages are looked at, and may be changed. */
function overheard(bus: Bus, hear: (body: Record<string, unknown>) => void): Bus {
  return new Proxy(bus, {
    get: (target, key) => {
      if (key !== "publish") {
        const value: unknown = Reflect.get(target, key);
        return typeof value === "function" ? (value as () => unknown).bind(target) : value;
      }
      return (subject: string, data: Uint8Array) => {
        if (!subject.endsWith(".control")) return target.publish(subject, data);
        const message = decodeMessage(z.record(z.string(), z.unknown()), data);
        if (message["body"] !== undefined) hear(message["body"] as Record<string, unknown>);
        target.publish(subject, encodeMessage(message));
      };
    },
  });
}

describe("the commit", () => {
  test.each([false, true])("goes with the last pages; what went ahead of it is lost: %s", async (isLost) => {
    for (const { host } of sides) await host.stop({ graceMs: 0 });
    const said: unknown[] = [];
    const hear = (body: Record<string, unknown>): void => {
      said.push(body["kind"]);
      if (isLost) delete body["ahead"];
    };
    sides = [
      await startSide(engines[0]!, broker, { retryMs: isLost ? 100 : 60_000 }, (bus) => overheard(bus, hear)),
      await startSide(engines[1]!, broker),
    ];
    await acquainted(sides);
    const wanted = request(17, { maxTokens: 600 });
    const expected = await direct(first().engine, wanted);
    const reader = new TestReader(mine, names, `rides-${isLost}`);
    await reader.submit(names.submit(first().id), wanted);
    await until(() => reader.tokens.length > 20);
    const { done } = await first().migration.move(`rides-${isLost}`, second().id);
    expect(await done).toMatchObject({ outcome: "moved" });
    await reader.end(120_000);
    expect(reader.tokens).toEqual(expected.tokens);
    expect(said).toContain("reserve");
    // What tells only what is new since something that never came is as good as lost: it is said again, whole, by itself.
    if (isLost) expect(said).toContain("commit");
    else expect(said).not.toContain("commit");
    reader.close();
    await quiet(sides);
  });
});

describe("coded pages", () => {
  test("travel in fewer bytes and are the same", async () => {
    for (const { host } of sides) await host.stop({ graceMs: 0 });
    const { modelFingerprint, pageTokens } = engines[0]!.info;
    const shape = cacheShape({ ...TINY, maxPositions: 2048 }, { format: "f32", pageTokens }, modelFingerprint!);
    const codecs = [losslessFrameCodec(await KvCodec.create(shape))];
    sides = [await startSide(engines[0]!, broker, { codecs }), await startSide(engines[1]!, broker, { codecs })];
    await acquainted(sides);
    const wanted = request(16, { maxTokens: 900 });
    const expected = await direct(first().engine, wanted);
    const reader = new TestReader(mine, names, "coded");
    await reader.submit(names.submit(first().id), wanted);
    await until(() => reader.tokens.length > 60);
    const report = await (await first().migration.move("coded", second().id)).done;
    expect(report.outcome).toBe("moved");
    expect(report.bytes).toBeLessThan(report.pages * engines[0]!.info.pageBytes);
    await reader.end();
    expect(reader.tokens).toEqual(expected.tokens);
    reader.close();
    await quiet(sides);
  });
});

describe("a soak", () => {
  test(
    `${moves} moves over a bus that loses, repeats and delays: no wrong token`,
    async () => {
      for (const { host } of sides) await host.stop({ graceMs: 0 });
      const random = createRandom("soak", "bus");
      const wrap = (bus: Bus): Bus => unreliable(bus, random, 0.3);
      const options = { maxOutgoing: 8, maxIncoming: 8 };
      sides = [
        await startSide(engines[0]!, broker, options, wrap),
        await startSide(engines[1]!, broker, options, wrap),
      ];
      await acquainted(sides);
      const kinds = Array.from({ length: 6 }, (_, i) => request(30 + 7 * i, { maxTokens: 60 + 40 * i }));
      const report = await soak({ sides, bus: mine, seed: "soak", moves, open: 6, kinds });
      if (moves > 100) console.log(JSON.stringify(report));
      expect(report.wrong).toEqual([]);
      expect(report.moved).toBeGreaterThanOrEqual(moves);
      await quiet(sides);
    },
    60_000 + moves * 2000,
  );
});

const outcomeOf = (view: unknown): unknown => (view as { readonly outcome: unknown }).outcome;

/** The same engine; what has left it is freed so much later. */
function slowToLeave(engine: Engine, ms: number): Engine {
  const { transfers } = engine;
  const exporting = async (requestId: string): Promise<SequenceExport> => {
    const exported = await transfers.export(requestId);
    return replacing(exported, {
      commit: async () => {
        await sleep(ms);
        await exported.commit();
      },
    });
  };
  return replacing(engine, { transfers: replacing(transfers, { export: exporting }) });
}
