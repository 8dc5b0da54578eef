/**
 * What the live feed has told, within bounds: after an hour or a week the page holds no more than after ten minutes. Pure:
 * events in, records out; live.ts connects, reconnects and tells components.
 */
import type { LiveEvent, RequestRow, StepRecord } from "@protocol";

/** The server's introduction. */
export type HelloEvent = Extract<LiveEvent, { kind: "hello" }>;
/** How one model stands. */
export type SampleEvent = Extract<LiveEvent, { kind: "sample" }>;

/** The bounds of what is kept. */
export const LIVE_LIMITS = {
  /** The latest samples of a model, each as it came: two minutes of a busy server. */
  samples: 480,
  /** Older ones, one every `olderEveryMs`: an hour. */
  olderSamples: 720,
  olderEveryMs: 5000,
  /** Steps of a model, the latest. */
  steps: 2048,
  /** Requests that have ended, the latest; open ones are bounded by the server's queue. */
  endedRequests: 1000,
} as const;

const OPEN_STATES: ReadonlySet<RequestRow["state"]> = new Set(["waiting", "running"]);

/** True while a request waits or is computed. */
export function isOpenRequest(row: RequestRow): boolean {
  return OPEN_STATES.has(row.state);
}

interface ModelHistory {
  readonly older: SampleEvent[];
  readonly samples: SampleEvent[];
  readonly steps: StepRecord[];
  /** When the last step of each phase began, of each instance. */
  readonly lastStepMs: Map<string, number>;
}

/** The state of one server as its feed tells it. */
export class LiveStore {
  /** Null until the first hello. */
  hello: HelloEvent | null = null;
  /** Samples and steps that the server dropped because this page was slow. */
  dropped = { samples: 0, steps: 0 };
  private readonly models = new Map<string, ModelHistory>();
  /** By id, in the order in which they were first heard of. */
  private readonly rows = new Map<string, RequestRow>();
  private ended = 0;

  /** Takes one event. Returns true when it came from another start of the server, and everything before is forgotten. */
  apply(event: LiveEvent): boolean {
    switch (event.kind) {
      case "hello": {
        const isRestart = this.hello !== null && this.hello.startedUnixMs !== event.startedUnixMs;
        if (isRestart) this.clear();
        this.hello = event;
        return isRestart;
      }
      case "sample":
        this.addSample(event);
        return false;
      case "steps":
        this.addSteps(event.model, event.steps);
        return false;
      case "request":
        this.addRequest(event.request);
        return false;
      case "policy":
        this.setPolicy(event.model, event.policy);
        return false;
      case "dropped":
        this.dropped = {
          samples: this.dropped.samples + event.samples,
          steps: this.dropped.steps + event.steps,
        };
        return false;
      default:
        event satisfies never; // an event of a later server
        return false;
    }
  }

  /** Samples of a model, oldest first; those of more than two minutes ago are thinned out. */
  samples(model: string): readonly SampleEvent[] {
    const history = this.models.get(model);
    return history === undefined ? [] : [...history.older, ...history.samples];
  }

  /** The last sample of a model, or null. */
  lastSample(model: string): SampleEvent | null {
    return this.models.get(model)?.samples.at(-1) ?? null;
  }

  /** Steps of a model, oldest first. */
  steps(model: string): readonly StepRecord[] {
    return this.models.get(model)?.steps ?? [];
  }

  /** Requests, the one heard of first at the beginning. */
  requests(): readonly RequestRow[] {
    return [...this.rows.values()];
  }

  /** A request by its id, or null. */
  request(id: string): RequestRow | null {
    return this.rows.get(id) ?? null;
  }

  /** Events that would tell another reader all that is kept here: what a page gets that is opened later. */
  replay(): readonly LiveEvent[] {
    const told: LiveEvent[] = this.hello === null ? [] : [this.hello];
    for (const request of this.rows.values()) told.push({ kind: "request", request });
    for (const [model, { older, samples, steps }] of this.models) {
      told.push(...older, ...samples);
      if (steps.length > 0) told.push({ kind: "steps", model, steps: [...steps] });
    }
    return told;
  }

  /** @throws Error naming the bound that is passed or the count that is wrong. */
  checkIntegrity(): void {
    const ended = this.requests().filter((row) => !isOpenRequest(row)).length;
    if (ended !== this.ended) throw new Error(`expected ${this.ended} ended requests, got ${ended}`);
    if (ended > LIVE_LIMITS.endedRequests) throw new Error(`expected fewer ended requests, got ${ended}`);
    for (const [model, { older, samples, steps }] of this.models) {
      if (older.length > LIVE_LIMITS.olderSamples) throw new Error(`${model}: ${older.length} older samples`);
      if (samples.length > LIVE_LIMITS.samples) throw new Error(`${model}: ${samples.length} samples`);
      if (steps.length > LIVE_LIMITS.steps) throw new Error(`${model}: ${steps.length} steps`);
    }
  }

  private clear(): void {
    this.models.clear();
    this.rows.clear();
    this.ended = 0;
    this.dropped = { samples: 0, steps: 0 };
  }

  private history(model: string): ModelHistory {
    let history = this.models.get(model);
    if (history === undefined) {
      history = { older: [], samples: [], steps: [], lastStepMs: new Map() };
      this.models.set(model, history);
    }
    return history;
  }

  private addSample(sample: SampleEvent): void {
    const { samples, older } = this.history(sample.model);
    const last = samples.at(-1);
    if (last !== undefined && sample.nowMs <= last.nowMs) return; // told again after a reconnect
    samples.push(sample);
    if (samples.length > LIVE_LIMITS.samples) {
      const leaving = samples.shift()!;
      const before = older.at(-1)?.nowMs ?? Number.NEGATIVE_INFINITY;
      if (leaving.nowMs - before >= LIVE_LIMITS.olderEveryMs) older.push(leaving);
      if (older.length > LIVE_LIMITS.olderSamples) older.shift();
    }
    this.setPolicy(sample.model, sample.policy);
  }

  private addSteps(model: string, added: readonly StepRecord[]): void {
    const { steps, lastStepMs } = this.history(model);
    for (const step of added) {
      const line = `${step.phase ?? ""} ${step.instance ?? ""}`;
      if (step.startMs <= (lastStepMs.get(line) ?? Number.NEGATIVE_INFINITY)) continue; // told again
      lastStepMs.set(line, step.startMs);
      steps.push(step);
    }
    if (steps.length > LIVE_LIMITS.steps) steps.splice(0, steps.length - LIVE_LIMITS.steps);
  }

  private addRequest(row: RequestRow): void {
    const before = this.rows.get(row.id);
    if (before !== undefined && !isOpenRequest(before)) this.ended -= 1;
    if (!isOpenRequest(row)) this.ended += 1;
    this.rows.set(row.id, row);
    if (this.ended > LIVE_LIMITS.endedRequests) this.forgetOldestEnded();
  }

  private forgetOldestEnded(): void {
    for (const [id, row] of this.rows) {
      if (isOpenRequest(row)) continue;
      this.rows.delete(id);
      this.ended -= 1;
      return;
    }
  }

  private setPolicy(model: string, policy: string): void {
    const { hello } = this;
    const known = hello?.models.find(({ id }) => id === model);
    if (hello === null || known === undefined || known.policy === policy) return;
    const models = hello.models.map((other) => (other.id === model ? { ...other, policy } : other));
    this.hello = { ...hello, models };
  }
}
