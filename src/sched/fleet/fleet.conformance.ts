/**
 * What every dispatcher, watcher and choice of migrants must satisfy, on random fleets. Migrations are carried out on
 * plain counters, so that what is true afterwards can be asked too.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import type { SequenceView } from "../types.ts";
import { freenessAfter, migrationFreeness, withUrgentShare } from "./freeness.ts";
import type { Dispatch, FleetWatcher, InstanceLoad, InstanceState, Migrants, MigrationSource } from "./types.ts";

export const PAGE_TOKENS = 16;

/** An idle instance that serves, unless told otherwise. */
export function loadOf(over: Partial<InstanceLoad> & { readonly index: number }): InstanceLoad {
  const state: InstanceState = over.state ?? "serving";
  return {
    role: "both",
    state,
    accepting: state === "serving",
    waiting: 0,
    running: 0,
    waitingTokens: 0,
    prefillTokens: 0,
    usedPages: 0,
    totalPages: 100,
    pageTokens: PAGE_TOKENS,
    waitingPages: 0,
    headPages: 0,
    answerTokens: null,
    urgent: 0,
    urgentWaiting: 0,
    urgentWaitingPages: 0,
    outgoing: 0,
    incoming: 0,
    cachedTokens: () => 0,
    ...over,
  };
}

/** A sequence that decodes with so many tokens in place, or waits with them. */
export function sequenceOf(id: number, tokens: number, waits: boolean, priority = 0): SequenceView {
  return {
    id,
    arrivalMs: id,
    promptTokens: waits ? tokens : tokens - 1,
    computedTokens: waits ? 0 : tokens - 1,
    pendingTokens: waits ? tokens : 1,
    generatedTokens: waits ? 0 : 1,
    maxTokens: 1000,
    firstTokenMs: waits ? null : id,
    slo: { class: "best-effort", onMiss: "finish" },
    priority,
    pages: waits ? 0 : Math.ceil(tokens / PAGE_TOKENS),
    order: id,
  };
}

/** A source whose load agrees with its sequences. */
export function sourceOf(
  index: number,
  running: readonly SequenceView[],
  waiting: readonly SequenceView[],
  over: Partial<InstanceLoad> = {},
): MigrationSource {
  const pages = (one: SequenceView): number => Math.ceil(one.pendingTokens / PAGE_TOKENS);
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const urgent = (list: readonly SequenceView[]): readonly SequenceView[] =>
    list.filter(({ priority = 0 }) => priority > 0);
  const head = urgent(waiting)[0] ?? waiting[0];
  const load = loadOf({
    index,
    running: running.length,
    waiting: waiting.length,
    waitingTokens: sum(waiting.map(({ pendingTokens }) => pendingTokens)),
    waitingPages: sum(waiting.map(pages)),
    headPages: head === undefined ? 0 : pages(head),
    usedPages: sum(running.map((one) => one.pages)),
    urgent: urgent([...running, ...waiting]).length,
    urgentWaiting: urgent(waiting).length,
    urgentWaitingPages: sum(urgent(waiting).map(pages)),
    ...over,
  });
  return { load, running, waiting };
}

/** Random instances with sequences; ids are unique over the fleet. */
export const fleetArbitrary = fc
  .record({
    seed: fc.string({ maxLength: 6 }),
    instances: fc.integer({ min: 1, max: 6 }),
    fill: fc.double({ min: 0, max: 1.2, noNaN: true }),
    states: fc.array(fc.constantFrom<InstanceState>("serving", "serving", "serving", "draining", "starting"), {
      minLength: 6,
      maxLength: 6,
    }),
  })
  .map(({ seed, instances, fill, states }) => {
    const random = createRandom(seed, "fleet");
    let id = 0;
    return Array.from({ length: instances }, (_, index) => {
      const state = states[index]!;
      const target = state === "starting" ? 0 : 100 * fill * random.uniform() * 1.5;
      const running: SequenceView[] = [];
      for (let pages = 0; pages < Math.min(95, target); pages += running.at(-1)!.pages) {
        running.push(sequenceOf(id++, random.int(2, PAGE_TOKENS * 20), false, random.chance(0.1) ? 1 : 0));
        if (pages + running.at(-1)!.pages > 100) running.pop();
        if (running.length === 0) break;
      }
      const waiting = Array.from({ length: target > 80 ? random.int(0, 4) : 0 }, () =>
        sequenceOf(id++, random.int(1, PAGE_TOKENS * 30), true, random.chance(0.1) ? 1 : 0),
      );
      return sourceOf(index, running, waiting, { state, accepting: state === "serving" });
    });
  });

const loadsOf = (fleet: readonly MigrationSource[]): InstanceLoad[] => fleet.map(({ load }) => load);

/** Declares the suite for one dispatcher. */
export function dispatchConformance(name: string, create: () => Dispatch): void {
  describe(`dispatch ${name}`, () => {
    test("it chooses a candidate that can hold the prompt, and none when nobody can", () => {
      const property = fc.property(fleetArbitrary, fc.integer({ min: 1, max: 3000 }), (fleet, promptTokens) => {
        const loads = loadsOf(fleet).map((load) => loadOf({ ...load, totalPages: 60 + 40 * (load.index % 4) }));
        const chosen = create().choose({ promptTokens }, loads, 0, createRandom(1));
        const able = loads.filter((load) => load.totalPages * load.pageTokens > promptTokens);
        if (able.length === 0) expect(chosen).toBeNull();
        else expect(able).toContain(chosen);
      });
      fc.assert(property, { seed: 2_901, numRuns: 100 });
    });

    test("the same loads and requests give the same choices, and loads are not changed", () => {
      const property = fc.property(fleetArbitrary, fc.array(fc.integer({ min: 1, max: 400 })), (fleet, prompts) => {
        const loads = loadsOf(fleet);
        const before = JSON.stringify(loads);
        const choices = (): (number | undefined)[] => {
          const dispatch = create();
          return prompts.map((promptTokens, i) => dispatch.choose({ promptTokens }, loads, i, createRandom(1))?.index);
        };
        expect(choices()).toEqual(choices());
        expect(JSON.stringify(loads)).toBe(before);
      });
      fc.assert(property, { seed: 2_902, numRuns: 50 });
    });

    test("among idle instances requests are spread when loads follow", () => {
      const dispatch = create();
      const sent = [0, 0, 0, 0];
      for (let i = 0; i < 40; i++) {
        const loads = sent.map((running, index) => loadOf({ index, running, usedPages: running * 4 }));
        sent[dispatch.choose({ promptTokens: 60 }, loads, i, createRandom(i))!.index]! += 1;
      }
      expect(sent).toEqual([10, 10, 10, 10]);
    });
  });
}

/** Declares the suite for one watcher. */
export function watcherConformance(name: string, create: () => FleetWatcher): void {
  describe(`watcher ${name}`, () => {
    test("pairs name a source with work and another instance that serves, each once", () => {
      const property = fc.property(fleetArbitrary, (fleet) => {
        const loads = loadsOf(fleet);
        const watcher = create();
        for (let look = 0; look < 5; look++) {
          const pairs = watcher.decide(loads, look * watcher.everyMs).filter((decision) => decision.kind === "pair");
          const ends = pairs.flatMap(({ from, to }) => [from, to]);
          expect(new Set(ends).size).toBe(ends.length);
          for (const { from, to } of pairs) {
            expect(loads[to]!.state).toBe("serving");
            expect(loads[from]!.running + loads[from]!.waiting).toBeGreaterThan(0);
            const options = withUrgentShare(
              loads.filter(({ state }) => state !== "starting"),
              {},
            );
            const freeness = (index: number): number => migrationFreeness(loads[index]!, options);
            expect(freeness(from)).toBeLessThan(freeness(to));
          }
        }
      });
      fc.assert(property, { seed: 2_903, numRuns: 100 });
    });

    test("instances that are copied from or to already are left alone", () => {
      const property = fc.property(fleetArbitrary, (fleet) => {
        const loads = loadsOf(fleet).map((load) => loadOf({ ...load, outgoing: 1, incoming: 1 }));
        expect(
          create()
            .decide(loads, 0)
            .filter(({ kind }) => kind === "pair"),
        ).toEqual([]);
      });
      fc.assert(property, { seed: 2_904, numRuns: 50 });
    });
  });
}

/** Declares the suite for one choice of migrants. */
export function migrantsConformance(name: string, create: () => Migrants, restMs: number): void {
  // Drivers may hand over objects with getters: nothing but reading a field works on those.
  const withGetters = (source: MigrationSource): MigrationSource => {
    const load: InstanceLoad = Object.create(source.load);
    return { ...source, load };
  };
  const pairs = (fleet: readonly MigrationSource[]): (readonly [MigrationSource, MigrationSource])[] => {
    const all = fleet.map(withGetters);
    return all.flatMap((a) => all.filter((b) => b !== a && b.load.accepting).map((b) => [a, b] as const));
  };

  describe(`migrants ${name}`, () => {
    test("what moves is there, fits, and leaves the destination at least as free as the source", () => {
      const property = fc.property(fleetArbitrary, (fleet) => {
        for (const [source, { load: to }] of pairs(fleet)) {
          const ids = create().choose(source, to, 0);
          expect(new Set(ids).size).toBe(ids.length);
          const all = [...source.running, ...source.waiting];
          const chosen = ids.map((id) => all.find((one) => one.id === id)!);
          let pages = 0;
          for (const one of chosen) {
            expect(one).toBeDefined();
            pages += Math.ceil((one.computedTokens + one.pendingTokens) / PAGE_TOKENS);
          }
          expect(pages).toBeLessThanOrEqual(to.totalPages - to.usedPages);
          const [first] = chosen;
          if (first === undefined || first.pages === 0) continue;
          expect(chosen).toHaveLength(1);
          const options = withUrgentShare([source.load, to], {});
          const coming = { requests: 1, pages: Math.ceil((first.computedTokens + 1) / PAGE_TOKENS) };
          const going = { requests: -1, pages: -first.pages };
          const there = freenessAfter(to, coming, options);
          expect(there).toBeGreaterThanOrEqual(freenessAfter(source.load, going, options));
        }
      });
      fc.assert(property, { seed: 2_905, numRuns: 100 });
    });

    test("what was chosen is not chosen again until it has rested", () => {
      const property = fc.property(fleetArbitrary, (fleet) => {
        const migrants = create();
        const movedMs = new Map<number, number>();
        for (let nowMs = 0; nowMs < 3 * restMs; nowMs += restMs / 4) {
          for (const [source, { load: to }] of pairs(fleet)) {
            for (const id of migrants.choose(source, to, nowMs)) {
              expect(nowMs - (movedMs.get(id) ?? -Infinity)).toBeGreaterThanOrEqual(restMs);
              movedMs.set(id, nowMs);
            }
          }
        }
      });
      fc.assert(property, { seed: 2_906, numRuns: 50 });
    });
  });
}
