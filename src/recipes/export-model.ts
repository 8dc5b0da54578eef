/**
 * A finished run as a model folder: half-precision weights under Hugging Face names, config.json,
 * tokenizer.json, scores.json and card.md beside the log that the run wrote itself.
 */
import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { present } from "../core/index.ts";
import type { TensorData } from "../graph/index.ts";
import { parameterSpecs, toHuggingFaceConfig, writeTokenizer, type DecoderConfig } from "../llm/index.ts";
import { encodeSafetensors, float32ToHalf, halfToFloat32, writeFileAtomically } from "../nn/index.ts";
import { renderCard } from "./card.ts";
import type { SetScore } from "./evaluate.ts";
import { logFileOf, type TrainedDecoder } from "./train-decoder.ts";
import { readTrainLog, type TrainLog } from "./train-log.ts";

export const WEIGHTS_FILE = "model.safetensors";

/** The weights as the file holds them: rounded to half precision. Evaluate these, not the ones before. */
export function roundedWeights(weights: ReadonlyMap<string, Float32Array>): Map<string, Float32Array> {
  return new Map([...weights].map(([name, data]) => [name, halfToFloat32(float32ToHalf(data))]));
}

/** Bytes of model.safetensors for these weights. */
export function encodeWeights(config: DecoderConfig, weights: ReadonlyMap<string, Float32Array>): Uint8Array {
  const tensors = new Map<string, TensorData>();
  for (const { name, dims } of parameterSpecs(config)) {
    tensors.set(name, { dtype: "float16", dims, data: float32ToHalf(present(weights.get(name), name)) });
  }
  return encodeSafetensors(tensors, { format: "pt" });
}

/** Writes config, tokenizer and weights; what a model needs to run. */
export async function writeModel(outDir: string, model: Omit<TrainedDecoder, "header" | "result">): Promise<void> {
  const { recipe, tokenizer, weights } = model;
  const config = `${JSON.stringify(toHuggingFaceConfig(recipe.config), null, 2)}\n`;
  await writeFileAtomically(join(outDir, "config.json"), config);
  await writeFileAtomically(join(outDir, "tokenizer.json"), writeTokenizer(tokenizer));
  await writeFileAtomically(join(outDir, WEIGHTS_FILE), encodeWeights(recipe.config, weights));
}

/** Writes scores.json and card.md, from the scores and the log in the folder. */
export async function writeCard(outDir: string, model: TrainedDecoder, scores: readonly SetScore[]): Promise<void> {
  const plans: TrainLog[] = [];
  for (let path = join(outDir, logFileOf(0)); existsSync(path); path = join(outDir, logFileOf(plans.length))) {
    plans.push(readTrainLog(path));
  }
  const headers = plans.map(({ header }) => header);
  const ends = plans.map(({ end }) => present(end, "the end of the log"));
  const { size } = await stat(join(outDir, WEIGHTS_FILE));
  const facts = { recipe: model.recipe, headers, ends, fileBytes: size, scores };
  await writeFileAtomically(join(outDir, "scores.json"), `${JSON.stringify({ split: "test", scores }, null, 2)}\n`);
  await writeFileAtomically(join(outDir, "card.md"), renderCard(facts));
}
