/** Answers that a program can read: start the server with `npm start`, then run this with the server's URL as argument. */
import OpenAI from "openai";

const baseURL = `${process.argv[2] ?? "http://localhost:8080"}/v1`;
const client = new OpenAI({ baseURL, apiKey: "none" });
const model = "punctual-base";

// Held to a schema token by token: it always parses and fits, whatever the model would rather have said.
const price = await client.chat.completions.create({
  model,
  temperature: 0,
  reasoning_effort: "low", // at most a fifth of the tokens for thinking
  messages: [{ role: "user", content: "What does the toaster cost?\n\nToaster: $38, blue. Bench: $42, beige." }],
  response_format: {
    type: "json_schema",
    json_schema: {
      name: "price",
      strict: true,
      schema: {
        type: "object",
        properties: { item: { enum: ["toaster", "bench"] }, dollars: { type: "integer", minimum: 0, maximum: 999 } },
        required: ["item", "dollars"],
      },
    },
  },
});
console.log(price.choices[0]!.message.content);

// A demanded call: the arguments fit the tool's parameters in the same way.
const light = await client.chat.completions.create({
  model,
  temperature: 0,
  messages: [{ role: "user", content: "Turn on the kitchen light." }],
  tools: [
    {
      type: "function",
      function: {
        name: "set_light",
        parameters: {
          type: "object",
          properties: { room: { enum: ["kitchen", "hall"] }, on: { type: "boolean" } },
          required: ["room", "on"],
        },
      },
    },
  ],
  tool_choice: "required",
});
const call = light.choices[0]!.message.tool_calls![0]!;
if (call.type === "function") console.log(call.function.name, call.function.arguments);
