/** A vocabulary and a recipe small enough to train in a test, on the world's data. */
import { trainTokenizer } from "../../src/recipes/family-tokenizer.ts";
import type { Tokenizer } from "../../src/llm/index.ts";
import type { DecoderRecipe, Mixture } from "../../src/recipes/types.ts";
import { DEFAULT_WEIGHTS } from "../../src/world/index.ts";

/** All skills. */
export const mixture: Mixture = { skills: DEFAULT_WEIGHTS, conversations: 0.1 };
/** 512 pieces. */
export const tokenizer: Tokenizer = trainTokenizer({
  kind: "tokenizer",
  name: "test",
  summary: "",
  seed: 2,
  vocabSize: 512,
  spacedWords: 40,
  items: 300,
  mixture,
});
/** Eight steps of one layer on two threads. */
export const recipe: DecoderRecipe = {
  kind: "decoder",
  name: "micro",
  summary: "A test.",
  seed: 3,
  config: {
    vocabSize: 512,
    hidden: 16,
    layers: 1,
    heads: 2,
    kvHeads: 1,
    headDim: 8,
    ffn: 24,
    ropeTheta: 10_000,
    normEps: 1e-5,
    tiedEmbeddings: true,
    maxPositions: 256,
  },
  phases: [{ steps: 8, batch: 4, length: 160, mixture }],
  schedule: { kind: "wsd", peak: 1e-2, floor: 1e-3, warmupSteps: 2, decaySteps: 3, decay: "linear" },
  start: "normal",
  adamw: { emaDecay: 0.9 },
  threads: 2,
};
