/**
 * Recordings of a live server, one JSON object a line, the head first: what arrived, which steps the engine took, what
 * was cancelled, how each request ended. Enough to replay the run in a simulator decision by decision, or to use its
 * arrivals and lengths as a trace. Lines stand in the order in which the engine took notice, so position tells which
 * step saw what; `step` says it again for writers that gather lines from several places.
 *
 * Times are milliseconds from the start of the recording on one monotonic clock. Decisions are opaque here: the
 * scheduler's own log entries, carried as JSON.
 */
import { fail } from "../core/index.ts";
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
import {
  READ_VERSIONS,
  type RecordedDraft,
  type RecordedEnd,
  type RecordedEndReason,
  type RecordedRequest,
  type RecordedRoute,
  type RecordedStage,
  type RecordedStep,
  type Recording,
  type RecordingHead,
  type RecordingLine,
} from "./recorded-lines.ts";
import type { Trace, TraceRequest, TraceSlo } from "./types.ts";

const MAX_IDS = 10_000_000;
const MAX_FEATURES = 1024;
const MAX_NAME_CHARACTERS = 1024;
const MAX_LANES = 64;
const MAX_DRAFTS = 100_000;
const MAX_LAYERS = 10_000;

const STAGES: readonly RecordedStage[] = ["submit", "scores", "sample", "accept"];
const HANDOVERS = ["begun", "done"] as const;
/** For messages. */
const KINDS =
  "head, request, step, begin, computed, move, handover, retract, route, policy, cancel, pause, resume or end";
const REASONS: readonly RecordedEndReason[] = ["stop", "length", "cut", "cancelled", "rejected", "expired", "failed"];

/** One line of a recording, with its newline. */
export function recordingLine(line: RecordingLine): string {
  return `${JSON.stringify(line)}\n`;
}

/** Reads a recording in chunks of text. `push` and `end` give the lines that have become complete, checked. */
export class RecordingReader {
  readonly #source: string;
  readonly #lines: LineSplitter;
  readonly #open = new Map<number, "open" | "ended">();
  #head: RecordingHead | null = null;
  #batch: RecordingLine[] = [];

  constructor(source = "recording") {
    this.#source = source;
    this.#lines = new LineSplitter(source);
  }

  /** @throws PunctualError invalid_file naming line and field. */
  push(chunk: string): readonly RecordingLine[] {
    this.#lines.push(chunk, (text, line) => this.#read(text, line));
    return this.#take();
  }

  end(): readonly RecordingLine[] {
    this.#lines.end((text, line) => this.#read(text, line));
    if (this.#head === null) refuse({ source: this.#source, line: 1 }, "kind", '"head"', "nothing");
    return this.#take();
  }

  #take(): readonly RecordingLine[] {
    const batch = this.#batch;
    this.#batch = [];
    return batch;
  }

  #read(text: string, line: number): void {
    if (text.trim() === "") return;
    const place = { source: this.#source, line };
    const record = readLine(readJsonObject(text, place), place);
    if ((record.kind === "head") !== (this.#head === null)) {
      refuse(place, "kind", this.#head === null ? '"head" first' : "one head only", record.kind);
    }
    if (record.kind === "head") this.#head = record;
    else this.#checkLife(record, place);
    this.#batch.push(record);
  }

  /** A request comes once and ends at most once, and nothing happens to one that has not come. */
  #checkLife(record: Exclude<RecordingLine, RecordingHead>, place: Place): void {
    if (!("id" in record)) return;
    const state = this.#open.get(record.id);
    if (record.kind === "request") {
      if (state !== undefined) refuse(place, "id", "an id that has not come before", record.id);
      this.#open.set(record.id, "open");
      return;
    }
    if (state === undefined) refuse(place, "id", "the id of a request above", record.id);
    if (record.kind === "end") {
      if (state === "ended") refuse(place, "id", "one end per request", record.id);
      this.#open.set(record.id, "ended");
    }
  }
}

/** A recording from text, in memory. @throws PunctualError invalid_file naming line and field. */
export function readRecording(chunks: string | Iterable<string>, source = "recording"): Recording {
  const reader = new RecordingReader(source);
  const all: RecordingLine[] = [];
  for (const chunk of typeof chunks === "string" ? [chunks] : chunks)
    for (const line of reader.push(chunk)) all.push(line);
  for (const line of reader.end()) all.push(line);
  const of = <K extends RecordingLine["kind"]>(kind: K): Extract<RecordingLine, { kind: K }>[] =>
    all.filter((line): line is Extract<RecordingLine, { kind: K }> => line.kind === kind);
  const lines = all.filter((line) => line.kind !== "head");
  return {
    head: of("head")[0]!,
    requests: of("request"),
    steps: of("step"),
    cancels: of("cancel"),
    ends: of("end"),
    routes: of("route"),
    lines,
  };
}

/**
 * The arrivals and lengths of a recording as a trace. A request that did not end by itself gets its limit as output
 * length, because its answer would have gone on. A stage of a task waits for the stage before it; what passed between
 * their ends and its arrival counts as thinking time.
 */
export function recordingTrace(recording: Recording): Trace {
  const { head } = recording;
  const requests = recording.requests.toSorted((a, b) => a.atMs - b.atMs || a.id - b.id);
  const ends = new Map(recording.ends.map((end) => [end.id, end]));
  const cancels = new Map(recording.cancels.map((cancel) => [cancel.id, cancel.atMs]));
  const routes = new Map(recording.routes.map((route) => [route.id, route]));
  const taskIds = new Map<string, number>();
  const traceIds = new Map(requests.map((request, i) => [request.id, i]));
  const byStage = groupBy(
    requests.filter(({ task }) => task !== undefined),
    ({ task }) => `${task!.stage} ${task!.id}`,
  );
  const taskOf = (request: RecordedRequest): Pick<TraceRequest, "task"> => {
    if (request.task === undefined) return {};
    const { id, stage } = request.task;
    if (!taskIds.has(id)) taskIds.set(id, taskIds.size);
    const before = (byStage.get(`${stage - 1} ${id}`) ?? []).filter(
      (other) => (ends.get(other.id)?.atMs ?? Infinity) <= request.atMs,
    );
    const endedMs = Math.max(...before.map((other) => ends.get(other.id)!.atMs));
    const after = before.map((other) => traceIds.get(other.id)!);
    return { task: { id: taskIds.get(id)!, stage, after, thinkMs: before.length === 0 ? 0 : request.atMs - endedMs } };
  };
  const originMs = requests[0]?.atMs ?? 0;
  return {
    name: head.name,
    source: "recording",
    blockTokens: head.blockTokens,
    requests: requests.map((request, i): TraceRequest => {
      const end = ends.get(request.id);
      const isWhole = end !== undefined && (end.reason === "stop" || end.reason === "length");
      const cancelledMs = cancels.get(request.id);
      const { promptTokens, maxTokens, slo, session, priority, hashIds, promptIds, adapter } = request;
      const route = routes.get(request.id);
      return {
        id: i,
        arrivalMs: request.atMs - originMs,
        promptTokens,
        outputTokens: Math.max(1, isWhole ? end.outputTokens : maxTokens),
        ...(hashIds === undefined ? {} : { hashIds }),
        ...(session === undefined ? {} : { session }),
        ...taskOf(request),
        ...(slo === undefined ? {} : { slo }),
        ...(priority === undefined ? {} : { priority }),
        ...(cancelledMs === undefined ? {} : { cancelAfterMs: Math.max(0, cancelledMs - request.atMs) }),
        ...(promptIds === undefined ? {} : { promptIds }),
        ...(adapter === undefined ? {} : { adapter }),
        ...(route === undefined ? {} : { route: { layers: route.layers, kept: route.layers - route.skipped.length } }),
      };
    }),
  };
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

function readLine(row: Record<string, unknown>, place: Place): RecordingLine {
  switch (row["kind"]) {
    case "head":
      return readHead(row, place);
    case "request":
      return readRequest(row, place);
    case "step":
      return readStepLine(row, place);
    case "begin":
      return {
        kind: "begin",
        lane: readLane(row, place),
        atMs: readMs(row, "atMs", place),
        maxRunning: readTokens(row["maxRunning"], place, "maxRunning"),
        reservedPages: readTokens(row["reservedPages"], place, "reservedPages"),
      };
    case "computed":
      return { kind: "computed", lane: readLane(row, place) };
    case "move":
      return { kind: "move", id: readId(row, place), lane: readLane(row, place) };
    case "handover":
      return {
        kind: "handover",
        id: readId(row, place),
        state:
          HANDOVERS.find((known) => known === row["state"]) ?? refuse(place, "state", "begun or done", row["state"]),
      };
    case "retract":
      return { kind: "retract", id: readId(row, place) };
    case "route":
      return readRoute(row, place);
    case "policy":
      return {
        kind: "policy",
        atMs: readMs(row, "atMs", place),
        policy: readName(row, "policy", place),
        ...(row["options"] === undefined ? {} : { options: row["options"] }),
        ...(row["outlook"] === undefined ? {} : { outlook: readName(row, "outlook", place) }),
      };
    case "cancel":
      return { kind: "cancel", id: readId(row, place), atMs: readMs(row, "atMs", place), ...readStep(row, place) };
    case "pause":
    case "resume":
      return { kind: row["kind"], id: readId(row, place), atMs: readMs(row, "atMs", place) };
    case "end":
      return readEnd(row, place);
    default:
      return refuse(place, "kind", KINDS, row["kind"]);
  }
}

function readStepLine(row: Record<string, unknown>, place: Place): RecordedStep {
  const { lane, tokenMs, drafts, draftingMs, decision } = row;
  return {
    kind: "step",
    step: readTokens(row["step"], place, "step"),
    ...(lane === undefined ? {} : { lane: readLane(row, place) }),
    atMs: readMs(row, "atMs", place),
    stepMs: readMs(row, "stepMs", place),
    ...(tokenMs === undefined ? {} : { tokenMs: readMs(row, "tokenMs", place) }),
    ...(drafts === undefined ? {} : { drafts: readDrafts(drafts, place) }),
    ...(draftingMs === undefined ? {} : { draftingMs: readMs(row, "draftingMs", place) }),
    ...(decision === undefined ? {} : { decision }),
  };
}

function readDrafts(value: unknown, place: Place): RecordedDraft[] {
  if (!Array.isArray(value) || value.length > MAX_DRAFTS) return refuse(place, "drafts", "a list of drafts", value);
  return value.map((draft: unknown, i): RecordedDraft => {
    const numbers = readIds(draft, place, `drafts[${i}]`, 4);
    const [id = 0, offered = 0, drafted = 0, taken = 0] = numbers;
    if (numbers.length === 4 && drafted <= offered && taken <= drafted + 1) return [id, offered, drafted, taken];
    return refuse(place, `drafts[${i}]`, "[id, offered, drafted, taken], none above what it is of", draft);
  });
}

function readRoute(row: Record<string, unknown>, place: Place): RecordedRoute {
  const layers = readTokens(row["layers"], place, "layers");
  if (layers < 1 || layers > MAX_LAYERS) refuse(place, "layers", `a number from 1 to ${MAX_LAYERS}`, layers);
  const skipped = readIds(row["skipped"], place, "skipped", MAX_LAYERS);
  const isOrdered = skipped.every((layer, i) => layer < layers && (i === 0 || skipped[i - 1]! < layer));
  if (!isOrdered || skipped.length >= layers) refuse(place, "skipped", "some of the layers, ascending", skipped);
  return { kind: "route", id: readId(row, place), layers, skipped };
}

function readLane(row: Record<string, unknown>, place: Place): number {
  const lane = readTokens(row["lane"], place, "lane");
  return lane < MAX_LANES ? lane : refuse(place, "lane", `a number below ${MAX_LANES}`, lane);
}

function readHead(row: Record<string, unknown>, place: Place): RecordingHead {
  const version = row["version"];
  const known = READ_VERSIONS.find((each) => each === version);
  if (known === undefined) {
    return fail(
      "unsupported",
      `${place.source}: versions ${READ_VERSIONS.join(", ")} of recordings are read here, got ${String(version)}`,
      {
        param: "version",
      },
    );
  }
  return {
    kind: "head",
    version: known,
    name: readName(row, "name", place),
    model: readName(row, "model", place),
    policy: readName(row, "policy", place),
    blockTokens: readTokens(row["blockTokens"], place, "blockTokens"),
    ...(row["startedAt"] === undefined ? {} : { startedAt: readName(row, "startedAt", place) }),
    ...(row["engine"] === undefined ? {} : { engine: row["engine"] }),
  };
}

function readRequest(row: Record<string, unknown>, place: Place): RecordedRequest {
  const { slo, task, session, priority, hashIds, promptIds, features, adapter, compute, keepLayers } = row;
  return {
    kind: "request",
    id: readId(row, place),
    atMs: readMs(row, "atMs", place),
    promptTokens: readTokens(row["promptTokens"], place, "promptTokens"),
    maxTokens: readTokens(row["maxTokens"], place, "maxTokens"),
    ...(slo === undefined ? {} : { slo: readTraceSlo(slo, place) }),
    ...(task === undefined ? {} : { task: readTask(task, place) }),
    ...(session === undefined ? {} : { session: readTokens(session, place, "session") }),
    ...(priority === undefined ? {} : { priority: readNumber(priority, place, "priority", -1e9, 1e9) }),
    ...(hashIds === undefined ? {} : { hashIds: readIds(hashIds, place, "hashIds", MAX_IDS) }),
    ...(promptIds === undefined ? {} : { promptIds: readIds(promptIds, place, "promptIds", MAX_IDS) }),
    ...(features === undefined ? {} : { features: readIds(features, place, "features", MAX_FEATURES) }),
    ...(adapter === undefined ? {} : { adapter: readName(row, "adapter", place) }),
    ...(compute === undefined
      ? {}
      : { compute: compute === "full" || compute === "auto" ? compute : readNumber(compute, place, "compute", 0, 1) }),
    ...(keepLayers === undefined ? {} : { keepLayers: readIds(keepLayers, place, "keepLayers", MAX_LAYERS) }),
    ...readStep(row, place),
  };
}

function readEnd(row: Record<string, unknown>, place: Place): RecordedEnd {
  const reason = REASONS.find((known) => known === row["reason"]);
  const { firstTokenMs, outputIds, hashIds, stage } = row;
  return {
    kind: "end",
    id: readId(row, place),
    atMs: readMs(row, "atMs", place),
    reason: reason ?? refuse(place, "reason", REASONS.join(", "), row["reason"]),
    outputTokens: readTokens(row["outputTokens"], place, "outputTokens"),
    firstTokenMs: firstTokenMs === null ? null : readMs(row, "firstTokenMs", place),
    ...(outputIds === undefined ? {} : { outputIds: readIds(outputIds, place, "outputIds", MAX_IDS) }),
    ...(hashIds === undefined ? {} : { hashIds: readIds(hashIds, place, "hashIds", MAX_IDS) }),
    ...(stage === undefined ? {} : { stage: readStage(stage, place) }),
    ...readStep(row, place),
  };
}

function readStage(value: unknown, place: Place): RecordedStage {
  return STAGES.find((known) => known === value) ?? refuse(place, "stage", STAGES.join(", "), value);
}

const CLASSES: readonly TraceSlo["class"][] = ["latency", "deadline", "compound", "best-effort"];
const ON_MISS: readonly TraceSlo["onMiss"][] = ["finish", "cut", "reject"];

/** An objective in the words of the scheduler. @throws PunctualError invalid_file naming the field. */
export function readTraceSlo(value: unknown, place: Place): TraceSlo {
  if (value === null || typeof value !== "object") return refuse(place, "slo", "an object", value);
  const row = value as Record<string, unknown>;
  const time = (field: "ttftMs" | "tpotMs" | "deadlineMs"): Partial<Record<typeof field, number>> =>
    row[field] === undefined ? {} : { [field]: readNumber(row[field], place, `slo.${field}`, 0, MAX_TIME_MS) };
  return {
    class:
      CLASSES.find((known) => known === row["class"]) ?? refuse(place, "slo.class", CLASSES.join(", "), row["class"]),
    ...time("ttftMs"),
    ...time("tpotMs"),
    ...time("deadlineMs"),
    onMiss:
      ON_MISS.find((known) => known === row["onMiss"]) ??
      refuse(place, "slo.onMiss", ON_MISS.join(", "), row["onMiss"]),
  };
}

function readTask(value: unknown, place: Place): { readonly id: string; readonly stage: number } {
  if (value === null || typeof value !== "object") return refuse(place, "task", "an object", value);
  const row = value as Record<string, unknown>;
  return { id: readName(row, "id", place), stage: readTokens(row["stage"], place, "task.stage") };
}

function readId(row: Record<string, unknown>, place: Place): number {
  const id = row["id"];
  if (typeof id === "number" && Number.isSafeInteger(id) && id >= 0) return id;
  return refuse(place, "id", "a whole number from 0", id);
}

function readStep(row: Record<string, unknown>, place: Place): { readonly step?: number } {
  return row["step"] === undefined ? {} : { step: readTokens(row["step"], place, "step") };
}

/** JSON times only: a string would compare wrongly later. */
function readMs(row: Record<string, unknown>, field: string, place: Place): number {
  const value = row[field];
  return typeof value === "number"
    ? readNumber(value, place, field, 0, MAX_TIME_MS)
    : refuse(place, field, "milliseconds as a number", value);
}

function readName(row: Record<string, unknown>, field: string, place: Place): string {
  const value = row[field];
  if (typeof value === "string" && value.length <= MAX_NAME_CHARACTERS) return value;
  return refuse(place, field, `a string of at most ${MAX_NAME_CHARACTERS} characters`, value);
}
