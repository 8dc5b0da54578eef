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
    { role: "user", text: "Dim the Pantry light in the pantry." },
    {
      role: "assistant",
      call: { name: "dim_light", arguments: { room: "pantry", percent: 20, on: true } },
      text: "Okay, the pantry light is dimmed.",
    },
  ],
  expect: { kind: "number", value: 0 },
};

describe("renaming", () => {
  test("a word of prompt and reply gets one new spelling everywhere; keys, names of tools and numbers stay", () => {
    const [user, reply] = renamer.rename(command, createRandom(1)).turns;
    const room = reply!.call!.arguments["room"];
    expect(room).not.toBe("pantry");
    expect(room).toMatch(/^[a-z]+$/u);
    expect(reply!.call).toEqual({ name: "dim_light", arguments: { room, percent: 20, on: true } });
    expect(reply!.text).toBe(`Okay, the ${room} ${reply!.text.split(" ")[3]} is dimmed.`);
    expect(user!.text).toContain(` ${room}.`);
  });

  test("another capital is another word, and keeps its capital", () => {
    const item = { ...command, turns: [command.turns[0]!, { ...command.turns[1]!, text: "Pantry, pantry." }] };
    const [first, second] = renamer.rename(item, createRandom(2)).turns[1]!.text.slice(0, -1).split(", ");
    expect(first).toMatch(/^[A-Z][a-z]*$/u);
    expect(second).toMatch(/^[a-z]+$/u);
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
