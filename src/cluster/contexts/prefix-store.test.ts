import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AssertionError, createRandom } from "../../core/index.ts";
import { builtInModelDir, fromHuggingFaceConfig, readCheckpointFacts } from "../../llm/index.ts";
import { Engine, type GenerateRequest } from "../../runtime/index.ts";
import { KvCodec } from "../codec/codec.ts";
import { pagesToPlanes } from "../codec/planes.ts";
import { PredictionProfiler } from "../codec/prediction-fit.ts";
import { cacheShape } from "../codec/shape.ts";
import { TableProfiler } from "../codec/tables.ts";
import { PrefixStore } from "./prefix-store.ts";
import { withPrefixSpill } from "./spill.ts";
import { ContextStore } from "./store.ts";

const dir = builtInModelDir("small");
let folder: string;
let first: Engine;
let second: Engine;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "punctual-prefixes-"));
  const options = { model: { dir }, kvPages: 64, budgetTokens: 64, exact: true } as const;
  [first, second] = [await Engine.start(options), await Engine.start(options)];
});

afterAll(async () => {
  await Promise.all([first.stop(), second.stop()]);
  await rm(folder, { recursive: true, force: true });
});

async function answer(
  engine: Engine,
  request: Omit<GenerateRequest, "maxTokens">,
): Promise<{ tokens: number[]; cached: number; lossy?: number | undefined }> {
  const tokens: number[] = [];
  for await (const event of engine.submit({ maxTokens: 8, sampling: { temperature: 0 }, ...request })) {
    if (event.kind === "token") tokens.push(event.id);
    else if (event.kind === "finish") {
      return { tokens, cached: event.usage.cachedTokens, lossy: event.usage.lossyTokens };
    }
  }
  throw new Error("no finish");
}

it("prefixes come back into another engine's cache: exact ones for everybody, lossy ones under a salt only", async () => {
  const random = createRandom(1, "prefixes");
  const prompt = Array.from({ length: 150 }, () => random.int(300, 1400));
  const exact = await answer(first, { promptTokens: prompt });
  const config = fromHuggingFaceConfig((await readCheckpointFacts(dir)).config);
  const fingerprint = first.info.modelFingerprint!;
  const shape = cacheShape(config, { format: "f32", pageTokens: first.info.pageTokens }, fingerprint);
  const reader = (await first.transfers.readPrefix(prompt))!;
  const profiler = new TableProfiler(shape);
  const planes = pagesToPlanes(shape, await reader.read(0, reader.pages), reader.tokens, 0);
  await reader.release();
  profiler.add(planes);
  const predicted = new PredictionProfiler(shape);
  predicted.add(planes, prompt.slice(0, planes.tokens));
  const codec = await KvCodec.create(shape, { tables: profiler.finish(), prediction: predicted.finish() });
  const store = await ContextStore.open({ dir: folder, fingerprint });
  const lossy = { variant: "anchored", level: 1 } as const;
  const byPrediction = { variant: "predicted", level: 1 } as const;
  const out = new PrefixStore({ transfers: first.transfers, codec, store });
  expect(await out.save(prompt, [{ variant: "lossless" }, lossy, byPrediction])).toBe(144);
  expect(await out.save(prompt, [{ variant: "lossless" }])).toBe(144);

  const back = new PrefixStore({ transfers: second.transfers, codec, store });
  expect(await back.restore(prompt, { level: lossy, salt: "lossy" })).toBe(144);
  expect(await back.restore(prompt, { level: byPrediction, salt: "predicted" })).toBe(144);
  for (const level of [lossy, byPrediction]) {
    await expect(back.restore(prompt, { level })).rejects.toThrow(AssertionError);
  }
  // What is under the salt is nobody else's.
  expect((await answer(second, { promptTokens: prompt })).cached).toBe(0);
  const salted = { promptTokens: prompt, cacheSalt: "lossy" };
  const unsaid = await answer(second, salted);
  expect(unsaid).toEqual({ tokens: unsaid.tokens, cached: 144 });
  // What is known to be exact is not counted; what is said of it changes no token.
  for (const [exactPrefixTokens, lossy] of [
    [0, 144],
    [64, 80],
    [144, undefined],
  ] as const) {
    expect(await answer(second, { ...salted, exactPrefixTokens })).toEqual({ ...unsaid, lossy });
  }
  expect(() => second.submit({ ...salted, maxTokens: 1, exactPrefixTokens: -1 })).toThrow("exactPrefixTokens");

  await second.stop();
  second = await Engine.start({ model: { dir }, kvPages: 64, budgetTokens: 64, exact: true });
  const fresh = new PrefixStore({ transfers: second.transfers, codec, store });
  expect(await fresh.restore(prompt)).toBe(144);
  expect(await fresh.restore(prompt)).toBe(144);
  expect(await answer(second, { promptTokens: prompt })).toEqual({ tokens: exact.tokens, cached: 144 });
  expect(await fresh.restore([...prompt.slice(0, 64), 5, ...prompt.slice(65)])).toBe(64);
  await store.checkIntegrity();
});

it("a cache that is too small for all prompts finds them again in the store, and says the same", async () => {
  const options = { model: { dir }, kvPages: 24, budgetTokens: 64, exact: true, checkEachStep: true } as const;
  await using small = await Engine.start(options);
  const config = fromHuggingFaceConfig((await readCheckpointFacts(dir)).config);
  const fingerprint = small.info.modelFingerprint!;
  const shape = cacheShape(config, { format: "f32", pageTokens: small.info.pageTokens }, fingerprint);
  const codec = await KvCodec.create(shape);
  const store = await ContextStore.open({ dir: join(folder, "spill"), fingerprint });
  const problems: string[] = [];
  const prefixes = new PrefixStore({ transfers: small.transfers, codec, store });
  const { engine, settled } = withPrefixSpill(small, prefixes, { log: (message) => problems.push(message) });
  const random = createRandom(2, "spill");
  const prompts = Array.from({ length: 4 }, () => Array.from({ length: 140 }, () => random.int(300, 1400)));
  const before: number[][] = [];
  for (const promptTokens of prompts) {
    before.push((await answer(engine, { promptTokens })).tokens);
    await settled();
  }
  for (const [i, promptTokens] of prompts.entries()) {
    const again = await answer(engine, { promptTokens });
    expect(again.tokens).toEqual(before[i]);
    // Eight whole pages and a half: all of the whole ones.
    expect(again.cached).toBe(128);
    await settled();
  }
  expect(problems).toEqual([]);
  await store.checkIntegrity();
});
