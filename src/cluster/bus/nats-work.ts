/**
 * Durable work over JetStream: a stream in files from which an item goes when it is done, and one durable consumer for
 * each subject, which all takers of that subject share. A taker asks for one item at a time and only while it has room, so
 * that nothing waits in the hands of a busy instance.
 */
import type { Consumer, JetStreamClient, JetStreamManager, JsMsg } from "@nats-io/jetstream";
import { PunctualError } from "../../core/index.ts";
import { sleep } from "../../runtime/index.ts";
import { apiCodeOf, checkJetStream, toFailure, type NatsLink } from "./nats-link.ts";
import { checkSize, checkSubject } from "./subjects.ts";
import type { WorkItem, WorkQueue, WorkQueueOptions, WorkTaker, WorkTakeOptions } from "./types.ts";

const DEFAULTS = { maxItems: 10_000, maxBytes: 256 * 1024 * 1024, maxAgeMs: 3_600_000, duplicateMs: 120_000 } as const;
const TIMEOUT_MS = 5000;
const RETRY_MS = 250;
/** How long one request for an item stands at the server. */
const ASK_MS = 30_000;
/** A request that the server does not know of (any more) is noticed after two of these. */
const HEARTBEAT_MS = 3000;
const STREAM_NAME_IN_USE = 10058;
const STREAM_NOT_FOUND = 10059;
const CONSUMER_NAME_IN_USE = 10013;
const CONSUMER_EXISTS = 10148;

const NANOS_PER_MS = 1_000_000;

/** A stream of work. */
export class NatsWorkQueue implements WorkQueue {
  readonly #link: NatsLink;
  readonly #name: string;
  readonly #client: JetStreamClient;
  readonly #manager: JetStreamManager;

  private constructor(link: NatsLink, name: string, client: JetStreamClient, manager: JetStreamManager) {
    this.#link = link;
    this.#name = name;
    this.#client = client;
    this.#manager = manager;
  }

  /** @throws PunctualError unavailable, unsupported without JetStream */
  static async open(link: NatsLink, name: string, options: WorkQueueOptions): Promise<NatsWorkQueue> {
    checkJetStream(link);
    const { jetstream, jetstreamManager } = await import("@nats-io/jetstream");
    try {
      const manager = await jetstreamManager(link.connection, { timeout: TIMEOUT_MS });
      await ensureStream(manager, name, options);
      return new NatsWorkQueue(link, name, jetstream(link.connection, { timeout: TIMEOUT_MS }), manager);
    } catch (error) {
      return toFailure(error, `The work queue '${name}' cannot be opened`);
    }
  }

  async put(subject: string, data: Uint8Array, id: string): Promise<{ readonly isDuplicate: boolean }> {
    this.#link.checkReachable();
    checkSubject(subject);
    checkSize(data, this.#link.maxMessageBytes);
    try {
      const { duplicate } = await this.#client.publish(subject, data, { msgID: id, timeout: TIMEOUT_MS });
      return { isDuplicate: duplicate };
    } catch (error) {
      return toFailure(error, `The work queue '${this.#name}' takes nothing`);
    }
  }

  async take(options: WorkTakeOptions, handler: (item: WorkItem) => Promise<void>): Promise<WorkTaker> {
    this.#link.checkReachable();
    const open = async (): Promise<Consumer> => {
      const durable = options.subject.replaceAll(".", "_");
      await ensureConsumer(this.#manager, this.#name, durable, options);
      return this.#client.consumers.get(this.#name, durable);
    };
    try {
      return new Taker(this.#link, await open(), open, options, handler);
    } catch (error) {
      return toFailure(error, `Work of '${this.#name}' cannot be taken`);
    }
  }

  async size(): Promise<number> {
    this.#link.checkReachable();
    try {
      return (await this.#manager.streams.info(this.#name)).state.messages;
    } catch (error) {
      return toFailure(error, `The work queue '${this.#name}' cannot be asked`);
    }
  }
}

async function ensureStream(manager: JetStreamManager, name: string, options: WorkQueueOptions): Promise<void> {
  const { DiscardPolicy, RetentionPolicy, StorageType } = await import("@nats-io/jetstream");
  const { subjects, maxItems, maxBytes, maxAgeMs, duplicateMs } = { ...DEFAULTS, ...options };
  try {
    await manager.streams.info(name);
    return;
  } catch (error) {
    if (apiCodeOf(error) !== STREAM_NOT_FOUND && !/stream not found/.test(String(error))) throw error;
  }
  try {
    await manager.streams.add({
      name,
      subjects: [...subjects],
      retention: RetentionPolicy.Workqueue,
      discard: DiscardPolicy.New,
      storage: StorageType.File,
      max_msgs: maxItems,
      max_bytes: maxBytes,
      max_age: maxAgeMs * NANOS_PER_MS,
      duplicate_window: Math.min(duplicateMs, maxAgeMs) * NANOS_PER_MS,
    });
  } catch (error) {
    if (apiCodeOf(error) !== STREAM_NAME_IN_USE) throw error; // somebody was quicker, with settings of another version
  }
}

async function ensureConsumer(
  manager: JetStreamManager,
  stream: string,
  durable: string,
  { subject, ackWaitMs }: WorkTakeOptions,
): Promise<void> {
  const { AckPolicy } = await import("@nats-io/jetstream");
  try {
    await manager.consumers.add(stream, {
      durable_name: durable,
      filter_subject: subject,
      ack_policy: AckPolicy.Explicit,
      ack_wait: ackWaitMs * NANOS_PER_MS,
      max_deliver: -1,
      max_ack_pending: 10_000,
    });
  } catch (error) {
    const code = apiCodeOf(error);
    if (code !== CONSUMER_NAME_IN_USE && code !== CONSUMER_EXISTS) throw error; // made by another version
  }
}

/** Asks for work as long as it has room. */
class Taker implements WorkTaker {
  readonly #link: NatsLink;
  readonly #open: () => Promise<Consumer>;
  readonly #handler: (item: WorkItem) => Promise<void>;
  readonly #handling = new Set<Promise<void>>();
  readonly #undo: (() => void)[] = [];
  readonly #running: Promise<void>;
  #consumer: Consumer;
  #maxItems: number;
  #stopAsking: (() => void) | null = null;
  #isStopped = false;
  #wake: (() => void) | null = null;

  constructor(
    link: NatsLink,
    consumer: Consumer,
    open: () => Promise<Consumer>,
    options: WorkTakeOptions,
    handler: (item: WorkItem) => Promise<void>,
  ) {
    this.#link = link;
    this.#consumer = consumer;
    this.#open = open;
    this.#handler = handler;
    this.#maxItems = options.maxItems;
    const onStatus = link.onStatus((status) => {
      if (status === "disconnected") this.#stopAsking?.();
      this.#wake?.();
    });
    this.#undo.push(
      onStatus,
      link.onClose(() => this.#halt()),
    );
    this.#running = this.#run();
  }

  setMaxItems(maxItems: number): void {
    this.#maxItems = maxItems;
    this.#wake?.();
  }

  async stop(): Promise<void> {
    this.#halt();
    await this.#running;
    await Promise.all(this.#handling);
  }

  #halt(): void {
    this.#isStopped = true;
    this.#stopAsking?.();
    this.#wake?.();
    for (const step of this.#undo.splice(0)) step();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      if (this.#handling.size >= this.#maxItems || this.#link.status !== "connected") {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = null;
        continue;
      }
      try {
        await this.#ask();
      } catch {
        // The broker is away, or has forgotten the consumer.
        await sleep(RETRY_MS);
        await this.#reopen();
      }
    }
  }

  async #reopen(): Promise<void> {
    if (this.#isStopped || this.#link.status !== "connected") return;
    try {
      this.#consumer = await this.#open();
    } catch {
      await sleep(RETRY_MS);
    }
  }

  /** Waits for one item, for ASK_MS at most. */
  async #ask(): Promise<void> {
    const messages = await this.#consumer.fetch({
      max_messages: 1,
      expires: ASK_MS,
      idle_heartbeat: HEARTBEAT_MS,
    });
    this.#stopAsking = () => messages.stop();
    if (this.#isStopped || this.#link.status !== "connected") messages.stop();
    for await (const message of messages) {
      if (this.#isStopped) message.nak();
      else this.#handle(message);
    }
    this.#stopAsking = null;
  }

  #handle(message: JsMsg): void {
    const done = this.#work(message).finally(() => {
      this.#handling.delete(done);
      this.#wake?.();
    });
    this.#handling.add(done);
  }

  async #work(message: JsMsg): Promise<void> {
    const item = this.#item(message);
    try {
      await this.#handler(item);
    } catch {
      item.release(RETRY_MS); // what it failed at would fail again at once
    }
  }

  #item(message: JsMsg): WorkItem {
    const tell = (action: () => void): void => {
      if (this.#link.status === "connected") action();
    };
    return {
      subject: message.subject,
      data: message.data,
      deliveries: message.info.deliveryCount,
      working: () => tell(() => message.working()),
      ack: async () => {
        this.#link.checkReachable();
        const isKnown = await message.ackAck({ timeout: TIMEOUT_MS }).catch((error: unknown) => {
          return toFailure(error, "The work cannot be acknowledged");
        });
        if (!isKnown) throw new PunctualError("unavailable", "The work was given to somebody else meanwhile.");
      },
      release: (delayMs = 0) => tell(() => message.nak(delayMs === 0 ? undefined : delayMs)),
      discard: () => tell(() => message.term()),
    };
  }
}
