/**
 * The setting of claim `40`, live, fixed before any run that is reported: arms, models, lengths, loads. Objectives are
 * multiples of what a request meets alone on the unified engine, loads are shares of that engine's own throughput, so that
 * a machine of another pace is asked the same question.
 */
import type { DecoderConfig } from "../../llm/index.ts";
import type { ClaimMode } from "../framework.ts";
import { decoderOf, type ArmOptions, type MeanLengths } from "./live-arms.ts";

/** Objectives, in what a request meets alone. */
export const TTFT_SCALE = 7.5;
export const TPOT_SCALE = 3;
/** Between the caches of the disaggregated arm: 25 Gbit/s. */
const LINK = { bandwidthBytesPerSecond: 25e9 / 8, latencyMs: 0.1 };

export const DYNAMIC = "semi-pd, dynamic";
export const UNIFIED = ["unified, prefill-first", "unified, splitfuse"] as const;
export const DISAGGREGATED = "disaggregated";
/** The uncontrolled baseline is the better of these. */
export const UNCONTROLLED = ["semi-pd, static 1+1", "semi-pd, left to the operating system"] as const;
/** Shares of prompts that stay as they are. */
export const FIXED = ["semi-pd, prompts' share 0.4", "semi-pd, prompts' share 0.6"] as const;

/** What is measured under steady load. */
export const STEADY_ARMS: readonly string[] = [DYNAMIC, ...UNIFIED, DISAGGREGATED, ...UNCONTROLLED];
/** What is measured under a mix that shifts. */
export const SHIFTING_ARMS: readonly string[] = [DYNAMIC, ...UNCONTROLLED, ...FIXED];

/** Every arm. */
export function armsOf({ controlMs }: Extent): readonly ArmOptions[] {
  const semiPd = (semiPdOptions: ArmOptions["engine"]["semiPd"]): ArmOptions["engine"] => ({
    phases: "semi-pd",
    semiPd: semiPdOptions!,
  });
  return [
    { name: DYNAMIC, engine: semiPd({ sharing: "controlled", windowMs: controlMs, minSamples: 4 }) },
    { name: UNIFIED[0], engine: { policy: "prefill-first", threads: 2 } },
    { name: UNIFIED[1], engine: { policy: "splitfuse", threads: 2 } },
    { name: DISAGGREGATED, engine: { phases: "disaggregated", disaggregated: LINK } },
    { name: UNCONTROLLED[0], engine: semiPd({ sharing: "static" }) },
    { name: UNCONTROLLED[1], engine: semiPd({ sharing: "os" }) },
    { name: FIXED[0], engine: semiPd({ sharing: "fixed", share: 0.4 }) },
    { name: FIXED[1], engine: semiPd({ sharing: "fixed", share: 0.6 }) },
  ];
}

/** How much is measured. */
export interface Extent {
  readonly model: DecoderConfig;
  readonly modelName: string;
  readonly budgetTokens: number;
  readonly kvPages: number;
  readonly lengths: MeanLengths;
  /** The two halves of the mix that shifts. */
  readonly promptHeavy: MeanLengths;
  readonly answerHeavy: MeanLengths;
  readonly rounds: number;
  /** Of the better unified arm's throughput, ascending; the last is the high load that the target is on. */
  readonly loads: readonly number[];
  /** How long requests come at each load. */
  readonly windowMs: number;
  /** Load of the mix that shifts, and how long each half of it is. */
  readonly shiftingLoad: number;
  readonly halfMs: number;
  readonly shiftingRounds: number;
  /** How long throughput is measured, and by how many clients. */
  readonly peakMs: number;
  readonly clients: number;
  /** The controller's window. */
  readonly controlMs: number;
  readonly leastRequests: number;
}

const COMMON = {
  lengths: { prompt: 128, answer: 32 },
  promptHeavy: { prompt: 256, answer: 8 },
  answerHeavy: { prompt: 32, answer: 64 },
  budgetTokens: 128,
  kvPages: 800,
  clients: 12,
  leastRequests: 8,
  shiftingLoad: 0.8,
} as const;

const EXTENTS: Readonly<Record<ClaimMode, Extent>> = {
  full: {
    ...COMMON,
    model: decoderOf(512, 6, 1408),
    modelName: "512×6, f32",
    rounds: 3,
    loads: [0.5, 0.7, 0.85, 1],
    windowMs: 4000,
    halfMs: 4000,
    shiftingRounds: 3,
    peakMs: 4000,
    controlMs: 300,
  },
  quick: {
    ...COMMON,
    model: decoderOf(256, 4, 768),
    modelName: "256×4, f32",
    rounds: 2,
    loads: [0.7, 1],
    windowMs: 250,
    halfMs: 350,
    shiftingRounds: 2,
    peakMs: 300,
    controlMs: 100,
  },
  smoke: {
    ...COMMON,
    model: decoderOf(64, 2, 128, 16),
    modelName: "64×2, f32",
    budgetTokens: 32,
    kvPages: 200,
    lengths: { prompt: 24, answer: 6 },
    promptHeavy: { prompt: 32, answer: 4 },
    answerHeavy: { prompt: 8, answer: 8 },
    rounds: 1,
    loads: [1],
    windowMs: 10,
    halfMs: 10,
    shiftingRounds: 1,
    peakMs: 15,
    clients: 2,
    controlMs: 10,
    leastRequests: 3,
  },
};

/** What a mode measures. */
export function extentOf(mode: ClaimMode): Extent {
  return EXTENTS[mode];
}
