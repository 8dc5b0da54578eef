/**
 * Whether a stranger's regular expression may be run. JavaScript's engine backtracks: a repetition inside a repetition
 * can take time exponential in the text, so such expressions are refused. What is left is polynomial at worst. The
 * check reads syntax only; it never compiles.
 */
import { fail } from "../../core/index.ts";

const MAX_PATTERN_CHARS = 2048;

/** @throws PunctualError unsupported, with `param`. */
export function checkPattern(pattern: string, param: string): void {
  if (pattern.length > MAX_PATTERN_CHARS) {
    fail("unsupported", `a pattern of more than ${MAX_PATTERN_CHARS} characters is not run`, { param });
  }
  if (/\\[1-9k]/u.test(pattern)) fail("unsupported", "a pattern that refers back to a group is not run", { param });
  if (nestsRepetition(pattern)) {
    fail("unsupported", "a pattern that repeats a repetition is not run: it could take for ever", { param });
  }
}

function nestsRepetition(pattern: string): boolean {
  // Per open group: whether it repeats something without bound.
  const groups: boolean[] = [false];
  let closed = false; // the atom before is a group that repeats
  for (let at = 0; at < pattern.length; at++) {
    const char = pattern[at]!;
    if (char === "\\") {
      at += 1;
      closed = false;
    } else if (char === "[") {
      at = classEnd(pattern, at);
      closed = false;
    } else if (char === "(") {
      groups.push(false);
      closed = false;
    } else if (char === ")") {
      closed = groups.length > 1 ? groups.pop()! : false;
      if (closed) groups[groups.length - 1] = true;
    } else if (repeats(pattern, at)) {
      if (closed) return true;
      groups[groups.length - 1] = true;
    } else if (char !== "?") closed = false;
  }
  return false;
}

/** `*`, `+`, or braces that allow more than a few. */
function repeats(pattern: string, at: number): boolean {
  const char = pattern[at];
  if (char === "*" || char === "+") return true;
  const braces = char === "{" ? /^\{\d*(?:,(\d*))?\}/u.exec(pattern.slice(at, at + 24)) : null;
  if (braces === null) return false;
  const most = braces[1] ?? braces[0].slice(1, -1);
  return most === "" || Number(most) > 16;
}

/** Index of the bracket that ends a class; classes may nest. */
function classEnd(pattern: string, start: number): number {
  let depth = 0;
  for (let at = start; at < pattern.length; at++) {
    if (pattern[at] === "\\") at += 1;
    else if (pattern[at] === "[") depth += 1;
    else if (pattern[at] === "]" && --depth === 0) return at;
  }
  return pattern.length;
}
