/** kernels: compute that neither V8 nor ONNX Runtime does well, as WebAssembly SIMD, each with a plain twin. */
export { kvLayerPlan, kvPageBytes, type AttentionOptions, type KvLayout } from "./geometry.ts";
export { PagedAttention, THREAD_THRESHOLD_BYTES, type PagedAttentionOptions } from "./paged-attention.ts";
export type { AttentionSequence } from "./schedule.ts";
export {
  measureKvBandwidth,
  measureStreamBandwidth,
  type Bandwidth,
  type BandwidthOptions,
  type KvBandwidthOptions,
} from "./measure.ts";
export { EntropyCoder, type EntropyRuns, type LoadedTables } from "./entropy-coder.ts";
export { EntropyTables, TABLE_TOTAL, type TableOptions } from "./entropy/tables.ts";
export { measureEntropyCoder, type EntropySpeed, type EntropySpeedOptions } from "./measure-entropy.ts";
export {
  PredictionKernel,
  type EncodedPrediction,
  type KeyTurns,
  type PredictionBlock,
  type PredictionLevel,
  type PredictionModel,
  type PredictionPages,
  type PredictionPayload,
  type PredictionTokens,
} from "./prediction-kernel.ts";
