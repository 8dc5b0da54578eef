/** Claim `structured-output`: what all parts of one run share, and how large each mode is. */
import type { DecoderConfig } from "../../llm/index.ts";
import type { ClaimContext } from "../framework.ts";
import type { Rival } from "./rival.ts";
import type { MadeVocabulary } from "./vocabulary.ts";

/** How much is measured. */
export interface Size {
  readonly shape: Omit<DecoderConfig, "vocabSize">;
  readonly vocabSize: number;
  /** Rounds with schemas seen before, each of `steps` steps. */
  readonly rounds: number;
  /** Rounds with schemas never seen. */
  readonly coldRounds: number;
  readonly steps: number;
  /** Generated schemas. */
  readonly schemas: number;
  /** A text that takes more is unfinished, which counts as failed. */
  readonly maxTokens: number;
  /** Values of `maxLength` that are compiled on both sides. */
  readonly lengths: readonly number[];
}

/** One run of the claim. */
export interface Run {
  readonly context: ClaimContext;
  readonly size: Size;
  readonly vocabulary: MadeVocabulary;
  /** With that vocabulary. */
  readonly rival: Rival;
}

const SHAPE: Omit<DecoderConfig, "vocabSize"> = {
  hidden: 1024,
  layers: 8,
  heads: 16,
  kvHeads: 4,
  headDim: 64,
  ffn: 2816,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: false,
  maxPositions: 4096,
};
const TINY = { ...SHAPE, hidden: 128, layers: 1, heads: 4, kvHeads: 1, headDim: 32, ffn: 256 } as const;
const LARGE = { shape: SHAPE, vocabSize: 32_768, maxTokens: 1500 } as const;

export const SIZES: Readonly<Record<ClaimContext["mode"], Size>> = {
  full: { ...LARGE, rounds: 24, coldRounds: 7, steps: 96, schemas: 200, lengths: [10, 40, 160, 640] },
  quick: { ...LARGE, rounds: 9, coldRounds: 3, steps: 32, schemas: 100, lengths: [10, 40] },
  smoke: {
    shape: TINY,
    vocabSize: 4096,
    rounds: 2,
    coldRounds: 1,
    steps: 6,
    schemas: 6,
    maxTokens: 300,
    lengths: [4],
  },
};
