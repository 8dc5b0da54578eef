import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "../core/index.ts";
import { COMMANDS } from "./commands/index.ts";
import { generateItem } from "./generate.ts";
import { withTail } from "./tails.ts";

const SEED = 20261126;
const plain = (text: string): string => text.toLowerCase().replaceAll(/[^\p{L}\p{N}{} ]/gu, "");
const item = (seed: number) => generateItem("tool-call", "train", createRandom(seed, "tails"));

describe("a command with words behind its name", () => {
  it("asks for the same, in the same words up to its name", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const before = item(seed);
        const after = withTail(before, createRandom(seed, "tail"));
        if (after === before) return;
        const [asked, said] = [before.turns[0]!.text, after.turns[0]!.text];
        const head = asked.replace(/[.?!]$/u, "");
        expect(said.startsWith(`${head} `)).toBe(true);
        expect(said.endsWith(asked.slice(head.length))).toBe(true);
        expect({ ...after, turns: after.turns.slice(1) }).toEqual({ ...before, turns: before.turns.slice(1) });
      }),
      { seed: SEED, numRuns: 2000 },
    );
  });

  it("is never a frame that is held out, and leaves messages and times alone", () => {
    const heldOut = new Set(COMMANDS.flatMap(({ family }) => [...family.test, ...family.validation].map(plain)));
    let tailed = 0;
    for (let seed = 0; seed < 3000; seed++) {
      const before = item(seed);
      const after = withTail(before, createRandom(seed));
      if (after === before) continue;
      tailed += 1;
      const head = before.turns[0]!.text.replace(/[.?!]$/u, "");
      const tail = after.turns[0]!.text.slice(head.length).replace(/[.?!]$/u, "");
      expect(heldOut).not.toContain(plain(`${before.template}${tail}`));
      expect(["send_message", "set_reminder", "set_timer", "set_alarm"]).not.toContain(before.kind);
    }
    expect(tailed).toBeGreaterThan(300);
  });

  it("leaves everything else as it is", () => {
    for (const skill of ["reading", "refusal", "arithmetic"] as const) {
      const other = generateItem(skill, "train", createRandom(1));
      expect(withTail(other, createRandom(2))).toBe(other);
    }
  });
});
