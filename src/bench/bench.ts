/**
 * One benchmark: requests, when each is due, the run, and its sums as a report. The same seed sends the same requests
 * at the same moments, whatever the server does.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { createRandom, type RandomStream } from "../core/index.ts";
import {
  arrivalSchedule,
  withArrivals,
  type ArrivalProcess,
  type Trace,
  type TraceRequest,
  type TraceSlo,
} from "../workload/index.ts";
import type { Dataset } from "./datasets.ts";
import { RunMeasures, type GoodputLimits } from "./measures.ts";
import { isOnSchedule, runLoad, type RunSummary } from "./run.ts";
import type { Outcome, ScheduledRequest, Target, Timing } from "./types.ts";
import { wireRequest, type WireOptions } from "./wire.ts";

/** When requests are sent. */
export interface LoadShape {
  /** Requests per second; Infinity sends everything at once, as far as `maxConcurrency` allows. Null: as the trace. */
  readonly requestRate: number | null;
  /** Shape of the gamma distribution of gaps: 1 is Poisson, below it comes in bursts, Infinity is even. */
  readonly burstiness: number;
  /** The rate grows over the run instead. */
  readonly rampUp?: {
    readonly startPerSecond: number;
    readonly endPerSecond: number;
    readonly growth: "linear" | "exponential";
  };
  /** Infinity when absent. */
  readonly maxConcurrency?: number;
  /** A trace is replayed so many times as fast; 1 when absent. */
  readonly timeScale?: number;
}

/** A benchmark. */
export interface BenchOptions {
  readonly target: Target;
  readonly wire: Omit<WireOptions, "blockTokens" | "endpoint">;
  readonly dataset: Dataset;
  readonly load: LoadShape;
  readonly seed: number;
  /** Runs that differ in this send other words of the same lengths, so that none meets what another left in a cache. */
  readonly promptSalt?: string;
  readonly timeoutMs: number;
  readonly warmups: number;
  readonly goodput: GoodputLimits;
  /** The objective of requests that bring none. */
  readonly slo?: TraceSlo;
  readonly keepText?: boolean;
  readonly stopWhenSaturated?: boolean;
  readonly timing: Timing;
  readonly onOutcome?: (outcome: Outcome, done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** The client's own lateness over a run. */
export interface ClientLag {
  /** How long the event loop let timers wait, milliseconds. */
  readonly eventLoopP99Ms: number;
  readonly eventLoopMaxMs: number;
}

/** A benchmark's result. */
export interface BenchReport {
  readonly measures: RunMeasures;
  readonly run: RunSummary;
  readonly lag: ClientLag;
  /** Requests of the schedule. */
  readonly planned: number;
  /** Rate of the schedule, requests per second without those that wait for others; null when all are due at once. */
  readonly offeredPerSecond: number | null;
  /** Rate at which these were really sent; null below two. */
  readonly sentPerSecond: number | null;
}

/** Runs a benchmark to its end. */
export async function runBench(options: BenchOptions): Promise<BenchReport> {
  const random = createRandom(options.seed, "bench");
  const trace = scheduleTrace(
    withObjective(options.dataset.trace, options.slo),
    options.load,
    options.dataset.isTimed,
    random,
  );
  const schedule = trace.requests.map((request): ScheduledRequest => ({ request, dueMs: request.arrivalMs }));
  const measures = new RunMeasures(options.goodput, random.fork("reservoirs"));
  const wire: WireOptions = { ...options.wire, endpoint: options.target.endpoint, blockTokens: trace.blockTokens };
  const prompts = random.fork(`prompts ${options.promptSalt ?? ""}`);
  const common = {
    target: options.target,
    timing: options.timing,
    timeoutMs: options.timeoutMs,
    maxConcurrency: options.load.maxConcurrency ?? Infinity,
    wireOf: ({ request }: ScheduledRequest) => wireRequest(request, wire, prompts),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
  const warmPrompts = random.fork("warm-up");
  const warmWire = ({ request }: ScheduledRequest) => wireRequest(request, wire, warmPrompts);
  await warmUp(options.warmups, { ...common, wireOf: warmWire }, schedule);
  const lag = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  lag.enable();
  let done = 0;
  const run = await runLoad({
    ...common,
    schedule,
    keepText: options.keepText ?? false,
    stopWhenSaturated: options.stopWhenSaturated ?? false,
    onOutcome: (outcome) => {
      measures.add(outcome);
      done += 1;
      options.onOutcome?.(outcome, done, schedule.length);
    },
  });
  lag.disable();
  const onSchedule = schedule.filter(({ request }) => isOnSchedule(request));
  const lastDueMs = onSchedule.at(-1)?.dueMs ?? 0;
  return {
    measures,
    run,
    lag: { eventLoopP99Ms: beyond(lag.percentile(99)), eventLoopMaxMs: beyond(lag.max) },
    planned: schedule.length,
    offeredPerSecond: lastDueMs > 0 ? (onSchedule.length * 1000) / lastDueMs : null,
    sentPerSecond: run.sendingMs > 0 ? ((run.sentOnSchedule - 1) * 1000) / run.sendingMs : null,
  };
}

const LAG_RESOLUTION_MS = 10;
/** Nanoseconds between two ticks as lateness; a histogram without a tick says nonsense, which is 0 here. */
const beyond = (ns: number): number => (ns < 1e15 ? Math.max(0, ns / 1e6 - LAG_RESOLUTION_MS) : 0);

/** Requests like the first one with words of their own, so that connections are warm; their outcomes are dropped. */
async function warmUp(
  count: number,
  common: Omit<Parameters<typeof runLoad>[0], "schedule" | "onOutcome">,
  schedule: readonly ScheduledRequest[],
): Promise<void> {
  const first = schedule[0]?.request;
  if (first === undefined || count === 0) return;
  const { task: _task, cancelAfterMs: _cancel, hashIds: _hashes, ...request } = first;
  const copies = Array.from({ length: count }, (_, id): ScheduledRequest => ({
    request: { ...request, id },
    dueMs: 0,
  }));
  await runLoad({ ...common, schedule: copies, onOutcome: () => undefined });
}

function withObjective(trace: Trace, slo: TraceSlo | undefined): Trace {
  if (slo === undefined) return trace;
  return { ...trace, requests: trace.requests.map((request): TraceRequest => ({ slo, ...request })) };
}

/** The trace with the arrivals that the load asks for, from 0. */
export function scheduleTrace(trace: Trace, load: LoadShape, isTimed: boolean, random: RandomStream): Trace {
  const { requestRate, rampUp, timeScale = 1 } = load;
  if (requestRate === null && rampUp === undefined && isTimed) {
    const originMs = trace.requests[0]?.arrivalMs ?? 0;
    const requests = trace.requests.map((request) => ({
      ...request,
      arrivalMs: (request.arrivalMs - originMs) / timeScale,
    }));
    return { ...trace, requests };
  }
  const arrivals = random.fork("arrivals");
  const hasTasks = trace.requests.some(({ task }) => task !== undefined);
  const process = arrivalProcess(load, trace.requests.length);
  if (hasTasks) return withArrivals(trace, process, arrivals);
  const times = arrivalSchedule(process, trace.requests.length, arrivals, { exactTotal: true });
  return { ...trace, requests: trace.requests.map((request, i) => ({ ...request, arrivalMs: times[i]! })) };
}

function arrivalProcess({ requestRate, burstiness, rampUp }: LoadShape, count: number): ArrivalProcess {
  const cv = burstiness === Infinity ? 0 : 1 / Math.sqrt(burstiness);
  if (rampUp !== undefined) return { kind: "ramp", ...rampUp, count, cv };
  if (requestRate === null || requestRate === Infinity) return { kind: "all-at-once" };
  return { kind: "gamma", ratePerSecond: requestRate, cv };
}
