/**
 * Generators that imitate published workloads: each has the facts that its source gives (means, quantiles, coefficient
 * of variation of the gaps, share of prefixes found again) and distributions through them. They are no substitute for
 * the data where correlations matter; tests hold each against its facts.
 */
import type { ArrivalProcess } from "./arrivals.ts";
import type { Distribution } from "./distributions.ts";
import type { Workload } from "./generate.ts";
import type { ConversationShape, SingleShape } from "./shapes.ts";

type Points = readonly (readonly [q: number, value: number])[];
const through = (points: Points, scale: "log" | "linear" = "log"): Distribution => ({
  kind: "quantiles",
  points,
  scale,
});
/** Quantiles as Llumnix's table 1 gives them (P50, P80, P95, P99) between ends chosen to meet its mean. */
const llumnix = (
  ends: readonly [number, number],
  [p50, p80, p95, p99]: readonly [number, number, number, number],
): Points => [
  [0, ends[0]],
  [0.5, p50],
  [0.8, p80],
  [0.95, p95],
  [0.99, p99],
  [1, ends[1]],
];

/** What a source says about a length or about the gaps between arrivals. */
export interface PublishedFacts {
  readonly promptMean: number;
  readonly outputMean: number;
  readonly promptP50?: number;
  readonly promptP90?: number;
  readonly outputP50?: number;
  readonly outputP90?: number;
  readonly gapCv?: number;
  readonly prefixHitBlocks?: number;
}

/** A workload that somebody published. */
export interface PublishedWorkload<Shape = SingleShape | ConversationShape> {
  readonly source: string;
  readonly shape: Shape;
  /** The recorded rate, or 1 where the source has no arrivals. */
  readonly arrivals: ArrivalProcess;
  readonly facts: PublishedFacts;
}

const AZURE_CONVERSATION: PublishedWorkload<SingleShape> = {
  source: "Azure LLM inference trace 2023, conversation (19,366 requests, 58.4 min)",
  arrivals: {
    kind: "gaps",
    ratePerSecond: 5.53,
    gaps: through([
      [0, 0.002],
      [0.01, 0.551],
      [0.05, 6.32],
      [0.1, 16.1],
      [0.2, 36.5],
      [0.3, 60.7],
      [0.5, 118],
      [0.7, 214],
      [0.8, 289],
      [0.9, 421],
      [0.95, 565],
      [0.98, 749],
      [0.99, 889],
      [0.999, 1431],
      [1, 4315],
    ]),
  },
  shape: {
    kind: "single",
    prompt: through([
      [0, 2],
      [0.01, 29],
      [0.05, 181],
      [0.1, 207],
      [0.2, 387],
      [0.3, 403],
      [0.4, 703],
      [0.5, 1020],
      [0.6, 1071],
      [0.7, 1130],
      [0.8, 1315],
      [0.85, 1876],
      [0.9, 2735],
      [0.95, 4083],
      [0.99, 4142],
      [0.995, 4831],
      [0.999, 6212],
      [1, 14050],
    ]),
    output: through([
      [0, 7],
      [0.01, 16],
      [0.05, 41],
      [0.1, 54],
      [0.2, 77],
      [0.4, 103],
      [0.5, 129],
      [0.6, 177],
      [0.7, 384],
      [0.9, 424],
      [0.95, 451],
      [0.98, 540],
      [0.995, 643],
      [1, 1000],
    ]),
  },
  facts: {
    promptMean: 1155,
    promptP50: 1020,
    promptP90: 2735,
    outputMean: 211,
    outputP50: 129,
    outputP90: 424,
    gapCv: 1.09,
  },
};

const AZURE_CODE: PublishedWorkload<SingleShape> = {
  source: "Azure LLM inference trace 2023, code (8,819 requests, 57.3 min)",
  arrivals: {
    kind: "gaps",
    ratePerSecond: 2.57,
    // Bursts of a few milliseconds, a mode at 100 ms, and pauses of minutes: no gamma distribution has this shape.
    gaps: through([
      [0, 0.006],
      [0.01, 0.022],
      [0.1, 0.21],
      [0.2, 1.18],
      [0.3, 3.29],
      [0.4, 15.1],
      [0.5, 63.8],
      [0.6, 95],
      [0.7, 100],
      [0.8, 160],
      [0.9, 273],
      [0.95, 401],
      [0.98, 799],
      [0.99, 2205],
      [0.995, 10124],
      [0.998, 40300],
      [0.999, 78400],
      [0.9995, 138700],
      [1, 217000],
    ]),
  },
  shape: {
    kind: "single",
    prompt: through([
      [0, 3],
      [0.01, 17],
      [0.05, 75],
      [0.1, 147],
      [0.2, 386],
      [0.3, 770],
      [0.4, 1075],
      [0.5, 1469],
      [0.6, 1909],
      [0.7, 2433],
      [0.8, 3192],
      [0.9, 5190],
      [0.95, 7302],
      [0.98, 7436],
      [1, 7437],
    ]),
    output: through([
      [0, 6],
      [0.05, 6],
      [0.1, 7],
      [0.2, 8],
      [0.3, 9],
      [0.4, 11],
      [0.5, 13],
      [0.6, 16],
      [0.7, 20],
      [0.8, 29],
      [0.9, 55],
      [0.95, 90],
      [0.98, 172],
      [0.99, 252],
      [0.995, 361],
      [0.999, 824],
      [1, 1899],
    ]),
  },
  facts: {
    promptMean: 2048,
    promptP50: 1469,
    promptP90: 5194,
    outputMean: 28,
    outputP50: 13,
    outputP90: 55,
    gapCv: 13.2,
  },
};

const SHAREGPT: PublishedWorkload<SingleShape> = {
  source: "ShareGPT (GPT-4), lengths as in Llumnix (OSDI'24), table 1",
  arrivals: { kind: "poisson", ratePerSecond: 1 },
  shape: {
    kind: "single",
    prompt: through(llumnix([4, 4096], [74, 348, 1484, 3388])),
    output: through(llumnix([4, 1600], [487, 781, 988, 1234]), "linear"),
  },
  facts: { promptMean: 306, promptP50: 74, outputMean: 500, outputP50: 487 },
};

const BURSTGPT: PublishedWorkload<SingleShape> = {
  source: "BurstGPT (GPT-4 conversations), lengths as in Llumnix (OSDI'24), table 1; gamma arrivals",
  arrivals: { kind: "gamma", ratePerSecond: 1, cv: 2 },
  shape: {
    kind: "single",
    prompt: through(llumnix([30, 7000], [582, 1427, 2345, 3549])),
    output: through(llumnix([20, 2000], [243, 434, 669, 964])),
  },
  facts: { promptMean: 830, promptP50: 582, outputMean: 271, outputP50: 243, gapCv: 2 },
};

/** DistServe gives means only (OSDI'24, figure 7); the shapes are ours, within its limit of 2,048 tokens. */
const distServe = (
  name: string,
  prompt: Distribution,
  output: Distribution,
  facts: PublishedFacts,
): PublishedWorkload<SingleShape> => ({
  source: `${name}, mean lengths as in DistServe (OSDI'24), figure 7`,
  arrivals: { kind: "poisson", ratePerSecond: 1 },
  shape: { kind: "single", prompt, output },
  facts,
});

const DISTSERVE_CHATBOT = distServe(
  "ShareGPT",
  { kind: "clipped", low: 4, high: 1900, of: { kind: "lognormal", mean: 930, cv: 1.3 } },
  { kind: "clipped", low: 4, high: 1000, of: { kind: "lognormal", mean: 203, cv: 0.9 } },
  { promptMean: 755.5, outputMean: 200.3 },
);
const DISTSERVE_CODE = distServe(
  "HumanEval",
  { kind: "clipped", low: 30, high: 500, of: { kind: "lognormal", mean: 171.8, cv: 0.45 } },
  { kind: "clipped", low: 8, high: 500, of: { kind: "lognormal", mean: 98.8, cv: 0.7 } },
  { promptMean: 171.3, outputMean: 98.2 },
);
const LONGBENCH = distServe(
  "LongBench",
  { kind: "clipped", low: 600, high: 2000, of: { kind: "normal", mean: 1750, sd: 250 } },
  { kind: "clipped", low: 4, high: 512, of: { kind: "lognormal", mean: 92, cv: 0.9 } },
  { promptMean: 1738.3, outputMean: 90.7 },
);

const MOONCAKE_CONVERSATION: PublishedWorkload<ConversationShape> = {
  source: "Mooncake (FAST'25) conversation trace (12,031 requests, 59 min)",
  arrivals: { kind: "poisson", ratePerSecond: 2.4 },
  shape: {
    kind: "conversation",
    system: { prompts: 1, tokens: 512, skew: 1 },
    opening: { kind: "clipped", low: 380, high: 120_000, of: { kind: "lognormal", mean: 9300, cv: 1.6 } },
    turn: { kind: "clipped", low: 20, high: 60_000, of: { kind: "lognormal", mean: 2600, cv: 2 } },
    output: through([
      [0, 1],
      [0.01, 3],
      [0.05, 10],
      [0.1, 24],
      [0.25, 157],
      [0.5, 350],
      [0.75, 472],
      [0.9, 597],
      [0.95, 698],
      [0.99, 1120],
      [1, 2000],
    ]),
    turns: {
      kind: "mixture",
      parts: [
        { weight: 0.82, of: { kind: "fixed", value: 1 } },
        { weight: 0.18, of: { kind: "exponential", mean: 3.2 } },
      ],
    },
    gapMs: { kind: "lognormal", mean: 90_000, cv: 1 },
  },
  facts: { promptMean: 12_035, outputMean: 343, outputP50: 350, prefixHitBlocks: 0.366 },
};

const MOONCAKE_SYNTHETIC: PublishedWorkload<ConversationShape> = {
  source: "Mooncake (FAST'25) synthetic trace (3,993 requests, 17 min)",
  arrivals: { kind: "poisson", ratePerSecond: 1.5 },
  shape: {
    kind: "conversation",
    system: { prompts: 400, tokens: 0, skew: 1 },
    opening: { kind: "clipped", low: 13, high: 190_000, of: { kind: "lognormal", mean: 11_500, cv: 1.3 } },
    turn: { kind: "clipped", low: 10, high: 60_000, of: { kind: "lognormal", mean: 2000, cv: 2 } },
    output: through([
      [0, 1],
      [0.05, 2],
      [0.1, 4],
      [0.25, 11],
      [0.5, 69],
      [0.75, 250],
      [0.9, 389],
      [0.95, 519],
      [0.99, 768],
      [1, 893],
    ]),
    turns: { kind: "exponential", mean: 3.2 },
    gapMs: { kind: "lognormal", mean: 60_000, cv: 1 },
  },
  facts: { promptMean: 15_325, outputMean: 149, outputP50: 69, prefixHitBlocks: 0.64 },
};

/** Published workloads by name. */
export const PUBLISHED_WORKLOADS = {
  "azure-conversation": AZURE_CONVERSATION,
  "azure-code": AZURE_CODE,
  sharegpt: SHAREGPT,
  burstgpt: BURSTGPT,
  "distserve-chatbot": DISTSERVE_CHATBOT,
  "distserve-code": DISTSERVE_CODE,
  longbench: LONGBENCH,
  "mooncake-conversation": MOONCAKE_CONVERSATION,
  "mooncake-synthetic": MOONCAKE_SYNTHETIC,
} as const satisfies Record<string, PublishedWorkload>;
/** The name of a published workload. */
export type PublishedName = keyof typeof PUBLISHED_WORKLOADS;

/** How a published workload is changed before it is generated. */
export interface PublishedOptions {
  readonly count?: number;
  readonly durationMs?: number;
  /** Another process of arrivals; the recorded one when absent. */
  readonly arrivals?: ArrivalProcess;
  readonly maxPromptTokens?: number;
  readonly maxTotalTokens?: number;
}

/** A published workload, ready to be generated. */
export function publishedWorkload(name: PublishedName, options: PublishedOptions): Workload {
  const { shape, arrivals } = PUBLISHED_WORKLOADS[name];
  return { name, arrivals, ...options, classes: [{ name, weight: 1, shape }] };
}

/** Llumnix's short, medium and long lengths (OSDI'24, table 1): means 128, 256 and 512, heavy tails up to 6,000. */
export const LENGTH_MIXES = {
  short: through(llumnix([4, 6000], [38, 113, 413, 1464])),
  medium: through(llumnix([2, 6000], [32, 173, 1288, 4208])),
  long: through(llumnix([2, 6000], [55, 582, 3113, 5166])),
} as const satisfies Record<string, Distribution>;

/** DeepSpeed-FastGen's lengths: normal around a mean with a standard deviation of 30 %, at least 1. */
export function fastGenLengths(mean: number): Distribution {
  return { kind: "clipped", low: 1, high: Infinity, of: { kind: "normal", mean, sd: 0.3 * mean } };
}
