/**
 * Contexts on disk: chunks of token prefixes, each at one or several levels, within a number of bytes. What has not been
 * used for longest goes first, ends of prefixes before their beginnings. One store is of one model (its fingerprint);
 * stores of several share a folder.
 *
 *     DIR/<model>/chunks/<key>.json | <key>.<level>     DIR/<model>/contexts/<name>.json     DIR/<model>/tables/<id>
 *
 * A file appears whole or not at all (written aside, renamed). What is read is checked; what is damaged is removed and
 * counts as absent. A full disk is made room on once; then the write fails with out_of_space and nothing is lost.
 *
 * Several processes may have a folder open: who opens it removes what nobody is writing any more, judged by its age, and never
 * a part of a chunk that another one is about to complete.
 */
import { createHash, randomUUID } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, fail, PunctualError } from "../../core/index.ts";
import { wallMs } from "../../runtime/index.ts";
import { fingerprintBytes } from "../codec/tables.ts";
import { openChunk, type ChunkHeader } from "../codec/header.ts";
import type { ChunkPlace, NamedContext } from "./types.ts";

/** Where and how much. */
export interface ContextStoreOptions {
  readonly dir: string;
  /** Of the model whose keys and values these are. */
  readonly fingerprint: string;
  /** Most bytes of chunks; named contexts and tables come on top. 1 GiB when absent. */
  readonly maxBytes?: number;
  /** What people call the model; said by `storedModels`. */
  readonly label?: string;
  /** For tests: writes a file. */
  readonly write?: (path: string, bytes: Uint8Array | string) => Promise<void>;
}

interface Entry {
  readonly place: ChunkPlace;
  /** Bytes by level name. */
  readonly levels: Map<string, number>;
}

/** What a store has done. */
export interface ContextStoreStats {
  readonly chunks: number;
  readonly bytes: number;
  readonly maxBytes: number;
  readonly evictions: number;
  /** Files that were found damaged and removed. */
  readonly damaged: number;
}

/** A model that a folder has contexts of. */
export interface StoredModel {
  readonly label: string;
  readonly fingerprint: string;
}

/** The models of a folder, by label. Empty when there is no such folder. */
export async function storedModels(dir: string): Promise<StoredModel[]> {
  const names = await readdir(dir).catch((error: unknown) => (isGone(error) ? [] : Promise.reject(error)));
  const texts = await Promise.all(names.map((name) => readOrNull(join(dir, name, "model.json"))));
  return texts
    .flatMap((text) => (text === null ? [] : [fieldsOf(text)]))
    .filter((fields): fields is Record<string, unknown> & StoredModel => typeof fields?.["fingerprint"] === "string")
    .map(({ label, fingerprint }) => ({ label: String(label), fingerprint }))
    .toSorted((a, b) => a.label.localeCompare(b.label) || a.fingerprint.localeCompare(b.fingerprint));
}

const DEFAULT_MAX_BYTES = 2 ** 30;
const NAME = /^[\w.-]{1,128}$/;
const KEY = /^[0-9a-f]{32}$/;
const PLACE_BYTES_MAX = 2 ** 24;
/** What belongs to no whole chunk and was not touched for so long is nobody's work under way: a chunk is written in seconds. */
const ABANDONED_MS = 600_000;

/** Chunks on disk. See the head of this file. */
export class ContextStore {
  readonly #root: string;
  readonly #fingerprint: string;
  readonly #maxBytes: number;
  readonly #write: (path: string, bytes: Uint8Array | string) => Promise<void>;
  /** The least recently used first: order of insertion, renewed by use. */
  readonly #entries = new Map<string, Entry>();
  #bytes = 0;
  #evictions = 0;
  #damaged = 0;
  /** Changes happen one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(options: ContextStoreOptions) {
    const model = Buffer.from(fingerprintBytes(options.fingerprint)).toString("hex");
    this.#root = join(options.dir, model);
    this.#fingerprint = options.fingerprint;
    this.#maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
    this.#write = options.write ?? ((path, bytes) => writeFile(path, bytes));
  }

  /** Opens a folder, made when absent, and looks through what is in it. */
  static async open(options: ContextStoreOptions): Promise<ContextStore> {
    const store = new ContextStore(options);
    for (const name of ["chunks", "contexts", "tables"]) await mkdir(join(store.#root, name), { recursive: true });
    if (options.label !== undefined) {
      const model: StoredModel = { label: options.label, fingerprint: options.fingerprint };
      await store.#save(join(store.#root, "model.json"), JSON.stringify(model));
    }
    await store.#scan();
    await store.#makeRoom(0);
    return store;
  }

  /** How full it is and what happened. */
  get stats(): ContextStoreStats {
    const { size } = this.#entries;
    const [bytes, maxBytes] = [this.#bytes, this.#maxBytes];
    return { chunks: size, bytes, maxBytes, evictions: this.#evictions, damaged: this.#damaged };
  }

  /** The chunk of that key; null when it is not here. */
  place(key: string): ChunkPlace | null {
    return this.#entries.get(key)?.place ?? null;
  }

  /** Bytes of a chunk by level name; null when it is not here. A key is trusted only with the tokens behind it. */
  levels(place: ChunkPlace): ReadonlyMap<string, number> | null {
    const entry = this.#find(place);
    return entry === null ? null : entry.levels;
  }

  /** How many of these chunks, from the first, are here at that level. */
  leading(places: readonly ChunkPlace[], level: string): number {
    const missing = places.findIndex((place) => this.levels(place)?.has(level) !== true);
    return missing < 0 ? places.length : missing;
  }

  /**
   * Keeps a sealed chunk at a level.
   * @throws PunctualError invalid_file when it is none of this model, out_of_space when it cannot be kept.
   */
  put(place: ChunkPlace, level: string, bytes: Uint8Array): Promise<void> {
    return this.#serially(async () => {
      const { header } = openChunk(bytes, this.#fingerprint);
      if (header.tokens !== place.tokens.length || header.firstPosition !== place.firstPosition) {
        fail("invalid_file", `expected ${place.tokens.length} tokens from ${place.firstPosition}, got other ones`);
      }
      if (bytes.length > this.#maxBytes) fail("out_of_space", `expected chunks of up to ${this.#maxBytes} bytes`);
      const known = this.#entries.get(place.key);
      if (known !== undefined && !isSame(known.place, place)) return; // another prefix has this key: stays as it is
      await this.#makeRoom(bytes.length, place.key);
      if (known === undefined) await this.#save(this.#chunkPath(`${place.key}.json`), JSON.stringify(place));
      try {
        await this.#save(this.#chunkPath(`${place.key}.${level}`), bytes);
      } catch (error) {
        if (!this.#entries.has(place.key)) await rm(this.#chunkPath(`${place.key}.json`), { force: true });
        throw error;
      }
      const entry = this.#entries.get(place.key) ?? { place, levels: new Map<string, number>() };
      this.#bytes += bytes.length - (entry.levels.get(level) ?? 0);
      entry.levels.set(level, bytes.length);
      this.#entries.set(place.key, entry);
      this.#use(place.key);
    });
  }

  /** A chunk at a level, checked; null when it is not here or was damaged. */
  async get(place: ChunkPlace, level: string): Promise<Uint8Array | null> {
    if (this.levels(place)?.has(level) !== true) return null;
    try {
      const bytes = await readFile(this.#chunkPath(`${place.key}.${level}`));
      openChunk(bytes, this.#fingerprint);
      this.#use(place.key);
      return bytes;
    } catch (error) {
      if (!isGone(error) && !(error instanceof PunctualError)) throw error;
      await this.#serially(() => this.#forgetLevel(place.key, level));
      return null;
    }
  }

  /** Gives a prefix a name, in place of what had it. @throws PunctualError invalid_request for a name with other than word characters. */
  async name(name: string, tokens: readonly number[], createdUnixMs: number): Promise<void> {
    const context: NamedContext = { name, tokens, createdUnixMs };
    await this.#serially(() => this.#save(this.#contextPath(name), JSON.stringify(context)));
  }

  /** Learns of what other processes have put into the folder since; what it knows keeps its order. */
  renew(): Promise<void> {
    return this.#serially(async () => {
      await this.#learn(await readdir(join(this.#root, "chunks")));
      await this.#makeRoom(0);
    });
  }

  /** A named prefix; null when there is none. */
  async named(name: string): Promise<NamedContext | null> {
    const text = await readOrNull(this.#contextPath(name));
    return text === null ? null : readContext(text);
  }

  /** All named prefixes, by name. */
  async list(): Promise<NamedContext[]> {
    const files = (await readdir(join(this.#root, "contexts"))).filter((file) => file.endsWith(".json"));
    const contexts = await Promise.all(files.map((file) => readOrNull(join(this.#root, "contexts", file))));
    return contexts
      .flatMap((text) => (text === null ? [] : [readContext(text)]))
      .filter((context): context is NamedContext => context !== null)
      .toSorted((a, b) => a.name.localeCompare(b.name));
  }

  /** Takes a name away and the chunks `places` that no other name needs. @returns bytes freed; null when there was no such name. */
  async remove(name: string, places: readonly ChunkPlace[], needed: ReadonlySet<string>): Promise<number | null> {
    if ((await readOrNull(this.#contextPath(name))) === null) return null;
    return this.#serially(async () => {
      const before = this.#bytes;
      await rm(this.#contextPath(name), { force: true });
      for (const { key } of places.toReversed()) if (!needed.has(key)) await this.#drop(key);
      return before - this.#bytes;
    });
  }

  /** What a sealed chunk says of itself. @throws PunctualError as `put`. */
  headerOf(bytes: Uint8Array): ChunkHeader {
    return openChunk(bytes, this.#fingerprint).header;
  }

  /** Keeps profiled tables under their id. @throws PunctualError invalid_file when that is not their hash. */
  async putTables(id: string, bytes: Uint8Array): Promise<void> {
    if (!createHash("sha256").update(bytes).digest("hex").startsWith(id)) fail("invalid_file", `expected tables ${id}`);
    await this.#serially(() => this.#save(this.#tablePath(id), bytes));
  }

  /** Tables by id, as they were put; null when they are not here or were damaged. */
  async tables(id: string): Promise<Uint8Array | null> {
    const bytes = await readOrNull(this.#tablePath(id));
    if (bytes === null) return null;
    return createHash("sha256").update(bytes).digest("hex").startsWith(id) ? bytes : null;
  }

  /** Ids of the tables that are here, the newest last. */
  async tableIds(): Promise<string[]> {
    const folder = join(this.#root, "tables");
    const files = (await readdir(folder)).filter((file) => /^[0-9a-f]{16}$/.test(file));
    const times = await Promise.all(files.map(async (file) => (await stat(join(folder, file))).mtimeMs));
    return files.toSorted((a, b) => times[files.indexOf(a)]! - times[files.indexOf(b)]!);
  }

  /** Throws AssertionError unless what it remembers and what is on disk agree. */
  async checkIntegrity(): Promise<void> {
    let bytes = 0;
    const onDisk = new Set(await readdir(join(this.#root, "chunks")));
    for (const [key, { levels }] of this.#entries) {
      assert(onDisk.delete(`${key}.json`), "a chunk says on disk which it is");
      for (const [level, size] of levels) {
        assert(onDisk.delete(`${key}.${level}`), "a level is on disk");
        bytes += size;
      }
    }
    assert(onDisk.size === 0, "nothing else is on disk");
    assert(bytes === this.#bytes, "bytes are counted");
    assert(bytes <= this.#maxBytes, "a store keeps within its bytes");
  }

  #find(place: ChunkPlace): Entry | null {
    const entry = this.#entries.get(place.key);
    return entry !== undefined && isSame(entry.place, place) ? entry : null;
  }

  /** Renews a chunk and all before it, so that beginnings outlive ends. */
  #use(key: string): void {
    for (let at: string | null = key; at !== null;) {
      const entry: Entry | undefined = this.#entries.get(at);
      if (entry === undefined) return;
      this.#entries.delete(at);
      this.#entries.set(at, entry);
      at = entry.place.parent;
    }
  }

  /** Drops what was not used for longest until there is room; never the chunk that room is made for. */
  async #makeRoom(bytes: number, keep?: string): Promise<void> {
    for (const key of this.#entries.keys()) {
      if (this.#bytes + bytes <= this.#maxBytes) return;
      if (key === keep) continue;
      await this.#drop(key);
      this.#evictions += 1;
    }
  }

  async #drop(key: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    for (const [level, size] of entry.levels) {
      this.#bytes -= size;
      await rm(this.#chunkPath(`${key}.${level}`), { force: true });
    }
    await rm(this.#chunkPath(`${key}.json`), { force: true });
  }

  async #forgetLevel(key: string, level: string): Promise<void> {
    const entry = this.#entries.get(key);
    if (entry === undefined || !entry.levels.has(level)) return;
    this.#damaged += 1;
    this.#bytes -= entry.levels.get(level)!;
    entry.levels.delete(level);
    await rm(this.#chunkPath(`${key}.${level}`), { force: true });
    if (entry.levels.size === 0) await this.#drop(key);
  }

  /** Written aside and renamed. On a full disk half of the chunks make room, once. */
  async #save(path: string, bytes: Uint8Array | string): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const aside = `${path}.${randomUUID()}.part`;
      try {
        await this.#write(aside, bytes);
        await rename(aside, path);
        return;
      } catch (cause) {
        await rm(aside, { force: true });
        const { code } = cause as NodeJS.ErrnoException;
        if (code !== "ENOSPC" && code !== "EDQUOT") throw cause;
        if (attempt > 0 || this.#entries.size === 0) fail("out_of_space", `no room on disk for ${path}`, { cause });
        const goal = this.#bytes / 2;
        for (const key of this.#entries.keys()) {
          if (this.#bytes <= goal) break;
          await this.#drop(key);
          this.#evictions += 1;
        }
      }
    }
  }

  async #scan(): Promise<void> {
    const folder = join(this.#root, "chunks");
    const files = await readdir(folder);
    const known = await this.#learn(files);
    const strays = files.filter((file) => !known.has(file)).map((file) => join(folder, file));
    await removeAbandoned([...strays, ...(await this.#parts())], wallMs());
  }

  /** Takes in what lies there, but for what it knows. @returns files that belong to whole chunks */
  async #learn(files: readonly string[]): Promise<Set<string>> {
    const folder = join(this.#root, "chunks");
    const found: { readonly entry: Entry; readonly usedMs: number }[] = [];
    const known = new Set<string>();
    const byKey = new Map<string, string[]>();
    for (const file of files) {
      const key = file.slice(0, file.indexOf("."));
      const ofKey = byKey.get(key);
      if (ofKey === undefined) byKey.set(key, [file]);
      else ofKey.push(file);
    }
    for (const file of files.filter((name) => name.endsWith(".json"))) {
      const key = file.slice(0, -5);
      const place = this.#entries.get(key)?.place ?? (await this.#readPlace(key));
      if (place === null) continue;
      const levels = this.#entries.get(key)?.levels ?? new Map<string, number>();
      let usedMs = 0;
      for (const other of byKey.get(key) ?? []) {
        if (other === file || other.endsWith(".part")) continue;
        const facts = await statOrNull(join(folder, other));
        if (facts === null) continue; // another process has removed it
        const { size, mtimeMs } = facts;
        this.#bytes += size - (levels.get(other.slice(key.length + 1)) ?? 0);
        levels.set(other.slice(key.length + 1), size);
        usedMs = Math.max(usedMs, mtimeMs);
        known.add(other);
      }
      if (levels.size === 0) continue;
      known.add(file);
      if (!this.#entries.has(key)) found.push({ entry: { place, levels }, usedMs });
    }
    // Of equal times the later part of a prefix goes first.
    found.sort((a, b) => a.usedMs - b.usedMs || b.entry.place.firstPosition - a.entry.place.firstPosition);
    for (const { entry } of found) this.#entries.set(entry.place.key, entry);
    return known;
  }

  /** Which chunk that is; null when it is gone, or damaged. */
  async #readPlace(key: string): Promise<ChunkPlace | null> {
    const path = this.#chunkPath(`${key}.json`);
    const text = await readOrNull(path);
    if (text === null) return null;
    const place = readPlace(text);
    if (place !== null && place.key === key) return place;
    // A file appears whole: what cannot be read is damaged, however young it is.
    await rm(path, { force: true });
    return null;
  }

  /** What was begun to be written elsewhere than among the chunks. */
  async #parts(): Promise<string[]> {
    const folders = [this.#root, join(this.#root, "contexts"), join(this.#root, "tables")];
    const found = await Promise.all(
      folders.map(async (folder) => (await readdir(folder)).map((file) => join(folder, file))),
    );
    return found.flat().filter((path) => path.endsWith(".part"));
  }

  /** Says on disk what was used, for the next one who opens it. */
  async flush(nowUnixMs: number): Promise<void> {
    await this.#serially(async () => {
      let at = nowUnixMs - this.#entries.size;
      for (const [key, { levels }] of this.#entries) {
        at += 1;
        for (const level of levels.keys()) {
          await utimes(this.#chunkPath(`${key}.${level}`), at / 1000, at / 1000).catch(ignoreGone);
        }
      }
    });
  }

  #serially<T>(action: () => Promise<T>): Promise<T> {
    const result = this.#last.then(action, action);
    this.#last = result.catch(() => undefined);
    return result;
  }

  #chunkPath(file: string): string {
    return join(this.#root, "chunks", file);
  }

  #contextPath(name: string): string {
    if (!NAME.test(name) || name.startsWith(".")) {
      fail("invalid_request", `expected a name of letters, digits and ._-, got ${JSON.stringify(name)}`, {
        param: "name",
      });
    }
    return join(this.#root, "contexts", `${name}.json`);
  }

  #tablePath(id: string): string {
    if (!/^[0-9a-f]{16}$/.test(id)) fail("invalid_request", `expected an id of 16 hexadecimal digits, got ${id}`);
    return join(this.#root, "tables", id);
  }
}

function isSame(a: ChunkPlace, b: ChunkPlace): boolean {
  return (
    a.parent === b.parent &&
    a.firstPosition === b.firstPosition &&
    a.tokens.length === b.tokens.length &&
    a.tokens.every((token, i) => token === b.tokens[i])
  );
}

function isGone(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function ignoreGone(error: unknown): void {
  if (!isGone(error)) throw error;
}

async function statOrNull(path: string): Promise<{ readonly size: number; readonly mtimeMs: number } | null> {
  try {
    return await stat(path);
  } catch (error) {
    ignoreGone(error);
    return null;
  }
}

/** A young one may be what another process is writing: the place of a chunk before its first level, a level before it is whole. */
async function removeAbandoned(paths: readonly string[], nowUnixMs: number): Promise<void> {
  for (const path of paths) {
    const found = await statOrNull(path);
    if (found !== null && nowUnixMs - found.mtimeMs > ABANDONED_MS) await rm(path, { force: true });
  }
}

async function readOrNull(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

const isTokens = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((token) => Number.isInteger(token) && token >= 0);

/** What a file says, when it is an object. */
function fieldsOf(text: Buffer): Record<string, unknown> | null {
  if (text.length > PLACE_BYTES_MAX) return null;
  try {
    const value: unknown = JSON.parse(text.toString("utf8"));
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : null;
  } catch {
    return null; // damaged: as good as absent
  }
}

function readPlace(text: Buffer): ChunkPlace | null {
  const fields = fieldsOf(text);
  if (fields === null) return null;
  const { key, parent, firstPosition, tokens } = fields;
  const isKey = (value: unknown): boolean => typeof value === "string" && KEY.test(value);
  if (!isKey(key) || !(parent === null || isKey(parent)) || !isTokens(tokens)) return null;
  return Number.isInteger(firstPosition) ? (fields as unknown as ChunkPlace) : null;
}

function readContext(text: Buffer): NamedContext | null {
  const fields = fieldsOf(text);
  if (fields === null || typeof fields["name"] !== "string" || !isTokens(fields["tokens"])) return null;
  return typeof fields["createdUnixMs"] === "number" ? (fields as unknown as NamedContext) : null;
}
