/**
 * `lossy_context` in a body is what the engine is asked with, by every endpoint that generates; it is never on by itself. What came
 * of it is in the usage of each, streamed and not.
 */
import Anthropic from "@anthropic-ai/sdk";
import OpenAI from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scripted } from "../../test/support/scripted-engine.ts";
import { TINY } from "../../test/support/tiny.ts";
import { Engine, type GenerateRequest } from "../runtime/index.ts";
import { createServer } from "./index.ts";

const EVERY: readonly (readonly [path: string, body: object])[] = [
  ["completions", { prompt: "Hello", max_tokens: 4 }],
  ["chat/completions", { messages: [{ role: "user", content: "Hello" }], max_tokens: 4 }],
  ["responses", { input: "Hello", max_output_tokens: 4 }],
  ["messages", { messages: [{ role: "user", content: "Hello" }], max_tokens: 4 }],
];

/** Of an answer that was allowed it; the engine here says so of all of them. */
const LOSSY = 3;

const asked: GenerateRequest[] = [];
let engine: Engine;
let server: ReturnType<typeof createServer>;
let url: string;

beforeAll(async () => {
  engine = await Engine.start({ model: { random: TINY, seed: 3 }, name: "tiny", budgetTokens: 32 });
  const telling = scripted(engine, (request) => {
    asked.push(request);
    const usage = request.lossyContext === true ? { lossyTokens: LOSSY } : {};
    return { said: [["text", "yes"]], usage };
  });
  server = createServer({ engines: [telling] });
  ({ url } = await server.listen({ port: 0 }));
});

afterAll(async () => {
  await server.close({ graceMs: 0 });
  await engine.stop({ graceMs: 0 });
});

async function ask(path: string, body: object): Promise<number> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${url}/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  await answer.text();
  return answer.status;
}

test.each(EVERY)("%s", async (path, said) => {
  const body = { model: "tiny", ...said };
  const seen = async (more: object): Promise<boolean | undefined> => {
    const before = asked.length;
    expect(await ask(path, { ...body, ...more })).toBe(200);
    expect(asked.length).toBe(before + 1);
    return asked.at(-1)!.lossyContext;
  };
  expect(await seen({ lossy_context: true })).toBe(true);
  expect(await seen({ lossy_context: false })).toBeUndefined();
  expect(await seen({ lossy_context: null })).toBeUndefined();
  expect(await seen({})).toBeUndefined();
  expect(await ask(path, { ...body, lossy_context: "yes" })).toBe(400);
});

test("the official clients ask for it as for any field of ours, streamed and not", async () => {
  const seen: (boolean | undefined)[] = [];
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  const anthropic = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
  const messages = [{ role: "user" as const, content: "Hello" }];
  for (const more of [{ lossy_context: true }, {}]) {
    const words = { model: "tiny", max_tokens: 4, messages, ...more };
    await openai.responses.create({ model: "tiny", input: "Hello", ...more });
    seen.push(asked.at(-1)!.lossyContext);
    await openai.responses.stream({ model: "tiny", input: "Hello", ...more }).finalResponse();
    seen.push(asked.at(-1)!.lossyContext);
    await anthropic.messages.create(words);
    seen.push(asked.at(-1)!.lossyContext);
    await anthropic.messages.stream(words).finalMessage();
    seen.push(asked.at(-1)!.lossyContext);
  }
  expect(seen).toEqual([true, true, true, true, undefined, undefined, undefined, undefined]);
});

test("openapi.json has it in every request", async () => {
  const { components } = (await (await fetch(`${url}/openapi.json`)).json()) as {
    components: { schemas: Record<string, { properties: Record<string, unknown> }> };
  };
  for (const name of ["ChatRequest", "CompletionRequest", "ResponseRequest", "MessageRequest"]) {
    expect(components.schemas[name]!.properties, name).toHaveProperty("lossy_context");
  }
});

test("usage says how many tokens are not exact, beside those that were cached, and nothing when all are", async () => {
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  const anthropic = new Anthropic({ baseURL: url, apiKey: "none", maxRetries: 0 });
  const messages = [{ role: "user" as const, content: "Hello" }];
  const usages = { stream: true, stream_options: { include_usage: true } } as const;
  for (const [allowed, lossy] of [
    [true, LOSSY],
    [false, undefined],
  ] as const) {
    const base = { model: "tiny", lossy_context: allowed };
    const chat = { ...base, messages };
    const text = { ...base, prompt: "Hello" };
    const message = { ...base, max_tokens: 4, messages };
    const told: unknown[] = [
      (await openai.chat.completions.create(chat)).usage?.prompt_tokens_details,
      (await openai.completions.create(text)).usage?.prompt_tokens_details,
      (await openai.responses.create({ ...base, input: "Hello" })).usage?.input_tokens_details,
      (await openai.responses.stream({ ...base, input: "Hello" }).finalResponse()).usage?.input_tokens_details,
      (await anthropic.messages.create(message)).usage,
    ];
    const last: unknown[] = [];
    for await (const { usage } of await openai.chat.completions.create({ ...chat, ...usages })) last.push(usage);
    told.push((last.at(-1) as OpenAI.CompletionUsage).prompt_tokens_details);
    for await (const { usage } of await openai.completions.create({ ...text, ...usages })) last.push(usage);
    told.push((last.at(-1) as OpenAI.CompletionUsage).prompt_tokens_details);
    // Its stream helper takes over only the counts that it knows: the event has them all.
    const delta: unknown[] = [];
    for await (const event of await anthropic.messages.create({ ...message, stream: true })) {
      if (event.type === "message_delta") delta.push(event.usage);
    }
    told.push(delta.at(-1));
    expect(told.map(lossyIn)).toEqual(Array.from({ length: 8 }, () => lossy));
  }
});

/** The field of ours, by whichever name; that of cached tokens must be beside it. */
function lossyIn(usage: unknown): unknown {
  const told = usage as Readonly<Record<string, unknown>>;
  expect(told["cached_tokens"] ?? told["cache_read_input_tokens"]).toBe(4);
  return told["lossy_tokens"] ?? told["lossy_input_tokens"];
}
