/**
 * workload: what arrives when and how long it is, from public traces, recordings and generators. Pure: text and random
 * streams in, plain data out.
 *
 *   const trace = readTrace(azureReader(), text);                       // or mooncake, burstgpt, sharegpt, our own
 *   const made = generateTrace(publishedWorkload("azure-code", { count: 1000 }), createRandom(7));
 *   const twice = scaleRate(made, 2);
 *   traceStatistics(twice).gaps.cv;                                     // burstiness
 */
export { arrivalSchedule, arrivalTimes, scaleArrivals, type ArrivalProcess } from "./arrivals.ts";
export { azureReader, writeAzure } from "./azure.ts";
export { burstGptReader, writeBurstGpt, type BurstGptOptions } from "./burstgpt.ts";
export {
  draw,
  drawGamma,
  drawWhole,
  meanOf,
  powerLawWithMean,
  valueAt,
  withMean,
  type Distribution,
} from "./distributions.ts";
export { readTrace, streamTrace, type ReadOptions, type TraceReader } from "./format.ts";
export { createReader, detectFormat, TRACE_FORMATS, type CreateReaderOptions, type TraceFormat } from "./formats.ts";
export { generateStream, generateTrace, type RequestClass, type Workload } from "./generate.ts";
export { threeClassMix, type ThreeClassOptions } from "./mixes.ts";
export { mooncakeReader, writeMooncake, type MooncakeOptions } from "./mooncake.ts";
export { promptTokenIds, type TokenRange } from "./prompt-ids.ts";
export {
  fastGenLengths,
  LENGTH_MIXES,
  PUBLISHED_WORKLOADS,
  publishedWorkload,
  type PublishedFacts,
  type PublishedName,
  type PublishedOptions,
  type PublishedWorkload,
} from "./published.ts";
export {
  READ_VERSIONS,
  RECORDING_VERSION,
  type OpaqueJson,
  type RecordedBegin,
  type RecordedCancel,
  type RecordedComputed,
  type RecordedDraft,
  type RecordedEnd,
  type RecordedEndReason,
  type RecordedHandover,
  type RecordedMove,
  type RecordedPause,
  type RecordedPolicy,
  type RecordedRequest,
  type RecordedRetract,
  type RecordedRoute,
  type RecordedStage,
  type RecordedStep,
  type Recording,
  type RecordingHead,
  type RecordingLine,
} from "./recorded-lines.ts";
export { readRecording, recordingLine, RecordingReader, recordingTrace } from "./recording.ts";
export type { CompoundShape, ConversationShape, LengthLimits, SingleShape } from "./shapes.ts";
export { shareGptReader, writeShareGpt, type ShareGptOptions } from "./sharegpt.ts";
export {
  quantileOfSorted,
  sampleStatistics,
  traceStatistics,
  type SampleStatistics,
  type TraceStatistics,
} from "./statistics.ts";
export {
  concatenateTraces,
  cutTrace,
  mergeTraces,
  resampleTrace,
  scaleLengths,
  scaleRate,
  spreadTies,
  withArrivals,
  withSlo,
} from "./tools.ts";
export { traceFileReader, writeTraceFile } from "./trace-file.ts";
export type { Trace, TraceHead, TraceRequest, TraceRoute, TraceSlo, TraceStream, TraceTask } from "./types.ts";
