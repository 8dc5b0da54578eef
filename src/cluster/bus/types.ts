/**
 * The bus that a fleet talks over, as a port: messages by subject, requests, a directory with leases, durable work. One
 * implementation is in memory (one process, no broker), the other is NATS; `bus.conformance.ts` is what both must do.
 *
 * Delivery by `publish` is at most once and in order from one sender to one receiver; who needs more numbers its messages
 * (protocol/fleet.ts does) or puts them into a `WorkQueue`. Bulk never goes over a bus.
 */

/** One message as its receiver sees it. */
export interface BusMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** Where an answer goes; null when none is expected. */
  readonly reply: string | null;
  /** Answers; does nothing when no answer is expected. Errors: as `Bus.publish`. */
  respond(data: Uint8Array): void;
}

/** Ended by `unsubscribe`: nothing is delivered afterwards. Survives lost connections. */
export interface BusWatch {
  unsubscribe(): void;
}

/** A watch over subjects. */
export interface BusSubscription extends BusWatch {
  /**
   * Ends it without losing what is on its way: nothing new is sent here, what was sent before is still handled. Resolves
   * when that is so; where the bus cannot be reached, at once.
   */
  drain(): Promise<void>;
}

/** Whether messages go through right now. */
export type BusStatus = "connected" | "disconnected";

/** A bus. Subjects are words of letters, digits, `_`, `-` and `=` with dots between them. */
export interface Bus extends AsyncDisposable {
  readonly kind: "memory" | "nats";
  readonly status: BusStatus;
  /** Largest message, bytes. */
  readonly maxMessageBytes: number;
  /**
   * Sends to everybody who listens, and to one of each queue group. What is sent while the connection is lost is dropped.
   * Errors: `payload_too_large`, `unavailable` after the end.
   * @param reply where answers should go
   */
  publish(subject: string, data: Uint8Array, reply?: string): void;
  /**
   * Listens; a `*` stands for one word, a `>` at the end for one or more. Handlers should not throw.
   * @param options.queue of several listeners of one group, one gets each message
   */
  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options?: { readonly queue?: string },
  ): BusSubscription;
  /** Asks, and answers the first reply. Errors: `unavailable` when nobody listens or the bus is lost, `request_timeout`. */
  request(subject: string, data: Uint8Array, options: { readonly timeoutMs: number }): Promise<BusMessage>;
  /** A subject for answers that nobody else has. */
  inbox(): string;
  /** A directory; made when it is not there. Errors: `unavailable`, `unsupported` for a NATS server without JetStream. */
  keyValue(bucket: string, options: KeyValueOptions): Promise<KeyValue>;
  /** A queue of durable work; made when it is not there. Errors: as `keyValue`. */
  work(stream: string, options: WorkQueueOptions): Promise<WorkQueue>;
  /** Resolves when all that was sent before has reached the bus. Errors: `unavailable`. */
  flush(): Promise<void>;
  /** Tells every change of `status`; answers the undo. */
  onStatus(listener: (status: BusStatus) => void): () => void;
}

/** How to make a directory. Of one that exists already its own settings hold. */
export interface KeyValueOptions {
  /**
   * After so long without a new revision an entry is gone. This is housekeeping, not a lease: nobody is told, and the
   * moment is the bus's. A lease is judged by its reader, by its own clock (registry/leases.ts).
   */
  readonly ttlMs: number;
  /** Survives restarts of the broker; false when absent. */
  readonly isDurable?: boolean;
  /** Most bytes in all; 64 MiB when absent. */
  readonly maxBytes?: number;
}

/** A value with the number of its write, which grows over the whole directory. */
export interface KeyValueEntry {
  readonly key: string;
  readonly value: Uint8Array;
  readonly revision: number;
}

/** What a watcher is told: all that is there, `ready` once, and every change from then on. */
export type KeyValueChange =
  | ({ readonly kind: "put" } & KeyValueEntry)
  | { readonly kind: "delete"; readonly key: string; readonly revision: number }
  | { readonly kind: "ready" };

/** A directory. Keys are words as in subjects, dots between them. Every call can fail with `unavailable`. */
export interface KeyValue {
  /** Answers the revision. */
  put(key: string, value: Uint8Array): Promise<number>;
  /** Only where nothing is: answers the revision, or null when there is an entry. */
  create(key: string, value: Uint8Array): Promise<number | null>;
  get(key: string): Promise<KeyValueEntry | null>;
  delete(key: string): Promise<void>;
  keys(): Promise<readonly string[]>;
  /** Expiry is not told. After a lost connection, changes made meanwhile are told late. */
  watch(onChange: (change: KeyValueChange) => void): Promise<BusWatch>;
}

/** How to make a queue of work. Of one that exists already its own settings hold. */
export interface WorkQueueOptions {
  /** What may be put there; may have wildcards. */
  readonly subjects: readonly string[];
  /** Most items; the next is refused with `queue_full`. 10 000 when absent. */
  readonly maxItems?: number;
  /** Most bytes in all; 256 MiB when absent. */
  readonly maxBytes?: number;
  /** Items older than that are dropped; an hour when absent. */
  readonly maxAgeMs?: number;
  /** An id is refused as a duplicate for that long; two minutes when absent. */
  readonly duplicateMs?: number;
}

/** One piece of work in the hands of one taker. */
export interface WorkItem {
  readonly subject: string;
  readonly data: Uint8Array;
  /** How often it has been handed out, this time included. */
  readonly deliveries: number;
  /** It is being worked on: not to be handed to another for `ackWaitMs` from now. */
  working(): void;
  /** It is done and gone; resolves when the bus knows. Errors: `unavailable`. */
  ack(): Promise<void>;
  /** Somebody else may have it, after so long. */
  release(delayMs?: number): void;
  /** It is never to be handed out again. */
  discard(): void;
}

/** How a taker takes. */
export interface WorkTakeOptions {
  /** Which subject; takers of one subject share the work. */
  readonly subject: string;
  /** Most items in the taker's hands. */
  readonly maxItems: number;
  /** An item of which nothing is heard for that long is handed to another. */
  readonly ackWaitMs: number;
}

/** Takes work until it is stopped. */
export interface WorkTaker {
  /** How many more items it would take now; may be changed at any time. Those in its hands stay there. */
  setMaxItems(maxItems: number): void;
  /** Takes nothing more; resolves when what it has been handed has left its handler. */
  stop(): Promise<void>;
}

/** Work that outlives who put it there and who took it. */
export interface WorkQueue {
  /**
   * Durable once it resolves. Errors: `queue_full`, `payload_too_large`, `unavailable`.
   * @param id the same id within `duplicateMs` is put there once
   */
  put(subject: string, data: Uint8Array, id: string): Promise<{ readonly isDuplicate: boolean }>;
  /** Hands items to the handler, one call each. A handler that throws releases its item, for a quarter of a second later. */
  take(options: WorkTakeOptions, handler: (item: WorkItem) => Promise<void>): Promise<WorkTaker>;
  /** Items that are not done. */
  size(): Promise<number>;
}

/** How to reach a NATS server. At most one of `token` and `nkeySeed`. */
export interface BusOptions {
  readonly token?: string;
  /** The seed of a user's key pair, SU…. */
  readonly nkeySeed?: string;
  /** PEM texts. Absent: TLS only when the address is tls:// or the server demands it, with the system's authorities. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  /** Shown by the server in its list of clients. */
  readonly name?: string;
  /** How long the first connection may take, milliseconds; 5000 when absent. */
  readonly connectTimeoutMs?: number;
}
