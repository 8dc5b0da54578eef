/** Durable work of the bus in memory: durable as long as the process, otherwise as NATS has it. */
import { fail } from "../../core/index.ts";
import { after, liveClock } from "../../runtime/index.ts";
import type { MemoryLink } from "./memory-key-value.ts";
import { checkSize, checkSubject, subjectMatcher } from "./subjects.ts";
import type { WorkItem, WorkQueue, WorkQueueOptions, WorkTaker, WorkTakeOptions } from "./types.ts";

const DEFAULTS = { maxItems: 10_000, maxBytes: 256 * 1024 * 1024, maxAgeMs: 3_600_000, duplicateMs: 120_000 } as const;
/** As over NATS: so long after its handler threw an item is handed out again. */
const RETRY_MS = 250;

interface Stored {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly atMs: number;
  deliveries: number;
  /** In somebody's hands, or released for later: not to be handed out. */
  isHeld: boolean;
  /** Of the hands that it is in; older ones have lost it. */
  hold: number;
  disarm: (() => void) | null;
}

interface Taker {
  readonly bus: MemoryLink;
  readonly options: WorkTakeOptions;
  readonly give: (stored: Stored) => void;
  maxItems: number;
  inHands: number;
  isStopped: boolean;
}

/** What all connections share. */
export class MemoryWork {
  readonly #limits: Required<WorkQueueOptions>;
  readonly #accepts: readonly ((subject: string) => boolean)[];
  readonly #items = new Set<Stored>();
  readonly #ids = new Map<string, number>();
  readonly #takers = new Set<Taker>();
  #bytes = 0;

  constructor(options: WorkQueueOptions) {
    this.#limits = { ...DEFAULTS, ...options };
    this.#accepts = options.subjects.map(subjectMatcher);
  }

  get size(): number {
    this.#expire();
    return this.#items.size;
  }

  put(subject: string, data: Uint8Array, id: string): { readonly isDuplicate: boolean } {
    if (!this.#accepts.some((matches) => matches(subject))) {
      fail("invalid_request", `The queue takes no work for '${subject}'.`);
    }
    this.#expire();
    if (this.#ids.has(id)) return { isDuplicate: true };
    const { maxItems, maxBytes } = this.#limits;
    if (this.#items.size >= maxItems || this.#bytes + data.length > maxBytes) {
      fail("queue_full", `${this.#items.size} pieces of work wait already.`, { retryAfterMs: 1000 });
    }
    const nowMs = liveClock.nowMs();
    this.#ids.set(id, nowMs);
    this.#items.add({ subject, data, atMs: nowMs, deliveries: 0, isHeld: false, hold: 0, disarm: null });
    this.#bytes += data.length;
    this.handOut();
    return { isDuplicate: false };
  }

  addTaker(taker: Taker): void {
    this.#takers.add(taker);
    this.handOut();
  }

  removeTaker(taker: Taker): void {
    this.#takers.delete(taker);
  }

  /** Gives what waits to takers with room, in turn. */
  handOut(): void {
    for (const stored of this.#items) {
      if (stored.isHeld) continue;
      const taker = this.#takerFor(stored);
      if (taker === null) continue;
      taker.inHands += 1;
      stored.deliveries += 1;
      this.hold(stored, taker.options.ackWaitMs);
      taker.give(stored);
    }
  }

  /** It stays where it is for so long; afterwards others may have it. Answers the number of these hands. */
  hold(stored: Stored, forMs: number): number {
    stored.disarm?.();
    stored.isHeld = true;
    stored.disarm = after(forMs, () => this.free(stored));
    return (stored.hold += 1);
  }

  free(stored: Stored): void {
    stored.disarm?.();
    stored.disarm = null;
    stored.isHeld = false;
    stored.hold += 1;
    this.handOut();
  }

  remove(stored: Stored): void {
    stored.disarm?.();
    stored.hold += 1;
    if (this.#items.delete(stored)) this.#bytes -= stored.data.length;
  }

  #takerFor(stored: Stored): Taker | null {
    for (const taker of this.#takers) {
      const canTake = !taker.isStopped && taker.inHands < taker.maxItems && taker.bus.status === "connected";
      if (!canTake || taker.options.subject !== stored.subject) continue;
      this.#takers.delete(taker); // to the back of the line
      this.#takers.add(taker);
      return taker;
    }
    return null;
  }

  #expire(): void {
    const nowMs = liveClock.nowMs();
    for (const [id, atMs] of this.#ids) {
      if (atMs > nowMs - this.#limits.duplicateMs) break;
      this.#ids.delete(id);
    }
    for (const stored of this.#items) {
      if (stored.atMs > nowMs - this.#limits.maxAgeMs) break;
      this.remove(stored);
    }
  }
}

/** A queue as one connection sees it. */
export class MemoryWorkQueue implements WorkQueue {
  readonly #bus: MemoryLink;
  readonly #work: MemoryWork;

  constructor(bus: MemoryLink, work: MemoryWork) {
    this.#bus = bus;
    this.#work = work;
  }

  async put(subject: string, data: Uint8Array, id: string): Promise<{ readonly isDuplicate: boolean }> {
    this.#bus.checkReachable();
    checkSubject(subject);
    checkSize(data, this.#bus.maxMessageBytes);
    return this.#work.put(subject, data, id);
  }

  async take(options: WorkTakeOptions, handler: (item: WorkItem) => Promise<void>): Promise<WorkTaker> {
    this.#bus.checkReachable();
    const handling = new Set<Promise<void>>();
    const taker: Taker = {
      bus: this.#bus,
      options,
      maxItems: options.maxItems,
      inHands: 0,
      isStopped: false,
      give: (stored) => {
        const item = this.#item(stored, options.ackWaitMs);
        const done = handle(item, handler).finally(() => {
          handling.delete(done);
          taker.inHands -= 1;
          this.#work.handOut();
        });
        handling.add(done);
      },
    };
    const unlisten = this.#bus.onStatus(() => this.#work.handOut());
    this.#work.addTaker(taker);
    return {
      setMaxItems: (maxItems) => {
        taker.maxItems = maxItems;
        this.#work.handOut();
      },
      stop: async () => {
        taker.isStopped = true;
        this.#work.removeTaker(taker);
        unlisten();
        await Promise.all(handling);
      },
    };
  }

  async size(): Promise<number> {
    this.#bus.checkReachable();
    return this.#work.size;
  }

  /** What hands do that have lost it meanwhile has no effect, but that it is done counts whoever says so, as on NATS. */
  #item(stored: Stored, ackWaitMs: number): WorkItem {
    let { hold } = stored;
    const isReachable = (): boolean => this.#bus.status === "connected";
    const isMine = (): boolean => stored.hold === hold && isReachable();
    return {
      subject: stored.subject,
      data: stored.data,
      deliveries: stored.deliveries,
      working: () => {
        if (isMine()) hold = this.#work.hold(stored, ackWaitMs);
      },
      ack: async () => {
        this.#bus.checkReachable();
        this.#work.remove(stored);
      },
      release: (delayMs = 0) => {
        if (!isMine()) return;
        if (delayMs > 0) hold = this.#work.hold(stored, delayMs);
        else this.#work.free(stored);
      },
      discard: () => {
        if (isReachable()) this.#work.remove(stored);
      },
    };
  }
}

/** In a turn of its own; a handler that throws gives its item back. */
async function handle(item: WorkItem, handler: (item: WorkItem) => Promise<void>): Promise<void> {
  await Promise.resolve();
  try {
    await handler(item);
  } catch {
    item.release(RETRY_MS); // what it failed at would fail again at once
  }
}
