/** The interface as its users meet it: the official client over a real socket, a real engine behind it. */
import OpenAI, { APIError } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ENDLESS, ENDLESS_TOKENS, startTestServer, until, type TestServer } from "../../test/support/engine.ts";
import { chatChunkSchema, chatCompletionSchema, completionChunkSchema, completionSchema } from "../protocol/index.ts";

let served: TestServer;
let client: OpenAI;

beforeAll(async () => {
  served = await startTestServer();
  client = served.client;
});
afterAll(() => served.stop());

type ChatParams = OpenAI.ChatCompletionCreateParams;
const chat = { model: "tiny", messages: [{ role: "user" as const, content: "hi" }], temperature: 0, max_tokens: 12 };
/** A random model may say any token: bar the marks of sections, so that an answer is text. */
const PLAIN = {
  logit_bias: Object.fromEntries(Array.from({ length: 16 }, (_, id) => [String(id), -100])),
  ignore_eos: true,
};
const plain = { ...chat, ...PLAIN } as typeof chat;

async function failureOf(promise: PromiseLike<unknown>): Promise<APIError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof APIError) return error;
    throw error;
  }
  throw new Error("expected a failure");
}

async function streamed(params: object): Promise<OpenAI.ChatCompletionChunk[]> {
  const stream = await client.chat.completions.create({ ...plain, ...params, stream: true } as ChatParams & {
    stream: true;
  });
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chatChunkSchema.parse(chunk) as unknown as OpenAI.ChatCompletionChunk);
  return chunks;
}

const textOf = (chunks: readonly OpenAI.ChatCompletionChunk[], index = 0): string =>
  chunks
    .flatMap((chunk) =>
      chunk.choices.filter((choice) => choice.index === index).map((choice) => choice.delta.content ?? ""),
    )
    .join("");

describe("chat completions", () => {
  test("a whole answer has the form, the usage and the deadline's outcome", async () => {
    const answer = await client.chat.completions.create(plain);
    const parsed = chatCompletionSchema.parse(answer);
    expect(parsed.id).toMatch(/^chatcmpl-/);
    expect(parsed.choices).toHaveLength(1);
    expect(parsed.choices[0]).toMatchObject({ finish_reason: "length", logprobs: null });
    expect(parsed.usage).toMatchObject({ completion_tokens: 12, total_tokens: parsed.usage.prompt_tokens + 12 });
    expect(parsed.usage.slo!.attained).toBe(true);
    expect(parsed.usage.slo!.e2e_ms!).toBeGreaterThanOrEqual(parsed.usage.slo!.ttft_ms!);
  });

  test("streaming gives the same text, the role once and the reason once", async () => {
    const whole = await client.chat.completions.create(plain);
    const chunks = await streamed({});
    expect(textOf(chunks)).toBe(whole.choices[0]!.message.content);
    expect(chunks.filter((chunk) => chunk.choices[0]!.delta.role !== undefined)).toHaveLength(1);
    expect(chunks[0]!.choices[0]!.delta.role).toBe("assistant");
    expect(chunks[0]!.choices[0]!.delta.content).not.toBe("");
    expect(chunks.filter((chunk) => chunk.choices[0]!.finish_reason !== null)).toHaveLength(1);
    expect(new Set(chunks.map((chunk) => `${chunk.id} ${chunk.created} ${chunk.model}`)).size).toBe(1);
  });

  test("include_usage adds one chunk; continuous_usage_stats counts on every one", async () => {
    const last = (await streamed({ stream_options: { include_usage: true } })).at(-1)!;
    expect(last.choices).toEqual([]);
    expect(last.usage).toMatchObject({ completion_tokens: 12 });
    const options = { include_usage: true, continuous_usage_stats: true };
    const counts = (await streamed({ stream_options: options })).map((chunk) => chunk.usage!.completion_tokens);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(counts.at(-1)).toBe(12);
  });

  test("log-probabilities: one entry per content token, as many rivals as asked", async () => {
    const answer = await client.chat.completions.create({ ...plain, logprobs: true, top_logprobs: 3 });
    const entries = answer.choices[0]!.logprobs!.content!;
    expect(entries).toHaveLength(12);
    for (const entry of entries) {
      expect(entry.top_logprobs).toHaveLength(3);
      expect(entry.logprob).toBeLessThanOrEqual(0);
      expect(new TextDecoder().decode(Uint8Array.from(entry.bytes!))).toBe(entry.token);
    }
    const chunks = await streamed({ logprobs: true, top_logprobs: 3 });
    const inStream = chunks.flatMap((chunk) => chunk.choices[0]?.logprobs?.content ?? []);
    expect(inStream.map((entry) => entry.logprob)).toEqual(entries.map((entry) => entry.logprob));
  });

  test("stops before a stop string and says so", async () => {
    const whole = (await client.chat.completions.create({ ...plain, max_tokens: 40 })).choices[0]!.message.content!;
    const stop = whole.slice(8, 10);
    const cut = await client.chat.completions.create({ ...plain, max_tokens: 40, stop: [stop, "never there"] });
    expect(cut.choices[0]!.message.content).toBe(whole.slice(0, whole.indexOf(stop)));
    expect(cut.choices[0]!.finish_reason).toBe("stop");
    expect(textOf(await streamed({ max_tokens: 40, stop }))).toBe(whole.slice(0, whole.indexOf(stop)));
  });

  test("n choices, each with its own index, reason and seeded text", async () => {
    const params = { ...plain, temperature: 1, seed: 5, n: 3 };
    const answer = await client.chat.completions.create(params);
    expect(answer.choices.map((choice) => choice.index)).toEqual([0, 1, 2]);
    const texts = answer.choices.map((choice) => choice.message.content!);
    expect(new Set(texts).size).toBe(3);
    expect(answer.usage!.completion_tokens).toBe(36);
    const chunks = await streamed({ temperature: 1, seed: 5, n: 3 });
    expect([0, 1, 2].map((index) => textOf(chunks, index))).toEqual(texts);
    expect(chunks.filter((chunk) => chunk.choices[0]!.finish_reason !== null)).toHaveLength(3);
    expect(chunks.filter((chunk) => chunk.choices[0]!.delta.role !== undefined)).toHaveLength(3);
  });

  test("choice i depends on the seed and i alone; the first is the answer of n = 1", async () => {
    const texts = async (n: number, seed: number): Promise<string[]> => {
      const answer = await client.chat.completions.create({ ...plain, temperature: 1, seed, n });
      return answer.choices.map((choice) => choice.message.content!);
    };
    const three = await texts(3, 5);
    expect(await texts(2, 5)).toEqual(three.slice(0, 2));
    expect(await texts(1, 5)).toEqual(three.slice(0, 1));
    expect(await texts(1, 6)).not.toEqual(three.slice(1, 2)); // neighbouring seeds share no answer
  });

  test("streams of several choices interleave", async () => {
    const order = (await streamed({ n: 3, max_tokens: 40 })).map((chunk) => chunk.choices[0]!.index);
    const firstEnd = order.lastIndexOf(order.find((index) => index !== order[0])!);
    expect(order.indexOf(2)).toBeLessThan(order.lastIndexOf(0));
    expect(order.indexOf(0)).toBeLessThan(firstEnd);
  });

  test("include_obfuscation fills every chunk up to a multiple of 64 bytes", async () => {
    for (const chunk of await streamed({ stream_options: { include_obfuscation: true } })) {
      expect(Buffer.byteLength(JSON.stringify(chunk)) % 64).toBe(0);
    }
    for (const chunk of await streamed({})) expect(chunk).not.toHaveProperty("obfuscation");
  });

  test("a logit bias decides", async () => {
    const [id] = served.engine.tokenizer.encode("q");
    const biased = { ...plain, logit_bias: { ...PLAIN.logit_bias, [String(id)]: 100 } };
    expect((await client.chat.completions.create(biased)).choices[0]!.message.content).toBe("q".repeat(12));
  });

  test("an effort is a share of the answer's tokens; none is nothing", async () => {
    const think = { logit_bias: { [String(served.engine.tokenizer.specialId("<|think|>"))]: 100 }, ignore_eos: true };
    const thoughts = async (extra: object): Promise<number> => {
      const params = { ...chat, ...think, max_tokens: 40, ...extra } as typeof chat;
      return chatCompletionSchema.parse(await client.chat.completions.create(params)).usage.completion_tokens_details
        .reasoning_tokens;
    };
    expect(await thoughts({ reasoning_effort: "none" })).toBe(0);
    expect(await thoughts({ chat_template_kwargs: { enable_thinking: false } })).toBe(0);
    expect(await thoughts({ reasoning_effort: "low" })).toBeLessThanOrEqual(8); // a fifth
    expect(await thoughts({ reasoning_effort: "low", thinking_budget: 3 })).toBeLessThanOrEqual(3);
  });

  test("fields that ask for nothing we would do differently are accepted", async () => {
    const accepted = {
      verbosity: "low",
      store: true,
      user: "ann",
      metadata: { a: "b" },
      prompt_cache_key: "k",
      safety_identifier: "s",
      prediction: { type: "content", content: [{ type: "text", text: "maybe" }] },
    };
    const answer = await client.chat.completions.create({ ...plain, ...accepted } as typeof plain);
    const unasked = await client.chat.completions.create(plain);
    expect(answer.choices[0]!.message).toEqual(unasked.choices[0]!.message);
    expect(answer.usage!.completion_tokens_details).toMatchObject({
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    });
  });

  test("a deadline in the body or in headers is answered with its outcome", async () => {
    const body = { ...plain, slo: { class: "latency", ttft_ms: 60_000 } } as typeof plain;
    const attained = chatCompletionSchema.parse(await client.chat.completions.create(body)).usage.slo!;
    expect(attained.attained).toBe(true);
    expect(attained.slack_ms!).toBeGreaterThan(0);
    const headers = { "x-slo-ttft-ms": "0.001" };
    const missed = chatCompletionSchema.parse(await client.chat.completions.create(plain, { headers })).usage.slo!;
    expect(missed.attained).toBe(false);
    expect(missed.slack_ms!).toBeLessThan(0);
  });

  test("the answer says which tier was used when one was asked for", async () => {
    expect((await client.chat.completions.create({ ...plain, service_tier: "auto" })).service_tier).toBe("default");
    expect((await client.chat.completions.create({ ...plain, service_tier: "flex" })).service_tier).toBe("flex");
    expect((await client.chat.completions.create(plain)).service_tier).toBeUndefined();
  });
});

describe("text completions", () => {
  const text = { model: "tiny", prompt: "once upon", temperature: 0, ...PLAIN };

  test("sixteen tokens when nobody says how many, streamed and not", async () => {
    const whole = completionSchema.parse(await client.completions.create(text));
    expect(whole.usage).toMatchObject({ prompt_tokens: 9, completion_tokens: 16 });
    let streamedText = "";
    const reasons: string[] = [];
    for await (const chunk of await client.completions.create({ ...text, stream: true })) {
      const [choice] = completionChunkSchema.parse(chunk).choices;
      streamedText += choice!.text;
      if (choice!.finish_reason !== null) reasons.push(choice!.finish_reason);
    }
    expect(streamedText).toBe(whole.choices[0]!.text);
    expect(reasons).toEqual(["length"]);
  });

  test("prompts as strings, tokens, and several at once agree", async () => {
    const tokens = served.engine.tokenizer.encode("once upon");
    const [single, ids, several] = await Promise.all([
      client.completions.create(text),
      client.completions.create({ ...text, prompt: tokens }),
      client.completions.create({ ...text, prompt: ["once upon", "a time"], n: 2 }),
    ]);
    expect(ids.choices[0]!.text).toBe(single.choices[0]!.text);
    expect(several.choices.map((choice) => choice.index)).toEqual([0, 1, 2, 3]);
    expect(several.choices[0]!.text).toBe(single.choices[0]!.text);
    expect(several.usage!.prompt_tokens).toBe(9 + 6);
    expect(several.usage!.completion_tokens).toBe(64);
  });

  test("log-probabilities as columns", async () => {
    const { logprobs } = (await client.completions.create({ ...text, logprobs: 2 })).choices[0]!;
    expect(logprobs!.tokens).toHaveLength(16);
    expect(logprobs!.text_offset![0]).toBe(0);
    expect(Object.keys(logprobs!.top_logprobs![0]!)).toHaveLength(2);
  });

  test("a repeated prompt is found in the cache", async () => {
    const long = { ...text, prompt: "a long beginning that fills several pages of the cache, once and for all" };
    await client.completions.create(long);
    const again = completionSchema.parse(await client.completions.create(long));
    expect(again.usage.prompt_tokens_details.cached_tokens).toBeGreaterThanOrEqual(32);
  });
});

describe("models", () => {
  test("are listed and retrieved", async () => {
    const names: string[] = [];
    for await (const model of client.models.list()) names.push(model.id);
    expect(names).toEqual(["tiny"]);
    expect((await client.models.retrieve("tiny")).owned_by).toBe("punctual");
  });
});

describe("errors, as the client's classes", () => {
  test.each([
    ["an unknown model", { model: "gpt-9" }, OpenAI.NotFoundError, "model_not_found", "model"],
    [
      "a choice of a tool that is not declared",
      {
        tools: [{ type: "function", function: { name: "f" } }],
        tool_choice: { type: "function", function: { name: "g" } },
      },
      OpenAI.BadRequestError,
      "invalid_request",
      "tool_choice",
    ],
    ["a temperature too hot", { temperature: 3 }, OpenAI.BadRequestError, "invalid_request", "temperature"],
    ["too many choices", { n: 9 }, OpenAI.BadRequestError, "invalid_request", "n"],
    [
      "too long a prompt",
      { messages: [{ role: "user", content: "x".repeat(600) }] },
      OpenAI.BadRequestError,
      "context_length_exceeded",
      "messages",
    ],
  ])("%s", async (_what, change, kind, code, param) => {
    for (const stream of [false, true]) {
      const error = await failureOf(client.chat.completions.create({ ...plain, ...change, stream } as ChatParams));
      expect(error).toBeInstanceOf(kind);
      expect([error.code, error.param, error.type]).toEqual([code, param, "invalid_request_error"]);
      expect(error.requestID).toMatch(/^[\w-]{36}$/);
    }
  });

  test("a deadline that cannot be met is refused with 503 and a time to come back", async () => {
    const slo = { class: "deadline", deadline_ms: 0.001, on_miss: "reject" };
    const error = await failureOf(client.chat.completions.create({ ...plain, slo } as typeof plain));
    expect(error.status).toBe(503);
    expect(["deadline_unattainable", "deadline_expired"]).toContain(error.code);
    expect(Number(error.headers!.get("retry-after"))).toBeGreaterThanOrEqual(1);
  });
});

describe("leaving early", () => {
  // Its answers end by being left, or not within a test.
  const long = { ...plain, max_tokens: ENDLESS_TOKENS };
  let endless: TestServer;
  beforeAll(async () => {
    endless = await startTestServer(ENDLESS);
  });
  afterAll(() => endless.stop());
  const stats = () => endless.engine.stats();
  const idle = (): boolean => stats().running === 0 && stats().waiting === 0;

  test("breaking off a stream frees the slot", async () => {
    const aborted = stats().counters.requests.abort;
    const stream = await endless.client.chat.completions.create({ ...long, stream: true });
    for await (const chunk of stream) if (chunk.choices.length > 0) break;
    await until(() => idle() && stats().counters.requests.abort > aborted);
    expect(stats().counters.requests.abort).toBe(aborted + 1);
  });

  test("aborting a request that does not stream frees the slot", async () => {
    const aborted = stats().counters.requests.abort;
    const controller = new AbortController();
    const request = endless.client.chat.completions.create(long, { signal: controller.signal });
    await until(() => stats().running === 1);
    controller.abort();
    await expect(request).rejects.toThrow(/abort/i);
    await until(() => idle() && stats().counters.requests.abort > aborted);
    expect(stats().counters.requests.abort).toBe(aborted + 1);
  });
});
