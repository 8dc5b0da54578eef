/** What to try with a model, and a sentence about what it is and is not. Pure; from what the server says of the model. */
import type { AdminModel } from "@protocol";
import { formatNumber } from "../../lib/format.ts";
import type { ChatSettings } from "./types.ts";

/** A thing to try: it fills the message in, and changes settings where it needs others. */
export interface Chip {
  readonly label: string;
  readonly text: string;
  readonly settings: Partial<ChatSettings>;
}

/** The part of a model that is read here. */
export type DescribedModel = Pick<AdminModel, "id" | "parameters" | "contextTokens" | "capabilities" | "about">;

const tool = (name: string, description: string, properties: object): object => ({
  type: "function",
  function: {
    name,
    description,
    parameters: { type: "object", properties, required: Object.keys(properties), additionalProperties: false },
  },
});

const HOUSE_TOOLS = JSON.stringify(
  [
    tool("set_light", "Turns a light on or off.", { room: { type: "string" }, on: { type: "boolean" } }),
    tool("set_timer", "Starts a countdown.", { minutes: { type: "integer", minimum: 1, maximum: 180 } }),
    tool("track_order", "Looks an order up.", { order: { type: "integer", minimum: 1000, maximum: 9999 } }),
  ],
  null,
  2,
);

const WEATHER_TOOLS = JSON.stringify(
  [tool("get_weather", "The weather in a city, now.", { city: { type: "string" } })],
  null,
  2,
);

const ORDER_SCHEMA = JSON.stringify(
  {
    type: "object",
    properties: {
      name: { enum: ["track_order", "cancel_order"] },
      arguments: {
        type: "object",
        properties: { order: { type: "integer" } },
        required: ["order"],
        additionalProperties: false,
      },
    },
    required: ["name", "arguments"],
    additionalProperties: false,
  },
  null,
  2,
);

const PERSON_SCHEMA = JSON.stringify(
  {
    type: "object",
    properties: { name: { type: "string" }, age: { type: "integer" }, city: { type: "string" } },
    required: ["name", "age", "city"],
    additionalProperties: false,
  },
  null,
  2,
);

const AS_TEXT: Partial<ChatSettings> = { format: "text" };

/** The models that this package brings: they know one small world, and chips should stay in it. */
export function isHouseModel(id: string): boolean {
  return /(^|\/)punctual-/.test(id);
}

/** Things to try with this model; none that it cannot do. */
export function chipsFor(model: DescribedModel): readonly Chip[] {
  const { capabilities } = model;
  if (!capabilities.chat) return [];
  const chips = isHouseModel(model.id) ? houseChips() : generalChips();
  return chips.filter(({ needs }) => needs === null || capabilities[needs]).map(({ chip }) => chip);
}

type Needs = "tools" | "schema" | "thinking" | null;
interface NeedyChip {
  readonly needs: Needs;
  readonly chip: Chip;
}

const chip = (needs: Needs, label: string, text: string, settings: Partial<ChatSettings> = AS_TEXT): NeedyChip => ({
  needs,
  chip: { label, text, settings },
});

function houseChips(): readonly NeedyChip[] {
  return [
    chip(null, "A sum, step by step", "What is 34 + 21?"),
    chip(null, "A word problem", "Tom has 12 apples and buys 5 more. How many apples does he have?"),
    chip("tools", "Call a tool", "Turn on the kitchen light.", { ...AS_TEXT, tools: HOUSE_TOOLS, toolChoice: "auto" }),
    chip("schema", "Answer as JSON", "Where is my order 4821?", {
      format: "json_schema",
      schema: ORDER_SCHEMA,
      tools: "",
    }),
    chip(null, "About Punctual", "What is an SLO?"),
    chip(null, "Something it must decline", "Write a poem about the sea."),
  ];
}

function generalChips(): readonly NeedyChip[] {
  return [
    chip(null, "Explain briefly", "Explain in three sentences why the sky is blue."),
    chip("thinking", "Think first", "A train leaves at 9:40 and arrives at 12:05. How long does it travel?"),
    chip("tools", "Call a tool", "What is the weather in Lisbon?", {
      ...AS_TEXT,
      tools: WEATHER_TOOLS,
      toolChoice: "auto",
    }),
    chip("schema", "Answer as JSON", "Ada is 36 and lives in London. Give her data.", {
      format: "json_schema",
      schema: PERSON_SCHEMA,
    }),
    chip(null, "Write code", "Write a TypeScript function that reverses the words of a sentence."),
    chip(null, "A table", "Compare HTTP/1.1, HTTP/2 and HTTP/3 in a table."),
  ];
}

/** What the model is and is not, in plain sentences. */
export function describeModel(model: DescribedModel): string {
  const size = `${model.id} has ${inWords(model.parameters)} parameters and a context of ${formatNumber(model.contextTokens)} tokens.`;
  if (!model.capabilities.chat) return `${size} It completes text or makes embeddings; it does not chat.`;
  if (isHouseModel(model.id)) {
    return `${size} It knows one small household and shop: sums with their steps, commands, orders, questions about Punctual. It is not a general assistant: the rest it declines or gets wrong.`;
  }
  const about = model.about === null ? "" : `${model.about.trim()} `;
  return `${size} ${about}It writes what is likely, not what has been checked, and knows nothing that happened after it was trained.`;
}

function inWords(count: number): string {
  const trim = (value: number): string => value.toFixed(1).replace(/\.0$/, "");
  if (count >= 1e9) return `${trim(count / 1e9)} billion`;
  if (count >= 1e6) return `${trim(count / 1e6)} million`;
  return formatNumber(count);
}
