import { expect, it } from "vitest";
import { PeerLinks } from "./peer-links.ts";

it("knows each link by what came over it of late, and forgets it when nothing has come for half a minute", () => {
  const links = new PeerLinks(100);
  expect(links.goodput("a", 0)).toBe(100);
  links.record("a", 5000, 1000, 1000);
  links.record("b", 9000, 10, 1500);
  expect([links.goodput("a", 2000), links.goodput("b", 2000)]).toEqual([5, 900]);
  // The less of the last chunk and the last ones together.
  links.record("a", 1000, 10, 3000);
  expect(links.goodput("a", 3000)).toBeCloseTo(6000 / 1010, 9);
  expect(links.goodput("a", 33_000)).toBeCloseTo(6000 / 1010, 9);
  expect(links.goodput("a", 33_001)).toBe(100);
  // What was forgotten is not part of what comes then.
  links.record("a", 700, 10, 40_000);
  expect(links.goodput("a", 40_000)).toBe(70);
  expect(new PeerLinks().goodput("c", 0)).toBe(12_500);
});

it("remembers a bounded number of links, those heard of last", () => {
  const links = new PeerLinks(100);
  for (let i = 0; i < 300; i++) links.record(`i${i}`, 10, 1, i);
  expect(links.goodput("i0", 300)).toBe(100);
  expect(links.goodput("i299", 300)).toBe(10);
});
