/** Prompts on one instance, decodes on others: the same tokens, pages that move only when there is room, nobody stuck. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import type { Engine } from "../../runtime/index.ts";
import { until } from "../bus/bus.conformance.ts";
import { MemoryBroker, type MemoryBus } from "../bus/memory.ts";
import { TestReader } from "../host/reader.conformance.ts";
import type { MoveReport } from "./outgoing.ts";
import { acquainted, direct, names, quiet, request, startEngine, startSide, type Side } from "./sides.conformance.ts";

/** A machine that is too busy to answer in time would have sequences handed over twice. */
const PATIENT = { giveUpMs: 60_000, silenceMs: 200_000 };
/** Moves of the prefill side that are over. */
const reports: MoveReport[] = [];
let broker: MemoryBroker;
let mine: MemoryBus;
let engines: { readonly prefill: Engine; readonly decode: Engine };
let sides: { readonly prefill: Side; readonly decode: Side };

beforeAll(async () => {
  broker = new MemoryBroker();
  mine = broker.connect();
  const [prefill, decode] = await Promise.all([
    startEngine({ kvPages: 40, handOff: "after-first-token" }),
    // Smaller than what is asked of it at once.
    startEngine({ kvPages: 40 }),
  ]);
  engines = { prefill, decode };
  sides = {
    prefill: await startSide(prefill, broker, {
      ...PATIENT,
      role: "prefill",
      onMoved: (report) => reports.push(report),
    }),
    decode: await startSide(decode, broker, { ...PATIENT, role: "decode" }),
  };
  await acquainted([sides.prefill, sides.decode]);
});

afterAll(async () => {
  for (const { host } of Object.values(sides)) await host.stop({ graceMs: 0 });
  for (const engine of Object.values(engines)) await engine.stop({ graceMs: 0 });
});

function promptOf(tokens: number, seed: number): number[] {
  const random = createRandom(seed, "long prompt");
  return Array.from({ length: tokens }, () => random.int(30, 300));
}

describe("handing over", () => {
  test("more than both sides hold at once: every answer is complete, the same, and says what the transfer took", async () => {
    const seeds = Array.from({ length: 14 }, (_, i) => 40 + i);
    const wanted = seeds.map((seed) => request(seed, { maxTokens: 60 }));
    const readers = seeds.map((seed) => new TestReader(mine, names, `over-${seed}`));
    await Promise.all(
      readers.map(async (reader, i) => await reader.submit(names.submit(sides.prefill.id), wanted[i]!)),
    );
    await Promise.all(readers.map(async (reader) => await reader.end(120_000)));
    for (const [i, reader] of readers.entries()) {
      expect(reader.tokens, `request ${i}`).toEqual((await direct(engines.decode, wanted[i]!)).tokens);
      const finish = reader.events.at(-1)!;
      expect(finish.kind === "finish" && finish.usage.transferMs).toBeGreaterThan(0);
      expect(reader.owner).toBe(sides.decode.id);
      reader.close();
    }
    expect(sides.decode.migration.stats.adopted).toBe(14);
    expect(sides.prefill.migration.stats.server!.pagesOut).toBeGreaterThan(14);
    await quiet([sides.prefill, sides.decode]);
  });

  test("a long prompt goes page by page while it is computed: the same tokens", async () => {
    let stages = 0;
    // On a busy machine a prompt may be quicker than the word that it comes.
    for (let times = 0; times < 8 && stages < 3; times++) {
      const wanted = request(20 + times, { promptTokens: promptOf(500, times), maxTokens: 12 });
      const reader = new TestReader(mine, names, `long-${times}`);
      await reader.submit(names.submit(sides.prefill.id), wanted);
      await reader.end(60_000);
      expect(reader.tokens).toEqual((await direct(engines.decode, wanted)).tokens);
      expect(reader.owner).toBe(sides.decode.id);
      reader.close();
      const report = reports.findLast(({ outcome, requestId }) => outcome === "moved" && requestId === reader.id)!;
      stages = Math.max(stages, report.stages);
      await quiet([sides.prefill, sides.decode]);
    }
    expect(stages).toBeGreaterThanOrEqual(3);
  });

  test("more long prompts than either side holds, clients leaving some: nobody is stuck, nothing is left", async () => {
    const seeds = Array.from({ length: 8 }, (_, i) => 100 + i);
    const readers = seeds.map((seed) => new TestReader(mine, names, `wide-${seed}`));
    const wanted = seeds.map((seed) => request(seed, { promptTokens: promptOf(230, seed), maxTokens: 12 }));
    await Promise.all(
      readers.map(async (reader, i) => await reader.submit(names.submit(sides.prefill.id), wanted[i]!)),
    );
    const [leaving, staying] = [readers.filter((_, i) => i % 3 === 2), readers.filter((_, i) => i % 3 !== 2)];
    const leave = setInterval(() => {
      for (const reader of leaving) {
        for (const { id } of Object.values(sides)) reader.tell(id, { kind: "cancel", requestId: reader.id });
      }
    }, 5);
    await Promise.all(staying.map(async (reader) => await reader.end(120_000)));
    await quiet([sides.prefill, sides.decode]);
    clearInterval(leave);
    for (const [i, reader] of readers.entries()) {
      if (staying.includes(reader)) {
        expect(reader.tokens, reader.id).toEqual((await direct(engines.decode, wanted[i]!)).tokens);
      }
      reader.close();
    }
  });

  test("clients that leave while their requests wait, and while they move: nothing stays behind", async () => {
    const readers = Array.from({ length: 10 }, (_, i) => new TestReader(mine, names, `gone-${i}`));
    for (const [i, reader] of readers.entries()) {
      await reader.submit(names.submit(sides.prefill.id), request(60 + i, { maxTokens: 400 }));
    }
    await until(() => readers.some(({ tokens }) => tokens.length > 3));
    const leave = setInterval(() => {
      for (const reader of readers) {
        for (const { id } of Object.values(sides)) reader.tell(id, { kind: "cancel", requestId: reader.id });
      }
    }, 10);
    await quiet([sides.prefill, sides.decode]);
    clearInterval(leave);
    for (const reader of readers) reader.close();
  });

  test("with nobody there who decodes, the prompts' side does it itself", async () => {
    await sides.decode.host.stop({ graceMs: 0 });
    const reader = new TestReader(mine, names, "alone");
    const wanted = request(80, { maxTokens: 30 });
    await reader.submit(names.submit(sides.prefill.id), wanted);
    await reader.end();
    expect(reader.owner).toBe(sides.prefill.id);
    expect(reader.tokens).toEqual((await direct(engines.decode, wanted)).tokens);
    reader.close();
    sides = { ...sides, decode: await startSide(engines.decode, broker, { ...PATIENT, role: "decode" }) };
    await quiet([sides.prefill, sides.decode]);
  });
});
