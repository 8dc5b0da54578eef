/** Embedding engines: what comes out is the model's last state, whatever else runs and however a text was chunked. */
import { mkdtemp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTinyEngine, TINY, until } from "../../test/support/engine.ts";
import { writeRandomModel } from "../../test/support/model-folder.ts";
import { decodeSafetensors, encodeSafetensors } from "../nn/index.ts";
import { EMBEDDING_NAME, KvPages, randomWeights, StepExecutor } from "../llm/index.ts";
import { checkDimensions, readEmbeddingOptions, unitVector, withBareNames } from "./embedding.ts";
import { Engine } from "./index.ts";

let engine: Engine;

beforeAll(async () => {
  engine = await startTinyEngine({
    embedding: { dimensions: "any" },
    exact: true,
    budgetTokens: 16,
    checkEachStep: true,
  });
});
afterAll(() => engine.stop({ graceMs: 0 }));

const tokensOf = (length: number, salt: number): number[] =>
  Array.from({ length }, (_, i) => 20 + ((i * 7 + salt * 31) % 250));
const length = (vector: Float32Array): number => Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));

/** The last state of a text, from the executor that an engine has inside. */
async function states(
  tokens: readonly number[],
  embedding: boolean,
): Promise<{ hidden?: Float32Array; logits?: Float32Array }> {
  const kv = { format: "f32", pages: 64, pageTokens: 16 } as const;
  const weights = randomWeights(TINY, 7);
  await using executor = await StepExecutor.create({
    config: TINY,
    weights,
    weightsFormat: "f32",
    threads: 1,
    kv,
    embedding,
  });
  const sequence = new KvPages({ pages: 64, pageTokens: 16 }).open();
  sequence.reserve(tokens.length);
  const row = { tokens, startPosition: 0, pages: sequence.pages, wantLogits: "last" as const, scores: { row: true } };
  if (embedding) return { hidden: (await executor.hidden([row]))[0]![0]! };
  const [scores] = (await executor.step([row])).scores[0]!;
  return scores?.kind === "row" ? { logits: scores.logits } : {};
}

describe("a vector", () => {
  test("is the state that the head would have read, at unit length", async () => {
    const tokens = tokensOf(23, 1);
    const { hidden } = await states(tokens, true);
    const { logits } = await states(tokens, false);
    const table = randomWeights(TINY, 7).get(EMBEDDING_NAME, [TINY.vocabSize, TINY.hidden]);
    for (const id of [0, 17, 319]) {
      const row = table.subarray(id * TINY.hidden, (id + 1) * TINY.hidden);
      const product = row.reduce((sum, value, i) => sum + value * hidden![i]!, 0);
      expect(product).toBeCloseTo(logits![id]!, 4);
    }
    const vector = await engine.embed(tokens);
    expect(vector).toHaveLength(TINY.hidden);
    expect(length(vector)).toBeCloseTo(1, 5);
    const expected = unitVector(hidden!, TINY.hidden);
    for (const [i, value] of vector.entries()) expect(value).toBeCloseTo(expected[i]!, 5);
  });

  test("has the same bits alone, among others, and from the prefix cache", async () => {
    const texts = [tokensOf(40, 2), tokensOf(3, 3), tokensOf(65, 4), [...tokensOf(40, 2), 99]];
    const alone: Float32Array[] = [];
    for (const text of texts) alone.push(await engine.embed(text));
    const together = await Promise.all([...texts, ...texts].map((text) => engine.embed(text)));
    for (const [i, vector] of together.entries()) expect(vector).toEqual(alone[i % texts.length]);
    expect(engine.stats().counters.prefixHits).toBeGreaterThan(0);
    expect(engine.stats().kv.pagesUsed).toBe(0);
  });

  test("can be cut where the model allows, and is of unit length again", async () => {
    const whole = await engine.embed(tokensOf(9, 5));
    const cut = await engine.embed(tokensOf(9, 5), { dimensions: 8 });
    expect(cut).toHaveLength(8);
    expect(length(cut)).toBeCloseTo(1, 5);
    expect(cut[3]! / cut[0]!).toBeCloseTo(whole[3]! / whole[0]!, 4);
  });

  test("property: unit length or all zeros, and the direction stays", () => {
    const state = fc.array(fc.float({ noNaN: true, min: -100, max: 100 }), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(state, fc.nat(39), (values, cut) => {
        const vector = unitVector(Float32Array.from(values), Math.min(cut + 1, values.length));
        const zero = vector.every((value) => value === 0);
        if (zero) expect(values.slice(0, vector.length).every((value) => Math.abs(value) < 1e-18)).toBe(true);
        else expect(length(vector)).toBeCloseTo(1, 4);
      }),
    );
  });
});

describe("refusals", () => {
  test("an embedding engine generates nothing, another embeds nothing", async () => {
    expect(() => engine.submit({ promptTokens: [30], maxTokens: 1 })).toThrow(
      expect.objectContaining({ code: "unsupported" }),
    );
    await using other = await startTinyEngine();
    await expect(other.embed([30])).rejects.toMatchObject({ code: "unsupported", param: "model" });
  });

  test("empty, too long, unknown tokens, lengths that the model was not trained for", async () => {
    await expect(engine.embed([])).rejects.toMatchObject({ code: "invalid_request" });
    await expect(engine.embed(tokensOf(512, 0))).rejects.toMatchObject({ code: "context_length_exceeded" });
    await expect(engine.embed([5000])).rejects.toMatchObject({ code: "invalid_request" });
    await expect(engine.embed([30], { dimensions: 0 })).rejects.toMatchObject({ param: "dimensions" });
    const info = engine.info.embedding!;
    expect(() => checkDimensions({ ...info, dimensions: "full" }, 8)).toThrow(/cannot be cut/);
    expect(() => checkDimensions({ ...info, dimensions: [8, 16] }, 9)).toThrow(/one of 8, 16, 32/);
    checkDimensions({ ...info, dimensions: [8, 16] }, 16);
  });

  test("aborting frees everything within a step", async () => {
    const controller = new AbortController();
    const long = engine.embed(tokensOf(500, 8), { signal: controller.signal });
    controller.abort();
    await expect(long).rejects.toMatchObject({ code: "cancelled" });
    await until(() => engine.stats().running === 0 && engine.stats().kv.pagesUsed === 0);
  });
});

describe("model folders", () => {
  async function folder(files: Readonly<Record<string, unknown>>): Promise<string> {
    const dir = await mkdtemp(join(tmpdir(), "punctual-embedding-"));
    for (const [name, value] of Object.entries(files)) {
      await mkdir(join(dir, name, ".."), { recursive: true });
      await writeFile(join(dir, name), typeof value === "string" ? value : JSON.stringify(value));
    }
    return dir;
  }
  const modules = [
    { idx: 0, path: "", type: "sentence_transformers.models.Transformer" },
    { idx: 1, path: "1_Pooling", type: "sentence_transformers.models.Pooling" },
  ];
  const pooling = { pooling_mode_cls_token: false, pooling_mode_lasttoken: true };

  test.each([
    ["no modules.json", {}, null],
    ["no pooling stage", { "modules.json": [modules[0]] }, null],
    [
      "last token",
      { "modules.json": modules, "1_Pooling/config.json": pooling },
      { dimensions: "full", before: [], after: [] },
    ],
    [
      "cut to some lengths, an end token after each text",
      {
        "modules.json": modules,
        "1_Pooling/config.json": pooling,
        "config.json": { matryoshka_dimensions: [64, 128] },
        "tokenizer.json": {
          post_processor: {
            type: "Sequence",
            processors: [
              { type: "ByteLevel" },
              {
                type: "TemplateProcessing",
                single: [{ Sequence: { id: "A", type_id: 0 } }, { SpecialToken: { id: "<e>", type_id: 0 } }],
                special_tokens: { "<e>": { id: "<e>", ids: [7], tokens: ["<e>"] } },
              },
            ],
          },
        },
      },
      { dimensions: [64, 128], before: [], after: [7] },
    ],
  ])("%s", async (_what, files, expected) => {
    const dir = await folder(files);
    expect(await readEmbeddingOptions({ dir })).toEqual(expected);
    await rm(dir, { recursive: true });
  });

  test("another pooling is refused by its name, a broken file by its own", async () => {
    const mean = await folder({ "modules.json": modules, "1_Pooling/config.json": { pooling_mode_mean_tokens: true } });
    await expect(readEmbeddingOptions({ dir: mean })).rejects.toMatchObject({
      code: "unsupported",
      param: "pooling_mode_mean_tokens",
    });
    const broken = await folder({ "modules.json": "[" });
    await expect(readEmbeddingOptions({ dir: broken })).rejects.toMatchObject({ code: "invalid_file" });
  });

  test("a folder that says so is served as an embedding model, also when saved without its head", async () => {
    const dir = await folder({ "modules.json": modules, "1_Pooling/config.json": pooling });
    writeRandomModel(dir, { ...TINY, vocabSize: 300 });
    const { tensors } = decodeSafetensors(await readFile(join(dir, "model.safetensors")));
    const options = { model: { dir }, kvPages: 64, budgetTokens: 64 };
    await using whole = await Engine.start(options);
    expect(whole.info.embedding).toMatchObject({ dimensions: "full", width: TINY.hidden });
    const vector = await whole.embed([20, 30, 40]);
    const bare = new Map([...tensors].map(([name, tensor]) => [name.replace(/^model\./, ""), tensor]));
    await writeFile(join(dir, "model.safetensors"), encodeSafetensors(bare));
    await using headless = await Engine.start(options);
    expect(await headless.embed([20, 30, 40])).toEqual(vector);
    await rm(dir, { recursive: true });
  });

  test("names without 'model.' are found, other names fail as they did", () => {
    const bare = withBareNames({
      get(name) {
        if (name === "norm.weight") return Float32Array.of(1);
        throw new Error(`no ${name}`);
      },
    });
    expect(bare.get("model.norm.weight", [1])).toEqual(Float32Array.of(1));
    expect(() => bare.get("model.other", [1])).toThrow("no model.other");
    expect(() => bare.get("lm_head.weight", [1])).toThrow("no lm_head.weight");
  });
});
