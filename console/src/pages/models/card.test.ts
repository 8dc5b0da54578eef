import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cardSections } from "./card.ts";

describe("a card", () => {
  test("of a built-in model says what it can and cannot do", () => {
    const card = readFileSync(new URL("../../../../models/punctual-small/card.md", import.meta.url), "utf8");
    const sections = cardSections(card);
    expect(sections.map(({ title }) => title)).toContain("What it can do");
    const cannot = sections.find(({ title }) => title === "What it cannot do")!;
    expect(cannot.lines[0]!.kind).toBe("paragraph");
    expect(cannot.lines.some(({ kind }) => kind === "item")).toBe(true);
    expect(JSON.stringify(sections)).not.toContain("|");
  });

  test("of a hub loses its front matter, tables, pictures and marks, and keeps its words", () => {
    const card = [
      "---",
      "license: mit",
      "---",
      "# My *model*",
      "![logo](x.png)",
      "It is **very** small,",
      "see [the page](https://x.y).",
      "| a | b |",
      "- `one` thing",
      "- snake_case_name stays",
      "```",
      "# no heading",
      "```",
      "## Empty",
      "",
      "## Last ##",
      "Word.",
    ].join("\n");
    expect(cardSections(card)).toEqual([
      {
        title: "My model",
        lines: [
          { kind: "paragraph", text: "It is very small, see the page." },
          { kind: "item", text: "one thing" },
          { kind: "item", text: "snake_case_name stays" },
        ],
      },
      { title: "Last", lines: [{ kind: "paragraph", text: "Word." }] },
    ]);
  });

  test("whatever it is, is read within bounds", () => {
    const line = fc.constantFrom("# a", "---", "- b", "c", "", "```", "| d |", "* e *", "![f", "[g](h", "**");
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ maxLength: 300 }),
          fc.array(line, { maxLength: 600 }).map((lines) => lines.join("\n")),
        ),
        (card) => {
          const sections = cardSections(card);
          expect(sections.length).toBeLessThanOrEqual(41);
          expect(sections.flatMap(({ lines }) => lines).length).toBeLessThanOrEqual(400);
        },
      ),
      { seed: 5 },
    );
  });
});
