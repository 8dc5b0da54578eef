/**
 * How many tokens a step may hold, and at how many it pays off best: measured on the machine and model at hand, before
 * the first request.
 *
 * Runs chunks of 1, 2, 4, … tokens through the executor and takes the largest size whose step stays
 * within the target, between two measured sizes by straight line. A model that is slower than the target with a single
 * token reads all its weights for it, and computes many more in hardly more time: there the target is twice that.
 *
 * The knee is looked for where steps will be, beside running decodes: see sched/knee.ts.
 * Short contexts only: attention over a long context comes on top, and the live cost model learns it.
 */
import { createRandom, type Clock, type RandomStream } from "../core/index.ts";
import type { KvPages, SequencePages, StepBatch, StepExecutor, StepRow } from "../llm/index.ts";
import { KNEE_CHUNKS, KNEE_DECODE_CONTEXT, kneeOfSteps, type StepCost } from "../sched/index.ts";
import type { Calibration } from "./types.ts";

export interface CalibrationPlan {
  readonly targetStepMs: number;
  /** Never above this many tokens. */
  readonly maxTokens: number;
  /** Never below: all running sequences must be able to decode in one step. */
  readonly minTokens: number;
  /** Stop measuring after this long. */
  readonly limitMs: number;
  readonly vocabSize: number;
  /** Sequences that decode beside the chunks that the knee is looked for with; 0 where prompts run alone. */
  readonly decodes: number;
}

const REPEATS = 4;
const LOOKS = 2;
/** A step may always take that many times one token's. */
const LEAST_STEPS = 2;
/** The second search may take as long as the first, and this much in any case. */
const LEAST_KNEE_MS = 100;

type Point = Calibration["points"][number];

/** Measures, tells `cost` what it found, and leaves the pages as it found them. */
export async function calibrate(
  executor: Pick<StepExecutor, "step">,
  pages: KvPages,
  clock: Clock,
  cost: StepCost,
  plan: CalibrationPlan,
): Promise<Calibration> {
  const startMs = clock.nowMs();
  const bench: Bench = { executor, clock, random: createRandom(0, "calibrate"), vocabSize: plan.vocabSize };
  const points: Point[] = [];
  const sequence = pages.open();
  const largest = Math.min(plan.maxTokens, pages.pages * pages.pageTokens);
  sequence.reserve(largest);
  for (let tokens = 1; tokens <= largest; tokens *= 2) {
    const stepMs = await quickest(bench, [rowOf(bench, tokens, 0, sequence)], startMs + plan.limitMs);
    points.push({ tokens, stepMs });
    cost.observe(tokens, stepMs);
    if (stepMs > targetOf(points, plan) || clock.nowMs() - startMs > plan.limitMs) break;
  }
  sequence.release();
  const fitting = Math.floor(largestWithin(points, targetOf(points, plan)));
  const kneeUntilMs = clock.nowMs() + Math.max(LEAST_KNEE_MS, clock.nowMs() - startMs);
  const beside = await pointsBeside(bench, pages, plan, targetOf(points, plan), kneeUntilMs);
  return {
    budgetTokens: Math.max(plan.minTokens, Math.min(plan.maxTokens, fitting)),
    points,
    kneeTokens: kneeOfSteps(beside.length > 0 ? beside : points),
    targetStepMs: plan.targetStepMs,
    tookMs: clock.nowMs() - startMs,
  };
}

/** Quickest times of lone chunks of those sizes; the pages are left as they were found. A few runs each: for a look, not for a plan. */
export async function measureSizes(
  executor: Pick<StepExecutor, "step">,
  pages: KvPages,
  clock: Clock,
  { vocabSize }: CalibrationPlan,
  sizes: readonly number[],
): Promise<Calibration["points"]> {
  const bench: Bench = { executor, clock, random: createRandom(0, "calibrate"), vocabSize };
  const sequence = pages.open();
  sequence.reserve(Math.max(...sizes));
  const points: Point[] = [];
  for (const tokens of sizes) {
    points.push({ tokens, stepMs: await quickest(bench, [rowOf(bench, tokens, 0, sequence)], Infinity, LOOKS) });
  }
  sequence.release();
  return points;
}

interface Bench {
  readonly executor: Pick<StepExecutor, "step">;
  readonly clock: Clock;
  readonly random: RandomStream;
  readonly vocabSize: number;
}

function rowOf({ random, vocabSize }: Bench, count: number, startPosition: number, sequence: SequencePages): StepRow {
  const tokens = Array.from({ length: count }, () => random.int(0, vocabSize - 1));
  return { tokens, startPosition, pages: sequence.pages, wantLogits: "last" };
}

/** Noise only ever adds: the quickest of a few runs is the cost. The first pays for allocations. */
async function quickest(
  { executor, clock }: Bench,
  batch: StepBatch,
  untilMs: number,
  repeats: number = REPEATS,
): Promise<number> {
  let stepMs = Infinity;
  for (let i = 0; i <= repeats; i++) {
    const beforeMs = clock.nowMs();
    await executor.step(batch);
    if (i === 0) continue;
    stepMs = Math.min(stepMs, clock.nowMs() - beforeMs);
    if (clock.nowMs() > untilMs) break;
  }
  return stepMs;
}

/** Chunks of growing size beside decodes; none where nothing decodes beside prompts, or no page is left for it. */
async function pointsBeside(
  bench: Bench,
  pages: KvPages,
  { decodes, maxTokens }: CalibrationPlan,
  targetMs: number,
  untilMs: number,
): Promise<Point[]> {
  const each = Math.ceil((KNEE_DECODE_CONTEXT + 1) / pages.pageTokens);
  // Half of the pages, at least, are for the chunk.
  const count = Math.min(decodes, maxTokens - 1, Math.floor(pages.pages / 2 / each));
  const room = (pages.pages - count * each) * pages.pageTokens;
  const chunks = KNEE_CHUNKS.filter((tokens) => tokens <= Math.min(maxTokens - count, room));
  if (count < 1 || chunks.length < 2) return [];
  const running = Array.from({ length: count }, () => pages.open());
  for (const sequence of running) sequence.reserve(KNEE_DECODE_CONTEXT + 1);
  const prompt = pages.open();
  prompt.reserve(chunks.at(-1)!);
  const points: Point[] = [];
  for (const tokens of chunks) {
    const rows = running.map((sequence) => rowOf(bench, 1, KNEE_DECODE_CONTEXT, sequence));
    const stepMs = await quickest(bench, [...rows, rowOf(bench, tokens, 0, prompt)], untilMs);
    points.push({ tokens: count + tokens, stepMs });
    if (stepMs > targetMs || bench.clock.nowMs() > untilMs) break;
  }
  for (const sequence of [...running, prompt]) sequence.release();
  return points;
}

function targetOf(points: readonly { stepMs: number }[], { targetStepMs }: CalibrationPlan): number {
  return Math.max(targetStepMs, LEAST_STEPS * (points[0]?.stepMs ?? 0));
}

/** The largest number of tokens within the target, between measured sizes by straight line. */
function largestWithin(points: readonly Point[], targetMs: number): number {
  let best = 1;
  let previous = { tokens: 0, stepMs: 0 };
  for (const point of points) {
    if (point.stepMs <= targetMs) {
      best = point.tokens;
    } else if (previous.stepMs <= targetMs && point.stepMs > previous.stepMs) {
      const share = (targetMs - previous.stepMs) / (point.stepMs - previous.stepMs);
      best = Math.max(best, previous.tokens + (point.tokens - previous.tokens) * share);
      break;
    }
    previous = point;
  }
  return best;
}
