/** Models and what can be done to them, from a real server with a pool, a real hub's protocol, and real engines. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { TINY } from "../../../test/support/engine.ts";
import { startFakeHub, type FakeHub } from "../../../test/support/hub.ts";
import { writeRandomModel } from "../../../test/support/model-folder.ts";
import { readEvents } from "../../../test/support/sse.ts";
import { builtInModelDir } from "../../llm/index.ts";
import {
  adminModelsSchema,
  errorBodySchema,
  modelChangeSchema,
  policyAnswerSchema,
  pullEventSchema,
  type AdminModel,
  type PullEvent,
} from "../../protocol/index.ts";
import { ModelPool, ModelStore, parseHubReference, servedName } from "../../runtime/index.ts";
import { createServer, type PunctualServer } from "../index.ts";
import { aboutOf } from "./model-card.ts";

const SMALL = "punctual-small";

let dir: string;
let hub: FakeHub;
let pool: ModelPool;
let server: PunctualServer;
let url: string;
const logged: string[] = [];

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "punctual-admin-"));
  writeRandomModel(join(dir, "model"), { ...TINY, maxPositions: 128 });
  hub = await startFakeHub();
  const file = (name: string): Buffer => readFileSync(join(dir, "model", name));
  const files = Object.fromEntries(["config.json", "tokenizer.json", "model.safetensors"].map((n) => [n, file(n)]));
  hub.add("org/tiny", files, ["model.safetensors"]);
  hub.add("org/slow", files, ["model.safetensors"]).faults.set("model.safetensors", {
    slow: { pieceBytes: 4096, pauseMs: 20 },
  });
  const store = new ModelStore({ cacheDir: join(dir, "cache"), hub: { url: hub.url } });
  pool = await ModelPool.create(
    [
      { model: { dir: builtInModelDir("small") }, name: SMALL, kvPages: 128 },
      { model: { random: TINY, seed: 7 }, name: "random", budgetTokens: 64, kvPages: 64, phases: "semi-pd" },
    ],
    { memoryBudgetBytes: 2 ** 31 },
  );
  server = createServer({
    engines: pool.engines,
    pool,
    pull: async (source, options) => {
      const reference = parseHubReference(source);
      const { path } = await store.pull(reference, options);
      return { model: { dir: path }, name: servedName(reference), budgetTokens: 64, kvPages: 64 };
    },
    log: { info: (_fields, message) => logged.push(message), error: (_fields, message) => logged.push(message) },
  });
  ({ url } = await server.listen({ port: 0 }));
});
afterAll(async () => {
  await server.close({ graceMs: 0 });
  await pool.stop({ graceMs: 0 });
  await hub.close();
  rmSync(dir, { recursive: true });
});

const post = (path: string, body?: object, signal?: AbortSignal): Promise<Response> =>
  fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    ...(signal === undefined ? {} : { signal }),
  });
const codeOf = async (response: Response): Promise<unknown[]> => [
  response.status,
  errorBodySchema.parse(await response.json()).error.code,
];
const models = async () => adminModelsSchema.parse(await (await fetch(`${url}/admin/models`)).json());
async function model(id: string): Promise<AdminModel> {
  return (await models()).models.find((one) => one.id === id)!;
}
const chat = (content: string, extra: object = {}): Promise<Response> =>
  post("/v1/chat/completions", { model: SMALL, messages: [{ role: "user", content }], temperature: 0, ...extra });

test("says of each model what it is and can do, and places the family", async () => {
  const { memory, canPull, models: all, family } = await models();
  expect(all.map(({ id }) => id)).toEqual([SMALL, "random"]);
  expect(memory).toEqual({ budgetBytes: 2 ** 31, usedBytes: pool.usedBytes });
  expect(canPull).toBe(true);
  const [small, random] = all as [AdminModel, AdminModel];
  expect(small).toMatchObject({ managed: true, parameters: 1_181_056, contextTokens: 512, phases: "colocated" });
  expect(small.capabilities).toEqual({
    chat: true,
    completions: true,
    tools: true,
    schema: true,
    thinking: true,
    embeddings: false,
  });
  expect(small.diskBytes).toBeGreaterThan(2 * 2 ** 20);
  expect(small.card).toMatch(/^# punctual-small/);
  expect(small.about).toMatch(/^The small model/);
  const { scores } = JSON.parse(readFileSync(join(builtInModelDir("small"), "scores.json"), "utf8")) as Pick<
    AdminModel,
    "scores"
  >;
  const toolCalls = scores.find(({ name }) => name === "tool-call")!;
  expect(small.scores.find(({ name }) => name === "tool-call")!.share).toBe(toolCalls.share);
  expect(random).toMatchObject({ card: null, about: null, scores: [], diskBytes: null, phases: "semi-pd" });
  expect(random.fixedPolicy).toMatch(/semi-pd/);
  const point = family.find(({ id }) => id === SMALL)!;
  expect(point.parameters).toBe(small.parameters);
  expect(point.served).toBe(true);
  expect(point.quality!).toBeGreaterThan(point.interval95![0]);
  expect(point.quality!).toBeLessThan(point.interval95![1]);
  expect(family.every(({ id, served }) => served === (id === SMALL))).toBe(true);
  expect(family.map(({ parameters }) => parameters)).toEqual(
    family.map(({ parameters }) => parameters).toSorted((a, b) => a - b),
  );
});

test("loads and unloads; what is unloaded loads when it is asked", async () => {
  const change = async (what: string) =>
    modelChangeSchema.parse(await (await post(`/admin/models/${SMALL}/${what}`)).json());
  expect(await change("load")).toMatchObject({ id: SMALL, state: "loaded" });
  expect(await model(SMALL)).toMatchObject({ state: "loaded", loads: 1, engine: "ready" });
  expect((await models()).memory.usedBytes).toBe(pool.usedBytes);
  // It was measured when it was loaded, and that is remembered.
  expect((await models()).family.find(({ id }) => id === SMALL)!.stepMs).toBeGreaterThan(0);
  expect(await change("unload")).toMatchObject({ state: "unloaded" });
  expect(await change("unload")).toMatchObject({ state: "unloaded" });
  expect(await model(SMALL)).toMatchObject({ state: "unloaded", loads: 1 });
  expect((await chat("hello", { max_tokens: 2 })).status).toBe(200);
  expect(await model(SMALL)).toMatchObject({ state: "loaded", loads: 2 });
  expect(await codeOf(await post("/admin/models/none/load"))).toEqual([404, "model_not_found"]);
  expect(logged).toContain("model unloaded");
});

test("unloading waits for answers under way", async () => {
  const response = await chat("What is 7 times 8?", { stream: true });
  const unloading = post(`/admin/models/${SMALL}/unload`);
  let done = false;
  for await (const { data } of readEvents(response.body)) done = data === "[DONE]";
  expect(done).toBe(true);
  expect((await unloading).status).toBe(200);
});

describe("switching the policy", () => {
  test("under load nothing is lost and nothing said differently", async () => {
    const questions = Array.from({ length: 8 }, (_, i) => `What is ${i + 3} plus ${i * 2 + 1}?`);
    const ask = async (question: string): Promise<string> => {
      const body = (await (await chat(question)).json()) as { choices: { message: { content: string } }[] };
      return body.choices[0]!.message.content;
    };
    const before = [];
    for (const question of questions) before.push(await ask(question));
    const answers = Promise.all(questions.map(ask));
    let previous = (await model(SMALL)).policy;
    for (const policy of ["edf", "splitfuse", "jitserve", "orca-mixed", "fifo"]) {
      const answer = policyAnswerSchema.parse(await (await post(`/admin/models/${SMALL}/policy`, { policy })).json());
      expect(answer).toMatchObject({ model: SMALL, policy, previous });
      previous = policy;
      expect((await model(SMALL)).policy).toBe(policy);
    }
    expect(await answers).toEqual(before);
    expect(logged).toContain("policy switched");
  });

  test("what cannot be switched, or to, is refused", async () => {
    const to = async (id: string, body: object): Promise<unknown[]> =>
      codeOf(await post(`/admin/models/${id}/policy`, body));
    expect(await to("random", { policy: "edf" })).toEqual([409, "policy_fixed"]);
    expect(await to(SMALL, { policy: "none" })).toEqual([400, "invalid_request"]);
    expect(await to(SMALL, {})).toEqual([400, "invalid_request"]);
    expect(await to("none", { policy: "edf" })).toEqual([404, "model_not_found"]);
  });
});

describe("pulling", () => {
  async function pull(source: string): Promise<PullEvent[]> {
    const response = await post("/admin/models/pull", { source });
    expect(response.headers.get("content-type")).toMatch(/event-stream/);
    const events: PullEvent[] = [];
    for await (const { data } of readEvents(response.body)) events.push(pullEventSchema.parse(JSON.parse(data)));
    return events;
  }

  test("tells how far it is, serves the model, and may be done again", async () => {
    const events = await pull("hf:org/tiny");
    expect(events.at(-1)).toEqual({ kind: "done", id: "org/tiny" });
    const progress = events.filter((event) => event.kind === "progress");
    expect(progress.every(({ doneBytes, totalBytes }) => doneBytes <= totalBytes)).toBe(true);
    expect(await model("org/tiny")).toMatchObject({ state: "unloaded", managed: true });
    const body = { model: "org/tiny", prompt: "hi", max_tokens: 2 };
    expect((await post("/v1/completions", body)).status).toBe(200);
    expect((await model("org/tiny")).state).toBe("loaded");
    const change = await post(`/admin/models/${encodeURIComponent("org/tiny")}/unload`);
    expect(await change.json()).toMatchObject({ state: "unloaded" });
    expect((await pull("hf:org/tiny")).at(-1)).toEqual({ kind: "done", id: "org/tiny" });
  });

  test("is ended by closing the connection, and goes on where it stopped", async () => {
    const controller = new AbortController();
    const response = await post("/admin/models/pull", { source: "hf:org/slow" }, controller.signal);
    for await (const { data } of readEvents(response.body)) {
      const event = JSON.parse(data) as PullEvent;
      if (event.kind === "progress" && event.doneBytes > 0) break;
    }
    controller.abort();
    hub.repos.get("org/slow")!.faults.clear();
    expect((await pull("hf:org/slow")).at(-1)).toEqual({ kind: "done", id: "org/slow" });
    expect(logged).not.toContain("pull failed"); // who leaves has not failed
  });

  test("what is wrong is said: at once, or as the last event", async () => {
    expect(await codeOf(await post("/admin/models/pull", { source: "org/tiny" }))).toEqual([400, "invalid_request"]);
    expect(await codeOf(await post("/admin/models/pull", {}))).toEqual([400, "invalid_request"]);
    expect(await pull("hf:org/none")).toMatchObject([{ kind: "failed", error: { code: "model_not_found" } }]);
  });

  test("a server without a pool manages nothing", async () => {
    const engine = pool.engine("random");
    await using bare = createServer({ engines: [engine] });
    const answered = async (path: string, body: object = {}): Promise<unknown[]> =>
      codeOf(await bare.app.request(path, { method: "POST", body: JSON.stringify(body) }));
    expect(await answered("/admin/models/pull", { source: "hf:org/tiny" })).toEqual([400, "unsupported"]);
    expect(await answered("/admin/models/random/unload")).toEqual([400, "unsupported"]);
    const body = adminModelsSchema.parse(await (await bare.app.request("/admin/models")).json());
    expect(body).toMatchObject({ canPull: false, memory: { budgetBytes: null, usedBytes: 0 } });
    expect(body.models[0]).toMatchObject({ managed: false, state: "loaded" });
  });
});

test.each([
  ["# T\n\nOne sentence\nover two lines.\n\nMore.", "One sentence over two lines."],
  ["---\nlicense: x\n---\n\n# T\n\n![p](p.png)\n\n| a |\n|---|\n\n**Bold** begins.", "**Bold** begins."],
  ["# T\n\n- a list\n", null],
  ["", null],
])("the sentence of a card is its first prose", (card, about) => {
  expect(aboutOf(card)).toBe(about);
});
