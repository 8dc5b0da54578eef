/**
 * Claim `26`, live: three engines of one model in this process that differ in their policy only, asked in turn. What a
 * full step is, is measured first and sets the lengths and agreements for all three.
 */
import { createRandom } from "../../core/index.ts";
import { Engine, type EngineOptions } from "../../runtime/index.ts";
import { generateTrace } from "../../workload/index.ts";
import type { ClaimContext } from "../framework.ts";
import { closedLoop, openLoop, type LoadRun, type TimedRequest } from "../live-load.ts";
import { mean } from "../statistics.ts";
import { calibrateStep } from "./calibrate-step.ts";
import {
  effectivePerSecond,
  latenciesOf,
  secondsOf,
  summarise,
  type RunSummary,
  type StepRecord,
} from "./effective.ts";
import {
  ANSWER_TOKENS,
  ARMS,
  BASELINE,
  CLIENTS,
  clientRequests,
  drawLengths,
  drawRequest,
  LOAD_SHARE,
  LONG_ANSWER_TOKENS,
  paceOf,
  PROMPT_STEPS,
  slaOf,
  type Arm,
  type Extent,
  type FullStep,
  type Lengths,
  type SetUp,
} from "./setup.ts";

/** More steps than a run has. */
const KEPT_DECISIONS = 16_384;
const PAGE_TOKENS = 16;
const LEAST_PROMPT_TOKENS = 2 * PAGE_TOKENS;

/** One value per arm. */
export type PerArm<T> = Readonly<Record<Arm, T>>;

/** Effective throughput at one agreement and load. */
export interface SweepPoint {
  readonly rate: number;
  readonly clients: number;
  readonly perSecond: PerArm<number>;
  /** What one request more or less makes of it. */
  readonly resolution: number;
}

/** The whole of one set-up. */
export interface LiveSamples {
  readonly setUp: SetUp;
  readonly step: FullStep;
  /** By round. */
  readonly closed: readonly PerArm<RunSummary>[];
  /** Mean latencies at the same offered load, by round. */
  readonly open: readonly PerArm<number>[];
  readonly offeredPerSecond: number;
  readonly sweep: readonly SweepPoint[];
  /** By mean prompt in full steps. */
  readonly curve: readonly { readonly promptSteps: number; readonly runs: PerArm<RunSummary> }[];
}

/** Measures one set-up; engines end with it. */
export async function measureSetUp(context: ClaimContext, extent: Extent, setUp: SetUp): Promise<LiveSamples> {
  await using engines = await startEngines(context, extent, setUp);
  const bench = new Bench(context, extent, engines, setUp.name);
  const closed: PerArm<RunSummary>[] = [];
  for (let round = 0; round < extent.rounds; round++) {
    closed.push(await bench.closedRound(lengthsOf(engines.step, PROMPT_STEPS), `round ${round}`));
  }
  const peak = Math.max(...closed.map((round) => round[BASELINE].requestsPerSecond));
  const offeredPerSecond = peak * LOAD_SHARE;
  const open: PerArm<number>[] = [];
  for (let round = 0; round < extent.openRounds; round++) open.push(await bench.openRound(offeredPerSecond, round));
  const place = extent.setUps.indexOf(setUp);
  const isSwept = place >= extent.setUps.length - extent.sweepSetUps;
  const curve: { promptSteps: number; runs: PerArm<RunSummary> }[] = [];
  const sweep = isSwept ? await bench.sweep() : [];
  if (place === extent.setUps.length - 1) {
    for (const promptSteps of extent.promptCurve) {
      const runs = await bench.closedRound(lengthsOf(engines.step, promptSteps), `prompts of ${promptSteps} steps`);
      curve.push({ promptSteps, runs });
    }
  }
  return { setUp, step: engines.step, closed, open, offeredPerSecond, sweep, curve };
}

function lengthsOf({ tokens }: FullStep, promptSteps: number): Lengths {
  return { prompt: Math.max(LEAST_PROMPT_TOKENS, promptSteps * tokens), answer: ANSWER_TOKENS };
}

interface Engines extends AsyncDisposable {
  readonly of: PerArm<Engine>;
  readonly step: FullStep;
}

async function startEngines(context: ClaimContext, extent: Extent, setUp: SetUp): Promise<Engines> {
  context.progress(`${setUp.name}: starting`);
  const { threads, weights } = setUp;
  const steps = Math.max(PROMPT_STEPS, ...extent.promptCurve);
  const common = {
    model: { random: extent.model, seed: context.seed },
    threads,
    weights,
    maxRunning: CLIENTS,
    pageTokens: PAGE_TOKENS,
    prefixCache: false,
    recordDecisions: KEPT_DECISIONS,
  } as const satisfies EngineOptions;
  // The cache that is needed is known with the step.
  const step = await calibrateStep(common, extent.mostStepTokens, context.seed);
  // Everybody with a prompt of the mean length and a half, or one prompt of the largest.
  const perClient = Math.ceil((1.5 * Math.max(LEAST_PROMPT_TOKENS, steps * step.tokens)) / PAGE_TOKENS);
  const kvPages = CLIENTS * (perClient + Math.ceil((2 * LONG_ANSWER_TOKENS) / PAGE_TOKENS));
  const contextTokens = Math.max(LEAST_PROMPT_TOKENS, 2 * steps * step.tokens) + 2 * LONG_ANSWER_TOKENS;
  const started: Engine[] = [];
  const stop = async (): Promise<void> => {
    for (const engine of started) await engine.stop({ graceMs: 0 });
  };
  try {
    for (const arm of ARMS) {
      started.push(
        await Engine.start({
          ...common,
          kvPages,
          contextTokens,
          // Those that compute prompts whole can compute the longest in one step, beside everybody else.
          maxStepTokens: contextTokens + CLIENTS,
          budgetTokens: step.tokens, // no calibration of their own
          policy: arm,
          ...(arm === "splitfuse" ? { policyOptions: { stepTokens: step.tokens } } : {}),
        }),
      );
    }
  } catch (error) {
    await stop();
    throw error;
  }
  const of = Object.fromEntries(ARMS.map((arm, i) => [arm, started[i]!])) as Record<Arm, Engine>;
  return { of, step, [Symbol.asyncDispose]: stop };
}

/** The measurements of one set-up. */
class Bench {
  readonly #context: ClaimContext;
  readonly #extent: Extent;
  readonly #engines: Engines;
  readonly #name: string;

  constructor(context: ClaimContext, extent: Extent, engines: Engines, name: string) {
    this.#context = context;
    this.#extent = extent;
    this.#engines = engines;
    this.#name = name;
  }

  /** Every arm once, the same requests for each. Who goes first changes with the round. */
  async closedRound(lengths: Lengths, name: string): Promise<PerArm<RunSummary>> {
    this.#context.progress(`${this.#name}: ${CLIENTS} clients, ${name}`);
    return this.#each(name, async (engine) => {
      const run = await this.#closed(engine, lengths, CLIENTS, this.#extent.windowMs, name);
      return summarise(run, await stepsOf(engine));
    });
  }

  /** Mean latency of every arm on the same arrivals. */
  async openRound(ratePerSecond: number, round: number): Promise<PerArm<number>> {
    const name = `open loop ${round}`;
    this.#context.progress(`${this.#name}: ${ratePerSecond.toFixed(1)} requests/s, ${name}`);
    const arrivals = this.#arrivals(ratePerSecond, name);
    const { clock } = this.#context;
    return this.#each(name, async (engine) => mean(latenciesOf(await openLoop(engine, arrivals, clock))));
  }

  /**
   * Effective throughput by load and agreement. What an arm does not know of an agreement is the same run under all of
   * them; ours is told the pace, which bounds its steps.
   */
  async sweep(): Promise<SweepPoint[]> {
    const { step } = this.#engines;
    const { sweepClients, sweepRates, sweepMs } = this.#extent;
    const lengths = { ...lengthsOf(step, PROMPT_STEPS), answer: LONG_ANSWER_TOKENS };
    const points: SweepPoint[] = [];
    for (const clients of sweepClients) {
      this.#context.progress(`${this.#name}: effective throughput with ${clients} clients`);
      const runs = new Map<string, LoadRun>();
      const run = async (arm: Arm, tpotMs?: number): Promise<LoadRun> => {
        const key = `${arm} ${tpotMs}`;
        const known = runs.get(key);
        if (known !== undefined) return known;
        const made = await this.#closed(this.#engines.of[arm], lengths, clients, sweepMs, "sweep", tpotMs);
        runs.set(key, made);
        return made;
      };
      for (const rate of sweepRates) {
        const sla = slaOf(rate, step);
        const ours = await run("splitfuse", paceOf(rate, step));
        const perSecond = {
          splitfuse: effectivePerSecond(ours, sla),
          "prefill-first": effectivePerSecond(await run("prefill-first"), sla),
          "orca-mixed": effectivePerSecond(await run("orca-mixed"), sla),
        };
        points.push({ rate, clients, perSecond, resolution: 1 / secondsOf(ours) });
      }
    }
    return points;
  }

  async #each<T>(name: string, measure: (engine: Engine) => Promise<T>): Promise<PerArm<T>> {
    const found: Partial<Record<Arm, T>> = {};
    const first = createRandom(this.#context.seed, `order ${this.#name} ${name}`).int(0, ARMS.length - 1);
    for (let i = 0; i < ARMS.length; i++) {
      const arm = ARMS[(first + i) % ARMS.length]!;
      found[arm] = await measure(this.#engines.of[arm]);
    }
    return found as Record<Arm, T>;
  }

  #closed(
    engine: Engine,
    lengths: Lengths,
    clients: number,
    windowMs: number,
    name: string,
    tpotMs?: number,
  ): Promise<LoadRun> {
    const { clock, seed } = this.#context;
    const next = clientRequests(lengths, engine.config.vocabSize, `${seed} ${name}`);
    const slo = tpotMs === undefined ? {} : { slo: { class: "latency", tpotMs, onMiss: "finish" } as const };
    const request = (client: number, first: boolean) => ({ ...next(client, first), ...slo });
    return closedLoop(engine, { clients, windowMs, clock, request });
  }

  #arrivals(ratePerSecond: number, name: string): TimedRequest[] {
    const { seed } = this.#context;
    const lengths = lengthsOf(this.#engines.step, PROMPT_STEPS);
    const fixed = { kind: "fixed", value: 1 } as const;
    const trace = generateTrace(
      {
        name,
        arrivals: { kind: "poisson", ratePerSecond },
        classes: [{ name: "all", weight: 1, shape: { kind: "single", prompt: fixed, output: fixed } }],
        count: Math.max(2, Math.round((ratePerSecond * this.#extent.openMs) / 1000)),
      },
      createRandom(seed, `${this.#name} ${name}`),
    );
    const random = createRandom(seed, `prompts ${name}`);
    const { vocabSize } = this.#extent.model;
    return trace.requests.map(({ arrivalMs }) => ({
      atMs: arrivalMs,
      request: drawRequest(drawLengths(lengths, random), vocabSize, random),
    }));
  }
}

async function stepsOf(engine: Engine): Promise<StepRecord[]> {
  return (await engine.decisions()).map(({ view, plan, stepMs }) => ({
    startMs: view.nowMs,
    stepMs,
    tokens: plan.advance.reduce((sum, { tokens }) => sum + tokens, 0),
  }));
}
