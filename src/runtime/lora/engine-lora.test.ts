import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeRandomAdapter } from "../../../test/support/adapters.ts";
import type { DecoderConfig } from "../../llm/index.ts";
import { Engine, ModelPool, type EngineOptions, type GenerateRequest, type Usage } from "../index.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 320,
  hidden: 48,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 12,
  ffn: 64,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 256,
};
const PROMPT = Array.from({ length: 40 }, (_, i) => 30 + ((i * 37) % 250));

let dir = "";
let options: EngineOptions;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "engine-lora-"));
  for (const [i, name] of ["a", "b", "late"].entries()) await writeRandomAdapter(join(dir, name), CONFIG, i + 1, 4);
  options = {
    model: { random: CONFIG, seed: 5 },
    name: "base",
    exact: true,
    budgetTokens: 64,
    checkEachStep: true,
    lora: { modules: ["a", "b"].map((name) => ({ name, dir: join(dir, name) })), maxLoras: 3, maxRank: 4 },
  };
});
afterAll(() => rm(dir, { recursive: true }));

interface Answer {
  readonly ids: readonly number[];
  readonly usage: Usage;
}

async function ask(engine: Engine, adapter?: string, more: Partial<GenerateRequest> = {}): Promise<Answer> {
  const ids: number[] = [];
  const own = adapter === undefined ? {} : { adapter };
  const request = {
    promptTokens: PROMPT,
    maxTokens: 12,
    ignoreEos: true,
    sampling: { temperature: 0 },
    ...own,
    ...more,
  };
  for await (const event of engine.submit(request)) {
    if (event.kind === "token") ids.push(event.id);
    else return { ids, usage: event.usage };
  }
  throw new Error("no end");
}

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown }).code;

it("requests of different adapters in one batch answer as each alone, and share only their own prefixes", async () => {
  await using plain = await Engine.start({ ...options, lora: undefined });
  const expected = await ask(plain);
  await using engine = await Engine.start(options);
  const alone = [await ask(engine), await ask(engine, "a"), await ask(engine, "b")];
  expect(alone[0]!.ids).toEqual(expected.ids);
  expect(new Set(alone.map(({ ids }) => ids.join())).size).toBe(3);
  // Each was asked once: nothing was shared between adapters. Asked again, everything but the last page is there.
  expect(alone.map(({ usage }) => usage.cachedTokens)).toEqual([0, 0, 0]);
  const together = await Promise.all([ask(engine, "b"), ask(engine), ask(engine, "a"), ask(engine, "b")]);
  expect(together.map(({ ids }) => ids)).toEqual([alone[2], alone[0], alone[1], alone[2]].map((one) => one!.ids));
  expect(together.map(({ usage }) => usage.cachedTokens)).toEqual([32, 32, 32, 32]);
});

it("adapters come and go while it runs, and stay over a restart", async () => {
  await using engine = await Engine.start(options);
  const late = { name: "late", dir: join(dir, "late") };
  await expect(ask(engine, "late")).rejects.toMatchObject({ code: "model_not_found" });
  const under = ask(engine, "a", { maxTokens: 60 });
  await engine.loadAdapter(late);
  const first = await ask(engine, "late");
  await expect(engine.loadAdapter(late)).rejects.toMatchObject({ code: "invalid_request", param: "lora_name" });
  await expect(engine.loadAdapter({ ...late, name: "fourth" })).rejects.toMatchObject({ code: "invalid_request" });
  await engine.unloadAdapter("a");
  await expect(ask(engine, "a")).rejects.toMatchObject({ code: "model_not_found" });
  expect((await under).ids.length).toBe(60); // who had it keeps it
  await engine.loadAdapter({ ...late, name: "fourth" });
  expect((await ask(engine, "fourth")).ids).toEqual(first.ids);
  await expect(engine.loadAdapter({ name: "x", dir: join(dir, "nowhere") })).rejects.toMatchObject({
    code: "model_not_found",
  });
  engine.crashWorker("throw");
  for (const state of ["restarting", "ready"] as const) {
    while (engine.state !== state) await new Promise((resolve) => void setTimeout(resolve, 10));
  }
  expect(engine.adapters.map(({ name }) => name)).toEqual(["b", "late", "fourth"]);
  expect((await ask(engine, "late")).ids).toEqual(first.ids);
});

it("a pool keeps a model's adapters while the model is not loaded", async () => {
  await using pool = await ModelPool.create([{ ...options, name: "base" }]);
  const engine = pool.engine("base");
  expect(engine.adapters.map(({ name }) => name)).toEqual(["a", "b"]);
  await engine.loadAdapter({ name: "late", dir: join(dir, "late") });
  const answer = await ask(engine, "late");
  await engine.unloadAdapter("a");
  await pool.unload("base");
  expect((await ask(engine, "late")).ids).toEqual(answer.ids);
  expect(engine.adapters.map(({ name }) => name)).toEqual(["b", "late"]);
});

it("what cannot be is refused before anything starts", async () => {
  const refused = async (more: Partial<EngineOptions>): Promise<unknown> => {
    try {
      await using engine = await Engine.start({ ...options, ...more });
      return engine.state;
    } catch (error) {
      return codeOf(error);
    }
  };
  expect(await refused({ phases: "semi-pd" })).toBe("unsupported");
  expect(await refused({ lora: { maxRank: 0 } })).toBe("invalid_request");
  expect(await refused({ lora: { ...options.lora, maxLoras: 1 } })).toBe("invalid_request");
  expect(await refused({ lora: { ...options.lora, maxRank: 2 } })).toBe("invalid_request"); // by the worker
  await using engine = await Engine.start({ ...options, lora: undefined });
  await expect(engine.loadAdapter({ name: "a", dir })).rejects.toMatchObject({ code: "unsupported" });
});
