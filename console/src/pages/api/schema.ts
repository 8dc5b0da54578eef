/**
 * JSON Schema (2020-12, as OpenAPI 3.1 embeds it) for reading: what a schema is in a few words, what it holds one level
 * down, and an example of it. Levels are opened one at a time, so a schema that refers to itself costs nothing. Reading
 * only: nothing here validates.
 */
import { isRecord, list, record, referenceName, resolve, type Json } from "./openapi.ts";

/** A schema in words. */
export interface SchemaWords {
  /** "string or array of objects". */
  readonly type: string;
  /** Bounds and defaults: "at least 1", "at most 64 characters". */
  readonly bounds: readonly string[];
  /** Allowed values as JSON, when there is a list of them. */
  readonly values: readonly string[];
  readonly description: string;
}

/** One part of a schema: a field, a variant, or what a list holds. */
export interface SchemaPart {
  readonly name: string;
  readonly isRequired: boolean;
  readonly schema: Json;
}

/** Words of a union nest so deep, examples a little deeper: deeper is no longer readable. */
const MOST_WORDS_DEPTH = 3;
const MOST_EXAMPLE_DEPTH = 8;
/** A field with more possible values than this does not tell variants apart. */
const MOST_TELLING = 4;
/** Values of a long list that are shown. */
const MOST_VALUES = 24;

/** Describes a schema of the document. */
export function describe(document: Json, schema: Json): SchemaWords {
  const resolved = record(resolve(document, schema));
  const only = singleVariant(document, resolved);
  const inner = only === null ? resolved : { ...record(only), ...withoutUnion(resolved) };
  return {
    type: typeWords(document, schema, 0),
    bounds: boundsOf(inner),
    values: valuesOf(inner).slice(0, MOST_VALUES),
    description: typeof inner["description"] === "string" ? inner["description"] : "",
  };
}

/** What a schema holds one level down; empty for plain values. */
export function partsOf(document: Json, schema: Json): readonly SchemaPart[] {
  const resolved = record(resolve(document, schema));
  const variants = variantsOf(document, resolved);
  if (variants.length === 1) return partsOf(document, variants[0]!);
  if (variants.length > 1) {
    const open = variants.filter((variant) => partsOf(document, variant).length > 0);
    if (open.length === 1) return partsOf(document, open[0]!);
    return open.map((variant, index) => ({
      name: variantName(document, variant, index),
      isRequired: false,
      schema: variant,
    }));
  }
  if (isRecord(resolved["items"])) return partsOf(document, resolved["items"]);
  return fieldsOf(document, resolved);
}

/** An example of a schema: required fields only, its own example, default or first value where it has one. */
export function exampleOf(document: Json, schema: Json, depth = 0): Json {
  const resolved = record(resolve(document, schema));
  if (resolved["example"] !== undefined) return resolved["example"];
  const [first] = list(resolved["examples"]);
  if (first !== undefined) return first;
  for (const key of ["default", "const"]) if (resolved[key] !== undefined) return resolved[key];
  const [value] = list(resolved["enum"]);
  if (value !== undefined) return value;
  if (depth > MOST_EXAMPLE_DEPTH) return null;
  const [variant] = variantsOf(document, resolved);
  if (variant !== undefined) return exampleOf(document, variant, depth + 1);
  return plainExample(document, resolved, depth);
}

function plainExample(document: Json, schema: Record<string, Json>, depth: number): Json {
  switch (typeOf(schema)) {
    case "object":
      return Object.fromEntries(
        fieldsOf(document, schema)
          .filter(({ isRequired }) => isRequired)
          .map(({ name, schema: field }): [string, Json] => [name, exampleOf(document, field, depth + 1)]),
      );
    case "array":
      return schema["items"] === undefined ? [] : [exampleOf(document, schema["items"], depth + 1)];
    case "integer":
    case "number":
      return typeof schema["minimum"] === "number" ? Math.max(schema["minimum"], 1) : 1;
    case "boolean":
      return false;
    case "string":
      return "text";
    default:
      return null;
  }
}

/** Required fields first, each in the order of the schema. */
function fieldsOf(document: Json, schema: Record<string, Json>): SchemaPart[] {
  const parts: SchemaPart[] = [];
  const whole = [schema, ...list(schema["allOf"]).map((part) => record(resolve(document, part)))];
  for (const one of whole) {
    const required = new Set(list(one["required"]));
    for (const [name, field] of Object.entries(record(one["properties"]))) {
      parts.push({ name, isRequired: required.has(name), schema: field });
    }
  }
  const { additionalProperties: more } = schema;
  if (isRecord(more) && Object.keys(more).length > 0) parts.push({ name: "any name", isRequired: false, schema: more });
  return [...parts.filter(({ isRequired }) => isRequired), ...parts.filter(({ isRequired }) => !isRequired)];
}

/** The variants of a union without null; empty for what is no union. */
function variantsOf(document: Json, schema: Record<string, Json>): readonly Json[] {
  const variants = list(schema["anyOf"] ?? schema["oneOf"]);
  return variants.filter((variant) => record(resolve(document, variant))["type"] !== "null");
}

function singleVariant(document: Json, schema: Record<string, Json>): Json {
  const variants = variantsOf(document, schema);
  return variants.length === 1 ? resolve(document, variants[0]) : null;
}

function withoutUnion({ anyOf: _any, oneOf: _one, ...rest }: Record<string, Json>): Record<string, Json> {
  return rest;
}

/** A variant is known by what tells it apart: its name, or the first field with few possible values. */
function variantName(document: Json, variant: Json, index: number): string {
  const resolved = record(resolve(document, variant));
  const inner = isRecord(resolved["items"]) ? record(resolve(document, resolved["items"])) : resolved;
  for (const [name, field] of Object.entries(record(inner["properties"]))) {
    const { const: constant, enum: several } = record(resolve(document, field));
    const values = constant === undefined ? list(several) : [constant];
    if (values.length > 0 && values.length <= MOST_TELLING) {
      return `${name}: ${values.map((value) => JSON.stringify(value)).join(" or ")}`;
    }
  }
  const title = resolved["title"];
  if (typeof title === "string") return title;
  return referenceName(variant) ?? `${typeWords(document, variant, 1)}, form ${index + 1}`;
}

function typeWords(document: Json, schema: Json, depth: number): string {
  const resolved = record(resolve(document, schema));
  if (depth > MOST_WORDS_DEPTH) return "value";
  const union = list(resolved["anyOf"] ?? resolved["oneOf"]);
  if (union.length > 0) return joined(union.map((variant) => typeWords(document, variant, depth + 1)));
  if (resolved["const"] !== undefined) return JSON.stringify(resolved["const"]);
  const { type } = resolved;
  if (Array.isArray(type)) return joined(type.map(String));
  switch (typeOf(resolved)) {
    case "array":
      return resolved["items"] === undefined
        ? "array"
        : `array of ${typeWords(document, resolved["items"], depth + 1)}`;
    case "string":
      return typeof resolved["format"] === "string" ? `string (${resolved["format"]})` : "string";
    default:
      return typeOf(resolved);
  }
}

function typeOf(schema: Record<string, Json>): string {
  if (typeof schema["type"] === "string") return schema["type"];
  if (schema["properties"] !== undefined || schema["allOf"] !== undefined) return "object";
  if (schema["items"] !== undefined) return "array";
  return "any value";
}

function joined(words: readonly string[]): string {
  return [...new Set(words)].join(" or ");
}

function valuesOf(schema: Record<string, Json>): readonly string[] {
  return list(schema["enum"]).map((value) => JSON.stringify(value));
}

/** Integers that JSON Schema writers put where there is no real bound. */
const NO_BOUND = 9_007_199_254_740_991;

function boundsOf(schema: Record<string, Json>): string[] {
  const words: [key: string, say: (value: string) => string][] = [
    ["minimum", (value) => `at least ${value}`],
    ["exclusiveMinimum", (value) => `above ${value}`],
    ["maximum", (value) => `at most ${value}`],
    ["exclusiveMaximum", (value) => `below ${value}`],
    ["minLength", (value) => `at least ${value} ${value === "1" ? "character" : "characters"}`],
    ["maxLength", (value) => `at most ${value} characters`],
    ["minItems", (value) => `at least ${value} ${value === "1" ? "item" : "items"}`],
    ["maxItems", (value) => `at most ${value} items`],
  ];
  const bounds = words.flatMap(([key, say]): string[] => {
    const value = schema[key];
    return typeof value === "number" && Math.abs(value) < NO_BOUND ? [say(value.toLocaleString("en-US"))] : [];
  });
  if (typeof schema["pattern"] === "string") bounds.push(`matches ${schema["pattern"]}`);
  if (schema["default"] !== undefined) bounds.push(`${JSON.stringify(schema["default"])} when absent`);
  return bounds;
}
