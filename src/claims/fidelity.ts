/**
 * Claim `fidelity`: a simulation told nothing but arrivals and lengths foretells what a live engine will do. An engine
 * serves one trace after the other, at one load those that costs are fitted to and in between, at another load, those that
 * are simulated with the costs of their neighbours and compared with what happened. Engines are started anew each time and
 * calibrate themselves: the spread between starts is part of the error.
 */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRandom, fail } from "../core/index.ts";
import { builtInModelDir } from "../llm/index.ts";
import { Engine, type EngineOptions, type GenerateRequest } from "../runtime/index.ts";
import {
  FIDELITY_METRICS,
  fitCost,
  fittedCost,
  predict,
  recordedDecisions,
  requestKinds,
  stepPoints,
  type Fidelity,
  type FidelityMetric,
  type StepPoint,
} from "../sim/index.ts";
import { generateTrace, readRecording, type Distribution, type Recording } from "../workload/index.ts";
import type { Claim, ClaimContext, ClaimMode, Measured } from "./framework.ts";
import { answeredOf, secondsOf } from "./fastgen/effective.ts";
import { closedLoop, openLoop, type TimedRequest } from "./live-load.ts";
import { absolute } from "./statistics.ts";

/** Largest error, percent. */
const TARGET_PERCENT = 10;
const PAIRS = 5;
/** Share of the engine's highest throughput that arrives: while costs are fitted, and while they are tried. */
const FIT_LOAD = 0.8;
const TRIAL_LOAD = 0.6;
const CLIENTS = 16;
/** Ids above the marks and bytes of the built-in vocabulary. */
const FIRST_ID = 300;

const PROMPTS: Distribution = { kind: "clipped", low: 8, high: 300, of: { kind: "lognormal", mean: 96, cv: 0.8 } };
const ANSWERS: Distribution = { kind: "clipped", low: 4, high: 150, of: { kind: "lognormal", mean: 40, cv: 0.6 } };

interface Extent {
  readonly policies: readonly string[];
  readonly pairs: number;
  /** How long arrivals come, and how long the peak is sought. */
  readonly runMs: number;
  readonly peakMs: number;
}

const EXTENTS: Readonly<Record<ClaimMode, Extent>> = {
  full: { policies: ["fifo", "splitfuse", "prefill-first"], pairs: PAIRS, runMs: 10_000, peakMs: 3000 },
  quick: { policies: ["fifo"], pairs: PAIRS, runMs: 2500, peakMs: 1000 },
  smoke: { policies: ["fifo"], pairs: 1, runMs: 150, peakMs: 60 },
};

/** One pair: the trial's errors, and how far off the fit was on its own steps. */
interface Pair {
  readonly fidelity: Fidelity;
  readonly fitError: number;
}

/** Runs of one policy: fit, trial, fit, trial, …, fit. A trial's costs are fitted to its two neighbours, so that a machine that drifts is met in the middle. */
class Trial {
  readonly #context: ClaimContext;
  readonly #policy: string;
  readonly #folder: string;
  readonly #peakPerSecond: number;
  #points: readonly StepPoint[] = [];
  #fits = 0;
  #recordings = 0;

  constructor(context: ClaimContext, policy: string, folder: string, peakPerSecond: number) {
    this.#context = context;
    this.#policy = policy;
    this.#folder = folder;
    this.#peakPerSecond = peakPerSecond;
  }

  async pair(number: number): Promise<Pair> {
    if (this.#fits === 0) this.#points = await this.#fit();
    const tried = await this.#record(`trial ${number}`, TRIAL_LOAD);
    const before = this.#points;
    this.#points = await this.#fit();
    const { form, meanError } = fitCost([...before, ...this.#points]);
    return { fidelity: predict(tried, fittedCost("other traces", form)), fitError: meanError };
  }

  async #fit(): Promise<readonly StepPoint[]> {
    const recording = await this.#record(`fit ${this.#fits++}`, FIT_LOAD);
    return stepPoints(recordedDecisions(recording), requestKinds(recording));
  }

  /** A live run on a trace of that name, as its recording. */
  async #record(name: string, load: number): Promise<Recording> {
    const { clock, seed, mode } = this.#context;
    const path = join(this.#folder, `${this.#policy}-${this.#recordings++}.jsonl`);
    const engine = await Engine.start({ ...engineOptions(this.#policy, mode), record: { path } });
    try {
      const arrivals = arrivalsOf(engine, load * this.#peakPerSecond, EXTENTS[mode].runMs, `${seed} ${name}`);
      await openLoop(engine, arrivals, clock);
    } finally {
      await engine.stop({ graceMs: 0 });
    }
    return readRecording(await readFile(path, "utf8"));
  }
}

function engineOptions(policy: string, mode: ClaimMode): EngineOptions {
  const options: EngineOptions = { model: { dir: builtInModelDir() }, threads: 1, maxRunning: CLIENTS, policy };
  // Calibration takes longer than all the rest of a smoke test.
  return mode === "smoke" ? { ...options, budgetTokens: 64 } : options;
}

function requestOf(prompt: number, answer: number, vocabSize: number, seed: string): GenerateRequest {
  const random = createRandom(seed, "prompt");
  return {
    promptTokens: Array.from({ length: prompt }, () => random.int(FIRST_ID, vocabSize - 1)),
    maxTokens: answer,
    ignoreEos: true,
    sampling: { temperature: 0 },
  };
}

function arrivalsOf(engine: Engine, ratePerSecond: number, runMs: number, seed: string): TimedRequest[] {
  const workload = {
    name: "fidelity",
    arrivals: { kind: "poisson", ratePerSecond },
    classes: [{ name: "all", weight: 1, shape: { kind: "single", prompt: PROMPTS, output: ANSWERS } }],
    // Enough of them for a percentile however slow the engine is.
    count: Math.max(10, Math.round((ratePerSecond * runMs) / 1000)),
  } as const;
  const { vocabSize } = engine.config;
  return generateTrace(workload, createRandom(seed, "arrivals")).requests.map(
    ({ id, arrivalMs, promptTokens, outputTokens }) => ({
      atMs: arrivalMs,
      request: requestOf(promptTokens, outputTokens, vocabSize, `${seed} ${id}`),
    }),
  );
}

/** Requests per second that the engine finishes at most. */
async function peakOf(policy: string, windowMs: number, { clock, seed, mode }: ClaimContext): Promise<number> {
  await using engine = await Engine.start(engineOptions(policy, mode));
  const drawn = arrivalsOf(engine, 1000, 1000, `${seed} peak`);
  let next = 0;
  const request = (): GenerateRequest => drawn[next++ % drawn.length]!.request;
  const run = await closedLoop(engine, { clients: CLIENTS, windowMs, clock, request });
  const perSecond = answeredOf(run).length / secondsOf(run);
  return perSecond > 0 ? perSecond : fail("engine_failed", `no request was answered within ${windowMs} ms`);
}

const LATENCIES: Readonly<Record<FidelityMetric, string>> = {
  ttftMs: "time to first token",
  tpotMs: "time per output token",
  e2eMs: "latency",
};

function linesOf(policy: string, pairs: readonly Pair[]): Measured[] {
  const requests = pairs.reduce((sum, { fidelity }) => sum + fidelity.requests, 0);
  const note = `built-in model, 1 thread, ${policy}, ${TRIAL_LOAD * 100} % of its peak; ${requests} requests in ${pairs.length} pairs, costs fitted to other traces at ${FIT_LOAD * 100} %`;
  const lines = FIDELITY_METRICS.flatMap((metric) =>
    (["mean", "p90"] as const).map((which) => {
      const curve = pairs.map(({ fidelity: { measured, predicted, error } }, pair) => ({
        pair: pair + 1,
        "measured, ms": measured[metric][which],
        "predicted, ms": predicted[metric][which],
        "error, %": error[metric][which] * 100,
      }));
      const text = {
        metric: `error of the ${which === "mean" ? "mean" : "P90"} ${LATENCIES[metric]}, ${policy}`,
        unit: "%",
        better: "lower",
        kind: "live",
        note,
        curve,
      } as const;
      return absolute(
        text,
        curve.map((row) => Math.abs(row["error, %"])),
        TARGET_PERCENT,
      );
    }),
  );
  const fit = { metric: `error of a step's fitted time, ${policy}`, unit: "%", better: "lower", kind: "live" } as const;
  return [
    ...lines,
    absolute(
      { ...fit, note: "mean over the steps that it was fitted to" },
      pairs.map(({ fitError }) => fitError * 100),
      null,
    ),
  ];
}

async function measure(context: ClaimContext): Promise<readonly Measured[]> {
  const { policies, pairs, peakMs } = EXTENTS[context.mode];
  const folder = await mkdtemp(join(tmpdir(), "punctual-fidelity-"));
  try {
    const trials: { policy: string; trial: Trial; found: Pair[] }[] = [];
    for (const policy of policies) {
      context.progress(`${policy}: its peak`);
      const peak = await peakOf(policy, peakMs, context);
      trials.push({ policy, trial: new Trial(context, policy, folder, peak), found: [] });
    }
    for (let pair = 0; pair < pairs; pair++) {
      for (const { policy, trial, found } of trials) {
        context.progress(`${policy}: pair ${pair + 1} of ${pairs}`);
        found.push(await trial.pair(pair));
      }
    }
    return trials.flatMap(({ policy, found }) => linesOf(policy, found));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export const fidelity: Claim = {
  id: "fidelity",
  name: "fidelity",
  headline: "A simulation that knows only arrivals and lengths foretells a live engine's latencies within 10 %.",
  baseline: "what the live engine really did; costs are fitted to another trace at another load",
  source: "our own; the simulator decides with the same policies as the engine",
  targets: `mean and P90 of time to first token, time per output token and latency within ${TARGET_PERCENT} %, median of ${PAIRS} interleaved pairs`,
  measure,
};
