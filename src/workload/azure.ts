/**
 * Azure's LLM inference traces (AzurePublicDataset; 2023 "conv" and "code", 2024 weeks): comma-separated
 * TIMESTAMP,ContextTokens,GeneratedTokens with timestamps such as `2023-11-16 18:15:46.6805900`, of 2024 with an
 * offset (`+00:00`). Milliseconds count from the first row.
 */
import { lineReader, RequestSink, type ReadOptions, type TraceReader } from "./format.ts";
import { csvFields, findColumns, LineSplitter, readTokens, refuse, type Place } from "./lines.ts";
import type { TraceHead, TraceRequest } from "./types.ts";

const COLUMNS = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"] as const;
const TIMESTAMP = /^(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?$/;

interface Instant {
  /** Whole seconds since 1970 and the rest apart, so that no fraction of a microsecond is lost. */
  readonly seconds: number;
  readonly fractionMs: number;
}

/** A reader of Azure's format. */
export function azureReader(options: ReadOptions = {}): TraceReader {
  const name = options.name ?? "azure";
  const head: TraceHead = { name, source: "azure", blockTokens: 0 };
  const sink = new RequestSink(options);
  const lines = new LineSplitter(name);
  let columns: readonly number[] | null = null;
  let origin: Instant | null = null;
  const onLine = (text: string, line: number): void => {
    if (sink.full || text.trim() === "") return;
    const place = { source: name, line };
    const fields = csvFields(text, place);
    if (columns === null) {
      columns = findColumns(fields, COLUMNS, place);
      return;
    }
    const [timestamp, context, generated] = columns.map((at) => fields[at]);
    const instant = readInstant(timestamp, place);
    origin ??= instant;
    sink.add({
      arrivalMs: (instant.seconds - origin.seconds) * 1000 + (instant.fractionMs - origin.fractionMs),
      promptTokens: readTokens(context, place, "ContextTokens"),
      outputTokens: readTokens(generated, place, "GeneratedTokens"),
    });
  };
  return lineReader(head, sink, lines, onLine);
}

function readInstant(text: string | undefined, place: Place): Instant {
  const match = TIMESTAMP.exec(text?.trim() ?? "");
  if (match === null) return refuse(place, "TIMESTAMP", "yyyy-mm-dd hh:mm:ss.fraction", text);
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const midnightMs = Date.UTC(year, month - 1, day);
  const isDate = new Date(midnightMs).getUTCDate() === day && month >= 1 && month <= 12;
  if (!isDate || hour > 23 || minute > 59 || second > 60) {
    return refuse(place, "TIMESTAMP", "a moment that exists", text);
  }
  const [sign, hours, minutes] = /([+-])(\d\d):?(\d\d)/.exec(match[8] ?? "")?.slice(1) ?? ["+", "0", "0"];
  const offset = (Number(hours) * 60 + Number(minutes)) * (sign === "-" ? -60 : 60);
  return {
    seconds: midnightMs / 1000 + hour * 3600 + minute * 60 + second - offset,
    fractionMs: Number(`0.${match[7] ?? "0"}`) * 1000,
  };
}

const TICKS_PER_MS = 10_000;

/** The lines of a trace in Azure's format, each with its newline; only arrival and lengths survive, to 100 ns. */
export function* writeAzure(requests: Iterable<TraceRequest>, startedAt = "2023-11-16 18:15:46"): Generator<string> {
  const place = { source: "azure writer", line: 1 };
  const { seconds } = readInstant(startedAt, place);
  yield `${COLUMNS.join(",")}\n`;
  for (const { arrivalMs, promptTokens, outputTokens } of requests) {
    const ticks = Math.round(arrivalMs * TICKS_PER_MS);
    const wholeSeconds = Math.floor(ticks / (1000 * TICKS_PER_MS));
    const fraction = String(ticks - wholeSeconds * 1000 * TICKS_PER_MS).padStart(7, "0");
    const moment = new Date((seconds + wholeSeconds) * 1000).toISOString().slice(0, 19).replace("T", " ");
    yield `${moment}.${fraction},${promptTokens},${outputTokens}\n`;
  }
}
