import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseInline, safeHref, type Inline } from "./markdown-inline.ts";
import { MAX_MARKDOWN_CHARACTERS, parseMarkdown, type Block } from "./markdown.ts";

const text = (value: string): Inline => ({ kind: "text", text: value });
const paragraph = (...children: Inline[]): Block => ({ kind: "paragraph", children });

/** All that a reader would see, in order, without the marks. */
function inlineText(pieces: readonly Inline[]): string {
  return pieces
    .map((piece) => {
      if (piece.kind === "text" || piece.kind === "code") return piece.text;
      return piece.kind === "break" ? "\n" : inlineText(piece.children);
    })
    .join("");
}

describe("lines", () => {
  test("emphasis, code, strike and breaks", () => {
    expect(parseInline("a **b *c*** `d*` ~~e~~\nf")).toEqual([
      text("a "),
      { kind: "strong", children: [text("b "), { kind: "emphasis", children: [text("c")] }] },
      text(" "),
      { kind: "code", text: "d*" },
      text(" "),
      { kind: "strike", children: [text("e")] },
      { kind: "break" },
      text("f"),
    ]);
  });

  test("what is not closed, or stands between spaces or in a word, is text", () => {
    for (const line of ["2 * 3 * 4", "snake_case_name", "**never closed", "`tick", "a ~ b", "[no link]", "*"]) {
      expect(inlineText(parseInline(line)), line).toBe(line);
    }
  });

  test("an escaped mark is its character", () => {
    expect(parseInline(String.raw`\*a\* \q`)).toEqual([text(String.raw`*a* \q`)]);
  });

  test("links lead only where it is safe", () => {
    const link = parseInline('[a *b*](https://example.org/x_(y) "t")');
    expect(link).toEqual([
      {
        kind: "link",
        href: "https://example.org/x_(y)",
        children: [text("a "), { kind: "emphasis", children: [text("b")] }],
      },
    ]);
    expect(parseInline("see https://example.org/a, then")).toEqual([
      text("see "),
      { kind: "link", href: "https://example.org/a", children: [text("https://example.org/a")] },
      text(", then"),
    ]);
    expect(parseInline("![a picture](https://example.org/p.png)")[0]).toMatchObject({ kind: "link" });
    const bad = [
      "javascript:alert(1)",
      "JaVaScRiPt:alert(1)",
      "data:text/html,<script>",
      "vbscript:x",
      "file:///etc/passwd",
      "//x",
      "/admin",
      "java\tscript:alert(1)",
      " javascript:alert(1)",
    ];
    for (const href of bad) {
      expect(safeHref(href), href).toBeNull();
      expect(JSON.stringify(parseInline(`[x](${href})`)), href).not.toContain('"link"');
    }
  });
});

describe("blocks", () => {
  test("headings, paragraphs, rules, quotes and code", () => {
    expect(parseMarkdown("# One #\nline\n\n---\n> quote\n> more\n\n```ts\nconst a = `x`;\n```\nend")).toEqual([
      { kind: "heading", level: 1, children: [text("One")] },
      paragraph(text("line")),
      { kind: "rule" },
      { kind: "quote", children: [paragraph(text("quote"), { kind: "break" }, text("more"))] },
      { kind: "code", language: "ts", text: "const a = `x`;" },
      paragraph(text("end")),
    ]);
  });

  test("code that is still coming is code", () => {
    expect(parseMarkdown("```\nhalf **a** line")).toEqual([{ kind: "code", language: "", text: "half **a** line" }]);
    expect(parseMarkdown("````\n```\n````")).toEqual([{ kind: "code", language: "", text: "```" }]);
  });

  test("lists within lists, loose and tight", () => {
    const [list] = parseMarkdown("1. one\n   - inner\n   - more\n2. two\n\n   second paragraph\n\nafter");
    expect(list).toEqual({
      kind: "list",
      start: 1,
      items: [
        [
          paragraph(text("one")),
          { kind: "list", start: null, items: [[paragraph(text("inner"))], [paragraph(text("more"))]] },
        ],
        [paragraph(text("two")), paragraph(text("second paragraph"))],
      ],
    });
    expect(parseMarkdown("- a\n\n- b\n\nend").map(({ kind }) => kind)).toEqual(["list", "paragraph"]);
    expect(parseMarkdown("- a\n* * *").map(({ kind }) => kind)).toEqual(["list", "rule"]);
  });

  test("tables, with bars in code and rows of any length", () => {
    const [table] = parseMarkdown("| a | b |\n|:-:|--:|\n| `x|y` | 2 |\n| only |\n\nend");
    expect(table).toEqual({
      kind: "table",
      align: ["center", "right"],
      head: [[text("a")], [text("b")]],
      rows: [
        [[{ kind: "code", text: "x|y" }], [text("2")]],
        [[text("only")], []],
      ],
    });
    expect(parseMarkdown("a | b\nno table")[0]).toMatchObject({ kind: "paragraph" });
  });

  test("HTML is text", () => {
    const html = '<script>alert(1)</script><img src=x onerror="alert(1)">';
    expect(parseMarkdown(html)).toEqual([paragraph(text(html))]);
  });
});

const hostile = fc.array(
  fc.constantFrom(
    "*",
    "**",
    "_",
    "__",
    "~~",
    "`",
    "```",
    "[",
    "]",
    "(",
    ")",
    "](",
    "!",
    ">",
    "> ",
    "- ",
    "1. ",
    "|",
    "|-|",
    "#",
    "\\",
    "\n",
    "\n\n",
    "  ",
    "    ",
    "a",
    "https://x",
    "javascript:",
    "<b>",
    "\r",
    "🕰",
  ),
  { maxLength: 120 },
);

describe("hostile text", () => {
  test("any text gives a tree, and only safe links", () => {
    const check = (blocks: string): void => {
      for (const [, href] of blocks.matchAll(/"href":"([^"]*)"/g)) expect(href).toMatch(/^(https?|mailto):/);
    };
    fc.assert(
      fc.property(
        fc.oneof(
          hostile.map((parts) => parts.join("")),
          fc.string({ unit: "grapheme", maxLength: 200 }),
        ),
        (given) => {
          check(JSON.stringify(parseMarkdown(given)));
        },
      ),
      { seed: 6, numRuns: 1500 },
    );
  });

  test("no letter of a line is lost or made up, whatever the marks", () => {
    const letters = (of: string): string => of.replaceAll(/[^a-z]/g, "");
    const parts = fc.array(fc.constantFrom("*", "**", "_", "~~", "`", "[", "]", "a", "bc", " ", "\n"), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(parts, (given) => {
        const line = given.join("");
        expect(letters(inlineText(parseInline(line)))).toBe(letters(line));
      }),
      { seed: 7, numRuns: 1000 },
    );
  });

  test.each([
    ["stars", "*".repeat(100_000)],
    ["open stars", "*a ".repeat(40_000)],
    ["brackets", "[".repeat(100_000)],
    ["open links", "[a](".repeat(30_000)],
    ["ticks of growing length", Array.from({ length: 400 }, (_, i) => "`".repeat(i + 1)).join(" ")],
    ["quotes", ">".repeat(100_000)],
    ["nested lists", Array.from({ length: 400 }, (_, i) => `${" ".repeat(2 * i)}- x`).join("\n")],
    ["items and blank lines", "- a\n\n\n\n".repeat(20_000)],
    ["bars", "|".repeat(100_000)],
    ["rules", "- ".repeat(60_000)],
    ["hashes", "# ".repeat(60_000)],
  ])("%s are read without blowing up", (_, given) => {
    const depth = (value: unknown): number =>
      typeof value === "object" && value !== null
        ? 1 + Math.max(0, ...Object.values(value).slice(0, 100).map(depth))
        : 0;
    expect(depth(parseMarkdown(given))).toBeLessThan(120);
  });

  test("what is beyond the bound is shown as it is", () => {
    const blocks = parseMarkdown(`${"a".repeat(MAX_MARKDOWN_CHARACTERS)}**b**`);
    expect(blocks.at(-1)).toEqual({ kind: "code", language: "", text: "**b**" });
  });
});
