/** Routes, refusals and pages without a socket: the application answers `app.request()` as it would the network. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTinyEngine } from "../../test/support/engine.ts";
import { parsePrometheus, sampleValue } from "../../test/support/prometheus.ts";
import {
  chatCompletionSchema,
  completionSchema,
  detokenizeAnswerSchema,
  errorBodySchema,
  healthSchema,
  modelListSchema,
  modelSchema,
  tokenizeAnswerSchema,
} from "../protocol/index.ts";
import type { Engine } from "../runtime/index.ts";
import { createServer, type PunctualServer } from "./index.ts";

let engine: Engine;
let server: PunctualServer;

beforeAll(async () => {
  engine = await startTinyEngine();
  server = createServer({ engines: [engine], bodyLimitBytes: 20_000 });
});
afterAll(async () => {
  await server.close({ graceMs: 0 });
  await engine.stop({ graceMs: 0 });
});

async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  const text = typeof body === "string" || body instanceof Uint8Array ? (body as BodyInit) : JSON.stringify(body);
  return server.app.request(path, {
    method: "POST",
    body: text,
    headers: { "content-type": "application/json", ...headers },
  });
}
async function errorOf(
  response: Response,
): Promise<{ status: number; code: string | null; param: string | null; message: string }> {
  const { error } = errorBodySchema.parse(await response.json());
  return { status: response.status, code: error.code, param: error.param, message: error.message };
}

const chat = { model: "tiny", messages: [{ role: "user", content: "hi" }], max_tokens: 4, temperature: 0 };
const text = { model: "tiny", prompt: "hi", max_tokens: 4, temperature: 0 };

const FUNCTION = { type: "function", function: { name: "f" } };

describe("routes", () => {
  test("lists its models and tells one", async () => {
    const list = modelListSchema.parse(await (await server.app.request("/v1/models")).json());
    expect(list.data).toMatchObject([{ id: "tiny", max_model_len: 512, owned_by: "punctual" }]);
    expect(Math.abs(list.data[0]!.created - Date.now() / 1000)).toBeLessThan(60);
    expect(modelSchema.parse(await (await server.app.request("/v1/models/tiny")).json()).id).toBe("tiny");
    expect(await errorOf(await server.app.request("/v1/models/huge"))).toMatchObject({
      status: 404,
      code: "model_not_found",
    });
  });

  test("is healthy when every model is ready", async () => {
    const response = await server.app.request("/health");
    expect(response.status).toBe(200);
    expect(healthSchema.parse(await response.json())).toEqual({
      status: "ready",
      models: { tiny: "ready" },
      policies: { tiny: "fifo" },
    });
  });

  test.each([
    ["GET", "/v1/chat/completions", 405, "method_not_allowed"],
    ["DELETE", "/v1/models", 405, "method_not_allowed"],
    ["POST", "/metrics", 405, "method_not_allowed"],
    ["GET", "/v1/embeddings", 405, "method_not_allowed"],
    ["POST", "/v1/audio/speech", 404, "not_found"],
    ["POST", "/v2", 404, "not_found"],
  ])("%s %s answers %i in OpenAI's form", async (method, path, status, code) => {
    const response = await server.app.request(path, { method });
    expect(await errorOf(response)).toMatchObject({ status, code });
    expect(response.headers.get("allow") !== null).toBe(status === 405);
  });

  test("keeps a client's request id and makes one otherwise", async () => {
    const given = await server.app.request("/health", { headers: { "x-request-id": "abc-1" } });
    expect(given.headers.get("x-request-id")).toBe("abc-1");
    const made = await server.app.request("/nowhere", { headers: { "x-request-id": "no spaces <please>" } });
    expect(made.headers.get("x-request-id")).toMatch(/^[\w-]{36}$/);
  });

  test("the page at / asks nobody else", async () => {
    const response = await server.app.request("/");
    const page = await response.text();
    expect(response.headers.get("content-type")).toMatch(/text\/html/);
    expect(response.headers.get("content-security-policy")).toContain("connect-src 'self'");
    expect(page).not.toMatch(/(?:src|href)="https?:/);
  });
});

describe("refusals", () => {
  test.each([
    ["not JSON", "{", "invalid_request", null],
    ["empty", "", "invalid_request", null],
    ["not UTF-8", Uint8Array.of(0x7b, 0xff, 0x7d), "invalid_request", null],
    ["an array", [], "invalid_request", null],
    ["too deep", `{"a":${"[".repeat(100)}${"]".repeat(100)}}`, "invalid_request", null],
    ["no messages", { model: "tiny" }, "invalid_request", "messages"],
    ["a tool that is no function", { ...chat, tools: [{ type: "custom" }] }, "unsupported_parameter", "tools[0].type"],
    [
      "a format for what may be a call",
      { ...chat, tools: [FUNCTION], response_format: { type: "json_object" } },
      "unsupported_parameter",
      "response_format",
    ],
    ["a token id beyond the vocabulary", { ...chat, logit_bias: { 320: 1 } }, "invalid_request", "logit_bias.320"],
    ["a bad objective", { ...chat, slo: { class: "deadline" } }, "invalid_request", "slo.deadline_ms"],
    [
      "a prompt that fills the context",
      { ...chat, messages: [{ role: "user", content: "a".repeat(600) }] },
      "context_length_exceeded",
      "messages",
    ],
  ])("a body that is %s", async (_what, body, code, param) => {
    expect(await errorOf(await post("/v1/chat/completions", body))).toMatchObject({ status: 400, code, param });
  });

  test.each([
    ["an unknown model", { ...text, model: "x" }, 404, "model_not_found", "model"],
    ["echo", { ...text, echo: true }, 400, "unsupported_parameter", "echo"],
    ["a token beyond the vocabulary", { ...text, prompt: [1, 320] }, 400, "invalid_request", "prompt"],
    ["an overlong prompt", { ...text, prompt: "a".repeat(512) }, 400, "context_length_exceeded", "prompt"],
    ["an empty prompt", { ...text, prompt: "" }, 400, "invalid_request", "prompt"],
  ])("a completion with %s", async (_what, body, status, code, param) => {
    expect(await errorOf(await post("/v1/completions", body))).toMatchObject({ status, code, param });
  });

  test("a body beyond the limit, declared or not", async () => {
    const long = JSON.stringify({ ...text, prompt: "a".repeat(30_000) });
    const declared = await post("/v1/completions", long, { "content-length": String(long.length) });
    expect(await errorOf(declared)).toMatchObject({ status: 413, code: "payload_too_large" });
    expect(await errorOf(await post("/v1/completions", long))).toMatchObject({ status: 413 });
  });

  test("a header that is no deadline", async () => {
    const response = await post("/v1/completions", text, { "x-slo-deadline-ms": "soon" });
    expect(await errorOf(response)).toMatchObject({ status: 400, param: "x-slo-deadline-ms" });
  });

  test("none of them reached the engine", () => {
    expect(engine.stats().counters.steps).toBe(0);
  });
});

describe("metrics", () => {
  test("parse strictly, and move under both prefixes", async () => {
    const read = async () => parsePrometheus(await (await server.app.request("/metrics")).text());
    const before = await read();
    const tokens = (families: Awaited<ReturnType<typeof read>>, prefix: string): number =>
      sampleValue(families, `${prefix}generation_tokens_total`, { model_name: "tiny" });
    const answer = completionSchema.parse(await (await post("/v1/completions", { ...text, ignore_eos: true })).json());
    expect(answer.usage.completion_tokens).toBe(4);
    const after = await read();
    for (const prefix of ["punctual_", "vllm:"]) expect(tokens(after, prefix) - tokens(before, prefix)).toBe(4);
    expect(sampleValue(after, "vllm:time_to_first_token_seconds_count")).toBe(1);
    expect(sampleValue(after, "vllm:request_success_total", { finished_reason: "length" })).toBe(1);
    const ok = { route: "/v1/completions", method: "POST", status: "200" };
    expect(sampleValue(after, "punctual_http_requests_total", ok)).toBe(1);
    const bounds = after
      .get("vllm:time_to_first_token_seconds")!
      .samples.flatMap((sample) => (sample.labels["le"] === undefined ? [] : [sample.labels["le"]]));
    expect(bounds.slice(0, 4)).toEqual(["0.001", "0.005", "0.01", "0.02"]);
    expect(bounds.slice(-2)).toEqual(["2560", "+Inf"]);
  });

  test("complaint 11: every sample is labelled, nothing undefined, before a first request too", async () => {
    await using fresh = createServer({ engines: [engine] });
    for (const app of [fresh.app, server.app]) {
      const families = parsePrometheus(await (await app.request("/metrics")).text());
      for (const [name, { samples }] of families) {
        for (const { labels } of samples) {
          for (const value of Object.values(labels)) expect(["", "undefined", "null", "NaN"]).not.toContain(value);
          if (name.startsWith("vllm:")) expect(labels).toMatchObject({ model_name: "tiny", engine: "0" });
          else if (!name.startsWith("punctual_http_")) expect(labels).toMatchObject({ model_name: "tiny" });
        }
      }
    }
  });

  test("vLLM's names have vLLM's buckets, and count what ours count", async () => {
    const families = parsePrometheus(await (await server.app.request("/metrics")).text());
    const bounds = (name: string): number[] =>
      families
        .get(name)!
        .samples.flatMap(({ labels }) => (labels["le"] === undefined || labels["le"] === "+Inf" ? [] : [labels["le"]]))
        .map(Number);
    const perToken = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
    const request = [0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680];
    for (const name of ["inter_token_latency", "request_time_per_output_token", "time_per_output_token"]) {
      expect(bounds(`vllm:${name}_seconds`)).toEqual(perToken);
    }
    for (const name of ["e2e_request_latency", "request_queue_time", "request_prefill_time", "request_decode_time"]) {
      expect(bounds(`vllm:${name}_seconds`)).toEqual(request);
    }
    expect(bounds("punctual_inter_token_latency_seconds").length).toBeGreaterThan(perToken.length);
    for (const name of ["inter_token_latency_seconds", "e2e_request_latency_seconds", "request_params_n"]) {
      for (const part of ["count", "sum"]) {
        const [ours, theirs] = ["punctual_", "vllm:"].map((prefix) =>
          sampleValue(families, `${prefix}${name}_${part}`),
        );
        expect(ours).toBe(theirs);
      }
    }
    expect(sampleValue(families, "vllm:request_params_max_tokens_sum")).toBe(4);
    expect(sampleValue(families, "vllm:request_max_num_generation_tokens_sum")).toBe(4);
  });
});

describe("tokens", () => {
  const tokens = async (body: object) => tokenizeAnswerSchema.parse(await (await post("/tokenize", body)).json());
  const said = async (body: object) => detokenizeAnswerSchema.parse(await (await post("/detokenize", body)).json());

  test("of a text and back, for the only model when nobody says which", async () => {
    const answer = await tokens({ prompt: "héllo", return_token_strs: true });
    expect(answer).toMatchObject({ count: 6, max_model_len: 512 });
    expect(answer.token_strs!.slice(-2)).toEqual(["l", "o"]);
    expect((await tokens({ model: "tiny", prompt: "héllo" })).token_strs).toBeNull();
    expect(await said({ tokens: answer.tokens })).toEqual({ prompt: "héllo" });
  });

  test("of a conversation: what a chat request is billed for", async () => {
    const { count, tokens: ids } = await tokens({ messages: chat.messages });
    const answer = chatCompletionSchema.parse(await (await post("/v1/chat/completions", chat)).json());
    expect(count).toBe(answer.usage.prompt_tokens);
    expect((await said({ tokens: ids })).prompt).toBe("<|user|>hi<|end|><|assistant|>");
  });

  test.each([
    ["/tokenize", {}, "prompt"],
    ["/tokenize", { prompt: "a", chat_template: "x" }, "chat_template"],
    ["/tokenize", { messages: chat.messages, add_generation_prompt: false }, "add_generation_prompt"],
    ["/detokenize", { tokens: [1, 320] }, "tokens[1]"],
    ["/detokenize", { tokens: "a" }, "tokens"],
    ["/detokenize", { model: "x", tokens: [] }, "model"],
  ])("%s refuses %j, naming %s", async (path, body, param) => {
    expect(await errorOf(await post(path, body))).toMatchObject({ param });
  });
});
