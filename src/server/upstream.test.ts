/** Models of other servers behind this one: real sockets to servers that misbehave as real ones do. */
import { afterEach, describe, expect, test } from "vitest";
import { until } from "../../test/support/engine.ts";
import { startDouble, type Double, type Manner } from "../../test/support/openai-double.ts";
import { parsePrometheus, sampleValue } from "../../test/support/prometheus.ts";
import { parseUpstream, Upstreams, type UpstreamsOptions } from "../cluster/index.ts";
import { createServer, type PunctualServer } from "./index.ts";
import { plainKey } from "./security/keys.ts";

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

interface Setup {
  readonly url: string;
  readonly doubles: readonly Double[];
  readonly server: PunctualServer;
  readonly upstreams: Upstreams;
}

/** A server before as many others as there are manners. */
async function setUp(
  manners: readonly ((count: number) => Manner)[],
  options: Partial<UpstreamsOptions> & { readonly suffix?: string; readonly prefix?: string } = {},
): Promise<Setup> {
  const doubles: Double[] = [];
  for (const manner of manners) {
    const double = await startDouble((count) => manner(count));
    doubles.push(double);
    cleanups.push(() => double.stop());
  }
  const server = createServer({ engines: [], pending: () => "nobody is there yet" });
  const { suffix = "", prefix = "", ...rest } = options;
  const upstreams = new Upstreams({
    addresses: doubles.map(({ url }) => parseUpstream(`${prefix}${url}${suffix}`, "s3cret")),
    router: "round-robin",
    health: { everyMs: 200, firstBackoffMs: 50, lastBackoffMs: 100 },
    timeouts: { connectMs: 1000, firstTokenMs: 2000, betweenTokensMs: 300 },
    onModel: (engine) => server.add(engine),
    onModelGone: (name) => server.remove(name),
    ...rest,
  });
  cleanups.push(
    () => upstreams.stop(),
    () => server.close({ graceMs: 0 }),
  );
  await upstreams.looked();
  const { url } = await server.listen({ port: 0 });
  return { url, doubles, server, upstreams };
}

interface Streamed {
  readonly status: number;
  readonly events: Record<string, unknown>[];
  readonly text: string;
  readonly done: boolean;
  readonly error: { readonly code: string; readonly message: string } | null;
}

function post(
  url: string,
  body: object,
  signal?: AbortSignal,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    body: JSON.stringify({ model: "double", messages: [{ role: "user", content: "hi" }], ...body }),
    headers,
    ...(signal === undefined ? {} : { signal }),
  });
}

async function streamed(url: string, body: object = {}, headers: Record<string, string> = {}): Promise<Streamed> {
  const response = await post(url, { stream: true, ...body }, undefined, headers);
  const raw = await response.text();
  if (response.status !== 200) {
    const { error } = JSON.parse(raw) as { error: Streamed["error"] };
    return { status: response.status, events: [], text: "", done: false, error };
  }
  const data = raw
    .split("\n\n")
    .filter((part) => part.startsWith("data: "))
    .map((part) => part.slice(6));
  const done = data.at(-1) === "[DONE]";
  const events = data.filter((part) => part !== "[DONE]").map((part) => JSON.parse(part) as Record<string, unknown>);
  const text = events
    .flatMap(({ choices }) => (choices as { delta?: { content?: string } }[] | undefined) ?? [])
    .map(({ delta }) => delta?.content ?? "")
    .join("");
  const failed = events.find(({ error }) => error !== undefined)?.["error"] as Streamed["error"] | undefined;
  return { status: 200, events, text, done, error: failed ?? null };
}

const metric = async (url: string, name: string, labels: Record<string, string> = {}): Promise<number> => {
  const text = await (await fetch(`${url}/metrics`)).text();
  return sampleValue(parsePrometheus(text), name, { model_name: "double", ...labels });
};

describe("what is passed on, and what is ours", () => {
  test("the body as it came, with the key and a request for counts; the answer under our name and id", async () => {
    const { url, doubles } = await setUp([() => ({ chunks: [1, 2, 1] })]);
    const body = {
      messages: [{ role: "user", content: [{ type: "image_url", image_url: { url: "data:," } }] }],
      guided_grammar: "x",
      slo: { ttft_ms: 5000 },
      stream_options: { include_usage: true },
    };
    const answer = await streamed(url, body, { "x-request-id": "abc" });
    expect(answer).toMatchObject({ status: 200, text: "xxxx", done: true, error: null });
    expect(answer.events[0]).toMatchObject({ id: "chatcmpl-abc", model: "double", usage: null });
    expect(answer.events.at(-1)).toMatchObject({
      choices: [],
      usage: { prompt_tokens: 7, completion_tokens: 4, slo: { attained: true } },
    });
    const [seen] = doubles[0]!.seen;
    expect(seen!.headers.authorization).toBe("Bearer s3cret");
    expect(seen!.body).toMatchObject({
      guided_grammar: "x",
      messages: body.messages,
      stream_options: { include_usage: true },
    });
    expect(seen!.body["slo"]).toBeUndefined();
    expect(await metric(url, "punctual_prompt_tokens_total")).toBe(7);
    expect(await metric(url, "punctual_slo_attained_total", { class: "latency", metric: "ttft" })).toBe(1);
  });

  test("counts are not told to who did not ask, nor in the stream", async () => {
    const { url } = await setUp([() => ({ usage: "running" })]);
    const answer = await streamed(url);
    expect(answer).toMatchObject({ text: "xxx", done: true });
    expect(answer.events.every(({ usage }) => usage === undefined)).toBe(true);
  });

  test("not streamed; and streamed although the other server does not stream", async () => {
    const { url } = await setUp([() => ({ plain: true })]);
    const whole = (await (await post(url, {})).json()) as Record<string, unknown>;
    expect(whole).toMatchObject({ model: "double", choices: [{ message: { content: "all at once" } }] });
    expect(whole["usage"]).toMatchObject({ prompt_tokens: 7, slo: { attained: true } });
    expect(await streamed(url)).toMatchObject({ text: "all at once", done: true });
  });

  test("another name, the model there as it is called there; one that is not known is 404", async () => {
    const { url, doubles } = await setUp([() => ({})], { prefix: "mine=", suffix: "#theirs" });
    expect(await streamed(url, { model: "mine" })).toMatchObject({ text: "xxx", done: true });
    expect(doubles[0]!.seen[0]!.body["model"]).toBe("theirs");
    const list = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string }[] };
    expect(list.data.map(({ id }) => id)).toEqual(["mine"]);
  });

  test("keys and their limits hold as for every model", async () => {
    const double = await startDouble();
    cleanups.push(() => double.stop());
    const key = { ...plainKey("k1-0123456789abcdef", "one"), models: new Set(["other"]) };
    const server = createServer({ engines: [], keys: [key] });
    const upstreams = new Upstreams({
      addresses: [parseUpstream(double.url)],
      onModel: (engine) => server.add(engine),
    });
    cleanups.push(
      () => upstreams.stop(),
      () => server.close({ graceMs: 0 }),
    );
    await upstreams.looked();
    const { url } = await server.listen({ port: 0 });
    expect((await post(url, {})).status).toBe(401);
    expect((await post(url, {}, undefined, { authorization: "Bearer k1-0123456789abcdef" })).status).toBe(404);
    expect(double.seen).toEqual([]);
  });
});

describe("what breaks", () => {
  test("a stream that ends without saying so is an error in the stream, never a clean end", async () => {
    for (const end of ["cut", "reset", "garbage", "error", "hang"] as const) {
      const { url } = await setUp([() => ({ end })]);
      const answer = await streamed(url);
      expect([end, answer.done, answer.error?.code]).toEqual([end, false, "upstream_failed"]);
      expect(answer.text.length).toBeGreaterThan(0);
      expect(await metric(url, "punctual_request_success_total", { finished_reason: "error" })).toBe(1);
    }
  });

  test("[DONE] may be missing where every choice has ended", async () => {
    const { url } = await setUp([() => ({ end: "no done" })]);
    expect(await streamed(url)).toMatchObject({ text: "xxx", done: true, error: null });
  });

  test("before the first token another server is asked, after it none", async () => {
    for (const broken of [{ status: 500 }, { status: 503 }, { roleFirst: true, chunks: [], end: "cut" }] as const) {
      const { url, doubles } = await setUp([() => broken, () => ({ chunks: [1, 1] })]);
      expect(await streamed(url)).toMatchObject({ text: "xx", done: true, error: null });
      expect(doubles.map(({ seen }) => seen.length)).toEqual([1, 1]);
    }
    const { url, doubles } = await setUp([() => ({ end: "reset" }), () => ({})]);
    expect(await streamed(url)).toMatchObject({ done: false, error: { code: "upstream_failed" } });
    expect(doubles.map(({ seen }) => seen.length)).toEqual([1, 0]);
  });

  test("a refusal is passed on in our words: too much with a time to come back, a bad request as one", async () => {
    const busy = await setUp([() => ({ status: 429, retryAfterS: 7 })]);
    const response = await post(busy.url, { stream: true });
    expect([response.status, response.headers.get("retry-after")]).toEqual([429, "7"]);
    const again = await post(busy.url, {});
    expect(again.status).toBe(429);
    expect(busy.doubles[0]!.seen).toHaveLength(1); // it is left alone meanwhile
    const bad = await setUp([() => ({ status: 400 })]);
    expect(await streamed(bad.url)).toMatchObject({ status: 400, error: { code: "invalid_request" } });
    const secret = await setUp([() => ({ status: 401 })]);
    expect(await streamed(secret.url)).toMatchObject({ status: 502, error: { code: "upstream_failed" } });
  });

  test("a server that is slow to its first token is given up for another", async () => {
    const { url } = await setUp([() => ({ waitMs: 1500 }), () => ({})], {
      timeouts: { firstTokenMs: 200, betweenTokensMs: 200 },
    });
    expect(await streamed(url)).toMatchObject({ text: "xxx", done: true });
  });

  test("a server that is gone is not asked; the model waits for it with 503", async () => {
    const { url, doubles, upstreams } = await setUp([() => ({})], { suffix: "#double" });
    await doubles[0]!.stop();
    expect((await streamed(url)).status).toBeGreaterThanOrEqual(502);
    await until(() => upstreams.engines[0]!.state === "restarting");
    const response = await post(url, {});
    expect([response.status, response.headers.has("retry-after")]).toEqual([503, true]);
    expect((await fetch(`${url}/ready`)).status).toBe(503);
  });
});

describe("who leaves", () => {
  test("closes the request there, streamed or not, within moments", async () => {
    for (const stream of [true, false]) {
      // For minutes, if nobody closes it.
      const { url, doubles } = await setUp([() => ({ chunks: Array.from({ length: 1000 }, () => 1), gapMs: 200 })]);
      const controller = new AbortController();
      const asked = post(url, { stream }, controller.signal).then((response) => response.text());
      asked.catch(() => undefined);
      await until(() => doubles[0]!.underWay() === 1);
      controller.abort();
      await until(() => doubles[0]!.underWay() === 0);
      expect(doubles[0]!.aborted()).toBe(1);
      await until(
        async () => (await metric(url, "punctual_request_success_total", { finished_reason: "abort" })) === 1,
      );
    }
  });

  test("at its deadline an answer that may be cut ends as one that was too long", async () => {
    const { url } = await setUp([() => ({ chunks: Array.from({ length: 50 }, () => 1), gapMs: 30 })]);
    const answer = await streamed(url, { slo: { deadline_ms: 400, on_miss: "cut" } });
    expect(answer).toMatchObject({ done: true, error: null });
    expect(answer.text.length).toBeGreaterThan(0);
    expect(answer.text.length).toBeLessThan(50);
    const last = answer.events.at(-1) as { choices: { finish_reason: string }[] };
    expect(last.choices[0]!.finish_reason).toBe("length");
  });
});

/** Events of a stream whose events have names, in order. */
async function named(response: Response): Promise<{ readonly type: string; readonly [field: string]: unknown }[]> {
  const parts = (await response.text()).split("\n\n").filter((part) => part.includes("data: "));
  return parts.map((part) => JSON.parse(part.slice(part.indexOf("data: ") + 6)) as { type: string });
}

const to = (url: string, path: string, body: object): Promise<Response> =>
  fetch(`${url}${path}`, { method: "POST", body: JSON.stringify({ model: "double", ...body }) });

/** Thinking, a text, a call. */
const REPLY = [
  { role: "assistant", content: "" },
  { reasoning_content: "hm" },
  { content: "On it." },
  { tool_calls: [{ index: 0, id: "call_1", type: "function", function: { name: "light", arguments: "" } }] },
  { tool_calls: [{ index: 0, function: { arguments: '{"on":true}' } }] },
];
const TOOL = { name: "light", parameters: { type: "object", properties: { on: { type: "boolean" } } } };

describe("interfaces that the other server does not have", () => {
  test("a response is asked for as a chat, streamed and not, kept, and gone on with", async () => {
    const { url, doubles } = await setUp([() => ({})]);
    const asked = { instructions: "Be brief.", input: "hi", max_output_tokens: 9, slo: { ttft_ms: 5000 } };
    const events = await named(await to(url, "/v1/responses", { ...asked, stream: true }));
    expect(events[0]).toMatchObject({ type: "response.created" });
    const last = events.at(-1) as { type: string; response: { id: string } };
    expect(last).toMatchObject({
      type: "response.completed",
      response: {
        model: "double",
        status: "completed",
        output: [{ type: "message", content: [{ text: "xxx" }] }],
        usage: { input_tokens: 7, output_tokens: 3, slo: { attained: true } },
      },
    });
    const { path, body } = doubles[0]!.seen[0]!;
    expect(path).toBe("/v1/chat/completions");
    expect(body).toMatchObject({ max_tokens: 9, max_completion_tokens: 9, stream: true });
    expect(body["messages"]).toMatchObject([
      { role: "system", content: "Be brief." },
      { role: "user", content: "hi" },
    ]);
    expect(body).not.toHaveProperty("slo");
    const next = await to(url, "/v1/responses", { input: "and?", previous_response_id: last.response.id });
    expect(await next.json()).toMatchObject({ status: "completed", output: [{ content: [{ text: "xxx" }] }] });
    expect(doubles[0]!.seen[1]!.body["messages"]).toMatchObject([
      { role: "user", content: "hi" },
      { role: "assistant", content: "xxx" },
      { role: "user", content: "and?" },
    ]);
    expect(await metric(url, "punctual_prompt_tokens_total")).toBe(14);
  });

  test("thinking, text and calls are those of each interface", async () => {
    const { url } = await setUp([() => ({ deltas: REPLY, usage: "final" })]);
    const response = await to(url, "/v1/responses", { input: "dark", tools: [{ type: "function", ...TOOL }] });
    expect(((await response.json()) as { output: unknown }).output).toMatchObject([
      { type: "reasoning", content: [{ text: "hm" }] },
      { type: "message", content: [{ text: "On it." }] },
      { type: "function_call", call_id: "call_1", name: "light", arguments: '{"on":true}' },
    ]);
    const { parameters, ...tool } = TOOL;
    const asked = {
      max_tokens: 50,
      messages: [{ role: "user", content: "dark" }],
      tools: [{ ...tool, input_schema: parameters }],
    };
    const content = [
      { type: "thinking", thinking: "hm" },
      { type: "text", text: "On it." },
      { type: "tool_use", id: "call_1", name: "light", input: { on: true } },
    ];
    expect(await (await to(url, "/v1/messages", asked)).json()).toMatchObject({
      type: "message",
      model: "double",
      content,
      stop_reason: "tool_use",
      usage: { input_tokens: 7 },
    });
    const events = await named(await to(url, "/v1/messages", { ...asked, stream: true }));
    expect(events.at(-1)).toEqual({ type: "message_stop" });
    expect(events.find(({ type }) => type === "message_delta")).toMatchObject({
      delta: { stop_reason: "tool_use" },
      usage: { input_tokens: 7 },
    });
    const begun = events.filter(({ type }) => type === "content_block_start");
    expect(begun.map(({ content_block: block }) => (block as { type: string }).type)).toEqual([
      "thinking",
      "text",
      "tool_use",
    ]);
  });

  test("thinking is switched off as other servers know it, and a budget that they may not know is not passed on", async () => {
    const { url, doubles } = await setUp([() => ({})]);
    const message = { max_tokens: 2000, messages: [{ role: "user", content: "hi" }] };
    for (const thinking of [{ type: "disabled" }, { type: "enabled", budget_tokens: 1024 }]) {
      expect((await to(url, "/v1/messages", { ...message, thinking })).status).toBe(200);
    }
    const [off, on] = doubles[0]!.seen.map(({ body }) => body);
    expect(off).toMatchObject({ chat_template_kwargs: { enable_thinking: false } });
    expect(on).not.toHaveProperty("chat_template_kwargs");
    for (const body of [off, on]) expect(body).not.toHaveProperty("thinking_budget");
  });

  test("a response that is cancelled ends there, and says so here", async () => {
    const { url, doubles } = await setUp([() => ({ chunks: Array.from({ length: 2000 }, () => 1), gapMs: 50 })]);
    const started = (await (await to(url, "/v1/responses", { input: "hi", background: true })).json()) as {
      id: string;
    };
    await until(() => doubles[0]!.underWay() === 1);
    const cancelled = await fetch(`${url}/v1/responses/${started.id}/cancel`, { method: "POST" });
    expect(await cancelled.json()).toMatchObject({ status: "cancelled" });
    await until(() => doubles[0]!.underWay() === 0);
    const waiting = fetch(`${url}/v1/responses`, {
      method: "POST",
      headers: { "x-request-id": "wait-1" },
      body: JSON.stringify({ model: "double", input: "hi" }),
    });
    await until(() => doubles[0]!.underWay() === 1);
    await fetch(`${url}/v1/responses/resp_wait-1/cancel`, { method: "POST" });
    expect(await (await waiting).json()).toMatchObject({ status: "cancelled" });
    const kept = await fetch(`${url}/v1/responses/${started.id}`);
    expect(await kept.json()).toMatchObject({ status: "cancelled", error: null });
  });

  test("a stream that breaks is an error of each interface, never an end; before the first token another is asked", async () => {
    for (const end of ["cut", "reset", "garbage"] as const) {
      const { url, upstreams } = await setUp([() => ({ end })]);
      const usable = (): Promise<void> => until(() => upstreams.engines[0]!.state === "ready"); // it is left alone first
      const response = await named(await to(url, "/v1/responses", { input: "hi", stream: true }));
      expect(response.slice(-2)).toMatchObject([
        { type: "response.failed", response: { status: "failed", error: { code: "upstream_failed" } } },
        { type: "error", code: "upstream_failed" },
      ]);
      const message = { max_tokens: 9, messages: [{ role: "user", content: "hi" }] };
      await usable();
      const messages = await named(await to(url, "/v1/messages", { ...message, stream: true }));
      expect(messages.at(-1)).toMatchObject({ type: "error" });
      expect(messages.some(({ type }) => type === "message_stop")).toBe(false);
      await usable();
      const whole = await to(url, "/v1/responses", { input: "hi" });
      expect([whole.status, ((await whole.json()) as { error: { code: string } }).error.code]).toEqual([
        502,
        "upstream_failed",
      ]);
    }
    const { url, doubles } = await setUp([() => ({ status: 500 }), () => ({})]);
    for (let i = 0; i < 2; i++) {
      expect((await to(url, "/v1/responses", { input: "hi" })).status).toBe(200);
      expect(doubles[1]!.seen.length).toBe(i + 1);
    }
  });
});

describe("tokens, which only the other server knows", () => {
  const message = { messages: [{ role: "user", content: "hello" }] };

  test("are told as it tells them, in vLLM's form and in llama-server's", async () => {
    const { url, doubles } = await setUp([() => ({})]);
    doubles[0]!.tokenizer = "vllm";
    const tokens = [104, 105];
    expect(await (await to(url, "/tokenize", { prompt: "hi" })).json()).toEqual({
      count: 2,
      max_model_len: 512,
      tokens,
      token_strs: null,
    });
    expect(await (await to(url, "/tokenize", message)).json()).toMatchObject({ count: 5 });
    expect(await (await to(url, "/detokenize", { tokens })).json()).toEqual({ prompt: "hi" });
    expect(await (await to(url, "/v1/responses/input_tokens", { input: "hello" })).json()).toMatchObject({
      input_tokens: 5,
    });
    expect(await (await to(url, "/v1/messages/count_tokens", message)).json()).toEqual({ input_tokens: 5 });
    doubles[0]!.tokenizer = "llama";
    expect(await (await to(url, "/tokenize", { prompt: "hi" })).json()).toMatchObject({ count: 2, tokens });
    expect(await (await to(url, "/detokenize", { tokens })).json()).toEqual({ prompt: "hi" });
    const unread = await to(url, "/tokenize", message);
    expect([unread.status, await unread.text()]).toEqual([400, expect.stringContaining("only it knows")]);
  });

  test("where it has none, that is said, and it stays as well as it was; where it is gone, the other is asked", async () => {
    const { url, doubles, upstreams } = await setUp([() => ({}), () => ({})]);
    for (const double of doubles) double.tokenizer = "none";
    for (const [path, body] of [
      ["/tokenize", { prompt: "hi" }],
      ["/detokenize", { tokens: [1] }],
      ["/v1/messages/count_tokens", message],
      ["/v1/responses/input_tokens", { input: "hi" }],
    ] as const) {
      const refused = await to(url, path, body);
      expect([path, refused.status]).toEqual([path, 400]);
      expect(await refused.text()).toContain("only it knows the model's tokens");
    }
    expect(upstreams.instanceViews().map(({ state }) => state)).toEqual(["serving", "serving"]);
    doubles[1]!.tokenizer = "vllm";
    expect(await (await to(url, "/tokenize", { prompt: "hi" })).json()).toMatchObject({ count: 2 });
    await doubles[0]!.stop();
    expect(await (await to(url, "/tokenize", { prompt: "hi" })).json()).toMatchObject({ count: 2 });
  });
});
