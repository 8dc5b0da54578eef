/**
 * Claim `16`, simulated: goodput over load on one instance, all arms on the same requests. Loads are multiples of the
 * capacity that `splitfuse` has without objectives; first come, first served has a capacity of its own, measured alike.
 * Every seed has tasks of its own patterns, so every seed has its own capacities.
 */
import { BEST_EFFORT } from "../../sched/index.ts";
import type { Trace, TraceRequest } from "../../workload/index.ts";
import { runArm, type ArmRun } from "./run-arm.ts";
import { ARMS, CHUNKED, FCFS, INSTANCE, traceOf, type Admission, type Arm } from "./setup.ts";

/** How much is simulated. */
export interface CurveSize {
  readonly loads: readonly number[];
  /** Coefficients of variation of gaps in bursts, and the load at which they are tried, with early refusal. */
  readonly burstCvs: readonly number[];
  readonly burstLoad: number;
  readonly admissions: readonly Admission[];
  readonly seeds: number;
  /** Before the window: tasks last up to 100 s, and predictors want a log. */
  readonly warmMs: number;
  readonly windowMs: number;
}

/** What every arm made of one load, by seed. */
export interface CurvePoint {
  readonly load: number;
  readonly cv: number;
  readonly admission: Admission;
  readonly runs: Readonly<Partial<Record<Arm, readonly ArmRun[]>>>;
}

/** Arrivals a second that a seed's requests can come at. */
export interface Capacities {
  readonly chunked: number;
  readonly fcfs: number;
}

/** Arrivals a second that an arm completes when it always has work and nobody has an objective. */
export function capacityOf(arm: Arm, seed: string, size: CurveSize): number {
  const untilMs = size.warmMs + size.windowMs;
  const offered = traceOf({ ratePerSecond: 3, cv: 1, durationMs: untilMs, admission: "finish", seed });
  const trace = withoutObjectives(offered);
  const instance = { ...INSTANCE, maxWaiting: 1_000_000 };
  const { throughput } = runArm(arm, trace, { ...size, untilMs, instance });
  return throughput / tokensPerArrival(trace.requests);
}

/** Everything that is simulated on one instance, on loads relative to `capacity`. */
export function measureCurve(
  size: CurveSize,
  capacities: readonly Capacities[],
  seed: number,
  progress: (message: string) => void,
): CurvePoint[] {
  const points: CurvePoint[] = [];
  const measure = (load: number, cv: number, admission: Admission): void => {
    progress(`one A100, ${load} of capacity, gaps of CV ${cv}, ${admission}`);
    const rates = capacities.map(({ chunked }) => load * chunked);
    points.push(measurePoint(size, { load, cv, admission }, rates, seed, ARMS));
  };
  for (const admission of size.admissions) for (const load of size.loads) measure(load, 1, admission);
  for (const cv of size.burstCvs) measure(size.burstLoad, cv, "reject");
  return points;
}

/** Some arms at one load. @param rates arrivals a second, by seed. */
export function measurePoint(
  { warmMs, windowMs }: CurveSize,
  point: Omit<CurvePoint, "runs">,
  rates: readonly number[],
  seed: number,
  arms: readonly Arm[],
): CurvePoint {
  const untilMs = warmMs + windowMs;
  const runs: Partial<Record<Arm, ArmRun[]>> = Object.fromEntries(arms.map((arm) => [arm, []]));
  for (const [i, ratePerSecond] of rates.entries()) {
    const trace = traceOf({ ...point, ratePerSecond, durationMs: untilMs, seed: seedOf(seed, i) });
    for (const arm of arms) runs[arm]?.push(runArm(arm, trace, { warmMs, untilMs }));
  }
  return { ...point, runs };
}

/** Both capacities of every seed. */
export function measureCapacities(size: CurveSize, seed: number): Capacities[] {
  return Array.from({ length: size.seeds }, (_, i) => ({
    chunked: capacityOf(CHUNKED, seedOf(seed, i), size),
    fcfs: capacityOf(FCFS, seedOf(seed, i), size),
  }));
}

const seedOf = (seed: number, i: number): string => `curve ${seed} ${i}`;

function withoutObjectives(trace: Trace): Trace {
  return { ...trace, requests: trace.requests.map((request) => ({ ...request, slo: BEST_EFFORT })) };
}

function tokensPerArrival(requests: readonly TraceRequest[]): number {
  let tokens = 0;
  const arrivals = new Set<string>();
  for (const { id, task, outputTokens } of requests) {
    tokens += outputTokens;
    arrivals.add(task === undefined ? `request ${id}` : `task ${task.id}`);
  }
  return tokens / arrivals.size;
}
