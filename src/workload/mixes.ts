/**
 * Mixes of classes with objectives. `threeClassMix` is JITServe's setting (NSDI'26): equally many latency requests,
 * deadline requests and compound tasks, with lengths of the Azure traces.
 */
import type { ArrivalProcess } from "./arrivals.ts";
import { type Distribution } from "./distributions.ts";
import type { RequestClass, Workload } from "./generate.ts";
import { PUBLISHED_WORKLOADS } from "./published.ts";

/** Options of `threeClassMix`. Defaults are the paper's objectives: 2 s and 100 ms, 20 s, 20 s a stage. */
export interface ThreeClassOptions {
  readonly arrivals: ArrivalProcess;
  readonly count?: number;
  readonly durationMs?: number;
  /** Weights of latency, deadline, compound and best-effort arrivals; 1, 1, 1, 0 when absent. */
  readonly weights?: readonly [latency: number, deadline: number, compound: number, bestEffort: number];
  readonly ttftMs?: number;
  readonly tpotMs?: number;
  readonly deadlineMs?: number;
  readonly deadlinePerStageMs?: number;
  readonly onMiss?: "finish" | "cut" | "reject";
  /** Lengths multiplied by this, for models and machines smaller than those of the traces. 1 when absent. */
  readonly lengthScale?: number;
  /** Thinking or tool time between stages; lognormal of mean 1 s when absent. */
  readonly thinkMs?: Distribution;
  readonly maxPromptTokens?: number;
  readonly maxTotalTokens?: number;
}

/** Latency, deadline and compound requests in one stream; weights count arrivals, so a task counts once. */
export function threeClassMix(options: ThreeClassOptions): Workload {
  const { arrivals, count, durationMs, maxPromptTokens, maxTotalTokens } = options;
  const { weights = [1, 1, 1, 0], onMiss = "finish", lengthScale = 1 } = options;
  const { ttftMs = 2000, tpotMs = 100, deadlineMs = 20_000, deadlinePerStageMs = 20_000 } = options;
  const scaled = (of: Distribution): Distribution => ({ kind: "scaled", by: lengthScale, of });
  const conversation = PUBLISHED_WORKLOADS["azure-conversation"].shape;
  const code = PUBLISHED_WORKLOADS["azure-code"].shape;
  const single = { kind: "single", prompt: scaled(conversation.prompt), output: scaled(conversation.output) } as const;
  const classes: RequestClass[] = [
    { name: "latency", weight: weights[0], shape: single, slo: { class: "latency", ttftMs, tpotMs, onMiss } },
    {
      name: "deadline",
      weight: weights[1],
      shape: { kind: "single", prompt: scaled(code.prompt), output: scaled(code.output) },
      slo: { class: "deadline", deadlineMs, onMiss },
    },
    {
      name: "compound",
      weight: weights[2],
      shape: {
        kind: "compound",
        stages: [2, 5],
        width: [1, 3],
        prompt: scaled({ kind: "lognormal", mean: 400, cv: 0.8 }),
        output: scaled({ kind: "lognormal", mean: 120, cv: 0.8 }),
        thinkMs: options.thinkMs ?? { kind: "lognormal", mean: 1000, cv: 0.8 },
        deadlinePerStageMs,
      },
      slo: { class: "compound", deadlineMs: deadlinePerStageMs, onMiss },
    },
    { name: "best-effort", weight: weights[3], shape: single, slo: { class: "best-effort", onMiss: "finish" } },
  ];
  return {
    name: "three-class mix",
    arrivals,
    classes: classes.filter(({ weight }) => weight > 0),
    ...(count === undefined ? {} : { count }),
    ...(durationMs === undefined ? {} : { durationMs }),
    ...(maxPromptTokens === undefined ? {} : { maxPromptTokens }),
    ...(maxTotalTokens === undefined ? {} : { maxTotalTokens }),
  };
}
