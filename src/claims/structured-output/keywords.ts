/**
 * Claim `structured-output`: keyword by keyword, what a grammar makes of it: held against texts that validate and texts that do not.
 */
import { PunctualError } from "../../core/index.ts";
import { compileGrammar, GrammarVocabulary } from "../../llm/index.ts";
import type { Rival } from "./rival.ts";
import type { MadeVocabulary } from "./vocabulary.ts";

/** refused: it says no. exact: every valid text and no invalid one. narrower: no invalid text. too wide: an invalid text gets through. */
export type Verdict = "refused" | "exact" | "narrower" | "too wide";

/** A schema with texts for and against one keyword, as compact JSON. */
export interface KeywordProbe {
  readonly keyword: string;
  readonly schema: Readonly<Record<string, unknown>>;
  readonly valid: readonly string[];
  readonly invalid: readonly string[];
}

const INTEGERS = { type: "array", items: { type: "integer" } } as const;

function probe(
  keyword: string,
  schema: Readonly<Record<string, unknown>>,
  valid: readonly string[],
  invalid: readonly string[],
): KeywordProbe {
  return { keyword, schema, valid, invalid };
}

/** Every keyword of draft 2020-12 that constrains, and the pairs that are known to be hard. */
export const PROBES: readonly KeywordProbe[] = [
  probe("type", { type: ["integer", "null"] }, ["1", "null"], ['"a"', "1.5"]),
  probe("enum", { enum: ["a", 1, null, [true]] }, ['"a"', "1", "null", "[true]"], ['"b"', "2", "[false]"]),
  probe("const", { const: { a: 1 } }, ['{"a":1}'], ['{"a":2}', "{}"]),
  probe(
    "minimum, maximum (integer)",
    { type: "integer", minimum: -5, maximum: 120 },
    ["-5", "0", "120"],
    ["-6", "121"],
  ),
  probe(
    "minimum, maximum (number)",
    { type: "number", minimum: 0.25, maximum: 2 },
    ["0.25", "1.75", "2"],
    ["0.2", "2.01"],
  ),
  probe("exclusiveMinimum (number)", { type: "number", exclusiveMinimum: 0 }, ["0.1", "7"], ["0", "-1"]),
  probe("multipleOf", { type: "integer", multipleOf: 3 }, ["3", "9"], ["4"]),
  probe(
    "minLength, maxLength",
    { type: "string", minLength: 2, maxLength: 3 },
    ['"ab"', '"abc"', '"日本"'],
    ['"a"', '"abcd"'],
  ),
  probe("maxLength with escapes", { type: "string", maxLength: 2 }, ['"\\n\\""', '"\\u00e9"'], ['"abc"', '"a\nb"']),
  probe("pattern", { type: "string", pattern: "^a+b$" }, ['"ab"', '"aab"'], ['"a"', '"abc"']),
  probe("pattern without anchors", { type: "string", pattern: "ab" }, ['"ab"', '"xaby"'], ['"b"']),
  probe("pattern that allows a quote", { type: "string", pattern: "^.{1,3}$" }, ['"a"', '"\\""'], ['"""', '"abcd"']),
  probe("pattern with maxLength", { type: "string", pattern: "^a+$", maxLength: 2 }, ['"a"', '"aa"'], ['"aaa"']),
  probe("format date", { type: "string", format: "date" }, ['"2026-02-28"'], ['"2026-02-31"', '"2026-13-01"']),
  probe("format email", { type: "string", format: "email" }, ['"a.b@c.org"'], ['"a.b"']),
  probe("format ipv4", { type: "string", format: "ipv4" }, ['"10.0.0.255"'], ['"10.0.0.256"']),
  probe("format uuid", { type: "string", format: "uuid" }, ['"123e4567-e89b-12d3-a456-426614174000"'], ['"123e4567"']),
  probe("format uri", { type: "string", format: "uri" }, ['"https://a.org/b?c"'], ['"not a uri"']),
  probe("format unknown to the standard", { type: "string", format: "postcode" }, ['"1"'], []),
  probe(
    "properties, required",
    { type: "object", properties: { a: { type: "null" }, b: { type: "null" } }, required: ["b"] },
    ['{"a":null,"b":null}', '{"b":null}'],
    ['{"a":null}', '{"b":1}'],
  ),
  probe(
    "members in another order",
    { type: "object", properties: { a: { type: "null" }, b: { type: "null" } } },
    ['{"b":null,"a":null}'],
    [],
  ),
  probe("required without properties", { type: "object", required: ["a"] }, ['{"a":1}'], ["{}"]),
  probe(
    "additionalProperties: false",
    { type: "object", properties: { a: {} }, additionalProperties: false },
    ['{"a":1}', "{}"],
    ['{"b":1}'],
  ),
  probe(
    "additionalProperties: schema",
    { type: "object", properties: { a: { type: "null" } }, additionalProperties: { type: "integer" } },
    ['{"a":null,"b":1}', '{"b":1}'],
    ['{"b":"x"}', '{"a":1}'],
  ),
  probe(
    "patternProperties",
    { type: "object", patternProperties: { "^n": { type: "integer" } } },
    ['{"n":1}'],
    ['{"n":"x"}'],
  ),
  probe("propertyNames", { type: "object", propertyNames: { pattern: "^[a-z]+$" } }, ['{"ab":1}'], ['{"A":1}']),
  probe(
    "minProperties, maxProperties",
    { type: "object", minProperties: 1, maxProperties: 2 },
    ['{"a":1}'],
    ["{}", '{"a":1,"b":2,"c":3}'],
  ),
  probe(
    "dependentRequired",
    { type: "object", properties: { a: {}, b: {} }, dependentRequired: { a: ["b"] } },
    ['{"a":1,"b":1}'],
    ['{"a":1}'],
  ),
  probe(
    "unevaluatedProperties",
    { type: "object", properties: { a: {} }, unevaluatedProperties: false },
    ['{"a":1}'],
    ['{"b":1}'],
  ),
  probe(
    "items, minItems, maxItems",
    { ...INTEGERS, minItems: 1, maxItems: 2 },
    ["[1]", "[1,2]"],
    ["[]", "[1,2,3]", '["a"]'],
  ),
  probe(
    "prefixItems",
    { type: "array", prefixItems: [{ type: "integer" }, { type: "null" }], items: false, minItems: 2 },
    ["[1,null]"],
    ["[1,2]", "[1]", "[1,null,1]"],
  ),
  probe("uniqueItems", { ...INTEGERS, uniqueItems: true }, ["[1,2]"], ["[1,1]"]),
  probe("contains", { type: "array", contains: { const: 1 } }, ["[0,1]"], ["[0]"]),
  probe("anyOf", { anyOf: [{ type: "integer" }, { type: "null" }] }, ["1", "null"], ['"a"']),
  probe("oneOf, branches apart", { oneOf: [{ type: "integer" }, { type: "null" }] }, ["1", "null"], ['"a"']),
  probe("oneOf, branches that overlap", { oneOf: [{ type: "integer" }, { type: "number" }] }, ["1.5"], ["1"]),
  probe(
    "allOf",
    {
      allOf: [
        { properties: { a: { type: "null" } }, required: ["a"] },
        { properties: { b: { type: "null" } }, required: ["b"] },
      ],
      type: "object",
    },
    ['{"a":null,"b":null}'],
    ['{"a":null}', '{"b":null}'],
  ),
  probe(
    "anyOf beside properties",
    {
      type: "object",
      properties: { a: { type: "null" } },
      required: ["a"],
      anyOf: [{ properties: { b: { type: "integer" } }, required: ["b"] }],
    },
    ['{"a":null,"b":1}'],
    ['{"a":null}', '{"b":1}'],
  ),
  probe("not", { not: { type: "string" } }, ["1"], ['"a"']),
  probe(
    "if, then",
    {
      type: "object",
      properties: { a: { type: "integer" }, b: {} },
      ...JSON.parse('{"if":{"properties":{"a":{"const":1}}},"then":{"required":["b"]}}'),
    },
    ['{"a":1,"b":1}', '{"a":2}'],
    ['{"a":1}'],
  ),
  probe(
    "$ref",
    {
      $ref: "#/$defs/n",
      $defs: { n: { type: "object", properties: { n: { $ref: "#/$defs/n" } }, additionalProperties: false } },
    },
    ['{"n":{"n":{}}}'],
    ['{"n":1}'],
  ),
  probe("$ref with siblings", { $ref: "#/$defs/n", maximum: 5, $defs: { n: { type: "integer" } } }, ["5"], ["6"]),
  probe("a keyword that does not exist", { type: "integer", maximun: 5 }, ["5"], []),
  probe("strings hold no bare control characters", { type: "string" }, ['"a"', '"\\u0001"'], ['"a\u0001"', '"a\tb"']),
  probe("numbers of 20 digits", { type: "number" }, ["12345678901234567890", "1e400"], ["01", "1."]),
];

/** Both sides on one probe. */
export interface ProbeResult {
  readonly keyword: string;
  readonly ours: Verdict;
  readonly theirs: Verdict;
  /** What the rival printed about it. */
  readonly said: string;
  /** Texts that the rival takes wrongly (+) or refuses wrongly (-). */
  readonly wrong: readonly string[];
}

/** Every probe on both sides; `rival` has the same vocabulary. */
export async function probeKeywords(vocabulary: MadeVocabulary, rival: Rival): Promise<ProbeResult[]> {
  const grammars = new GrammarVocabulary(vocabulary, { endTokens: [vocabulary.endToken] });
  const results: ProbeResult[] = [];
  for (const { keyword, schema, valid, invalid } of PROBES) {
    const texts = [...valid, ...invalid];
    const { accepted, said = "" } = await rival.accepts(schema, false, texts);
    const wrong = texts.flatMap((text, i) => {
      const isValid = i < valid.length;
      if (accepted === undefined || accepted[i] === isValid) return [];
      return [`${isValid ? "-" : "+"} ${text}`];
    });
    const ours = verdict(acceptedByUs(schema, texts, vocabulary, grammars), valid.length);
    results.push({ keyword, ours, theirs: verdict(accepted, valid.length), said, wrong });
  }
  return results;
}

function verdict(accepted: readonly boolean[] | undefined, valid: number): Verdict {
  if (accepted === undefined) return "refused";
  if (accepted.slice(valid).some(Boolean)) return "too wide";
  return accepted.slice(0, valid).every(Boolean) ? "exact" : "narrower";
}

function acceptedByUs(
  schema: unknown,
  texts: readonly string[],
  vocabulary: MadeVocabulary,
  grammars: GrammarVocabulary,
): boolean[] | undefined {
  try {
    const grammar = compileGrammar({ kind: "json_schema", schema }, grammars);
    return texts.map((text) => {
      const state = grammar.start();
      return vocabulary.encode(text).every((token) => state.accept(token)) && state.done;
    });
  } catch (error) {
    if (error instanceof PunctualError && error.code === "invalid_request") return undefined;
    throw error;
  }
}
