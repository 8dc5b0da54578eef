/**
 * Directories over JetStream's key-value buckets. A bucket in the broker's memory is gone after its restart, and a watch
 * breaks with the connection it was made on; both are made again here, and a watcher is told what it has missed.
 *
 * A watch can also fall silent while the connection stands: the broker drops the consumer behind it, because nobody listened
 * for a moment on a machine that was too busy, or because it was restarted. The client notices when two heartbeats are missing
 * and asks for one every half minute, so that a fleet could be blind for a minute (measured: 59 s). Here a watch is compared
 * with its bucket every two seconds, and made again when it lags behind.
 */
import type { KV } from "@nats-io/kv";
import type { JetStreamClient } from "@nats-io/jetstream";
import { after, sleep } from "../../runtime/index.ts";
import { apiCodeOf, checkJetStream, isGone, toFailure, type NatsLink } from "./nats-link.ts";
import { checkSize, checkSubject } from "./subjects.ts";
import type { BusWatch, KeyValue, KeyValueChange, KeyValueEntry, KeyValueOptions } from "./types.ts";

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;
const TIMEOUT_MS = 5000;
const RETRY_MS = 200;
/** When all that was counted has expired before it was told, a watch is ready all the same. */
const READY_MS = 1000;
/** How often a watch is compared with its bucket. */
const CHECK_MS = 2000;
const WRONG_LAST_SEQUENCE = 10071;

/** A bucket. */
export class NatsKeyValue implements KeyValue {
  readonly #link: NatsLink;
  readonly #name: string;
  readonly #options: KeyValueOptions;
  #opening: Promise<KV> | null = null;

  private constructor(link: NatsLink, name: string, options: KeyValueOptions) {
    this.#link = link;
    this.#name = name;
    this.#options = options;
  }

  /** @throws PunctualError unavailable, unsupported without JetStream */
  static async open(link: NatsLink, name: string, options: KeyValueOptions): Promise<NatsKeyValue> {
    checkJetStream(link);
    const bucket = new NatsKeyValue(link, name, options);
    await bucket.#use((kv) => kv.status());
    return bucket;
  }

  async put(key: string, value: Uint8Array): Promise<number> {
    this.#check(key, value);
    return this.#use((kv) => kv.put(key, value));
  }

  async create(key: string, value: Uint8Array): Promise<number | null> {
    this.#check(key, value);
    return this.#use(async (kv) => {
      try {
        return await kv.create(key, value);
      } catch (error) {
        if (apiCodeOf(error) === WRONG_LAST_SEQUENCE) return null;
        throw error;
      }
    });
  }

  async get(key: string): Promise<KeyValueEntry | null> {
    this.#check(key);
    const entry = await this.#use((kv) => kv.get(key));
    return entry === null || entry.operation !== "PUT" ? null : { key, value: entry.value, revision: entry.revision };
  }

  async delete(key: string): Promise<void> {
    this.#check(key);
    await this.#use((kv) => kv.delete(key));
  }

  async keys(): Promise<readonly string[]> {
    this.#link.checkReachable();
    return this.#use(async (kv) => {
      const keys: string[] = [];
      for await (const key of await kv.keys()) keys.push(key);
      return keys;
    });
  }

  async watch(onChange: (change: KeyValueChange) => void): Promise<BusWatch> {
    this.#link.checkReachable();
    const watch = new Watch(this.#link, (action) => this.#use(action), onChange);
    await watch.start();
    return { unsubscribe: () => watch.stop() };
  }

  #kv(): Promise<KV> {
    this.#opening ??= openBucket(this.#link, this.#name, this.#options).catch((error: unknown) => {
      this.#opening = null;
      throw error;
    });
    return this.#opening;
  }

  /** Once more with a new bucket when this one is gone. */
  async #use<T>(action: (kv: KV) => Promise<T>): Promise<T> {
    this.#link.checkReachable();
    try {
      return await action(await this.#kv());
    } catch (error) {
      if (!isGone(error)) return toFailure(error, `The directory '${this.#name}' cannot be used`);
    }
    this.#opening = null;
    try {
      return await action(await this.#kv());
    } catch (error) {
      return toFailure(error, `The directory '${this.#name}' cannot be used`);
    }
  }

  #check(key: string, value?: Uint8Array): void {
    this.#link.checkReachable();
    checkSubject(key);
    if (value !== undefined) checkSize(value, this.#link.maxMessageBytes);
  }
}

async function openBucket(link: NatsLink, name: string, options: KeyValueOptions): Promise<KV> {
  const [{ Kvm }, { jetstream, StorageType }] = await Promise.all([
    import("@nats-io/kv"),
    import("@nats-io/jetstream"),
  ]);
  const client: JetStreamClient = jetstream(link.connection, { timeout: TIMEOUT_MS });
  const isDurable = options.isDurable === true;
  return new Kvm(client).create(name, {
    ttl: options.ttlMs,
    history: 1,
    max_bytes: options.maxBytes ?? DEFAULT_MAX_BYTES,
    storage: isDurable ? StorageType.File : StorageType.Memory,
    timeout: TIMEOUT_MS,
  });
}

/** Does something with a bucket, which is made again where it is gone. Errors: ours. */
type UseBucket = <T>(action: (kv: KV) => Promise<T>) => Promise<T>;

/** One watcher: watches anew after each reconnect, and tells what became of what it knew. */
class Watch {
  readonly #link: NatsLink;
  readonly #use: UseBucket;
  readonly #onChange: (change: KeyValueChange) => void;
  readonly #known = new Map<string, number>();
  readonly #undo: (() => void)[] = [];
  #stopCurrent: (() => void) | null = null;
  #isStopped = false;
  /** Of the consumer behind it; another one has another number. */
  #life = 0;
  /** The highest revision that this life has heard of. */
  #heard = 0;
  /** What the bucket had last when it was looked at last; what is above `#heard` then has not come in time. */
  #expected = 0;
  #isChecking = false;

  constructor(link: NatsLink, use: UseBucket, onChange: (change: KeyValueChange) => void) {
    this.#link = link;
    this.#use = use;
    this.#onChange = onChange;
  }

  async start(): Promise<void> {
    this.#undo.push(this.#link.onClose(() => this.stop()));
    this.#undo.push(
      this.#link.onStatus((status) => {
        this.#end();
        if (status === "connected") void this.#again(this.#life);
      }),
    );
    const timer = setInterval(() => void this.#check(), CHECK_MS).unref();
    this.#undo.push(() => clearInterval(timer));
    try {
      await this.#begin(this.#life);
    } catch (error) {
      this.stop();
      toFailure(error, "The directory cannot be watched");
    }
    this.#onChange({ kind: "ready" });
  }

  stop(): void {
    this.#isStopped = true;
    this.#stopCurrent?.();
    for (const step of this.#undo.splice(0)) step();
  }

  /** What is told from now on is another life's. */
  #end(): void {
    this.#life += 1;
    this.#stopCurrent?.();
    this.#stopCurrent = null;
    this.#heard = 0;
    this.#expected = 0;
  }

  /** Everything that is in the bucket has a revision, and the last of them comes to whoever watches. */
  async #check(): Promise<void> {
    if (this.#isChecking || this.#stopCurrent === null || this.#link.status !== "connected") return;
    this.#isChecking = true;
    const [life, before] = [this.#life, this.#heard];
    try {
      const { streamInfo, values } = await this.#use((kv) => kv.status());
      if (this.#isStopped || life !== this.#life) return;
      const { last_seq: last } = streamInfo.state;
      // Where numbers have begun anew, the bucket is another one.
      const lags = last < before || (values > 0 && this.#heard < this.#expected);
      this.#expected = values > 0 ? last : 0;
      if (!lags) return;
      this.#end();
      void this.#again(this.#life);
    } catch {
      // The broker is away or busy: the next look will tell.
    } finally {
      this.#isChecking = false;
    }
  }

  async #again(life: number): Promise<void> {
    while (!this.#isStopped && life === this.#life) {
      try {
        await this.#begin(life);
        return;
      } catch {
        // JetStream takes a moment after the server itself is back.
        await sleep(RETRY_MS);
      }
    }
  }

  /** Resolves when all that is there has been told. */
  async #begin(life: number): Promise<void> {
    // Makes the bucket again where it is gone; the number counts marks of deletion too.
    const { values, entries } = await this.#use(async (kv) => {
      const { values: count } = await kv.status();
      return { values: count, entries: await kv.watch() };
    });
    if (this.#isStopped || life !== this.#life) {
      entries.stop();
      return;
    }
    this.#stopCurrent = () => entries.stop();
    const missing = new Map(this.#known);
    const catchUp = (): void => {
      for (const [key, revision] of missing) this.#tell({ kind: "delete", key, revision });
      missing.clear();
    };
    await new Promise<void>((resolve) => {
      const ready = (): void => {
        disarm();
        catchUp();
        resolve();
      };
      const disarm = after(READY_MS, ready);
      if (values === 0) ready();
      void this.#read(entries, life, missing, ready);
    });
  }

  async #read(
    entries: Awaited<ReturnType<KV["watch"]>>,
    life: number,
    missing: Map<string, number>,
    ready: () => void,
  ): Promise<void> {
    for await (const { key, value, revision, operation, delta } of entries) {
      if (this.#isStopped || life !== this.#life) break;
      this.#heard = Math.max(this.#heard, revision);
      missing.delete(key);
      if (operation === "PUT") {
        if (this.#known.get(key) !== revision) this.#tell({ kind: "put", key, value, revision });
      } else if (this.#known.has(key)) this.#tell({ kind: "delete", key, revision });
      if (delta === 0) ready();
    }
    ready();
  }

  #tell(change: KeyValueChange): void {
    if (change.kind === "put") this.#known.set(change.key, change.revision);
    if (change.kind === "delete") this.#known.delete(change.key);
    this.#onChange(change);
  }
}
