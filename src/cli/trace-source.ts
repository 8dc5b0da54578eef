/**
 * Where a command's requests come from: a trace file of any known format, read while it is consumed, or a generator by
 * name. Files are never held whole unless their arrivals are to be made anew.
 *
 *   azure-code,count=5000,rate=8,cv=3        a published workload at another rate and burstiness
 *   three-class,count=2000,rate=4            latency, deadline and compound requests in equal parts
 *   fixed,prompt=512,output=64,rate=10       one length
 */
import { closeSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { createRandom, fail } from "../core/index.ts";
import {
  createReader,
  detectFormat,
  generateStream,
  PUBLISHED_WORKLOADS,
  publishedWorkload,
  readRecording,
  readTrace,
  recordingTrace,
  streamTrace,
  threeClassMix,
  withArrivals,
  type ArrivalProcess,
  type PublishedName,
  type Recording,
  type Trace,
  type TraceStream,
  type Workload,
} from "../workload/index.ts";

export interface TraceSourceFlags {
  readonly trace?: string;
  readonly generate?: string;
  /** Arrivals per second, in place of the trace's own. */
  readonly rate?: number;
  /** Most requests. */
  readonly limit?: number;
  readonly seed: number;
}

export interface TraceSource {
  readonly trace: TraceStream;
  /** How many requests there are; null when nobody knows beforehand. */
  readonly count: number | null;
  /** What the file was, if it was a recording. */
  readonly recording: Recording | null;
  /** How token counts came about, where they are a guess. */
  readonly note: string | null;
}

const CHUNK_BYTES = 1 << 20;
const HEAD_CHARACTERS = 4096;
/** English text, near enough where no tokenizer is named. */
const CHARACTERS_PER_TOKEN = 4;
const DEFAULT_COUNT = 1000;

/** @throws PunctualError invalid_request for a bad specification, not_found and invalid_file for a bad file. */
export function openTrace(flags: TraceSourceFlags): TraceSource {
  const { trace, generate } = flags;
  if ((trace === undefined) === (generate === undefined)) {
    return fail("invalid_request", "Expected --trace FILE or --generate SPEC, one of the two.", { param: "trace" });
  }
  return trace === undefined ? fromSpec(generate!, flags) : fromFile(trace, flags);
}

/** A trace by the bytes of its file. @throws PunctualError invalid_file for what is no trace. */
export function traceOfBytes(
  name: string,
  bytes: Buffer,
  limits: Omit<TraceSourceFlags, "trace" | "generate">,
): TraceSource {
  return fromText(
    { name, beginning: bytes.toString("utf8", 0, HEAD_CHARACTERS), chunks: () => piecesOf(bytes) },
    limits,
  );
}

/** The format of a trace by the bytes of its file. @throws PunctualError invalid_file for what is no trace. */
export function formatOfBytes(name: string, bytes: Buffer): string {
  return detectFormat(bytes.toString("utf8", 0, HEAD_CHARACTERS), name);
}

function fromFile(path: string, limits: Omit<TraceSourceFlags, "trace" | "generate">): TraceSource {
  return fromText({ name: path, beginning: firstCharacters(path), chunks: () => chunksOf(path) }, limits);
}

interface TraceText {
  readonly name: string;
  readonly beginning: string;
  readonly chunks: () => Iterable<string>;
}

function fromText(
  { name, beginning, chunks }: TraceText,
  { rate, limit, seed }: Omit<TraceSourceFlags, "trace" | "generate">,
): TraceSource {
  const format = detectFormat(beginning, name);
  if (format === "recording") {
    const recording = readRecording([...chunks()].join(""), name);
    const whole = recordingTrace(recording);
    const held = { ...whole, requests: whole.requests.slice(0, limit) };
    const trace = rate === undefined ? held : again(held, rate, seed);
    return { trace, count: held.requests.length, recording, note: null };
  }
  const countTokens = (text: string): number => Math.max(1, Math.ceil(text.length / CHARACTERS_PER_TOKEN));
  const reader = createReader(format, {
    name,
    countTokens,
    ...(limit === undefined ? {} : { maxRequests: limit }),
  });
  const note =
    format === "sharegpt" ? `tokens of ${name} are counted as ${CHARACTERS_PER_TOKEN} characters each` : null;
  if (rate === undefined) {
    return { trace: streamTrace(reader, chunks()), count: limit ?? null, recording: null, note };
  }
  const trace = again(readTrace(reader, chunks()), rate, seed);
  return { trace, count: trace.requests.length, recording: null, note };
}

/** The same requests, arriving anew. */
const again = (trace: Trace, ratePerSecond: number, seed: number): Trace =>
  withArrivals(trace, { kind: "poisson", ratePerSecond }, createRandom(seed, "arrivals"));

function fromSpec(spec: string, { rate, limit, seed }: TraceSourceFlags): TraceSource {
  const [name = "", ...pairs] = spec.split(",");
  const values = new Values(pairs, rate === undefined ? {} : { rate });
  const count = Math.min(values.number("count", DEFAULT_COUNT), limit ?? Infinity);
  const arrivals = arrivalsOf(values);
  const workload = workloadOf(name, count, arrivals, values);
  values.checkUsed();
  const trace = generateStream(workload, createRandom(seed, "workload"));
  return { trace: { ...trace, source: `${name}, seed ${seed}` }, count, recording: null, note: null };
}

/** The process that the values speak of; undefined when they do not. */
function arrivalsOf(values: Values): ArrivalProcess | undefined {
  const ratePerSecond = values.number("rate", 0);
  const cv = values.number("cv", 1);
  if (ratePerSecond <= 0) return undefined;
  return cv === 1 ? { kind: "poisson", ratePerSecond } : { kind: "gamma", ratePerSecond, cv };
}

function workloadOf(name: string, count: number, arrivals: ArrivalProcess | undefined, values: Values): Workload {
  const limits = { maxTotalTokens: values.number("max-total", Infinity) };
  const bounds = limits.maxTotalTokens === Infinity ? {} : limits;
  if (Object.hasOwn(PUBLISHED_WORKLOADS, name)) {
    return publishedWorkload(name as PublishedName, {
      count,
      ...bounds,
      ...(arrivals === undefined ? {} : { arrivals }),
    });
  }
  const process = arrivals ?? { kind: "poisson", ratePerSecond: 1 };
  if (name === "three-class") {
    return threeClassMix({ count, arrivals: process, lengthScale: values.number("scale", 1), ...bounds });
  }
  if (name === "fixed") {
    const prompt = { kind: "fixed", value: values.number("prompt", 512) } as const;
    const output = { kind: "fixed", value: values.number("output", 128) } as const;
    return {
      name,
      arrivals: process,
      count,
      classes: [{ name, weight: 1, shape: { kind: "single", prompt, output } }],
    };
  }
  const known = [...Object.keys(PUBLISHED_WORKLOADS), "three-class", "fixed"];
  return fail("invalid_request", `--generate: expected one of ${known.join(", ")}, got "${name}"`, {
    param: "generate",
  });
}

/** The key=value pairs of a specification; whatever nobody asked for is refused. */
class Values {
  readonly #values: Map<string, number>;
  readonly #used = new Set<string>();

  constructor(pairs: readonly string[], defaults: Readonly<Record<string, number>>) {
    this.#values = new Map(Object.entries(defaults));
    for (const pair of pairs) {
      const [key = "", text = ""] = pair.split("=", 2);
      const value = text.trim() === "" ? Number.NaN : Number(text);
      if (!(value > 0)) {
        fail("invalid_request", `--generate: expected ${key}=NUMBER above 0, got "${pair}"`, { param: "generate" });
      }
      this.#values.set(key.trim(), value);
    }
  }

  number(key: string, otherwise: number): number {
    this.#used.add(key);
    return this.#values.get(key) ?? otherwise;
  }

  checkUsed(): void {
    const left = [...this.#values.keys()].filter((key) => !this.#used.has(key));
    if (left.length === 0) return;
    fail("invalid_request", `--generate: ${left.join(", ")} means nothing here; known: ${[...this.#used].join(", ")}`, {
      param: "generate",
    });
  }
}

function open(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    return fail(
      "not_found",
      `--trace: '${path}' cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      {
        param: "trace",
        cause: error,
      },
    );
  }
}

function firstCharacters(path: string): string {
  const file = open(path);
  try {
    const buffer = Buffer.alloc(HEAD_CHARACTERS);
    return buffer.toString("utf8", 0, readSync(file, buffer, 0, buffer.length, 0));
  } catch (error) {
    return fail("not_found", `--trace: '${path}' cannot be read: ${String(error)}`, { param: "trace", cause: error });
  } finally {
    closeSync(file);
  }
}

/** A file's text piece by piece. */
function* chunksOf(path: string): Generator<string> {
  const file = open(path);
  const buffer = Buffer.alloc(CHUNK_BYTES);
  const decoder = new StringDecoder("utf8");
  try {
    for (;;) {
      const length = readSync(file, buffer);
      if (length === 0) break;
      yield decoder.write(buffer.subarray(0, length));
    }
    const rest = decoder.end();
    if (rest !== "") yield rest;
  } finally {
    closeSync(file);
  }
}

/** The same of bytes in memory. */
function* piecesOf(bytes: Buffer): Generator<string> {
  const decoder = new StringDecoder("utf8");
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield decoder.write(bytes.subarray(at, at + CHUNK_BYTES));
  const rest = decoder.end();
  if (rest !== "") yield rest;
}
