/**
 * JITServe (NSDI 2026): serve just in time what earns most. Needs no true lengths: it reckons with what the view
 * expects of an answer and with what that will hardly exceed, both refined by whoever fills the view.
 *
 *   in time      those whose objective can still be met, alone (bid.ts) and together (admissible.ts), in the order of
 *                reward per machine time, discounted by how long they can wait; GMAX chooses the batch of them
 *   left out     those that could be in time, but not together with the others
 *   the rest     best effort, and those too late, which never come before those in time
 *
 * The discount is that of apparent tardiness cost (Vepsalainen and Morton 1987): exp(-laxity / wait), where wait is how long
 * the queue takes to be served. In an idle server the most urgent goes first; the longer the queue, the less urgency
 * counts against density, so that overload costs what is worth least.
 *
 * Where the paper decides every fifty steps and swaps between, this plans every step afresh from the view alone; running
 * sequences keep their slots, and few give way per step: those that are late or without objective, and those that are left
 * out, for somebody who earns much more and must begin now.
 *
 * Ageing: one sequence at a time that has waited for `agingMs` more than it should comes before everybody. So nothing
 * starves, and what that costs the others is one slot.
 */
import { composeStep } from "../compose.ts";
import { checkPositive } from "../options.ts";
import { deadlineAtMs } from "../slo.ts";
import type { BatchPolicy, SchedulerView, SequenceView } from "../types.ts";
import { admissible, DemandList } from "./admissible.ts";
import { addDemands, Bid } from "./bid.ts";
import { gmax } from "./gmax.ts";
import { firstTokenDueMs, pacedBudgetTokens } from "./pace.ts";
import { serviceRates, type ServiceRates } from "./rates.ts";

const AGING_MS = 30_000;
/** Candidates for a batch, in batches. */
const GROUPS = 2;
/** Worth that grouping by length may cost. */
const LOSS_ALLOWED = 0.02;
/** How much more somebody must earn, to take the slot of somebody who could still be in time. */
const SWAP_GAIN = 2;
/** Steps of laxity below which a sequence must begin now. */
const URGENT_STEPS = 4;

/** Of the time that the queue takes, the scale on which laxity counts. */
const WAIT_SHARE = 0.5;
/** Keeps logarithms and quotients finite. */
const LEAST = 1e-6;

/** Settings of `jitserve`. */
export interface JitserveOptions {
  /** How long a request without an objective, or beyond it, waits before it comes first, milliseconds; 30 000 when absent. */
  readonly agingMs?: number;
}

/** The policy at the head of this file. It keeps nothing between plans. */
export function jitserve({ agingMs = AGING_MS }: JitserveOptions = {}): BatchPolicy {
  checkPositive(agingMs, "agingMs");
  return { name: "jitserve", plan: (view) => plan(view, agingMs) };
}

function plan(view: SchedulerView, agingMs: number): ReturnType<BatchPolicy["plan"]> {
  const rates = serviceRates(view);
  const bids = new Map<number, Bid>();
  for (const sequence of view.running) bids.set(sequence.id, new Bid(sequence, true, view.nowMs, rates));
  for (const sequence of view.waiting) bids.set(sequence.id, new Bid(sequence, false, view.nowMs, rates));
  const all = [...bids.values()];
  shareAmongSiblings(all);
  score(all, view, rates);
  const line = lineUp(all, view, rates, agingMs);
  for (let rank = 0; rank < line.length; rank++) line[rank]!.rank = rank;
  return composeStep(inLine(view, line), {
    rank: ({ id }) => bids.get(id)!.rank,
    budgetTokens: pacedBudgetTokens(view),
    maxChunk: view.limits.maxChunk,
    mix: "decodes-first",
    oneLine: true,
    displaces: (waiting, running) => displaces(bids.get(waiting.id)!, bids.get(running.id)!, rates),
  });
}

/** The same view with its queue in line already, so that sorting it once more costs next to nothing. */
function inLine(view: SchedulerView, line: readonly Bid[]): SchedulerView {
  const waiting: SequenceView[] = [];
  for (const { running, sequence } of line) if (!running) waiting.push(sequence);
  const { nowMs, running, freePages, pageTokens, totalPages, limits, cost } = view;
  return {
    nowMs,
    waiting,
    running,
    freePages,
    pageTokens,
    totalPages,
    limits,
    cachedTokens: (id) => view.cachedTokens(id),
    ...(view.cachedFreePages === undefined ? {} : { cachedFreePages: (id: number) => view.cachedFreePages!(id) }),
    ...(cost === undefined ? {} : { cost }),
  };
}

/** A task is worth what its stages are together, and a stage that is too late makes all of it late. */
function shareAmongSiblings(bids: readonly Bid[]): void {
  const tasks = new Map<string, Bid[]>();
  for (const bid of bids) {
    const { task } = bid.sequence;
    if (task === undefined || bid.standing === "best-effort") continue;
    const siblings = tasks.get(task.id);
    if (siblings === undefined) tasks.set(task.id, [bid]);
    else siblings.push(bid);
  }
  for (const siblings of tasks.values()) {
    if (siblings.length === 1) continue;
    const taskReward = Math.max(...siblings.map((bid) => bid.taskReward));
    const rewards = siblings.reduce((sum, { reward }) => sum + reward, taskReward);
    const workMs = siblings.reduce((sum, bid) => sum + bid.workMs, 0);
    const late = siblings.some(({ standing }) => standing === "late");
    for (const bid of siblings) {
      bid.density = rewards / Math.max(workMs, LEAST);
      if (late) bid.standing = "late";
    }
  }
}

/** The logarithm of the worth of serving it now: density, discounted by laxity. */
function score(bids: readonly Bid[], view: SchedulerView, { tokenMs }: ServiceRates): void {
  let queuedMs = 0;
  for (const { running, serviceMs } of bids) {
    if (!running) queuedMs += serviceMs;
  }
  const slots = Math.min(view.limits.maxRunning, Math.max(1, bids.length));
  const waitMs = Math.max(tokenMs, (WAIT_SHARE * queuedMs) / slots);
  for (const bid of bids) {
    bid.score = Math.log(Math.max(bid.density, LEAST)) - Math.max(0, bid.laxityMs) / waitMs;
  }
}

/** Everybody, first in line first. Says who is left out, and brings one of the aged to the front. */
function lineUp(bids: readonly Bid[], view: SchedulerView, rates: ServiceRates, agingMs: number): Bid[] {
  const aged = oldestAged(bids, view.nowMs, agingMs);
  if (aged !== null) {
    aged.standing = "in-time";
    aged.density = Infinity;
    aged.laxityMs = 0;
  }
  const able: Bid[] = [];
  const rest: Bid[] = [];
  const demands = new DemandList();
  for (const bid of bids) {
    if (bid === aged) continue;
    if (bid.standing === "in-time") addDemands(bid, able.push(bid) - 1, demands, view.nowMs, rates);
    else rest.push(bid);
  }
  const kept = admissible(
    able.map(({ density }) => density),
    demands,
  );
  const together: Bid[] = [];
  const leftOut: Bid[] = [];
  for (let i = 0; i < able.length; i++) {
    if (kept[i] === 1) together.push(able[i]!);
    else leftOut.push(able[i]!);
  }
  for (const bid of leftOut) bid.standing = "left-out";
  const inTime = batchFirst(together.sort(byScore), view.limits.maxRunning);
  return [...(aged === null ? [] : [aged]), ...inTime, ...leftOut.sort(byScore), ...rest.sort(byDensity)];
}

/** The same bids, those that GMAX chooses before the others. */
function batchFirst(line: readonly Bid[], slots: number): readonly Bid[] {
  if (line.length <= slots) return line;
  const head = line.slice(0, slots * GROUPS);
  const best = head[0]!.score;
  const candidates = head.map(({ score: own, sequence }) => ({
    worth: Math.exp(own - best),
    lengthTokens: sequence.promptTokens + sequence.generatedTokens,
    task: sequence.task?.id,
  }));
  const batch = new Set(gmax(candidates, { slots, groups: GROUPS, lossAllowed: LOSS_ALLOWED }));
  const chosen = head.filter((_, i) => batch.has(i));
  return [...chosen, ...head.filter((_, i) => !batch.has(i)), ...line.slice(head.length)];
}

/** Of those who have waited too long, one that runs, or else the one that came first; null when there is none. */
function oldestAged(bids: readonly Bid[], nowMs: number, agingMs: number): Bid | null {
  let oldest: Bid | null = null;
  for (const bid of bids) {
    if (bid.standing === "in-time" || nowMs < sinceMs(bid.sequence) + agingMs) continue;
    if (oldest === null || before(bid, oldest)) oldest = bid;
  }
  return oldest;
}

function before(a: Bid, b: Bid): boolean {
  return a.running === b.running ? a.sequence.order < b.sequence.order : a.running;
}

/** From when on its waiting counts: its arrival, or when its objective was missed. */
function sinceMs(sequence: SequenceView): number {
  const dueMs = Math.min(firstTokenDueMs(sequence), deadlineAtMs(sequence));
  return dueMs === Infinity ? sequence.arrivalMs : dueMs;
}

/** Only somebody who must begin now takes a slot, and only from somebody who will not be in time, or earns much less. */
function displaces(waiting: Bid, running: Bid, rates: ServiceRates): boolean {
  if (waiting.standing !== "in-time" || waiting.laxityMs > URGENT_STEPS * rates.fullStepMs) return false;
  if (running.standing === "in-time") return false;
  if (running.reward === 0) return true;
  if (running.standing !== "left-out") return false;
  // What gives way has to compute everything once more before it goes on.
  const { promptTokens, generatedTokens } = running.sequence;
  const againMs = (promptTokens + generatedTokens) * rates.promptTokenMs;
  return (waiting.density * waiting.workMs) / (waiting.workMs + againMs) > SWAP_GAIN * running.density;
}

function byScore(a: Bid, b: Bid): number {
  return b.score - a.score || a.sequence.order - b.sequence.order;
}

function byDensity(a: Bid, b: Bid): number {
  return b.density - a.density || a.sequence.order - b.sequence.order;
}
