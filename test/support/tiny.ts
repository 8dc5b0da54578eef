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

/**
 * TINY with a context that no answer fills while a test looks on: what is to happen in the middle of an answer needs one
 * that has a middle, on any machine. Sixteen megabytes of KV in pages of 16 tokens.
 */
export const ENDLESS: {
  readonly model: { readonly random: DecoderConfig; readonly seed: number };
  readonly kvPages: number;
} = { model: { random: { ...TINY, maxPositions: 65_536 }, seed: 7 }, kvPages: 4096 };

/** Tokens of an answer that has to be ended by something else. */
export const ENDLESS_TOKENS = 65_000;
