import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { FleetScalingView, FleetView } from "@protocol";
import { fleetView, instanceView, moveView, requestView, scalingView } from "../../../../test/support/fleet-double.ts";
import { byteWords, chunkWords, contextSums, partWords } from "./context-sums.ts";
import { endedAgeMs, FleetMemory, TRAIL_MS, type FleetPicture } from "./memory.ts";
import { dotAt, DOT_PX, DOT_STEP_PX, lanesFit, middleOf, wayPath } from "./places.ts";
import { countWords, lastWords, rangeWords, roomPlace, servingOf, standWords, switchWords } from "./scaling-words.ts";
import {
  gapWords,
  kindWords,
  lostWords,
  medianOf,
  moveWords,
  pictureWords,
  shortId,
  stateWords,
  sumsOf,
} from "./sums.ts";

/** Where each request is: "instance:slot". */
function placesIn({ lanes }: FleetPicture): Record<string, string> {
  return Object.fromEntries(
    lanes.flatMap(({ instance, dots }) => dots.map(({ request, slot }) => [request.id, `${instance.id}:${slot}`])),
  );
}

const withRequests = (...at: readonly (readonly [id: string, instance: string | null])[]): FleetView =>
  fleetView({ requests: at.map(([id, instance]) => requestView(id, instance)) });

describe("the picture", () => {
  test("leaves a request where it is when others come and go", () => {
    const memory = new FleetMemory();
    const first = memory.take(withRequests(["a", "instance-a"], ["b", "instance-a"], ["c", "instance-a"]), 0);
    expect(placesIn(first)).toEqual({ a: "instance-a:0", b: "instance-a:1", c: "instance-a:2" });
    const second = memory.take(withRequests(["c", "instance-a"], ["d", "instance-a"]), 250);
    expect(placesIn(second)).toEqual({ c: "instance-a:2", d: "instance-a:0" });
  });

  test("knows for a moment who has moved, and not who is new", () => {
    const memory = new FleetMemory();
    memory.take(withRequests(["a", "instance-a"]), 0);
    const moved = memory.take(withRequests(["a", "instance-b"], ["b", "instance-b"]), 250);
    const dots = moved.lanes.flatMap((lane) => lane.dots);
    expect(dots.map(({ request, hasMoved }) => [request.id, hasMoved])).toEqual([
      ["a", true],
      ["b", false],
    ]);
    const later = memory.take(withRequests(["a", "instance-b"]), 250 + TRAIL_MS);
    expect(later.lanes.flatMap((lane) => lane.dots)[0]!.hasMoved).toBe(false);
  });

  test("tells who has no instance, or one that is not shown", () => {
    const picture = new FleetMemory().take(withRequests(["a", null], ["b", "elsewhere"], ["c", "instance-a"]), 0);
    expect(picture.homeless.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(placesIn(picture)).toEqual({ c: "instance-a:0" });
  });

  test("keeps instances in one order, whatever the server's", () => {
    const workers = ["w10", "w2", "w1"].map((id) => instanceView(id));
    const instances = [instanceView("gpu", { host: "upstream" }), ...workers];
    const picture = new FleetMemory().take(fleetView({ instances }), 0);
    expect(picture.lanes.map(({ instance }) => instance.id)).toEqual(["w1", "w2", "w10", "gpu"]);
  });

  test("shows a move under way in full, one that has ended fading, and then no more", () => {
    const ended = (id: string, ageMs: number): ReturnType<typeof moveView> =>
      moveView(id, "a", "instance-a", "instance-b", { stage: "ended", outcome: "moved", tookMs: 20, gapMs: 8, ageMs });
    const view = fleetView({
      requests: [requestView("b", "instance-a", { state: "moving" })],
      moves: [moveView("now", "b", "instance-a", "instance-b")],
      endedMoves: [ended("new", 20 + TRAIL_MS / 2), ended("old", 20 + TRAIL_MS)],
    });
    const { trails } = new FleetMemory().take(view, 0);
    expect(trails.map(({ move, strength, fromSlot, toSlot }) => [move.id, strength, fromSlot, toSlot])).toEqual([
      ["now", 1, 0, null],
      ["new", 0.5, null, null],
    ]);
    expect(endedAgeMs(view.endedMoves[1]!)).toBe(TRAIL_MS);
  });

  test("a way leads from where its request was to where it is, and stays there when it has ended", () => {
    const memory = new FleetMemory();
    const slots = ({ trails }: FleetPicture): unknown => trails.map(({ fromSlot, toSlot }) => [fromSlot, toSlot]);
    const ended = { stage: "ended", outcome: "moved", tookMs: 20, gapMs: 8 } as const;
    const gone = (ageMs: number): FleetView =>
      fleetView({
        requests: [requestView("x", "instance-b"), requestView("a", "instance-b")],
        endedMoves: [moveView("m", "a", "instance-a", "instance-b", { ...ended, ageMs })],
      });
    // Between two views: never seen as being under way.
    memory.take(withRequests(["y", "instance-a"], ["a", "instance-a"]), 0);
    expect(slots(memory.take(gone(30), 250))).toEqual([[1, 1]]);
    expect(slots(memory.take({ ...gone(280), requests: [] }, 500))).toEqual([[1, 1]]);
    expect(slots(memory.take({ ...gone(530), requests: [] }, 750))).toEqual([[1, 1]]);
    expect(slots(memory.take(withRequests(), 3500))).toEqual([]);
    expect(slots(memory.take(gone(30), 3750))).toEqual([[null, 1]]);
  });

  test("gives no place twice, and nobody another one without a move, over any history", () => {
    const where = fc.option(fc.constantFrom("instance-a", "instance-b"), { nil: null });
    const step = fc.dictionary(fc.constantFrom("a", "b", "c", "d", "e", "f", "g", "h"), where, {
      maxKeys: 8,
      noNullPrototype: true,
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        const memory = new FleetMemory();
        let before: Record<string, string> = {};
        for (const [i, at] of steps.entries()) {
          const picture = memory.take(withRequests(...Object.entries(at)), i * 250);
          const places = placesIn(picture);
          expect(new Set(Object.values(places)).size).toBe(Object.keys(places).length);
          expect(Object.keys(places).length + picture.homeless.length).toBe(Object.keys(at).length);
          for (const [id, place] of Object.entries(places)) {
            const old = before[id];
            if (old !== undefined && old.split(":")[0] === place.split(":")[0]) expect(place).toBe(old);
          }
          before = places;
        }
      }),
      { seed: 6, numRuns: 60 },
    );
  });
});

describe("places", () => {
  const box = { x: 100, y: 40, width: 5 * DOT_STEP_PX, height: 2 * DOT_STEP_PX + DOT_PX };

  test("fill a lane row by row and stay within it", () => {
    expect(lanesFit(box)).toBe(15);
    expect(lanesFit(undefined)).toBe(0);
    expect(dotAt(box, 0)).toEqual({ x: 100, y: 40 });
    expect(dotAt(box, 5)).toEqual({ x: 100, y: 56 });
    for (let slot = 0; slot < lanesFit(box); slot++) {
      const { x, y } = dotAt(box, slot);
      expect(x + DOT_PX).toBeLessThanOrEqual(box.x + box.width);
      expect(y + DOT_PX).toBeLessThanOrEqual(box.y + box.height);
    }
  });

  test("have different lines there and back, and one of no length where both are one", () => {
    const [here, there] = [middleOf(box, 1), middleOf({ ...box, x: 500 }, null)];
    expect([here, there]).toEqual([
      { x: 100 + DOT_STEP_PX + DOT_PX / 2, y: 40 + DOT_PX / 2 },
      { x: 500 + box.width / 2, y: 40 + box.height / 2 },
    ]);
    expect(middleOf(box, 99)).toEqual(middleOf(box, null));
    expect(wayPath(here, there)).not.toBe(wayPath(there, here));
    expect(wayPath(here, here)).not.toContain("NaN");
  });
});

describe("scaling", () => {
  test("counts the instances that it is about", () => {
    const instances = [
      instanceView("a"),
      instanceView("b", { state: "draining" }),
      instanceView("c", { role: "prefill" }),
      instanceView("d", { model: "another" }),
      instanceView("e", { host: "upstream" }),
    ];
    const view = fleetView({ instances });
    expect(servingOf(view, scalingView())).toBe(1);
    expect(servingOf(view, scalingView({ model: null }))).toBe(2);
  });

  test("puts the room where it is between and beyond the thresholds", () => {
    const at = (freenessSteps: number | null): number => roomPlace(scalingView({ freenessSteps }));
    expect([at(-50), at(0), at(200), at(600), at(1200), at(1600), at(1e9), at(null)]).toEqual([
      0,
      0,
      1 / 6,
      1 / 2,
      5 / 6,
      1,
      1,
      1,
    ]);
    expect([at(400), at(800)]).toEqual([1 / 3, 2 / 3]);
    expect(roomPlace({ lowSteps: 0, highSteps: 0, freenessSteps: 0 })).toBe(1 / 3);
  });

  test("says between which numbers, or that it is always one", () => {
    expect([rangeWords({ least: 1, most: 1200 }), rangeWords({ least: 3, most: 3 })]).toEqual([
      "between 1 and 1,200",
      "always 3",
    ]);
  });

  test("says what was done and why", () => {
    const said = (last: Partial<NonNullable<FleetScalingView["last"]>>): string | null =>
      lastWords(scalingView({ last: { ...scalingView().last!, ...last } }));
    expect(said({})).toBe("Launched instance-b 30 s ago: there was room for 313 steps, less than 400.");
    expect(said({ kind: "drain", reason: "high", freenessSteps: null })).toBe(
      "Drained instance-b 30 s ago: there were no requests.",
    );
    expect(said({ kind: "keep", reason: "low", freenessSteps: 1 })).toContain("Kept instance-b 30 s ago");
    expect(said({ reason: "high", freenessSteps: 1 })).toContain("room for 1 step, more than 800");
    expect(said({ reason: "fewest" })).toContain("there were fewer than 1.");
    expect(lastWords(scalingView({ last: null }))).toBeNull();
    expect(countWords(scalingView({ failed: 2 }))).toContain("1 came, 2 did not come and 0 were drained");
    expect(countWords(scalingView({ drained: 1 }))).toContain("1 came and 1 was drained");
    expect([
      standWords(scalingView()),
      standWords(scalingView({ isActive: false })),
      standWords(scalingView({ isEnabled: false })),
    ]).toEqual(["on", "another router decides", "switched off"]);
    expect(switchWords(false, true)).toBe("No instance is started or drained by load.");
    expect(switchWords(false, false)).toBe("Switched off at this router; another one decides now.");
  });
});

describe("contexts", () => {
  const sumsOfChoices = (...had: readonly (readonly [choice: string, chunks: number, bytes: number])[]) =>
    contextSums(instanceView("a", { contexts: had.map(([choice, chunks, bytes]) => ({ choice, chunks, bytes })) }));

  test("are told as they were had: exactly first, levels in order, what was computed last", () => {
    const sums = sumsOfChoices(
      ["text", 4, 0],
      ["anchored-3", 1, 20_000],
      ["anchored-1", 2, 60_000],
      ["lossless", 9, 1_120_000],
      ["predicted-0", 0, 0],
    )!;
    expect(sums.parts.map(({ kind, chunks, share }) => [kind, chunks, share])).toEqual([
      ["exact", 9, 9 / 16],
      ["level", 2, 1 / 8],
      ["level", 1, 1 / 16],
      ["text", 4, 1 / 4],
    ]);
    expect(chunkWords(sums)).toBe("16 chunks: 9 exactly, 2 at anchored-1, 1 at anchored-3, 4 computed");
    expect(byteWords(sums)).toBe("1.2 MB fetched");
    expect(sums.parts.map(partWords)).toEqual([
      "9 chunks exactly, 1.1 MB",
      "2 chunks at anchored-1, 60 kB",
      "1 chunk at anchored-3, 20 kB",
      "4 chunks computed",
    ]);
    expect(byteWords(sumsOfChoices(["text", 1, 0])!)).toBe("nothing fetched");
  });

  test("of an instance that has had none, or says nothing of them, are not shown", () => {
    expect(contextSums(instanceView("a"))).toBeNull();
    expect(sumsOfChoices()).toBeNull();
    expect(sumsOfChoices(["text", 0, 0])).toBeNull();
  });

  test("fill their bar whatever they are", () => {
    const count = fc.nat({ max: 1_000_000 });
    const choice = fc.constantFrom("lossless", "text", "anchored-1", "predicted-10", "predicted-2", "");
    const had = fc.uniqueArray(fc.tuple(choice, count, count), { selector: ([name]) => name });
    fc.assert(
      fc.property(had, (choices) => {
        const sums = sumsOfChoices(...choices);
        const chunks = choices.reduce((sum, [, of]) => sum + of, 0);
        expect(sums === null).toBe(chunks === 0);
        if (sums === null) return;
        expect(sums.chunks).toBe(chunks);
        expect(sums.parts.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
        expect(new Set(sums.parts.map(({ words }) => words)).size).toBe(sums.parts.length);
      }),
      { seed: 7, numRuns: 60 },
    );
  });
});

describe("words and sums", () => {
  test("count what is alive", () => {
    const sums = sumsOf(
      fleetView({
        instances: [
          instanceView("a", { waiting: 2 }),
          instanceView("b", { state: "draining", tokensPerSecond: null }),
          instanceView("c", { state: "gone" }),
          instanceView("d", { host: "upstream", usedPages: null, totalPages: null }),
        ],
        omittedRequests: 7,
        endedMoves: [
          moveView("m", "r", "a", "b", { outcome: "moved", gapMs: 10, tookMs: 20 }),
          moveView("n", "r", "a", "b", { outcome: "moved", gapMs: 30, tookMs: 20 }),
          moveView("o", "r", "a", "b", { outcome: "aborted", gapMs: null, tookMs: 20 }),
        ],
      }),
    );
    expect(sums).toEqual({
      instances: 4,
      serving: 2,
      open: 8,
      waiting: 2,
      tokensPerSecond: 240,
      usedPages: 100,
      totalPages: 200,
      gapMs: 20,
    });
    expect([medianOf([]), medianOf([3]), medianOf([5, 1, 3])]).toEqual([null, 3, 3]);
  });

  test("say how things stand", () => {
    expect(shortId("short")).toBe("short");
    expect(shortId("0b57f6a2-77f1-4b43-8d3c-3f0f2a1c9c55-1")).toBe("0b57f6a2…55-1");
    expect(kindWords(instanceView("a", { role: "prefill" }))).toBe("prefill only");
    expect(kindWords(instanceView("a", { host: "upstream" }))).toBe("upstream");
    expect(stateWords(instanceView("a", { state: "silent" }))).toBe("not heard of");
    expect(lostWords(instanceView("a", { state: "gone", lostBy: "dead" }))).toContain("process or its connection");
    expect(lostWords(instanceView("a", { state: "gone", lostBy: "expired" }))).toContain("whole lease");
    const move = moveView("m", "r", "a", "b");
    expect(moveWords(move)).toBe("copies");
    expect(moveWords({ ...move, outcome: "aborted", detail: "no room" })).toBe("stayed: no room");
    expect(gapWords({ ...move, outcome: "moved", gapMs: 4 })).toBe("4 ms");
    expect(gapWords({ ...move, outcome: "moved" })).toBe("not seen");
    expect(pictureWords(fleetView())).toBe("instance-a: 1 run, 0 wait; instance-b: 0 run, 0 wait; nothing moves.");
    const instances = [instanceView("a"), instanceView("b", { state: "gone", running: 0 })];
    expect(pictureWords(fleetView({ instances }))).toBe("a: 1 run, 0 wait; b: gone; nothing moves.");
  });
});
