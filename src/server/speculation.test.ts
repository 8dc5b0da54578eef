/** Speculation as clients see it: the same answers, several tokens a step, and counts of what was drafted. */
import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { builtInModels } from "../llm/index.ts";
import { chatCompletionSchema, type ChatCompletion } from "../protocol/index.ts";
import { Engine, type EngineStats } from "../runtime/index.ts";
import { Exposition } from "./exposition.ts";
import { createServer, type PunctualServer } from "./index.ts";
import { writeSpeculation } from "./speculation-metrics.ts";

const models = builtInModels();
const base = models.find(({ name }) => name === "punctual-base");
const small = models.find(({ name }) => name === "punctual-small");

describe.skipIf(base === undefined || small === undefined)("the built-in models speculate", () => {
  let plain: Engine;
  let drafted: Engine;
  let server: PunctualServer;
  let url: string;
  let client: OpenAI;

  beforeAll(async () => {
    const model = { dir: base!.dir };
    const common = { budgetTokens: 128, checkEachStep: true, exact: true };
    plain = await Engine.start({ ...common, model, name: "plain" });
    const speculation = { method: "draft", model: { dir: small!.dir }, tokens: 4, adaptive: false } as const;
    drafted = await Engine.start({ ...common, model, name: "drafted", speculation });
    server = createServer({ engines: [plain, drafted] });
    ({ url } = await server.listen({ port: 0 }));
    client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  afterAll(async () => {
    await server.close({ graceMs: 0 });
    await plain.stop({ graceMs: 0 });
    await drafted.stop({ graceMs: 0 });
  });

  const ask = async (model: string, content: string, extra: object = {}): Promise<ChatCompletion> => {
    const params = { model, temperature: 0, messages: [{ role: "user", content }], ...extra };
    return chatCompletionSchema.parse(await client.chat.completions.create(params as never));
  };
  const QUESTIONS = ["What is 12 + 7?", "Turn on the kitchen light.", "What is 31 - 18?", "Hello!"];

  test("the same answers, greedy and sampled, alone and together, and a good part of them drafted", async () => {
    for (const extra of [{}, { temperature: 0.8, seed: 4, logprobs: true, top_logprobs: 2 }]) {
      const expected: ChatCompletion[] = [];
      for (const question of QUESTIONS) expected.push(await ask("plain", question, extra));
      const answers = await Promise.all(QUESTIONS.map((question) => ask("drafted", question, extra)));
      let total = 0;
      for (const [i, { choices, usage, metrics }] of answers.entries()) {
        expect(choices).toEqual(expected[i]!.choices);
        expect(usage.completion_tokens).toBe(expected[i]!.usage.completion_tokens);
        expect(expected[i]!.usage.completion_tokens_details.accepted_prediction_tokens).toBe(0);
        expect(expected[i]!.metrics).toBeUndefined();
        const { accepted_prediction_tokens: accepted, rejected_prediction_tokens: rejected } =
          usage.completion_tokens_details;
        total += accepted;
        if (metrics === undefined) continue; // on a slow machine an answer is over before the drafter has caught up
        const said = metrics.speculative_decoding;
        expect([said.num_accepted_draft_tokens, said.num_draft_tokens]).toEqual([accepted, accepted + rejected]);
        expect(said.acceptance_histogram.reduce((sum, count) => sum + count, 0)).toBe(said.num_spec_steps);
        expect(said.mean_acceptance_length).toBe(1 + accepted / said.num_spec_steps);
      }
      expect(total).toBeGreaterThan(8);
    }
  });

  test("a prediction is drafted from: an answer that is as predicted comes in a few steps", async () => {
    const request = { prediction: { type: "content", content: "" } };
    const { choices } = await ask("plain", QUESTIONS[3]!);
    request.prediction.content = choices[0]!.message.content!;
    const before = drafted.stats().speculation!.find(({ source }) => source === "prediction");
    const answer = await ask("drafted", QUESTIONS[3]!, request);
    expect(answer.choices).toEqual(choices);
    const after = drafted.stats().speculation!.find(({ source }) => source === "prediction")!;
    expect(after.acceptedTokens - (before?.acceptedTokens ?? 0)).toBeGreaterThan(2);
    // Where nothing is drafted a prediction is no error and of no effect.
    const unused = await ask("plain", QUESTIONS[3]!, request);
    expect(unused.usage.completion_tokens_details).toMatchObject({ accepted_prediction_tokens: 0 });
  });

  test("a stream is the same text by token, with the counts beside its usage; the page counts by source", async () => {
    const { choices } = await ask("plain", QUESTIONS[0]!);
    let content = "";
    let metrics: unknown;
    const stream = await client.chat.completions.create({
      model: "drafted",
      temperature: 0,
      messages: [{ role: "user", content: QUESTIONS[0]! }],
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const chunk of stream) {
      content += chunk.choices[0]?.delta.content ?? "";
      metrics = (chunk as { metrics?: unknown }).metrics ?? metrics;
    }
    expect(content).toBe(choices[0]!.message.content);
    expect(metrics).toMatchObject({ speculative_decoding: { num_spec_steps: expect.any(Number) as number } });
    const page = await (await fetch(`${url}/metrics`)).text();
    expect(page).toMatch(/vllm:spec_decode_num_accepted_tokens_total\{model_name="drafted",engine="0"\} [1-9]/);
    expect(page).toMatch(/punctual_spec_decode_num_drafts_total\{model_name="drafted",source="model"\} [1-9]/);
    expect(page).not.toContain('spec_decode_num_drafts_total{model_name="plain"');
  });
});

test("vLLM's counters are sums over all who draft, by place too; all are there before the first draft", () => {
  const write = (speculation: EngineStats["speculation"]): string => {
    const page = new Exposition();
    writeSpeculation(page, { name: "m", speculation } as EngineStats);
    return page.text();
  };
  const page = write([
    { source: "ngram", drafts: 3, draftTokens: 9, acceptedTokens: 4, perPosition: [2, 1, 1] },
    { source: "model", drafts: 2, draftTokens: 4, acceptedTokens: 3, perPosition: [2, 1] },
  ]);
  expect(page).toContain('vllm:spec_decode_num_drafts_total{model_name="m",engine="0"} 5');
  expect(page).toContain('vllm:spec_decode_num_draft_tokens_total{model_name="m",engine="0"} 13');
  expect(page).toContain('vllm:spec_decode_num_accepted_tokens_total{model_name="m",engine="0"} 7');
  expect(page).toContain(
    'vllm:spec_decode_num_accepted_tokens_per_pos_total{model_name="m",engine="0",position="0"} 4',
  );
  expect(page).toContain('punctual_spec_decode_num_accepted_tokens_total{model_name="m",source="model"} 3');
  expect(write([])).toContain('vllm:spec_decode_num_accepted_tokens_total{model_name="m",engine="0"} 0');
  expect(write(null)).toBe("");
});
