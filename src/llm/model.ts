/**
 * A small model whole in memory: shape, weights, tokenizer, tokens that end a turn. For models of our own and for
 * tests; the engine opens any model with checkpoint/ and reads one weight at a time.
 */
import { fail } from "../core/index.ts";
import type { TensorData } from "../graph/index.ts";
import { openCheckpoint } from "./checkpoint/index.ts";
import { checkConfig, parameterSpecs, type DecoderConfig } from "./config.ts";
import { fromHuggingFaceConfig } from "./families.ts";
import { readTokenizer, type Tokenizer } from "./tokenizer/index.ts";
import type { WeightSource } from "./types.ts";
import { randomWeights, weightsOf } from "./weights.ts";

/** Shape, weights and vocabulary of a model. */
export interface LoadedModel {
  readonly config: DecoderConfig;
  readonly weights: WeightSource;
  /** Null for random weights: their tokens mean nothing. */
  readonly tokenizer: Tokenizer | null;
  /** Tokens that end the output. */
  readonly endTokens: readonly number[];
}

/**
 * Reads a model folder with a byte-level tokenizer.json. Weights may be stored in half, bfloat16 or single precision.
 * @throws PunctualError model_not_found when a file is missing, invalid_file or unsupported for what is in it.
 */
export async function loadModel(dir: string): Promise<LoadedModel> {
  const checkpoint = await openCheckpoint(dir);
  try {
    const config = fromHuggingFaceConfig(checkpoint.config);
    if (checkpoint.tokenizer?.kind !== "json") {
      fail("model_not_found", `${dir} has no tokenizer.json`, { param: "tokenizer.json" });
    }
    const tokenizer = readTokenizer(checkpoint.tokenizer.text);
    if (tokenizer.vocabSize > config.vocabSize) {
      fail("invalid_file", `tokenizer has ${tokenizer.vocabSize} tokens, the model ${config.vocabSize}`, {
        param: "tokenizer.json",
      });
    }
    const tensors = new Map<string, TensorData>();
    for (const { name, dims } of parameterSpecs(config)) {
      tensors.set(name, { dtype: "float32", dims, data: checkpoint.weights.get(name, dims) });
    }
    return { config, weights: weightsOf(tensors), tokenizer, endTokens: checkpoint.endTokens };
  } finally {
    await checkpoint.close();
  }
}

/** A model of that shape with seeded random weights, for tests and for measuring speed. It never ends by itself. */
export function randomModel(config: DecoderConfig, seed: number): LoadedModel {
  return { config: checkConfig(config), weights: randomWeights(config, seed), tokenizer: null, endTokens: [] };
}
