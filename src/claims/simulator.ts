/**
 * Claim `simulator`: large worlds are simulated in minutes, in memory that does not grow with the requests. The queue of
 * events beside what one would write first, steps of a saturated instance under the real policy, and one run of a whole
 * fleet: a million requests over a thousand instances in full mode, the same per instance otherwise.
 */
import { median } from "../core/index.ts";
import type { Claim, ClaimContext, ClaimMode, Measured } from "./framework.ts";
import { PLAN_LIMIT_MS, planTimes } from "./planning.ts";
import { BATCH, runFleet, stepRate, type FleetRun, type HeapPoint } from "./simulator/fleet-run.ts";
import { holdRate, QUEUE_ARMS, type QueueArmName } from "./simulator/queues.ts";
import { absolute, compare, exact } from "./statistics.ts";

const EVENTS_TARGET = 200_000;
/** The live heap at the end of the arrivals over that at their first quarter. */
const HEAP_TARGET = 1.1;
/** Events at once: of one instance with its clients, of a thousand instances, of ten thousand. */
const SIZES = [100, 2000, 20_000] as const;
/** Where baselines are compared. */
const FLEET_SIZE = 2000;

interface Extent {
  readonly repeats: number;
  readonly events: number;
  readonly steps: number;
  readonly requests: number;
  readonly instances: number;
}

const EXTENTS: Readonly<Record<ClaimMode, Extent>> = {
  smoke: { repeats: 1, events: 4000, steps: 400, requests: 400, instances: 4 },
  quick: { repeats: 9, events: 50_000, steps: 20_000, requests: 50_000, instances: 50 },
  full: { repeats: 25, events: 100_000, steps: 40_000, requests: 1_000_000, instances: 1000 },
};

async function measure(context: ClaimContext): Promise<readonly Measured[]> {
  const extent = EXTENTS[context.mode];
  return [
    ...queueLines(context, extent),
    ...stepLines(context, extent),
    ...fleetLines(context, extent),
    ...planLines(context, extent),
  ];
}

function queueLines(context: ClaimContext, { repeats, events }: Extent): Measured[] {
  const { clock, seed } = context;
  const rates = new Map<string, number[]>();
  const of = (arm: QueueArmName, size: number): number[] => {
    const key = `${arm} ${size}`;
    if (!rates.has(key)) rates.set(key, []);
    return rates.get(key)!;
  };
  for (let repeat = -1; repeat < repeats; repeat++) {
    context.progress(`the queue, round ${repeat + 1} of ${repeats}`);
    for (const size of SIZES) {
      for (const arm of QUEUE_ARMS) {
        const rate = holdRate(arm, size, events, clock, seed);
        // The first round only warms up.
        if (repeat >= 0) of(arm, size).push(rate);
      }
    }
  }
  const curve = SIZES.map((size) => ({
    events_at_once: size,
    ...Object.fromEntries(QUEUE_ARMS.map((arm) => [arm, median(of(arm, size))])),
  }));
  const line = { unit: "events/s", better: "higher", kind: "simulated" } as const;
  const slowest = SIZES.reduce((a, b) => (median(of("ours", b)) < median(of("ours", a)) ? b : a));
  const each = "an event is taken and another pushed, one core";
  return [
    absolute(
      { ...line, metric: "heap events", note: `${slowest} at once, where it is slowest; ${each}`, curve },
      of("ours", slowest),
      EVENTS_TARGET,
    ),
    ...(["heap of objects", "sorted array"] as const).map((arm) =>
      compare(
        { ...line, metric: `heap events against a ${arm}`, note: `${FLEET_SIZE} at once; ${each}` },
        of("ours", FLEET_SIZE),
        of(arm, FLEET_SIZE),
        null,
      ),
    ),
  ];
}

function stepLines(context: ClaimContext, { repeats, steps }: Extent): Measured[] {
  const { clock, seed } = context;
  const runs = Array.from({ length: repeats + 1 }, (_, repeat) => {
    context.progress(`steps, round ${repeat} of ${repeats}`);
    return stepRate(steps, clock, seed);
  }).slice(1);
  const rows = median(runs.map((run) => run.rows)).toFixed(1);
  const note = `splitfuse, batch ${BATCH} (${rows} sequences a step), Azure conversation lengths, one core`;
  const line = { better: "higher", kind: "simulated", note } as const;
  return [
    absolute(
      { ...line, metric: "simulated steps", unit: "steps/s" },
      runs.map((run) => run.stepsPerSecond),
      null,
    ),
    absolute(
      { ...line, metric: "events of those steps", unit: "events/s" },
      runs.map((run) => run.eventsPerSecond),
      null,
    ),
  ];
}

function fleetLines(context: ClaimContext, { requests, instances }: Extent): Measured[] {
  const { clock, seed } = context;
  const run = runFleet({ requests, instances, seed }, clock, (share) =>
    context.progress(`${requests} requests over ${instances} instances, ${Math.round(share * 100)} %`),
  );
  const { heap, seconds, report } = run;
  const [first, last] = [heap[0]!, heap.at(-1)!];
  const world = `${requests} requests over ${instances} instances, ${report.steps} steps`;
  const line = { kind: "simulated", better: "lower" } as const;
  const rate = (metric: string, unit: string, count: number): Measured =>
    exact({ ...line, better: "higher", metric, unit, note: `${world}, one core` }, count / seconds, null, requests);
  return [
    exact({ ...line, metric: "a fleet's run", unit: "s", note: fleetNote(run, world) }, seconds, null, requests),
    rate("requests of a fleet", "requests/s", requests),
    rate("steps of a fleet", "steps/s", report.steps),
    rate("events of a fleet", "events/s", run.events),
    exact(
      {
        ...line,
        metric: "live heap, all requests over a quarter of them",
        unit: "x",
        note: `${world}; ${megabytes(first.liveBytes)} and ${megabytes(last.liveBytes)} MB after a full collection`,
        curve: heap.map((point) => ({
          arrived: point.share,
          live_mb: megabytes(point.liveBytes),
          peak_mb: megabytes(point.peakBytes),
        })),
      },
      last.liveBytes / first.liveBytes,
      HEAP_TARGET,
      requests,
    ),
    exact(
      {
        ...line,
        metric: "live heap, slope",
        unit: "bytes/request",
        note: `${world}; straight line through the quarters`,
      },
      slope(heap),
      null,
      heap.length,
    ),
    exact(
      {
        ...line,
        metric: "peak heap, last quarter over second",
        unit: "x",
        note: `${world}; what waits for collection included; the first quarter compiles`,
      },
      last.peakBytes / heap[1]!.peakBytes,
      null,
      requests,
    ),
  ];
}

function fleetNote({ report }: FleetRun, world: string): string {
  const { meanRunning } = report.queue;
  const busy = Math.round(report.utilization * 100);
  return `${world}; ${Math.round(meanRunning)} sequences at once, devices busy ${busy} %, every request answered: ${report.requests.done === report.requests.arrived ? "yes" : "no"}`;
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e4) / 100;

/** Bytes per request, by least squares. */
function slope(points: readonly HeapPoint[]): number {
  const mean = (of: (point: HeapPoint) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  const [x, y] = [mean((point) => point.requests), mean((point) => point.liveBytes)];
  const over = points.reduce((sum, point) => sum + (point.requests - x) * (point.liveBytes - y), 0);
  return over / points.reduce((sum, point) => sum + (point.requests - x) ** 2, 0);
}

function planLines(context: ClaimContext, { repeats }: Extent): Measured[] {
  return planTimes(context, repeats).map(({ policy, worst, curve }) =>
    absolute(
      {
        metric: `a plan's share of its ${PLAN_LIMIT_MS} ms, ${policy}`,
        unit: "x",
        better: "lower",
        kind: "live",
        note: "1,000 requests, the slowest kind of view",
        curve,
      },
      worst.map((ms) => ms / PLAN_LIMIT_MS),
      1,
    ),
  );
}

export const simulator: Claim = {
  id: "simulator",
  name: "simulator",
  headline: "A million requests over a thousand instances are simulated in minutes, in memory that does not grow.",
  baseline: "for the queue of events: a binary heap of objects and a sorted array; otherwise limits fixed beforehand",
  source:
    "our own; structs of arrays under a binary heap, requests made while they are consumed, latencies in sketches",
  targets: `at least ${EVENTS_TARGET} heap events/s on one core; live heap at the last arrival at most ${HEAP_TARGET} times that at a quarter; a plan for 1,000 requests below ${PLAN_LIMIT_MS} ms under each policy; steps/s at batch ${BATCH} published`,
  measure,
};
