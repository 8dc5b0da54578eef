/** The graph that transformers.js runs, held to our own executor on the same weights. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { createRandom, toErrorRecord } from "../../core/index.ts";
import { createSession, type Session, type TensorData } from "../../graph/index.ts";
import {
  countParameters,
  fromHuggingFaceConfig,
  openCheckpoint,
  randomWeights,
  StepExecutor,
  type DecoderConfig,
} from "../../llm/index.ts";
import { decoderGraph } from "./decoder-graph.ts";
import { writeModelFor, writeRandomGguf } from "./model-files.ts";
import { shapesOf } from "./shapes.ts";

const folder = mkdtempSync(join(tmpdir(), "decoder-graph-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const [tiny] = shapesOf("smoke");
const LLAMA = tiny!.config!;
const QWEN3: DecoderConfig = {
  ...LLAMA,
  qkNorm: true,
  tiedEmbeddings: true,
  normEps: 1e-6,
  ropeTheta: 1e6,
  headDim: 32,
};
const PROMPTS = [
  [5, 200, 7, 31, 12],
  [99, 3, 18, 250, 77],
];
const NEXT = [41, 160];

const ints = (values: readonly number[], ...dims: number[]): TensorData => ({
  dtype: "int64",
  dims,
  data: BigInt64Array.from(values, (value) => BigInt(value)),
});

type Cache = Record<string, TensorData>;

function emptyCache({ layers, kvHeads, headDim }: DecoderConfig, batch: number): Cache {
  const names = Array.from({ length: layers }, (_, i) => [`past_key_values.${i}.key`, `past_key_values.${i}.value`]);
  const empty: TensorData = { dtype: "float32", dims: [batch, kvHeads, 0, headDim], data: new Float32Array(0) };
  return Object.fromEntries(names.flat().map((name) => [name, empty]));
}

/** Logits [batch, kept, vocab] after these tokens, and the cache with them, as transformers.js calls the graph. */
async function run(session: Session, rows: readonly (readonly number[])[], past: Cache, keep: number) {
  const pastLength = past["past_key_values.0.key"]!.dims[2]!;
  const [batch, length] = [rows.length, rows[0]!.length];
  const outputs = await session.run({
    input_ids: ints(rows.flat(), batch, length),
    attention_mask: ints(Array<number>(batch * (pastLength + length)).fill(1), batch, pastLength + length),
    num_logits_to_keep: { dtype: "int64", dims: [], data: BigInt64Array.of(BigInt(keep)) },
    ...past,
  });
  const cache: Cache = {};
  for (const [name, value] of Object.entries(outputs)) {
    if (name.startsWith("present")) cache[name.replace("present", "past_key_values")] = value;
  }
  return { logits: outputs["logits"]!, cache };
}

/** Our logits after every token of each prompt and of its next token, rows one after another. */
async function ourRows(executor: StepExecutor): Promise<Float32Array[]> {
  const batch = PROMPTS.map((prompt, i) => ({
    tokens: [...prompt, NEXT[i]!],
    startPosition: 0,
    pages: Int32Array.of(i),
    wantLogits: "all" as const,
    scores: { row: true },
  }));
  const { scores } = await executor.step(batch);
  return scores.flat().map((score) => (score as { logits: Float32Array }).logits);
}

function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0);
}

const KV = { format: "f32", pages: 2, pageTokens: 16 } as const;

describe("decoderGraph", () => {
  test.each([
    ["Llama", LLAMA],
    ["Qwen 3", QWEN3],
  ] as const)("%s: prompts as a batch, then a token with the cache, give our executor's logits", async (_, config) => {
    const weights = randomWeights(config, 3);
    await using executor = await StepExecutor.create({ config, weights, weightsFormat: "f32", threads: 1, kv: KV });
    const ours = await ourRows(executor);
    await using session = await createSession(decoderGraph(config, weights), { threads: 1 });
    const all = await run(session, PROMPTS, emptyCache(config, 2), 0);
    expect(all.logits.dims).toEqual([2, 5, config.vocabSize]);
    const last = await run(session, PROMPTS, emptyCache(config, 2), 1);
    expect(last.logits.dims).toEqual([2, 1, config.vocabSize]);
    const next = await run(
      session,
      NEXT.map((id) => [id]),
      last.cache,
      1,
    );
    const row = (logits: TensorData, at: number): Float32Array =>
      (logits.data as Float32Array).subarray(at * config.vocabSize, (at + 1) * config.vocabSize);
    for (const sequence of [0, 1]) {
      for (let token = 0; token < 5; token++) {
        expect(largestDifference(row(all.logits, sequence * 5 + token), ours[sequence * 6 + token]!)).toBeLessThan(
          1e-4,
        );
      }
      expect(largestDifference(row(last.logits, sequence), ours[sequence * 6 + 4]!)).toBeLessThan(1e-4);
      expect(largestDifference(row(next.logits, sequence), ours[sequence * 6 + 5]!)).toBeLessThan(1e-4);
    }
  });

  test("what it cannot say is refused by its name", () => {
    for (const field of [{ qkvBias: true }, { window: 8 }, { postNorms: true }, { activation: "gelu_tanh" } as const]) {
      let error: unknown;
      try {
        decoderGraph({ ...LLAMA, ...field }, randomWeights(LLAMA, 1));
      } catch (caught) {
        error = caught;
      }
      expect(toErrorRecord(error)).toMatchObject({ code: "unsupported", param: Object.keys(field)[0] });
    }
  });
});

describe("model files", () => {
  test("the folder has the blocks of the GGUF file: both give nearly the same logits", async () => {
    const files = await writeModelFor(tiny!, folder, 1);
    expect(files).toMatchObject({ dtype: "q4", config: { vocabSize: LLAMA.vocabSize, headDim: LLAMA.headDim } });
    const checkpoint = await openCheckpoint(files.gguf);
    await using executor = await StepExecutor.create({
      config: files.config,
      weights: checkpoint.weights,
      weightsFormat: "int4",
      threads: 1,
      kv: KV,
    });
    const ours = await ourRows(executor);
    await checkpoint.close();
    await using session = await createSession({ path: join(files.onnxFolder, "onnx/model_q4.onnx") }, { threads: 1 });
    const { logits } = await run(session, PROMPTS, emptyCache(files.config, 2), 0);
    const theirs = logits.data as Float32Array;
    const spread = Math.max(...theirs.map(Math.abs));
    expect(spread).toBeGreaterThan(0.5);
    // A last bit can tip the rounding of an activation to 8 bits.
    const first = ours[0]!;
    expect(largestDifference(theirs.subarray(0, first.length), first)).toBeLessThan(spread * 0.05);
  });

  test("a random file is a whole model, drawn by its seed", async () => {
    const random = createRandom(7, "shapes");
    const paths = [1, 1, 2].map((_, i) => join(folder, `random-${i}.gguf`));
    const config = { ...QWEN3, layers: random.int(1, 3) };
    for (const [i, path] of paths.entries()) await writeRandomGguf(path, config, "qwen3", i < 2 ? 1 : 2);
    const read = async (path: string): Promise<Float32Array> => {
      const checkpoint = await openCheckpoint(path);
      const found = fromHuggingFaceConfig(checkpoint.config);
      expect(countParameters(found)).toBe(countParameters(config));
      expect(checkpoint.tokenizer?.kind).toBe("gguf");
      const dims = [config.ffn, config.hidden];
      expect(checkpoint.weights.packed?.("model.layers.0.mlp.up_proj.weight", dims)?.bits).toBe(4);
      const values = checkpoint.weights.get("model.layers.0.mlp.up_proj.weight", dims);
      await checkpoint.close();
      return values;
    };
    const [a, b, c] = [await read(paths[0]!), await read(paths[1]!), await read(paths[2]!)];
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
    const size = Math.sqrt(a.reduce((sum, value) => sum + value * value, 0) / a.length) * Math.sqrt(config.hidden);
    expect(size).toBeGreaterThan(0.7);
    expect(size).toBeLessThan(1.4);
  });
});
