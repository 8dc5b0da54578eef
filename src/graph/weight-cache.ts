/**
 * The packed, mapped weight cache: a folder of models as ORT has optimised and packed them. A session over
 * an entry maps the packed weights, so that any number of sessions, workers and processes share one copy.
 *
 *   <dir>/<key>/model.onnx    what ORT saved, offsets aligned (onnx/relayout.ts)
 *              /weights.bin   raw and packed weights
 *              /entry.json    size and CRC-32 of both; written last
 *              /used          touched at every use: its time orders the eviction
 *   <dir>/.known/<identity>   the key of the model of that identity, so that its weights need not be read to find it
 *
 * ORT's writer has been wrong before, silently, so a new entry is tried out against the session that made it.
 * Invariant: an entry appears whole, by renaming a folder, or not at all; it is never changed afterwards. Each
 * opening checks sizes and checksums (6 GB/s, and the pages are needed anyway). The checksum is against
 * accidents: whoever can write the folder is trusted.
 */
import { createHash, type Hash } from "node:crypto";
import { closeSync, existsSync, openSync, readFileSync, readSync } from "node:fs";
import {
  type FileHandle,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from "node:fs/promises";
import { arch, cpus } from "node:os";
import { basename, dirname, join } from "node:path";
import { crc32 } from "node:zlib";
import { assert, fail } from "../core/index.ts";
import { bytesOf } from "./onnx/dtypes.ts";
import { encodeOnnx, initializerData } from "./onnx/encode.ts";
import { initializerBytes, MODEL_FILE, WEIGHTS_FILE } from "./onnx/files.ts";
import { type Move, relayoutExternalData } from "./onnx/relayout.ts";
import type { GraphModel } from "./types.ts";

/** What ORT is asked to write while an entry is being made; the weights go to WEIGHTS_FILE. */
export const SAVED_FILE = "saved.onnx";

const UNALIGNED_FILE = "unaligned.bin";
const ENTRY_FILE = "entry.json";
const USED_FILE = "used";
const CHECKED_FILES = [MODEL_FILE, WEIGHTS_FILE];
const TEMPORARY_PREFIX = ".making-";
const KNOWN_FOLDER = ".known";
const KEY_LENGTH = 40;
/** A temporary folder older than this belongs to a writer that died. */
const ABANDONED_MS = 3_600_000;
/** Two writers and a damaged entry need two; more means that something else keeps spoiling it. */
const PUBLISH_ATTEMPTS = 4;
const CHUNK_BYTES = 4 * 1024 * 1024;
/** What is read is still in the second-level cache when it is summed. */
const SUMMED_BYTES = 256 * 1024;
/** Enough for several large models; an entry takes about twice the size of its weights. */
export const WEIGHT_CACHE_BYTES_DEFAULT = 32 * 1024 ** 3;

export interface WeightCache {
  /** Absolute path; made if missing. */
  readonly dir: string;
  /** When entries take more than this, the least recently used go. */
  readonly limitBytes: number;
}

/** Whether the model in a file computes what the one it was made from does. */
export type CheckModel = (path: string) => Promise<boolean>;
/** Makes ORT save a model as SAVED_FILE, with its external data as WEIGHTS_FILE, into a folder. */
export type SaveModel = (folder: string) => Promise<CheckModel>;

/**
 * The path of the packed model for `key`; made with `save` when it is not there, or is damaged. Throws
 * `unsupported` for models that cannot be kept (with subgraphs, or wrong when loaded back), and file system errors as they come.
 */
export async function openCached(cache: WeightCache, key: string, save: SaveModel): Promise<string> {
  const entry = join(cache.dir, key);
  await mkdir(cache.dir, { recursive: true });
  if (!(await isWhole(entry))) {
    const made = await makeEntry(cache.dir, save);
    await publish(made, entry);
    await evict(cache, key);
  }
  await touch(entry);
  return join(entry, MODEL_FILE);
}

/** Takes an entry out, for one that ORT refuses to load. */
export async function dropCached(cache: WeightCache, key: string): Promise<void> {
  await dropEntry(cache.dir, key);
}

/**
 * What a packed model depends on: its content, ORT's version, the way it was optimised, and the CPU, whose
 * instruction sets decide the packing.
 */
export function cacheKey(content: string, version: string, optimization: string): string {
  return createHash("sha256")
    .update([content, version, optimization, cpuIdentity()].join("\n"))
    .digest("hex")
    .slice(0, KEY_LENGTH);
}

/**
 * The key of a model: by its identity where one load has noted it, so that nothing of the weights is read, else by
 * its content, which is noted then.
 */
export async function findKey(dir: string, model: GraphModel, keyOf: (content: string) => string): Promise<string> {
  const identity = modelIdentity(model);
  if (identity === null) return keyOf(modelHash(model));
  const note = join(dir, KNOWN_FOLDER, keyOf(identity));
  const known = await readFile(note, "latin1").catch(() => "");
  if (/^[0-9a-f]+$/.test(known) && known.length === KEY_LENGTH) return known;
  const key = keyOf(modelHash(model));
  await writeNote(dir, note, key);
  return key;
}

/** Whole or not at all. A cache that cannot be written to serves as well; it is just slower to find things in. */
async function writeNote(dir: string, note: string, key: string): Promise<void> {
  try {
    await mkdir(dirname(note), { recursive: true });
    const folder = await mkdtemp(join(dir, TEMPORARY_PREFIX));
    await writeFile(join(folder, basename(note)), key);
    await rename(join(folder, basename(note)), note);
    await rm(folder, { recursive: true, force: true });
  } catch {
    // Found by content next time, too.
  }
}

function cpuIdentity(): string {
  const model = cpus()[0]?.model ?? "unknown";
  let flags = "";
  try {
    flags = /^(?:flags|Features)\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "latin1"))?.[1] ?? "";
  } catch {
    // Only Linux has the file; elsewhere the model name has to do.
  }
  return `${arch()} ${model} ${flags}`;
}

/**
 * SHA-256 of a model's structure and what its weights say they are; null when none says anything, or one whose data
 * would have to be made does not.
 */
function modelIdentity(model: GraphModel): string | null {
  if (model.initializers.every(({ identity }) => identity === undefined)) return null;
  const hash = hashOfStructure(model).update("identity");
  for (const { data, identity } of model.initializers) {
    if (identity !== undefined) hash.update(`\n${identity.length} ${identity}`);
    else if (data !== undefined) hash.update(bytesOf(data));
    else return null;
  }
  return hash.digest("hex");
}

function hashOfStructure(model: GraphModel): Hash {
  const external = { location: "hashed", offset: 0 };
  const initializers = model.initializers.map((initializer) => ({
    name: initializer.name,
    dtype: initializer.dtype,
    dims: initializer.dims,
    external: { ...external, length: initializerBytes(initializer) },
  }));
  return createHash("sha256").update(encodeOnnx({ ...model, initializers }));
}

/** SHA-256 of a model's structure and all its weights, which are loaded one by one. */
function modelHash(model: GraphModel): string {
  const hash = hashOfStructure(model);
  for (const initializer of model.initializers) {
    const data = initializerData(initializer);
    if (data === undefined)
      fail("invalid_graph", `initializer ${initializer.name} has no data`, { param: initializer.name });
    hash.update(bytesOf(data));
  }
  return hash.digest("hex");
}

interface FileSum {
  readonly bytes: number;
  readonly crc32: number;
}

type EntryRecord = Readonly<Record<string, FileSum>>;

async function makeEntry(dir: string, save: SaveModel): Promise<string> {
  const folder = await mkdtemp(join(dir, TEMPORARY_PREFIX));
  try {
    const check = await save(folder);
    const { model, moves } = relayoutExternalData(await readFile(join(folder, SAVED_FILE)));
    await writeFile(join(folder, MODEL_FILE), model);
    await align(folder, moves);
    await rm(join(folder, SAVED_FILE));
    if (!(await check(join(folder, MODEL_FILE)))) fail("unsupported", "ORT computes other numbers with saved weights");
    const sums: Record<string, FileSum> = {};
    for (const name of CHECKED_FILES) sums[name] = sumOf(join(folder, name));
    await writeFile(join(folder, ENTRY_FILE), JSON.stringify(sums satisfies EntryRecord));
    return folder;
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

/** Writes the weights again, each stretch at its new place. Without large weights ORT writes no file. */
async function align(folder: string, moves: readonly Move[]): Promise<void> {
  const from = join(folder, UNALIGNED_FILE);
  const to = join(folder, WEIGHTS_FILE);
  await renameIfThere(to, from);
  const target = await open(to, "w");
  try {
    if (moves.length === 0) return;
    const source = await open(from, "r");
    try {
      for (const move of moves) await copyStretch(source, target, move);
    } finally {
      await source.close();
    }
  } finally {
    await target.close();
    await rm(from, { force: true });
  }
}

async function copyStretch(source: FileHandle, target: FileHandle, move: Move): Promise<void> {
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, move.length));
  let done = 0;
  while (done < move.length) {
    const wanted = Math.min(buffer.byteLength, move.length - done);
    const { bytesRead } = await source.read(buffer, 0, wanted, move.from + done);
    assert(bytesRead > 0, "the saved weights are as long as the saved model says");
    let written = 0;
    while (written < bytesRead) {
      const { bytesWritten } = await target.write(buffer, written, bytesRead - written, move.to + done + written);
      written += bytesWritten;
    }
    done += bytesRead;
  }
}

/** Blocks the thread, as loading the file will: handing each piece to another thread and back takes half as long again. */
function sumOf(path: string): FileSum {
  const file = openSync(path, "r");
  const buffer = new Uint8Array(SUMMED_BYTES);
  let bytes = 0;
  let sum = 0;
  try {
    for (;;) {
      const count = readSync(file, buffer, 0, buffer.byteLength, bytes);
      if (count === 0) return { bytes, crc32: sum };
      sum = crc32(buffer.subarray(0, count), sum);
      bytes += count;
    }
  } finally {
    closeSync(file);
  }
}

/** Whether an entry is there and as it was written. */
async function isWhole(entry: string): Promise<boolean> {
  let record: unknown;
  try {
    record = JSON.parse(await readFile(join(entry, ENTRY_FILE), "utf8"));
    for (const name of CHECKED_FILES) {
      const expected = (record as Partial<EntryRecord> | null)?.[name];
      const path = join(entry, name);
      // The size first: it costs nothing and finds most accidents.
      if (expected === undefined || (await stat(path)).size !== expected.bytes) return false;
      if (sumOf(path).crc32 !== expected.crc32) return false;
    }
    return true;
  } catch {
    // Missing, unreadable or no JSON: whatever it is, it is not an entry.
    return false;
  }
}

/** Gives a finished folder its name. Another writer may have been faster: then its entry is as good. */
async function publish(made: string, entry: string): Promise<void> {
  for (let attempt = 0; attempt < PUBLISH_ATTEMPTS; attempt++) {
    try {
      await rename(made, entry);
      return;
    } catch (error) {
      // A folder with content in it cannot be renamed over, so this is the other writer's, or a damaged one.
      if (!existsSync(entry)) throw error;
    }
    if (await isWhole(entry)) {
      await rm(made, { recursive: true, force: true });
      return;
    }
    await dropEntry(dirname(entry), basename(entry));
  }
  fail("internal", `the weight cache entry ${entry} is damaged and cannot be replaced`);
}

/** Moves the entry aside first, so that nobody sees it half deleted. */
async function dropEntry(dir: string, key: string): Promise<void> {
  const trash = await mkdtemp(join(dir, TEMPORARY_PREFIX));
  await renameIfThere(join(dir, key), join(trash, key));
  await rm(trash, { recursive: true, force: true });
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (existsSync(from)) throw error;
  }
}

/** Marks an entry as used now. The file system's clock is the one all processes share. */
async function touch(entry: string): Promise<void> {
  try {
    await writeFile(join(entry, USED_FILE), "1");
  } catch {
    // A read-only cache serves as well; it is just not evicted from.
  }
}

/** Removes what was used longest ago until the rest fits, and what writers that died left behind. */
async function evict(cache: WeightCache, keep: string): Promise<void> {
  const marker = await mkdtemp(join(cache.dir, TEMPORARY_PREFIX));
  const nowMs = (await stat(marker)).mtimeMs;
  await rm(marker, { recursive: true });
  const entries: { key: string; bytes: number; usedMs: number }[] = [];
  for (const key of await readdir(cache.dir)) {
    const path = join(cache.dir, key);
    if (key.startsWith(TEMPORARY_PREFIX)) {
      const made = await stat(path).catch(() => undefined);
      if (made !== undefined && nowMs - made.mtimeMs > ABANDONED_MS) await rm(path, { recursive: true, force: true });
    } else if (key !== keep && !key.startsWith(".")) entries.push({ key, ...(await usage(path)) });
  }
  let total = (await usage(join(cache.dir, keep))).bytes;
  for (const entry of entries.toSorted((left, right) => right.usedMs - left.usedMs)) {
    total += entry.bytes;
    // Sessions that have the files mapped keep them until they are released.
    if (total > cache.limitBytes) await dropEntry(cache.dir, entry.key);
  }
  await forgetNotes(cache.dir);
}

/** Removes the notes whose entries are gone, so that there are never many more of them than entries. */
async function forgetNotes(dir: string): Promise<void> {
  const folder = join(dir, KNOWN_FOLDER);
  for (const name of await readdir(folder).catch((): string[] => [])) {
    const note = join(folder, name);
    const key = await readFile(note, "latin1").catch(() => "");
    if (!existsSync(join(dir, key, ENTRY_FILE))) await rm(note, { force: true });
  }
}

/** Size and last use of an entry; zero where another process is just removing it. */
async function usage(entry: string): Promise<{ bytes: number; usedMs: number }> {
  let bytes = 0;
  let usedMs = 0;
  for (const name of [...CHECKED_FILES, USED_FILE]) {
    const file = await stat(join(entry, name)).catch(() => undefined);
    if (file === undefined) continue;
    bytes += file.size;
    usedMs = Math.max(usedMs, file.mtimeMs);
  }
  return { bytes, usedMs };
}
