/** Who may ask, for what and how much, and from where: a server with keys, as its clients meet it. */
import OpenAI, { AuthenticationError, NotFoundError, RateLimitError } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ENDLESS,
  ENDLESS_TOKENS,
  startTestServer,
  startTinyEngine,
  until,
  type TestServer,
} from "../../test/support/engine.ts";
import { errorBodySchema, healthSchema, modelListSchema } from "../protocol/index.ts";
import type { Engine } from "../runtime/index.ts";
import { createServer, hashKey, readKeyFile } from "./index.ts";

const KEYS = {
  all: "all-".repeat(5),
  other: "other-".repeat(5),
  few: "few-".repeat(5),
  one: "one-".repeat(5),
  sparing: "sparing-".repeat(5),
};
const keys = readKeyFile(
  JSON.stringify({
    keys: [
      { name: "all", slo: "ttft=3600s" },
      { name: "other", models: ["another"] },
      { name: "few", requests_per_minute: 2, tokens_per_minute: 100_000 },
      { name: "one", concurrent: 1 },
      { name: "sparing", tokens_per_minute: 40 },
    ].map((entry) => ({
      ...entry,
      sha256: Buffer.from(hashKey(KEYS[entry.name as keyof typeof KEYS])).toString("hex"),
    })),
  }),
);
const completion = { model: "tiny", prompt: "hi", max_tokens: 3, temperature: 0, ignore_eos: true } as const;

describe("a server with keys", () => {
  let served: TestServer;
  const logged: string[] = [];
  const note = (fields: object, message: string): void => void logged.push(JSON.stringify(fields) + message);
  beforeAll(async () => {
    served = await startTestServer(ENDLESS, { keys, log: { info: note, error: note } });
  });
  afterAll(() => served.stop());

  const client = (apiKey: string): OpenAI => new OpenAI({ baseURL: `${served.url}/v1`, apiKey, maxRetries: 0 });
  const post = (key: string, body: object = completion): Promise<Response> =>
    fetch(`${served.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-api-key": key },
      body: JSON.stringify(body),
    });

  test("answers 401 in OpenAI's form without one, and to a wrong one", async () => {
    const response = await fetch(`${served.url}/v1/models`);
    expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="punctual"']);
    expect(errorBodySchema.parse(await response.json()).error).toMatchObject({
      type: "authentication_error",
      code: "unauthorized",
    });
    await expect(client("wrong-".repeat(5)).models.list()).rejects.toBeInstanceOf(AuthenticationError);
    expect((await fetch(`${served.url}/metrics`)).status).toBe(401);
  });

  test.each(["/", "/health", "/ready", "/version"])("tells %s to anybody", async (path) => {
    expect((await fetch(served.url + path)).status).toBe(200);
  });

  test("knows its clients by either header", async () => {
    expect((await client(KEYS.all).completions.create(completion)).choices).toHaveLength(1);
    expect((await post(KEYS.all)).status).toBe(200);
  });

  test("shows a key its own models only", async () => {
    const list = modelListSchema.parse(await client(KEYS.other).get("/models"));
    expect(list.data).toEqual([]);
    await expect(client(KEYS.other).completions.create(completion)).rejects.toBeInstanceOf(NotFoundError);
  });

  test("gives a key's requests its objective, unless they bring their own", async () => {
    const before = served.engine.stats().slo.find(({ class: kind, metric }) => kind === "latency" && metric === "ttft");
    await post(KEYS.all);
    await post(KEYS.all, { ...completion, slo: { deadline_ms: 3_600_000 } });
    const after = served.engine.stats().slo;
    const met = after.find(({ class: kind, metric }) => kind === "latency" && metric === "ttft")!;
    expect(met.attained - (before?.attained ?? 0)).toBe(1);
    expect(after.find(({ class: kind }) => kind === "deadline")!.attained).toBe(1);
  });

  test("limits requests per minute, says what is left and when to come back", async () => {
    const first = await post(KEYS.few);
    expect(first.headers.get("x-ratelimit-limit-requests")).toBe("2");
    expect(first.headers.get("x-ratelimit-remaining-requests")).toBe("1");
    expect(Number(first.headers.get("x-ratelimit-remaining-tokens"))).toBeLessThan(100_000);
    await post(KEYS.few);
    const refused = await post(KEYS.few);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(20);
    expect(Number(refused.headers.get("retry-after-ms"))).toBeGreaterThan(20_000);
    expect(errorBodySchema.parse(await refused.json()).error.code).toBe("rate_limit_exceeded");
    await expect(client(KEYS.few).completions.create(completion)).rejects.toBeInstanceOf(RateLimitError);
    expect((await client(KEYS.few).models.list()).data).toHaveLength(1); // looking costs nothing
  });

  test("limits requests at once", async () => {
    const leaving = new AbortController();
    const stream = await client(KEYS.one).completions.create(
      { ...completion, max_tokens: ENDLESS_TOKENS, stream: true },
      { signal: leaving.signal },
    );
    expect((await post(KEYS.one)).status).toBe(429);
    for await (const _ of stream) break; // leaving gives the slot back
    leaving.abort();
    await until(async () => (await post(KEYS.one)).status === 200);
  });

  test("limits tokens per minute: what was asked for is answered, then nothing until it is paid off", async () => {
    expect((await post(KEYS.sparing, { ...completion, max_tokens: 60 })).status).toBe(200);
    const refused = await post(KEYS.sparing);
    expect(refused.status).toBe(429);
    expect(await refused.text()).toContain("tokens per minute");
  });

  test("never logs a key, a prompt or an answer", async () => {
    const secret = "zebra-orchid";
    const answer = await client(KEYS.all).completions.create({ ...completion, prompt: secret, max_tokens: 8 });
    const all = logged.join("\n");
    expect(all).toContain("/v1/completions");
    for (const text of [secret, ...Object.values(KEYS)]) expect(all).not.toContain(text);
    expect(JSON.stringify(logged.at(-1))).not.toContain(JSON.stringify(answer.choices[0]!.text).slice(1, -1) || "\0");
  });

  test("may listen beyond this machine", async () => {
    const { port } = await served.server.listen({ host: "0.0.0.0", port: 0 });
    expect((await fetch(`http://127.0.0.1:${port}/v1/models`)).status).toBe(401);
  });
});

describe("pages of other origins", () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await startTinyEngine();
  });
  afterAll(() => engine.stop({ graceMs: 0 }));
  const preflight = { origin: "https://a.example", "access-control-request-method": "POST" };

  test("are told nothing unless asked for", async () => {
    await using server = createServer({ engines: [engine] });
    const response = await server.app.request("/v1/models", { headers: { origin: "https://a.example" } });
    expect(response.headers.get("access-control-allow-origin")).toBeNull();
    expect((await server.app.request("/v1/models", { method: "OPTIONS", headers: preflight })).status).toBe(405);
  });

  test("that are named may call, also when the answer is an error; keys do not stand before the preflight", async () => {
    await using server = createServer({ engines: [engine], corsOrigins: ["https://a.example"], keys });
    const asked = await server.app.request("/v1/chat/completions", { method: "OPTIONS", headers: preflight });
    expect(asked.status).toBe(204);
    expect(asked.headers.get("access-control-allow-origin")).toBe("https://a.example");
    expect(asked.headers.get("access-control-allow-methods")).toContain("POST");
    const refused = await server.app.request("/v1/models", { headers: { origin: "https://a.example" } });
    expect([refused.status, refused.headers.get("access-control-allow-origin")]).toEqual([401, "https://a.example"]);
    expect(refused.headers.get("access-control-expose-headers")).toContain("retry-after-ms");
    const stranger = await server.app.request("/health", { headers: { origin: "https://b.example" } });
    expect(stranger.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("readiness", () => {
  test("a server that waits for a model says so, and is ready when it has come", async () => {
    await using server = createServer({ engines: [], expected: ["tiny"] });
    const { url } = await server.listen({ port: 0 });
    const early = await fetch(`${url}/ready`);
    expect([early.status, early.headers.get("retry-after")]).toEqual([503, "1"]);
    expect(healthSchema.parse(await early.json())).toEqual({
      status: "starting",
      models: { tiny: "starting" },
      policies: {},
    });
    const ask = (): Promise<Response> =>
      fetch(`${url}/v1/completions`, { method: "POST", body: JSON.stringify(completion) });
    const refused = await ask();
    expect([refused.status, Number(refused.headers.get("retry-after")) >= 1]).toEqual([503, true]);
    await refused.text();
    await using engine = await startTinyEngine();
    server.add(engine);
    expect((await fetch(`${url}/ready`)).status).toBe(200);
    expect((await ask()).status).toBe(200);
    const draining = server.close({ graceMs: 1000 });
    const late = await server.app.request("/ready");
    expect([late.status, healthSchema.parse(await late.json()).status]).toEqual([503, "stopping"]);
    await draining;
  });

  test("says its version", async () => {
    await using server = createServer({ engines: [] });
    expect(await (await server.app.request("/version")).json()).toEqual({
      version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
    });
  });

  test("a model that was removed is unknown at once", async () => {
    await using engine = await startTinyEngine();
    await using server = createServer({ engines: [engine] });
    server.remove("tiny");
    const response = await server.app.request("/v1/models/tiny");
    expect(response.status).toBe(404);
  });
});

describe("time limits", () => {
  test("an answer that takes too long ends with 408, or with an error in its stream", async () => {
    const served = await startTestServer(ENDLESS, { requestTimeoutMs: 300 });
    const ask = (stream: boolean): Promise<Response> =>
      fetch(`${served.url}/v1/completions`, {
        method: "POST",
        body: JSON.stringify({ ...completion, max_tokens: ENDLESS_TOKENS, stream }),
      });
    const whole = await ask(false);
    expect([whole.status, errorBodySchema.parse(await whole.json()).error.code]).toEqual([408, "request_timeout"]);
    const text = await (await ask(true)).text();
    expect(text).toContain('"request_timeout"');
    expect(text).not.toContain("[DONE]");
    await until(() => served.engine.stats().running === 0);
    await served.stop();
  });
});
