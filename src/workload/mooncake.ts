/**
 * Mooncake's traces (FAST'25 release), one JSON object a line: timestamp (ms), input_length, output_length and
 * hash_ids, one id per block of 512 prompt tokens, equal ids for equal blocks. Other tools use the same lines with
 * another block size, so it is an option. Its timestamps come in steps of seconds: see `spreadTies`.
 */
import { fail } from "../core/index.ts";
import { lineReader, RequestSink, type ReadOptions, type TraceReader } from "./format.ts";
import { LineSplitter, MAX_TIME_MS, readIds, readJsonObject, readNumber, readTokens, refuse } from "./lines.ts";
import type { TraceHead, TraceRequest } from "./types.ts";

/** Options of Mooncake's reader. */
export interface MooncakeOptions extends ReadOptions {
  /** Tokens per hash id; 512 when absent. */
  readonly blockTokens?: number;
}

const MOONCAKE_BLOCK_TOKENS = 512;
const MAX_BLOCKS = 1_000_000;

/** A reader of Mooncake's format. A row without hash_ids is a request that shares nothing. */
export function mooncakeReader(options: MooncakeOptions = {}): TraceReader {
  const name = options.name ?? "mooncake";
  const blockTokens = options.blockTokens ?? MOONCAKE_BLOCK_TOKENS;
  if (!Number.isInteger(blockTokens) || blockTokens < 1) {
    fail("invalid_request", `blockTokens: expected a whole number of at least 1, got ${blockTokens}`);
  }
  const head: TraceHead = { name, source: "mooncake", blockTokens };
  const sink = new RequestSink(options);
  const onLine = (text: string, line: number): void => {
    if (sink.full || text.trim() === "") return;
    const place = { source: name, line };
    const row = readJsonObject(text, place);
    const promptTokens = readTokens(row["input_length"], place, "input_length");
    const ids = row["hash_ids"];
    const hashIds = ids === undefined || ids === null ? undefined : readIds(ids, place, "hash_ids", MAX_BLOCKS);
    const blocks = Math.ceil(promptTokens / blockTokens);
    if (hashIds !== undefined && hashIds.length !== blocks) {
      refuse(place, "hash_ids", `${blocks} ids for ${promptTokens} tokens in blocks of ${blockTokens}`, hashIds.length);
    }
    sink.add({
      arrivalMs: readNumber(row["timestamp"], place, "timestamp", 0, MAX_TIME_MS),
      promptTokens,
      outputTokens: readTokens(row["output_length"], place, "output_length"),
      ...(hashIds === undefined ? {} : { hashIds }),
    });
  };
  return lineReader(head, sink, new LineSplitter(name), onLine);
}

/** The lines of a trace in Mooncake's format, each with its newline: arrival, lengths and hash ids survive. */
export function* writeMooncake(requests: Iterable<TraceRequest>): Generator<string> {
  for (const { arrivalMs, promptTokens, outputTokens, hashIds } of requests) {
    const row = { timestamp: arrivalMs, input_length: promptTokens, output_length: outputTokens };
    yield `${JSON.stringify(hashIds === undefined ? row : { ...row, hash_ids: hashIds })}\n`;
  }
}
