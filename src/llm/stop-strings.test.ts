import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StopStrings } from "./stop-strings.ts";

function scan(stops: readonly string[], pieces: readonly string[]): { text: string; stop: string | null } {
  const scanner = new StopStrings(stops);
  let text = "";
  for (const piece of pieces) {
    const found = scanner.push(piece);
    text += found.text;
    if (found.stop !== null) return { text, stop: found.stop };
  }
  return { text: text + scanner.end(), stop: null };
}

describe("StopStrings", () => {
  it("finds a stop across pieces and holds back only what may become one", () => {
    const scanner = new StopStrings(["\n\nUser:"]);
    expect(scanner.push("Yes.\n")).toEqual({ text: "Yes.", stop: null });
    expect(scanner.push("\nUs")).toEqual({ text: "", stop: null });
    expect(scanner.push("e the lamp\n\nUser: more")).toEqual({ text: "\n\nUse the lamp", stop: "\n\nUser:" });
    expect(scanner.push("more")).toEqual({ text: "", stop: null });
    expect(scanner.end()).toBe("");
  });

  it("gives the same result however the text is cut, and never emits a stop string", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 24 });
    const stopList = fc.array(fc.string({ unit: fc.constantFrom("a", "b"), maxLength: 5 }), { maxLength: 3 });
    fc.assert(
      fc.property(letters, stopList, fc.array(fc.nat(4), { maxLength: 30 }), (text, stops, sizes) => {
        const pieces: string[] = [];
        let at = 0;
        for (const size of sizes) {
          pieces.push(text.slice(at, at + size));
          at = Math.min(text.length, at + size);
        }
        pieces.push(text.slice(at));
        const cut = scan(stops, pieces);
        expect(cut).toEqual(scan(stops, Array.from(text)));
        const wanted = stops.filter((stop) => stop !== "");
        if (cut.stop === null) expect(cut.text).toBe(text);
        else expect(text.startsWith(cut.text + cut.stop)).toBe(true);
        for (const stop of wanted) expect(cut.text.includes(stop)).toBe(false);
      }),
      { seed: 42, numRuns: 800 },
    );
  });
});
