/** Draft heads with random weights, for tests: what they draft is chance. */
import {
  headsParameterSpecs,
  weightsFingerprint,
  randomWeights,
  weightsOf,
  type DecoderConfig,
  type HeadsConfig,
  type StoredHeads,
} from "../../src/llm/index.ts";
import { createRandom } from "../../src/core/index.ts";
import type { TensorData } from "../../src/graph/index.ts";

/** Heads of a decoder with random weights of that seed. */
export function randomHeads(decoder: DecoderConfig, seed: number, over: Partial<HeadsConfig> = {}): StoredHeads {
  const { hidden, vocabSize, normEps } = decoder;
  const config: HeadsConfig = {
    hidden,
    width: 48,
    vocabSize,
    draftedTokens: vocabSize,
    trainedDepth: 4,
    normEps,
    ...over,
  };
  const tensors = new Map<string, TensorData>();
  for (const { name, dims } of headsParameterSpecs(config)) {
    const random = createRandom(seed, name);
    const size = dims.reduce((product, dim) => product * dim, 1);
    const bound = Math.sqrt(3 / (dims[1] ?? 1));
    const data = Float32Array.from({ length: size }, () =>
      dims.length === 1 ? 1 : (random.uniform() * 2 - 1) * bound,
    );
    tensors.set(name, { dtype: "float32", dims, data });
  }
  return {
    config,
    model: weightsFingerprint(decoder, randomWeights(decoder, seed)),
    weights: weightsOf(tensors),
    vocabulary: Int32Array.from({ length: config.draftedTokens }, (_, id) => id),
  };
}
