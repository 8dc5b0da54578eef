import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/index.ts";
import { loosen } from "./loosen.ts";
import { frames } from "./templates.ts";
import { COMMANDS } from "./commands/index.ts";

const SEED = 20261126;
const FAMILIES = COMMANDS.map(({ family }) => family);
const aFrame = fc
  .constantFrom(...FAMILIES)
  .chain((family) =>
    fc.record({ family: fc.constant(family), frame: fc.constantFrom(...family.train), seed: fc.nat() }),
  );

const besideSlots = (frame: string): string[] => {
  const words = frame.split(" ");
  return words.map((word, i) => (word.includes("{") ? `${words[i - 1] ?? ""} ${word} ${words[i + 1] ?? ""}` : ""));
};

describe("a frame said loosely", () => {
  it("keeps its slots with their neighbours, its first word, and is no frame that is held out", () => {
    fc.assert(
      fc.property(aFrame, ({ family, frame, seed }) => {
        const loose = loosen(frame, family, createRandom(seed, "loosen"));
        // A filler before the neighbour on the left leaves the neighbour where it is.
        expect(besideSlots(loose).filter(Boolean)).toEqual(besideSlots(frame).filter(Boolean));
        expect(loose.split(" ")[0]).toBe(frame.split(" ")[0]);
        expect([...family.test, ...family.validation]).not.toContain(loose);
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it("differs from draw to draw, but keeps the words that tell a command from its opposite", () => {
    const family = FAMILIES[0]!;
    const random = createRandom(1, "loosen");
    const said = Array.from({ length: 200 }, () =>
      loosen("We would like you to turn the {room} lights on.", family, random),
    );
    expect(new Set(said).size).toBeGreaterThan(50);
    expect(said.filter((loose) => !loose.endsWith("on."))).toEqual([]);
  });

  it("stays as it was where it would become a frame that is held out", () => {
    const family = frames("a to {b}.\n c for {b}.\n d {b}.\n ~it is so {b}.\n ?it is very so {b}.");
    const said = Array.from({ length: 300 }, (_, seed) =>
      loosen("It is very much so {b}.", family, createRandom(seed, "l")),
    );
    const bare = said.map((text) => text.toLowerCase());
    expect(bare).not.toContain("it is very so {b}.");
    expect(bare.some((text) => !text.includes("very"))).toBe(true);
  });
});
