/**
 * Reading and writing traces of several formats through one port. A reader takes text in chunks and gives requests as
 * they become complete, so that files of any size can pass through; `readTrace` and `streamTrace` drive it.
 */
import { fail } from "../core/index.ts";
import type { LineSplitter } from "./lines.ts";
import type { Trace, TraceHead, TraceRequest, TraceStream } from "./types.ts";

/** Options of every reader. */
export interface ReadOptions {
  /** For messages and reports: a file name, say. */
  readonly name?: string;
  /** Stop after so many requests; 10 million when absent. What comes after is not looked at. */
  readonly maxRequests?: number;
}

/** A trace being read. Requests come with ids 0, 1, … in the order of the file. */
export interface TraceReader {
  /** Head fields that are known by now; final after `end`. */
  readonly head: TraceHead;
  /** Rows left out, because a request without prompt or answer tokens cannot be replayed. */
  readonly skipped: number;
  /** True once `maxRequests` have been read. */
  readonly full: boolean;
  /** Requests completed by this chunk of text. @throws PunctualError invalid_file naming line and field. */
  push(chunk: string): readonly TraceRequest[];
  /** What the end of the text completes. */
  end(): readonly TraceRequest[];
}

const DEFAULT_MAX_REQUESTS = 10_000_000;

/** Collects requests within a limit and numbers them: the common part of readers. */
export class RequestSink {
  readonly #limit: number;
  #batch: TraceRequest[] = [];
  #count = 0;
  skipped = 0;

  constructor(options: ReadOptions) {
    this.#limit = options.maxRequests ?? DEFAULT_MAX_REQUESTS;
  }

  get full(): boolean {
    return this.#count >= this.#limit;
  }

  /** Adds a request under the next id, or counts it as skipped when it has no prompt or no answer. */
  add(request: Omit<TraceRequest, "id">): void {
    if (this.full) return;
    if (request.promptTokens < 1 || request.outputTokens < 1) {
      this.skipped += 1;
      return;
    }
    this.#batch.push({ id: this.#count, ...request });
    this.#count += 1;
  }

  /** Adds a request under its own id. */
  keep(request: TraceRequest): void {
    if (this.full) return;
    this.#batch.push(request);
    this.#count += 1;
  }

  take(): readonly TraceRequest[] {
    const batch = this.#batch;
    this.#batch = [];
    return batch;
  }
}

/** A reader whose rows are lines. */
export function lineReader(
  head: TraceHead,
  sink: RequestSink,
  lines: LineSplitter,
  onLine: (text: string, line: number) => void,
): TraceReader {
  return {
    head,
    get skipped() {
      return sink.skipped;
    },
    get full() {
      return sink.full;
    },
    push(chunk) {
      lines.push(chunk, onLine);
      return sink.take();
    },
    end() {
      lines.end(onLine);
      return sink.take();
    },
  };
}

/** A trace from text, in memory; requests out of order are put in order of arrival and numbered anew. */
export function readTrace(reader: TraceReader, chunks: string | Iterable<string>): Trace {
  const requests: TraceRequest[] = [];
  for (const batch of batches(reader, chunks)) for (const request of batch) requests.push(request);
  return { ...reader.head, requests: inOrder(requests) };
}

/**
 * A trace read while it is consumed. Its head is what the reader knows at the start; files must be in order of
 * arrival. @throws PunctualError invalid_file where they are not.
 */
export function streamTrace(reader: TraceReader, chunks: Iterable<string>): TraceStream {
  return { ...reader.head, requests: streamed(reader, chunks) };
}

function* streamed(reader: TraceReader, chunks: Iterable<string>): Generator<TraceRequest> {
  let lastMs = 0;
  for (const batch of batches(reader, chunks)) {
    for (const request of batch) {
      if (request.arrivalMs < lastMs) {
        fail(
          "invalid_file",
          `${reader.head.name}: request ${request.id} arrives before the one above it; sort the file`,
        );
      }
      lastMs = request.arrivalMs;
      yield request;
    }
  }
}

function* batches(reader: TraceReader, chunks: string | Iterable<string>): Generator<readonly TraceRequest[]> {
  for (const chunk of typeof chunks === "string" ? [chunks] : chunks) {
    yield reader.push(chunk);
    if (reader.full) return;
  }
  yield reader.end();
}

/** The same requests in order of arrival from 0; ids follow the order only where it had to be changed. */
function inOrder(requests: readonly TraceRequest[]): readonly TraceRequest[] {
  const isOrdered = requests.every((request, i) => i === 0 || request.arrivalMs >= requests[i - 1]!.arrivalMs);
  if (isOrdered) return requests;
  const sorted = requests.toSorted((a, b) => a.arrivalMs - b.arrivalMs || a.id - b.id);
  const originMs = Math.min(0, sorted[0]!.arrivalMs);
  const newIds = new Map(sorted.map((request, i) => [request.id, i]));
  return sorted.map((request, i) => ({
    ...request,
    id: i,
    arrivalMs: request.arrivalMs - originMs,
    ...(request.task === undefined
      ? {}
      : { task: { ...request.task, after: request.task.after.map((id) => newIds.get(id)!) } }),
  }));
}
