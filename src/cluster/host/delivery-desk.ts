/**
 * All answers of a host that are on their way to readers: takes requests into the engine, ends those whose router is not
 * heard of any more, hands requests over to other instances and takes theirs. Bounded by the engine's own queue; ends that
 * nobody acknowledges are kept for a while only.
 */
import { fail, type PunctualError } from "../../core/index.ts";
import type { SubmitMessage, WireRequest } from "../../protocol/index.ts";
import {
  liveClock,
  type Engine,
  type RequestSummary,
  type SubmitOptions,
  type TokenStream,
} from "../../runtime/index.ts";
import type { Bus } from "../bus/types.ts";
import { Delivery, type DeliveryOptions } from "./delivery.ts";
import type { LoadBook, LoadEntry } from "./load-book.ts";
import type { DeliveryState, HostedRequest, HostPort } from "./types.ts";
import { noticesTo, toGenerateRequest, toWireSummary } from "./wire-events.ts";

const DEFAULT_SILENCE_MS = 10_000;
const DEFAULT_KEPT_EVENTS = 1024;
const DEFAULT_KEPT_MS = 30_000;

/** What a desk needs. */
export interface DeskOptions {
  readonly instance: string;
  readonly engine: Engine;
  readonly bus: Bus;
  readonly book: LoadBook;
  readonly routerSilenceMs?: number;
  readonly keptEvents?: number;
  readonly keptMs?: number;
}

/** See the head of this file. */
export class DeliveryDesk {
  readonly #options: DeskOptions;
  readonly #deliveries = new Map<string, Delivery>();
  /** When each router was last heard of. */
  readonly #routers = new Map<string, number>();
  #isConnected = true;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /** Answers that are remembered, ended ones included. */
  get size(): number {
    return this.#deliveries.size;
  }

  /** Requests that have not ended here. */
  get open(): number {
    let open = 0;
    for (const delivery of this.#deliveries.values()) if (delivery.isOpen) open += 1;
    return open;
  }

  /** This instance speaks for that request. */
  isKnown(requestId: string): boolean {
    return this.#deliveries.get(requestId)?.isOpen === true;
  }

  hosted(): readonly HostedRequest[] {
    const nowMs = liveClock.nowMs();
    return [...this.#deliveries.values()].filter(({ isOpen }) => isOpen).map((delivery) => delivery.hosted(nowMs));
  }

  find(requestId: string): HostedRequest | null {
    const delivery = this.#deliveries.get(requestId);
    return delivery?.isOpen === true ? delivery.hosted(liveClock.nowMs()) : null;
  }

  /** Queues a request. The same one again is nothing; under a higher epoch it begins anew. @throws as `Engine.submit` */
  submit(message: SubmitMessage): void {
    const { request, router, inbox, window, epoch = 0, resume, observe = false } = message;
    const known = this.#deliveries.get(request.id);
    if (known !== undefined && known.options.epoch >= epoch) return;
    this.alive(router);
    const arrivalMs = liveClock.nowMs() - message.ageMs;
    const generated = resume?.generated ?? [];
    const nextIndex = generated.length;
    const where = { request, router, inbox, observe, epoch, arrivalMs, nextIndex, windowEnd: nextIndex + window };
    const opening = this.#open(where, this.#options.book.enter(request, nextIndex));
    known?.cancel(); // first: an engine has one request of that id
    try {
      const { engine } = this.#options;
      if (resume === undefined) {
        opening.begin(engine.submit(toGenerateRequest(request, arrivalMs), opening.options));
        return;
      }
      const { firstTokenAgeMs, lastTokenAgeMs } = resume;
      const from = { requestId: request.id, request, generated, ageMs: message.ageMs, firstTokenAgeMs, lastTokenAgeMs };
      opening.begin(engine.transfers.resume(from, opening.options));
    } catch (error) {
      opening.leave();
      throw error;
    }
  }

  /** See HostPort. */
  async adopt(
    request: WireRequest,
    state: DeliveryState,
    begin: (options: SubmitOptions) => Promise<TokenStream>,
  ): Promise<void> {
    const { requestId, router, inbox, observe, nextIndex, windowEnd, unacknowledged, resendFrom = 0 } = state;
    const first = nextIndex - unacknowledged.length;
    if (requestId !== request.id || unacknowledged.some((event, at) => event.index !== first + at)) {
      fail("invalid_request", `The state of '${requestId}' does not fit its request.`);
    }
    const epoch = state.epoch + 1;
    const known = this.#deliveries.get(requestId);
    if (known !== undefined && known.options.epoch >= epoch)
      fail("busy", `'${requestId}' is here under a later epoch.`);
    this.alive(router);
    const arrivalMs = liveClock.nowMs() - state.ageMs;
    const entry = this.#options.book.enter(request, nextIndex, true);
    const where = { request, router, inbox, observe, epoch, arrivalMs, nextIndex, windowEnd, resendFrom };
    const opening = this.#open(where, entry);
    try {
      const stream = await begin(opening.options);
      known?.cancel();
      opening.begin(stream, unacknowledged).announce();
    } catch (error) {
      opening.leave();
      throw error;
    }
  }

  acknowledge(requestId: string, nextIndex: number, window: number, resend: boolean): void {
    const delivery = this.#deliveries.get(requestId);
    if (delivery === undefined) return;
    this.alive(delivery.router);
    delivery.acknowledge(nextIndex, window, resend);
  }

  alive(router: string): void {
    this.#routers.set(router, liveClock.nowMs());
  }

  cancel(requestId: string): void {
    this.#deliveries.get(requestId)?.cancel();
  }

  /** See HostPort. */
  standing(requestId: string): DeliveryState | null {
    const delivery = this.#deliveries.get(requestId);
    return delivery?.isOpen === true ? delivery.state(liveClock.nowMs()) : null;
  }

  async suspend(requestId: string, nextIndex: number): Promise<DeliveryState> {
    const delivery = this.#deliveries.get(requestId);
    if (delivery === undefined || !delivery.isOpen) return fail("not_found", `'${requestId}' is not here.`);
    if (delivery.isSuspended) return fail("busy", `'${requestId}' is suspended already.`);
    return delivery.suspend(nextIndex, liveClock.nowMs());
  }

  settle(requestId: string, outcome: Parameters<HostPort["settle"]>[1]): void {
    const delivery = this.#deliveries.get(requestId);
    if (outcome.kind === "stays") delivery?.stay(outcome.epoch);
    else delivery?.moved(outcome.to, liveClock.nowMs());
  }

  /** See HostPort. */
  quit(requestId: string): void {
    this.#deliveries.get(requestId)?.quit();
  }

  /** The bus was lost, or is back: then everything that is not acknowledged is said again. */
  onStatus(isConnected: boolean): void {
    this.#isConnected = isConnected;
    if (!isConnected) return;
    const nowMs = liveClock.nowMs();
    for (const router of this.#routers.keys()) this.#routers.set(router, nowMs);
    for (const delivery of this.#deliveries.values()) delivery.repeat();
  }

  /** Called a few times a second: repeats ends, forgets what is over, ends what nobody waits for. */
  tick(): void {
    const nowMs = liveClock.nowMs();
    const { keptMs = DEFAULT_KEPT_MS, routerSilenceMs = DEFAULT_SILENCE_MS } = this.#options;
    const needed = new Set<string>();
    for (const [requestId, delivery] of this.#deliveries) {
      const silentMs = nowMs - (this.#routers.get(delivery.router) ?? nowMs);
      if (this.#isConnected && silentMs > routerSilenceMs) delivery.cancel();
      if (delivery.tick(nowMs, keptMs)) this.#deliveries.delete(requestId);
      else needed.add(delivery.router);
    }
    for (const [router, heardMs] of this.#routers) {
      if (!needed.has(router) && nowMs - heardMs > routerSilenceMs) this.#routers.delete(router);
    }
  }

  /** Ends what is open with that error, which its readers are told. */
  endAll(error: PunctualError): void {
    for (const delivery of this.#deliveries.values()) if (delivery.isOpen) delivery.end(error, liveClock.nowMs());
  }

  /** Nothing is said any more. */
  close(): void {
    for (const delivery of this.#deliveries.values()) delivery.cancel();
    this.#deliveries.clear();
  }

  /** What a stream is asked with, and how its delivery begins when it is there. */
  #open(where: Where, entry: LoadEntry): Opening {
    const { instance, keptEvents = DEFAULT_KEPT_EVENTS } = this.#options;
    let delivery: Delivery | null = null;
    let isOver = false;
    const leave = (answerTokens: number | null = null): void => {
      if (!isOver) entry.end(answerTokens);
      isOver = true;
    };
    const notices = noticesTo((notice) => delivery?.notice(notice), where.arrivalMs);
    const options: SubmitOptions = {
      observer: where.observe ? bothOf(entry.observer, notices) : entry.observer,
      onEnd: (summary: RequestSummary) => {
        delivery?.setSummary(toWireSummary(summary, where.arrivalMs));
        leave(summary.cause === null ? null : summary.completionTokens);
      },
    };
    const send = (bytes: Uint8Array): boolean => this.#send(where.inbox, bytes);
    const begin = (stream: TokenStream, backlog?: DeliveryState["unacknowledged"]): Delivery => {
      delivery = new Delivery(stream, { ...where, instance, keptEvents, send, onEnd: () => leave() }, backlog);
      this.#deliveries.set(delivery.requestId, delivery);
      void delivery.run(() => liveClock.nowMs());
      return delivery;
    };
    return { options, begin, leave };
  }

  #send(inbox: string, bytes: Uint8Array): boolean {
    const { bus } = this.#options;
    if (bus.status !== "connected") return false;
    try {
      bus.publish(inbox, bytes);
      return true;
    } catch {
      return false; // the bus has ended, or the message is larger than it carries: the reader will ask, and give up
    }
  }
}

type Where = Omit<DeliveryOptions, "instance" | "keptEvents" | "send" | "onEnd">;

interface Opening {
  readonly options: SubmitOptions;
  begin(stream: TokenStream, backlog?: DeliveryState["unacknowledged"]): Delivery;
  /** Nothing came of it. */
  leave(): void;
}

type Observer = NonNullable<SubmitOptions["observer"]>;

function bothOf(first: Observer, second: Observer): Observer {
  return {
    admitted: (atMs, cachedTokens) => {
      first.admitted(atMs, cachedTokens);
      second.admitted(atMs, cachedTokens);
    },
    chunk: (startMs, durationMs, tokens) => {
      first.chunk(startMs, durationMs, tokens);
      second.chunk(startMs, durationMs, tokens);
    },
    token: (atMs) => first.token(atMs),
    interrupted: (kind, atMs) => {
      first.interrupted(kind, atMs);
      second.interrupted(kind, atMs);
    },
    resumed: (atMs) => {
      first.resumed(atMs);
      second.resumed(atMs);
    },
  };
}
