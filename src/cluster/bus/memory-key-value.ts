/** Directories of the bus in memory: entries with revisions that go when nobody has written them for a while. */
import { fail } from "../../core/index.ts";
import { liveClock } from "../../runtime/index.ts";
import { checkSize, checkSubject } from "./subjects.ts";
import type { Bus, BusWatch, KeyValue, KeyValueChange, KeyValueEntry, KeyValueOptions } from "./types.ts";

const DEFAULT_MAX_BYTES = 64 * 1024 * 1024;

/** A connection, as directories and work need it. */
export interface MemoryLink extends Pick<Bus, "status" | "maxMessageBytes" | "onStatus"> {
  /** @throws PunctualError unavailable while it is lost */
  checkReachable(): void;
}

interface Stored extends KeyValueEntry {
  readonly atMs: number;
}

/** What all connections share. Its entries are looked through for old ones when it is used, not by a timer. */
export class MemoryDirectory {
  readonly #options: KeyValueOptions;
  readonly #entries = new Map<string, Stored>();
  readonly #watchers = new Set<(change: KeyValueChange) => void>();
  #revision = 0;
  #bytes = 0;

  constructor(options: KeyValueOptions) {
    this.#options = options;
  }

  put(key: string, value: Uint8Array): number {
    const before = this.get(key)?.value.length ?? 0;
    const most = this.#options.maxBytes ?? DEFAULT_MAX_BYTES;
    if (this.#bytes - before + value.length > most) {
      fail("out_of_space", `The directory holds at most ${most} bytes.`);
    }
    this.#bytes += value.length - before;
    const entry: Stored = { key, value, revision: ++this.#revision, atMs: liveClock.nowMs() };
    this.#entries.delete(key); // the oldest stay in front
    this.#entries.set(key, entry);
    this.#tell({ kind: "put", key, value, revision: entry.revision });
    return entry.revision;
  }

  get(key: string): KeyValueEntry | null {
    this.#expire();
    return this.#entries.get(key) ?? null;
  }

  delete(key: string): void {
    this.#expire();
    const revision = ++this.#revision;
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#remove(entry);
    this.#tell({ kind: "delete", key, revision });
  }

  entries(): readonly KeyValueEntry[] {
    this.#expire();
    return [...this.#entries.values()];
  }

  watch(onChange: (change: KeyValueChange) => void): () => void {
    this.#watchers.add(onChange);
    return () => this.#watchers.delete(onChange);
  }

  #tell(change: KeyValueChange): void {
    for (const watcher of this.#watchers) watcher(change);
  }

  #remove(entry: Stored): void {
    this.#entries.delete(entry.key);
    this.#bytes -= entry.value.length;
  }

  /** In order of writing, so it ends at the first that is young enough. Nobody is told, as on NATS. */
  #expire(): void {
    const oldest = liveClock.nowMs() - this.#options.ttlMs;
    for (const entry of this.#entries.values()) {
      if (entry.atMs > oldest) return;
      this.#remove(entry);
    }
  }
}

/** A directory as one connection sees it. */
export class MemoryKeyValue implements KeyValue {
  readonly #bus: MemoryLink;
  readonly #directory: MemoryDirectory;

  constructor(bus: MemoryLink, directory: MemoryDirectory) {
    this.#bus = bus;
    this.#directory = directory;
  }

  async put(key: string, value: Uint8Array): Promise<number> {
    this.#check(key);
    checkSize(value, this.#bus.maxMessageBytes);
    return this.#directory.put(key, value);
  }

  async create(key: string, value: Uint8Array): Promise<number | null> {
    this.#check(key);
    checkSize(value, this.#bus.maxMessageBytes);
    return this.#directory.get(key) === null ? this.#directory.put(key, value) : null;
  }

  async get(key: string): Promise<KeyValueEntry | null> {
    this.#check(key);
    return this.#directory.get(key);
  }

  async delete(key: string): Promise<void> {
    this.#check(key);
    this.#directory.delete(key);
  }

  async keys(): Promise<readonly string[]> {
    this.#bus.checkReachable();
    return this.#directory.entries().map(({ key }) => key);
  }

  async watch(onChange: (change: KeyValueChange) => void): Promise<BusWatch> {
    this.#bus.checkReachable();
    const known = new Map<string, number>();
    const tell = (change: KeyValueChange): void => {
      if (change.kind === "put") known.set(change.key, change.revision);
      if (change.kind === "delete") known.delete(change.key);
      onChange(change);
    };
    const unwatch = this.#directory.watch((change) => {
      if (this.#bus.status === "connected") tell(change);
    });
    // What was missed while the connection was lost is told as if it happened now.
    const unlisten = this.#bus.onStatus((status) => {
      if (status === "connected") this.#catchUp(known, tell);
    });
    this.#catchUp(known, tell);
    onChange({ kind: "ready" });
    return {
      unsubscribe: () => {
        unwatch();
        unlisten();
      },
    };
  }

  #catchUp(known: ReadonlyMap<string, number>, tell: (change: KeyValueChange) => void): void {
    const gone = new Map(known);
    for (const { key, value, revision } of this.#directory.entries()) {
      gone.delete(key);
      if (known.get(key) !== revision) tell({ kind: "put", key, value, revision });
    }
    for (const [key, revision] of gone) tell({ kind: "delete", key, revision });
  }

  #check(key: string): void {
    this.#bus.checkReachable();
    checkSubject(key);
  }
}
