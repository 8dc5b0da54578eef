import { expect, it } from "vitest";
import { createSession, packInt4, packInt8, unpackInt4, unpackInt8 } from "../graph/index.ts";
import { EMBEDDING_NAME, type DecoderConfig } from "./config.ts";
import { boundaryGraph } from "./step-graphs.ts";
import type { WeightsFormat, WeightSource } from "./types.ts";
import { randomWeights } from "./weights.ts";

const CONFIG: DecoderConfig = {
  vocabSize: 70,
  hidden: 64,
  layers: 1,
  heads: 2,
  kvHeads: 1,
  headDim: 32,
  ffn: 96,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: false,
  maxPositions: 32,
};
const IDS = [0, 69, 3, 3, 41, 12];

/** What the first boundary makes of the ids, before anything is computed with it. */
async function embedded(config: DecoderConfig, weights: WeightSource, format: WeightsFormat): Promise<Float32Array> {
  const graph = boundaryGraph(0, config, weights, { format, blockSize: 32, topK: 8 });
  await using session = await createSession(graph, { threads: 1 });
  const rotary = { dtype: "float32", dims: [IDS.length, 1, 32], data: new Float32Array(IDS.length * 32) } as const;
  const ids = { dtype: "int64", dims: [IDS.length], data: BigInt64Array.from(IDS, BigInt) } as const;
  return session.runSync({ ids, cos: rotary, sin: rotary }, ["next"])["next"]!.data as Float32Array;
}

function rowsOf(table: Float32Array, scale = 1): Float32Array {
  return Float32Array.from(
    IDS.flatMap((id) => [...table.subarray(id * 64, (id + 1) * 64)].map((value) => value * scale)),
  );
}

for (const tiedEmbeddings of [false, true]) {
  it(`looks embeddings up as its weights are stored, ${tiedEmbeddings ? "tied" : "with a head of its own"}`, async () => {
    const config = { ...CONFIG, tiedEmbeddings };
    const weights = randomWeights(config, 5);
    const table = weights.get(EMBEDDING_NAME, [70, 64]);
    expect(await embedded(config, weights, "f32")).toEqual(rowsOf(table));
    const near = unpackInt8(packInt8(table, 70, 64, 32));
    expect(await embedded(config, weights, "int8")).toEqual(rowsOf(near));
    expect(await embedded(config, weights, "int4")).toEqual(rowsOf(near));
    const scaled = { ...config, embeddingScale: 8 };
    expect(await embedded(scaled, weights, "int4")).toEqual(rowsOf(near, 8));
    for (const [pack, unpack] of [
      [packInt4, unpackInt4],
      [packInt8, unpackInt8],
    ] as const) {
      const stored = pack(table, 70, 64, 32);
      const asStored: WeightSource = {
        get: (name, dims) => (name === EMBEDDING_NAME ? unpack(stored) : weights.get(name, dims)),
        packed: (name) => (name === EMBEDDING_NAME ? stored : null),
      };
      const wanted = rowsOf(unpack(stored));
      for (const format of ["f32", "int8", "int4"] as const) {
        expect(await embedded(config, asStored, format)).toEqual(wanted);
      }
    }
  });
}
