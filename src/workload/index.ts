/**
 * workload: what arrives when and how long it is, from public traces, recordings and generators. Pure: text and random
 * streams in, plain data out.
 */
export type { Trace, TraceHead, TraceRequest, TraceSlo, TraceStream, TraceTask } from "./types.ts";
