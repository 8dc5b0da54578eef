/**
 * Grammars as hash-consed expressions over bytes: equal expressions are the same object with the same id, so that
 * everything derived from them (automaton states, token masks) is shared between grammars. Counts are never unrolled; the
 * automaton takes them apart as it goes.
 *
 * Invariants: no expression but `none` is the empty language by construction, except through rules that never end
 * (`productive`); a rule matches at least one byte.
 */
import { assert } from "../../core/index.ts";
import { utf8Ranges, type CodeSet } from "./code-set.ts";

/** A set of bytes: 256 bits. */
export type ByteSet = Uint32Array;

/** A named part that may contain itself. */
export interface Rule {
  readonly name: string;
  body: Expr | null;
  /** False when it has no finite text; known after `markProductive`. */
  productive: boolean;
}

interface Base {
  readonly id: number;
  /** Matches the empty text. */
  readonly nullable: boolean;
  /** Contains a rule. */
  readonly open: boolean;
  /** Has a finite text; filled on demand once the rules' are known. */
  productive: boolean | null;
}

/** See the head of the file. `frame` matches its body and marks a border at which masks are cut apart (mask.ts). */
export type Expr = Base &
  (
    | { readonly kind: "empty" }
    | { readonly kind: "none" }
    | { readonly kind: "bytes"; readonly set: ByteSet }
    | { readonly kind: "seq"; readonly first: Expr; readonly rest: Expr }
    | { readonly kind: "alt"; readonly options: readonly Expr[] }
    | { readonly kind: "repeat"; readonly body: Expr; readonly min: number; readonly max: number }
    | { readonly kind: "frame"; readonly body: Expr }
    | { readonly kind: "rule"; readonly rule: Rule }
  );

type Shape = Expr extends infer Member ? (Member extends Base ? Omit<Member, keyof Base> : never) : never;

/** Nullable parts repeated more often than this would cost a step each. */
const MOST_NULLABLE_REPEATS = 1000;

/** Whether a byte is in a set. */
export function hasByte(set: ByteSet, byte: number): boolean {
  return ((set[byte >>> 5]! >>> (byte & 31)) & 1) === 1;
}

/** Makes expressions and keeps them unique. */
export class ExprTable {
  #known = new Map<string, Expr>();
  #nextId = 0;
  readonly empty: Expr = this.#make("e", { kind: "empty" } as Shape, true, false);
  readonly none: Expr = this.#make("n", { kind: "none" } as Shape, false, false);
  readonly #encoder = new TextEncoder();

  /** Expressions known. */
  get size(): number {
    return this.#known.size;
  }

  /** Forgets all: what exists stays usable, new expressions are other objects. Ids are never used again. */
  forget(): void {
    this.#known = new Map();
  }

  /** The bytes of a set of byte ranges, inclusive. */
  bytes(...ranges: readonly (readonly [number, number])[]): Expr {
    const set = new Uint32Array(8);
    for (const [low, high] of ranges) {
      for (let byte = low; byte <= high; byte++) set[byte >>> 5]! |= 1 << (byte & 31);
    }
    return this.#bytesOf(set);
  }

  /** A text as its UTF-8 bytes. */
  text(text: string): Expr {
    return this.seq(...Array.from(this.#encoder.encode(text), (byte) => this.bytes([byte, byte])));
  }

  /** One of several texts; common beginnings are one path, however many texts there are. */
  texts(texts: readonly string[]): Expr {
    const sorted = [...new Set(texts)].map((text) => this.#encoder.encode(text));
    return this.#prefixTree(
      sorted.sort((a, b) => compareBytes(a, b)),
      0,
    );
  }

  /** Sorted byte strings from `at` on; all are equal before it. */
  #prefixTree(sorted: readonly Uint8Array[], at: number): Expr {
    const first = sorted[0];
    if (first === undefined) return this.none;
    const last = sorted.at(-1)!;
    let end = at;
    while (end < first.length && end < last.length && first[end] === last[end]) end += 1;
    const shared = Array.from(first.subarray(at, end), (byte) => this.bytes([byte, byte]));
    if (sorted.length === 1)
      return this.seq(...shared, ...Array.from(first.subarray(end), (byte) => this.bytes([byte, byte])));
    const options: Expr[] = [];
    let from = 0;
    for (let i = 0; i < sorted.length; i++) {
      if (sorted[i]!.length === end) {
        options.push(this.empty);
        from = i + 1;
      } else if (sorted[i + 1]?.[end] !== sorted[i]![end]) {
        options.push(this.#prefixTree(sorted.slice(from, i + 1), end));
        from = i + 1;
      }
    }
    return this.seq(...shared, this.alt(...options));
  }

  /** One code point of a set. */
  codes(set: CodeSet): Expr {
    return this.alt(...utf8Ranges(set).map((form) => this.seq(...form.map((range) => this.bytes(range)))));
  }

  seq(...parts: readonly Expr[]): Expr {
    let rest = this.empty;
    for (const first of parts.toReversed()) {
      if (first === this.none || rest === this.none) return this.none;
      if (first === this.empty) continue;
      if (rest === this.empty) {
        rest = first;
        continue;
      }
      const nullable = first.nullable && rest.nullable;
      rest = this.#make(`s${first.id},${rest.id}`, { kind: "seq", first, rest }, nullable, first.open || rest.open);
    }
    return rest;
  }

  alt(...options: readonly Expr[]): Expr {
    const kept = new Map<number, Expr>();
    const bytes = new Uint32Array(8);
    for (const option of options.flatMap((one) => (one.kind === "alt" ? one.options : [one]))) {
      if (option.kind === "bytes") for (let i = 0; i < 8; i++) bytes[i]! |= option.set[i]!;
      else if (option.kind !== "none") kept.set(option.id, option);
    }
    const merged = this.#bytesOf(bytes);
    if (merged.kind !== "none") kept.set(merged.id, merged);
    const all = [...kept.values()].toSorted((a, b) => a.id - b.id);
    if (all.length === 0) return this.none;
    if (all.length === 1) return all[0]!;
    const key = `a${all.map(({ id }) => id).join()}`;
    const nullable = all.some((option) => option.nullable);
    const open = all.some((option) => option.open);
    return this.#make(key, { kind: "alt", options: all }, nullable, open);
  }

  optional(body: Expr): Expr {
    return this.alt(this.empty, body);
  }

  /** `body` at least `min` and at most `max` times; Infinity: any number. */
  repeat(body: Expr, min: number, max: number): Expr {
    assert(min >= 0 && min <= max, "a repetition has an order");
    if (max === 0 || body === this.empty) return this.empty;
    if (body === this.none) return min === 0 ? this.empty : this.none;
    if (min === 1 && max === 1) return body;
    const least = body.nullable ? 0 : min;
    const most = body.nullable && max > MOST_NULLABLE_REPEATS ? Infinity : max;
    const shape: Shape = { kind: "repeat", body, min: least, max: most };
    return this.#make(`r${body.id},${least},${most}`, shape, least === 0, body.open);
  }

  frame(body: Expr): Expr {
    if (body.kind === "empty" || body.kind === "none" || body.kind === "frame" || body.kind === "rule") return body;
    return this.#make(`f${body.id}`, { kind: "frame", body }, body.nullable, body.open);
  }

  /** A use of a rule, whose body may come later. */
  rule(rule: Rule): Expr {
    // Rules are not shared: a use of one is known by itself.
    return this.#make(null, { kind: "rule", rule }, false, true);
  }

  #bytesOf(set: Uint32Array): Expr {
    if (set.every((word) => word === 0)) return this.none;
    return this.#make(`b${set.join()}`, { kind: "bytes", set }, false, false);
  }

  #make(key: string | null, shape: Shape, nullable: boolean, open: boolean): Expr {
    const known = key === null ? undefined : this.#known.get(key);
    if (known !== undefined) return known;
    const made = { ...shape, id: this.#nextId++, nullable, open, productive: open ? null : shape.kind !== "none" };
    if (key !== null) this.#known.set(key, made as Expr);
    return made as Expr;
  }
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** Finds which rules have a finite text: least fixed point. Call it once all bodies are there. */
export function markProductive(rules: readonly Rule[]): void {
  for (const rule of rules) rule.productive = false;
  for (let changed = true; changed;) {
    changed = false;
    for (const rule of rules) {
      if (rule.productive || !ends(rule.body!, new Map())) continue;
      rule.productive = true;
      changed = true;
    }
  }
}

function ends(expr: Expr, memo: Map<number, boolean>): boolean {
  if (!expr.open) return expr.kind !== "none";
  const known = memo.get(expr.id);
  if (known !== undefined) return known;
  const result = endsNow(expr, (part) => ends(part, memo));
  memo.set(expr.id, result);
  return result;
}

function endsNow(expr: Expr, part: (expr: Expr) => boolean): boolean {
  switch (expr.kind) {
    case "seq": {
      let at: Expr = expr;
      // Long sequences nest to the right: a loop keeps the stack flat.
      for (; at.kind === "seq"; at = at.rest) if (!part(at.first)) return false;
      return part(at);
    }
    case "alt":
      return expr.options.some(part);
    case "repeat":
      return expr.min === 0 || part(expr.body);
    case "frame":
      return part(expr.body);
    case "rule":
      return expr.rule.productive;
    case "empty":
    case "bytes":
      return true;
    case "none":
      return false;
    default:
      return expr satisfies never;
  }
}

/** Whether an expression has a finite text. After `markProductive` of its rules. */
export function isProductive(expr: Expr): boolean {
  expr.productive ??= endsNow(expr, isProductive);
  return expr.productive;
}
