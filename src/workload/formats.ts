/** Which format a text is in, and a reader for it by name. ShareGPT needs a token counter, so it is asked for there. */
import { fail } from "../core/index.ts";
import { azureReader } from "./azure.ts";
import { burstGptReader } from "./burstgpt.ts";
import type { ReadOptions, TraceReader } from "./format.ts";
import { mooncakeReader } from "./mooncake.ts";
import { shareGptReader } from "./sharegpt.ts";
import { traceFileReader } from "./trace-file.ts";

/** The formats that `createReader` knows. */
export const TRACE_FORMATS = ["azure", "mooncake", "burstgpt", "sharegpt", "trace"] as const;
/** The name of a trace format. */
export type TraceFormat = (typeof TRACE_FORMATS)[number];

/** Options of `createReader`: those of every reader, and what single formats need. */
export interface CreateReaderOptions extends ReadOptions {
  /** Tokens per hash id of a Mooncake file; 512 when absent. */
  readonly blockTokens?: number;
  /** Tokens of a text, for ShareGPT. */
  readonly countTokens?: (text: string) => number;
}

/**
 * The format of a trace, from its beginning; "recording" for recordings, which have a reader of their own.
 * @throws PunctualError invalid_file when it is none of these.
 */
export function detectFormat(beginning: string, source = "trace"): TraceFormat | "recording" {
  const text = beginning.replace(/^\uFEFF/, "").trimStart();
  const line = text.slice(0, 2048).split("\n", 1)[0]!;
  if (/^timestamp\s*,\s*contexttokens/i.test(line)) return "azure";
  if (/^timestamp\s*,.*request tokens/i.test(line)) return "burstgpt";
  if (text.startsWith("[")) return "sharegpt";
  if (/^\{\s*"kind"\s*:\s*"trace"/.test(line)) return "trace";
  if (/^\{\s*"kind"\s*:\s*"head"/.test(line)) return "recording";
  if (line.startsWith("{") && line.includes('"input_length"')) return "mooncake";
  return fail(
    "invalid_file",
    `${source}: expected a trace (${TRACE_FORMATS.join(", ")}) or a recording, got "${line.slice(0, 60)}"`,
  );
}

/** A reader of that format. @throws PunctualError invalid_request for ShareGPT without a counter. */
export function createReader(format: TraceFormat, options: CreateReaderOptions = {}): TraceReader {
  switch (format) {
    case "azure":
      return azureReader(options);
    case "mooncake":
      return mooncakeReader(options);
    case "burstgpt":
      return burstGptReader(options);
    case "sharegpt": {
      const { countTokens } = options;
      if (countTokens === undefined) return fail("invalid_request", "sharegpt: expected a token counter, got none");
      return shareGptReader({ ...options, countTokens });
    }
    case "trace":
      return traceFileReader(options);
    default:
      return format satisfies never;
  }
}
