/** Leases, names and the directory: who is there, as a reader judges it. */
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { FLEET_VERSION, instanceCardSchema, type InstanceCard } from "../../protocol/index.ts";
import { FakeClock } from "../../core/index.ts";
import { sleep } from "../../runtime/index.ts";
import { until } from "../bus/bus.conformance.ts";
import { MemoryBroker } from "../bus/memory.ts";
import { decodeMessage, encodeMessage } from "../wire.ts";
import { Leases } from "./leases.ts";
import { fleetNames, subjectWord } from "./names.ts";
import { InstanceRegistry } from "./registry.ts";

describe("leases", () => {
  test("a new revision renews, the same does not, and a smaller one does after a broker's restart", () => {
    const leases = new Leases(3000);
    leases.seen("a", 7, 0);
    leases.seen("a", 7, 2900);
    expect(leases.expired(3000)).toEqual([]);
    expect(leases.expired(3001)).toEqual(["a"]);
    leases.seen("a", 1, 3001);
    expect(leases.expired(6001)).toEqual([]);
    expect(leases.ageMs("a", 4001)).toBe(1000);
    leases.forget("a");
    expect(leases.expired(1e9)).toEqual([]);
    expect(leases.ageMs("a", 0)).toBeNull();
  });

  test("while the reader is cut off nobody is judged, and everybody has a whole lease afterwards", () => {
    const leases = new Leases(3000);
    leases.seen("a", 1, 0);
    leases.cutOff();
    expect(leases.expired(60_000)).toEqual([]);
    leases.healed(60_000);
    expect(leases.expired(63_000)).toEqual([]);
    expect(leases.expired(63_001)).toEqual(["a"]);
  });

  test("whoever renews in time never expires, whoever stops does, whatever the others do", () => {
    const property = fc.property(
      fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 50 }),
      (gapsMs) => {
        const leases = new Leases(3000);
        leases.seen("dead", 1, 0);
        let nowMs = 0;
        for (const [i, gapMs] of gapsMs.entries()) {
          leases.seen("alive", i, nowMs);
          nowMs += gapMs;
          expect(leases.expired(nowMs)).not.toContain("alive");
          expect(leases.expired(nowMs).includes("dead")).toBe(nowMs > 3000);
        }
      },
    );
    fc.assert(property, { seed: 29, numRuns: 100 });
  });
});

describe("names", () => {
  test("any text becomes one word, different texts different words", () => {
    const unit = fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code));
    const property = fc.property(fc.string({ unit }), fc.string({ unit }), (one, other) => {
      expect(subjectWord(one)).toMatch(/^[A-Za-z0-9_=-]+$/);
      const [first, second] = [one, other].map((text) => new TextEncoder().encode(text).join());
      expect(subjectWord(one) === subjectWord(other)).toBe(first === second);
    });
    fc.assert(property, { seed: 3, numRuns: 60 });
    expect(subjectWord("Qwen/Qwen3-0.6B")).toBe("Qwen=2fQwen3-0=2e6B");
  });

  test("a fleet's name is a word", () => {
    expect(fleetNames("prod").submit("a")).toBe("punctual.prod.inst.a.submit");
    for (const bad of ["", "a.b", "a b", "*", "x".repeat(49)]) expect(() => fleetNames(bad)).toThrow(/name/);
  });
});

const names = fleetNames("registry");

function card(id: string, over: Partial<InstanceCard> = {}): InstanceCard {
  return {
    version: FLEET_VERSION,
    id,
    model: "m",
    fingerprint: "f",
    role: "any",
    state: "serving",
    pageTokens: 16,
    totalPages: 8,
    contextTokens: 128,
    maxRunning: 4,
    maxWaiting: 4,
    kv: null,
    startedUnixMs: 1,
    info: {},
    facts: { id: "x", bytes: 0 },
    ...over,
  };
}

async function watched(clock?: FakeClock) {
  const broker = new MemoryBroker();
  const bus = broker.connect();
  const peer = broker.connect();
  const told: string[] = [];
  const registry = await InstanceRegistry.open({
    bus,
    names,
    listener: {
      joined: ({ id }) => told.push(`joined ${id}`),
      changed: ({ id, state }) => told.push(`changed ${id} ${state}`),
      gone: ({ id }, why) => told.push(`gone ${id} ${why}`),
    },
    log: (message) => told.push(message.slice(0, 8)),
    ...(clock === undefined ? {} : { clock }),
  });
  const directory = await peer.keyValue(names.instances, { ttlMs: 30_000 });
  const put = (one: InstanceCard): Promise<number> => directory.put(one.id, encodeMessage(one));
  const listen = (id: string) =>
    peer.subscribe(names.control(id), (message) => {
      const { version } = card(id);
      const pong = { version, kind: "pong", instance: id, state: "serving", running: 0, waiting: 0, requestIds: [] };
      message.respond(encodeMessage(pong));
    });
  return { bus, peer, told, registry, directory, put, listen };
}

/** Time goes by, and leases are looked at as they are. */
function pass(clock: FakeClock, registry: InstanceRegistry, ms: number): void {
  for (let left = ms; left > 0; left -= 250) {
    clock.advance(Math.min(250, left));
    registry.tick();
  }
}

describe("directory", () => {
  test("who comes, changes, leaves, dies or starts again is told once", async () => {
    const { told, registry, directory, put, listen } = await watched();
    const a = listen("a");
    listen("b");
    await put(card("a"));
    await put(card("b"));
    await put(card("b"));
    await put(card("b", { state: "draining" }));
    expect(told).toEqual(["joined a", "joined b", "changed b draining"]);
    await put(card("b", { startedUnixMs: 2 }));
    expect(told.splice(3)).toEqual(["gone b restarted", "joined b"]);
    expect(await registry.suspect("a")).toBe(true);
    a.unsubscribe();
    await directory.delete("a");
    await until(() => told.includes("gone a left"));
    expect([...registry.cards.keys()]).toEqual(["b"]);
    await directory.put("junk", new TextEncoder().encode("{}"));
    expect(told.at(-1)).toBe("The card");
    await registry[Symbol.asyncDispose]();
  });

  test("nobody listens where it did: gone at once; one that is mute is judged by its lease", async () => {
    const clock = new FakeClock(0);
    const { told, registry, put, peer } = await watched(clock);
    await put(card("dead"));
    expect(await registry.suspect("dead")).toBe(false);
    expect(told).toEqual(["joined dead", "gone dead dead"]);
    peer.subscribe(names.control("mute"), () => undefined);
    await put(card("mute"));
    pass(clock, registry, 2999);
    expect(registry.cards.has("mute")).toBe(true);
    pass(clock, registry, 2);
    expect(told.at(-1)).toBe("gone mute expired");
    await registry[Symbol.asyncDispose]();
  });

  test("a reader that stood still itself gives everybody a whole lease: their cards wait to be read", async () => {
    const clock = new FakeClock(0);
    const { told, registry, put, peer } = await watched(clock);
    for (const id of ["renews", "mute"]) {
      peer.subscribe(names.control(id), () => undefined);
      await put(card(id));
    }
    pass(clock, registry, 1000);
    clock.advance(60_000); // its threads did not run
    registry.tick();
    expect(told).toEqual(["joined renews", "joined mute"]);
    await put(card("renews"));
    pass(clock, registry, 2999);
    expect([...registry.cards.keys()]).toEqual(["renews", "mute"]);
    await put(card("renews"));
    pass(clock, registry, 2);
    expect(told.slice(2)).toEqual(["gone mute expired"]);
    await registry[Symbol.asyncDispose]();
  });

  test("a card that is taken away while its instance answers is the broker's fault, not the instance's end", async () => {
    const { told, registry, directory, put, listen } = await watched();
    listen("a");
    await put(card("a"));
    await directory.delete("a");
    await sleep(50);
    expect(told).toEqual(["joined a"]);
    await registry[Symbol.asyncDispose]();
  });

  test("after a loss of the bus everybody has a whole lease to be heard, also who cannot be reached yet", async () => {
    const clock = new FakeClock(0);
    const { bus, told, registry, put } = await watched(clock);
    await put(card("a"));
    bus.setConnected(false);
    pass(clock, registry, 60_000);
    bus.setConnected(true);
    pass(clock, registry, 2000);
    expect(await registry.suspect("a")).toBe(true);
    expect(told).toEqual(["joined a"]);
    pass(clock, registry, 1001);
    expect(told).toEqual(["joined a", "gone a expired"]);
    await registry[Symbol.asyncDispose]();
  });
});

test("a reader that comes late is told who is there, not who was", async () => {
  const broker = new MemoryBroker();
  const peer = broker.connect();
  const directory = await peer.keyValue(names.instances, { ttlMs: 30_000 });
  for (const id of ["alive", "dead", "late"]) await directory.put(id, encodeMessage(card(id)));
  peer.subscribe(names.control("alive"), (message) => {
    const pong = { version: FLEET_VERSION, kind: "pong", instance: "alive", state: "serving", running: 0, waiting: 0 };
    message.respond(encodeMessage({ ...pong, requestIds: [] }));
  });
  const told: string[] = [];
  const listener = { joined: ({ id }: InstanceCard) => told.push(id), changed: () => undefined, gone: () => undefined };
  await using registry = await InstanceRegistry.open({ bus: broker.connect(), names, listener });
  expect(told).toEqual(["alive"]);
  await directory.put("late", encodeMessage(card("late")));
  expect(told).toEqual(["alive", "late"]);
  expect([...registry.cards.keys()]).toEqual(["alive", "late"]);
});

test("messages of foreign bytes are read or refused by name, large ones packed", () => {
  const large = card("a", { info: { text: "x".repeat(200_000) } });
  const bytes = encodeMessage(large);
  expect(bytes.length).toBeLessThan(2000);
  expect(decodeMessage(instanceCardSchema, bytes)).toEqual(large);
  const refuses = (junk: Uint8Array): void => {
    expect(() => decodeMessage(instanceCardSchema, junk)).toThrow(expect.objectContaining({ code: "invalid_request" }));
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), refuses), { seed: 5, numRuns: 150 });
  const flips = fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
    const broken = Uint8Array.from(bytes);
    broken[at]! ^= change;
    try {
      instanceCardSchema.parse(decodeMessage(instanceCardSchema, broken));
    } catch (error) {
      expect(error).toMatchObject({ code: "invalid_request" });
    }
  });
  fc.assert(flips, { seed: 6, numRuns: 150 });
});
