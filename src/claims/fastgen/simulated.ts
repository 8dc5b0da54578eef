/**
 * Claim `26` at the paper's scale: its lengths and loads on DistServe's table of a 66-billion model on four A100, the same
 * kernels for every arm. A closed loop is a trace of tasks: every client one chain of requests without thinking time.
 */
import { createRandom } from "../../core/index.ts";
import { createPolicy, roundRobin, type BatchPolicy, type SchedulerView } from "../../sched/index.ts";
import { createDeployment, Simulation } from "../../sim/index.ts";
import { fastGenLengths, generateTrace, type Trace, type TraceRequest } from "../../workload/index.ts";
import type { LoadRun, RequestTimes } from "../live-load.ts";
import { mean } from "../statistics.ts";
import {
  effectivePerSecond,
  latenciesOf,
  secondsOf,
  summarise,
  type RunSummary,
  type StepRecord,
} from "./effective.ts";
import type { PerArm, SweepPoint } from "./live.ts";
import {
  ANSWER_TOKENS,
  ARMS,
  BASELINE,
  CLIENTS,
  drawLengths,
  LOAD_SHARE,
  LONG_ANSWER_TOKENS,
  PAPER_DEPLOYMENT,
  PAPER_PROMPT_TOKENS,
  PAPER_STEP,
  paceOf,
  SLA_RATES,
  slaOf,
  type Arm,
  type Extent,
  type Lengths,
} from "./setup.ts";

/** The share of a run's requests after which it counts, and before the last of which it ends. */
const WARM_SHARE = 0.2;
/** vLLM's default then, for steps of whole prompts. */
const WHOLE_STEP_TOKENS = 8192;
/** Of the curve over prompts, in full steps. */
const CURVE_STEPS = [1, 2, 5, 10, 20] as const;

/** What is simulated for one seed. */
export interface SimulatedSamples {
  /** By mean answer. */
  readonly closed: Readonly<Record<"short" | "long", PerArm<RunSummary>>>;
  readonly openMs: PerArm<number>;
  readonly offeredPerSecond: number;
  readonly sweep: readonly SweepPoint[];
  readonly curve: readonly { readonly promptSteps: number; readonly runs: PerArm<RunSummary> }[];
}

/** All of it, for one seed. */
export function simulatePaper(extent: Extent, seed: string): SimulatedSamples {
  const closed = (answer: number, prompt = PAPER_PROMPT_TOKENS): PerArm<RunSummary> => {
    const trace = closedTrace({ prompt, answer }, CLIENTS, extent.simulatedRequests, seed);
    return each((arm) => {
      const { run, steps } = simulate(arm, trace);
      return summarise(run, steps);
    });
  };
  const short = closed(ANSWER_TOKENS);
  const offeredPerSecond = short[BASELINE].requestsPerSecond * LOAD_SHARE;
  const arrivals = openTrace({ prompt: PAPER_PROMPT_TOKENS, answer: ANSWER_TOKENS }, offeredPerSecond, extent, seed);
  return {
    closed: { short, long: closed(LONG_ANSWER_TOKENS) },
    openMs: each((arm) => mean(latenciesOf(simulate(arm, arrivals).run))),
    offeredPerSecond,
    sweep: sweep(extent, seed),
    curve: CURVE_STEPS.map((promptSteps) => ({
      promptSteps,
      runs: closed(ANSWER_TOKENS, promptSteps * PAPER_STEP.tokens),
    })),
  };
}

function sweep({ simulatedClients, simulatedRequests }: Extent, seed: string): SweepPoint[] {
  const lengths = { prompt: PAPER_PROMPT_TOKENS, answer: LONG_ANSWER_TOKENS };
  return simulatedClients.flatMap((clients) => {
    const trace = closedTrace(lengths, clients, simulatedRequests, seed);
    const runs = new Map<string, LoadRun>();
    const run = (arm: Arm, tpotMs?: number): LoadRun => {
      const key = `${arm} ${tpotMs}`;
      const made = runs.get(key) ?? simulate(arm, trace, tpotMs).run;
      runs.set(key, made);
      return made;
    };
    return SLA_RATES.map((rate) => {
      const sla = slaOf(rate, PAPER_STEP);
      const ours = run("splitfuse", paceOf(rate, PAPER_STEP));
      const perSecond = each((arm) => effectivePerSecond(arm === "splitfuse" ? ours : run(arm), sla));
      return { rate, clients, perSecond, resolution: 1 / secondsOf(ours) };
    });
  });
}

function each<T>(of: (arm: Arm) => T): PerArm<T> {
  return Object.fromEntries(ARMS.map((arm) => [arm, of(arm)])) as Record<Arm, T>;
}

/** Clients as chains of requests, each sent when the one before is answered. First answers are cut anywhere. */
export function closedTrace(lengths: Lengths, clients: number, count: number, seed: string): Trace {
  const random = createRandom(seed, `closed ${lengths.prompt} ${lengths.answer}`);
  const requests = Array.from({ length: count }, (_, id): TraceRequest => {
    const { prompt, answer } = drawLengths(lengths, random);
    const stage = Math.floor(id / clients);
    return {
      id,
      arrivalMs: 0,
      promptTokens: prompt,
      outputTokens: stage === 0 ? random.int(2, answer) : answer,
      task: { id: id % clients, stage, after: stage === 0 ? [] : [id - clients], thinkMs: 0 },
    };
  });
  return { name: "closed loop", source: "generator", blockTokens: 0, requests };
}

function openTrace({ prompt, answer }: Lengths, ratePerSecond: number, extent: Extent, seed: string): Trace {
  const shape = { kind: "single", prompt: fastGenLengths(prompt), output: fastGenLengths(answer) } as const;
  const workload = {
    name: "open loop",
    arrivals: { kind: "poisson", ratePerSecond },
    classes: [{ name: "all", weight: 1, shape }],
    count: extent.simulatedRequests,
  } as const;
  return generateTrace(workload, createRandom(seed, "open"));
}

/** One arm on one trace, read off what its policy saw. */
export function simulate(arm: Arm, trace: Trace, tpotMs?: number): { run: LoadRun; steps: StepRecord[] } {
  const watch = new Watch();
  const policy = createPolicy(arm, arm === "splitfuse" ? { stepTokens: PAPER_STEP.tokens } : {});
  const { deployment } = createDeployment(PAPER_DEPLOYMENT);
  new Simulation({
    trace,
    instances: [
      {
        deployment,
        policy: () => watch.over(policy),
        prefixCache: false,
        budgetTokens: PAPER_STEP.tokens,
        maxStepTokens: WHOLE_STEP_TOKENS,
      },
    ],
    dispatch: roundRobin(),
    ...(tpotMs === undefined ? {} : { defaultSlo: { class: "latency", tpotMs, onMiss: "finish" } as const }),
    observer: {
      step: (_instance, startMs, endMs, shape) =>
        watch.steps.push({ startMs, stepMs: endMs - startMs, tokens: shape.tokens }),
    },
  }).run();
  const requests = watch.requests();
  const ends = requests.map(({ tokenMs }) => tokenMs.at(-1) ?? 0).toSorted((a, b) => a - b);
  // Whole run but its beginning and, with clients running out of requests, its end.
  const fromMs = ends[Math.floor(ends.length * WARM_SHARE)]!;
  const toMs = ends[Math.floor(ends.length * (1 - WARM_SHARE / 2)) - 1]!;
  return { run: { requests, fromMs, toMs }, steps: watch.steps };
}

interface Watched {
  readonly arrivalMs: number;
  readonly promptTokens: number;
  readonly tokenMs: number[];
}

/** Learns when each token came from the views of a policy: a sequence that has one more had it at the end of the last step. */
class Watch {
  readonly steps: StepRecord[] = [];
  readonly #all: Watched[] = [];
  #live = new Map<number, Watched>();
  /** Sequences whose next token the last plan computed. */
  #due: number[] = [];

  over(policy: BatchPolicy): BatchPolicy {
    return {
      ...policy,
      plan: (view) => {
        this.#settle();
        this.#meet(view);
        const plan = policy.plan(view);
        const pending = new Map<number, number>();
        for (const { id, pendingTokens } of [...view.running, ...view.waiting]) pending.set(id, pendingTokens);
        this.#due = plan.advance.filter(({ id, tokens }) => tokens === pending.get(id)).map(({ id }) => id);
        return plan;
      },
    };
  }

  /** In order of arrival. All of them are over. */
  requests(): RequestTimes[] {
    this.#settle();
    return this.#all.map((request) => ({ ...request, done: true }));
  }

  /** Who was due has a token since the end of the last step. */
  #settle(): void {
    const last = this.steps.at(-1);
    if (last === undefined) return;
    for (const id of this.#due) this.#live.get(id)!.tokenMs.push(last.startMs + last.stepMs);
    this.#due = [];
  }

  /** New ones begin; those that are gone are forgotten. */
  #meet({ running, waiting }: SchedulerView): void {
    const live = new Map<number, Watched>();
    for (const { id, arrivalMs, promptTokens } of [...running, ...waiting]) {
      let request = this.#live.get(id);
      if (request === undefined) {
        request = { arrivalMs, promptTokens, tokenMs: [] };
        this.#all.push(request);
      }
      live.set(id, request);
    }
    this.#live = live;
  }
}
