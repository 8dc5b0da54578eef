/**
 * The requests that a server remembers for its console: all that are open, the last so many that ended, and of some of
 * those the traces. Bounded by CONSOLE_LIMITS beside what the engines' own queues let be open.
 *
 * Changes are counted in rounds: `nextRound` closes one, and a reader asks for what changed since the round that it
 * knows. So a reader costs nothing while it does not ask, and one that is slow gets the latest state of each request.
 */
import { assert } from "../../core/index.ts";
import { CONSOLE_LIMITS, type RequestRow, type RequestTraceBody } from "../../protocol/index.ts";
import { RequestRecord, type RecordedRequest } from "./request-record.ts";

/** See the head of this file. */
export interface RequestBookOptions {
  /** Requests that are remembered after their end; CONSOLE_LIMITS.requests when absent. */
  readonly requests?: number;
  /** Of those, requests whose trace is kept; CONSOLE_LIMITS.traces when absent. */
  readonly traces?: number;
  /** Told of every request that has ended, while its trace is whole. */
  readonly onEnd?: (record: RequestRecord) => void;
}

export class RequestBook {
  readonly #requests: number;
  readonly #traces: number;
  readonly #onEnd: ((record: RequestRecord) => void) | null;
  readonly #open = new Map<string, RequestRecord>();
  /** The one that ended first, first. */
  readonly #ended = new Map<string, RequestRecord>();
  /** Those of `#ended` that still have their trace. */
  readonly #traced = new Set<RequestRecord>();
  #round = 1;
  readonly #on = {
    change: (record: RequestRecord): void => {
      record.changed = this.#round;
    },
    end: (record: RequestRecord): void => this.#end(record),
  };

  constructor(options: RequestBookOptions = {}) {
    this.#requests = options.requests ?? CONSOLE_LIMITS.requests;
    this.#traces = options.traces ?? CONSOLE_LIMITS.traces;
    this.#onEnd = options.onEnd ?? null;
    assert(this.#traces <= this.#requests, "traces are of requests that are remembered");
  }

  /** Requests that it remembers. */
  get size(): number {
    return this.#open.size + this.#ended.size;
  }

  /**
   * A request that is about to be handed to its engine. One of the same id that has ended is forgotten; beside one that
   * is open it gets an id of its own.
   */
  open(id: string, model: string, request: RecordedRequest, arrivalMs: number): RequestRecord {
    let own = id;
    for (let n = 2; this.#open.has(own); n++) own = `${id}~${n}`;
    const before = this.#ended.get(own);
    if (before !== undefined) this.#forget(before);
    const record = new RequestRecord(own, model, request, arrivalMs, this.#on);
    record.changed = this.#round;
    this.#open.set(own, record);
    return record;
  }

  /** What happened up to now is this round, which is answered; what follows is another. */
  nextRound(): number {
    return this.#round++;
  }

  /** Requests that changed after round `since` and until round `until`, those that ended first, first. */
  rowsSince(since: number, until: number, wants: (model: string) => boolean): RequestRow[] {
    const rows: RequestRow[] = [];
    for (const records of [this.#ended, this.#open]) {
      for (const record of records.values()) {
        if (record.changed > since && record.changed <= until && wants(record.model)) rows.push(record.row());
      }
    }
    return rows;
  }

  /** The record of that id; null when it is unknown, or known no more. */
  find(id: string): RequestRecord | null {
    return this.#open.get(id) ?? this.#ended.get(id) ?? null;
  }

  /** The trace of that id; null when there is none, or no more. */
  trace(id: string): RequestTraceBody | null {
    return this.find(id)?.trace() ?? null;
  }

  /** Asserts that it keeps to its bounds. */
  checkIntegrity(): void {
    assert(this.#ended.size <= this.#requests, "remembered requests are bounded");
    assert(this.#traced.size <= this.#traces, "traces are bounded");
    for (const record of this.#traced) assert(this.#ended.get(record.id) === record, "a trace has its request");
  }

  #end(record: RequestRecord): void {
    this.#onEnd?.(record);
    this.#open.delete(record.id);
    this.#ended.set(record.id, record);
    this.#traced.add(record);
    if (this.#traced.size > this.#traces) this.#dropTrace(this.#traced.values().next().value!);
    if (this.#ended.size > this.#requests) this.#forget(this.#ended.values().next().value!);
  }

  #dropTrace(record: RequestRecord): void {
    record.dropTrace();
    this.#traced.delete(record);
  }

  #forget(record: RequestRecord): void {
    this.#dropTrace(record);
    this.#ended.delete(record.id);
  }
}
