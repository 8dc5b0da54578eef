/**
 * Workloads and objectives of claim 13, all fixed before anything was measured with them.
 *
 * The headline is on prompts like those of the Azure code trace that fit a 2,048-token model, arriving as a Poisson
 * process, OPT-13B on A100s without parallelism (DistServe's own tables), first tokens within a second; the pace is a
 * grid, and the headline its tightest point. The others are the paper's applications with its objectives and mean lengths.
 */
import { createRandom } from "../../core/index.ts";
import type { Slo } from "../../sched/index.ts";
import {
  generateStream,
  publishedWorkload,
  withArrivals,
  type PublishedName,
  type Trace,
} from "../../workload/index.ts";

/** OPT models were trained on so many tokens. */
const CONTEXT_TOKENS = 2048;

/** The grid of paces, milliseconds per token. */
export const TPOT_GRID: readonly number[] = [100, 60, 50, 40, 35, 32];
/** The point of the grid that the target is on. */
export const HEADLINE_TPOT_MS = 32;
export const TTFT_MS = 1000;
/** Where objectives are tightened: requests per second and device, and the objective at a scale of 1. */
export const TIGHTNESS = { perDevice: 5, ttftMs: 1000, tpotMs: 100 } as const;
/** Of requests within both targets. */
export const ATTAIN = 0.9;

/** An application of the paper's evaluation. */
export interface Application {
  readonly name: string;
  readonly workload: PublishedName;
  readonly model: string;
  readonly ttftMs: number;
  readonly tpotMs: number;
  readonly paper: string | null;
}

/** OSDI'24, table 1, as far as there are tables of the model. */
export const APPLICATIONS: readonly Application[] = [
  {
    name: "chatbot, OPT-13B",
    workload: "distserve-chatbot",
    model: "opt-13b",
    ttftMs: 250,
    tpotMs: 100,
    paper: "2.0x to 3.41x",
  },
  {
    name: "chatbot, OPT-66B",
    workload: "distserve-chatbot",
    model: "opt-66b",
    ttftMs: 400,
    tpotMs: 100,
    paper: "2.0x to 3.41x",
  },
  {
    name: "code completion, OPT-66B",
    workload: "distserve-code",
    model: "opt-66b",
    ttftMs: 125,
    tpotMs: 200,
    paper: "3.2x",
  },
  {
    name: "summarisation, OPT-66B",
    workload: "longbench",
    model: "opt-66b",
    ttftMs: 15_000,
    tpotMs: 150,
    paper: "4.48x",
  },
];

export const latencySlo = (ttftMs: number, tpotMs: number): Slo => ({
  class: "latency",
  ttftMs,
  tpotMs,
  onMiss: "finish",
});

/** So many requests that fit the model, one a second; longer ones are left out, as in the paper. */
export function fittingTrace(workload: PublishedName, count: number, seed: number): Trace {
  const random = createRandom(seed, `claim 13 ${workload}`);
  const arrivals = { kind: "poisson", ratePerSecond: 1 } as const;
  const all = generateStream(publishedWorkload(workload, { count: 100 * count, arrivals }), random);
  const requests: Trace["requests"][number][] = [];
  for (const request of all.requests) {
    if (request.promptTokens + request.outputTokens > CONTEXT_TOKENS) continue;
    requests.push({ ...request, id: requests.length });
    if (requests.length === count) break;
  }
  return withArrivals({ ...all, requests }, arrivals, random.fork("kept"));
}
