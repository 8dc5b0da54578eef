/**
 * Planning jobs: one worker thread a job, one job at a time, a short queue before it. A worker is ended when its job is
 * done, its client has left or its time is over; there is no native code in it, so ending it is safe.
 */
import { Worker } from "node:worker_threads";
import { assert, fail, PunctualError, toErrorRecord, type ErrorRecord } from "../core/index.ts";
import { PLAN_LIMITS } from "../protocol/index.ts";
import type { PlanJob, PlanJobEvent } from "./plan-job.ts";

/** What is heard of a job; after "failed", "done" or "card" nothing more. */
export type JobEvent = PlanJobEvent | { readonly kind: "failed"; readonly error: ErrorRecord };

/** How long who finds the queue full shall wait, milliseconds. */
const RETRY_MS = 5000;
const WORKER_MEMORY_MB = 1024;

/** A job that waits or runs. */
class Job {
  readonly #what: PlanJob;
  readonly #jobMs: number;
  readonly #events: JobEvent[] = [];
  #wake: (() => void) | null = null;
  #worker: Worker | null = null;
  #isOver = false;

  constructor(what: PlanJob, jobMs: number) {
    this.#what = what;
    this.#jobMs = jobMs;
  }

  /** Resolves when its thread is gone. */
  async run(): Promise<void> {
    if (this.#isOver) return;
    const worker = new Worker(workerUrl(), {
      workerData: this.#what,
      name: "punctual-plan",
      resourceLimits: { maxOldGenerationSizeMb: WORKER_MEMORY_MB },
    });
    this.#worker = worker;
    const timer = setTimeout(() => this.#late(), this.#jobMs);
    timer.unref();
    worker.on("message", (event: JobEvent) => this.tell(event));
    worker.on("error", (error) => this.fail(error));
    await new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    clearTimeout(timer);
    this.#worker = null;
    this.end();
  }

  tell(event: JobEvent): void {
    if (this.#isOver) return;
    // A slow reader hears the latest word of progress; everything else is little and bounded.
    if (event.kind === "progress" && this.#events.at(-1)?.kind === "progress") this.#events.pop();
    this.#events.push(event);
    assert(this.#events.length < MOST_EVENTS, "a job's events are few");
    if (LAST.has(event.kind)) this.end();
    this.#wake?.();
  }

  /** Nothing more is told; a thread that still runs is ended. */
  end(): void {
    this.#isOver = true;
    this.#wake?.();
    void this.#worker?.terminate(); // run() waits for its exit
  }

  async *events(): AsyncGenerator<JobEvent, void> {
    try {
      for (;;) {
        const event = this.#events.shift();
        if (event !== undefined) yield event;
        else if (this.#isOver) return;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      this.end();
    }
  }

  #late(): void {
    const message = `Planning took longer than this server allows (${this.#jobMs} ms); ask for fewer requests.`;
    this.fail(new PunctualError("request_timeout", message));
  }

  /** It ends with this error. */
  fail(error: unknown): void {
    const isFull = error instanceof Error && "code" in error && error.code === "ERR_WORKER_OUT_OF_MEMORY";
    const full = new PunctualError("out_of_memory", "Planning took more memory than it may; ask for fewer requests.");
    this.tell({ kind: "failed", error: toErrorRecord(isFull ? full : error) });
  }
}

const LAST: ReadonlySet<JobEvent["kind"]> = new Set<JobEvent["kind"]>(["done", "card", "failed"]);
/** Four modes with a curve each, and a word on either side. */
const MOST_EVENTS = 1000;

/** Compiled workers run from dist/; sources (under a test runner) find theirs there too. */
function workerUrl(): URL {
  const here = import.meta.url;
  return here.endsWith(".ts") ? new URL("../../dist/cli/plan-worker.js", here) : new URL("./plan-worker.js", here);
}

/** First come, first served. */
export class JobQueue {
  readonly #jobMs: number;
  readonly #waiting: Job[] = [];
  #running: Job | null = null;
  #workers = 0;
  #loop: Promise<void> = Promise.resolve();

  constructor(jobMs: number) {
    this.#jobMs = jobMs;
  }

  get workers(): number {
    return this.#workers;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  /** @throws PunctualError queue_full, cancelled. */
  add(what: PlanJob, signal: AbortSignal): AsyncIterable<JobEvent> {
    if (signal.aborted) fail("cancelled", "The client closed the connection.");
    if (this.#waiting.length >= PLAN_LIMITS.queued) {
      fail("queue_full", `${PLAN_LIMITS.queued} plans wait already; try again later.`, { retryAfterMs: RETRY_MS });
    }
    const job = new Job(what, this.#jobMs);
    const leave = (): void => {
      const at = this.#waiting.indexOf(job);
      if (at >= 0) this.#waiting.splice(at, 1);
      job.end();
      if (at >= 0) this.#tellPlaces();
    };
    signal.addEventListener("abort", leave, { once: true });
    this.#waiting.push(job);
    if (this.#running === null) this.#loop = this.#serve();
    else this.#tellPlaces();
    return job.events();
  }

  async close(): Promise<void> {
    for (const job of this.#waiting.splice(0)) job.end();
    this.#running?.end();
    await this.#loop;
  }

  async #serve(): Promise<void> {
    for (;;) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      this.#running = job;
      this.#tellPlaces();
      this.#workers += 1;
      await job.run().catch((error: unknown) => job.fail(error)); // no thread to be had
      this.#workers -= 1;
      this.#running = null;
    }
  }

  #tellPlaces(): void {
    for (const [i, job] of this.#waiting.entries()) job.tell({ kind: "queued", ahead: i + 1 });
  }
}
