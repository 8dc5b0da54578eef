/**
 * From a ModelSource to what an engine needs: the small parts (configuration, tokenizer, end tokens) on
 * any thread, the weights only where they are computed with.
 *
 * A model is a folder in Hugging Face's layout or a GGUF file. A random model has one token per byte and fillers, so
 * that any text can be its prompt.
 */
import { fail } from "../core/index.ts";
import {
  checkConfig,
  fromHuggingFaceConfig,
  openCheckpoint,
  openDialect,
  openTokenizer,
  randomWeights,
  readCheckpointFacts,
  SPECIAL_TOKENS,
  Tokenizer,
  type ChatDialect,
  type DecoderConfig,
  type TextTokenizer,
  type TokenizerSource,
  type WeightSource,
} from "../llm/index.ts";
import { wallMs } from "./clock.ts";
import type { EngineOptions } from "./types.ts";

/** What a model's texts are read and written with. */
export interface ModelFacts {
  readonly config: DecoderConfig;
  readonly tokenizer: TextTokenizer;
  /** How the model wants a conversation written. */
  readonly dialect: ChatDialect;
  /** Tokens that end an answer. */
  readonly endTokens: readonly number[];
}

type Source = EngineOptions["model"];

/** What is known of a model before its vocabulary is made, which takes longest. */
export interface ModelOutline {
  readonly config: DecoderConfig;
  /** @throws PunctualError invalid_file, unsupported. */
  open(): ModelFacts;
}

/** Everything but the weights. @throws PunctualError model_not_found, invalid_file, unsupported. */
export async function loadFacts(source: Source): Promise<ModelFacts> {
  return (await readOutline(source)).open();
}

/** The same in two parts. @throws PunctualError model_not_found, invalid_file, unsupported. */
export async function readOutline(source: Source): Promise<ModelOutline> {
  if ("random" in source) {
    const config = checkConfig(source.random);
    return { config, open: () => factsOfRandom(config) };
  }
  const { config: json, tokenizer, chatTemplate, endTokens } = await readCheckpointFacts(source.dir);
  if (tokenizer === null) {
    return fail("model_not_found", `${source.dir} has no vocabulary`, { param: "tokenizer.json" });
  }
  const config = fromHuggingFaceConfig(json);
  return { config, open: () => factsOfCheckpoint({ config, tokenizer, chatTemplate, endTokens }) };
}

/** Of a decoder with random weights. @throws PunctualError invalid_request for a vocabulary without room for all bytes */
export function factsOfRandom(config: DecoderConfig): ModelFacts {
  const tokenizer = byteTokenizer(config.vocabSize);
  const dialect = openDialect({ tokenizer, template: null, wallMs });
  return { config, tokenizer, dialect, endTokens: [tokenizer.specialId("<|end|>")] };
}

/** Of what a checkpoint says. @throws PunctualError invalid_file, unsupported. */
export function factsOfCheckpoint(read: {
  readonly config: DecoderConfig;
  readonly tokenizer: TokenizerSource;
  readonly chatTemplate: string | null;
  readonly endTokens: readonly number[];
}): ModelFacts {
  const { config, chatTemplate, endTokens } = read;
  const tokenizer = openTokenizer(read.tokenizer);
  const ours = tokenizer.specials.get("<|end|>");
  return {
    config,
    tokenizer,
    dialect: openDialect({ tokenizer, template: chatTemplate, wallMs }),
    endTokens: [...new Set(ours === undefined ? endTokens : [ours, ...endTokens])],
  };
}

/**
 * Calls `use` with the weights, which are read from disk as they are asked for, until its promise settles. Blocks the
 * thread while it reads. @throws PunctualError as loadFacts does, and what `use` throws.
 */
export async function withWeights<T>(
  source: Source,
  config: DecoderConfig,
  use: (weights: WeightSource) => Promise<T>,
): Promise<T> {
  if ("random" in source) return use(randomWeights(config, source.seed));
  const checkpoint = await openCheckpoint(source.dir);
  try {
    return await use(checkpoint.weights);
  } finally {
    await checkpoint.close();
  }
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
