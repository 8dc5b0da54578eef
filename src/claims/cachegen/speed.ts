/**
 * Claim 32, times: the entropy coder and the codec in MB/s, and how long a context takes to be there over links from slow
 * to fast: as text that is computed, as int8 pages, as coded chunks. Computing and decoding are measured, interleaved; a
 * link is its bytes over its rate. A third model size has random weights: its cache has a size and a speed, no quality.
 */
import { median } from "../../core/index.ts";
import {
  cacheShape,
  int8TokenBytes,
  KvCodec,
  pagesToPlanes,
  PredictionProfiler,
  TableProfiler,
  type CodecLevel,
} from "../../cluster/index.ts";
import { measureEntropyCoder } from "../../kernels/index.ts";
import { randomModel, StepExecutor, type DecoderConfig } from "../../llm/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { absolute, decide, medianInterval95 } from "../statistics.ts";
import {
  CHUNK_TOKENS,
  chunksOf,
  computeContext,
  drawTexts,
  openSubject,
  profiledCodec,
  type Subject,
} from "./setup.ts";

/** Megabits per second. */
const BANDWIDTHS = [1, 3, 10, 30, 100, 300, 1000, 3000] as const;
const DELAY_TARGET = 2.7;
const TEXT_BYTES_PER_TOKEN = 2;
/** The encoders whose times are taken, at the level that their delays are of. */
const ARMS = [
  { variant: "predicted", level: 1 },
  { variant: "anchored", level: 2 },
] as const satisfies readonly CodecLevel[];

const SPEED_PROFILES = {
  full: { tokens: 4096, sensitivityTexts: 0 },
  quick: { tokens: 1024, sensitivityTexts: 0 },
  smoke: { tokens: 448, sensitivityTexts: 0 },
} as const;

/** A shape between the built-in ones and a small model of the hub. */
const THIRD: DecoderConfig = {
  vocabSize: 2048,
  hidden: 512,
  layers: 8,
  heads: 8,
  kvHeads: 4,
  headDim: 64,
  ffn: 1408,
  ropeTheta: 1_000_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 1024,
};

/** One encoder at one level. */
interface Arm {
  readonly level: (typeof ARMS)[number];
  readonly bytes: number;
  readonly encodeMs: number[];
  readonly decodeMs: number[];
}

interface Times {
  readonly label: string;
  readonly tokens: number;
  readonly int8Bytes: number;
  readonly rawBytes: number;
  readonly prefillMs: number[];
  readonly arms: readonly Arm[];
  /** Encoding and decoding the stored bytes exactly. */
  readonly losslessMs: [encode: number, decode: number][];
  readonly losslessBytes: number;
}

export async function measureSpeeds(context: ClaimContext): Promise<Measured[]> {
  const lines = await coderLines(context);
  const base = await openSubject(context.mode === "smoke" ? "punctual-small" : "punctual-base");
  try {
    const codec = await profiledCodec(base, SPEED_PROFILES[context.mode], context.seed);
    const length = context.mode === "smoke" ? 64 : 128;
    const [text] = drawTexts(base, "test", length, 1, context.seed);
    const tokens = text!.tokens.slice(0, text!.contextTokens);
    lines.push(...timeLines(await timeContext(context, base, codec, tokens)));
  } finally {
    await base.executor.dispose();
  }
  if (context.mode !== "smoke") lines.push(...(await thirdSize(context)));
  return lines;
}

async function coderLines({ clock, mode }: ClaimContext): Promise<Measured[]> {
  const symbols = { full: 2 ** 22, quick: 2 ** 20, smoke: 2 ** 14 }[mode];
  const speed = await measureEntropyCoder({ clock, symbols, passes: mode === "smoke" ? 1 : 5 });
  const line = (way: string, megabytes: number): Measured =>
    absolute(
      {
        metric: `entropy coder, ${way}`,
        unit: "MB/s",
        better: "higher",
        kind: "live",
        note: `bytes of symbols, one thread; ${speed.bitsPerSymbol.toFixed(3)} bits a symbol where its tables say ${speed.entropyBitsPerSymbol.toFixed(3)}`,
      },
      [megabytes],
      null,
    );
  return [line("encoding", speed.encodeMegabytesPerSecond), line("decoding", speed.decodeMegabytesPerSecond)];
}

async function timeContext(
  context: ClaimContext,
  subject: Subject,
  codec: KvCodec,
  tokens: readonly number[],
): Promise<Times> {
  const { clock } = context;
  const repeats = { full: 15, quick: 5, smoke: 1 }[context.mode];
  const pages = Buffer.from(await computeContext(subject, tokens));
  const chunks = chunksOf(pages, tokens);
  const timed = <T>(action: () => T): [T, number] => {
    const startMs = clock.nowMs();
    return [action(), clock.nowMs() - startMs];
  };
  const encode = (level: CodecLevel) => chunks.map((chunk) => codec.encode(chunk, level));
  const decode = (all: readonly Uint8Array[]) => all.map((bytes, i) => codec.decode(bytes, chunks[i]));
  const exact = encode({ variant: "lossless" });
  const coded = ARMS.map(encode);
  const bytesOf = (all: readonly Uint8Array[]): number => all.reduce((sum, { length }) => sum + length, 0);
  const times: Times = {
    label: `${subject.name}, ${tokens.length} tokens`,
    tokens: tokens.length,
    int8Bytes: int8TokenBytes(subject.shape) * tokens.length,
    rawBytes: pages.length,
    prefillMs: [],
    arms: ARMS.map((level, i) => ({ level, bytes: bytesOf(coded[i]!), encodeMs: [], decodeMs: [] })),
    losslessMs: [],
    losslessBytes: bytesOf(exact),
  };
  for (let i = 0; i < repeats; i++) {
    const startMs = clock.nowMs();
    await computeContext(subject, tokens);
    times.prefillMs.push(clock.nowMs() - startMs);
    times.arms.forEach((arm, at) => {
      arm.encodeMs.push(timed(() => encode(arm.level))[1]);
      arm.decodeMs.push(timed(() => decode(coded[at]!))[1]);
    });
    const exactly = timed(() => encode({ variant: "lossless" }))[1];
    times.losslessMs.push([exactly, timed(() => decode(exact))[1]]);
  }
  return times;
}

const rate = (bytes: number, ms: number): number => bytes / 1000 / Math.max(1e-3, ms);

function timeLines(times: Times): Measured[] {
  const { label, rawBytes } = times;
  const speed = (what: string, ms: readonly number[], note: string): Measured =>
    absolute(
      { metric: `${label}: ${what}`, unit: "MB/s", better: "higher", kind: "live", note },
      ms.map((each) => rate(rawBytes, each)),
      null,
    );
  const stored = `of stored f32 bytes, one thread; exact coding leaves ${((100 * times.losslessBytes) / rawBytes).toFixed(1)} % of them`;
  return [
    ...times.arms.flatMap(({ level, encodeMs, decodeMs }) => {
      const name = `${level.variant} ${level.level}`;
      const note = `of stored f32 bytes, one thread, ${name}: turning keys, quantising and coding`;
      return [speed(`encoding, ${level.variant}`, encodeMs, note), speed(`decoding, ${level.variant}`, decodeMs, note)];
    }),
    speed(
      "exact encoding",
      times.losslessMs.map(([ms]) => ms),
      stored,
    ),
    speed(
      "exact decoding",
      times.losslessMs.map(([, ms]) => ms),
      stored,
    ),
    delayLine(times, "int8"),
    delayLine(times, "text"),
  ];
}

/** Milliseconds until a context is there over a link of so many megabits per second. */
function delays(times: Times, arm: Arm, megabits: number, i: number): { text: number; int8: number; coded: number } {
  const bytesPerMs = (megabits * 1e6) / 8 / 1000;
  return {
    text: (times.tokens * TEXT_BYTES_PER_TOKEN) / bytesPerMs + times.prefillMs[i]!,
    int8: times.int8Bytes / bytesPerMs,
    // Chunks are decoded while the next are fetched: the longer of both, and the last one's decoding.
    coded: codedDelay(times.tokens, arm.bytes / bytesPerMs, arm.decodeMs[i]!),
  };
}

function codedDelay(tokens: number, fetchMs: number, decodeMs: number): number {
  const chunks = Math.ceil(tokens / CHUNK_TOKENS);
  return Math.max(fetchMs + decodeMs / chunks, fetchMs / chunks + decodeMs);
}

type Delays = ReturnType<typeof delays>;

const codedMs = (samples: readonly Delays[]): number => median(samples.map(({ coded }) => coded));

const armName = ({ level }: Arm): string => `${level.variant} ${level.level}`;

function delayLine(times: Times, against: "int8" | "text"): Measured {
  const rows = BANDWIDTHS.map((megabits) => {
    // A controller knows bytes and what decoding takes: it fetches what is there first.
    const byArm = times.arms.map((arm) => ({
      arm,
      samples: times.prefillMs.map((_, i) => delays(times, arm, megabits, i)),
    }));
    const soonest = byArm.reduce((a, b) => (codedMs(b.samples) < codedMs(a.samples) ? b : a));
    const { samples } = soonest;
    return { megabits, ...soonest, ratios: samples.map((sample) => sample[against] / sample.coded) };
  });
  const best = rows.reduce((a, b) => (median(b.ratios) > median(a.ratios) ? b : a));
  const interval95 = medianInterval95(best.ratios);
  const ours = codedMs(best.samples);
  const crossing = rows.filter(({ ratios }) => median(ratios) >= 1).map(({ megabits }) => megabits);
  const won = crossing.length === 0 ? "nowhere" : `from ${Math.min(...crossing)} to ${Math.max(...crossing)} Mbit/s`;
  return {
    metric: `${times.label}: delay until the context is there, against ${against}`,
    unit: "ms",
    better: "lower",
    ours,
    baseline: median(best.samples.map((sample) => sample[against])),
    ratio: median(best.ratios),
    target: DELAY_TARGET,
    target_on: "ratio",
    samples: best.ratios.length,
    interval95,
    holds: decide(interval95, DELAY_TARGET, "higher"),
    kind: "live",
    paper_says: "2.7-3x lower",
    note: `at ${best.megabits} Mbit/s, where ${against} is weakest of those measured; sooner ${won}; computing and decoding measured, the link is bytes over rate; ${armName(best.arm)} there, at every rate the encoder that is there first; their losses are in the curves of the grid`,
    curve: rows.map(({ megabits, arm, samples }) => ({
      megabits,
      encoder: armName(arm),
      text_ms: median(samples.map(({ text }) => text)),
      int8_ms: median(samples.map(({ int8 }) => int8)),
      coded_ms: codedMs(samples),
    })),
  };
}

/** Sizes and speeds of a larger shape, whose weights are random. */
async function thirdSize(context: ClaimContext): Promise<Measured[]> {
  const model = randomModel(THIRD, 1);
  const pages = Int32Array.from({ length: 64 }, (_, page) => page);
  await using executor = await StepExecutor.create({
    config: THIRD,
    weights: model.weights,
    weightsFormat: "f32",
    threads: 2,
    kv: { format: "f32", pages: pages.length, pageTokens: 16 },
    maxRows: 1024,
  });
  const shape = cacheShape(THIRD, { format: "f32", pageTokens: 16 }, "random-8x512");
  const subject: Subject = { name: "random weights, 8 layers of 512", model, executor, shape, pages };
  const tokensOf = (count: number, step: number): number[] =>
    Array.from({ length: count }, (_, i) => (i * step) % THIRD.vocabSize);
  const [anchored, predicted] = [new TableProfiler(shape), new PredictionProfiler(shape)];
  const profiled = tokensOf(512, 37);
  const planes = pagesToPlanes(shape, await computeContext(subject, profiled), profiled.length, 0);
  anchored.add(planes);
  predicted.add(planes, profiled);
  const codec = await KvCodec.create(shape, { tables: anchored.finish(), prediction: predicted.finish() });
  const lines: Measured[] = [];
  for (const length of context.mode === "full" ? [256, 512, 1024] : [256]) {
    const times = await timeContext(context, subject, codec, tokensOf(length, 53));
    const untold = "; random weights have no quality to lose, so this size has no target";
    for (const line of timeLines(times)) {
      if (line.metric.includes("exact")) continue;
      lines.push({ ...line, target: null, holds: null, note: line.note + untold });
    }
  }
  return lines;
}
