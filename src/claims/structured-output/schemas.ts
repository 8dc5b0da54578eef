/**
 * Claim `structured-output`: generated schemas over all that a grammar enforces: scalars with bounds, patterns and formats,
 * listed values, objects open, closed and with typed additions, arrays, tuples, unions, tagged unions, references into themselves,
 * conjunctions. All have finite values; patterns are such that a text meets them by chance.
 */
import { createRandom, type RandomStream } from "../../core/index.ts";

/** One schema as a request would bring it. */
export interface GeneratedSchema {
  readonly schema: Readonly<Record<string, unknown>>;
  readonly strict: boolean;
}

type Json = Record<string, unknown>;

const NAMES = ["id", "name", "größe", 'a"b', "x", "日", "type", "", "first name", "items"];
const PATTERNS = [
  "^[a-z]{2,5}$",
  "^\\d+-\\d+$",
  "^(?:foo|bar)$",
  "^(?:ja|nein)!?$",
  '^["\\\\/]{2}$',
  "[^a-z]$",
  "^\\u{1F600}+",
  "^[^\\x00-\\x7f]{1,3}$",
  "^#(?:[0-9a-f]{3}){1,2}$",
];
const FORMATS = ["date", "time", "date-time", "uuid", "ipv4", "email"];
const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1.5,
  1e21,
  "",
  "red",
  'q"\\',
  "日本",
  [],
  [1, ["a"]],
  {},
  { a: { b: null } },
];
const DEEPEST = 3;

const DEFS: Json = {
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

/** Different ones; the same seed gives the same schemas. */
export function generatedSchemas(count: number, seed: number): GeneratedSchema[] {
  const random = createRandom(seed, "schemas");
  const drawn = new Map<string, GeneratedSchema>();
  while (drawn.size < count) {
    const one = { schema: { ...composite(random, 0), $defs: DEFS }, strict: random.chance(0.5) };
    drawn.set(JSON.stringify(one), one);
  }
  return [...drawn.values()];
}

function anySchema(random: RandomStream, depth: number): Json {
  return depth < DEEPEST && random.chance(0.45) ? composite(random, depth) : scalar(random);
}

function composite(random: RandomStream, depth: number): Json {
  const inner = (): Json => anySchema(random, depth + 1);
  const some = (low: number, high: number): Json[] => Array.from({ length: random.int(low, high) }, inner);
  return random.pick<() => Json>([
    () => objectOf(random, inner),
    () => objectOf(random, inner),
    () => objectOf(random, inner),
    () => {
      const minItems = random.int(0, 2);
      return { type: "array", items: inner(), minItems, maxItems: minItems + random.int(0, 3) };
    },
    () => ({ type: "array", items: inner() }),
    () => tuple(random, some(1, 3)),
    () => ({ anyOf: some(1, 3) }),
    () => ({ oneOf: some(2, 3).map((value, kind) => tagged(kind, value)) }),
    () => ({ $ref: `#/$defs/${random.pick(["tree", "list"])}` }),
    () => ({ allOf: [{ $ref: "#/$defs/named" }, { properties: { part: inner() }, required: ["part"] }] }),
  ])();
}

function objectOf(random: RandomStream, inner: () => Json): Json {
  const names = random.shuffled(NAMES).slice(0, random.int(0, 5));
  const additional = random.pick<() => unknown>([() => false, () => true, () => undefined, () => scalar(random)])();
  return {
    type: "object",
    properties: Object.fromEntries(names.map((name) => [name, inner()])),
    required: names.filter(() => random.chance(0.6)),
    ...(additional === undefined ? {} : { additionalProperties: additional }),
  };
}

function tuple(random: RandomStream, prefixItems: readonly Json[]): Json {
  const open = random.chance(0.5);
  const minItems = random.int(0, open ? 3 : prefixItems.length);
  return { type: "array", prefixItems, minItems, items: open ? { type: "boolean" } : false, maxItems: 4 };
}

function tagged(kind: number, value: Json): Json {
  return { type: "object", properties: { kind: { const: kind }, value }, required: ["kind", "value"] };
}

function scalar(random: RandomStream): Json {
  const low = random.int(-300, 300);
  return random.pick<() => Json>([
    () => ({ type: random.pick(["null", "boolean", "string", "number", "integer"]) }),
    () => ({ type: "string" }),
    () => ({ type: "string", minLength: random.int(0, 3), maxLength: random.int(3, 40) }),
    () => ({ type: "string", pattern: random.pick(PATTERNS) }),
    () => ({ type: "string", format: random.pick(FORMATS) }),
    () => ({ type: "integer", minimum: low, maximum: low + random.int(0, 500) }),
    () => ({ type: "number", exclusiveMinimum: low / 16, maximum: low / 16 + random.int(1, 3000) / 100 }),
    () =>
      random.pick<Json>([
        { type: "number", minimum: 0 },
        { type: "integer", exclusiveMaximum: 7 },
      ]),
    () => ({ enum: random.shuffled(VALUES).slice(0, random.int(1, 5)) }),
    () => ({ const: random.pick(VALUES) }),
    () => ({ type: ["string", "null", "integer"], maxLength: 3, minimum: 5 }),
  ])();
}
