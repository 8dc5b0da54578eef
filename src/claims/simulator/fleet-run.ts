/**
 * Claim `simulator`, its runs: one saturated instance under `splitfuse`, and a whole fleet with the live heap weighed at
 * each quarter of the arrivals. The trace is made while it is consumed and nothing listens, as in any large run.
 */
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { assert, createRandom, type Clock } from "../../core/index.ts";
import { createDispatch, createPolicy } from "../../sched/index.ts";
import { createDeployment, Simulation, type SimulationReport } from "../../sim/index.ts";
import { generateStream, publishedWorkload, type TraceRequest, type TraceStream } from "../../workload/index.ts";

const DEPLOYMENT = "opt-13b";
const POLICY = "splitfuse";
/** Of each instance. */
export const BATCH = 32;
/** Requests a second that each instance of the fleet gets: about seven tenths of what it can do. */
const RATE_PER_INSTANCE = 2;
/** Longest of the prompts and answers, so that one fits what an instance holds beside others. */
const MAX_TOTAL_TOKENS = 2048;
/** Peaks are looked for this often. */
const EVENTS_PER_SAMPLE = 4096;

/** The heap when a share of the requests had arrived. */
export interface HeapPoint {
  readonly share: number;
  readonly requests: number;
  /** Live after a full collection, and the most that was in use since the point before, garbage included. */
  readonly liveBytes: number;
  readonly peakBytes: number;
}

/** What came of a fleet's run. */
export interface FleetRun {
  readonly seconds: number;
  readonly events: number;
  readonly heap: readonly HeapPoint[];
  readonly report: SimulationReport;
}

function trace(count: number, ratePerSecond: number, seed: number): TraceStream {
  const arrivals = { kind: "poisson", ratePerSecond } as const;
  const workload = publishedWorkload("azure-conversation", { count, arrivals, maxTotalTokens: MAX_TOTAL_TOKENS });
  return generateStream(workload, createRandom(seed, "simulator"));
}

/** A collection on demand, also where the process was started without the flag. */
function collector(): () => void {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as () => void;
}

/** Requests spread over instances by the shortest queue. */
export function runFleet(
  { requests, instances, seed }: { readonly requests: number; readonly instances: number; readonly seed: number },
  clock: Clock,
  progress: (share: number) => void,
): FleetRun {
  const collect = collector();
  const quarter = Math.floor(requests / 4);
  const heap: HeapPoint[] = [];
  let arrived = 0;
  let peakBytes = 0;
  let weighingMs = 0;
  const source = trace(requests, RATE_PER_INSTANCE * instances, seed);
  const weigh = (): void => {
    const startMs = clock.nowMs();
    peakBytes = Math.max(peakBytes, getHeapStatistics().used_heap_size);
    collect();
    const liveBytes = getHeapStatistics().used_heap_size;
    heap.push({ share: arrived / requests, requests: arrived, liveBytes, peakBytes });
    peakBytes = 0;
    weighingMs += clock.nowMs() - startMs;
    progress(arrived / requests);
  };
  const simulation = new Simulation({
    trace: { ...source, requests: counted(source.requests, () => (arrived += 1)) },
    instances: Array.from({ length: instances }, () => instance()),
    dispatch: createDispatch("least-queue"),
    seed,
  });
  const startMs = clock.nowMs();
  for (let events = 0; simulation.step(); events++) {
    if (arrived >= quarter * (heap.length + 1) && heap.length < 4) weigh();
    else if (events % EVENTS_PER_SAMPLE === 0) {
      peakBytes = Math.max(peakBytes, getHeapStatistics().used_heap_size);
    }
  }
  const seconds = (clock.nowMs() - startMs - weighingMs) / 1000;
  assert(heap.length === 4, "all requests arrive");
  return { seconds, events: simulation.events, heap, report: simulation.report() };
}

function* counted(requests: Iterable<TraceRequest>, count: () => void): Generator<TraceRequest> {
  for (const request of requests) {
    yield request;
    count();
  }
}

function instance(): ConstructorParameters<typeof Simulation>[0]["instances"][number] {
  const { deployment } = createDeployment(DEPLOYMENT);
  return { deployment, policy: () => createPolicy(POLICY), prefixCache: false, maxRunning: BATCH };
}

/** What a saturated instance was simulated at. */
export interface StepRate {
  readonly stepsPerSecond: number;
  readonly eventsPerSecond: number;
  /** Sequences a step had. */
  readonly rows: number;
}

/** Of one instance with more to do than it can: it takes what it has slots for, a few wait, the others are refused. */
export function stepRate(steps: number, clock: Clock, seed: number): StepRate {
  let taken = 0;
  let rows = 0;
  const simulation = new Simulation({
    trace: trace(steps, 4 * RATE_PER_INSTANCE, seed),
    instances: [{ ...instance(), maxWaiting: 4 }],
    dispatch: createDispatch("round-robin"),
    observer: {
      step: (_instance, _startMs, _endMs, shape) => {
        taken += 1;
        rows += shape.rows;
      },
    },
  });
  // Slots fill first.
  while (taken < steps / 4 && simulation.step());
  [taken, rows] = [0, 0];
  const { events } = simulation;
  const startMs = clock.nowMs();
  while (taken < steps && simulation.step());
  const seconds = (clock.nowMs() - startMs) / 1000;
  assert(taken === steps, "there is enough to do");
  return {
    stepsPerSecond: steps / seconds,
    eventsPerSecond: (simulation.events - events) / seconds,
    rows: rows / steps,
  };
}
