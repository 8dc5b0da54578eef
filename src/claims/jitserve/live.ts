/**
 * Claim `16`, live: one engine per policy on the built-in model, asked in turn with the same requests. Arrivals, classes and
 * tasks are those of the simulation; prompts are held-out items of the world the model was trained on, and answers are
 * as long as the model makes them, so that nobody knows beforehand. There is no oracle here for that reason.
 *
 * Objectives follow from the machine by a rule that was fixed beforehand: what they are to the paper's engine, in tokens of
 * one stream while every slot is taken (about 50 ms there), they are to ours.
 */
import { createRandom, median, PunctualError, type RandomStream } from "../../core/index.ts";
import { builtInModelDir, chatPrompt, Tokenizer } from "../../llm/index.ts";
import { Engine, type EngineOptions, type GenerateRequest } from "../../runtime/index.ts";
import type { Slo } from "../../sched/index.ts";
import { generateItem, SKILLS } from "../../world/index.ts";
import { generateTrace, threeClassMix, type TraceRequest } from "../../workload/index.ts";
import type { ClaimContext } from "../framework.ts";
import { closedLoop, type LoadRun } from "../live-load.ts";
import type { LoadPoint, Sample } from "./curve-lines.ts";
import { serveTrace, type Served } from "./live-clients.ts";
import { arrivalsOf, CHUNKED, FCFS, OURS, RIVALS, type Admission, type Arm } from "./setup.ts";

/** How much is measured. */
export interface LiveSize {
  readonly loads: readonly number[];
  /** Whether to measure at a load of FCFS's own capacity too. */
  readonly fcfsPoint: boolean;
  readonly admissions: readonly Admission[];
  readonly rounds: number;
  /** Of arrivals in one run. */
  readonly runMs: number;
  /** Of each capacity. */
  readonly capacityMs: number;
  /** Requests that each engine answers before the first run, at its own pace. */
  readonly warmRequests: number;
  /** Most tokens of an answer. */
  readonly maxTokens: number;
  /** Most tokens of a step; measured when absent. */
  readonly budgetTokens?: number;
}

/** Engines of the live arm. */
export const LIVE_ARMS: readonly Arm[] = [OURS, ...RIVALS];
const SLOTS = 16;
const MAX_WAITING = 64;
const ENGINE: EngineOptions = {
  model: { dir: builtInModelDir() },
  threads: 1,
  maxRunning: SLOTS,
  maxWaiting: MAX_WAITING,
  outlook: "learning",
  prefixCache: false,
};
/** The paper's objectives in tokens of one stream: 100 ms, 2 s, 20 s over the mean answer, 1 s of thinking. */
const PACE_TOKENS = 2;
const FIRST_TOKENS = 40;
const DEADLINE_ANSWERS = 4.4;
const THINK_TOKENS = 20;

/** What the machine was found to do. */
export interface LiveScale {
  /** Between two tokens of a stream, with every slot taken. */
  readonly gapMs: number;
  readonly answerTokens: number;
  /** Requests a second; FCFS's own beside that of the chunked arm. */
  readonly capacity: number;
  readonly fcfsCapacity: number;
}

/** Everything that was measured live. */
export interface LiveSamples {
  readonly scale: LiveScale;
  readonly points: readonly LoadPoint[];
  /** At FCFS's load, where it is asked for. */
  readonly fcfsPoints: readonly LoadPoint[];
}

/** Measures all arms; engines end with it. @param fcfsLoad of FCFS's own capacity, measured beside the loads. */
export async function measureLive(context: ClaimContext, size: LiveSize, fcfsLoad: number): Promise<LiveSamples> {
  await using engines = await startEngines(context, size);
  const bench = new Bench(context, size, engines.of);
  const scale = await bench.scale();
  const points: LoadPoint[] = [];
  const fcfsPoints: LoadPoint[] = [];
  for (const admission of size.admissions) {
    for (const load of size.loads) {
      points.push(await bench.point(scale, load * scale.capacity, { load, cv: 1, admission }, LIVE_ARMS));
    }
    if (!size.fcfsPoint) continue;
    const ratePerSecond = fcfsLoad * scale.fcfsCapacity;
    const load = ratePerSecond / scale.capacity;
    fcfsPoints.push(await bench.point(scale, ratePerSecond, { load, cv: 1, admission }, [OURS, FCFS]));
  }
  return { scale, points, fcfsPoints };
}

interface Engines extends AsyncDisposable {
  readonly of: ReadonlyMap<Arm, Engine>;
}

/** All with the step that one of them was measured to hold; what steps cost they learn while they warm up. */
async function startEngines(context: ClaimContext, size: LiveSize): Promise<Engines> {
  const of = new Map<Arm, Engine>();
  const budgetTokens = size.budgetTokens ?? (await calibratedBudget());
  const stop = async (): Promise<void> => {
    for (const engine of of.values()) await engine.stop({ graceMs: 0 });
  };
  try {
    for (const arm of LIVE_ARMS) {
      context.progress(`starting an engine, ${arm}`);
      const engine = await Engine.start({
        ...ENGINE,
        policy: arm,
        budgetTokens,
      });
      of.set(arm, engine);
    }
    const prompts = new Prompts(of.get(OURS)!, size.maxTokens, createRandom(0, "warm-up"));
    await Promise.all(Array.from(of.values(), (engine) => warmUp(engine, prompts, size.warmRequests)));
  } catch (error) {
    await stop();
    throw error;
  }
  return { of, [Symbol.asyncDispose]: stop };
}

async function calibratedBudget(): Promise<number> {
  await using engine = await Engine.start(ENGINE);
  return engine.stats().limits.budgetTokens;
}

/** Answers of which predictors learn, before anything counts. */
async function warmUp(engine: Engine, prompts: Prompts, requests: number): Promise<void> {
  for (let from = 0; from < requests; from += SLOTS) {
    const wave = Array.from({ length: Math.min(SLOTS, requests - from) }, async (_, i) => {
      for await (const event of engine.submit(prompts.request(from + i))) void event;
    });
    await Promise.all(wave);
  }
}

/** Held-out questions by number. */
class Prompts {
  readonly #tokenizer: Tokenizer;
  readonly #maxTokens: number;
  readonly #random: RandomStream;

  constructor(engine: Engine, maxTokens: number, random: RandomStream) {
    if (!(engine.tokenizer instanceof Tokenizer)) throw new PunctualError("unsupported", "a built-in model is needed");
    this.#tokenizer = engine.tokenizer;
    this.#maxTokens = maxTokens;
    this.#random = random;
  }

  request(number: number): GenerateRequest {
    const random = this.#random.fork(`item ${number}`);
    const item = generateItem(random.pick(SKILLS), "test", random);
    const promptTokens = chatPrompt(this.#tokenizer, item.turns.slice(0, -1));
    return { promptTokens, maxTokens: this.#maxTokens, sampling: { temperature: 0 } };
  }
}

class Bench {
  readonly #context: ClaimContext;
  readonly #size: LiveSize;
  readonly #engines: ReadonlyMap<Arm, Engine>;
  #runs = 0;

  constructor(context: ClaimContext, size: LiveSize, engines: ReadonlyMap<Arm, Engine>) {
    this.#context = context;
    this.#size = size;
    this.#engines = engines;
  }

  /** Both capacities with every slot taken and nobody in a hurry, and what one stream sees meanwhile. */
  async scale(): Promise<LiveScale> {
    this.#context.progress("capacities");
    const chunked = summarise(await this.#saturate(CHUNKED));
    const fcfs = summarise(await this.#saturate(FCFS));
    return {
      gapMs: chunked.gapMs,
      answerTokens: chunked.answerTokens,
      capacity: chunked.requestsPerSecond,
      fcfsCapacity: fcfs.requestsPerSecond,
    };
  }

  /** Some arms in turn on the same arrivals, so many requests a second; who goes first changes from round to round. */
  async point(
    scale: LiveScale,
    ratePerSecond: number,
    setting: Pick<LoadPoint, "load" | "cv" | "admission">,
    arms: readonly Arm[],
  ): Promise<LoadPoint> {
    const runs: Partial<Record<Arm, Sample[]>> = Object.fromEntries(arms.map((arm) => [arm, []]));
    const { rounds } = this.#size;
    for (let round = 0; round < rounds; round++) {
      this.#context.progress(
        `live, ${setting.load.toFixed(2)} of capacity, CV ${setting.cv}, ${round + 1} of ${rounds}`,
      );
      const seed = `live ${this.#context.seed} ${setting.cv} ${round}`;
      for (let turn = 0; turn < arms.length; turn++) {
        const arm = arms[(turn + this.#runs) % arms.length]!;
        runs[arm]?.push(await this.#run(arm, scale, ratePerSecond, setting, seed));
      }
      this.#runs += 1;
    }
    return { ...setting, runs };
  }

  async #run(
    arm: Arm,
    scale: LiveScale,
    ratePerSecond: number,
    { cv, admission }: Pick<LoadPoint, "cv" | "admission">,
    seed: string,
  ): Promise<Sample> {
    const engine = this.#engines.get(arm)!;
    const arrivals = ratePerSecond / requestsPerArrival(scale, seed);
    const requests = traceRequests(scale, arrivals, cv, admission, this.#size.runMs, seed);
    const prompts = new Prompts(engine, this.#size.maxTokens, createRandom(seed, "questions"));
    const served = await serveTrace(engine, requests, (id) => prompts.request(id), this.#context.clock);
    return sampleOf(served);
  }

  #saturate(arm: Arm): Promise<LoadRun> {
    const engine = this.#engines.get(arm)!;
    const prompts = new Prompts(engine, this.#size.maxTokens, createRandom(this.#context.seed, "capacity"));
    let next = 0;
    const { clock } = this.#context;
    const windowMs = this.#size.capacityMs;
    return closedLoop(engine, { clients: SLOTS, windowMs, clock, request: () => prompts.request(next++) });
  }
}

/** The mix of the simulation with this machine's objectives; lengths are the model's own. */
function traceRequests(
  { gapMs, answerTokens }: LiveScale,
  ratePerSecond: number,
  cv: number,
  onMiss: Slo["onMiss"],
  durationMs: number,
  seed: string,
): readonly TraceRequest[] {
  const deadlineMs = DEADLINE_ANSWERS * answerTokens * gapMs;
  const mix = threeClassMix({
    arrivals: arrivalsOf(ratePerSecond, cv),
    durationMs,
    onMiss,
    ttftMs: FIRST_TOKENS * gapMs,
    tpotMs: PACE_TOKENS * gapMs,
    deadlineMs,
    deadlinePerStageMs: deadlineMs,
    thinkMs: { kind: "lognormal", mean: THINK_TOKENS * gapMs, cv: 0.8 },
  });
  return generateTrace(mix, createRandom(seed, "jitserve")).requests;
}

const COUNTED_MS = 300_000;

/** Requests that one arrival of a seed's mix brings on average: a task brings several. */
function requestsPerArrival(scale: LiveScale, seed: string): number {
  const requests = traceRequests(scale, 1, 1, "finish", COUNTED_MS, seed);
  return requests.length / new Set(requests.map(({ id, task }) => (task === undefined ? -1 - id : task.id))).size;
}

function sampleOf({ requests, seconds }: Served): Sample {
  const sum = (of: (one: Served["requests"][number]) => number): number =>
    requests.reduce((total, one) => total + of(one), 0);
  const judged = requests.filter(({ attained }) => attained !== null);
  return {
    goodput: sum(({ goodTokens }) => goodTokens) / seconds,
    throughput: sum(({ tokens }) => tokens) / seconds,
    attained: judged.filter(({ attained }) => attained === true).length / Math.max(1, judged.length),
  };
}

function summarise({ requests, fromMs, toMs }: LoadRun): {
  gapMs: number;
  answerTokens: number;
  requestsPerSecond: number;
} {
  const done = requests.filter((one) => one.done && one.tokenMs.at(-1)! >= fromMs && one.tokenMs.at(-1)! <= toMs);
  const paces = done.flatMap(({ tokenMs }) =>
    tokenMs.length > 1 ? [(tokenMs.at(-1)! - tokenMs[0]!) / (tokenMs.length - 1)] : [],
  );
  return {
    gapMs: median(paces),
    answerTokens: done.reduce((sum, { tokenMs }) => sum + tokenMs.length, 0) / done.length,
    requestsPerSecond: (done.length * 1000) / (toMs - fromMs),
  };
}
