/** /v1/responses as its users meet it: the official client, whose stream helper checks every event, a real socket. */
import OpenAI, { APIError } from "openai";
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
import { outputItemSchema, responseSchema } from "../../protocol/index.ts";
import { createServer, type PunctualServer } from "../index.ts";
import type { Engine, GenerateRequest } from "../../runtime/index.ts";

type Create = OpenAI.Responses.ResponseCreateParamsNonStreaming;
type Event = OpenAI.Responses.ResponseStreamEvent;

async function failureOf(promise: PromiseLike<unknown>): Promise<APIError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof APIError) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

async function eventsOf(client: OpenAI, params: object): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of await client.responses.create({
    ...params,
    stream: true,
  } as OpenAI.Responses.ResponseCreateParamsStreaming)) {
    events.push(event);
  }
  return events;
}

describe("random weights", () => {
  let served: TestServer;
  let client: OpenAI;
  /** Only printable ASCII: text that encodes to the same tokens. */
  let plain: object;

  beforeAll(async () => {
    served = await startTestServer();
    client = served.client;
    const { tokenizer, info } = served.engine;
    const allowed = new Set(Array.from({ length: 95 }, (_, i) => tokenizer.encode(String.fromCharCode(32 + i))[0]!));
    const barred = Array.from({ length: info.vocabSize }, (_, id) => id).filter((id) => !allowed.has(id));
    plain = { ignore_eos: true, logit_bias: Object.fromEntries(barred.map((id) => [String(id), -100])) };
  });
  afterAll(() => served.stop());

  const ask = (extra: object = {}): Create =>
    ({ model: "tiny", input: "hi", temperature: 0, max_output_tokens: 12, ...plain, ...extra }) as Create;
  /** A server whose answers end by being cancelled or left, or not within a test. */
  async function endless(): Promise<TestServer & { readonly idle: () => boolean }> {
    const server = await startTestServer(ENDLESS);
    onTestFinished(() => server.stop());
    const idle = (): boolean => server.engine.stats().running === 0 && server.engine.stats().waiting === 0;
    return { ...server, idle };
  }

  test("a whole response: cut at its limit, counted, as asked", async () => {
    const response = await client.responses.create(ask({ metadata: { a: "b" }, instructions: "be brief" }));
    const parsed = responseSchema.parse(response);
    expect(parsed).toMatchObject({
      status: "incomplete",
      incomplete_details: { reason: "max_output_tokens" },
      error: null,
      metadata: { a: "b" },
      instructions: "be brief",
      temperature: 0,
      max_output_tokens: 12,
      store: true,
      tools: [],
      tool_choice: "auto",
      text: { format: { type: "text" } },
    });
    expect(parsed.usage).toMatchObject({ output_tokens: 12, total_tokens: parsed.usage!.input_tokens + 12 });
    expect(parsed.usage!.slo!.attained).toBe(true);
    expect(response.output_text).toHaveLength(12);
    expect(response.id).toMatch(/^resp_/);
  });

  test("a stream makes the same response; its numbers have no gaps", async () => {
    const whole = await client.responses.create(ask());
    const events = await eventsOf(client, ask());
    expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, i) => i));
    const kinds = events.map((event) => event.type).filter((kind, i, all) => kind !== all[i - 1]);
    expect(kinds).toEqual([
      "response.created",
      "response.in_progress",
      "response.output_item.added",
      "response.content_part.added",
      "response.output_text.delta",
      "response.output_text.done",
      "response.content_part.done",
      "response.output_item.done",
      "response.incomplete",
    ]);
    const deltas = events.flatMap((event) => (event.type === "response.output_text.delta" ? [event.delta] : []));
    expect(deltas.length).toBeGreaterThan(1);
    expect(deltas.join("")).toBe(whole.output_text);
    const final = await client.responses.stream(ask() as never).finalResponse();
    expect(final.output_text).toBe(whole.output_text);
    expect(final.status).toBe("incomplete");
  });

  test("input as text and as items, with instructions, is the same conversation", async () => {
    const text = await client.responses.create(ask({ instructions: "short" }));
    const items = await client.responses.create(
      ask({
        input: [
          { role: "developer", content: "short" },
          {
            type: "message",
            role: "user",
            content: [
              { type: "input_text", text: "h" },
              { type: "input_text", text: "i" },
            ],
          },
        ],
      }),
    );
    expect(items.output_text).toBe(text.output_text);
    expect(items.usage!.input_tokens).toBe(text.usage!.input_tokens);
  });

  test("a second turn goes on from the first, and finds its prompt in the cache", async () => {
    const first = await client.responses.create(
      ask({ input: "a beginning that is long enough to fill a page or two" }),
    );
    const second = await client.responses.create(ask({ input: "and then?", previous_response_id: first.id }));
    expect(second.previous_response_id).toBe(first.id);
    const { input_tokens, input_tokens_details } = second.usage!;
    const firstTokens = first.usage!.total_tokens;
    expect(input_tokens).toBeGreaterThan(firstTokens);
    expect(input_tokens_details.cached_tokens).toBeGreaterThanOrEqual(Math.floor(firstTokens / 16) * 16 - 16);
    const whole = await client.responses.create(
      ask({
        input: [
          { role: "user", content: "a beginning that is long enough to fill a page or two" },
          { role: "assistant", content: first.output_text },
          { role: "user", content: "and then?" },
        ],
      }),
    );
    expect(whole.output_text).toBe(second.output_text);
    const third = await client.responses.create(ask({ input: "more", previous_response_id: second.id }));
    expect(third.usage!.input_tokens).toBeGreaterThan(second.usage!.total_tokens);
  });

  test("is read again, lists what it was given, and is gone when deleted", async () => {
    const input = [
      { role: "user" as const, content: "one" },
      { role: "assistant" as const, content: "two" },
      { role: "user" as const, content: "three" },
    ];
    const made = await client.responses.create(ask({ input }));
    expect((await client.responses.retrieve(made.id)).output_text).toBe(made.output_text);
    const newest: string[] = [];
    for await (const item of client.responses.inputItems.list(made.id, { limit: 2 })) {
      newest.push(item.type === "message" ? (item.content[0] as { text: string }).text : item.type);
    }
    expect(newest).toEqual(["three", "two", "one"]);
    const oldest = await client.responses.inputItems.list(made.id, { order: "asc", limit: 1 });
    expect(oldest.data).toMatchObject([{ role: "user", content: [{ type: "input_text", text: "one" }] }]);
    await client.responses.delete(made.id);
    const gone = await failureOf(client.responses.retrieve(made.id));
    expect(gone).toBeInstanceOf(OpenAI.NotFoundError);
    expect([gone.code, gone.param]).toEqual(["not_found", "response_id"]);
    const next = await failureOf(client.responses.create(ask({ previous_response_id: made.id })));
    expect([next.status, next.param]).toEqual([404, "previous_response_id"]);
  });

  test("store: false keeps nothing", async () => {
    const made = await client.responses.create(ask({ store: false }));
    expect(made).toMatchObject({ store: false });
    expect((await failureOf(client.responses.retrieve(made.id))).status).toBe(404);
  });

  test("input tokens are counted as they are used", async () => {
    const params = { model: "tiny", input: "count these", instructions: "please" };
    const { input_tokens: counted } = await client.responses.inputTokens.count(params);
    const used = (await client.responses.create(ask({ ...params }))).usage!.input_tokens;
    expect(counted).toBe(used);
  });

  test("log-probabilities come with the text when they are included", async () => {
    const response = await client.responses.create(ask({ include: ["message.output_text.logprobs"], top_logprobs: 2 }));
    const [item] = response.output;
    const part = item?.type === "message" ? item.content[0] : undefined;
    expect(part?.type === "output_text" ? part.logprobs?.map((entry) => entry.top_logprobs.length) : []).toEqual(
      Array.from({ length: 12 }, () => 2),
    );
  });

  test("in the background: answered at once, polled to its end", async () => {
    const started = await client.responses.create(ask({ background: true, max_output_tokens: 40 }));
    expect(started.status).toBe("in_progress");
    expect(started.output).toEqual([]);
    let last = started;
    await until(async () => (last = await client.responses.retrieve(started.id)).status !== "in_progress");
    expect(last.status).toBe("incomplete");
    expect(last.output_text).toHaveLength(40);
  });

  test("cancelled in the background: the slot is free, twice is no error, an ended one cannot be", async () => {
    const { client, engine, idle } = await endless();
    const started = await client.responses.create(ask({ background: true, max_output_tokens: ENDLESS_TOKENS }));
    await until(() => engine.stats().running === 1);
    expect((await client.responses.cancel(started.id)).status).toBe("cancelled");
    await until(idle);
    expect((await client.responses.cancel(started.id)).status).toBe("cancelled");
    expect((await client.responses.retrieve(started.id)).status).toBe("cancelled");
    const ended = await client.responses.create(ask());
    const error = await failureOf(client.responses.cancel(ended.id));
    expect([error.status, error.code]).toEqual([400, "invalid_request"]);
  });

  test("a client that leaves frees the slot, and the store says cancelled", async () => {
    const { client, engine, idle } = await endless();
    const long = ask({ max_output_tokens: ENDLESS_TOKENS });
    const stream = await client.responses.create({ ...long, stream: true });
    let id = "";
    for await (const event of stream) {
      if (event.type === "response.created") id = event.response.id;
      if (event.type === "response.output_text.delta") break;
    }
    await until(idle);
    await until(async () => (await client.responses.retrieve(id)).status === "cancelled");
    const controller = new AbortController();
    const waiting = client.responses.create(long, { signal: controller.signal });
    await until(() => engine.stats().running === 1);
    controller.abort();
    await expect(waiting).rejects.toThrow(/abort/i);
    await until(idle);
    expect(engine.stats().kv.pagesUsed).toBe(0);
  });

  test.each([
    ["an unknown model", { model: "huge" }, 404, "model_not_found", "model"],
    ["no input", { input: undefined }, 400, "invalid_request", "input"],
    [
      "an image",
      { input: [{ role: "user", content: [{ type: "input_image" }] }] },
      400,
      "unsupported_parameter",
      "input[0].content[0].type",
    ],
    ["another kind of item", { input: [{ type: "web_search_call" }] }, 400, "unsupported_parameter", "input[0].type"],
    ["another kind of tool", { tools: [{ type: "web_search" }] }, 400, "unsupported_parameter", "tools[0].type"],
    [
      "an output without its call",
      { input: [{ type: "function_call_output", call_id: "x", output: "1" }] },
      400,
      "invalid_request",
      "input",
    ],
    [
      "arguments that are no object",
      { input: [{ type: "function_call", call_id: "x", name: "f", arguments: "7" }] },
      400,
      "invalid_request",
      "input",
    ],
    ["a choice of no tool", { tool_choice: "required" }, 400, "invalid_request", "tool_choice"],
    ["too long", { input: "x".repeat(600) }, 400, "context_length_exceeded", "input"],
    ["a conversation elsewhere", { conversation: "conv_1" }, 400, "unsupported_parameter", "conversation"],
    ["cutting the input", { truncation: "auto" }, 400, "unsupported_parameter", "truncation"],
    ["an unknown effort", { reasoning: { effort: "immense" } }, 400, "invalid_request", "reasoning.effort"],
    ["summaries", { reasoning: { summary: "detailed" } }, 400, "unsupported_parameter", "reasoning.summary"],
    ["other inclusions", { include: ["file_search_call.results"] }, 400, "unsupported_parameter", "include[0]"],
    ["a stream in the background", { background: true, stream: true }, 400, "unsupported_parameter", "background"],
    ["a background that keeps nothing", { background: true, store: false }, 400, "invalid_request", "store"],
    ["a temperature too hot", { temperature: 3 }, 400, "invalid_request", "temperature"],
  ])("%s is refused by name", async (_what, change, status, code, param) => {
    const error = await failureOf(client.responses.create(ask(change)));
    expect([error.status, error.code, error.param]).toEqual([status, code, param]);
  });

  test("wrong methods and wrong lists are told what would be right", async () => {
    const wrong = await fetch(`${served.url}/v1/responses/x`, { method: "PUT" });
    expect([wrong.status, wrong.headers.get("allow")]).toEqual([405, "GET, HEAD, DELETE"]);
    const made = await client.responses.create(ask());
    for (const [query, param] of [
      ["limit=0", "limit"],
      ["order=up", "order"],
      ["after=x", "after"],
    ]) {
      const response = await fetch(`${served.url}/v1/responses/${made.id}/input_items?${query}`);
      expect([response.status, ((await response.json()) as { error: { param: string } }).error.param]).toEqual([
        400,
        param,
      ]);
    }
    const replay = await fetch(`${served.url}/v1/responses/${made.id}?stream=true`);
    expect(replay.status).toBe(400);
  });
});

describe("what a model may say", () => {
  let engine: Engine;
  let server: PunctualServer;
  let client: OpenAI;
  let script: Script;
  let asked: GenerateRequest;

  beforeAll(async () => {
    engine = await startTinyEngine();
    const speaking = scripted(engine, (request) => {
      asked = request;
      return script;
    });
    server = createServer({ engines: [speaking] });
    const { url } = await server.listen({ port: 0 });
    client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  afterAll(async () => {
    await server.close({ graceMs: 0 });
    await engine.stop({ graceMs: 0 });
  });

  const tools = [
    {
      type: "function",
      name: "get_price",
      description: "a price",
      parameters: { type: "object", properties: { of: { type: "string" } } },
      strict: true,
    },
  ];
  const thoughtful: Script = {
    said: [
      ["thinking", "what does tea cost?"],
      ["text", "I look it up."],
      ["call", '{"name":"get_price","arguments":{"of":"tea"}}'],
      ["call", '{"name":"get_price","arguments":{"of":"milk"}}'],
    ],
  };
  const ask = (extra: object = {}): Create => ({ model: "tiny", input: "price?", tools, ...extra }) as Create;

  test("thinking, text and calls become items, streamed and not", async () => {
    script = thoughtful;
    const whole = await client.responses.create(ask());
    expect(whole.status).toBe("completed");
    for (const item of whole.output) outputItemSchema.parse(item);
    expect(whole.output).toMatchObject([
      { type: "reasoning", status: "completed", content: [{ type: "reasoning_text", text: "what does tea cost?" }] },
      { type: "message", status: "completed", content: [{ type: "output_text", text: "I look it up." }] },
      { type: "function_call", status: "completed", name: "get_price", arguments: '{"of":"tea"}' },
      { type: "function_call", status: "completed", name: "get_price", arguments: '{"of":"milk"}' },
    ]);
    expect(whole.usage!.output_tokens_details.reasoning_tokens).toBe(3);
    const events = await eventsOf(client, ask());
    const kinds = new Set(events.map((event) => event.type));
    for (const kind of [
      "response.reasoning_text.delta",
      "response.reasoning_text.done",
      "response.function_call_arguments.delta",
      "response.function_call_arguments.done",
      "response.completed",
    ]) {
      expect(kinds).toContain(kind);
    }
    const final = await client.responses.stream(ask() as never).finalResponse();
    expect(final.output.map((item) => (item.type === "function_call" ? item.arguments : item.type))).toEqual([
      "reasoning",
      "message",
      '{"of":"tea"}',
      '{"of":"milk"}',
    ]);
    const completed = events.at(-1)!;
    expect(completed.type === "response.completed" ? completed.response.output.map(({ type }) => type) : []).toEqual(
      whole.output.map(({ type }) => type),
    );
    expect(new Set(whole.output.map(({ id }) => id)).size).toBe(4);
  });

  test("a call is answered in a second turn, by the previous response or by items", async () => {
    script = thoughtful;
    const first = await client.responses.create(ask());
    const calls = first.output.flatMap((item) => (item.type === "function_call" ? [item.call_id] : []));
    const outputs = calls.map((call_id, i) => ({
      type: "function_call_output" as const,
      call_id,
      output: `${i + 2} euro`,
    }));
    script = { said: [["text", "Two and three."]] };
    const second = await client.responses.create(ask({ input: outputs, previous_response_id: first.id }));
    expect(second.output_text).toBe("Two and three.");
    const byPrevious = asked.promptTokens;
    await client.responses.create(ask({ input: [{ role: "user", content: "price?" }, ...first.output, ...outputs] }));
    expect(asked.promptTokens).toEqual(byPrevious);
    expect(engine.tokenizer.decode([...byPrevious])).toContain("3 euro");
  });

  test("formats, choices and limits reach the engine", async () => {
    script = { said: [["text", "{}"]] };
    const schema = { type: "object", properties: {}, additionalProperties: false };
    await client.responses.create(
      ask({
        tools: [],
        text: { format: { type: "json_schema", name: "empty", schema, strict: true } },
        max_output_tokens: 9,
      }),
    );
    expect(asked.maxTokens).toBe(9);
    expect(asked).toMatchObject({ grammar: { kind: "json_schema", schema } });
    script = { said: [["text", '{"name":"get_price","arguments":{"of":"tea"}}']] };
    const forced = await client.responses.create(ask({ tool_choice: { type: "function", name: "get_price" } }));
    expect(asked).toMatchObject({ grammar: { kind: "json_schema" } });
    expect(forced.output).toMatchObject([{ type: "function_call", arguments: '{"of":"tea"}' }]);
    const allowed = { type: "allowed_tools", mode: "required", tools: [{ type: "function", name: "get_price" }] };
    expect((await client.responses.create(ask({ tool_choice: allowed }))).output[0]!.type).toBe("function_call");
  });

  test("nothing said is a message without text", async () => {
    script = { said: [] };
    expect((await client.responses.create(ask())).output).toMatchObject([{ type: "message", content: [{ text: "" }] }]);
    const final = await client.responses.stream(ask() as never).finalResponse();
    expect(final.output_text).toBe("");
  });

  test("a failure in the middle: failed once, one error that the client throws, and the store knows", async () => {
    const error = new PunctualError("engine_failed", "the engine worker died");
    script = {
      said: [
        ["thinking", "well"],
        ["text", "half an ans"],
      ],
      error,
    };
    const events: Event[] = [];
    const reading = (async () => {
      for await (const event of await client.responses.create({ ...ask(), stream: true })) events.push(event);
    })();
    const thrown = await failureOf(reading);
    expect(thrown.code).toBe("engine_failed");
    const failed = events.filter((event) => event.type === "response.failed");
    expect(failed).toHaveLength(1);
    expect(events.at(-1)).toBe(failed[0]);
    const { id } = (failed[0] as { response: { id: string } }).response;
    expect(await client.responses.retrieve(id)).toMatchObject({
      status: "failed",
      error: { code: "engine_failed" },
      output: [{ status: "completed" }, { status: "incomplete", content: [{ text: "half an ans" }] }],
    });
    const next = await failureOf(client.responses.create(ask({ previous_response_id: id })));
    expect([next.status, next.param]).toEqual([400, "previous_response_id"]);
    const whole = await failureOf(client.responses.create(ask()));
    expect([whole.status, whole.code]).toEqual([503, "engine_failed"]);
  });

  test("bare bytes: every event has its name, one error ends it, and there is no [DONE]", async () => {
    script = { said: [["text", "abc"]], error: new PunctualError("engine_failed", "gone") };
    const response = await fetch(`${client.baseURL}/responses`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ ...ask(), stream: true }),
    });
    const events = (await response.text()).trim().split("\n\n");
    for (const event of events) {
      const [head, data] = event.split("\n");
      expect(head).toBe(`event: ${(JSON.parse(data!.slice("data: ".length)) as Event).type}`);
    }
    expect(events.filter((event) => event.startsWith("event: error"))).toHaveLength(1);
    expect(events.at(-1)).toMatch(/^event: error/);
  });

  test("cancelled while it streams: the stream ends with one error, the store says cancelled", async () => {
    script = { said: [["text", "on and on"]], hold: new Promise(() => undefined) };
    const stream = await client.responses.create({ ...ask(), stream: true });
    let id = "";
    const reading = (async () => {
      for await (const event of stream) {
        if (event.type === "response.created") id = event.response.id;
        if (event.type === "response.output_text.delta" && event.delta === " on") await client.responses.cancel(id);
      }
    })();
    expect((await failureOf(reading)).code).toBe("cancelled");
    expect(await client.responses.retrieve(id)).toMatchObject({ status: "cancelled" });
  });

  test("cancelled while a client waits: the client gets the cancelled response", async () => {
    script = { said: [["text", "half"]], hold: new Promise(() => undefined) };
    const waiting = client.responses.create(ask(), { headers: { "x-request-id": "wait-1" } });
    await until(async () => {
      const found = await client.responses.retrieve("resp_wait-1").catch(() => null);
      return found?.status === "in_progress";
    });
    await client.responses.cancel("resp_wait-1");
    expect((await waiting).status).toBe("cancelled");
  });
});
