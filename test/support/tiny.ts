/** The decoder that most engine tests run. */
import type { DecoderConfig } from "../../src/llm/index.ts";

/** The smallest shape that exercises grouped queries and more than one layer. */
export const TINY: DecoderConfig = {
  vocabSize: 320,
  hidden: 32,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  ffn: 64,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 512,
};
