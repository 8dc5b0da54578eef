/** graph: networks as data, from authoring to running. Imports core only; the native runtime loads on first use. */
export type {
  AttributeValue,
  Dim,
  DType,
  ExternalLocation,
  GraphModel,
  GraphNode,
  Initializer,
  Shape,
  TensorArray,
  TensorData,
  TypedArrayOf,
  ValueInfo,
} from "./types.ts";
export { disableNativeTelemetry } from "./telemetry.ts";
export { encodeOnnx } from "./onnx/encode.ts";
export { DECODE_LIMITS, decodeOnnx, type DecodeLimits } from "./onnx/decode.ts";
export { readModelFile, writeModelFiles } from "./onnx/files.ts";
export {
  BLOCK_SIZES,
  packInt4,
  packInt8,
  ROW_EXACT_BLOCKS,
  unpackInt4,
  unpackInt8,
  type BlockSize,
  type PackBits,
  type PackedWeights,
} from "./passes/pack.ts";
export { packGather, type PackGatherOptions } from "./passes/pack-gather.ts";
export { packLinear, type PackLinearOptions } from "./passes/pack-linear.ts";
export type { Feeds, Fetched } from "./feeds.ts";
export {
  availableProviders,
  createSession,
  machineKey,
  ortVersion,
  type ModelOrPath,
  type Session,
  type SessionOptions,
} from "./session.ts";
export { GraphBuilder, type ExternalInitializer, type LazyInitializer } from "./builder.ts";
export type { Operand, Tensor } from "./tensor.ts";
export { gradients } from "./autodiff.ts";
export { OPS, type OpName, type OpRule } from "./table.ts";
export {
  abs,
  add,
  and,
  cast,
  cos,
  div,
  equal,
  erf,
  exp,
  gelu,
  greater,
  greaterOrEqual,
  less,
  lessOrEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  not,
  or,
  pow,
  reciprocal,
  relu,
  rsqrt,
  sigmoid,
  sign,
  silu,
  sin,
  sqrt,
  stopGradient,
  sub,
  tanh,
  where,
} from "./ops/elementwise.ts";
export {
  concat,
  expand,
  expandDims,
  full,
  pad,
  range,
  reshape,
  shapeOf,
  slice,
  split,
  squeeze,
  transpose,
  zerosLike,
} from "./ops/layout.ts";
export {
  logSoftmax,
  logSumExp,
  reduceMax,
  reduceMean,
  reduceMin,
  reduceSum,
  softmax,
  sumTo,
  type ReduceOptions,
} from "./ops/reduce.ts";
export { matmul, type MatmulOptions } from "./ops/linear.ts";
export { embedding, gather, gatherElements, scatterAdd, scatterElementsAdd, topK } from "./ops/indexing.ts";
export { layerNorm, rmsNorm } from "./ops/normalise.ts";
export { softmaxMatmul } from "./ops/attention.ts";
export { crossEntropy, type CrossEntropyOptions } from "./ops/loss.ts";
