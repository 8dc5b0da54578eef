/**
 * The inside of a markdown block: emphasis, code, links, line breaks. One pass with a stack of what is open; a mark that
 * is never closed is text. Linear: every character is looked at once, every open mark is taken off once.
 */

/** A piece of a line. */
export type Inline =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "code"; readonly text: string }
  | { readonly kind: "break" }
  | { readonly kind: "strong" | "emphasis" | "strike"; readonly children: readonly Inline[] }
  | { readonly kind: "link"; readonly href: string; readonly children: readonly Inline[] };

/** What can be open. */
type Mark = "**" | "__" | "*" | "_" | "~~" | "[";

interface Frame {
  readonly mark: Mark | null;
  readonly children: Inline[];
}

const KINDS: Readonly<Record<Exclude<Mark, "[">, "strong" | "emphasis" | "strike">> = {
  "**": "strong",
  __: "strong",
  "*": "emphasis",
  _: "emphasis",
  "~~": "strike",
};
const MAX_OPEN = 16;
const MAX_HREF = 2000;
const ESCAPABLE = /[!-/:-@[-`{-~]/;
const BARE_URL = /https?:\/\/[^\s<>"'`]{1,2000}/y;

/** An address that may be a link, or null: http, https and mailto, nothing that runs. */
export function safeHref(href: string): string | null {
  try {
    const url = new URL(href);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url.href : null;
  } catch {
    return null; // relative, or nothing at all
  }
}

/** The pieces of a text. */
export function parseInline(text: string): readonly Inline[] {
  return new InlineParser(text).parse();
}

class InlineParser {
  private readonly text: string;
  private at = 0;
  private plain = "";
  private readonly frames: Frame[] = [{ mark: null, children: [] }];
  /** How many backticks in a row close nowhere after a place: what was searched for once in vain is not searched again. */
  private readonly unclosedTicks = new Set<number>();

  constructor(text: string) {
    this.text = text;
  }

  parse(): readonly Inline[] {
    while (this.at < this.text.length) this.step();
    this.flush();
    while (this.frames.length > 1) this.unwindTop();
    return this.frames[0]!.children;
  }

  private step(): void {
    const { text, at } = this;
    const character = text[at]!;
    if (character === "\\") return this.escape();
    if (character === "`") return this.code();
    if (character === "\n") return this.newline();
    if (character === "*" || character === "_" || character === "~") return this.emphasis(character);
    if (character === "[") return this.open("[");
    if (character === "!" && text[at + 1] === "[") {
      this.at += 1; // a picture: only its description and its address
      return this.open("[");
    }
    if (character === "]") return this.closeLink();
    if (character === "h" && !/\w/.test(text[at - 1] ?? " ")) return this.bareUrl();
    this.take(1);
  }

  private take(count: number): void {
    this.plain += this.text.slice(this.at, this.at + count);
    this.at += count;
  }

  private flush(): void {
    if (this.plain === "") return;
    this.add({ kind: "text", text: this.plain });
    this.plain = "";
  }

  private add(piece: Inline): void {
    this.frames.at(-1)!.children.push(piece);
  }

  private escape(): void {
    const next = this.text[this.at + 1];
    if (next === undefined || !ESCAPABLE.test(next)) return this.take(1);
    this.plain += next;
    this.at += 2;
  }

  private code(): void {
    const { text } = this;
    let end = this.at;
    while (text[end] === "`") end += 1;
    const ticks = end - this.at;
    const close = this.unclosedTicks.has(ticks) ? -1 : findTicks(text, end, ticks);
    if (close < 0) {
      this.unclosedTicks.add(ticks);
      return this.take(ticks);
    }
    this.flush();
    const inner = text.slice(end, close).replaceAll("\n", " ");
    const isPadded = inner.startsWith(" ") && inner.endsWith(" ") && inner.trim() !== "";
    this.add({ kind: "code", text: isPadded ? inner.slice(1, -1) : inner });
    this.at = close + ticks;
  }

  /** A line's end is a break: models write their lines as they mean them. */
  private newline(): void {
    this.plain = this.plain.trimEnd();
    this.flush();
    this.add({ kind: "break" });
    this.at += 1;
  }

  private emphasis(character: "*" | "_" | "~"): void {
    const { text, at } = this;
    // Of three marks the innermost closes first: **a *b***.
    const isInner = this.frames.at(-1)!.mark === character && text[at + 2] === character;
    const isDouble = text[at + 1] === character && !isInner;
    if (character === "~" && !isDouble) return this.take(1);
    const mark = (isDouble ? character + character : character) as Exclude<Mark, "[">;
    const before = text[at - 1] ?? " ";
    const after = text[at + mark.length] ?? " ";
    const isWord = (c: string): boolean => /[\p{L}\p{N}]/u.test(c);
    // snake_case and 2*3*4 are not emphasis: an underscore needs a word's edge, a star none of its own.
    const canClose = !/\s/.test(before) && (character !== "_" || !isWord(after));
    const canOpen = !/\s/.test(after) && (character !== "_" || !isWord(before));
    if (canClose && this.frames.some((frame) => frame.mark === mark)) {
      this.flush();
      while (this.frames.at(-1)!.mark !== mark) this.unwindTop();
      const { children } = this.frames.pop()!;
      if (children.length === 0) this.add({ kind: "text", text: mark + mark });
      else this.add({ kind: KINDS[mark], children });
      this.at += mark.length;
      return;
    }
    if (canOpen) this.open(mark);
    else this.take(mark.length);
  }

  private open(mark: Mark): void {
    if (this.frames.length >= MAX_OPEN) return this.take(mark.length);
    this.flush();
    this.frames.push({ mark, children: [] });
    this.at += mark.length;
  }

  private closeLink(): void {
    const { text, at } = this;
    if (!this.frames.some((frame) => frame.mark === "[")) return this.take(1);
    const target =
      text[at + 1] === "("
        ? /^([^\s()]+(?:\([^\s()]*\)[^\s()]*)?)(?:\s+"[^"]{0,200}")?\)/.exec(text.slice(at + 2, at + 2 + MAX_HREF))
        : null;
    this.flush();
    while (this.frames.at(-1)!.mark !== "[") this.unwindTop();
    const href = target === null ? null : safeHref(target[1]!);
    if (target === null || href === null) {
      this.unwindTop();
      this.take(1);
      return;
    }
    const { children } = this.frames.pop()!;
    this.add({ kind: "link", href, children: children.length === 0 ? [{ kind: "text", text: href }] : children });
    this.at = at + 2 + target[0].length;
  }

  private bareUrl(): void {
    BARE_URL.lastIndex = this.at;
    const found = BARE_URL.exec(this.text)?.[0].replace(/[).,;:!?*_~\]]+$/, "");
    const href = found === undefined ? null : safeHref(found);
    if (found === undefined || href === null) return this.take(1);
    this.flush();
    this.add({ kind: "link", href, children: [{ kind: "text", text: found }] });
    this.at += found.length;
  }

  /** The innermost mark was never closed: it is text, and what came after it belongs to what is around it. */
  private unwindTop(): void {
    const { mark, children } = this.frames.pop()!;
    const around = this.frames.at(-1)!.children;
    around.push({ kind: "text", text: mark! });
    for (const child of children) around.push(child);
  }
}

/** Where exactly so many backticks stand, from a place on; -1 when nowhere. */
function findTicks(text: string, from: number, ticks: number): number {
  let at = text.indexOf("`", from);
  while (at >= 0) {
    let end = at;
    while (text[end] === "`") end += 1;
    if (end - at === ticks) return at;
    at = text.indexOf("`", end);
  }
  return -1;
}
