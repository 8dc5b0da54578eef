/** The page pools against the live page manager: the same calls must give the same counts, call by call. */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { KvPages, type SequencePages } from "../llm/index.ts";
import { MeanOutlook } from "../sched/index.ts";
import { KeyTable } from "./key-table.ts";
import { CountedPages } from "./page-pool.ts";
import { SimSequence, type SimRequest } from "./sequence.ts";
import { SharedPages } from "./shared-pages.ts";

const PAGE = 4;
const host = { outlook: new MeanOutlook(), nowMs: 0, view: 0 };

interface Both {
  readonly tokens: number[];
  readonly live: SequencePages;
  readonly sim: SimSequence;
}

/** A sequence whose block ids say exactly what its tokens say: equal prefixes of pages have equal ids. */
function sequenceOf(id: number, tokens: readonly number[], names: Map<string, number>): SimSequence {
  const hashIds: number[] = [];
  for (let end = PAGE; end <= tokens.length; end += PAGE) {
    const name = tokens.slice(0, end).join();
    if (!names.has(name)) names.set(name, names.size + 1);
    hashIds.push(names.get(name)!);
  }
  const request: SimRequest = {
    id,
    arrivalMs: 0,
    promptTokens: tokens.length,
    outputTokens: 100,
    maxTokens: 100,
    slo: { class: "best-effort", onMiss: "finish" },
    hashIds,
    blockTokens: PAGE,
    hashedTokens: tokens.length,
  };
  return new SimSequence(request, host);
}

const action = fc.oneof(
  fc.record({
    kind: fc.constant("open" as const),
    tokens: fc.array(fc.nat(1), { minLength: 1, maxLength: 24 }),
    computed: fc.integer({ min: 1, max: 24 }),
  }),
  fc.record({ kind: fc.constant("release" as const), pick: fc.nat() }),
);

test("shared pages follow the live page manager in counts, caching and eviction", () => {
  const property = fc.property(
    fc.integer({ min: 1, max: 14 }),
    fc.array(action, { maxLength: 60 }),
    (pages, actions) => {
      const live = new KvPages({ pages, pageTokens: PAGE });
      const sim = new SharedPages(pages, PAGE);
      const names = new Map<string, number>();
      const open: Both[] = [];
      for (const [id, step] of actions.entries()) {
        if (step.kind === "release") {
          const [gone] = open.splice(step.pick % Math.max(1, open.length), 1);
          gone?.live.release();
          if (gone !== undefined) sim.release(gone.sim);
        } else {
          const sequence = sequenceOf(id, step.tokens, names);
          const { request, knownTokens } = sequence;
          expect(sim.cachedTokens(request, knownTokens)).toBe(live.cachedTokens(step.tokens));
          expect(sim.cachedFreePages(request, knownTokens)).toBe(live.cachedFreePages(step.tokens));
          const both = { tokens: step.tokens, live: live.open(step.tokens), sim: sequence };
          expect(sim.open(sequence)).toBe(both.live.cachedTokens);
          const computed = Math.min(step.tokens.length, Math.max(step.computed, both.live.cachedTokens));
          const fits = both.live.reserve(computed);
          expect(sim.reserve(sequence, computed)).toBe(fits);
          if (fits) {
            both.live.commit(step.tokens.slice(0, computed));
            sim.commit(sequence, computed);
          }
          open.push(both);
        }
        sim.checkIntegrity();
        live.checkIntegrity();
        expect(sim.availablePages).toBe(live.availablePages);
        expect(sim.registeredPages).toBe(live.registeredPages);
        expect(sim.evictions).toBe(live.evictions);
        for (const { live: a, sim: b } of open) expect(b.pages).toBe(a.pages.length);
      }
    },
  );
  fc.assert(property, { seed: 4_012, numRuns: 300 });
});

test("counted pages are what shared pages are when nothing is shared", () => {
  const counted = new CountedPages(10, PAGE);
  const sequence = sequenceOf(0, [1, 2, 3, 4, 5], new Map());
  expect(counted.reserve(sequence, 37)).toBe(true);
  expect(sequence).toMatchObject({ pages: 10, ownPages: 10 });
  expect(counted.reserve(sequence, 41)).toBe(false);
  counted.release(sequence);
  expect(counted.availablePages).toBe(10);
});

test("the key table is a two-way map, whatever collides", () => {
  const property = fc.property(fc.array(fc.tuple(fc.nat(15), fc.nat(40)), { maxLength: 120 }), (steps) => {
    const table = new KeyTable(16);
    const keys = new Map<number, number>();
    for (const [page, draw] of steps) {
      const key = 1 + draw * 8; // many fall on the same cell
      if (keys.has(page)) {
        expect(table.remove(page)).toBe(true);
        keys.delete(page);
      } else if (![...keys.values()].includes(key)) {
        table.set(page, key);
        keys.set(page, key);
      }
      table.checkIntegrity();
      for (const [held, name] of keys) expect(table.find(name)).toBe(held);
      expect(table.size).toBe(keys.size);
    }
  });
  fc.assert(property, { seed: 4_014, numRuns: 200 });
});
