import { expect, test } from "vitest";
import { moveView } from "../../../test/support/fleet-double.ts";
import { FLEET_VIEW_LIMITS } from "../../protocol/index.ts";
import { MoveBook } from "./move-book.ts";

const same = (request: string): string => request;
const nowhere = (): null => null;
const ended = { outcome: "moved", stage: "ended", tookMs: 40, ageMs: 40 } as const;

test("a move is under way as long as its source says so, and grows older after its end", () => {
  const book = new MoveBook();
  book.heard(moveView("m", "r", "a", "b", { ageMs: 10, bytes: 1000 }), 1000);
  expect(book.moving).toEqual(new Set(["r"]));
  expect(book.view(1100, same, nowhere)).toMatchObject({ moves: [{ id: "m", ageMs: 110 }], endedMoves: [] });
  book.heard(moveView("m", "r", "a", "b", { ...ended, bytes: 3000 }), 1030);
  book.heard(moveView("m", "r", "a", "b", { ...ended, bytes: 3000 }), 1031); // said twice
  const { moves, endedMoves, moveCounts, kv } = book.view(2030, same, nowhere);
  expect([moves.length, endedMoves.length, moveCounts.moved, kv.sentBytes]).toEqual([0, 1, 1, 3000]);
  expect(endedMoves[0]).toMatchObject({ tookMs: 40, ageMs: 1040 });
});

test("moves of an instance that is gone have failed, and so has one that nothing is heard of", () => {
  const book = new MoveBook();
  book.heard(moveView("one", "r", "a", "b", { ageMs: 0 }), 0);
  book.heard(moveView("two", "s", "c", "a", { ageMs: 0 }), 0);
  book.gone("a", 500);
  const soon = book.view(500, same, nowhere);
  expect(soon.moves.map(({ id }) => id)).toEqual(["two"]);
  expect(soon.endedMoves).toMatchObject([{ id: "one", outcome: "failed", tookMs: 500, detail: "a is gone" }]);
  expect(book.view(60_001, same, nowhere)).toMatchObject({
    moves: [],
    moveCounts: { moved: 0, aborted: 0, failed: 2 },
  });
  expect(book.moving.size).toBe(0);
});

test("a move whose last word was lost has gone well when its request is where it should go", () => {
  const book = new MoveBook();
  book.heard(moveView("m", "r", "a", "b", { ageMs: 0 }), 0);
  expect(book.view(14_000, same, () => "b").moves).toHaveLength(1);
  expect(book.view(15_001, same, () => "b")).toMatchObject({
    moves: [],
    endedMoves: [{ outcome: "moved", gapMs: null }],
  });
});

test("what is kept is bounded", () => {
  const book = new MoveBook();
  for (let i = 0; i < 500; i++) book.heard(moveView(`m${i}`, "r", "a", "b", { ...ended }), i);
  for (let i = 0; i < 500; i++) book.heard(moveView(`n${i}`, "r", "a", "b"), i);
  const { moves, endedMoves, moveCounts } = book.view(600, same, nowhere);
  expect([moves.length, endedMoves.length, moveCounts.moved]).toEqual([
    FLEET_VIEW_LIMITS.moves,
    FLEET_VIEW_LIMITS.endedMoves,
    500,
  ]);
});
