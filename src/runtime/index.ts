/**
 * runtime: a live engine. Sessions, sampling and scheduling live in a worker thread; the main thread
 * submits requests and reads streams, and is never blocked by the model.
 *
 *   await using engine = await Engine.start({ model: { dir } });
 *   for await (const event of engine.submit({ promptTokens, maxTokens: 64 })) {
 *     if (event.kind === "token") write(event.text);
 *   }
 */
export { after, liveClock, sleep, wallMs } from "./clock.ts";
export { checkDimensions, embedBy, unitVector } from "./embedding.ts";
export { Engine } from "./engine-port.ts";
export type { ModelFacts } from "./load-model.ts";
export { openPortableFacts, readPortableFacts } from "./portable-facts.ts";
export type { AdapterSource, LoraOptions } from "./lora/options.ts";
export type { RouteUse } from "./routes/options.ts";
export { estimateMemory, tokenCost, type MemoryEstimate, type TokenCost } from "./memory-estimate.ts";
export {
  ModelPool,
  type ModelPoolOptions,
  type PooledModel,
  type PoolEntryStatus,
  type PoolState,
} from "./model-pool.ts";
export { DEFAULT_HUB_URL, type HubOptions } from "./model-store/hub.ts";
export {
  formatHubReference,
  isHubReference,
  parseHubReference,
  servedName,
  type HubReference,
} from "./model-store/reference.ts";
export {
  ModelStore,
  type ModelStoreOptions,
  type PullOptions,
  type PullProgress,
  type RemoteModel,
  type StoredModel,
} from "./model-store/store.ts";
export type {
  ForeignTokens,
  JsonObject,
  TextPath,
  TextProxy,
  TextRequest,
  TextStream,
  TextUsage,
} from "./text-proxy.ts";
export { EngineMetrics } from "./metrics.ts";
export type { SequenceEnd, SequenceEvent } from "./messages.ts";
export type { RecordingOptions, RecordingStatus } from "./recording-file.ts";
export { measureSteps, type MeasuredSteps, type MeasureStepsOptions } from "./measure-steps.ts";
export { measureDrift, type DriftOptions, type DriftReport, type DriftSide } from "./measure-drift.ts";
export { collect, type Completion } from "./collect.ts";
export { laterResume } from "./transfer/pooled-transfers.ts";
export { noTransfers } from "./transfer/no-transfers.ts";
export type {
  ExportProgress,
  FrozenSequence,
  ImportCommitOptions,
  ImportOffer,
  InstallOptions,
  LeavingStage,
  PrefixOptions,
  PrefixReader,
  ResumeRequest,
  SequenceCounts,
  SequenceExport,
  SequenceImport,
  SequenceSnapshot,
  SequenceTransfers,
  TakeOverOptions,
  TransferCandidate,
  WireRequest,
} from "./transfer/types.ts";
export {
  PHASES_MODES,
  SHARINGS,
  type DisaggregatedOptions,
  type PhasesMode,
  type PhaseStats,
  type TransferStats,
  type SemiPdOptions,
  type Sharing,
  type SlotUse,
} from "./phases/options.ts";
export {
  SPECULATION_METHODS,
  speculates,
  type SpeculationMethod,
  type SpeculationOptions,
} from "./speculation/options.ts";
export type { DraftCount, DraftUse } from "./speculation/types.ts";
export {
  HISTOGRAM_NAMES,
  type Calibration,
  type EmbedOptions,
  type EmbeddingOptions,
  type EngineInfo,
  type EngineOptions,
  type EngineState,
  type EngineStats,
  type FinishCause,
  type FinishEvent,
  type GenerateEvent,
  type GenerateRequest,
  type HistogramName,
  type HistogramSnapshot,
  type LossyUse,
  type ModelSource,
  type PolicySwitch,
  type RandomModelSource,
  type RequestEnd,
  type RequestObserver,
  type RequestTask,
  type RequestSummary,
  type Section,
  type SloCount,
  type SubmitOptions,
  type TokenEvent,
  type TokenStream,
  type Usage,
  type WatchedStep,
} from "./types.ts";
export { SignalFan } from "./signal-fan.ts";
export { modelFingerprint } from "./transfer/fingerprint.ts";
export { WaitingStream, type EngineWait } from "./waiting-stream.ts";
