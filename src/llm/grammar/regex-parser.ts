/**
 * Regular expressions as syntax trees: the part of ECMAScript's syntax that an automaton can follow in linear time. Literals, classes,
 * groups, alternation, greedy and lazy repetition, anchors at the ends of top-level alternatives. No backreferences,
 * no lookaround, no word boundaries, no property escapes: each is an error that names it.
 *
 * Patterns are read as with the `u` flag, by code points. Groups capture nothing; lazy means the same texts.
 */
import { fail } from "../../core/index.ts";
import { codeSet, complement, type CodeSet } from "./code-set.ts";

/** A pattern's structure. */
export type RegexNode =
  | { readonly kind: "set"; readonly set: CodeSet }
  | { readonly kind: "seq"; readonly parts: readonly RegexNode[] }
  | { readonly kind: "alt"; readonly options: readonly RegexNode[] }
  | { readonly kind: "repeat"; readonly body: RegexNode; readonly min: number; readonly max: number };

/** One top-level alternative and whether it is tied to the start and the end of the text. */
export interface RegexAlternative {
  readonly node: RegexNode;
  readonly fromStart: boolean;
  readonly toEnd: boolean;
}

const LONGEST_PATTERN = 8192;
const DEEPEST_GROUP = 100;
/** A larger count has no use within a context. */
const MOST_REPEATS = 1_000_000;

const DIGITS: CodeSet = codeSet([[0x30, 0x39]]);
const WORD: CodeSet = codeSet([
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]);
const SPACE: CodeSet = codeSet([
  [9, 13],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
]);
const DOT: CodeSet = complement(
  codeSet([
    [10, 10],
    [13, 13],
    [0x2028, 0x2029],
  ]),
);
const CLASSES: Readonly<Record<string, CodeSet>> = {
  d: DIGITS,
  D: complement(DIGITS),
  w: WORD,
  W: complement(WORD),
  s: SPACE,
  S: complement(SPACE),
};
const CONTROLS: Readonly<Record<string, number>> = { n: 10, r: 13, t: 9, v: 11, f: 12, 0: 0 };
const SYNTAX = "^$\\.*+?()[]{}|/";

/** @throws PunctualError invalid_request naming the construct and its place. @param field named in errors */
export function parseRegex(pattern: string, field: string): RegexAlternative[] {
  if (pattern.length > LONGEST_PATTERN) {
    fail("invalid_request", `${field}: patterns have at most ${LONGEST_PATTERN} characters`, { param: "grammar" });
  }
  return new Parser(pattern, field).parse();
}

class Parser {
  readonly #chars: readonly string[];
  readonly #field: string;
  #at = 0;
  #depth = 0;

  constructor(pattern: string, field: string) {
    this.#chars = Array.from(pattern);
    this.#field = field;
  }

  parse(): RegexAlternative[] {
    const alternatives = [this.#alternative()];
    while (this.#take("|")) alternatives.push(this.#alternative());
    if (this.#at < this.#chars.length) this.#error(`unexpected ${this.#chars[this.#at]}`);
    return alternatives;
  }

  #alternative(): RegexAlternative {
    const fromStart = this.#take("^");
    const node = this.#sequence();
    const toEnd = this.#take("$");
    if (!this.#ends())
      this.#error("an anchor is only possible at the ends of the pattern or of its top-level alternatives");
    return { node, fromStart, toEnd };
  }

  #ends(): boolean {
    return this.#at >= this.#chars.length || this.#chars[this.#at] === "|" || this.#chars[this.#at] === ")";
  }

  #sequence(): RegexNode {
    const parts: RegexNode[] = [];
    while (!this.#ends() && this.#chars[this.#at] !== "$") parts.push(this.#quantified());
    return parts.length === 1 ? parts[0]! : { kind: "seq", parts };
  }

  #quantified(): RegexNode {
    const body = this.#atom();
    const bounds = this.#bounds();
    if (bounds === null) return body;
    this.#take("?"); // lazy
    const next = this.#chars[this.#at];
    if (next === "*" || next === "+" || next === "?") this.#error("nothing to repeat");
    return { kind: "repeat", body, min: bounds[0], max: bounds[1] };
  }

  #bounds(): readonly [number, number] | null {
    if (this.#take("*")) return [0, Infinity];
    if (this.#take("+")) return [1, Infinity];
    if (this.#take("?")) return [0, 1];
    if (!this.#take("{")) return null;
    const min = this.#number() ?? this.#error("expected a count after {");
    let max = min;
    if (this.#take(",")) max = this.#number() ?? Infinity;
    if (!this.#take("}")) this.#error("expected }");
    if (min > max) this.#error(`the counts {${min},${max}} are out of order`);
    if (min > MOST_REPEATS || (max !== Infinity && max > MOST_REPEATS)) this.#error(`counts go to ${MOST_REPEATS}`);
    return [min, max];
  }

  #number(): number | null {
    let digits = "";
    while (/^[0-9]$/.test(this.#chars[this.#at] ?? "")) digits += this.#chars[this.#at++];
    return digits === "" ? null : Number(digits);
  }

  #atom(): RegexNode {
    const char = this.#chars[this.#at++]!;
    switch (char) {
      case "(":
        return this.#group();
      case "[":
        return { kind: "set", set: this.#class() };
      case ".":
        return { kind: "set", set: DOT };
      case "\\":
        return { kind: "set", set: this.#escape(false) };
      case "^":
        return this.#error("an anchor is only possible at the ends of the pattern or of its top-level alternatives");
      case "*":
      case "+":
      case "?":
      case "{":
        return this.#error("nothing to repeat");
      case "]":
      case "}":
        return this.#error(`a lone ${char} is written \\${char}`);
      default:
        return { kind: "set", set: this.#one(char.codePointAt(0)!) };
    }
  }

  #group(): RegexNode {
    if (this.#take("?")) this.#groupKind();
    this.#depth += 1;
    if (this.#depth > DEEPEST_GROUP) this.#error(`groups nest at most ${DEEPEST_GROUP} deep`);
    const options = [this.#sequence()];
    while (this.#take("|")) options.push(this.#sequence());
    if (this.#chars[this.#at] === "$") {
      this.#error("an anchor is only possible at the ends of the pattern or of its top-level alternatives");
    }
    if (!this.#take(")")) this.#error("expected )");
    this.#depth -= 1;
    return options.length === 1 ? options[0]! : { kind: "alt", options };
  }

  #groupKind(): void {
    if (this.#take(":")) return;
    if (this.#take("=") || this.#take("!")) this.#error("lookahead is not supported");
    if (!this.#take("<")) this.#error("group modifiers are not supported");
    if (this.#take("=") || this.#take("!")) this.#error("lookbehind is not supported");
    while (this.#at < this.#chars.length && this.#chars[this.#at] !== ">") this.#at += 1;
    if (!this.#take(">")) this.#error("expected > after a group's name");
  }

  #class(): CodeSet {
    const negated = this.#take("^");
    const ranges: (readonly [number, number])[] = [];
    while (!this.#take("]")) {
      const low = this.#classAtom();
      const dash = this.#chars[this.#at] === "-" && this.#chars[this.#at + 1] !== "]";
      if (!dash) {
        ranges.push(...low);
        continue;
      }
      this.#at += 1;
      const high = this.#classAtom();
      const [from, to] = [single(low), single(high)];
      if (from === null || to === null) return this.#error("a range in a class needs single characters at its ends");
      if (from > to) this.#error("a range in a class is out of order");
      ranges.push([from, to]);
    }
    const set = codeSet(ranges);
    return negated ? complement(set) : set;
  }

  #classAtom(): CodeSet {
    const char = this.#chars[this.#at++];
    if (char === undefined) return this.#error("expected ]");
    return char === "\\" ? this.#escape(true) : this.#one(char.codePointAt(0)!);
  }

  #escape(inClass: boolean): CodeSet {
    const char = this.#chars[this.#at++];
    if (char === undefined) return this.#error("the pattern ends in a backslash");
    const named = CLASSES[char];
    if (named !== undefined) return named;
    if (char === "b" && inClass) return this.#one(8);
    if (char === "b" || char === "B") return this.#error("word boundaries are not supported");
    if (/^[1-9k]$/.test(char)) return this.#error("backreferences are not supported");
    if (char === "p" || char === "P") return this.#error("property escapes are not supported");
    if (char === "x") return this.#one(this.#hex(2));
    if (char === "u") return this.#one(this.#unicode());
    if (char === "c") return this.#one(this.#control());
    const control = CONTROLS[char];
    if (control !== undefined) return this.#one(control);
    if (SYNTAX.includes(char) || (inClass && char === "-")) return this.#one(char.codePointAt(0)!);
    // Without the u flag these stand for themselves; nothing else can be meant.
    if (/^[^0-9A-Za-z]$/u.test(char)) return this.#one(char.codePointAt(0)!);
    return this.#error(`unknown escape \\${char}`);
  }

  #control(): number {
    const char = this.#chars[this.#at++] ?? "";
    if (!/^[A-Za-z]$/.test(char)) return this.#error("expected a letter after \\c");
    return char.charCodeAt(0) & 31;
  }

  #unicode(): number {
    if (!this.#take("{")) {
      const high = this.#hex(4);
      const pair =
        high >= 0xd800 && high < 0xdc00 && this.#chars[this.#at] === "\\" && this.#chars[this.#at + 1] === "u";
      if (!pair) return high;
      this.#at += 2;
      const low = this.#hex(4);
      if (low < 0xdc00 || low > 0xdfff) return this.#error("a high surrogate needs a low one");
      return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    }
    let digits = "";
    while (this.#at < this.#chars.length && this.#chars[this.#at] !== "}") digits += this.#chars[this.#at++];
    if (!this.#take("}") || !/^[0-9A-Fa-f]{1,6}$/.test(digits)) return this.#error("expected \\u{hex digits}");
    return Number.parseInt(digits, 16);
  }

  #hex(length: number): number {
    const digits = this.#chars.slice(this.#at, this.#at + length).join("");
    if (digits.length !== length || !/^[0-9A-Fa-f]+$/.test(digits)) return this.#error(`expected ${length} hex digits`);
    this.#at += length;
    return Number.parseInt(digits, 16);
  }

  #one(code: number): CodeSet {
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
      return this.#error(`U+${code.toString(16).toUpperCase()} is no character`);
    }
    return [[code, code]];
  }

  #take(char: string): boolean {
    if (this.#chars[this.#at] !== char) return false;
    this.#at += 1;
    return true;
  }

  #error(message: string): never {
    return fail("invalid_request", `${this.#field}: ${message} (at character ${this.#at} of the pattern)`, {
      param: "grammar",
    });
  }
}

function single(set: CodeSet): number | null {
  return set.length === 1 && set[0]![0] === set[0]![1] ? set[0]![0] : null;
}
