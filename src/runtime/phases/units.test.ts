import fc from "fast-check";
import { expect, test } from "vitest";
import { FakeClock } from "../../core/index.ts";
import type { StepRow } from "../../llm/index.ts";
import { LinkShaper, PullingHandover } from "./handover.ts";
import { poolsOf } from "./options.ts";
import { splitRows } from "./paired-prefill.ts";
import { StepProgress } from "./progress.ts";

const SEED = 20261126;

test("a link delivers in order, no faster than its bandwidth, each message a latency later", () => {
  const link = new LinkShaper({ bandwidthBytesPerSecond: 1000, latencyMs: 5 });
  expect(link.deliveryMs(0, 100)).toBe(105);
  expect(link.deliveryMs(50, 100)).toBe(205); // behind the first
  expect(link.deliveryMs(1000, 100)).toBe(1105);
  expect(new LinkShaper().deliveryMs(7, 1e9)).toBe(7);
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(100), fc.nat(5000)), { minLength: 1 }), (messages) => {
      const shaper = new LinkShaper({ bandwidthBytesPerSecond: 1e6 });
      let [nowMs, bytes, last] = [0, 0, 0];
      for (const [gapMs, size] of messages) {
        nowMs += gapMs;
        bytes += size;
        const dueMs = shaper.deliveryMs(nowMs, size);
        expect(dueMs).toBeGreaterThanOrEqual(Math.max(last, nowMs));
        expect(dueMs).toBeGreaterThanOrEqual(bytes / 1000 - 1e-9);
        last = dueMs;
      }
    }),
    { seed: SEED },
  );
});

test("a pull asks for few pages at a time and puts each in its place", async () => {
  const clock = new FakeClock(0);
  const asked: number[][] = [];
  const written: [number, number][] = [];
  const pageBytes = 1 << 19; // two pages a message
  const handover = new PullingHandover({
    clock,
    link: new LinkShaper({ latencyMs: 3 }),
    pageBytes,
    ask: (_, pages) => void asked.push([...pages]),
    write: (page, bytes) => void written.push([page, bytes[0]!]),
  });
  const { done } = handover.pull(Int32Array.of(4, 2, 9, 7, 1), Int32Array.of(10, 11, 12, 13, 14));
  expect(asked).toEqual([
    [4, 2],
    [9, 7],
  ]);
  const answer = (pages: readonly number[]): void => {
    const bytes = new Uint8Array(pages.length * pageBytes);
    for (const [i, page] of pages.entries()) bytes[i * pageBytes] = page;
    handover.received(0, bytes);
  };
  answer(asked[0]!);
  expect(handover.deliver()).toBe(false); // its time has not come
  expect(handover.nextDueMs).toBe(3);
  clock.advance(3);
  expect(handover.deliver()).toBe(false);
  expect(asked[2]).toEqual([1]);
  for (const pages of asked.slice(1)) answer(pages);
  clock.advance(3);
  expect(handover.deliver()).toBe(true);
  expect(await done).toEqual({ bytes: 5 * pageBytes, ms: 6 });
  expect(written).toEqual([
    [10, 4],
    [11, 2],
    [12, 9],
    [13, 7],
    [14, 1],
  ]);
});

test("a step cut in two has every row once, in order, and scores where each sequence ends", () => {
  const row = fc.record({ length: fc.integer({ min: 1, max: 20 }), start: fc.nat(50), scored: fc.boolean() });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), fc.nat(100), (shapes, count) => {
      const batch = shapes.map(({ length, start, scored }, i): StepRow => {
        const tokens = Array.from({ length }, (_, t) => i * 100 + t);
        return { tokens, startPosition: start, pages: Int32Array.of(i), wantLogits: scored ? "last" : "none" };
      });
      const rows = batch.reduce((sum, { tokens }) => sum + tokens.length, 0);
      const { first, rest, places } = splitRows(batch, Math.min(count, rows));
      const flat = (some: readonly StepRow[]): number[][] =>
        some.flatMap(({ tokens, startPosition }) => Array.from(tokens, (token, t) => [token, startPosition + t]));
      expect([...flat(first), ...flat(rest)]).toEqual(flat(batch));
      expect(flat(first)).toHaveLength(Math.min(count, rows));
      const scored = (some: readonly StepRow[]): number =>
        some.filter(({ wantLogits }) => wantLogits === "last").length;
      expect(scored(first) + scored(rest)).toBe(scored(batch));
      for (const [i, { lane, index }] of places.entries()) {
        const part = (lane === "own" ? first : rest)[index]!;
        expect(part.wantLogits).toBe(batch[i]!.wantLogits);
        expect(Array.from(part.tokens).at(-1)).toBe(Array.from(batch[i]!.tokens).at(-1));
      }
    }),
    { seed: SEED },
  );
});

test("progress is of a step: an older one is over, a newer one has not begun", () => {
  const writer = new StepProgress();
  const reader = new StepProgress(writer.buffer);
  expect(reader.reached(1, 0)).toBe(false);
  writer.begin();
  expect([reader.reached(1, 0), reader.reached(1, 1)]).toEqual([true, false]);
  writer.publish(2);
  expect([reader.reached(1, 2), reader.reached(1, 3), reader.reached(0, 99), reader.reached(2, 0)]).toEqual([
    true,
    false,
    true,
    false,
  ]);
  writer.begin();
  expect([reader.reached(1, 99), reader.reached(2, 1)]).toEqual([true, false]);
  let looked = 0;
  reader.wait(1, () => looked++ > 0); // nothing comes: it returns all the same
  expect(looked).toBe(1);
});

test("two caches have all pages between them", () => {
  for (const pages of [2, 3, 96, 97]) {
    const { prefill, decode } = poolsOf("disaggregated", pages);
    expect(prefill + decode).toBe(pages);
    expect(prefill).toBeGreaterThan(0);
  }
  expect(poolsOf("semi-pd", 7)).toEqual({ prefill: 7, decode: 7 });
});
