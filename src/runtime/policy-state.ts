/**
 * What an engine's policy has learnt, kept in a file across restarts: read at start, written at a graceful stop, in pauses, and
 * under lasting load every now and then. The file appears whole (by rename) and is for its owner only. Whatever is wrong
 * with it is a warning that names the fault: an engine starts without it, and serves on when it cannot be written.
 *
 * Two engines must not share a file: the last one that writes wins.
 */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import type { Clock } from "../core/index.ts";
import {
  MAX_LEARNT_CHARACTERS,
  Outlooks,
  readLearnt,
  writeLearnt,
  type LearntBy,
  type LearntState,
} from "../sched/index.ts";
import { PREDICTOR_SEED, type EnginePlan } from "./plan.ts";

const EVERY_MS = 180_000;
/** Without a pause: writing takes some milliseconds between two steps. */
const BUSY_EVERY_MS = 600_000;

/** What a file held: nothing where there is none, or where something is wrong with it. */
export interface PolicyStateFound {
  readonly learnt: LearntState | null;
  /** What is wrong with it. */
  readonly problem: string | null;
}

/** Reads a file; never throws. */
export function readPolicyState(path: string, by: LearntBy): PolicyStateFound {
  try {
    const { size } = statSync(path, { throwIfNoEntry: false }) ?? { size: null };
    if (size === null) return { learnt: null, problem: null };
    if (size > MAX_LEARNT_CHARACTERS) {
      return { learnt: null, problem: `'${path}' has ${size} bytes, at most ${MAX_LEARNT_CHARACTERS} are read` };
    }
    return { learnt: readLearnt(readFileSync(path, "utf8"), by), problem: null };
  } catch (error) {
    return { learnt: null, problem: `'${path}': ${errorText(error)}` };
  }
}

/** How a state is kept. */
export interface PolicyStateOptions {
  readonly path: string;
  readonly by: LearntBy;
  readonly clock: Clock;
  /** What has been learnt by now; null: nothing is. */
  readonly learnt: () => LearntState | null;
  readonly warn: (problem: string) => void;
}

const errorText = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** See the head of this file. */
export class PolicyStateKeeper {
  readonly #options: PolicyStateOptions;
  #savedMs: number;
  /** As it was written last. */
  #text: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #failed = false;

  constructor(options: PolicyStateOptions) {
    this.#options = options;
    this.#savedMs = options.clock.nowMs();
  }

  /** Between steps. */
  tick(): void {
    if (this.#options.clock.nowMs() - this.#savedMs >= BUSY_EVERY_MS) this.save();
  }

  /** Nothing is to be done: now, or if it stays so, later. */
  pause(): void {
    const leftMs = EVERY_MS - (this.#options.clock.nowMs() - this.#savedMs);
    if (leftMs <= 0) this.save();
    else this.#timer ??= setTimeout(() => this.save(), leftMs).unref();
  }

  /** Writes it, unless it is as it was. */
  save(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const { path, by, clock, learnt, warn } = this.#options;
    this.#savedMs = clock.nowMs();
    const state = learnt();
    if (state === null) return;
    const text = writeLearnt(by, state);
    if (text === this.#text) return;
    const fresh = `${path}.${process.pid}.tmp`;
    try {
      writeFileSync(fresh, text, { mode: 0o600 });
      renameSync(fresh, path);
      this.#text = text;
      this.#failed = false;
    } catch (error) {
      rmSync(fresh, { force: true });
      // Once, until it works again.
      if (!this.#failed) warn(`'${path}' cannot be written: ${errorText(error)}`);
      this.#failed = true;
    }
  }
}

/** The outlooks of an engine, with what an earlier one has learnt where that is kept. @param warn hears what is wrong with the file */
export function openOutlooks(
  path: string | undefined,
  { outlook, info }: EnginePlan,
  clock: Clock,
  warn: (problem: string) => void,
): { readonly outlooks: Outlooks; readonly keeper: PolicyStateKeeper | null } {
  if (path === undefined) return { outlooks: new Outlooks(outlook, PREDICTOR_SEED), keeper: null };
  const by = { model: info.name, vocabSize: info.vocabSize };
  const { learnt, problem } = readPolicyState(path, by);
  if (problem !== null) warn(`${problem}; it begins anew`);
  const outlooks = new Outlooks(outlook, PREDICTOR_SEED, learnt ?? undefined);
  return { outlooks, keeper: new PolicyStateKeeper({ path, by, clock, learnt: () => outlooks.learnt(), warn }) };
}
