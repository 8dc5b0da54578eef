/**
 * Claim `29`: rescheduling across instances, as in Llumnix (OSDI'24), simulated. Every arm runs the same requests on the
 * same sixteen instances with the same engine policy; arms differ in who gets a request, and in whether requests move.
 * Loads, objective, thresholds and targets are in llumnix/ and were fixed before the seeds that are reported were run.
 */
import type { Claim, ClaimContext, Measured } from "./framework.ts";
import { autoscalingLines, type AutoscalingSize } from "./llumnix/autoscaling.ts";
import { downtimeLines } from "./llumnix/downtime.ts";
import { mapLines, measureMap, type MapSize, type Regime } from "./llumnix/map.ts";
import { priorityLines, type PrioritySize } from "./llumnix/priorities.ts";
import { staleLines, type StaleSize } from "./llumnix/staleness.ts";

interface Size {
  readonly map: MapSize;
  readonly priorities: PrioritySize;
  readonly autoscaling: AutoscalingSize;
  readonly stale: StaleSize;
}

const MINUTE_MS = 60_000;

const regimes = (mixes: readonly string[], cvs: readonly number[]): Regime[] =>
  mixes.flatMap((mix) => cvs.map((cv) => ({ mix, cv })));

const SIZES: Readonly<Record<ClaimContext["mode"], Size>> = {
  smoke: {
    map: { regimes: regimes(["S-L"], [1, 8]), loads: [], halvings: 1, seeds: 1, fewSeeds: 1, durationMs: 10_000 },
    priorities: { loads: [1.05], seeds: 1, durationMs: 20_000 },
    autoscaling: { thresholds: [400, 1600], seeds: 1, durationMs: 20_000 },
    stale: { ages: [0, 1000], seeds: 1, durationMs: 10_000 },
  },
  quick: {
    map: {
      regimes: [...regimes(["M-M", "L-L", "S-L"], [1]), ...regimes(["L-L", "S-L", "L-S"], [8])],
      loads: [0.6],
      halvings: 3,
      seeds: 3,
      fewSeeds: 1,
      durationMs: 4 * MINUTE_MS,
    },
    priorities: { loads: [0.7, 1.05], seeds: 3, durationMs: 4 * MINUTE_MS },
    autoscaling: { thresholds: [200, 400, 800], seeds: 2, durationMs: 8 * MINUTE_MS },
    stale: { ages: [0, 1000, 5000], seeds: 1, durationMs: 4 * MINUTE_MS },
  },
  full: {
    map: {
      regimes: [...regimes(["S-S", "M-M", "L-L", "S-L", "L-S"], [1, 8]), ...regimes(["M-M", "L-L", "S-L"], [4])],
      loads: [0.6, 1.1],
      halvings: 4,
      seeds: 5,
      fewSeeds: 2,
      durationMs: 10 * MINUTE_MS,
    },
    priorities: { loads: [0.7, 0.9, 1, 1.05], seeds: 3, durationMs: 10 * MINUTE_MS },
    autoscaling: { thresholds: [200, 400, 800, 1600], seeds: 3, durationMs: 20 * MINUTE_MS },
    stale: { ages: [0, 250, 1000, 5000], seeds: 3, durationMs: 10 * MINUTE_MS },
  },
};

async function measure(context: ClaimContext): Promise<readonly Measured[]> {
  const { mode, seed } = context;
  const progress = (message: string): void => context.progress(message);
  const size = SIZES[mode];
  const points = measureMap(size.map, seed, progress);
  return [
    ...mapLines(points),
    ...staleLines(size.stale, seed, progress),
    ...priorityLines(size.priorities, seed, progress),
    ...autoscalingLines(size.autoscaling, seed, progress),
    ...downtimeLines(),
  ];
}

export const llumnix: Claim = {
  id: "29",
  name: "llumnix",
  headline:
    "Requests that are dispatched by freeness and migrate while they decode see their first token much earlier in the worst hundredth.",
  baseline:
    "round-robin, and INFaaS++: dispatch by memory in use and queued, with fresh loads and the same autoscaling rule",
  source:
    "Llumnix (OSDI'24): virtual usage, freeness, pairing, staged copies; sixteen A10 with LLaMA-7B by a roofline, its length mixes",
  targets:
    "P99 to the first token at the highest load where INFaaS++ attains 90 %: at least 10x round-robin (M-M, L-L, S-L), at least 3x INFaaS++ in bursts of L-L, S-L, L-S, nowhere below 0.95x; urgent requests 1.5x faster with normal ones at most 5 % slower; 36 % fewer instance-seconds at equal P99; downtime within 1.5x from 256 to 8,192 tokens",
  measure,
};
