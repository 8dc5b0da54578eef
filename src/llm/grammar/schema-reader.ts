/**
 * JSON Schema (2020-12, and what of draft 7 differs) as far as it can be enforced: which keywords there are, references, and
 * the conjunction of two schemas. A keyword that is neither enforced nor a mere annotation is an error that names it
 * and its place, never ignored.
 */
import { fail } from "../../core/index.ts";

/** A schema that is an object; `true` and `false` are handled before. */
export type Schema = Readonly<Record<string, unknown>>;

/** The types of JSON Schema. */
export const TYPES = ["null", "boolean", "integer", "number", "string", "array", "object"] as const;
/** One of TYPES; integers are numbers as well. */
export type TypeName = (typeof TYPES)[number];

const ANNOTATIONS: ReadonlySet<string> = new Set(
  (
    "title description default examples example $schema $id $anchor $comment $defs definitions deprecated readOnly " +
    "writeOnly contentMediaType contentEncoding"
  ).split(" "),
);

/** Keywords that constrain one kind of value. */
export const KEYWORDS_OF: Readonly<Record<"string" | "number" | "array" | "object", readonly string[]>> = {
  string: ["minLength", "maxLength", "pattern", "format"],
  number: ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"],
  array: ["items", "prefixItems", "minItems", "maxItems"],
  object: ["properties", "required", "additionalProperties"],
};
const GENERAL = ["type", "enum", "const", "anyOf", "oneOf", "allOf", "$ref"];
const ENFORCED: ReadonlySet<string> = new Set([...GENERAL, ...Object.values(KEYWORDS_OF).flat()]);

/** Fails with invalid_request at a place of the schema. */
export function refuse(path: string, message: string): never {
  return fail("invalid_request", `schema ${path}: ${message}`, { param: "grammar" });
}

/** A subschema as an object or a boolean. */
export function schemaAt(value: unknown, path: string): Schema | boolean {
  if (typeof value === "boolean") return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refuse(path, `expected a schema (an object or a boolean), got ${describe(value)}`);
  }
  return value as Schema;
}

/** The constraining keywords of a schema, checked to be enforceable; values are not checked yet. */
export function constraints(schema: Schema, path: string): Schema {
  const kept: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (ANNOTATIONS.has(key) || key.startsWith("x-") || value === undefined) continue;
    // These say what holds anyway.
    if (key === "uniqueItems" && value === false) continue;
    if ((key === "minProperties" || key === "minContains") && value === 0) continue;
    if (key === "multipleOf" && value === 1 && schema["type"] === "integer") continue;
    if (key === "additionalItems" && !Array.isArray(schema["items"])) continue;
    if (!ENFORCED.has(key) && key !== "additionalItems") refuse(path, `the keyword "${key}" cannot be enforced`);
    kept[key] = value;
  }
  return fromDraft7(kept);
}

/** Draft 7's tuple form of `items` as today's. */
function fromDraft7(schema: Record<string, unknown>): Schema {
  if (!Array.isArray(schema["items"])) return schema;
  const { items, additionalItems, ...rest } = schema;
  return { ...rest, prefixItems: items, ...(additionalItems === undefined ? {} : { items: additionalItems }) };
}

/** The text of a keyword that must be one. */
export function textOf(schema: Schema, key: string, path: string): string | undefined {
  const value = schema[key];
  if (value === undefined || typeof value === "string") return value;
  return refuse(path, `${key}: expected a string, got ${describe(value)}`);
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

/** The schema that a local reference points to. */
export function lookUp(root: unknown, ref: string, path: string): unknown {
  if (ref !== "#" && !ref.startsWith("#/")) {
    return refuse(path, `$ref: only references within the schema ("#/…") can be followed, got ${describe(ref)}`);
  }
  let at = root;
  for (const part of ref.split("/").slice(1)) {
    const key = unescapePointer(part);
    const inside = typeof at === "object" && at !== null && Object.hasOwn(at, key);
    if (!inside) return refuse(path, `$ref: ${describe(ref)} does not exist`);
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}

function unescapePointer(part: string): string {
  let text = part;
  try {
    text = decodeURIComponent(part);
  } catch {
    // A stray percent sign stands for itself.
  }
  return text.replaceAll("~1", "/").replaceAll("~0", "~");
}

/** The `type` of a schema as a list; null when absent. */
export function typesOf(schema: Schema, path: string): TypeName[] | null {
  const stated = schema["type"];
  if (stated === undefined) return null;
  const list: unknown[] = Array.isArray(stated) ? stated : [stated];
  for (const name of list) {
    if (!(TYPES as readonly unknown[]).includes(name))
      refuse(path, `type: ${describe(name)} is no type of JSON Schema`);
  }
  return list as TypeName[];
}

/** The values that `enum` and `const` leave, or null when neither is there. */
export function valuesOf(schema: Schema, path: string): readonly unknown[] | null {
  const { enum: listed, const: only } = schema;
  if (listed !== undefined && !Array.isArray(listed)) return refuse(path, "enum: expected an array");
  if (!Object.hasOwn(schema, "const")) return (listed as unknown[] | undefined) ?? null;
  if (listed === undefined) return [only];
  return (listed as unknown[]).some((value) => same(value, only)) ? [only] : [];
}

/** The type of a value; integers are "integer". */
export function typeOfValue(value: unknown): TypeName {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value === "boolean" || typeof value === "string" ? (typeof value as TypeName) : "object";
}

/** Whether a value of the first type is of one of the others. */
export function isOfType(type: TypeName, types: readonly TypeName[]): boolean {
  return types.includes(type) || (type === "integer" && types.includes("number"));
}

/** Equality of JSON values; members in any order. */
export function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

/** JSON with sorted members: equal values, equal texts. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join()}}`;
}

type Merge = (a: unknown, b: unknown, path: string) => unknown;

const largest: Merge = (a, b) => Math.max(Number(a), Number(b));
const smallest: Merge = (a, b) => Math.min(Number(a), Number(b));
const both: Merge = (a, b) => ({ allOf: [a, b] });

/** How two uses of a keyword become one; what is not here must be equal. */
const MERGES: Readonly<Record<string, Merge>> = {
  type: (a, b, path) => {
    const [left, right] = [typesOf({ type: a }, path)!, typesOf({ type: b }, path)!];
    const kept = [...left.filter((type) => isOfType(type, right)), ...right.filter((type) => isOfType(type, left))];
    return [...new Set(kept)];
  },
  properties: (a, b) => {
    const merged: Record<string, unknown> = { ...(a as Schema) };
    for (const [name, schema] of Object.entries(b as Schema)) {
      merged[name] = Object.hasOwn(merged, name) ? both(merged[name], schema, "") : schema;
    }
    return merged;
  },
  required: (a, b) => [...new Set([a, b].flat())],
  items: both,
  minLength: largest,
  minimum: largest,
  exclusiveMinimum: largest,
  minItems: largest,
  maxLength: smallest,
  maximum: smallest,
  exclusiveMaximum: smallest,
  maxItems: smallest,
  enum: (a, b) => (a as unknown[]).filter((value) => (b as unknown[]).some((other) => same(value, other))),
};

/** What satisfies both; both without references, `anyOf` and the like of one only. */
export function merge(a: Schema, b: Schema, path: string): Schema {
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const closed = one["additionalProperties"] !== undefined && one["additionalProperties"] !== true;
    const known = (one["properties"] ?? {}) as Schema;
    const strange = Object.keys((other["properties"] ?? {}) as Schema).some((name) => !Object.hasOwn(known, name));
    if (closed && strange) refuse(path, 'allOf: "additionalProperties" does not see the properties of other branches');
    const tuple = one["prefixItems"] !== undefined && other["items"] !== undefined;
    if (tuple && !same(one["items"], other["items"]))
      refuse(path, 'allOf: "prefixItems" and "items" of different branches');
  }
  const merged: Record<string, unknown> = { ...a };
  for (const [key, value] of Object.entries(b)) {
    if (!Object.hasOwn(merged, key) || same(merged[key], value)) merged[key] = value;
    else if (MERGES[key] !== undefined) merged[key] = MERGES[key](merged[key], value, path);
    else refuse(path, `allOf: two different "${key}" cannot be enforced together`);
  }
  return merged;
}
