/**
 * JSON as byte expressions (RFC 8259), with bounds where a model could otherwise loop: white space between parts is nothing, one space,
 * or one line break and at most 16 spaces; numbers have at most 15 digits before and after the point and two in
 * the exponent, so that every number is finite and every integer exact.
 */
import { ALL_CODES, codeSet, hasCode, subtract, type CodeSet } from "./code-set.ts";
import type { Expr, ExprTable, Rule } from "./expr.ts";

const DEEPEST_INDENT = 16;
/** Digits that a float64 tells apart. */
export const EXACT_DIGITS = 15;

/** What a JSON string cannot hold as it is: controls, the quote, the backslash. */
const ESCAPED: CodeSet = codeSet([
  [0, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
]);
const PLAIN: CodeSet = subtract(ALL_CODES, ESCAPED);

/** Expressions of JSON's parts over one table. */
export class JsonForms {
  readonly table: ExprTable;
  readonly space: Expr;
  readonly colon: Expr;
  readonly comma: Expr;
  /** One character of a string in every way it can be written. */
  readonly character: Expr;
  readonly string: Expr;
  readonly number: Expr;
  readonly integer: Expr;
  /** Any value and any object; recursive. */
  readonly value: Expr;
  readonly object: Expr;

  constructor(table: ExprTable) {
    this.table = table;
    const blank = table.text(" ");
    const line = table.seq(table.text("\n"), table.repeat(blank, 0, DEEPEST_INDENT));
    this.space = table.alt(table.empty, blank, line);
    this.colon = table.seq(table.text(":"), table.optional(blank));
    this.comma = table.seq(table.text(","), this.space);
    this.character = table.alt(table.codes(PLAIN), escapes(table));
    this.string = this.quoted(table.repeat(this.character, 0, Infinity));
    const digit = table.bytes([0x30, 0x39]);
    const whole = table.alt(
      table.text("0"),
      table.seq(table.bytes([0x31, 0x39]), table.repeat(digit, 0, EXACT_DIGITS - 1)),
    );
    const minus = table.optional(table.text("-"));
    this.integer = table.frame(table.seq(minus, whole));
    const fraction = table.seq(table.text("."), table.repeat(digit, 1, EXACT_DIGITS));
    const sign = table.optional(table.alt(table.text("+"), table.text("-")));
    const exponent = table.seq(table.alt(table.text("e"), table.text("E")), sign, table.repeat(digit, 1, 2));
    this.number = table.frame(table.seq(minus, whole, table.optional(fraction), table.optional(exponent)));
    const rule: Rule = { name: "value", body: null, productive: true };
    this.value = table.rule(rule);
    const member = table.seq(this.string, this.colon, this.value);
    this.object = this.list("{", "}", member, 0, Infinity);
    const array = this.list("[", "]", this.value, 0, Infinity);
    const words = ["true", "false", "null"].map((word) => table.text(word));
    rule.body = table.alt(this.object, array, this.string, this.number, ...words);
  }

  /** The inside of a string in quotes. */
  quoted(inside: Expr): Expr {
    const quote = this.table.text('"');
    return this.table.frame(this.table.seq(quote, inside, quote));
  }

  /** Items between brackets, separated by commas. */
  list(open: string, close: string, item: Expr, min: number, max: number): Expr {
    const { table } = this;
    const more = table.seq(this.comma, item);
    const items = max === 0 ? table.none : table.seq(item, table.repeat(more, Math.max(min - 1, 0), max - 1));
    return this.bracketed(
      open,
      close,
      min === 0 ? table.alt(table.empty, table.seq(items, this.space)) : table.seq(items, this.space),
    );
  }

  /** Brackets around what already ends in white space. */
  bracketed(open: string, close: string, inside: Expr): Expr {
    const { table } = this;
    return table.frame(table.seq(table.text(open), this.space, inside, table.text(close)));
  }

  /** Characters of a set inside a string, each in its one usual form: patterns are matched on these. */
  readonly characters = (set: CodeSet): Expr => {
    const escaped: Expr[] = [];
    for (let code = 0; code < 0x80; code++) {
      if (hasCode(ESCAPED, code) && hasCode(set, code)) {
        escaped.push(this.table.text(JSON.stringify(String.fromCharCode(code)).slice(1, -1)));
      }
    }
    return this.table.alt(this.table.codes(subtract(set, ESCAPED)), ...escaped);
  };

  /** A value as it is, with the white space of other values. */
  literal(value: unknown): Expr {
    const { table } = this;
    if (Array.isArray(value))
      return this.#members(
        "[",
        "]",
        value.map((item) => this.literal(item)),
      );
    if (typeof value !== "object" || value === null) return table.text(JSON.stringify(value));
    const members = Object.entries(value).map(([name, member]) => table.seq(this.name(name), this.literal(member)));
    return this.#members("{", "}", members);
  }

  /** A member's name and its colon. */
  name(name: string): Expr {
    return this.table.seq(this.table.text(JSON.stringify(name)), this.colon);
  }

  /** A name that is none of these, written without escapes so that it cannot be one of them in disguise. */
  otherName(names: readonly string[]): Expr {
    const root: NameNode = { ends: false, next: new Map() };
    for (const name of names) {
      let node = root;
      for (const char of name) {
        const code = char.codePointAt(0)!;
        let next = node.next.get(code);
        if (next === undefined) node.next.set(code, (next = { ends: false, next: new Map() }));
        node = next;
      }
      node.ends = true;
    }
    const plain = this.table.codes(PLAIN);
    const inside = this.#unlike(root, this.table.repeat(plain, 0, Infinity));
    return this.table.seq(this.quoted(inside), this.colon);
  }

  #unlike(node: NameNode, anything: Expr): Expr {
    const { table } = this;
    const options = node.ends ? [] : [table.empty];
    const codes = codeSet([...node.next.keys()].map((code) => [code, code] as const));
    options.push(table.seq(table.codes(subtract(PLAIN, codes)), anything));
    for (const [code, next] of node.next) {
      if (!hasCode(PLAIN, code)) continue;
      options.push(table.seq(table.codes([[code, code]]), this.#unlike(next, anything)));
    }
    return table.alt(...options);
  }

  #members(open: string, close: string, members: readonly Expr[]): Expr {
    const { table } = this;
    if (members.length === 0) return this.bracketed(open, close, table.empty);
    const parts = members.flatMap((member, i) => (i === 0 ? [member] : [this.comma, member]));
    return this.bracketed(open, close, table.seq(...parts, this.space));
  }
}

interface NameNode {
  ends: boolean;
  readonly next: Map<number, NameNode>;
}

/** `\n` and its like, and `\uXXXX` of whole characters: a surrogate comes with its other half. */
function escapes(table: ExprTable): Expr {
  const range = (from: string, to: string): readonly [number, number] => [from.charCodeAt(0), to.charCodeAt(0)];
  const hex = table.bytes(range("0", "9"), range("A", "F"), range("a", "f"));
  const d = table.bytes(range("D", "D"), range("d", "d"));
  const notD = table.bytes(range("0", "9"), range("A", "C"), range("E", "F"), range("a", "c"), range("e", "f"));
  const high = table.bytes(range("8", "9"), range("A", "B"), range("a", "b"));
  const low = table.bytes(range("C", "F"), range("c", "f"));
  const whole = table.alt(
    table.seq(notD, hex, hex, hex),
    table.seq(d, table.bytes(range("0", "7")), hex, hex),
    table.seq(d, high, hex, hex, table.text("\\u"), d, low, hex, hex),
  );
  const short = table.alt(...Array.from('"\\/bfnrt', (char) => table.text(char)));
  return table.seq(table.text("\\"), table.alt(short, table.seq(table.text("u"), whole)));
}
