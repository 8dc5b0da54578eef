/**
 * Claim `planning`: deciding what a step does costs next to nothing beside the step, also with 1,000 requests at hand
 * and whatever the policy. Every policy plans the same made-up views, in turn: a long queue before a small engine,
 * half and half, everybody running, and everybody running with no page left, so that a plan has to preempt.
 */
import { createRandom, median } from "../core/index.ts";
import {
  costFromPoints,
  createPolicy,
  POLICY_NAMES,
  type SchedulerView,
  type SequenceView,
  type Slo,
} from "../sched/index.ts";
import type { Claim, ClaimContext, Measured } from "./framework.ts";
import { absolute } from "./statistics.ts";

const REQUESTS = 1000;
/** What a plan may take. */
export const PLAN_LIMIT_MS = 1;
const PAGE_TOKENS = 16;
/** The clock is too coarse for one plan. */
const PLANS_PER_SAMPLE = 20;

interface Shape {
  readonly name: string;
  readonly running: number;
  readonly freePages: number;
}

const SHAPES: readonly Shape[] = [
  { name: "32 running", running: 32, freePages: 4000 },
  { name: "500 running", running: 500, freePages: 4000 },
  { name: "all running", running: REQUESTS, freePages: 4000 },
  { name: "all running, no page left", running: REQUESTS, freePages: 0 },
];

const OBJECTIVES: readonly Slo[] = [
  { class: "best-effort", onMiss: "finish" },
  { class: "latency", ttftMs: 500, tpotMs: 50, onMiss: "finish" },
  { class: "latency", ttftMs: 2000, tpotMs: 50, onMiss: "reject" },
  { class: "deadline", deadlineMs: 20_000, onMiss: "reject" },
  { class: "compound", deadlineMs: 60_000, onMiss: "cut" },
];

/** Queues in every state: a seventh of the running ones amid their prompts, all objectives, tasks, guessed lengths. */
function viewOf({ running, freePages }: Shape, seed: number): SchedulerView {
  const random = createRandom(seed, "planning");
  const sequence = (id: number, runs: boolean): SequenceView => {
    const promptTokens = random.int(20, 400);
    const generatedTokens = runs && id % 7 !== 0 ? random.int(1, 150) : 0;
    const known = promptTokens + generatedTokens;
    const computedTokens = !runs ? 0 : generatedTokens > 0 ? known - 1 : promptTokens >> 1;
    const expectedTokens = generatedTokens + random.int(1, 200);
    return {
      id,
      arrivalMs: id,
      promptTokens,
      computedTokens,
      pendingTokens: known - computedTokens,
      generatedTokens,
      maxTokens: 500,
      expectedTokens,
      upperTokens: expectedTokens + 40,
      ...(id % 5 === 4 ? { task: { id: `task-${id % 40}`, stage: id % 3, deadlineMs: 8000 } } : {}),
      attainedTokens: known + random.int(0, 1000),
      firstTokenMs: generatedTokens > 0 ? id + 20 : null,
      slo: OBJECTIVES[id % OBJECTIVES.length]!,
      pages: Math.ceil(computedTokens / PAGE_TOKENS),
      order: id,
    };
  };
  return {
    nowMs: 2000,
    running: Array.from({ length: running }, (_, id) => sequence(id, true)),
    waiting: Array.from({ length: REQUESTS - running }, (_, i) => sequence(running + i, false)),
    freePages,
    pageTokens: PAGE_TOKENS,
    totalPages: 40_000,
    limits: { maxRunning: running, budgetTokens: Math.max(512, running), maxChunk: 512, maxStepTokens: 8192 },
    cachedTokens: () => 0,
    cost: costFromPoints([
      [1, 2],
      [8, 4],
      [64, 25],
      [512, 200],
    ]),
  };
}

/** What one plan of a policy took, sample by sample, for each kind of view. */
export interface PlanTimes {
  readonly policy: string;
  readonly worst: readonly number[];
  readonly curve: readonly { readonly requests: string; readonly plan_ms: number }[];
}

/** Every policy over every kind of view, in turn, `repeats` times. */
export function planTimes(context: ClaimContext, repeats: number): PlanTimes[] {
  const views = SHAPES.map((shape) => viewOf(shape, context.seed));
  const arms = POLICY_NAMES.map((name) => ({ name, samples: SHAPES.map((): number[] => []) }));
  for (let repeat = -1; repeat < repeats; repeat++) {
    if (repeat % 10 === 0) context.progress(`planning, round ${repeat + 1} of ${repeats}`);
    for (const { name, samples } of arms) {
      for (const [i, view] of views.entries()) {
        const policy = createPolicy(name);
        const startMs = context.clock.nowMs();
        for (let plan = 0; plan < PLANS_PER_SAMPLE; plan++) policy.plan(view);
        // The first round only warms up.
        if (repeat >= 0) samples[i]!.push((context.clock.nowMs() - startMs) / PLANS_PER_SAMPLE);
      }
    }
  }
  return arms.map(({ name, samples }) => ({
    policy: name,
    worst: samples.reduce((a, b) => (median(b) > median(a) ? b : a)),
    curve: SHAPES.map((shape, i) => ({ requests: shape.name, plan_ms: median(samples[i]!) })),
  }));
}

async function measure(context: ClaimContext): Promise<readonly Measured[]> {
  const note = `the slowest of ${SHAPES.length} kinds of ${REQUESTS} requests`;
  return planTimes(context, { smoke: 3, quick: 40, full: 200 }[context.mode]).map(({ policy, worst, curve }) => {
    const line = { metric: `one plan, ${policy}`, unit: "ms", better: "lower", kind: "live", note, curve } as const;
    return absolute(line, worst, PLAN_LIMIT_MS);
  });
}

export const planning: Claim = {
  id: "planning",
  name: "planning",
  headline: "Planning a step takes less than a millisecond for 1,000 requests, whatever the policy.",
  baseline: "none; the limit is absolute",
  source: "our own; policies sort once and look at each request a fixed number of times",
  targets: `below ${PLAN_LIMIT_MS} ms for each policy on the worst of its views`,
  measure,
};
