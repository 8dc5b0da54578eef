/**
 * From a ModelSource to what an engine needs: the small parts (configuration, tokenizer, end tokens) on
 * any thread, the weights only where they are computed with.
 *
 * A folder holds config.json, tokenizer.json and model.safetensors in Hugging Face's layouts. A random model
 * has one token per byte and fillers, so that any text can be its prompt.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fail } from "../core/index.ts";
import {
  checkConfig,
  fromHuggingFaceConfig,
  loadModel,
  randomWeights,
  readTokenizer,
  SPECIAL_TOKENS,
  Tokenizer,
  type DecoderConfig,
  type WeightSource,
} from "../llm/index.ts";
import type { EngineOptions } from "./types.ts";

export interface ModelFacts {
  readonly config: DecoderConfig;
  readonly tokenizer: Tokenizer;
  /** Tokens that end an answer. */
  readonly endTokens: readonly number[];
}

type Source = EngineOptions["model"];

/** Everything but the weights. @throws PunctualError model_not_found, invalid_file, unsupported. */
export async function loadFacts(source: Source): Promise<ModelFacts> {
  if ("random" in source) {
    const config = checkConfig(source.random);
    const tokenizer = byteTokenizer(config.vocabSize);
    return { config, tokenizer, endTokens: [tokenizer.specialId("<|end|>")] };
  }
  const json = await readJson(source.dir, "config.json");
  const tokenizer = readTokenizer(await readText(source.dir, "tokenizer.json"));
  const config = fromHuggingFaceConfig(json);
  return { config, tokenizer, endTokens: endTokensOf(json, tokenizer) };
}

/** The weights. @throws PunctualError as llm's loadModel does. */
export async function loadWeights(source: Source, config: DecoderConfig): Promise<WeightSource> {
  if ("random" in source) return randomWeights(config, source.seed);
  return (await loadModel(source.dir)).weights;
}

function endTokensOf(json: unknown, tokenizer: Tokenizer): number[] {
  const ours = tokenizer.data.specials.get("<|end|>");
  const stated = typeof json === "object" && json !== null && "eos_token_id" in json ? json.eos_token_id : null;
  const ids = [stated].flat().filter((id): id is number => Number.isInteger(id));
  return [...new Set(ours === undefined ? ids : [ours, ...ids])];
}

/** Specials, the 256 bytes, then fillers without merges, so that encoding never makes them. */
function byteTokenizer(vocabSize: number): Tokenizer {
  const least = SPECIAL_TOKENS.length + 256;
  if (vocabSize < least) {
    return fail("invalid_request", `a random model needs vocabSize of at least ${least}, got ${vocabSize}`, {
      param: "vocabSize",
    });
  }
  const encoder = new TextEncoder();
  const pieces = [
    ...SPECIAL_TOKENS.map((name) => encoder.encode(name)),
    ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
    ...Array.from({ length: vocabSize - least }, (_, i) => encoder.encode(` w${i}`)),
  ];
  const specials = new Map(SPECIAL_TOKENS.map((name, id) => [name, id]));
  return new Tokenizer({ pieces, merges: [], specials, stages: [] });
}

async function readText(dir: string, name: string): Promise<string> {
  try {
    return await readFile(join(dir, name), "utf8");
  } catch (error) {
    return fail("model_not_found", `${join(dir, name)} cannot be read`, { param: name, cause: error });
  }
}

async function readJson(dir: string, name: string): Promise<unknown> {
  const text = await readText(dir, name);
  try {
    return JSON.parse(text);
  } catch (error) {
    return fail("invalid_file", `${name} in ${dir} is not JSON`, { param: name, cause: error });
  }
}
