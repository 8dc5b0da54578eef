/**
 * One file of a hub onto the disk: continued where the last attempt broke off, retried while there is hope, kept only
 * when size and checksum are right, and then put in place under its checksum's name in one step.
 *
 *   blobs/<hash>.punctual-partial   grows; survives breaks, cancellation and the end of the process
 *   blobs/<hash>                    whole and checked, or not there
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, rename, rm, stat, type FileHandle } from "node:fs/promises";
import { fail, PunctualError } from "../../core/index.ts";
import { sleep } from "../clock.ts";
import { RangeIgnored, type Hub, type HubBody } from "./hub.ts";
import type { HubReference } from "./reference.ts";
import type { HubFile } from "./select.ts";

/** One file to fetch. */
export interface BlobJob {
  readonly hub: Hub;
  readonly reference: HubReference;
  readonly commit: string;
  readonly file: HubFile;
  /** Where the checked file goes. */
  readonly target: string;
  readonly signal?: AbortSignal;
  /** Bytes on the disk so far, from 0 to `file.bytes`; falls when a broken part has to be thrown away. */
  readonly onBytes?: (bytes: number) => void;
  readonly retry: RetryOptions;
}

/** How stubborn a download is. */
export interface RetryOptions {
  /** Failed attempts in a row that brought nothing before it gives up. */
  readonly attempts: number;
  /** Pause after the first of them, doubled for each further one, milliseconds. */
  readonly backoffMs: number;
}

/** The end of a partial file's name. */
export const PARTIAL = ".punctual-partial";
const LONGEST_BACKOFF_MS = 10_000;

/**
 * Fetches the file unless it is there.
 * @throws PunctualError cancelled, download_failed (also for a wrong checksum), out_of_space, unauthorized, model_not_found.
 */
export async function downloadBlob(job: BlobJob): Promise<void> {
  if ((await sizeOf(job.target)) === job.file.bytes) {
    job.onBytes?.(job.file.bytes);
    return;
  }
  let failures = 0;
  let wrong = 0;
  for (;;) {
    const before = (await sizeOf(job.target + PARTIAL)) ?? 0;
    try {
      if (await attempt(job)) return;
      // A whole file with a wrong checksum: perhaps a part of it was another file's. Once more from the start.
      wrong += 1;
      if (wrong > 1) break;
    } catch (error) {
      const gained = ((await sizeOf(job.target + PARTIAL)) ?? 0) > before;
      failures = gained ? 0 : failures + 1;
      if (!(isPassing(error) && failures < job.retry.attempts)) throw error;
      const asked = error instanceof PunctualError ? (error.retryAfterMs ?? 0) : 0;
      const backoffMs = Math.min(LONGEST_BACKOFF_MS, job.retry.backoffMs * 2 ** failures);
      await sleep(Math.max(backoffMs, Math.min(asked, LONGEST_BACKOFF_MS)), job.signal);
    }
    if (job.signal?.aborted === true) fail("cancelled", "The download was cancelled.");
  }
  return fail(
    "download_failed",
    `${job.file.path} came twice with another checksum than the hub states (${job.file.hash.hex}).`,
    { param: job.file.path },
  );
}

/** Whether trying again can help: the network and the hub's bad days, not refusals and full disks. */
function isPassing(error: unknown): boolean {
  return error instanceof PunctualError && error.code === "download_failed";
}

/** One connection. True when the file is in place, false when it was whole but wrong. */
async function attempt(job: BlobJob): Promise<boolean> {
  const partial = job.target + PARTIAL;
  const { bytes } = job.file;
  let offset = (await sizeOf(partial)) ?? 0;
  if (offset > bytes) {
    await rm(partial);
    offset = 0;
  }
  job.onBytes?.(offset);
  const kept = startHash(job.file);
  if (offset > 0) for await (const piece of createReadStream(partial)) kept.update(piece as Buffer);
  const hash = offset < bytes || bytes === 0 ? await append(job, partial, offset, kept) : kept;
  if (hash.digest("hex") === job.file.hash.hex) {
    await rename(partial, job.target);
    return true;
  }
  await rm(partial);
  job.onBytes?.(0);
  return false;
}

/** Completes the partial file. Answers the checksum of all of it, which starts anew when the server knows no ranges. */
async function append(job: BlobJob, partial: string, offset: number, kept: Hash): Promise<Hash> {
  const handle = await open(partial, "a");
  try {
    if (job.file.bytes === 0) return kept;
    const { body, from } = await openFrom(job, handle, offset);
    const hash = from === offset ? kept : startHash(job.file);
    try {
      await copy(job, body, handle, from, hash);
    } finally {
      await body.close();
    }
    await handle.sync();
    return hash;
  } catch (error) {
    throw diskError(error, partial);
  } finally {
    await handle.close();
  }
}

async function openFrom(job: BlobJob, handle: FileHandle, offset: number): Promise<{ body: HubBody; from: number }> {
  const { hub, reference, commit, file, signal } = job;
  try {
    return { body: await hub.open(reference, commit, file, offset, signal), from: offset };
  } catch (error) {
    if (!(error instanceof RangeIgnored)) throw error;
    await handle.truncate(0);
    job.onBytes?.(0);
    return { body: await hub.open(reference, commit, file, 0, signal), from: 0 };
  }
}

async function copy(job: BlobJob, body: HubBody, handle: FileHandle, from: number, hash: Hash): Promise<void> {
  const { path, bytes } = job.file;
  const reader = body.stream.getReader();
  let at = from;
  try {
    for (;;) {
      const { done, value } = await read(job, body, reader);
      if (done) break;
      body.keepAlive();
      if (at + value.length > bytes) {
        await handle.truncate(0);
        fail("download_failed", `${path}: expected ${bytes} bytes, the hub sends more.`, { param: path });
      }
      hash.update(value);
      await handle.write(value);
      at += value.length;
      job.onBytes?.(at);
    }
  } finally {
    reader.releaseLock();
  }
  if (at < bytes) fail("download_failed", `${path} broke off after ${at} of ${bytes} bytes.`, { param: path });
}

/** A piece; the stream's error in our terms. */
async function read(
  job: BlobJob,
  body: HubBody,
  reader: ReadableStreamDefaultReader<Uint8Array>,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  try {
    return await reader.read();
  } catch (cause) {
    if (job.signal?.aborted === true) return fail("cancelled", "The download was cancelled.", { cause });
    const known = body.failure();
    if (known instanceof PunctualError) throw known;
    const why = cause instanceof Error ? cause.message : String(cause);
    return fail("download_failed", `${job.file.path}: the connection broke (${why}).`, { cause, param: job.file.path });
  }
}

/** SHA-256 of the bytes, or git's name of a blob: SHA-1 of "blob <bytes>\0" and the bytes. */
function startHash({ hash, bytes }: HubFile): Hash {
  if (hash.kind === "sha256") return createHash("sha256");
  return createHash("sha1").update(`blob ${bytes}\0`);
}

function diskError(error: unknown, path: string): unknown {
  const code = error instanceof Error && "code" in error ? error.code : null;
  if (code !== "ENOSPC" && code !== "EDQUOT") return error;
  return new PunctualError("out_of_space", `The disk of ${path} is full.`, { cause: error });
}

async function sizeOf(path: string): Promise<number | null> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
