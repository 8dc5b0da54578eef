/**
 * What a run sends: requests of given lengths, of files, of generators. By the names of vLLM's benchmark where it has
 * them (`random`, `sharegpt`, `custom`, `burstgpt`, `timed_trace`).
 */
import { closeSync, openSync, readSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { fail, type RandomStream } from "../core/index.ts";
import {
  createReader,
  detectFormat,
  generateTrace,
  PUBLISHED_WORKLOADS,
  publishedWorkload,
  readRecording,
  readTrace,
  recordingTrace,
  threeClassMix,
  type PublishedName,
  type Trace,
  type TraceRequest,
} from "../workload/index.ts";

/** Names of datasets: those that need no file, and those that are one. */
export const DATASET_NAMES: readonly string[] = [
  "random",
  "sharegpt",
  "custom",
  "burstgpt",
  "timed_trace",
  "trace",
  "mix",
  ...Object.keys(PUBLISHED_WORKLOADS).map((name) => `like-${name}`),
];

/** Which requests. */
export interface DatasetOptions {
  readonly name: string;
  /** The file of `sharegpt`, `custom`, `burstgpt`, `timed_trace` and `trace`. */
  readonly path?: string;
  /** How many; the whole file when absent, 1000 where there is no file. */
  readonly count?: number;
  readonly random: {
    readonly inputLen: number;
    readonly outputLen: number;
    /** Lengths are even over [len (1 − ratio), len (1 + ratio)]. */
    readonly rangeRatio: number;
    /** Tokens that all prompts begin with, beside `inputLen`. */
    readonly prefixLen: number;
  };
  /** Answer tokens of every request of a file that has no lengths of its own. */
  readonly outputLen?: number;
  /** Keep the order of a file without arrivals. */
  readonly disableShuffle: boolean;
  /** A file that is too small gives fewer requests instead of repeating some. */
  readonly noOversample: boolean;
  /** Tokens per hash id of a Mooncake file. */
  readonly blockTokens?: number;
  /** Lengths of generated requests are multiplied by this. */
  readonly lengthScale: number;
  readonly maxPromptTokens?: number;
  readonly maxTotalTokens?: number;
  /** Tokens of a text, for files that have only text. */
  readonly countTokens: (text: string) => number;
}

/** Requests, and whether their arrivals mean something. */
export interface Dataset {
  readonly trace: Trace;
  readonly isTimed: boolean;
}

const DEFAULT_COUNT = 1000;
/** Where a file's answers have no length (vLLM's default for custom datasets). */
const CUSTOM_OUTPUT_TOKENS = 256;

/** Makes or reads the requests. @throws PunctualError invalid_request or invalid_file. */
export function loadDataset(options: DatasetOptions, random: RandomStream): Dataset {
  const { name, count = DEFAULT_COUNT } = options;
  switch (name) {
    case "random":
      return { trace: randomTrace(options, count, random), isTimed: false };
    case "custom":
      return { trace: untimed(customTrace(options), options, random), isTimed: false };
    case "sharegpt":
      return { trace: untimed(fileTrace(options), options, random), isTimed: false };
    case "burstgpt":
    case "timed_trace":
    case "trace":
      return fromFile(options, random);
    case "mix": {
      const arrivals = { kind: "poisson", ratePerSecond: 1 } as const;
      const { lengthScale, maxPromptTokens, maxTotalTokens } = options;
      const mix = threeClassMix({ arrivals, count, lengthScale, maxPromptTokens, maxTotalTokens });
      return { trace: generateTrace(mix, random), isTimed: true };
    }
    default:
      return { trace: published(options, count, random), isTimed: true };
  }
}

/** Prompts and answers of even lengths, all prompts beginning alike when asked. */
function randomTrace(options: DatasetOptions, count: number, random: RandomStream): Trace {
  const { inputLen, outputLen, rangeRatio, prefixLen } = options.random;
  const [lengths, outputs] = [random.fork("input"), random.fork("output")];
  const within = (length: number, stream: RandomStream): number =>
    stream.int(Math.max(1, Math.floor(length * (1 - rangeRatio))), Math.max(1, Math.ceil(length * (1 + rangeRatio))));
  const requests = Array.from({ length: count }, (_, id): TraceRequest => {
    const promptTokens = prefixLen + within(inputLen, lengths);
    const outputTokens = within(outputLen, outputs);
    return { id, arrivalMs: 0, promptTokens, outputTokens, ...(prefixLen > 0 ? { hashIds: [0] } : {}) };
  });
  return { name: "random", source: "generator", blockTokens: prefixLen, requests };
}

function published(options: DatasetOptions, count: number, random: RandomStream): Trace {
  const name = options.name.replace(/^like-/, "");
  if (!Object.hasOwn(PUBLISHED_WORKLOADS, name) || !options.name.startsWith("like-")) {
    return fail("invalid_request", `dataset: expected one of ${DATASET_NAMES.join(", ")}, got "${options.name}"`, {
      param: "dataset-name",
    });
  }
  const { lengthScale, maxPromptTokens, maxTotalTokens } = options;
  const workload = publishedWorkload(name as PublishedName, { count, maxPromptTokens, maxTotalTokens });
  if (lengthScale === 1) return generateTrace(workload, random);
  const classes = workload.classes.map((one) => {
    const { shape } = one;
    if (shape.kind !== "single") {
      return fail("invalid_request", `length-scale: ${name} shares prefixes, its lengths cannot be scaled`);
    }
    const scaled = (of: typeof shape.prompt) => ({ kind: "scaled", by: lengthScale, of }) as const;
    return { ...one, shape: { ...shape, prompt: scaled(shape.prompt), output: scaled(shape.output) } };
  });
  return generateTrace({ ...workload, classes }, random);
}

function fromFile(options: DatasetOptions, random: RandomStream): Dataset {
  const trace = fileTrace(options);
  const isTimed = trace.source !== "sharegpt";
  if (!isTimed) return { trace: untimed(trace, options, random), isTimed };
  const requests = trace.requests.slice(0, options.count ?? trace.requests.length);
  return { trace: { ...trace, requests }, isTimed };
}

/** Any trace file or recording; which one it is, its beginning says. */
function fileTrace(options: DatasetOptions): Trace {
  const path = pathOf(options);
  const format = detectFormat(beginning(path), path);
  if (format === "recording") return recordingTrace(readRecording(fileChunks(path), path));
  const { countTokens, blockTokens } = options;
  const reader = createReader(format, {
    name: path,
    countTokens,
    ...(blockTokens === undefined ? {} : { blockTokens }),
  });
  const trace = readTrace(reader, fileChunks(path));
  if (trace.requests.length === 0)
    return fail("invalid_file", `${path}: expected requests, got none that can be replayed`);
  return trace;
}

/** vLLM's custom dataset: a JSON object a line with `prompt` and perhaps `output_tokens`. */
function customTrace(options: DatasetOptions): Trace {
  const path = pathOf(options);
  const requests: TraceRequest[] = [];
  const lines = [...fileChunks(path)].join("").split("\n");
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "") continue;
    const row = readRow(line, path, i + 1);
    const { prompt, output_tokens: tokens } = row;
    if (typeof prompt !== "string") {
      return fail("invalid_file", `${path} line ${i + 1}: prompt: expected a string, got ${typeof prompt}`);
    }
    const outputTokens = options.outputLen ?? (typeof tokens === "number" ? tokens : CUSTOM_OUTPUT_TOKENS);
    const promptTokens = Math.max(1, options.countTokens(prompt));
    requests.push({ id: requests.length, arrivalMs: 0, promptTokens, outputTokens, text: prompt });
  }
  if (requests.length === 0) return fail("invalid_file", `${path}: expected lines with prompts, got none`);
  return { name: path, source: "custom", blockTokens: 0, requests };
}

function readRow(line: string, path: string, number: number): { prompt?: unknown; output_tokens?: unknown } {
  try {
    const row: unknown = JSON.parse(line);
    if (row !== null && typeof row === "object") return row;
  } catch {
    // said below: both ways of being no object are the same mistake
  }
  return fail("invalid_file", `${path} line ${number}: expected a JSON object, got "${line.slice(0, 60)}"`);
}

/** As many as asked for, in an order drawn by seed, some repeatedly where there are too few. */
function untimed(trace: Trace, options: DatasetOptions, random: RandomStream): Trace {
  const { count = trace.requests.length, disableShuffle, noOversample } = options;
  const order = disableShuffle ? [...trace.requests] : random.fork("shuffle").shuffled(trace.requests);
  const chosen = order.slice(0, count);
  const repeats = random.fork("oversample");
  while (!noOversample && chosen.length < count) chosen.push(repeats.pick(order));
  return { ...trace, requests: chosen.map((request, id) => ({ ...request, id })) };
}

function pathOf({ name, path }: DatasetOptions): string {
  return path ?? fail("invalid_request", `dataset ${name}: expected a file, got none`, { param: "dataset-path" });
}

const CHUNK_BYTES = 1 << 20;

/** A file's text in pieces, so that only what is kept of it stays in memory. */
export function* fileChunks(path: string, chunkBytes: number = CHUNK_BYTES): Generator<string> {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (cause) {
    fail("not_found", `${path}: cannot be read`, { cause });
  }
  try {
    const decoder = new StringDecoder("utf8");
    const buffer = Buffer.alloc(chunkBytes);
    for (;;) {
      const size = readSync(file, buffer, 0, chunkBytes, null);
      if (size === 0) break;
      yield decoder.write(buffer.subarray(0, size));
    }
    yield decoder.end();
  } finally {
    closeSync(file);
  }
}

function beginning(path: string): string {
  for (const chunk of fileChunks(path, 4096)) return chunk;
  return "";
}
