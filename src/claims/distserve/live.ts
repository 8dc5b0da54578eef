/**
 * The live arm of claim 13: two colocated engines of one thread each, prefill-first, asked in turn, against one engine
 * with a prefill and a decode worker of one thread each and a cache each. Same weights, same requests, same pages in all.
 *
 * Prompts are long and answers short, as in code completion. Objectives are set before any load from what a request of
 * mean length takes alone: nine times its first token, twice its pace. Arms take turns at every rate of a fixed grid; the
 * whole curve is published. An arm that fails at the lowest rate counts as if it attained there.
 */
import { assert, createRandom, median } from "../../core/index.ts";
import type { DecoderConfig } from "../../llm/index.ts";
import { Engine, type GenerateRequest } from "../../runtime/index.ts";
import { sloOutcome, type Slo } from "../../sched/index.ts";
import { scaleLengths, withArrivals, type Trace } from "../../workload/index.ts";
import type { ClaimContext, Measured } from "../framework.ts";
import { openLoop, type LoadRun, type RequestTimes } from "../live-load.ts";
import { absolute, compare } from "../statistics.ts";
import { ATTAIN, fittingTrace, latencySlo } from "./workloads.ts";

interface Size {
  readonly model: DecoderConfig;
  readonly modelName: string;
  /** Of prompts, against those of the trace. */
  readonly promptScale: number;
  readonly rounds: number;
  readonly requests: number;
  /** Total rates, in multiples of what one worker could compute if it only computed prompts. */
  readonly loads: readonly number[];
}

const decoder = (hidden: number, layers: number, ffn: number): DecoderConfig => ({
  vocabSize: 2048,
  hidden,
  layers,
  heads: hidden / 32,
  kvHeads: 2,
  headDim: 32,
  ffn,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 4096,
});

const SIZES: Readonly<Record<ClaimContext["mode"], Size>> = {
  smoke: { model: decoder(64, 2, 128), modelName: "64x2", promptScale: 0.05, rounds: 1, requests: 6, loads: [0.5] },
  quick: {
    model: decoder(256, 4, 768),
    modelName: "256x4",
    promptScale: 0.25,
    rounds: 1,
    requests: 30,
    loads: [0.2, 0.35, 0.5, 0.65, 0.8],
  },
  full: {
    model: decoder(256, 4, 768),
    modelName: "256x4",
    promptScale: 0.25,
    rounds: 5,
    requests: 50,
    loads: [0.15, 0.25, 0.35, 0.5, 0.65, 0.8],
  },
};

const TTFT_FACTOR = 9;
const TPOT_FACTOR = 2;
const PAGE_TOKENS = 16;
const KV_PAGES = 1600;
const MAX_RUNNING = 32;
const LONE_RUNS = 5;
const MOST_ANSWER_TOKENS = 64;
const FIRST_ID = 32;

interface Arms extends AsyncDisposable {
  /** Two that do both. */
  readonly colocated: readonly [Engine, Engine];
  readonly disaggregated: Engine;
}

/** What a lone request takes, milliseconds. */
interface Lone {
  readonly ttftMs: number;
  readonly tpotMs: number;
}

/** Attainment of both arms at one rate of one round. */
interface Point {
  readonly round: number;
  readonly load: number;
  readonly ratePerSecond: number;
  readonly colocated: number;
  readonly disaggregated: number;
}

/** The live lines. */
export async function measureLive(context: ClaimContext): Promise<Measured[]> {
  const size = SIZES[context.mode];
  context.progress("13: starting engines");
  await using arms = await startArms(size, context.seed);
  const trace = liveTrace(size, context.seed);
  const lone = await measureLone(arms.colocated[0], meanRequest(trace, size.model.vocabSize, context.seed), context);
  const slo = latencySlo(TTFT_FACTOR * lone.ttftMs, TPOT_FACTOR * lone.tpotMs);
  const points: Point[] = [];
  const copied = { ms: 0, e2eMs: 0 };
  for (let round = 0; round < size.rounds; round++) {
    for (const load of size.loads) {
      context.progress(`13: live, round ${round + 1} of ${size.rounds}, load ${load}`);
      points.push(await measurePoint(arms, context, size, slo, round, load, (load * 1000) / lone.ttftMs, copied));
    }
  }
  return linesOf(points, size, slo, copied);
}

async function startArms({ model, promptScale }: Size, seed: number): Promise<Arms> {
  const contextTokens = Math.ceil(2048 * promptScale) + MOST_ANSWER_TOKENS + PAGE_TOKENS;
  const common = {
    model: { random: model, seed },
    threads: 1,
    weights: "f32",
    policy: "prefill-first",
    maxRunning: MAX_RUNNING,
    pageTokens: PAGE_TOKENS,
    prefixCache: false,
    contextTokens,
    maxStepTokens: contextTokens + MAX_RUNNING,
  } as const;
  const started: Engine[] = [];
  const stop = async (): Promise<void> => {
    for (const engine of started) await engine.stop({ graceMs: 0 });
  };
  try {
    for (let i = 0; i < 2; i++) started.push(await Engine.start({ ...common, kvPages: KV_PAGES / 2 }));
    started.push(await Engine.start({ ...common, kvPages: KV_PAGES, phases: "disaggregated" }));
  } catch (error) {
    await stop();
    throw error;
  }
  const [first, second, third] = started;
  return { colocated: [first!, second!], disaggregated: third!, [Symbol.asyncDispose]: stop };
}

/** Lengths of the code trace, prompts shorter by a factor: as long for our model as theirs are for theirs. */
function liveTrace({ promptScale, requests }: Size, seed: number): Trace {
  const trace = fittingTrace("azure-code", requests, seed);
  const short = scaleLengths(trace, { prompt: promptScale });
  return {
    ...short,
    requests: short.requests.map((one) => ({
      ...one,
      outputTokens: Math.max(2, Math.min(MOST_ANSWER_TOKENS, one.outputTokens)),
    })),
  };
}

function drawRequest(promptTokens: number, maxTokens: number, vocabSize: number, seed: string): GenerateRequest {
  const random = createRandom(seed, "prompt");
  return {
    promptTokens: Array.from({ length: promptTokens }, () => random.int(FIRST_ID, vocabSize - 1)),
    maxTokens,
    ignoreEos: true,
    sampling: { temperature: 0 },
  };
}

function meanRequest({ requests }: Trace, vocabSize: number, seed: number): GenerateRequest {
  const mean = (of: (one: Trace["requests"][number]) => number): number =>
    Math.max(2, Math.round(requests.reduce((sum, one) => sum + of(one), 0) / requests.length));
  return drawRequest(
    mean((one) => one.promptTokens),
    mean((one) => one.outputTokens),
    vocabSize,
    `lone ${seed}`,
  );
}

/** The first run warms up. */
async function measureLone(engine: Engine, request: GenerateRequest, { clock }: ClaimContext): Promise<Lone> {
  const runs: Lone[] = [];
  for (let run = 0; run <= LONE_RUNS; run++) {
    const { requests } = await openLoop(engine, [{ atMs: 0, request }], clock);
    const { arrivalMs, tokenMs } = requests[0]!;
    const [firstMs, lastMs] = [tokenMs[0]!, tokenMs.at(-1)!];
    if (run > 0) runs.push({ ttftMs: firstMs - arrivalMs, tpotMs: (lastMs - firstMs) / (tokenMs.length - 1) });
  }
  return { ttftMs: median(runs.map(({ ttftMs }) => ttftMs)), tpotMs: median(runs.map(({ tpotMs }) => tpotMs)) };
}

async function measurePoint(
  arms: Arms,
  { clock, seed }: ClaimContext,
  size: Size,
  slo: Slo,
  round: number,
  load: number,
  ratePerSecond: number,
  copied: { ms: number; e2eMs: number },
): Promise<Point> {
  const name = `${seed} round ${round} load ${load}`;
  const arrivals = { kind: "poisson", ratePerSecond } as const;
  const { requests } = withArrivals(liveTrace(size, seed + round), arrivals, createRandom(name, "arrivals"));
  const timed = requests.map(({ arrivalMs, promptTokens, outputTokens }, i) => ({
    atMs: arrivalMs,
    request: { ...drawRequest(promptTokens, outputTokens, size.model.vocabSize, `${name} ${i}`), slo },
  }));
  const colocated = async (): Promise<number> => {
    const runs = arms.colocated.map((engine, place) =>
      openLoop(
        engine,
        timed.filter((_, i) => i % 2 === place),
        clock,
      ),
    );
    return shareOf(await Promise.all(runs), slo);
  };
  const disaggregated = async (): Promise<number> => {
    const before = arms.disaggregated.stats().phases!.transfers.ms;
    const run = await openLoop(arms.disaggregated, timed, clock);
    copied.ms += arms.disaggregated.stats().phases!.transfers.ms - before;
    for (const { arrivalMs, tokenMs } of run.requests) copied.e2eMs += tokenMs.at(-1)! - arrivalMs;
    return shareOf([run], slo);
  };
  // Who goes first alternates.
  if ((round + size.loads.indexOf(load)) % 2 === 0) {
    const first = await colocated();
    return { round, load, ratePerSecond, colocated: first, disaggregated: await disaggregated() };
  }
  const first = await disaggregated();
  return { round, load, ratePerSecond, colocated: await colocated(), disaggregated: first };
}

function shareOf(runs: readonly LoadRun[], slo: Slo): number {
  const requests = runs.flatMap((run) => run.requests);
  const attained = ({ arrivalMs, tokenMs, done }: RequestTimes): boolean =>
    sloOutcome(slo, arrivalMs, tokenMs[0] ?? null, tokenMs.at(-1) ?? arrivalMs, tokenMs.length, done).attained;
  return requests.filter(attained).length / requests.length;
}

type Side = "colocated" | "disaggregated";

/** The rate at which attainment first falls below the share, by straight line between two rates of the grid. */
export function rateAt(points: readonly Pick<Point, Side | "ratePerSecond">[], side: Side): number {
  const [first] = points;
  assert(first !== undefined, "a curve has points");
  let before = first;
  for (const point of points) {
    if (point[side] < ATTAIN) {
      const fall = before[side] - point[side];
      if (fall <= 0) return before.ratePerSecond;
      const share = Math.max(0, before[side] - ATTAIN) / fall;
      return before.ratePerSecond + share * (point.ratePerSecond - before.ratePerSecond);
    }
    before = point;
  }
  return before.ratePerSecond;
}

function linesOf(
  points: readonly Point[],
  { rounds, loads, modelName }: Size,
  slo: Slo,
  copied: { readonly ms: number; readonly e2eMs: number },
): Measured[] {
  const byRound = Array.from({ length: rounds }, (_, round) => points.filter((point) => point.round === round));
  const curve = loads.map((load) => {
    const at = points.filter((point) => point.load === load);
    return {
      req_per_s: median(at.map(({ ratePerSecond }) => ratePerSecond)),
      prefill_first: median(at.map(({ colocated }) => colocated)),
      disaggregated: median(at.map(({ disaggregated }) => disaggregated)),
    };
  });
  const note = `${modelName} f32, two threads in all; TTFT ${slo.ttftMs!.toFixed(0)} ms, TPOT ${slo.tpotMs!.toFixed(2)} ms`;
  const text = { metric: "rate at 90 %, live", unit: "req/s", better: "higher", kind: "live", note, curve } as const;
  const share = {
    metric: "handing keys and values over, live",
    unit: "of end-to-end time",
    better: "lower",
    kind: "live",
    note: "all transfers against all latencies",
  } as const;
  const rates = (side: Side): number[] => byRound.map((round) => rateAt(round, side));
  return [
    compare(text, rates("disaggregated"), rates("colocated"), 1.5),
    absolute(share, [copied.ms / copied.e2eMs], 0.01),
  ];
}
