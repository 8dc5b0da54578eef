/**
 * Traces in our own words, one JSON object a line, the head first: nothing of a `Trace` is lost, so a generated
 * workload with its tasks and objectives can be kept, shared and replayed. Other formats hold less.
 */
import { lineReader, RequestSink, type ReadOptions, type TraceReader } from "./format.ts";
import {
  LineSplitter,
  MAX_TIME_MS,
  readIds,
  readJsonObject,
  readNumber,
  readTokens,
  refuse,
  type Place,
} from "./lines.ts";
import { readTraceSlo } from "./recording.ts";
import type { TraceHead, TraceRequest, TraceRoute, TraceTask } from "./types.ts";

const VERSION = 1;
const MAX_IDS = 10_000_000;
const MAX_TEXT_CHARACTERS = 8_000_000;

/** A reader of our own trace files. Ids are those of the file; rows are never skipped but refused. */
export function traceFileReader(options: ReadOptions = {}): TraceReader {
  const place = (line: number): Place => ({ source: options.name ?? "trace", line });
  const sink = new RequestSink(options);
  const seen = new Set<number>();
  let head: TraceHead | null = null;
  const onLine = (text: string, line: number): void => {
    if (sink.full || text.trim() === "") return;
    const row = readJsonObject(text, place(line));
    if (head === null) {
      head = readHead(row, place(line));
      return;
    }
    const request = readRequest(row, place(line));
    if (seen.has(request.id)) refuse(place(line), "id", "an id that has not come before", request.id);
    const unknown = request.task?.after.find((id) => !seen.has(id));
    if (unknown !== undefined) refuse(place(line), "task.after", "ids of requests above", unknown);
    seen.add(request.id);
    sink.keep(request);
  };
  const unnamed: TraceHead = { name: options.name ?? "trace", source: "trace", blockTokens: 0 };
  const reader = lineReader(unnamed, sink, new LineSplitter(options.name ?? "trace"), onLine);
  return {
    get head() {
      return head ?? unnamed;
    },
    get skipped() {
      return reader.skipped;
    },
    get full() {
      return reader.full;
    },
    push: (chunk) => reader.push(chunk),
    end: () => {
      const rest = reader.end();
      if (head === null) refuse(place(1), "kind", '"trace"', "nothing");
      return rest;
    },
  };
}

/** The lines of a trace in our own format, each with its newline. */
export function* writeTraceFile(trace: TraceHead & { readonly requests: Iterable<TraceRequest> }): Generator<string> {
  const { name, source, blockTokens } = trace;
  yield `${JSON.stringify({ kind: "trace", version: VERSION, name, source, blockTokens })}\n`;
  for (const request of trace.requests) yield `${JSON.stringify(request)}\n`;
}

function readHead(row: Record<string, unknown>, place: Place): TraceHead {
  if (row["kind"] !== "trace") refuse(place, "kind", '"trace" in the first line', row["kind"]);
  if (row["version"] !== VERSION) refuse(place, "version", String(VERSION), row["version"]);
  return {
    name: readText(row["name"], place, "name"),
    source: readText(row["source"], place, "source"),
    blockTokens: readTokens(row["blockTokens"], place, "blockTokens"),
  };
}

function readRequest(row: Record<string, unknown>, place: Place): TraceRequest {
  const { hashIds, session, task, slo, priority, cancelAfterMs, text, promptIds, adapter, route } = row;
  return {
    id: readTokens(row["id"], place, "id"),
    arrivalMs: readNumber(row["arrivalMs"], place, "arrivalMs", 0, MAX_TIME_MS),
    promptTokens: readCount(row["promptTokens"], place, "promptTokens"),
    outputTokens: readCount(row["outputTokens"], place, "outputTokens"),
    ...(hashIds === undefined ? {} : { hashIds: readIds(hashIds, place, "hashIds", MAX_IDS) }),
    ...(session === undefined ? {} : { session: readTokens(session, place, "session") }),
    ...(task === undefined ? {} : { task: readTask(task, place) }),
    ...(slo === undefined ? {} : { slo: readTraceSlo(slo, place) }),
    ...(priority === undefined ? {} : { priority: readNumber(priority, place, "priority", -1e9, 1e9) }),
    ...(cancelAfterMs === undefined
      ? {}
      : { cancelAfterMs: readNumber(cancelAfterMs, place, "cancelAfterMs", 0, MAX_TIME_MS) }),
    ...(text === undefined ? {} : { text: readText(text, place, "text") }),
    ...(promptIds === undefined ? {} : { promptIds: readIds(promptIds, place, "promptIds", MAX_IDS) }),
    ...(adapter === undefined ? {} : { adapter: readText(adapter, place, "adapter") }),
    ...(route === undefined ? {} : { route: readRoute(route, place) }),
  };
}

function readCount(value: unknown, place: Place, field: string): number {
  const count = readTokens(value, place, field);
  return count >= 1 ? count : refuse(place, field, "at least 1", value);
}

function readTask(value: unknown, place: Place): TraceTask {
  if (value === null || typeof value !== "object") return refuse(place, "task", "an object", value);
  const row = value as Record<string, unknown>;
  return {
    id: readTokens(row["id"], place, "task.id"),
    stage: readTokens(row["stage"], place, "task.stage"),
    after: readIds(row["after"], place, "task.after", MAX_IDS),
    thinkMs: readNumber(row["thinkMs"], place, "task.thinkMs", 0, MAX_TIME_MS),
  };
}

function readRoute(value: unknown, place: Place): TraceRoute {
  if (value === null || typeof value !== "object") return refuse(place, "route", "an object", value);
  const row = value as Record<string, unknown>;
  const layers = readCount(row["layers"], place, "route.layers");
  const kept = readCount(row["kept"], place, "route.kept");
  return kept <= layers ? { layers, kept } : refuse(place, "route.kept", `at most ${layers}`, kept);
}

function readText(value: unknown, place: Place, field: string): string {
  if (typeof value === "string" && value.length <= MAX_TEXT_CHARACTERS) return value;
  return refuse(place, field, `a string of at most ${MAX_TEXT_CHARACTERS} characters`, value);
}
