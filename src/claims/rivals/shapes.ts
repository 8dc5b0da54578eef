/**
 * Claim `rivals`: the models that are measured, and how much of each in which mode. All but the built-in one have random
 * weights, so they say how fast such a shape is and nothing else.
 */
import type { DecoderConfig } from "../../llm/index.ts";
import type { ClaimMode } from "../framework.ts";

/** A model and what is asked of it. */
export interface MeasuredShape {
  readonly name: string;
  /** Null: the built-in model, with its own weights. */
  readonly config: DecoderConfig | null;
  /** GGUF's `general.architecture`. */
  readonly architecture: "llama" | "qwen3";
  /** Storage of the matrices, the same numbers in every arm. */
  readonly storage: "F16" | "Q4_0";
  /** Lengths of the prompts whose first token is awaited. */
  readonly prompts: readonly number[];
  /** How many sequences decode together. */
  readonly streams: readonly number[];
  /** Interleaved rounds; each is a process of its own for every arm. */
  readonly rounds: number;
  /** Tokens that each stream generates. */
  readonly tokens: number;
}

const WIDE: DecoderConfig = {
  vocabSize: 32_768,
  hidden: 1024,
  layers: 8,
  heads: 16,
  kvHeads: 4,
  headDim: 64,
  ffn: 2816,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: false,
  maxPositions: 8192,
};

/** Qwen3-0.6B's geometry; its 40,960 positions are cut to what is asked here. */
const QWEN3: DecoderConfig = {
  vocabSize: 151_936,
  hidden: 1024,
  layers: 28,
  heads: 16,
  kvHeads: 8,
  headDim: 128,
  ffn: 3072,
  ropeTheta: 1_000_000,
  normEps: 1e-6,
  tiedEmbeddings: true,
  maxPositions: 8192,
  qkNorm: true,
};

/** GEB-1.3B's geometry, as in claim 39. */
const GEB: DecoderConfig = {
  vocabSize: 64_896,
  hidden: 2048,
  layers: 24,
  heads: 16,
  kvHeads: 4,
  headDim: 128,
  ffn: 5632,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: false,
  maxPositions: 4096,
};

const TINY: DecoderConfig = {
  vocabSize: 320,
  hidden: 64,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  ffn: 128,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: false,
  maxPositions: 256,
};

const STREAMS = [1, 4, 8, 16] as const;
const wide = { name: "1024×8", config: WIDE, architecture: "llama", storage: "Q4_0" } as const;

const FULL: readonly MeasuredShape[] = [
  {
    name: "punctual-base",
    config: null,
    architecture: "llama",
    storage: "F16",
    prompts: [128, 448], // of the 512 positions that the model has
    streams: STREAMS,
    rounds: 7,
    tokens: 64,
  },
  { ...wide, prompts: [128, 512, 1024, 4096], streams: STREAMS, rounds: 7, tokens: 64 },
  {
    name: "Qwen3-0.6B shape",
    config: QWEN3,
    architecture: "qwen3",
    storage: "Q4_0",
    prompts: [128, 512, 1024, 4096],
    streams: STREAMS,
    rounds: 3,
    tokens: 64,
  },
  {
    name: "GEB-1.3B shape",
    config: GEB,
    architecture: "llama",
    storage: "Q4_0",
    prompts: [128, 512],
    streams: [1],
    rounds: 3,
    tokens: 64,
  },
];

const QUICK: readonly MeasuredShape[] = [{ ...wide, prompts: [512], streams: [1, 8], rounds: 4, tokens: 48 }];

const SMOKE: readonly MeasuredShape[] = [
  {
    name: "tiny",
    config: TINY,
    architecture: "llama",
    storage: "Q4_0",
    prompts: [24],
    streams: [1, 8],
    rounds: 1,
    tokens: 4,
  },
];

/** What a mode measures, in its order. */
export function shapesOf(mode: ClaimMode): readonly MeasuredShape[] {
  return mode === "full" ? FULL : mode === "quick" ? QUICK : SMOKE;
}
