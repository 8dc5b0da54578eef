/**
 * Workloads and objectives of the simulated arms of claim 40, fixed before anything was measured with them: objectives are
 * multiples of what a request of mean length takes alone (7.5 tight, 10 loose), as in the paper.
 */
import { createRandom } from "../../core/index.ts";
import type { Slo } from "../../sched/index.ts";
import { chunkShape, decodeShape, type CostModel } from "../../sim/index.ts";
import { generateTrace, publishedWorkload, type PublishedName, type Trace } from "../../workload/index.ts";

/** What is asked of the arms, and how tight the objective is. */
export interface Setting {
  readonly name: string;
  readonly workload: PublishedName;
  readonly model: string;
  /** Multiple of a lone request's latencies. */
  readonly slack: number;
}

/** The one that targets are on. */
export const HEADLINE: Setting = { name: "chat, tight", workload: "distserve-chatbot", model: "opt-13b", slack: 7.5 };

/** Published beside it. */
export const OTHERS: readonly Setting[] = [
  { name: "chat, loose", workload: "distserve-chatbot", model: "opt-13b", slack: 10 },
  { name: "long answers, tight", workload: "sharegpt", model: "opt-13b", slack: 7.5 },
  { name: "summaries, tight", workload: "longbench", model: "opt-13b", slack: 7.5 },
  { name: "chat, tight, Llama3-8B", workload: "distserve-chatbot", model: "llama3-8b", slack: 7.5 },
];

/** Of requests within both targets. */
export const ATTAIN = 0.9;
const CONTEXT_TOKENS = 2048;

/** Poisson arrivals, one a second. */
export function chatTrace(workload: PublishedName, count: number, seed: number): Trace {
  const arrivals = { kind: "poisson", ratePerSecond: 1 } as const;
  const limits = { count, arrivals, maxTotalTokens: CONTEXT_TOKENS };
  return generateTrace(publishedWorkload(workload, limits), createRandom(seed, `claim 40 ${workload}`));
}

/** The objective of a trace on a device. */
export function objectiveOf({ requests }: Trace, cost: CostModel, slack: number): Slo {
  const promptTokens = Math.round(requests.reduce((sum, one) => sum + one.promptTokens, 0) / requests.length);
  const ttftMs = slack * cost.stepMs(chunkShape(promptTokens));
  const tpotMs = slack * cost.stepMs(decodeShape(1, promptTokens));
  return { class: "latency", ttftMs, tpotMs, onMiss: "finish" };
}
