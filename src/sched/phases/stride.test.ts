import fc from "fast-check";
import { expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { StrideScheduler } from "./stride.ts";

const SEED = 20261126;
type Name = "a" | "b";
const both = (): boolean => true;

/** What each client got of `total` cost when all are ready. */
function shares(stride: StrideScheduler<Name>, costs: (name: Name) => number, total: number): Record<Name, number> {
  const got = { a: 0, b: 0 };
  while (got.a + got.b < total) {
    const name = stride.next(both)!;
    const cost = costs(name);
    stride.charge(name, cost);
    got[name] += cost;
  }
  return got;
}

test("what ready clients get is proportional to their tickets, whatever a slot costs, to within one slot", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0.05, max: 1, noNaN: true }),
      fc.double({ min: 0.05, max: 1, noNaN: true }),
      fc.double({ min: 0.1, max: 20, noNaN: true }),
      fc.double({ min: 0.1, max: 20, noNaN: true }),
      (a, b, costA, costB) => {
        const total = 400 * Math.max(costA, costB);
        const got = shares(new StrideScheduler<Name>({ a, b }), (name) => (name === "a" ? costA : costB), total);
        const ideal = (a / (a + b)) * (got.a + got.b);
        expect(Math.abs(got.a - ideal)).toBeLessThanOrEqual(costA + costB);
      },
    ),
    { seed: SEED },
  );
});

test("equal costs and tickets 3 : 1 give three slots of four", () => {
  const stride = new StrideScheduler<Name>({ a: 3, b: 1 });
  const order = Array.from({ length: 8 }, () => {
    const name = stride.next(both)!;
    stride.charge(name, 1);
    return name;
  });
  expect(order.join("")).toBe("abaaabaa");
});

test("a client that was away has no claim on what it missed", () => {
  const stride = new StrideScheduler<Name>({ a: 1, b: 1 });
  for (let i = 0; i < 100; i++)
    stride.charge(
      stride.next((name) => name === "a")!,
      1,
    );
  const next = Array.from({ length: 4 }, () => {
    const name = stride.next(both)!;
    stride.charge(name, 1);
    return name;
  });
  expect(next.filter((name) => name === "b")).toHaveLength(2);
});

test("without tickets a client is served when no other is ready, and never else", () => {
  const stride = new StrideScheduler<Name>({ a: 1, b: 0 });
  expect(stride.next(() => false)).toBeNull();
  expect(stride.next((name) => name === "b")).toBe("b");
  stride.charge("b", 5);
  for (let i = 0; i < 20; i++) {
    expect(stride.next(both)).toBe("a");
    stride.charge("a", 1);
  }
});

test("tickets may change at any slot; from then on the new ratio holds", () => {
  const random = createRandom(SEED, "tickets");
  const stride = new StrideScheduler<Name>({ a: 1, b: 1 });
  for (let round = 0; round < 20; round++) {
    const ticketsA = random.uniform() * 0.9 + 0.05;
    stride.setTickets("a", ticketsA);
    stride.setTickets("b", 1 - ticketsA);
    const got = shares(stride, () => 1, 400);
    expect(got.a / 400).toBeCloseTo(ticketsA, 1);
  }
});
