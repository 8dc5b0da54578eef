/**
 * What the browser keeps. Two things: single settings, and bounded collections of records (conversations) that give up
 * their oldest when there are too many or they are too large. Everything is JSON in localStorage, which is synchronous
 * and large enough for text; a browser without storage keeps things until the page is closed.
 */

/** The part of Web Storage that is used; tests bring their own. */
export interface TextStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** A storage that forgets with the page. */
export function memoryStorage(): TextStorage {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

/** The browser's storage, or one in memory where it is switched off. */
export function browserStorage(): TextStorage {
  try {
    localStorage.setItem("punctual.probe", "");
    localStorage.removeItem("punctual.probe");
    return localStorage;
  } catch {
    return memoryStorage();
  }
}

/** A value under a name; the fallback where there is none, or none that `accepts` takes. */
export function readSetting<T>(
  storage: TextStorage,
  key: string,
  accepts: (value: unknown) => value is T,
  fallback: T,
): T {
  const value = parse(storage.getItem(key));
  return accepts(value) ? value : fallback;
}

/** Keeps a value under a name; false when the storage has no room for it. */
export function writeSetting(storage: TextStorage, key: string, value: unknown): boolean {
  try {
    storage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false; // full, and the caller knows what that means
  }
}

function parse(text: string | null): unknown {
  if (text === null) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined; // written by somebody else
  }
}

/** A record's place in the index. */
export interface RecordEntry {
  readonly id: string;
  readonly title: string;
  /** Unix milliseconds of the last change. */
  readonly updatedUnixMs: number;
  /** Length of the record's JSON. */
  readonly characters: number;
}

/** The bounds of a collection. */
export interface CollectionLimits {
  readonly maxRecords: number;
  readonly maxCharacters: number;
}

interface Index {
  readonly entries: readonly RecordEntry[];
}

/** Records of one kind, most recently changed first. Invariant: the index names exactly the records that are kept. */
export class RecordCollection<T> {
  private readonly storage: TextStorage;
  private readonly prefix: string;
  private readonly limits: CollectionLimits;
  private readonly accepts: (value: unknown) => value is T;

  constructor(storage: TextStorage, prefix: string, limits: CollectionLimits, accepts: (value: unknown) => value is T) {
    this.storage = storage;
    this.prefix = prefix;
    this.limits = limits;
    this.accepts = accepts;
  }

  /** What is kept, most recently changed first; read anew each time, because other tabs write too. */
  list(): readonly RecordEntry[] {
    const index = parse(this.storage.getItem(this.prefix)) as Partial<Index> | undefined;
    return Array.isArray(index?.entries) ? index.entries.filter(isEntry) : [];
  }

  /** The record, or null when there is none that can be read. */
  read(id: string): T | null {
    const value = parse(this.storage.getItem(this.slot(id)));
    return this.accepts(value) ? value : null;
  }

  /**
   * Keeps a record in place of the one with its id. The oldest others go when a bound is passed or the browser refuses;
   * their ids come back. @throws Error when the record alone is too large.
   */
  write(id: string, title: string, updatedUnixMs: number, record: T): readonly string[] {
    const text = JSON.stringify(record);
    const characters = text.length;
    if (characters > this.limits.maxCharacters) {
      throw new Error(`This is too large to keep: ${characters} characters of at most ${this.limits.maxCharacters}.`);
    }
    const entry: RecordEntry = { id, title, updatedUnixMs, characters };
    const entries = [entry, ...this.list().filter((other) => other.id !== id)];
    const dropped: string[] = [];
    while (!this.fits(entries)) dropped.push(this.dropOldest(entries));
    for (;;) {
      if (this.tryWrite(id, text, entries)) return dropped;
      if (entries.length === 1) throw new Error("The browser has no room left for this.");
      dropped.push(this.dropOldest(entries));
    }
  }

  /** Forgets a record; one that is not there is no error. */
  delete(id: string): void {
    this.storage.removeItem(this.slot(id));
    writeSetting(this.storage, this.prefix, { entries: this.list().filter((entry) => entry.id !== id) });
  }

  /** @throws Error naming the first record of the index that cannot be read, or the bound that is passed. */
  checkIntegrity(): void {
    const entries = this.list();
    if (!this.fits(entries)) throw new Error("expected a collection within its bounds");
    for (const { id } of entries) if (this.read(id) === null) throw new Error(`expected a record for ${id}`);
  }

  private fits(entries: readonly RecordEntry[]): boolean {
    const characters = entries.reduce((sum, entry) => sum + entry.characters, 0);
    return entries.length <= this.limits.maxRecords && characters <= this.limits.maxCharacters;
  }

  private dropOldest(entries: RecordEntry[]): string {
    const { id } = entries.pop()!;
    this.storage.removeItem(this.slot(id));
    return id;
  }

  private tryWrite(id: string, text: string, entries: readonly RecordEntry[]): boolean {
    try {
      this.storage.setItem(this.slot(id), text);
      this.storage.setItem(this.prefix, JSON.stringify({ entries }));
      return true;
    } catch {
      return false; // the browser's own bound: the caller makes room
    }
  }

  private slot(id: string): string {
    return `${this.prefix}.${id}`;
  }
}

function isEntry(value: unknown): value is RecordEntry {
  const entry = value as Partial<RecordEntry> | null;
  return typeof entry?.id === "string" && typeof entry.title === "string" && typeof entry.characters === "number";
}
