/**
 * workload: what arrives when and how long it is, from public traces, recordings and generators. Pure: text and random
 * streams in, plain data out.
 *
 *   const trace = readTrace(azureReader(), text);      // or mooncake, burstgpt, sharegpt, our own
 *   const recording = readRecording(text);             // written by a live server
 */
export { azureReader, writeAzure } from "./azure.ts";
export { burstGptReader, writeBurstGpt, type BurstGptOptions } from "./burstgpt.ts";
export { readTrace, streamTrace, type ReadOptions, type TraceReader } from "./format.ts";
export { createReader, detectFormat, TRACE_FORMATS, type CreateReaderOptions, type TraceFormat } from "./formats.ts";
export { mooncakeReader, writeMooncake, type MooncakeOptions } from "./mooncake.ts";
export {
  readRecording,
  RECORDING_VERSION,
  recordingLine,
  RecordingReader,
  recordingTrace,
  type OpaqueJson,
  type RecordedCancel,
  type RecordedEnd,
  type RecordedEndReason,
  type RecordedPause,
  type RecordedRequest,
  type RecordedStage,
  type RecordedStep,
  type Recording,
  type RecordingHead,
  type RecordingLine,
} from "./recording.ts";
export { shareGptReader, writeShareGpt, type ShareGptOptions } from "./sharegpt.ts";
export { traceFileReader, writeTraceFile } from "./trace-file.ts";
export type { Trace, TraceHead, TraceRequest, TraceSlo, TraceStream, TraceTask } from "./types.ts";
