/**
 * A model as the engine takes it: shape, weights, tokenizer, tokens that end a turn. Built-in models and
 * Hugging Face folders have the same layout: config.json, tokenizer.json, model.safetensors.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../core/index.ts";
import { decodeSafetensors } from "../nn/index.ts";
import { checkConfig, fromHuggingFaceConfig, type DecoderConfig } from "./config.ts";
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
 * Reads a model folder. Weights may be stored in half, bfloat16 or single precision.
 * @throws PunctualError model_not_found when a file is missing, invalid_file or unsupported for what is in it.
 */
export async function loadModel(dir: string): Promise<LoadedModel> {
  const json = parseJson(await read(dir, "config.json"));
  const config = fromHuggingFaceConfig(json);
  const tokenizer = readTokenizer((await read(dir, "tokenizer.json")).toString("utf8"));
  if (tokenizer.vocabSize > config.vocabSize) {
    fail("invalid_file", `tokenizer has ${tokenizer.vocabSize} tokens, the model ${config.vocabSize}`, {
      param: "tokenizer.json",
    });
  }
  const { tensors } = decodeSafetensors(await read(dir, "model.safetensors"));
  return { config, weights: weightsOf(tensors), tokenizer, endTokens: endTokensOf(json, config.vocabSize) };
}

/** A model of that shape with seeded random weights, for tests and for measuring speed. It never ends by itself. */
export function randomModel(config: DecoderConfig, seed: number): LoadedModel {
  return { config: checkConfig(config), weights: randomWeights(config, seed), tokenizer: null, endTokens: [] };
}

async function read(dir: string, file: string): Promise<Buffer> {
  try {
    return await readFile(join(dir, file));
  } catch (cause) {
    fail("model_not_found", `${join(dir, file)} cannot be read`, { param: file, cause });
  }
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    fail("invalid_file", "config.json is not JSON", { param: "config.json", cause });
  }
}

/** eos_token_id of config.json: one id, a list, or none. */
function endTokensOf(json: unknown, vocabSize: number): number[] {
  const value = (json as { readonly eos_token_id?: unknown }).eos_token_id ?? [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  return ids.map((id) => {
    if (typeof id === "number" && Number.isInteger(id) && id >= 0 && id < vocabSize) return id;
    return fail("invalid_file", `config: eos_token_id ${JSON.stringify(id)} is not a token`, { param: "eos_token_id" });
  });
}
