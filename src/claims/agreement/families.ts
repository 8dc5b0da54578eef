/** The decoders of claim `agreement`: what sets each family apart is in it, at a size that runs in seconds. */
import { createRandom } from "../../core/index.ts";
import {
  EMBEDDING_NAME,
  HEAD_NAME,
  randomWeights,
  type DecoderConfig,
  type RopeScaling,
  type WeightSource,
} from "../../llm/index.ts";
import type { GgufEntry, GgufTensorBytes } from "./gguf-file.ts";

/** A decoder as it goes to disk. */
export interface Family {
  readonly name: string;
  /** GGUF's `general.architecture`. */
  readonly architecture: "llama" | "qwen2" | "qwen3" | "gemma3";
  readonly config: DecoderConfig;
  /** Metadata and tensors of the GGUF file besides what every decoder has. */
  readonly entries: readonly GgufEntry[];
  readonly tensors: readonly GgufTensorBytes[];
  /** Why llama.cpp does not compute this family in F32 throughout: its difference is published without a target. */
  readonly inexact?: string;
}

/** Sizes of a run. Widths are multiples of 256, the block of the K formats. */
export interface Scale {
  readonly layers: number;
  readonly ffn: number;
  readonly vocabSize: number;
}

type Llama3 = Extract<RopeScaling, { type: "llama3" }>;
const LLAMA3: Llama3 = {
  type: "llama3",
  factor: 8,
  lowFrequencyFactor: 1,
  highFrequencyFactor: 4,
  originalMaxPositions: 8192,
};

/** By how much GGUF says that each frequency is divided, from the published formula. */
function ropeFrequencies({ headDim, ropeTheta }: DecoderConfig, scaling: Llama3): GgufTensorBytes {
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions: original } = scaling;
  const factors = Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const turns = original / (2 * Math.PI * ropeTheta ** ((2 * i) / headDim));
    if (turns > high) return 1;
    if (turns < low) return factor;
    const smooth = (turns - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
  return { name: "rope_freqs.weight", dims: [headDim / 2], type: 0, bytes: new Uint8Array(factors.buffer) };
}

const GEMMA_WINDOW = 24;

/** Llama in both its forms, Qwen 2 (biases), Qwen 3 (head norms, wide heads), Gemma 3 (windows, two thetas, more norms). */
export function families(scale: Scale): Family[] {
  const llama: DecoderConfig = {
    ...scale,
    hidden: 256,
    heads: 8,
    kvHeads: 2,
    headDim: 32,
    ropeTheta: 10_000,
    normEps: 1e-5,
    tiedEmbeddings: false,
    maxPositions: 2048,
  };
  const llama31 = { ...llama, ropeTheta: 500_000, tiedEmbeddings: true, ropeScaling: LLAMA3 };
  const qwen2 = { ...llama, ropeTheta: 1_000_000, normEps: 1e-6, tiedEmbeddings: true, qkvBias: true };
  const qwen3 = { ...llama, ropeTheta: 1_000_000, normEps: 1e-6, headDim: 64, heads: 4, qkNorm: true };
  const plain = { entries: [], tensors: [] };
  return [
    { name: "Llama", architecture: "llama", config: llama, ...plain },
    {
      ...plain,
      name: "Llama 3.1",
      architecture: "llama",
      config: llama31,
      tensors: [ropeFrequencies(llama31, LLAMA3)],
    },
    { name: "Qwen 2", architecture: "qwen2", config: qwen2, ...plain },
    { name: "Qwen 3", architecture: "qwen3", config: qwen3, ...plain },
    gemma3(llama),
  ];
}

function gemma3(base: DecoderConfig): Family {
  // Every sixth layer sees everything; a seventh brings the pattern round.
  const layers = base.layers + 3;
  const config: DecoderConfig = {
    ...base,
    layers,
    headDim: 64,
    heads: 4,
    ropeTheta: 1_000_000,
    ropeThetaLocal: 10_000,
    normEps: 1e-6,
    tiedEmbeddings: true,
    qkNorm: true,
    normOffset: true,
    postNorms: true,
    activation: "gelu_tanh",
    embeddingScale: Math.sqrt(base.hidden),
    windows: Array.from({ length: layers }, (_, layer) => ((layer + 1) % 6 === 0 ? null : GEMMA_WINDOW)),
  };
  const window = { key: "gemma3.attention.sliding_window", type: "u32", value: GEMMA_WINDOW } as const;
  const inexact = "llama.cpp looks its GELU up in a table of half precision, ours is f32";
  return { name: "Gemma 3", architecture: "gemma3", config, entries: [window], tensors: [], inexact };
}

/** The head's gain: distributions as peaked as a trained model's, where errors show. */
const HEAD_GAIN = 4;
const NORM_SPREAD = 0.25;

/** Noise in every weight, norms too (equal ones could be exchanged unseen); each is drawn once. */
export function familyWeights(config: DecoderConfig, seed: number): WeightSource {
  const noise = randomWeights(config, seed);
  const drawn = new Map<string, Float32Array>();
  const head = config.tiedEmbeddings ? EMBEDDING_NAME : HEAD_NAME;
  const draw = (name: string, dims: readonly number[]): Float32Array => {
    const values = noise.get(name, dims);
    if (name === head) return values.map((value) => value * HEAD_GAIN);
    if (!name.endsWith("norm.weight")) return values;
    const random = createRandom(seed, `spread of ${name}`);
    return values.map((value) => value + NORM_SPREAD * (2 * random.uniform() - 1));
  };
  return {
    get(name, dims) {
      const values = drawn.get(name) ?? draw(name, dims);
      drawn.set(name, values);
      return values;
    },
  };
}
