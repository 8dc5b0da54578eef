/** `lossy_context` in a body is what the engine is asked with, by both endpoints that have it; it is never on by itself. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { scripted } from "../../test/support/scripted-engine.ts";
import { TINY } from "../../test/support/tiny.ts";
import { Engine, type GenerateRequest } from "../runtime/index.ts";
import { createServer } from "./index.ts";

const asked: GenerateRequest[] = [];
let engine: Engine;
let server: ReturnType<typeof createServer>;
let url: string;

beforeAll(async () => {
  engine = await Engine.start({ model: { random: TINY, seed: 3 }, name: "tiny", budgetTokens: 32 });
  const telling = scripted(engine, (request) => {
    asked.push(request);
    return { said: [["text", "yes"]] };
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

test.each([
  ["completions", { prompt: "Hello" }],
  ["chat/completions", { messages: [{ role: "user", content: "Hello" }] }],
])("%s", async (path, said) => {
  const body = { model: "tiny", max_tokens: 4, ...said };
  const seen = async (more: object): Promise<boolean | undefined> => {
    expect(await ask(path, { ...body, ...more })).toBe(200);
    return asked.at(-1)!.lossyContext;
  };
  expect(await seen({ lossy_context: true })).toBe(true);
  expect(await seen({ lossy_context: false })).toBeUndefined();
  expect(await seen({ lossy_context: null })).toBeUndefined();
  expect(await seen({})).toBeUndefined();
  expect(await ask(path, { ...body, lossy_context: "yes" })).toBe(400);
});
