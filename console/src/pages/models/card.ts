/**
 * The sections of a model's card that a reader wants first: what it can do and what it cannot. Cards are markdown of any
 * origin; their scores come apart from the text, so tables and pictures are left out here. Pure, not a markdown renderer.
 */

/** A heading and the plain paragraphs and list items under it. */
export interface CardSection {
  readonly title: string;
  readonly lines: readonly { readonly kind: "paragraph" | "item"; readonly text: string }[];
}

/** So many sections and lines are read; a card of 64 KiB has fewer unless it is no card. */
const MOST_SECTIONS = 40;
const MOST_LINES = 400;

/** The sections of a card in order; text before the first heading is under "". Sections without text are left out. */
export function cardSections(markdown: string): readonly CardSection[] {
  const sections: { title: string; lines: { kind: "paragraph" | "item"; text: string }[] }[] = [
    { title: "", lines: [] },
  ];
  let isInCode = false;
  let goesOn = false;
  let count = 0;
  for (const raw of withoutFrontMatter(markdown).split("\n")) {
    const line = raw.trim();
    if (line.startsWith("```")) isInCode = !isInCode;
    const heading = /^#{1,6}\s+(.+?)\s*#*$/.exec(line);
    if (heading !== null && !isInCode) {
      if (sections.length >= MOST_SECTIONS) break;
      sections.push({ title: plain(heading[1]!), lines: [] });
      goesOn = false;
      continue;
    }
    if (line === "" || isInCode || isLeftOut(line)) {
      goesOn = false;
      continue;
    }
    const { lines } = sections.at(-1)!;
    const item = /^[-*+]\s+(.+)$/.exec(line);
    if (item !== null) lines.push({ kind: "item", text: plain(item[1]!) });
    else if (goesOn) lines[lines.length - 1] = { ...lines.at(-1)!, text: `${lines.at(-1)!.text} ${plain(line)}` };
    else lines.push({ kind: "paragraph", text: plain(line) });
    goesOn = true;
    count += 1;
    if (count >= MOST_LINES) break;
  }
  return sections.filter(({ lines }) => lines.length > 0);
}

/** YAML between two lines of dashes at the very beginning, as cards of a hub have it. */
function withoutFrontMatter(markdown: string): string {
  if (!markdown.startsWith("---\n")) return markdown;
  const end = markdown.indexOf("\n---", 3);
  return end < 0 ? markdown : markdown.slice(markdown.indexOf("\n", end + 1) + 1);
}

/** Tables, pictures, rules, code fences and markup of a page. */
function isLeftOut(line: string): boolean {
  return /^(\||!\[|<|```|-{3,}$|\*{3,}$|={3,}$)/.test(line);
}

/** Marks of emphasis, code and links go, their words stay. */
function plain(text: string): string {
  return text
    .replaceAll(/!\[[^\]]*\]\([^)]*\)/g, "")
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replaceAll(/(\*\*|__|`)/g, "")
    .replaceAll(/(^|\s)[*_](\S[^*_]*)[*_](?=\s|[.,;:!?)]|$)/g, "$1$2")
    .trim();
}
