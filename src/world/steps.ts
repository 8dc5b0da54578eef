/**
 * Exact whole-number arithmetic with its steps written out in one fixed compact form, each step small
 * enough for a tiny model:
 *
 *     47+38=70+15=85        tens and units apart
 *     82-47=42-7=35         tens first, then units
 *     47*6=240+42=282       one factor split by place
 *     12+7*3: 7*3=21;12+21=30+3=33
 */
import { assert } from "../core/index.ts";

/** The four operations, by the sign that steps are written with. Division is exact: `evaluate` asserts it. */
export type Operation = "+" | "-" | "*" | "/";

/** Whole-number arithmetic as a tree; a number is a leaf. */
export type Expression = number | { readonly op: Operation; readonly left: Expression; readonly right: Expression };

export const node = (op: Operation, left: Expression, right: Expression): Expression => ({ op, left, right });

/** The value; divisions must be exact. */
export function evaluate(expression: Expression): number {
  if (typeof expression === "number") return expression;
  const left = evaluate(expression.left);
  const right = evaluate(expression.right);
  switch (expression.op) {
    case "+":
      return left + right;
    case "-":
      return left - right;
    case "*":
      return left * right;
    case "/":
      assert(right !== 0 && left % right === 0, "divisions in the world are exact");
      return left / right;
    default:
      return expression.op satisfies never;
  }
}

/** Numbers stated in the expression, left to right. */
export function operands(expression: Expression): number[] {
  return typeof expression === "number" ? [expression] : [...operands(expression.left), ...operands(expression.right)];
}

const PRECEDENCE = { "+": 1, "-": 1, "*": 2, "/": 2 } as const;

/** Infix form with only the parentheses that are needed. */
export function render(expression: Expression, signs: Readonly<Record<Operation, string>>): string {
  if (typeof expression === "number") return String(expression);
  const side = (child: Expression, right: boolean): string => {
    const text = render(child, signs);
    if (typeof child === "number") return text;
    const weaker = PRECEDENCE[child.op] < PRECEDENCE[expression.op];
    const equal = PRECEDENCE[child.op] === PRECEDENCE[expression.op];
    return weaker || (right && equal) ? `(${text})` : text;
  };
  return side(expression.left, false) + signs[expression.op] + side(expression.right, true);
}

/** Place values of a number that are not zero, largest first: 305 → 300, 5. */
function places(value: number): number[] {
  const parts: number[] = [];
  for (let unit = 10 ** (String(value).length - 1); unit >= 1; unit /= 10) {
    const digit = Math.floor(value / unit) % 10;
    if (digit > 0) parts.push(digit * unit);
  }
  return parts;
}

/** The right-hand sides after `a+b=`, the last one the result. */
function additionChain(a: number, b: number): string[] {
  if (a < 10 && b < 10) return [String(a + b)];
  const sums = [100, 10, 1]
    .map((unit) => {
      const top = unit === 100 ? 1000 : 10; // hundreds and above together
      return ((Math.floor(a / unit) % top) + (Math.floor(b / unit) % top)) * unit;
    })
    .filter((sum) => sum > 0);
  const chain: string[] = [];
  while (sums.length > 1) {
    chain.push(sums.join("+"));
    const last = sums.pop()!;
    sums[sums.length - 1]! += last;
  }
  return [...chain, String(a + b)];
}

function subtractionChain(a: number, b: number): string[] {
  const chain: string[] = [];
  let rest = a;
  const parts = places(b);
  for (const [i, part] of parts.entries()) {
    rest -= part;
    const remaining = parts.slice(i + 1).reduce((sum, p) => sum + p, 0);
    if (remaining > 0) chain.push(`${rest}-${remaining}`);
  }
  return [...chain, String(rest)];
}

/** Splits the factor with more digits: by place, times the other. */
function multiplicationChain(a: number, b: number): string[] {
  const [many, few] = a >= b ? [a, b] : [b, a];
  const byFew = few > 10; // both have two digits: split the smaller one, 47*12 = 470+94
  const parts = byFew ? places(few).map((part) => part * many) : places(many).map((part) => part * few);
  if (few < 2 || parts.length < 2 || many < 10) return [String(a * b)];
  return [parts.join("+"), String(a * b)];
}

function chain(op: Operation, a: number, b: number): string {
  switch (op) {
    case "+":
      return additionChain(a, b).join("=");
    case "-":
      return subtractionChain(a, b).join("=");
    case "*":
      return multiplicationChain(a, b).join("=");
    case "/":
      return String(a / b);
    default:
      return op satisfies never;
  }
}

/** All steps in order of evaluation, joined by `;`. Every equation in it is true. */
export function steps(expression: Expression): string {
  const lines: string[] = [];
  const visit = (e: Expression): number => {
    if (typeof e === "number") return e;
    const left = visit(e.left);
    const right = visit(e.right);
    lines.push(`${left}${e.op}${right}=${chain(e.op, left, right)}`);
    return evaluate(e);
  };
  visit(expression);
  return lines.join(";");
}

/** The expression with the two numbers of a sum or product in the order in which a frame names them. */
export function inReadingOrder(
  expression: Expression,
  frame: string,
  slots: Readonly<Record<string, string | number>>,
): Expression {
  if (typeof expression === "number") return expression;
  const { op, left, right } = expression;
  if (typeof left !== "number" || typeof right !== "number") {
    return node(op, inReadingOrder(left, frame, slots), inReadingOrder(right, frame, slots));
  }
  const place = (value: number): number => {
    const name = Object.keys(slots).find((slot) => slots[slot] === value);
    return name === undefined ? -1 : frame.indexOf(`{${name}}`);
  };
  const swapped = (op === "+" || op === "*") && place(right) >= 0 && place(left) > place(right);
  return swapped ? node(op, right, left) : expression;
}
