/** /v1/embeddings through the official client: over a model that embeds, and over one that does not. */
import { APIError, type OpenAI } from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestServer, until, type TestServer } from "../../../test/support/engine.ts";
import { embeddingListSchema } from "../../protocol/index.ts";

let served: TestServer;
let client: OpenAI;

beforeAll(async () => {
  // A short queue, so that a request of many texts would overrun it if it took it all.
  served = await startTestServer({ embedding: { dimensions: [8, 16], after: [3] }, maxWaiting: 40 });
  client = served.client;
});
afterAll(() => served.stop());

async function failureOf(promise: PromiseLike<unknown>): Promise<APIError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof APIError) return error;
    throw error;
  }
  throw new Error("expected a failure");
}
const vectorsOf = async (params: object): Promise<number[][]> => {
  const answer = await client.embeddings.create({
    model: "tiny",
    encoding_format: "float",
    ...params,
  } as OpenAI.EmbeddingCreateParams);
  return embeddingListSchema.parse(answer).data.map(({ embedding }) => embedding as number[]);
};

describe("embeddings", () => {
  test("of a text, of several, of tokens: the same vectors, in order, at unit length", async () => {
    const { tokenizer } = served.engine;
    const [one] = await vectorsOf({ input: "a red apple" });
    expect(one).toHaveLength(32);
    expect(Math.hypot(...one!)).toBeCloseTo(1, 4);
    const several = await vectorsOf({ input: ["a car", "a red apple", "a car"] });
    expect(several).toHaveLength(3);
    expect(several[0]).toEqual(several[2]);
    expect(several[1]).toEqual(one);
    // Token ids are taken as they are: what a text gets around it is there already.
    const tokens = [...tokenizer.encode("a red apple"), 3];
    expect(await vectorsOf({ input: tokens })).toEqual([one]);
    expect(await vectorsOf({ input: [tokens, tokens] })).toEqual([one, one]);
  });

  test("base64, which the client asks for by itself, holds the same numbers", async () => {
    const [floats] = await vectorsOf({ input: "the same" });
    const byDefault = await client.embeddings.create({ model: "tiny", input: "the same" });
    expect(byDefault.data[0]!.embedding.map(Math.fround)).toEqual(floats!.map(Math.fround));
    const raw = await client.embeddings.create({ model: "tiny", input: "the same", encoding_format: "base64" });
    const bytes = Buffer.from(raw.data[0]!.embedding as unknown as string, "base64");
    expect(Array.from({ length: 32 }, (_, i) => bytes.readFloatLE(i * 4))).toEqual(floats!.map(Math.fround));
  });

  test("tokens are counted; lengths that the model allows are given", async () => {
    const answer = await client.embeddings.create({ model: "tiny", input: ["abc", "de"], dimensions: 8 });
    expect(answer.usage).toMatchObject({ prompt_tokens: 7, total_tokens: 7 }); // with an end token each
    expect(answer.data.map(({ embedding, index }) => [embedding.length, index])).toEqual([
      [8, 0],
      [8, 1],
    ]);
  });

  test("more texts than the queue holds are embedded all the same", async () => {
    const input = Array.from({ length: 100 }, (_, i) => `text ${i % 7}`);
    const vectors = await vectorsOf({ input });
    expect(vectors).toHaveLength(100);
    expect(vectors[93]).toEqual(vectors[2]);
    expect(served.engine.stats().kv.pagesUsed).toBe(0);
  });

  test("a client that leaves frees everything", async () => {
    const controller = new AbortController();
    const input = Array.from({ length: 500 }, (_, i) => `${i} ${"long ".repeat(60)}`);
    const request = client.embeddings.create({ model: "tiny", input }, { signal: controller.signal });
    await until(() => served.engine.stats().running > 0);
    controller.abort();
    await expect(request).rejects.toThrow(/abort/i);
    await until(() => served.engine.stats().running + served.engine.stats().waiting === 0);
    expect(served.engine.stats().kv.pagesUsed).toBe(0);
  });

  test.each([
    ["nothing", { input: "" }, "invalid_request", "input"],
    ["no texts", { input: [] }, "invalid_request", "input"],
    ["an unknown token", { input: [5000] }, "invalid_request", "input"],
    ["too long a text", { input: ["x", "x".repeat(600)] }, "context_length_exceeded", "input[1]"],
    ["too many texts", { input: Array.from({ length: 2049 }, () => "x") }, "invalid_request", "input"],
    ["a length it was not trained for", { input: "x", dimensions: 9 }, "invalid_request", "dimensions"],
    ["an unknown format", { input: "x", encoding_format: "hex" }, "invalid_request", "encoding_format"],
  ])("%s is refused by name", async (_what, change, code, param) => {
    const error = await failureOf(
      client.embeddings.create({ model: "tiny", ...change } as OpenAI.EmbeddingCreateParams),
    );
    expect([error.status, error.code, error.param]).toEqual([400, code, param]);
  });

  test("a model that embeds does not chat, one that chats does not embed", async () => {
    const chat = await failureOf(
      client.chat.completions.create({ model: "tiny", messages: [{ role: "user", content: "hi" }] }),
    );
    expect([chat.status, chat.code]).toEqual([400, "unsupported"]);
    const other = await startTestServer();
    try {
      const error = await failureOf(other.client.embeddings.create({ model: "tiny", input: "x" }));
      expect([error.status, error.code, error.param]).toEqual([400, "unsupported", "model"]);
    } finally {
      await other.stop();
    }
  });
});
