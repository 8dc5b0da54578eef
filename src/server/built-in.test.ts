/** The built-in model over HTTP: steps beside the answer, calls on a line of their own. Skipped in a checkout without weights. */
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { builtInModels } from "../llm/index.ts";
import { chatCompletionSchema, type ChatCompletion } from "../protocol/index.ts";
import { Engine } from "../runtime/index.ts";
import { createServer, type PunctualServer } from "./index.ts";

const [model] = builtInModels();

describe.skipIf(model === undefined)("the built-in model", () => {
  let engine: Engine;
  let server: PunctualServer;
  let client: OpenAI;

  beforeAll(async () => {
    engine = await Engine.start({ model: { dir: model!.dir }, name: model!.name, budgetTokens: 128 });
    server = createServer({ engines: [engine] });
    const { url } = await server.listen({ port: 0 });
    client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  afterAll(async () => {
    await server.close({ graceMs: 0 });
    await engine.stop({ graceMs: 0 });
  });

  const params = (content: string) => ({
    model: model!.name,
    temperature: 0,
    messages: [{ role: "user" as const, content }],
  });
  const ask = async (content: string, extra: object = {}): Promise<ChatCompletion> =>
    chatCompletionSchema.parse(await client.chat.completions.create({ ...params(content), ...extra } as never));

  test("calculates in visible steps, which are counted and not part of the content", async () => {
    const { choices, usage } = await ask("What is 12 + 7?");
    const { content, reasoning_content } = choices[0]!.message;
    expect(content).toContain("19");
    expect(choices[0]!.finish_reason).toBe("stop");
    expect(reasoning_content!.length).toBeGreaterThan(0);
    expect(usage.completion_tokens_details.reasoning_tokens).toBeGreaterThan(0);
    expect(usage.completion_tokens).toBeGreaterThan(usage.completion_tokens_details.reasoning_tokens);
  });

  test("streams the same, steps first", async () => {
    const whole = (await ask("What is 12 + 7?")).choices[0]!.message;
    let content = "";
    let reasoning = "";
    for await (const chunk of await client.chat.completions.create({ ...params("What is 12 + 7?"), stream: true })) {
      const delta = chunk.choices[0]!.delta as { content?: string; reasoning_content?: string };
      if (delta.reasoning_content !== undefined) expect(content).toBe("");
      content += delta.content ?? "";
      reasoning += delta.reasoning_content ?? "";
    }
    expect([content, reasoning]).toEqual([whole.content, whole.reasoning_content]);
  });

  test("keeps to a thinking budget", async () => {
    const { usage } = await ask("What is 12 + 7?", { thinking_budget: 2 });
    expect(usage.completion_tokens_details.reasoning_tokens).toBeLessThanOrEqual(2);
    const none = await ask("What is 12 + 7?", { reasoning_effort: "none" });
    expect(none.choices[0]!.message.reasoning_content).toBeUndefined();
  });

  test("shows a call as JSON on a line of its own, and reads it back as its own history", async () => {
    const content = (await ask("Turn on the kitchen light.")).choices[0]!.message.content!;
    const [line, ...confirmation] = content.split("\n");
    expect(JSON.parse(line!)).toMatchObject({
      name: expect.any(String) as string,
      arguments: expect.any(Object) as object,
    });
    expect(confirmation.join("\n").length).toBeGreaterThan(0);
    const messages = [
      { role: "user" as const, content: "Turn on the kitchen light." },
      { role: "assistant" as const, content },
      { role: "user" as const, content: "hello" },
    ];
    const next = await client.chat.completions.create({ model: model!.name, temperature: 0, messages });
    expect(next.choices[0]!.message.content!.length).toBeGreaterThan(0);
  });
});
