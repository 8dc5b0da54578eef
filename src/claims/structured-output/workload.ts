/**
 * Claim `structured-output`: what services ask for. Eight schemas as they stand in requests (a search, a contact, an event,
 * worked steps, a choice of actions, a tree, free names, a label) and answers to them as models write them, with a space
 * behind colons and commas.
 */
import { createRandom, type RandomStream } from "../../core/index.ts";
import { madeWord } from "./vocabulary.ts";

/** A schema and its valid answers. */
export interface Service {
  readonly name: string;
  readonly schema: unknown;
  readonly strict: boolean;
  /** One more answer, as text. */
  answer(random: RandomStream): string;
}

type Draw = (random: RandomStream) => unknown;

function service(name: string, schema: unknown, draw: Draw, strict = true): Service {
  return { name, schema, strict, answer: (random) => spaced(draw(random)) };
}

/** JSON with a space behind colons and commas. */
function spaced(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spaced).join(", ")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  return `{${Object.entries(value)
    .map(([name, member]) => `${JSON.stringify(name)}: ${spaced(member)}`)
    .join(", ")}}`;
}

function object(properties: Record<string, unknown>, optional: readonly string[] = []): Record<string, unknown> {
  const required = Object.keys(properties).filter((name) => !optional.includes(name));
  return { type: "object", properties, required, additionalProperties: false };
}

const STRING = { type: "string" } as const;

const words = (random: RandomStream, low: number, high: number): string =>
  Array.from({ length: random.int(low, high) }, () => madeWord(random)).join(" ");
const many = (random: RandomStream, low: number, high: number, draw: Draw): unknown[] =>
  Array.from({ length: random.int(low, high) }, () => draw(random));
const digits = (random: RandomStream, count: number): string =>
  Array.from({ length: count }, () => random.int(0, 9)).join("");
const moment = (random: RandomStream): string =>
  `2026-${digits2(random, 1, 12)}-${digits2(random, 1, 28)}T${digits2(random, 0, 23)}:30:00Z`;
const digits2 = (random: RandomStream, low: number, high: number): string =>
  `${random.int(low, high)}`.padStart(2, "0");

const CATEGORIES = ["books", "garden", "kitchen", "music", "office", "sport", "tools", "toys"];
const LABELS = Array.from({ length: 40 }, (_, i) => `topic ${i} of ${CATEGORIES[i % CATEGORIES.length]!}`);
const COUNTRIES = "AT BE CH CZ DE DK ES FI FR GB IE IT NL NO PL PT SE US".split(" ");

const search = service(
  "search",
  object({
    query: { ...STRING, minLength: 1 },
    limit: { type: "integer", minimum: 1, maximum: 50 },
    filters: object(
      { category: { enum: CATEGORIES }, price_max: { type: "number", minimum: 0 }, in_stock: { type: "boolean" } },
      ["price_max"],
    ),
  }),
  (random) => ({
    query: words(random, 2, 8),
    limit: random.int(1, 50),
    filters: { category: random.pick(CATEGORIES), price_max: random.int(1, 9999) / 100, in_stock: random.chance(0.5) },
  }),
);

const contact = service(
  "contact",
  object({
    name: STRING,
    emails: { type: "array", items: { ...STRING, format: "email" }, maxItems: 4 },
    phone: { ...STRING, pattern: "^\\+\\d{1,3} \\d{4,12}$" },
    address: object({
      street: STRING,
      postcode: { ...STRING, pattern: "^[0-9A-Z]{4,8}$" },
      city: STRING,
      country: { enum: COUNTRIES },
    }),
  }),
  (random) => ({
    name: words(random, 2, 3),
    emails: many(random, 1, 3, () => `${madeWord(random)}@${madeWord(random)}.com`),
    phone: `+${random.int(1, 999)} ${digits(random, 9)}`,
    address: {
      street: `${words(random, 1, 2)} ${random.int(1, 200)}`,
      postcode: digits(random, 5),
      city: madeWord(random),
      country: random.pick(COUNTRIES),
    },
  }),
);

const event = service(
  "event",
  object({
    title: { ...STRING, maxLength: 30 },
    start: { ...STRING, format: "date-time" },
    end: { ...STRING, format: "date-time" },
    attendees: { type: "array", items: STRING, maxItems: 10 },
    reminder: { type: ["integer", "null"], minimum: 0, maximum: 1440 },
  }),
  (random) => ({
    title: words(random, 2, 3).slice(0, 30),
    start: moment(random),
    end: moment(random),
    attendees: many(random, 1, 5, () => words(random, 1, 2)),
    reminder: random.chance(0.5) ? null : random.int(0, 1440),
  }),
);

const steps = service(
  "steps",
  object({
    steps: { type: "array", items: object({ explanation: STRING, output: STRING }) },
    answer: STRING,
  }),
  (random) => ({
    steps: many(random, 2, 4, () => ({ explanation: words(random, 8, 16), output: words(random, 1, 5) })),
    answer: words(random, 3, 9),
  }),
);

const actions = service(
  "actions",
  object({
    actions: {
      type: "array",
      minItems: 1,
      items: {
        anyOf: [
          object({ kind: { const: "move" }, x: { type: "integer" }, y: { type: "integer" } }),
          object({ kind: { const: "say" }, text: STRING }),
          object({ kind: { const: "wait" }, seconds: { type: "number" } }),
        ],
      },
    },
  }),
  (random) => ({
    actions: many(random, 3, 6, () =>
      random.pick<() => unknown>([
        () => ({ kind: "move", x: random.int(-500, 500), y: random.int(-500, 500) }),
        () => ({ kind: "say", text: words(random, 3, 9) }),
        () => ({ kind: "wait", seconds: random.int(1, 99) / 10 }),
      ])(),
    ),
  }),
);

function branch(random: RandomStream, depth: number): unknown {
  return {
    label: words(random, 1, 3),
    children: depth === 0 ? [] : many(random, 1, 3, () => branch(random, depth - 1)),
  };
}

const tree = service(
  "tree",
  {
    $ref: "#/$defs/node",
    $defs: { node: object({ label: STRING, children: { type: "array", items: { $ref: "#/$defs/node" } } }) },
  },
  (random) => branch(random, 2),
);

const names = service(
  "names",
  { type: "object", additionalProperties: { type: ["string", "number"] } },
  (random) =>
    Object.fromEntries(
      many(random, 5, 9, () => [madeWord(random), random.chance(0.5) ? words(random, 1, 6) : random.int(0, 9999)]) as [
        string,
        unknown,
      ][],
    ),
  false,
);

const label = service(
  "label",
  object({
    label: { enum: LABELS },
    confidence: { type: "number", minimum: 0, maximum: 1 },
    rationale: STRING,
  }),
  (random) => ({
    label: random.pick(LABELS),
    confidence: random.int(0, 100) / 100,
    rationale: words(random, 12, 30),
  }),
);

/** One for each of eight streams. */
export const SERVICES: readonly Service[] = [search, contact, event, steps, actions, tree, names, label];

/** `count` answers of each service, in the order of SERVICES; no two rounds have the same. */
export function answersOf(count: number, seed: number, round: number): string[][] {
  return SERVICES.map((one) => {
    const random = createRandom(seed, `answers of ${one.name}, round ${round}`);
    return Array.from({ length: count }, () => one.answer(random));
  });
}
