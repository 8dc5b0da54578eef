/**
 * The setting of claim `26`, fixed before any run that is reported: models, set-ups, lengths, loads and agreements. All
 * lengths are those of 2401.08671 section 4 in units of a full step of theirs (512 tokens), all agreements in units of
 * its duration, so that an engine of another pace is asked the same question.
 */
import { createRandom, type RandomStream } from "../../core/index.ts";
import type { DecoderConfig } from "../../llm/index.ts";
import type { EngineOptions, GenerateRequest } from "../../runtime/index.ts";
import { chunkShape, createDeployment } from "../../sim/index.ts";
import { drawWhole, fastGenLengths } from "../../workload/index.ts";
import type { ClaimMode } from "../framework.ts";
import type { EffectiveSla } from "./effective.ts";

/** Who schedules; the first is ours, the second the baseline of the ratios. */
export const ARMS = ["splitfuse", "prefill-first", "orca-mixed"] as const;
export type Arm = (typeof ARMS)[number];
export const BASELINE: Arm = "prefill-first";

export const CLIENTS = 16;
/** Mean prompt, in full steps: the paper's 2,600 tokens of 512. */
export const PROMPT_STEPS = 5;
/** Mean answers of the paper's two mixes; an answer's tokens are steps, they need no scaling. */
export const ANSWER_TOKENS = 60;
export const LONG_ANSWER_TOKENS = 128;
/** Of the baseline's highest throughput in a closed loop. */
export const LOAD_SHARE = 0.8;

/** Tokens per second that every stream keeps up, in the paper's time. */
export const SLA_RATES = [2, 4, 6, 8, 10] as const;
/** The agreement that the target is on: somebody reads along fast. */
export const TARGET_RATE = 10;
/** A prompt of the paper may take a second per 512 tokens. */
const SLA_PROMPT_TOKENS_PER_SECOND = 512;
/** What a client asks of the engine, as a share of what it will be content with: steps are never all alike. */
const HEADROOM = 0.85;

/** An engine's full step: what scales lengths and agreements. */
export interface FullStep {
  readonly tokens: number;
  readonly stepMs: number;
}

/** The machine whose pace is the paper's time: four A100 with a model of 66 billion weights. */
export const PAPER_DEPLOYMENT = "opt-66b:tp4";
/** The paper's mean prompt. */
export const PAPER_PROMPT_TOKENS = 2600;
const PAPER_STEP_TOKENS = 512;

/** A full step there: every client's decode and a chunk from the middle of a prompt. */
function paperStepMs(): number {
  const chunk = chunkShape(PAPER_STEP_TOKENS - CLIENTS, PAPER_PROMPT_TOKENS / 2);
  const decodes = { decodes: CLIENTS, decodeContext: CLIENTS * PAPER_PROMPT_TOKENS };
  const shape = { ...chunk, ...decodes, tokens: PAPER_STEP_TOKENS, rows: CLIENTS + 1 };
  return createDeployment(PAPER_DEPLOYMENT).deployment.cost.stepMs(shape);
}

export const PAPER_STEP: FullStep = { tokens: PAPER_STEP_TOKENS, stepMs: paperStepMs() };

/** The paper's agreement at a rate, for an engine of that pace. */
export function slaOf(ratePerSecond: number, step: FullStep): EffectiveSla {
  const slower = step.stepMs / PAPER_STEP.stepMs;
  const promptMs = 1000 / SLA_PROMPT_TOKENS_PER_SECOND;
  return {
    gapMs: (1000 / ratePerSecond) * slower,
    promptMsPerToken: promptMs * slower * (PAPER_STEP.tokens / step.tokens),
  };
}

/** The pace that a client under such an agreement asks for; undefined where a full step keeps it anyway. */
export function paceOf(ratePerSecond: number, step: FullStep): number | undefined {
  const tpotMs = slaOf(ratePerSecond, step).gapMs * HEADROOM;
  return tpotMs > 1.2 * step.stepMs ? undefined : tpotMs;
}

/** Mean tokens of prompts and answers. */
export interface Lengths {
  readonly prompt: number;
  readonly answer: number;
}

/** Draws lengths as the paper did: normal, 30 % off; never more than twice the mean, so that the engine has room. */
export function drawLengths({ prompt, answer }: Lengths, random: RandomStream): Lengths {
  return {
    prompt: drawWhole(fastGenLengths(prompt), random, 1, 2 * prompt),
    answer: drawWhole(fastGenLengths(answer), random, 2, 2 * answer),
  };
}

/** Ids above the marks of a model without vocabulary. */
const FIRST_ID = 32;

/** A request of those lengths with a prompt that nothing else shares. */
export function drawRequest({ prompt, answer }: Lengths, vocabSize: number, random: RandomStream): GenerateRequest {
  return {
    promptTokens: Array.from({ length: prompt }, () => random.int(FIRST_ID, vocabSize - 1)),
    maxTokens: answer,
    ignoreEos: true,
    sampling: { temperature: 0 },
  };
}

/**
 * The requests of a closed loop, the same for every arm: each client has a stream of its own. First answers are cut
 * anywhere, so that clients do not walk in step.
 */
export function clientRequests(
  lengths: Lengths,
  vocabSize: number,
  seed: string,
): (client: number, first: boolean) => GenerateRequest {
  const streams = new Map<number, RandomStream>();
  return (client, first) => {
    const random = streams.get(client) ?? createRandom(seed, `client ${client}`);
    streams.set(client, random);
    const drawn = drawLengths(lengths, random);
    return drawRequest(first ? { ...drawn, answer: random.int(2, drawn.answer) } : drawn, vocabSize, random);
  };
}

/** Threads and weights of an engine. */
export interface SetUp extends Required<Pick<EngineOptions, "threads" | "weights">> {
  readonly name: string;
}

const SET_UPS: readonly SetUp[] = [
  { name: "1 thread, f32", threads: 1, weights: "f32" },
  { name: "2 threads, f32", threads: 2, weights: "f32" },
  { name: "1 thread, int4", threads: 1, weights: "int4" },
  { name: "2 threads, int4", threads: 2, weights: "int4" },
];

/** How much is measured. */
export interface Extent {
  readonly model: DecoderConfig;
  readonly modelName: string;
  /** A full step is never larger. */
  readonly mostStepTokens: number;
  readonly setUps: readonly SetUp[];
  /** Interleaved rounds of the closed loop, and its window. */
  readonly rounds: number;
  readonly windowMs: number;
  readonly openRounds: number;
  readonly openMs: number;
  /** Clients of the sweep for effective throughput, its window, and in how many set-ups, from the last. */
  readonly sweepClients: readonly number[];
  readonly sweepRates: readonly number[];
  readonly sweepMs: number;
  readonly sweepSetUps: number;
  /** Mean prompts of the curve in full steps, in the last set-up. */
  readonly promptCurve: readonly number[];
  readonly simulatedSeeds: number;
  readonly simulatedRequests: number;
  readonly simulatedClients: readonly number[];
}

const decoder = (hidden: number, layers: number, ffn: number): DecoderConfig => ({
  vocabSize: 4096,
  hidden,
  layers,
  heads: hidden / 64,
  kvHeads: 2,
  headDim: 64,
  ffn,
  ropeTheta: 10_000,
  normEps: 1e-5,
  tiedEmbeddings: true,
  maxPositions: 8192,
});

const EXTENTS: Readonly<Record<ClaimMode, Extent>> = {
  full: {
    model: decoder(512, 6, 1408),
    modelName: "512×6",
    mostStepTokens: 128,
    setUps: SET_UPS,
    rounds: 3,
    windowMs: 2000,
    openRounds: 3,
    openMs: 2000,
    sweepClients: [2, 8],
    sweepRates: SLA_RATES,
    sweepMs: 1000,
    sweepSetUps: 4,
    promptCurve: [1, 2, 10],
    simulatedSeeds: 5,
    simulatedRequests: 512,
    simulatedClients: [1, 2, 4, 8, 12, 16, 24, 32],
  },
  quick: {
    model: decoder(256, 4, 768),
    modelName: "256×4",
    mostStepTokens: 128,
    // Every thread count and format once.
    setUps: [SET_UPS[0]!, SET_UPS[3]!],
    rounds: 2,
    windowMs: 500,
    openRounds: 1,
    openMs: 600,
    sweepClients: [2, 8],
    sweepRates: [TARGET_RATE],
    sweepMs: 800,
    sweepSetUps: 1,
    promptCurve: [],
    simulatedSeeds: 2,
    simulatedRequests: 256,
    simulatedClients: [2, 4, 8, 16, 24],
  },
  smoke: {
    model: { ...decoder(64, 2, 128), headDim: 16, heads: 4 },
    modelName: "64×2",
    mostStepTokens: 32,
    setUps: SET_UPS.slice(0, 1),
    rounds: 1,
    windowMs: 60,
    openRounds: 1,
    openMs: 60,
    sweepClients: [4],
    sweepRates: [TARGET_RATE],
    sweepMs: 40,
    sweepSetUps: 1,
    promptCurve: [],
    simulatedSeeds: 1,
    simulatedRequests: 24,
    simulatedClients: [4],
  },
};

/** What a mode measures. */
export function extentOf(mode: ClaimMode): Extent {
  return EXTENTS[mode];
}
