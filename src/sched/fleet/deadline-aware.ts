/**
 * To where a request is in time. From what an instance's steps cost and what is to do before it, when would its first and
 * its last token come there?
 *
 *   ahead   tokens of prompts that wait or have begun, and its own that are not cached, at a full budget a step beside
 *           the decodes
 *   wait    while there is no slot or no memory: until enough answers of mean length have ended
 *
 * Among instances where it is in time with room to spare, the one that has least to compute for it: it stays with its cache as
 * long as that keeps the promise, and spills over before it does not. Otherwise the one that is soonest, measured by what was
 * promised. A request without targets goes as `kv-aware` sends it.
 */
import { kvAwareCost } from "./affinity.ts";
import { ableTo, lightest } from "./candidates.ts";
import type { ExtraDemand } from "./freeness.ts";
import { reliefSteps } from "./freeness.ts";
import { pagesOf, SentDemand, uncachedTokens } from "./sent.ts";
import type { Slo } from "../types.ts";
import type { Dispatch, FleetRequest, InstanceLoad, Refusal } from "./types.ts";

/** Settings of `deadlineAwareDispatch`. */
export interface DeadlineAwareOptions {
  /** Share of a target within which an instance is in time with room to spare, in (0, 1]; 0.5 when absent. */
  readonly stickShare?: number;
}

/** When a request's tokens would come on an instance, milliseconds from its arrival; the pace in milliseconds a token. */
export interface ArrivalEstimate {
  readonly ttftMs: number;
  readonly tpotMs: number;
  readonly e2eMs: number;
}

const DEFAULT_STICK_SHARE = 0.5;
/** Before any answer has ended. */
const FIRST_ANSWER_TOKENS = 64;
/** Where nobody says. */
const DEFAULT_LIMITS = { budgetTokens: 256, maxRunning: Infinity };
/** One of so many refusals is let through, so that estimates that are too high meet what disproves them. */
const TRIAL_EVERY = 16;
/** And only when the estimate is at most that many times the target. */
const TRIAL_FACTOR = 8;

/** The dispatcher at the head of this file; it refuses what no candidate can do in time. */
export function deadlineAwareDispatch(options: DeadlineAwareOptions = {}): Dispatch {
  const { stickShare = DEFAULT_STICK_SHARE } = options;
  const sent = new SentDemand();
  let refusals = 0;
  const lateness = (request: FleetRequest, slo: Slo, load: InstanceLoad): number | null => {
    const estimate = estimateArrival(request, load, sent.since(load));
    return estimate === null ? null : shareOfTarget(slo, estimate);
  };
  return {
    name: "deadline-aware",
    choose: (request, candidates) => {
      const able = ableTo(request, candidates);
      if (able.length === 0) return null;
      const { slo } = request;
      const late = new Map(able.map((load) => [load, hasTarget(slo) ? lateness(request, slo, load) : null]));
      const known = able.filter((load) => late.get(load) !== null);
      if (known.length === 0)
        return sent.note(
          request,
          lightest(able, (load) => kvAwareCost(request, load, sent)),
        );
      const within = known.filter((load) => late.get(load)! <= stickShare);
      if (within.length === 0)
        return sent.note(
          request,
          lightest(known, (load) => late.get(load)!),
        );
      const least = Math.min(...within.map((load) => uncachedTokens(request, load)));
      const cached = within.filter((load) => uncachedTokens(request, load) === least);
      return sent.note(
        request,
        lightest(cached, (load) => late.get(load)!),
      );
    },
    refusal: (request, candidates): Refusal | null => {
      const { slo } = request;
      if (!hasTarget(slo) || slo.onMiss !== "reject") return null;
      let best = Infinity;
      for (const load of ableTo(request, candidates)) {
        const share = lateness(request, slo, load);
        if (share === null || share <= 1) return null;
        best = Math.min(best, share);
      }
      if (best === Infinity) return null; // nobody can hold it: that is another refusal
      refusals += 1;
      if (best <= TRIAL_FACTOR && refusals % TRIAL_EVERY === 0) return null;
      return refusalOf(slo, best);
    },
  };
}

/** See the head of this file; null while nothing is known of that instance's costs. */
export function estimateArrival(request: FleetRequest, load: InstanceLoad, extra: ExtraDemand): ArrivalEstimate | null {
  const { cost, running } = load;
  const { budgetTokens, maxRunning } = load.limits ?? DEFAULT_LIMITS;
  if (cost === undefined || !(cost.stepMs(1) > 0)) return null;
  const waiting = load.waiting + extra.requests;
  const together = Math.min(maxRunning, running + waiting + 1);
  const tokens = load.waitingTokens + load.prefillTokens + extra.tokens + uncachedTokens(request, load);
  const decodes = Math.min(running, budgetTokens - 1);
  const perStep = budgetTokens - decodes;
  const fullSteps = Math.floor(tokens / perStep);
  const rest = tokens - fullSteps * perStep;
  const prefillMs =
    (fullSteps > 0 ? fullSteps * cost.stepMs(budgetTokens) : 0) + (rest > 0 ? cost.stepMs(rest + decodes) : 0);
  const answerTokens = load.answerTokens ?? FIRST_ANSWER_TOKENS;
  const tpotMs = cost.stepMs(Math.min(together, budgetTokens));
  const ttftMs = (request.waitedMs ?? 0) + endsToWaitFor(request, load, extra) * endEveryMs(load) + prefillMs;
  return { ttftMs, tpotMs, e2eMs: ttftMs + Math.max(0, answerTokens - 1) * tpotMs };
}

/** How many running answers have to end before there is a slot and memory for it and all before it. */
function endsToWaitFor(request: FleetRequest, load: InstanceLoad, extra: ExtraDemand): number {
  const { running, usedPages, totalPages } = load;
  const { maxRunning } = load.limits ?? DEFAULT_LIMITS;
  if (running === 0) return 0;
  const slots = Math.max(0, running + load.waiting + extra.requests + 1 - maxRunning);
  const missing = usedPages + load.waitingPages + extra.pages + pagesOf(request, load) - totalPages;
  const pagesEach = Math.max(1, usedPages / running);
  return Math.max(slots, missing <= 0 ? 0 : Math.ceil(missing / pagesEach));
}

function endEveryMs({ cost, running, answerTokens }: InstanceLoad): number {
  return reliefSteps(answerTokens ?? FIRST_ANSWER_TOKENS, running) * (cost?.stepMs(Math.max(1, running)) ?? 0);
}

function hasTarget(slo: Slo | undefined): slo is Slo {
  return slo !== undefined && (slo.ttftMs ?? slo.tpotMs ?? slo.deadlineMs) !== undefined;
}

/** The largest share that an estimate takes of one of the targets: above 1 is late. */
function shareOfTarget({ ttftMs, tpotMs, deadlineMs }: Slo, estimate: ArrivalEstimate): number {
  let share = 0;
  if (ttftMs !== undefined) share = Math.max(share, estimate.ttftMs / ttftMs);
  if (tpotMs !== undefined) share = Math.max(share, estimate.tpotMs / tpotMs);
  if (deadlineMs !== undefined) share = Math.max(share, estimate.e2eMs / deadlineMs);
  return share;
}

const LEAST_RETRY_MS = 50;
const MOST_RETRY_MS = 60_000;

function refusalOf(slo: Slo, share: number): Refusal {
  const targetMs = slo.ttftMs ?? slo.deadlineMs ?? slo.tpotMs ?? 0;
  const overMs = targetMs * (share - 1);
  return {
    reason: `no instance is expected to meet it: the best needs ${share.toFixed(1)} times the time`,
    retryAfterMs: Math.round(Math.min(MOST_RETRY_MS, Math.max(LEAST_RETRY_MS, overMs))),
  };
}
