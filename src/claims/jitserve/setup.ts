/**
 * The setting of claim `16`, fixed before any seed that is reported was run: classes and objectives of JITServe's
 * evaluation (2 s to the first token and 100 ms a token; 20 s; 20 s a stage), lengths of the Azure traces, DistServe's
 * A100 tables, and the arms. The policy was made and tried on other seeds, rates and costs.
 *
 * Every arm is told the same of a request (lengths by the same kind of forest over its own log, sub-deadlines of tasks)
 * and has the same queue bound, expiry and early refusal; arms differ in their policy alone. `jitserve-oracle` is
 * `jitserve` with true lengths.
 */
import { createRandom, type RandomStream } from "../../core/index.ts";
import type { InstanceSpec } from "../../sim/index.ts";
import { createDeployment } from "../../sim/index.ts";
import {
  generateTrace,
  promptTokenIds,
  threeClassMix,
  type ArrivalProcess,
  type Trace,
  type TraceRequest,
} from "../../workload/index.ts";

/** Every arm, ours first. */
export const ARMS = [
  "jitserve",
  "jitserve-oracle",
  "prefill-first",
  "splitfuse",
  "shortest-predicted",
  "edf",
  "least-attained",
] as const;
/** The name of an arm: a policy, but for the oracle. */
export type Arm = (typeof ARMS)[number];

/** What is claimed. */
export const OURS: Arm = "jitserve";
/** The same with true lengths: an upper bound that no server has. */
export const ORACLE: Arm = "jitserve-oracle";
/** First come, first served, whole prompts first: vLLM as the paper compares with. */
export const FCFS: Arm = "prefill-first";
/** Chunked prefill in the manner of Sarathi-Serve. */
export const CHUNKED: Arm = "splitfuse";
/** What it is compared with. */
export const RIVALS: readonly Arm[] = ["prefill-first", "splitfuse", "shortest-predicted", "edf", "least-attained"];

/** The policy behind an arm. */
export const policyOf = (arm: Arm): string => (arm === ORACLE ? OURS : arm);

/** What becomes of requests that cannot be in time. */
export type Admission =
  /** Refused beforehand where the estimate says so, expired in the queue when the deadline has passed. */
  | "reject"
  /** Expired only. */
  | "finish";

/** Most sequences of a step in the paper's runs. */
export const SLOTS = 32;
/** Requests in the queue of an instance; the next is refused. */
export const MAX_WAITING = 256;
/** What clients allow an answer. */
export const MAX_ANSWER_TOKENS = 1024;
const MAX_PROMPT_TOKENS = 6000;

/** One A100 with OPT-13B, by DistServe's profiles. */
export const INSTANCE: Omit<InstanceSpec, "policy"> = {
  deployment: createDeployment("opt-13b").deployment,
  maxRunning: SLOTS,
  maxWaiting: MAX_WAITING,
  maxStepTokens: 8192,
  prefixCache: false,
};

/** Arrivals: Poisson at a coefficient of variation of 1, gamma gaps above. */
export function arrivalsOf(ratePerSecond: number, cv: number): ArrivalProcess {
  return cv === 1 ? { kind: "poisson", ratePerSecond } : { kind: "gamma", ratePerSecond, cv };
}

/** What a trace is made of. */
export interface TraceSettings {
  /** Latency requests, deadline requests and tasks, counted alike. */
  readonly ratePerSecond: number;
  readonly cv: number;
  readonly durationMs: number;
  readonly admission: Admission;
  readonly seed: string;
}

/** The same requests for every arm; at another rate the same requests in another time. */
export function traceOf({ ratePerSecond, cv, durationMs, admission, seed }: TraceSettings): Trace {
  const mix = threeClassMix({
    arrivals: arrivalsOf(ratePerSecond, cv),
    durationMs,
    onMiss: admission,
    maxPromptTokens: MAX_PROMPT_TOKENS,
    maxTotalTokens: MAX_PROMPT_TOKENS + MAX_ANSWER_TOKENS,
  });
  const random = createRandom(seed, "jitserve");
  return withWords(generateTrace(mix, random), random.fork("words"));
}

/** Words of prompts: those that tell something, then those that tell nothing. */
const FILLER = { low: 1000, size: 4000 } as const;
const TOPIC_WORDS = 100;
const FIRST_TOPIC = 200;
/** Of the variance of an answer's length (its logarithm, within a class), what the words of its prompt tell. */
const TOLD_SHARE = 0.5;
const WORDS_PER_DEVIATION = 2;
const REPEATS = 3;

/**
 * Prompts for a trace that has none: an application's own first word, a topic that goes with the length of the answer
 * as closely as TOLD_SHARE says, and filler. Nothing else in a prompt depends on its answer.
 */
export function withWords(trace: Trace, random: RandomStream): Trace {
  const scales = lengthScales(trace.requests);
  const noise = random.fork("noise");
  const filler = random.fork("filler");
  const requests = trace.requests.map((request): TraceRequest => {
    const { mean, deviation } = scales.get(applicationOf(request))!;
    const told = (Math.log(request.outputTokens) - mean) / deviation;
    const heard = Math.sqrt(TOLD_SHARE) * told + Math.sqrt(1 - TOLD_SHARE) * noise.normal();
    const topic = FIRST_TOPIC + TOPIC_WORDS / 2 + Math.round(heard * WORDS_PER_DEVIATION);
    const promptIds = [...promptTokenIds(request, 0, FILLER, filler)];
    promptIds[0] = applicationOf(request);
    for (let i = 1; i <= REPEATS && i < promptIds.length; i++) promptIds[i] = topic;
    return { ...request, promptIds };
  });
  return { ...trace, requests };
}

/** The word that an application's prompts begin with: one for each class, and for each stage of tasks. */
function applicationOf({ slo, task }: TraceRequest): number {
  const classes = ["latency", "deadline", "compound", "best-effort"];
  return 10 * classes.indexOf(slo?.class ?? "best-effort") + (task?.stage ?? 0);
}

function lengthScales(requests: readonly TraceRequest[]): Map<number, { mean: number; deviation: number }> {
  const logs = new Map<number, number[]>();
  for (const request of requests) {
    const of = applicationOf(request);
    logs.set(of, [...(logs.get(of) ?? []), Math.log(request.outputTokens)]);
  }
  return new Map(
    Array.from(logs, ([of, values]) => {
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      return [of, { mean, deviation: Math.max(1e-6, Math.sqrt(variance)) }];
    }),
  );
}
