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
export {
  checkConfig,
  countParameters,
  fromHuggingFaceConfig,
  parameterSpecs,
  toHuggingFaceConfig,
  type DecoderConfig,
  type ParameterSpec,
} from "./config.ts";
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
