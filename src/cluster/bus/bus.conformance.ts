/** What every bus does: run over the one in memory and over a real NATS server. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { codeOf } from "../../../test/support/error-code.ts";
import type { Bus, BusMessage, BusSubscription, KeyValueChange, WorkItem } from "./types.ts";

/** A broker and its connections, as the suite needs them. */
export interface BusUnderTest extends AsyncDisposable {
  connect(): Promise<Bus>;
  /** The broker is gone, as far as everybody connected can tell, and comes back. */
  lose(): Promise<void>;
  heal(): Promise<void>;
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const read = (message: { readonly data: Uint8Array }): string => new TextDecoder().decode(message.data);

/** Waits for something that takes a moment. */
export async function until<T>(
  look: () => T | false | null | undefined | Promise<T | false>,
  limitMs = 20_000,
): Promise<T> {
  const endMs = performance.now() + limitMs;
  for (;;) {
    const value = await look();
    if (value !== false && value !== null && value !== undefined) return value;
    if (performance.now() > endMs) throw new Error(`it did not happen within ${limitMs} ms: ${look.toString()}`);
    await sleep(5);
  }
}

/** The suite. */
export function describeBus(name: string, start: () => Promise<BusUnderTest>): void {
  describe(name, () => {
    let broker: BusUnderTest;
    let alice: Bus;
    let bob: Bus;

    beforeAll(async () => {
      broker = await start();
      alice = await broker.connect();
      bob = await broker.connect();
    });

    afterAll(async () => {
      await alice[Symbol.asyncDispose]();
      await bob[Symbol.asyncDispose]();
      await broker[Symbol.asyncDispose]();
    });

    messages(() => [alice, bob]);
    directory(() => [alice, bob]);
    work(
      () => [alice, bob],
      () => broker.connect(),
    );
    faults(() => broker);
  });
}

type Pair = () => readonly [Bus, Bus];

function messages(pair: Pair): void {
  test("messages come in order, to everybody who listens, wildcards as NATS has them", async () => {
    const [alice, bob] = pair();
    const heard: Record<string, string[]> = { exact: [], star: [], rest: [], other: [] };
    const hear = (key: string) => (message: BusMessage) => heard[key]!.push(`${message.subject}=${read(message)}`);
    const all = [
      bob.subscribe("t.one.x", hear("exact")),
      bob.subscribe("t.*.x", hear("star")),
      bob.subscribe("t.>", hear("rest")),
      bob.subscribe("t.*", hear("other")),
    ];
    await bob.flush();
    for (let i = 0; i < 20; i++) alice.publish("t.one.x", text(`${i}`));
    alice.publish("t.two.x", text("two"));
    alice.publish("t", text("no"));
    alice.publish("t.one.x.y", text("deep"));
    await until(() => heard["rest"]!.length === 22);
    const numbers = Array.from({ length: 20 }, (_, i) => `t.one.x=${i}`);
    expect(heard["exact"]).toEqual(numbers);
    expect(heard["star"]).toEqual([...numbers, "t.two.x=two"]);
    expect(heard["rest"]).toEqual([...numbers, "t.two.x=two", "t.one.x.y=deep"]);
    expect(heard["other"]).toEqual([]);
    for (const subscription of all) subscription.unsubscribe();
    alice.publish("t.one.x", text("late"));
    await alice.flush();
    await bob.flush();
    await sleep(20);
    expect(heard["exact"]).toEqual(numbers);
  });

  test("of a queue group one gets each message, others all the same", async () => {
    const [alice, bob] = pair();
    const counts = [0, 0, 0, 0];
    const listeners = [
      alice.subscribe("q.work", () => (counts[0]! += 1), { queue: "g" }),
      bob.subscribe("q.work", () => (counts[1]! += 1), { queue: "g" }),
      bob.subscribe("q.*", () => (counts[2]! += 1), { queue: "h" }),
      bob.subscribe("q.work", () => (counts[3]! += 1)),
    ];
    await alice.flush();
    await bob.flush();
    for (let i = 0; i < 100; i++) alice.publish("q.work", text("x"));
    await until(() => counts[3] === 100 && counts[2] === 100 && counts[0]! + counts[1]! >= 100);
    expect(counts[0]! + counts[1]!).toBe(100);
    expect(counts[0]).toBeGreaterThan(0);
    expect(counts[1]).toBeGreaterThan(0);
    for (const listener of listeners) listener.unsubscribe();
  });

  test("who drains leaves no request without an answer", async () => {
    const [alice, bob] = pair();
    const drained: Promise<void>[] = [];
    const answer = (message: BusMessage): void => message.respond(message.data);
    const stays = alice.subscribe("q.drain", answer, { queue: "d" });
    const leaves: BusSubscription = bob.subscribe(
      "q.drain",
      (message) => {
        if (drained.length === 0) drained.push(leaves.drain()); // with others on their way to it
        answer(message);
      },
      { queue: "d" },
    );
    await alice.flush();
    await bob.flush();
    const ask = async (i: number): Promise<string> =>
      read(await alice.request("q.drain", text(`${i}`), { timeoutMs: 5000 }));
    const answers = await Promise.all(Array.from({ length: 400 }, (_, i) => ask(i)));
    expect(answers).toEqual(answers.map((_, i) => `${i}`));
    expect(drained.length).toBe(1);
    await Promise.all(drained);
    stays.unsubscribe();
  });

  test("a request has the first answer, or says that nobody listens, or that nobody answers", async () => {
    const [alice, bob] = pair();
    const service = bob.subscribe("r.echo", (message) => {
      message.respond(text(`${read(message)}!`));
      message.respond(text("again"));
    });
    const mute = bob.subscribe("r.mute", () => undefined);
    await bob.flush();
    const answers = await Promise.all(
      Array.from({ length: 50 }, async (_, i) =>
        read(await alice.request("r.echo", text(`${i}`), { timeoutMs: 5000 })),
      ),
    );
    expect(answers).toEqual(Array.from({ length: 50 }, (_, i) => `${i}!`));
    expect(await codeOf(alice.request("r.nobody", text(""), { timeoutMs: 5000 }))).toBe("unavailable");
    expect(await codeOf(alice.request("r.mute", text(""), { timeoutMs: 50 }))).toBe("request_timeout");
    service.unsubscribe();
    mute.unsubscribe();
  });

  test("an answer can go to a subject of the asker's own, many times", async () => {
    const [alice, bob] = pair();
    const service = bob.subscribe("r.many", (message) => {
      for (let i = 0; i < 3; i++) message.respond(text(`${i}`));
    });
    const got: string[] = [];
    const inbox = alice.inbox();
    expect(alice.inbox()).not.toBe(inbox);
    const answers = alice.subscribe(inbox, (message) => got.push(read(message)));
    await bob.flush();
    alice.publish("r.many", text(""), inbox);
    await until(() => got.length === 3);
    expect(got).toEqual(["0", "1", "2"]);
    answers.unsubscribe();
    service.unsubscribe();
  });

  test("what cannot be sent is refused by name", async () => {
    const [alice] = pair();
    for (const subject of ["", "a b", "a.", ".a", "a.*", "a.>", "a\r\nPUB x 0", "x".repeat(600)]) {
      expect(await codeOf(() => alice.publish(subject, text("")))).toBe("invalid_request");
    }
    for (const pattern of ["", "a b", "a.>.b", "a.b*"]) {
      expect(await codeOf(() => alice.subscribe(pattern, () => undefined))).toBe("invalid_request");
    }
    const large = new Uint8Array(alice.maxMessageBytes + 1);
    expect(await codeOf(() => alice.publish("a", large))).toBe("payload_too_large");
  });
}

function directory(pair: Pair): void {
  test("a directory keeps the last value under a growing revision, and tells changes", async () => {
    const [alice, bob] = pair();
    const options = { ttlMs: 60_000 };
    const [mine, theirs] = [await alice.keyValue("d1", options), await bob.keyValue("d1", options)];
    const first = await mine.put("a", text("1"));
    const changes: KeyValueChange[] = [];
    const watch = await theirs.watch((change) => changes.push(change));
    expect(changes.map(({ kind }) => kind)).toEqual(["put", "ready"]);
    const second = await mine.put("a", text("2"));
    await mine.put("b.c", text("3"));
    await mine.delete("a");
    expect(second).toBeGreaterThan(first);
    await until(() => changes.length === 5);
    expect(changes.slice(2).map((change) => `${change.kind} ${change.kind === "ready" ? "" : change.key}`)).toEqual([
      "put a",
      "put b.c",
      "delete a",
    ]);
    expect(await theirs.get("a")).toBeNull();
    expect(await theirs.get("never")).toBeNull();
    const entry = (await theirs.get("b.c"))!;
    expect(new TextDecoder().decode(entry.value)).toBe("3");
    expect(await theirs.keys()).toEqual(["b.c"]);
    watch.unsubscribe();
    await mine.put("a", text("4"));
    await sleep(30);
    expect(changes.length).toBe(5);
    expect(await codeOf(mine.put("no good", text("")))).toBe("invalid_request");
  });

  test("an empty directory is ready at once; only the first creates", async () => {
    const [alice, bob] = pair();
    const [mine, theirs] = [await alice.keyValue("d2", { ttlMs: 60_000 }), await bob.keyValue("d2", { ttlMs: 60_000 })];
    const changes: KeyValueChange[] = [];
    const watch = await mine.watch((change) => changes.push(change));
    expect(changes).toEqual([{ kind: "ready" }]);
    const created = await Promise.all([mine, theirs, mine, theirs].map((kv, i) => kv.create("k", text(`${i}`))));
    expect(created.filter((revision) => revision !== null).length).toBe(1);
    await mine.delete("k");
    expect(await theirs.create("k", text("again"))).not.toBeNull();
    watch.unsubscribe();
  });

  test("entries that nobody renews go without a word; renewed ones stay", async () => {
    const [alice, bob] = pair();
    const kv = await alice.keyValue("d3", { ttlMs: 1000 });
    const changes: KeyValueChange[] = [];
    const watch = await (await bob.keyValue("d3", { ttlMs: 1000 })).watch((change) => changes.push(change));
    await kv.put("left", text(""));
    const renewing = setInterval(() => void kv.put("kept", text("")), 200);
    await until(async () => (await kv.get("left")) === null);
    expect(await kv.get("kept")).not.toBeNull();
    clearInterval(renewing);
    expect(changes.some(({ kind }) => kind === "delete")).toBe(false);
    watch.unsubscribe();
  });
}

function work(pair: Pair, connect: () => Promise<Bus>): void {
  const subjects = (name: string) => ({ subjects: [`${name}.*`] });

  test("work is done once, by one of its takers, and an id is put there once", async () => {
    const [alice, bob] = pair();
    const [mine, theirs] = [await alice.work("W1", subjects("w1")), await bob.work("W1", subjects("w1"))];
    const done: string[] = [];
    const handle = async (item: WorkItem): Promise<void> => {
      done.push(read(item));
      await item.ack();
    };
    const options = { subject: "w1.m", maxItems: 2, ackWaitMs: 5000 };
    const takers = [await mine.take(options, handle), await theirs.take(options, handle)];
    for (let i = 0; i < 12; i++) {
      expect(await mine.put("w1.m", text(`${i}`), `id${i}`)).toEqual({ isDuplicate: false });
    }
    expect(await theirs.put("w1.m", text("other"), "id3")).toEqual({ isDuplicate: true });
    await until(() => done.length === 12);
    await until(async () => (await mine.size()) === 0);
    expect(done.map(Number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i));
    expect(await codeOf(mine.put("elsewhere.m", text(""), "x"))).not.toBeNull();
    await Promise.all(takers.map((taker) => taker.stop()));
  });

  test("work that nobody says is going on is handed out again, and counted", async () => {
    const [alice, bob] = pair();
    const queue = await alice.work("W2", subjects("w2"));
    const again = await bob.work("W2", subjects("w2"));
    const options = { subject: "w2.m", maxItems: 1, ackWaitMs: 500 };
    let held: WorkItem | null = null;
    const first = await queue.take(options, async (item) => {
      held = item;
      await sleep(60_000, undefined, { ref: false }).catch(() => undefined);
    });
    await queue.put("w2.m", text("job"), "job");
    await until(() => held);
    const deliveries: number[] = [];
    const second = await again.take(options, async (item) => {
      deliveries.push(item.deliveries);
      await item.ack();
    });
    await until(() => deliveries.length > 0);
    expect(deliveries).toEqual([2]);
    await until(async () => (await queue.size()) === 0);
    await second.stop();
    void first.stop(); // its handler never ends
  });

  test("work that is said to be going on stays where it is; released and thrown work goes on, discarded work does not", async () => {
    const [alice] = pair();
    const own = await connect();
    const queue = await alice.work("W3", subjects("w3"));
    const options = { subject: "w3.m", maxItems: 4, ackWaitMs: 400 };
    const seen: string[] = [];
    const taker = await (
      await own.work("W3", subjects("w3"))
    ).take(options, async (item) => {
      const name = read(item);
      seen.push(`${name}${item.deliveries}`);
      if (name === "long") {
        for (let i = 0; i < 12; i++) {
          await sleep(100);
          item.working();
        }
        await item.ack();
      } else if (name === "throws" && item.deliveries < 3) throw new Error("not this time");
      else if (name === "released" && item.deliveries < 2) item.release(50);
      else if (name === "bad") item.discard();
      else await item.ack();
    });
    for (const name of ["long", "throws", "released", "bad"]) await queue.put("w3.m", text(name), name);
    await until(async () => (await queue.size()) === 0);
    expect(seen.toSorted()).toEqual(["bad1", "long1", "released1", "released2", "throws1", "throws2", "throws3"]);
    await taker.stop();
    await own[Symbol.asyncDispose]();
  });

  test("a taker has no more in its hands than it said, also when it says another number; a full queue refuses", async () => {
    const [alice] = pair();
    const queue = await alice.work("W4", { subjects: ["w4.*"], maxItems: 6 });
    let inHands = 0;
    let most = 0;
    const waiting: (() => void)[] = [];
    const taker = await queue.take({ subject: "w4.m", maxItems: 2, ackWaitMs: 20_000 }, async (item) => {
      most = Math.max(most, (inHands += 1));
      await new Promise<void>((resolve) => waiting.push(resolve));
      inHands -= 1;
      await item.ack();
    });
    for (let i = 0; i < 6; i++) await queue.put("w4.m", text(`${i}`), `${i}`);
    expect(await codeOf(queue.put("w4.m", text("7"), "7"))).toBe("queue_full");
    await until(() => inHands === 2);
    await sleep(50);
    expect(most).toBe(2);
    taker.setMaxItems(4);
    await until(() => inHands === 4);
    taker.setMaxItems(0);
    for (const go of waiting.splice(0)) go();
    await until(() => inHands === 0);
    await sleep(50);
    expect(inHands).toBe(0);
    await taker.stop();
    expect(await queue.size()).toBe(2);
  });
}

function faults(broker: () => BusUnderTest): void {
  test("a lost broker is told, calls fail by name, and all goes on when it is back", async () => {
    await using alice = await broker().connect();
    await using bob = await broker().connect();
    const told: string[] = [];
    alice.onStatus((status) => told.push(status));
    const service = bob.subscribe("f.echo", (message) => message.respond(message.data));
    const kv = await alice.keyValue("f1", { ttlMs: 60_000 });
    const changes: KeyValueChange[] = [];
    await (await bob.keyValue("f1", { ttlMs: 60_000 })).watch((change) => changes.push(change));
    await kv.put("before", text("1"));
    const queue = await alice.work("F1", { subjects: ["f1.*"] });
    await queue.put("f1.m", text("kept"), "kept");
    const done: string[] = [];
    const theirQueue = await bob.work("F1", { subjects: ["f1.*"] });

    await broker().lose();
    await until(() => alice.status === "disconnected" && bob.status === "disconnected");
    expect(await codeOf(alice.request("f.echo", text(""), { timeoutMs: 1000 }))).toBe("unavailable");
    expect(await codeOf(kv.put("during", text("")))).toBe("unavailable");
    alice.publish("f.echo", text("dropped"));

    await broker().heal();
    await until(() => alice.status === "connected" && bob.status === "connected");
    expect(told).toEqual(["disconnected", "connected"]);
    const answered = await until(async () => {
      try {
        return read(await alice.request("f.echo", text("back"), { timeoutMs: 1000 }));
      } catch {
        return false;
      }
    });
    expect(answered).toBe("back");
    await until(async () => {
      await kv.put("after", text("2")).catch(() => undefined);
      return changes.some((change) => change.kind === "put" && change.key === "after");
    });
    const taker = await theirQueue.take({ subject: "f1.m", maxItems: 1, ackWaitMs: 5000 }, async (item) => {
      done.push(read(item));
      await item.ack();
    });
    await until(() => done.length > 0);
    expect(done).toEqual(["kept"]);
    await taker.stop();
    service.unsubscribe();
  });

  test("a closed bus refuses everything, and closing again is nothing", async () => {
    const bus = await broker().connect();
    bus.subscribe("c.x", () => undefined);
    await bus[Symbol.asyncDispose]();
    await bus[Symbol.asyncDispose]();
    expect(await codeOf(() => bus.publish("c.x", text("")))).toBe("unavailable");
    expect(await codeOf(() => bus.subscribe("c.x", () => undefined))).toBe("unavailable");
    expect(await codeOf(async () => bus.request("c.x", text(""), { timeoutMs: 100 }))).toBe("unavailable");
    expect(await codeOf(async () => bus.keyValue("c", { ttlMs: 1000 }))).toBe("unavailable");
  });
}
