import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StreamMessage, WireEvent } from "../../protocol/index.ts";
import { StreamJoin, type Joined } from "./stream-join.ts";

const SLO = { attained: true, ttft_ms: 1, tpot_ms: 1, e2e_ms: 2, slack_ms: null };

const token = (index: number, id = index): WireEvent => ({
  kind: "token",
  id,
  index,
  text: `${index}`,
  section: "text",
  ageMs: index,
});
const finish = (index: number): WireEvent => ({
  kind: "finish",
  index,
  reason: "stop",
  cause: "end",
  text: "",
  section: "text",
  usage: { promptTokens: 1, completionTokens: index, cachedTokens: 0, reasoningTokens: 0, slo: SLO },
  ageMs: index,
});
const base = (instance: string, epoch: number) => ({ version: 1 as const, requestId: "r", instance, epoch });
const events = (instance: string, epoch: number, list: readonly WireEvent[]): StreamMessage => ({
  ...base(instance, epoch),
  kind: "events",
  firstIndex: list[0]?.index ?? 0,
  events: [...list],
});
const range = (from: number, to: number): WireEvent[] => Array.from({ length: to - from }, (_, i) => token(from + i));
const indices = (joined: Joined): number[] => (joined.kind === "items" ? joined.events.map(({ index }) => index) : []);

describe("one instance", () => {
  test("items once and in order; what is missing is asked for", () => {
    const join = new StreamJoin();
    expect(join.place("a")).toBe(0);
    expect(indices(join.receive(events("a", 0, range(0, 3))))).toEqual([0, 1, 2]);
    expect(join.receive(events("a", 0, range(0, 3))).kind).toBe("nothing");
    expect(join.receive(events("a", 0, range(5, 6))).kind).toBe("gap");
    expect(indices(join.receive(events("a", 0, range(1, 6))))).toEqual([3, 4, 5]);
    expect(indices(join.receive(events("a", 0, [token(6), finish(7)])))).toEqual([6, 7]);
    expect(join.ended).toBe(true);
    expect(join.receive(events("a", 0, [finish(7)])).kind).toBe("nothing");
  });

  test("an error counts when everything before it has come", () => {
    const join = new StreamJoin();
    join.place("a");
    const error: StreamMessage = {
      ...base("a", 0),
      kind: "error",
      index: 2,
      error: { code: "engine_failed", message: "died", param: null, retryAfterMs: null },
    };
    expect(join.receive(error).kind).toBe("gap");
    join.receive(events("a", 0, range(0, 2)));
    expect(join.receive(error)).toMatchObject({ kind: "error", error: { code: "engine_failed" } });
  });

  test("items that do not have the index that they come under are not taken", () => {
    const join = new StreamJoin();
    join.place("a");
    const wrong: StreamMessage = { ...base("a", 0), kind: "events", firstIndex: 0, events: [token(4)] };
    expect(join.receive(wrong).kind).toBe("nothing");
    expect(join.nextIndex).toBe(0);
  });
});

describe("moves", () => {
  const moved = (nextIndex: number): StreamMessage => ({ ...base("a", 0), kind: "moved", to: "b", nextIndex });
  const adopted = (nextIndex: number): StreamMessage => ({ ...base("b", 1), kind: "adopted", nextIndex });

  test("either side may tell, in any order", () => {
    for (const words of [[moved(3), adopted(3)], [adopted(3), moved(3)], [moved(3)], [adopted(3)]]) {
      const join = new StreamJoin();
      join.place("a");
      join.receive(events("a", 0, range(0, 2)));
      for (const word of words) join.receive(word);
      expect(join).toMatchObject({ owner: "b", epoch: 1, moves: 1 });
      // The source still owes 2, and repeats it; 3 is not its any more.
      expect(join.receive(events("b", 1, range(3, 5))).kind).toBe("gap");
      expect(indices(join.receive(events("a", 0, range(1, 4))))).toEqual([2]);
      expect(indices(join.receive(events("b", 1, range(3, 5))))).toEqual([3, 4]);
    }
  });

  test("the target's items alone tell of it, and an error of the source comes too late", () => {
    const join = new StreamJoin();
    join.place("a");
    join.receive(events("a", 0, range(0, 3)));
    expect(indices(join.receive(events("b", 1, range(3, 5))))).toEqual([3, 4]);
    expect(join.owner).toBe("b");
    const error = { code: "engine_failed", message: "died", param: null, retryAfterMs: null } as const;
    expect(join.receive({ ...base("a", 0), kind: "error", index: 5, error }).kind).toBe("stale");
  });
});

test("of two that go on under one epoch whoever is heard first speaks, and the other can be told to stop", () => {
  const error = { code: "engine_failed", message: "died", param: null, retryAfterMs: null } as const;
  for (const [first, other] of [
    ["a", "c"],
    ["c", "a"],
  ] as const) {
    const join = new StreamJoin();
    join.place("a");
    join.receive(events("a", 0, range(0, 3)));
    join.receive(events("b", 1, range(3, 5)));
    // b has moved it on to c, and a, which has not heard of b, has taken it back.
    join.receive({ ...base(first, 2), kind: "adopted", nextIndex: first === "a" ? 3 : 5 });
    expect(join.receive({ ...base(other, 2), kind: "adopted", nextIndex: 5 }).kind).toBe("nothing");
    expect(join.receive(events(other, 2, range(5, 8)))).toEqual({ kind: "stale", instance: other });
    expect(join.receive({ ...base(other, 2), kind: "error", index: 5, error })).toEqual({
      kind: "stale",
      instance: other,
    });
    expect(join.owner).toBe(first);
    expect(indices(join.receive(events(first, 2, range(5, 7))))).toEqual([5, 6]);
  }
});

test("after a new placement the lost instance is stale, also where it had moved to", () => {
  const join = new StreamJoin();
  join.place("a");
  join.receive(events("a", 0, range(0, 4)));
  expect(join.place("c")).toBe(1000);
  expect(join.receive(events("a", 0, range(4, 6)))).toEqual({ kind: "stale", instance: "a" });
  expect(join.receive(events("b", 1, range(4, 6)))).toEqual({ kind: "stale", instance: "b" });
  expect(join.receive({ ...base("a", 0), kind: "moved", to: "b", nextIndex: 4 }).kind).toBe("nothing");
  expect(indices(join.receive(events("c", 1000, range(4, 6))))).toEqual([4, 5]);
});

/**
 * Instances that keep everything and repeat from where they are asked, over a network that loses, repeats and reorders;
 * moves and losses of instances at any index. Each instance would say something else (its tokens carry its number), so a
 * token of the wrong instance is seen.
 */
describe("whatever the network does", () => {
  interface Leg {
    readonly epoch: number;
    readonly from: number;
    readonly to: number;
    readonly instance: string;
  }

  const LENGTH = 24;

  const scenario = fc.record({
    cuts: fc.uniqueArray(fc.integer({ min: 1, max: LENGTH - 1 }), { maxLength: 4 }),
    fates: fc.array(fc.constantFrom("lose", "once", "twice", "late"), { minLength: 40, maxLength: 400 }),
    sizes: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 5, maxLength: 5 }),
  });

  test("each item comes once, in order, from the instance that speaks for it", () => {
    const property = fc.property(scenario, ({ cuts, fates, sizes }) => {
      const borders = [0, ...cuts.toSorted((x, y) => x - y), LENGTH];
      const legs: Leg[] = borders.slice(0, -1).map((from, epoch) => {
        return { epoch, from, to: borders[epoch + 1]!, instance: `i${epoch}` };
      });
      const join = new StreamJoin();
      join.place("i0");
      const got: WireEvent[] = [];
      const late: StreamMessage[] = [];
      let fate = 0;
      const take = (message: StreamMessage): void => {
        const joined = join.receive(message);
        if (joined.kind === "items") got.push(...joined.events);
      };
      const send = (message: StreamMessage, reliable = false): void => {
        const what = reliable ? "once" : (fates[fate++ % fates.length] ?? "once");
        if (what === "late") late.push(message);
        if (what === "once" || what === "twice") take(message);
        if (what === "twice") take(message);
        if (late.length > 3) take(late.shift()!);
      };
      const itemsOf = ({ epoch, to }: Leg, from: number): WireEvent[] => {
        const list: WireEvent[] = [];
        for (let i = from; i < to; i++) list.push(token(i, epoch));
        if (to === LENGTH) list.push(finish(LENGTH));
        return list;
      };
      for (const [i, leg] of legs.entries()) {
        if (i > 0) {
          send({ ...base(legs[i - 1]!.instance, i - 1), kind: "moved", to: leg.instance, nextIndex: leg.from });
          send({ ...base(leg.instance, i), kind: "adopted", nextIndex: leg.from });
        }
        const list = itemsOf(leg, leg.from);
        for (let at = 0; at < list.length; at += sizes[i]!) {
          send(events(leg.instance, leg.epoch, list.slice(at, at + sizes[i]!)));
        }
      }
      for (const message of late) take(message);
      // In the end everybody repeats what is asked for, without loss; `adopted` first, as instances do.
      for (const leg of legs.slice(1))
        send({ ...base(leg.instance, leg.epoch), kind: "adopted", nextIndex: leg.from }, true);
      for (let round = 0; round < 2; round++) {
        for (const leg of legs) {
          const from = Math.max(leg.from, join.nextIndex);
          if (from < leg.to || (leg.to === LENGTH && !join.ended))
            send(events(leg.instance, leg.epoch, itemsOf(leg, Math.min(from, leg.to))), true);
        }
      }
      expect(got.map(({ index }) => index)).toEqual(Array.from({ length: LENGTH + 1 }, (_, i) => i));
      const legOf = (index: number): number => legs.findIndex(({ from, to }) => index >= from && index < to);
      expect(got.every((event) => event.kind !== "token" || event.id === legOf(event.index))).toBe(true);
    });
    fc.assert(property, { seed: 6_063, numRuns: 150 });
  });
});
