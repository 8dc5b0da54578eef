/**
 * Regular expressions as byte expressions, either of plain text or of the inside of a JSON string, where quotes, backslashes
 * and controls are written as escapes.
 */
import { fail } from "../../core/index.ts";
import { ALL_CODES, type CodeSet } from "./code-set.ts";
import type { Expr, ExprTable } from "./expr.ts";
import { parseRegex, type RegexNode } from "./regex-parser.ts";

/** How one character of a set is written. */
export type CharacterForm = (set: CodeSet) => Expr;

/** Texts that match as a whole. @throws PunctualError invalid_request. */
export function matchWhole(table: ExprTable, pattern: string, field: string): Expr {
  const form: CharacterForm = (set) => table.codes(set);
  const options = parseRegex(pattern, field).map(({ node }) => build(table, node, form));
  return checked(table.alt(...options), field);
}

/** Texts in which the pattern is found, as JSON Schema's `pattern` has it. @throws PunctualError invalid_request. */
export function matchWithin(table: ExprTable, pattern: string, field: string, form: CharacterForm): Expr {
  const around = table.repeat(form(ALL_CODES), 0, Infinity);
  const options = parseRegex(pattern, field).map(({ node, fromStart, toEnd }) =>
    table.seq(fromStart ? table.empty : around, build(table, node, form), toEnd ? table.empty : around),
  );
  return checked(table.alt(...options), field);
}

/** Least and most characters of the texts that a pattern is found in. */
export function lengthsOf(pattern: string, field: string): { readonly min: number; readonly max: number } {
  const options = parseRegex(pattern, field).map(({ node, fromStart, toEnd }) => {
    const { min, max } = lengthOf(node);
    return { min, max: fromStart && toEnd ? max : Infinity };
  });
  return { min: Math.min(...options.map(({ min }) => min)), max: Math.max(...options.map(({ max }) => max)) };
}

/**
 * A pattern of one repeated class with the counts cut to fit the lengths, or null when it has another form. Such
 * patterns (`^[a-z]+$`) are what is most often written together with a length.
 */
export function repeatedClass(
  pattern: string,
  field: string,
): { readonly set: CodeSet; readonly min: number; readonly max: number } | null {
  const [only, ...others] = parseRegex(pattern, field);
  if (others.length > 0 || !only!.fromStart || !only!.toEnd) return null;
  const { node } = only!;
  if (node.kind !== "repeat" || node.body.kind !== "set") return null;
  return { set: node.body.set, min: node.min, max: node.max };
}

function checked(expr: Expr, field: string): Expr {
  if (expr.kind === "none") fail("invalid_request", `${field}: nothing can match the pattern`, { param: "grammar" });
  return expr;
}

function build(table: ExprTable, node: RegexNode, form: CharacterForm): Expr {
  switch (node.kind) {
    case "set":
      return form(node.set);
    case "seq":
      return table.seq(...node.parts.map((part) => build(table, part, form)));
    case "alt":
      return table.alt(...node.options.map((option) => build(table, option, form)));
    case "repeat":
      return table.repeat(build(table, node.body, form), node.min, node.max);
    default:
      return node satisfies never;
  }
}

function lengthOf(node: RegexNode): { min: number; max: number } {
  switch (node.kind) {
    case "set":
      return { min: 1, max: 1 };
    case "seq": {
      const parts = node.parts.map(lengthOf);
      return { min: sum(parts.map(({ min }) => min)), max: sum(parts.map(({ max }) => max)) };
    }
    case "alt": {
      const options = node.options.map(lengthOf);
      return { min: Math.min(...options.map(({ min }) => min)), max: Math.max(...options.map(({ max }) => max)) };
    }
    case "repeat": {
      const { min, max } = lengthOf(node.body);
      // 0 * Infinity is nothing here, not NaN
      return { min: min * node.min, max: max === 0 || node.max === 0 ? 0 : max * node.max };
    }
    default:
      return node satisfies never;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
