/** Tools and constrained answers as clients meet them: the official client, a real server, an engine with random weights. */
import { Ajv } from "ajv";
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, type TestServer } from "../../test/support/engine.ts";
import { chatChunkSchema, chatCompletionSchema, completionSchema, type ChatChunk } from "../protocol/index.ts";
import type { Engine, GenerateEvent, GenerateRequest, Section, TokenStream } from "../runtime/index.ts";
import { createServer } from "./index.ts";

let served: TestServer;
let client: OpenAI;

beforeAll(async () => {
  served = await startTestServer();
  client = served.client;
});
afterAll(() => served.stop());

const LIGHT = {
  type: "object",
  properties: { room: { $ref: "#/$defs/room" }, on: { type: "boolean" } },
  required: ["room", "on"],
  additionalProperties: false,
  $defs: { room: { enum: ["kitchen", "hall"] } },
};
const HEAT = {
  type: "object",
  properties: { level: { type: "integer", minimum: 0, maximum: 9 } },
  required: ["level"],
};
const TOOLS: OpenAI.ChatCompletionFunctionTool[] = [
  { type: "function", function: { name: "set_light", description: "Switches a light.", parameters: LIGHT } },
  { type: "function", function: { name: "set-heat", parameters: HEAT, strict: true } },
  { type: "function", function: { name: "all_off" } },
];
const ajv = new Ajv();
const VALID: Record<string, (value: unknown) => boolean> = {
  set_light: ajv.compile(LIGHT),
  "set-heat": ajv.compile(HEAT),
  all_off: ajv.compile({ type: "object", maxProperties: 0 }),
};

const USER = { role: "user" as const, content: "It is dark." };
type Params = OpenAI.ChatCompletionCreateParamsNonStreaming;
const ask = (extra: object = {}): Params =>
  ({ model: "tiny", messages: [USER], tools: TOOLS, temperature: 0, max_tokens: 120, ...extra }) as Params;
const named = (name: string) => ({ type: "function" as const, function: { name } });

async function answerOf(params: Params, from = client) {
  return chatCompletionSchema.parse(await from.chat.completions.create(params));
}

async function chunksOf(params: Params, from = client): Promise<ChatChunk[]> {
  const chunks: ChatChunk[] = [];
  for await (const chunk of await from.chat.completions.create({ ...params, stream: true })) {
    chunks.push(chatChunkSchema.parse(chunk));
  }
  return chunks;
}

/** What a strict client makes of one choice's deltas; fails on what such clients choke on. */
function assembled(chunks: readonly ChatChunk[], choice = 0) {
  const calls: { id: string; name: string; arguments: string }[] = [];
  const own = chunks.flatMap((chunk) => chunk.choices.filter(({ index }) => index === choice));
  for (const { delta } of own) {
    for (const { index, id, type, function: called } of delta.tool_calls ?? []) {
      expect(index).toBeTypeOf("number");
      if (calls[index] === undefined) {
        expect([id, type, called.name].every((field) => typeof field === "string")).toBe(true);
        expect(index).toBe(calls.length); // one after the other, none left out
        calls.push({ id: id!, name: called.name!, arguments: called.arguments });
      } else {
        expect([id, type, called.name]).toEqual([undefined, undefined, undefined]);
        calls[index].arguments += called.arguments;
      }
    }
  }
  const reasons = own.flatMap((one) => (one.finish_reason === null ? [] : [one.finish_reason]));
  expect(reasons).toHaveLength(1);
  expect(own.at(-1)!.finish_reason).not.toBeNull();
  expect(own.filter(({ delta }) => delta.role !== undefined)).toHaveLength(1);
  return { calls, reason: reasons[0]!, content: own.map(({ delta }) => delta.content ?? "").join("") };
}

/** The same server over an engine that says what a test wants, so that a random model can make several calls. */
async function scripted(events: readonly (readonly [Section, string, ("open" | "close")?])[]) {
  const usage = {
    promptTokens: 5,
    completionTokens: events.length,
    cachedTokens: 0,
    reasoningTokens: 0,
    slo: { attained: true, ttft_ms: 1, tpot_ms: 1, e2e_ms: 1, slack_ms: null },
  };
  const script = function* (): Generator<GenerateEvent, undefined> {
    for (const [index, [section, text, mark]] of events.entries()) {
      yield { kind: "token", id: 50, index, text, section, atMs: index, ...(mark === undefined ? {} : { mark }) };
    }
    yield { kind: "finish", reason: "stop", cause: "end", text: "", section: "text", usage, atMs: events.length };
    return undefined;
  };
  const submit = (request: GenerateRequest): TokenStream => {
    const list = script();
    const stream: TokenStream = {
      id: request.id ?? "scripted",
      cancel: () => undefined,
      next: () => Promise.resolve(list.next()),
      return: () => Promise.resolve(list.return(undefined)),
      [Symbol.asyncIterator]: () => stream,
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    return stream;
  };
  const engine = new Proxy(served.engine, {
    get: (target, key) => {
      if (key === "submit") return submit;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? (value.bind(target) as unknown) : value;
    },
  }) as Engine;
  const server = createServer({ engines: [engine] });
  const { url } = await server.listen({ port: 0 });
  return {
    client: new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 }),
    stop: () => server.close({ graceMs: 0 }),
  };
}

describe("complaint 4: tool calls and finish reasons that clients choke on", () => {
  test.each([
    ["required", "required", ["set_light", "set-heat", "all_off"]],
    ["one by its name", named("set_light"), ["set_light"]],
    ["another by its name", named("set-heat"), ["set-heat"]],
    ["one without arguments", named("all_off"), ["all_off"]],
    [
      "some allowed tools",
      { type: "allowed_tools", allowed_tools: { mode: "required", tools: [named("set-heat"), named("all_off")] } },
      ["set-heat", "all_off"],
    ],
  ])("tool_choice %s: one whole call, streamed and not", async (_what, choice, names) => {
    const params = ask({ tool_choice: choice });
    const { choices } = await answerOf(params);
    const { message, finish_reason: reason } = choices[0]!;
    expect(reason).toBe("tool_calls");
    expect(message.content).toBeNull();
    expect(message.tool_calls).toHaveLength(1);
    const { name, arguments: given } = message.tool_calls![0]!.function;
    expect(names).toContain(name);
    expect(VALID[name]!(JSON.parse(given))).toBe(true);

    const streamed = assembled(await chunksOf(params));
    expect(streamed).toMatchObject({ reason: "tool_calls", content: "", calls: [{ name, arguments: given }] });
  });

  test("arguments arrive while they are written, and the first chunk is the call, not an empty role", async () => {
    const chunks = await chunksOf(ask({ tool_choice: named("set_light") }));
    expect(chunks[0]!.choices[0]!.delta).toMatchObject({ role: "assistant", tool_calls: [{ index: 0 }] });
    const pieces = chunks.filter((chunk) => (chunk.choices[0]?.delta.tool_calls?.[0]?.function.arguments ?? "") !== "");
    expect(pieces.length).toBeGreaterThan(3);
  });

  test("every choice of n has its own call and one finish reason", async () => {
    const chunks = await chunksOf(ask({ tool_choice: "required", n: 3, temperature: 1, seed: 11 }));
    const all = [0, 1, 2].map((choice) => assembled(chunks, choice));
    for (const { calls, reason } of all) {
      expect(reason).toBe("tool_calls");
      expect(VALID[calls[0]!.name]!(JSON.parse(calls[0]!.arguments))).toBe(true);
    }
    expect(new Set(all.map(({ calls }) => calls[0]!.id)).size).toBe(3);
  });

  test("the client's own assembly of a stream reads it, and the conversation goes on with the tool's answer", async () => {
    const stream = client.chat.completions.stream(ask({ tool_choice: "required" }) as never);
    const message = await (
      stream as unknown as { finalMessage(): Promise<OpenAI.ChatCompletionMessage> }
    ).finalMessage();
    const [call] = message.tool_calls!;
    const messages = [USER, message, { role: "tool" as const, tool_call_id: call!.id, content: '{"ok":true}' }];
    const next = await answerOf(ask({ messages, tool_choice: "none", max_tokens: 8 }));
    expect(next.choices[0]!.message.tool_calls).toBeUndefined();
    expect(next.usage.prompt_tokens).toBeGreaterThan(USER.content.length);
  });

  test("a call cut by max_tokens says length, and keeps what there is", async () => {
    const params = ask({ tool_choice: named("set_light"), max_tokens: 40 });
    const { message, finish_reason: reason } = (await answerOf(params)).choices[0]!;
    expect(reason).toBe("length");
    expect(message.tool_calls![0]!.function.arguments.length).toBeGreaterThan(0);
    expect(assembled(await chunksOf(params))).toMatchObject({ reason: "length" });
  });

  test("parallel calls have distinct indexes; without parallel_tool_calls only the first comes", async () => {
    const piece = (name: string, given: string) =>
      [
        ["call", "", "open"],
        ["call", `{"name":"${name}",`],
        ["call", `"arguments":${given}}`],
        ["call", "", "close"],
      ] as const;
    const fake = await scripted([...piece("set_light", '{"on":true}'), ...piece("all_off", "{}"), ["text", "Done."]]);
    try {
      const both = assembled(await chunksOf(ask(), fake.client));
      expect(both).toMatchObject({
        reason: "tool_calls",
        content: "Done.",
        calls: [
          { name: "set_light", arguments: '{"on":true}' },
          { name: "all_off", arguments: "{}" },
        ],
      });
      const one = await answerOf(ask({ parallel_tool_calls: false }), fake.client);
      expect(one.choices[0]!.message.tool_calls).toHaveLength(1);
      expect(one.choices[0]!.finish_reason).toBe("tool_calls");
      // Without declared tools a model's own call is text, and the reason is that of text.
      const own = await answerOf(ask({ tools: undefined }), fake.client);
      expect(own.choices[0]!.finish_reason).toBe("stop");
      expect(own.choices[0]!.message.content).toMatch(/^\{"name":"set_light"/);
    } finally {
      await fake.stop();
    }
  });

  test("marks of other models' calls in plain text are calls too", async () => {
    const text = 'Sure.\n<tool_call>\n{"name": "all_off", "arguments": {}}\n</tool_call>';
    const fake = await scripted(Array.from(text, (char) => ["text", char] as const));
    try {
      expect(assembled(await chunksOf(ask(), fake.client))).toMatchObject({
        reason: "tool_calls",
        content: "Sure.",
        calls: [{ name: "all_off", arguments: "{}" }],
      });
    } finally {
      await fake.stop();
    }
  });

  test("parameters that are no schema we can keep are refused by the name of the field", async () => {
    const tools = [{ type: "function", function: { name: "f", parameters: { type: "banana" } } }];
    await expect(client.chat.completions.create(ask({ tools, tool_choice: "required" }))).rejects.toMatchObject({
      status: 400,
      param: "tools",
    });
  });
});

describe("constrained answers", () => {
  // Thinking before an answer is free, and a random model may never end it.
  const plain = (extra: object): Params => ask({ tools: undefined, reasoning_effort: "none", ...extra });
  const schema = {
    type: "object",
    properties: {
      city: { enum: ["Rome", "Oslo"] },
      rain: { type: "boolean" },
      days: { type: "integer", minimum: 1, maximum: 5 },
    },
    required: ["city", "rain", "days"],
    additionalProperties: false,
  };
  const format = { type: "json_schema", json_schema: { name: "weather", schema, strict: true } };
  const textOf = async (extra: object): Promise<string> => (await answerOf(plain(extra))).choices[0]!.message.content!;

  test.each([
    ["response_format", { response_format: format }],
    ["guided_json", { guided_json: schema }],
    ["guided_json as text", { guided_json: JSON.stringify(schema) }],
    ["structured_outputs", { structured_outputs: { json: schema } }],
  ])("%s: the answer parses and validates, hot or cold, streamed and not", async (_what, extra) => {
    for (const temperature of [0, 1.5]) {
      const params = plain({ ...extra, temperature, seed: 3 });
      const { message, finish_reason: reason } = (await answerOf(params)).choices[0]!;
      expect(reason).toBe("stop");
      expect(ajv.validate(schema, JSON.parse(message.content!))).toBe(true);
      expect(assembled(await chunksOf(params)).content).toBe(message.content);
    }
  });

  test.each([
    [{ guided_choice: ["yes", "no", "maybe"] }, /^(yes|no|maybe)$/],
    [{ structured_outputs: { choice: ["left", "right"] } }, /^(left|right)$/],
    [{ guided_regex: "[0-9]{3}-[a-f]{2}" }, /^\d{3}-[a-f]{2}$/],
    [{ structured_outputs: { regex: "(ab){2}" } }, /^(ab){2}$/],
  ])("%j", async (extra, pattern) => {
    expect(await textOf(extra)).toMatch(pattern);
    expect(await textOf({ ...extra, temperature: 2, ignore_eos: true })).toMatch(pattern);
  });

  test("n answers each keep to it, with their own log-probabilities", async () => {
    const params = plain({
      guided_choice: ["up", "down"],
      n: 4,
      temperature: 1,
      seed: 5,
      logprobs: true,
      top_logprobs: 1,
    });
    const { choices } = await answerOf(params);
    for (const choice of choices) {
      expect(["up", "down"]).toContain(choice.message.content);
      expect(choice.logprobs!.content.map((entry) => entry.token).join("")).toBe(choice.message.content);
    }
  });

  test("the text endpoint keeps to it too", async () => {
    const body = { model: "tiny", prompt: "one or two?", guided_choice: ["one", "two"], thinking_budget: 0 };
    const answer = completionSchema.parse(await client.completions.create(body));
    expect(answer.choices[0]).toMatchObject({ text: expect.stringMatching(/^(one|two)$/), finish_reason: "stop" });
  });

  test.each([
    [
      "a schema",
      { response_format: { type: "json_schema", json_schema: { name: "s", schema: { type: "banana" } } } },
      "response_format",
    ],
    ["an expression", { guided_regex: "(" }, "guided_regex"],
    ["two constraints", { guided_regex: "a", guided_choice: ["a"] }, "guided_choice"],
  ])("%s that cannot be kept is a 400 naming the field", async (_what, extra, param) => {
    await expect(client.chat.completions.create(plain(extra))).rejects.toMatchObject({ status: 400, param });
  });
});
