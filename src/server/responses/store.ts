/**
 * Responses that can be asked for again: bounded in number, in bytes and in age, in memory only. When a bound is met
 * the oldest go out, whatever their state: a running one goes on for the client that waits for it, and is cancelled
 * when nobody does (in the background). A response larger than the whole store is not kept.
 *
 * Each entry holds the whole conversation that led to it, so that going on from it never depends on older entries.
 * Items are shared between entries but counted in each: the count of bytes is an upper bound.
 */
import { assert, fail, type Clock } from "../../core/index.ts";
import type { ResponseBody } from "../../protocol/index.ts";
import type { StoredItem } from "./items.ts";

/** The bounds of a store. */
export interface StoreLimits {
  readonly entries: number;
  readonly bytes: number;
  readonly ageMs: number;
}

/** A thousand conversations of a day. */
export const STORE_LIMITS: StoreLimits = { entries: 1024, bytes: 64 * 1024 * 1024, ageMs: 24 * 3600 * 1000 };

/** A stored response. */
export interface StoredResponse {
  readonly id: string;
  /** Who may see it: the name of a key; null where nobody is asked for one. */
  readonly owner: string | null;
  /** Replaced by `update` while it runs. */
  readonly body: ResponseBody;
  /** What this request brought. */
  readonly input: readonly StoredItem[];
  /** The conversation up to and with `input`; the output is in `body`. */
  readonly conversation: readonly StoredItem[];
  /** Nobody but the store waits for it. */
  readonly background: boolean;
  /** Ends the generation and says so in the store; no effect after its end. */
  readonly cancel: () => void;
}

interface Entry {
  response: StoredResponse;
  bytes: number;
  readonly expiresMs: number;
}

/** The store of one server. */
export class ResponseStore {
  readonly #limits: StoreLimits;
  readonly #clock: Clock;
  /** Oldest first, which is also the order in which they expire. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;

  constructor(clock: Clock, limits: StoreLimits = STORE_LIMITS) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get count(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  add(response: StoredResponse): void {
    assert(!this.#entries.has(response.id), "a response is added once");
    this.#expire();
    const bytes = sizeOf(response);
    this.#entries.set(response.id, { response, bytes, expiresMs: this.#clock.nowMs() + this.#limits.ageMs });
    this.#bytes += bytes;
    this.#shrink();
  }

  /** A new state of a stored response. No effect when it has gone out meanwhile, or has ended: the first end counts. */
  update(id: string, body: ResponseBody): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || !isRunning(entry.response.body)) return;
    entry.response = { ...entry.response, body };
    const bytes = sizeOf(entry.response);
    this.#bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    this.#shrink();
  }

  /** Errors: `not_found` for an id that is unknown, gone, or another's. @param param the field that named it */
  get(id: string, owner: string | null, param = "response_id"): StoredResponse {
    this.#expire();
    const response = this.#entries.get(id)?.response;
    if (response !== undefined && response.owner === owner) return response;
    return fail("not_found", `There is no response '${id.slice(0, 128)}'; responses are kept for a limited time.`, {
      param,
    });
  }

  /** Errors: as `get`. A running response is cancelled. */
  delete(id: string, owner: string | null): void {
    this.get(id, owner).cancel();
    this.#drop(id);
  }

  /** @throws AssertionError when counts, bounds or order are wrong. */
  checkIntegrity(): void {
    let bytes = 0;
    let lastMs = -Infinity;
    for (const [id, entry] of this.#entries) {
      assert(entry.response.id === id, "an entry is filed under its id");
      assert(entry.expiresMs >= lastMs, "entries are in order of age");
      assert(entry.bytes === sizeOf(entry.response), "an entry's size is counted");
      lastMs = entry.expiresMs;
      bytes += entry.bytes;
    }
    assert(bytes === this.#bytes, "the sizes add up");
    assert(this.#entries.size <= this.#limits.entries, "no more entries than allowed");
    assert(this.#bytes <= this.#limits.bytes, "no more bytes than allowed");
  }

  #expire(): void {
    const nowMs = this.#clock.nowMs();
    for (const [id, entry] of this.#entries) {
      if (entry.expiresMs > nowMs) return;
      this.#goOut(id, entry.response);
    }
  }

  #shrink(): void {
    for (const [id, entry] of this.#entries) {
      if (this.#entries.size <= this.#limits.entries && this.#bytes <= this.#limits.bytes) return;
      this.#goOut(id, entry.response);
    }
  }

  #goOut(id: string, response: StoredResponse): void {
    this.#drop(id);
    if (response.background) response.cancel();
  }

  #drop(id: string): void {
    this.#bytes -= this.#entries.get(id)?.bytes ?? 0;
    this.#entries.delete(id);
  }
}

/** Whether a response is still being made. */
export function isRunning({ status }: ResponseBody): boolean {
  return status === "in_progress" || status === "queued";
}

/** Characters of its JSON, two bytes each. */
function sizeOf({ body, conversation }: StoredResponse): number {
  const items = conversation.reduce((sum, item) => sum + item.bytes, 0);
  return JSON.stringify(body).length * 2 + items;
}
