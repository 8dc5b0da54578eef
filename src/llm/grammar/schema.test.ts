import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { randomText, sourceOf, vocabularies, vocabularyOf } from "../../../test/support/grammar.ts";
import { createRandom, PunctualError } from "../../core/index.ts";
import { checkGrammar, compileGrammar } from "./grammar.ts";
import type { GrammarSpec } from "./types.ts";

const SEED = 20_261;

function validator(): Ajv2020 {
  const ajv = new Ajv2020({ strict: false, allErrors: false });
  const days = (text: string): boolean => {
    const atMs = Date.parse(`${text}T00:00:00Z`);
    return !Number.isNaN(atMs) && new Date(atMs).toISOString().startsWith(text);
  };
  ajv.addFormat("date", days);
  ajv.addFormat("time", (text: string) => !Number.isNaN(Date.parse(`2024-01-01T${text}`)));
  ajv.addFormat("date-time", (text: string) => !Number.isNaN(Date.parse(text)));
  ajv.addFormat("uuid", /^[0-9a-f-]{36}$/);
  ajv.addFormat("ipv4", (text: string) =>
    text.split(".").every((part) => Number(part) <= 255 && String(Number(part)) === part),
  );
  ajv.addFormat("email", /^[^@\s]+@[^@\s]+\.[^@\s]+$/);
  return ajv;
}

type Json = Record<string, unknown>;
const key = fc.constantFrom("id", "name", "größe", 'a"b', "x", "日", "type", "");

const scalar: fc.Arbitrary<Json> = fc.oneof(
  fc.constantFrom<Json>(
    { type: "null" },
    { type: "boolean" },
    { type: "string" },
    { type: "number" },
    { type: "integer" },
  ),
  fc
    .record({ minLength: fc.nat(3), maxLength: fc.integer({ min: 3, max: 40 }) })
    .map((bounds) => ({ type: "string", ...bounds })),
  fc
    .constantFrom(
      "^[a-z]{2,5}$",
      "^\\d+-\\d+$",
      "foo|bar",
      "^(?:ja|nein)!?$",
      '["\\\\/]{2}',
      "[^a-z]$",
      "^\\u{1F600}+x",
      "\\s",
    )
    .map((pattern) => ({ type: "string", pattern })),
  fc.constantFrom("date", "time", "date-time", "uuid", "ipv4", "email").map((format) => ({ type: "string", format })),
  fc.tuple(fc.integer({ min: -300, max: 300 }), fc.nat(500)).map(([low, span]) => ({
    type: "integer",
    minimum: low,
    maximum: low + span,
  })),
  fc
    .tuple(fc.double({ min: -50, max: 50, noNaN: true }), fc.double({ min: 0.001, max: 30, noNaN: true }))
    .map(([low, span]) => ({
      type: "number",
      exclusiveMinimum: Math.round(low * 1e4) / 1e4,
      maximum: low + span,
    })),
  fc.constantFrom<Json>(
    { type: "number", minimum: 0 },
    { type: "integer", exclusiveMaximum: 7 },
    { type: "number", maximum: -0.25 },
  ),
  fc.array(fc.jsonValue({ maxDepth: 2 }), { minLength: 1, maxLength: 5 }).map((values) => ({ enum: values })),
  fc.jsonValue({ maxDepth: 1 }).map((value) => ({ const: value })),
  fc.constant<Json>({ type: ["string", "null", "integer"], maxLength: 3, minimum: 5 }),
);

const { schema } = fc.letrec<{ schema: Json }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    scalar,
    fc
      .record({
        properties: fc.dictionary(key, tie("schema"), { maxKeys: 5 }),
        required: fc.array(key, { maxLength: 3 }),
        additionalProperties: fc.oneof(fc.constantFrom<unknown>(false, true, undefined), scalar),
      })
      .map(({ properties, required, additionalProperties }) => ({
        type: "object",
        properties,
        required: [...new Set(required)].filter((name) => Object.hasOwn(properties, name)),
        ...(additionalProperties === undefined ? {} : { additionalProperties }),
      })),
    fc
      .record({ items: tie("schema"), minItems: fc.nat(2), extra: fc.nat(3) })
      .map(({ items, minItems, extra }) => ({ type: "array", items, minItems, maxItems: minItems + extra })),
    fc
      .record({
        prefixItems: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }),
        minItems: fc.nat(3),
        open: fc.boolean(),
      })
      .map(({ prefixItems, minItems, open }) => ({
        type: "array",
        prefixItems,
        minItems: open ? minItems : Math.min(minItems, prefixItems.length),
        items: open ? { type: "boolean" } : false,
        maxItems: 4,
      })),
    fc.array(tie("schema"), { minLength: 1, maxLength: 3 }).map((anyOf) => ({ anyOf })),
    fc.array(tie("schema"), { minLength: 2, maxLength: 3 }).map((parts) => ({
      oneOf: parts.map((part, i) => ({
        type: "object",
        properties: { kind: { const: i }, value: part },
        required: ["kind", "value"],
      })),
    })),
    fc.constantFrom("tree", "list").map((name) => ({ $ref: `#/$defs/${name}` })),
    tie("schema").map((part) => ({ allOf: [{ $ref: "#/$defs/named" }, { properties: { part }, required: ["part"] }] })),
  ),
}));

const DEFS = {
  tree: {
    type: "object",
    properties: {
      value: { type: "integer", minimum: 0, maximum: 9 },
      children: { type: "array", items: { $ref: "#/$defs/tree" }, maxItems: 2 },
    },
    required: ["value"],
    additionalProperties: false,
  },
  list: {
    anyOf: [{ type: "null" }, { type: "object", properties: { next: { $ref: "#/$defs/list" } }, required: ["next"] }],
  },
  named: { type: "object", properties: { name: { type: "string", maxLength: 4 } }, required: ["name"] },
};

test("200 generated schemas: every random text parses and validates, whatever the vocabulary", () => {
  const random = createRandom(SEED, "texts");
  const sources = vocabularies(random).map((source) => ({ source, vocabulary: vocabularyOf(source) }));
  let texts = 0;
  fc.assert(
    fc.property(schema, fc.boolean(), (generated, strict) => {
      const whole = { ...generated, $defs: DEFS };
      const validate = validator().compile(whole);
      for (const { source, vocabulary } of sources) {
        const state = compileGrammar({ kind: "json_schema", schema: whole, strict }, vocabulary).start();
        const text = randomText(state, source, random, 60);
        const value: unknown = JSON.parse(text);
        expect(validate(value), `${text}\n${JSON.stringify(validate.errors)}`).toBe(true);
        texts += 1;
      }
    }),
    { seed: SEED, numRuns: 200 },
  );
  expect(texts).toBe(600);
});

describe("what JSON Schema cannot promise here is refused by name", () => {
  const refusal = (schema: unknown): string => {
    try {
      checkGrammar({ kind: "json_schema", schema });
    } catch (error) {
      if (error instanceof PunctualError) return `${error.code} ${error.param} ${error.message}`;
      throw error;
    }
    return "accepted";
  };
  test.each([
    [{ not: {} }, '"not"'],
    [{ type: "array", uniqueItems: true }, '"uniqueItems"'],
    [{ type: "integer", multipleOf: 3 }, '"multipleOf"'],
    [{ properties: { a: { patternProperties: {} } } }, '#/properties/a: the keyword "patternProperties"'],
    [{ if: {}, else: {} }, '"if"'],
    [{ minProperties: 1 }, '"minProperties"'],
    [{ type: "string", format: "iri" }, '"iri"'],
    [{ type: "string", pattern: "(a)\\1" }, "backreferences"],
    [{ type: "string", pattern: "(?=a)b" }, "lookahead"],
    [{ type: "string", pattern: "a+b", maxLength: 3 }, "put the counts into it"],
    [{ type: "string", pattern: "[" }, "expected ]"],
    [{ type: "text" }, '"text" is no type'],
    [{ enum: ["a"], minLength: 1 }, '"minLength" together with enum'],
    [{ oneOf: [{ type: "string" }, { type: "string", maxLength: 3 }] }, "oneOf: branches 0 and 1"],
    [{ oneOf: [{ type: "number" }, { type: "integer" }] }, "oneOf"],
    [{ $ref: "https://example.org/schema" }, "$ref"],
    [{ $ref: "#/$defs/none" }, "does not exist"],
    [{ $ref: "#" }, "nothing but itself"],
    [{ type: "object", properties: { a: { $ref: "#" } }, required: ["a"] }, "no finite value"],
    [{ type: "object", additionalProperties: false, required: ["a"] }, "no finite value"],
    [{ type: "integer", minimum: 5, maximum: 4 }, "no finite value"],
    [{ type: "string", minLength: -1 }, "minLength: expected a count"],
    [{ items: 7 }, "expected a schema"],
    [7, "expected a schema"],
    [{ allOf: [{ pattern: "a" }, { pattern: "b" }] }, 'two different "pattern"'],
  ])("%j", (schema, words) => {
    const message = refusal(schema);
    expect(message).toContain("invalid_request grammar");
    expect(message).toContain(words);
  });

  test("oneOf passes where branches exclude each other", () => {
    const tagged = (tag: string, name: string): unknown => ({
      type: "object",
      properties: { tag: { const: tag }, [name]: { type: "integer" } },
      required: ["tag", name],
    });
    expect(refusal({ oneOf: [{ type: "string" }, { type: "integer" }, { type: "null" }] })).toBe("accepted");
    expect(refusal({ oneOf: [tagged("a", "x"), tagged("b", "x")] })).toBe("accepted");
    const closed = (name: string): unknown => ({ ...(tagged("a", name) as Json), additionalProperties: false });
    expect(refusal({ oneOf: [closed("x"), closed("y")] })).toBe("accepted");
  });

  test("deep, long and wide schemas end in a refusal, not in a crash", () => {
    let deep: unknown = { type: "string" };
    for (let i = 0; i < 500; i++) deep = { items: deep };
    expect(refusal(deep)).toContain("nest at most");
    const wide = { properties: Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`p${i}`, {}])) };
    expect(refusal(wide)).toMatch(/parts|characters/);
    expect(refusal({ enum: ["x".repeat(600_000)] })).toContain("characters");
  });
});

test("texts that must be possible are, and those that must not are not", () => {
  const source = sourceOf([]);
  const vocabulary = vocabularyOf(source);
  const accepts = (spec: GrammarSpec, text: string): boolean => {
    const state = compileGrammar(spec, vocabulary).start();
    return Array.from(Buffer.from(text)).every((byte) => state.accept(byte + 2)) && state.done;
  };
  const of = (schema: unknown, strict = false): GrammarSpec => ({ kind: "json_schema", schema, strict });
  const person = of(
    {
      type: "object",
      properties: { name: { type: "string" }, age: { type: "integer", minimum: 0 } },
      required: ["name"],
    },
    true,
  );
  expect(accepts(person, '{"name":"Ada","age":36}')).toBe(true);
  expect(accepts(person, '{\n  "name": "Ada",\n  "age": 36\n}')).toBe(true);
  expect(accepts(person, '{"name": "A\\"\\u00e9\\ud83d\\ude00🙂"}')).toBe(true);
  expect(accepts(person, '{"name":"\\ud83d"}')).toBe(false);
  expect(accepts(person, '{"age":36}')).toBe(false);
  expect(accepts(person, '{"name":"Ada","age":-1}')).toBe(false);
  expect(accepts(person, '{"name":"Ada","other":1}')).toBe(false);
  expect(accepts(person, '{"name":  "Ada"}')).toBe(false);
  expect(accepts({ ...person, strict: false } as GrammarSpec, '{"name":"Ada","other":[1,{"x":null}]}')).toBe(true);
  expect(accepts(of({ type: "integer", minimum: -12, maximum: 1005 }), "-12")).toBe(true);
  for (const [text, good] of [
    ["-13", false],
    ["1005", true],
    ["1006", false],
    ["007", false],
    ["99", true],
    ["-0", false],
  ] as const) {
    expect(accepts(of({ type: "integer", minimum: -12, maximum: 1005 }), text), text).toBe(good);
  }
  for (const [text, good] of [
    ["0.5", false],
    ["0.50001", true],
    ["1", true],
    ["2.25", true],
    ["2.250", true],
    ["2.2501", false],
    ["3", false],
  ] as const) {
    expect(accepts(of({ type: "number", exclusiveMinimum: 0.5, maximum: 2.25 }), text), text).toBe(good);
  }
  expect(accepts({ kind: "json_object" }, '{"a": [1, -2.5e-3, {"b": {}}, [], ""]}')).toBe(true);
  expect(accepts({ kind: "json_object" }, "[1]")).toBe(false);
});

test("every integer between random bounds is possible, and no other", () => {
  const vocabulary = vocabularyOf(sourceOf([]));
  fc.assert(
    fc.property(fc.integer({ min: -1200, max: 1200 }), fc.nat(1500), (low, span) => {
      const grammar = compileGrammar(
        { kind: "json_schema", schema: { type: "integer", minimum: low, maximum: low + span } },
        vocabulary,
      );
      for (const value of [
        low - 1,
        low,
        low + 1,
        Math.floor(low + span / 2),
        low + span,
        low + span + 1,
        0,
        -low,
        10 * low,
      ]) {
        const state = grammar.start();
        const accepted =
          Array.from(String(value)).every((digit) => state.accept(digit.charCodeAt(0) + 2)) && state.done;
        expect(accepted, `${value} in ${low}..${low + span}`).toBe(value >= low && value <= low + span);
      }
    }),
    { seed: SEED, numRuns: 100 },
  );
});
