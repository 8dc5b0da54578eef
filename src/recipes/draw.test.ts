import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { DEFAULT_WEIGHTS, generateItem } from "../world/index.ts";
import { drawTrainingItem } from "./draw.ts";

const ITEMS = 2000;

describe("drawing by a mixture", () => {
  test("a stressed kind comes as often as it says, and other skills as before", () => {
    const random = createRandom(4);
    const stressed = { kinds: ["add-product"], chance: 0.5 };
    const mixture = { skills: { ...DEFAULT_WEIGHTS, arithmetic: 50 }, conversations: 0 };
    const shares = [mixture, { ...mixture, stressed }].map((each) => {
      const items = Array.from({ length: ITEMS }, () => drawTrainingItem(each, random));
      const sums = items.filter(({ skill }) => skill === "arithmetic");
      const kind = sums.filter((item) => item.kind === "add-product");
      return { sums: sums.length / ITEMS, kind: kind.length / sums.length };
    });
    expect(shares[1]!.sums).toBeCloseTo(shares[0]!.sums, 1);
    expect(shares[0]!.kind).toBeLessThan(0.1);
    expect(shares[1]!.kind).toBeGreaterThan(0.47);
    expect(shares[1]!.kind).toBeLessThan(0.6);
  });

  test("a stressed kind is drawn as by drawing until it comes, and one that there is not is an error", () => {
    const none = Object.fromEntries(Object.keys(DEFAULT_WEIGHTS).map((skill) => [skill, 0])) as typeof DEFAULT_WEIGHTS;
    const sums = { skills: { ...none, arithmetic: 1 }, conversations: 0 };
    const [random, twin] = [createRandom(5), createRandom(5)];
    for (let i = 0; i < 200; i++) {
      twin.chance(0);
      twin.uniform();
      let item = generateItem("arithmetic", "train", twin);
      if (twin.chance(0.5)) while (item.kind !== "two-products") item = generateItem("arithmetic", "train", twin);
      const stressed = { kinds: ["two-products"], chance: 0.5 };
      expect(drawTrainingItem({ ...sums, stressed }, random)).toEqual(item);
    }
    expect(random.uint32()).toBe(twin.uint32());
    const stressed = { kinds: ["add-produce"], chance: 1 };
    expect(() => drawTrainingItem({ ...sums, stressed }, random)).toThrow("add-produce");
  });
});
