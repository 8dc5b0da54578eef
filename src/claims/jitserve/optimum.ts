/**
 * Claim `16`, small: up to eight requests, one or two slots, lengths known, steps that all last the same. There every order
 * can be tried, so that what a policy delivers in time can be set against the most that anybody could.
 */
import { createRandom, median, quantile } from "../../core/index.ts";
import { createDispatch } from "../../sched/index.ts";
import { Simulation, type Deployment } from "../../sim/index.ts";
import { createPolicy } from "../../sched/index.ts";
import type { Trace, TraceRequest } from "../../workload/index.ts";
import type { Measured } from "../framework.ts";
import { absolute } from "../statistics.ts";
import { outlooksOf } from "./run-arm.ts";
import { ORACLE, policyOf, RIVALS, type Arm } from "./setup.ts";

const STEP_MS = 10;
const MAX_TOKENS = 64;
/** Nobody waits for a prompt: what competes is slots. */
const DEPLOYMENT: Deployment = {
  name: "even steps",
  cost: { name: "even steps", stepMs: () => STEP_MS },
  kvTokens: 16_000,
  kvBytesPerToken: 1,
  devices: 1,
};

/** A small instance of the problem: everything arrives at once. */
export interface SmallInstance {
  readonly slots: number;
  readonly trace: Trace;
}

/** A made-up one: three to eight requests, deadlines between impossible and generous. */
export function smallInstance(seed: string): SmallInstance {
  const random = createRandom(seed, "small instance");
  const slots = random.int(1, 2);
  const count = random.int(3, 8);
  const requests = Array.from({ length: count }, (_, id): TraceRequest => {
    const outputTokens = random.int(1, 12);
    const promptTokens = random.int(1, 12);
    const slackSteps = random.int(0, Math.ceil((6 * count) / slots));
    const deadlineMs = STEP_MS * (outputTokens + slackSteps);
    const promptIds = Array.from({ length: promptTokens }, () => id);
    return {
      id,
      arrivalMs: 0,
      promptTokens,
      outputTokens,
      promptIds,
      slo: { class: "deadline", deadlineMs, onMiss: "finish" },
    };
  });
  return { slots, trace: { name: "small", source: "generator", blockTokens: 0, requests } };
}

/** Tokens in time under an arm that is told true lengths. */
export function tokensInTime({ slots, trace }: SmallInstance, arm: Arm): number {
  const outlook = outlooksOf(ORACLE, trace);
  const policy = () => createPolicy(policyOf(arm));
  const limits = { maxRunning: slots, budgetTokens: 200, maxChunk: 200, maxStepTokens: 200 };
  const report = new Simulation({
    trace,
    instances: [{ deployment: DEPLOYMENT, policy, limits, outlook, prefixCache: false }],
    dispatch: createDispatch("round-robin"),
    maxAnswerTokens: MAX_TOKENS,
  }).run();
  return Math.round((report.goodput.tokensPerSecond * report.spanMs) / 1000);
}

/** The most tokens in time over all choices and orders. */
export function optimalTokens({ slots, trace }: SmallInstance): number {
  let best = 0;
  const visit = (left: readonly TraceRequest[], freeMs: readonly number[], earned: number): void => {
    best = Math.max(best, earned);
    if (earned + left.reduce((sum, { outputTokens }) => sum + outputTokens, 0) <= best) return;
    const [startMs, ...others] = freeMs.toSorted((a, b) => a - b);
    for (const [i, { outputTokens, slo }] of left.entries()) {
      const endMs = startMs! + outputTokens * STEP_MS;
      if (endMs <= slo!.deadlineMs!) visit(left.toSpliced(i, 1), [...others, endMs], earned + outputTokens);
    }
  };
  const freeMs = Array.from({ length: slots }, () => 0);
  visit(trace.requests, freeMs, 0);
  return best;
}

/** One line an arm: its share of the optimum over many instances. */
export function optimumLines(instances: number, seed: number): Measured[] {
  const cases = Array.from({ length: instances }, (_, i) => smallInstance(`reported ${seed} ${i}`));
  const most = cases.map(optimalTokens);
  return [ORACLE, ...RIVALS].map((arm) => {
    const shares = cases.map((one, i) => (most[i] === 0 ? 1 : tokensInTime(one, arm) / most[i]!));
    const at = (q: number): string => quantile(shares, q).toFixed(2);
    const mean = shares.reduce((sum, share) => sum + share, 0) / shares.length;
    return absolute(
      {
        metric: `small instances, ${arm}: tokens in time over the optimum`,
        unit: "×",
        better: "higher",
        kind: "simulated",
        note: `least ${at(0)}, a tenth below ${at(0.1)}, median ${median(shares).toFixed(2)}, mean ${mean.toFixed(3)}; true lengths for all`,
        ...(arm === ORACLE ? { paper_says: "a bound; its constant is unknown to us" } : {}),
      },
      shares,
      null,
    );
  });
}
