/**
 * What people complain about in servers like this one (numbers of the list in the project's notes on serving), each
 * held here against a real server: the official client or a bare socket, an engine with random weights.
 */
import { connect, type Socket } from "node:net";
import { APIError, type OpenAI } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ENDLESS, ENDLESS_TOKENS, startTestServer, until, type TestServer } from "../../test/support/engine.ts";
import { parsePrometheus, sampleValue } from "../../test/support/prometheus.ts";
import { chatChunkSchema, chatCompletionSchema, type ChatChunk } from "../protocol/index.ts";
import { HISTOGRAM_NAMES } from "../runtime/index.ts";

let served: TestServer;
let client: OpenAI;
/** Bars everything but printable ASCII, so that a random model's answer is text that encodes to the same tokens. */
let printable: Record<string, number>;

beforeAll(async () => {
  served = await startTestServer(ENDLESS);
  client = served.client;
  const { tokenizer, info } = served.engine;
  const allowed = new Set(Array.from({ length: 95 }, (_, i) => tokenizer.encode(String.fromCharCode(32 + i))[0]!));
  const barred = Array.from({ length: info.vocabSize }, (_, id) => id).filter((id) => !allowed.has(id));
  printable = Object.fromEntries(barred.map((id) => [String(id), -100]));
});
afterAll(() => served.stop());

type Params = OpenAI.ChatCompletionCreateParamsNonStreaming;
const ask = (content: string, extra: object = {}): Params =>
  ({
    model: "tiny",
    messages: [{ role: "user", content }],
    temperature: 0,
    max_tokens: 12,
    ignore_eos: true,
    logit_bias: printable,
    ...extra,
  }) as Params;

async function chunksOf(params: Params): Promise<ChatChunk[]> {
  const chunks: ChatChunk[] = [];
  for await (const chunk of await client.chat.completions.create({ ...params, stream: true })) {
    chunks.push(chatChunkSchema.parse(chunk));
  }
  return chunks;
}

/** Sends a request over a bare socket. */
async function rawPost(body: object): Promise<Socket> {
  const { hostname, port } = new URL(served.url);
  const socket = connect(Number(port), hostname);
  socket.on("error", () => undefined); // it is cut on purpose
  const text = JSON.stringify(body);
  const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n`;
  await new Promise<void>((resolve) => socket.write(head + text, () => resolve()));
  return socket;
}

const stats = () => served.engine.stats();
const idle = (): boolean => stats().running === 0 && stats().waiting === 0;

describe("complaint 2: a client that leaves goes on costing", () => {
  test.each([
    ["a stream", { stream: true }],
    ["an answer in one piece", {}],
    ["a stream of several choices", { stream: true, n: 3 }],
  ])("%s ends with its client, and its pages come back", async (_what, extra) => {
    await until(idle);
    const before = stats().counters.requests.abort;
    const choices = "n" in extra ? extra.n : 1;
    const socket = await rawPost(ask("go on and on", { max_tokens: ENDLESS_TOKENS, ...extra }));
    await until(() => stats().running === choices);
    socket.destroy();
    await until(idle);
    await until(() => stats().counters.requests.abort === before + choices);
    const { steps } = stats().counters;
    expect(stats().kv.pagesUsed).toBe(0);
    await client.models.list();
    expect(stats().counters.steps).toBe(steps); // nothing was computed for nobody
  });
});

describe("complaint 3: streams that end wrongly", () => {
  test("text comes while the answer is being made, not at its end", async () => {
    const stream = await client.chat.completions.create({ ...ask("tell me", { max_tokens: 300 }), stream: true });
    let runningAtFirst = 0;
    let chunks = 0;
    for await (const _chunk of stream) if (chunks++ === 0) runningAtFirst = stats().running;
    expect(runningAtFirst).toBe(1);
    expect(chunks).toBeGreaterThan(10);
  });

  test("a failure in the middle is told in the stream, which has no [DONE]; the client throws", async () => {
    const failing = await startTestServer({ ...ENDLESS, name: "failing" });
    try {
      const body = { ...ask("on", { model: "failing", max_tokens: ENDLESS_TOKENS }), stream: true };
      const response = await fetch(`${failing.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      expect(response.status).toBe(200);
      let text = "";
      for await (const bytes of response.body!) {
        if (text === "") failing.engine.crashWorker("throw");
        text += Buffer.from(bytes).toString("utf8");
      }
      const datas = text.trim().split("\n\n");
      expect(datas.at(-1)).not.toBe("data: [DONE]");
      const last = JSON.parse(datas.at(-1)!.slice("data: ".length)) as { error: { code: string } };
      expect(last.error.code).toBe("engine_failed");

      await until(() => failing.engine.state === "ready");
      const stream = await failing.client.chat.completions.create({ ...body, stream: true } as never);
      const reading = (async () => {
        let chunks = 0;
        for await (const _chunk of stream as unknown as AsyncIterable<unknown>) {
          if (chunks++ === 0) failing.engine.crashWorker("throw");
        }
      })();
      await expect(reading).rejects.toThrow(APIError);
    } finally {
      await failing.stop();
    }
  }, 60_000);

  test("a refusal has its HTTP status, also when a stream was asked for", async () => {
    const long = ask("x".repeat(ENDLESS_TOKENS + 600), { stream: true });
    await expect(client.chat.completions.create(long)).rejects.toMatchObject({
      status: 400,
      code: "context_length_exceeded",
    });
  });
});

describe("complaint 5: latencies that cannot be compared", () => {
  test("the first chunk is the first token: role and text together, never an empty one", async () => {
    const chunks = await chunksOf(ask("hi"));
    expect(chunks[0]!.choices[0]!.delta).toMatchObject({ role: "assistant", content: expect.stringMatching(/./) });
    for (const chunk of chunks.slice(0, -1)) expect(chunk.choices[0]!.delta.content).not.toBe("");
  });

  test("every chunk can say how many tokens it stands for", async () => {
    const options = { include_usage: true, continuous_usage_stats: true };
    // Fillers of the vocabulary are whole words, other tokens are bytes of unfinished characters: chunks differ in tokens.
    const chunks = await chunksOf(ask("hi", { max_tokens: 60, stream_options: options, logit_bias: {} }));
    const counts = chunks.map((chunk) => chunk.usage!.completion_tokens);
    expect(counts).toEqual(counts.toSorted((a, b) => a - b));
    expect(counts.at(-1)).toBe(60);
    expect(counts[0]).toBeGreaterThanOrEqual(1);
  });

  test("the server tells its own times from arrival, which a slow client does not change", async () => {
    const { usage } = chatCompletionSchema.parse(await client.chat.completions.create(ask("hi")));
    const { ttft_ms: ttft, tpot_ms: tpot, e2e_ms: e2e } = usage.slo!;
    expect(ttft!).toBeGreaterThan(0);
    expect(ttft! + tpot! * 11).toBeCloseTo(e2e!, 0);
  });
});

describe("complaint 11: metrics with gaps", () => {
  const read = async () => parsePrometheus(await (await fetch(`${served.url}/metrics`)).text());

  test("the names that dashboards of vLLM ask for are there from the start, under both prefixes, with true labels", async () => {
    const families = await read();
    const gauges = ["num_requests_running", "num_requests_waiting", "kv_cache_usage_perc"];
    const counters = ["prompt_tokens_total", "generation_tokens_total", "num_preemptions_total"];
    const histograms = HISTOGRAM_NAMES.filter((name) => name !== "iteration_seconds"); // our own, under our prefix alone
    for (const prefix of ["vllm:", "punctual_"]) {
      for (const name of [...gauges, ...counters, ...histograms]) expect([...families.keys()]).toContain(prefix + name);
    }
    for (const { samples } of families.values()) {
      for (const { labels } of samples) {
        expect(Object.values(labels)).not.toContain("undefined");
        expect(Object.values(labels)).not.toContain("");
      }
    }
  });

  test("every end of a request is counted once, an aborted one too", async () => {
    const ends = async (reason: string): Promise<number> =>
      sampleValue(await read(), "vllm:request_success_total", { finished_reason: reason, model_name: "tiny" });
    const [length, abort] = [await ends("length"), await ends("abort")];
    await client.chat.completions.create(ask("hi"));
    const socket = await rawPost(ask("go", { max_tokens: ENDLESS_TOKENS, stream: true }));
    await until(() => stats().running === 1);
    socket.destroy();
    await until(idle);
    expect(await ends("length")).toBe(length + 1);
    expect(await ends("abort")).toBe(abort + 1);
  });
});

describe("complaint 12: local servers that must be told how parallel they are", () => {
  test("nobody says a number: a dozen run at once, each with all the context it wants", async () => {
    const long = "y".repeat(380);
    let most = 0;
    const unwatch = served.engine.watch(({ sequences }) => (most = Math.max(most, sequences)));
    const answers = Promise.all(
      Array.from({ length: 12 }, (_, i) => client.chat.completions.create(ask(`${i} ${long}`, { max_tokens: 90 }))),
    );
    for (const { usage } of await answers) expect(usage!.total_tokens).toBeGreaterThan(470);
    await until(() => most > 4);
    unwatch();
  });

  test("beyond the queue a request is told when to come back", async () => {
    const small = await startTestServer({ name: "small", maxRunning: 1, maxWaiting: 1 });
    try {
      const body = ask("x", { model: "small", max_tokens: 300 });
      const wanted = Array.from({ length: 8 }, () => small.client.chat.completions.create(body));
      const ends = await Promise.allSettled(wanted);
      const refused = ends.flatMap((end) => (end.status === "rejected" ? [end.reason as APIError] : []));
      expect(refused.length).toBeGreaterThan(0);
      expect(refused.length).toBeLessThan(8);
      for (const error of refused) {
        expect([error.status, error.code]).toEqual([429, "queue_full"]);
        expect(Number(error.headers!.get("retry-after"))).toBeGreaterThanOrEqual(1);
      }
    } finally {
      await small.stop();
    }
  });

  test("two conversations in turn: the second turn of each finds 90 % of its prompt in the cache", async () => {
    const talk = (who: string) => ({
      role: "user" as const,
      content: `${who} says: ${`${who} likes rain. `.repeat(18)}`,
    });
    const turn = async (messages: OpenAI.ChatCompletionMessageParam[]) => {
      const params = { ...ask(""), max_tokens: 80, messages } as Params;
      return chatCompletionSchema.parse(await client.chat.completions.create(params));
    };
    const firsts = [await turn([talk("Ann")]), await turn([talk("Bob")])];
    for (const [i, who] of ["Ann", "Bob"].entries()) {
      const { usage } = await turn([
        talk(who),
        { role: "assistant", content: firsts[i]!.choices[0]!.message.content },
        { role: "user", content: "and?" },
      ]);
      expect(usage.prompt_tokens_details.cached_tokens / usage.prompt_tokens).toBeGreaterThanOrEqual(0.9);
    }
  });
});

describe("requests that could never run", () => {
  test("a prompt beyond the cache is refused at submit, whatever the model's own context", async () => {
    const poor = await startTestServer({ name: "poor", kvPages: 4 });
    try {
      const params = ask("z".repeat(100), { model: "poor" });
      await expect(poor.client.chat.completions.create(params)).rejects.toMatchObject({
        status: 400,
        code: "context_length_exceeded",
        param: "messages",
      });
      expect(poor.engine.stats().counters.steps).toBe(0);
      const fits = await poor.client.chat.completions.create(ask("z", { model: "poor", max_tokens: 500 }));
      expect(fits.choices[0]!.finish_reason).toBe("length");
      expect(fits.usage!.total_tokens).toBe(64); // four pages of 16
    } finally {
      await poor.stop();
    }
  });
});
