/**
 * The router's side of durable work: puts a request where it outlives router and instance, and waits for its result, which
 * can be asked for again by the same id for minutes, also by a router that has just started.
 *
 *   const work = await DurableWork.open(bus, names);
 *   await work.put("punctual-small", { version: 1, request, ageMs: 0, putUnixMs: wallMs() });
 *   const result = await work.wait(request.id, { signal });
 */
import { fail } from "../../core/index.ts";
import { FLEET_VERSION, type ControlMessage, type WorkMessage, type WorkResult } from "../../protocol/index.ts";
import { sleep } from "../../runtime/index.ts";
import type { Bus, WorkQueue } from "../bus/types.ts";
import type { FleetNames } from "../registry/names.ts";
import { encodeMessage } from "../wire.ts";
import { ResultStore } from "./results.ts";

const FIRST_LOOK_MS = 100;
const LAST_LOOK_MS = 2000;

/** The one name of a fleet's queue and how it is made; all who open it agree. */
export function openWorkQueue(bus: Bus, names: FleetNames): Promise<WorkQueue> {
  return bus.work(names.workStream, { subjects: [names.workSubjects] });
}

/** See the head of this file. */
export class DurableWork {
  readonly #bus: Bus;
  readonly #names: FleetNames;
  readonly #queue: WorkQueue;
  readonly #results: ResultStore;

  private constructor(bus: Bus, names: FleetNames, queue: WorkQueue, results: ResultStore) {
    this.#bus = bus;
    this.#names = names;
    this.#queue = queue;
    this.#results = results;
  }

  /** @param keptMs how long results are kept, when this is the first to say; ten minutes when absent. Errors: `unavailable`, `unsupported`. */
  static async open(bus: Bus, names: FleetNames, keptMs?: number): Promise<DurableWork> {
    const [queue, results] = [await openWorkQueue(bus, names), await ResultStore.open(bus, names, keptMs)];
    return new DurableWork(bus, names, queue, results);
  }

  /**
   * Accepts work: once it resolves, it will be done by some instance of that model. The same id again is the same work.
   * Errors: `queue_full`, `payload_too_large`, `unavailable`.
   */
  async put(model: string, message: WorkMessage): Promise<{ readonly isKnown: boolean }> {
    const { id } = message.request;
    if ((await this.#results.get(id)) !== null) return { isKnown: true };
    const { isDuplicate } = await this.#queue.put(this.#names.work(model), encodeMessage(message), id);
    return { isKnown: isDuplicate };
  }

  /** The result, if there is one. Errors: `unavailable`. */
  result(requestId: string): Promise<WorkResult | null> {
    return this.#results.get(requestId);
  }

  /**
   * Waits for the result, also while the bus is away. Looks now and then, and at once when `inbox` (of the WorkMessage) is
   * told. Errors: `cancelled` when the signal fires.
   */
  async wait(
    requestId: string,
    options: { readonly signal: AbortSignal; readonly inbox?: string },
  ): Promise<WorkResult> {
    const { signal, inbox } = options;
    let nudge = new AbortController();
    const told = inbox === undefined ? null : this.#bus.subscribe(inbox, () => nudge.abort());
    try {
      for (let lookMs = FIRST_LOOK_MS; !signal.aborted; lookMs = Math.min(LAST_LOOK_MS, lookMs * 1.5)) {
        nudge = new AbortController();
        const result = this.#bus.status === "connected" ? await this.#look(requestId) : null;
        if (result !== null) return result;
        await sleep(lookMs, AbortSignal.any([signal, nudge.signal]));
      }
    } finally {
      told?.unsubscribe();
    }
    return fail("cancelled", "Nobody waits for the result any more.");
  }

  /** Has it not be done, unless it is done already. Errors: `unavailable`. */
  async cancel(requestId: string): Promise<void> {
    const error = { code: "cancelled", message: "the request was cancelled", param: null, retryAfterMs: null } as const;
    const base = { version: FLEET_VERSION, requestId } as const;
    await this.#results.put({ ...base, kind: "failed", instance: "router", error, attempts: 0 });
    const message: ControlMessage = { ...base, kind: "cancel" };
    this.#bus.publish(this.#names.controlAll, encodeMessage(message));
  }

  /** The bus may be lost in the middle of a look; what cannot be read will not be readable later either. */
  async #look(requestId: string): Promise<WorkResult | null> {
    try {
      return await this.#results.get(requestId);
    } catch (error) {
      if (this.#bus.status === "connected" && isUnreadable(error)) throw error;
      return null;
    }
  }
}

function isUnreadable(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "invalid_request";
}
