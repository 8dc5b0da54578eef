/**
 * The load itself: sends requests when they are due (open loop), or as earlier ones finish (closed loop, by a limit on
 * those under way), releases the calls of compound tasks as what they wait for ends, and notes how far the client
 * itself was behind. Memory follows the requests under way, but for one state per call of a task.
 */
import { setMaxListeners } from "node:events";
import type { TraceRequest } from "../workload/index.ts";
import { LoadClient } from "./http-client.ts";
import { isSaturated, type SaturationSample } from "./saturation.ts";
import type { Outcome, ScheduledRequest, Target, Timing, WireRequest } from "./types.ts";

/** A run. */
export interface RunOptions {
  readonly target: Target;
  readonly timing: Timing;
  /** In order of `dueMs`. Requests of tasks that wait for others come at their task's arrival. */
  readonly schedule: Iterable<ScheduledRequest>;
  /** Makes what is sent; called shortly before it is. */
  readonly wireOf: (scheduled: ScheduledRequest) => WireRequest;
  /** Most requests under way; further ones wait at the client. */
  readonly maxConcurrency: number;
  readonly timeoutMs: number;
  readonly keepText?: boolean;
  /** Gets each outcome as it comes, and is not waited for. */
  readonly onOutcome: (outcome: Outcome) => void;
  /** Ends the run: what is under way fails as "stopped". */
  readonly signal?: AbortSignal;
  /** Stop sending when the server falls ever further behind. */
  readonly stopWhenSaturated?: boolean;
}

/** What a run says beside its outcomes. */
export interface RunSummary {
  /** From the first request's moment to the last outcome. */
  readonly durationMs: number;
  readonly sent: number;
  /** Of those, requests that waited for no other one: what the schedule itself sends. */
  readonly sentOnSchedule: number;
  /** From the first to the last of these being sent; 0 below two. */
  readonly sendingMs: number;
  /** Most requests under way at once. */
  readonly peakConcurrency: number;
  /** True when it was ended because the server fell ever further behind. */
  readonly saturated: boolean;
}

/** Runs the load to its end. */
export async function runLoad(options: RunOptions): Promise<RunSummary> {
  using client = new LoadClient(options.target, options.timing);
  return await new LoadRun(options, client).run();
}

interface Held {
  readonly scheduled: ScheduledRequest;
  waitsFor: number;
  failed: boolean;
}

/** How often the server's backlog is looked at. */
const SATURATION_STEP_MS = 500;

class LoadRun {
  readonly #options: RunOptions;
  readonly #client: LoadClient;
  readonly #originMs: number;
  readonly #stop = new AbortController();
  /** Released and waiting for a place among those under way. */
  readonly #ready: ScheduledRequest[] = [];
  #readyHead = 0;
  /** Calls that wait for others, by the id of what they wait for. */
  readonly #waiting = new Map<number, Held[]>();
  /** Ids of requests of tasks that have an outcome or not yet: what `after` can refer to. */
  readonly #taskCalls = new Map<number, "open" | "done" | "failed">();
  readonly #samples: SaturationSample[] = [];
  #active = 0;
  #held = 0;
  #sent = 0;
  #sentOnSchedule = 0;
  #due = 0;
  #ended = 0;
  #peak = 0;
  #firstSentMs = 0;
  #lastSentMs = 0;
  #saturated = false;
  #wake: (() => void) | null = null;

  constructor(options: RunOptions, client: LoadClient) {
    this.#options = options;
    this.#client = client;
    this.#originMs = options.timing.clock.nowMs();
    setMaxListeners(0, this.#stop.signal); // one listener per request under way is no leak
  }

  async run(): Promise<RunSummary> {
    const { signal, schedule } = this.#options;
    const onAbort = (): void => this.#stop.abort();
    signal?.addEventListener("abort", onAbort, { once: true });
    if (signal?.aborted === true) onAbort();
    try {
      for (const scheduled of schedule) {
        await this.#until(scheduled.dueMs);
        if (this.#stop.signal.aborted || this.#isSaturated()) break;
        this.#admit(scheduled);
        // A closed loop takes requests as places come free: reading the whole schedule ahead would keep it in memory.
        while (this.#backlog > 0 && scheduled.dueMs === 0 && !this.#stop.signal.aborted) await this.#progress();
      }
      while (this.#active > 0 || this.#backlog > 0 || this.#held > 0) {
        if (this.#stop.signal.aborted) this.#dropUnsent();
        if (this.#active > 0 || this.#backlog > 0 || this.#held > 0) await this.#progress();
      }
    } finally {
      signal?.removeEventListener("abort", onAbort);
    }
    return {
      durationMs: this.#nowMs(),
      sendingMs: this.#lastSentMs - this.#firstSentMs,
      sent: this.#sent,
      sentOnSchedule: this.#sentOnSchedule,
      peakConcurrency: this.#peak,
      saturated: this.#saturated,
    };
  }

  get #backlog(): number {
    return this.#ready.length - this.#readyHead;
  }

  #nowMs(): number {
    return this.#options.timing.clock.nowMs() - this.#originMs;
  }

  async #until(dueMs: number): Promise<void> {
    const { timing } = this.#options;
    for (let left = dueMs - this.#nowMs(); left > 0 && !this.#stop.signal.aborted; left = dueMs - this.#nowMs()) {
      await timing.sleep(left, this.#stop.signal);
    }
  }

  /** Until an outcome comes or a held call is released. */
  #progress(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #awake(): void {
    this.#wake?.();
    this.#wake = null;
  }

  #admit(scheduled: ScheduledRequest): void {
    const { request } = scheduled;
    if (request.task === undefined) {
      this.#release(scheduled);
      return;
    }
    this.#taskCalls.set(request.id, "open");
    const states = request.task.after.map((id) => this.#taskCalls.get(id));
    const open = request.task.after.filter((_, i) => states[i] === "open");
    const held: Held = { scheduled, waitsFor: open.length, failed: states.includes("failed") };
    for (const id of open) {
      const waiters = this.#waiting.get(id);
      if (waiters === undefined) this.#waiting.set(id, [held]);
      else waiters.push(held);
    }
    this.#held += 1;
    if (held.waitsFor === 0) this.#think(held);
  }

  /** What a call waited for is over: thinking or tool time passes, then it is sent. */
  #think(held: Held): void {
    const { scheduled, failed } = held;
    const { thinkMs, after } = scheduled.request.task!;
    const isFirst = after.length === 0;
    const go = (): void => {
      this.#held -= 1;
      if (failed || this.#stop.signal.aborted) this.#settle(unsent(scheduled, this.#nowMs(), failed));
      else this.#release(isFirst ? scheduled : { ...scheduled, dueMs: this.#nowMs() });
    };
    if (isFirst || failed || thinkMs === 0) go();
    else void this.#options.timing.sleep(thinkMs, this.#stop.signal).then(go);
  }

  #release(scheduled: ScheduledRequest): void {
    this.#due += 1;
    this.#ready.push(scheduled);
    this.#sendReady();
  }

  #sendReady(): void {
    while (this.#backlog > 0 && this.#active < this.#options.maxConcurrency && !this.#stop.signal.aborted) {
      const scheduled = this.#ready[this.#readyHead]!;
      this.#readyHead += 1;
      if (this.#readyHead > 1024 && this.#readyHead * 2 > this.#ready.length) {
        this.#ready.splice(0, this.#readyHead);
        this.#readyHead = 0;
      }
      this.#send(scheduled);
    }
  }

  #send(scheduled: ScheduledRequest): void {
    const { wireOf, timeoutMs, keepText = false } = this.#options;
    const wire = wireOf(scheduled);
    this.#active += 1;
    this.#sent += 1;
    this.#peak = Math.max(this.#peak, this.#active);
    if (isOnSchedule(scheduled.request)) {
      this.#sentOnSchedule += 1;
      this.#lastSentMs = this.#nowMs();
      if (this.#sentOnSchedule === 1) this.#firstSentMs = this.#lastSentMs;
    }
    const send = { originMs: this.#originMs, timeoutMs, keepText, signal: this.#stop.signal };
    void this.#client.send(scheduled, wire, send).then((outcome) => {
      this.#active -= 1;
      this.#ended += 1;
      this.#settle(outcome);
    });
  }

  #settle(outcome: Outcome): void {
    this.#options.onOutcome(outcome);
    const { request, failure } = outcome;
    if (request.task !== undefined) this.#taskCallEnded(request.id, failure !== null || outcome.cancelled);
    this.#sendReady();
    this.#awake();
  }

  #taskCallEnded(id: number, failed: boolean): void {
    this.#taskCalls.set(id, failed ? "failed" : "done");
    const waiters = this.#waiting.get(id) ?? [];
    this.#waiting.delete(id);
    for (const held of waiters) {
      held.waitsFor -= 1;
      if (failed) held.failed = true;
      if (held.waitsFor === 0) this.#think(held);
    }
  }

  /** The run was stopped: what was never sent ends now. */
  #dropUnsent(): void {
    const unsentRequests = this.#ready.splice(this.#readyHead);
    this.#ready.length = 0;
    this.#readyHead = 0;
    for (const scheduled of unsentRequests) this.#settle(unsent(scheduled, this.#nowMs(), false));
  }

  #isSaturated(): boolean {
    if (this.#options.stopWhenSaturated !== true) return false;
    const atMs = this.#nowMs();
    if (atMs - (this.#samples.at(-1)?.atMs ?? -Infinity) >= SATURATION_STEP_MS) {
      const [due, ended] = [this.#due, this.#ended];
      this.#samples.push({ atMs, underWay: this.#active + this.#backlog, due, ended });
      if (isSaturated(this.#samples)) {
        this.#saturated = true;
        this.#stop.abort();
      }
    }
    return this.#saturated;
  }
}

/** Whether a request is sent at its own time, and not when others have ended. */
export function isOnSchedule({ task }: TraceRequest): boolean {
  return task === undefined || task.after.length === 0;
}

/** The outcome of a request that was never sent. */
function unsent({ request, dueMs }: ScheduledRequest, atMs: number, taskFailed: boolean): Outcome {
  const failure = taskFailed
    ? ({ kind: "task_failed", message: "a call that it waited for had failed" } as const)
    : ({ kind: "stopped", message: "the run was stopped before it was sent" } as const);
  return {
    request,
    dueMs,
    sentMs: atMs,
    ackMs: null,
    firstMs: null,
    endMs: atMs,
    promptTokens: null,
    outputTokens: 0,
    counted: "chunks",
    chunkMs: [],
    chunkTokens: [],
    finishReason: null,
    failure: { ...failure, status: 0, retryAfterMs: null },
    cancelled: false,
    slo: null,
    text: null,
  };
}
