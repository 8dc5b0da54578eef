/** Steps of two instances on one timeline: their clocks differ, messages are late, and the order is that of what happened. */
import { expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { FLEET_VERSION, type StepsMessage } from "../../protocol/index.ts";
import { StepMerge } from "./step-merge.ts";

function message(instance: string, sentMs: number, startsMs: readonly number[], durationMs = 4): StepsMessage {
  const steps = startsMs.map((startMs) => ({
    startMs,
    durationMs,
    prefillTokens: 0,
    decodeTokens: 1,
    sequences: 1,
    budgetTokens: 32,
    preempted: 0,
  }));
  return { version: FLEET_VERSION, instance, sentMs, omitted: 0, steps };
}

test("steps come in the order in which they began, by this clock, once what others may still tell has had its time", () => {
  const merge = new StepMerge();
  const random = createRandom("merge", "delays");
  const clocks = { a: 1_000_000, b: -500 };
  const told: { readonly instance?: string; readonly startMs: number }[] = [];
  const arriving: { readonly atMs: number; readonly of: StepsMessage }[] = [];
  for (const [i, instance] of (["a", "b"] as const).entries()) {
    const clock = clocks[instance];
    for (let sentMs = 250; sentMs <= 5000; sentMs += 250) {
      const starts = Array.from({ length: 50 }, (_, at) => sentMs - 250 + at * 5 + 2 * i + clock);
      // The first is quick; of the others some are late by much.
      const delayMs = sentMs === 250 ? 1 : random.uniform() < 0.2 ? 200 : 1 + random.uniform();
      arriving.push({ atMs: sentMs + delayMs, of: message(instance, sentMs + clock, starts) });
    }
  }
  arriving.sort((a, b) => a.atMs - b.atMs);
  for (let nowMs = 0; nowMs < 6000; nowMs += 50) {
    while (arriving.length > 0 && arriving[0]!.atMs <= nowMs) merge.take(arriving.shift()!.of, nowMs);
    told.push(...merge.release(nowMs));
  }
  expect(told.length).toBe(2000);
  expect(merge.size).toBe(0);
  for (let i = 1; i < told.length; i++) expect(told[i]!.startMs).toBeGreaterThanOrEqual(told[i - 1]!.startMs);
  for (const instance of ["a", "b"]) {
    const own = told.filter((step) => step.instance === instance).map(({ startMs }) => startMs);
    // Late messages bend nothing: an instance's steps stay as far apart as they were, but for what clocks may drift.
    for (let i = 1; i < own.length; i++) expect(Math.abs(own[i]! - own[i - 1]! - 5)).toBeLessThan(1);
    expect(own[0]!).toBeGreaterThan(-60);
    expect(own[0]!).toBeLessThan(60);
  }
});

test("what comes after its time is told with what is told then, so that time never goes back", () => {
  const merge = new StepMerge();
  merge.take(message("a", 100, [0]), 900); // the first message of an instance took long
  expect(merge.release(2000)).toMatchObject([{ startMs: 800 }]);
  merge.take(message("a", 500, [10, 450]), 501);
  expect(merge.release(2000)).toMatchObject([{ startMs: 800 }, { startMs: 800 }]);
  merge.take(message("a", 2000, [1000]), 2001);
  expect(merge.release(3000)).toMatchObject([{ startMs: 1001 }]);
});

test("what is held when the last listener leaves is told to nobody, and the next one's time begins anew", () => {
  const merge = new StepMerge();
  merge.take(message("a", 1000, [900, 990]), 1001);
  expect(merge.release(1450)).toMatchObject([{ startMs: 901 }]);
  expect(merge.size).toBe(1);
  merge.clear();
  expect([merge.size, merge.release(10_000)]).toEqual([0, []]);
  merge.take(message("a", 500, [450]), 510); // by the clock that it has now
  expect(merge.release(10_000)).toMatchObject([{ startMs: 460 }]);
});

test("what is held is bounded, and an instance that comes back with another clock is believed", () => {
  const merge = new StepMerge();
  for (let i = 0; i < 20; i++)
    merge.take(
      message(
        "a",
        i,
        Array.from({ length: 512 }, (_, at) => at),
      ),
      i,
    );
  expect(merge.release(20).length).toBe(20 * 512 - 8192);
  merge.release(10_000);
  merge.forget("a");
  merge.take(message("a", 5, [1]), 20_000);
  expect(merge.release(30_000)).toMatchObject([{ startMs: 19_996, instance: "a" }]);
});
