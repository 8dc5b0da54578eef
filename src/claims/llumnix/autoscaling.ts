/**
 * Autoscaling of claim `29`: both arms start and stop instances by the same rule (freeness of the fleet between two
 * thresholds) and differ in dispatch and migration, which also empties instances that are to stop. Each threshold gives
 * a point of cost (instance-seconds) and P99 to the first token; the arms are compared where their P99 is equal.
 */
import { median } from "../../core/index.ts";
import type { Measured } from "../framework.ts";
import { compare } from "../statistics.ts";
import { INFAAS, LLUMNIX, MIXES, runArm, traceOf, type Arm } from "./setup.ts";

/** How much is run. */
export interface AutoscalingSize {
  /** Decode steps of freeness below which an instance is added, ascending; one is removed above twice as many. */
  readonly thresholds: readonly number[];
  readonly seeds: number;
  readonly durationMs: number;
}

const MIX = "L-L";
const CV = 4;
/** Of sixteen instances; the fleet has what it needs of them. */
const LOAD = 0.5;
const MOST = 16;
const FIRST = 8;
/** Loading a 7B model. */
const START_MS = 20_000;
/** Compared at this P99 to the first token, the tail that a user may be asked to bear. */
const EQUAL_P99_MS = 5000;
/** 36 % fewer. */
const TARGET = 1 / (1 - 0.36);

interface Point {
  readonly threshold: number;
  readonly instanceSeconds: number;
  readonly p99Ms: number;
}

/**
 * The fewest instance-seconds with at most that P99, between points by straight line over the logarithm of P99; the
 * cheapest point when even that is better, the dearest when none is good enough.
 */
export function costAt(points: readonly Point[], p99Ms: number): number {
  const byCost = points.toSorted((a, b) => a.instanceSeconds - b.instanceSeconds);
  const good = byCost.findIndex((point) => point.p99Ms <= p99Ms);
  if (good < 0) return byCost.at(-1)!.instanceSeconds;
  if (good === 0) return byCost[0]!.instanceSeconds;
  const [cheap, dear] = [byCost[good - 1]!, byCost[good]!];
  const share = Math.log(cheap.p99Ms / p99Ms) / Math.log(cheap.p99Ms / dear.p99Ms);
  return cheap.instanceSeconds + (dear.instanceSeconds - cheap.instanceSeconds) * share;
}

function sweep(arm: Arm, size: AutoscalingSize, seed: string): Point[] {
  const mix = MIXES.find(({ name }) => name === MIX)!;
  const trace = traceOf(mix, LOAD, CV, size.durationMs, seed);
  return size.thresholds.map((threshold) => {
    const { instanceSeconds, ttftMs } = runArm(arm, trace, {
      instances: FIRST,
      autoscale: { least: 1, most: MOST, lowSteps: threshold, highSteps: 2 * threshold },
      startMs: START_MS,
    });
    return { threshold, instanceSeconds, p99Ms: ttftMs.p99 ?? 0 };
  });
}

/** One line with the sweep as its curve. */
export function autoscalingLines(size: AutoscalingSize, seed: number, progress: (message: string) => void): Measured[] {
  const runs = Array.from({ length: size.seeds }, (_, repeat) => {
    progress(`llumnix, autoscaling ${repeat + 1} of ${size.seeds}`);
    const name = `autoscaling ${seed} ${repeat}`;
    return { ours: sweep(LLUMNIX, size, name), theirs: sweep(INFAAS, size, name) };
  });
  const curve = size.thresholds.map((threshold, i) => {
    const of = (arm: "ours" | "theirs", key: keyof Point): number => median(runs.map((run) => run[arm][i]![key]));
    return {
      threshold_steps: threshold,
      llumnix_instance_s: of("ours", "instanceSeconds"),
      llumnix_p99_ms: of("ours", "p99Ms"),
      infaas_instance_s: of("theirs", "instanceSeconds"),
      infaas_p99_ms: of("theirs", "p99Ms"),
    };
  });
  return [
    compare(
      {
        metric: "instance-seconds at equal P99 to the first token",
        unit: "s",
        better: "lower",
        kind: "simulated",
        note: `${MIX}, gamma of CV ${CV}, at most ${MOST} instances, P99 of ${EQUAL_P99_MS} ms; 36 % fewer is ${TARGET.toFixed(2)}x`,
        paper_says: "up to 36 % fewer",
        curve,
      },
      runs.map(({ ours }) => costAt(ours, EQUAL_P99_MS)),
      runs.map(({ theirs }) => costAt(theirs, EQUAL_P99_MS)),
      TARGET,
    ),
  ];
}
