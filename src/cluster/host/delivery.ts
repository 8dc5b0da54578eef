/**
 * One answer on its way from an engine's stream to a reader behind a bus that may lose, repeat and delay: items are kept
 * until they are acknowledged, sent again when they are asked for, and not read from the engine beyond what the reader takes
 * (so that a slow reader pauses its own sequence, and nobody else's). protocol/fleet.ts has the rules.
 *
 *   reading ──finish or error──▶ ended ──acknowledged or old──▶ over
 *      │ suspend ▲ stays
 *      ▼         │
 *   suspended ───┴──moved──▶ moved ──old──▶ over
 */
import { assert, PunctualError } from "../../core/index.ts";
import {
  FLEET_LIMITS,
  FLEET_VERSION,
  type StreamMessage,
  type WireEvent,
  type WireNotice,
  type WireRequest,
  type WireSummary,
} from "../../protocol/index.ts";
import type { TokenStream } from "../../runtime/index.ts";
import { encodeMessage } from "../wire.ts";
import type { DeliveryState, HostedRequest } from "./types.ts";
import { toFleetError, toWireEvent } from "./wire-events.ts";

/** Items of one message: small enough for every bus, log-probabilities included. */
const BATCH_EVENTS = 128;
/** The end of an answer is repeated until somebody has it. */
const REPEAT_MS = 1000;

type Phase = "reading" | "suspended" | "moved" | "ended";

/** What a delivery needs to know. */
export interface DeliveryOptions {
  readonly instance: string;
  readonly request: WireRequest;
  readonly router: string;
  readonly inbox: string;
  readonly observe: boolean;
  readonly epoch: number;
  /** Of this process. */
  readonly arrivalMs: number;
  /** Index of the first event that the stream will give. */
  readonly nextIndex: number;
  /** The reader takes items below this. */
  readonly windowEnd: number;
  /** Of the backlog, what is below this is sent when it is asked for; all is sent at once when absent. */
  readonly resendFrom?: number;
  /** Most items kept. */
  readonly keptEvents: number;
  /** Sends to the inbox; false when it could not be sent just now. */
  readonly send: (message: Uint8Array) => boolean;
  /** The stream has ended, or it goes on elsewhere: nothing is computed for it here any more. */
  readonly onEnd: () => void;
}

/** See the head of this file. */
export class Delivery {
  readonly requestId: string;
  readonly router: string;
  /** Its epoch changes when it is taken back from an instance that does not answer. */
  options: DeliveryOptions;
  readonly #stream: TokenStream;
  #phase: Phase = "reading";
  /** Not acknowledged, from `#firstKept` on. */
  #kept: WireEvent[] = [];
  #firstKept: number;
  #nextIndex: number;
  #sentIndex: number;
  #windowEnd: number;
  #notices: WireNotice[] = [];
  #error: { readonly index: number; readonly thrown: unknown } | null = null;
  #movedTo: string | null = null;
  #summary: WireSummary | null = null;
  #endMs = 0;
  #lastSentMs = -Infinity;
  #isFlushing = false;
  #isAcknowledged = false;
  /** Suspended: everything below this index is wanted whatever the window. */
  #wantedIndex = 0;
  #wake: (() => void) | null = null;
  #onSuspended: (() => void) | null = null;

  constructor(stream: TokenStream, options: DeliveryOptions, backlog: readonly WireEvent[] = []) {
    this.options = options;
    this.requestId = options.request.id;
    this.router = options.router;
    this.#stream = stream;
    this.#kept = [...backlog];
    this.#nextIndex = options.nextIndex;
    this.#firstKept = options.nextIndex - backlog.length;
    this.#sentIndex = Math.min(this.#nextIndex, Math.max(this.#firstKept, options.resendFrom ?? 0));
    this.#windowEnd = options.windowEnd;
  }

  /** Computed here, or about to be. */
  get isOpen(): boolean {
    return this.#phase === "reading" || this.#phase === "suspended";
  }

  get isSuspended(): boolean {
    return this.#phase === "suspended";
  }

  get nextIndex(): number {
    return this.#nextIndex;
  }

  hosted(nowMs: number): HostedRequest {
    const { request, router, inbox, epoch, arrivalMs } = this.options;
    return {
      requestId: this.requestId,
      router,
      inbox,
      epoch,
      ageMs: nowMs - arrivalMs,
      promptTokens: request.promptTokens.length,
      nextIndex: this.#nextIndex,
      isDurable: false,
      request,
    };
  }

  /** Reads the stream to its end. Never throws. @param nowMs the clock */
  async run(nowMs: () => number): Promise<void> {
    try {
      for (;;) {
        await this.#room();
        if (!this.isOpen) return;
        const step = await this.#stream.next();
        if (step.done === true) return;
        this.#took(toWireEvent(step.value, this.#nextIndex, this.options.arrivalMs), nowMs());
      }
    } catch (error) {
      // Cancelled and moved ones are over for their own reasons.
      if (!this.isOpen || isMove(error)) return;
      this.#ended(nowMs());
      this.#error = { index: this.#nextIndex, thrown: error };
      this.#schedule();
    }
  }

  /** Something was noticed; told with the next events. */
  notice(notice: WireNotice): void {
    if (this.#notices.length < FLEET_LIMITS.batchNotices) this.#notices.push(notice);
    this.#schedule();
  }

  /** How it went, told with its end. */
  setSummary(summary: WireSummary): void {
    this.#summary = summary;
  }

  /** All items below nextIndex have come; the reader takes `window` more. */
  acknowledge(nextIndex: number, window: number, resend: boolean): void {
    const have = Math.min(nextIndex, this.#nextIndex);
    if (have > this.#firstKept) {
      this.#kept.splice(0, have - this.#firstKept);
      this.#firstKept = have;
      this.#sentIndex = Math.max(this.#sentIndex, have);
    }
    this.#windowEnd = Math.max(this.#windowEnd, nextIndex + window);
    const endIndex = this.#error === null ? this.#nextIndex - 1 : this.#error.index;
    this.#isAcknowledged = this.#phase === "ended" && nextIndex > endIndex;
    if (resend || this.#phase === "moved") this.repeat();
    else this.#schedule();
    this.#wake?.();
  }

  /** Sends again all that is not acknowledged. */
  repeat(): void {
    this.#sentIndex = this.#firstKept;
    this.#lastSentMs = -Infinity;
    this.#schedule();
  }

  /** Called a few times a second. @returns true when it is over and can be forgotten */
  tick(nowMs: number, keptMs: number): boolean {
    if (this.isOpen) return false;
    if (this.#isAcknowledged || nowMs - this.#endMs > keptMs) return true;
    if (nowMs - this.#lastSentMs > REPEAT_MS && this.#phase === "ended") {
      this.#lastSentMs = nowMs;
      this.#sentIndex = this.#firstKept;
      this.#schedule();
    }
    return false;
  }

  /** Nobody wants it any more; nothing more is said. */
  cancel(): void {
    if (this.isOpen) {
      this.#phase = "ended";
      this.options.onEnd();
    }
    this.#isAcknowledged = true;
    this.#stream.cancel();
    this.#wake?.();
    this.#onSuspended?.();
  }

  /** Ends it with that error, which its reader is told. */
  end(error: PunctualError, nowMs: number): void {
    if (!this.isOpen) return;
    this.#error = { index: this.#nextIndex, thrown: error };
    this.#ended(nowMs);
    this.#stream.cancel();
    this.#wake?.();
    this.#schedule();
  }

  /** See HostPort.suspend. */
  async suspend(nextIndex: number, nowMs: number): Promise<DeliveryState> {
    assert(this.#phase === "reading", "a request is suspended once");
    this.#phase = "suspended";
    this.#wantedIndex = nextIndex;
    this.#wake?.();
    while (this.#nextIndex < nextIndex && this.#phase === "suspended") {
      await new Promise<void>((resolve) => {
        this.#onSuspended = resolve;
      });
    }
    this.#onSuspended = null;
    if (this.#phase !== "suspended") throw new PunctualError("not_found", `'${this.requestId}' has ended.`);
    return this.state(nowMs);
  }

  /** Where it stands with its reader. */
  state(nowMs: number): DeliveryState {
    const { router, inbox, observe, epoch, arrivalMs } = this.options;
    return {
      requestId: this.requestId,
      epoch,
      router,
      inbox,
      observe,
      unacknowledged: [...this.#kept],
      nextIndex: this.#nextIndex,
      windowEnd: this.#windowEnd,
      ageMs: nowMs - arrivalMs,
    };
  }

  /** It stays after all, perhaps under another epoch, which its reader is told then. No effect unless it is suspended. */
  stay(epoch: number = this.options.epoch): void {
    if (this.#phase !== "suspended") return;
    this.#phase = "reading";
    if (epoch > this.options.epoch) {
      this.options = { ...this.options, epoch };
      this.#send({ kind: "adopted", nextIndex: this.#nextIndex });
      this.repeat();
    }
    this.#wake?.();
  }

  /** It is at that instance from now on. */
  moved(to: string, nowMs: number): void {
    if (!this.isOpen) return;
    this.#phase = "moved";
    this.#movedTo = to;
    this.#endMs = nowMs;
    this.options.onEnd();
    this.#wake?.();
    this.#schedule();
  }

  /** Nobody reads what its stream still gives. No effect unless it has moved. */
  quit(): void {
    if (this.#phase === "moved") this.#stream.cancel();
  }

  /** Tells that this instance speaks for it now, before anything else. */
  announce(): void {
    this.#send({ kind: "adopted", nextIndex: this.options.nextIndex });
    this.#schedule();
  }

  /** Waits until the reader takes another item, or until it is wanted for a move. */
  async #room(): Promise<void> {
    for (;;) {
      const { keptEvents } = this.options;
      if (this.#phase === "reading" && this.#nextIndex < this.#windowEnd && this.#kept.length < keptEvents) return;
      if (this.#phase === "suspended" && this.#nextIndex < this.#wantedIndex) return;
      if (!this.isOpen) return;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
  }

  #took(event: WireEvent, nowMs: number): void {
    assert(event.index === this.#nextIndex, "events come in order of index");
    if (!this.isOpen) return; // moved or cancelled while it was on its way
    this.#kept.push(event);
    this.#nextIndex += 1;
    if (event.kind === "finish") this.#ended(nowMs);
    if (this.#nextIndex >= this.#wantedIndex) this.#onSuspended?.();
    this.#schedule();
  }

  #ended(nowMs: number): void {
    if (!this.isOpen) return;
    this.#phase = "ended";
    this.#endMs = nowMs;
    this.#lastSentMs = nowMs;
    this.options.onEnd();
    this.#onSuspended?.();
  }

  /** Whatever comes in one turn goes out in one message. */
  #schedule(): void {
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    const end = Math.min(this.#nextIndex, this.#windowEnd);
    while (this.#sentIndex < end) {
      const from = this.#sentIndex - this.#firstKept;
      const events = this.#kept.slice(from, from + Math.min(BATCH_EVENTS, end - this.#sentIndex));
      const isLast = events.at(-1)?.kind === "finish";
      const summary = isLast && this.#summary !== null ? { summary: this.#summary } : {};
      if (!this.#send({ kind: "events", firstIndex: this.#sentIndex, events, ...this.#takeNotices(), ...summary }))
        return;
      this.#sentIndex += events.length;
    }
    if (this.#notices.length > 0) {
      this.#send({ kind: "events", firstIndex: this.#sentIndex, events: [], ...this.#takeNotices() });
    }
    if (this.#error !== null) {
      const summary = this.#summary === null ? {} : { summary: this.#summary };
      this.#send({ kind: "error", index: this.#error.index, error: toFleetError(this.#error.thrown), ...summary });
    }
    if (this.#movedTo !== null) this.#send({ kind: "moved", to: this.#movedTo, nextIndex: this.#nextIndex });
  }

  #takeNotices(): { notices?: WireNotice[] } {
    if (!this.options.observe || this.#notices.length === 0) {
      this.#notices = [];
      return {};
    }
    const notices = this.#notices;
    this.#notices = [];
    return { notices };
  }

  #send(message: Unaddressed<StreamMessage>): boolean {
    const { instance, epoch, send } = this.options;
    return send(encodeMessage({ version: FLEET_VERSION, requestId: this.requestId, instance, epoch, ...message }));
  }
}

type Unaddressed<M> = M extends unknown ? Omit<M, "version" | "requestId" | "instance" | "epoch"> : never;

function isMove(error: unknown): boolean {
  return error instanceof PunctualError && error.code === "moved";
}
