/** Claim `rivals`: from the rounds of one shape to the lines that are published. */
import { median } from "../../core/index.ts";
import { EMBEDDING_NAME, parameterSpecs, type DecoderConfig } from "../../llm/index.ts";
import type { Measured } from "../framework.ts";
import { absolute, compare } from "../statistics.ts";
import type { ArmName } from "./arm-process.ts";
import type { HttpPair } from "./http-overhead.ts";
import type { MeasuredShape } from "./shapes.ts";

/** What one process of an arm gave in one round. */
export interface ArmRound {
  readonly loadMs: number;
  /** Milliseconds to the first token, by length of the prompt: the median of a few. */
  readonly firstTokenMs: Readonly<Record<number, number>>;
  /** The first tokens, prompt by prompt. */
  readonly tokens: readonly number[];
  /** Tokens per second of all streams together, by number of streams. */
  readonly rates: Readonly<Record<number, number>>;
  /** With the most streams. */
  readonly lagMs: number;
  readonly pssMiB: number;
  readonly rssMiB: number;
}

/** One shape, measured. Entry i of each list is of round i. */
export interface ShapeSamples {
  readonly shape: MeasuredShape;
  readonly config: DecoderConfig;
  readonly arms: Readonly<Record<ArmName, readonly ArmRound[]>>;
  /** Our load without a weight cache, once. */
  readonly coldLoadMs: number;
  /** What two threads read per second, in each round, GB. */
  readonly gigabytesPerSecond: readonly number[];
}

const RIVAL = "node-llama-cpp";
const OTHER = "transformers.js";
const TARGET_ONE = 1;
const TARGET_EIGHT = 5;
const TARGET_EIGHT_OTHER = 3;
const TARGET_PREFILL = 1;
/** At most twice the rival's time. */
const TARGET_LOAD = 0.5;
const TARGET_HTTP_MS = 3;
/** Q4_0: 16 bytes of codes and a half-precision scale for 32 weights. */
const BYTES_PER_WEIGHT = { F16: 2, Q4_0: 18 / 32 } as const;
/** Below this a decode reads its weights from the caches, and memory is no limit. */
const CACHED_BYTES = 64 * 2 ** 20;

/** What a target is on. */
type Subject = "oneStream" | "streams" | "prompt" | "load";

const LOAD =
  "beside reading weights, a start of ours makes a worker and a session for every layer boundary, and ONNX Runtime packs the weights of " +
  "each of them again even where it then maps the packed ones of the cache: nine tenths of a session's making";

/** Why a line falls short of its target: what profiles say, in words that do not depend on the machine's mood. */
const WHY: Readonly<Record<MeasuredShape["storage"], Readonly<Record<Subject, string>>>> = {
  Q4_0: {
    oneStream:
      "one stream waits for memory: ONNX Runtime packs blocks of 32 into 0.75 bytes a weight (codes, f32 scales, block sums) where " +
      "llama.cpp reads 0.5625, and each of a step's sessions wakes its second thread anew",
    streams:
      "several streams wait for arithmetic: two thirds of our step are ONNX Runtime's kernel for blocks of 32, two fifths more than " +
      "with blocks of 128, which a Q4_0 file does not have; node-llama-cpp's step of eight is slow only beside busy neighbours (rivals/README.md)",
    prompt:
      "prompts wait for arithmetic: on blocks of 32 ggml's kernel does about a fifth more per second than ONNX Runtime's, which on " +
      "blocks of 128 does as much",
    load: LOAD,
  },
  F16: {
    oneStream:
      "the weights are computed with in f32, twice the bytes of the file that llama.cpp reads, and in so small a model what a step costs " +
      "whatever it holds (a session for every layer boundary, a message to the main thread) weighs heavily beside its arithmetic",
    streams:
      "in so small a model eight streams share little: what a step costs whatever it holds (a session for every layer boundary, " +
      "sampling and a message for each stream) weighs heavily beside the weights that they read once for all",
    prompt:
      "the prompt is computed in several steps, so that a request that comes meanwhile would not wait for all of it, and with f32 " +
      "weights where llama.cpp reads half of the bytes",
    load: LOAD,
  },
};
const WHY_HTTP =
  "beside the turns of two event loops that a local connection takes, the server parses, checks and frames each answer on the engine's main thread";

/** The line, with the reason where its target is not seen to be met. */
function explained(line: Measured, why: string): Measured {
  return line.target === null || line.holds === true ? line : { ...line, note: `${line.note}. ${why}` };
}

type Baseline = typeof RIVAL | typeof OTHER;

/** Lines of one shape: the arms' samples of one figure side by side. */
class ShapeLines {
  readonly lines: Measured[] = [];
  readonly #samples: ShapeSamples;

  constructor(samples: ShapeSamples) {
    this.#samples = samples;
  }

  versus(
    text: Pick<Measured, "metric" | "unit" | "better" | "note">,
    of: (round: ArmRound) => number,
    targets: Partial<Record<Baseline, number>>,
    subject: Subject | null = null,
  ): void {
    const { shape, arms } = this.#samples;
    for (const baseline of [RIVAL, OTHER] as const) {
      const metric = `${shape.name}: ${text.metric}, against ${baseline}`;
      const line = { ...text, metric, kind: "live" } as const;
      const measured = compare(line, arms.punctual.map(of), arms[baseline].map(of), targets[baseline] ?? null);
      this.lines.push(subject === null ? measured : explained(measured, WHY[shape.storage][subject]));
    }
  }
}

/** Bytes that one token of one stream reads: every matrix but the embedding table, of which it reads one row. */
export function bytesPerToken(config: DecoderConfig, storage: MeasuredShape["storage"]): number {
  const weights = parameterSpecs(config)
    .filter(({ name, dims }) => dims.length === 2 && (config.tiedEmbeddings || name !== EMBEDDING_NAME))
    .reduce((sum, { dims }) => sum + dims[0]! * dims[1]!, 0);
  return weights * BYTES_PER_WEIGHT[storage];
}

/** All lines of one shape. */
export function shapeLines(samples: ShapeSamples): Measured[] {
  const { shape, config } = samples;
  const all = new ShapeLines(samples);
  const weights = shape.config === null ? "the weights as shipped" : `random ${shape.storage} weights, speed only`;
  const note = `${weights}, the same in every arm; 2 threads each, ${shape.rounds} rounds of one process each`;
  for (const streams of shape.streams) {
    all.versus(
      {
        metric: `decode of ${streams} ${streams === 1 ? "stream" : "streams"}`,
        unit: "tokens/s",
        better: "higher",
        note,
      },
      ({ rates }) => rates[streams]!,
      streams === 1
        ? { [RIVAL]: TARGET_ONE }
        : streams === 8
          ? { [RIVAL]: TARGET_EIGHT, [OTHER]: TARGET_EIGHT_OTHER }
          : {},
      streams === 1 ? "oneStream" : "streams",
    );
  }
  for (const length of shape.prompts) {
    all.versus(
      { metric: `first token after ${length} tokens`, unit: "ms", better: "lower", note },
      ({ firstTokenMs }) => firstTokenMs[length]!,
      { [RIVAL]: TARGET_PREFILL },
      "prompt",
    );
  }
  all.versus(
    { metric: "load", unit: "ms", better: "lower", note: `${note}; ours from its weight cache, imports included` },
    ({ loadMs }) => loadMs,
    { [RIVAL]: TARGET_LOAD },
    "load",
  );
  const most = Math.max(...shape.streams);
  const after = `after all of the above, ${most} streams last`;
  all.versus({ metric: "memory (PSS)", unit: "MiB", better: "lower", note: after }, ({ pssMiB }) => pssMiB, {});
  all.versus({ metric: "memory (RSS)", unit: "MiB", better: "lower", note: after }, ({ rssMiB }) => rssMiB, {});
  const lag = `p99 of how late a 1 ms timer is while ${most} streams decode`;
  all.versus({ metric: "event loop", unit: "ms late", better: "lower", note: lag }, ({ lagMs }) => lagMs, {});
  return [...all.lines, ...ownLines(samples), ...limitLines(samples, bytesPerToken(config, shape.storage))];
}

function ownLines({ shape, arms, coldLoadMs }: ShapeSamples): Measured[] {
  const cold = {
    metric: `${shape.name}: load without a weight cache`,
    unit: "ms",
    better: "lower",
    kind: "live",
    note: "once for a model and a machine: weights are packed and kept",
  } as const;
  return [
    absolute(cold, [coldLoadMs], null),
    ...([RIVAL, OTHER] as const).map((other) => agreementLine(shape, arms, other)),
  ];
}

/** That the arms run the same model. Not a target: random weights give near ties, and each side rounds in its own way. */
function agreementLine(shape: MeasuredShape, arms: ShapeSamples["arms"], other: Baseline): Measured {
  const equal = arms.punctual.flatMap(({ tokens }, round) =>
    tokens.map((token, i): number => (token === arms[other][round]!.tokens[i] ? 1 : 0)),
  );
  const text = {
    metric: `${shape.name}: first tokens as ${other} chooses them`,
    unit: "of 1",
    better: "higher",
    kind: "live",
    note: "that the arms run the same model; activations are rounded to 8 bits, differently, and random weights give near ties",
  } as const;
  const share = equal.reduce((sum, value) => sum + value, 0) / equal.length;
  return { ...absolute(text, equal, null), ours: share, interval95: null };
}

/** Decode of one stream beside what memory allows, for ours and for the rival. */
function limitLines({ shape, arms, gigabytesPerSecond }: ShapeSamples, bytes: number): Measured[] {
  if (bytes < CACHED_BYTES) return [];
  const limits = gigabytesPerSecond.map((gigabytes) => (gigabytes * 1e9) / bytes);
  const rateOf = ({ rates }: ArmRound): number => rates[1]!;
  const rival = median(arms[RIVAL].map((round, i) => rateOf(round) / limits[i]!));
  return [
    compare(
      {
        metric: `${shape.name}: decode of 1 stream, against the memory's limit`,
        unit: "tokens/s",
        better: "higher",
        kind: "live",
        note:
          `${(bytes / 1e6).toFixed(1)} MB of weights per token over ${median(gigabytesPerSecond).toFixed(1)} GB/s that two threads read; ` +
          `${RIVAL} reaches ${rival.toFixed(2)} of it`,
      },
      arms.punctual.map(rateOf),
      limits,
      null,
    ),
  ];
}

/** What HTTP adds. */
export function httpLines(pairs: readonly HttpPair[]): Measured[] {
  const line = { unit: "ms", better: "lower", kind: "live" } as const;
  const note = `punctual-base, idle, prompts of 32 tokens; ${pairs.length} pairs in turn, loopback, one kept connection, 1 thread`;
  const added = pairs.map(({ httpMs, inProcessMs }) => httpMs - inProcessMs);
  const inProcess = pairs.map(({ inProcessMs }) => inProcessMs);
  return [
    explained(absolute({ ...line, metric: "HTTP adds to the first token", note }, added, TARGET_HTTP_MS), WHY_HTTP),
    absolute({ ...line, metric: "first token in process, for that", note }, inProcess, null),
  ];
}
