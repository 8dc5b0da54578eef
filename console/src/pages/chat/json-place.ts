/**
 * Where JSON text stops being JSON. Engines say it in words of their own, some without a place; this walks the grammar of
 * RFC 8259 and gives the first character that does not fit. It reads no values: JSON.parse does. Pure.
 */

const SPACE = /[ \t\n\r]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const WORD = /true|false|null/y;

/** Where a string that begins at a place ends, or -1: a loop, because a pattern would remember every character of it. */
function stringEnd(text: string, from: number): number {
  if (text[from] !== '"') return -1;
  let at = from + 1;
  while (at < text.length) {
    const character = text[at]!;
    if (character === '"') return at + 1;
    if (character < " ") return -1;
    ESCAPE.lastIndex = at;
    const escape = character === "\\" ? ESCAPE.exec(text) : null;
    if (character === "\\" && escape === null) return -1;
    at += escape === null ? 1 : escape[0].length;
  }
  return -1;
}

/** Offset of the first character that is wrong; the length where the text ends too early; null for JSON. */
export function jsonErrorOffset(text: string): number | null {
  const open: ("{" | "[")[] = [];
  let at = 0;
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) return false;
    at += found[0].length;
    return true;
  };
  const string = (): boolean => {
    const end = stringEnd(text, at);
    if (end >= 0) at = end;
    return end >= 0;
  };
  const key = (): boolean => {
    take(SPACE);
    if (!string()) return false;
    take(SPACE);
    if (text[at] !== ":") return false;
    at += 1;
    return true;
  };
  for (;;) {
    // A value begins here.
    take(SPACE);
    const first = text[at];
    if (first === "{" || first === "[") {
      at += 1;
      take(SPACE);
      const closes = first === "{" ? "}" : "]";
      if (text[at] !== closes) {
        open.push(first);
        if (first === "{" && !key()) return at;
        continue;
      }
      at += 1;
    } else if (!string() && !take(WORD) && !take(NUMBER)) return at;
    // A value ended here: what is around it goes on or ends.
    for (;;) {
      take(SPACE);
      const around = open.at(-1);
      if (around === undefined) return at === text.length ? null : at;
      if (text[at] === ",") {
        at += 1;
        if (around === "{" && !key()) return at;
        break;
      }
      if (text[at] !== (around === "{" ? "}" : "]")) return at;
      at += 1;
      open.pop();
    }
  }
}
