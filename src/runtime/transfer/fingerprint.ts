/**
 * Which model an engine serves, as a name that another machine gives it too: a hash over the model's files and over how the
 * engine stores weights, keys and values. Engines of one fingerprint can take over each other's sequences and pages.
 *
 * Files up to 64 MiB are hashed whole. Of larger ones, their size, the first 16 MiB (headers and vocabularies of every format),
 * the last and 64 blocks between: 21 MiB, a few dozen milliseconds, whatever the size. Two files that agree in all of that but differ elsewhere
 * have one fingerprint; that takes intent. Not part of it: where files are and what they are called outside their folder,
 * cards and scores, the processor (whose int8 instructions may round int4 weights' sums differently).
 */
import { createHash, type Hash } from "node:crypto";
import { open, readdir, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { HEADS_WEIGHTS_FILE } from "../../llm/index.ts";
import type { EngineOptions } from "../types.ts";

const WHOLE_BYTES = 64 * 2 ** 20;
const HEAD_BYTES = 16 * 2 ** 20;
const BLOCKS = 64;
const BLOCK_BYTES = 64 * 1024;
/** Between two of these others get their turn on this thread. */
const PIECE_BYTES = 2 ** 20;
/** Files of a folder that say what the model says; weights may be in several. */
const OF_MODEL =
  /^(?:config|generation_config|tokenizer|tokenizer_config)\.json$|^chat_template\.jinja$|\.safetensors(?:\.index\.json)?$/;

/** 32 hexadecimal digits. @throws Error of the file system. */
export async function modelFingerprint({
  model,
  weights = "f32",
  kvFormat = "f32",
  pageTokens = 16,
}: Pick<EngineOptions, "model" | "weights" | "kvFormat" | "pageTokens">): Promise<string> {
  const hash = createHash("sha256");
  hash.update(JSON.stringify(["punctual-model", 1, weights, kvFormat, pageTokens]));
  if ("random" in model) hash.update(JSON.stringify([sorted(model.random), model.seed]));
  else await addModel(hash, model.dir);
  return hash.digest("hex").slice(0, 32);
}

async function addModel(hash: Hash, path: string): Promise<void> {
  if ((await stat(path)).isFile()) return addFile(hash, path);
  // Draft heads change nothing that is said: with them or without, it is one model.
  const names = (await readdir(path)).filter((name) => OF_MODEL.test(name) && name !== HEADS_WEIGHTS_FILE).toSorted();
  for (const name of names) {
    hash.update(JSON.stringify(name));
    await addFile(hash, join(path, name));
  }
}

async function addFile(hash: Hash, path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    hash.update(JSON.stringify(size));
    if (size <= WHOLE_BYTES) return await addRange(hash, handle, 0, size);
    await addRange(hash, handle, 0, HEAD_BYTES);
    const stride = (size - HEAD_BYTES) / BLOCKS;
    for (let i = 1; i <= BLOCKS; i++) {
      const end = HEAD_BYTES + Math.floor(i * stride);
      await addRange(hash, handle, end - BLOCK_BYTES, end);
    }
  } finally {
    await handle.close();
  }
}

async function addRange(hash: Hash, handle: FileHandle, from: number, to: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(PIECE_BYTES, to - from));
  for (let at = from; at < to;) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, to - at), at);
    if (bytesRead === 0) return; // it has become shorter: its size was hashed
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** Plain data with its keys in order, so that equal data has equal JSON. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
