/**
 * Markdown as language models write it, to a tree: paragraphs, headings, lists, quotes, tables, fenced code, emphasis, links.
 * Not all of CommonMark. HTML is text like any other, pictures become links (the page asks nobody else for anything),
 * links lead to http, https and mailto only. Linear in the text, however it is made; an unfinished text is read as
 * far as it goes, so that an answer can be shown while it comes.
 */
import { parseInline, type Inline } from "./markdown-inline.ts";

/** A block of text. */
export type Block =
  | { readonly kind: "paragraph"; readonly children: readonly Inline[] }
  | { readonly kind: "heading"; readonly level: number; readonly children: readonly Inline[] }
  | { readonly kind: "code"; readonly language: string; readonly text: string }
  | { readonly kind: "quote"; readonly children: readonly Block[] }
  | { readonly kind: "list"; readonly start: number | null; readonly items: readonly (readonly Block[])[] }
  | {
      readonly kind: "table";
      readonly align: readonly Align[];
      readonly head: readonly (readonly Inline[])[];
      readonly rows: readonly (readonly (readonly Inline[])[])[];
    }
  | { readonly kind: "rule" };

/** How a column of a table stands. */
export type Align = "left" | "center" | "right";

/** Lists and quotes within each other beyond this are text. */
const MAX_DEPTH = 8;
/** What is longer is shown as it is. */
export const MAX_MARKDOWN_CHARACTERS = 200_000;

/** The blocks of a text. */
export function parseMarkdown(text: string): readonly Block[] {
  const rest = text.slice(MAX_MARKDOWN_CHARACTERS);
  const blocks = parseBlocks(text.slice(0, MAX_MARKDOWN_CHARACTERS).replace(/\r\n?/g, "\n").split("\n"), 0);
  return rest === "" ? blocks : [...blocks, { kind: "code", language: "", text: rest }];
}

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})(?:\s+(.*))?$/;
const RULE = /^ {0,3}(?:-[ \t]*-[ \t]*-[- \t]*|\*[ \t]*\*[ \t]*\*[* \t]*|_[ \t]*_[ \t]*_[_ \t]*)$/;
const ITEM = /^( {0,3})([-*+]|(\d{1,9})[.)])( +|$)/;
const QUOTE = /^ {0,3}> ?/;
const BLANK = /^\s*$/;

interface Parsed {
  readonly block: Block;
  /** The line after it. */
  readonly next: number;
}

function parseBlocks(lines: readonly string[], depth: number): readonly Block[] {
  const blocks: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    if (BLANK.test(lines[at]!)) {
      at += 1;
      continue;
    }
    const parsed =
      parseFence(lines, at) ??
      parseLine(lines, at) ??
      (depth < MAX_DEPTH ? (parseQuote(lines, at, depth) ?? parseList(lines, at, depth)) : null) ??
      parseTable(lines, at) ??
      parseParagraph(lines, at, depth);
    blocks.push(parsed.block);
    at = parsed.next;
  }
  return blocks;
}

function parseFence(lines: readonly string[], at: number): Parsed | null {
  const match = FENCE.exec(lines[at]!);
  if (match === null) return null;
  const fence = match[1]!;
  const closes = (line: string): boolean => {
    const trimmed = line.trim();
    return trimmed.length >= fence.length && trimmed === fence[0]!.repeat(trimmed.length);
  };
  let end = at + 1;
  while (end < lines.length && !closes(lines[end]!)) end += 1;
  const text = lines.slice(at + 1, end).join("\n");
  return { block: { kind: "code", language: match[2]!.slice(0, 40), text }, next: end + 1 };
}

/** What is whole on one line: headings and rules. */
function parseLine(lines: readonly string[], at: number): Parsed | null {
  const heading = HEADING.exec(lines[at]!);
  if (heading !== null) {
    const text = (heading[2] ?? "").replace(/\s#+\s*$/, "");
    return { block: { kind: "heading", level: heading[1]!.length, children: parseInline(text) }, next: at + 1 };
  }
  return RULE.test(lines[at]!) ? { block: { kind: "rule" }, next: at + 1 } : null;
}

function parseQuote(lines: readonly string[], at: number, depth: number): Parsed | null {
  if (!QUOTE.test(lines[at]!)) return null;
  let end = at;
  while (end < lines.length && QUOTE.test(lines[end]!)) end += 1;
  const inner = lines.slice(at, end).map((line) => line.replace(QUOTE, ""));
  return { block: { kind: "quote", children: parseBlocks(inner, depth + 1) }, next: end };
}

function parseList(lines: readonly string[], at: number, depth: number): Parsed | null {
  const first = ITEM.exec(lines[at]!);
  if (first === null) return null;
  const isOrdered = first[3] !== undefined;
  const items: (readonly Block[])[] = [];
  let next = at;
  while (next < lines.length) {
    const match = ITEM.exec(lines[next]!);
    if (match === null || (match[3] !== undefined) !== isOrdered || RULE.test(lines[next]!)) break;
    const end = itemEnd(lines, next, match);
    const indent = contentIndent(match);
    const inner = lines
      .slice(next, end)
      .map((line, i) => (i === 0 ? line.slice(match[0].length) : outdent(line, indent)));
    items.push(parseBlocks(inner, depth + 1));
    next = end;
  }
  if (items.length === 0) return null;
  return { block: { kind: "list", start: isOrdered ? Number(first[3]) : null, items }, next };
}

function contentIndent(match: RegExpExecArray): number {
  const spaces = match[4]!.length;
  return match[1]!.length + match[2]!.length + (spaces >= 1 && spaces <= 4 ? spaces : 1);
}

/** The line after an item: its content is indented, or goes on lazily without an indent while no blank line came. */
function itemEnd(lines: readonly string[], at: number, match: RegExpExecArray): number {
  const indent = contentIndent(match);
  let end = at + 1;
  let lastText = at;
  for (; end < lines.length; end++) {
    const line = lines[end]!;
    if (BLANK.test(line)) continue;
    const isInside = indentOf(line) >= Math.min(indent, 2) && (indentOf(line) >= indent || !ITEM.test(line));
    const isLazy = end === lastText + 1 && !ITEM.test(line) && !startsBlock(line);
    if (!isInside && !isLazy) break;
    lastText = end;
  }
  return nextItemOr(lines, lastText + 1, end);
}

/** Blank lines between two items belong to the list; those after the last do not. */
function nextItemOr(lines: readonly string[], afterText: number, end: number): number {
  return end < lines.length && ITEM.test(lines[end]!) ? end : afterText;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function outdent(line: string, indent: number): string {
  return line.slice(Math.min(indent, indentOf(line)));
}

function startsBlock(line: string): boolean {
  return FENCE.test(line) || HEADING.test(line) || QUOTE.test(line) || RULE.test(line);
}

function parseTable(lines: readonly string[], at: number): Parsed | null {
  const [headLine, delimiterLine] = [lines[at]!, lines[at + 1]];
  if (delimiterLine === undefined || !headLine.includes("|") || !delimiterLine.includes("-")) return null;
  const head = cellsOf(headLine);
  const delimiters = cellsOf(delimiterLine);
  if (delimiters.length !== head.length || !delimiters.every((cell) => /^:?-+:?$/.test(cell))) return null;
  let end = at + 2;
  while (end < lines.length && lines[end]!.includes("|") && !BLANK.test(lines[end]!)) end += 1;
  const rows = lines.slice(at + 2, end).map((line) => {
    const cells = cellsOf(line);
    return head.map((_, i) => parseInline(cells[i] ?? ""));
  });
  const block: Block = {
    kind: "table",
    align: delimiters.map(alignOf),
    head: head.map((cell) => parseInline(cell)),
    rows,
  };
  return { block, next: end };
}

/** The cells of a line; a bar inside code or after a backslash is text. */
function cellsOf(line: string): string[] {
  const cells: string[] = [];
  let cell = "";
  let inCode = false;
  for (let i = 0; i < line.length; i++) {
    const character = line[i]!;
    if (character === "\\" && line[i + 1] === "|") {
      cell += "|";
      i += 1;
    } else if (character === "|" && !inCode) {
      cells.push(cell.trim());
      cell = "";
    } else {
      if (character === "`") inCode = !inCode;
      cell += character;
    }
  }
  cells.push(cell.trim());
  if (cells[0] === "") cells.shift();
  if (cells.at(-1) === "") cells.pop();
  return cells;
}

function alignOf(cell: string): Align {
  if (!cell.endsWith(":")) return "left";
  return cell.startsWith(":") ? "center" : "right";
}

function parseParagraph(lines: readonly string[], at: number, depth: number): Parsed {
  let end = at + 1;
  const isOver = (line: string): boolean =>
    BLANK.test(line) || startsBlock(line) || (depth < MAX_DEPTH && ITEM.test(line));
  while (end < lines.length && !isOver(lines[end]!)) end += 1;
  const text = lines
    .slice(at, end)
    .map((line) => line.trimStart())
    .join("\n");
  return { block: { kind: "paragraph", children: parseInline(text) }, next: end };
}
