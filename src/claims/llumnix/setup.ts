/**
 * The setting of claim `29`, fixed before any run that is reported: sixteen A10 with a 7B model, lengths and arrivals of
 * Llumnix's evaluation (OSDI'24, section 6), the arms, and one objective for all mixes. Costs are a roofline of A10 and
 * LLaMA-7B; the KV cache has the 13,616 tokens that the paper's engine had left.
 */
import { createRandom } from "../../core/index.ts";
import {
  createDispatch,
  createPolicy,
  fleetWatcher,
  llumnixMigrants,
  type AutoscaleOptions,
  type Slo,
} from "../../sched/index.ts";
import {
  createDeployment,
  fleetController,
  linkMigration,
  Simulation,
  type Deployment,
  type FleetController,
  type InstanceSpec,
  type MigrationModel,
  type SimulationObserver,
  type SimulationReport,
} from "../../sim/index.ts";
import {
  generateTrace,
  LENGTH_MIXES,
  valueAt,
  type ArrivalProcess,
  type Distribution,
  type Trace,
} from "../../workload/index.ts";

export const INSTANCES = 16;

/** Half of the 64 Gb/s of the paper's machines: copies go through host memory. */
const LINK_BYTES_PER_SECOND = 4e9;
/** Messages of a stage between two processes and their scheduler. */
const HANDSHAKE_MS = 5;

const A10: Deployment = { ...createDeployment("roofline:a10:llama2-7b").deployment, kvTokens: 13_616 };

/** An engine as vLLM was when the paper was written: whole prompts first, preempted sequences are computed again. */
export const ENGINE: InstanceSpec = {
  deployment: A10,
  policy: () => createPolicy("prefill-first"),
  prefixCache: false,
};

/** One objective for every mix: a first token in two seconds, ten tokens a second after it. */
export const SLO: Slo = { class: "latency", ttftMs: 2000, tpotMs: 100, onMiss: "finish" };

/** Lengths of prompts and answers: short, medium and long have means 128, 256 and 512 and tails up to 6,000. */
export interface LengthMix {
  readonly name: string;
  readonly prompt: Distribution;
  readonly output: Distribution;
  /** Load 1: the arrivals per second that would fill the fleet's memory on average. */
  readonly ratePerSecond: number;
}

/** A token of an answer takes about so long on an engine that is in use. */
const TOKEN_MS = 50;
const QUANTILE_STEPS = 5000;

/**
 * Memory is what runs out. A request of p and o tokens holds p + o/2 of them for o tokens' time, so a fleet of M tokens
 * is full on average at M / (E[p] E[o] + E[o²]/2) requests per token's time.
 */
function memoryRate(prompt: Distribution, output: Distribution): number {
  let [p, o, squares] = [0, 0, 0];
  for (let i = 0; i < QUANTILE_STEPS; i++) {
    const u = (i + 0.5) / QUANTILE_STEPS;
    const answer = valueAt(output, u);
    p += valueAt(prompt, u) / QUANTILE_STEPS;
    o += answer / QUANTILE_STEPS;
    squares += (answer * answer) / QUANTILE_STEPS;
  }
  return (INSTANCES * A10.kvTokens * 1000) / ((p * o + squares / 2) * TOKEN_MS);
}

const { short: S, medium: M, long: L } = LENGTH_MIXES;
const mix = (name: string, prompt: Distribution, output: Distribution): LengthMix => ({
  name,
  prompt,
  output,
  ratePerSecond: memoryRate(prompt, output),
});

/** The paper's mixes, prompts and answers. */
export const MIXES: readonly LengthMix[] = [
  mix("S-S", S, S),
  mix("M-M", M, M),
  mix("L-L", L, L),
  mix("S-L", S, L),
  mix("L-S", L, S),
];

/** Arrivals at a rate: Poisson at a coefficient of variation of 1, gamma gaps above. */
export function arrivalsOf(ratePerSecond: number, cv: number): ArrivalProcess {
  return cv === 1 ? { kind: "poisson", ratePerSecond } : { kind: "gamma", ratePerSecond, cv };
}

/** The same requests for every arm; at another load the same requests in another time. */
export function traceOf(
  { name, prompt, output, ratePerSecond }: LengthMix,
  load: number,
  cv: number,
  durationMs: number,
  seed: string,
  urgentShare = 0,
): Trace {
  const shape = { kind: "single", prompt, output } as const;
  const normal = { name: "normal", weight: 1 - urgentShare, shape, slo: SLO };
  const urgent = { name: "urgent", weight: urgentShare, shape, slo: SLO, priority: 1 };
  const workload = {
    name,
    arrivals: arrivalsOf(ratePerSecond * load, cv),
    classes: urgentShare > 0 ? [normal, urgent] : [normal],
    durationMs,
  };
  return generateTrace(workload, createRandom(seed, `llumnix ${name} ${cv}`));
}

/** Who decides about the fleet. */
export interface Arm {
  readonly name: string;
  readonly dispatch: string;
  readonly migrates: boolean;
}

export const ROUND_ROBIN: Arm = { name: "round-robin", dispatch: "round-robin", migrates: false };
export const LEAST_QUEUE: Arm = { name: "least-queue", dispatch: "least-queue", migrates: false };
export const INFAAS: Arm = { name: "infaas", dispatch: "infaas", migrates: false };
export const LLUMNIX_STILL: Arm = { name: "llumnix, no migration", dispatch: "llumnix", migrates: false };
export const LLUMNIX: Arm = { name: "llumnix", dispatch: "llumnix", migrates: true };
export const ARMS: readonly Arm[] = [ROUND_ROBIN, LEAST_QUEUE, INFAAS, LLUMNIX_STILL, LLUMNIX];

/** Keys and values over the link of the setting. */
export function migrationOf(kind: MigrationModel["kind"]): MigrationModel {
  const { kvBytesPerToken } = A10;
  return linkMigration(kind, { kvBytesPerToken, bytesPerSecond: LINK_BYTES_PER_SECOND, handshakeMs: HANDSHAKE_MS });
}

/** What a run may differ in beside its arm. */
export interface RunOptions {
  readonly instances?: number;
  readonly autoscale?: AutoscaleOptions;
  /** From the decision until an instance serves. */
  readonly startMs?: number;
  /** Age of the loads that dispatchers and controllers see; fresh when absent. */
  readonly staleMs?: number;
  readonly observer?: SimulationObserver;
}

/** One arm on one trace. */
export function runArm(arm: Arm, trace: Trace, options: RunOptions = {}): SimulationReport {
  const { instances = INSTANCES, staleMs, observer } = options;
  const controller = controllerOf(arm, options);
  return new Simulation({
    trace,
    instances: Array.from({ length: instances }, () => ENGINE),
    dispatch: createDispatch(arm.dispatch),
    ...(controller === null ? {} : { controller }),
    ...(staleMs === undefined ? {} : { loadRefreshMs: staleMs }),
    ...(observer === undefined ? {} : { observer }),
  }).run();
}

function controllerOf({ migrates }: Arm, { autoscale, startMs = 0 }: RunOptions): FleetController | null {
  if (!migrates && autoscale === undefined) return null;
  const watcher = fleetWatcher({
    ...(migrates ? { migrate: {} } : {}),
    ...(autoscale === undefined ? {} : { autoscale }),
  });
  return fleetController({ watcher, startMs, migrants: llumnixMigrants(), migration: migrationOf("staged") });
}
