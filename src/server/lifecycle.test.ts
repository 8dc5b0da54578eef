/** What happens to everybody else: clients that vanish or dawdle, a worker that dies, a server that stops. */
import { connect, type Socket } from "node:net";
import { APIError } from "openai";
import { afterEach, describe, expect, test } from "vitest";
import { ENDLESS, ENDLESS_TOKENS, startTestServer, until, type TestServer } from "../../test/support/engine.ts";
import { completionSchema, errorBodySchema } from "../protocol/index.ts";

const started: TestServer[] = [];
const serve: typeof startTestServer = async (...options) => {
  const served = await startTestServer(...options);
  started.push(served);
  return served;
};
afterEach(async () => {
  await Promise.all(started.splice(0).map((served) => served.stop()));
});

const base = { model: "tiny", temperature: 0, ignore_eos: true };
const completion = (max_tokens: number, extra: object = {}) => ({ ...base, prompt: "hi", max_tokens, ...extra });
const post = (url: string, body: unknown): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

/** A request written by hand, so that the test decides when to read and when to leave. */
async function rawRequest(url: string, body: unknown, path = "/v1/completions"): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const text = JSON.stringify(body);
  const socket = connect(Number(port), hostname);
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  socket.pause();
  socket.write(
    `POST ${path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
  return socket;
}

describe("clients that vanish", () => {
  test.each([false, true])("a dropped connection frees the slot (stream: %s)", async (stream) => {
    const { url, engine } = await serve(ENDLESS);
    const socket = await rawRequest(url, completion(ENDLESS_TOKENS, { stream }));
    await until(() => engine.stats().running === 1);
    socket.destroy();
    await until(() => engine.stats().running === 0); // by itself it would run on for the whole of this test
    expect(engine.stats().kv.pagesUsed).toBe(0);
    await until(() => engine.stats().counters.requests.abort === 1);
  });

  test("one that leaves the queue never runs", async () => {
    const { url, engine } = await serve({ ...ENDLESS, maxRunning: 1 });
    const first = await rawRequest(url, completion(ENDLESS_TOKENS));
    await until(() => engine.stats().running === 1);
    const second = await rawRequest(url, completion(ENDLESS_TOKENS));
    await until(() => engine.stats().waiting === 1);
    second.destroy();
    await until(() => engine.stats().waiting === 0);
    expect(engine.stats().running).toBe(1);
    first.destroy();
    await until(() => engine.stats().running === 0);
  });
});

describe("a slow reader", () => {
  test("is set aside, stalls nobody, and gets every token in the end", async () => {
    const { url, engine } = await serve({ ...ENDLESS, streamBuffer: 16 });
    // Some 1.4 KB a chunk, 7 MB in all: more than the sockets between us hold.
    const messages = [{ role: "user", content: "hi" }];
    const wide = { ...base, messages, max_tokens: 600, n: 8, stream: true, logprobs: true, top_logprobs: 20 };
    const socket = await rawRequest(url, wide, "/v1/chat/completions");
    await until(() => engine.stats().paused === 8);
    const fast = (await (await post(url, completion(50))).json()) as { usage: { completion_tokens: number } };
    expect(fast.usage.completion_tokens).toBe(50);
    expect(engine.stats().paused).toBe(8); // stalled would be until these are read
    const parts: string[] = [];
    socket.on("data", (chunk: Buffer) => parts.push(chunk.toString("latin1")));
    socket.resume();
    await until(() => parts.slice(-2).join("").includes("data: [DONE]"));
    const received = parts.join("");
    expect(received.match(/"finish_reason":"length"/g)).toHaveLength(8);
    expect(received.match(/"top_logprobs":\[/g)!.length).toBeGreaterThan(4000); // all but the marks of sections
    socket.destroy();
  });
});

describe("a deadline that cuts", () => {
  test("ends the answer there, with a parsable end", async () => {
    const { url } = await serve(ENDLESS);
    const ask = async (tokens: number, extra: object = {}) =>
      completionSchema.parse(await (await post(url, completion(tokens, extra))).json());
    // This machine's pace sets the deadline: time for a few hundred tokens, far from none and far from all.
    const { e2e_ms: paceMs } = (await ask(200)).usage.slo!;
    const slo = { class: "deadline", deadline_ms: 3 * paceMs!, on_miss: "cut" };
    const answer = await ask(ENDLESS_TOKENS, { slo });
    expect(answer.choices[0]!.finish_reason).toBe("length");
    expect(answer.usage.completion_tokens).toBeLessThan(ENDLESS_TOKENS);
    expect(answer.usage.slo!.attained).toBe(false);
  });
});

describe("a full queue", () => {
  test("refuses with 429 and says when to come back", async () => {
    const { url, engine } = await serve({ ...ENDLESS, maxRunning: 1, maxWaiting: 1 });
    const sockets = [await rawRequest(url, completion(ENDLESS_TOKENS))];
    await until(() => engine.stats().running === 1);
    sockets.push(await rawRequest(url, completion(ENDLESS_TOKENS)));
    await until(() => engine.stats().waiting === 1);
    for (const stream of [false, true]) {
      const response = await post(url, completion(1, { stream }));
      expect(response.status).toBe(429);
      expect(Number(response.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
      expect(Number(response.headers.get("retry-after-ms"))).toBeGreaterThan(0);
      expect(errorBodySchema.parse(await response.json()).error).toMatchObject({
        code: "queue_full",
        type: "rate_limit_error",
      });
    }
    for (const socket of sockets) socket.destroy();
  });
});

describe("a worker that dies", () => {
  test.each(["throw", "exit"] as const)("ends streams with one typed error, and comes back (%s)", async (how) => {
    const { url, engine, client } = await serve(ENDLESS);
    const response = await post(url, completion(ENDLESS_TOKENS, { stream: true }));
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value!;
    const messages = [{ role: "user" as const, content: "hi" }];
    const chat = await client.chat.completions.create({ ...base, messages, stream: true } as Parameters<
      typeof client.chat.completions.create
    >[0] & { stream: true });
    const chatFailure = (async () => {
      for await (const _ of chat) continue;
    })().catch((error: unknown) => error);
    engine.crashWorker(how);
    for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
    expect(text.match(/"error"/g)).toHaveLength(1);
    expect(text).not.toContain("[DONE]");
    const lastData = text
      .trimEnd()
      .split("\n\n")
      .at(-1)!
      .replace(/^data: /, "");
    expect(errorBodySchema.parse(JSON.parse(lastData)).error.code).toBe("engine_failed");
    expect(await chatFailure).toBeInstanceOf(APIError);

    const down = await fetch(`${url}/health`);
    expect([down.status, await down.json()]).toMatchObject([503, { status: "restarting" }]);
    const refused = await post(url, completion(1));
    expect(refused.status).toBe(503);
    expect(refused.headers.has("retry-after")).toBe(true);
    await refused.text();
    await until(async () => (await fetch(`${url}/health`)).status === 200);
    expect((await post(url, completion(3))).status).toBe(200);
  });
});

describe("a server that stops", () => {
  test("lets answers under way finish and takes no new ones", async () => {
    const { url, server } = await serve();
    const response = await post(url, completion(400, { stream: true }));
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
    let text = (await reader.read()).value!;
    const closing = server.close({ graceMs: 20_000 });
    await expect(fetch(`${url}/health`, { headers: { connection: "close" } })).rejects.toThrow();
    expect((await server.app.request("/health")).status).toBe(503);
    const late = await server.app.request("/v1/completions", { method: "POST", body: JSON.stringify(completion(1)) });
    expect(errorBodySchema.parse(await late.json()).error.code).toBe("shutting_down");
    for (let next = await reader.read(); !next.done; next = await reader.read()) text += next.value;
    expect(text).toContain("[DONE]");
    await closing;
  });

  test("after the grace, what is left ends with a typed error", async () => {
    const { url, server, engine } = await serve(ENDLESS);
    const response = await post(url, completion(ENDLESS_TOKENS, { stream: true }));
    const whole = post(url, completion(ENDLESS_TOKENS));
    await until(() => engine.stats().running === 2);
    await server.close({ graceMs: 30 });
    const text = await response.text();
    expect(text).toContain('"code":"shutting_down"');
    expect(text).not.toContain("[DONE]");
    expect((await whole).status).toBe(503);
    await until(() => engine.stats().running === 0);
  });

  test("listens on this machine only, unless told", async () => {
    const { server, url } = await serve();
    await expect(server.listen({ host: "0.0.0.0", port: 0 })).rejects.toMatchObject({ code: "insecure_address" });
    const port = Number(new URL(url).port);
    await expect(server.listen({ port })).rejects.toMatchObject({ code: "address_in_use" });
    const open = await server.listen({ host: "0.0.0.0", port: 0, insecure: true });
    expect((await fetch(`http://127.0.0.1:${open.port}/health`)).status).toBe(200);
  });

  test("a body beyond the limit is refused over the socket too", async () => {
    const { url } = await serve({}, { bodyLimitBytes: 1000 });
    const response = await post(url, completion(1, { user: "x".repeat(100_000) }));
    expect(response.status).toBe(413);
  });
});
