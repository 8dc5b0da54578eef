/** What JSON.parse does not tell: a key that occurs twice in one object, of which it keeps the last. */

const QUOTE = 34;
const BACKSLASH = 92;

/** The first repeated key of any object in `json`, which must be valid JSON; null when there is none. */
export function repeatedKey(json: string): string | null {
  // Keys of each open object, innermost last; null for a list.
  const open: (Set<string> | null)[] = [];
  for (let at = 0; at < json.length; at++) {
    switch (json[at]) {
      case "{":
        open.push(new Set());
        break;
      case "[":
        open.push(null);
        break;
      case "}":
      case "]":
        open.pop();
        break;
      case '"': {
        const end = stringEnd(json, at);
        const keys = open.at(-1) ?? null;
        if (keys !== null && isKey(json, end)) {
          // Parsed, because one key can be written in several ways.
          const key = JSON.parse(json.slice(at, end)) as string;
          if (keys.has(key)) return key;
          keys.add(key);
        }
        at = end - 1;
      }
    }
  }
  return null;
}

/** Just after the closing quote of the string that starts at `at`. */
function stringEnd(json: string, at: number): number {
  for (let end = at + 1; end < json.length; end++) {
    const code = json.charCodeAt(end);
    if (code === BACKSLASH) end++;
    else if (code === QUOTE) return end + 1;
  }
  return json.length;
}

function isKey(json: string, after: number): boolean {
  let at = after;
  while (" \t\r\n".includes(json[at] ?? "x")) at++;
  return json[at] === ":";
}
