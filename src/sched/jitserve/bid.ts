/**
 * What serving a sequence is worth (JITServe, NSDI 2026): its reward, the machine time that earns it, and how long it can
 * still wait. From the minimum serving bandwidth: tokens hardly exceeded per time left. While that is below what a
 * running sequence gets, the difference is laxity; above, the objective can only be met if the answer is shorter, and in the
 * end not at all.
 *
 *   reward    8 for a token of the answer, 1 for one of the prompt, where they can be in time
 *   density   reward per machine time still needed
 *
 * Different from the paper: reward is divided by machine time, not by the time in a slot, since with mixed steps
 * it is the machine that requests compete for; what a compound task has had already counts as part of the reward of
 * its stages, because it is lost with them; a chance between bound and expectation takes the place of the exponent.
 */
import { completeDueMs, firstTokenDueMs, nextTokenDueMs, stageDueMs } from "./pace.ts";
import { answerTokensLeft, promptMs, promptTokensLeft, upperTokensLeft, type ServiceRates } from "./rates.ts";
import type { SequenceView } from "../types.ts";
import type { DemandList } from "./admissible.ts";

/** Weight of a generated token in the reward; a prompt token weighs 1. */
const ANSWER_WEIGHT = 8;
/** Chance of ending within the expectation, which is a median, and within the bound, taken as certain. */
const EVEN_CHANCE = 0.5;
/** An answer may be shorter than expected by that share of what it may be longer. */
const SHORTER_SHARE = 0.5;
/** Work is never nothing. */
const LEAST_MS = 1e-6;

/**
 * How a sequence stands: able to meet its objective, without one, or past it.
 *   in-time      the objective can be met if it is served from now on
 *   left-out     that too, but not together with others that earn more
 *   best-effort  there is none
 *   late         it cannot be met, even by an answer as short as expected
 */
export type Standing = "in-time" | "left-out" | "best-effort" | "late";

/** One sequence in the competition for the machine. */
export class Bid {
  readonly sequence: SequenceView;
  readonly running: boolean;
  standing: Standing;
  /** Time in a slot that is expected. */
  readonly serviceMs: number;
  /** Machine time still needed, by what is expected. */
  readonly workMs: number;
  /** Reward of what it can still earn by itself. */
  readonly reward: number;
  /** Reward of what its task has had besides; the same for siblings, and earned once. */
  readonly taskReward: number;
  /** Reward per machine time; shared by the siblings of a compound task. */
  density: number;
  /** How long it can wait before it must be served all the time; negative when it may be too late already. */
  laxityMs: number;
  /** The order among those in time; set by the policy. */
  score = 0.5;
  /** Place in line, 0 is first; set by the policy. */
  rank = 0;

  constructor(sequence: SequenceView, running: boolean, nowMs: number, rates: ServiceRates) {
    const prompt = promptTokensLeft(sequence);
    const answer = answerTokensLeft(sequence);
    const prefillMs = promptMs(rates, prompt);
    const { standing, reward, taskReward, laxityMs } = prospects(sequence, nowMs, prefillMs, rates);
    this.sequence = sequence;
    this.running = running;
    this.standing = standing;
    this.serviceMs = headMs(sequence, prefillMs, rates) + answer * rates.tokenMs;
    this.workMs = prompt * rates.promptTokenMs + answer * rates.answerTokenMs;
    this.reward = reward;
    this.taskReward = taskReward;
    this.density = (reward + taskReward) / Math.max(this.workMs, LEAST_MS);
    this.laxityMs = laxityMs;
  }
}

/** Time until its tokens come one by one: the prompt, the last piece of which makes a token already. */
function headMs(sequence: SequenceView, prefillMs: number, { tokenMs }: ServiceRates): number {
  return promptTokensLeft(sequence) > 0 ? prefillMs - tokenMs : 0;
}

/**
 * Tokens per millisecond that it needs so that what it will hardly exceed is there when due.
 * @param afterMs when its tokens begin to come.
 */
export function minimumBandwidth(sequence: SequenceView, afterMs: number): number {
  const leftMs = stageDueMs(sequence) - afterMs;
  return leftMs > 0 ? upperTokensLeft(sequence) / leftMs : Infinity;
}

/** What of a sequence in time must be done by when, told to the list as that claim. Alone, each piece can be. */
export function addDemands(bid: Bid, claim: number, list: DemandList, nowMs: number, rates: ServiceRates): void {
  const { sequence, workMs, serviceMs } = bid;
  const { slo } = sequence;
  if (slo.class !== "latency") {
    // A stage that is behind its share of the time is due as soon as can be.
    const dueMs = Math.min(completeDueMs(sequence), Math.max(stageDueMs(sequence), nowMs + serviceMs));
    list.add(claim, dueMs - nowMs, workMs);
    return;
  }
  const answerMs = answerTokensLeft(sequence) * Math.max(rates.tokenMs, slo.tpotMs ?? 0);
  const firstMs = firstTokenDueMs(sequence);
  if (sequence.generatedTokens > 0 || firstMs === Infinity) {
    const lineMs = sequence.generatedTokens > 0 ? nextTokenDueMs(sequence) : nowMs;
    list.add(claim, Math.max(serviceMs, lineMs + answerMs - nowMs), workMs);
    return;
  }
  const promptWorkMs = promptTokensLeft(sequence) * rates.promptTokenMs;
  list.add(claim, firstMs - nowMs, promptWorkMs);
  list.add(claim, firstMs - nowMs + answerMs, workMs - promptWorkMs);
}

interface Prospects {
  readonly standing: Standing;
  readonly reward: number;
  readonly taskReward: number;
  readonly laxityMs: number;
}

function prospects(sequence: SequenceView, nowMs: number, prefillMs: number, rates: ServiceRates): Prospects {
  switch (sequence.slo.class) {
    case "best-effort":
      return { standing: "best-effort", reward: 0, taskReward: 0, laxityMs: Infinity };
    case "latency":
      return latencyProspects(sequence, nowMs, prefillMs, rates);
    case "deadline":
    case "compound":
      return deadlineProspects(sequence, nowMs, prefillMs, rates);
    default:
      return sequence.slo.class satisfies never;
  }
}

/** What was delivered is earned; each token to come is due by itself. */
function latencyProspects(
  sequence: SequenceView,
  nowMs: number,
  prefillMs: number,
  { tokenMs }: ServiceRates,
): Prospects {
  const { slo, firstTokenMs, generatedTokens, promptTokens } = sequence;
  const begun = generatedTokens > 0;
  const dueMs = Math.min(begun ? nextTokenDueMs(sequence) : firstTokenDueMs(sequence), completeDueMs(sequence));
  const laxityMs = dueMs - nowMs - prefillMs;
  // Behind the line that was promised, it catches up if it is faster than its pace: tokens from there on are in time.
  const lineMs =
    firstTokenDueMs(sequence) === Infinity ? dueMs : firstTokenDueMs(sequence) + generatedTokens * (slo.tpotMs ?? 0);
  const behindMs = Math.max(0, nowMs + prefillMs - lineMs);
  const gainMs = (slo.tpotMs ?? 0) - tokenMs;
  const missed = behindMs === 0 ? 0 : gainMs > 0 ? behindMs / gainMs : Infinity;
  const answer = answerTokensLeft(sequence);
  const firstWasLate = firstTokenMs !== null && firstTokenMs > firstTokenDueMs(sequence);
  const late = firstWasLate || (begun ? missed >= answer : laxityMs < 0);
  const reward = ANSWER_WEIGHT * Math.max(0, answer - missed) + (begun || late ? 0 : promptTokens);
  return { standing: late ? "late" : "in-time", reward, taskReward: 0, laxityMs };
}

/** All or nothing at the end. */
function deadlineProspects(sequence: SequenceView, nowMs: number, prefillMs: number, rates: ServiceRates): Prospects {
  const { tokenMs } = rates;
  const afterMs = nowMs + headMs(sequence, prefillMs, rates);
  const answer = answerTokensLeft(sequence);
  const upper = upperTokensLeft(sequence);
  // How many tokens can be had by the deadline of all; whether a stage is behind its share is no loss yet.
  const possible = (completeDueMs(sequence) - afterMs) / tokenMs;
  const shortest = Math.max(1, answer - (upper - answer) * SHORTER_SHARE);
  if (possible < shortest) {
    return { standing: "late", reward: 0, taskReward: 0, laxityMs: (possible - upper) * tokenMs };
  }
  const chance =
    possible >= answer
      ? EVEN_CHANCE + (1 - EVEN_CHANCE) * share(answer, possible, upper)
      : EVEN_CHANCE * share(shortest, possible, answer);
  const reward = chance * (sequence.promptTokens + ANSWER_WEIGHT * (sequence.generatedTokens + answer));
  const taskReward = chance * earnedByTask(sequence);
  // A stage that cannot be in time is as urgent as can be, until the whole task cannot.
  const bandwidth = minimumBandwidth(sequence, afterMs);
  const laxityMs =
    bandwidth < 1 / tokenMs ? upper / bandwidth - upper * tokenMs : Math.min(0, (possible - upper) * tokenMs);
  return { standing: "in-time", reward, taskReward, laxityMs };
}

/** Where `value` lies between two bounds, 0 to 1; 1 when there is nothing between them. */
function share(from: number, value: number, to: number): number {
  return to > from ? Math.min(1, Math.max(0, (value - from) / (to - from))) : 1;
}

/** Reward of what the other requests of its task have had: lost if the task is. They are taken to be made like this one. */
function earnedByTask(sequence: SequenceView): number {
  const { promptTokens, computedTokens, attainedTokens, task, expectedTokens, maxTokens } = sequence;
  const others = task === undefined ? 0 : Math.max(0, (attainedTokens ?? 0) - computedTokens);
  if (others === 0) return 0;
  const answer = Math.max(1, expectedTokens ?? maxTokens);
  return (others * (promptTokens + ANSWER_WEIGHT * answer)) / (promptTokens + answer);
}
