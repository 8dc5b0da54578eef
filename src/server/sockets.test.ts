/** Bytes on real sockets, as no well-behaved client sends them. After each, the server still answers everybody else. */
import { connect, type Socket } from "node:net";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ENDLESS, ENDLESS_TOKENS, startTestServer, until, type TestServer } from "../../test/support/engine.ts";
import { errorBodySchema } from "../protocol/index.ts";
import { createServer } from "./index.ts";

let served: TestServer;
const sockets: Socket[] = [];
/** What the server took for its own failures: nothing that a client does is one. */
const failures: unknown[] = [];

beforeAll(async () => {
  served = await startTestServer(
    { ...ENDLESS, maxRunning: 8, checkEachStep: true },
    {
      bodyLimitBytes: 20_000,
      log: { info: () => undefined, error: (fields) => void failures.push(fields) },
    },
  );
});
afterAll(() => served.stop());
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  // Whatever was sent: the next client is served, nothing is left running, no page is kept, and the worker lives.
  expect((await fetch(`${served.url}/v1/completions`, { method: "POST", body: body(2) })).status).toBe(200);
  await until(() => {
    const { running, waiting, paused, kv } = served.engine.stats();
    return running + waiting + paused + kv.pagesUsed === 0;
  });
  expect(served.engine.stats().counters.restarts).toBe(0);
  expect(failures.splice(0)).toEqual([]);
});

interface Raw {
  readonly socket: Socket;
  readonly received: () => string;
  /** Resolves when the server has ended the connection. */
  readonly ended: Promise<void>;
}

async function open(url = served.url): Promise<Raw> {
  const { hostname, port } = new URL(url);
  const socket = connect({ port: Number(port), host: hostname, allowHalfOpen: true });
  sockets.push(socket);
  let text = "";
  socket.on("data", (chunk: Buffer) => (text += chunk.toString("latin1")));
  socket.on("error", () => undefined); // resets are among what is tested
  const ended = new Promise<void>((resolve) => {
    socket.once("end", resolve);
    socket.once("close", () => resolve());
  });
  await new Promise<void>((resolve) => socket.once("connect", resolve));
  return { socket, received: () => text, ended };
}

function body(max_tokens: number, extra: object = {}): string {
  return JSON.stringify({ model: "tiny", prompt: "hi", temperature: 0, ignore_eos: true, max_tokens, ...extra });
}
function head(length: number, extra = ""): string {
  return `POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n${extra}\r\n`;
}
const request = (text: string, extra = ""): string => head(Buffer.byteLength(text), extra) + text;

/** Status and parsed body of each answer on a connection that has one content-length per answer. */
function answers(text: string): { status: number; body: unknown }[] {
  const found: { status: number; body: unknown }[] = [];
  for (let rest = text; rest !== "";) {
    const at = rest.indexOf("\r\n\r\n");
    const headText = rest.slice(0, at);
    const length = Number(/content-length: (\d+)/i.exec(headText)![1]);
    const content = rest.slice(at + 4, at + 4 + length);
    found.push({ status: Number(headText.split(" ")[1]), body: JSON.parse(content) });
    rest = rest.slice(at + 4 + length);
  }
  return found;
}
const errorOf = (text: string): { status: number; code: string | null } => {
  const [answer] = answers(text);
  return { status: answer!.status, code: errorBodySchema.parse(answer!.body).error.code };
};

describe("requests that are not", () => {
  test.each([
    ["not HTTP", "hello\r\n\r\n", 400, "invalid_request"],
    [
      "headers beyond the limit",
      `GET / HTTP/1.1\r\nhost: x\r\na: ${"b".repeat(40_000)}\r\n\r\n`,
      431,
      "invalid_request",
    ],
    ["a body declared beyond the limit", head(30_000), 413, "payload_too_large"],
    ["a negative length", head(-1), 400, "invalid_request"],
    ["two lengths", head(2, "content-length: 3\r\n"), 400, "invalid_request"],
    ["malformed JSON", request('{"model": "tiny"'), 400, "invalid_request"],
    ["JSON of another shape", request("[1]"), 400, "invalid_request"],
  ])("%s", async (_what, text, status, code) => {
    const { socket, received, ended } = await open();
    socket.write(text);
    await Promise.race([ended, until(() => received().includes('"error"'))]);
    expect(errorOf(received())).toEqual({ status, code });
  });

  test("invalid UTF-8", async () => {
    const { socket, received } = await open();
    const text = Buffer.from(body(1, { prompt: "hi there" }));
    text[text.indexOf("there")] = 0xff;
    socket.write(Buffer.concat([Buffer.from(head(text.byteLength)), text]));
    await until(() => received().includes('"error"'));
    expect(errorOf(received())).toEqual({ status: 400, code: "invalid_request" });
  });

  test("an endless body without a length is cut at the limit", async () => {
    const { socket, received, ended } = await open();
    socket.write("POST /v1/completions HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n");
    const chunk = `1000\r\n${"x".repeat(4096)}\r\n`;
    for (let i = 0; i < 12; i++) socket.write(chunk);
    await Promise.race([ended, until(() => received().includes('"error"'))]);
    expect(errorOf(received())).toEqual({ status: 413, code: "payload_too_large" });
  });

  test.each([
    ["headers", "POST /v1/completions HTTP/1.1\r\nhost"],
    ["body", head(1000) + '{"model"'],
  ])("%s that never come whole are given up with 408", async (_what, text) => {
    await using hasty = createServer({ engines: [served.engine], headersTimeoutMs: 300, bodyTimeoutMs: 600 });
    const { url } = await hasty.listen({ port: 0 });
    const { socket, received, ended } = await open(url);
    socket.write(text);
    await ended;
    expect(errorOf(received())).toEqual({ status: 408, code: "request_timeout" });
  });
});

describe("connections", () => {
  test("pipelined requests are answered each, in order", async () => {
    const { socket, received } = await open();
    const sizes = [12, 1, 5, 3];
    socket.write(sizes.map((size) => request(body(size))).join(""));
    const tokens = (): number[] =>
      answers(received()).map(
        ({ body: answer }) => (answer as { usage: { completion_tokens: number } }).usage.completion_tokens,
      );
    await until(() => (received().match(/"usage"/g) ?? []).length === 4 && received().endsWith("}"));
    expect(tokens()).toEqual(sizes);
  });

  test("a bad request behind good ones is answered behind them", async () => {
    const { socket, received, ended } = await open();
    socket.write(`${request(body(5))}${request(body(3))}not HTTP at all\r\n\r\n`);
    await ended;
    expect(answers(received()).map(({ status }) => status)).toEqual([200, 200, 400]);
  });

  test("what comes behind a stream does not tear it", async () => {
    const { socket, received } = await open();
    socket.write(`${request(body(40, { stream: true }))}\0\0\0\r\n\r\n`);
    await until(() => received().includes("[DONE]"));
  });

  test("a client that has said all and waits is taken for gone: its request ends, its slot is free", async () => {
    const { socket, ended } = await open();
    socket.write(request(body(ENDLESS_TOKENS)));
    await until(() => served.engine.stats().running === 1);
    socket.end(); // FIN: no telling it from a client that has left
    await ended;
    await until(() => served.engine.stats().running === 0);
  });

  test("200 streams at once all end well", async () => {
    const raws = await Promise.all(Array.from({ length: 200 }, () => open()));
    for (const { socket } of raws) socket.write(request(body(6, { stream: true })));
    await until(() => raws.every(({ received }) => received().includes("[DONE]")));
    for (const { received } of raws) {
      expect(received()).toMatch(/^HTTP\/1\.1 200 /);
      expect(received().match(/"finish_reason":"length"/g)).toHaveLength(1);
    }
  });

  test("a slow reader stalls no other stream", async () => {
    const slow = await open();
    slow.socket.pause();
    slow.socket.write(request(body(ENDLESS_TOKENS, { stream: true, logprobs: 5 })));
    await until(() => served.engine.stats().running === 1);
    const others = await Promise.all(Array.from({ length: 4 }, () => open()));
    for (const { socket } of others) socket.write(request(body(30, { stream: true })));
    await until(() => others.every(({ received }) => received().includes("[DONE]")));
    expect(slow.received()).toBe("");
  });
});

describe("complaint 2: a client that vanishes", () => {
  const BIG = body(ENDLESS_TOKENS, { prompt: "p".repeat(3000) });
  const long = (stream: boolean): string => request(body(ENDLESS_TOKENS, { stream }));
  const isRunning = (): boolean => served.engine.stats().running > 0;
  const stages: [stage: string, text: string, arrived: () => boolean][] = [
    ["after it connected", "", () => true],
    ["amid its headers", "POST /v1/completions HTTP/1.1\r\nhost: x", () => true],
    ["after its headers", head(1000), () => true],
    ["amid its body", request(body(ENDLESS_TOKENS)).slice(0, -20), () => true],
    ["at prefill", request(BIG), isRunning],
    ["amid a whole answer", long(false), isRunning],
    ["amid a stream", long(true), isRunning],
  ];
  test.each(stages.flatMap((stage) => [[...stage, "FIN"] as const, [...stage, "RST"] as const]))(
    "%s",
    async (_stage, text, arrived, how) => {
      const { socket } = await open();
      socket.write(text);
      await until(arrived);
      if (how === "RST") socket.resetAndDestroy();
      else socket.destroy();
      await until(() => served.engine.stats().running === 0);
    },
  );

  test.each(["FIN", "RST"])("in the queue (%s)", async (how) => {
    const before = served.engine.stats().counters.requests.abort;
    const running = await Promise.all(Array.from({ length: 8 }, () => open()));
    for (const { socket } of running) socket.write(long(true));
    await until(() => served.engine.stats().running === 8);
    const queued = await open();
    queued.socket.write(long(false));
    await until(() => served.engine.stats().waiting === 1);
    if (how === "RST") queued.socket.resetAndDestroy();
    else queued.socket.destroy();
    await until(() => served.engine.stats().waiting === 0);
    expect(served.engine.stats().running).toBe(8);
    for (const { socket } of running) socket.destroy();
    await until(() => served.engine.stats().counters.requests.abort === before + 9);
  });

  test("with an answer that it never read", async () => {
    const { socket } = await open();
    socket.pause();
    socket.write(long(true));
    await until(isRunning);
    socket.resetAndDestroy();
    await until(() => served.engine.stats().running === 0);
  });
});
