/** Adapters as clients see them: names in the list of models, asked as models, loaded and unloaded by vLLM's calls. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { writeRandomAdapter } from "../../test/support/adapters.ts";
import type { DecoderConfig } from "../llm/index.ts";
import { modelListSchema } from "../protocol/index.ts";
import { Engine } from "../runtime/index.ts";
import { createServer, type PunctualServer } from "./index.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 320,
  hidden: 32,
  layers: 2,
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
let other: Engine;
let server: PunctualServer;
let url: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "server-lora-"));
  for (const [i, name] of ["sql", "late"].entries()) await writeRandomAdapter(join(dir, name), CONFIG, i + 1, 4);
  const common = { model: { random: CONFIG, seed: 3 }, budgetTokens: 64 };
  engine = await Engine.start({ ...common, name: "base", lora: { modules: [{ name: "sql", dir: join(dir, "sql") }] } });
  other = await Engine.start({ ...common, name: "other" });
  server = createServer({ engines: [engine, other] });
  ({ url } = await server.listen({ port: 0 }));
});
afterAll(async () => {
  await server.close({ graceMs: 0 });
  await engine.stop({ graceMs: 0 });
  await other.stop({ graceMs: 0 });
  await rm(dir, { recursive: true });
});

const post = (path: string, body: object): Promise<Response> =>
  fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

async function complete(
  model: string,
): Promise<{ readonly status: number; readonly text: string; readonly model: string }> {
  const answer = await post("/v1/completions", {
    model,
    prompt: "hello",
    max_tokens: 8,
    temperature: 0,
    ignore_eos: true,
  });
  const body = (await answer.json()) as { model: string; choices?: { text: string }[] };
  return { status: answer.status, text: body.choices?.[0]?.text ?? "", model: body.model };
}

async function names(): Promise<(readonly [string, string | undefined])[]> {
  const { data } = modelListSchema.parse(await (await fetch(`${url}/v1/models`)).json());
  return data.map(({ id, parent }) => [id, parent]);
}

test("an adapter is a model with a parent, loaded and unloaded while the server runs", async () => {
  expect(await names()).toEqual([
    ["base", undefined],
    ["sql", "base"],
    ["other", undefined],
  ]);
  expect(await (await fetch(`${url}/v1/models/sql`)).json()).toMatchObject({ id: "sql", parent: "base" });
  const [base, sql] = [await complete("base"), await complete("sql")];
  expect([base.model, sql.model]).toEqual(["base", "sql"]);
  expect(sql.text).not.toBe(base.text);
  expect((await complete("late")).status).toBe(404);
  const loaded = await post("/v1/load_lora_adapter", { lora_name: "late", lora_path: join(dir, "late") });
  expect(await loaded.text()).toBe("Success: LoRA adapter 'late' added successfully.");
  expect((await names()).map(([id]) => id)).toEqual(["base", "sql", "late", "other"]);
  const late = await complete("late");
  expect([base.text, sql.text]).not.toContain(late.text);
  const removed = await post("/v1/unload_lora_adapter", { lora_name: "late" });
  expect([removed.status, (await complete("late")).status]).toEqual([200, 404]);
});

test.each([
  ["/v1/load_lora_adapter", { lora_name: "sql", lora_path: "x" }, 400, "lora_name"],
  ["/v1/load_lora_adapter", { lora_name: "base", lora_path: "x" }, 400, "lora_name"],
  ["/v1/load_lora_adapter", { lora_name: "new", lora_path: "/nowhere" }, 404, "adapter_config.json"],
  ["/v1/load_lora_adapter", { lora_name: "new" }, 400, "lora_path"],
  ["/v1/load_lora_adapter", { lora_name: "new", lora_path: "x", base_model_name: "nobody" }, 404, "model"],
  ["/v1/unload_lora_adapter", { lora_name: "new" }, 404, "lora_name"],
])("%s %j is refused", async (path, body, status, param) => {
  const answer = await post(path, body);
  expect(answer.status).toBe(status);
  expect(await answer.json()).toMatchObject({ error: { param } });
});
