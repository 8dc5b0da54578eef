/**
 * A simulation as Chrome trace events (the Trace Event Format: complete "X" events and counters "C"), for
 * chrome://tracing and Perfetto: a process per instance, its steps, and its requests from arrival to end. Bounded: after
 * so many events it says so once and takes no more.
 */
import type { RequestRecord } from "./report.ts";
import type { StepShape } from "./types.ts";

const DEFAULT_LIMIT = 1_000_000;
const STEPS = 0;
/** Requests that overlap need lanes of their own to be seen. */
const FIRST_LANE = 1;
const US = 1000;

/** Writes events piece by piece: `begin`, any number of others, `end`. */
export class ChromeTrace {
  readonly #write: (text: string) => void;
  readonly #limit: number;
  readonly #named = new Set<number>();
  /** When each lane of an instance is free again, microseconds. */
  readonly #lanes = new Map<number, number[]>();
  #events = 0;
  #full = false;

  constructor(write: (text: string) => void, limit = DEFAULT_LIMIT) {
    this.#write = write;
    this.#limit = limit;
    write('{"displayTimeUnit":"ms","traceEvents":[\n');
  }

  /** True when events were left out. */
  get full(): boolean {
    return this.#full;
  }

  step(instance: number, startMs: number, endMs: number, shape: StepShape): void {
    const { tokens, rows, prefillTokens, decodes } = shape;
    const kind = decodes === 0 ? "prefill" : prefillTokens === 0 ? "decode" : "mixed";
    const args = { tokens, rows, prefillTokens, decodes };
    this.#event(instance, { name: kind, ph: "X", tid: STEPS, ts: startMs * US, dur: (endMs - startMs) * US, args });
  }

  /** A request that is over; those that came to no instance are not shown. */
  request(record: RequestRecord): void {
    const { instance, id, end, arrivalMs, firstTokenMs, endMs } = record;
    if (instance === null) return;
    const { promptTokens, outputTokens, preemptions, attained } = record;
    const tid = this.#lane(instance, arrivalMs * US, endMs * US);
    const args = { end, promptTokens, outputTokens, preemptions, attained };
    const bar = { name: `request ${id}`, ph: "X", tid, ts: arrivalMs * US, dur: (endMs - arrivalMs) * US, args };
    this.#event(instance, bar);
    if (firstTokenMs === null) return;
    const ttft = { name: "to first token", ph: "X", tid, ts: arrivalMs * US, dur: (firstTokenMs - arrivalMs) * US };
    this.#event(instance, ttft);
  }

  end(): void {
    this.#write(`\n],"otherData":{"complete":${!this.#full}}}\n`);
  }

  #event(instance: number, event: Readonly<Record<string, unknown>>): void {
    if (this.#events >= this.#limit) {
      this.#full = true;
      return;
    }
    if (!this.#named.has(instance)) {
      this.#named.add(instance);
      const name = { name: "process_name", ph: "M", pid: instance, args: { name: `instance ${instance}` } };
      this.#put(name);
    }
    this.#put({ pid: instance, ...event });
  }

  #put(event: Readonly<Record<string, unknown>>): void {
    this.#write(`${this.#events === 0 ? "" : ",\n"}${JSON.stringify(event)}`);
    this.#events += 1;
  }

  /** The first lane of the instance that is free at the start; requests come in order of their ends, so lanes may be generous. */
  #lane(instance: number, startUs: number, endUs: number): number {
    let lanes = this.#lanes.get(instance);
    if (lanes === undefined) this.#lanes.set(instance, (lanes = []));
    let lane = lanes.findIndex((freeUs) => freeUs <= startUs);
    if (lane < 0) lane = lanes.length;
    lanes[lane] = endUs;
    return FIRST_LANE + lane;
  }
}
