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
export { builtInModelDir, builtInModels, DEFAULT_MODEL, furtherModels, type ModelFolder } from "./built-in.ts";
export {
  checkConfig,
  countParameters,
  EMBEDDING_NAME,
  FINAL_NORM_NAME,
  HEAD_NAME,
  layerName,
  layerRope,
  layerWindow,
  parameterSpecs,
  type DecoderConfig,
  type LayerRope,
  type ParameterSpec,
  type RopeScaling,
} from "./config.ts";
export { ropeFrequencies, type RopeFrequencies } from "./rope.ts";
export { fromHuggingFaceConfig, toHuggingFaceConfig } from "./families.ts";
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
  openTokenizer,
  PieceDecoder,
  pieceTableOf,
  readTokenizer,
  SPECIAL_TOKENS,
  Tokenizer,
  trainBpe,
  writeTokenizer,
  type DecodeOptions,
  type EncodeOptions,
  type PieceTable,
  type StreamDecoder,
  type TextTokenizer,
  type TokenDecoder,
  type TrainBpeOptions,
} from "./tokenizer/index.ts";
export {
  MAX_RENDER_CHARS,
  MAX_TEMPLATE_CHARS,
  openChatTemplate,
  type ChatTemplate,
  type RenderOptions,
  type TemplateCall,
  type TemplateFacts,
  type TemplateMessage,
} from "./chat-template.ts";
export {
  openDialect,
  sectionMarks,
  type ChatDialect,
  type DialectCall,
  type DialectMessage,
  type DialectOptions,
  type DialectTool,
  type PromptOptions,
  type SectionMarks,
} from "./dialect.ts";
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
export {
  ADAPTER_CONFIG_FILE,
  LORA_PARTS,
  LORA_TARGETS,
  loraShape,
  loraTargetOf,
  loraWeightName,
  mergedWeights,
  RANK_MAX,
  readAdapter,
  writeAdapter,
  type LoraAdapter,
  type LoraLimits,
  type LoraModule,
  type LoraTarget,
  type TrainedAdapter,
} from "./lora/index.ts";
export {
  loraNames,
  loraSpecs,
  routeForwardGraph,
  routerName,
  routerSpecs,
  routeStatesGraph,
  routeTrainingGraph,
  stageSpecs,
  type RouteLoss,
  type RouteStage,
  type TrainableSpec,
} from "./routes/route-training.ts";
export {
  decideMask,
  DEFAULT_PROTECTED,
  holdsRoutes,
  isRoutable,
  keptLayers,
  maskOf,
  mergesRoutes,
  pagesFor,
  readRoutes,
  ROUTE_CONFIG_FILE,
  writeRoutes,
  type Compute,
  type LayerMask,
  type ProtectedLayers,
  type Router,
  type RouteSet,
  type RowPlace,
  type RoutesToWrite,
} from "./routes/index.ts";
export { hashBlock, rootHash, type BlockHash, type BlockHasher } from "./block-hash.ts";
export { KvPages, SequencePages, type KvPagesOptions } from "./kv-pages.ts";
export { StepExecutor } from "./executor.ts";
export type { StepRun } from "./step-run.ts";
export { checkSampling, Sampler, samplingStream, type SamplerLooks, type SamplerOptions } from "./sampler.ts";
export {
  checkGrammar,
  checkPieces,
  compileGrammar,
  GrammarCache,
  GrammarChecker,
  GrammarVocabulary,
  type Grammar,
  type GrammarSpec,
  type GrammarState,
  type GrammarVocabularyOptions,
  type PieceSource,
  type TokenFilter,
} from "./grammar/index.ts";
export {
  DRAFT_SOURCES,
  DraftController,
  DraftModel,
  drawFrom,
  NgramDrafter,
  PredictionDrafter,
  rejectionSample,
  residual,
  StepTimes,
  type Draft,
  type DraftChoice,
  type DraftControllerOptions,
  type DraftDemand,
  type Drafter,
  type DraftModelOptions,
  type DraftOption,
  type DraftRequest,
  type DraftRound,
  type DraftSource,
  type DraftSubject,
  type NgramOptions,
  type Proposal,
} from "./drafts/index.ts";
export {
  checkHeadsConfig,
  checkHeadsFit,
  hasHeads,
  HEADS,
  HEADS_FILE,
  HEADS_RUN_PLACES,
  HEADS_WEIGHTS_FILE,
  HeadsDrafter,
  headsParameterSpecs,
  headsTrainingGraph,
  weightsFingerprint,
  readHeads,
  writeHeads,
  type HeadsConfig,
  type HeadsDrafterOptions,
  type HeadsNotes,
  type HeadsTrainingShape,
  type StoredHeads,
} from "./heads/index.ts";
export { StopStrings, type StopScan } from "./stop-strings.ts";
export {
  openCheckpoint,
  readCheckpointFacts,
  type Checkpoint,
  type CheckpointFacts,
  type TokenizerSource,
} from "./checkpoint/index.ts";
export { loadModel, randomModel, type LoadedModel } from "./model.ts";
export { randomWeights, weightsOf } from "./weights.ts";
export type {
  KeptRow,
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
  StepWants,
  TokenLogprobs,
  TokenScores,
  TopScores,
  WeightSource,
  WeightsFormat,
} from "./types.ts";
