/**
 * llm: language models over graph/, kernels/ and nn/.
 *
 *   const pages = new KvPages({ pages: 256, pageTokens: 16 });
 *   const executor = await StepExecutor.create({ config, weights, weightsFormat: "int4", threads: 1, kv });
 *   const sequence = pages.open(promptTokens);            // holds the cached prefix already
 *   sequence.reserve(promptTokens.length);                // false: no pages left
 *   const { scores } = await executor.step([
 *     { tokens: promptTokens.slice(sequence.cachedTokens), startPosition: sequence.cachedTokens,
 *       pages: sequence.pages, wantLogits: "last", scores: sampler.wants() },
 *   ]);
 *   sequence.commit(promptTokens);                        // full pages become shareable
 *   const token = sampler.sample(scores[0][0]) ?? sampler.sample(await executor.wholeRow(0, 0));
 */
export { builtInModelDir, builtInModels, DEFAULT_MODEL, type ModelFolder } from "./built-in.ts";
export {
  checkConfig,
  countParameters,
  EMBEDDING_NAME,
  FINAL_NORM_NAME,
  fromHuggingFaceConfig,
  HEAD_NAME,
  layerName,
  parameterSpecs,
  toHuggingFaceConfig,
  type DecoderConfig,
  type ParameterSpec,
} from "./config.ts";
export {
  decoderAfterAttention,
  decoderEmbed,
  decoderHead,
  decoderQkv,
  type ParameterSource,
  type Qkv,
} from "./decoder.ts";
export { forwardGraph, gradientName, IGNORED_TARGET, trainingGraph, type PackedShape } from "./training-graph.ts";
export {
  readTokenizer,
  SPECIAL_TOKENS,
  Tokenizer,
  trainBpe,
  writeTokenizer,
  type StreamDecoder,
  type TrainBpeOptions,
} from "./tokenizer/index.ts";
export {
  chatPrompt,
  encodeChat,
  parseReply,
  type ChatCall,
  type ChatTurn,
  type EncodedChat,
  type ParsedReply,
  type ThinkingForm,
} from "./chat.ts";
export { KvPages, SequencePages, type KvPagesOptions } from "./kv-pages.ts";
export { StepExecutor } from "./executor.ts";
export { checkSampling, Sampler, samplingStream, type SamplerOptions } from "./sampler.ts";
export { StopStrings, type StopScan } from "./stop-strings.ts";
export { loadModel, randomModel, type LoadedModel } from "./model.ts";
export { randomWeights, weightsOf } from "./weights.ts";
export type {
  KvFormat,
  KvOptions,
  RowScores,
  SampledToken,
  SamplingOptions,
  ScoreForm,
  StepBatch,
  StepExecutorOptions,
  StepResult,
  StepRow,
  TokenLogprobs,
  TokenScores,
  TopScores,
  WeightSource,
  WeightsFormat,
} from "./types.ts";
