/**
 * Priorities of claim `29`: a tenth of the requests is urgent. The same requests under the same policy, once with their
 * priorities (scheduling and execution priority) and once without, and mean latencies of urgent and of normal requests.
 */
import type { Trace } from "../../workload/index.ts";
import type { Measured } from "../framework.ts";
import { compare } from "../statistics.ts";
import { LLUMNIX, MIXES, runArm, traceOf } from "./setup.ts";

/** How much is run. */
export interface PrioritySize {
  /** The last one is the one with targets. */
  readonly loads: readonly number[];
  readonly seeds: number;
  readonly durationMs: number;
}

const MIX = "S-S";
const CV = 8;
const URGENT_SHARE = 0.1;
const URGENT_TARGET = 1.5;
/** At most 5 % slower. */
const NORMAL_TARGET = 0.95;

interface Means {
  readonly urgentMs: number;
  readonly normalMs: number;
}

/** Mean end-to-end latencies by class. */
function meansOf(trace: Trace, urgent: ReadonlySet<number>): Means {
  const [sums, counts] = [
    [0, 0],
    [0, 0],
  ];
  runArm(LLUMNIX, trace, {
    observer: {
      request: ({ id, end, endMs, arrivalMs }) => {
        if (end !== "done") return;
        const of = urgent.has(id) ? 0 : 1;
        sums[of]! += endMs - arrivalMs;
        counts[of]! += 1;
      },
    },
  });
  return { urgentMs: sums[0]! / counts[0]!, normalMs: sums[1]! / counts[1]! };
}

function measureLoad(load: number, size: PrioritySize, seed: number): { ours: Means; base: Means }[] {
  const mix = MIXES.find(({ name }) => name === MIX)!;
  return Array.from({ length: size.seeds }, (_, repeat) => {
    const trace = traceOf(mix, load, CV, size.durationMs, `priorities ${seed} ${repeat}`, URGENT_SHARE);
    const urgent = new Set(trace.requests.filter(({ priority = 0 }) => priority > 0).map(({ id }) => id));
    const plain = { ...trace, requests: trace.requests.map((request) => ({ ...request, priority: 0 })) };
    return { ours: meansOf(trace, urgent), base: meansOf(plain, urgent) };
  });
}

/** Two lines, urgent and normal, with the loads as a curve. */
export function priorityLines(size: PrioritySize, seed: number, progress: (message: string) => void): Measured[] {
  const runs = size.loads.map((load) => {
    progress(`llumnix, priorities at load ${load}`);
    return { load, pairs: measureLoad(load, size, seed) };
  });
  const { load, pairs } = runs.at(-1)!;
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const curve = runs.map((run) => {
    const of = (arm: "ours" | "base", key: keyof Means): number => mean(run.pairs.map((pair) => pair[arm][key]));
    return {
      load: run.load,
      urgent_ms: of("ours", "urgentMs"),
      urgent_without_ms: of("base", "urgentMs"),
      urgent_ratio: of("base", "urgentMs") / of("ours", "urgentMs"),
      normal_ms: of("ours", "normalMs"),
      normal_without_ms: of("base", "normalMs"),
      normal_ratio: of("base", "normalMs") / of("ours", "normalMs"),
    };
  });
  const text = {
    unit: "ms",
    better: "lower",
    kind: "simulated",
    note: `${MIX}, load ${load}, gamma of CV ${CV}, ${URGENT_SHARE * 100} % urgent; against the same policy without priorities`,
  } as const;
  const line = (metric: string, key: keyof Means, target: number): Measured =>
    compare(
      { ...text, metric, ...(key === "urgentMs" ? { paper_says: "up to 1.5x", curve } : {}) },
      pairs.map(({ ours }) => ours[key]),
      pairs.map(({ base }) => base[key]),
      target,
    );
  return [
    line("mean latency of urgent requests", "urgentMs", URGENT_TARGET),
    line("mean latency of normal requests beside them", "normalMs", NORMAL_TARGET),
  ];
}
