/** The live feed and the traces, from a real server on a real socket with a built-in model. */
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ENDLESS, ENDLESS_TOKENS, startTestServer, until, type TestServer } from "../../../test/support/engine.ts";
import { readEvents } from "../../../test/support/sse.ts";
import { builtInModelDir } from "../../llm/index.ts";
import {
  CONSOLE_LIMITS,
  liveEventSchema,
  requestTraceSchema,
  type LiveEvent,
  type RequestRow,
  type RequestTraceBody,
} from "../../protocol/index.ts";
import type { EngineStats } from "../../runtime/index.ts";
import { plainKey } from "../security/keys.ts";

const MODEL = "punctual-small";
const ENGINE = { model: { dir: builtInModelDir("small") }, name: MODEL, kvPages: 512 };

/** A machine under load is slow to notice things. */

let served: TestServer;
beforeAll(async () => {
  served = await startTestServer(ENGINE);
});
afterAll(() => served.stop());

function post(url: string, path: string, body: object, headers: Record<string, string> = {}, signal?: AbortSignal) {
  return fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

const chat = (id: string, extra: object = {}, url = served.url): Promise<Response> =>
  post(
    url,
    "/v1/chat/completions",
    { model: MODEL, messages: [{ role: "user", content: "What is 12 plus 5?" }], temperature: 0, ...extra },
    { "x-request-id": id },
  );

async function traceOf(id: string, url = served.url): Promise<RequestTraceBody> {
  const response = await fetch(`${url}/admin/requests/${id}`);
  expect(response.status).toBe(200);
  return requestTraceSchema.parse(await response.json());
}

/** A feed that is being read: everything it has said so far, checked. */
class Feed {
  readonly events: LiveEvent[] = [];
  lastId = "";
  ended = false;
  readonly #controller = new AbortController();

  static async open(url: string, headers: Record<string, string> = {}, query = ""): Promise<Feed> {
    const feed = new Feed();
    const response = await fetch(`${url}/admin/live${query}`, { headers, signal: feed.#controller.signal });
    expect(response.headers.get("content-type")).toMatch(/event-stream/);
    void feed.#read(response);
    await until(() => feed.events.some(({ kind }) => kind === "sample"));
    return feed;
  }

  get rows(): ReadonlyMap<string, RequestRow> {
    return new Map(this.of("request").map(({ request }) => [request.id, request]));
  }

  of<K extends LiveEvent["kind"]>(kind: K): Extract<LiveEvent, { kind: K }>[] {
    return this.events.filter((event): event is Extract<LiveEvent, { kind: K }> => event.kind === kind);
  }

  close(): void {
    this.#controller.abort();
  }

  async #read(response: Response): Promise<void> {
    try {
      for await (const { id, data } of readEvents(response.body)) {
        this.lastId = id;
        this.events.push(liveEventSchema.parse(JSON.parse(data)));
      }
    } catch (error) {
      if (!this.#controller.signal.aborted && !String(error).includes("terminated")) throw error;
    }
    this.ended = true;
  }
}

describe("the feed", () => {
  test("introduces the server, and follows requests of every class through their life", async () => {
    const feed = await Feed.open(served.url);
    const [hello] = feed.of("hello");
    expect(feed.events[0]).toBe(hello);
    expect(hello).toMatchObject({ models: [{ id: MODEL, policy: "fifo", phases: "colocated", kvPages: 512 }] });
    expect(hello!.policies).toContain("edf");
    expect(hello!.models[0]!.fixedPolicy).toBe(undefined);
    const stepsBefore = served.engine.stats().counters.steps;
    const slos = [
      {},
      { slo: { ttft_ms: 5000, tpot_ms: 500 } },
      { slo: { deadline_ms: 30_000 } },
      { slo: { class: "latency", ttft_ms: 0.001 } },
    ];
    const answers = await Promise.all(slos.flatMap((slo, i) => [chat(`load-${i}`, slo), chat(`more-${i}`, slo)]));
    for (const answer of answers) expect(answer.status).toBe(200);
    await until(() => ["load-0", "more-3"].every((id) => feed.rows.get(id)?.state === "finished"));
    expect(feed.rows.get("load-0")).toMatchObject({ model: MODEL, class: "best-effort", attained: true });
    expect(feed.rows.get("load-1")).toMatchObject({ class: "latency", targets: { ttftMs: 5000, tpotMs: 500 } });
    expect(feed.rows.get("load-2")).toMatchObject({ class: "deadline", attained: true });
    expect(feed.rows.get("load-3")).toMatchObject({ class: "latency", attained: false });
    // The first sample after the last end: nothing runs, and everything is in its books.
    await until(() => feed.of("sample").at(-1)!.goodput.latency.missed >= 2);
    const sample = feed.of("sample").at(-1)!;
    expect(sample).toMatchObject({ model: MODEL, running: 0, waiting: 0, kvPagesTotal: 512, policy: "fifo" });
    expect(sample.e2eMs!.count).toBe(8);
    expect(sample.e2eMs!.p50).toBeGreaterThanOrEqual(sample.ttftMs!.p50);
    expect(sample.goodput.deadline).toMatchObject({ attained: 2, missed: 0 });
    expect(sample.goodput.deadline.tokens).toBeGreaterThan(0);
    expect(feed.of("sample").some(({ tokensPerSecond }) => tokensPerSecond.decode > 0)).toBe(true);
    const steps = feed.of("steps").flatMap((event) => event.steps);
    expect(steps).toHaveLength(served.engine.stats().counters.steps - stepsBefore);
    const rows = [...feed.rows.values()];
    const total = (of: (step: (typeof steps)[number]) => number): number => steps.reduce((sum, s) => sum + of(s), 0);
    expect(total((s) => s.prefillTokens)).toBe(rows.reduce((sum, r) => sum + r.promptTokens - r.cachedTokens, 0));
    expect(total((s) => s.decodeTokens)).toBe(rows.reduce((sum, r) => sum + r.answerTokens - 1, 0));
    expect(feed.of("dropped")).toEqual([]);
    feed.close();
  });

  test("a reload sees what was before; whoever knows it already is spared it", async () => {
    await (await chat("seen")).json();
    const first = await Feed.open(served.url);
    await until(() => first.rows.has("seen") && first.lastId !== "");
    first.close();
    const again = await Feed.open(served.url, { "last-event-id": first.lastId });
    expect(again.rows.size).toBe(0);
    await (await chat("new")).json();
    await until(() => again.rows.get("new")?.state === "finished");
    expect([...again.rows.keys()]).toEqual(["new"]);
    again.close();
    // An id of another server, or no id at all, is no id.
    for (const id of ["1-999999", "x"]) {
      const other = await Feed.open(served.url, { "last-event-id": id });
      expect(other.rows.has("seen")).toBe(true);
      other.close();
    }
  });

  test("a reader that does not read holds up nobody", async () => {
    const { hostname, port } = new URL(served.url);
    const socket = connect(Number(port), hostname);
    await new Promise<void>((resolve) => socket.once("connect", resolve));
    socket.pause();
    socket.write("GET /admin/live HTTP/1.1\r\nhost: x\r\n\r\n");
    const feed = await Feed.open(served.url);
    const before = feed.of("sample").length;
    await Promise.all(Array.from({ length: 6 }, async (_, i) => (await chat(`beside-${i}`)).json()));
    await until(() => feed.of("sample").length > before && feed.rows.get("beside-5")?.state === "finished");
    expect(feed.of("dropped")).toEqual([]);
    feed.close();
    socket.destroy();
  });

  test("keeps to one model, refuses one that is not there, and bounds its readers", async () => {
    const one = await Feed.open(served.url, {}, `?model=${MODEL}`);
    one.close();
    expect((await fetch(`${served.url}/admin/live?model=none`)).status).toBe(404);
    // One that has nobody to read it takes no place.
    for (let i = 0; i <= CONSOLE_LIMITS.feeds; i++) {
      expect((await fetch(`${served.url}/admin/live`, { method: "HEAD" })).status).toBe(200);
    }
    const open = [];
    for (;;) {
      const controller = new AbortController();
      const response = await fetch(`${served.url}/admin/live`, { signal: controller.signal });
      open.push(controller);
      if (response.status === 200) continue;
      expect([response.status, open.length > CONSOLE_LIMITS.feeds - 3]).toEqual([429, true]);
      expect(response.headers.get("retry-after")).toBe("5");
      break;
    }
    for (const controller of open) controller.abort();
    await until(async () => {
      const controller = new AbortController();
      const { status } = await fetch(`${served.url}/admin/live`, { signal: controller.signal });
      controller.abort();
      return status === 200;
    });
  });

  test("ends when the server does, without holding it up", async () => {
    const own = await startTestServer();
    const feed = await Feed.open(own.url);
    await own.server.close({ graceMs: 3_600_000 }); // held up, it would not end within this test
    await until(() => feed.ended);
    await own.stop();
  });
});

describe("the trace of a request", () => {
  test("a streamed chat: its queue, every piece of its prompt, every token, as its usage says", async () => {
    const response = await chat("streamed", { stream: true, stream_options: { include_usage: true }, max_tokens: 20 });
    const id = response.headers.get("x-request-id")!;
    let usage: { prompt_tokens: number; completion_tokens: number; slo: { ttft_ms: number; e2e_ms: number } } | null =
      null;
    for await (const { data } of readEvents(response.body)) {
      if (data !== "[DONE]") usage = (JSON.parse(data) as { usage: typeof usage }).usage ?? usage;
    }
    const trace = await traceOf(id);
    expect(trace).toMatchObject({ id: "streamed", state: "finished", attained: true, interruptions: [] });
    expect(trace.promptTokens).toBe(usage!.prompt_tokens);
    expect(trace.tokenMs).toHaveLength(usage!.completion_tokens);
    expect(trace.answerTokens).toBe(usage!.completion_tokens);
    expect([trace.omittedTokens, trace.omittedChunks]).toEqual([0, 0]);
    expect(trace.chunks.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(trace.promptTokens - trace.cachedTokens);
    expect(trace.outcome!.ttftMs).toBeCloseTo(trace.tokenMs[0]! - trace.arrivalMs, 6);
    expect(trace.outcome!.ttftMs).toBeCloseTo(usage!.slo.ttft_ms, 2);
    expect(trace.outcome!.e2eMs).toBeCloseTo(usage!.slo.e2e_ms, 2);
    expect(trace.queue.startMs).toBe(trace.arrivalMs);
    expect(trace.queue.endMs).toBe(trace.chunks[0]!.startMs);
    const moments = [trace.arrivalMs, trace.chunks[0]!.startMs, ...trace.tokenMs, trace.endMs!];
    expect(moments).toEqual(moments.toSorted((a, b) => a - b));
    expect(JSON.stringify(trace)).not.toMatch(/plus/);
  });

  test("several answers of one request have one each; a further request of the same id takes its place", async () => {
    await (await chat("twice", { n: 2, temperature: 1, max_tokens: 4 })).json();
    const [first, second] = [await traceOf("twice"), await traceOf("twice-1")];
    expect([first.answerTokens > 0, second.answerTokens > 0]).toEqual([true, true]);
    await (await chat("twice", { max_tokens: 1 })).json();
    const replaced = await traceOf("twice");
    expect(replaced.arrivalMs).toBeGreaterThan(first.arrivalMs);
    expect(replaced.maxTokens).toBe(1);
  });

  test("cut, expired, cancelled, refused", async () => {
    const own = await startTestServer({ ...ENDLESS, maxRunning: 1, maxWaiting: 1 });
    const stats = (): EngineStats => own.engine.stats();
    const leave = new AbortController();
    const complete = (id: string, extra: object = {}, signal?: AbortSignal): Promise<Response> => {
      const body = { model: "tiny", prompt: "hi", max_tokens: ENDLESS_TOKENS, ignore_eos: true, ...extra };
      return post(own.url, "/v1/completions", body, { "x-request-id": id }, signal);
    };
    const of = (id: string): Promise<RequestTraceBody> => traceOf(id, own.url);
    expect((await complete("cut", { slo: { deadline_ms: 3000, on_miss: "cut" } })).status).toBe(200);
    expect(await of("cut")).toMatchObject({ state: "cut", attained: false, class: "deadline" });
    const running = complete("runs", {}, leave.signal).catch(() => null);
    await until(() => stats().running === 1);
    expect((await complete("expired", { slo: { deadline_ms: 5 } })).status).toBe(503);
    const expired = {
      state: "expired",
      error: "deadline_expired",
      attained: false,
      chunks: [],
      queue: { endMs: null },
    };
    expect(await of("expired")).toMatchObject(expired);
    const waiting = complete("waits", { max_tokens: 2 });
    await until(() => stats().waiting === 1);
    expect((await complete("refused")).status).toBe(429);
    expect(await of("refused")).toMatchObject({ state: "rejected", error: "queue_full", tokenMs: [] });
    expect(await of("waits")).toMatchObject({ state: "waiting", outcome: null });
    expect(await of("runs")).toMatchObject({ state: "running" });
    leave.abort();
    await until(async () => (await of("runs")).state === "cancelled");
    expect((await of("runs")).attained).toBe(undefined);
    await (await waiting).json();
    expect(await of("waits")).toMatchObject({ state: "finished", answerTokens: 2 });
    await running;
    await own.stop();
  });

  test("unknown ones are not found", async () => {
    const response = await fetch(`${served.url}/admin/requests/none`);
    expect([response.status, ((await response.json()) as { error: { code: string } }).error.code]).toEqual([
      404,
      "not_found",
    ]);
  });
});

const GOOD = "key-of-a-good-caller";
const OTHER = "key-of-another-caller";

test("with keys, nobody without one sees anything, and a key sees the models that it may use", async () => {
  const keys = [plainKey(GOOD, "a"), { ...plainKey(OTHER, "b"), models: new Set(["another"]) }];
  const own = await startTestServer({}, { keys });
  const asked = (path: string, key?: string): Promise<Response> =>
    fetch(`${own.url}${path}`, { headers: key === undefined ? {} : { authorization: `Bearer ${key}` } });
  for (const path of ["/admin/live", "/admin/requests/x"]) expect((await asked(path)).status).toBe(401);
  const body = { model: "tiny", prompt: "hi", max_tokens: 2 };
  await (
    await post(own.url, "/v1/completions", body, { authorization: `Bearer ${GOOD}`, "x-request-id": "mine" })
  ).json();
  expect((await asked("/admin/requests/mine", GOOD)).status).toBe(200);
  expect((await asked("/admin/requests/mine", OTHER)).status).toBe(404);
  const feed = await Feed.open(own.url, { authorization: `Bearer ${GOOD}` });
  await until(() => feed.rows.has("mine"));
  feed.close();
  const response = await asked("/admin/live", OTHER);
  for await (const { data } of readEvents(response.body)) {
    expect(JSON.parse(data)).toMatchObject({ kind: "hello", models: [] });
    break;
  }
  await own.stop();
});
