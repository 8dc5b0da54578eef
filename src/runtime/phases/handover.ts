/**
 * How keys and values get from one cache to another: pulled by the receiver, a few pages at a time, through a link
 * with a bandwidth and a latency. What has been computed waits in the cache where it was computed until the receiver has
 * room (DistServe 2024: prefill memory is the buffer), so nothing is dropped and nothing is sent unasked.
 *
 * `KvHandover` is the port; `PullingHandover` is made of any way to ask for pages and any way to write them.
 */
import { assert, type Clock } from "../../core/index.ts";
import type { DisaggregatedOptions } from "./options.ts";

/** One sequence on its way. */
export interface Transfer {
  /** Resolves when everything is in place; never after `abort`. */
  readonly done: Promise<TransferReport>;
  /** Stops asking and writing at once; both sides may free their pages. */
  abort(): void;
}

/** What a transfer took. */
export interface TransferReport {
  readonly bytes: number;
  readonly ms: number;
}

export interface KvHandover {
  /** Copies page `source[i]` of the sender's cache to page `target[i]` of the receiver's. */
  pull(source: Int32Array, target: Int32Array): Transfer;
}

/** A link of a given bandwidth and latency: one message after the other, each delivered a latency later. Pure. */
export class LinkShaper {
  readonly #bytesPerMs: number;
  readonly #latencyMs: number;
  #freeMs = -Infinity;

  constructor({ bandwidthBytesPerSecond = Infinity, latencyMs = 0 }: DisaggregatedOptions = {}) {
    this.#bytesPerMs = bandwidthBytesPerSecond / 1000;
    this.#latencyMs = latencyMs;
  }

  /** When a message that is ready at `nowMs` arrives. */
  deliveryMs(nowMs: number, bytes: number): number {
    this.#freeMs = Math.max(nowMs, this.#freeMs) + bytes / this.#bytesPerMs;
    return this.#freeMs + this.#latencyMs;
  }
}

export interface PullingHandoverOptions {
  readonly clock: Clock;
  readonly link: LinkShaper;
  /** Bytes of one page. */
  readonly pageBytes: number;
  /** Asks the sender for pages; the answer comes to `received` with the same number. */
  readonly ask: (transfer: number, pages: Int32Array) => void;
  /** Puts a page's bytes in place. */
  readonly write: (page: number, bytes: Uint8Array) => void;
}

/** Bytes of one message: a millisecond or so of copying, so that no step waits long for it. */
const MESSAGE_BYTES = 1 << 20;
/** Messages under way of one transfer: the link stays busy, and neither side holds more. */
const WINDOW = 2;

interface Pull {
  readonly source: Int32Array;
  readonly target: Int32Array;
  readonly startMs: number;
  readonly resolve: (report: TransferReport) => void;
  /** Pages asked for, and written. */
  asked: number;
  written: number;
}

interface Delivery {
  readonly transfer: number;
  readonly dueMs: number;
  readonly bytes: Uint8Array;
}

/** The receiver's side. Driven from outside: `received` when pages come, `deliver` when their time has come. */
export class PullingHandover implements KvHandover {
  readonly #options: PullingHandoverOptions;
  readonly #pulls = new Map<number, Pull>();
  /** In order of arrival, which is the order of their due times. */
  readonly #deliveries: Delivery[] = [];
  #next = 0;

  constructor(options: PullingHandoverOptions) {
    this.#options = options;
  }

  pull(source: Int32Array, target: Int32Array): Transfer {
    assert(source.length === target.length, "every page has a place to go to");
    const transfer = this.#next++;
    const done = new Promise<TransferReport>((resolve) => {
      const startMs = this.#options.clock.nowMs();
      if (source.length === 0) resolve({ bytes: 0, ms: 0 });
      else this.#pulls.set(transfer, { source, target, startMs, resolve, asked: 0, written: 0 });
    });
    const pull = this.#pulls.get(transfer);
    for (let i = 0; i < WINDOW && pull !== undefined; i++) this.#ask(transfer, pull);
    return { done, abort: () => void this.#pulls.delete(transfer) };
  }

  /** Pages have come; those of a transfer that was aborted are dropped. */
  received(transfer: number, bytes: Uint8Array): void {
    if (!this.#pulls.has(transfer)) return;
    const { clock, link } = this.#options;
    this.#deliveries.push({ transfer, bytes, dueMs: link.deliveryMs(clock.nowMs(), bytes.byteLength) });
  }

  /** When `deliver` has something to do next; null when nothing is under way here. */
  get nextDueMs(): number | null {
    return this.#deliveries[0]?.dueMs ?? null;
  }

  /** Writes what has arrived by now. True when a transfer came to its end with it. */
  deliver(): boolean {
    const nowMs = this.#options.clock.nowMs();
    let ended = false;
    while (this.#deliveries.length > 0 && this.#deliveries[0]!.dueMs <= nowMs) {
      const { transfer, bytes } = this.#deliveries.shift()!;
      const pull = this.#pulls.get(transfer);
      if (pull !== undefined && this.#write(transfer, pull, bytes)) ended = true;
    }
    return ended;
  }

  #write(transfer: number, pull: Pull, bytes: Uint8Array): boolean {
    const { pageBytes, write, clock } = this.#options;
    for (let at = 0; at < bytes.byteLength; at += pageBytes) {
      write(pull.target[pull.written++]!, bytes.subarray(at, at + pageBytes));
    }
    if (pull.written < pull.source.length) {
      this.#ask(transfer, pull);
      return false;
    }
    this.#pulls.delete(transfer);
    pull.resolve({ bytes: pull.source.length * pageBytes, ms: clock.nowMs() - pull.startMs });
    return true;
  }

  #ask(transfer: number, pull: Pull): void {
    const count = Math.max(1, Math.floor(MESSAGE_BYTES / this.#options.pageBytes));
    const pages = pull.source.slice(pull.asked, pull.asked + count);
    pull.asked += pages.length;
    if (pages.length > 0) this.#options.ask(transfer, pages);
  }
}
