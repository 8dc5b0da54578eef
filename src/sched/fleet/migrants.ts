/**
 * What a source sends to its destination, chosen where the requests are (Llumnix's llumlet, OSDI'24, sections 4.3-4.4).
 *
 *   the queue is stuck       those waiting that the destination can begin at once, in order: they have nothing to copy
 *   otherwise                one running request: lower priority first, then the shortest, which is copied soonest
 *
 * Nothing moves if the destination would be less free afterwards than the source, or so full that it would have to
 * preempt before the next of its requests ends; what is to be emptied moves wherever it fits. Nothing that has moved moves
 * again for a while: no request goes to and fro.
 */
import { freenessAfter, reliefSteps, withUrgentShare, type Change, type FreenessOptions } from "./freeness.ts";
import type { SequenceView } from "../types.ts";
import type { InstanceLoad, Migrants, MigrationSource } from "./types.ts";

/** Settings of `llumnixMigrants`. */
export interface MigrantsOptions extends FreenessOptions {
  /** How long a request that was chosen stays where it came to, milliseconds; 1,000 when absent: 20 looks of 50 ms. */
  readonly restMs?: number;
  /** Most waiting requests at once; 8 when absent. */
  readonly mostWaiting?: number;
  /** False: only running requests move. True when absent. */
  readonly moveWaiting?: boolean;
  /** Room that a destination keeps, as a multiple of `reliefSteps`; 4 when absent. */
  readonly reliefs?: number;
}

/** The choice at the head of this file. */
export function llumnixMigrants(options: MigrantsOptions = {}): Migrants {
  const { restMs = 1000, moveWaiting = true } = options;
  const rest = new Rest(restMs);
  return {
    choose: (source, to, nowMs) => {
      rest.forget(nowMs);
      const rested = (one: SequenceView): boolean => rest.mayMove(one.id);
      const shared = { ...options, ...withUrgentShare([source.load, to], options) };
      const waiting = moveWaiting ? waitingMigrants(source, to, rested, shared) : [];
      const chosen = waiting.length > 0 ? waiting : runningMigrant(source, to, rested, shared);
      for (const id of chosen) rest.moved(id, nowMs);
      return chosen;
    },
  };
}

const DEFAULT_MOST_WAITING = 8;
const DEFAULT_RELIEFS = 4;

/** Free pages when every running request has taken one more. */
function room({ totalPages, usedPages, running }: InstanceLoad, { requests, pages }: Change): number {
  return totalPages - usedPages - pages - running - requests;
}

const NOTHING: Change = { requests: 0, pages: 0 };

/** It fits there and leaves time until somebody ends; what has to go somewhere is content with fitting. */
function isWelcome(from: InstanceLoad, to: InstanceLoad, change: Change, options: MigrantsOptions): boolean {
  if (room(to, change) < 0) return false;
  if (from.state === "draining") return true;
  const { reliefs = DEFAULT_RELIEFS } = options;
  const relief = reliefSteps(to.answerTokens ?? 0, to.running + change.requests);
  return freenessAfter(to, change, options) >= reliefs * relief;
}

const priorityOf = ({ priority = 0 }: SequenceView): number => priority;

function waitingMigrants(
  { load, waiting }: MigrationSource,
  to: InstanceLoad,
  rested: (one: SequenceView) => boolean,
  options: MigrantsOptions,
): number[] {
  const stuck = load.state === "draining" || load.headPages > room(load, NOTHING);
  if (!stuck || to.waiting > 0) return [];
  const chosen: number[] = [];
  let there = NOTHING;
  const urgentFirst = waiting.toSorted((a, b) => priorityOf(b) - priorityOf(a) || a.order - b.order);
  for (const one of urgentFirst) {
    if (chosen.length === (options.mostWaiting ?? DEFAULT_MOST_WAITING)) break;
    const pages = Math.ceil(one.pendingTokens / to.pageTokens);
    const more = { requests: there.requests + 1, pages: there.pages + pages };
    if (!rested(one) || !isWelcome(load, to, more, options)) continue;
    chosen.push(one.id);
    there = more;
  }
  return chosen;
}

function runningMigrant(
  { load, running }: MigrationSource,
  to: InstanceLoad,
  rested: (one: SequenceView) => boolean,
  options: MigrantsOptions,
): number[] {
  let best: SequenceView | null = null;
  for (const one of running) {
    if (one.pendingTokens !== 1 || one.generatedTokens === 0 || !rested(one)) continue;
    if (best === null || isBefore(one, best)) best = one;
  }
  if (best === null || to.waiting > 0) return [];
  const coming = { requests: 1, pages: Math.ceil((best.computedTokens + 1) / to.pageTokens) };
  if (!isWelcome(load, to, coming, options)) return [];
  const here = freenessAfter(load, { requests: -1, pages: -best.pages }, options);
  return freenessAfter(to, coming, options) < here ? [] : [best.id];
}

function isBefore(a: SequenceView, b: SequenceView): boolean {
  return (priorityOf(a) - priorityOf(b) || a.computedTokens - b.computedTokens || a.order - b.order) < 0;
}

/** Who has moved lately. */
class Rest {
  readonly #restMs: number;
  /** Until when, the earliest first. */
  readonly #until = new Map<number, number>();

  constructor(restMs: number) {
    this.#restMs = restMs;
  }

  forget(nowMs: number): void {
    for (const [id, untilMs] of this.#until) {
      if (untilMs > nowMs) return;
      this.#until.delete(id);
    }
  }

  mayMove(id: number): boolean {
    return !this.#until.has(id);
  }

  moved(id: number, nowMs: number): void {
    this.#until.delete(id);
    this.#until.set(id, nowMs + this.#restMs);
  }
}
