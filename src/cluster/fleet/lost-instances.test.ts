/** Who was lost is shown for a while, as lost; never more than there is room for. */
import { expect, test } from "vitest";
import { instanceView } from "../../../test/support/fleet-double.ts";
import { LOST_SHOWN_MS, LostInstances } from "./lost-instances.ts";

test("one is shown as gone, with why and since when it was not heard of, until its time is over or it is back", () => {
  const lost = new LostInstances();
  lost.add(instanceView("a", { running: 3, waiting: 1, heartbeatAgeMs: 900 }), "dead", 1000);
  lost.add(instanceView("b", { heartbeatAgeMs: null }), "expired", 2000);
  const shown = { state: "gone", running: 0, waiting: 0, usedPages: null, batch: null, tokensPerSecond: null };
  expect(lost.views(3000)).toMatchObject([
    { ...shown, id: "a", lostBy: "dead", heartbeatAgeMs: 2900 },
    { ...shown, id: "b", lostBy: "expired", heartbeatAgeMs: null },
  ]);
  expect(lost.views(1000 + LOST_SHOWN_MS)).toHaveLength(2);
  expect(lost.views(1001 + LOST_SHOWN_MS).map(({ id }) => id)).toEqual(["b"]);
  lost.back("b");
  lost.back("nobody");
  expect(lost.views(1001 + LOST_SHOWN_MS)).toEqual([]);
});

test("the oldest make room, and one that is lost twice is there once", () => {
  const lost = new LostInstances();
  for (let i = 0; i < 100; i++) lost.add(instanceView(`i${i}`), "dead", i);
  expect(lost.views(100).map(({ id }) => id)).toEqual(Array.from({ length: 32 }, (_, i) => `i${68 + i}`));
  lost.add(instanceView("i70"), "expired", 101);
  expect(lost.views(101)).toHaveLength(32);
  expect(lost.views(101).at(-1)).toMatchObject({ id: "i70", lostBy: "expired" });
});
