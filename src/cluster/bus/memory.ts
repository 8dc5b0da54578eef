/**
 * A bus in memory: one process, no broker to run. Connections of one `MemoryBroker` hear each other; each can be cut off
 * and healed, which is how tests of partitions are made. Directories and work live as long as their broker.
 *
 * Messages are handed out in order, in the next turn of the event loop, never inside `publish`. Their bytes are not
 * copied: who has sent them must not change them.
 */
import { assert, BoundedQueue, fail, PunctualError, type ErrorCode } from "../../core/index.ts";
import { after } from "../../runtime/index.ts";
import { MemoryDirectory, MemoryKeyValue } from "./memory-key-value.ts";
import { MemoryWork, MemoryWorkQueue } from "./memory-work.ts";
import { checkPattern, checkSize, checkSubject, hasWildcards, subjectMatcher } from "./subjects.ts";
import type {
  Bus,
  BusMessage,
  BusStatus,
  BusSubscription,
  KeyValue,
  KeyValueOptions,
  WorkQueue,
  WorkQueueOptions,
} from "./types.ts";

/** As much as an HTTP body may be, and room for what is said around it. */
const DEFAULT_MESSAGE_BYTES = 64 * 1024 * 1024;
/** Messages that wait for their turn; beyond that somebody sends in a loop without ever yielding. */
const MAX_QUEUED = 2 ** 17;

interface Listener {
  readonly owner: MemoryBus;
  readonly matches: (subject: string) => boolean;
  readonly handler: (message: BusMessage) => void;
  readonly queue: string | null;
  isOpen: boolean;
}

/** Connects buses in memory. */
export class MemoryBroker {
  readonly maxMessageBytes: number;
  readonly #plain = new Map<string, Set<Listener>>();
  readonly #wild = new Set<Listener>();
  readonly #queued = new BoundedQueue<() => void>(MAX_QUEUED);
  readonly #directories = new Map<string, MemoryDirectory>();
  readonly #work = new Map<string, MemoryWork>();
  #isDraining = false;
  readonly #turns = new Map<string, number>();
  #inboxes = 0;

  constructor(options: { readonly maxMessageBytes?: number } = {}) {
    this.maxMessageBytes = options.maxMessageBytes ?? DEFAULT_MESSAGE_BYTES;
  }

  /** One more participant. */
  connect(): MemoryBus {
    return new MemoryBus(this);
  }

  /** For `MemoryBus`: the next inbox. */
  nextInbox(): string {
    return `_INBOX.memory.${this.#inboxes++}`;
  }

  /** For `MemoryBus`. */
  listen(pattern: string, listener: Listener): void {
    if (hasWildcards(pattern)) {
      this.#wild.add(listener);
      return;
    }
    const listeners = this.#plain.get(pattern) ?? new Set();
    listeners.add(listener);
    this.#plain.set(pattern, listeners);
  }

  /** For `MemoryBus`. */
  unlisten(pattern: string, listener: Listener): void {
    listener.isOpen = false;
    this.#forget(pattern, listener);
  }

  /** For `MemoryBus`: nothing new for it; resolves when it has had what was sent before. */
  async retire(pattern: string, listener: Listener): Promise<void> {
    this.#forget(pattern, listener);
    await new Promise<void>((resolve) => this.#enqueue(resolve));
    listener.isOpen = false;
  }

  #forget(pattern: string, listener: Listener): void {
    this.#wild.delete(listener);
    const listeners = this.#plain.get(pattern);
    listeners?.delete(listener);
    if (listeners?.size === 0) this.#plain.delete(pattern);
  }

  /** For `MemoryBus`: how many get it. @throws PunctualError queue_full when nothing has been handed out for too long. */
  send(subject: string, data: Uint8Array, reply: string | null): number {
    const receivers = this.#receivers(subject);
    for (const listener of receivers) {
      const { owner } = listener;
      const respond = (answer: Uint8Array): void => {
        if (reply !== null) owner.publish(reply, answer);
      };
      this.#enqueue(() => {
        if (listener.isOpen && owner.status === "connected") listener.handler({ subject, data, reply, respond });
      });
    }
    return receivers.length;
  }

  /** For `MemoryBus`. */
  directory(name: string, options: KeyValueOptions): MemoryDirectory {
    const known = this.#directories.get(name) ?? new MemoryDirectory(options);
    this.#directories.set(name, known);
    return known;
  }

  /** For `MemoryBus`. */
  workOf(name: string, options: WorkQueueOptions): MemoryWork {
    const known = this.#work.get(name) ?? new MemoryWork(options);
    this.#work.set(name, known);
    return known;
  }

  /** Everything that listens, and one of each queue group. Who is cut off hears nothing. */
  #receivers(subject: string): Listener[] {
    const all: Listener[] = [];
    const groups = new Map<string, Listener[]>();
    const add = (listener: Listener): void => {
      if (listener.owner.status !== "connected") return;
      if (listener.queue === null) all.push(listener);
      else groups.set(listener.queue, [...(groups.get(listener.queue) ?? []), listener]);
    };
    for (const listener of this.#plain.get(subject) ?? []) add(listener);
    for (const listener of this.#wild) if (listener.matches(subject)) add(listener);
    for (const [queue, members] of groups) {
      const turn = this.#turns.get(queue) ?? 0;
      this.#turns.set(queue, turn + 1);
      all.push(members[turn % members.length]!);
    }
    return all;
  }

  #enqueue(deliver: () => void): void {
    if (!this.#queued.push(deliver)) fail("queue_full", `${MAX_QUEUED} messages wait to be handed out.`);
    if (this.#isDraining) return;
    this.#isDraining = true;
    setImmediate(() => this.#drain());
  }

  /** What handlers send meanwhile has its turn in the next round, so that other work gets in between. */
  #drain(): void {
    let left = this.#queued.size;
    try {
      while (left-- > 0) this.#queued.shift()?.();
    } finally {
      this.#isDraining = false;
      if (this.#queued.size > 0) {
        this.#isDraining = true;
        setImmediate(() => this.#drain());
      }
    }
  }
}

/** One connection to a broker in memory. */
export class MemoryBus implements Bus {
  readonly kind = "memory";
  readonly #broker: MemoryBroker;
  readonly #listeners = new Map<Listener, string>();
  readonly #statusListeners = new Set<(status: BusStatus) => void>();
  #status: BusStatus = "connected";
  #isClosed = false;

  constructor(broker: MemoryBroker) {
    this.#broker = broker;
  }

  get status(): BusStatus {
    return this.#status;
  }

  get maxMessageBytes(): number {
    return this.#broker.maxMessageBytes;
  }

  /** For tests: cuts the connection, or heals it. Nothing goes either way meanwhile. */
  setConnected(isConnected: boolean): void {
    assert(!this.#isClosed, "the bus is open");
    const status: BusStatus = isConnected ? "connected" : "disconnected";
    if (status === this.#status) return;
    this.#status = status;
    for (const listener of this.#statusListeners) listener(status);
  }

  publish(subject: string, data: Uint8Array, reply?: string): void {
    this.#checkMessage(subject, data);
    if (this.#status === "connected") this.#broker.send(subject, data, reply ?? null);
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: { readonly queue?: string } = {},
  ): BusSubscription {
    this.#checkOpen();
    checkPattern(subject);
    const listener: Listener = {
      owner: this,
      matches: subjectMatcher(subject),
      handler,
      queue: options.queue ?? null,
      isOpen: true,
    };
    this.#listeners.set(listener, subject);
    this.#broker.listen(subject, listener);
    const unsubscribe = (): void => {
      this.#listeners.delete(listener);
      this.#broker.unlisten(subject, listener);
    };
    const drain = async (): Promise<void> => {
      this.#listeners.delete(listener);
      await this.#broker.retire(subject, listener);
    };
    return { unsubscribe, drain };
  }

  async request(subject: string, data: Uint8Array, { timeoutMs }: { readonly timeoutMs: number }): Promise<BusMessage> {
    this.#checkMessage(subject, data);
    this.checkReachable();
    const reply = this.inbox();
    const undo: (() => void)[] = [];
    try {
      return await new Promise<BusMessage>((resolve, reject) => {
        const giveUp = (code: ErrorCode, why: string): void => reject(new PunctualError(code, why));
        const answer = this.subscribe(reply, resolve);
        undo.push(() => answer.unsubscribe());
        undo.push(this.onStatus(() => giveUp("unavailable", "The bus was lost.")));
        const late = `'${subject}' did not answer within ${timeoutMs} ms.`;
        undo.push(after(timeoutMs, () => giveUp("request_timeout", late)));
        if (this.#broker.send(subject, data, reply) === 0) giveUp("unavailable", `Nobody listens to '${subject}'.`);
      });
    } finally {
      for (const step of undo) step();
    }
  }

  inbox(): string {
    return this.#broker.nextInbox();
  }

  async keyValue(bucket: string, options: KeyValueOptions): Promise<KeyValue> {
    this.checkReachable();
    return new MemoryKeyValue(this, this.#broker.directory(bucket, options));
  }

  async work(stream: string, options: WorkQueueOptions): Promise<WorkQueue> {
    this.checkReachable();
    return new MemoryWorkQueue(this, this.#broker.workOf(stream, options));
  }

  async flush(): Promise<void> {
    this.checkReachable();
  }

  onStatus(listener: (status: BusStatus) => void): () => void {
    this.#statusListeners.add(listener);
    return () => this.#statusListeners.delete(listener);
  }

  /** For directories and work: refuses while the connection is lost. @throws PunctualError unavailable */
  checkReachable(): void {
    this.#checkOpen();
    if (this.#status !== "connected") fail("unavailable", "The bus cannot be reached.");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.setConnected(false);
    this.#isClosed = true;
    for (const [listener, subject] of this.#listeners) this.#broker.unlisten(subject, listener);
    this.#listeners.clear();
    this.#statusListeners.clear();
  }

  #checkOpen(): void {
    if (this.#isClosed) fail("unavailable", "The bus is closed.");
  }

  #checkMessage(subject: string, data: Uint8Array): void {
    this.#checkOpen();
    checkSubject(subject);
    checkSize(data, this.maxMessageBytes);
  }
}
