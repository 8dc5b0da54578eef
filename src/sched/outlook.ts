/**
 * What a driver knows about a request beyond the request itself, and tells policies in the view: how long its answer may
 * become, and how its compound task stands. Pure and deterministic: the same calls in the same order give the same
 * answers, so that a simulator that makes them sees what the live engine saw.
 *
 * `MeanOutlook` is the plain one: every answer is expected to be as long as answers were lately (before the first it says
 * nothing), tasks have attained service and no sub-deadlines. A predictor of lengths or a tracker of tasks is another Outlook.
 */
import { assert } from "../core/index.ts";
import type { LengthFeatures } from "./predict/features.ts";
import type { SequenceView, Slo, TaskStage } from "./types.ts";

/** A request as it arrives. */
export interface ArrivedRequest {
  /** As in the view. */
  readonly id: number;
  readonly arrivalMs: number;
  /** Token ids of the prompt. */
  readonly prompt: ArrayLike<number>;
  readonly maxTokens: number;
  readonly slo: Slo;
  readonly task?: Pick<TaskStage, "id" | "stage">;
  /** What a predictor knows of the prompt, where that is not to be made from it (recordings and their replays). */
  readonly features?: LengthFeatures;
}

/** The fields of a view that an outlook fills in. */
export type RequestOutlook = Pick<SequenceView, "expectedTokens" | "upperTokens" | "task" | "attainedTokens">;

/** Called by the driver at each moment of a request's life, in the order in which things happen. */
export interface Outlook {
  arrived(request: ArrivedRequest): void;
  /** Tokens whose keys and values were computed for the first time: nothing cached, nothing recomputed. */
  computed(id: number, tokens: number): void;
  /** @param complete false when it was cut, cancelled, refused or failed: its length says nothing about answers. */
  ended(id: number, generatedTokens: number, complete: boolean, nowMs: number): void;
  /** What to tell of a request that has not ended. */
  of(id: number, generatedTokens: number, nowMs: number): RequestOutlook;
  /**
   * Between steps, when answers are on their way: a moment for what learning takes. What it tells does not depend on being
   * given any, so that replays need not know when that was.
   */
  settle?(): void;
}

const DEFAULT_TASKS = 4096;

/** Tokens computed per compound task, of the last so many tasks. */
export class TaskLedger {
  readonly #limit: number;
  /** The one unheard of longest first. */
  readonly #tokens = new Map<string, number>();

  constructor(limit = DEFAULT_TASKS) {
    assert(limit >= 1, "a ledger has room");
    this.#limit = limit;
  }

  add(task: string, tokens: number): void {
    const total = this.attained(task) + tokens;
    this.#tokens.delete(task);
    this.#tokens.set(task, total);
    if (this.#tokens.size > this.#limit) this.#tokens.delete(this.#tokens.keys().next().value!);
  }

  /** 0 for a task that it does not know, or no more. */
  attained(task: string): number {
    return this.#tokens.get(task) ?? 0;
  }
}

/** Share of a new answer in the mean of lengths. */
const WEIGHT = 0.1;

/** The outlook at the head of this file. */
export class MeanOutlook implements Outlook {
  readonly #open = new Map<number, ArrivedRequest>();
  readonly #tasks: TaskLedger;
  #meanTokens: number | null = null;

  constructor(tasks: TaskLedger = new TaskLedger()) {
    this.#tasks = tasks;
  }

  arrived(request: ArrivedRequest): void {
    this.#open.set(request.id, request);
    if (request.task !== undefined) this.#tasks.add(request.task.id, 0);
  }

  computed(id: number, tokens: number): void {
    const task = this.#open.get(id)?.task;
    if (task !== undefined) this.#tasks.add(task.id, tokens);
  }

  ended(id: number, generatedTokens: number, complete: boolean): void {
    if (!this.#open.delete(id) || !complete) return;
    const mean = this.#meanTokens;
    this.#meanTokens = mean === null ? generatedTokens : mean + (generatedTokens - mean) * WEIGHT;
  }

  of(id: number, generatedTokens: number): RequestOutlook {
    const request = this.#open.get(id);
    assert(request !== undefined, "an outlook is asked of requests that have arrived and not ended");
    const { maxTokens, task } = request;
    const mean = this.#meanTokens;
    return {
      ...(mean === null ? {} : { expectedTokens: Math.max(generatedTokens, Math.min(maxTokens, mean)) }),
      ...(task === undefined ? {} : { task, attainedTokens: this.#tasks.attained(task.id) }),
    };
  }
}
