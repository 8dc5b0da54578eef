/**
 * The tools of the house and the shop: names, JSON schemas and canonical argument order (the order of
 * `properties`). A call is written `{"name":…,"arguments":{…}}` with exactly the given arguments.
 */
import type { ToolCall } from "./types.ts";

/**
 * One parameter, as the small part of JSON Schema that the world needs. `minimum` and `maximum` are inclusive and of
 * integers, `enum` is of strings.
 */
export interface ToolParameter {
  readonly type: "string" | "integer" | "boolean";
  readonly description: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

/** A function that a model may call; `parameters` is a JSON Schema whose properties stand in the order of arguments. */
export interface Tool {
  readonly name: string;
  readonly description: string;
  readonly parameters: {
    readonly type: "object";
    readonly properties: Readonly<Record<string, ToolParameter>>;
    readonly required: readonly string[];
    readonly additionalProperties: false;
  };
}

function tool(name: string, description: string, properties: Readonly<Record<string, ToolParameter>>): Tool {
  const parameters = {
    type: "object",
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  } as const;
  return { name, description, parameters };
}

const text = (description: string, values?: readonly string[]): ToolParameter =>
  values === undefined ? { type: "string", description } : { type: "string", description, enum: values };
const integer = (description: string, minimum: number, maximum: number): ToolParameter => ({
  type: "integer",
  description,
  minimum,
  maximum,
});
const flag = (description: string): ToolParameter => ({ type: "boolean", description });

/** Every tool a built-in model can call. All parameters are required. */
export const TOOLS: readonly Tool[] = [
  tool("set_light", "Turns a light on or off.", { room: text("where"), on: flag("true turns it on") }),
  tool("dim_light", "Sets the brightness of a light.", {
    room: text("where"),
    percent: integer("brightness", 0, 100),
  }),
  tool("set_temperature", "Sets a thermostat.", { room: text("where"), degrees: integer("degrees Celsius", 10, 30) }),
  tool("set_timer", "Starts a countdown.", { minutes: integer("length", 1, 180) }),
  tool("set_alarm", "Sets an alarm clock.", {
    hour: integer("hour of the day", 0, 23),
    minute: integer("minute", 0, 59),
  }),
  tool("play_music", "Plays music.", { music: text("what to play"), room: text("where") }),
  tool("set_volume", "Sets the volume.", { percent: integer("volume", 0, 100) }),
  tool("stop_music", "Stops the music in a room.", { room: text("where") }),
  tool("add_to_list", "Puts something on the shopping list.", {
    item: text("what"),
    count: integer("how many", 1, 99),
  }),
  tool("remove_from_list", "Takes something off the shopping list.", { item: text("what") }),
  tool("set_reminder", "Reminds of something.", { text: text("what to do"), hour: integer("hour of the day", 0, 23) }),
  tool("send_message", "Sends a message.", { to: text("first name"), text: text("the message") }),
  tool("call_person", "Calls somebody.", { name: text("first name") }),
  tool("set_lock", "Locks or unlocks a door.", { room: text("which door"), locked: flag("true locks it") }),
  tool("set_blinds", "Moves blinds.", { room: text("where"), position: text("where to", ["up", "down"]) }),
  tool("start_vacuum", "Vacuums a room.", { room: text("where") }),
  tool("track_order", "Looks an order up.", { order: integer("order number", 1000, 9999) }),
  tool("cancel_order", "Cancels an order.", { order: integer("order number", 1000, 9999) }),
  tool("check_stock", "Looks up how many are in stock.", { product: text("what") }),
  tool("add_to_cart", "Puts something in the cart.", { product: text("what"), count: integer("how many", 1, 99) }),
];

/** The canonical JSON of a call: what a model writes and a grader compares. */
export function writeCall(call: ToolCall): string {
  return JSON.stringify({ name: call.name, arguments: call.arguments });
}
