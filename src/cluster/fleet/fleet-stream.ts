/**
 * One request of a router: placed on an instance, joined out of what comes from wherever it runs, placed again when its
 * instance is lost. To its reader it is a stream like an engine's own: each token once and in order, or one error.
 *
 *   placing -> open -> ended        open -> placing again, with the tokens that have come, when the instance is lost
 *
 * Told to the instance: what has come (`ack`), which is also what may come next, so that a slow reader pauses its sequence.
 * Before anything has come a request is simply sent elsewhere when an instance refuses or fails; what a client has seen is
 * never computed differently, because tokens are drawn from the seed and their index.
 */
import { PunctualError, type Clock } from "../../core/index.ts";
import type {
  FleetError,
  StreamMessage,
  SubmitMessage,
  WireNotice,
  WireRequest,
  WireSummary,
} from "../../protocol/index.ts";
import type {
  GenerateEvent,
  GenerateRequest,
  LossyUse,
  RequestSummary,
  SequenceEvent,
  SignalFan,
  SubmitOptions,
  TokenStream,
  Usage,
} from "../../runtime/index.ts";
import { BEST_EFFORT, priorityBySlo } from "../../sched/index.ts";
import { BLOCK_TOKENS, type Placement } from "../routing/prefix-index.ts";
import { AnswerLog, bookedEvents, type AnswerEnd } from "./answer-log.ts";
import { fromWireError, fromWireEvent } from "./from-wire.ts";
import type { FleetInstance } from "./instance.ts";
import type { FleetLink } from "./link.ts";
import { StreamBuffer } from "./stream-buffer.ts";
import { StreamJoin } from "./stream-join.ts";

/** Where a request can go next, or why nowhere. `waitMs`: an instance may come within that time. */
export type Choice =
  | { readonly kind: "to"; readonly instance: FleetInstance<FleetStream>; readonly placement: Placement }
  | { readonly kind: "nowhere"; readonly error: PunctualError; readonly waitMs: number };

/** What a stream asks of its router. */
export interface StreamHost {
  readonly link: FleetLink;
  readonly clock: Clock;
  /** Who is told when a request's signal fires. */
  readonly signals: SignalFan;
  /** Most items that are on their way or unread. */
  readonly window: number;
  readonly stallMs: number;
  readonly recoverMs: number;
  /** Where it goes next. @param tried not there */
  choose(stream: FleetStream, tried: ReadonlySet<number>): Choice;
  /** The instance of that id, if it is known. */
  find(id: string): FleetInstance<FleetStream> | null;
  /** It was sent there and nobody answered. */
  suspect(instance: FleetInstance<FleetStream>): void;
  /** For the books. */
  book(event: SequenceEvent): void;
  /** It is over. */
  ended(stream: FleetStream, end: AnswerEnd): void;
}

type Target = FleetInstance<FleetStream>;

/** Refusals that another instance may not repeat. */
const ELSEWHERE: ReadonlySet<string> = new Set<FleetError["code"]>([
  "queue_full",
  "shutting_down",
  "engine_failed",
  "unavailable",
  "out_of_memory",
]);
/** Failures of an instance, not of the request: it goes on elsewhere. */
const LOST: ReadonlySet<string> = new Set<FleetError["code"]>(["shutting_down", "engine_failed", "unavailable"]);
/** Most instances that one request is begun on again after a loss. */
const MOST_LOSSES = 5;
/** Between two looks for an instance, milliseconds. */
const LOOK_MS = 100;
/** Items that may come before they are acknowledged, as a share of the window. */
const ACK_SHARE = 8;
/** An acknowledgement is not held back longer. */
const ACK_MS = 150;
/** Nothing has come for so long: it is asked for, in case it was lost. */
const PROBE_MS = 2000;

/** See the head of this file. */
export class FleetStream implements TokenStream {
  readonly id: string;
  readonly request: WireRequest;
  readonly log: AnswerLog;
  /** Ids of its prompt's blocks. */
  readonly blocks: readonly number[];
  readonly #host: StreamHost;
  readonly #options: SubmitOptions;
  readonly #join = new StreamJoin();
  readonly #buffer: StreamBuffer;
  readonly #generated: number[] = [];
  #at: Target | null = null;
  #placement: { readonly on: Target; readonly made: Placement } | null = null;
  #placing = true;
  #losses = 0;
  /** What its first token was drawn from, where that was not exact: who ends it may be another than who read that. */
  #lossy: LossyUse | null = null;
  /** How often in a row its instance did not know of it. */
  #denials = 0;
  /** What the instance knows: items that have come, and up to where it may send. */
  #ackedIndex = 0;
  #allowedIndex: number;
  #lastAckMs: number;
  #lastHeardMs: number;
  #fullSinceMs: number | null = null;
  #unlisten: (() => void) | null = null;

  /** @param blocks ids of the prompt's whole blocks */
  constructor(
    host: StreamHost,
    request: GenerateRequest,
    wire: WireRequest,
    blocks: readonly number[],
    options: SubmitOptions,
  ) {
    const nowMs = host.clock.nowMs();
    this.#host = host;
    this.id = request.id ?? wire.id;
    this.request = wire;
    this.blocks = blocks;
    this.#options = options;
    this.#buffer = new StreamBuffer(host.window);
    this.#allowedIndex = host.window;
    this.#lastAckMs = nowMs;
    this.#lastHeardMs = nowMs;
    this.log = new AnswerLog(wire.slo ?? BEST_EFFORT, wire.promptTokens.length, request.arrivalMs ?? nowMs);
  }

  /** Where it is, as far as this router knows; null while it has no place. */
  get instance(): Target | null {
    return this.#at;
  }
  get ended(): boolean {
    return this.#buffer.ended;
  }
  /** Looking for a place again after a loss. */
  get recovering(): boolean {
    return this.#placing && this.#losses > 0;
  }
  get tokens(): number {
    return this.#generated.length;
  }
  get isUrgent(): boolean {
    return priorityBySlo(this.request.slo) > 0;
  }
  get generated(): readonly number[] {
    return this.#generated;
  }
  /** How often instances have moved it between themselves. */
  get moves(): number {
    return this.#join.moves;
  }
  /** What its first place was expected to have cached; null when it was not placed, or is not there any more. */
  get placement(): Placement | null {
    return this.#placement !== null && this.#placement.on === this.#at ? this.#placement.made : null;
  }

  /** Begins to look for a place. */
  start(): void {
    const { signal } = this.#options;
    if (signal?.aborted === true) return this.cancel();
    if (signal !== undefined) this.#unlisten = this.#host.signals.listen(signal, () => this.cancel());
    void this.#place();
  }

  /** A message of this request. */
  receive(message: StreamMessage): void {
    if (this.#buffer.ended) {
      this.#farewell(message);
      return;
    }
    const nowMs = this.#host.clock.nowMs();
    if (message.kind === "events") for (const notice of message.notices ?? []) this.#notice(notice);
    const joined = this.#join.receive(message);
    this.#lastHeardMs = nowMs;
    this.#denials = 0;
    switch (joined.kind) {
      case "items":
        return this.#items(joined.events, joined.summary, nowMs);
      case "error":
        return this.#failed(joined.error, joined.summary);
      case "moved":
        return this.#movedTo(this.#join.owner);
      case "gap":
        return this.#ack(nowMs, true, message.instance);
      case "stale":
        return this.#host.link.tell(joined.instance, { kind: "cancel", requestId: this.request.id });
      case "nothing":
        // It repeats itself: it does not know what has come.
        if (message.kind === "events") this.#ack(nowMs, false, message.instance);
        return;
      default:
        joined satisfies never;
    }
  }

  /** Placed, and nothing was heard of it for that long, milliseconds; 0 otherwise. */
  silentMs(nowMs: number): number {
    return this.#buffer.ended || this.#placing || this.#buffer.room === 0 ? 0 : nowMs - this.#lastHeardMs;
  }

  /** Its instance was asked: it does not have it, or does. The second time in a row it is taken for lost. */
  answeredFor(instance: Target, isThere: boolean): void {
    this.#denials = isThere ? 0 : this.#denials + 1;
    if (this.#denials < 2) return;
    this.#denials = 0;
    this.lost(instance, "it does not know the request any more");
  }

  /** Its instance is gone. */
  lost(instance: Target, why: string): void {
    if (this.#buffer.ended || this.#placing || this.#at !== instance) return;
    this.#leave();
    this.#losses += 1;
    if (this.#losses > MOST_LOSSES) {
      this.#end({ kind: "error", code: "engine_failed" }, lostError(instance.id, why));
      return;
    }
    this.#placing = true;
    void this.#place(lostError(instance.id, why));
  }

  /** Called a few times a second. */
  tick(nowMs: number): void {
    if (this.#buffer.ended || this.#placing) return;
    const isFull = this.#buffer.room === 0;
    if (!isFull) this.#fullSinceMs = null;
    else if (this.#fullSinceMs === null) this.#fullSinceMs = nowMs;
    else if (nowMs - this.#fullSinceMs > this.#host.stallMs) return this.#stalled();
    if (this.#join.nextIndex > this.#ackedIndex && nowMs - this.#lastAckMs >= ACK_MS) this.#ack(nowMs, false);
    else if (!isFull && nowMs - this.#lastHeardMs > PROBE_MS && nowMs - this.#lastAckMs > PROBE_MS) {
      this.#ack(nowMs, true); // what was said last may have been lost, in either direction
    }
  }

  /** What was said lately may have been lost, in either direction. */
  askAgain(): void {
    if (!this.#buffer.ended && !this.#placing) this.#ack(this.#host.clock.nowMs(), true);
  }

  /** Ends it with an error: its router stops. */
  fail(error: PunctualError): void {
    this.#stop();
    this.#end({ kind: "error", code: error.code }, error);
  }

  cancel(): void {
    if (this.#buffer.ended) return;
    this.#stop();
    this.#buffer.drop();
    this.#end({ kind: "left" }, new PunctualError("cancelled", "the request was cancelled"));
  }

  async next(): Promise<IteratorResult<GenerateEvent, undefined>> {
    const value = await this.#buffer.next();
    if (value === undefined) return { done: true, value };
    this.#opened();
    return { done: false, value };
  }

  async return(): Promise<IteratorResult<GenerateEvent, undefined>> {
    if (!this.#buffer.ended) {
      this.#stop();
      this.#end({ kind: "left" }, null);
    }
    this.#buffer.drop();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): TokenStream {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Sends it to one instance after the other until one takes it. @param cause why it has lost its place */
  async #place(cause?: PunctualError): Promise<void> {
    const { clock } = this.#host;
    const sinceMs = clock.nowMs();
    const tried = new Set<number>();
    let last = cause ?? null;
    while (!this.#buffer.ended) {
      const choice = this.#host.choose(this, tried);
      if (choice.kind === "to") {
        const error = await this.#send(choice.instance, choice.placement);
        if (error === null) return;
        // An adapter that has just been unloaded there may be elsewhere.
        const isUnloaded = error.code === "model_not_found" && this.request.adapter !== undefined;
        if (!ELSEWHERE.has(error.code) && error.code !== "request_timeout" && !isUnloaded) {
          this.#end({ kind: "error", code: error.code }, error);
          return;
        }
        tried.add(choice.instance.index);
        last = error.code === "request_timeout" ? lostError(choice.instance.id, "it did not answer") : error;
        continue;
      }
      if (clock.nowMs() - sinceMs >= choice.waitMs) {
        const error = cause ?? last ?? choice.error;
        this.#end({ kind: "error", code: error.code }, error);
        return;
      }
      tried.clear(); // who was full may have room by now
      await pause(LOOK_MS);
    }
  }

  /** Null: it is there. Otherwise why it is not. */
  async #send(instance: Target, made: Placement): Promise<PunctualError | null> {
    const { link, clock } = this.#host;
    const epoch = this.#join.place(instance.id);
    this.#enter(instance, made);
    this.#placement ??= { on: instance, made };
    try {
      const reply = await link.submit(instance.id, this.#message(epoch));
      if (reply.kind === "refused") throw fromWireError(reply.error);
    } catch (error) {
      if (this.#join.ended || this.#join.owner !== instance.id || this.#heardSince(epoch))
        return this.#placed(clock.nowMs());
      this.#leave();
      if (!(error instanceof PunctualError)) throw error;
      if (error.code === "request_timeout" || error.code === "unavailable") {
        this.#host.suspect(instance);
        link.tell(instance.id, { kind: "cancel", requestId: this.request.id });
      }
      return error;
    }
    return this.#placed(clock.nowMs());
  }

  #placed(nowMs: number): null {
    this.#placing = false;
    this.#lastHeardMs = nowMs;
    this.#lastAckMs = nowMs;
    if (this.#buffer.ended) this.#stop(); // left meanwhile
    else if (this.#at?.gone === true) this.lost(this.#at, "its lease ended");
    return null;
  }

  /** Something came although the answer to the question did not. */
  #heardSince(epoch: number): boolean {
    return this.#join.epoch === epoch && this.#ackedIndex < this.#join.nextIndex && this.#lastHeardMs > this.#lastAckMs;
  }

  #message(epoch: number): Omit<SubmitMessage, "version"> {
    const { link, clock, window } = this.#host;
    const nowMs = clock.nowMs();
    const ageOf = (atMs: number | null): number | null => (atMs === null ? null : atMs - this.log.arrivalMs);
    this.#ackedIndex = this.#join.nextIndex;
    this.#allowedIndex = this.#join.nextIndex + this.#buffer.room;
    this.#lastAckMs = nowMs;
    return {
      request: this.request,
      ageMs: Math.max(0, nowMs - this.log.arrivalMs),
      router: link.router,
      inbox: link.inbox(this.request.id),
      window: Math.min(window, this.#buffer.room),
      epoch,
      ...(this.#options.observer === undefined ? {} : { observe: true }),
      ...(this.#generated.length === 0
        ? {}
        : {
            resume: {
              generated: [...this.#generated],
              firstTokenAgeMs: ageOf(this.log.firstTokenMs),
              lastTokenAgeMs: ageOf(this.log.lastTokenMs),
            },
          }),
    };
  }

  #items(
    events: readonly (StreamMessage & { readonly kind: "events" })["events"][number][],
    summary: WireSummary | null,
    nowMs: number,
  ): void {
    const heard: GenerateEvent[] = [];
    for (const event of events) {
      const told = fromWireEvent(event, nowMs);
      if (told.kind === "token") {
        this.#generated.push(told.id);
        this.#lossy ??= told.lossy ?? null;
        const gapMs = this.log.token(nowMs);
        this.#host.book({ kind: "token", seq: 0, token: told, gapMs });
        this.#options.observer?.token(nowMs);
        heard.push(told);
        continue;
      }
      const slo = this.log.outcome(nowMs, told.cause !== "deadline");
      const finish = { ...told, usage: { ...withLossy(told.usage, this.#lossy), slo } };
      this.#buffer.push([...heard, finish]);
      this.#ack(nowMs, false);
      this.#end({ kind: "finish", finish }, null, summary);
      return;
    }
    this.#buffer.push(heard);
    if (this.#join.nextIndex - this.#ackedIndex >= this.#host.window / ACK_SHARE) this.#ack(nowMs, false);
  }

  #failed(error: FleetError, summary: WireSummary | null): void {
    const instance = this.#at;
    this.#ackEnd();
    if (instance !== null && LOST.has(error.code)) {
      this.lost(instance, error.message);
      return;
    }
    this.#end({ kind: "error", code: error.code }, fromWireError(error), summary);
  }

  #movedTo(owner: string | null): void {
    const target = owner === null ? null : this.#host.find(owner);
    this.#leave();
    if (target !== null) this.#enter(target, null);
    if (this.#options.observer !== undefined) this.#ack(this.#host.clock.nowMs(), false);
  }

  #notice(notice: WireNotice): void {
    const { observer } = this.#options;
    const atMs = this.log.arrivalMs + notice.ageMs;
    switch (notice.kind) {
      case "admitted":
        this.log.scheduled(atMs);
        return observer?.admitted(atMs, notice.cachedTokens);
      case "chunk":
        return observer?.chunk(atMs, notice.durationMs, notice.tokens);
      case "preempted":
      case "paused":
        return observer?.interrupted(notice.kind, atMs);
      case "resumed":
        return observer?.resumed(atMs);
      default:
        return notice satisfies never;
    }
  }

  /** Says what has come and what may come. @param to who asks; who speaks for the request when absent */
  #ack(nowMs: number, resend: boolean, to: string | null = this.#join.owner): void {
    if (to === null) return;
    const { nextIndex } = this.#join;
    const { room } = this.#buffer;
    this.#ackedIndex = nextIndex;
    this.#allowedIndex = nextIndex + room;
    this.#lastAckMs = nowMs;
    const what = { nextIndex, window: room, ...(resend ? { resend } : {}) };
    this.#host.link.tell(to, { kind: "ack", requestId: this.request.id, ...what });
  }

  /** An error has an index as well: behind it, nothing is kept. */
  #ackEnd(): void {
    const owner = this.#join.owner;
    if (owner === null) return;
    const nextIndex = this.#join.nextIndex + 1;
    this.#host.link.tell(owner, { kind: "ack", requestId: this.request.id, nextIndex, window: 0 });
  }

  /** To an instance that repeats the end of what is over here. */
  #farewell(message: StreamMessage): void {
    const { link } = this.#host;
    if (message.kind === "events" || message.kind === "error") {
      const last = message.kind === "error" ? message.index : message.firstIndex + message.events.length - 1;
      link.tell(message.instance, { kind: "ack", requestId: this.request.id, nextIndex: last + 1, window: 0 });
    }
    if (!this.#join.ended) link.tell(message.instance, { kind: "cancel", requestId: this.request.id });
  }

  /** The reader has read: an instance that was held up may go on. */
  #opened(): void {
    if (this.#buffer.ended || this.#placing) return;
    const { window, clock } = this.#host;
    const known = this.#allowedIndex - this.#join.nextIndex;
    if (known < window / 4 && this.#buffer.room >= window / 2) this.#ack(clock.nowMs(), false);
  }

  #stalled(): void {
    const message = `nobody read the stream for ${this.#host.stallMs} ms while ${this.#buffer.unread} events were waiting`;
    this.fail(new PunctualError("request_timeout", message));
  }

  /** Nothing more is wanted of it. */
  #stop(): void {
    const { owner, ended } = this.#join;
    if (owner !== null && !ended) this.#host.link.tell(owner, { kind: "cancel", requestId: this.request.id });
  }

  #end(end: AnswerEnd, error: PunctualError | null, summary: WireSummary | null = null): void {
    if (!this.#buffer.end(error)) return;
    this.#unlisten?.();
    const booked = this.log.ended(end, this.#host.clock.nowMs(), summary);
    for (const event of bookedEvents(end, booked)) this.#host.book(event);
    this.#host.ended(this, end);
    this.#leave();
    const told: RequestSummary = this.log.summary(end, booked);
    this.#options.onEnd?.(told);
  }

  /** @param made null: it comes with its keys and values */
  #enter(instance: Target, made: Placement | null): void {
    const tokens = this.request.promptTokens.length + this.#generated.length;
    this.#at = instance;
    instance.enter(this, tokens, made === null ? tokens : made.expectedBlocks * BLOCK_TOKENS);
  }

  #leave(): void {
    this.#at?.leave(this, this.request.promptTokens.length + this.#generated.length);
    this.#at = null;
  }
}

/**
 * What an answer began from counts, whoever ended it: an instance that went on with what was seen has computed the prompt
 * exactly, or found it so, but the tokens before were drawn from what the first one had.
 */
function withLossy(usage: Usage, lossy: LossyUse | null): Usage {
  if (lossy === null) return usage;
  const { cachedTokens, lossyTokens = 0 } = usage;
  return {
    ...usage,
    cachedTokens: Math.max(cachedTokens, lossy.cachedTokens),
    lossyTokens: Math.max(lossyTokens, lossy.lossyTokens),
  };
}

function lostError(instance: string, why: string): PunctualError {
  return new PunctualError("engine_failed", `the instance ${instance} was lost (${why}) and no other could go on`, {
    retryAfterMs: 1000,
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
