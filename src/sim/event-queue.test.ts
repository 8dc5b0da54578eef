import * as fc from "fast-check";
import { expect, test } from "vitest";
import { PunctualError } from "../core/index.ts";
import { EventQueue, type EventHandle } from "./event-queue.ts";

function drain(queue: EventQueue): number[] {
  const order: number[] = [];
  while (queue.pop()) order.push(queue.a);
  return order;
}

test("by time, then by order of pushing, late ones last of their moment", () => {
  const queue = new EventQueue();
  queue.push(5, 1, 0);
  queue.push(3, 1, 1, 0, true);
  queue.push(3, 1, 2);
  queue.push(3, 2, 3, 7);
  queue.push(Infinity, 1, 4);
  expect(queue.nextMs).toBe(3);
  expect(drain(queue)).toEqual([2, 3, 1, 0, 4]);
  expect(queue.nextMs).toBe(Infinity);
});

test("a cancelled event does not come, and only once", () => {
  const queue = new EventQueue();
  const first = queue.push(1, 0, 1);
  queue.push(2, 0, 2);
  expect(queue.cancel(first)).toBe(true);
  expect(queue.cancel(first)).toBe(false);
  const reused = queue.push(3, 0, 3);
  expect(queue.cancel(first)).toBe(false);
  expect(drain(queue)).toEqual([2, 3]);
  expect(queue.cancel(reused)).toBe(false);
});

test("its limit is an expected failure, and leaves it whole", () => {
  const queue = new EventQueue(100);
  for (let i = 0; i < 100; i++) queue.push(i, 0);
  expect(() => queue.push(0, 0)).toThrow(PunctualError);
  queue.checkIntegrity();
  expect(queue.size).toBe(100);
});

type Action =
  | { readonly kind: "push"; readonly at: number; readonly late: boolean }
  | { readonly kind: "pop" | "cancel" };

test("any sequence of operations is that of a sorted list", () => {
  const action: fc.Arbitrary<Action> = fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("push" as const), at: fc.nat(20), late: fc.boolean() }) },
    { weight: 2, arbitrary: fc.constant({ kind: "pop" as const }) },
    { weight: 1, arbitrary: fc.constant({ kind: "cancel" as const }) },
  );
  const property = fc.property(fc.array(action, { maxLength: 300 }), fc.nat(), (actions, pick) => {
    const queue = new EventQueue();
    const list: { at: number; late: boolean; id: number; handle: EventHandle }[] = [];
    let id = 0;
    for (const step of actions) {
      if (step.kind === "push") {
        list.push({ ...step, id, handle: queue.push(step.at, 0, id, 0, step.late) });
        id += 1;
      } else if (step.kind === "cancel" && list.length > 0) {
        const [gone] = list.splice(pick % list.length, 1);
        expect(queue.cancel(gone!.handle)).toBe(true);
      } else if (step.kind === "pop") {
        list.sort((a, b) => a.at - b.at || Number(a.late) - Number(b.late) || a.id - b.id);
        const expected = list.shift();
        expect(queue.pop()).toBe(expected !== undefined);
        if (expected !== undefined) expect([queue.timeMs, queue.a]).toEqual([expected.at, expected.id]);
      }
      queue.checkIntegrity();
      expect(queue.size).toBe(list.length);
    }
  });
  fc.assert(property, { seed: 4_011, numRuns: 200 });
});
