/**
 * JSON Schema as byte expressions: every text that comes out parses and validates. Not every valid text can come out: members follow
 * the order of `properties`, additional ones come last, numbers and white space are bounded as in json.ts, and a schema without
 * `type` means the types that its keywords speak of.
 */
import { fail } from "../../core/index.ts";
import { markProductive, isProductive, type Expr, type ExprTable, type Rule } from "./expr.ts";
import { FORMATS } from "./formats.ts";
import type { JsonForms } from "./json.ts";
import { numbersWithin } from "./number-range.ts";
import { lengthsOf, matchWithin, repeatedClass } from "./regex.ts";
import { checkDisjoint } from "./one-of.ts";
import {
  canonical,
  constraints,
  isOfType,
  KEYWORDS_OF,
  lookUp,
  merge,
  refuse,
  schemaAt,
  textOf,
  TYPES,
  typeOfValue,
  typesOf,
  valuesOf,
  type Schema,
  type TypeName,
} from "./schema-reader.ts";

const DEEPEST_SCHEMA = 100;
/** Subschemas and listed values of one schema. */
const MOST_PARTS = 20_000;
/** Characters of a schema. */
const LONGEST_SCHEMA = 500_000;

/** Compiles one schema. @throws PunctualError invalid_request naming the keyword and its place. */
export function compileSchema(forms: JsonForms, schema: unknown, strict: boolean): Expr {
  const text = JSON.stringify(schema) ?? "";
  if (text.length > LONGEST_SCHEMA) {
    fail("invalid_request", `schemas have at most ${LONGEST_SCHEMA} characters as JSON`, { param: "grammar" });
  }
  return new SchemaCompiler(forms, schema, strict).compile();
}

class SchemaCompiler {
  readonly #forms: JsonForms;
  readonly #table: ExprTable;
  readonly #root: unknown;
  readonly #strict: boolean;
  /** By canonical reference: its rule and the rule's only use. */
  readonly #rules = new Map<string, { readonly rule: Rule; readonly use: Expr }>();
  #parts = 0;
  #depth = 0;

  constructor(forms: JsonForms, root: unknown, strict: boolean) {
    this.#forms = forms;
    this.#table = forms.table;
    this.#root = root;
    this.#strict = strict;
  }

  compile(): Expr {
    const expr = this.#schema(this.#root, "#");
    markProductive([...this.#rules.values()].map(({ rule }) => rule));
    if (expr.kind === "none" || !isProductive(expr)) refuse("#", "no finite value satisfies it");
    return expr;
  }

  #schema(value: unknown, path: string): Expr {
    const schema = schemaAt(value, path);
    if (schema === true) return this.#forms.value;
    if (schema === false) return this.#table.none;
    this.#count(1, path);
    this.#depth += 1;
    if (this.#depth > DEEPEST_SCHEMA) refuse(path, `schemas nest at most ${DEEPEST_SCHEMA} deep`);
    const expr = this.#constrained(constraints(schema, path), path);
    this.#depth -= 1;
    return expr;
  }

  #count(parts: number, path: string): void {
    this.#parts += parts;
    if (this.#parts > MOST_PARTS) refuse(path, `schemas have at most ${MOST_PARTS} parts`);
  }

  #constrained(schema: Schema, path: string): Expr {
    const keys = Object.keys(schema);
    if (keys.length === 0) return this.#forms.value;
    if (keys.length === 1 && schema["$ref"] !== undefined) return this.#reference(textOf(schema, "$ref", path)!, path);
    if (schema["$ref"] !== undefined || schema["allOf"] !== undefined) {
      return this.#constrained(this.#flat(schema, path), path);
    }
    for (const key of ["anyOf", "oneOf"] as const)
      if (schema[key] !== undefined) return this.#choice(schema, key, path);
    const values = valuesOf(schema, path);
    return values === null ? this.#typed(schema, path) : this.#values(schema, values, path);
  }

  /** A use of the rule of a reference, so that a schema may contain itself. */
  #reference(ref: string, path: string): Expr {
    const target = lookUp(this.#root, ref, path);
    const known = this.#rules.get(ref);
    if (known !== undefined) return known.use;
    const rule: Rule = { name: ref, body: null, productive: true };
    const entry = { rule, use: this.#table.rule(rule) };
    this.#rules.set(rule.name, entry);
    rule.body = this.#schema(target, ref);
    if (leadsTo(rule.body, rule)) refuse(path, `$ref: ${JSON.stringify(ref)} refers to nothing but itself`);
    return entry.use;
  }

  /** References and `allOf` replaced by what they say. */
  #flat(schema: Schema, path: string): Schema {
    const ref = textOf(schema, "$ref", path);
    const { allOf } = schema;
    const siblings = Object.entries(schema).filter(([key]) => key !== "$ref" && key !== "allOf");
    let flat: Schema = Object.fromEntries(siblings);
    const parts: (readonly [unknown, string])[] = [];
    if (ref !== undefined) parts.push([lookUp(this.#root, ref, path), ref]);
    if (allOf !== undefined) {
      if (!Array.isArray(allOf) || allOf.length === 0) refuse(path, "allOf: expected schemas");
      for (const [i, part] of (allOf as unknown[]).entries()) parts.push([part, `${path}/allOf/${i}`]);
    }
    for (const [part, at] of parts) {
      this.#count(1, path);
      const inner = schemaAt(part, at);
      if (inner === true) continue;
      if (inner === false) return { enum: [] };
      let kept = constraints(inner, at);
      if (kept["$ref"] !== undefined || kept["allOf"] !== undefined) {
        this.#depth += 1;
        if (this.#depth > DEEPEST_SCHEMA) refuse(path, "$ref and allOf go round in circles");
        kept = this.#flat(kept, at);
        this.#depth -= 1;
      }
      flat = merge(asEnum(flat), asEnum(kept), path);
    }
    return flat;
  }

  #choice(schema: Schema, key: "anyOf" | "oneOf", path: string): Expr {
    const { [key]: listed, ...base } = schema;
    if (!Array.isArray(listed) || listed.length === 0) return refuse(path, `${key}: expected schemas`);
    const paths = listed.map((_, i) => `${path}/${key}/${i}`);
    const branches = (listed as unknown[]).flatMap((branch, i): unknown[] => {
      if (Object.keys(base).length === 0) return [branch];
      const inner = schemaAt(branch, paths[i]!);
      if (inner === true) return [base];
      return inner === false ? [] : [{ allOf: [base, inner] }];
    });
    if (key === "oneOf") {
      const flat = branches.map((branch, i) => this.#branch(branch, paths[i]!));
      checkDisjoint(flat, { strict: this.#strict, resolve: (inner) => this.#branch(inner, path) }, path);
    }
    return this.#table.alt(...branches.map((branch, i) => this.#schema(branch, paths[i]!)));
  }

  /** A schema without references at its top, for comparing branches. */
  #branch(branch: unknown, path: string): Schema | boolean {
    const schema = schemaAt(branch, path);
    if (typeof schema === "boolean") return schema;
    const kept = constraints(schema, path);
    return kept["$ref"] === undefined && kept["allOf"] === undefined ? kept : this.#flat(kept, path);
  }

  #values(schema: Schema, values: readonly unknown[], path: string): Expr {
    this.#count(values.length, path);
    const other = Object.keys(schema).find((key) => !["enum", "const", "type"].includes(key));
    if (other !== undefined) refuse(path, `"${other}" together with enum or const cannot be enforced`);
    const types = typesOf(schema, path);
    const kept = values.filter((value) => types === null || isOfType(typeOfValue(value), types));
    const isPlain = (value: unknown): boolean => typeof value !== "object" || value === null;
    const plain = this.#table.texts(kept.filter(isPlain).map((value) => JSON.stringify(value)));
    const nested = kept.filter((value) => !isPlain(value)).map((value) => this.#forms.literal(value));
    return this.#table.alt(plain, ...nested);
  }

  #typed(schema: Schema, path: string): Expr {
    const types = typesOf(schema, path) ?? impliedTypes(schema);
    return this.#table.alt(...types.map((type) => this.#ofType(type, schema, path)));
  }

  #ofType(type: TypeName, schema: Schema, path: string): Expr {
    switch (type) {
      case "null":
        return this.#table.text("null");
      case "boolean":
        return this.#table.texts(["true", "false"]);
      case "integer":
      case "number":
        return this.#number(schema, type === "integer", path);
      case "string":
        return this.#string(schema, path);
      case "array":
        return this.#array(schema, path);
      case "object":
        return this.#object(schema, path);
      default:
        return type satisfies never;
    }
  }

  #number(schema: Schema, integer: boolean, path: string): Expr {
    const read = (key: string): number | undefined => {
      const value = schema[key];
      if (value === undefined || (typeof value === "number" && Number.isFinite(value))) return value;
      return refuse(path, `${key}: expected a number`);
    };
    const [low, lowOut] = [read("minimum"), read("exclusiveMinimum")];
    const [high, highOut] = [read("maximum"), read("exclusiveMaximum")];
    if ([low, lowOut, high, highOut].every((bound) => bound === undefined)) {
      return integer ? this.#forms.integer : this.#forms.number;
    }
    const lowExclusive = lowOut !== undefined && lowOut >= (low ?? -Infinity);
    const highExclusive = highOut !== undefined && highOut <= (high ?? Infinity);
    const bounds = {
      low: lowExclusive ? lowOut : (low ?? -Infinity),
      high: highExclusive ? highOut : (high ?? Infinity),
      lowExclusive,
      highExclusive,
    };
    return this.#table.frame(numbersWithin(this.#table, bounds, integer, `schema ${path}`));
  }

  #string(schema: Schema, path: string): Expr {
    const { minLength, maxLength } = lengths(schema, "minLength", "maxLength", path);
    if (minLength > maxLength) return this.#table.none;
    const [pattern, format] = [textOf(schema, "pattern", path), textOf(schema, "format", path)];
    if (pattern !== undefined && format !== undefined)
      refuse(path, '"pattern" together with "format" cannot be enforced');
    if (format !== undefined && !Object.hasOwn(FORMATS, format)) {
      refuse(
        path,
        `the format ${JSON.stringify(format)} cannot be enforced; known are ${Object.keys(FORMATS).join(", ")}`,
      );
    }
    const source = pattern ?? (format === undefined ? null : FORMATS[format]!);
    if (source !== null) return this.#matching(source, minLength, maxLength, path);
    if (minLength === 0 && maxLength === Infinity) return this.#forms.string;
    return this.#forms.quoted(this.#table.repeat(this.#forms.character, minLength, maxLength));
  }

  #matching(pattern: string, minLength: number, maxLength: number, path: string): Expr {
    const field = `schema ${path}: pattern`;
    const forms = this.#forms;
    const { min, max } = lengthsOf(pattern, field);
    if (min >= minLength && max <= maxLength) {
      return forms.quoted(matchWithin(this.#table, pattern, field, forms.characters));
    }
    const simple = repeatedClass(pattern, field);
    if (simple === null) {
      return refuse(path, '"minLength" and "maxLength" cannot be enforced with this pattern: put the counts into it');
    }
    const [least, most] = [Math.max(simple.min, minLength), Math.min(simple.max, maxLength)];
    if (least > most) return this.#table.none;
    return forms.quoted(this.#table.repeat(forms.characters(simple.set), least, most));
  }

  #array(schema: Schema, path: string): Expr {
    const forms = this.#forms;
    const { minLength: min, maxLength: max } = lengths(schema, "minItems", "maxItems", path);
    if (min > max) return this.#table.none;
    const { prefixItems = [], items } = schema;
    if (!Array.isArray(prefixItems)) return refuse(path, "prefixItems: expected an array");
    const item = items === undefined ? forms.value : this.#schema(items, `${path}/items`);
    if (prefixItems.length === 0) return forms.list("[", "]", item, min, item.kind === "none" && min === 0 ? 0 : max);
    const prefix = (prefixItems as unknown[]).map((inner, i) => this.#schema(inner, `${path}/prefixItems/${i}`));
    return this.#tuple(prefix, item, min, max);
  }

  #tuple(prefix: readonly Expr[], item: Expr, min: number, max: number): Expr {
    const table = this.#table;
    const { comma, space } = this.#forms;
    const more = table.seq(comma, item);
    const count = prefix.length;
    // what may follow the last of the prefix, then backwards what may follow each item
    let rest = max < count ? table.none : table.repeat(more, Math.max(min - count, 0), Math.max(max - count, 0));
    for (let i = count - 1; i >= 0; i--) {
      const here = table.seq(i === 0 ? table.empty : comma, prefix[i]!, rest);
      if (i >= max) rest = i === max ? table.empty : table.none;
      else rest = i >= min ? table.optional(i === 0 ? table.seq(here, space) : here) : here;
    }
    const inside = min === 0 ? rest : table.seq(rest, space);
    return this.#forms.bracketed("[", "]", inside);
  }

  #object(schema: Schema, path: string): Expr {
    const { properties = {}, required = [], additionalProperties } = schema;
    if (typeof properties !== "object" || properties === null || Array.isArray(properties)) {
      return refuse(path, "properties: expected an object of schemas");
    }
    if (!Array.isArray(required) || !required.every((name) => typeof name === "string")) {
      return refuse(path, "required: expected an array of names");
    }
    const declared = Object.entries(properties as Schema);
    const open =
      additionalProperties ?? !(this.#strict && (schema["properties"] !== undefined || schema["type"] === "object"));
    const extra = this.#schema(open, `${path}/additionalProperties`);
    const needed = new Set<string>(required as string[]);
    // A required name without a schema of its own follows `additionalProperties`.
    for (const name of needed) if (!Object.hasOwn(properties, name)) declared.push([name, open]);
    const members = declared.map(([name, inner]) => ({
      form: this.#member(name, inner, path),
      needed: needed.has(name),
    }));
    const others =
      extra.kind === "none" ? null : this.#table.seq(this.#forms.otherName(declared.map(([name]) => name)), extra);
    return this.#members(members, others);
  }

  #member(name: string, schema: unknown, path: string): Expr {
    const at = `${path}/properties/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
    return this.#table.seq(this.#forms.name(name), this.#schema(schema, at));
  }

  /**
   * Members in order. Each state between two members is one expression: what may follow when nothing was written
   * yet (`first`) and when something was (`later`, which brings its comma).
   */
  #members(members: readonly { readonly form: Expr; readonly needed: boolean }[], others: Expr | null): Expr {
    const table = this.#table;
    const { comma, space } = this.#forms;
    const more = others === null ? table.empty : table.repeat(table.seq(comma, others), 0, Infinity);
    let later = table.seq(more, space);
    let first = others === null ? table.empty : table.optional(table.seq(others, more, space));
    for (const { form, needed } of members.toReversed()) {
      const present = table.seq(form, later);
      const skippedFirst = needed ? table.none : first;
      const skippedLater = needed ? table.none : later;
      first = table.alt(present, skippedFirst);
      later = table.alt(table.seq(comma, present), skippedLater);
    }
    return this.#forms.bracketed("{", "}", first);
  }
}

/** `const` as an `enum` of one, so that two can be merged. */
function asEnum(schema: Schema): Schema {
  if (!Object.hasOwn(schema, "const")) return schema;
  const { const: only, enum: listed, ...rest } = schema;
  const values = Array.isArray(listed) ? listed.filter((value) => canonical(value) === canonical(only)) : [only];
  return { ...rest, enum: values };
}

/** Whether a rule's body begins with the rule itself before any byte. */
function leadsTo(expr: Expr, rule: Rule, seen = new Set<number>()): boolean {
  if (seen.has(expr.id)) return false;
  seen.add(expr.id);
  switch (expr.kind) {
    case "rule":
      return expr.rule === rule || (expr.rule.body !== null && leadsTo(expr.rule.body, rule, seen));
    case "alt":
      return expr.options.some((option) => leadsTo(option, rule, seen));
    case "frame":
    case "repeat":
      return leadsTo(expr.body, rule, seen);
    case "seq":
      return leadsTo(expr.first, rule, seen) || (expr.first.nullable && leadsTo(expr.rest, rule, seen));
    case "empty":
    case "none":
    case "bytes":
      return false;
    default:
      return expr satisfies never;
  }
}

function lengths(schema: Schema, low: string, high: string, path: string): { minLength: number; maxLength: number } {
  const read = (key: string, fallback: number): number => {
    const value = schema[key];
    if (value === undefined) return fallback;
    if (typeof value !== "number" || !Number.isInteger(value) || value < 0) refuse(path, `${key}: expected a count`);
    return value;
  };
  return { minLength: read(low, 0), maxLength: read(high, Infinity) };
}

/** The types that the keywords of a schema without `type` speak of; all when they speak of none. */
function impliedTypes(schema: Schema): readonly TypeName[] {
  const implied = (["string", "number", "array", "object"] as const).filter((type) =>
    KEYWORDS_OF[type].some((key) => schema[key] !== undefined),
  );
  return implied.length === 0 ? TYPES.filter((type) => type !== "integer") : implied;
}
