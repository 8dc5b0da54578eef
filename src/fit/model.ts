/** A model that something is fitted to, opened from its folder or file: shape, weights one at a time, words. */
import { fail } from "../core/index.ts";
import {
  fromHuggingFaceConfig,
  openCheckpoint,
  openDialect,
  openTokenizer,
  type DecoderConfig,
  type WeightSource,
} from "../llm/index.ts";
import { wallMs } from "../runtime/index.ts";
import type { TextWriter } from "./examples.ts";

/** See the head of this file; the caller closes it. */
export interface OpenedModel extends TextWriter, AsyncDisposable {
  readonly config: DecoderConfig;
  readonly weights: WeightSource;
}

/** @throws PunctualError model_not_found, invalid_file or unsupported, naming what is wrong. */
export async function openModel(dir: string): Promise<OpenedModel> {
  const checkpoint = await openCheckpoint(dir);
  try {
    const config = fromHuggingFaceConfig(checkpoint.config);
    if (checkpoint.tokenizer === null) {
      return fail("model_not_found", `${dir} has no vocabulary`, { param: "tokenizer.json" });
    }
    const tokenizer = openTokenizer(checkpoint.tokenizer);
    const ours = tokenizer.specials.get("<|end|>");
    return {
      config,
      weights: checkpoint.weights,
      tokenizer,
      dialect: openDialect({ tokenizer, template: checkpoint.chatTemplate, wallMs }),
      endTokens: [...new Set(ours === undefined ? checkpoint.endTokens : [ours, ...checkpoint.endTokens])],
      [Symbol.asyncDispose]: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}
