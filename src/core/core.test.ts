import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  BoundedQueue,
  createRandom,
  ERROR_CODES,
  fail,
  FakeClock,
  fromErrorRecord,
  Histogram,
  median,
  PunctualError,
  quantile,
  toErrorRecord,
} from "./index.ts";

describe("RandomStream", () => {
  test("the same seed and name give the same draws, other names others", () => {
    const draws = (name: string): number[] => Array.from({ length: 8 }, () => createRandom(7, name).fork("x").uint32());
    expect(draws("a")).toEqual(draws("a"));
    expect(draws("a")).not.toEqual(draws("b"));
  });

  test("forking does not advance the parent", () => {
    const one = createRandom(1);
    const two = createRandom(1);
    one.fork("child").uint32();
    expect(one.uint32()).toBe(two.uint32());
  });

  test("state and restore continue the stream", () => {
    const stream = createRandom(3);
    stream.uint32();
    const state = stream.state();
    const expected = [stream.uniform(), stream.uniform()];
    const other = createRandom(99);
    other.restore(state);
    expect([other.uniform(), other.uniform()]).toEqual(expected);
  });

  test("moments of uniform, normal and exponential draws", () => {
    const stream = createRandom(5);
    const mean = (draw: () => number): number => Array.from({ length: 40000 }, draw).reduce((a, b) => a + b, 0) / 40000;
    expect(mean(() => stream.uniform())).toBeCloseTo(0.5, 1);
    expect(mean(() => stream.normal())).toBeCloseTo(0, 1);
    expect(mean(() => stream.normal() ** 2)).toBeCloseTo(1, 1);
    expect(mean(() => stream.exponential(4))).toBeCloseTo(0.25, 1);
  });

  test("int covers its range evenly, both ends included", () => {
    const stream = createRandom(11);
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < 50000; i++) counts[stream.int(2, 6) - 2]! += 1;
    for (const count of counts) expect(Math.abs(count - 10000)).toBeLessThan(400);
  });

  test("shuffled keeps the elements", () => {
    fc.assert(
      fc.property(fc.array(fc.integer()), fc.integer(), (items, seed) => {
        const ascending = (list: number[]): number[] => list.toSorted((a, b) => a - b);
        expect(ascending(createRandom(seed).shuffled(items))).toEqual(ascending(items));
      }),
      { seed: 1 },
    );
  });
});

describe("BoundedQueue", () => {
  test("behaves as an array with a limit", () => {
    const commands = fc.array(fc.oneof(fc.integer(), fc.constant("shift" as const)), { maxLength: 60 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), commands, (limit, list) => {
        const queue = new BoundedQueue<number>(limit);
        const model: number[] = [];
        for (const command of list) {
          if (command === "shift") expect(queue.shift()).toBe(model.shift());
          else {
            expect(queue.push(command)).toBe(model.length < limit);
            if (model.length < limit) model.push(command);
          }
          expect(queue.size).toBe(model.length);
          expect(queue.peek()).toBe(model[0]);
        }
      }),
      { seed: 2 },
    );
  });
});

describe("Histogram and quantiles", () => {
  test("cumulative counts equal a direct count", () => {
    const values = fc.array(fc.float({ noNaN: true, min: -10, max: 10 }), { minLength: 1 });
    fc.assert(
      fc.property(values, (sample) => {
        const histogram = new Histogram([-5, 0, 5]);
        for (const value of sample) histogram.observe(value);
        const direct = [-5, 0, 5, Infinity].map((bound) => sample.filter((value) => value <= bound).length);
        expect(histogram.cumulative()).toEqual(direct);
        expect(histogram.count).toBe(sample.length);
      }),
      { seed: 3 },
    );
  });

  test("median and quantiles interpolate", () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(quantile([0, 10], 0.95)).toBeCloseTo(9.5);
    expect(quantile([], 0.5)).toBeNaN();
  });
});

describe("errors", () => {
  test("an error crosses a thread as plain data and comes back", () => {
    const error = new PunctualError("queue_full", "expected room, got none", { param: "messages", retryAfterMs: 20 });
    const back = fromErrorRecord(structuredClone(toErrorRecord(error)));
    expect(back).toMatchObject({ code: "queue_full", message: error.message, param: "messages", retryAfterMs: 20 });
    expect(back.status).toBe(429);
    expect(back.retryable).toBe(true);
  });

  test("what is not ours becomes internal", () => {
    expect(toErrorRecord(new RangeError("odd")).code).toBe("internal");
    expect(toErrorRecord("text")).toMatchObject({ code: "internal", message: "text" });
  });

  test("fail throws, and every code has a status", () => {
    expect(() => fail("not_found", "nothing here")).toThrow(PunctualError);
    for (const kind of Object.values(ERROR_CODES)) expect(kind.status).toBeGreaterThanOrEqual(400);
  });
});

test("a fake clock advances and never goes back", () => {
  const clock = new FakeClock(5);
  clock.advance(2.5);
  expect(clock.nowMs()).toBe(7.5);
  expect(() => clock.advance(-1)).toThrow("never goes back");
});
