/**
 * An instance's side of durable work: takes a piece when the engine has room, says that it is at it, keeps the result, and
 * only then lets go of the piece. Whatever dies in between, somebody has the piece again; a result that is there already is
 * not computed again. A piece that was begun too often and not given back fails for good, so that it does not take one instance
 * after the other down.
 */
import { PunctualError } from "../../core/index.ts";
import {
  FLEET_VERSION,
  workMessageSchema,
  type LoadReport,
  type WireEvent,
  type WireSummary,
  type WorkMessage,
  type WorkResult,
} from "../../protocol/index.ts";
import { liveClock, sleep, wallMs, type Engine, type TokenStream } from "../../runtime/index.ts";
import type { Bus, WorkItem, WorkTaker } from "../bus/types.ts";
import type { LoadBook } from "../host/load-book.ts";
import type { HostedRequest } from "../host/types.ts";
import { toFleetError, toGenerateRequest, toWireEvent, toWireSummary } from "../host/wire-events.ts";
import type { FleetNames } from "../registry/names.ts";
import { decodeMessage } from "../wire.ts";
import { openWorkQueue } from "./durable-work.ts";
import { ResultStore } from "./results.ts";

/** A piece of which nothing is heard for so long is given to another. */
const ACK_WAIT_MS = 10_000;
/** Begun as often as that by instances that did not come back with it, it fails. */
const MOST_LOST = 5;
const REFUSED_DELAY_MS = 500;
const RETRY_MS = 250;

/** Another instance, or this one later, may do it: it is not the work's fault, or may not be. */
const REFUSED: ReadonlySet<string> = new Set(["queue_full", "shutting_down", "unavailable", "moved"]);
const FELL: ReadonlySet<string> = new Set(["engine_failed", "out_of_memory"]);

/** What a runner needs. */
export interface WorkRunnerOptions {
  readonly instance: string;
  readonly engine: Engine;
  readonly bus: Bus;
  readonly names: FleetNames;
  readonly book: LoadBook;
  /** Most pieces at once. */
  readonly items: number;
  readonly resultMs?: number;
  readonly ackWaitMs?: number;
  readonly log?: (message: string) => void;
}

interface Running {
  readonly message: WorkMessage;
  readonly stream: TokenStream;
  readonly arrivalMs: number;
  tokens: number;
}

/** See the head of this file. */
export class WorkRunner {
  readonly #options: WorkRunnerOptions;
  readonly #results: ResultStore;
  readonly #running = new Map<string, Running>();
  /** In its hands, from the moment they come. */
  readonly #taken = new Set<string>();
  #taker: WorkTaker | null = null;
  #isPaused = false;
  #isStopped = false;
  #inHands = 0;

  private constructor(options: WorkRunnerOptions, results: ResultStore) {
    this.#options = options;
    this.#results = results;
  }

  /** @throws PunctualError unavailable, unsupported. */
  static async start(options: WorkRunnerOptions): Promise<WorkRunner> {
    const { bus, names, engine, items, resultMs, ackWaitMs = ACK_WAIT_MS } = options;
    const runner = new WorkRunner(options, await ResultStore.open(bus, names, resultMs));
    const queue = await openWorkQueue(bus, names);
    const take = { subject: names.work(engine.info.name), maxItems: items, ackWaitMs };
    runner.#taker = await queue.take(take, (item) => runner.#handle(item, ackWaitMs));
    return runner;
  }

  /** Pieces in its hands. */
  get open(): number {
    return this.#inHands;
  }

  hosted(): readonly HostedRequest[] {
    const nowMs = liveClock.nowMs();
    return Array.from(this.#running.values(), ({ message: { request }, arrivalMs, tokens }) => ({
      requestId: request.id,
      router: "",
      inbox: "",
      epoch: 0,
      ageMs: nowMs - arrivalMs,
      promptTokens: request.promptTokens.length,
      nextIndex: tokens,
      isDurable: true,
      request,
    }));
  }

  /** Takes less while the engine has enough to do: what waits on the bus can still go elsewhere. */
  adapt({ waiting }: LoadReport): void {
    const { items } = this.#options;
    this.#taker?.setMaxItems(this.#isPaused ? 0 : waiting > items ? Math.min(items, this.#inHands) : items);
  }

  /** Takes nothing more. What it has goes on. */
  pause(): void {
    this.#isPaused = true;
    this.#taker?.setMaxItems(0);
  }

  resume(): void {
    this.#isPaused = false;
    this.#taker?.setMaxItems(this.#options.items);
  }

  cancel(requestId: string): void {
    this.#running.get(requestId)?.stream.cancel();
  }

  /** Gives back what it has. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const { stream } of this.#running.values()) stream.cancel();
    await this.#taker?.stop();
  }

  async #handle(item: WorkItem, ackWaitMs: number): Promise<void> {
    this.#inHands += 1;
    const working = setInterval(() => item.working(), ackWaitMs / 4);
    try {
      await this.#work(item);
    } finally {
      clearInterval(working);
      this.#inHands -= 1;
    }
  }

  async #work(item: WorkItem): Promise<void> {
    let message: WorkMessage;
    try {
      message = decodeMessage(workMessageSchema, item.data);
    } catch (error) {
      this.#options.log?.(`Work that cannot be read is dropped: ${String(error)}`);
      item.discard();
      return;
    }
    const requestId = message.request.id;
    if (this.#taken.has(requestId)) return item.release(REFUSED_DELAY_MS); // handed out again while it is here
    this.#taken.add(requestId);
    try {
      await this.#do(item, message);
    } finally {
      this.#taken.delete(requestId);
    }
  }

  async #do(item: WorkItem, message: WorkMessage): Promise<void> {
    const requestId = message.request.id;
    if ((await this.#results.get(requestId)) !== null) return item.ack();
    const result = await this.#compute(message);
    if (result === null) return item.release(this.#isStopped ? 0 : REFUSED_DELAY_MS);
    await this.#keep(result);
    this.#tell(message.inbox);
    await item.ack();
  }

  /** Null: not now, or not here. */
  async #compute(message: WorkMessage): Promise<WorkResult | null> {
    const { instance } = this.#options;
    const { id: requestId } = message.request;
    const { begun, givenBack } = await this.#results.begin(requestId);
    const base = { version: FLEET_VERSION, requestId, instance, attempts: begun } as const;
    const lost = begun - 1 - givenBack;
    if (lost >= MOST_LOST) {
      const error = new PunctualError("engine_failed", `it was begun ${lost} times and never finished`);
      return { ...base, kind: "failed", error: toFleetError(error) };
    }
    try {
      return { ...base, kind: "finished", ...(await this.#generate(message)) };
    } catch (error) {
      const code = error instanceof PunctualError ? error.code : "";
      if (this.#isStopped || REFUSED.has(code)) await this.#giveBack(requestId);
      else if (!FELL.has(code)) return { ...base, kind: "failed", error: toFleetError(error) };
      return null;
    }
  }

  /** Where that cannot be said, it counts as lost: one of several. */
  async #giveBack(requestId: string): Promise<void> {
    try {
      await this.#results.giveBack(requestId);
    } catch (error) {
      this.#options.log?.(`That '${requestId}' was given back could not be noted: ${String(error)}`);
    }
  }

  async #generate(message: WorkMessage): Promise<{ events: WireEvent[]; summary: WireSummary }> {
    const { engine, book } = this.#options;
    const { request, ageMs, putUnixMs } = message;
    // Only calendars know how long it has waited; one that is ahead must not make it younger than it was.
    const arrivalMs = liveClock.nowMs() - ageMs - Math.max(0, wallMs() - putUnixMs);
    const entry = book.enter(request, 0);
    let summary: WireSummary | null = null;
    let running: Running | null = null;
    const events: WireEvent[] = [];
    try {
      const stream = engine.submit(toGenerateRequest(request, arrivalMs), {
        observer: entry.observer,
        onEnd: (told) => {
          summary = toWireSummary(told, arrivalMs);
        },
      });
      running = { message, stream, arrivalMs, tokens: 0 };
      this.#running.set(request.id, running);
      for await (const event of stream) {
        events.push(toWireEvent(event, events.length, arrivalMs));
        running.tokens = events.length;
      }
    } finally {
      this.#running.delete(request.id);
      entry.end(events.at(-1)?.kind === "finish" ? events.length - 1 : null);
    }
    if (summary === null) throw new PunctualError("engine_failed", "the engine did not say how it ended");
    return { events, summary };
  }

  /** Keeps at it while the bus is away: what is computed is worth a wait. */
  async #keep(result: WorkResult): Promise<void> {
    while (!this.#isStopped) {
      try {
        await this.#results.put(result);
        return;
      } catch (error) {
        if (this.#options.bus.status === "connected" && !isPassing(error)) throw error;
        await sleep(RETRY_MS);
      }
    }
  }

  #tell(inbox: string | undefined): void {
    if (inbox === undefined || this.#options.bus.status !== "connected") return;
    try {
      this.#options.bus.publish(inbox, new Uint8Array(0));
    } catch (error) {
      this.#options.log?.(`Nobody could be told of a result: ${String(error)}`);
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof PunctualError && (error.code === "unavailable" || error.code === "request_timeout");
}
