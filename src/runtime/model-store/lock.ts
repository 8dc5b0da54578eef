/**
 * One process at a time per repository of the cache: a file that its holder keeps counting in. Node has no flock, so
 * whether a holder lives is judged by what can be seen: its process on this machine, or else that its count stands still for
 * longer than it ever may, by the waiter's own clock. No wall clock is read or compared.
 *
 *   <repository>.lock   {"token":"…","host":"…","pid":123,"beat":17}
 */
import { randomUUID } from "node:crypto";
import { link, mkdir, open, readFile, rename, rm, type FileHandle } from "node:fs/promises";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { fail, type Clock } from "../../core/index.ts";
import { liveClock, sleep } from "../clock.ts";

/** How a lock is waited for. */
export interface LockOptions {
  readonly signal?: AbortSignal;
  /** Longest wait for another process, milliseconds; half an hour when absent. */
  readonly waitMs?: number;
  /** The holder counts this often, milliseconds; 1000 when absent. */
  readonly beatMs?: number;
  /** A count that stands still for so long belongs to a dead holder, milliseconds; 20 000 when absent. */
  readonly staleMs?: number;
  /** Called once when it has to be waited for. */
  readonly onWait?: () => void;
  readonly clock?: Clock;
}

/** A held lock. */
export interface HeldLock extends AsyncDisposable {
  /** Aborts when another process has taken the lock over: this one was believed dead. */
  readonly lost: AbortSignal;
}

interface Holder {
  readonly token: string;
  readonly host: string;
  readonly pid: number;
  readonly beat: number;
}

const DEFAULTS = { waitMs: 30 * 60_000, beatMs: 1000, staleMs: 20_000 };
const LOOK_MS = 100;

/** @throws PunctualError cancelled; request_timeout when the holder outlasts the wait. */
export async function takeLock(path: string, options: LockOptions = {}): Promise<HeldLock> {
  const { waitMs = DEFAULTS.waitMs, staleMs = DEFAULTS.staleMs, clock = liveClock, signal } = options;
  const token = randomUUID();
  await mkdir(dirname(path), { recursive: true });
  const startMs = clock.nowMs();
  let seen: string | null = null;
  let seenMs = startMs;
  let file = await tryTake(path, token);
  while (file === null) {
    if (seen === null) options.onWait?.();
    const text = await readOrNull(path);
    if (text !== seen) {
      seen = text ?? "";
      seenMs = clock.nowMs();
    }
    if (text !== null && (isDead(text) || clock.nowMs() - seenMs > staleMs)) await breakLock(path, text);
    else if (clock.nowMs() - startMs > waitMs) {
      fail("request_timeout", `Another process has held ${path} for ${waitMs} ms.`);
    } else await sleep(LOOK_MS, signal);
    if (signal?.aborted === true) fail("cancelled", "Waiting for another process was cancelled.");
    file = await tryTake(path, token);
  }
  return hold(path, file, token, options.beatMs ?? DEFAULTS.beatMs);
}

/** Longer than any holder's text: a count is written over the one before it, so all have one length. */
const TEXT_BYTES = 512;

function describe(token: string, beat: number): string {
  return JSON.stringify({ token, host: hostname(), pid: process.pid, beat } satisfies Holder).padEnd(TEXT_BYTES);
}

/** The new lock file, open for its counts; null when there is one. */
async function tryTake(path: string, token: string): Promise<FileHandle | null> {
  let file: FileHandle;
  try {
    file = await open(path, "wx");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return null;
    throw error;
  }
  await file.write(describe(token, 0), 0);
  return file;
}

/** True when the text names a process of this machine that is gone. */
function isDead(text: string): boolean {
  const holder = parse(text);
  if (holder === null || holder.host !== hostname() || holder.pid === process.pid) return false;
  try {
    process.kill(holder.pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}

/**
 * Removes the file of a holder that is dead or done. Two waiters may come to that at once: the file is moved aside first, and one that turns out to
 * be somebody else's is put back.
 */
async function breakLock(path: string, dead: string): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  const moved = await readOrNull(aside);
  if (parse(moved ?? "")?.token !== parse(dead)?.token) await link(aside, path).catch(() => undefined); // taken meanwhile
  await rm(aside, { force: true });
}

function hold(path: string, file: FileHandle, token: string, beatMs: number): HeldLock {
  const lost = new AbortController();
  const over = new AbortController();
  const isOurs = async (): Promise<boolean> => parse((await readOrNull(path)) ?? "")?.token === token;
  const beating = (async () => {
    for (let beat = 1; ; beat++) {
      await sleep(beatMs, over.signal);
      if (over.signal.aborted) return;
      // Into the file that was made, whatever its name is by now: another holder's count is never overwritten.
      await file.write(describe(token, beat), 0);
      if (await isOurs()) continue;
      lost.abort();
      return;
    }
  })();
  beating.catch(() => lost.abort()); // without beats others take it over
  return {
    lost: lost.signal,
    [Symbol.asyncDispose]: async () => {
      over.abort();
      await beating.catch(() => undefined); // told through `lost`
      await file.close();
      if (await isOurs()) await breakLock(path, describe(token, 0));
    },
  };
}

function parse(text: string): Holder | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return null;
    const { token, host, pid, beat } = value as Partial<Holder>;
    if (typeof token !== "string" || typeof host !== "string") return null;
    return Number.isInteger(pid) && pid! > 0 && Number.isInteger(beat) ? { token, host, pid: pid!, beat: beat! } : null;
  } catch {
    return null; // half written, or not ours: judged by its standing still
  }
}

async function readOrNull(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}
