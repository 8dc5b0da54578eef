/**
 * BurstGPT's traces (Wang et al. 2024), comma-separated: Timestamp (s), Model, Request tokens, Response tokens,
 * Total tokens, Log Type; from release 2 also Session ID and Elapsed time. Rows whose response is empty are failures
 * of the recorded service and are skipped. Milliseconds count from the first row that is kept.
 */
import { lineReader, RequestSink, type ReadOptions, type TraceReader } from "./format.ts";
import { csvFields, findColumns, LineSplitter, readNumber, readTokens } from "./lines.ts";
import type { TraceHead, TraceRequest } from "./types.ts";

/** Options of BurstGPT's reader. */
export interface BurstGptOptions extends ReadOptions {
  /** Keep only rows of this model ("ChatGPT", "GPT-4"). */
  readonly model?: string;
  /** Keep only rows of this log type ("Conversation log", "API log"). */
  readonly logType?: string;
}

const REQUIRED = ["Timestamp", "Model", "Request tokens", "Response tokens", "Log Type"] as const;
const MAX_TIMESTAMP_S = 100 * 366 * 86_400;

/** A reader of BurstGPT's format. Conversations become sessions. */
export function burstGptReader(options: BurstGptOptions = {}): TraceReader {
  const name = options.name ?? "burstgpt";
  const head: TraceHead = { name, source: "burstgpt", blockTokens: 0 };
  const sink = new RequestSink(options);
  const sessions = new Map<string, number>();
  let columns: readonly number[] | null = null;
  let sessionColumn = -1;
  let originMs: number | null = null;
  const sessionOf = (key: string): { session?: number } => {
    if (key === "") return {};
    if (!sessions.has(key)) sessions.set(key, sessions.size);
    return { session: sessions.get(key)! };
  };
  const onLine = (text: string, line: number): void => {
    if (sink.full || text.trim() === "") return;
    const place = { source: name, line };
    const fields = csvFields(text, place);
    if (columns === null) {
      columns = findColumns(fields, REQUIRED, place);
      sessionColumn = fields.findIndex((field) => field.trim().toLowerCase() === "session id");
      return;
    }
    const [timestamp, model, request, response, logType] = columns.map((at) => fields[at]);
    const arrivalMs = readNumber(timestamp, place, "Timestamp", 0, MAX_TIMESTAMP_S) * 1000;
    const promptTokens = readTokens(request, place, "Request tokens");
    const outputTokens = readTokens(response, place, "Response tokens");
    if (options.model !== undefined && model?.trim() !== options.model) return;
    if (options.logType !== undefined && logType?.trim() !== options.logType) return;
    if (promptTokens > 0 && outputTokens > 0) originMs ??= arrivalMs;
    const session = sessionOf(fields[sessionColumn]?.trim() ?? "");
    sink.add({ arrivalMs: arrivalMs - (originMs ?? 0), promptTokens, outputTokens, ...session });
  };
  return lineReader(head, sink, new LineSplitter(name), onLine);
}

/** The lines of a trace in BurstGPT's format of release 2: arrival, lengths and sessions survive. */
export function* writeBurstGpt(requests: Iterable<TraceRequest>, model = "ChatGPT"): Generator<string> {
  yield "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n";
  for (const { arrivalMs, promptTokens, outputTokens, session } of requests) {
    const type = session === undefined ? "API log" : "Conversation log";
    const total = promptTokens + outputTokens;
    yield `${arrivalMs / 1000},${session ?? ""},,${model},${promptTokens},${outputTokens},${total},${type}\n`;
  }
}
