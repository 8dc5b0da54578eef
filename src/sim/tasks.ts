/**
 * Compound tasks of a trace in flight: which requests wait for which, and when a task is over. A request is released
 * when all that it waits for have finished, after its thinking time; when one of them did not finish well, the rest of
 * the task is abandoned, as its client would.
 *
 * A task is forgotten once all of its requests are over and the trace has moved on, so a million of them need no memory.
 */
import { assert } from "../core/index.ts";
import type { TraceRequest } from "../workload/index.ts";

/** How a task ended. */
export interface TaskEnd {
  readonly id: number;
  readonly arrivalMs: number;
  readonly endMs: number;
  /** Every request finished. */
  readonly complete: boolean;
  readonly requests: number;
  readonly outputTokens: number;
  /** Of the task as a whole, from arrival; null without one. */
  readonly deadlineMs: number | null;
}

interface OpenTask {
  readonly id: number;
  readonly arrivalMs: number;
  readonly deadlineMs: number | null;
  /** Waiting for others, by id. */
  readonly blocked: Map<number, { readonly request: TraceRequest; missing: number }>;
  readonly followers: Map<number, number[]>;
  readonly finished: Set<number>;
  /** Released and not over. */
  open: number;
  requests: number;
  outputTokens: number;
  broken: boolean;
  endMs: number;
}

/** What the book tells of tasks. */
export interface TaskListener {
  /** The request is sent at that time. */
  release(request: TraceRequest, atMs: number): void;
  /** It never will be. */
  abandon(request: TraceRequest): void;
  ended(task: TaskEnd): void;
}

/** See the head of this file. */
export class TaskBook {
  readonly #listener: TaskListener;
  readonly #open = new Map<number, OpenTask>();
  /** Over as far as known, while the trace may still bring requests of theirs. */
  readonly #closing = new Set<OpenTask>();

  constructor(listener: TaskListener) {
    this.#listener = listener;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Requests that wait for others. */
  get blocked(): number {
    let count = 0;
    for (const task of this.#open.values()) count += task.blocked.size;
    return count;
  }

  /** When the task of a request arrived, milliseconds; the request's own arrival when it has none. */
  arrivalMs(request: TraceRequest): number {
    return (request.task === undefined ? undefined : this.#open.get(request.task.id)?.arrivalMs) ?? request.arrivalMs;
  }

  /** The trace has come to a request of a task. */
  arrived(request: TraceRequest, nowMs: number): void {
    const { task } = request;
    assert(task !== undefined, "only requests of tasks are booked");
    const open = this.#open.get(task.id) ?? this.#start(request);
    open.requests += 1;
    this.#closing.delete(open);
    if (open.broken) return this.#listener.abandon(request);
    const missing = task.after.filter((id) => !open.finished.has(id));
    if (missing.length === 0) return this.#release(open, request, nowMs + (task.after.length === 0 ? 0 : task.thinkMs));
    open.blocked.set(request.id, { request, missing: missing.length });
    for (const id of missing) {
      const followers = open.followers.get(id);
      if (followers === undefined) open.followers.set(id, [request.id]);
      else followers.push(request.id);
    }
  }

  /** A released request is over. @param well when it has its whole answer. */
  over(request: TraceRequest, well: boolean, outputTokens: number, nowMs: number): void {
    const open = this.#open.get(request.task!.id);
    assert(open !== undefined, "a task is open until its requests are over");
    open.open -= 1;
    open.outputTokens += outputTokens;
    open.endMs = nowMs;
    open.finished.add(request.id);
    if (!well) this.#break(open);
    for (const id of open.followers.get(request.id) ?? []) {
      const follower = open.blocked.get(id);
      if (follower === undefined) continue;
      follower.missing -= 1;
      if (follower.missing > 0) continue;
      open.blocked.delete(id);
      this.#release(open, follower.request, nowMs + follower.request.task!.thinkMs);
    }
    open.followers.delete(request.id);
    if (open.open === 0 && open.blocked.size === 0) this.#closing.add(open);
  }

  /** Says that the trace has nothing more from before `untilMs`. Ends what is over. */
  movedOn(untilMs: number): void {
    for (const task of this.#closing) {
      if (task.arrivalMs >= untilMs) continue;
      this.#closing.delete(task);
      this.#open.delete(task.id);
      const { id, arrivalMs, endMs, broken, requests, outputTokens, deadlineMs } = task;
      this.#listener.ended({ id, arrivalMs, endMs, complete: !broken, requests, outputTokens, deadlineMs });
    }
  }

  /** What still waits when nothing will come any more: its predecessors are not in the trace. */
  abandonBlocked(): void {
    for (const task of this.#open.values()) {
      if (task.blocked.size === 0) continue;
      this.#break(task);
      if (task.open === 0) this.#closing.add(task);
    }
    this.movedOn(Infinity);
  }

  /** @throws AssertionError */
  checkIntegrity(): void {
    for (const task of this.#open.values()) {
      assert(task.open >= 0, "requests end once");
      for (const { missing } of task.blocked.values()) assert(missing > 0, "who waits for nothing is released");
      assert(!task.broken || task.blocked.size === 0, "a broken task waits for nothing");
    }
  }

  #start(request: TraceRequest): OpenTask {
    const { slo } = request;
    const task: OpenTask = {
      id: request.task!.id,
      arrivalMs: request.arrivalMs,
      deadlineMs: slo?.class === "compound" ? (slo.deadlineMs ?? null) : null,
      blocked: new Map(),
      followers: new Map(),
      finished: new Set(),
      open: 0,
      requests: 0,
      outputTokens: 0,
      broken: false,
      endMs: request.arrivalMs,
    };
    this.#open.set(task.id, task);
    return task;
  }

  #release(task: OpenTask, request: TraceRequest, atMs: number): void {
    task.open += 1;
    this.#listener.release(request, atMs);
  }

  #break(task: OpenTask): void {
    task.broken = true;
    for (const { request } of task.blocked.values()) this.#listener.abandon(request);
    task.blocked.clear();
    task.followers.clear();
  }
}
