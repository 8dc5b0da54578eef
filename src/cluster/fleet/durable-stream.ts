/**
 * A request whose answer is wanted whole, kept by the bus until it is done: it outlives the instance that computes it and the
 * router that was asked. Its id follows from key and content, so that who asks again, anywhere, gets the same result.
 *
 * It is not placed by a router: instances take such work as they have room. Who leaves does not cancel what has a key, as it is
 * there to be asked for again.
 */
import { createHash } from "node:crypto";
import { hashString, PunctualError, type Clock } from "../../core/index.ts";
import { FLEET_VERSION, type WireRequest, type WorkResult } from "../../protocol/index.ts";
import {
  wallMs,
  type GenerateEvent,
  type SequenceEvent,
  type SignalFan,
  type SubmitOptions,
  type TokenStream,
} from "../../runtime/index.ts";
import { BEST_EFFORT } from "../../sched/index.ts";
import type { DurableWork } from "../work/durable-work.ts";
import { AnswerLog, bookedEvents, type AnswerEnd } from "./answer-log.ts";
import { fromWireError, fromWireEvent } from "./from-wire.ts";

/** What such a request asks of its router. */
export interface DurableHost {
  readonly clock: Clock;
  /** Who is told when a request's signal fires. */
  readonly signals: SignalFan;
  readonly work: DurableWork;
  readonly model: string;
  /** Where it is told that a result is there. */
  readonly inbox: string;
  book(event: SequenceEvent): void;
  ended(stream: DurableStream): void;
}

/** The request under an id that follows from its key and what it asks, drawn from a seed that does as well. */
export function keyedRequest(request: WireRequest, model: string, key: string): WireRequest {
  const { id: _id, sampling, ...asked } = request;
  const hash = createHash("sha256")
    .update(JSON.stringify([key, model, asked, sampling]))
    .digest("base64url");
  return { ...request, id: `key-${hash}`, sampling: { ...sampling, seed: sampling?.seed ?? hashString(hash) } };
}

/** See the head of this file. */
export class DurableStream implements TokenStream {
  readonly id: string;
  readonly request: WireRequest;
  readonly #host: DurableHost;
  readonly #options: SubmitOptions;
  readonly #isKept: boolean;
  readonly #log: AnswerLog;
  readonly #leave = new AbortController();
  readonly #events: Promise<readonly GenerateEvent[]>;
  #unlisten: (() => void) | null = null;
  #next = 0;
  #over = false;
  #failed = false;

  /** @param isKept it has a key: it is computed to its end whoever leaves */
  constructor(host: DurableHost, request: WireRequest, arrivalMs: number, isKept: boolean, options: SubmitOptions) {
    this.id = request.id;
    this.request = request;
    this.#host = host;
    this.#options = options;
    this.#isKept = isKept;
    this.#log = new AnswerLog(request.slo ?? BEST_EFFORT, request.promptTokens.length, arrivalMs);
    const { signal } = options;
    if (signal?.aborted === true) this.#leave.abort();
    else if (signal !== undefined) this.#unlisten = host.signals.listen(signal, () => this.#leave.abort());
    this.#events = this.#run();
    this.#events.catch(() => undefined); // thrown to whoever reads
  }

  cancel(): void {
    this.#leave.abort();
  }

  async next(): Promise<IteratorResult<GenerateEvent, undefined>> {
    if (this.#failed) return { done: true, value: undefined };
    try {
      const value = (await this.#events)[this.#next++];
      return value === undefined ? { done: true, value } : { done: false, value };
    } catch (error) {
      this.#failed = true;
      throw error;
    }
  }

  async return(): Promise<IteratorResult<GenerateEvent, undefined>> {
    this.#leave.abort();
    this.#next = Infinity;
    this.#failed = true;
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): TokenStream {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  async #run(): Promise<readonly GenerateEvent[]> {
    const { work, model, clock, inbox } = this.#host;
    const { id } = this.request;
    try {
      const ageMs = Math.max(0, clock.nowMs() - this.#log.arrivalMs);
      const message = { version: FLEET_VERSION, request: this.request, ageMs, putUnixMs: wallMs(), inbox } as const;
      await work.put(model, message);
      return this.#told(await work.wait(id, { signal: this.#leave.signal, inbox }));
    } catch (error) {
      const failure = error instanceof PunctualError ? error : new PunctualError("internal", String(error));
      if (failure.code === "cancelled" && !this.#isKept) await work.cancel(id).catch(() => undefined); // it ends by itself
      this.#end({ kind: "error", code: failure.code });
      throw failure;
    }
  }

  #told(result: WorkResult): readonly GenerateEvent[] {
    if (result.kind === "failed") throw fromWireError(result.error);
    const nowMs = this.#host.clock.nowMs();
    const events: GenerateEvent[] = [];
    for (const event of result.events) {
      const told = fromWireEvent(event, nowMs);
      if (told.kind === "token") {
        const gapMs = this.#log.token(nowMs);
        this.#host.book({ kind: "token", seq: 0, token: told, gapMs });
        events.push(told);
        continue;
      }
      const slo = this.#log.outcome(nowMs, told.cause !== "deadline");
      const finish = { ...told, usage: { ...told.usage, slo } };
      events.push(finish);
      this.#end({ kind: "finish", finish });
    }
    return events;
  }

  #end(end: AnswerEnd): void {
    if (this.#over) return;
    this.#over = true;
    this.#unlisten?.();
    const booked = this.#log.ended(end, this.#host.clock.nowMs(), null);
    for (const event of bookedEvents(end, booked)) this.#host.book(event);
    this.#host.ended(this);
    this.#options.onEnd?.(this.#log.summary(end, booked));
  }
}
