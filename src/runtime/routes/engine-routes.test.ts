import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { writeRandomRoutes } from "../../../test/support/routes.ts";
import type { DecoderConfig } from "../../llm/index.ts";
import { Engine, type EngineOptions, type GenerateRequest, type Usage } from "../index.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 320,
  hidden: 48,
  layers: 8,
  heads: 4,
  kvHeads: 2,
  headDim: 12,
  ffn: 64,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 1024,
};
const promptOf = (seed: number, length = 36): number[] =>
  Array.from({ length }, (_, i) => 30 + ((i * i * 7 + seed * 53 + i * 11) % 250));

let dir = "";
let options: EngineOptions;
beforeAll(async () => {
  dir = await writeRandomRoutes(await mkdtemp(join(tmpdir(), "engine-routes-")), CONFIG, 3);
  options = {
    model: { random: CONFIG, seed: 5 },
    name: "base",
    exact: true,
    budgetTokens: 24,
    checkEachStep: true,
    routes: dir,
  };
});
afterAll(() => rm(dir, { recursive: true }));

interface Answer {
  readonly ids: readonly number[];
  readonly usage: Usage;
}

async function ask(engine: Engine, seed: number, more: Partial<GenerateRequest> = {}): Promise<Answer> {
  const ids: number[] = [];
  const greedy = { maxTokens: 20, ignoreEos: true, sampling: { temperature: 0 } };
  for await (const event of engine.submit({ promptTokens: promptOf(seed), ...greedy, ...more })) {
    if (event.kind === "token") ids.push(event.id);
    else return { ids, usage: event.usage };
  }
  throw new Error("no end");
}

const KINDS: readonly Partial<GenerateRequest>[] = [
  { compute: "full" },
  { compute: "auto" },
  { compute: 0.75 },
  { compute: 0.5 },
  { keepLayers: [0, 1, 4, 7] },
];

it("answers by any mask are the same alone and together, and full is the model itself", async () => {
  await using plain = await Engine.start({ ...options, routes: null });
  await using engine = await Engine.start(options);
  const alone: Answer[] = [];
  for (const [i, kind] of KINDS.entries()) alone.push(await ask(engine, i % 2, kind));
  expect(alone[0]!.ids).toEqual((await ask(plain, 0)).ids);
  expect(alone[0]!.usage.route).toBeUndefined();
  expect(alone[2]!.usage.route!.skipped.length).toBe(2);
  expect(alone[3]!.usage.route!.skipped.length).toBe(4);
  expect(alone[4]!.usage.route).toEqual({ layers: 8, skipped: [2, 3, 5, 6] });
  const together = await Promise.all(KINDS.map((kind, i) => ask(engine, i % 2, kind)));
  expect(together.map(({ ids }) => ids)).toEqual(alone.map(({ ids }) => ids));
  // Prompts are computed in full, so they are shared whatever is asked for; the mask is as when they were computed.
  expect(together.every(({ usage }) => usage.cachedTokens === 32)).toBe(true);
  expect(together.map(({ usage }) => usage.route)).toEqual(alone.map(({ usage }) => usage.route));
  expect(new Set(alone.map(({ ids }) => ids.join())).size).toBe(KINDS.length);
});

it("preempted and computed again the answer is the same, by the same mask", async () => {
  await using roomy = await Engine.start({ ...options, prefixCache: false });
  await using tight = await Engine.start({ ...options, prefixCache: false, kvPages: 11 });
  const requests = Array.from({ length: 6 }, (_, i) => ({
    seed: i,
    kind: { ...KINDS[i % KINDS.length]!, maxTokens: 40 },
  }));
  const expected: Answer[] = [];
  for (const { seed, kind } of requests) expected.push(await ask(roomy, seed, kind));
  const squeezed = await Promise.all(requests.map(({ seed, kind }) => ask(tight, seed, kind)));
  expect(tight.stats().counters.preemptions).toBeGreaterThan(0);
  expect(squeezed.map(({ ids }) => ids)).toEqual(expected.map(({ ids }) => ids));
  expect(squeezed.map(({ usage }) => usage.route)).toEqual(expected.map(({ usage }) => usage.route));
});

it("what leaves out half of the layers holds half of the pages", async () => {
  await using engine = await Engine.start({ ...options, prefixCache: false });
  const pagesAt = async (compute: NonNullable<GenerateRequest["compute"]>): Promise<number> => {
    const request = { promptTokens: promptOf(1, 120), maxTokens: 60, ignoreEos: true, compute };
    let count = 0;
    let pages = 0;
    for await (const event of engine.submit(request))
      if (event.kind === "token" && ++count === 50) pages = engine.stats().kv.pagesUsed;
    return pages;
  };
  const full = await pagesAt("full");
  expect(await pagesAt(0.5)).toBeLessThanOrEqual(Math.ceil(full / 2) + 1);
  expect(await pagesAt(0.75)).toBeLessThanOrEqual(Math.ceil(full * 0.75) + 1);
});

it("drafts are checked by the same layers: the answer is the same", async () => {
  await using plain = await Engine.start(options);
  await using drafting = await Engine.start({
    ...options,
    speculation: { method: "ngram", tokens: 4, adaptive: false },
  });
  const repeating = {
    promptTokens: Array.from({ length: 48 }, (_, i) => 40 + (i % 6)),
    maxTokens: 40,
    compute: 0.5,
  } as const;
  const expected = await ask(plain, 0, repeating);
  const answer = await ask(drafting, 0, repeating);
  expect(answer.ids).toEqual(expected.ids);
  expect(answer.usage.drafts!.acceptedTokens + answer.usage.drafts!.rejectedTokens).toBeGreaterThan(0);
});

it("what cannot be is refused", async () => {
  await using engine = await Engine.start(options);
  const codeOf = (more: Partial<GenerateRequest>): Promise<unknown> =>
    ask(engine, 0, more).then(
      () => null,
      (error: unknown) => (error as { readonly code?: unknown }).code,
    );
  expect(await codeOf({ compute: 0 })).toBe("invalid_request");
  expect(await codeOf({ compute: 1.2 })).toBe("invalid_request");
  expect(await codeOf({ keepLayers: [0, 1] })).toBe("invalid_request");
  await using plain = await Engine.start({ ...options, routes: null });
  await expect(ask(plain, 0, { compute: "auto" })).rejects.toMatchObject({ code: "unsupported" });
  await expect(Engine.start({ ...options, phases: "semi-pd" })).rejects.toMatchObject({ code: "unsupported" });
  await expect(Engine.start({ ...options, routes: join(dir, "none") })).rejects.toMatchObject({
    code: "model_not_found",
  });
});
