/**
 * Shape arithmetic. A dimension is a number or a polynomial over named sizes in one canonical spelling
 * ("B*T", "2*T+P-1"), so equal sizes are equal strings and a reshape can divide one by another.
 *
 * A named size matches only itself or 1: what would need a guess about a run is refused when authoring.
 */
import { assert, fail } from "../core/index.ts";
import type { DType, Dim, Shape } from "./types.ts";

/** Monomial (sorted names joined by "*", "" for the constant) to integer coefficient. */
export type Polynomial = ReadonlyMap<string, number>;

export function parseDim(dim: Dim): Polynomial {
  const terms = new Map<string, number>();
  if (typeof dim === "number") return dim === 0 ? terms : terms.set("", dim);
  for (const term of dim.split(/(?=[+-])/)) {
    let coefficient = term.startsWith("-") ? -1 : 1;
    const names: string[] = [];
    for (const factor of term.replace(/^[+-]/, "").split("*")) {
      if (/^\d+$/.test(factor)) coefficient *= Number(factor);
      else names.push(factor);
    }
    addTerm(terms, names.sort().join("*"), coefficient);
  }
  return terms;
}

function addTerm(terms: Map<string, number>, names: string, coefficient: number): void {
  const sum = (terms.get(names) ?? 0) + coefficient;
  if (sum === 0) terms.delete(names);
  else terms.set(names, sum);
}

function formatPolynomial(terms: Polynomial): Dim {
  const order = [...terms].sort(([a], [b]) => (a === "" ? 1 : b === "" ? -1 : a < b ? -1 : 1));
  if (order.length === 0) return 0;
  if (order.length === 1 && order[0]![0] === "") return order[0]![1];
  const texts = order.map(([names, c]) =>
    names === "" ? `${c}` : c === 1 ? names : c === -1 ? `-${names}` : `${c}*${names}`,
  );
  return texts.reduce((left, right) => (right.startsWith("-") ? left + right : `${left}+${right}`));
}

/** The canonical spelling of a dimension that a caller wrote. Names are letters, digits, "_" and ".". */
export function canonicalDim(dim: Dim): Dim {
  if (typeof dim === "number") {
    assert(Number.isSafeInteger(dim), `dimension ${dim} is not an integer`);
    return dim;
  }
  if (!/^[A-Za-z_0-9.*+-]+$/.test(dim)) fail("invalid_graph", `dimension "${dim}" is not a name`);
  return formatPolynomial(parseDim(dim));
}

export function dimAdd(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a + b;
  const terms = new Map(parseDim(a));
  for (const [names, coefficient] of parseDim(b)) addTerm(terms, names, coefficient);
  return formatPolynomial(terms);
}

export function dimMul(a: Dim, b: Dim): Dim {
  if (typeof a === "number" && typeof b === "number") return a * b;
  const terms = new Map<string, number>();
  const right = parseDim(b);
  for (const [namesA, coefficientA] of parseDim(a)) {
    for (const [namesB, coefficientB] of right) {
      const names = [...namesA.split("*"), ...namesB.split("*")].filter((name) => name !== "");
      addTerm(terms, names.sort().join("*"), coefficientA * coefficientB);
    }
  }
  return formatPolynomial(terms);
}

export const dimSub = (a: Dim, b: Dim): Dim => dimAdd(a, dimMul(b, -1));

/** a / b where b is a single term that divides every term of a; null where it does not. */
export function dimDivide(a: Dim, b: Dim): Dim | null {
  const divisor = [...parseDim(b)];
  if (divisor.length !== 1) return formatPolynomial(parseDim(a)) === b ? 1 : null;
  const [divisorNames, divisorCoefficient] = divisor[0]!;
  const terms = new Map<string, number>();
  for (const [names, coefficient] of parseDim(a)) {
    const rest = names.split("*").filter((name) => name !== "");
    for (const name of divisorNames.split("*").filter((part) => part !== "")) {
      const at = rest.indexOf(name);
      if (at < 0) return null;
      rest.splice(at, 1);
    }
    if (coefficient % divisorCoefficient !== 0) return null;
    addTerm(terms, rest.join("*"), coefficient / divisorCoefficient);
  }
  return formatPolynomial(terms);
}

export const sizeOf = (shape: Shape): Dim => shape.reduce(dimMul, 1);

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

export const formatShape = (shape: Shape): string => `[${shape.join(", ")}]`;

interface Typed {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** shape_mismatch: names the op and prints every shape. */
export function shapeMismatch(op: string, inputs: readonly Typed[], why: string): never {
  const shapes = inputs.map((input) => formatShape(input.shape)).join(" and ");
  fail("shape_mismatch", `${op}: shape${inputs.length > 1 ? "s" : ""} ${shapes}: ${why}`, { param: op });
}

export function checkSameDtype(op: string, inputs: readonly Typed[]): DType {
  const first = inputs[0]!.dtype;
  if (inputs.some((input) => input.dtype !== first)) {
    const dtypes = inputs.map((input) => input.dtype).join(" and ");
    fail("invalid_graph", `${op}: element types ${dtypes} differ; cast one of them`, { param: op });
  }
  return first;
}

export function checkDtype(op: string, input: Typed, allowed: readonly DType[]): void {
  if (allowed.includes(input.dtype)) return;
  fail("invalid_graph", `${op}: expected ${allowed.join(" or ")}, got ${input.dtype} ${formatShape(input.shape)}`, {
    param: op,
  });
}

/** numpy broadcasting of all inputs' shapes. */
export function broadcast(op: string, inputs: readonly Typed[]): Shape {
  const rank = Math.max(...inputs.map((input) => input.shape.length));
  const shape: Dim[] = [];
  for (let i = 0; i < rank; i++) {
    let dim: Dim = 1;
    for (const input of inputs) {
      const own = input.shape[i - rank + input.shape.length] ?? 1;
      if (own === 1 || own === dim) continue;
      if (dim !== 1) shapeMismatch(op, inputs, `sizes ${dim} and ${own} do not broadcast`);
      dim = own;
    }
    shape.push(dim);
  }
  return shape;
}

/** The axis counted from the front; fails when it is outside the rank. */
export function resolveAxis(op: string, input: Typed, axis: number, rank = input.shape.length): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    shapeMismatch(op, [input], `axis ${axis} is outside rank ${rank}`);
  }
  return resolved;
}

/** Sorted axes from the front, all of them by default. */
export function resolveAxes(op: string, input: Typed, axes?: readonly number[]): readonly number[] {
  if (axes === undefined) return input.shape.map((_, i) => i);
  const resolved = axes.map((axis) => resolveAxis(op, input, axis)).sort((a, b) => a - b);
  if (new Set(resolved).size !== resolved.length) shapeMismatch(op, [input], `axes ${axes.join(", ")} repeat`);
  return resolved;
}
