import { Readable } from "node:stream";
import type { IncomingMessage } from "node:http";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createRandom, PunctualError } from "../../core/index.ts";
import { parseUpstream } from "./address.ts";
import { UpstreamHealth } from "./health.ts";
import type { UpstreamAnswer } from "./http.ts";
import { chunkFacts, readChunks, readWhole, wholeAsChunk } from "./read-answer.ts";

describe("addresses", () => {
  test("server, OpenAI's base, one model, another name, a key that is shown nowhere", () => {
    const read = (text: string): unknown => parseUpstream(text);
    expect(read("http://gpu:8000")).toEqual({ base: "http://gpu:8000/v1", model: null, name: null, key: null });
    expect(read("https://api.example/openai/v1/")).toMatchObject({ base: "https://api.example/openai/v1" });
    expect(read("http://gpu:8000/v1#Qwen/Qwen3-8B")).toMatchObject({ model: "Qwen/Qwen3-8B", name: null });
    expect(read("big=http://gpu:8000#Qwen/Qwen3-8B")).toMatchObject({ model: "Qwen/Qwen3-8B", name: "big" });
    expect(read("http://:s3cret@gpu:8000")).toMatchObject({ base: "http://gpu:8000/v1", key: "s3cret" });
  });

  test("what is none is refused, without its secrets", () => {
    for (const text of ["gpu:8000", "ftp://gpu", "", "big=gpu", "http://"])
      expect(() => parseUpstream(text)).toThrow("--upstream");
    expect(() => parseUpstream("big=http://gpu:8000")).toThrow("needs a model");
    expect(() => parseUpstream("ftp://:s3cret@gpu")).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining("s3cret") }),
    );
  });
});

describe("health", () => {
  test("a failure takes it out; looks come later and later; an answer brings it back", () => {
    const health = new UpstreamHealth(createRandom(1), { everyMs: 1000, firstBackoffMs: 100, lastBackoffMs: 1000 });
    expect(health.usable(0)).toBe(false);
    expect(health.isDue(0)).toBe(true);
    health.succeeded(0);
    expect([health.usable(0), health.isDue(900), health.isDue(1000)]).toEqual([true, false, true]);
    let nowMs = 0;
    const waits: number[] = [];
    for (let i = 0; i < 8; i++) {
      health.failed("refused", nowMs);
      expect(health.usable(nowMs)).toBe(false);
      let waitMs = 0;
      while (!health.isDue(nowMs + waitMs)) waitMs += 1;
      waits.push(waitMs);
      nowMs += waitMs;
    }
    expect(waits[0]).toBeLessThanOrEqual(126);
    expect(waits[3]!).toBeGreaterThan(waits[0]! * 3);
    expect(Math.max(...waits)).toBeLessThanOrEqual(1251);
    expect(health.problem).toBe("refused");
    health.succeeded(nowMs);
    expect([health.usable(nowMs), health.problem]).toEqual([true, null]);
  });

  test("who asks for a pause is left alone, not taken for dead", () => {
    const health = new UpstreamHealth(createRandom(1));
    health.succeeded(0);
    health.pause(500, 0);
    expect([health.usable(499), health.retryAfterMs(100), health.usable(500)]).toEqual([false, 400, true]);
  });
});

describe("answers", () => {
  const answerOf = (pieces: readonly Uint8Array[]): UpstreamAnswer => ({
    status: 200,
    isStream: true,
    retryAfterMs: null,
    body: Readable.from(pieces) as unknown as IncomingMessage,
    close: () => undefined,
  });
  const read = async (
    pieces: readonly (string | Uint8Array)[],
    choices = 1,
  ): Promise<{ chunks: number; error: string | null }> => {
    let chunks = 0;
    try {
      const bytes = pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : piece));
      for await (const chunk of readChunks(answerOf(bytes), choices, () => 1000)) {
        expect(typeof chunk).toBe("object");
        chunks += 1;
      }
      return { chunks, error: null };
    } catch (error) {
      expect(error).toBeInstanceOf(PunctualError);
      return { chunks, error: (error as PunctualError).code };
    }
  };
  const chunk = (text: string, reason: string | null = null, index = 0): string =>
    `data: ${JSON.stringify({ choices: [{ index, delta: { content: text }, finish_reason: reason }] })}\n\n`;

  test("a stream is whole when every choice has said why it ended", async () => {
    expect(await read([chunk("a"), chunk("", "stop"), "data: [DONE]\n\n"])).toEqual({ chunks: 2, error: null });
    expect(await read([chunk("a"), chunk("", "stop")])).toEqual({ chunks: 2, error: null });
    expect(await read([chunk("a")])).toEqual({ chunks: 1, error: "upstream_failed" });
    expect(await read([chunk("a"), "data: [DONE]\n\n"])).toEqual({ chunks: 1, error: "upstream_failed" });
    expect(await read([])).toEqual({ chunks: 0, error: "upstream_failed" });
    expect(await read([chunk("a", "stop", 0)], 2)).toEqual({ chunks: 1, error: "upstream_failed" });
    expect(await read([chunk("a", "stop", 0), chunk("b", "length", 1)], 2)).toEqual({ chunks: 2, error: null });
    expect(await read([chunk("a"), 'data: {"error":{"message":"out of memory"}}\n\n'])).toEqual({
      chunks: 1,
      error: "upstream_failed",
    });
  });

  test("wherever it is cut, the same comes out; whatever comes, it ends in a typed way", async () => {
    const whole = Buffer.from(`: ping\n\n${chunk("grüße")}${chunk("", "stop")}data: [DONE]\n\n`);
    const cuts = fc.array(fc.nat(whole.length), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(cuts, async (at) => {
        const borders = [0, ...at.toSorted((a, b) => a - b), whole.length];
        const pieces = borders.slice(1).map((end, i) => whole.subarray(borders[i], end));
        expect(await read(pieces)).toEqual({ chunks: 2, error: null });
      }),
      { seed: 64, numRuns: 60 },
    );
    const junk = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom("data: ", "\n\n", "{}", "[DONE]", '{"choices":7}', chunk("x")),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(junk, { maxLength: 10 }), async (pieces) => void (await read(pieces))),
      {
        seed: 65,
        numRuns: 150,
      },
    );
  });

  test("what counts as a token: text, thinking, a call; not the role alone", () => {
    const facts = (delta: object): boolean => chunkFacts({ choices: [{ index: 0, delta }] }).hasContent;
    expect(facts({ role: "assistant", content: "" })).toBe(false);
    expect(facts({ role: "assistant", content: null, tool_calls: [] })).toBe(false);
    expect(facts({ reasoning_content: "hm" })).toBe(true);
    expect(facts({ tool_calls: [{ index: 0 }] })).toBe(true);
    expect(chunkFacts({ choices: [{ text: "x" }] }).hasContent).toBe(true);
  });

  test("an answer that comes whole, and as the one chunk of a stream", async () => {
    const body = {
      object: "chat.completion",
      choices: [{ index: 0, message: { content: "hi" }, finish_reason: "stop" }],
    };
    const answer = await readWhole(answerOf([Buffer.from(JSON.stringify(body))]), 1000);
    expect(answer).toEqual(body);
    expect(wholeAsChunk(answer)).toEqual({
      object: "chat.completion.chunk",
      choices: [{ index: 0, delta: { content: "hi" }, finish_reason: "stop" }],
    });
    await expect(readWhole(answerOf([Buffer.from("<html>")]), 1000)).rejects.toThrow("not JSON");
  });
});
