/** Layer routes as clients see them: `compute` in the body, what was left out in usage and in the request's record. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeRandomRoutes } from "../../test/support/routes.ts";
import type { DecoderConfig } from "../llm/index.ts";
import { messageBodySchema, requestTraceSchema, responseSchema, usageSchema } from "../protocol/index.ts";
import { Engine } from "../runtime/index.ts";
import { createServer, type PunctualServer } from "./index.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 320,
  hidden: 32,
  layers: 6,
  heads: 2,
  kvHeads: 1,
  headDim: 16,
  ffn: 48,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 128,
};

let dir: string;
let engine: Engine;
let plain: Engine;
let server: PunctualServer;
let url: string;

beforeAll(async () => {
  dir = await writeRandomRoutes(await mkdtemp(join(tmpdir(), "server-routes-")), CONFIG, 1);
  const common = { model: { random: CONFIG, seed: 3 }, budgetTokens: 64 };
  engine = await Engine.start({ ...common, name: "routed", routes: dir });
  plain = await Engine.start({ ...common, name: "plain" });
  server = createServer({ engines: [engine, plain] });
  ({ url } = await server.listen({ port: 0 }));
});
afterAll(async () => {
  await server.close({ graceMs: 0 });
  await engine.stop({ graceMs: 0 });
  await plain.stop({ graceMs: 0 });
  await rm(dir, { recursive: true });
});

const ask = (body: object, id = "x"): Promise<Response> =>
  fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", "x-request-id": id },
    body: JSON.stringify({ model: "routed", prompt: "hello there", max_tokens: 6, ignore_eos: true, ...body }),
  });

test("an answer says which layers it left out, and so does its record", async () => {
  const body = (await (await ask({ compute: 0.5 }, "half")).json()) as { usage: unknown };
  const { compute } = usageSchema.parse(body.usage);
  expect(compute).toMatchObject({ layers: 6 });
  expect(compute!.skipped_layers.length).toBe(3);
  const record = requestTraceSchema.parse(await (await fetch(`${url}/admin/requests/half`)).json());
  expect(record.route).toEqual({ layers: 6, skipped: compute!.skipped_layers });
  const full = (await (await ask({ compute: "full" })).json()) as { usage: unknown };
  expect(usageSchema.parse(full.usage).compute).toBeUndefined();
});

test("responses and messages ask for it and are told as well", async () => {
  const post = async (path: string, body: object): Promise<{ readonly status: number; readonly body: unknown }> => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${url}/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: answer.status, body: await answer.json() };
  };
  const common = { model: "routed", ignore_eos: true };
  const response = { ...common, input: "hi", max_output_tokens: 6 };
  const message = { ...common, messages: [{ role: "user", content: "hi" }], max_tokens: 6 };
  const told = [
    responseSchema.parse((await post("responses", { ...response, compute: 0.5 })).body).usage?.compute,
    messageBodySchema.parse((await post("messages", { ...message, compute: 0.5 })).body).usage.compute,
  ];
  for (const compute of told) expect([compute?.layers, compute?.skipped_layers.length]).toEqual([6, 3]);
  expect(responseSchema.parse((await post("responses", response)).body).usage?.compute).toBeUndefined();
  expect((await post("responses", { ...response, compute: 0 })).status).toBe(400);
  expect((await post("messages", { ...message, compute: "most" })).status).toBe(400);
});

test("a request's trace tells what was drafted, taken and rejected, and the layers that were left out", async () => {
  const speculation = { method: "ngram", tokens: 4, adaptive: false, ngram: { minMatch: 1, maxMatch: 3 } } as const;
  const model = { random: CONFIG, seed: 3 };
  await using both = await Engine.start({ model, name: "both", routes: dir, budgetTokens: 64, speculation });
  const second = createServer({ engines: [both] });
  const { url: address } = await second.listen({ port: 0 });
  try {
    const request = { model: "both", prompt: "la la la la la la", max_tokens: 60, ignore_eos: true, temperature: 0 };
    const answer = await fetch(`${address}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-request-id": "all" },
      body: JSON.stringify({ ...request, compute: 0.7 }),
    });
    const { usage } = (await answer.json()) as { usage: unknown };
    const { accepted_prediction_tokens: accepted, rejected_prediction_tokens: rejected } =
      usageSchema.parse(usage).completion_tokens_details;
    const trace = requestTraceSchema.parse(await (await fetch(`${address}/admin/requests/all`)).json());
    expect(trace.route!.skipped.length).toBeGreaterThan(0);
    const drafts = trace.drafts ?? [];
    const taken = drafts.reduce((sum, draft) => sum + draft.accepted, 0);
    expect(taken).toBe(accepted);
    expect(drafts.reduce((sum, draft) => sum + draft.tokens, 0) - taken).toBe(rejected);
    expect(Math.min(accepted, rejected)).toBeGreaterThan(0);
  } finally {
    await second.close({ graceMs: 0 });
  }
});

test.each([
  [{ compute: 0 }, 400],
  [{ compute: 2 }, 400],
  [{ compute: "some" }, 400],
  [{ compute: "auto", model: "plain" }, 400],
  [{ compute: "auto" }, 200],
])("%j answers %i", async (body, status) => {
  const answer = await ask(body);
  expect(answer.status).toBe(status);
  if (status === 400) expect(await answer.json()).toMatchObject({ error: { param: "compute" } });
});
