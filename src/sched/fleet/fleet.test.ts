import { describe, expect, test } from "vitest";
import { createRandom } from "../../core/index.ts";
import { Autoscaler, fleetFreeness } from "./autoscale.ts";
import { createDispatch, DISPATCH_NAMES, infaasDispatch, leastQueue, llumnixDispatch } from "./dispatch.ts";
import {
  dispatchConformance,
  loadOf,
  migrantsConformance,
  sequenceOf,
  sourceOf,
  watcherConformance,
} from "./fleet.conformance.ts";
import { dispatchFreeness, freenessAfter, headroomPages, migrationFreeness } from "./freeness.ts";
import { llumnixMigrants } from "./migrants.ts";
import { Pairing } from "./pairing.ts";
import type { Dispatch, InstanceLoad } from "./types.ts";
import { fleetWatcher } from "./watcher.ts";

for (const name of DISPATCH_NAMES) dispatchConformance(name, () => createDispatch(name));
watcherConformance("adaptive", () => fleetWatcher({ migrate: {} }));
watcherConformance("fixed", () => fleetWatcher({ migrate: { outSteps: 25, inSteps: 50 } }));
migrantsConformance("llumnix", () => llumnixMigrants({ restMs: 400 }), 400);
migrantsConformance("llumnix, running only", () => llumnixMigrants({ restMs: 400, moveWaiting: false }), 400);

const chosen = (dispatch: Dispatch, loads: readonly InstanceLoad[], promptTokens: number, priority = 0) =>
  dispatch.choose({ promptTokens, priority }, loads, 0, createRandom(1))?.index;

test("an unknown dispatcher names those there are", () => {
  expect(() => createDispatch("random")).toThrow("llumnix");
});

describe("freeness", () => {
  test("an instance without requests is free without end, one that drains not at all", () => {
    expect(migrationFreeness(loadOf({ index: 0 }))).toBe(Infinity);
    expect(dispatchFreeness(loadOf({ index: 0 }), false)).toBe(Infinity);
    expect(migrationFreeness(loadOf({ index: 0, state: "draining" }))).toBe(-Infinity);
    expect(freenessAfter(loadOf({ index: 0, state: "draining", running: 1 }), { requests: -1, pages: -5 })).toBe(
      -Infinity,
    );
  });

  test("steps until memory is full: dispatch counts the whole queue, migration its head", () => {
    const load = loadOf({ index: 0, running: 4, usedPages: 60, waiting: 3, waitingPages: 30, headPages: 10 });
    expect(migrationFreeness(load)).toBe((30 * 16) / 5);
    expect(dispatchFreeness(load, false)).toBe((10 * 16) / 7);
  });

  test("urgent requests keep room from others, and see past those who wait behind them", () => {
    const load = loadOf({ index: 0, running: 4, usedPages: 60, waiting: 3, waitingPages: 30, urgent: 1 });
    expect(headroomPages(load, { urgentShare: 0.2 })).toBe(80);
    expect(dispatchFreeness(load, false, { urgentShare: 0.2 })).toBeLessThan(0);
    expect(dispatchFreeness(load, true, { urgentShare: 0.2 })).toBe((40 * 16) / 4);
  });
});

describe("dispatch", () => {
  test("infaas: the least memory in use and asked for", () => {
    const loads = [
      loadOf({ index: 0, running: 1, usedPages: 50 }),
      loadOf({ index: 1, running: 9, usedPages: 20, waiting: 1, waitingPages: 20 }),
    ];
    expect(chosen(infaasDispatch(), loads, 64)).toBe(1);
    expect(chosen(leastQueue(), loads, 64)).toBe(0);
  });

  test("llumnix: the most steps left, not the most memory", () => {
    const loads = [loadOf({ index: 0, running: 2, usedPages: 60 }), loadOf({ index: 1, running: 30, usedPages: 40 })];
    expect(chosen(llumnixDispatch(), loads, 64)).toBe(0);
    expect(chosen(infaasDispatch(), loads, 64)).toBe(1);
  });

  test("an urgent request goes where it is alone, not where headroom is kept by others", () => {
    const loads = [
      loadOf({ index: 0, running: 10, usedPages: 70, waiting: 4, waitingPages: 40 }),
      loadOf({ index: 1, running: 10, usedPages: 80 }),
    ];
    expect(chosen(llumnixDispatch(), loads, 64, 1)).toBe(0);
    expect(chosen(llumnixDispatch(), loads, 64, 0)).toBe(1);
  });

  test("old loads: what was sent since they were taken counts, until they are taken again", () => {
    for (const dispatch of [infaasDispatch(), llumnixDispatch()]) {
      const at = (takenMs: number): InstanceLoad[] =>
        [0, 1, 2].map((index) => loadOf({ index, running: 2, usedPages: 10 + index, takenMs }));
      const sent = [1, 2, 3].map(() => chosen(dispatch, at(0), 160));
      expect(new Set(sent)).toEqual(new Set([0, 1, 2]));
      expect(chosen(dispatch, at(100), 160)).toBe(0);
    }
  });
});

describe("pairing", () => {
  const pairOf = (pairing: Pairing, freePages: readonly number[]) =>
    pairing.pairs(freePages.map((free, index) => loadOf({ index, running: 10, usedPages: 100 - free })));

  test("lowest with highest", () => {
    expect(pairOf(new Pairing(), [2, 50, 90, 8, 70])).toEqual([
      { kind: "pair", from: 0, to: 2 },
      { kind: "pair", from: 3, to: 4 },
    ]);
  });

  test("a source stays one until it is back at the average: no swinging at a threshold", () => {
    const pairing = new Pairing();
    expect(pairOf(pairing, [15, 65])).toEqual([{ kind: "pair", from: 0, to: 1 }]);
    expect(pairOf(pairing, [30, 50])).toEqual([{ kind: "pair", from: 0, to: 1 }]);
    expect(pairOf(pairing, [40, 40])).toEqual([]);
    expect(pairOf(pairing, [30, 50])).toEqual([]);
  });

  test("what drains is a source while it has anything, whatever the thresholds", () => {
    const draining = loadOf({ index: 0, state: "draining", accepting: false, running: 1, usedPages: 3 });
    const pairs = new Pairing({ outSteps: 0 }).pairs([draining, loadOf({ index: 1 })]);
    expect(pairs).toEqual([{ kind: "pair", from: 0, to: 1 }]);
  });

  test("a fleet that is full everywhere moves nothing", () => {
    const full = [0, 1, 2].map((index) =>
      loadOf({ index, running: 10, usedPages: 100, waiting: 3, waitingPages: 30, headPages: 10 }),
    );
    expect(new Pairing().pairs(full)).toEqual([]);
  });
});

describe("migrants", () => {
  const decoding = [sequenceOf(0, 320, false), sequenceOf(1, 48, false), sequenceOf(2, 160, false, 1)];

  test("a stuck queue sends what can begin at once, in order, urgent first", () => {
    const waiting = [sequenceOf(5, 1200, true), sequenceOf(6, 32, true), sequenceOf(7, 32, true, 1)];
    const source = sourceOf(0, decoding, waiting, { usedPages: 99 });
    expect(llumnixMigrants().choose(source, loadOf({ index: 1 }), 0)).toEqual([7, 5, 6]);
    const small = loadOf({ index: 1, running: 2, usedPages: 90 });
    expect(llumnixMigrants().choose(source, small, 0)).toEqual([7, 6]);
  });

  test("otherwise the shortest of the lowest priority goes", () => {
    const source = sourceOf(0, decoding, [], { usedPages: 98 });
    expect(llumnixMigrants().choose(source, loadOf({ index: 1 }), 0)).toEqual([1]);
    const urgent = sourceOf(0, [decoding[2]!, sequenceOf(3, 900, false)], [], { usedPages: 98 });
    expect(llumnixMigrants().choose(urgent, loadOf({ index: 1 }), 0)).toEqual([3]);
  });

  test("the last one of an instance stays where it is, unless the instance is to be emptied", () => {
    const one = [sequenceOf(0, 64, false)];
    expect(llumnixMigrants().choose(sourceOf(0, one, []), loadOf({ index: 1 }), 0)).toEqual([]);
    const draining = sourceOf(0, one, [], { state: "draining", accepting: false });
    expect(llumnixMigrants().choose(draining, loadOf({ index: 1 }), 0)).toEqual([0]);
  });
});

describe("autoscaling", () => {
  const scaler = (): Autoscaler => new Autoscaler({ least: 2, most: 4, lowSteps: 20, highSteps: 60, everyMs: 1000 });
  const fleet = (usedPages: number, count: number): InstanceLoad[] =>
    Array.from({ length: count }, (_, index) => loadOf({ index, running: 10 + index, usedPages }));

  test("one more below, one less above, at most one per interval, within bounds", () => {
    const one = scaler();
    expect(one.scale(fleet(95, 2), 500)).toEqual([]);
    expect(one.scale(fleet(95, 2), 1000)).toEqual([{ kind: "start" }]);
    expect(one.scale(fleet(95, 2), 1500)).toEqual([]);
    expect(one.scale(fleet(95, 4), 3000)).toEqual([]);
    expect(one.scale(fleet(10, 3), 4000)).toEqual([{ kind: "drain", instance: 0 }]);
    expect(one.scale(fleet(10, 2), 5000)).toEqual([]);
    expect(one.scale(fleet(75, 3), 6000)).toEqual([]);
  });

  test("what is missing to the fewest is started at once, one at a look", () => {
    const one = scaler();
    expect(one.scale([], 10)).toEqual([{ kind: "start" }]);
    const starting = loadOf({ index: 7, state: "starting", accepting: false });
    expect(one.scale([starting], 20)).toEqual([{ kind: "start" }]);
    expect(one.scale([starting, starting], 30)).toEqual([]);
    expect(one.scale(fleet(95, 2), 500)).toEqual([]); // starts count as changes
    expect(one.scale(fleet(10, 1), 600)).toEqual([{ kind: "start" }]);
  });

  test("what starts counts as room: one shortage starts one instance", () => {
    const starting = loadOf({ index: 2, state: "starting", accepting: false });
    expect(fleetFreeness(fleet(95, 2))).toBeLessThan(20);
    expect(fleetFreeness([...fleet(95, 2), starting])).toBeGreaterThan(20);
    expect(fleetFreeness([])).toBe(Infinity);
  });
});
