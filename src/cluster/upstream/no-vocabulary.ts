/** What stands where a model's vocabulary would: it refuses, because another server has it. */
import { fail } from "../../core/index.ts";
import type { ChatDialect, DecoderConfig, TextTokenizer } from "../../llm/index.ts";

const refuse = (): never =>
  fail("unsupported", "the vocabulary of this model is at another server, which is asked in text", { param: "model" });

/** See the head of this file. */
export const NO_TOKENIZER: TextTokenizer = {
  vocabSize: 0,
  specials: new Map(),
  leadingSpace: false,
  bosToken: null,
  eosToken: null,
  prefix: [],
  suffix: [],
  encode: refuse,
  decode: refuse,
  streamDecoder: refuse,
  pieceBytes: refuse,
  isSpecial: () => false,
  specialId: refuse,
};

/** See the head of this file. */
export const NO_DIALECT: ChatDialect = {
  kind: "none",
  marks: { think: null, thinkEnd: null, call: null, callEnd: null },
  prompt: refuse,
};

/** The shape of a model that is not here: nothing has a size. */
export const NO_CONFIG: DecoderConfig = {
  vocabSize: 0,
  hidden: 0,
  layers: 0,
  heads: 0,
  kvHeads: 0,
  headDim: 0,
  ffn: 0,
  maxPositions: 0,
  ropeTheta: 0,
  normEps: 0,
  tiedEmbeddings: true,
};
