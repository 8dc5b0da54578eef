/** Stored blocks on their way into the engine: which layers take them, and that the network computes with their values. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeGgufModel } from "../../../test/support/gguf-file.ts";
import type { GraphModel } from "../../graph/index.ts";
import type { DecoderConfig } from "../config.ts";
import { StepExecutor } from "../executor.ts";
import { boundaryGraph } from "../step-graphs.ts";
import type { WeightsFormat, WeightSource } from "../types.ts";
import { randomWeights } from "../weights.ts";
import { openCheckpoint } from "./open.ts";
import type { Checkpoint } from "./types.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 160,
  hidden: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  ffn: 96,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 64,
};

let dir: string;
const checkpoints = new Map<string, Checkpoint>();
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "punctual-packed-"));
  for (const type of ["Q4_0", "Q8_0", "F32"] as const) {
    const path = join(dir, `${type}.gguf`);
    await writeFile(path, encodeGgufModel(CONFIG, randomWeights(CONFIG, 2), { type }));
    checkpoints.set(type, await openCheckpoint(path));
  }
});
afterAll(async () => {
  for (const checkpoint of checkpoints.values()) await checkpoint.close();
  await rm(dir, { recursive: true });
});

const weightsOf = (type: string): WeightSource => checkpoints.get(type)!.weights;
const graphOf = (boundary: number, weights: WeightSource, format: WeightsFormat): GraphModel =>
  boundaryGraph(boundary, CONFIG, weights, { format, blockSize: 32, topK: 8 });
/** Name and bytes of the codes of a graph's products. */
const codesOf = (graph: GraphModel): (readonly [string, unknown])[] =>
  graph.initializers
    .filter(({ name }) => /\.nk\.int\d\.codes$/.test(name))
    .map(({ name, data, load }) => [name, data ?? load?.()]);

describe("linear layers of a GGUF file", () => {
  it.each([
    ["Q4_0", "int4", 4],
    ["Q8_0", "int8", 8],
    ["Q4_0", "int8", 4],
  ] as const)("with %s weights take the stored codes at %s", (type, format, bits) => {
    const weights = weightsOf(type);
    for (let boundary = 0; boundary <= CONFIG.layers; boundary++) {
      const codes = codesOf(graphOf(boundary, weights, format));
      expect(codes).toHaveLength(boundary === 0 ? 3 : boundary === CONFIG.layers ? 5 : 7);
      for (const [name, data] of codes) {
        const weight = name.slice(0, name.indexOf(".nk."));
        const dims = /q_proj|o_proj/.test(weight)
          ? [64, 64]
          : /[kv]_proj/.test(weight)
            ? [32, 64]
            : /down/.test(weight)
              ? [64, 96]
              : /embed/.test(weight)
                ? [160, 64]
                : [96, 64];
        expect(name).toBe(`${weight}.nk.int${bits}.codes`);
        expect(data, name).toEqual(weights.packed!(weight, dims)!.codes);
      }
    }
  });

  it("are packed anew where the file has more bits than asked, and stay as they are at f32", () => {
    const fromNumbers: WeightSource = { get: (name, dims) => weightsOf("Q8_0").get(name, dims) };
    expect(codesOf(graphOf(1, weightsOf("Q8_0"), "int4"))).toEqual(codesOf(graphOf(1, fromNumbers, "int4")));
    expect(codesOf(graphOf(1, weightsOf("Q4_0"), "f32"))).toEqual([]);
  });

  it("reads no weight that a graph does not need, and each one once", () => {
    const reads: string[] = [];
    const counted: WeightSource = {
      get(name, dims) {
        reads.push(name);
        return weightsOf("Q4_0").get(name, dims);
      },
      packed(name, dims) {
        reads.push(`packed ${name}`);
        return weightsOf("Q4_0").packed!(name, dims);
      },
    };
    const graph = graphOf(CONFIG.layers, counted, "int4");
    expect(reads).toHaveLength(5);
    expect(reads.every((name) => name.startsWith("packed "))).toBe(true);
    // The norms are read when the graph is written.
    for (const { load } of graph.initializers) load?.();
    expect(reads.slice(5)).toEqual(["model.layers.1.post_attention_layernorm.weight", "model.norm.weight"]);
  });
});

async function logitsOf(weights: WeightSource, weightsFormat: WeightsFormat): Promise<Float32Array> {
  const kv = { format: "f32", pages: 4, pageTokens: 16 } as const;
  await using executor = await StepExecutor.create({ config: CONFIG, weights, weightsFormat, threads: 1, kv });
  const row = { tokens: [3, 141, 59, 26, 5], startPosition: 0, pages: Int32Array.of(0), wantLogits: "last" } as const;
  const { scores } = await executor.step([{ ...row, scores: { row: true } }]);
  return scores[0]![0]!.logits as Float32Array;
}

function distance(a: Float32Array, b: Float32Array): number {
  const norm = (values: Float32Array): number => Math.hypot(...values);
  return norm(a.map((value, i) => value - b[i]!)) / norm(b);
}

describe("an executor over a GGUF file", () => {
  it("gives exactly what it gives over the same numbers from memory", async () => {
    expect(await logitsOf(weightsOf("F32"), "f32")).toEqual(await logitsOf(randomWeights(CONFIG, 2), "f32"));
  });

  it.each([
    ["Q4_0", "int4"],
    ["Q8_0", "int8"],
  ] as const)("computes with the values of %s: only activations are rounded", async (type, format) => {
    const exact = await logitsOf(weightsOf(type), "f32");
    const packed = await logitsOf(weightsOf(type), format);
    expect(distance(packed, exact)).toBeLessThan(0.03);
  });
});
