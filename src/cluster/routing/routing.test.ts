import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import type { InstanceLoad } from "../../sched/index.ts";
import { loadOf } from "../../sched/fleet/fleet.conformance.ts";
import { Heartbeats } from "./heartbeats.ts";
import { BLOCK_TOKENS, blockIds, PrefixIndex } from "./prefix-index.ts";
import { Router, ROUTER_NAMES } from "./router.ts";

describe("block ids", () => {
  test("equal beginnings have equal ids, and ids end with the last whole block", () => {
    const tokens = fc.array(fc.nat(50_000), { maxLength: 200 });
    const property = fc.property(tokens, tokens, tokens, (shared, a, b) => {
      const [left, right] = [blockIds([...shared, ...a]), blockIds([...shared, ...b])];
      expect(left).toHaveLength(Math.floor((shared.length + a.length) / BLOCK_TOKENS));
      const whole = Math.floor(shared.length / BLOCK_TOKENS);
      expect(left.slice(0, whole)).toEqual(right.slice(0, whole));
      for (const id of left) expect(Number.isSafeInteger(id) && id >= 0).toBe(true);
    });
    fc.assert(property, { seed: 61, numRuns: 100 });
  });

  test("another token, place or beginning is another id", () => {
    const random = createRandom("ids", "tokens");
    const seen = new Set<number>();
    let made = 0;
    for (let i = 0; i < 2000; i++) {
      const tokens = Array.from({ length: 64 }, () => random.int(0, 300));
      tokens[0] = i;
      for (const id of blockIds(tokens)) {
        made += 1;
        seen.add(id);
      }
    }
    expect(seen.size).toBe(made);
  });
});

describe("prefix index", () => {
  test("it knows what was sent, whole beginnings only, within its bounds", () => {
    const index = new PrefixIndex(4);
    index.place([1, 2, 3]);
    expect(index.match([1, 2, 9])).toBe(2);
    expect(index.match([2, 3])).toBe(2); // ids stand for everything before them, so this never happens
    index.place([7, 8]);
    expect(index.blocks).toBe(4);
    expect(index.match([1, 2, 3])).toBe(2); // the deepest left first
    expect(index.match([7, 8])).toBe(2);
    index.clear();
    expect(index.match([7])).toBe(0);
  });

  test("it never holds more than its capacity, whatever is placed", () => {
    const property = fc.property(fc.integer({ min: 1, max: 20 }), fc.array(fc.array(fc.nat(40))), (most, prompts) => {
      const index = new PrefixIndex(most);
      for (const ids of prompts) {
        const expected = index.match(ids);
        expect(index.place(ids).expectedBlocks).toBe(expected);
        expect(index.blocks).toBeLessThanOrEqual(most);
      }
    });
    fc.assert(property, { seed: 62, numRuns: 200 });
  });

  test("a hit that was shorter than expected takes along what was used less recently", () => {
    const index = new PrefixIndex(100);
    index.place([1, 2, 3, 4]);
    index.place([10, 11]);
    index.place([20]);
    const placed = index.place([10, 11, 12]);
    expect(placed.expectedBlocks).toBe(2);
    index.correct(placed, 1); // 11 was evicted there, so 1..4 were, which are older; 20 is younger
    expect(index.match([1, 2, 3, 4])).toBe(0);
    expect(index.match([20])).toBe(1);
    expect(index.match([10, 11, 12])).toBe(3); // computed by now
  });

  test("against a cache that evicts by the same order, corrections only ever help", () => {
    const random = createRandom("cache", "prompts");
    const [truth, believer] = [new PrefixIndex(40), new PrefixIndex(400)];
    let [wrong, late] = [0, 0];
    for (let i = 0; i < 600; i++) {
      const document = random.int(0, 12);
      const ids = Array.from({ length: 8 }, (_, k) => document * 100 + k);
      const cached = truth.match(ids);
      const placed = believer.place(ids);
      believer.correct(placed, cached);
      truth.place(ids);
      if (placed.expectedBlocks > cached) wrong += 1;
      if (i >= 300 && placed.expectedBlocks > cached) late += 1;
    }
    // Twelve documents of eight blocks in room for five: without corrections almost every guess would be wrong.
    expect(wrong).toBeLessThan(400);
    expect(late).toBeLessThan(200);
  });
});

describe("heartbeats", () => {
  test("silence takes trust away; several in a row, each in time, bring it back", () => {
    const beats = new Heartbeats(0, { silentMs: 1000, trustAfter: 3 });
    expect(beats.trusted(900)).toBe(true);
    expect(beats.trusted(1100)).toBe(false);
    beats.heard(1200);
    expect(beats.trusted(1200)).toBe(false);
    beats.heard(1450);
    expect(beats.trusted(1450)).toBe(false);
    beats.heard(1700);
    expect(beats.trusted(1700)).toBe(true);
    beats.heard(3000);
    beats.heard(3250);
    expect(beats.trusted(3250)).toBe(false);
    beats.heard(3500);
    expect(beats.trusted(3500)).toBe(true);
    expect(beats.lastMs).toBe(3500);
  });
});

describe("router", () => {
  const load = (index: number, over: Partial<InstanceLoad> = {}): InstanceLoad => loadOf({ index, ...over });

  test("every name routes, and says why when it cannot", () => {
    for (const name of ROUTER_NAMES) {
      const router = new Router(name, createRandom(1));
      expect(router.route({ promptTokens: 10 }, [], 0)).toEqual({ kind: "nobody" });
      expect(router.route({ promptTokens: 10_000 }, [load(0)], 0)).toEqual({ kind: "too-long" });
      expect(router.route({ promptTokens: 10 }, [load(4)], 0)).toMatchObject({ kind: "to", load: { index: 4 } });
    }
    expect(() => new Router("best", createRandom(1))).toThrow("kv-aware");
  });

  test("a promise that nobody can keep is refused", () => {
    const late = load(0, { waiting: 5, waitingTokens: 5000, cost: { stepMs: (tokens) => tokens } });
    const request = { promptTokens: 10, slo: { class: "latency", ttftMs: 10, onMiss: "reject" } as const };
    expect(new Router("deadline-aware", createRandom(1)).route(request, [late], 0)).toMatchObject({ kind: "refused" });
    expect(new Router("kv-aware", createRandom(1)).route(request, [late], 0)).toMatchObject({ kind: "to" });
  });
});
