/** /v1/messages as its users meet it: Anthropic's own client, whose stream helper gathers every event, a real socket. */
import Anthropic, { APIError } from "@anthropic-ai/sdk";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  ENDLESS,
  ENDLESS_TOKENS,
  startTestServer,
  startTinyEngine,
  until,
  type TestServer,
} from "../../../test/support/engine.ts";
import { scripted, type Script } from "../../../test/support/scripted-engine.ts";
import { PunctualError } from "../../core/index.ts";
import { messageBodySchema } from "../../protocol/index.ts";
import type { Engine, GenerateRequest } from "../../runtime/index.ts";
import { createServer, type PunctualServer } from "../index.ts";

type Create = Anthropic.MessageCreateParamsNonStreaming;
type Event = Anthropic.RawMessageStreamEvent;

async function failureOf(promise: PromiseLike<unknown>): Promise<APIError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof APIError) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

/** What the server said of an error; the client keeps the body whole. */
function told(error: APIError): { status: number | undefined; type: string; message: string } {
  const body = error.error as { error: { type: string; message: string } };
  return { status: error.status, ...body.error };
}

async function eventsOf(client: Anthropic, params: Create): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of await client.messages.create({ ...params, stream: true })) events.push(event);
  return events;
}

describe("random weights", () => {
  let served: TestServer;
  let client: Anthropic;
  let plain: object;

  beforeAll(async () => {
    served = await startTestServer();
    client = new Anthropic({ baseURL: served.url, apiKey: "none", maxRetries: 0 });
    const { tokenizer, info } = served.engine;
    const allowed = new Set(Array.from({ length: 95 }, (_, i) => tokenizer.encode(String.fromCharCode(32 + i))[0]!));
    const barred = Array.from({ length: info.vocabSize }, (_, id) => id).filter((id) => !allowed.has(id));
    plain = { ignore_eos: true, logit_bias: Object.fromEntries(barred.map((id) => [String(id), -100])) };
  });
  afterAll(() => served.stop());

  const ask = (extra: object = {}): Create =>
    ({
      model: "tiny",
      max_tokens: 12,
      messages: [{ role: "user", content: "hi" }],
      temperature: 0,
      ...plain,
      ...extra,
    }) as Create;
  const textOf = (message: Anthropic.Message): string =>
    message.content.map((block) => (block.type === "text" ? block.text : "")).join("");

  test("a whole message: cut at its limit, counted", async () => {
    const message = messageBodySchema.parse(await client.messages.create(ask()));
    expect(message).toMatchObject({
      type: "message",
      role: "assistant",
      stop_reason: "max_tokens",
      stop_sequence: null,
    });
    expect(message.usage.output_tokens).toBe(12);
    expect(message.usage.slo!.attained).toBe(true);
    expect(message.id).toMatch(/^msg/);
  });

  test("a stream makes the same message", async () => {
    const whole = await client.messages.create(ask());
    const events = await eventsOf(client, ask());
    const kinds = events.map((event) => event.type).filter((kind, i, all) => kind !== all[i - 1]);
    expect(kinds).toEqual([
      "message_start",
      "content_block_start",
      "content_block_delta",
      "content_block_stop",
      "message_delta",
      "message_stop",
    ]);
    const final = await client.messages.stream(ask()).finalMessage();
    expect(textOf(final)).toBe(textOf(whole));
    expect(final).toMatchObject({ stop_reason: "max_tokens", usage: { output_tokens: 12 } });
  });

  test("a system prompt, blocks and text are the same conversation; tokens are counted as they are used", async () => {
    const system = "be brief";
    const text = await client.messages.create(ask({ system }));
    const blocks = ask({
      system: [
        { type: "text", text: "be ", cache_control: { type: "ephemeral" } },
        { type: "text", text: "brief" },
      ],
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "h" },
            { type: "text", text: "i" },
          ],
        },
      ],
    });
    expect(textOf(await client.messages.create(blocks))).toBe(textOf(text));
    const { input_tokens: counted } = await client.messages.countTokens({
      model: "tiny",
      system,
      messages: ask().messages,
    });
    const { input_tokens: fresh, cache_read_input_tokens: cached } = text.usage;
    expect(fresh + cached!).toBe(counted);
  });

  test("a repeated prompt is read from the cache", async () => {
    const long = ask({
      messages: [{ role: "user", content: "a long beginning that fills several pages of the cache" }],
    });
    await client.messages.create(long);
    const { usage } = await client.messages.create(long);
    expect(usage.cache_read_input_tokens).toBeGreaterThanOrEqual(32);
    const delta = (await eventsOf(client, long)).find((event) => event.type === "message_delta")!;
    expect(delta.type === "message_delta" ? delta.usage.cache_read_input_tokens : 0).toBeGreaterThanOrEqual(32);
  });

  test("stops before a sequence and names it", async () => {
    const whole = textOf(await client.messages.create(ask({ max_tokens: 40 })));
    const stop = whole.slice(8, 10);
    const cut = await client.messages.create(ask({ max_tokens: 40, stop_sequences: [stop, "never there"] }));
    expect(cut).toMatchObject({ stop_reason: "stop_sequence", stop_sequence: stop });
    expect(textOf(cut)).toBe(whole.slice(0, whole.indexOf(stop)));
  });

  test("leaving frees the slot, streamed and not", async () => {
    // Its answers end by being left, or not within this test.
    const endless = await startTestServer(ENDLESS);
    onTestFinished(() => endless.stop());
    const leaving = new Anthropic({ baseURL: endless.url, apiKey: "none", maxRetries: 0, timeout: 600_000 });
    const stats = () => endless.engine.stats();
    const isIdle = (): boolean => stats().running === 0 && stats().waiting === 0;
    const long = ask({ max_tokens: ENDLESS_TOKENS });
    for await (const event of await leaving.messages.create({ ...long, stream: true })) {
      if (event.type === "content_block_delta") break;
    }
    await until(isIdle);
    const controller = new AbortController();
    const waiting = leaving.messages.create(long, { signal: controller.signal });
    await until(() => stats().running === 1);
    controller.abort();
    await expect(waiting).rejects.toThrow(/abort/i);
    await until(isIdle);
    expect(stats().kv.pagesUsed).toBe(0);
  });

  test.each([
    ["an unknown model", { model: "huge" }, 404, "not_found_error", "huge"],
    ["no limit", { max_tokens: undefined }, 400, "invalid_request_error", "'max_tokens'"],
    ["a temperature too hot", { temperature: 1.5 }, 400, "invalid_request_error", "'temperature'"],
    [
      "an image",
      { messages: [{ role: "user", content: [{ type: "image" }] }] },
      400,
      "invalid_request_error",
      "'messages[0].content[0].type'",
    ],
    [
      "a tool of the server's",
      { tools: [{ type: "bash_20250124", name: "bash" }] },
      400,
      "invalid_request_error",
      "'tools[0].type'",
    ],
    ["a choice of no tool", { tool_choice: { type: "any" } }, 400, "invalid_request_error", "'tool_choice'"],
    ["too long", { messages: [{ role: "user", content: "x".repeat(600) }] }, 400, "invalid_request_error", "context"],
    ["a container", { container: "c" }, 400, "invalid_request_error", "'container'"],
  ])("%s is refused in Anthropic's form", async (_what, change, status, type, named) => {
    for (const stream of [false, true]) {
      const error = await failureOf(client.messages.create({ ...ask(change), stream } as Create));
      expect(told(error)).toMatchObject({ status, type });
      expect(told(error).message).toContain(named);
      expect((error.error as { request_id: string }).request_id).toBe(error.headers!.get("x-request-id"));
    }
  });

  test("malformed and oversized bodies and wrong methods have that form as well", async () => {
    const post = (body: string): Promise<Response> => fetch(`${served.url}/v1/messages`, { method: "POST", body });
    const malformed = await post("{");
    expect([malformed.status, await malformed.json()]).toMatchObject([
      400,
      { type: "error", error: { type: "invalid_request_error" } },
    ]);
    const oversized = await post(`"${"x".repeat(5 * 1024 * 1024)}"`);
    expect([oversized.status, await oversized.json()]).toMatchObject([413, { error: { type: "request_too_large" } }]);
    const wrong = await fetch(`${served.url}/v1/messages/count_tokens`);
    expect([wrong.status, await wrong.json()]).toMatchObject([
      405,
      { type: "error", error: { type: "invalid_request_error" } },
    ]);
  });
});

describe("what a model may say", () => {
  let engine: Engine;
  let server: PunctualServer;
  let client: Anthropic;
  let script: Script;
  let asked: GenerateRequest;
  let url: string;

  beforeAll(async () => {
    engine = await startTinyEngine();
    const speaking = scripted(engine, (request) => {
      asked = request;
      return script;
    });
    server = createServer({ engines: [speaking] });
    ({ url } = await server.listen({ port: 0 }));
    client = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
  });
  afterAll(async () => {
    await server.close({ graceMs: 0 });
    await engine.stop({ graceMs: 0 });
  });

  const tools = [
    {
      name: "get_price",
      description: "a price",
      input_schema: { type: "object" as const, properties: { of: { type: "string" } } },
    },
  ];
  const ask = (extra: object = {}): Create =>
    ({ model: "tiny", max_tokens: 100, messages: [{ role: "user", content: "price?" }], tools, ...extra }) as Create;
  const thoughtful: Script = {
    said: [
      ["thinking", "what does tea cost?"],
      ["text", "I look it up."],
      ["call", '{"name":"get_price","arguments":{"of":"tea"}}'],
      ["call", '{"name":"get_price","arguments":{"of":"milk"}}'],
    ],
  };
  const blocks = [
    { type: "thinking", thinking: "what does tea cost?", signature: "" },
    { type: "text", text: "I look it up." },
    { type: "tool_use", name: "get_price", input: { of: "tea" } },
    { type: "tool_use", name: "get_price", input: { of: "milk" } },
  ];

  test("thinking, text and calls become blocks, streamed and not", async () => {
    script = thoughtful;
    const whole = messageBodySchema.parse(await client.messages.create(ask()));
    expect(whole).toMatchObject({ stop_reason: "tool_use", content: blocks });
    const final = await client.messages.stream(ask()).finalMessage();
    expect(final).toMatchObject({ stop_reason: "tool_use", content: blocks });
    const events = await eventsOf(client, ask());
    expect(events[0]).toMatchObject({ type: "message_start", message: { content: [], stop_reason: null } });
    const starts = events.flatMap((event) => (event.type === "content_block_start" ? [event.index] : []));
    expect(starts).toEqual([0, 1, 2, 3]);
    const stops = events.flatMap((event) => (event.type === "content_block_stop" ? [event.index] : []));
    expect(stops).toEqual(starts);
    const json = events.flatMap((event) =>
      event.type === "content_block_delta" && event.delta.type === "input_json_delta" && event.index === 2
        ? [event.delta.partial_json]
        : [],
    );
    expect(json.length).toBeGreaterThan(1);
    expect(json.join("")).toBe('{"of":"tea"}');
    const ids = final.content.flatMap((block) => (block.type === "tool_use" ? [block.id] : []));
    expect(new Set(ids).size).toBe(2);
  });

  test("results of calls go on with the conversation", async () => {
    script = thoughtful;
    const first = await client.messages.create(ask());
    const results = first.content.flatMap((block) =>
      block.type === "tool_use"
        ? [{ type: "tool_result", tool_use_id: block.id, content: [{ type: "text", text: "3 euro" }] }]
        : [],
    );
    script = { said: [["text", "Three."]] };
    const messages = [
      { role: "user", content: "price?" },
      { role: "assistant", content: first.content },
      {
        role: "user",
        content: [...results.slice(0, 1), { ...results[1], is_error: true }, { type: "text", text: "well?" }],
      },
    ];
    expect((await client.messages.create(ask({ messages }))).stop_reason).toBe("end_turn");
    const prompt = engine.tokenizer.decode([...asked.promptTokens]);
    expect(prompt).toContain('{"name":"get_price","arguments":{"of":"tea"}}');
    expect(prompt).toContain("Error: 3 euro");
    expect(prompt.indexOf("well?")).toBeGreaterThan(prompt.indexOf("3 euro"));
  });

  test("budgets, formats and choices reach the engine", async () => {
    script = { said: [["text", '{"name":"get_price","arguments":{}}']] };
    await client.messages.create(ask({ thinking: { type: "enabled", budget_tokens: 17 } }));
    expect(asked.thinkingBudget).toBe(17);
    await client.messages.create(ask({ thinking: { type: "disabled" } }));
    expect(asked.thinkingBudget).toBe(0);
    await client.messages.create(ask());
    expect(asked.thinkingBudget).toBeUndefined();
    const forced = await client.messages.create(ask({ tool_choice: { type: "tool", name: "get_price" } }));
    expect(forced).toMatchObject({ stop_reason: "tool_use", content: [{ type: "tool_use", input: {} }] });
    expect(asked).toMatchObject({ grammar: { kind: "json_schema" } });
    const schema = { type: "object", properties: {}, additionalProperties: false };
    await client.messages.create(ask({ tools: undefined, output_config: { format: { type: "json_schema", schema } } }));
    expect(asked).toMatchObject({ grammar: { kind: "json_schema", schema } });
    script = thoughtful;
    const serial = await client.messages.create(
      ask({ tool_choice: { type: "auto", disable_parallel_tool_use: true } }),
    );
    expect(serial.content.filter((block) => block.type === "tool_use")).toHaveLength(1);
  });

  test("a call that was cut has no input, and the message says that it was cut", async () => {
    script = {
      said: [["call", '{"name":"get_price","arguments":{"of":"te']],
      end: { reason: "length", cause: "max_tokens" },
    };
    expect(await client.messages.create(ask())).toMatchObject({
      stop_reason: "max_tokens",
      content: [{ type: "tool_use", input: {} }],
    });
  });

  test("nothing said is empty text", async () => {
    script = { said: [] };
    expect(await client.messages.create(ask())).toMatchObject({
      content: [{ type: "text", text: "" }],
      stop_reason: "end_turn",
    });
    expect((await client.messages.stream(ask()).finalMessage()).content).toMatchObject([{ type: "text", text: "" }]);
  });

  test("a failure in the middle is one error event, which the client throws", async () => {
    script = { said: [["text", "half an ans"]], error: new PunctualError("engine_failed", "the engine worker died") };
    const seen: Event[] = [];
    const reading = (async () => {
      for await (const event of await client.messages.create({ ...ask(), stream: true })) seen.push(event);
    })();
    expect(told(await failureOf(reading))).toMatchObject({
      type: "overloaded_error",
      message: "the engine worker died",
    });
    expect(seen.some((event) => event.type === "message_stop")).toBe(false);
    const bare = await fetch(`${url}/v1/messages`, {
      method: "POST",
      body: JSON.stringify({ ...ask(), stream: true }),
    });
    const events = (await bare.text()).trim().split("\n\n");
    expect(events[1]).toBe('event: ping\ndata: {"type":"ping"}');
    expect(events.filter((event) => event.startsWith("event: error"))).toHaveLength(1);
    expect(events.at(-1)).toMatch(/^event: error\ndata: {"type":"error"/);
    for (const event of events) {
      const [head, data] = event.split("\n");
      expect(head).toBe(`event: ${(JSON.parse(data!.slice("data: ".length)) as { type: string }).type}`);
    }
    const whole = await failureOf(client.messages.create(ask()));
    expect(told(whole)).toMatchObject({ status: 503, type: "overloaded_error" });
  });
});
