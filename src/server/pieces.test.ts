import { describe, expect, test } from "vitest";
import { parsePrometheus, sampleValue } from "../../test/support/prometheus.ts";
import { PunctualError } from "../core/index.ts";
import { chatChunkSchema, parseChatRequest } from "../protocol/index.ts";
import { openDialect, readTokenizer, trainBpe, writeTokenizer } from "../llm/index.ts";
import type { Engine, FinishEvent, Section, TokenEvent, TokenStream, Usage } from "../runtime/index.ts";
import { OpenRequests } from "./context.ts";
import { Exposition } from "./exposition.ts";
import { chatEndpoint } from "./openai/chat.ts";
import { mergeStreams, type ChoiceEvent } from "./openai/generate.ts";
import { ReplyShaper } from "./openai/reply.ts";
import { combineUsage } from "./openai/usage.ts";
import { sseStream } from "./sse.ts";

const usage = (completionTokens: number, slack: number | null = null): Usage => ({
  promptTokens: 5,
  completionTokens,
  cachedTokens: 2,
  reasoningTokens: 1,
  slo: {
    attained: slack === null || slack >= 0,
    ttft_ms: 10 * completionTokens,
    tpot_ms: null,
    e2e_ms: 50,
    slack_ms: slack,
  },
});
const token = (index: number, text: string, section: Section = "text", id = 300): TokenEvent => {
  return { kind: "token", id, index, text, section, atMs: index };
};
const finish = (completionTokens: number, text = "", section: Section = "text"): FinishEvent => {
  return { kind: "finish", reason: "stop", cause: "end", text, section, usage: usage(completionTokens), atMs: 9 };
};

describe("exposition", () => {
  test("what it writes, a strict reader reads", () => {
    const page = new Exposition();
    page.gauge("a", "Help with \\ and\nnewline.", { model_name: 'quote " slash \\ line \n' }, 1.5);
    page.counter("b_total", "B.", {}, 0);
    page.counter("b_total", "B.", { x: "2" }, 7);
    page.histogram("h", "H.", { m: "1" }, { bounds: [0.1, 1], cumulative: [1, 3, 4], sum: 2.5, count: 4 });
    const families = parsePrometheus(page.text());
    expect(sampleValue(families, "a", { model_name: 'quote " slash \\ line \n' })).toBe(1.5);
    expect(sampleValue(families, "b_total", { x: "2" })).toBe(7);
    expect(sampleValue(families, "h_bucket", { le: "+Inf" })).toBe(4);
    expect(sampleValue(families, "h_sum")).toBe(2.5);
  });
});

describe("reply shaper", () => {
  const shape = (parts: readonly (readonly [Section, string])[]): { content: string; reasoning: string } => {
    const shaper = new ReplyShaper();
    const pieces = parts.map(([section, text]) => shaper.push(section, text));
    return {
      content: pieces.map((piece) => piece.content).join(""),
      reasoning: pieces.map((piece) => piece.reasoning).join(""),
    };
  };

  test("shows a call on a line of its own, with the confirmation on the next", () => {
    expect(
      shape([
        ["call", '{"a":'],
        ["call", "1}"],
        ["call", ""],
        ["text", "Done."],
      ]).content,
    ).toBe('{"a":1}\nDone.');
    expect(
      shape([
        ["text", "Sure."],
        ["call", "{}"],
        ["text", "\nDone."],
      ]).content,
    ).toBe("Sure.\n{}\nDone.");
    expect(
      shape([
        ["text", "Sure.\n"],
        ["call", "{}"],
      ]).content,
    ).toBe("Sure.\n{}");
  });

  test("keeps thinking out of the content", () => {
    const { content, reasoning } = shape([
      ["thinking", "2+2"],
      ["thinking", "=4"],
      ["text", "4"],
    ]);
    expect([content, reasoning]).toEqual(["4", "2+2=4"]);
  });
});

describe("usage", () => {
  test("counts a prompt once however many answers it got, and is as late as the latest", () => {
    const combined = combineUsage([
      { prompt: 0, usage: usage(3, 5) },
      { prompt: 0, usage: usage(4, -2) },
      { prompt: 1, usage: usage(1) },
    ]);
    expect(combined).toMatchObject({ prompt_tokens: 10, completion_tokens: 8, total_tokens: 18 });
    expect(combined.prompt_tokens_details.cached_tokens).toBe(4);
    expect(combined.slo).toEqual({ attained: false, ttft_ms: 40, tpot_ms: null, e2e_ms: 50, slack_ms: -2 });
  });

  test("says what of the cached tokens is not exact, where that is so for one answer of a prompt", () => {
    const lossy = (lossyTokens: number): Usage => ({ ...usage(1), lossyTokens });
    const exact = combineUsage([{ prompt: 0, usage: usage(1) }]);
    expect("lossy_tokens" in exact.prompt_tokens_details).toBe(false);
    const combined = combineUsage([
      { prompt: 0, usage: usage(1) },
      { prompt: 0, usage: lossy(2) },
      { prompt: 1, usage: lossy(1) },
      { prompt: 2, usage: usage(1) },
    ]);
    expect(combined.prompt_tokens_details).toEqual({ cached_tokens: 6, lossy_tokens: 3, audio_tokens: 0 });
  });

  test("says how long keys and values were on their way, where they moved", () => {
    const choices = [
      { prompt: 0, usage: { ...usage(3), transferMs: 1.25 } },
      { prompt: 0, usage: { ...usage(3), transferMs: 2.0004999 } },
      { prompt: 0, usage: usage(1) },
    ];
    expect(combineUsage(choices).slo?.kv_transfer_ms).toBe(2);
    expect(combineUsage(choices.slice(2)).slo).not.toHaveProperty("kv_transfer_ms");
  });
});

describe("chat stream writer", () => {
  const tokenizer = readTokenizer(writeTokenizer(trainBpe(["hello there"], { vocabSize: 300 })));
  const head = { id: "chatcmpl-1", object: "", created: 1, model: "m", system_fingerprint: "f" };
  const run = (extra: Record<string, unknown>, events: readonly ChoiceEvent[]) => {
    const request = parseChatRequest({
      model: "m",
      messages: [{ role: "user", content: "hi" }],
      stream: true,
      ...extra,
    });
    const dialect = openDialect({ tokenizer, template: null, wallMs: () => 0 });
    const model = { tokenizer, dialect } as unknown as Engine; // all that chat reads of an engine
    const prepared = { ...chatEndpoint.prepare(request, model), prompts: [[1, 2, 3, 4, 5]] };
    const writer = chatEndpoint.writer(request, model, head, prepared);
    const text = events.map((event) => writer.push(event)).join("") + writer.end();
    const datas = text
      .split("\n\n")
      .slice(0, -1)
      .map((part) => part.replace(/^data: /, ""));
    expect(datas.at(-1)).toBe("[DONE]");
    return datas.slice(0, -1).map((data) => chatChunkSchema.parse(JSON.parse(data)));
  };
  const one = (...events: (TokenEvent | FinishEvent)[]): ChoiceEvent[] => events.map((event) => ({ choice: 0, event }));

  test("sends the role with the first text, and the reason once", () => {
    const chunks = run({}, one(token(0, ""), token(1, "Hel"), token(2, "lo"), finish(3, "!")));
    expect(chunks.map((chunk) => chunk.choices[0]!.delta)).toEqual([
      { role: "assistant", content: "Hel" },
      { content: "lo" },
      { content: "!" },
      {},
    ]);
    expect(chunks.map((chunk) => chunk.choices[0]!.finish_reason)).toEqual([null, null, null, "stop"]);
    expect(chunks.every((chunk) => chunk.usage === undefined)).toBe(true);
  });

  test("an empty answer still has a role and a reason", () => {
    const chunks = run({}, one(token(0, ""), finish(1)));
    expect(chunks.map((chunk) => chunk.choices[0]!.delta)).toEqual([{ role: "assistant", content: "" }, {}]);
  });

  test("include_usage: null on every chunk, then one without choices", () => {
    const chunks = run({ stream_options: { include_usage: true } }, one(token(0, "a"), finish(1)));
    expect(chunks.map((chunk) => chunk.usage === null)).toEqual([true, true, false]);
    expect(chunks.at(-1)!.choices).toEqual([]);
    expect(chunks.at(-1)!.usage).toMatchObject({ prompt_tokens: 5, completion_tokens: 1 });
  });

  test("continuous_usage_stats: tokens are counted also when they show nothing", () => {
    const options = { stream_options: { include_usage: true, continuous_usage_stats: true } };
    const chunks = run(options, one(token(0, ""), token(1, "ab"), token(2, "t", "thinking"), finish(3)));
    expect(chunks.map((chunk) => chunk.usage?.completion_tokens)).toEqual([2, 3, 3, 3]);
    expect(chunks[1]!.usage?.completion_tokens_details.reasoning_tokens).toBe(1);
    expect(chunks[1]!.choices[0]!.delta).toEqual({ reasoning_content: "t" });
  });

  test("log-probabilities wait for the text of their token and leave thinking out", () => {
    const logprobs = { logprob: -1, top: [{ id: 65, logprob: -1 }] };
    const events = one(
      { ...token(0, "h", "thinking"), logprobs },
      { ...token(1, "", "text"), logprobs },
      { ...token(2, "xy"), logprobs },
      { ...token(3, ""), logprobs },
      finish(4),
    ).map((choice) => (choice.event.kind === "token" ? { ...choice, event: { ...choice.event, id: 100 } } : choice));
    const chunks = run({ logprobs: true, top_logprobs: 1 }, events);
    expect(chunks.map((chunk) => chunk.choices[0]!.logprobs?.content.length ?? 0)).toEqual([0, 2, 1]);
    expect(chunks[1]!.choices[0]!.logprobs!.content[0]!.top_logprobs).toHaveLength(1);
  });
});

/** A stream whose events the test feeds by hand. */
class HandFed implements TokenStream {
  readonly id = "hand";
  returned = false;
  #queue: (TokenEvent | FinishEvent | Error)[] = [];
  #wake: (() => void) | null = null;

  feed(...events: (TokenEvent | FinishEvent | Error)[]): void {
    this.#queue.push(...events);
    this.#wake?.();
  }

  cancel(): void {
    this.feed(new PunctualError("cancelled", "cancelled"));
  }

  async next(): Promise<IteratorResult<TokenEvent | FinishEvent, undefined>> {
    while (this.#queue.length === 0 && !this.returned) await new Promise<void>((resolve) => (this.#wake = resolve));
    const event = this.#queue.shift();
    if (event === undefined) return { done: true, value: undefined };
    if (event instanceof Error) throw event;
    if (event.kind === "finish") this.returned = true;
    return { done: false, value: event };
  }

  async return(): Promise<IteratorResult<TokenEvent | FinishEvent, undefined>> {
    this.returned = true;
    this.#wake?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

describe("merged streams", () => {
  test("gives events of all choices as they come and ends when all have", async () => {
    const [a, b] = [new HandFed(), new HandFed()];
    a.feed(token(0, "a"), finish(1));
    b.feed(token(0, "b"), token(1, "b"), finish(2));
    const seen: string[] = [];
    for await (const { choice, event } of mergeStreams([a, b], new AbortController().signal))
      seen.push(`${choice}${event.kind}`);
    expect(seen.toSorted()).toEqual(["0finish", "0token", "1finish", "1token", "1token"]);
  });

  test("a failure of one cancels the others and is thrown once", async () => {
    const [a, b] = [new HandFed(), new HandFed()];
    a.feed(new PunctualError("engine_failed", "gone"));
    await expect(mergeStreams([a, b], new AbortController().signal).next()).rejects.toMatchObject({
      code: "engine_failed",
    });
    expect([a.returned, b.returned]).toEqual([true, true]);
  });

  test("the server's reason to abort is the one that is told", async () => {
    const stream = new HandFed();
    const requests = new OpenRequests();
    const open = requests.open(new AbortController().signal);
    open.signal.addEventListener("abort", () => stream.cancel());
    const events = mergeStreams([stream], open.signal);
    const next = events.next();
    requests.abortAll();
    await expect(next).rejects.toMatchObject({ code: "shutting_down" });
  });
});

describe("open requests", () => {
  test("draining refuses new ones and ends with the last", async () => {
    const requests = new OpenRequests();
    const open = requests.open(new AbortController().signal);
    let drained = false;
    const drain = requests.drain().then(() => (drained = true));
    expect(() => requests.open(new AbortController().signal)).toThrow(/shutting down/);
    await Promise.resolve();
    expect(drained).toBe(false);
    open.done();
    open.done(); // twice is once
    await drain;
    expect(requests.count).toBe(0);
  });

  test("a client that goes away aborts its request", () => {
    const client = new AbortController();
    const open = new OpenRequests().open(client.signal);
    client.abort();
    expect(open.signal.reason).toMatchObject({ code: "cancelled" });
  });
});

describe("event stream", () => {
  test("pulls one visible event per read and nothing ahead of it", async () => {
    let made = 0;
    async function* source(): AsyncGenerator<string, void> {
      for (const text of ["a", "", "b", "c"]) {
        made += 1;
        yield text;
      }
    }
    const reader = sseStream(source(), () => undefined).getReader();
    const decode = (value: Uint8Array | undefined): string => new TextDecoder().decode(value);
    expect(made).toBe(0);
    expect(decode((await reader.read()).value)).toBe("a");
    expect(made).toBe(1);
    expect(decode((await reader.read()).value)).toBe("b");
    expect(made).toBe(3);
    await reader.cancel();
  });

  test("a reader that leaves closes the source, also while it waits", async () => {
    const gone = new AbortController();
    let closed = false;
    async function* source(): AsyncGenerator<string, void> {
      try {
        yield "a";
        await new Promise<void>((resolve) => gone.signal.addEventListener("abort", () => resolve(), { once: true }));
      } finally {
        closed = true;
      }
    }
    const reader = sseStream(source(), () => gone.abort()).getReader();
    await reader.read();
    const pending = reader.read();
    await reader.cancel();
    expect((await pending).done).toBe(true);
    expect(closed).toBe(true);
  });

  test("a reader that leaves before it has read anything closes the source as well", async () => {
    let closed = false;
    async function* source(): AsyncGenerator<string, void> {
      try {
        yield "a";
      } finally {
        closed = true;
      }
    }
    await sseStream(source(), () => undefined).cancel();
    expect(closed).toBe(true);
  });
});
