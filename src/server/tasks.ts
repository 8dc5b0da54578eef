/**
 * When each compound task began. A task is several requests under one deadline, which counts from the arrival of the
 * first of them; a server that sees the later ones has to remember that moment, of so many tasks and for so long.
 *
 * What is forgotten begins anew with its next request: it gets more time, never less.
 */
import { assert } from "../core/index.ts";
import type { Slo } from "../sched/index.ts";

const DEFAULT_LIMIT = 10_000;
/** Longer than any deadline. */
const DEFAULT_IDLE_MS = 86_400_000;
/** An objective's time is above 0; what should have been over is over at once. */
const NO_TIME_MS = 0.001;

interface Begun {
  readonly startMs: number;
  readonly lastMs: number;
}

/** The tasks of one server; the one unheard of longest is forgotten first. */
export class TaskBook {
  readonly #limit: number;
  readonly #idleMs: number;
  /** By owner and id, the one unheard of longest first. */
  readonly #tasks = new Map<string, Begun>();

  constructor(limit = DEFAULT_LIMIT, idleMs = DEFAULT_IDLE_MS) {
    assert(limit >= 1, "a task book has room");
    this.#limit = limit;
    this.#idleMs = idleMs;
  }

  /** Tasks that it remembers. */
  get size(): number {
    return this.#tasks.size;
  }

  /** The arrival of the task's first request, this one included. */
  startOf(task: string, arrivalMs: number): number {
    const known = this.#tasks.get(task);
    const isOver = known !== undefined && arrivalMs - known.lastMs > this.#idleMs;
    const startMs = known === undefined || isOver ? arrivalMs : Math.min(known.startMs, arrivalMs);
    this.#tasks.delete(task);
    this.#tasks.set(task, { startMs, lastMs: Math.max(arrivalMs, known?.lastMs ?? arrivalMs) });
    if (this.#tasks.size > this.#limit) this.#tasks.delete(this.#tasks.keys().next().value!);
    return startMs;
  }
}

/**
 * What a whole task's objective leaves for a request that arrives `elapsedMs` after the task's beginning. Only of class
 * "compound"; other objectives are the request's own and stay as they are.
 */
export function remainingObjective(slo: Slo, elapsedMs: number): Slo {
  if (slo.class !== "compound" || slo.deadlineMs === undefined || elapsedMs <= 0) return slo;
  const deadlineMs = Math.max(NO_TIME_MS, slo.deadlineMs - elapsedMs);
  // A first token that is wanted after the end would contradict it.
  return { ...slo, deadlineMs, ...(slo.ttftMs === undefined ? {} : { ttftMs: Math.min(slo.ttftMs, deadlineMs) }) };
}
