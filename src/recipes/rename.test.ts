import { describe, expect, test } from "vitest";
import { createRandom } from "../core/index.ts";
import { trainBpe } from "../llm/index.ts";
import { generateItem, SKILLS, type WorldItem } from "../world/index.ts";
import { Renamer } from "./rename.ts";

const random = createRandom(5);
const texts = Array.from({ length: 400 }, () => generateItem("tool-call", "train", random).turns[0]!.text);
const renamer = new Renamer(trainBpe(texts, { vocabSize: 500 }));

const command: WorldItem = {
  skill: "tool-call",
  kind: "dim_light",
  template: "",
  turns: [
    { role: "user", text: "Dim the Attic light in the attic." },
    {
      role: "assistant",
      call: { name: "dim_light", arguments: { room: "attic", percent: 20, on: true } },
      text: "Okay, the attic light is dimmed.",
    },
  ],
  expect: { kind: "number", value: 0 },
};

describe("renaming", () => {
  test("a word of prompt and reply gets one new spelling everywhere; keys, names of tools and numbers stay", () => {
    let renamed = 0;
    for (let seed = 0; seed < 40; seed++) {
      const [user, reply] = renamer.rename(command, createRandom(seed)).turns;
      const room = String(reply!.call!.arguments["room"]);
      if (room !== "attic") renamed += 1; // some items keep some of their words
      expect(room).toMatch(/^[a-z]+$/u);
      expect(reply!.call).toEqual({ name: "dim_light", arguments: { room, percent: 20, on: true } });
      expect(reply!.text).toBe(`Okay, the ${room} ${reply!.text.split(" ")[3]} is dimmed.`);
      expect(user!.text).toContain(` ${room}.`);
    }
    expect(renamed).toBeGreaterThan(20);
    expect(renamed).toBeLessThan(40);
  });

  test("another capital is another word, and keeps its capital", () => {
    const item = { ...command, turns: [command.turns[0]!, { ...command.turns[1]!, text: "Attic, attic." }] };
    const replies = Array.from({ length: 40 }, (_, seed) => renamer.rename(item, createRandom(seed)).turns[1]!.text);
    for (const reply of replies) expect(reply).toMatch(/^[A-Z][a-z]*, [a-z]+\.$/u);
    expect(replies.some((reply) => reply.startsWith("Attic, ") !== reply.endsWith(" attic."))).toBe(true);
  });

  test("sums stay true and help stays as it is", () => {
    for (const skill of SKILLS) {
      for (let i = 0; i < 20; i++) {
        const item = generateItem(skill, "train", random);
        const renamed = renamer.rename(item, random);
        const digits = ({ turns }: WorldItem): string => JSON.stringify(turns).replaceAll(/[^\d]/gu, "");
        expect(digits(renamed)).toBe(digits(item));
        if (skill === "help") expect(renamed).toBe(item);
      }
    }
  });
});
