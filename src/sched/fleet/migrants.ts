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
import { freenessAfter, migrationFreeness, reliefSteps, type FreenessOptions } from "./freeness.ts";
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
}

/** The choice at the head of this file. */
export function llumnixMigrants(options: MigrantsOptions = {}): Migrants {
  const { restMs = 1000, mostWaiting = 8, moveWaiting = true } = options;
  const rest = new Rest(restMs);
  return {
    choose: (source, to, nowMs) => {
      rest.forget(nowMs);
      const rested = (one: SequenceView): boolean => rest.mayMove(one.id);
      const waiting = moveWaiting ? waitingMigrants(source, to, mostWaiting, rested, options) : [];
      const chosen = waiting.length > 0 ? waiting : runningMigrant(source, to, rested, options);
      for (const id of chosen) rest.moved(id, nowMs);
      return chosen;
    },
  };
}

/** Free pages of a load when every running request has taken one more. */
const room = ({ totalPages, usedPages, running }: InstanceLoad): number => totalPages - usedPages - running;

/** Full before the next request is expected to end. */
function isTight(load: InstanceLoad, options: FreenessOptions): boolean {
  return migrationFreeness(load, options) < reliefSteps(load.answerTokens ?? 0, load.running);
}

const priorityOf = ({ priority = 0 }: SequenceView): number => priority;

function waitingMigrants(
  { load, waiting }: MigrationSource,
  to: InstanceLoad,
  most: number,
  rested: (one: SequenceView) => boolean,
  options: FreenessOptions,
): number[] {
  const stuck = load.state === "draining" || load.headPages > room(load);
  if (!stuck || to.waiting > 0) return [];
  const chosen: number[] = [];
  let there = to;
  const urgentFirst = waiting.toSorted((a, b) => priorityOf(b) - priorityOf(a) || a.order - b.order);
  for (const one of urgentFirst) {
    if (chosen.length === most) break;
    const pages = Math.ceil(one.pendingTokens / to.pageTokens);
    if (!rested(one)) continue;
    const after = { ...there, usedPages: there.usedPages + pages, running: there.running + 1 };
    if (room(after) < 0 || (load.state !== "draining" && isTight(after, options))) continue;
    chosen.push(one.id);
    there = after;
  }
  return chosen;
}

function runningMigrant(
  { load, running }: MigrationSource,
  to: InstanceLoad,
  rested: (one: SequenceView) => boolean,
  options: FreenessOptions,
): number[] {
  let best: SequenceView | null = null;
  for (const one of running) {
    if (one.pendingTokens !== 1 || one.generatedTokens === 0 || !rested(one)) continue;
    if (best === null || isBefore(one, best)) best = one;
  }
  if (best === null) return [];
  const pages = Math.ceil((best.computedTokens + 1) / to.pageTokens);
  if (to.waiting > 0 || pages + 1 > room(to)) return [];
  if (load.state === "draining") return [best.id];
  const after = { ...to, usedPages: to.usedPages + pages, running: to.running + 1 };
  if (isTight(after, options)) return [];
  const there = freenessAfter(to, pages, 1, options);
  const here = freenessAfter(load, best.pages, -1, options);
  return there < here ? [] : [best.id];
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
