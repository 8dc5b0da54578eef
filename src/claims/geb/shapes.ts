/**
 * The shapes of claim 39: GEB-1.3B's geometry (24 layers, hidden 2048, 16 query heads of 128 over 4 KV heads,
 * feed-forward 5632, 64,896 pieces, untied), an eighth of it with the same layers, and a tiny one for smoke tests.
 * Weights are noise: speed only, never quality.
 */
import { createRandom, fail } from "../../core/index.ts";
import { parameterSpecs, type DecoderConfig, type WeightSource } from "../../llm/index.ts";
import type { ClaimMode } from "../framework.ts";

const FULL: DecoderConfig = {
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

/** 168.6 M parameters: three of the layers and an eighth of the pieces. */
const EIGHTH: DecoderConfig = { ...FULL, layers: 3, vocabSize: 8112 };

const TINY: DecoderConfig = {
  ...FULL,
  layers: 1,
  hidden: 128,
  heads: 4,
  kvHeads: 1,
  headDim: 32,
  ffn: 256,
  vocabSize: 256,
};

export function shapeOf(mode: ClaimMode): { readonly config: DecoderConfig; readonly label: string } {
  if (mode === "full") return { config: FULL, label: "full shape, 1.35 G parameters" };
  return mode === "quick" ? { config: EIGHTH, label: "1/8 shape, 169 M parameters" } : { config: TINY, label: "tiny" };
}

const BLOCK = 1 << 20;

/** One block of noise repeated: which numbers they are does not change how fast they are read. */
export function noise(config: DecoderConfig): WeightSource {
  const random = createRandom(39, "noise");
  const block = Float32Array.from({ length: BLOCK }, () => (random.uniform() - 0.5) / 16);
  const names = new Set(parameterSpecs(config).map(({ name }) => name));
  return {
    get(name, dims) {
      if (!names.has(name)) fail("invalid_file", `expected a weight of this decoder, got ${name}`, { param: name });
      const data = new Float32Array(dims.reduce((product, size) => product * size, 1));
      if (dims.length === 1) return data.fill(1);
      for (let at = 0; at < data.length; at += BLOCK)
        data.set(block.subarray(0, Math.min(BLOCK, data.length - at)), at);
      return data;
    },
  };
}

/** Weights that one decoded token reads: every matrix but the embedding table, of which it reads one row. */
export function weightsPerToken(config: DecoderConfig): number {
  return parameterSpecs(config)
    .filter(({ name, dims }) => dims.length === 2 && !name.includes("embed_tokens"))
    .reduce((sum, { dims }) => sum + dims[0]! * dims[1]!, 0);
}
