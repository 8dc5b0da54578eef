/** Prompts on one instance, decodes on others: the same tokens, pages that move only when there is room, nobody stuck. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Engine } from "../../runtime/index.ts";
import { until } from "../bus/bus.conformance.ts";
import { MemoryBroker, type MemoryBus } from "../bus/memory.ts";
import { TestReader } from "../host/reader.conformance.ts";
import { acquainted, direct, names, quiet, request, startEngine, startSide, type Side } from "./sides.conformance.ts";

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
    prefill: await startSide(prefill, broker, { role: "prefill" }),
    decode: await startSide(decode, broker, { role: "decode" }),
  };
  await acquainted([sides.prefill, sides.decode]);
});

afterAll(async () => {
  for (const { host } of Object.values(sides)) await host.stop({ graceMs: 0 });
  for (const engine of Object.values(engines)) await engine.stop({ graceMs: 0 });
});

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
    sides = { ...sides, decode: await startSide(engines.decode, broker, { role: "decode" }) };
    await quiet([sides.prefill, sides.decode]);
  });
});
