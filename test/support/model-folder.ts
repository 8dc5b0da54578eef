/** A model folder with random weights, as `--model` takes it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TensorData } from "../../src/graph/index.ts";
import {
  parameterSpecs,
  randomWeights,
  toHuggingFaceConfig,
  trainBpe,
  writeTokenizer,
  type DecoderConfig,
} from "../../src/llm/index.ts";
import { encodeSafetensors } from "../../src/nn/index.ts";

/** Writes config.json, tokenizer.json and model.safetensors into `dir`. */
export function writeRandomModel(dir: string, config: DecoderConfig, seed = 3): void {
  mkdirSync(dir, { recursive: true });
  const texts = ["Turn on the kitchen light, please.", "What is 12 + 7? It is 19.", "the the of and a to in is it you"];
  const tokenizer = trainBpe(texts, { vocabSize: config.vocabSize });
  const weights = randomWeights(config, seed);
  const tensors = new Map<string, TensorData>();
  for (const { name, dims } of parameterSpecs(config)) {
    tensors.set(name, { dtype: "float32", dims, data: weights.get(name, dims) });
  }
  writeFileSync(join(dir, "config.json"), JSON.stringify(toHuggingFaceConfig(config)));
  writeFileSync(join(dir, "tokenizer.json"), writeTokenizer(tokenizer));
  writeFileSync(join(dir, "model.safetensors"), encodeSafetensors(tensors));
}
